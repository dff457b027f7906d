/* Clocks, durations, RFC 3339, time zones.
 *
 * Inside a process: time_now_ns(), which goes on during suspend and never jumps (CLOCK_BOOTTIME). What is stored or
 * shown: time_wall_ns(), nanoseconds since 1970-01-01 UTC. Tests may shift both with time_test_shift(). */
#ifndef BASE_TIME_H
#define BASE_TIME_H

#include "base/str.h"
#include "base/time_zone.h"

#define NS_PER_US INT64_C(1000)
#define NS_PER_MS INT64_C(1000000)
#define NS_PER_S INT64_C(1000000000)
/* "2026-01-31T12:00:00.123456789Z" and its NUL. */
#define TIME_RFC3339_MAX 32

int64_t time_now_ns(void);
int64_t time_wall_ns(void);
/* Adds to both clocks from now on; for tests only. */
void time_test_shift(int64_t ns);

/* Identifies this boot of the machine, from /proc/sys/kernel/random/boot_id; 36 characters. */
str time_boot_id(void);

/* UTC with 0, 3, 6 or 9 digits of fraction, as ProtoJSON prints Timestamp. Years 0001 to 9999, else false. */
bool time_format_rfc3339(int64_t seconds, int32_t nanos, char out[TIME_RFC3339_MAX]);
/* The same with three digits always, so that lines of a log sort by it. Any ns since 1970. */
void time_format_ms(int64_t ns, char out[TIME_RFC3339_MAX]);
/* Accepts offsets, up to nine digits of fraction; "z" and "t" in lower case are refused, as protobuf does. */
bool time_parse_rfc3339(str s, int64_t *seconds, int32_t *nanos);

/* Seconds since 1970 of a civil date and time in UTC; proleptic Gregorian. */
int64_t time_from_civil(int64_t year, int month, int day, int hour, int minute, int second);
struct time_civil {
    int64_t year;
    int month, day, hour, minute, second;
    int weekday; /* 0 = Sunday */
};
void time_to_civil(int64_t seconds, struct time_civil *out);

/* "250ms", "1.5s", "2h30m", "7d"; a bare number is seconds. Units: ns us ms s m h d, each at most once, in any order.
 * False when it is empty, negative, or over 292 years. */
bool time_parse_duration(str s, int64_t *out_ns);

#endif

/* Clocks, RFC 3339, the civil calendar, durations. Any thread; the only state is the test shift and the boot id. */
#include "base/time.h"

#include <fcntl.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <time.h>
#include <unistd.h>

#define DAY_S INT64_C(86400)
/* 0001-01-01T00:00:00Z and 9999-12-31T23:59:59Z */
#define SECONDS_MIN INT64_C(-62135596800)
#define SECONDS_MAX INT64_C(253402300799)

static _Atomic int64_t shift_ns;

static int64_t read_clock(clockid_t id)
{
    struct timespec ts;
    clock_gettime(id, &ts);
    return (int64_t)ts.tv_sec * NS_PER_S + ts.tv_nsec + atomic_load_explicit(&shift_ns, memory_order_relaxed);
}

int64_t time_now_ns(void)
{
    return read_clock(CLOCK_BOOTTIME);
}

int64_t time_wall_ns(void)
{
    return read_clock(CLOCK_REALTIME);
}

void time_test_shift(int64_t ns)
{
    atomic_fetch_add(&shift_ns, ns);
}

static char boot_id[37];

static void read_boot_id(void)
{
    int fd = open("/proc/sys/kernel/random/boot_id", O_RDONLY | O_CLOEXEC);
    ssize_t n = fd >= 0 ? read(fd, boot_id, 36) : -1;
    if (fd >= 0)
        close(fd);
    if (n != 36)
        memcpy(boot_id, "00000000-0000-0000-0000-000000000000", sizeof(boot_id));
}

str time_boot_id(void)
{
    static pthread_once_t once = PTHREAD_ONCE_INIT;
    pthread_once(&once, read_boot_id);
    return str_make(boot_id, 36);
}

/* ---- civil calendar: years counted from March, so that the leap day is the last of a year ------------------------ */

static int64_t floor_div(int64_t a, int64_t b)
{
    return a / b - (a % b < 0);
}

static int64_t days_from_civil(int64_t year, int month, int day)
{
    int64_t months = month - 3;
    int64_t y = year + floor_div(months, 12);
    int64_t m = months - floor_div(months, 12) * 12;
    int64_t in_year = (153 * m + 2) / 5 + day - 1;
    /* 719468 days lie between 0000-03-01 and 1970-01-01. */
    return y * 365 + floor_div(y, 4) - floor_div(y, 100) + floor_div(y, 400) + in_year - 719468;
}

int64_t time_from_civil(int64_t year, int month, int day, int hour, int minute, int second)
{
    return days_from_civil(year, month, day) * DAY_S + hour * 3600 + minute * 60 + second;
}

void time_to_civil(int64_t seconds, struct time_civil *out)
{
    int64_t days = floor_div(seconds, DAY_S);
    int64_t of_day = seconds - days * DAY_S;
    int64_t since = days + 719468;
    int64_t era = floor_div(since, 146097); /* 400 years */
    int64_t d = since - era * 146097;
    int64_t y = (d - d / 1460 + d / 36524 - d / 146096) / 365;
    int64_t in_year = d - (365 * y + y / 4 - y / 100);
    int64_t m = (5 * in_year + 2) / 153;
    out->day = (int)(in_year - (153 * m + 2) / 5 + 1);
    out->month = (int)(m < 10 ? m + 3 : m - 9);
    out->year = era * 400 + y + (out->month <= 2);
    out->hour = (int)(of_day / 3600);
    out->minute = (int)(of_day / 60 % 60);
    out->second = (int)(of_day % 60);
    out->weekday = (int)(((days + 4) % 7 + 7) % 7);
}

static int days_in_month(int64_t year, int month)
{
    static const int days[] = {31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
    bool leap = (year % 4 == 0 && year % 100 != 0) || year % 400 == 0;
    return days[month - 1] + (month == 2 && leap);
}

/* ---- RFC 3339 ---------------------------------------------------------------------------------------------------- */

/* digits: 0, 3, 6 or 9 of the fraction. */
static void format(int64_t seconds, int32_t nanos, int digits, char out[TIME_RFC3339_MAX])
{
    struct time_civil c;
    char tmp[80];
    time_to_civil(seconds, &c);
    int n = snprintf(tmp, sizeof(tmp), "%04d-%02d-%02dT%02d:%02d:%02d", (int)c.year, c.month, c.day, c.hour, c.minute,
                     c.second);
    if (digits) {
        snprintf(tmp + n, 16, ".%09d", nanos);
        n += 1 + digits;
    }
    memcpy(out, tmp, (size_t)n);
    out[n] = 'Z';
    out[n + 1] = 0;
}

bool time_format_rfc3339(int64_t seconds, int32_t nanos, char out[TIME_RFC3339_MAX])
{
    if (seconds < SECONDS_MIN || seconds > SECONDS_MAX || nanos < 0 || nanos >= NS_PER_S)
        return false;
    format(seconds, nanos, nanos % 1000 ? 9 : nanos % 1000000 ? 6 : nanos ? 3 : 0, out);
    return true;
}

void time_format_ms(int64_t ns, char out[TIME_RFC3339_MAX])
{
    int64_t seconds = ns / NS_PER_S - (ns % NS_PER_S < 0);
    format(seconds, (int32_t)(ns % NS_PER_S + (ns % NS_PER_S < 0 ? NS_PER_S : 0)), 3, out);
}

/* Takes exactly `digits` digits and, unless it is 0, the character `then`. */
static bool take(str *s, size_t digits, char then, int *out)
{
    int v = 0;
    if (s->n < digits + (then != 0))
        return false;
    for (size_t i = 0; i < digits; i++) {
        if (s->p[i] < '0' || s->p[i] > '9')
            return false;
        v = v * 10 + (s->p[i] - '0');
    }
    if (then && s->p[digits] != then)
        return false;
    *s = str_skip(*s, digits + (then != 0));
    *out = v;
    return true;
}

static bool take_fraction(str *s, int32_t *nanos)
{
    int32_t v = 0;
    size_t n = 0;
    if (s->n == 0 || s->p[0] != '.') {
        *nanos = 0;
        return true;
    }
    *s = str_skip(*s, 1);
    while (n < s->n && s->p[n] >= '0' && s->p[n] <= '9' && n < 10)
        n++;
    if (n == 0 || n > 9)
        return false;
    for (size_t i = 0; i < 9; i++)
        v = v * 10 + (i < n ? s->p[i] - '0' : 0);
    *s = str_skip(*s, n);
    *nanos = v;
    return true;
}

static bool take_offset(str s, int64_t *seconds)
{
    int hour, minute;
    *seconds = 0;
    if (str_eq(s, STR("Z")))
        return true;
    if (s.n != 6 || (s.p[0] != '+' && s.p[0] != '-'))
        return false;
    str rest = str_skip(s, 1);
    if (!take(&rest, 2, ':', &hour) || !take(&rest, 2, 0, &minute) || hour > 23 || minute > 59)
        return false;
    *seconds = (hour * 3600 + minute * 60) * (s.p[0] == '-' ? -1 : 1);
    return true;
}

bool time_parse_rfc3339(str s, int64_t *seconds, int32_t *nanos)
{
    int year, month, day, hour, minute, second;
    int32_t fraction;
    int64_t offset;
    if (!take(&s, 4, '-', &year) || !take(&s, 2, '-', &month) || !take(&s, 2, 'T', &day))
        return false;
    if (!take(&s, 2, ':', &hour) || !take(&s, 2, ':', &minute) || !take(&s, 2, 0, &second))
        return false;
    if (!take_fraction(&s, &fraction) || !take_offset(s, &offset))
        return false;
    if (year < 1 || month < 1 || month > 12 || day < 1 || day > days_in_month(year, month))
        return false;
    if (hour > 23 || minute > 59 || second > 59)
        return false;
    int64_t t = time_from_civil(year, month, day, hour, minute, second) - offset;
    if (t < SECONDS_MIN || t > SECONDS_MAX)
        return false;
    *seconds = t;
    *nanos = fraction;
    return true;
}

/* ---- durations --------------------------------------------------------------------------------------------------- */

static const struct {
    const char *name;
    int64_t ns;
} units[] = {
    {"ns", 1},
    {"us", NS_PER_US},
    {"ms", NS_PER_MS},
    {"s", NS_PER_S},
    {"m", 60 * NS_PER_S},
    {"h", 3600 * NS_PER_S},
    {"d", 86400 * NS_PER_S},
};
#define UNIT_COUNT (sizeof(units) / sizeof(*units))
#define UNIT_S 3

static bool is_digit(char c)
{
    return c >= '0' && c <= '9';
}

__extension__ typedef unsigned __int128 wide;

/* whole.fraction * unit; what is below a nanosecond is dropped. */
static bool scaled(str whole, str fraction, int64_t unit_ns, int64_t *out)
{
    uint64_t w = 0, f = 0, scale = 1;
    if (whole.n && !str_to_u64(whole, &w))
        return false;
    fraction = str_head(fraction, 15);
    if (fraction.n && !str_to_u64(fraction, &f))
        return false;
    for (size_t i = 0; i < fraction.n; i++)
        scale *= 10;
    wide v = (wide)w * (uint64_t)unit_ns + (wide)f * (uint64_t)unit_ns / scale;
    if (v > INT64_MAX)
        return false;
    *out = (int64_t)v;
    return true;
}

/* Takes digits[.digits] off *s. */
static bool take_number(str *s, str *whole, str *fraction)
{
    size_t n = 0;
    while (n < s->n && is_digit(s->p[n]))
        n++;
    *whole = str_head(*s, n);
    *s = str_skip(*s, n);
    *fraction = str_head(*s, 0);
    if (s->n == 0 || s->p[0] != '.')
        return whole->n > 0;
    for (n = 1; n < s->n && is_digit(s->p[n]);)
        n++;
    *fraction = str_skip(str_head(*s, n), 1);
    *s = str_skip(*s, n);
    return whole->n + fraction->n > 0;
}

static size_t take_unit(str *s)
{
    size_t n = 0;
    while (n < s->n && s->p[n] >= 'a' && s->p[n] <= 'z')
        n++;
    for (size_t i = 0; i < UNIT_COUNT; i++)
        if (str_eq(str_head(*s, n), str_from(units[i].name))) {
            *s = str_skip(*s, n);
            return i;
        }
    return UNIT_COUNT;
}

bool time_parse_duration(str s, int64_t *out_ns)
{
    int64_t total = 0;
    bool seen[UNIT_COUNT + 1] = {false};
    size_t parts = 0;
    do {
        str whole, fraction;
        int64_t ns;
        if (!take_number(&s, &whole, &fraction))
            return false;
        size_t unit = s.n == 0 && parts == 0 ? UNIT_S : take_unit(&s);
        if (unit == UNIT_COUNT || seen[unit] || !scaled(whole, fraction, units[unit].ns, &ns))
            return false;
        if (__builtin_add_overflow(total, ns, &total))
            return false;
        seen[unit] = true;
        parts++;
    } while (s.n);
    *out_ns = total;
    return true;
}

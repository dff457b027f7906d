/* IANA time zones, read from the TZif files of /usr/share/zoneinfo (RFC 8536). Any thread. */
#ifndef BASE_TIME_ZONE_H
#define BASE_TIME_ZONE_H

#include "base/str.h"

struct time_zone;

/* "" and "UTC" need no file. NULL when unknown; shared by all callers, never freed. */
struct time_zone *time_zone_find(str name);
/* Seconds east of UTC at that instant. */
int32_t time_zone_offset(const struct time_zone *z, int64_t seconds);
/* The first instant after `seconds` from which the offset may be another one; INT64_MAX = it stays for ever. */
int64_t time_zone_next_change(const struct time_zone *z, int64_t seconds);

#endif

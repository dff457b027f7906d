/* Dates of HTTP headers. See s3_date_int.h. */
#include "object/s3_date_int.h"

#include "base/time.h"

static const char days[] = "SunMonTueWedThuFriSat", months[] = "JanFebMarAprMayJunJulAugSepOctNovDec";

str object_s3_date_format(struct arena *mem, int64_t seconds)
{
    struct time_civil c;
    time_to_civil(seconds, &c);
    return arena_printf(mem, "%.3s, %02d %.3s %04lld %02d:%02d:%02d GMT", days + 3 * c.weekday, c.day,
                        months + 3 * (c.month - 1), (long long)c.year, c.hour, c.minute, c.second);
}

static bool number(str s, size_t at, size_t n, int *out)
{
    int64_t v;
    if (s.p[at] < '0' || s.p[at] > '9' || !str_to_i64(str_make(s.p + at, n), &v))
        return false;
    *out = (int)v;
    return true;
}

bool object_s3_date_parse(str s, int64_t *seconds)
{
    int day, year, hour, minute, second, month = -1;
    if (s.n != 29 || s.p[3] != ',' || !str_ends(s, STR(" GMT")) || s.p[19] != ':' || s.p[22] != ':')
        return false;
    for (int i = 0; i < 12; i++)
        if (!memcmp(s.p + 8, months + 3 * i, 3))
            month = i + 1;
    if (month < 0 || !number(s, 5, 2, &day) || !number(s, 12, 4, &year) || !number(s, 17, 2, &hour) ||
        !number(s, 20, 2, &minute) || !number(s, 23, 2, &second))
        return false;
    if (day < 1 || day > 31 || hour > 23 || minute > 59 || second > 60)
        return false;
    *seconds = time_from_civil(year, month, day, hour, minute, second);
    return true;
}

/* See duration.h. */
#include "base/duration.h"

#include "base/time.h"

/* ---- writing ----------------------------------------------------------------------------------------------------- */

/* A part of a second with its unit; a fraction without zeros at its end. */
static void put_fraction(buf *b, uint64_t value, uint64_t unit, const char *name)
{
    char digits[16];
    size_t n = 0;
    buf_u64(b, value / unit);
    for (uint64_t rest = value % unit, of = unit / 10; rest && of; of /= 10) {
        digits[n++] = (char)('0' + rest / of);
        rest %= of;
    }
    if (n)
        buf_char(b, '.');
    buf_add(b, digits, n);
    buf_str(b, str_from(name));
}

void duration_put(buf *b, int64_t seconds, int32_t nanos)
{
    if (seconds < 0 || nanos < 0)
        buf_char(b, '-');
    uint64_t s = seconds < 0 ? -(uint64_t)seconds : (uint64_t)seconds;
    uint64_t ns = nanos < 0 ? -(uint64_t)nanos : (uint64_t)nanos;
    if (s == 0) {
        if (ns == 0)
            buf_str(b, STR("0s"));
        else if (ns < 1000)
            put_fraction(b, ns, 1, "ns");
        else
            put_fraction(b, ns, ns < 1000000 ? 1000 : 1000000, ns < 1000000 ? "\u00b5s" : "ms");
        return;
    }
    if (s >= 3600)
        buf_printf(b, "%lluh", (unsigned long long)(s / 3600));
    if (s >= 60)
        buf_printf(b, "%llum", (unsigned long long)(s / 60 % 60));
    put_fraction(b, s % 60 * 1000000000 + ns, 1000000000, "s");
}

/* ---- reading ----------------------------------------------------------------------------------------------------- */

/* Nanoseconds; 64 bits hold 292 years only. */
__extension__ typedef unsigned __int128 wide;
#define TOTAL_MAX ((wide)DURATION_SECONDS_MAX * NS_PER_S)

static bool take_unit(str *s, uint64_t *ns)
{
    static const struct {
        const char *name;
        int64_t ns;
    } units[] = {{"ns", 1},       {"us", 1000},    {"\u00b5s", 1000},    {"\u03bcs", 1000},
                 {"ms", 1000000}, {"s", NS_PER_S}, {"m", 60 * NS_PER_S}, {"h", 3600 * NS_PER_S}};
    for (size_t i = 0; i < sizeof(units) / sizeof(*units); i++)
        if (str_starts(*s, str_from(units[i].name))) {
            *ns = (uint64_t)units[i].ns;
            *s = str_skip(*s, strlen(units[i].name));
            return true;
        }
    return false;
}

/* Digits off *s, at most `most` of which count: as a number and as a power of ten. */
static size_t take_digits(str *s, size_t most, uint64_t *value, uint64_t *scale)
{
    size_t n = 0;
    *value = 0;
    *scale = 1;
    for (; n < s->n && s->p[n] >= '0' && s->p[n] <= '9'; n++) {
        if (n >= most)
            continue;
        *value = *value * 10 + (uint64_t)(s->p[n] - '0');
        *scale *= 10;
    }
    *s = str_skip(*s, n);
    return n;
}

/* "1.5h" off *s. */
static bool take_part(str *s, wide *total)
{
    uint64_t whole, part = 0, ignored, scale = 1, unit;
    while (s->n > 1 && s->p[0] == '0' && s->p[1] == '0')
        *s = str_skip(*s, 1); /* so that digits that count nothing do not fill the room of those that do */
    size_t digits = take_digits(s, 19, &whole, &ignored);
    if (digits > 19)
        return false;
    if (s->n && s->p[0] == '.') {
        *s = str_skip(*s, 1);
        digits += take_digits(s, 18, &part, &scale);
    }
    if (digits == 0 || !take_unit(s, &unit))
        return false;
    *total += (wide)whole * unit + (wide)part * unit / scale;
    return *total <= TOTAL_MAX;
}

bool duration_parse(str s, int64_t *seconds, int32_t *nanos)
{
    wide total = 0;
    int sign = s.n && s.p[0] == '-' ? -1 : 1;
    if (s.n && (s.p[0] == '-' || s.p[0] == '+'))
        s = str_skip(s, 1);
    if (s.n == 0)
        return false;
    if (str_eq(s, STR("0")))
        s = STR("0s");
    while (s.n)
        if (!take_part(&s, &total))
            return false;
    *seconds = sign * (int64_t)(total / NS_PER_S);
    *nanos = sign * (int32_t)(total % NS_PER_S);
    return true;
}

/* Texts of JSON tokens as values. Pure functions, any thread. */
#include "pb/json_value_int.h"

#include "base/time.h"

#include <math.h>
#include <stdlib.h>

/* From here on a double rounds to no finite float. */
#define FLOAT_END 0x1.ffffffp127
#define DURATION_MAX_S INT64_C(315576000000)

static bool out_of_range(struct pb_json_scan *s)
{
    return pb_json_scan_fail(s, "number out of range");
}

/* text is a number of JSON. */
static bool real(struct pb_json_scan *s, str text, double *out)
{
    char some[64], *copy = some;
    if (text.n >= sizeof(some) && !(copy = arena_try_alloc(s->mem, 1, text.n + 1)))
        return pb_json_scan_full(s);
    memcpy(copy, text.p, text.n);
    copy[text.n] = 0;
    *out = strtod(copy, NULL);
    return true;
}

/* Sign and magnitude of a whole number; the usual case, digits alone, is exact to 64 bits. */
static bool whole(struct pb_json_scan *s, str text, bool *negative, uint64_t *magnitude)
{
    double v;
    *negative = text.p[0] == '-';
    if (str_to_u64(str_skip(text, *negative), magnitude))
        return true;
    if (!real(s, text, &v))
        return false;
    v = fabs(v);
    if (v != trunc(v))
        return pb_json_scan_fail(s, "not a whole number");
    if (v >= 0x1p64)
        return out_of_range(s);
    *magnitude = (uint64_t)v;
    return true;
}

static bool store_signed(struct pb_json_scan *s, bool negative, uint64_t v, unsigned int bits, void *slot)
{
    if (v > (UINT64_C(1) << (bits - 1)) - !negative)
        return out_of_range(s);
    uint64_t value = negative ? -v : v;
    if (bits == 32)
        *(uint32_t *)slot = (uint32_t)value;
    else
        *(uint64_t *)slot = value;
    return true;
}

static bool store_unsigned(struct pb_json_scan *s, bool negative, uint64_t v, unsigned int bits, void *slot)
{
    if ((negative && v) || (bits == 32 && v > UINT32_MAX))
        return out_of_range(s);
    if (bits == 32)
        *(uint32_t *)slot = (uint32_t)v;
    else
        *(uint64_t *)slot = v;
    return true;
}

static bool store_real(struct pb_json_scan *s, enum pb_kind kind, str text, bool quoted, void *slot)
{
    double v;
    if (quoted && str_eq(text, STR("NaN")))
        v = (double)NAN;
    else if (quoted && str_eq(text, STR("Infinity")))
        v = (double)INFINITY;
    else if (quoted && str_eq(text, STR("-Infinity")))
        v = -(double)INFINITY;
    else if (!pb_json_scan_is_number(text))
        return pb_json_scan_fail(s, "expected a number");
    else if (!real(s, text, &v))
        return false;
    else if (isinf(v) || (kind == PB_FLOAT && fabs(v) >= FLOAT_END))
        return out_of_range(s);
    if (kind == PB_FLOAT)
        *(float *)slot = (float)v;
    else
        *(double *)slot = v;
    return true;
}

bool pb_json_value_number(struct pb_json_scan *s, enum pb_kind kind, str text, bool quoted, void *slot)
{
    bool negative;
    uint64_t v;
    if (kind == PB_FLOAT || kind == PB_DOUBLE)
        return store_real(s, kind, text, quoted, slot);
    if (quoted && !pb_json_scan_is_number(text))
        return pb_json_scan_fail(s, "expected a number");
    if (!whole(s, text, &negative, &v))
        return false;
    switch (kind) {
    case PB_UINT32:
    case PB_FIXED32:
        return store_unsigned(s, negative, v, 32, slot);
    case PB_UINT64:
    case PB_FIXED64:
        return store_unsigned(s, negative, v, 64, slot);
    case PB_INT64:
    case PB_SINT64:
    case PB_SFIXED64:
        return store_signed(s, negative, v, 64, slot);
    default:
        return store_signed(s, negative, v, 32, slot);
    }
}

bool pb_json_value_duration(str text, int64_t *seconds, int32_t *nanos)
{
    str whole_part, fraction;
    bool negative = str_starts(text, STR("-"));
    text = str_skip(text, negative);
    if (!str_ends(text, STR("s")))
        return false;
    bool has_fraction = str_cut(str_head(text, text.n - 1), '.', &whole_part, &fraction);
    uint64_t s, ns = 0;
    if (!str_to_u64(whole_part, &s) || s > (uint64_t)DURATION_MAX_S)
        return false;
    if (has_fraction && (fraction.n > 9 || !str_to_u64(fraction, &ns)))
        return false;
    for (size_t i = fraction.n; has_fraction && i < 9; i++)
        ns *= 10;
    if (s == (uint64_t)DURATION_MAX_S && ns)
        return false;
    *seconds = negative ? -(int64_t)s : (int64_t)s;
    *nanos = negative ? -(int32_t)ns : (int32_t)ns;
    return true;
}

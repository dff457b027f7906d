/* Quantities. See quantity.h. */
#include "engine/quantity.h"

#include <math.h>

static const struct {
    const char *suffix;
    double factor;
} suffixes[] = {
    {"Ki", 0x1p10}, {"Mi", 0x1p20}, {"Gi", 0x1p30}, {"Ti", 0x1p40}, {"Pi", 0x1p50},
    {"Ei", 0x1p60}, {"n", 1e-9},    {"u", 1e-6},    {"m", 1e-3},    {"k", 1e3},
    {"M", 1e6},     {"G", 1e9},     {"T", 1e12},    {"P", 1e15},    {"E", 1e18},
};

bool engine_quantity_milli(str text, int64_t *out)
{
    double value, factor = 1;
    for (size_t i = 0; i < sizeof(suffixes) / sizeof(*suffixes); i++)
        if (str_ends(text, str_from(suffixes[i].suffix))) {
            factor = suffixes[i].factor;
            text.n -= strlen(suffixes[i].suffix);
            break;
        }
    if (!text.n || !str_to_f64(text, &value) || !isfinite(value) || value < 0)
        return false;
    value = ceil(value * factor * 1000 - 1e-6);
    *out = value >= 0x1p62 ? INT64_C(1) << 62 : (int64_t)value;
    return true;
}

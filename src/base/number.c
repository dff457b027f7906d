/* See number.h. */
#include "base/number.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>

static void put_zeros(buf *b, int n)
{
    for (; n > 0; n--)
        buf_char(b, '0');
}

/* digits: d1d2d3..., of which d1 stands before the point when the exponent is 0. */
static void put_plain(buf *b, str digits, int exponent)
{
    int whole = exponent + 1;
    if (whole <= 0) {
        buf_str(b, STR("0."));
        put_zeros(b, -whole);
        buf_str(b, digits);
        return;
    }
    buf_str(b, str_head(digits, (size_t)whole));
    put_zeros(b, whole - (int)digits.n);
    if ((int)digits.n > whole) {
        buf_char(b, '.');
        buf_str(b, str_skip(digits, (size_t)whole));
    }
}

void number_put(buf *b, double v, int low, int high)
{
    char text[40], digits[20];
    size_t n = 0;
    if (!isfinite(v)) {
        buf_str(b, isnan(v) ? STR("NaN") : v > 0 ? STR("+Inf") : STR("-Inf"));
        return;
    }
    for (int places = 0; places < 17; places++) {
        snprintf(text, sizeof(text), "%.*e", places, fabs(v));
        if (strtod(text, NULL) == fabs(v))
            break;
    }
    const char *e = strchr(text, 'e');
    int exponent = (int)strtol(e + 1, NULL, 10);
    for (const char *c = text; c < e; c++)
        if (*c != '.')
            digits[n++] = *c;
    if (signbit(v))
        buf_char(b, '-');
    if (exponent >= low && exponent < high)
        put_plain(b, str_make(digits, n), exponent);
    else
        buf_str(b, str_from(text));
}

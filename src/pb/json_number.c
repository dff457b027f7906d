/* Numbers as JSON text: the shortest decimal that reads back as the same value. Pure functions, any thread. */
#include "pb/json_number.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

size_t pb_json_number_u64(char *to, uint64_t v)
{
    char digits[20];
    size_t n = 0;
    do {
        digits[n++] = (char)('0' + v % 10);
        v /= 10;
    } while (v);
    for (size_t i = 0; i < n; i++)
        to[i] = digits[n - 1 - i];
    return n;
}

size_t pb_json_number_i64(char *to, int64_t v)
{
    if (v >= 0)
        return pb_json_number_u64(to, (uint64_t)v);
    *to = '-';
    return 1 + pb_json_number_u64(to + 1, -(uint64_t)v);
}

static bool reads_back(const char *text, double v, bool single)
{
    double read = strtod(text, NULL);
    return single ? (float)read == (float)v : read == v;
}

/* Above a power of two the next value is twice as far as below it, so that the decimal on that side may read back where
 * the nearest one, below, does not. */
static bool rounded_up(char *to, int digits, double v, bool single)
{
    snprintf(to, PB_JSON_NUMBER_MAX, "%.*e", digits - 1, v);
    char *last = strchr(to, 'e') - 1;
    for (; last > to && (*last == '9' || *last == '.'); last--) {
        if (*last == '9')
            *last = '0';
    }
    if (*last < '0' || *last > '8')
        return false;
    ++*last;
    return reads_back(to, v, single);
}

size_t pb_json_number_real(char to[PB_JSON_NUMBER_MAX], double v, bool single)
{
    if (v == 0 && signbit(v)) {
        memcpy(to, "-0.0", 4); /* some readers take -0 for an integer */
        return 4;
    }
    if (v == trunc(v) && fabs(v) < 1e15)
        return pb_json_number_i64(to, (int64_t)v);
    /* Every decimal of that many digits survives the type, so fewer digits need no try; not so for subnormals. */
    int exponent, digits = single ? 6 : 15, most = single ? 9 : 17;
    bool power_of_two = fabs(frexp(v, &exponent)) == 0.5;
    if (fabs(v) < (single ? 1.2e-38 : 2.3e-308))
        digits = 1;
    for (;; digits++) {
        snprintf(to, PB_JSON_NUMBER_MAX, "%.*g", digits, v);
        if (digits == most || reads_back(to, v, single) || (power_of_two && rounded_up(to, digits, v, single)))
            return strlen(to);
    }
}

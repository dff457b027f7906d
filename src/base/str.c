/* Byte strings: comparison, search, splitting, numbers, UTF-8. Pure functions, any thread. */
#include "base/str.h"

#include <errno.h>
#include <stdlib.h>

int str_cmp(str a, str b)
{
    size_t n = a.n < b.n ? a.n : b.n;
    int c = n ? memcmp(a.p, b.p, n) : 0;
    if (c)
        return c;
    return a.n < b.n ? -1 : a.n > b.n;
}

static char lower(char c)
{
    return c >= 'A' && c <= 'Z' ? (char)(c + 32) : c;
}

bool str_eq_nocase(str a, str b)
{
    if (a.n != b.n)
        return false;
    for (size_t i = 0; i < a.n; i++)
        if (lower(a.p[i]) != lower(b.p[i]))
            return false;
    return true;
}

bool str_starts(str s, str prefix)
{
    return str_eq(str_head(s, prefix.n), prefix);
}

bool str_ends(str s, str suffix)
{
    return s.n >= suffix.n && str_eq(str_skip(s, s.n - suffix.n), suffix);
}

size_t str_find(str s, str needle)
{
    if (needle.n == 0)
        return 0;
    const char *hit = s.n ? memmem(s.p, s.n, needle.p, needle.n) : NULL;
    return hit ? (size_t)(hit - s.p) : SIZE_MAX;
}

size_t str_find_char(str s, char c)
{
    const char *hit = s.n ? memchr(s.p, c, s.n) : NULL;
    return hit ? (size_t)(hit - s.p) : SIZE_MAX;
}

size_t str_rfind_char(str s, char c)
{
    const char *hit = s.n ? memrchr(s.p, c, s.n) : NULL;
    return hit ? (size_t)(hit - s.p) : SIZE_MAX;
}

static bool is_space(char c)
{
    return c == ' ' || (c >= '\t' && c <= '\r');
}

str str_trim(str s)
{
    while (s.n && is_space(s.p[0]))
        s = str_skip(s, 1);
    while (s.n && is_space(s.p[s.n - 1]))
        s.n--;
    return s;
}

bool str_cut(str s, char c, str *head, str *tail)
{
    size_t at = str_find_char(s, c);
    if (at == SIZE_MAX) {
        *head = s;
        *tail = str_skip(s, s.n);
        return false;
    }
    *head = str_head(s, at);
    *tail = str_skip(s, at + 1);
    return true;
}

bool str_next(str *rest, char sep, str *piece)
{
    if (!rest->p)
        return false;
    if (!str_cut(*rest, sep, piece, rest))
        *rest = STR_NONE;
    return true;
}

bool str_to_u64(str s, uint64_t *out)
{
    uint64_t v = 0;
    if (s.n == 0)
        return false;
    for (size_t i = 0; i < s.n; i++) {
        if (s.p[i] < '0' || s.p[i] > '9')
            return false;
        if (__builtin_mul_overflow(v, (uint64_t)10, &v) || __builtin_add_overflow(v, (uint64_t)(s.p[i] - '0'), &v))
            return false;
    }
    *out = v;
    return true;
}

bool str_to_i64(str s, int64_t *out)
{
    bool neg = s.n && s.p[0] == '-';
    uint64_t v;
    if (!str_to_u64(neg ? str_skip(s, 1) : s, &v) || v > (uint64_t)INT64_MAX + neg)
        return false;
    *out = neg ? (int64_t)(0 - v) : (int64_t)v;
    return true;
}

bool str_to_f64(str s, double *out)
{
    char tmp[64], *end;
    if (s.n == 0 || s.n >= sizeof(tmp) || is_space(s.p[0]))
        return false;
    memcpy(tmp, s.p, s.n);
    tmp[s.n] = 0;
    double v = strtod(tmp, &end);
    if (end != tmp + s.n)
        return false;
    *out = v;
    return true;
}

#define DISTANCE_MAX 63

size_t str_distance(str a, str b)
{
    size_t rows[3][DISTANCE_MAX + 1];
    size_t *older = rows[0], *old = rows[1], *now = rows[2];
    if (a.n > DISTANCE_MAX || b.n > DISTANCE_MAX)
        return SIZE_MAX;
    for (size_t k = 0; k <= b.n; k++)
        now[k] = k;
    for (size_t i = 1; i <= a.n; i++) {
        size_t *spare = older;
        older = old;
        old = now;
        now = spare;
        now[0] = i;
        for (size_t k = 1; k <= b.n; k++) {
            size_t best = old[k - 1] + (a.p[i - 1] != b.p[k - 1]);
            if (best > old[k] + 1)
                best = old[k] + 1;
            if (best > now[k - 1] + 1)
                best = now[k - 1] + 1;
            bool swapped = i > 1 && k > 1 && a.p[i - 1] == b.p[k - 2] && a.p[i - 2] == b.p[k - 1];
            if (swapped && best > older[k - 2] + 1)
                best = older[k - 2] + 1;
            now[k] = best;
        }
    }
    return now[b.n];
}

uint64_t str_hash(str s)
{
    uint64_t h = 0xcbf29ce484222325u;
    for (size_t i = 0; i < s.n; i++)
        h = (h ^ (unsigned char)s.p[i]) * 0x100000001b3u;
    return h;
}

static inline uint64_t mix(uint64_t h, uint64_t v)
{
    h = (h ^ v) * 0x9e3779b97f4a7c15u;
    return h ^ h >> 32;
}

uint64_t str_mix(str s)
{
    uint64_t h = s.n, v;
    for (; s.n >= sizeof(v); s = str_skip(s, sizeof(v))) {
        memcpy(&v, s.p, sizeof(v));
        h = mix(h, v);
    }
    v = 0;
    if (s.n)
        memcpy(&v, s.p, s.n);
    return mix(h, v);
}

/* Length of the well-formed sequence at p (Table 3-7 of the Unicode standard), or 0. */
static size_t utf8_len(const unsigned char *p, size_t n)
{
    unsigned char lo = 0x80, hi = 0xbf;
    size_t len;
    if (p[0] < 0x80)
        return 1;
    if (p[0] >= 0xc2 && p[0] <= 0xdf)
        len = 2;
    else if (p[0] >= 0xe0 && p[0] <= 0xef)
        len = 3;
    else if (p[0] >= 0xf0 && p[0] <= 0xf4)
        len = 4;
    else
        return 0;
    if (p[0] == 0xe0)
        lo = 0xa0;
    else if (p[0] == 0xed)
        hi = 0x9f;
    else if (p[0] == 0xf0)
        lo = 0x90;
    else if (p[0] == 0xf4)
        hi = 0x8f;
    if (n < len || p[1] < lo || p[1] > hi)
        return 0;
    for (size_t i = 2; i < len; i++)
        if ((p[i] & 0xc0) != 0x80)
            return 0;
    return len;
}

size_t str_utf8_len(str s)
{
    return utf8_len((const unsigned char *)s.p, s.n);
}

str str_head_utf8(str s, size_t n)
{
    while (n && n < s.n && ((unsigned char)s.p[n] & 0xc0) == 0x80)
        n--;
    return str_head(s, n);
}

bool str_is_utf8(str s)
{
    const unsigned char *p = (const unsigned char *)s.p;
    size_t i = 0;
    while (i < s.n) {
        uint64_t w;
        while (i + 8 <= s.n && (memcpy(&w, p + i, 8), (w & 0x8080808080808080u) == 0))
            i += 8;
        if (i == s.n)
            break;
        size_t len = utf8_len(p + i, s.n - i);
        if (len == 0)
            return false;
        i += len;
    }
    return true;
}

/* Byte strings by value.
 *
 * A str borrows its bytes; whoever made them owns them. Strings that come from an arena also end in NUL, so
 * s.p may be given to libc, but a str cut out of another one does not: use str_cstr() when in doubt. */
#ifndef BASE_STR_H
#define BASE_STR_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

typedef struct str {
    const char *p;
    size_t n;
} str;

#define STR(lit) ((str){"" lit, sizeof(lit) - 1})
/* The same in the initializer of a static table, where ISO C wants constants. */
#define STR_INIT(lit)                                                                                                  \
    {                                                                                                                  \
        "" lit, sizeof(lit) - 1                                                                                        \
    }
#define STR_NONE ((str){NULL, 0})
/* printf("%.*s"): "name " STR_FMT, STR_ARG(name) */
#define STR_FMT "%.*s"
#define STR_ARG(s) (int)((s).n > INT32_MAX ? INT32_MAX : (s).n), ((s).p ? (s).p : "")

/* Borrows a C string; NULL gives the empty string. */
static inline str str_from(const char *c)
{
    return (str){c, c ? strlen(c) : 0};
}

static inline str str_make(const char *p, size_t n)
{
    return (str){p, n};
}

static inline bool str_eq(str a, str b)
{
    return a.n == b.n && (a.n == 0 || memcmp(a.p, b.p, a.n) == 0);
}

/* Bytes from `from` (clamped) to the end. */
static inline str str_skip(str s, size_t from)
{
    return from >= s.n ? (str){s.p ? s.p + s.n : NULL, 0} : (str){s.p + from, s.n - from};
}

/* The first n bytes (clamped). */
static inline str str_head(str s, size_t n)
{
    return (str){s.p, n < s.n ? n : s.n};
}

/* The same, but less rather than a part of a UTF-8 sequence. */
str str_head_utf8(str s, size_t n);

/* Moves the first n bytes (clamped) of *rest to `to`; how many. For a reader's callback. */
static inline size_t str_take(str *rest, char *to, size_t n)
{
    str piece = str_head(*rest, n);
    if (piece.n)
        memcpy(to, piece.p, piece.n);
    *rest = str_skip(*rest, piece.n);
    return piece.n;
}

/* memcmp order, shorter first. */
int str_cmp(str a, str b);
/* ASCII only. */
bool str_eq_nocase(str a, str b);
bool str_starts(str s, str prefix);
bool str_ends(str s, str suffix);
/* Position of the first occurrence, or SIZE_MAX. */
size_t str_find(str s, str needle);
size_t str_find_char(str s, char c);
/* Position of the last c, or SIZE_MAX. */
size_t str_rfind_char(str s, char c);
/* Without ASCII white space at both ends. */
str str_trim(str s);
/* Splits at the first c. Without one: *head = s, *tail = empty, false. */
bool str_cut(str s, char c, str *head, str *tail);
/* Takes the next piece before sep off *rest; false when *rest is exhausted. "a,,b" gives "a", "", "b". */
bool str_next(str *rest, char sep, str *piece);
/* Whole string must be a decimal number in range. */
bool str_to_i64(str s, int64_t *out);
bool str_to_u64(str s, uint64_t *out);
bool str_to_f64(str s, double *out);
/* Insertions, deletions, changes and swaps of neighbours that turn a into b: for "did you mean". Strings over 63 bytes
 * are SIZE_MAX away from everything. */
size_t str_distance(str a, str b);
/* FNV-1a, 64 bits: the same in every process, so it may be stored. Not for strangers' keys in bulk. */
uint64_t str_hash(str s);
/* For tables in memory: several times faster, and of no promised value. Not for strangers' keys in bulk. */
uint64_t str_mix(str s);
/* Well-formed UTF-8 as in RFC 3629 (no surrogates, no overlong forms). */
bool str_is_utf8(str s);
/* Bytes of the well-formed UTF-8 sequence that s (not empty) begins with, or 0. */
size_t str_utf8_len(str s);

#endif

/* Tokens of JSON text. Any thread; the arena belongs to the call. */
#include "pb/json_scan.h"

#include "base/codec.h"

#include "pb/json_plain_int.h"

bool pb_json_scan_fail(struct pb_json_scan *s, const char *problem)
{
    s->problem = problem;
    s->code = CODE_INVALID_ARGUMENT;
    return false;
}

bool pb_json_scan_full(struct pb_json_scan *s)
{
    s->problem = "message needs too much memory";
    s->code = CODE_RESOURCE_EXHAUSTED;
    return false;
}

static bool unexpected(struct pb_json_scan *s)
{
    return pb_json_scan_fail(s, s->p < s->end ? "unexpected character" : "text ends too early");
}

char pb_json_scan_space(struct pb_json_scan *s)
{
    while (s->p < s->end && (*s->p == ' ' || *s->p == '\n' || *s->p == '\t' || *s->p == '\r'))
        s->p++;
    return s->p < s->end ? *s->p : 0;
}

bool pb_json_scan_expect(struct pb_json_scan *s, char c)
{
    if (pb_json_scan_peek(s) != c || s->p == s->end)
        return unexpected(s);
    s->p++;
    return true;
}

bool pb_json_scan_word(struct pb_json_scan *s, str word)
{
    if ((size_t)(s->end - s->p) < word.n || memcmp(s->p, word.p, word.n) != 0)
        return unexpected(s);
    s->p += word.n;
    return true;
}

bool pb_json_scan_open(struct pb_json_scan *s, char open, char close, bool *more)
{
    if (!pb_json_scan_expect(s, open))
        return false;
    *more = pb_json_scan_peek(s) != close;
    if (!*more)
        s->p++;
    return true;
}

bool pb_json_scan_next(struct pb_json_scan *s, char close, bool *more)
{
    char c = pb_json_scan_peek(s);
    if (c != ',' && c != close)
        return unexpected(s);
    s->p++;
    *more = c == ',';
    return true;
}

/* ---- strings ---------------------------------------------------------------------------------------------------- */

static bool read_hex4(struct pb_json_scan *s, uint32_t *out)
{
    uint32_t v = 0;
    if (s->end - s->p < 4)
        return pb_json_scan_fail(s, "bad escape");
    for (int i = 0; i < 4; i++) {
        int digit = codec_hex_digit(*s->p++);
        if (digit < 0)
            return pb_json_scan_fail(s, "bad escape");
        v = v << 4 | (uint32_t)digit;
    }
    *out = v;
    return true;
}

/* Behind "\u": one code point, from a surrogate pair where needed. */
static bool read_code_point(struct pb_json_scan *s, uint32_t *out)
{
    uint32_t v, low;
    if (!read_hex4(s, &v))
        return false;
    if (v >= 0xd800 && v < 0xe000) {
        if (v >= 0xdc00 || s->end - s->p < 6 || s->p[0] != '\\' || s->p[1] != 'u')
            return pb_json_scan_fail(s, "unpaired surrogate");
        s->p += 2;
        if (!read_hex4(s, &low))
            return false;
        if (low < 0xdc00 || low > 0xdfff)
            return pb_json_scan_fail(s, "unpaired surrogate");
        v = 0x10000 + ((v - 0xd800) << 10) + (low - 0xdc00);
    }
    *out = v;
    return true;
}

static char *put_code_point(char *to, uint32_t v)
{
    if (v < 0x80) {
        *to++ = (char)v;
    } else if (v < 0x800) {
        *to++ = (char)(0xc0 | v >> 6);
        *to++ = (char)(0x80 | (v & 63));
    } else if (v < 0x10000) {
        *to++ = (char)(0xe0 | v >> 12);
        *to++ = (char)(0x80 | (v >> 6 & 63));
        *to++ = (char)(0x80 | (v & 63));
    } else {
        *to++ = (char)(0xf0 | v >> 18);
        *to++ = (char)(0x80 | (v >> 12 & 63));
        *to++ = (char)(0x80 | (v >> 6 & 63));
        *to++ = (char)(0x80 | (v & 63));
    }
    return to;
}

/* Behind the backslash. */
static bool unescape(struct pb_json_scan *s, char **to)
{
    static const char from[] = "\"\\/bfnrt", into[] = "\"\\/\b\f\n\r\t";
    uint32_t v;
    char c = s->p < s->end ? *s->p++ : 0;
    const char *at = c ? strchr(from, c) : NULL;
    if (at) {
        *(*to)++ = into[at - from];
        return true;
    }
    if (c != 'u')
        return pb_json_scan_fail(s, "bad escape");
    if (!read_code_point(s, &v))
        return false;
    *to = put_code_point(*to, v);
    return true;
}

/* The end of a string's text: its closing quote, or NULL. */
static const char *string_end(const char *p, const char *end)
{
    for (; p < end && *p != '"'; p++) {
        if (*p == '\\')
            p++;
    }
    return p < end ? p : NULL;
}

/* A string with escapes; first..s->p is plain. No escape is shorter than what it stands for. */
static bool escaped_string(struct pb_json_scan *s, const char *first, str *out)
{
    const char *end = string_end(s->p, s->end);
    if (!end)
        return pb_json_scan_fail(s, "text ends too early");
    char *text = arena_try_alloc(s->mem, 1, (size_t)(end - first) + 1), *to = text;
    if (!text)
        return pb_json_scan_full(s);
    s->p = first;
    while (s->p < end) {
        bool ascii;
        const char *stop = json_plain_end(s->p, end, &ascii);
        to = (char *)memcpy(to, s->p, (size_t)(stop - s->p)) + (stop - s->p);
        s->p = stop;
        if (stop == end)
            break;
        if (*s->p++ != '\\')
            return pb_json_scan_fail(s, "control character in a string");
        if (!unescape(s, &to))
            return false;
    }
    s->p = end + 1;
    *out = (str){text, (size_t)(to - text)};
    return str_is_utf8(*out) || pb_json_scan_fail(s, "string is not valid UTF-8");
}

bool pb_json_scan_string(struct pb_json_scan *s, str *out)
{
    bool ascii;
    if (pb_json_scan_peek(s) != '"')
        return pb_json_scan_fail(s, "expected a string");
    const char *first = ++s->p;
    s->p = json_plain_end(first, s->end, &ascii);
    if (s->p == s->end)
        return pb_json_scan_fail(s, "text ends too early");
    if (*s->p == '\\')
        return escaped_string(s, first, out);
    if (*s->p != '"')
        return pb_json_scan_fail(s, "control character in a string");
    *out = (str){first, (size_t)(s->p++ - first)};
    return ascii || str_is_utf8(*out) || pb_json_scan_fail(s, "string is not valid UTF-8");
}

/* ---- numbers ---------------------------------------------------------------------------------------------------- */

static const char *digits(const char *p, const char *end)
{
    while (p < end && *p >= '0' && *p <= '9')
        p++;
    return p;
}

/* Behind the longest number at p, or NULL. */
static const char *number_end(const char *p, const char *end)
{
    if (p < end && *p == '-')
        p++;
    const char *q = digits(p, end);
    if (q == p || (*p == '0' && q - p > 1))
        return NULL;
    p = q;
    if (p < end && *p == '.') {
        q = digits(p + 1, end);
        if (q == p + 1)
            return NULL;
        p = q;
    }
    if (p < end && (*p == 'e' || *p == 'E')) {
        p++;
        if (p < end && (*p == '+' || *p == '-'))
            p++;
        q = digits(p, end);
        if (q == p)
            return NULL;
        p = q;
    }
    return p;
}

bool pb_json_scan_number(struct pb_json_scan *s, str *out)
{
    const char *q = number_end(s->p, s->end);
    if (!q)
        return pb_json_scan_fail(s, "malformed number");
    *out = (str){s->p, (size_t)(q - s->p)};
    s->p = q;
    return true;
}

bool pb_json_scan_is_number(str s)
{
    return s.n && number_end(s.p, s.p + s.n) == s.p + s.n;
}

/* ---- skipping --------------------------------------------------------------------------------------------------- */

static bool skip_container(struct pb_json_scan *s, char open, char close, int depth)
{
    bool more;
    str name;
    if (depth <= 0)
        return pb_json_scan_fail(s, "nested too deeply");
    if (!pb_json_scan_open(s, open, close, &more))
        return false;
    while (more) {
        if (open == '{' && (!pb_json_scan_string(s, &name) || !pb_json_scan_expect(s, ':')))
            return false;
        if (!pb_json_scan_skip(s, depth - 1) || !pb_json_scan_next(s, close, &more))
            return false;
    }
    return true;
}

bool pb_json_scan_skip(struct pb_json_scan *s, int depth)
{
    str text;
    switch (pb_json_scan_peek(s)) {
    case '{':
        return skip_container(s, '{', '}', depth);
    case '[':
        return skip_container(s, '[', ']', depth);
    case '"':
        return pb_json_scan_string(s, &text);
    case 't':
        return pb_json_scan_word(s, STR("true"));
    case 'f':
        return pb_json_scan_word(s, STR("false"));
    case 'n':
        return pb_json_scan_word(s, STR("null"));
    default:
        return pb_json_scan_number(s, &text);
    }
}

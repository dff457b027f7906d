/* JSON parsing by recursive descent with a depth limit, access, and writing. Pure functions, any thread. */
#include "base/json.h"

#include <math.h>
#include <stdlib.h>

struct parser {
    struct ctx *cx;
    const char *start, *p, *end;
    int depth;
};

static enum code parse_value(struct parser *ps, struct json *v);

static enum code bad(struct parser *ps, const char *what)
{
    return fail(ps->cx, CODE_INVALID_ARGUMENT, "JSON: %s at byte %zu", what, (size_t)(ps->p - ps->start));
}

static enum code new_bytes(struct parser *ps, size_t n, void *out)
{
    void *p = arena_try_alloc(ps->cx->mem, n, 1);
    if (!p)
        return fail(ps->cx, CODE_RESOURCE_EXHAUSTED, "JSON: the document needs too much memory");
    memcpy(out, &p, sizeof(p));
    return CODE_OK;
}

static void skip_space(struct parser *ps)
{
    while (ps->p < ps->end && (*ps->p == ' ' || *ps->p == '\t' || *ps->p == '\n' || *ps->p == '\r'))
        ps->p++;
}

static int peek(const struct parser *ps)
{
    return ps->p < ps->end ? (unsigned char)*ps->p : -1;
}

static bool accept(struct parser *ps, char c)
{
    if (peek(ps) != (unsigned char)c)
        return false;
    ps->p++;
    return true;
}

/* ---- strings ----------------------------------------------------------------------------------------------------- */

static enum code parse_hex4(struct parser *ps, uint32_t *out)
{
    uint32_t v = 0;
    for (int i = 0; i < 4; i++) {
        int c = peek(ps);
        if (c >= '0' && c <= '9')
            v = v << 4 | (uint32_t)(c - '0');
        else if ((c | 32) >= 'a' && (c | 32) <= 'f')
            v = v << 4 | (uint32_t)((c | 32) - 'a' + 10);
        else
            return bad(ps, "four hexadecimal digits expected");
        ps->p++;
    }
    *out = v;
    return CODE_OK;
}

static char *put_utf8(char *to, uint32_t c)
{
    if (c < 0x80) {
        *to++ = (char)c;
    } else if (c < 0x800) {
        *to++ = (char)(0xc0 | c >> 6);
        *to++ = (char)(0x80 | (c & 63));
    } else if (c < 0x10000) {
        *to++ = (char)(0xe0 | c >> 12);
        *to++ = (char)(0x80 | (c >> 6 & 63));
        *to++ = (char)(0x80 | (c & 63));
    } else {
        *to++ = (char)(0xf0 | c >> 18);
        *to++ = (char)(0x80 | (c >> 12 & 63));
        *to++ = (char)(0x80 | (c >> 6 & 63));
        *to++ = (char)(0x80 | (c & 63));
    }
    return to;
}

/* After "\u". */
static enum code parse_unicode(struct parser *ps, char **to)
{
    uint32_t c, low;
    TRY(parse_hex4(ps, &c));
    if (c >= 0xdc00 && c <= 0xdfff)
        return bad(ps, "a low surrogate without a high one");
    if (c >= 0xd800 && c <= 0xdbff) {
        if (!accept(ps, '\\') || !accept(ps, 'u'))
            return bad(ps, "a high surrogate without a low one");
        TRY(parse_hex4(ps, &low));
        if (low < 0xdc00 || low > 0xdfff)
            return bad(ps, "a high surrogate without a low one");
        c = 0x10000 + ((c - 0xd800) << 10) + (low - 0xdc00);
    }
    *to = put_utf8(*to, c);
    return CODE_OK;
}

static enum code parse_escape(struct parser *ps, char **to)
{
    static const char from[] = "\"\\/bfnrt", means[] = "\"\\/\b\f\n\r\t";
    if (accept(ps, 'u'))
        return parse_unicode(ps, to);
    int c = peek(ps);
    const char *hit = c > 0 ? strchr(from, c) : NULL;
    if (!hit)
        return bad(ps, "unknown escape");
    *(*to)++ = means[hit - from];
    ps->p++;
    return CODE_OK;
}

/* The opening quote is next. */
static enum code parse_string(struct parser *ps, str *out)
{
    char *text, *to;
    if (!accept(ps, '"'))
        return bad(ps, "string expected");
    const char *q = ps->p;
    while (q < ps->end && *q != '"')
        q += 1 + (*q == '\\');
    if (q >= ps->end) {
        ps->p = ps->end;
        return bad(ps, "unterminated string");
    }
    if (!str_is_utf8(str_make(ps->p, (size_t)(q - ps->p))))
        return bad(ps, "invalid UTF-8 in the string");
    TRY(new_bytes(ps, (size_t)(q - ps->p) + 1, &text)); /* unescaped is never longer */
    to = text;
    while (ps->p < q) {
        char c = *ps->p;
        if ((unsigned char)c < 0x20)
            return bad(ps, "control character in a string");
        ps->p++;
        if (c != '\\')
            *to++ = c;
        else
            TRY(parse_escape(ps, &to));
    }
    ps->p = q + 1;
    *to = 0;
    *out = str_make(text, (size_t)(to - text));
    return CODE_OK;
}

/* ---- numbers and words ------------------------------------------------------------------------------------------- */

static bool digits(struct parser *ps)
{
    const char *from = ps->p;
    while (peek(ps) >= '0' && peek(ps) <= '9')
        ps->p++;
    return ps->p > from;
}

static enum code parse_number(struct parser *ps, struct json *v)
{
    const char *from = ps->p;
    char *text;
    accept(ps, '-');
    if (!accept(ps, '0') && !digits(ps))
        return bad(ps, "value expected");
    if (accept(ps, '.') && !digits(ps))
        return bad(ps, "digit expected");
    if (accept(ps, 'e') || accept(ps, 'E')) {
        if (!accept(ps, '+'))
            accept(ps, '-');
        if (!digits(ps))
            return bad(ps, "digit expected");
    }
    size_t n = (size_t)(ps->p - from);
    TRY(new_bytes(ps, n + 1, &text));
    memcpy(text, from, n);
    v->kind = JSON_NUMBER;
    v->text = str_make(text, n);
    return CODE_OK;
}

static bool word(struct parser *ps, str w)
{
    if (!str_starts(str_make(ps->p, (size_t)(ps->end - ps->p)), w))
        return false;
    ps->p += w.n;
    return true;
}

/* ---- arrays and objects ------------------------------------------------------------------------------------------ */

static int compare_keys(const void *a, const void *b)
{
    const struct json *const *x = a, *const *y = b;
    return str_cmp((*x)->key, (*y)->key);
}

/* By sorting: no hash, so that no chosen keys make it slow. */
const struct json *json_duplicate(struct arena *mem, const struct json *object)
{
    size_t n = 0;
    for (const struct json *m = object->first; m; m = m->next)
        n++;
    const struct json **all = arena_new_array(mem, const struct json *, n);
    n = 0;
    for (const struct json *m = object->first; m; m = m->next)
        all[n++] = m;
    qsort(all, n, sizeof(*all), compare_keys);
    for (size_t i = 1; i < n; i++)
        if (str_eq(all[i]->key, all[i - 1]->key))
            return all[i];
    return NULL;
}

static enum code check_keys(struct parser *ps, const struct json *object)
{
    const struct json *twice = json_duplicate(ps->cx->mem, object);
    if (!twice)
        return CODE_OK;
    return fail(ps->cx, CODE_INVALID_ARGUMENT, "JSON: duplicate key \"" STR_FMT "\" in the object before byte %zu",
                STR_ARG(str_head(twice->key, 64)), (size_t)(ps->p - ps->start));
}

static enum code parse_children(struct parser *ps, struct json *v, char close)
{
    struct json **at = &v->first;
    size_t count = 0;
    if (++ps->depth > JSON_DEPTH_MAX)
        return bad(ps, "nested too deep");
    skip_space(ps);
    while (!accept(ps, close)) {
        if (count && !accept(ps, ','))
            return bad(ps, close == ']' ? "',' or ']' expected" : "',' or '}' expected");
        TRY(new_bytes(ps, sizeof(**at), at));
        if (close == '}') {
            skip_space(ps);
            TRY(parse_string(ps, &(*at)->key));
            skip_space(ps);
            if (!accept(ps, ':'))
                return bad(ps, "':' expected");
        }
        TRY(parse_value(ps, *at));
        at = &(*at)->next;
        count++;
    }
    ps->depth--;
    return close == '}' && count > 1 ? check_keys(ps, v) : CODE_OK;
}

/* With the white space around it. */
static enum code parse_value(struct parser *ps, struct json *v)
{
    skip_space(ps);
    if (peek(ps) == '"') {
        v->kind = JSON_STRING;
        TRY(parse_string(ps, &v->text));
    } else if (accept(ps, '{')) {
        v->kind = JSON_OBJECT;
        TRY(parse_children(ps, v, '}'));
    } else if (accept(ps, '[')) {
        v->kind = JSON_ARRAY;
        TRY(parse_children(ps, v, ']'));
    } else if (word(ps, STR("true"))) {
        v->kind = JSON_BOOL;
        v->boolean = true;
    } else if (word(ps, STR("false"))) {
        v->kind = JSON_BOOL;
    } else if (!word(ps, STR("null"))) {
        TRY(parse_number(ps, v));
    }
    skip_space(ps);
    return CODE_OK;
}

enum code json_parse(struct ctx *cx, str text, struct json **out)
{
    struct parser ps = {.cx = cx, .start = text.p, .p = text.p, .end = text.p + text.n};
    struct json *v;
    if (text.n == 0)
        return fail(cx, CODE_INVALID_ARGUMENT, "JSON: the document is empty");
    TRY(new_bytes(&ps, sizeof(*v), &v));
    TRY(parse_value(&ps, v));
    if (ps.p != ps.end)
        return bad(&ps, "something follows the document");
    *out = v;
    return CODE_OK;
}

/* ---- access ------------------------------------------------------------------------------------------------------ */

struct json *json_get(const struct json *v, str key)
{
    if (!v || v->kind != JSON_OBJECT)
        return NULL;
    for (struct json *m = v->first; m; m = m->next)
        if (str_eq(m->key, key))
            return m;
    return NULL;
}

struct json *json_path(const struct json *v, str path)
{
    str piece;
    struct json *at = NULL;
    while (str_next(&path, '.', &piece)) {
        at = json_get(v, piece);
        v = at;
    }
    return at;
}

str json_text(const struct json *v, str fallback)
{
    return v && v->kind == JSON_STRING ? v->text : fallback;
}

bool json_bool(const struct json *v, bool fallback)
{
    return v && v->kind == JSON_BOOL ? v->boolean : fallback;
}

int64_t json_i64(const struct json *v, int64_t fallback)
{
    int64_t i;
    double d;
    if (!v || v->kind != JSON_NUMBER)
        return fallback;
    if (str_to_i64(v->text, &i))
        return i;
    /* 1e3 and 2.0 are integers too; beyond 2^53 a double does not say which. */
    if (str_to_f64(v->text, &d) && fabs(d) <= 9007199254740992.0 && d == floor(d))
        return (int64_t)d;
    return fallback;
}

/* ---- writing ----------------------------------------------------------------------------------------------------- */

static void put_control(buf *b, unsigned char c)
{
    static const char from[] = "\b\f\n\r\t", means[] = "bfnrt";
    const char *hit = c ? strchr(from, c) : NULL;
    if (hit)
        buf_printf(b, "\\%c", means[hit - from]);
    else
        buf_printf(b, "\\u%04x", c);
}

void json_put_str(buf *b, str s)
{
    size_t plain = 0; /* bytes before s.p[plain] are written */
    buf_char(b, '"');
    for (size_t i = 0; i < s.n;) {
        unsigned char c = (unsigned char)s.p[i];
        size_t len = c < 0x80 ? 1 : str_utf8_len(str_skip(s, i));
        if (len && c >= 0x20 && c != '"' && c != '\\' && c != 0x7f) {
            i += len;
            continue;
        }
        buf_add(b, s.p + plain, i - plain);
        if (!len)
            buf_str(b, STR("\xef\xbf\xbd"));
        else if (c == '"' || c == '\\')
            buf_printf(b, "\\%c", c);
        else
            put_control(b, c);
        plain = ++i;
    }
    if (s.n)
        buf_add(b, s.p + plain, s.n - plain);
    buf_char(b, '"');
}

void json_put(buf *b, const struct json *v)
{
    char open = v->kind == JSON_OBJECT ? '{' : '[';
    switch (v->kind) {
    case JSON_NULL:
        buf_str(b, STR("null"));
        return;
    case JSON_BOOL:
        buf_str(b, v->boolean ? STR("true") : STR("false"));
        return;
    case JSON_NUMBER:
        buf_str(b, v->text);
        return;
    case JSON_STRING:
        json_put_str(b, v->text);
        return;
    case JSON_ARRAY:
    case JSON_OBJECT:
        break;
    }
    buf_char(b, open);
    for (const struct json *m = v->first; m; m = m->next) {
        if (v->kind == JSON_OBJECT) {
            json_put_str(b, m->key);
            buf_char(b, ':');
        }
        json_put(b, m);
        if (m->next)
            buf_char(b, ',');
    }
    buf_char(b, open == '{' ? '}' : ']');
}

/* Page tokens. Bytes: version, question (8), then each value: its kind and 8 bytes of a number, or 4 of a length and the
 * text or bytes; little-endian. The version makes the first letter an "A", so no token is a decimal number. */
#include "service/token.h"

#include "base/buf.h"
#include "base/codec.h"

#define VERSION 1
#define BYTES_MAX ((size_t)64 << 10)

static void add_number(buf *b, uint64_t v, size_t bytes)
{
    for (size_t i = 0; i < bytes; i++)
        buf_char(b, (char)(v >> (8 * i)));
}

str service_token_make(struct ctx *cx, uint64_t question, const struct db_value *values, size_t n)
{
    buf b;
    buf_init_arena(&b, cx->mem, BYTES_MAX);
    buf_char(&b, VERSION);
    add_number(&b, question, 8);
    for (size_t i = 0; i < n; i++) {
        buf_char(&b, (char)values[i].kind);
        if (values[i].kind == DB_INT)
            add_number(&b, (uint64_t)values[i].i, 8);
        if (values[i].kind != DB_TEXT && values[i].kind != DB_BLOB)
            continue;
        add_number(&b, values[i].s.n, 4);
        buf_str(&b, values[i].s);
    }
    return codec_base64url_encode(cx->mem, buf_view(&b));
}

/* Takes a number off the front of *s. */
static bool take_number(str *s, size_t bytes, uint64_t *out)
{
    *out = 0;
    if (s->n < bytes)
        return false;
    for (size_t i = 0; i < bytes; i++)
        *out |= (uint64_t)(unsigned char)s->p[i] << (8 * i);
    *s = str_skip(*s, bytes);
    return true;
}

static bool take_value(str *s, struct db_value *out)
{
    uint64_t kind, number = 0;
    if (!take_number(s, 1, &kind))
        return false;
    if (kind == DB_INT && take_number(s, 8, &number)) {
        *out = DB_I(number);
        return true;
    }
    if ((kind != DB_TEXT && kind != DB_BLOB) || !take_number(s, 4, &number) || number > s->n)
        return false;
    *out = kind == DB_TEXT ? DB_S(str_head(*s, number)) : DB_B(str_head(*s, number));
    *s = str_skip(*s, number);
    return true;
}

static bool take_all(str s, uint64_t question, struct db_value *values, size_t *n)
{
    uint64_t version, of;
    *n = 0;
    if (!take_number(&s, 1, &version) || version != VERSION || !take_number(&s, 8, &of) || of != question)
        return false;
    while (s.n && *n < SERVICE_TOKEN_VALUES_MAX)
        if (!take_value(&s, &values[(*n)++]))
            return false;
    return s.n == 0;
}

enum code service_token_read(struct ctx *cx, uint64_t question, str token, struct db_value *values, size_t *n)
{
    str bytes;
    if (!codec_base64_decode(cx->mem, token, &bytes) || !take_all(bytes, question, values, n))
        return fail(cx, CODE_INVALID_ARGUMENT,
                    "invalid token: \"" STR_FMT "\" is none of a list with this scope, filters and order",
                    STR_ARG(str_head(token, token.n < 100 ? token.n : 100)));
    return CODE_OK;
}

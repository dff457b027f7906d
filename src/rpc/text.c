/* Small texts of the protocols. See text.h. */
#include "rpc/text.h"

#include "base/codec.h"

#include "base/time.h"

static const char base64_digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
static const char hex_digits[] = "0123456789ABCDEF";

void text_base64_put(buf *b, str bytes, bool pad)
{
    const unsigned char *p = (const unsigned char *)bytes.p;
    size_t whole = bytes.n / 3, left = bytes.n % 3;
    char *to = buf_room(b, whole * 4 + 4);
    if (!to)
        return;
    char *start = to;
    for (; whole; whole--, p += 3) {
        uint32_t v = (uint32_t)p[0] << 16 | (uint32_t)p[1] << 8 | p[2];
        *to++ = base64_digits[v >> 18];
        *to++ = base64_digits[v >> 12 & 63];
        *to++ = base64_digits[v >> 6 & 63];
        *to++ = base64_digits[v & 63];
    }
    if (left) {
        uint32_t v = (uint32_t)p[0] << 16 | (left == 2 ? (uint32_t)p[1] << 8 : 0);
        *to++ = base64_digits[v >> 18];
        *to++ = base64_digits[v >> 12 & 63];
        if (left == 2)
            *to++ = base64_digits[v >> 6 & 63];
        for (size_t i = left; pad && i < 3; i++)
            *to++ = '=';
    }
    buf_wrote(b, (size_t)(to - start));
}

/* Writes the bytes of a full quantum. False: too much padding. */
static bool base64_flush(struct text_base64 *r, char **to)
{
    if (r->pads > 2)
        return false;
    uint32_t v = r->bits << 6 * r->pads;
    for (unsigned i = 0; i < 3u - r->pads; i++)
        *(*to)++ = (char)(v >> (16 - 8 * i));
    *r = (struct text_base64){0};
    return true;
}

bool text_base64_read(struct text_base64 *r, str chunk, buf *out)
{
    char *start = buf_room(out, chunk.n / 4 * 3 + 3), *to = start;
    if (!start)
        return true; /* out->failed tells */
    for (size_t i = 0; i < chunk.n; i++) {
        int digit = codec_base64_digit(chunk.p[i]);
        if (chunk.p[i] == '=' && r->have)
            r->pads++;
        else if (digit < 0 || r->pads)
            return false;
        else
            r->bits = r->bits << 6 | (uint32_t)digit;
        r->have++;
        if (r->have == 4 && !base64_flush(r, &to))
            return false;
    }
    buf_wrote(out, (size_t)(to - start));
    return true;
}

bool text_base64_end(struct text_base64 *r, buf *out)
{
    if (r->have == 0)
        return true;
    if (r->have == 1 || r->pads)
        return false;
    return text_base64_read(r, r->have == 2 ? STR("==") : STR("="), out);
}

bool text_query_find(str query, str name, str *value)
{
    str piece, key, val;
    while (str_next(&query, '&', &piece)) {
        str_cut(piece, '=', &key, &val);
        if (str_eq(key, name)) {
            *value = val;
            return true;
        }
    }
    return false;
}

void text_percent_put(buf *b, str in)
{
    char *to = buf_room(b, in.n * 3);
    if (!to)
        return;
    char *start = to;
    for (size_t i = 0; i < in.n; i++) {
        unsigned char c = (unsigned char)in.p[i];
        if (c >= 0x20 && c <= 0x7e && c != '%') {
            *to++ = (char)c;
            continue;
        }
        *to++ = '%';
        *to++ = hex_digits[c >> 4];
        *to++ = hex_digits[c & 15];
    }
    buf_wrote(b, (size_t)(to - start));
}

/* ";q=0", "; q=0.000" */
static bool is_zero_weight(str params)
{
    str at = str_trim(params);
    if (!str_starts(at, STR("q=")))
        return false;
    for (size_t i = 2; i < at.n; i++)
        if (at.p[i] != '0' && at.p[i] != '.')
            return false;
    return at.n > 2;
}

bool text_accepts_gzip(str list)
{
    str item, name, params;
    while (str_next(&list, ',', &item)) {
        str_cut(item, ';', &name, &params);
        if (str_eq_nocase(str_trim(name), STR("gzip")))
            return !is_zero_weight(params);
    }
    return false;
}

static bool digits(str s, size_t most, uint64_t *out)
{
    return s.n >= 1 && s.n <= most && s.p[0] != '+' && s.p[0] != '-' && str_to_u64(s, out);
}

bool text_timeout_connect(str s, int64_t *ns)
{
    uint64_t ms;
    if (!digits(s, 10, &ms))
        return false;
    *ns = (int64_t)ms * NS_PER_MS;
    return true;
}

bool text_timeout_grpc(str s, int64_t *ns)
{
    static const struct {
        char unit;
        int64_t ns;
    } units[] = {{'H', 3600 * NS_PER_S}, {'M', 60 * NS_PER_S}, {'S', NS_PER_S},
                 {'m', NS_PER_MS},       {'u', NS_PER_US},     {'n', 1}};
    uint64_t n;
    if (s.n < 2 || !digits(str_head(s, s.n - 1), 8, &n))
        return false;
    for (size_t i = 0; i < sizeof(units) / sizeof(*units); i++)
        if (s.p[s.n - 1] == units[i].unit) {
            if (__builtin_mul_overflow((int64_t)n, units[i].ns, ns))
                *ns = INT64_MAX;
            return true;
        }
    return false;
}

bool text_is_header_value(str s)
{
    for (size_t i = 0; i < s.n; i++) {
        unsigned char c = (unsigned char)s.p[i];
        if ((c < 0x20 && c != '\t') || c == 0x7f)
            return false;
    }
    return true;
}

bool text_is_header_name(str s)
{
    for (size_t i = 0; i < s.n; i++) {
        char c = s.p[i];
        bool ok = (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || (c && strchr("!#$%&'*+-.^_`|~", c));
        if (!ok)
            return false;
    }
    return s.n > 0;
}

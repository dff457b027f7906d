/* Heads of HTTP/1.1 requests. See http1_head_int.h.
 *
 * The lines are cut here first, then llhttp parses the complete head in one call, so that each part arrives in one
 * piece, and both must agree on the number of header fields. */
#include "net/http1_head_int.h"

#include <llhttp.h>

/* ---- lines ------------------------------------------------------------------------------------------------------- */

int http1_head_find(str in, bool trailer, size_t max, size_t *scanned, size_t *size)
{
    *size = 0;
    for (size_t at = *scanned;;) {
        const char *line = in.p + at, *lf = at < in.n ? memchr(line, '\n', in.n - at) : NULL;
        size_t line_max = trailer || at ? max : HTTP1_TARGET_MAX;
        size_t end = lf ? (size_t)(lf - in.p) + 1 : in.n;
        if (end - at > line_max)
            return trailer || at ? 431 : 414;
        if (end > max)
            return 431;
        *scanned = at;
        if (!lf)
            return 0;
        size_t n = (size_t)(lf - line);
        if (n == 0 || line[n - 1] != '\r' || memchr(line, '\r', n - 1))
            return 400; /* bare LF or CR */
        if (n == 1) {
            if (at == 0 && !trailer)
                return 400;
            *size = end;
            return 0;
        }
        if (line[0] == ' ' || line[0] == '\t')
            return 400; /* folded */
        at = end;
    }
}

enum { TOKEN = 1, VALUE = 2, TARGET = 4, HOST = 8 };

/* What each byte may be part of: rows of sixteen, so that "A" is the second of row 40. */
/* clang-format off */
static const uint8_t kinds[256] = {
    0, 0, 0, 0, 0, 0, 0, 0, 0, 2, 0, 0, 0, 0, 0, 0, /* 00 */
    0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, /* 10 */
    2, 15, 6, 11, 15, 15, 15, 15, 14, 14, 15, 15, 14, 15, 15, 6, /* 20 */
    15, 15, 15, 15, 15, 15, 15, 15, 15, 15, 14, 14, 6, 14, 6, 6, /* 30 */
    6, 15, 15, 15, 15, 15, 15, 15, 15, 15, 15, 15, 15, 15, 15, 15, /* 40 */
    15, 15, 15, 15, 15, 15, 15, 15, 15, 15, 15, 14, 6, 14, 15, 15, /* 50 */
    15, 15, 15, 15, 15, 15, 15, 15, 15, 15, 15, 15, 15, 15, 15, 15, /* 60 */
    15, 15, 15, 15, 15, 15, 15, 15, 15, 15, 15, 6, 15, 6, 15, 0, /* 70 */
    2, 2, 2, 2, 2, 2, 2, 2, 2, 2, 2, 2, 2, 2, 2, 2, /* 80 */
    2, 2, 2, 2, 2, 2, 2, 2, 2, 2, 2, 2, 2, 2, 2, 2, /* 90 */
    2, 2, 2, 2, 2, 2, 2, 2, 2, 2, 2, 2, 2, 2, 2, 2, /* A0 */
    2, 2, 2, 2, 2, 2, 2, 2, 2, 2, 2, 2, 2, 2, 2, 2, /* B0 */
    2, 2, 2, 2, 2, 2, 2, 2, 2, 2, 2, 2, 2, 2, 2, 2, /* C0 */
    2, 2, 2, 2, 2, 2, 2, 2, 2, 2, 2, 2, 2, 2, 2, 2, /* D0 */
    2, 2, 2, 2, 2, 2, 2, 2, 2, 2, 2, 2, 2, 2, 2, 2, /* E0 */
    2, 2, 2, 2, 2, 2, 2, 2, 2, 2, 2, 2, 2, 2, 2, 2, /* F0 */
};
/* clang-format on */

static bool all(str s, uint8_t kind)
{
    uint8_t common = kind;
    for (size_t i = 0; i < s.n; i++)
        common &= kinds[(unsigned char)s.p[i]];
    return common == kind;
}

static bool is_token(str s)
{
    return s.n > 0 && all(s, TOKEN);
}

static bool is_field_value(str s)
{
    return all(s, VALUE);
}

int http1_head_trailers(str section, struct http_header *headers, int max)
{
    int n = 0;
    str line;
    while (str_next(&section, '\n', &line) && line.n > 1) {
        str name, value;
        line.n--; /* CR */
        if (n == max || !str_cut(line, ':', &name, &value) || !is_token(name) || !is_field_value(value))
            return -1;
        headers[n++] = (struct http_header){name, str_trim(value)};
    }
    return n;
}

/* ---- llhttp ------------------------------------------------------------------------------------------------------ */

struct parse {
    llhttp_t parser;
    struct http1_head *h;
    size_t count_max;
    bool in_value, complete;
};

static str join(str s, const char *at, size_t n)
{
    return s.n && s.p + s.n == at ? str_make(s.p, s.n + n) : str_make(at, n);
}

static int on_method(llhttp_t *l, const char *at, size_t n)
{
    struct parse *p = l->data;
    p->h->method = join(p->h->method, at, n);
    return 0;
}

static int on_url(llhttp_t *l, const char *at, size_t n)
{
    struct parse *p = l->data;
    p->h->target = join(p->h->target, at, n);
    return 0;
}

static int on_field(llhttp_t *l, const char *at, size_t n)
{
    struct parse *p = l->data;
    struct http1_head *h = p->h;
    if (p->in_value || !h->count) {
        if (h->count == p->count_max)
            return HPE_USER;
        h->headers[h->count++] = (struct http_header){.name = {at, 0}};
        p->in_value = false;
    }
    struct http_header *f = &h->headers[h->count - 1];
    f->name = join(f->name, at, n);
    return 0;
}

static int on_value(llhttp_t *l, const char *at, size_t n)
{
    struct parse *p = l->data;
    struct http_header *f = &p->h->headers[p->h->count - 1];
    p->in_value = true;
    f->value = join(f->value, at, n);
    return 0;
}

static int on_value_complete(llhttp_t *l)
{
    struct parse *p = l->data;
    p->in_value = true;
    return 0;
}

static int on_complete(llhttp_t *l)
{
    struct parse *p = l->data;
    p->complete = true;
    p->h->keep = llhttp_should_keep_alive(l);
    return 1; /* the body is not llhttp's */
}

static const llhttp_settings_t settings = {
    .on_method = on_method,
    .on_url = on_url,
    .on_header_field = on_field,
    .on_header_value = on_value,
    .on_header_value_complete = on_value_complete,
    .on_headers_complete = on_complete,
};

static int run_llhttp(str head, struct parse *p)
{
    llhttp_init(&p->parser, HTTP_REQUEST, &settings);
    p->parser.data = p;
    llhttp_errno_t e = llhttp_execute(&p->parser, head.p, head.n);
    if (e == HPE_USER)
        return 431;
    if (e == HPE_INVALID_VERSION)
        return 505;
    if ((e != HPE_OK && e != HPE_PAUSED_UPGRADE) || !p->complete)
        return 400;
    if (p->parser.http_major != 1 || p->parser.http_minor > 1)
        return 505;
    return p->parser.method == HTTP_CONNECT || p->parser.method == HTTP_TRACE ? 501 : 0;
}

/* ---- meaning ----------------------------------------------------------------------------------------------------- */

static bool is_host(str s)
{
    return s.n > 0 && all(s, HOST);
}

static int set_length(struct http1_head *h, str value)
{
    uint64_t n;
    if (h->content_length >= 0) /* once only, even when they agree */
        return 400;
    for (size_t i = 0; i < value.n; i++)
        if (value.p[i] < '0' || value.p[i] > '9')
            return 400;
    if (!str_to_u64(value, &n) || n > INT64_MAX)
        return 400;
    h->content_length = (int64_t)n;
    return 0;
}

static int set_transfer_encoding(struct http1_head *h, str value)
{
    if (h->chunked || h->minor0)
        return 400;
    if (!str_eq_nocase(value, STR("chunked")))
        return str_ends(value, STR("chunked")) ? 501 : 400;
    h->chunked = true;
    return 0;
}

static int set_host(struct http1_head *h, str value)
{
    if (h->host.p || !is_host(value))
        return 400;
    h->host = value;
    return 0;
}

static int set_expect(struct http1_head *h, str value)
{
    if (!str_eq_nocase(value, STR("100-continue")))
        return 417;
    h->expects = !h->minor0;
    return 0;
}

static const struct {
    str name;
    int (*set)(struct http1_head *h, str value);
} meanings[] = {
    {STR_INIT("content-length"), set_length},
    {STR_INIT("expect"), set_expect},
    {STR_INIT("host"), set_host},
    {STR_INIT("transfer-encoding"), set_transfer_encoding},
};

static int read_fields(struct http1_head *h)
{
    for (size_t i = 0; i < h->count; i++) {
        struct http_header *f = &h->headers[i];
        if (!is_token(f->name) || !is_field_value(f->value))
            return 400;
        f->value = str_trim(f->value);
        for (size_t k = 0; k < sizeof(meanings) / sizeof(*meanings); k++) {
            int status = str_eq_nocase(f->name, meanings[k].name) ? meanings[k].set(h, f->value) : 0;
            if (status)
                return status;
        }
    }
    if (h->chunked && h->content_length >= 0)
        return 400;
    return h->host.p || h->minor0 ? 0 : 400;
}

static bool is_target(str s)
{
    return s.n > 0 && all(s, TARGET);
}

/* "http://host/path" becomes "/path"; a proxy's form that servers must accept. Its host must be the Host field's. */
static int read_target(struct http1_head *h)
{
    if (!is_target(h->target))
        return 400;
    if (h->target.p[0] == '/' || (str_eq(h->target, STR("*")) && str_eq(h->method, STR("OPTIONS"))))
        return 0;
    str scheme = str_head(h->target, 8);
    size_t skip = str_eq_nocase(scheme, STR("https://"))               ? 8
                  : str_eq_nocase(str_head(scheme, 7), STR("http://")) ? 7
                                                                       : 0;
    if (!skip)
        return 400;
    str rest = str_skip(h->target, skip);
    size_t slash = str_find_char(rest, '/');
    if (slash == SIZE_MAX || !str_eq_nocase(str_head(rest, slash), h->host))
        return 400;
    h->target = str_skip(rest, slash);
    return 0;
}

/* One space each: llhttp takes more. */
static bool is_request_line(str head, const struct http1_head *h)
{
    size_t n = str_find_char(head, '\r');
    return h->method.p == head.p && h->target.p == head.p + h->method.n + 1 &&
           n == h->method.n + h->target.n + strlen("  HTTP/1.1");
}

static size_t count_lines(str head)
{
    size_t n = 0;
    for (const char *p = head.p; (p = memchr(p, '\n', (size_t)(head.p + head.n - p))); p++)
        n++;
    return n;
}

int http1_head_parse(str head, size_t count_max, struct http1_head *out)
{
    struct parse p = {.h = out, .count_max = count_max < HTTP1_HEADERS_MAX ? count_max : HTTP1_HEADERS_MAX};
    out->method = out->target = out->host = STR_NONE;
    out->count = 0;
    out->content_length = -1;
    out->chunked = out->expects = false;
    int status = run_llhttp(head, &p);
    if (status)
        return status;
    if (count_lines(head) != out->count + 2 || !is_request_line(head, out))
        return 400;
    out->minor0 = p.parser.http_minor == 0;
    status = read_fields(out);
    return status ? status : read_target(out);
}

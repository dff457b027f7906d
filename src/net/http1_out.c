/* Responses of HTTP/1.1: head, body by length, chunks or close, trailers. Loop thread only. */
#include "net/http1_out_int.h"

#include <stdio.h>

static const struct {
    int status;
    str reason;
} reasons[] = {
    {200, STR_INIT("OK")},
    {201, STR_INIT("Created")},
    {202, STR_INIT("Accepted")},
    {204, STR_INIT("No Content")},
    {206, STR_INIT("Partial Content")},
    {301, STR_INIT("Moved Permanently")},
    {302, STR_INIT("Found")},
    {303, STR_INIT("See Other")},
    {304, STR_INIT("Not Modified")},
    {307, STR_INIT("Temporary Redirect")},
    {308, STR_INIT("Permanent Redirect")},
    {400, STR_INIT("Bad Request")},
    {401, STR_INIT("Unauthorized")},
    {403, STR_INIT("Forbidden")},
    {404, STR_INIT("Not Found")},
    {405, STR_INIT("Method Not Allowed")},
    {406, STR_INIT("Not Acceptable")},
    {408, STR_INIT("Request Timeout")},
    {409, STR_INIT("Conflict")},
    {411, STR_INIT("Length Required")},
    {412, STR_INIT("Precondition Failed")},
    {413, STR_INIT("Content Too Large")},
    {414, STR_INIT("URI Too Long")},
    {415, STR_INIT("Unsupported Media Type")},
    {416, STR_INIT("Range Not Satisfiable")},
    {417, STR_INIT("Expectation Failed")},
    {421, STR_INIT("Misdirected Request")},
    {429, STR_INIT("Too Many Requests")},
    {431, STR_INIT("Request Header Fields Too Large")},
    {499, STR_INIT("Client Closed Request")},
    {500, STR_INIT("Internal Server Error")},
    {501, STR_INIT("Not Implemented")},
    {502, STR_INIT("Bad Gateway")},
    {503, STR_INIT("Service Unavailable")},
    {504, STR_INIT("Gateway Timeout")},
    {505, STR_INIT("HTTP Version Not Supported")},
};

str http1_out_reason(int status)
{
    for (size_t i = 0; i < sizeof(reasons) / sizeof(*reasons); i++)
        if (reasons[i].status == status)
            return reasons[i].reason;
    return STR("Status");
}

static char *put(char *to, str s)
{
    if (s.n)
        memcpy(to, s.p, s.n);
    return to + s.n;
}

static char *put_u64(char *to, uint64_t v)
{
    char tmp[20];
    size_t at = sizeof(tmp);
    do
        tmp[--at] = (char)('0' + v % 10);
    while (v /= 10);
    return put(to, str_make(tmp + at, sizeof(tmp) - at));
}

static char *put_fields(char *at, const struct http_header *headers, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        if (!http_header_is_allowed(headers[i].name))
            continue;
        at = put(at, headers[i].name);
        at = put(at, STR(": "));
        at = http_header_copy(at, headers[i].value);
        at = put(at, STR("\r\n"));
    }
    return at;
}

static size_t fields_size(const struct http_header *headers, size_t n)
{
    size_t size = 0;
    for (size_t i = 0; i < n; i++)
        size += headers[i].name.n + headers[i].value.n + 4;
    return size;
}

static char *put_framing(char *at, struct conn *c, int status, int64_t content_length, bool mute)
{
    struct http1 *h = &c->h1;
    h->framing = HTTP1_FRAMING_LENGTH;
    if (content_length >= 0) {
        if (status == 204)
            return at;
        at = put(at, STR("content-length: "));
        return put(put_u64(at, (uint64_t)content_length), STR("\r\n"));
    }
    if (mute)
        return at;
    if (h->minor0) {
        h->framing = HTTP1_FRAMING_CLOSE;
        h->keep = false;
        return at;
    }
    h->framing = HTTP1_FRAMING_CHUNKED;
    return put(at, STR("transfer-encoding: chunked\r\n"));
}

void http1_out_head(struct conn *c, int status, const struct http_header *headers, size_t n, int64_t content_length,
                    bool mute)
{
    str reason = http1_out_reason(status);
    char *start = out_room(&c->out, 256 + fields_size(headers, n)), *at = start;
    at = put(at, STR("HTTP/1.1 "));
    at = put_u64(at, (uint64_t)(status >= 100 && status <= 999 ? status : 500));
    at = put(at, STR(" "));
    at = put(at, reason);
    at = put(at, STR("\r\n"));
    at = put_fields(at, headers, n);
    at = put(at, STR("date: "));
    at = put(at, conn_date(c->w));
    at = put(at, STR("\r\n"));
    at = put_framing(at, c, status, content_length, mute);
    if (!c->h1.keep)
        at = put(at, STR("connection: close\r\n"));
    else if (c->h1.minor0)
        at = put(at, STR("connection: keep-alive\r\n"));
    at = put(at, STR("\r\n"));
    out_wrote(&c->out, (size_t)(at - start));
}

static void put_chunk_size(struct out *o, uint64_t n)
{
    char line[24];
    int len = snprintf(line, sizeof(line), "%llx\r\n", (unsigned long long)n);
    out_add(o, str_make(line, (size_t)len));
}

void http1_out_body(struct conn *c, str bytes, bool end)
{
    if (c->h1.framing != HTTP1_FRAMING_CHUNKED) {
        out_add(&c->out, bytes);
        return;
    }
    if (bytes.n) {
        put_chunk_size(&c->out, bytes.n);
        out_add(&c->out, bytes);
        out_add(&c->out, STR("\r\n"));
    }
    if (end)
        out_add(&c->out, STR("0\r\n\r\n"));
}

void http1_out_file(struct conn *c, int fd, int64_t offset, int64_t len, bool end)
{
    bool chunked = c->h1.framing == HTTP1_FRAMING_CHUNKED;
    if (chunked && len)
        put_chunk_size(&c->out, (uint64_t)len);
    out_file(&c->out, fd, offset, len);
    if (chunked && len)
        out_add(&c->out, STR("\r\n"));
    if (chunked && end)
        out_add(&c->out, STR("0\r\n\r\n"));
}

void http1_out_trailers(struct conn *c, const struct http_header *trailers, size_t n)
{
    if (c->h1.framing != HTTP1_FRAMING_CHUNKED)
        return;
    char *start = out_room(&c->out, 8 + fields_size(trailers, n)), *at = start;
    at = put(at, STR("0\r\n"));
    at = put_fields(at, trailers, n);
    at = put(at, STR("\r\n"));
    out_wrote(&c->out, (size_t)(at - start));
}

void http1_out_refusal(struct conn *c, int status)
{
    struct http_header type = {STR("content-type"), STR("text/plain")};
    str reason = http1_out_reason(status);
    c->h1.keep = false;
    http1_out_head(c, status, &type, 1, (int64_t)reason.n + 1, false);
    out_add(&c->out, reason);
    out_add(&c->out, STR("\n"));
}

/* Errors on the wire: Connect's JSON and HTTP status, gRPC's google.rpc.Status. */
#include "rpc/protocol.h"

#include "base/json.h"

int error_status(enum code code)
{
    static const int16_t statuses[] = {
        [CODE_OK] = 200,
        [CODE_CANCELED] = 499,
        [CODE_UNKNOWN] = 500,
        [CODE_INVALID_ARGUMENT] = 400,
        [CODE_DEADLINE_EXCEEDED] = 504,
        [CODE_NOT_FOUND] = 404,
        [CODE_ALREADY_EXISTS] = 409,
        [CODE_PERMISSION_DENIED] = 403,
        [CODE_RESOURCE_EXHAUSTED] = 429,
        [CODE_FAILED_PRECONDITION] = 400,
        [CODE_ABORTED] = 409,
        [CODE_OUT_OF_RANGE] = 400,
        [CODE_UNIMPLEMENTED] = 501,
        [CODE_INTERNAL] = 500,
        [CODE_UNAVAILABLE] = 503,
        [CODE_DATA_LOSS] = 500,
        [CODE_UNAUTHENTICATED] = 401,
    };
    return (size_t)code < sizeof(statuses) / sizeof(*statuses) ? statuses[code] : 500;
}

static void put_details(buf *b, const struct err_detail *d)
{
    buf_str(b, STR(",\"details\":["));
    for (const struct err_detail *at = d; at; at = at->next) {
        if (at != d)
            buf_char(b, ',');
        buf_str(b, STR("{\"type\":"));
        json_put_str(b, at->type);
        buf_str(b, STR(",\"value\":\""));
        text_base64_put(b, at->value, false);
        buf_str(b, STR("\"}"));
    }
    buf_char(b, ']');
}

void error_put_json(buf *b, const struct err *e)
{
    buf_str(b, STR("{\"code\":"));
    json_put_str(b, str_from(code_name(e->code)));
    if (e->msg[0]) {
        buf_str(b, STR(",\"message\":"));
        json_put_str(b, str_from(e->msg));
    }
    if (e->details)
        put_details(b, e->details);
    buf_char(b, '}');
}

/* ---- google.rpc.Status: code = 1, message = 2, details = 3 (google.protobuf.Any: type_url = 1, value = 2) ---- */

#define ANY_PREFIX STR("type.googleapis.com/")

static void put_varint(buf *b, uint64_t v)
{
    for (; v > 127; v >>= 7)
        buf_char(b, (char)(v | 128));
    buf_char(b, (char)v);
}

static size_t varint_size(uint64_t v)
{
    size_t n = 1;
    for (; v > 127; v >>= 7)
        n++;
    return n;
}

static void put_bytes(buf *b, unsigned field, str s)
{
    put_varint(b, field << 3 | 2);
    put_varint(b, s.n);
    buf_str(b, s);
}

static void put_any(buf *b, const struct err_detail *d)
{
    size_t url = ANY_PREFIX.n + d->type.n;
    size_t size = 1 + varint_size(url) + url + 1 + varint_size(d->value.n) + d->value.n;
    put_varint(b, 3 << 3 | 2);
    put_varint(b, size);
    put_varint(b, 1 << 3 | 2);
    put_varint(b, url);
    buf_str(b, ANY_PREFIX);
    buf_str(b, d->type);
    put_bytes(b, 2, d->value);
}

void error_put_status(buf *b, const struct err *e)
{
    put_varint(b, 1 << 3 | 0);
    put_varint(b, (uint64_t)e->code);
    if (e->msg[0])
        put_bytes(b, 2, str_from(e->msg));
    for (const struct err_detail *d = e->details; d; d = d->next)
        put_any(b, d);
}

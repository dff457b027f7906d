/* See grpc_client.h. The protocol: https://github.com/grpc/grpc/blob/master/doc/PROTOCOL-HTTP2.md */
#include "net/grpc_client.h"

#include "base/buf.h"
#include "base/codec.h"
#include "base/time.h"
#include "net/http_client.h"

#define PREFIX 5 /* a byte of flags, four of length */
#define OVERHEAD ((int64_t)1 << 20)

struct call {
    struct ctx *cx;
    const struct grpc_call *c;
    str body; /* of the request, what is left to send */
    buf in;   /* of the answer, what is not delivered yet */
    int http_status;
    bool grpc, enough, too_large, compressed, told;
    uint64_t status;
    str message;
};

static size_t give_body(void *arg, char *p, size_t n)
{
    return str_take(&((struct call *)arg)->body, p, n);
}

/* grpc-message is percent-encoded. What is no UTF-8 afterwards is left as it came. */
static str percent_decode(struct arena *mem, str s)
{
    str out;
    return codec_percent_decode(mem, s, false, &out) && str_is_utf8(out) ? out : s;
}

static void read_status(struct call *k, const struct http_header *headers, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        if (str_eq(headers[i].name, STR("grpc-status")))
            k->told = str_to_u64(headers[i].value, &k->status);
        else if (str_eq(headers[i].name, STR("grpc-message")))
            k->message = percent_decode(k->cx->mem, headers[i].value);
    }
}

static bool on_head(void *arg, int status, const struct http_header *headers, size_t n)
{
    struct call *k = arg;
    k->http_status = status;
    for (size_t i = 0; i < n; i++)
        if (str_eq(headers[i].name, STR("content-type")))
            k->grpc = str_starts(headers[i].value, STR("application/grpc"));
    read_status(k, headers, n); /* an answer without messages has its status here */
    return true;
}

static void on_trailers(void *arg, const struct http_header *headers, size_t n)
{
    read_status(arg, headers, n);
}

/* The next whole message; false when its rest has yet to come. */
static bool next_message(struct call *k, size_t *at, str *out)
{
    const unsigned char *p = (const unsigned char *)k->in.p + *at;
    if (k->in.n - *at < PREFIX)
        return false;
    size_t n = (size_t)p[1] << 24 | (size_t)p[2] << 16 | (size_t)p[3] << 8 | p[4];
    k->compressed = k->compressed || p[0] != 0;
    k->too_large = k->too_large || n > k->c->message_max;
    if (k->compressed || k->too_large || k->in.n - *at - PREFIX < n)
        return false;
    *out = str_make(k->in.p + *at + PREFIX, n);
    *at += PREFIX + n;
    return true;
}

static bool on_body(void *arg, str bytes)
{
    struct call *k = arg;
    size_t at = 0;
    str message;
    if (!k->grpc)
        return false;
    buf_str(&k->in, bytes);
    while (!k->enough && next_message(k, &at, &message))
        k->enough = !k->c->message(k->c->arg, message);
    buf_consume(&k->in, at);
    return !k->enough && !k->compressed && !k->too_large && !k->in.failed;
}

static enum code outcome(struct call *k, enum code code)
{
    struct ctx *cx = k->cx;
    if (k->enough) {
        ctx_clear_err(cx);
        return CODE_OK;
    }
    if (k->too_large || k->in.failed)
        return fail(cx, CODE_RESOURCE_EXHAUSTED, "the answer of " STR_FMT " is larger than %zu bytes",
                    STR_ARG(k->c->server), k->c->message_max);
    if (k->compressed)
        return fail(cx, CODE_UNAVAILABLE, STR_FMT " answers compressed, which was not asked for",
                    STR_ARG(k->c->server));
    if (k->http_status && !k->grpc)
        return fail(cx, CODE_UNAVAILABLE, STR_FMT " is no gRPC server: it answered with HTTP status %d",
                    STR_ARG(k->c->server), k->http_status);
    TRY(code);
    if (!k->told || k->status > CODE_UNAUTHENTICATED)
        return fail(cx, CODE_UNAVAILABLE, STR_FMT " broke its answer off", STR_ARG(k->c->server));
    if (!k->status)
        return CODE_OK;
    fail(cx, (enum code)k->status, STR_FMT, STR_ARG(k->message));
    cx->err.foreign = true;
    return cx->err.code;
}

static bool is_alive(void *arg)
{
    const struct grpc_call *c = ((struct call *)arg)->c;
    return !c->alive || c->alive(c->arg);
}

static str frame(struct ctx *cx, str message)
{
    char *p = arena_alloc(cx->mem, PREFIX + message.n);
    for (int i = 0; i < 4; i++)
        p[1 + i] = (char)(message.n >> (24 - 8 * i));
    p[0] = 0;
    if (message.n)
        memcpy(p + PREFIX, message.p, message.n);
    return str_make(p, PREFIX + message.n);
}

enum code grpc_client_call(struct ctx *cx, const struct grpc_call *c)
{
    struct call k = {.cx = cx, .c = c, .body = frame(cx, c->request)};
    struct http_header headers[] = {
        {STR("content-type"), STR("application/grpc")},
        {STR("te"), STR("trailers")},
        {STR("grpc-timeout"), arena_printf(cx->mem, "%lldm", (long long)(c->timeout_ns / NS_PER_MS))},
    };
    struct http_client_request req = {
        .method = STR("POST"),
        .url = arena_concat(cx->mem, c->server, c->path),
        .headers = headers,
        .header_count = c->timeout_ns ? 3 : 2,
        .body_length = (int64_t)k.body.n,
        .anywhere = true,
        .http2 = true,
        .answer_max = (int64_t)c->message_max + OVERHEAD,
        .total_ns = c->timeout_ns,
        .stall_ns = c->timeout_ns ? c->timeout_ns : INT64_MAX, /* a server may think in silence for as long */
        .arg = &k,
        .read = give_body,
        .head = on_head,
        .body = on_body,
        .trailers = on_trailers,
        .alive = is_alive,
    };
    buf_init(&k.in, c->message_max + (size_t)OVERHEAD);
    enum code code = outcome(&k, http_client_perform(cx, &req));
    cx->err.unsent = code != CODE_OK && !k.http_status && (int64_t)k.body.n == req.body_length;
    buf_done(&k.in);
    return code;
}

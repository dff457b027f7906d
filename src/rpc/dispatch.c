/* The head of an RPC: which protocol and codec it speaks, whether it may go on, who takes it from here. Loop threads.
 */
#include "rpc/protocol.h"
#include "rpc/rest_int.h"

#define ACCEPT_POST                                                                                                    \
    "application/proto, application/json, application/connect+proto, application/connect+json, application/grpc, "     \
    "application/grpc+proto, application/grpc+json, application/grpc-web, application/grpc-web+proto, "                \
    "application/grpc-web+json, application/grpc-web-text"

/* Clients of Connect's unary protocol read errors as JSON; all others expect none outside their own protocol. */
static bool reads_json(const struct head *h)
{
    const struct media *media = protocol_find(head_media_type(h));
    return str_eq(h->req->method, STR("GET")) || (media && media->proto == &protocol_connect_unary);
}

static void refuse(struct http_exchange *x, int status, const struct http_header *headers, size_t n, str body)
{
    http_respond(x, status, headers, n, (int64_t)body.n, false);
    http_write(x, body, true);
}

void dispatch_refuse_rest(struct http_exchange *x, int status, const struct err *e, const char *allow)
{
    const struct http_header headers[] = {{STR("content-type"), STR("application/json")},
                                          {STR("x-content-type-options"), STR("nosniff")},
                                          {STR("allow"), str_from(allow)}};
    struct arena mem;
    buf body;
    arena_init(&mem, 0);
    buf_init_arena(&body, &mem, 8 * ERR_MSG_MAX);
    rest_put_status(&mem, &body, e);
    refuse(x, status, headers, allow ? 3 : 2, buf_view(&body));
    arena_done(&mem);
}

void dispatch_refuse(struct http_exchange *x, const struct head *h, int status, enum code code, const char *message)
{
    struct http_header headers[2];
    size_t n = 0;
    struct err e = {.code = code};
    struct arena mem;
    buf body;
    bool json = reads_json(h);
    strncpy(e.msg, message, sizeof(e.msg) - 1);
    if (rest_owns(http_service_self(x), h->req->path)) {
        dispatch_refuse_rest(x, status, &e, NULL);
        return;
    }
    headers[n++] =
        (struct http_header){STR("content-type"), json ? STR("application/json") : STR("text/plain; charset=utf-8")};
    if (status == 405)
        headers[n++] = (struct http_header){STR("allow"), STR("POST")};
    if (status == 415)
        headers[n++] = (struct http_header){STR("accept-post"), STR(ACCEPT_POST)};
    arena_init(&mem, 0);
    buf_init_arena(&body, &mem, 8 * ERR_MSG_MAX);
    if (json)
        error_put_json(&body, &e);
    else
        buf_printf(&body, "%s\n", message);
    refuse(x, status, headers, n, buf_view(&body));
    arena_done(&mem);
}

/* The media type of a GET; NULL when it was refused. */
static const struct media *media_of_get(struct http_exchange *x, const struct head *h, const struct method *m)
{
    str encoding;
    if (!m->pb->no_side_effects || m->kind != STREAM_NONE) {
        dispatch_refuse(x, h, 405, CODE_UNIMPLEMENTED, "this RPC is called by POST");
        return NULL;
    }
    if (!text_query_find(h->req->query, STR("encoding"), &encoding))
        encoding = STR_NONE;
    const struct media *media = protocol_find_get(encoding);
    if (!media)
        dispatch_refuse(x, h, 415, CODE_UNKNOWN, "query: encoding must be proto or json");
    return media;
}

static const struct media *media_of(struct http_exchange *x, const struct head *h, const struct method *m)
{
    if (str_eq(h->req->method, STR("GET")))
        return media_of_get(x, h, m);
    if (!str_eq(h->req->method, STR("POST"))) {
        dispatch_refuse(x, h, 405, CODE_UNKNOWN, "RPCs are called by POST");
        return NULL;
    }
    const struct media *media = protocol_find(head_media_type(h));
    if (!media || !(m->kind == STREAM_NONE ? media->proto->unary : media->proto->streams)) {
        dispatch_refuse(x, h, 415, CODE_UNKNOWN, "this RPC is not served in that content type");
        return NULL;
    }
    return media;
}

static void set_forms(struct call *c)
{
    const struct media *media = c->media;
    c->in.codec = c->out.codec = media->codec;
    c->in.envelope = c->out.envelope = media->proto->envelopes;
    c->in.text = c->out.text = media->proto->text;
    c->in.max = c->method->max;
}

/* What refuses an RPC before its message is read. */
static enum code check_head(struct ctx *cx, struct call *c, const struct head *h)
{
    TRY(c->media->proto->open(cx, c, h));
    TRY(access_check_token(cx, h, &c->access));
    if (atomic_load_explicit(&c->rpc->draining, memory_order_relaxed))
        return fail(cx, CODE_UNAVAILABLE, "the server is shutting down");
    if (!c->method->pb->unary && !c->method->pb->stream)
        return fail(cx, CODE_UNIMPLEMENTED,
                    STR_FMT " is not implemented by this version of Tern (tern rpcs lists what is)",
                    STR_ARG(c->method->name));
    return CODE_OK;
}

void dispatch_open(struct rpc *r, struct http_exchange *x, const struct head *h, const struct method *m,
                   const struct access *a)
{
    const struct media *media = media_of(x, h, m);
    if (media)
        dispatch_open_as(r, x, h, m, media, NULL, a);
}

void dispatch_open_as(struct rpc *r, struct http_exchange *x, const struct head *h, const struct method *m,
                      const struct media *media, const struct rest_binding *binding, const struct access *a)
{
    struct ctx cx;
    struct call *c = call_new(r, x, h, a, m->kind == STREAM_NONE ? &unary_ops : &stream_ops);
    c->media = media;
    c->method = m;
    c->binding = binding;
    set_forms(c);
    if (m->kind != STREAM_NONE)
        stream_init(c);
    call_ctx(c, c->run, &cx);
    if (check_head(&cx, c, h) != CODE_OK)
        call_fail_err(c, &cx.err);
    else if (m->kind == STREAM_NONE)
        unary_open(c, h);
    else
        stream_open(c);
}

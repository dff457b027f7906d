/* REST as a protocol: JSON in and out, google.rpc.Status for errors, one JSON document a line for server streams. Loop
 * threads. */
#include "rpc/rest_int.h"

#include "base/json.h"
#include "gen/google_protobuf.h"
#include "rpc/protocol.h"

#include <stdio.h>

/* Of a status: a message and details. */
#define STATUS_MAX ((size_t)8 << 20)
/* The request of a stream is read on the loop, since what it parks with is its binary form. */
#define STREAM_REQUEST_MAX (UINT32_C(64) << 10)
#define ANY_PREFIX STR("type.googleapis.com/")

/* ---- errors ------------------------------------------------------------------------------------------------------ */

/* A detail of a type that is not known here stays in base64. */
static void put_detail(struct arena *mem, buf *b, const struct err_detail *d)
{
    GoogleProtobufAny any = {.type_url = arena_concat(mem, ANY_PREFIX, d->type), .value = d->value};
    struct ctx cx;
    str text;
    ctx_init(&cx, mem);
    if (pb_json_encode(&cx, &GoogleProtobufAny_type, &any, &text) == CODE_OK) {
        buf_str(b, text);
        return;
    }
    buf_str(b, STR("{\"@type\":"));
    json_put_str(b, any.type_url);
    buf_str(b, STR(",\"value\":\""));
    text_base64_put(b, d->value, true);
    buf_str(b, STR("\"}"));
}

void rest_put_status(struct arena *mem, buf *b, const struct err *e)
{
    buf_printf(b, "{\"code\":%d,\"message\":", e->code);
    json_put_str(b, str_from(e->msg[0] ? e->msg : code_name(e->code)));
    buf_str(b, STR(",\"details\":["));
    for (const struct err_detail *d = e->details; d; d = d->next) {
        if (d != e->details)
            buf_char(b, ',');
        put_detail(mem, b, d);
    }
    buf_str(b, STR("]}"));
}

/* ---- heads ------------------------------------------------------------------------------------------------------- */

static void head_out_begin(struct head_out *o, str type)
{
    head_out_add(o, STR("content-type"), type);
    head_out_add(o, STR("x-content-type-options"), STR("nosniff"));
}

static void respond(struct call *c, int status, str type, bool meta, int64_t length)
{
    struct head_out o = {0};
    head_out_begin(&o, type);
    if (meta)
        head_out_meta(&o, c, false, NULL, STR_NONE);
    head_out_cors(&o, c);
    c->head_sent = true;
    http_respond(c->x, status, o.h, o.n, length, false);
}

static enum code open_head(struct ctx *cx, struct call *c, const struct head *h)
{
    struct rest *rest = arena_new(cx->mem, struct rest);
    str timeout = h->value[HEAD_GRPC_TIMEOUT];
    int64_t ns;
    if (timeout.n && !text_timeout_grpc(timeout, &ns))
        return fail(cx, CODE_INVALID_ARGUMENT, "grpc-timeout must be at most eight digits and a unit, like 5S");
    if (timeout.n)
        protocol_timeout(c, ns);
    TRY(protocol_encodings(cx, c, h->value[HEAD_CONTENT_ENCODING], h->value[HEAD_ACCEPT_ENCODING]));
    *rest = (struct rest){.binding = c->binding, .query = c->run->query};
    TRY(rest_values(cx, c->binding, h->req->path, &rest->values));
    c->rest = rest;
    return CODE_OK;
}

/* On a worker, or on the loop for what is small. */
static enum code read_message(struct ctx *cx, const struct call *c, const struct message_form *form, str payload,
                              bool gzip, void **out)
{
    TRY(message_payload(cx, form, payload, gzip, &payload));
    return rest_read(cx, c->rest, payload, out);
}

/* ---- unary ------------------------------------------------------------------------------------------------------- */

static void unary_reply(struct call *c, const struct run *run)
{
    struct head_out o = {0};
    head_out_begin(&o, c->media->type);
    if (run->out_gzip)
        head_out_add(&o, STR("content-encoding"), STR("gzip"));
    if (c->out.gzip)
        head_out_add(&o, STR("vary"), STR("accept-encoding"));
    head_out_meta(&o, c, false, NULL, STR_NONE);
    head_out_cors(&o, c);
    http_respond(c->x, 200, o.h, o.n, (int64_t)run->out.n, false);
    http_write(c->x, (str){run->out.p, run->out.n}, true);
}

static void put_failure(struct call *c, const struct err *e, bool meta)
{
    struct arena mem;
    buf body;
    arena_init(&mem, 0);
    buf_init_arena(&body, &mem, STATUS_MAX);
    rest_put_status(&mem, &body, e);
    respond(c, error_status(e->code), STR("application/json"), meta, (int64_t)body.n);
    http_write(c->x, buf_view(&body), true);
    arena_done(&mem);
}

static const struct protocol protocol_rest = {
    .kind = PROTOCOL_REST,
    .unary = true,
    .open = open_head,
    .read = read_message,
    .reply = unary_reply,
    .finish = put_failure,
};

/* ---- server streams ---------------------------------------------------------------------------------------------- */

static enum code stream_open_head(struct ctx *cx, struct call *c, const struct head *h)
{
    TRY(open_head(cx, c, h));
    c->in.max = c->in.max < STREAM_REQUEST_MAX ? c->in.max : STREAM_REQUEST_MAX;
    c->out.gzip = false;
    c->out.line = true;
    return CODE_OK;
}

static void stream_head(struct call *c)
{
    respond(c, 200, c->media->type, true, -1);
}

/* An error before the first result is one of the request; behind it a last line tells. */
static void stream_finish(struct call *c, const struct err *e, bool meta)
{
    struct arena mem;
    buf line;
    if (!c->head_sent && e->code != CODE_OK) {
        put_failure(c, e, meta);
        return;
    }
    if (!c->head_sent)
        respond(c, 200, c->media->type, meta, -1);
    arena_init(&mem, 0);
    buf_init_arena(&line, &mem, STATUS_MAX);
    if (e->code != CODE_OK) {
        buf_str(&line, STR("{\"error\":"));
        rest_put_status(&mem, &line, e);
        buf_str(&line, STR("}\n"));
    }
    http_write(c->x, buf_view(&line), true);
    arena_done(&mem);
}

static const struct protocol protocol_rest_stream = {
    .kind = PROTOCOL_REST,
    .streams = true,
    .open = stream_open_head,
    .read = read_message,
    .head = stream_head,
    .finish = stream_finish,
};

/* ---- the way in -------------------------------------------------------------------------------------------------- */

static const struct media media_unary = {STR_INIT("application/json"), &protocol_rest, CODEC_JSON};
static const struct media media_stream = {STR_INIT("application/x-ndjson"), &protocol_rest_stream, CODEC_JSON};

/* What a page of another site may send without asking first is POST with three media types, none of them JSON. So every
 * POST has to say that it is, also without a body. */
static bool says_json(const struct rest_binding *b, const struct head *h)
{
    bool must = b->body.n || str_eq(h->req->method, STR("POST")) || h->value[HEAD_CONTENT_TYPE].n;
    return !must || str_eq_nocase(head_media_type(h), STR("application/json"));
}

static void refuse_method(struct http_exchange *x, const char *allow)
{
    struct err e = {.code = CODE_UNIMPLEMENTED};
    snprintf(e.msg, sizeof(e.msg), "this path is for %s", allow);
    dispatch_refuse_rest(x, 405, &e, allow);
}

bool rest_open(struct rpc *r, struct http_exchange *x, const struct head *h, const struct access *a)
{
    struct rest_found found;
    rest_find(r, h->req->method, h->req->path, &found);
    const struct rest_binding *b = found.binding;
    if (!b && !found.allow[0])
        return false;
    if (!b) {
        refuse_method(x, found.allow);
        return true;
    }
    if (b->method->pb->client_stream) {
        const struct err e = {.code = CODE_UNIMPLEMENTED,
                              .msg = "an RPC that streams requests cannot be called by REST; use gRPC or Connect"};
        dispatch_refuse_rest(x, 405, &e, "");
        return true;
    }
    if (!says_json(b, h)) {
        const struct err e = {.code = CODE_INVALID_ARGUMENT, .msg = "content-type must be application/json"};
        dispatch_refuse_rest(x, 415, &e, NULL);
        return true;
    }
    dispatch_open_as(r, x, h, b->method, b->method->kind == STREAM_NONE ? &media_unary : &media_stream, b, a);
    return true;
}

bool rest_owns(const struct rpc *r, str path)
{
    struct rest_found found;
    rest_find(r, STR_NONE, path, &found);
    return found.allow[0] || found.binding || str_starts(path, STR(REST_PREFIX "/"));
}

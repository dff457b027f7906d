/* The gRPC protocol: over HTTP/2, and over HTTP/1.1 for clients that read chunked trailers. */
#include "rpc/grpc_int.h"

enum code grpc_open(struct ctx *cx, struct call *c, const struct head *h)
{
    str timeout = h->value[HEAD_GRPC_TIMEOUT];
    int64_t ns;
    if (timeout.n) {
        if (!text_timeout_grpc(timeout, &ns))
            return fail(cx, CODE_INVALID_ARGUMENT, "grpc-timeout must be at most eight digits and a unit");
        protocol_timeout(c, ns);
    }
    return protocol_encodings(cx, c, h->value[HEAD_GRPC_ENCODING], h->value[HEAD_GRPC_ACCEPT_ENCODING]);
}

static void head(struct head_out *o, const struct call *c, bool meta)
{
    head_out_add(o, STR("content-type"), c->media->type);
    if (c->out.gzip)
        head_out_add(o, STR("grpc-encoding"), STR("gzip"));
    head_out_add(o, STR("grpc-accept-encoding"), STR("gzip,identity"));
    if (meta)
        head_out_meta(o, c, false, NULL, STR_NONE);
    head_out_cors(o, c);
}

static str status_text(enum code code)
{
    static const char numbers[] = "0\0\0"
                                  "1\0\0"
                                  "2\0\0"
                                  "3\0\0"
                                  "4\0\0"
                                  "5\0\0"
                                  "6\0\0"
                                  "7\0\0"
                                  "8\0\0"
                                  "9\0\0"
                                  "10\0"
                                  "11\0"
                                  "12\0"
                                  "13\0"
                                  "14\0"
                                  "15\0"
                                  "16";
    return str_from(&numbers[(size_t)code * 3]);
}

void grpc_trailers(struct head_out *o, const struct call *c, const struct err *e, bool meta, struct arena *mem)
{
    buf message, status, text;
    head_out_add(o, STR("grpc-status"), status_text(e->code));
    if (e->code != CODE_OK && e->msg[0]) {
        buf_init_arena(&message, mem, 3 * ERR_MSG_MAX);
        text_percent_put(&message, str_from(e->msg));
        head_out_add(o, STR("grpc-message"), buf_view(&message));
    }
    if (e->code != CODE_OK && e->details) {
        buf_init_arena(&status, mem, GRPC_STATUS_MAX);
        buf_init_arena(&text, mem, GRPC_STATUS_MAX * 2);
        error_put_status(&status, e);
        text_base64_put(&text, buf_view(&status), false);
        if (!status.failed && !text.failed)
            head_out_add(o, STR("grpc-status-details-bin"), buf_view(&text));
    }
    if (meta)
        head_out_meta(o, c, true, NULL, STR_NONE);
}

void grpc_send_head(struct call *c, bool meta)
{
    struct head_out o = {0};
    head(&o, c, meta);
    c->head_sent = true;
    http_respond(c->x, 200, o.h, o.n, -1, false);
}

static void stream_head(struct call *c)
{
    grpc_send_head(c, true);
}

static bool has_headers(const struct call *c)
{
    for (const struct meta *m = c->meta; m; m = m->next)
        if (!m->trailer)
            return true;
    return false;
}

/* An error before anything was sent is one block of headers: "trailers only". */
static void trailers_only(struct call *c, const struct err *e, bool meta, struct arena *mem)
{
    struct head_out o = {0};
    head_out_add(&o, STR("content-type"), c->media->type);
    grpc_trailers(&o, c, e, meta, mem);
    head_out_cors(&o, c);
    c->head_sent = true;
    http_respond(c->x, 200, o.h, o.n, -1, true);
}

static void finish(struct call *c, const struct err *e, bool meta)
{
    struct head_out o = {0};
    struct arena mem;
    arena_init(&mem, 0);
    if (!c->head_sent && e->code != CODE_OK && !(meta && has_headers(c))) {
        trailers_only(c, e, meta, &mem);
    } else {
        if (!c->head_sent)
            grpc_send_head(c, meta);
        grpc_trailers(&o, c, e, meta, &mem);
        http_end_trailers(c->x, o.h, o.n);
    }
    arena_done(&mem);
}

static void reply(struct call *c, const struct run *run)
{
    static const struct err ok = {0};
    struct head_out o = {0};
    grpc_send_head(c, true);
    http_write(c->x, (str){run->out.p, run->out.n}, false);
    grpc_trailers(&o, c, &ok, true, NULL);
    http_end_trailers(c->x, o.h, o.n);
}

const struct protocol protocol_grpc = {
    .kind = PROTOCOL_GRPC,
    .streams = true,
    .unary = true,
    .envelopes = true,
    .open = grpc_open,
    .reply = reply,
    .head = stream_head,
    .finish = finish,
};

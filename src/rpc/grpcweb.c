/* gRPC-Web: gRPC's messages over any HTTP, its trailers as a last frame of the body; the text form is that in base64.
 */
#include "rpc/grpc_int.h"

#define TRAILERS_MAX ((size_t)1 << 20)

static void stream_head(struct call *c)
{
    grpc_send_head(c, true);
}

/* "name: value" lines. */
static void put_trailers(buf *out, const struct head_out *o)
{
    for (size_t i = 0; i < o->n; i++) {
        buf_str(out, o->h[i].name);
        buf_str(out, STR(": "));
        buf_str(out, o->h[i].value);
        buf_str(out, STR("\r\n"));
    }
}

static void send_trailers(struct call *c, const struct err *e, bool meta)
{
    struct head_out o = {0};
    struct arena mem;
    buf lines, frame, text;
    arena_init(&mem, 0);
    buf_init_arena(&lines, &mem, TRAILERS_MAX);
    buf_init_arena(&frame, &mem, TRAILERS_MAX * 2);
    buf_init_arena(&text, &mem, TRAILERS_MAX * 3);
    grpc_trailers(&o, c, e, meta, &mem);
    put_trailers(&lines, &o);
    message_envelope_put(&frame, ENVELOPE_TRAILERS, buf_view(&lines));
    if (c->out.text)
        text_base64_put(&text, buf_view(&frame), true);
    http_write(c->x, buf_view(c->out.text ? &text : &frame), true);
    arena_done(&mem);
}

static void finish(struct call *c, const struct err *e, bool meta)
{
    if (!c->head_sent)
        grpc_send_head(c, meta);
    send_trailers(c, e, meta);
}

static void reply(struct call *c, const struct run *run)
{
    static const struct err ok = {0};
    grpc_send_head(c, true);
    http_write(c->x, (str){run->out.p, run->out.n}, false);
    send_trailers(c, &ok, true);
}

const struct protocol protocol_grpc_web = {
    .kind = PROTOCOL_GRPC_WEB,
    .streams = true,
    .unary = true,
    .envelopes = true,
    .open = grpc_open,
    .reply = reply,
    .head = stream_head,
    .finish = finish,
};

const struct protocol protocol_grpc_web_text = {
    .kind = PROTOCOL_GRPC_WEB,
    .streams = true,
    .unary = true,
    .envelopes = true,
    .text = true,
    .open = grpc_open,
    .reply = reply,
    .head = stream_head,
    .finish = finish,
};

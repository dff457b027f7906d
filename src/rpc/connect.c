/* The Connect protocol (https://connectrpc.com/docs/protocol): unary by POST and GET, and streams of envelopes. */
#include "rpc/protocol.h"

#include "base/codec.h"
#include "base/json.h"

/* Of the JSON that ends a stream or tells an error: a message, details and what the handler set. */
#define END_MAX ((size_t)8 << 20)

static enum code read_version(struct ctx *cx, str version)
{
    if (version.n && !str_eq(version, STR("1")))
        return fail(cx, CODE_INVALID_ARGUMENT, "connect-protocol-version must be \"1\"");
    return CODE_OK;
}

static enum code read_timeout(struct ctx *cx, struct call *c, const struct head *h)
{
    str timeout = h->value[HEAD_CONNECT_TIMEOUT_MS];
    int64_t ns;
    if (!timeout.n)
        return CODE_OK;
    if (!text_timeout_connect(timeout, &ns))
        return fail(cx, CODE_INVALID_ARGUMENT, "connect-timeout-ms must be at most ten digits");
    protocol_timeout(c, ns);
    return CODE_OK;
}

/* ---- unary ---- */

static enum code unary_open_head(struct ctx *cx, struct call *c, const struct head *h)
{
    TRY(read_version(cx, h->value[HEAD_CONNECT_PROTOCOL_VERSION]));
    TRY(read_timeout(cx, c, h));
    return protocol_encodings(cx, c, h->value[HEAD_CONTENT_ENCODING], h->value[HEAD_ACCEPT_ENCODING]);
}

static void unary_reply(struct call *c, const struct run *run)
{
    struct head_out o = {0};
    struct arena *mem = &c->run->mem;
    head_out_add(&o, STR("content-type"), c->media->type);
    if (run->out_gzip)
        head_out_add(&o, STR("content-encoding"), STR("gzip"));
    if (c->out.gzip)
        head_out_add(&o, STR("vary"), STR("accept-encoding"));
    head_out_meta(&o, c, false, mem, STR_NONE);
    head_out_meta(&o, c, true, mem, STR("trailer-"));
    head_out_cors(&o, c);
    http_respond(c->x, 200, o.h, o.n, (int64_t)run->out.n, run->out.n == 0);
    if (run->out.n)
        http_write(c->x, (str){run->out.p, run->out.n}, true);
}

/* The error as a JSON body. */
static void unary_finish(struct call *c, const struct err *e, bool meta)
{
    struct head_out o = {0};
    struct arena mem;
    buf body;
    arena_init(&mem, 0);
    buf_init_arena(&body, &mem, END_MAX);
    head_out_add(&o, STR("content-type"), STR("application/json"));
    if (e->code == CODE_UNIMPLEMENTED)
        head_out_add(&o, STR("accept-encoding"), STR("gzip, identity"));
    if (meta) {
        head_out_meta(&o, c, false, &mem, STR_NONE);
        head_out_meta(&o, c, true, &mem, STR("trailer-"));
    }
    head_out_cors(&o, c);
    error_put_json(&body, e);
    http_respond(c->x, error_status(e->code), o.h, o.n, (int64_t)body.n, false);
    http_write(c->x, buf_view(&body), true);
    arena_done(&mem);
}

const struct protocol protocol_connect_unary = {
    .kind = PROTOCOL_CONNECT,
    .unary = true,
    .open = unary_open_head,
    .reply = unary_reply,
    .finish = unary_finish,
};

/* ---- GET ---- */

static enum code query_value(struct ctx *cx, str query, str name, str *out)
{
    str raw;
    *out = STR_NONE;
    if (text_query_find(query, name, &raw) && !codec_percent_decode(cx->mem, raw, true, out))
        return fail(cx, CODE_INVALID_ARGUMENT, "query: %s is not percent-encoded right", name.p);
    return CODE_OK;
}

static enum code get_message(struct ctx *cx, struct call *c, str query)
{
    struct text_base64 reader = {0};
    str message, base64;
    buf bytes;
    if (!text_query_find(query, STR("message"), &message))
        return fail(cx, CODE_INVALID_ARGUMENT, "query: message is missing");
    TRY(query_value(cx, query, STR("message"), &message));
    TRY(query_value(cx, query, STR("base64"), &base64));
    /* The arena's copy, for the exchange's query may go before the run is done. */
    buf_init_arena(&bytes, &c->run->mem, message.n + 3);
    if (!str_eq(base64, STR("1")))
        buf_str(&bytes, message);
    else if (!text_base64_read(&reader, message, &bytes) || !text_base64_end(&reader, &bytes))
        return fail(cx, CODE_INVALID_ARGUMENT, "query: message is not base64");
    c->run->body = bytes;
    return CODE_OK;
}

static enum code get_open(struct ctx *cx, struct call *c, const struct head *h)
{
    str query = h->req->query, version, compression;
    c->get = true;
    TRY(query_value(cx, query, STR("connect"), &version));
    if (version.n && !str_eq(version, STR("v1")))
        return fail(cx, CODE_INVALID_ARGUMENT, "query: connect must be \"v1\"");
    TRY(read_timeout(cx, c, h));
    TRY(query_value(cx, query, STR("compression"), &compression));
    TRY(protocol_encodings(cx, c, compression, h->value[HEAD_ACCEPT_ENCODING]));
    return get_message(cx, c, query);
}

const struct protocol protocol_connect_get = {
    .kind = PROTOCOL_CONNECT,
    .unary = true,
    .open = get_open,
    .reply = unary_reply,
    .finish = unary_finish,
};

/* ---- streams ---- */

static enum code stream_open_head(struct ctx *cx, struct call *c, const struct head *h)
{
    TRY(read_version(cx, h->value[HEAD_CONNECT_PROTOCOL_VERSION]));
    TRY(read_timeout(cx, c, h));
    return protocol_encodings(cx, c, h->value[HEAD_CONNECT_CONTENT_ENCODING], h->value[HEAD_CONNECT_ACCEPT_ENCODING]);
}

static void send_head(struct call *c, bool meta)
{
    struct head_out o = {0};
    head_out_add(&o, STR("content-type"), c->media->type);
    if (c->out.gzip)
        head_out_add(&o, STR("connect-content-encoding"), STR("gzip"));
    head_out_add(&o, STR("connect-accept-encoding"), STR("gzip, identity"));
    if (meta)
        head_out_meta(&o, c, false, NULL, STR_NONE);
    head_out_cors(&o, c);
    c->head_sent = true;
    http_respond(c->x, 200, o.h, o.n, -1, false);
}

static void stream_head(struct call *c)
{
    send_head(c, true);
}

/* One "name":["value",...] for each name, in order of first appearance. */
static void put_metadata(buf *b, const struct call *c)
{
    bool first = true;
    for (const struct meta *m = c->meta; m; m = m->next) {
        const struct meta *before = c->meta;
        while (before != m && !(before->trailer && str_eq(before->name, m->name)))
            before = before->next;
        if (!m->trailer || before != m)
            continue;
        buf_str(b, first ? STR("") : STR(","));
        first = false;
        json_put_str(b, m->name);
        buf_str(b, STR(":["));
        for (const struct meta *v = m; v; v = v->next) {
            if (!v->trailer || !str_eq(v->name, m->name))
                continue;
            buf_str(b, v == m ? STR("") : STR(","));
            json_put_str(b, v->value);
        }
        buf_char(b, ']');
    }
}

static bool has_trailers(const struct call *c)
{
    for (const struct meta *m = c->meta; m; m = m->next)
        if (m->trailer)
            return true;
    return false;
}

static void stream_finish(struct call *c, const struct err *e, bool meta)
{
    struct arena mem;
    buf json, frame;
    arena_init(&mem, 0);
    buf_init_arena(&json, &mem, END_MAX);
    buf_init_arena(&frame, &mem, END_MAX + ENVELOPE_HEAD);
    bool metadata = meta && has_trailers(c);
    buf_char(&json, '{');
    if (e->code != CODE_OK) {
        buf_str(&json, STR("\"error\":"));
        error_put_json(&json, e);
    }
    if (metadata) {
        buf_str(&json, e->code != CODE_OK ? STR(",\"metadata\":{") : STR("\"metadata\":{"));
        put_metadata(&json, c);
        buf_char(&json, '}');
    }
    buf_char(&json, '}');
    message_envelope_put(&frame, ENVELOPE_END, buf_view(&json));
    if (!c->head_sent)
        send_head(c, meta);
    http_write(c->x, buf_view(&frame), true);
    arena_done(&mem);
}

const struct protocol protocol_connect_stream = {
    .kind = PROTOCOL_CONNECT,
    .streams = true,
    .envelopes = true,
    .open = stream_open_head,
    .head = stream_head,
    .finish = stream_finish,
};

/* connectrpc.conformance.v1.ConformanceService as its .proto describes it: it answers what the request asks for, and
 * echoes what it saw. Runs on lanes; delays of unary RPCs sleep on their worker. */
#include "gen/conform_services.h"
#include "gen/google_protobuf.h"

#include "base/codec.h"
#include "base/time.h"
#include "base/vec.h"
#include "rpc/call.h"
#include "rpc/stream.h"
#include "rpc/text.h"

#include <unistd.h>

#define P(name) ConnectrpcConformanceV1##name

/* ---- what is echoed ---------------------------------------------------------------------------------------------- */

typedef VEC(P(Header) *) headers;
typedef VEC(GoogleProtobufAny *) anys;

/* Adds a value to the header of that name. */
static void add_header(struct arena *mem, headers *to, str name, str value)
{
    size_t i = 0;
    while (i < to->n && !str_eq(to->p[i]->name, name))
        i++;
    if (i == to->n) {
        P(Header) *h = pb_new(mem, P(Header));
        h->name = arena_str(mem, name);
        *vec_push(to, mem) = h;
    }
    P(Header) *h = to->p[i];
    str *more = arena_new_array(mem, str, h->value.n + 1);
    if (h->value.n)
        memcpy(more, h->value.p, h->value.n * sizeof(str));
    more[h->value.n++] = arena_str(mem, value);
    h->value.p = more;
}

static P(ConformancePayload_ConnectGetInfo) * get_info(struct ctx *cx)
{
    str query = rpc_query(cx), piece, name, value;
    headers params = {0};
    if (!query.n)
        return NULL;
    while (str_next(&query, '&', &piece)) {
        str_cut(piece, '=', &name, &value);
        if (codec_percent_decode(cx->mem, value, true, &value))
            add_header(cx->mem, &params, name, value);
    }
    P(ConformancePayload_ConnectGetInfo) *info = pb_new(cx->mem, P(ConformancePayload_ConnectGetInfo));
    info->query_params.p = params.p;
    info->query_params.n = params.n;
    return info;
}

/* Headers, timeout, query: what is known when the call begins. */
static P(ConformancePayload_RequestInfo) * call_info(struct ctx *cx)
{
    P(ConformancePayload_RequestInfo) *info = pb_new(cx->mem, P(ConformancePayload_RequestInfo));
    headers seen = {0};
    str name, value;
    for (size_t at = 0; rpc_header_next(cx, &at, &name, &value);)
        add_header(cx->mem, &seen, name, value);
    info->request_headers.p = seen.p;
    info->request_headers.n = seen.n;
    info->has_timeout_ms = rpc_timeout_ns(cx) >= 0;
    info->timeout_ms = info->has_timeout_ms ? rpc_timeout_ns(cx) / NS_PER_MS : 0;
    info->connect_get_info = get_info(cx);
    return info;
}

static GoogleProtobufAny *to_any(struct arena *mem, const struct pb_type *type, str bytes)
{
    GoogleProtobufAny *any = pb_new(mem, GoogleProtobufAny);
    any->type_url = arena_concat(mem, STR("type.googleapis.com/"), pb_type_name(type));
    any->value = bytes;
    return any;
}

/* Headers and trailers are the same rows in unary and stream definitions. */
static void set_headers(struct ctx *cx, P(Header) *const *p, size_t n, bool trailers)
{
    for (size_t i = 0; i < n; i++)
        for (size_t v = 0; v < p[i]->value.n; v++) {
            char *name = arena_cstr(cx->mem, p[i]->name);
            for (char *at = name; *at; at++)
                *at = (char)(*at >= 'A' && *at <= 'Z' ? *at | 0x20 : *at);
            (trailers ? rpc_set_trailer : rpc_set_header)(cx, str_from(name), p[i]->value.p[v]);
        }
}

static enum code fail_as_told(struct ctx *cx, const P(Error) * e, const P(ConformancePayload_RequestInfo) * info)
{
    str name;
    enum code code = fail(cx, (enum code)e->code, STR_FMT, STR_ARG(e->message));
    for (size_t i = 0; i < e->details.n; i++) {
        str url = e->details.p[i]->type_url;
        name = str_skip(url, str_rfind_char(url, '/') + 1);
        ctx_add_detail(cx, name, e->details.p[i]->value);
    }
    if (info) {
        str bytes;
        TRY(pb_encode(cx, &P(ConformancePayload_RequestInfo_type), info, &bytes));
        ctx_add_detail(cx, pb_type_name(&P(ConformancePayload_RequestInfo_type)), bytes);
    }
    return code;
}

/* ---- one response ------------------------------------------------------------------------------------------------ */

/* All that a definition of one response asks for but the delay. *out is the payload. */
static enum code respond(struct ctx *cx, const P(UnaryResponseDefinition) * def,
                         P(ConformancePayload_RequestInfo) * info, P(ConformancePayload) * *out)
{
    P(ConformancePayload) *payload = pb_new(cx->mem, P(ConformancePayload));
    payload->request_info = info;
    *out = payload;
    if (!def)
        return CODE_OK;
    set_headers(cx, def->response_headers.p, def->response_headers.n, false);
    set_headers(cx, def->response_trailers.p, def->response_trailers.n, true);
    if (def->response_case == P(UnaryResponseDefinition_error_tag))
        return fail_as_told(cx, def->error, info);
    if (def->response_case == P(UnaryResponseDefinition_response_data_tag))
        payload->data = def->response_data;
    return CODE_OK;
}

static enum code unary(struct ctx *cx, const struct pb_type *type, const P(UnaryRequest) * req,
                       P(ConformancePayload) * *out)
{
    P(ConformancePayload_RequestInfo) *info = call_info(cx);
    anys list = {0};
    str bytes;
    TRY(pb_encode(cx, type, req, &bytes));
    *vec_push(&list, cx->mem) = to_any(cx->mem, type, bytes);
    info->requests.p = list.p;
    info->requests.n = list.n;
    if (req->response_definition && req->response_definition->response_delay_ms)
        usleep(req->response_definition->response_delay_ms * 1000);
    return respond(cx, req->response_definition, info, out);
}

enum code ConformanceService_Unary(struct ctx *cx, const P(UnaryRequest) * req, P(UnaryResponse) * rsp)
{
    return unary(cx, &P(UnaryRequest_type), req, &rsp->payload);
}

enum code ConformanceService_IdempotentUnary(struct ctx *cx, const P(IdempotentUnaryRequest) * req,
                                             P(IdempotentUnaryResponse) * rsp)
{
    _Static_assert(sizeof(P(IdempotentUnaryRequest)) == sizeof(P(UnaryRequest)), "the two have the same fields");
    return unary(cx, &P(IdempotentUnaryRequest_type), (const P(UnaryRequest) *)(const void *)req, &rsp->payload);
}

/* ---- streams ----------------------------------------------------------------------------------------------------- */

/* What a stream remembers between steps; the bytes are in stream_mem(). */
struct memory {
    bool begun;
    str info;          /* RequestInfo of the call, encoded */
    str first;         /* the first message, encoded */
    VEC(str) received; /* messages, encoded, since the last response of a full-duplex stream */
    size_t sent;
    int64_t due_ns; /* when the next response may go; 0 = not decided */
};

static enum code begin(struct ctx *cx, struct stream *st, struct memory *m)
{
    if (m->begun)
        return CODE_OK;
    m->begun = true;
    TRY(pb_encode(cx, &P(ConformancePayload_RequestInfo_type), call_info(cx), &m->info));
    m->info = arena_str(stream_mem(st), m->info);
    return CODE_OK;
}

/* RequestInfo with the messages received so far. bare: without what the call began with. */
static enum code full_info(struct ctx *cx, const struct memory *m, const struct pb_type *type, bool bare,
                           P(ConformancePayload_RequestInfo) * *out)
{
    void *info;
    TRY(pb_decode(cx, &P(ConformancePayload_RequestInfo_type), bare ? STR("") : m->info, &info));
    anys list = {0};
    for (size_t i = 0; i < m->received.n; i++)
        *vec_push(&list, cx->mem) = to_any(cx->mem, type, m->received.p[i]);
    *out = info;
    (*out)->requests.p = list.p;
    (*out)->requests.n = list.n;
    return CODE_OK;
}

static enum code remember(struct ctx *cx, struct stream *st, struct memory *m, const struct pb_type *type,
                          const void *msg)
{
    str bytes;
    TRY(pb_encode(cx, type, msg, &bytes));
    bytes = arena_str(stream_mem(st), bytes);
    if (!m->first.p)
        m->first = bytes;
    *vec_push(&m->received, stream_mem(st)) = bytes;
    return CODE_OK;
}

/* True when the delay before the next response is over. */
static bool is_due(struct memory *m, uint32_t delay_ms)
{
    int64_t now = time_now_ns();
    if (!m->due_ns)
        m->due_ns = now + (int64_t)delay_ms * NS_PER_MS;
    if (now < m->due_ns)
        return false;
    m->due_ns = 0;
    return true;
}

enum code ConformanceService_ClientStream(struct ctx *cx, const void *none, struct stream *st)
{
    struct memory *m = stream_state(st, sizeof(*m));
    P(ClientStreamResponse) rsp = {0};
    P(ConformancePayload_RequestInfo) * info;
    P(ClientStreamRequest) * first;
    void *msg;
    (void)none;
    TRY(begin(cx, st, m));
    for (;;) {
        TRY(stream_recv(cx, st, &msg));
        if (!msg)
            break;
        TRY(remember(cx, st, m, &P(ClientStreamRequest_type), msg));
    }
    if (!stream_recv_done(st))
        return stream_wait(st);
    TRY(pb_decode(cx, &P(ClientStreamRequest_type), m->first, (void **)&first));
    if (first->response_definition && !is_due(m, first->response_definition->response_delay_ms))
        return stream_wait_until(st, m->due_ns);
    TRY(full_info(cx, m, &P(ClientStreamRequest_type), false, &info));
    TRY(respond(cx, first->response_definition, info, &rsp.payload));
    return stream_send(cx, st, &rsp);
}

/* Responses of server and bidirectional streams have the same one field. */
static enum code send_next(struct ctx *cx, struct stream *st, struct memory *m, const struct pb_type *type,
                           const P(StreamResponseDefinition) * def, bool full_duplex)
{
    P(ServerStreamResponse) rsp = {.payload = pb_new(cx->mem, P(ConformancePayload))};
    rsp.payload->data = def->response_data.p[m->sent];
    if (m->sent == 0 || (full_duplex && m->received.n))
        TRY(full_info(cx, m, type, m->sent > 0, &rsp.payload->request_info));
    TRY(stream_send(cx, st, &rsp));
    m->sent++;
    if (full_duplex)
        m->received.n = 0;
    return CODE_OK;
}

static enum code finish(struct ctx *cx, const struct memory *m, const struct pb_type *type,
                        const P(StreamResponseDefinition) * def)
{
    P(ConformancePayload_RequestInfo) *info = NULL;
    if (!def || !def->error)
        return CODE_OK;
    if (!m->sent)
        TRY(full_info(cx, m, type, false, &info));
    return fail_as_told(cx, def->error, info);
}

/* Sends what is left of the definition, then ends. */
static enum code send_rest(struct ctx *cx, struct stream *st, struct memory *m, const struct pb_type *type,
                           const P(StreamResponseDefinition) * def)
{
    while (def && m->sent < def->response_data.n) {
        if (!is_due(m, def->response_delay_ms))
            return stream_wait_until(st, m->due_ns);
        TRY(send_next(cx, st, m, type, def, false));
        if (!stream_writable(st))
            return stream_again(st);
    }
    return finish(cx, m, type, def);
}

static void set_stream_headers(struct ctx *cx, struct stream *st, const P(StreamResponseDefinition) * def)
{
    if (!def)
        return;
    set_headers(cx, def->response_headers.p, def->response_headers.n, false);
    set_headers(cx, def->response_trailers.p, def->response_trailers.n, true);
    if (def->response_data.n)
        stream_send_head(st);
}

enum code ConformanceService_ServerStream(struct ctx *cx, const P(ServerStreamRequest) * req, struct stream *st)
{
    struct memory *m = stream_state(st, sizeof(*m));
    if (!m->begun) {
        TRY(begin(cx, st, m));
        TRY(remember(cx, st, m, &P(ServerStreamRequest_type), req));
        set_stream_headers(cx, st, req->response_definition);
    }
    return send_rest(cx, st, m, &P(ServerStreamRequest_type), req->response_definition);
}

/* Full duplex: a response for each message. *over: no more responses are due for messages. */
static enum code echo(struct ctx *cx, struct stream *st, struct memory *m, const P(StreamResponseDefinition) * def,
                      bool *over)
{
    *over = false;
    for (;;) {
        void *msg;
        if (!m->received.n) {
            TRY(stream_recv(cx, st, &msg));
            if (!msg)
                break;
            TRY(remember(cx, st, m, &P(BidiStreamRequest_type), msg));
        }
        if (!def || m->sent >= def->response_data.n) {
            *over = true;
            return CODE_OK;
        }
        if (!is_due(m, def->response_delay_ms))
            return stream_wait_until(st, m->due_ns);
        TRY(send_next(cx, st, m, &P(BidiStreamRequest_type), def, true));
    }
    *over = stream_recv_done(st);
    return *over ? CODE_OK : stream_wait(st);
}

/* Half duplex: everything is read first. */
static enum code drain(struct ctx *cx, struct stream *st, struct memory *m)
{
    void *msg;
    for (;;) {
        TRY(stream_recv(cx, st, &msg));
        if (!msg)
            return CODE_OK;
        TRY(remember(cx, st, m, &P(BidiStreamRequest_type), msg));
    }
}

enum code ConformanceService_BidiStream(struct ctx *cx, const void *none, struct stream *st)
{
    struct memory *m = stream_state(st, sizeof(*m));
    P(BidiStreamRequest) * first;
    bool fresh = !m->first.p, over;
    void *msg;
    (void)none;
    TRY(begin(cx, st, m));
    if (fresh) {
        TRY(stream_recv(cx, st, &msg));
        if (!msg)
            return stream_recv_done(st) ? CODE_OK : stream_wait(st);
        TRY(remember(cx, st, m, &P(BidiStreamRequest_type), msg));
    }
    TRY(pb_decode(cx, &P(BidiStreamRequest_type), m->first, (void **)&first));
    if (fresh && first->full_duplex)
        set_stream_headers(cx, st, first->response_definition);
    if (first->full_duplex) {
        TRY(echo(cx, st, m, first->response_definition, &over));
        if (!over)
            return CODE_OK; /* parked */
        return send_rest(cx, st, m, &P(BidiStreamRequest_type), first->response_definition);
    }
    TRY(drain(cx, st, m));
    if (!stream_recv_done(st))
        return stream_wait(st);
    if (!m->sent && !m->due_ns)
        set_stream_headers(cx, st, first->response_definition);
    return send_rest(cx, st, m, &P(BidiStreamRequest_type), first->response_definition);
}

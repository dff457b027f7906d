/* Calls and runs: their memory, their way to a lane and back, and what handlers see of them. See call_int.h, call.h. */
#include "rpc/call_int.h"

#include "base/log.h"
#include "base/mem.h"
#include "base/time.h"
#include "rpc/count_int.h"
#include "rpc/stream.h"

#include <stdio.h>

/* The arena of an RPC (D-34). */
#define ARENA_FACTOR 8
#define ARENA_MAX ((size_t)256 << 20)
/* Of a request that is already refused. */
#define SWALLOW_MAX ((size_t)256 << 10)
/* A run keeps its memory for reuse when it used no more. */
#define KEPT_BYTES_MAX ((size_t)64 << 10)

static size_t arena_cap(const struct rpc *r)
{
    size_t max = r->message_max;
    return max < ARENA_MAX / ARENA_FACTOR ? max * ARENA_FACTOR : ARENA_MAX;
}

struct run *call_run_new(struct call *c)
{
    struct rpc_loop *l = c->loop;
    struct run *run = l->kept;
    if (run) {
        struct arena mem = run->mem;
        l->kept = run->kept_next;
        l->kept_count--;
        *run = (struct run){.mem = mem};
    } else {
        run = mem_new(struct run);
        arena_init(&run->mem, arena_cap(c->rpc));
        run->mem.budget = &c->rpc->decoded;
    }
    run->call = c;
    run->loop = l;
    return run;
}

void call_run_free(struct run *run)
{
    struct rpc_loop *l = run->loop;
    if (l->kept_count >= RPC_RUNS_KEPT || run->mem.used > KEPT_BYTES_MAX) {
        arena_done(&run->mem);
        mem_free(run);
        return;
    }
    arena_reset(&run->mem);
    run->kept_next = l->kept;
    l->kept = run;
    l->kept_count++;
}

/* The exchange may be gone before the run is done, so the run has the headers of its own: one block of text. */
static void copy_head(struct run *run, struct http_exchange *x, const struct http_request *req)
{
    const struct http_peer *peer = http_peer(x);
    size_t bytes = peer->address.n + req->query.n;
    for (size_t i = 0; i < req->header_count; i++)
        bytes += req->headers[i].name.n + req->headers[i].value.n;
    char *at = arena_alloc(&run->mem, bytes);
    run->headers = arena_new_array(&run->mem, struct http_header, req->header_count);
    run->header_count = req->header_count;
#define COPY(to, from)                                                                                                 \
    do {                                                                                                               \
        (to) = (str){memcpy(at, (from).n ? (from).p : "", (from).n), (from).n};                                        \
        at += (from).n;                                                                                                \
    } while (0)
    for (size_t i = 0; i < req->header_count; i++) {
        COPY(run->headers[i].name, req->headers[i].name);
        COPY(run->headers[i].value, req->headers[i].value);
    }
    COPY(run->peer, peer->address);
    COPY(run->query, req->query);
#undef COPY
}

struct call *call_new(struct rpc *r, struct http_exchange *x, const struct head *h, const struct access *a,
                      const struct call_ops *ops)
{
    struct call *c = mem_new(struct call);
    str id = str_head(h->value[HEAD_X_REQUEST_ID], CALL_REQUEST_ID_MAX - 1);
    c->ops = ops;
    c->x = x;
    c->rpc = r;
    c->loop = rpc_loop_get(r, http_loop(x));
    c->access = *a;
    c->started_ns = time_now_ns();
    c->deadline_ns = INT64_MAX;
    c->http1 = h->req->version == 1;
    c->in.max = r->message_max;
    c->out.max = r->response_max;
    c->out.gzip_min = r->cfg.gzip_min || !http_peer(x)->loopback ? r->gzip_min : UINT32_MAX;
    if (id.n)
        memcpy(c->request_id, id.p, id.n);
    c->run = call_run_new(c);
    copy_head(c->run, x, h->req);
    http_set_arg(x, c);
    return c;
}

void call_free(struct call *c)
{
    call_let_go(c, (size_t)c->counted_bytes);
    loop_timer_clear(c->loop->loop, &c->timer);
    if (c->run)
        call_run_free(c->run);
    mem_free(c->held);
    mem_free(c);
}

void call_ctx(struct call *c, struct run *run, struct ctx *cx)
{
    ctx_init(cx, &run->mem);
    cx->deadline_ns = c->deadline_ns;
    cx->who = c->access.who;
    cx->app = c->rpc->cfg.app;
    cx->call = run;
    cx->fields.rpc = c->method ? c->method->name : str_from(c->page->path);
    cx->fields.request_id = str_from(c->request_id);
}

/* ---- to a lane and back ---- */

static enum log_level level_of(enum code code)
{
    switch (code) {
    case CODE_UNKNOWN:
    case CODE_INTERNAL:
    case CODE_DATA_LOSS:
        return LOG_LEVEL_ERROR;
    case CODE_UNAVAILABLE:
    case CODE_RESOURCE_EXHAUSTED:
        return LOG_LEVEL_WARN;
    default:
        return LOG_LEVEL_DEBUG;
    }
}

/* The one log line of a failure. What may tell too much stays in the log: the client gets the number of the line. */
static void log_failure(struct call *c, struct ctx *cx, struct err *e)
{
    enum log_level level = c->rpc->cfg.tell_internal ? LOG_LEVEL_DEBUG : level_of(e->code);
    if (level == LOG_LEVEL_ERROR && e->foreign)
        level = LOG_LEVEL_WARN;
    if (level != LOG_LEVEL_ERROR) {
        LOG_AT_(level, cx, "rpc failed", LOG_ERR(cx));
        return;
    }
    uint64_t id = c->rpc->error_base + atomic_fetch_add(&c->rpc->error_ids, 1);
    char text[24];
    snprintf(text, sizeof(text), "%012llx", (unsigned long long)(id & UINT64_C(0xffffffffffff)));
    log_error(cx, "rpc failed", LOG_ERR(cx), LOG_CSTR("error_id", text));
    snprintf(e->msg, sizeof(e->msg), "internal error %s: the server's log has more", text);
    e->details = NULL;
}

/* On the worker (or, when a lane refuses, on the loop). */
static void done(struct lane_entry *e, struct ctx *cx, enum code code)
{
    struct run *run = container_of(e, struct run, entry);
    struct call *c = run->call;
    run->code = code;
    if (code != CODE_OK) {
        cx->err.code = code;
        run->err = cx->err;
        if (!atomic_load_explicit(&c->gone, memory_order_relaxed))
            log_failure(c, cx, &run->err);
    }
    loop_post(c->loop->loop, &run->post);
}

static void returned(struct loop_post *post)
{
    struct run *run = container_of(post, struct run, post);
    struct call *c = run->call;
    c->on_lane = false;
    atomic_fetch_sub_explicit(&c->rpc->on_lanes, 1, memory_order_release);
    run->back(run);
}

void call_submit(struct run *run, enum lane_kind kind, enum code (*fn)(struct lane_entry *e, struct ctx *cx),
                 void (*back)(struct run *run))
{
    struct call *c = run->call;
    struct ctx cx;
    /* Counted first: rpc_drain() sets its flag first and counts then, so one of the two sees the other. */
    atomic_fetch_add(&c->rpc->on_lanes, 1);
    if (atomic_load(&c->rpc->draining)) {
        atomic_fetch_sub(&c->rpc->on_lanes, 1);
        call_fail(c, CODE_UNAVAILABLE, "the server is shutting down");
        return;
    }
    call_ctx(c, run, &cx);
    run->back = back;
    run->post = (struct loop_post){.fn = returned};
    run->entry = (struct lane_entry){
        .run = fn,
        .done = done,
        .mem = &run->mem,
        .who = c->access.who,
        .call = run,
        .fields = cx.fields,
        .deadline_ns = c->deadline_ns == INT64_MAX ? 0 : c->deadline_ns,
        .priority = c->method && (c->method->priority || (c->st && kind != LANE_WRITE)),
        .patient = c->method && c->method->priority,
    };
    c->on_lane = true;
    rpc_loop_submit(c->loop, kind, &run->entry);
}

/* ---- the request's bytes and the answer ---- */

bool call_hold(struct call *c, size_t bytes)
{
    int64_t held = atomic_fetch_add_explicit(&c->rpc->inflight_bytes, (int64_t)bytes, memory_order_relaxed);
    c->counted_bytes += (int64_t)bytes;
    return held + (int64_t)bytes <= (int64_t)c->rpc->cfg.inflight_max;
}

void call_let_go(struct call *c, size_t bytes)
{
    if (!bytes)
        return;
    c->counted_bytes -= (int64_t)bytes;
    atomic_fetch_sub_explicit(&c->rpc->inflight_bytes, (int64_t)bytes, memory_order_relaxed);
}

enum code call_receive(struct ctx *cx, struct call *c, str bytes, size_t whole, size_t max)
{
    buf *b = &c->run->body;
    if (!b->mem)
        buf_init_arena(b, &c->run->mem, max);
    if (!call_hold(c, bytes.n))
        return fail(cx, CODE_RESOURCE_EXHAUSTED, "the server holds too many bytes of requests");
    if (whole && whole / 2 <= b->n + bytes.n) /* no room for what is only promised */
        buf_expect(b, whole);
    buf_str(b, bytes);
    return b->failed ? fail(cx, CODE_RESOURCE_EXHAUSTED, "request is larger than %zu bytes", max) : CODE_OK;
}

void call_fail_err(struct call *c, const struct err *e)
{
    if (c->answered || !c->x)
        return;
    rpc_count_answer(c, e->code);
    c->ops->fail(c, e);
}

void call_fail(struct call *c, enum code code, const char *fmt, ...)
{
    struct err e = {.code = code};
    va_list ap;
    va_start(ap, fmt);
    vsnprintf(e.msg, sizeof(e.msg), fmt, ap);
    va_end(ap);
    call_fail_err(c, &e);
}

void call_fail_after(struct call *c, const struct err *e, size_t bytes)
{
    if (!c->http1 || c->held || !bytes || bytes > SWALLOW_MAX) {
        call_fail_err(c, e);
        return;
    }
    c->held = mem_new(struct held);
    *c->held = (struct held){*e, bytes};
    c->held->err.details = NULL;
}

bool call_swallow(struct call *c, str chunk)
{
    if (!c->held)
        return false;
    if (chunk.n >= c->held->bytes)
        call_fail_err(c, &c->held->err);
    else
        c->held->bytes -= chunk.n;
    return true;
}

bool call_swallow_end(struct call *c)
{
    if (c->held)
        call_fail_err(c, &c->held->err);
    return c->held != NULL;
}

/* ---- response heads ---- */

void head_out_add(struct head_out *o, str name, str value)
{
    if (o->n < CALL_HEADERS_MAX)
        o->h[o->n++] = (struct http_header){name, value};
}

void head_out_meta(struct head_out *o, const struct call *c, bool trailers, struct arena *mem, str prefix)
{
    for (const struct meta *m = c->meta; m; m = m->next)
        if (m->trailer == trailers)
            head_out_add(o, prefix.n ? arena_concat(mem, prefix, m->name) : m->name, m->value);
}

void head_out_cors(struct head_out *o, const struct call *c)
{
    if (!c->access.origin.n)
        return;
    head_out_add(o, STR("access-control-allow-origin"), c->access.origin);
    head_out_add(o, STR("access-control-expose-headers"),
                 STR("grpc-status, grpc-message, grpc-status-details-bin, grpc-encoding, connect-content-encoding"));
    head_out_add(o, STR("vary"), STR("origin"));
}

/* ---- for handlers: call.h ---- */

static struct run *run_of(const struct ctx *cx)
{
    return cx->call;
}

bool rpc_reply_is_binary(const struct ctx *cx)
{
    const struct call *c = cx->call ? run_of(cx)->call : NULL;
    return c && c->media && c->out.codec == CODEC_PROTO;
}

bool rpc_header_next(const struct ctx *cx, size_t *at, str *name, str *value)
{
    const struct run *run = run_of(cx);
    if (!run || *at >= run->header_count)
        return false;
    *name = run->headers[*at].name;
    *value = run->headers[*at].value;
    ++*at;
    return true;
}

str rpc_header(const struct ctx *cx, str name)
{
    str key, value;
    for (size_t at = 0; rpc_header_next(cx, &at, &key, &value);)
        if (str_eq(key, name))
            return value;
    return STR_NONE;
}

static void add_meta(struct ctx *cx, str name, str value, bool trailer)
{
    struct call *c = cx->call ? run_of(cx)->call : NULL;
    if (!c || c->meta_count >= CALL_META_MAX || !text_is_header_name(name) || !text_is_header_value(value))
        return;
    struct arena *mem = c->st ? stream_mem(c->st) : &run_of(cx)->mem;
    struct meta *m = arena_new(mem, struct meta), **end = &c->meta;
    *m = (struct meta){.name = arena_str(mem, name), .value = arena_str(mem, value), .trailer = trailer};
    while (*end)
        end = &(*end)->next;
    *end = m;
    c->meta_count++;
}

void rpc_set_header(struct ctx *cx, str name, str value)
{
    add_meta(cx, name, value, false);
}

void rpc_set_trailer(struct ctx *cx, str name, str value)
{
    add_meta(cx, name, value, true);
}

str rpc_peer_address(const struct ctx *cx)
{
    return cx->call ? run_of(cx)->peer : STR_NONE;
}

str rpc_query(const struct ctx *cx)
{
    return cx->call && run_of(cx)->call->get ? run_of(cx)->query : STR_NONE;
}

enum code rpc_move(struct ctx *cx, enum lane_kind lane)
{
    struct run *run = cx->call ? run_of(cx) : NULL;
    if (run) {
        run->moves = true;
        run->moves_to = lane;
    }
    return fail(cx, CODE_ABORTED, "this call does not belong on its lane");
}

int64_t rpc_timeout_ns(const struct ctx *cx)
{
    const struct call *c = cx->call ? run_of(cx)->call : NULL;
    return c && c->deadline_ns != INT64_MAX ? c->deadline_ns - c->started_ns : -1;
}

/* The API port's service: what the HTTP server calls, and what belongs to each of its loops. See rpc.h. */
#include "rpc/rpc.h"

#include "base/mem.h"
#include "base/random.h"
#include "base/time.h"
#include "rpc/protocol.h"
#include "rpc/rest_int.h"

#include <stdlib.h>
#include <unistd.h>

/* Of every size in the configuration: calls keep them in 32 bits. */
#define SIZE_LIMIT (UINT32_C(1) << 30)

/* ---- loops ------------------------------------------------------------------------------------------------------- */

/* The end of a loop's round: one chain for each lane. */
static void flush(struct loop_post *post)
{
    struct rpc_loop *l = container_of(post, struct rpc_loop, flush);
    l->flush_asked = false;
    l->round++; /* what is submitted from here on sees a later snapshot */
    for (int kind = 0; kind < LANE_KINDS_; kind++) {
        struct lane_entry *chain = l->batch[kind].first;
        if (!chain)
            continue;
        *l->batch[kind].end = NULL;
        l->batch[kind].first = NULL;
        l->batch[kind].end = &l->batch[kind].first;
        lane_submit_batch(l->rpc->cfg.lanes, (enum lane_kind)kind, chain);
    }
}

void rpc_loop_submit(struct rpc_loop *l, enum lane_kind kind, struct lane_entry *e)
{
    e->next = NULL;
    *l->batch[kind].end = e;
    l->batch[kind].end = &e->next;
    if (l->flush_asked)
        return;
    l->flush_asked = true;
    loop_defer(l->loop, &l->flush);
}

static void on_drain(struct loop_post *post)
{
    stream_drain(container_of(post, struct rpc_loop, drain));
}

static void loop_init(struct rpc_loop *l, struct rpc *r, struct loop *loop)
{
    l->rpc = r;
    l->loop = loop;
    l->round = 1;
    l->flush.fn = flush;
    l->drain.fn = on_drain;
    for (int kind = 0; kind < LANE_KINDS_; kind++)
        l->batch[kind].end = &l->batch[kind].first;
    list_init(&l->streams);
}

struct rpc_loop *rpc_loop_get(struct rpc *r, struct loop *loop)
{
    size_t n = atomic_load_explicit(&r->loop_count, memory_order_acquire);
    for (size_t i = 0; i < n; i++)
        if (r->loops[i].loop == loop)
            return &r->loops[i];
    pthread_mutex_lock(&r->lock);
    n = atomic_load(&r->loop_count);
    if (n == RPC_LOOPS_MAX)
        abort(); /* the HTTP server has fewer loops than that */
    loop_init(&r->loops[n], r, loop);
    atomic_store_explicit(&r->loop_count, n + 1, memory_order_release);
    pthread_mutex_unlock(&r->lock);
    return &r->loops[n];
}

/* ---- what the HTTP server calls ---------------------------------------------------------------------------------- */

static void route(struct rpc *r, struct http_exchange *x, const struct head *h, const struct access *a)
{
    const struct method *m = method_find(r, h->req->path);
    if (m) {
        dispatch_open(r, x, h, m, a);
        return;
    }
    if (rest_open(r, x, h, a))
        return;
    const struct rpc_page *page = page_find(r, h->req->path);
    if (page)
        page_open(r, x, h, page, a);
    else if (rest_owns(r, h->req->path))
        dispatch_refuse(x, h, 404, CODE_NOT_FOUND, "there is nothing at this path");
    else
        dispatch_refuse(x, h, 404, CODE_UNIMPLEMENTED, "there is nothing at this path; runs are listed at /");
}

static void on_headers(struct http_exchange *x)
{
    struct rpc *r = http_service_self(x);
    struct head h;
    struct access a;
    struct ctx cx;
    head_read(&h, http_request(x));
    ctx_init(&cx, http_mem(x));
    if (access_check(&cx, r, http_peer(x), &h, &a) != CODE_OK)
        dispatch_refuse(x, &h, error_status(cx.err.code), cx.err.code, cx.err.msg);
    else if (a.origin.n && str_eq(h.req->method, STR("OPTIONS")))
        access_preflight(x, &a);
    else
        route(r, x, &h, &a);
}

static void on_data(struct http_exchange *x, void *arg, str chunk)
{
    struct call *c = arg;
    (void)x;
    if (c)
        c->ops->data(c, chunk);
}

static void on_end(struct http_exchange *x, void *arg)
{
    struct call *c = arg;
    (void)x;
    if (c)
        c->ops->end(c);
}

static void on_writable(struct http_exchange *x, void *arg)
{
    struct call *c = arg;
    (void)x;
    if (c && c->ops->writable)
        c->ops->writable(c);
}

static void on_close(struct http_exchange *x, void *arg, bool complete)
{
    struct call *c = arg;
    (void)x;
    (void)complete;
    if (!c)
        return;
    c->x = NULL;
    atomic_store_explicit(&c->gone, true, memory_order_relaxed);
    loop_timer_clear(c->loop->loop, &c->timer);
    c->ops->closed(c);
}

/* ---- life -------------------------------------------------------------------------------------------------------- */

static uint32_t size_or(size_t said, uint32_t otherwise)
{
    if (!said)
        return otherwise;
    return said < SIZE_LIMIT ? (uint32_t)said : SIZE_LIMIT;
}

enum code rpc_new(struct ctx *cx, const struct rpc_config *cfg, struct rpc **out)
{
    struct rpc *r = mem_new(struct rpc);
    r->cfg = *cfg;
    r->message_max = size_or(cfg->message_max, UINT32_C(32) << 20);
    r->response_max = size_or(cfg->response_max, UINT32_C(64) << 20);
    r->gzip_min = size_or(cfg->gzip_min, UINT32_C(64) << 10);
    r->cfg.inflight_max = cfg->inflight_max ? cfg->inflight_max : (size_t)896 << 20;
    r->decoded.max = cfg->decoded_max ? cfg->decoded_max : (size_t)1 << 30;
    r->service = (struct http_service){r, on_headers, on_data, on_end, on_writable, on_close};
    r->error_base = random_u64();
    arena_init(&r->mem, 0);
    map_init(&r->people);
    pthread_mutex_init(&r->lock, NULL);
    enum code code = page_table_check(cx, cfg);
    if (code == CODE_OK)
        code = method_table(cx, r);
    if (code == CODE_OK)
        code = rest_table(cx, r);
    if (code != CODE_OK) {
        rpc_free(r);
        return code;
    }
    access_init(r);
    *out = r;
    return CODE_OK;
}

void rpc_free(struct rpc *r)
{
    if (!r)
        return;
    for (size_t i = 0; i < atomic_load(&r->loop_count); i++)
        for (struct run *run = r->loops[i].kept, *next; run; run = next) {
            next = run->kept_next;
            arena_done(&run->mem);
            mem_free(run);
        }
    map_done(&r->people);
    arena_done(&r->mem);
    pthread_mutex_destroy(&r->lock);
    mem_free(r);
}

const struct http_service *rpc_http_service(const struct rpc *r)
{
    return &r->service;
}

void rpc_set_port(struct rpc *r, uint16_t port)
{
    atomic_store(&r->port, port);
}

bool rpc_drain(struct rpc *r, int64_t grace_ns)
{
    int64_t until = time_now_ns() + grace_ns;
    if (!atomic_exchange(&r->draining, true))
        for (size_t i = 0; i < atomic_load(&r->loop_count); i++)
            loop_post(r->loops[i].loop, &r->loops[i].drain);
    while (atomic_load_explicit(&r->on_lanes, memory_order_acquire) > 0) {
        if (time_now_ns() >= until)
            return false;
        usleep(1000);
    }
    return true;
}

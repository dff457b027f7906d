/* Pages: everything on the port that is no RPC. A row's handler runs on its lane; its answer is sent by the loop. */
#include "rpc/page.h"

#include "base/metric.h"
#include "rpc/count_int.h"
#include "rpc/protocol.h"

#define PAGE_CSP                                                                                                       \
    "default-src 'none'; style-src 'self' 'unsafe-inline'; img-src 'self' data:; font-src 'self'; script-src 'self'; " \
    "connect-src 'self'; frame-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'"

enum code page_table_check(struct ctx *cx, const struct rpc_config *cfg)
{
    for (size_t i = 0; i < cfg->page_count; i++) {
        const struct rpc_page *p = &cfg->pages[i];
        if (p->path[0] != '/' || !p->fn)
            return fail(cx, CODE_INVALID_ARGUMENT, "page %s: a path begins with / and has a handler", p->path);
        if (p->lane != LANE_READ && p->lane != LANE_WORK)
            return fail(cx, CODE_INVALID_ARGUMENT, "page %s: runs on the read or work lane", p->path);
    }
    return CODE_OK;
}

const struct rpc_page *page_find(const struct rpc *r, str path)
{
    const struct rpc_page *best = NULL;
    size_t best_n = 0;
    for (size_t i = 0; i < r->cfg.page_count; i++) {
        str own = str_from(r->cfg.pages[i].path);
        bool below = own.n && own.p[own.n - 1] == '/' && own.n > 1;
        bool match = below ? str_starts(path, own) : str_eq(path, own);
        if (match && own.n > best_n) {
            best = &r->cfg.pages[i];
            best_n = own.n;
        }
    }
    return best;
}

/* ---- the answer -------------------------------------------------------------------------------------------------- */

static bool has_header(const struct call *c, str name)
{
    for (const struct meta *m = c->meta; m; m = m->next)
        if (!m->trailer && str_eq(m->name, name))
            return true;
    return false;
}

static void add_default(struct head_out *o, const struct call *c, str name, str value)
{
    if (!has_header(c, name))
        head_out_add(o, name, value);
}

static void send(struct call *c, int status, str type, str body, bool meta)
{
    struct head_out o = {0};
    head_out_add(&o, STR("content-type"), type);
    add_default(&o, c, STR("content-security-policy"), STR(PAGE_CSP));
    add_default(&o, c, STR("x-content-type-options"), STR("nosniff"));
    add_default(&o, c, STR("referrer-policy"), STR("same-origin"));
    add_default(&o, c, STR("cache-control"), STR("no-store"));
    if (meta)
        head_out_meta(&o, c, false, NULL, STR_NONE);
    head_out_cors(&o, c);
    c->answered = true;
    http_respond(c->x, status, o.h, o.n, (int64_t)body.n, body.n == 0);
    if (body.n)
        http_write(c->x, body, true);
}

static void on_fail(struct call *c, const struct err *e)
{
    atomic_store_explicit(&c->gone, true, memory_order_relaxed);
    send(c, error_status(e->code), STR("text/plain; charset=utf-8"), str_from(e->msg), false);
}

static void on_back(struct run *run)
{
    struct call *c = run->call;
    const struct rpc_page_response *rsp = &run->page_rsp;
    if (!c->x) {
        call_free(c);
        return;
    }
    if (c->answered)
        return;
    if (run->code != CODE_OK) {
        call_fail_err(c, &run->err);
        return;
    }
    str type = rsp->content_type.n ? rsp->content_type : STR("text/plain; charset=utf-8");
    send(c, rsp->status ? rsp->status : 200, type, rsp->body, true);
    c->run = NULL;
    call_run_free(run);
}

/* On a worker. */
static enum code run_page(struct lane_entry *e, struct ctx *cx)
{
    struct run *run = container_of(e, struct run, entry);
    if (atomic_load_explicit(&run->call->gone, memory_order_relaxed))
        return fail(cx, CODE_CANCELED, "the client no longer waits");
    return run->call->page->fn(cx, &run->page_req, &run->page_rsp);
}

/* ---- the request ------------------------------------------------------------------------------------------------- */

static void on_data(struct call *c, str chunk)
{
    struct ctx cx;
    if (c->answered)
        return;
    call_ctx(c, c->run, &cx);
    if (call_receive(&cx, c, chunk, 0, RPC_PAGE_BODY_MAX) != CODE_OK)
        call_fail_err(c, &cx.err);
}

static void on_end(struct call *c)
{
    if (c->answered)
        return;
    c->run->page_req.body = buf_view(&c->run->body);
    call_submit(c->run, c->page->lane, run_page, on_back);
}

static void on_closed(struct call *c)
{
    if (!c->on_lane)
        call_free(c);
}

static const struct call_ops page_ops = {
    .data = on_data,
    .end = on_end,
    .fail = on_fail,
    .closed = on_closed,
};

void page_open(struct rpc *r, struct http_exchange *x, const struct head *h, const struct rpc_page *page,
               const struct access *a)
{
    struct call *c = call_new(r, x, h, a, &page_ops);
    struct run *run = c->run;
    struct ctx cx;
    c->page = page;
    run->page_req = (struct rpc_page_request){
        .method = arena_str(&run->mem, h->req->method),
        .path = arena_str(&run->mem, h->req->path),
        .query = arena_str(&run->mem, h->req->query),
    };
    call_ctx(c, run, &cx);
    if (access_check_token(&cx, h, a) != CODE_OK)
        call_fail_err(c, &cx.err);
    else if (h->req->content_length > (int64_t)RPC_PAGE_BODY_MAX)
        call_fail(c, CODE_RESOURCE_EXHAUSTED, "request is larger than %zu bytes", RPC_PAGE_BODY_MAX);
}

/* ---- pages of every server --------------------------------------------------------------------------------------- */

enum code rpc_page_healthz(struct ctx *cx, const struct rpc_page_request *req, struct rpc_page_response *rsp)
{
    (void)cx;
    (void)req;
    rsp->body = STR("ok\n");
    return CODE_OK;
}

enum code rpc_page_metrics(struct ctx *cx, const struct rpc_page_request *req, struct rpc_page_response *rsp)
{
    buf text;
    (void)req;
    buf_init_arena(&text, cx->mem, (size_t)4 << 20);
    metric_print(&text);
    rpc_count_print(cx, ((const struct run *)cx->call)->call->rpc, &text);
    rsp->content_type = STR("text/plain; version=0.0.4; charset=utf-8");
    rsp->body = buf_view(&text);
    return CODE_OK;
}

/* GET /admin/queues: the queues and projects, as a table; POST: a change, its words (engine/rules.h) in the body. For
 * `tern queue`. Work lane. */
#include "service/page_queues_int.h"

#include "app.h"
#include "base/buf.h"
#include "engine/rules.h"
#include "exec/exec.h"
#include "service/audit.h"

#include <stdlib.h>

#define WORDS_MAX ((size_t)1024)
#define ROWS_MAX ((size_t)5000)
#define NAME_SHOWN ((size_t)128)
#define TABLE_MAX (ROWS_MAX * (5 * NAME_SHOWN)) /* a byte of a name takes up to four */

static int by_name(const void *a, const void *b)
{
    const struct exec_load *x = a, *y = b;
    return x->rule.project != y->rule.project ? (int)x->rule.project - (int)y->rule.project
                                              : str_cmp(x->rule.name, y->rule.name);
}

static str number_or(struct ctx *cx, bool said, long long n, const char *other)
{
    return said ? arena_printf(cx->mem, "%lld", n) : str_from(other);
}

static void put_row(struct ctx *cx, buf *b, const struct exec_load *l)
{
    const struct exec_rule *r = &l->rule;
    str name = str_head(r->name, r->name.n < NAME_SHOWN ? r->name.n : NAME_SHOWN);
    str limit = number_or(cx, r->limit > 0, r->limit, "-");
    str priority = number_or(cx, !r->project, r->priority, "-");
    str weight = number_or(cx, r->project, r->weight ? r->weight : 1, "-");
    buf_printf(b, "%-8s %6.*s %9.*s %7.*s %-7s %8llu %8llu %8llu  ", r->project ? "project" : "queue", STR_ARG(limit),
               STR_ARG(priority), STR_ARG(weight), r->paused ? "paused" : "", (unsigned long long)l->working,
               (unsigned long long)l->waiting, (unsigned long long)l->queued);
    buf_visible(b, name);
    buf_char(b, '\n');
}

enum code service_page_queues(struct ctx *cx, const struct rpc_page_request *req, struct rpc_page_response *rsp)
{
    struct exec_load *loads;
    size_t n;
    buf b;
    bool post = str_eq(req->method, STR("POST"));
    if ((!post && !str_eq(req->method, STR("GET"))) || req->query.n || req->body.n > WORDS_MAX)
        return fail(cx, CODE_INVALID_ARGUMENT, "GET /admin/queues, or POST with a change in at most %zu bytes",
                    WORDS_MAX);
    if (post) {
        TRY(engine_rules_change(cx, cx->app, req->body));
        TRY(audit_other(cx, STR("tern queue"), req->body));
    }
    TRY(exec_loads(cx, cx->app->exec, &loads, &n));
    qsort(loads, n, sizeof(*loads), by_name);
    buf_init_arena(&b, cx->mem, TABLE_MAX);
    buf_printf(&b, "%-8s %6s %9s %7s %-7s %8s %8s %8s  %s\n", "kind", "limit", "priority", "weight", "", "working",
               "waiting", "queued", "name");
    for (size_t i = 0; i < n && i < ROWS_MAX; i++)
        put_row(cx, &b, &loads[i]);
    if (n > ROWS_MAX)
        buf_printf(&b, "and %zu more\n", n - ROWS_MAX);
    rsp->body = buf_view(&b);
    return CODE_OK;
}

/* POST /admin/notifications?retry=ID|all: what was given up is sent again. Work lane. */
#include "service/page_notifications_int.h"

#include "app.h"
#include "base/time.h"
#include "notify/notify.h"
#include "service/audit.h"
#include "store/outbox.h"

#define PIECE ((size_t)500)

struct revival {
    uint64_t id; /* 0 = all */
    size_t n;
};

static enum code revive(struct ctx *cx, void *arg)
{
    struct revival *r = arg;
    return store_outbox_revive(cx, r->id, time_wall_ns(), PIECE, &r->n);
}

enum code service_page_notifications(struct ctx *cx, const struct rpc_page_request *req, struct rpc_page_response *rsp)
{
    struct revival r = {0};
    str name, which;
    size_t total = 0;
    str_cut(req->query, '=', &name, &which);
    bool all = str_eq(which, STR("all"));
    if (!str_eq(req->method, STR("POST")) || !str_eq(name, STR("retry")) ||
        (!all && (!str_to_u64(which, &r.id) || !r.id)))
        return fail(cx, CODE_INVALID_ARGUMENT, "POST /admin/notifications?retry=ID or retry=all");
    do {
        TRY(lane_write(cx, cx->app->lanes, revive, &r));
        total += r.n;
    } while (all && r.n == PIECE);
    if (!all && !total)
        return fail(cx, CODE_NOT_FOUND, "no notification %llu was given up", (unsigned long long)r.id);
    TRY(audit_other(cx, STR("tern notifications --retry"), which));
    notify_poke(cx->app->notify);
    rsp->body = arena_printf(cx->mem, "%zu to be sent again\n", total);
    return CODE_OK;
}

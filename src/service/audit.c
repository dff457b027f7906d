/* Who has changed what. See audit.h. */
#include "service/audit.h"

#include "app.h"
#include "base/log.h"
#include "base/time.h"
#include "lane/lane.h"
#include "rpc/call.h"
#include "store/audit.h"

#define ABOUT_MAX 512

static enum code write_row(struct ctx *cx, void *arg)
{
    return store_audit_add(cx, arg);
}

/* The change is there already: an error now would have the client do it again. So it is written however late, and what
 * cannot be written is in the log. */
static void write_after(struct ctx *cx, struct store_audit *a)
{
    int64_t deadline_ns = cx->deadline_ns;
    cx->deadline_ns = INT64_MAX;
    if (lane_write(cx, cx->app->lanes, write_row, a) != CODE_OK) {
        log_error(cx, "a change is missing in the audit trail", LOG_STR("change", a->rpc), LOG_STR("about", a->about),
                  LOG_STR("by", cx->who->subject), LOG_ERR(cx));
        ctx_clear_err(cx);
    }
    cx->deadline_ns = deadline_ns;
}

static enum code add(struct ctx *cx, str rpc, str about)
{
    str address = rpc_peer_address(cx);
    bool here = str_starts(address, STR("127.")) || str_eq(address, STR("::1"));
    struct store_audit a = {
        .time_ns = time_wall_ns(),
        .rpc = rpc,
        .address = here ? STR("") : address,
        .about = about,
    };
    if (cx->db)
        return store_audit_add(cx, &a);
    write_after(cx, &a);
    return CODE_OK;
}

/* The answer knows more: the name that a run was given. */
enum code audit_rpc(struct ctx *cx, const struct pb_method *m, const void *req, const void *rsp)
{
    buf about;
    buf_init_arena(&about, cx->mem, ABOUT_MAX);
    if (!(rsp && pb_identify(m->output, rsp, &about)) && !(req && pb_identify(m->input, req, &about)) && req)
        (void)pb_identify_by_names(m->input, req, &about);
    return add(cx, str_from(m->path), buf_view(&about));
}

enum code audit_other(struct ctx *cx, str what, str about)
{
    return add(cx, what, about);
}

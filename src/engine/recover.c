/* After a start: everything that is open is looked at again, and so is what executors still know. Nothing else is
 * needed, since nothing is remembered outside the store. On the starting thread, before any RPC. */
#include "base/log.h"
#include "engine/engine_int.h"
#include "exec/exec.h"
#include "lane/lane.h"
#include "store/action.h"

#define PAGE 1000

struct recovery {
    struct engine *e;
    size_t open;
    struct exec_key *keys; /* that executors know */
    bool *stray;           /* of which the store knows nothing, or which it has left behind */
    size_t key_count;
};

static enum code wake_run(struct ctx *cx, struct recovery *r, uint64_t run_id)
{
    uint64_t *ids;
    size_t n;
    TRY(store_action_open(cx, run_id, SIZE_MAX >> 1, &ids, &n));
    for (size_t i = 0; i < n; i++)
        engine_queue_wake(r->e->queue, ids[i]);
    r->open += n;
    return CODE_OK;
}

static enum code wake_open(struct ctx *cx, void *arg)
{
    struct recovery *r = arg;
    uint64_t *runs, after = 0;
    size_t n;
    do {
        TRY(store_action_open_runs(cx, after, PAGE, &runs, &n));
        for (size_t i = 0; i < n; i++)
            TRY(wake_run(cx, r, runs[i]));
        after = n ? runs[n - 1] : 0;
    } while (n == PAGE);
    return CODE_OK;
}

/* Only the current attempt and the one before are looked at with the action. */
static enum code find_strays(struct ctx *cx, void *arg)
{
    struct recovery *r = arg;
    for (size_t i = 0; i < r->key_count; i++) {
        struct store_action_brief now;
        TRY(store_action_brief(cx, r->keys[i].action_id, &now));
        r->stray[i] = !now.found || r->keys[i].attempt + 1 < now.attempt;
    }
    return CODE_OK;
}

static void end_stray(struct ctx *cx, struct engine *e, struct exec_key key)
{
    if (exec_abort(cx, e->app->exec, key) != CODE_OK || exec_cleanup(cx, e->app->exec, key) != CODE_OK)
        log_warn(cx, "a stray attempt could not be ended", LOG_INT("action", key.action_id), LOG_ERR(cx));
    ctx_clear_err(cx);
}

enum code engine_recover(struct ctx *cx, struct engine *e)
{
    struct recovery r = {.e = e};
    TRY(lane_read(cx, e->app->lanes, wake_open, &r));
    TRY(exec_list(cx, e->app->exec, &r.keys, &r.key_count));
    r.stray = arena_new_array(cx->mem, bool, r.key_count);
    TRY(lane_read(cx, e->app->lanes, find_strays, &r));
    for (size_t i = 0; i < r.key_count; i++) {
        if (r.stray[i])
            end_stray(cx, e, r.keys[i]);
        else
            engine_queue_wake(e->queue, r.keys[i].action_id);
    }
    engine_queue_wake(e->queue, ENGINE_ID_CASCADES);
    if (r.open || r.key_count)
        log_info(cx, "actions taken up again", LOG_INT("open", r.open), LOG_INT("known_to_executor", r.key_count));
    return CODE_OK;
}

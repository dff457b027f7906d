/* Changes of actions. See change.h. Write entries. */
#include "engine/change.h"

#include "base/fault.h"
#include "engine/engine.h"
#include "engine/fire.h"
#include "engine/phase.h"
#include "lane/topic.h"
#include "notify/notify.h"
#include "store/cache.h"
#include "store/cascade.h"
#include "store/subtree.h"

/* Those that wait for the same cache entry or for a place in a limited run; the others come when these have ended. */
#define WAKE_MAX 64

static void publish(struct ctx *cx, enum topic_kind kind, uint64_t id)
{
    topic_publish(cx, (struct topic_key){.kind = kind, .id1 = id});
}

void engine_change_publish(struct ctx *cx, const struct store_action *a, const struct store_run *run)
{
    publish(cx, TOPIC_ACTION, a->id);
    publish(cx, TOPIC_RUN, a->run_id);
    if (a->parent_id) {
        publish(cx, TOPIC_CHILDREN, a->parent_id);
    } else {
        publish(cx, TOPIC_PROJECT, run->space_id);
        publish(cx, TOPIC_RUNS, 0);
    }
}

/* For nearly all changes this is one look at the run. */
static enum code notify(struct ctx *cx, const struct store_action *a, const struct store_run *run)
{
    return run->notify >> a->phase & 1 ? notify_phase(cx, run, a) : CODE_OK;
}

enum code engine_change_insert(struct ctx *cx, const struct engine_clock *clock, struct store_action *a,
                               const struct store_run *run)
{
    int32_t phase = a->phase;
    int64_t ended = a->ended_ns;
    a->updated_ns = a->created_ns;
    a->phase = COMMON_ACTION_PHASE_UNSPECIFIED;
    TRY(engine_phase_set(cx, a, phase, a->attempt, ended > a->created_ns ? ended : a->created_ns));
    if (!a->queued_ns)
        a->queued_ns = a->created_ns;
    engine_clock_stamp(clock, a);
    TRY(store_action_insert(cx, a));
    TRY(notify(cx, a, run));
    engine_change_publish(cx, a, run);
    if (!a->ended_ns)
        engine_wake_after_commit(cx, a->id);
    if (a->parent_id && !a->ended_ns && a->siblings_open == 1)
        engine_wake_after_commit(cx, a->parent_id); /* it waits for children from now on: D-22 */
    return CODE_OK;
}

enum code engine_change_save(struct ctx *cx, const struct engine_clock *clock, struct store_action *a,
                             const struct store_run *run, int32_t phase, uint32_t attempt)
{
    int32_t was = a->phase;
    bool was_open = !a->ended_ns;
    int64_t now = engine_clock_of(clock, a);
    if (phase != was || attempt != a->attempt)
        TRY(engine_phase_set(cx, a, phase, attempt, now));
    a->updated_ns = now;
    engine_clock_stamp(clock, a);
    TRY(store_action_save(cx, a, was, was_open));
    if (phase != was)
        TRY(notify(cx, a, run));
    engine_change_publish(cx, a, run);
    return CODE_OK;
}

/* ---- the end ---------------------------------------------------------------------------------------------------- */

str engine_change_cache_owner(struct arena *mem, uint64_t action_id)
{
    return arena_printf(mem, "action:%llu", (unsigned long long)action_id);
}

static enum code release_cache(struct ctx *cx, const struct store_action *a)
{
    uint64_t *ids;
    size_t n;
    bool held;
    if (!a->cache_key.n)
        return CODE_OK;
    TRY(store_cache_release(cx, a->cache_key, engine_change_cache_owner(cx->mem, a->id), &held));
    TRY(store_action_with_cache_key(cx, a->cache_key, WAKE_MAX, &ids, &n));
    for (size_t i = 0; i < n; i++)
        engine_wake_after_commit(cx, ids[i]);
    return CODE_OK;
}

static enum code wake_queued(struct ctx *cx, const struct store_run *run)
{
    uint64_t *ids;
    size_t n;
    if (!run->max_actions)
        return CODE_OK;
    TRY(store_action_waiting(cx, run->id, WAKE_MAX, &ids, &n));
    for (size_t i = 0; i < n; i++)
        engine_wake_after_commit(cx, ids[i]);
    return CODE_OK;
}

str engine_change_abort_below(struct arena *mem, const struct store_action *a)
{
    return a->abort_reason.n
               ? a->abort_reason
               : arena_printf(mem, "action " STR_FMT " ended (%s)", STR_ARG(a->name), engine_phase_name(a->phase));
}

/* Nobody is left to take their results. */
static enum code end_descendants(struct ctx *cx, const struct store_action *a)
{
    struct store_subtree below;
    TRY(store_subtree_get(cx, a->id, &below));
    if (!below.open_children)
        return CODE_OK;
    struct store_cascade c = {.run_id = a->run_id, .action_id = a->parent_id ? a->id : 0, .by_id = a->abort_by};
    c.reason = engine_change_abort_below(cx->mem, a);
    TRY(store_cascade_put(cx, &c));
    engine_wake_cascades_after_commit(cx);
    return CODE_OK;
}

static enum code end_attempt(struct ctx *cx, const struct store_action *a, struct store_attempt *at,
                             const struct engine_ending *end)
{
    at->phase = end->phase;
    at->ended_ns = a->ended_ns;
    at->error_kind = end->error_kind;
    at->error_code = end->code;
    at->error = end->error;
    at->recoverable = end->recoverable;
    at->cache_status = a->cache_status;
    at->wait_reason = STR("");
    return store_attempt_put(cx, at);
}

static void set_ending(struct store_action *a, const struct engine_ending *end, int64_t now)
{
    a->error_kind = end->error_kind;
    a->error_code = end->code;
    a->error = end->error;
    a->recoverable = end->recoverable;
    a->output_uri = end->output_uri;
    a->cache_status = end->cache_status;
    a->value = end->value;
    a->value_by = end->value_by;
    if (end->phase == COMMON_ACTION_PHASE_ABORTED) {
        a->abort_ns = now;
        a->abort_reason = end->abort_reason;
        a->abort_by = end->abort_by;
    }
}

enum code engine_change_end(struct ctx *cx, const struct engine_clock *clock, struct store_action *a,
                            const struct store_run *run, struct store_attempt *at, const struct engine_ending *end)
{
    set_ending(a, end, engine_clock_of(clock, a));
    TRY(engine_change_save(cx, clock, a, run, end->phase, a->attempt));
    if (at)
        TRY(end_attempt(cx, a, at, end));
    TRY(release_cache(cx, a));
    TRY(end_descendants(cx, a));
    if (!a->parent_id && !a->external && !engine_phase_is_success(a->phase))
        TRY(engine_fire_failure(cx, run));
    TRY(wake_queued(cx, run));
    if (a->parent_id && a->siblings_open == 0)
        engine_wake_after_commit(cx, a->parent_id); /* it no longer waits for children */
    fault_point(a->parent_id ? "child.ended" : "run.ended");
    return CODE_OK;
}

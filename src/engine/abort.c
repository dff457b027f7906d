/* Aborts. See abort.h. Write entries. */
#include "engine/abort.h"

#include "engine/change.h"
#include "engine/engine.h"
#include "engine/fire.h"
#include "engine/phase.h"
#include "gen/flyteidl2_workflow.h"
#include "lane/topic.h"
#include "store/cascade.h"

/* Rows of actions in one piece; each has an attempt and indexes beside it (D-04: at most 1,000 rows of an entry). */
#define PIECE 400

enum code engine_abort_action(struct ctx *cx, const struct store_run *run, struct store_action *a, str reason,
                              uint64_t by)
{
    struct engine_clock clock;
    struct store_attempt *at = NULL;
    struct engine_ending end = {
        .phase = COMMON_ACTION_PHASE_ABORTED, .abort_reason = reason, .abort_by = by, .cache_status = a->cache_status};
    if (a->ended_ns)
        return CODE_OK;
    engine_clock_now(cx, &clock);
    if (a->type == WORKFLOW_ACTION_TYPE_TASK && a->phase != COMMON_ACTION_PHASE_QUEUED)
        TRY(store_attempt_find(cx, a, a->attempt, &at));
    TRY(engine_change_end(cx, &clock, a, run, at, &end));
    engine_wake_after_commit(cx, a->id);
    return CODE_OK;
}

enum code engine_abort_run(struct ctx *cx, const struct store_run *run, str reason, uint64_t by)
{
    struct store_action *root;
    struct engine_clock clock;
    TRY(store_action_get_by_id(cx, store_action_root(run->id), &root));
    if (root->ended_ns)
        return CODE_OK;
    engine_clock_now(cx, &clock);
    TRY(store_run_set_abort(cx, run->id, clock.wall_ns));
    return engine_abort_action(cx, run, root, reason, by);
}

/* ---- cascades --------------------------------------------------------------------------------------------------- */

static void publish(struct ctx *cx, const struct store_cascade_hit *h)
{
    topic_publish(cx, (struct topic_key){.kind = TOPIC_ACTION, .id1 = h->id});
    if (h->parent_id)
        topic_publish(cx, (struct topic_key){.kind = TOPIC_CHILDREN, .id1 = h->parent_id});
}

/* Below one action the children of those that were hit follow; a whole run needs no such list. */
static enum code follow(struct ctx *cx, const struct store_cascade *c, const struct store_cascade_hit *h)
{
    struct store_cascade below = *c;
    if (!c->action_id || !h->has_children)
        return CODE_OK;
    below.action_id = h->id;
    return store_cascade_put(cx, &below);
}

enum code engine_abort_step(struct ctx *cx, bool *more, uint64_t **ids, size_t *n)
{
    struct store_cascade *c;
    struct store_cascade_hit *hits;
    struct engine_clock clock;
    size_t found, count, launched = 0;
    *more = false;
    *n = 0;
    TRY(store_cascade_list(cx, 1, &c, &found));
    if (!found)
        return CODE_OK;
    engine_clock_now(cx, &clock);
    TRY(store_cascade_step(cx, c, PIECE, clock.wall_ns, &hits, &count));
    uint64_t *list = arena_new_array(cx->mem, uint64_t, count);
    for (size_t i = 0; i < count; i++) {
        publish(cx, &hits[i]);
        TRY(follow(cx, c, &hits[i]));
        if (hits[i].launched)
            list[launched++] = hits[i].id;
    }
    if (count)
        topic_publish(cx, (struct topic_key){.kind = TOPIC_RUN, .id1 = c->run_id});
    if (count < PIECE) {
        TRY(store_cascade_delete(cx, c->run_id, c->action_id));
        engine_fire_wake_after_commit(cx); /* a failure handler waits for it */
    }
    *more = true;
    *ids = list;
    *n = launched;
    return CODE_OK;
}

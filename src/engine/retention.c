/* Retention (D-40): runs that ended long ago go, with their rows, in small pieces between which others write; so do
 * requests that can no longer be repeated, reservations that nobody holds, and specs that nothing names. On an engine
 * thread. */
#include "base/log.h"
#include "base/time.h"
#include "config/config.h"
#include "engine/engine_int.h"
#include "exec/exec.h"
#include "lane/lane.h"
#include "object/reach.h"
#include "store/attempt.h"
#include "store/cache.h"
#include "store/spec.h"

#define SWEEP_NS (3600 * NS_PER_S)
#define REQUESTS_NS (24 * 3600 * NS_PER_S) /* D-02 */
#define PIECE 500
#define RUNS 50

struct sweep {
    struct engine *e;
    int64_t now_ns, runs_before_ns;
    uint64_t *runs;
    size_t run_count;
    struct store_run *run;
    struct exec_place *places;
    size_t place_count;
    uint64_t run_id, spec_cursor;
    bool more;
};

/* ---- the small tables ------------------------------------------------------------------------------------------- */

static enum code sweep_requests(struct ctx *cx, void *arg)
{
    struct sweep *s = arg;
    TRY(store_cache_sweep(cx, s->now_ns, PIECE));
    return store_run_sweep_requests(cx, s->now_ns - REQUESTS_NS, PIECE, &s->more);
}

static enum code sweep_specs(struct ctx *cx, void *arg)
{
    struct sweep *s = arg;
    return store_spec_sweep(cx, PIECE, &s->spec_cursor);
}

/* ---- runs ------------------------------------------------------------------------------------------------------- */

static enum code list_runs(struct ctx *cx, void *arg)
{
    struct sweep *s = arg;
    return store_run_list_ended(cx, s->runs_before_ns, RUNS, &s->runs, &s->run_count);
}

/* What executors keep of the run's attempts. */
static enum code list_places(struct ctx *cx, void *arg)
{
    struct sweep *s = arg;
    struct store_attempt_name *list;
    TRY(store_run_get_by_id(cx, s->run_id, &s->run));
    TRY(store_attempt_list_run(cx, s->run_id, &list, &s->place_count));
    s->places = arena_new_array(cx->mem, struct exec_place, s->place_count);
    for (size_t i = 0; i < s->place_count; i++)
        s->places[i] = (struct exec_place){.key = {list[i].action_id, list[i].attempt},
                                           .project = s->run->project,
                                           .domain = s->run->domain,
                                           .run = s->run->name,
                                           .action = list[i].action};
    return CODE_OK;
}

static enum code delete_objects(struct ctx *cx, struct sweep *s)
{
    str bucket, key;
    struct object_list list;
    TRY(object_uri_parse(cx, "run_output_base", s->run->base_uri, &bucket, &key));
    str prefix = arena_printf(cx->mem, STR_FMT "/", STR_ARG(key));
    do {
        TRY(object_list(cx, s->e->app->objects, bucket, prefix, STR(""), PIECE, &list));
        for (size_t i = 0; i < list.n; i++)
            TRY(object_delete(cx, s->e->app->objects, bucket, list.p[i].key));
    } while (list.next.n);
    const struct object_reach_run run = {s->run->project, s->run->domain, s->run->name};
    return object_reach_drop(cx, s->e->app->objects, &run);
}

static enum code delete_rows(struct ctx *cx, void *arg)
{
    struct sweep *s = arg;
    bool done;
    TRY(store_run_delete_piece(cx, s->run_id, PIECE, &done));
    s->more = !done;
    return CODE_OK;
}

/* Folders and objects first: what is left of them after a crash is found again through the rows. */
static enum code delete_run(struct ctx *cx, struct sweep *s)
{
    struct lanes *lanes = s->e->app->lanes;
    TRY(lane_read(cx, lanes, list_places, s));
    for (size_t i = 0; i < s->place_count; i++)
        if (exec_discard(cx, s->e->app->exec, &s->places[i], true) != CODE_OK)
            ctx_clear_err(cx); /* the executor's own sweep will find it */
    TRY(delete_objects(cx, s));
    do
        TRY(lane_write(cx, lanes, delete_rows, s));
    while (s->more);
    return CODE_OK;
}

static enum code sweep(struct ctx *cx, struct sweep *s)
{
    struct lanes *lanes = s->e->app->lanes;
    do
        TRY(lane_write(cx, lanes, sweep_requests, s));
    while (s->more);
    if (s->runs_before_ns <= 0)
        return CODE_OK;
    TRY(lane_read(cx, lanes, list_runs, s));
    for (size_t i = 0; i < s->run_count; i++) {
        s->run_id = s->runs[i];
        TRY(delete_run(cx, s));
    }
    if (!s->run_count)
        return CODE_OK;
    do
        TRY(lane_write(cx, lanes, sweep_specs, s));
    while (s->spec_cursor);
    return CODE_OK;
}

void engine_retention_sweep(struct ctx *cx, struct engine *e)
{
    const struct config *c = e->app->config;
    struct sweep s = {.e = e, .now_ns = time_wall_ns()};
    if (c && c->retention_runs_ns)
        s.runs_before_ns = s.now_ns - c->retention_runs_ns;
    if (sweep(cx, &s) != CODE_OK) {
        log_warn(cx, "the sweep of old runs stopped", LOG_ERR(cx));
        ctx_clear_err(cx);
    }
    /* A full page: there is more. */
    engine_queue_wake_at(e->queue, ENGINE_ID_RETENTION, time_now_ns() + (s.run_count == RUNS ? NS_PER_S : SWEEP_NS));
}

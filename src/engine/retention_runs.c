/* Runs that ended long ago go with everything that is theirs: folders and logs, objects, rows; then specs that nothing
 * names any more. Folders and objects first: what is left of them after a crash is found again through the rows. */
#include "engine/retention_int.h"
#include "lane/lane.h"
#include "object/object.h"
#include "object/reach.h"
#include "store/artifact.h"
#include "store/attempt.h"
#include "store/run.h"
#include "store/spec.h"

#define RUNS ((size_t)50)
#define RUNS_LOOKED_AT ((size_t)1000000)

/* ---- one run ----------------------------------------------------------------------------------------------------- */

struct old_run {
    uint64_t id;
    struct store_run *run;
    struct store_attempt_name *attempts;
    size_t attempt_count;
    str bucket, folder; /* where its objects are */
    bool more;
};

static enum code read_run(struct ctx *cx, void *arg)
{
    struct old_run *r = arg;
    TRY(store_run_get_by_id(cx, r->id, &r->run));
    return store_attempt_list_run(cx, r->id, &r->attempts, &r->attempt_count);
}

static void discard_attempts(struct ctx *cx, struct engine_retention_sweep *s, const struct old_run *r)
{
    struct exec_swept swept = {0};
    for (size_t i = 0; i < r->attempt_count; i++) {
        const struct store_attempt_name *t = &r->attempts[i];
        const struct exec_place place = {.key = {t->action_id, t->attempt},
                                         .project = r->run->project,
                                         .domain = r->run->domain,
                                         .run = r->run->name,
                                         .action = t->action};
        if (exec_discard(cx, s->e->app->exec, &place, true, s->dry, &swept) != CODE_OK)
            ctx_clear_err(cx); /* its log goes by age, its folder as one of a run that no row knows */
    }
    s->row->bytes += swept.bytes;
}

static enum code delete_all_but(struct ctx *cx, struct engine_retention_sweep *s, const struct old_run *r,
                                const struct engine_retention_spared *spared)
{
    struct object_store *store = s->e->app->objects;
    struct object_list list = {.next = STR("")};
    str prefix = arena_printf(cx->mem, STR_FMT "/", STR_ARG(r->folder));
    do {
        TRY(object_list(cx, store, r->bucket, prefix, list.next, ENGINE_RETENTION_PIECE, &list));
        for (size_t i = 0; i < list.n; i++) {
            if (engine_retention_is_spared(spared, list.p[i].key))
                continue;
            s->row->bytes += list.p[i].size;
            if (!s->dry)
                TRY(object_delete(cx, store, r->bucket, list.p[i].key));
        }
    } while (list.next.n);
    return CODE_OK;
}

static enum code delete_objects(struct ctx *cx, struct engine_retention_sweep *s, struct old_run *r)
{
    struct engine_retention_spared spared = {0};
    TRY(object_uri_parse(cx, "run_output_base", r->run->base_uri, &r->bucket, &r->folder));
    enum code c = engine_retention_spare(cx, s, r->folder, &spared);
    if (c == CODE_OK)
        c = delete_all_but(cx, s, r, &spared);
    engine_retention_spared_done(&spared);
    TRY(c);
    const struct object_reach_run run = {r->run->project, r->run->domain, r->run->name};
    return s->dry ? CODE_OK : object_reach_drop(cx, s->e->app->objects, &run);
}

/* What artifacts name is theirs from now on. */
static enum code outlive(struct ctx *cx, void *arg)
{
    struct old_run *r = arg;
    return store_artifact_outlives(cx, r->folder, ENGINE_RETENTION_PIECE, &r->more);
}

static enum code delete_rows(struct ctx *cx, void *arg)
{
    struct old_run *r = arg;
    bool done;
    TRY(store_run_delete_piece(cx, r->id, ENGINE_RETENTION_PIECE, &done));
    r->more = !done;
    return CODE_OK;
}

static enum code sweep_run(struct ctx *cx, struct engine_retention_sweep *s, void *arg)
{
    struct old_run r = {.id = *(const uint64_t *)arg};
    struct lanes *lanes = s->e->app->lanes;
    TRY(lane_read(cx, lanes, read_run, &r));
    discard_attempts(cx, s, &r);
    TRY(delete_objects(cx, s, &r));
    s->row->count++;
    if (s->dry)
        return CODE_OK;
    do
        TRY(lane_write(cx, lanes, outlive, &r));
    while (r.more);
    do
        TRY(lane_write(cx, lanes, delete_rows, &r));
    while (r.more);
    return CODE_OK;
}

/* ---- all that are old -------------------------------------------------------------------------------------------- */

struct old_runs {
    int64_t before_ns;
    size_t max;
    uint64_t *ids;
    size_t n;
};

static enum code list_runs(struct ctx *cx, void *arg)
{
    struct old_runs *r = arg;
    return store_run_list_ended(cx, r->before_ns, r->max, &r->ids, &r->n);
}

static enum code sweep_page(struct ctx *cx, struct engine_retention_sweep *s, void *arg)
{
    struct old_runs *r = arg;
    TRY(lane_read(cx, s->e->app->lanes, list_runs, r));
    for (size_t i = 0; i < r->n; i++)
        TRY(engine_retention_step(cx, s, sweep_run, &r->ids[i]));
    return CODE_OK;
}

static enum code sweep_specs(struct ctx *cx, void *arg)
{
    return store_spec_sweep(cx, ENGINE_RETENTION_PIECE, arg);
}

enum code engine_retention_runs(struct ctx *cx, struct engine_retention_sweep *s)
{
    struct old_runs r = {.before_ns = engine_retention_before(s, s->config->retention_runs_ns),
                         .max = s->dry ? RUNS_LOOKED_AT : RUNS};
    uint64_t cursor = 0;
    if (!s->config->retention_runs_ns)
        return CODE_OK;
    do
        TRY(engine_retention_step(cx, s, sweep_page, &r));
    while (!s->dry && r.n == RUNS);
    if (s->dry || !s->row->count)
        return CODE_OK;
    do
        TRY(engine_retention_write(cx, s, sweep_specs, &cursor));
    while (cursor);
    return CODE_OK;
}

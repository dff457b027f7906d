/* Work folders of attempts that ended, of runs that stay; and logs, which go by the age of their last line. */
#include "engine/phase.h"
#include "engine/retention_int.h"
#include "lane/lane.h"
#include "store/attempt.h"
#include "store/run.h"

struct kept {
    const struct exec_kept_run *at;
    struct store_run *run; /* NULL: no row knows it */
    struct store_attempt_name *attempts;
    size_t n;
};

static enum code read_kept(struct ctx *cx, void *arg)
{
    struct kept *k = arg;
    TRY(store_run_find(cx, k->at->project, k->at->domain, k->at->run, &k->run));
    return k->run ? store_attempt_list_run(cx, k->run->id, &k->attempts, &k->n) : CODE_OK;
}

static bool is_due(const struct engine_retention_sweep *s, const struct store_attempt_name *t)
{
    const struct config *c = s->config;
    bool well = t->phase == COMMON_ACTION_PHASE_SUCCEEDED;
    int64_t keep_ns = well ? c->retention_work_succeeded_ns : c->retention_work_failed_ns;
    return t->ended_ns && t->ended_ns < engine_retention_before(s, keep_ns);
}

static enum code sweep_kept(struct ctx *cx, struct engine_retention_sweep *s, void *arg)
{
    struct kept k = {.at = arg};
    struct exec_swept swept = {0};
    TRY(lane_read(cx, s->e->app->lanes, read_kept, &k));
    if (!k.run && k.at->changed_ns < engine_retention_before(s, s->config->retention_work_failed_ns))
        exec_discard_run(cx, s->e->app->exec, k.at, s->dry, &swept);
    for (size_t i = 0; i < k.n; i++) {
        const struct exec_place place = {.key = {k.attempts[i].action_id, k.attempts[i].attempt},
                                         .project = k.at->project,
                                         .domain = k.at->domain,
                                         .run = k.at->run,
                                         .action = k.attempts[i].action};
        if (is_due(s, &k.attempts[i]) && exec_discard(cx, s->e->app->exec, &place, false, s->dry, &swept) != CODE_OK)
            ctx_clear_err(cx); /* the next sweep looks again */
    }
    engine_retention_add(s, &swept);
    return CODE_OK;
}

enum code engine_retention_work(struct ctx *cx, struct engine_retention_sweep *s)
{
    struct exec_kept_run *runs;
    size_t n;
    if (!s->config->retention_work_failed_ns && !s->config->retention_work_succeeded_ns)
        return CODE_OK;
    TRY(exec_list_kept(cx, s->e->app->exec, &runs, &n));
    for (size_t i = 0; i < n; i++)
        TRY(engine_retention_step(cx, s, sweep_kept, &runs[i]));
    return CODE_OK;
}

enum code engine_retention_logs(struct ctx *cx, struct engine_retention_sweep *s)
{
    struct exec_swept swept = {0};
    if (s->config->retention_logs_ns)
        exec_sweep_logs(cx, s->e->app->exec, engine_retention_before(s, s->config->retention_logs_ns), s->dry, &swept);
    engine_retention_add(s, &swept);
    return CODE_OK;
}

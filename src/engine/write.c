/* Writing what was decided, and telling the executor after the commit. See item_int.h. */
#include "base/fault.h"
#include "base/log.h"
#include "base/time.h"
#include "engine/change.h"
#include "engine/item_int.h"
#include "engine/phase.h"
#include "engine/uri.h"
#include "gen/flyteidl2_core.h"
#include "gen/flyteidl2_workflow.h"
#include "store/event.h"

#define RESERVATION_NS (INT64_C(24) * 3600 * NS_PER_S)
#define LATER_NS (1 * NS_PER_S)

/* ---- rows of attempts ------------------------------------------------------------------------------------------- */

/* The current attempt's row, made when there is none. */
static enum code attempt_row(struct ctx *cx, struct engine_item *it)
{
    if (!it->at)
        TRY(store_attempt_find(cx, it->a, it->attempt, &it->at));
    if (it->at)
        return CODE_OK;
    it->at = arena_new(cx->mem, struct store_attempt);
    *it->at = (struct store_attempt){.action_id = it->id, .attempt = it->attempt, .queued_ns = it->a->queued_ns};
    return CODE_OK;
}

static void set_phase_time(struct store_attempt *at, int32_t phase, int64_t now)
{
    at->phase = phase;
    if (phase == COMMON_ACTION_PHASE_WAITING_FOR_RESOURCES && !at->waiting_ns)
        at->waiting_ns = now;
    if (phase == COMMON_ACTION_PHASE_INITIALIZING && !at->initializing_ns)
        at->initializing_ns = now;
    if (phase == COMMON_ACTION_PHASE_RUNNING && !at->running_ns)
        at->running_ns = now;
}

static enum code add_event(struct ctx *cx, const struct engine_item *it, int64_t now, int32_t kind, const char *reason,
                           str message)
{
    struct store_event e = {.action_id = it->id, .attempt = it->attempt, .time_ns = now, .kind = kind};
    e.reason = str_from(reason);
    e.message = message;
    return store_event_add(cx, &e);
}

/* ---- one function for each verb --------------------------------------------------------------------------------- */

/* Whether what it waits for is what its row says already. */
static bool stays_silent(const struct engine_item *it)
{
    if (it->a->ended_ns || it->a->type != WORKFLOW_ACTION_TYPE_TASK)
        return true;
    return str_eq(it->at ? it->at->wait_reason : STR(""), it->decision.wait_reason);
}

/* Nothing changed but perhaps what it waits for, which people want to see. */
static enum code write_stay(struct ctx *cx, struct engine_item *it, const struct engine_clock *clock)
{
    str why = it->decision.wait_reason;
    TRY(attempt_row(cx, it));
    if (stays_silent(it))
        return CODE_OK;
    TRY(engine_change_save(cx, clock, it->a, it->run, it->a->phase, it->a->attempt));
    it->at->wait_reason = why;
    if (!it->at->phase)
        it->at->phase = it->a->phase;
    TRY(store_attempt_put(cx, it->at));
    return why.n ? add_event(cx, it, it->a->updated_ns, WORKFLOW_CLUSTER_EVENT_TYPE_NORMAL, "Waiting", why) : CODE_OK;
}

static enum code write_advance(struct ctx *cx, struct engine_item *it, const struct engine_clock *clock)
{
    int32_t phase = it->decision.phase;
    TRY(attempt_row(cx, it));
    TRY(engine_change_save(cx, clock, it->a, it->run, phase, it->a->attempt));
    set_phase_time(it->at, phase, it->a->updated_ns);
    it->at->wait_reason = it->decision.wait_reason;
    /* From the start of the process on there is a log; tasks inside the engine have none. */
    it->at->has_log = it->task->kind == ENGINE_TASK_PROCESS && phase != COMMON_ACTION_PHASE_WAITING_FOR_RESOURCES;
    it->at->boot = clock->boot;
    return store_attempt_put(cx, it->at);
}

/* One maker of a serialized cache entry at a time. *busy: it is another one after all. */
static enum code reserve(struct ctx *cx, struct engine_item *it, const struct engine_clock *clock, bool *busy)
{
    struct store_cache_reservation *holder, r = {.key = it->a->cache_key, .heartbeat_s = RESERVATION_NS / NS_PER_S};
    *busy = false;
    if (!it->a->cache_key.n || !it->task->serializable)
        return CODE_OK;
    r.owner = engine_change_cache_owner(cx->mem, it->id);
    r.expires_ns = clock->wall_ns + RESERVATION_NS;
    TRY(store_cache_reserve(cx, &r, clock->wall_ns, &holder));
    *busy = !str_eq(holder->owner, r.owner);
    return CODE_OK;
}

/* What was true when it was loaded may not be true any more: others of the same batch came first. */
static enum code may_start(struct ctx *cx, struct engine_item *it, const struct engine_clock *clock, bool *out)
{
    bool busy;
    struct store_run *run;
    *out = true;
    if (it->run->max_actions) {
        TRY(store_run_get_by_id(cx, it->run->id, &run));
        TRY(engine_item_slot(cx, run, out));
    }
    if (*out) {
        TRY(reserve(cx, it, clock, &busy));
        *out = !busy;
    }
    return CODE_OK;
}

static enum code write_launch(struct ctx *cx, struct engine_item *it, const struct engine_clock *clock)
{
    TRY(attempt_row(cx, it));
    it->a->cache_status = it->decision.cache_status;
    TRY(engine_change_save(cx, clock, it->a, it->run, it->decision.phase, it->a->attempt));
    set_phase_time(it->at, it->decision.phase, it->a->updated_ns);
    it->at->output_uri = engine_uri_attempt(cx->mem, it->run, it->a->name, it->attempt);
    it->at->cache_status = it->a->cache_status;
    it->at->wait_reason = STR("");
    it->at->boot = clock->boot;
    return store_attempt_put(cx, it->at);
}

static void end_row(struct engine_item *it, int64_t now)
{
    const struct engine_decision *d = &it->decision;
    const struct exec_observation *o = &it->look.exec;
    it->at->phase = d->phase;
    it->at->ended_ns = now;
    it->at->error_kind = d->error_kind;
    it->at->error_code = d->code;
    it->at->error = d->message;
    it->at->recoverable = d->recoverable;
    it->at->wait_reason = STR("");
    it->at->has_report = it->has_report;
    if (o->state == EXEC_EXITED) {
        it->at->has_log = true;
        it->at->exit_code = o->signal ? -o->signal : o->exit_code;
        it->at->cpu_ns = o->cpu_ns;
        it->at->max_rss = o->max_rss;
    }
}

static enum code write_next_attempt(struct ctx *cx, struct engine_item *it)
{
    struct store_attempt next = {.action_id = it->id,
                                 .attempt = it->a->attempt,
                                 .phase = COMMON_ACTION_PHASE_QUEUED,
                                 .queued_ns = it->a->queued_ns};
    return store_attempt_put(cx, &next);
}

static enum code write_retry(struct ctx *cx, struct engine_item *it, const struct engine_clock *clock)
{
    const struct engine_decision *d = &it->decision;
    struct store_action *a = it->a;
    TRY(attempt_row(cx, it));
    if (d->system_failure) {
        a->system_failures++;
    } else {
        a->user_failures++;
        a->system_failures = 0;
    }
    a->queued_ns = d->retry_ns;
    TRY(engine_change_save(cx, clock, a, it->run, COMMON_ACTION_PHASE_QUEUED, it->attempt + 1));
    end_row(it, a->updated_ns);
    TRY(store_attempt_put(cx, it->at));
    TRY(write_next_attempt(cx, it));
    str text = arena_printf(cx->mem, "attempt %u ended with " STR_FMT "; attempt %u begins in %.3g s", it->attempt,
                            STR_ARG(d->code), a->attempt, (double)(d->retry_ns - a->updated_ns) / 1e9);
    return add_event(cx, it, a->updated_ns, WORKFLOW_CLUSTER_EVENT_TYPE_WARNING, "Retrying", text);
}

static enum code put_in_cache(struct ctx *cx, struct engine_item *it, const struct engine_clock *clock)
{
    struct store_cache_entry e = {.key = it->a->cache_key,
                                  .output_uri = it->output_uri,
                                  .action_id = it->id,
                                  .attempt = it->attempt,
                                  .updated_ns = clock->wall_ns};
    return store_cache_put(cx, &e);
}

/* An action that was looked at before the cascade came to it says what the cascade would have said. */
static enum code why_aborted(struct ctx *cx, const struct engine_item *it, struct engine_ending *end)
{
    struct store_action *above;
    bool whole = it->run->abort_ns && !store_run_is_handler(it->run, it->id);
    TRY(store_action_get_by_id(cx, whole ? store_action_root(it->run->id) : it->a->parent_id, &above));
    end->abort_reason = engine_change_abort_below(cx->mem, above);
    end->abort_by = above->abort_by;
    return CODE_OK;
}

static enum code write_end(struct ctx *cx, struct engine_item *it, const struct engine_clock *clock)
{
    const struct engine_decision *d = &it->decision;
    bool success = d->phase == COMMON_ACTION_PHASE_SUCCEEDED;
    struct engine_ending end = {.phase = d->phase,
                                .error_kind = d->error_kind,
                                .code = d->code,
                                .error = d->message,
                                .recoverable = d->recoverable,
                                .cache_status = d->cache_status};
    if (d->phase == COMMON_ACTION_PHASE_ABORTED)
        TRY(why_aborted(cx, it, &end));
    /* A row that was written since it was made may have said what it waits for in a row of the attempt. */
    bool written = it->a->attempt > 1 || it->a->updated_ns != it->a->created_ns;
    if (!it->at && written && it->a->type == WORKFLOW_ACTION_TYPE_TASK)
        TRY(attempt_row(cx, it));
    if (success && !it->output_uri.n && it->task && it->task->kind == ENGINE_TASK_PROCESS)
        it->output_uri = it->at ? it->at->output_uri : STR("");
    end.output_uri = success ? it->output_uri : STR("");
    if (success && it->a->cache_key.n && !d->from_cache) {
        TRY(put_in_cache(cx, it, clock));
        end.cache_status = CORE_CACHE_POPULATED;
    }
    if (it->at) {
        end_row(it, it->look.now_ns);
        it->at->output_uri = it->at->output_uri.n ? it->at->output_uri : end.output_uri;
    }
    if (success && !d->from_cache)
        TRY(engine_produced_write(cx, it->run, it->a, &it->produced, it->look.now_ns));
    if (success && !it->a->started_ns && !d->from_cache)
        it->a->started_ns = it->look.now_ns;
    TRY(engine_change_end(cx, clock, it->a, it->run, it->at, &end));
    if (d->remark.n)
        TRY(add_event(cx, it, it->a->updated_ns, WORKFLOW_CLUSTER_EVENT_TYPE_WARNING, "CrashedWhenDone", d->remark));
    return d->from_cache ? add_event(cx, it, it->a->updated_ns, WORKFLOW_CLUSTER_EVENT_TYPE_NORMAL, "CacheHit",
                                     STR("the result is that of an earlier action"))
                         : CODE_OK;
}

/* The error that a failed trace left, for its replay. */
static enum code write_trace(struct ctx *cx, struct engine_item *it, const struct engine_clock *clock)
{
    const struct engine_result *r = &it->look.result;
    it->a->error_kind = r->error_kind;
    it->a->error_code = r->code;
    it->a->error = r->message;
    it->a->recoverable = r->recoverable;
    return engine_change_save(cx, clock, it->a, it->run, it->a->phase, it->a->attempt);
}

static enum code write_verb(struct ctx *cx, struct engine_item *it, const struct engine_clock *clock)
{
    switch (it->decision.verb) {
    case ENGINE_STAY:
        return write_stay(cx, it, clock);
    case ENGINE_ADVANCE:
        return write_advance(cx, it, clock);
    case ENGINE_LAUNCH:
        return write_launch(cx, it, clock);
    case ENGINE_RELAUNCH:
        return CODE_OK;
    case ENGINE_RETRY:
        return write_retry(cx, it, clock);
    case ENGINE_END:
        return write_end(cx, it, clock);
    }
    return CODE_OK;
}

bool engine_item_writes(const struct engine_item *it)
{
    if (it->skip || it->again)
        return false;
    if (it->a->type == WORKFLOW_ACTION_TYPE_TRACE)
        return it->look.result.kind == ENGINE_RESULT_ERROR;
    return it->decision.verb == ENGINE_STAY ? !stays_silent(it) : it->decision.verb != ENGINE_RELAUNCH;
}

static bool begins(const struct engine_item *it)
{
    return it->decision.verb == ENGINE_LAUNCH ||
           (it->decision.verb == ENGINE_ADVANCE && it->a->phase == COMMON_ACTION_PHASE_QUEUED);
}

/* The row is as it was loaded. Asked first, so that nothing of the others is undone. */
static enum code is_current(struct ctx *cx, const struct engine_item *it, bool *out)
{
    struct store_action_brief now;
    TRY(store_action_brief(cx, it->id, &now));
    *out = now.found && now.seq == it->a->seq;
    return CODE_OK;
}

enum code engine_item_write(struct ctx *cx, struct engine *e, struct engine_item *it, const struct engine_clock *clock)
{
    bool ok;
    (void)e;
    if (!engine_item_writes(it))
        return CODE_OK;
    TRY(is_current(cx, it, &ok));
    if (ok && begins(it))
        TRY(may_start(cx, it, clock, &ok));
    if (!ok) {
        it->stale = true;
        return CODE_OK;
    }
    if (it->a->type == WORKFLOW_ACTION_TYPE_TRACE)
        return write_trace(cx, it, clock);
    return write_verb(cx, it, clock);
}

/* ---- effects ---------------------------------------------------------------------------------------------------- */

static void later(struct engine *e, struct engine_item *it)
{
    engine_queue_wake_at(e->queue, it->id, time_now_ns() + LATER_NS);
}

/* Executors are told again when this fails: the row says what they should know. */
static void tell(struct ctx *cx, struct engine *e, struct engine_item *it, enum code code, const char *what)
{
    if (code == CODE_OK)
        return;
    log_warn(cx, "the executor did not take an order", LOG_CSTR("order", what), LOG_STR("run", it->run->name),
             LOG_STR("action", it->a->name), LOG_ERR(cx));
    ctx_clear_err(cx);
    later(e, it);
}

static void apply_launch(struct ctx *cx, struct engine *e, struct engine_item *it)
{
    fault_point("engine.before_launch");
    tell(cx, e, it, exec_launch(cx, e->app->exec, &it->launch), "launch");
    fault_point("engine.after_launch");
}

static void apply_waiting(struct engine *e, struct engine_item *it)
{
    if (!it->task || it->task->kind != ENGINE_TASK_PROCESS || it->a->phase != COMMON_ACTION_PHASE_RUNNING ||
        it->a->ended_ns)
        return;
    exec_set_waiting(e->app->exec, (struct exec_key){it->id, it->a->attempt}, it->open_children > 0);
}

/* A task inside the engine keeps its place while it runs. */
static bool leaves_place(const struct engine_item *it)
{
    bool inside = it->task && it->task->kind != ENGINE_TASK_PROCESS;
    return inside && (it->look.held || it->a->ended_ns) && it->a->phase != COMMON_ACTION_PHASE_RUNNING;
}

void engine_item_apply(struct ctx *cx, struct engine *e, struct engine_item *it, const struct engine_clock *clock)
{
    const struct engine_decision *d = &it->decision;
    struct exec_key key = {it->id, it->attempt}, previous = {it->id, it->attempt - 1};
    if (it->skip)
        return;
    if (it->stale)
        engine_queue_wake(e->queue, it->id);
    if (it->again)
        later(e, it);
    if (it->stale || it->again)
        return;
    if (d->verb == ENGINE_LAUNCH || d->verb == ENGINE_RELAUNCH)
        apply_launch(cx, e, it);
    if (d->abort)
        tell(cx, e, it, exec_abort(cx, e->app->exec, key), "abort");
    if (d->abort_previous)
        tell(cx, e, it, exec_abort(cx, e->app->exec, previous), "abort");
    if (d->cleanup || leaves_place(it))
        tell(cx, e, it, exec_cleanup(cx, e->app->exec, key), "cleanup");
    if (d->cleanup_previous)
        tell(cx, e, it, exec_cleanup(cx, e->app->exec, previous), "cleanup");
    apply_waiting(e, it);
    if (d->wake_ns && !it->a->ended_ns)
        engine_queue_wake_at(e->queue, it->id, clock->up_ns + (d->wake_ns - it->look.now_ns));
}

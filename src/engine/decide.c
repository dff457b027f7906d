/* The rules of an action's life. See decide.h. Pure. */
#include "engine/decide.h"

#include "base/time.h"
#include "engine/phase.h"
#include "gen/flyteidl2_core.h"
#include "gen/flyteidl2_workflow.h"

#include <signal.h>

#define USER CORE_EXECUTION_ERROR_ERROR_KIND_USER
#define SYSTEM CORE_EXECUTION_ERROR_ERROR_KIND_SYSTEM

/* Someone else makes the same cache entry: its end wakes us, this is for holders outside the engine. */
#define CACHE_POLL_NS (5 * NS_PER_S)
#define SYSTEM_BACKOFF_NS (1 * NS_PER_S)
/* Nobody tells a task inside the engine that there is a place for it. */
#define PLACE_POLL_NS (1 * NS_PER_S)

/* ---- small verbs ------------------------------------------------------------------------------------------------ */

static void need(struct engine_decision *out, unsigned what)
{
    *out = (struct engine_decision){.need = what};
}

static void stay(struct engine_decision *out, const char *why)
{
    out->verb = ENGINE_STAY;
    out->wait_reason = str_from(why);
}

static void end(struct engine_decision *out, int32_t phase)
{
    out->verb = ENGINE_END;
    out->phase = phase;
}

static void end_error(struct engine_decision *out, int32_t phase, int32_t kind, const char *code, str message)
{
    end(out, phase);
    out->error_kind = kind;
    out->code = str_from(code);
    out->message = message;
}

static void wake_at(struct engine_decision *out, int64_t at)
{
    if (!out->wake_ns || at < out->wake_ns)
        out->wake_ns = at;
}

static bool is_alive(enum exec_state s)
{
    return s == EXEC_WAITING || s == EXEC_STARTING || s == EXEC_RUNNING;
}

/* ---- retries ---------------------------------------------------------------------------------------------------- */

int64_t engine_decide_backoff_ns(const struct engine_task *task, uint32_t n)
{
    double most = task->backoff_cap_ns ? (double)task->backoff_cap_ns : (double)(INT64_MAX / 4);
    double delay = (double)task->backoff_base_ns;
    for (uint32_t i = 0; i < n && delay < most && task->backoff_factor > 1; i++)
        delay *= task->backoff_factor;
    return (int64_t)(delay < most ? delay : most);
}

struct failure {
    int32_t phase; /* FAILED or TIMED_OUT */
    int32_t kind;
    str code, message;
    bool recoverable;
};

static bool may_retry(const struct engine_look *l, const struct failure *f)
{
    if (!f->recoverable)
        return false;
    return f->kind == SYSTEM ? l->a->system_failures < ENGINE_SYSTEM_RETRIES : l->a->user_failures < l->task->retries;
}

/* The attempt ended badly: another one, or the end. */
static void fail_attempt(const struct engine_look *l, struct arena *mem, const struct failure *f,
                         struct engine_decision *out)
{
    out->error_kind = f->kind;
    out->code = f->code;
    out->message = f->message;
    out->recoverable = f->recoverable;
    out->phase = f->phase;
    out->verb = ENGINE_END;
    if (may_retry(l, f)) {
        out->verb = ENGINE_RETRY;
        out->system_failure = f->kind == SYSTEM;
        out->retry_ns = l->now_ns + (out->system_failure ? SYSTEM_BACKOFF_NS << l->a->system_failures
                                                         : engine_decide_backoff_ns(l->task, l->a->user_failures));
        out->wake_ns = out->retry_ns;
    } else if (f->recoverable && f->kind == SYSTEM) {
        out->code = arena_printf(mem, "MaxSystemFailuresExceeded|" STR_FMT, STR_ARG(f->code));
    }
}

static void time_out(const struct engine_look *l, struct arena *mem, const char *code, const char *what,
                     int64_t limit_ns, struct engine_decision *out)
{
    double s = (double)limit_ns / 1e9;
    struct failure f = {COMMON_ACTION_PHASE_TIMED_OUT, USER, str_from(code), STR(""), true};
    f.message = arena_printf(mem, "%s for longer than %.3g s", what, s);
    fail_attempt(l, mem, &f, out);
}

/* ---- how an attempt ended --------------------------------------------------------------------------------------- */

/* Signals that others send to a process; the rest are its own fault. */
static bool is_interruption(int sig)
{
    return sig == SIGKILL || sig == SIGTERM || sig == SIGINT || sig == SIGHUP || sig == SIGQUIT || sig == SIGSTOP;
}

/* With what the process said last. */
static str with_last_words(const struct engine_look *l, struct arena *mem, str message)
{
    if (!l->said.n)
        return message;
    return arena_printf(mem, STR_FMT "; its log ends with:" STR_FMT, STR_ARG(message), STR_ARG(l->said));
}

static str signal_text(struct arena *mem, int sig)
{
    const char *name = sigabbrev_np(sig);
    return arena_printf(mem, "the task's process was ended by signal %d (SIG%s)", sig, name ? name : "?");
}

static struct failure failure_of_exit(const struct engine_look *l, struct arena *mem)
{
    const struct exec_observation *o = &l->exec;
    struct failure f = {COMMON_ACTION_PHASE_FAILED, USER, STR("TaskProcessFailed"), STR(""), true};
    if (o->oom) {
        f.code = STR("OOMKilled");
        f.message = STR("the task used more memory than it may");
    } else if (o->state != EXEC_EXITED) {
        f.kind = SYSTEM;
        f.code = STR("ExitStatusUnknown");
        f.message = STR("the task's process is gone without a result, and how it ended is not known");
    } else if (o->signal) {
        f.kind = is_interruption(o->signal) ? SYSTEM : USER;
        f.code = f.kind == SYSTEM ? STR("Interrupted") : STR("TaskProcessCrashed");
        f.message = with_last_words(l, mem, signal_text(mem, o->signal));
    } else if (o->exit_code) {
        f.message = arena_printf(mem, "the task's process ended with exit code %d without a result", o->exit_code);
        f.message = with_last_words(l, mem, f.message);
    } else {
        f.kind = SYSTEM;
        f.code = STR("OutputsNotFound");
        f.message = STR("the task's process ended without an error but wrote no outputs.pb");
    }
    return f;
}

/* Storing outputs.pb is the last thing that a task does: a process that crashes by itself later was only at its
 * interpreter's end, where threads of libraries do that (PyO3 before Python 3.12). */
static bool crashed_when_done(const struct engine_look *l)
{
    const struct exec_observation *o = &l->exec;
    return l->result.kind == ENGINE_RESULT_OUTPUTS && o->state == EXEC_EXITED && o->signal && !o->oom &&
           !is_interruption(o->signal);
}

static bool succeeded(const struct engine_look *l)
{
    bool clean = !l->exec.signal && !l->exec.exit_code;
    if (l->result.kind == ENGINE_RESULT_OUTPUTS)
        return l->exec.state != EXEC_EXITED || clean || crashed_when_done(l);
    return l->exec.state == EXEC_EXITED && clean && !l->task->has_outputs;
}

/* The process is over. error.pb counts first, then the exit status and outputs.pb. */
static void decide_over(const struct engine_look *l, struct arena *mem, struct engine_decision *out)
{
    if (!(l->have & ENGINE_LOOK_RESULT)) {
        need(out, ENGINE_LOOK_RESULT);
        return;
    }
    out->cleanup = true;
    if (l->result.kind == ENGINE_RESULT_ERROR) {
        struct failure f = {COMMON_ACTION_PHASE_FAILED, l->result.error_kind, l->result.code, l->result.message,
                            l->result.recoverable};
        fail_attempt(l, mem, &f, out);
    } else if (succeeded(l)) {
        end(out, COMMON_ACTION_PHASE_SUCCEEDED);
        if (crashed_when_done(l))
            out->remark = arena_concat(mem, signal_text(mem, l->exec.signal), STR(" after it had stored its result"));
    } else {
        struct failure f = failure_of_exit(l, mem);
        fail_attempt(l, mem, &f, out);
    }
}

static void decide_refused(const struct engine_look *l, struct arena *mem, struct engine_decision *out)
{
    struct failure f = {COMMON_ACTION_PHASE_FAILED, l->exec.system ? SYSTEM : USER, l->exec.error_code, l->exec.error,
                        l->exec.system};
    out->cleanup = true;
    fail_attempt(l, mem, &f, out);
}

/* ---- the limits of time ----------------------------------------------------------------------------------------- */

static bool is_over(int64_t since, int64_t limit, int64_t now)
{
    return limit && now - since >= limit;
}

/* Across all attempts; nothing comes after it. True when it decided. */
static bool deadline_passed(const struct engine_look *l, struct arena *mem, struct engine_decision *out)
{
    int64_t limit = l->task->deadline_ns;
    if (!is_over(l->a->created_ns, limit, l->now_ns)) {
        if (limit)
            wake_at(out, l->a->created_ns + limit);
        return false;
    }
    end_error(out, COMMON_ACTION_PHASE_TIMED_OUT, USER, "DEADLINE_EXCEEDED",
              arena_printf(mem, "not finished %.3g s after it was queued first", (double)limit / 1e9));
    out->abort = l->at != NULL;
    return true;
}

static bool queued_too_long(const struct engine_look *l, struct arena *mem, struct engine_decision *out)
{
    int64_t limit = l->task->queued_timeout_ns;
    if (!is_over(l->a->queued_ns, limit, l->now_ns)) {
        if (limit)
            wake_at(out, l->a->queued_ns + limit);
        return false;
    }
    time_out(l, mem, "QUEUED_TIMEOUT_EXCEEDED", "queued", limit, out);
    out->abort = l->at != NULL;
    return true;
}

static bool ran_too_long(const struct engine_look *l, struct arena *mem, struct engine_decision *out)
{
    int64_t limit = l->task->max_runtime_ns, since = l->at ? l->at->running_ns : 0;
    if (!since || !is_over(since, limit, l->now_ns)) {
        if (since && limit)
            wake_at(out, since + limit);
        return false;
    }
    time_out(l, mem, "MAX_RUNTIME_EXCEEDED", "running", limit, out);
    out->abort = l->task->kind == ENGINE_TASK_PROCESS;
    return true;
}

/* ---- before the launch ------------------------------------------------------------------------------------------ */

/* True when the cache decides: a result is there, or another action is making it. */
static bool decide_cache(const struct engine_look *l, struct engine_decision *out)
{
    if (!l->a->cache_key.n)
        return false;
    if (l->overwrite_cache) {
        out->cache_status = CORE_CACHE_SKIPPED;
        return false;
    }
    if (!(l->have & ENGINE_LOOK_CACHE)) {
        need(out, ENGINE_LOOK_CACHE);
        return true;
    }
    if (l->cache == ENGINE_CACHE_HIT) {
        end(out, COMMON_ACTION_PHASE_SUCCEEDED);
        out->cache_status = CORE_CACHE_HIT;
        out->from_cache = true;
        return true;
    }
    if (l->cache == ENGINE_CACHE_BUSY) {
        stay(out, "another action is making the same result, which is cached");
        wake_at(out, l->now_ns + CACHE_POLL_NS);
        return true;
    }
    out->cache_status = l->cache == ENGINE_CACHE_FAILURE ? CORE_CACHE_LOOKUP_FAILURE : CORE_CACHE_MISS;
    return false;
}

static bool lacks(const struct engine_look *l, unsigned what, struct engine_decision *out)
{
    if (l->have & what)
        return false;
    need(out, what);
    return true;
}

static bool is_bad_spec(const struct engine_look *l, struct engine_decision *out)
{
    if (!l->bad_spec.n)
        return false;
    end_error(out, COMMON_ACTION_PHASE_FAILED, USER, "BadTaskSpecification", l->bad_spec);
    return true;
}

static void start_core(const struct engine_look *l, struct engine_decision *out)
{
    if (l->task->kind == ENGINE_TASK_ECHO || l->sleep_ns <= 0) {
        end(out, COMMON_ACTION_PHASE_SUCCEEDED);
        return;
    }
    out->verb = ENGINE_ADVANCE;
    out->phase = COMMON_ACTION_PHASE_RUNNING;
    wake_at(out, l->now_ns + l->sleep_ns);
}

/* True when a task inside the engine has no place in its queue or project now. */
static bool lacks_place(const struct engine_look *l, struct arena *mem, struct engine_decision *out)
{
    if (lacks(l, ENGINE_LOOK_PLACE, out))
        return true;
    if (l->held)
        return false;
    stay(out, "");
    out->wait_reason = arena_str(mem, l->no_place);
    wake_at(out, l->now_ns + PLACE_POLL_NS);
    return true;
}

static void decide_start(const struct engine_look *l, struct arena *mem, struct engine_decision *out)
{
    bool process = l->task->kind == ENGINE_TASK_PROCESS;
    if (l->now_ns < l->a->queued_ns) {
        stay(out, "waits before the next attempt");
        wake_at(out, l->a->queued_ns);
        return;
    }
    if (queued_too_long(l, mem, out) || decide_cache(l, out) || lacks(l, ENGINE_LOOK_SLOT, out))
        return;
    if (!l->slot) {
        stay(out, "the run has as many active actions as it may (max_action_concurrency)");
        return;
    }
    if (process && is_alive(l->previous)) {
        stay(out, "the attempt before is being ended");
        return;
    }
    if (!process && lacks_place(l, mem, out))
        return;
    if (lacks(l, process ? ENGINE_LOOK_LAUNCH : ENGINE_LOOK_CORE, out) || is_bad_spec(l, out))
        return;
    if (!process) {
        start_core(l, out);
        return;
    }
    out->verb = ENGINE_LAUNCH;
    out->phase = COMMON_ACTION_PHASE_WAITING_FOR_RESOURCES;
}

/* ---- after the launch ------------------------------------------------------------------------------------------- */

static void advance(const struct engine_look *l, int32_t phase, struct engine_decision *out)
{
    bool later = engine_phase_allowed(l->a->type, l->a->phase, phase, false);
    out->verb = later ? ENGINE_ADVANCE : ENGINE_STAY;
    out->phase = phase;
}

static void decide_sleeping(const struct engine_look *l, struct arena *mem, struct engine_decision *out)
{
    if (lacks(l, ENGINE_LOOK_PLACE, out) || lacks(l, ENGINE_LOOK_CORE, out) || is_bad_spec(l, out))
        return;
    int64_t until = (l->at ? l->at->running_ns : l->a->started_ns) + l->sleep_ns;
    if (l->now_ns >= until || l->task->kind == ENGINE_TASK_ECHO) {
        end(out, COMMON_ACTION_PHASE_SUCCEEDED);
        return;
    }
    wake_at(out, until);
    if (!ran_too_long(l, mem, out))
        stay(out, "");
}

/* The intent to launch is written, but the executor does not know the attempt. Had it been seen, its traces are lost.
 */
static void decide_unknown(const struct engine_look *l, struct arena *mem, struct engine_decision *out)
{
    if (l->a->phase > COMMON_ACTION_PHASE_WAITING_FOR_RESOURCES) {
        decide_over(l, mem, out);
        return;
    }
    if (lacks(l, ENGINE_LOOK_LAUNCH, out) || is_bad_spec(l, out))
        return;
    out->verb = ENGINE_RELAUNCH;
}

static void decide_launched(const struct engine_look *l, struct arena *mem, struct engine_decision *out)
{
    if (lacks(l, ENGINE_LOOK_EXEC, out))
        return;
    switch (l->exec.state) {
    case EXEC_UNKNOWN:
        decide_unknown(l, mem, out);
        return;
    case EXEC_WAITING:
        if (queued_too_long(l, mem, out))
            return;
        advance(l, COMMON_ACTION_PHASE_WAITING_FOR_RESOURCES, out);
        out->wait_reason = l->exec.reason;
        return;
    case EXEC_STARTING:
        advance(l, COMMON_ACTION_PHASE_INITIALIZING, out);
        return;
    case EXEC_RUNNING:
        if (!ran_too_long(l, mem, out))
            advance(l, COMMON_ACTION_PHASE_RUNNING, out);
        if (out->verb == ENGINE_ADVANCE && l->task->max_runtime_ns)
            wake_at(out, l->now_ns + l->task->max_runtime_ns);
        return;
    case EXEC_EXITED:
    case EXEC_LOST:
        decide_over(l, mem, out);
        return;
    case EXEC_REFUSED:
        decide_refused(l, mem, out);
        return;
    }
}

/* ---- by kind ---------------------------------------------------------------------------------------------------- */

static bool deadline_matters(const struct engine_look *l)
{
    /* A process that is over counts by its result, even when nobody looked in time. */
    bool over = (l->have & ENGINE_LOOK_EXEC) && (l->exec.state == EXEC_EXITED || l->exec.state == EXEC_LOST);
    return !over;
}

static void decide_task(const struct engine_look *l, struct arena *mem, struct engine_decision *out)
{
    bool process = l->task->kind == ENGINE_TASK_PROCESS;
    if (l->at && process && lacks(l, ENGINE_LOOK_EXEC, out))
        return;
    if (deadline_matters(l) && deadline_passed(l, mem, out))
        return;
    if (l->at && process)
        decide_launched(l, mem, out);
    else if (l->a->phase == COMMON_ACTION_PHASE_RUNNING)
        decide_sleeping(l, mem, out);
    else
        decide_start(l, mem, out);
}

static void decide_condition(const struct engine_look *l, struct arena *mem, struct engine_decision *out)
{
    int64_t limit = l->condition_timeout_ns;
    if (is_over(l->a->created_ns, limit, l->now_ns)) {
        end_error(out, COMMON_ACTION_PHASE_TIMED_OUT, USER, "ConditionTimedOut",
                  arena_printf(mem, "not signalled within %.3g s", (double)limit / 1e9));
        return;
    }
    if (limit)
        wake_at(out, l->a->created_ns + limit);
}

/* The row has ended: what is left is the executor's side of it. */
static void decide_ended(const struct engine_look *l, struct engine_decision *out)
{
    if (l->a->type != WORKFLOW_ACTION_TYPE_TASK)
        return;
    if (l->task->kind != ENGINE_TASK_PROCESS) {
        out->cleanup = true; /* the place that it may have */
        return;
    }
    if (!l->at)
        return;
    if (lacks(l, ENGINE_LOOK_EXEC, out) || l->exec.state == EXEC_UNKNOWN)
        return;
    out->abort = is_alive(l->exec.state);
    out->cleanup = !out->abort;
}

static void decide_by_type(const struct engine_look *l, struct arena *mem, struct engine_decision *out)
{
    if (l->a->ended_ns) {
        decide_ended(l, out);
    } else if (l->orphan) {
        end(out, COMMON_ACTION_PHASE_ABORTED);
        out->abort = l->at != NULL;
    } else if (l->a->type == WORKFLOW_ACTION_TYPE_CONDITION) {
        decide_condition(l, mem, out);
    } else if (l->a->type == WORKFLOW_ACTION_TYPE_TASK) {
        decide_task(l, mem, out);
    }
}

void engine_decide(const struct engine_look *look, struct arena *mem, struct engine_decision *out)
{
    *out = (struct engine_decision){.verb = ENGINE_STAY, .cache_status = look->a->cache_status};
    if (look->a->external)
        return;
    /* Only the current attempt and the one before can be alive: a launch waits for the end of the one before. */
    bool previous = look->task && look->task->kind == ENGINE_TASK_PROCESS && look->a->attempt > 1;
    if (previous && lacks(look, ENGINE_LOOK_PREVIOUS, out))
        return;
    decide_by_type(look, mem, out);
    if (!out->need && previous && look->previous != EXEC_UNKNOWN) {
        out->abort_previous = is_alive(look->previous);
        out->cleanup_previous = !out->abort_previous;
    }
}

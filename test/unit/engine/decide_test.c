/* The rules of an action's life, one row per case: what is known, what is decided. */
#include "engine/decide.c"

#include "unit.h"

#define S NS_PER_S
#define T0 (1000 * S) /* created, queued */

enum {
    QUEUED = COMMON_ACTION_PHASE_QUEUED,
    WAITING,
    INITIALIZING,
    RUNNING,
    SUCCEEDED,
    FAILED,
    ABORTED,
    TIMED_OUT,
    PAUSED
};
#define OK_USER USER

struct row {
    const char *name;
    /* known */
    int32_t phase;
    bool launched;
    uint32_t attempt, user_failures, system_failures, retries;
    int64_t after; /* now is T0 plus this */
    int64_t queued_limit, run_limit, deadline;
    int64_t ran; /* running since T0 plus this; 0 = not running */
    enum exec_state exec;
    int exit_code, signal;
    enum exec_state previous;
    int result; /* ENGINE_RESULT_... */
    bool recoverable, system_error, no_slot, cached, outputs, ended, orphan, bad;
    enum engine_cache cache;
    /* decided */
    enum engine_verb verb;
    int32_t to;
    const char *code, *remark;
    bool abort, cleanup, abort_previous, cleanup_previous;
    int64_t wake; /* T0 plus this; 0 = none */
};

static const struct row rows[] = {
    {"a new one is launched", .phase = QUEUED, .verb = ENGINE_LAUNCH, .to = WAITING},
    {"not without a place", .phase = QUEUED, .no_slot = true, .verb = ENGINE_STAY},
    {"not before its time", .phase = QUEUED, .after = -5 * S, .verb = ENGINE_STAY, .wake = 1},
    {"bad spec", .phase = QUEUED, .bad = true, .verb = ENGINE_END, .to = FAILED, .code = "BadTaskSpecification"},
    {"orphans end", .phase = QUEUED, .orphan = true, .verb = ENGINE_END, .to = ABORTED},
    {"running orphans are killed", .phase = RUNNING, .launched = true, .orphan = true, .verb = ENGINE_END,
     .to = ABORTED, .abort = true},
    {"queued too long", .phase = QUEUED, .queued_limit = 5 * S, .after = 5 * S, .verb = ENGINE_END, .to = TIMED_OUT,
     .code = "QUEUED_TIMEOUT_EXCEEDED"},
    {"not yet too long", .phase = QUEUED, .queued_limit = 5 * S, .after = 4 * S, .verb = ENGINE_LAUNCH, .to = WAITING,
     .wake = 5 * S},
    {"queued too long is a failed attempt", .phase = QUEUED, .queued_limit = 5 * S, .after = 5 * S, .retries = 1,
     .verb = ENGINE_RETRY, .to = TIMED_OUT, .code = "QUEUED_TIMEOUT_EXCEEDED", .wake = 5 * S},
    {"cache hit", .phase = QUEUED, .cached = true, .cache = ENGINE_CACHE_HIT, .verb = ENGINE_END, .to = SUCCEEDED},
    {"cache busy", .phase = QUEUED, .cached = true, .cache = ENGINE_CACHE_BUSY, .verb = ENGINE_STAY,
     .wake = CACHE_POLL_NS},
    {"cache miss", .phase = QUEUED, .cached = true, .cache = ENGINE_CACHE_MISS, .verb = ENGINE_LAUNCH, .to = WAITING},
    {"cache failure is a miss", .phase = QUEUED, .cached = true, .cache = ENGINE_CACHE_FAILURE, .verb = ENGINE_LAUNCH,
     .to = WAITING},
    {"the attempt before must be gone", .phase = QUEUED, .attempt = 2, .previous = EXEC_RUNNING, .verb = ENGINE_STAY,
     .abort_previous = true},
    {"the attempt before is cleaned up", .phase = QUEUED, .attempt = 2, .previous = EXEC_EXITED, .verb = ENGINE_LAUNCH,
     .to = WAITING, .cleanup_previous = true},
    {"launch lost", .phase = WAITING, .launched = true, .exec = EXEC_UNKNOWN, .verb = ENGINE_RELAUNCH},
    {"waits in the executor", .phase = WAITING, .launched = true, .exec = EXEC_WAITING, .verb = ENGINE_STAY},
    {"waits there too long", .phase = WAITING, .launched = true, .exec = EXEC_WAITING, .queued_limit = 5 * S,
     .after = 6 * S, .verb = ENGINE_END, .to = TIMED_OUT, .code = "QUEUED_TIMEOUT_EXCEEDED", .abort = true},
    {"starts", .phase = WAITING, .launched = true, .exec = EXEC_STARTING, .verb = ENGINE_ADVANCE, .to = INITIALIZING},
    {"runs", .phase = INITIALIZING, .launched = true, .exec = EXEC_RUNNING, .verb = ENGINE_ADVANCE, .to = RUNNING},
    {"goes on running", .phase = RUNNING, .launched = true, .exec = EXEC_RUNNING, .verb = ENGINE_STAY},
    {"no way back", .phase = RUNNING, .launched = true, .exec = EXEC_STARTING, .verb = ENGINE_STAY},
    {"may run a while", .phase = RUNNING, .launched = true, .exec = EXEC_RUNNING, .run_limit = 5 * S, .ran = 2 * S,
     .after = 6 * S, .verb = ENGINE_STAY, .wake = 7 * S},
    {"ran too long", .phase = RUNNING, .launched = true, .exec = EXEC_RUNNING, .run_limit = 5 * S, .ran = 2 * S,
     .after = 7 * S, .verb = ENGINE_END, .to = TIMED_OUT, .code = "MAX_RUNTIME_EXCEEDED", .abort = true},
    {"the exit counts before the clock", .phase = RUNNING, .launched = true, .exec = EXEC_EXITED,
     .result = ENGINE_RESULT_OUTPUTS, .run_limit = 5 * S, .ran = 2 * S, .after = 70 * S, .verb = ENGINE_END,
     .to = SUCCEEDED, .cleanup = true},
    {"deadline", .phase = RUNNING, .launched = true, .exec = EXEC_RUNNING, .deadline = 9 * S, .after = 9 * S,
     .retries = 5, .verb = ENGINE_END, .to = TIMED_OUT, .code = "DEADLINE_EXCEEDED", .abort = true},
    {"deadline while queued", .phase = QUEUED, .deadline = 9 * S, .after = 9 * S, .verb = ENGINE_END, .to = TIMED_OUT,
     .code = "DEADLINE_EXCEEDED"},
    {"exit 0 with outputs", .phase = RUNNING, .launched = true, .exec = EXEC_EXITED, .result = ENGINE_RESULT_OUTPUTS,
     .verb = ENGINE_END, .to = SUCCEEDED, .cleanup = true},
    {"exit 0 without outputs, none declared", .phase = RUNNING, .launched = true, .exec = EXEC_EXITED,
     .verb = ENGINE_END, .to = SUCCEEDED, .cleanup = true},
    {"exit 0 without declared outputs", .phase = RUNNING, .launched = true, .exec = EXEC_EXITED, .outputs = true,
     .verb = ENGINE_RETRY, .to = FAILED, .code = "OutputsNotFound", .cleanup = true, .wake = 1 * S},
    {"exit 1 although there are outputs", .phase = RUNNING, .launched = true, .exec = EXEC_EXITED, .exit_code = 1,
     .result = ENGINE_RESULT_OUTPUTS, .verb = ENGINE_END, .to = FAILED, .code = "TaskProcessFailed", .cleanup = true},
    {"a crash after the outputs", .phase = RUNNING, .launched = true, .exec = EXEC_EXITED, .signal = SIGABRT,
     .result = ENGINE_RESULT_OUTPUTS, .verb = ENGINE_END, .to = SUCCEEDED, .remark = "SIGABRT", .cleanup = true},
    {"a crash before the outputs", .phase = RUNNING, .launched = true, .exec = EXEC_EXITED, .signal = SIGSEGV,
     .verb = ENGINE_END, .to = FAILED, .code = "TaskProcessCrashed", .cleanup = true},
    {"killed by somebody after the outputs", .phase = RUNNING, .launched = true, .exec = EXEC_EXITED, .signal = SIGKILL,
     .result = ENGINE_RESULT_OUTPUTS, .verb = ENGINE_RETRY, .to = FAILED, .code = "Interrupted", .cleanup = true,
     .wake = 1 * S},
    {"error.pb counts before the exit code", .phase = RUNNING, .launched = true, .exec = EXEC_EXITED, .exit_code = 1,
     .result = ENGINE_RESULT_ERROR, .recoverable = true, .verb = ENGINE_END, .to = FAILED, .code = "E",
     .cleanup = true},
    {"error.pb although the exit code is 0", .phase = RUNNING, .launched = true, .exec = EXEC_EXITED,
     .result = ENGINE_RESULT_ERROR, .recoverable = true, .verb = ENGINE_END, .to = FAILED, .code = "E",
     .cleanup = true},
    {"retry", .phase = RUNNING, .launched = true, .exec = EXEC_EXITED, .result = ENGINE_RESULT_ERROR,
     .recoverable = true, .retries = 1, .verb = ENGINE_RETRY, .to = FAILED, .code = "E", .cleanup = true, .wake = -1},
    {"no retry left", .phase = RUNNING, .launched = true, .exec = EXEC_EXITED, .result = ENGINE_RESULT_ERROR,
     .recoverable = true, .retries = 1, .user_failures = 1, .verb = ENGINE_END, .to = FAILED, .code = "E",
     .cleanup = true},
    {"never a retry", .phase = RUNNING, .launched = true, .exec = EXEC_EXITED, .result = ENGINE_RESULT_ERROR,
     .retries = 9, .verb = ENGINE_END, .to = FAILED, .code = "E", .cleanup = true},
    {"a system error is not the user's retry", .phase = RUNNING, .launched = true, .exec = EXEC_EXITED,
     .result = ENGINE_RESULT_ERROR, .recoverable = true, .system_error = true, .verb = ENGINE_RETRY, .to = FAILED,
     .code = "E", .cleanup = true, .wake = 1 * S},
    {"and backs off", .phase = RUNNING, .launched = true, .exec = EXEC_EXITED, .result = ENGINE_RESULT_ERROR,
     .recoverable = true, .system_error = true, .system_failures = 2, .verb = ENGINE_RETRY, .to = FAILED, .code = "E",
     .cleanup = true, .wake = 4 * S},
    {"and has an end", .phase = RUNNING, .launched = true, .exec = EXEC_EXITED, .result = ENGINE_RESULT_ERROR,
     .recoverable = true, .system_error = true, .system_failures = 3, .verb = ENGINE_END, .to = FAILED,
     .code = "MaxSystemFailuresExceeded|E", .cleanup = true},
    {"lost without a trace", .phase = RUNNING, .launched = true, .exec = EXEC_LOST, .verb = ENGINE_RETRY, .to = FAILED,
     .code = "ExitStatusUnknown", .cleanup = true, .wake = 1 * S},
    {"lost but done", .phase = RUNNING, .launched = true, .exec = EXEC_LOST, .result = ENGINE_RESULT_OUTPUTS,
     .verb = ENGINE_END, .to = SUCCEEDED, .cleanup = true},
    {"forgotten by the executor while running", .phase = RUNNING, .launched = true, .exec = EXEC_UNKNOWN,
     .verb = ENGINE_RETRY, .to = FAILED, .code = "ExitStatusUnknown", .cleanup = true, .wake = 1 * S},
    {"refused for good", .phase = WAITING, .launched = true, .exec = EXEC_REFUSED, .retries = 3, .verb = ENGINE_END,
     .to = FAILED, .code = "Refused", .cleanup = true},
    {"ended, process alive", .phase = ABORTED, .ended = true, .launched = true, .exec = EXEC_RUNNING,
     .verb = ENGINE_STAY, .abort = true},
    {"ended, process gone", .phase = ABORTED, .ended = true, .launched = true, .exec = EXEC_EXITED, .verb = ENGINE_STAY,
     .cleanup = true},
    {"ended, never launched", .phase = ABORTED, .ended = true, .verb = ENGINE_STAY},
};

static void decide_row(const struct row *r, struct arena *mem, struct engine_decision *d)
{
    struct engine_task task = {.retries = r->retries,
                               .backoff_factor = 1,
                               .queued_timeout_ns = r->queued_limit,
                               .max_runtime_ns = r->run_limit,
                               .deadline_ns = r->deadline,
                               .cached = r->cached,
                               .has_outputs = r->outputs};
    struct store_action a = {.type = WORKFLOW_ACTION_TYPE_TASK,
                             .phase = r->phase,
                             .attempt = r->attempt ? r->attempt : 1,
                             .user_failures = r->user_failures,
                             .system_failures = r->system_failures,
                             .created_ns = T0,
                             .queued_ns = T0,
                             .ended_ns = r->ended ? T0 : 0,
                             .cache_key = r->cached ? STR("key") : STR("")};
    struct store_attempt at = {.phase = r->phase, .running_ns = r->ran ? T0 + r->ran : 0};
    struct engine_look look = {
        .a = &a,
        .task = &task,
        .at = r->launched ? &at : NULL,
        .now_ns = T0 + r->after,
        .orphan = r->orphan,
        .have = ~0u,
        .exec = {.state = r->exec, .exit_code = r->exit_code, .signal = r->signal, .error_code = STR("Refused")},
        .previous = r->previous,
        .result = {.kind = (unsigned)r->result,
                   .error_kind = r->system_error ? SYSTEM : OK_USER,
                   .code = STR("E"),
                   .recoverable = r->recoverable},
        .cache = r->cache,
        .slot = !r->no_slot,
        .bad_spec = r->bad ? STR("bad") : STR("")};
    engine_decide(&look, mem, d);
}

static void test_rows(void **state)
{
    struct unit *u = *state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
        const struct row *r = &rows[i];
        struct engine_decision d;
        decide_row(r, &u->mem, &d);
        bool ends = r->verb == ENGINE_END || r->verb == ENGINE_RETRY;
        if (d.need || d.verb != r->verb || (r->to && d.phase != r->to))
            fail_msg("%s: verb %d, phase %d, need %u", r->name, d.verb, d.phase, d.need);
        if (ends && !str_eq(d.code, str_from(r->code)))
            fail_msg("%s: code " STR_FMT, r->name, STR_ARG(d.code));
        if (r->remark ? str_find(d.remark, str_from(r->remark)) == SIZE_MAX : d.remark.n > 0)
            fail_msg("%s: remark " STR_FMT, r->name, STR_ARG(d.remark));
        if (d.abort != r->abort || d.cleanup != r->cleanup || d.abort_previous != r->abort_previous ||
            d.cleanup_previous != r->cleanup_previous)
            fail_msg("%s: abort %d, cleanup %d, previous %d %d", r->name, d.abort, d.cleanup, d.abort_previous,
                     d.cleanup_previous);
        int64_t want = r->wake == 1 ? T0 : r->wake == -1 ? T0 : r->wake ? T0 + r->wake : 0;
        if (d.verb != ENGINE_END && d.wake_ns != want)
            fail_msg("%s: wakes at %lld", r->name, (long long)(d.wake_ns ? d.wake_ns - T0 : 0));
    }
}

/* What is not known is asked for, one thing after the other, and nothing that does not matter. */
static void test_asks_for_what_it_needs(void **state)
{
    struct unit *u = *state;
    struct engine_task task = {.backoff_factor = 1};
    struct store_action a = {.type = WORKFLOW_ACTION_TYPE_TASK, .phase = QUEUED, .attempt = 1, .queued_ns = T0};
    struct store_attempt at = {.phase = RUNNING};
    struct engine_look look = {.a = &a, .task = &task, .now_ns = T0, .slot = true};
    struct engine_decision d;
    engine_decide(&look, &u->mem, &d);
    assert_int_equal(d.need, ENGINE_LOOK_SLOT);
    look.have = ENGINE_LOOK_SLOT;
    engine_decide(&look, &u->mem, &d);
    assert_int_equal(d.need, ENGINE_LOOK_LAUNCH);
    a.cache_key = STR("k");
    engine_decide(&look, &u->mem, &d);
    assert_int_equal(d.need, ENGINE_LOOK_CACHE);
    look.overwrite_cache = true;
    engine_decide(&look, &u->mem, &d);
    assert_int_equal(d.need, ENGINE_LOOK_LAUNCH);
    a.attempt = 2;
    engine_decide(&look, &u->mem, &d);
    assert_int_equal(d.need, ENGINE_LOOK_PREVIOUS);
    a.attempt = 1;
    a.phase = RUNNING;
    look.at = &at;
    engine_decide(&look, &u->mem, &d);
    assert_int_equal(d.need, ENGINE_LOOK_EXEC);
    look.have |= ENGINE_LOOK_EXEC;
    look.exec.state = EXEC_EXITED;
    engine_decide(&look, &u->mem, &d);
    assert_int_equal(d.need, ENGINE_LOOK_RESULT);
    look.exec.state = EXEC_RUNNING;
    engine_decide(&look, &u->mem, &d);
    assert_int_equal(d.need, 0);
}

static void test_backoff(void **state)
{
    struct engine_task t = {.backoff_base_ns = 10 * S, .backoff_factor = 2, .backoff_cap_ns = 60 * S};
    (void)state;
    assert_int_equal(engine_decide_backoff_ns(&t, 0), 10 * S);
    assert_int_equal(engine_decide_backoff_ns(&t, 2), 40 * S);
    assert_int_equal(engine_decide_backoff_ns(&t, 3), 60 * S);
    assert_int_equal(engine_decide_backoff_ns(&t, UINT32_MAX), 60 * S);
    t.backoff_factor = 1;
    assert_int_equal(engine_decide_backoff_ns(&t, UINT32_MAX), 10 * S);
    t = (struct engine_task){.backoff_factor = 1};
    assert_int_equal(engine_decide_backoff_ns(&t, 5), 0);
    t = (struct engine_task){.backoff_base_ns = 10 * S, .backoff_factor = 1e300};
    assert_true(engine_decide_backoff_ns(&t, 9) > 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        unit_test(test_rows),
        unit_test(test_asks_for_what_it_needs),
        unit_test(test_backoff),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

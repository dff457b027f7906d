/* The engine as a whole in a world of its own (world.h): retries, timeouts, aborts, caching, conditions, traces,
 * limits. */
#include "world.h"

#include "engine/abort.h"
#include "engine/signal.h"

#define S NS_PER_S

static struct store_run *start(struct world *w, const TaskTaskSpec *spec)
{
    world_start(w);
    struct store_run *run = world_create_run(w, "r1", spec, NULL);
    world_run(w);
    return run;
}

/* ---- one process ------------------------------------------------------------------------------------------------ */

static void test_process_succeeds(void **state)
{
    struct world *w = *state;
    size_t n;
    start(w, world_spec(w, "t", "python"));
    assert_phase(w, "a0", RUNNING);
    struct world_attempt *p = world_process(w, "a0");
    assert_string_equal(p->argv0, "a0");
    assert_string_equal(p->output, "s3://tern/p/d/r1/a0/1");
    static const char *const want[] = {"ACTION_NAME=a0\n",
                                       "RUN_NAME=r1\n",
                                       "_U_RUN_BASE=s3://tern/p/d/r1\n",
                                       "_U_ORG_NAME=local\n",
                                       "_U_USE_ACTIONS=1\n",
                                       "_U_INSECURE=true\n",
                                       "_U_EP_OVERRIDE=localhost:30080\n",
                                       "FLYTE_ATTEMPT_NUMBER=0\n",
                                       "FLYTE_AWS_ACCESS_KEY_ID=key-1\n",
                                       "FLYTE_INTERNAL_EXECUTION_PROJECT=p\n",
                                       "FLYTE_INTERNAL_TASK_NAME=t\n"};
    for (size_t i = 0; i < sizeof(want) / sizeof(*want); i++)
        if (!strstr(p->env, want[i]))
            fail_msg("no %s in:\n%s", want[i], p->env);
    world_succeed(w, "a0");
    world_run(w);
    struct store_action *a = world_action(w, "a0");
    assert_int_equal(a->phase, SUCCEEDED);
    assert_str_equal(a->output_uri, "s3://tern/p/d/r1/a0/1");
    assert_true(a->ended_ns >= a->started_ns && a->started_ns >= a->created_ns);
    assert_true(p->cleaned);
    struct store_attempt *at = world_attempts(w, a, &n);
    assert_int_equal(n, 1);
    assert_int_equal(at->phase, SUCCEEDED);
    assert_true(at->has_log);
    assert_true(at->queued_ns && at->waiting_ns && at->running_ns && at->ended_ns);
    assert_int_equal(world_int(w, "SELECT phase FROM run"), SUCCEEDED);
}

static void test_user_error_keeps_its_type(void **state)
{
    struct world *w = *state;
    start(w, world_spec(w, "t", "python"));
    world_error(w, "a0", "ValueError", CORE_EXECUTION_ERROR_ERROR_KIND_USER, true);
    world_run(w);
    struct store_action *a = world_action(w, "a0");
    assert_int_equal(a->phase, FAILED);
    assert_str_equal(a->error_code, "ValueError");
    assert_str_equal(a->error, "boom");
    assert_int_equal(a->error_kind, CORE_EXECUTION_ERROR_ERROR_KIND_USER);
    assert_str_equal(a->output_uri, "");
}

static void test_retries_with_backoff(void **state)
{
    struct world *w = *state;
    TaskTaskSpec *s = world_spec(w, "t", "python");
    GoogleProtobufDuration base = {.seconds = 10}, cap = {.seconds = 15};
    CoreBackoff backoff = {.base = &base, .cap = &cap, .factor = 2, .has_factor = true};
    size_t n;
    s->task_template->metadata->retries->retries = 2;
    s->task_template->metadata->retries->backoff = &backoff;
    start(w, s);
    world_error(w, "a0", "E1", CORE_EXECUTION_ERROR_ERROR_KIND_USER, true);
    world_run(w);
    assert_phase(w, "a0", QUEUED);
    assert_int_equal(world_action(w, "a0")->attempt, 2);
    world_pass(w, 9 * S);
    assert_phase(w, "a0", QUEUED);
    world_pass(w, 2 * S);
    assert_phase(w, "a0", RUNNING);
    assert_string_equal(world_process(w, "a0")->output, "s3://tern/p/d/r1/a0/2");
    world_error(w, "a0", "E2", CORE_EXECUTION_ERROR_ERROR_KIND_USER, true);
    world_run(w);
    world_pass(w, 14 * S); /* 20 s, but for the cap */
    assert_phase(w, "a0", QUEUED);
    world_pass(w, 2 * S);
    assert_phase(w, "a0", RUNNING);
    world_error(w, "a0", "E3", CORE_EXECUTION_ERROR_ERROR_KIND_USER, true);
    world_run(w);
    struct store_action *a = world_action(w, "a0");
    assert_int_equal(a->phase, FAILED);
    assert_str_equal(a->error_code, "E3");
    struct store_attempt *at = world_attempts(w, a, &n);
    assert_int_equal(n, 3);
    for (size_t i = 0; i < n; i++)
        assert_int_equal(at[i].phase, FAILED);
    assert_str_equal(at[0].error_code, "E1");
    assert_true(at[1].queued_ns - at[0].ended_ns >= 10 * S - 1000);
}

static void test_non_recoverable_is_not_retried(void **state)
{
    struct world *w = *state;
    TaskTaskSpec *s = world_spec(w, "t", "python");
    s->task_template->metadata->retries->retries = 5;
    start(w, s);
    world_error(w, "a0", "NonRecoverableError", CORE_EXECUTION_ERROR_ERROR_KIND_USER, false);
    world_run(w);
    assert_phase(w, "a0", FAILED);
    assert_int_equal(world_action(w, "a0")->attempt, 1);
}

static void test_system_errors_are_retried_thrice(void **state)
{
    struct world *w = *state;
    start(w, world_spec(w, "t", "python"));
    for (int i = 0; i < 4; i++) {
        struct world_attempt *p = world_process(w, "a0");
        assert_non_null(p);
        p->signal = 9;
        world_exit(w, p, 0);
        world_run(w);
        if (i < 3)
            world_pass(w, 30 * S);
    }
    struct store_action *a = world_action(w, "a0");
    assert_int_equal(a->phase, FAILED);
    assert_int_equal(a->attempt, 4);
    assert_str_equal(a->error_code, "MaxSystemFailuresExceeded|Interrupted");
    assert_int_equal(a->error_kind, CORE_EXECUTION_ERROR_ERROR_KIND_SYSTEM);
}

static void test_exits_without_result(void **state)
{
    static const struct {
        int exit_code, signal;
        bool oom;
        enum exec_state state;
        const char *code;
        int32_t kind;
        bool retried;
    } cases[] = {
        {1, 0, false, EXEC_EXITED, "TaskProcessFailed", CORE_EXECUTION_ERROR_ERROR_KIND_USER, false},
        {0, 11, false, EXEC_EXITED, "TaskProcessCrashed", CORE_EXECUTION_ERROR_ERROR_KIND_USER, false},
        {0, 9, true, EXEC_EXITED, "OOMKilled", CORE_EXECUTION_ERROR_ERROR_KIND_USER, false},
        {0, 9, false, EXEC_EXITED, "Interrupted", CORE_EXECUTION_ERROR_ERROR_KIND_SYSTEM, true},
        {0, 0, false, EXEC_LOST, "ExitStatusUnknown", CORE_EXECUTION_ERROR_ERROR_KIND_SYSTEM, true},
    };
    struct world *w = *state;
    world_start(w);
    for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
        char name[8];
        size_t n;
        snprintf(name, sizeof(name), "r%zu", i);
        world_create_run(w, name, world_spec(w, "t", "python"), NULL);
        world_run(w);
        struct world_attempt *p = world_process(w, "a0");
        p->signal = cases[i].signal;
        p->oom = cases[i].oom;
        world_exit(w, p, cases[i].exit_code);
        p->state = cases[i].state;
        world_run(w);
        struct store_action *a = world_action(w, "a0");
        struct store_attempt *at = world_attempts(w, a, &n);
        assert_str_equal(at[0].error_code, cases[i].code);
        assert_int_equal(at[0].error_kind, cases[i].kind);
        assert_int_equal(at[0].phase, FAILED);
        assert_int_equal(a->phase, cases[i].retried ? QUEUED : FAILED);
    }
}

static void test_lost_exit_status_goes_by_the_result(void **state)
{
    struct world *w = *state;
    start(w, world_spec(w, "t", "python"));
    struct world_attempt *p = world_process(w, "a0");
    world_store(STR("p/d/r1/a0/1/outputs.pb"), STR(""));
    world_exit(w, p, 0);
    p->state = EXEC_LOST;
    world_run(w);
    assert_phase(w, "a0", SUCCEEDED);
}

static void test_bad_spec_fails_at_once(void **state)
{
    struct world *w = *state;
    TaskTaskSpec *s = world_spec(w, "t", "python");
    s->task_template->metadata->retries->retries = 3;
    s->task_template->target_case = 0;
    start(w, s);
    struct store_action *a = world_action(w, "a0");
    assert_int_equal(a->phase, FAILED);
    assert_str_equal(a->error_code, "BadTaskSpecification");
    assert_int_equal(w->attempt_n, 0);
}

static void test_waiting_says_for_what(void **state)
{
    struct world *w = *state;
    size_t n;
    w->manual = true;
    start(w, world_spec(w, "t", "python"));
    assert_phase(w, "a0", WAITING);
    struct store_attempt *at = world_attempts(w, world_action(w, "a0"), &n);
    world_process(w, "a0")->state = EXEC_WAITING;
    engine_wake(w->app.engine, world_action(w, "a0")->id);
    world_run(w);
    at = world_attempts(w, world_action(w, "a0"), &n);
    assert_str_equal(at->wait_reason, "a free CPU");
    world_process(w, "a0")->state = EXEC_STARTING;
    engine_wake(w->app.engine, world_action(w, "a0")->id);
    world_run(w);
    assert_phase(w, "a0", INITIALIZING);
    at = world_attempts(w, world_action(w, "a0"), &n);
    assert_str_equal(at->wait_reason, "");
    assert_true(at->has_log);
}

static void test_executor_away(void **state)
{
    struct world *w = *state;
    world_start(w);
    w->exec_down = true;
    world_create_run(w, "r1", world_spec(w, "t", "python"), NULL);
    world_run(w);
    assert_phase(w, "a0", WAITING);
    w->exec_down = false;
    world_pass(w, 2 * S);
    assert_phase(w, "a0", RUNNING);
    assert_int_equal(world_process(w, "a0")->started, 1);
}

/* ---- time ------------------------------------------------------------------------------------------------------- */

static TaskTaskSpec *timed(struct world *w, int64_t queued, int64_t runtime, int64_t deadline)
{
    TaskTaskSpec *s = world_spec(w, "t", "python");
    CoreTaskMetadata *m = s->task_template->metadata;
    m->timeout = pb_new(&w->mem, GoogleProtobufDuration);
    m->timeout->seconds = runtime;
    m->timeouts = pb_new(&w->mem, CoreTimeoutStrategy);
    m->timeouts->queued_timeout = pb_new(&w->mem, GoogleProtobufDuration);
    m->timeouts->queued_timeout->seconds = queued;
    m->timeouts->deadline = pb_new(&w->mem, GoogleProtobufDuration);
    m->timeouts->deadline->seconds = deadline;
    return s;
}

static void test_max_runtime(void **state)
{
    struct world *w = *state;
    start(w, timed(w, 0, 10, 0));
    struct world_attempt *p = world_process(w, "a0");
    world_pass(w, 9 * S);
    assert_phase(w, "a0", RUNNING);
    world_pass(w, 2 * S);
    struct store_action *a = world_action(w, "a0");
    assert_int_equal(a->phase, TIMED_OUT);
    assert_str_equal(a->error_code, "MAX_RUNTIME_EXCEEDED");
    assert_true(p->aborted && p->cleaned);
}

static void test_max_runtime_per_attempt(void **state)
{
    struct world *w = *state;
    TaskTaskSpec *s = timed(w, 0, 10, 0);
    size_t n;
    s->task_template->metadata->retries->retries = 1;
    start(w, s);
    world_pass(w, 11 * S);
    assert_phase(w, "a0", RUNNING);
    assert_int_equal(world_action(w, "a0")->attempt, 2);
    world_pass(w, 9 * S);
    assert_phase(w, "a0", RUNNING);
    world_pass(w, 2 * S);
    assert_phase(w, "a0", TIMED_OUT);
    struct store_attempt *at = world_attempts(w, world_action(w, "a0"), &n);
    assert_int_equal(n, 2);
    assert_int_equal(at[0].phase, TIMED_OUT);
}

static void test_queued_timeout(void **state)
{
    struct world *w = *state;
    w->manual = true;
    start(w, timed(w, 5, 0, 0));
    world_pass(w, 6 * S);
    struct store_action *a = world_action(w, "a0");
    assert_int_equal(a->phase, TIMED_OUT);
    assert_str_equal(a->error_code, "QUEUED_TIMEOUT_EXCEEDED");
    assert_int_equal(w->attempts[0].started, 0);
    assert_true(w->attempts[0].aborted);
}

static void test_deadline_over_all_attempts(void **state)
{
    struct world *w = *state;
    TaskTaskSpec *s = timed(w, 0, 0, 20);
    s->task_template->metadata->retries->retries = 9;
    start(w, s);
    world_pass(w, 15 * S);
    world_error(w, "a0", "E", CORE_EXECUTION_ERROR_ERROR_KIND_USER, true);
    world_run(w);
    assert_phase(w, "a0", RUNNING);
    world_pass(w, 6 * S);
    struct store_action *a = world_action(w, "a0");
    assert_int_equal(a->phase, TIMED_OUT);
    assert_str_equal(a->error_code, "DEADLINE_EXCEEDED");
    assert_int_equal(a->attempt, 2);
}

static void test_timers_survive_a_restart(void **state)
{
    struct world *w = *state;
    start(w, timed(w, 0, 10, 0));
    world_pass(w, 5 * S);
    world_restart(w);
    world_run(w);
    world_pass(w, 4 * S);
    assert_phase(w, "a0", RUNNING);
    world_pass(w, 2 * S);
    assert_phase(w, "a0", TIMED_OUT);
}

static void test_late_look_counts_the_result(void **state)
{
    struct world *w = *state;
    start(w, timed(w, 0, 10, 0));
    world_succeed(w, "a0");
    world_pass(w, 60 * S);
    assert_phase(w, "a0", SUCCEEDED);
}

/* ---- inside the engine ------------------------------------------------------------------------------------------ */

static void put_inputs(struct world *w, const char *name, CoreLiteral *value)
{
    TaskNamedLiteral lit = {.name = str_from(name), .value = value}, *p = &lit;
    TaskInputs in = {.literals = {.p = &p, .n = 1}};
    str bytes;
    assert_ok(&w->cx, pb_encode(&w->cx, &TaskInputs_type, &in, &bytes));
    world_store(STR("p/in/x/inputs.pb"), bytes);
}

static CoreLiteral *literal(struct world *w, CorePrimitive *p)
{
    CoreLiteral *l = pb_new(&w->mem, CoreLiteral);
    l->value_case = CoreLiteral_scalar_tag;
    l->scalar = pb_new(&w->mem, CoreScalar);
    l->scalar->value_case = CoreScalar_primitive_tag;
    l->scalar->primitive = p;
    return l;
}

static void add_output(struct world *w, TaskTaskSpec *s, const char *name)
{
    CoreVariableMap *m = s->task_template->interface->outputs = pb_new(&w->mem, CoreVariableMap);
    m->variables.p = arena_new_array(&w->mem, CoreVariableEntry *, 1);
    m->variables.p[0] = pb_new(&w->mem, CoreVariableEntry);
    m->variables.p[0]->key = str_from(name);
    m->variables.n = 1;
}

static void test_echo(void **state)
{
    struct world *w = *state;
    TaskTaskSpec *s = world_spec(w, "t", "core-echo");
    CorePrimitive p = {.value_case = CorePrimitive_integer_tag, .integer = 7};
    void *msg;
    size_t n;
    put_inputs(w, "x", literal(w, &p));
    add_output(w, s, "o0");
    start(w, s);
    struct store_action *a = world_action(w, "a0");
    assert_int_equal(a->phase, SUCCEEDED);
    assert_str_equal(a->output_uri, "s3://tern/p/d/r1/a0/1");
    struct world_object *o = world_object(STR("p/d/r1/a0/1/outputs.pb"));
    assert_non_null(o);
    assert_ok(&w->cx, pb_decode(&w->cx, &TaskOutputs_type, str_make(o->bytes, o->n), &msg));
    TaskOutputs *out = msg;
    assert_int_equal(out->literals.n, 1);
    assert_str_equal(out->literals.p[0]->name, "o0");
    assert_int_equal(out->literals.p[0]->value->scalar->primitive->integer, 7);
    struct store_attempt *at = world_attempts(w, a, &n);
    assert_int_equal(n, 1);
    assert_int_equal(at->phase, SUCCEEDED);
    assert_true(at->running_ns && at->ended_ns >= at->running_ns);
    assert_int_equal(w->attempt_n, 0);
}

static void test_sleep_goes_on_after_a_restart(void **state)
{
    struct world *w = *state;
    GoogleProtobufDuration d = {.seconds = 100};
    CorePrimitive p = {.value_case = CorePrimitive_duration_tag, .duration = &d};
    put_inputs(w, "d", literal(w, &p));
    start(w, world_spec(w, "t", "core-sleep"));
    assert_phase(w, "a0", RUNNING);
    world_pass(w, 60 * S);
    world_restart(w);
    world_run(w);
    world_pass(w, 39 * S);
    assert_phase(w, "a0", RUNNING);
    world_pass(w, 2 * S);
    assert_phase(w, "a0", SUCCEEDED);
}

static void test_sleep_takes_a_duration(void **state)
{
    struct world *w = *state;
    CorePrimitive p = {.value_case = CorePrimitive_integer_tag, .integer = 7};
    put_inputs(w, "d", literal(w, &p));
    start(w, world_spec(w, "t", "core-sleep"));
    assert_phase(w, "a0", FAILED);
    assert_str_equal(world_action(w, "a0")->error_code, "BadTaskSpecification");
}

/* ---- children --------------------------------------------------------------------------------------------------- */

static void test_children_and_waiting_parent(void **state)
{
    struct world *w = *state;
    TaskTaskSpec *s = world_spec(w, "t", "python");
    start(w, s);
    struct world_attempt *parent = world_process(w, "a0");
    assert_ok(&w->cx, world_enqueue(w, "r1", "a0", "c1", s, NULL));
    assert_ok(&w->cx, world_enqueue(w, "r1", "a0", "c2", s, NULL));
    assert_code(&w->cx, world_enqueue(w, "r1", "a0", "c1", s, NULL), CODE_ALREADY_EXISTS);
    assert_code(&w->cx, world_enqueue(w, "r1", "nobody", "c3", s, NULL), CODE_NOT_FOUND);
    assert_code(&w->cx, world_enqueue(w, "r2", "a0", "c3", s, NULL), CODE_NOT_FOUND);
    world_run(w);
    assert_true(parent->waiting);
    world_succeed(w, "c1");
    world_run(w);
    assert_true(parent->waiting);
    world_succeed(w, "c2");
    world_run(w);
    assert_false(parent->waiting);
    world_succeed(w, "a0");
    world_run(w);
    assert_phase(w, "a0", SUCCEEDED);
    assert_code(&w->cx, world_enqueue(w, "r1", "a0", "c4", s, NULL), CODE_ABORTED);
}

static enum code abort_run_entry(struct ctx *cx, void *arg)
{
    return engine_abort_run(cx, arg, STR("enough"), 0);
}

static enum code abort_action_entry(struct ctx *cx, void *arg)
{
    struct store_run *run;
    struct store_action *a;
    TRY(store_action_get(cx, STR("p"), STR("d"), STR("r1"), str_from(arg), &run, &a));
    return engine_abort_action(cx, run, a, STR("enough"), 0);
}

static void test_abort_of_a_run(void **state)
{
    struct world *w = *state;
    TaskTaskSpec *s = world_spec(w, "t", "python");
    struct store_run *run = start(w, s);
    assert_ok(&w->cx, world_enqueue(w, "r1", "a0", "c1", s, NULL));
    assert_ok(&w->cx, world_enqueue(w, "r1", "c1", "d1", s, NULL));
    world_run(w);
    assert_ok(&w->cx, lane_write(&w->cx, NULL, abort_run_entry, run));
    assert_phase(w, "a0", ABORTED);
    assert_code(&w->cx, world_enqueue(w, "r1", "c1", "d2", s, NULL), CODE_ABORTED);
    world_run(w);
    static const char *const all[] = {"a0", "c1", "d1"};
    for (size_t i = 0; i < 3; i++) {
        assert_phase(w, all[i], ABORTED);
        assert_str_equal(world_action(w, all[i])->abort_reason, "enough");
    }
    for (size_t i = 0; i < w->attempt_n; i++)
        assert_true(w->attempts[i].aborted && w->attempts[i].cleaned);
    assert_int_equal(world_int(w, "SELECT count(*) FROM cascade"), 0);
    assert_int_equal(world_int(w, "SELECT phase FROM run"), ABORTED);
}

static void test_abort_of_an_action_spares_others(void **state)
{
    struct world *w = *state;
    TaskTaskSpec *s = world_spec(w, "t", "python");
    char name[] = "c1";
    start(w, s);
    assert_ok(&w->cx, world_enqueue(w, "r1", "a0", "c1", s, NULL));
    assert_ok(&w->cx, world_enqueue(w, "r1", "a0", "c2", s, NULL));
    assert_ok(&w->cx, world_enqueue(w, "r1", "c1", "d1", s, NULL));
    world_run(w);
    assert_ok(&w->cx, lane_write(&w->cx, NULL, abort_action_entry, name));
    world_run(w);
    assert_phase(w, "c1", ABORTED);
    assert_phase(w, "d1", ABORTED);
    assert_phase(w, "c2", RUNNING);
    assert_phase(w, "a0", RUNNING);
}

static void test_abort_of_what_ended_changes_nothing(void **state)
{
    struct world *w = *state;
    struct store_run *run = start(w, world_spec(w, "t", "python"));
    world_succeed(w, "a0");
    world_run(w);
    assert_ok(&w->cx, lane_write(&w->cx, NULL, abort_run_entry, run));
    world_run(w);
    assert_phase(w, "a0", SUCCEEDED);
    assert_int_equal(world_int(w, "SELECT abort_ns IS NULL FROM run"), 1);
}

static void test_abort_wins_over_a_late_success(void **state)
{
    struct world *w = *state;
    struct store_run *run = start(w, world_spec(w, "t", "python"));
    world_succeed(w, "a0");
    assert_ok(&w->cx, lane_write(&w->cx, NULL, abort_run_entry, run));
    world_run(w);
    assert_phase(w, "a0", ABORTED);
    assert_true(w->attempts[0].cleaned);
}

static void test_end_of_parent_ends_children(void **state)
{
    struct world *w = *state;
    TaskTaskSpec *s = world_spec(w, "t", "python");
    start(w, s);
    assert_ok(&w->cx, world_enqueue(w, "r1", "a0", "c1", s, NULL));
    assert_ok(&w->cx, world_enqueue(w, "r1", "c1", "d1", s, NULL));
    world_run(w);
    world_error(w, "a0", "E", CORE_EXECUTION_ERROR_ERROR_KIND_USER, false);
    world_run(w);
    assert_phase(w, "a0", FAILED);
    assert_phase(w, "c1", ABORTED);
    assert_phase(w, "d1", ABORTED);
}

static void test_children_outlive_an_attempt(void **state)
{
    struct world *w = *state;
    TaskTaskSpec *s = world_spec(w, "t", "python");
    s->task_template->metadata->retries->retries = 1;
    start(w, s);
    assert_ok(&w->cx, world_enqueue(w, "r1", "a0", "c1", s, NULL));
    world_run(w);
    world_error(w, "a0", "E", CORE_EXECUTION_ERROR_ERROR_KIND_USER, true);
    world_run(w);
    assert_phase(w, "a0", RUNNING);
    assert_phase(w, "c1", RUNNING);
    assert_true(world_process(w, "a0")->waiting);
}

static void test_limit_of_concurrent_actions(void **state)
{
    struct world *w = *state;
    TaskTaskSpec *s = world_spec(w, "t", "python");
    TaskRunSpec rs = {.max_action_concurrency = 3};
    char name[8];
    world_start(w);
    world_create_run(w, "r1", s, &rs);
    world_run(w);
    for (int i = 0; i < 6; i++) {
        snprintf(name, sizeof(name), "c%d", i);
        assert_ok(&w->cx, world_enqueue(w, "r1", "a0", name, s, NULL));
    }
    world_run(w);
    const char *active = "SELECT count(*) FROM action WHERE phase IN (2, 3, 4)";
    assert_int_equal(world_int(w, active), 3);
    for (int i = 0; i < 6; i++) {
        snprintf(name, sizeof(name), "c%d", i);
        world_succeed(w, name);
        world_run(w);
        assert_int_equal(world_int(w, active), i < 4 ? 3 : 6 - i);
    }
    assert_int_equal(world_int(w, "SELECT count(*) FROM action WHERE phase=5"), 6);
}

static void test_limit_does_not_lock_a_recursion(void **state)
{
    struct world *w = *state;
    TaskTaskSpec *s = world_spec(w, "t", "python");
    TaskRunSpec rs = {.max_action_concurrency = 1};
    world_start(w);
    world_create_run(w, "r1", s, &rs);
    world_run(w);
    assert_ok(&w->cx, world_enqueue(w, "r1", "a0", "c", s, NULL));
    world_run(w);
    assert_phase(w, "c", RUNNING);
    assert_ok(&w->cx, world_enqueue(w, "r1", "c", "d", s, NULL));
    assert_ok(&w->cx, world_enqueue(w, "r1", "c", "e", s, NULL));
    world_run(w);
    assert_phase(w, "d", RUNNING);
    assert_phase(w, "e", QUEUED);
    world_succeed(w, "d");
    world_run(w);
    assert_phase(w, "e", RUNNING);
}

/* ---- caching ---------------------------------------------------------------------------------------------------- */

static TaskTaskSpec *cached(struct world *w, bool serial)
{
    TaskTaskSpec *s = world_spec(w, "cached", "python");
    add_output(w, s, "o0");
    s->task_template->metadata->discoverable = true;
    s->task_template->metadata->cache_serializable = serial;
    s->task_template->metadata->discovery_version = STR("1");
    return s;
}

static void test_cache_hit(void **state)
{
    struct world *w = *state;
    TaskTaskSpec *s = cached(w, false), *plain = world_spec(w, "t", "python");
    start(w, plain);
    assert_ok(&w->cx, world_enqueue(w, "r1", "a0", "c1", s, "key"));
    world_run(w);
    assert_int_equal(world_action(w, "c1")->cache_status, CORE_CACHE_MISS);
    world_succeed(w, "c1");
    world_run(w);
    assert_int_equal(world_action(w, "c1")->cache_status, CORE_CACHE_POPULATED);
    assert_ok(&w->cx, world_enqueue(w, "r1", "a0", "c2", s, "key"));
    assert_ok(&w->cx, world_enqueue(w, "r1", "a0", "c3", s, "other"));
    world_run(w);
    struct store_action *a = world_action(w, "c2");
    assert_int_equal(a->phase, SUCCEEDED);
    assert_int_equal(a->cache_status, CORE_CACHE_HIT);
    assert_str_equal(a->output_uri, "s3://tern/p/d/r1/c2/1");
    assert_non_null(world_object(STR("p/d/r1/c2/1/outputs.pb")));
    assert_phase(w, "c3", RUNNING);
}

static void test_cache_entry_without_outputs_is_a_miss(void **state)
{
    struct world *w = *state;
    TaskTaskSpec *s = cached(w, false);
    start(w, world_spec(w, "t", "python"));
    assert_ok(&w->cx, world_enqueue(w, "r1", "a0", "c1", s, "key"));
    world_run(w);
    world_succeed(w, "c1");
    world_run(w);
    assert_ok(&w->cx, object_delete(&w->cx, NULL, STR("tern"), STR("p/d/r1/c1/1/outputs.pb")));
    assert_ok(&w->cx, world_enqueue(w, "r1", "a0", "c2", s, "key"));
    world_run(w);
    assert_phase(w, "c2", RUNNING);
    assert_int_equal(world_action(w, "c2")->cache_status, CORE_CACHE_MISS);
}

static void test_overwritten_cache(void **state)
{
    struct world *w = *state;
    TaskTaskSpec *s = cached(w, false);
    TaskRunSpec rs = {.overwrite_cache = true};
    world_start(w);
    world_create_run(w, "r1", s, NULL);
    world_run(w);
    world_succeed(w, "a0");
    world_run(w);
    world_create_run(w, "r2", s, &rs);
    world_run(w);
    assert_phase(w, "a0", RUNNING);
    assert_int_equal(world_action(w, "a0")->cache_status, CORE_CACHE_SKIPPED);
    world_succeed(w, "a0");
    world_run(w);
    assert_int_equal(world_action(w, "a0")->cache_status, CORE_CACHE_POPULATED);
    assert_str_equal(world_text(w, "SELECT output_uri FROM cache_entry"), "s3://tern/p/d/r2/a0/1");
}

static void test_old_cache_entry(void **state)
{
    struct world *w = *state;
    TaskTaskSpec *s = cached(w, false);
    s->task_template->metadata->cache_max_age = pb_new(&w->mem, GoogleProtobufDuration);
    s->task_template->metadata->cache_max_age->seconds = 60;
    world_start(w);
    world_create_run(w, "r1", s, NULL);
    world_run(w);
    world_succeed(w, "a0");
    world_run(w);
    world_pass(w, 30 * S);
    world_create_run(w, "r2", s, NULL);
    world_run(w);
    assert_phase(w, "a0", SUCCEEDED);
    world_pass(w, 31 * S);
    world_create_run(w, "r3", s, NULL);
    world_run(w);
    assert_phase(w, "a0", RUNNING);
}

static void test_serialized_cache_runs_once(void **state)
{
    struct world *w = *state;
    TaskTaskSpec *s = cached(w, true);
    char name[8];
    int running = 0;
    start(w, world_spec(w, "t", "python"));
    for (int i = 0; i < 4; i++) {
        snprintf(name, sizeof(name), "c%d", i);
        assert_ok(&w->cx, world_enqueue(w, "r1", "a0", name, s, "key"));
    }
    world_run(w);
    const char *maker = NULL;
    for (int i = 0; i < 4; i++) {
        static char names[4][8];
        snprintf(names[i], sizeof(names[i]), "c%d", i);
        if (world_process(w, names[i])) {
            running++;
            maker = names[i];
        }
    }
    assert_int_equal(running, 1);
    world_restart(w); /* the reservation is the action's, not the server's */
    world_run(w);
    assert_int_equal(w->attempt_n, 2);
    world_succeed(w, maker);
    world_run(w);
    for (int i = 0; i < 4; i++) {
        snprintf(name, sizeof(name), "c%d", i);
        assert_phase(w, name, SUCCEEDED);
    }
    assert_int_equal(w->attempt_n, 2);
    assert_int_equal(world_int(w, "SELECT count(*) FROM cache_reservation"), 0);
}

static void test_serialized_cache_passes_on_after_a_failure(void **state)
{
    struct world *w = *state;
    TaskTaskSpec *s = cached(w, true);
    start(w, world_spec(w, "t", "python"));
    assert_ok(&w->cx, world_enqueue(w, "r1", "a0", "c1", s, "key"));
    assert_ok(&w->cx, world_enqueue(w, "r1", "a0", "c2", s, "key"));
    world_run(w);
    const char *first = world_process(w, "c1") ? "c1" : "c2", *second = world_process(w, "c1") ? "c2" : "c1";
    world_error(w, first, "E", CORE_EXECUTION_ERROR_ERROR_KIND_USER, false);
    world_run(w);
    assert_phase(w, first, FAILED);
    assert_phase(w, second, RUNNING);
}

/* ---- conditions and traces -------------------------------------------------------------------------------------- */

static enum code enqueue_condition(struct world *w, const char *name, int64_t timeout_s)
{
    CoreLiteralType *type = pb_new(&w->mem, CoreLiteralType);
    WorkflowConditionAction *c = pb_new(&w->mem, WorkflowConditionAction);
    type->type_case = CoreLiteralType_simple_tag;
    type->simple = CORE_INTEGER;
    c->name = STR("approve");
    c->type = type;
    c->timeout = pb_new(&w->mem, GoogleProtobufDuration);
    c->timeout->seconds = timeout_s;
    struct world_enqueue e = {.n = {.project = STR("p"), .domain = STR("d"), .run = STR("r1"), .condition = c}};
    e.n.parent = STR("a0");
    e.n.name = str_from(name);
    return lane_write(&w->cx, NULL, world_enqueue_entry, &e);
}

struct signal_arg {
    const char *name;
    CoreLiteral *value;
};

static enum code signal_entry(struct ctx *cx, void *arg)
{
    struct signal_arg *s = arg;
    struct store_run *run;
    struct store_action *a;
    TRY(store_action_get(cx, STR("p"), STR("d"), STR("r1"), str_from(s->name), &run, &a));
    return engine_signal(cx, run, a, s->value, 0);
}

static void test_condition_is_signalled(void **state)
{
    struct world *w = *state;
    CorePrimitive seven = {.value_case = CorePrimitive_integer_tag, .integer = 7};
    CorePrimitive eight = {.value_case = CorePrimitive_integer_tag, .integer = 8};
    CorePrimitive text = {.value_case = CorePrimitive_string_value_tag, .string_value = STR("x")};
    struct signal_arg s = {"k", literal(w, &text)};
    start(w, world_spec(w, "t", "python"));
    assert_ok(&w->cx, enqueue_condition(w, "k", 0));
    world_run(w);
    assert_phase(w, "k", PAUSED);
    assert_code(&w->cx, lane_write(&w->cx, NULL, signal_entry, &s), CODE_INVALID_ARGUMENT);
    s.value = literal(w, &seven);
    assert_ok(&w->cx, lane_write(&w->cx, NULL, signal_entry, &s));
    assert_phase(w, "k", SUCCEEDED);
    assert_true(world_action(w, "k")->value.n > 0);
    assert_ok(&w->cx, lane_write(&w->cx, NULL, signal_entry, &s));
    s.value = literal(w, &eight);
    assert_code(&w->cx, lane_write(&w->cx, NULL, signal_entry, &s), CODE_FAILED_PRECONDITION);
    s.name = "a0";
    assert_code(&w->cx, lane_write(&w->cx, NULL, signal_entry, &s), CODE_FAILED_PRECONDITION);
}

static void test_condition_times_out(void **state)
{
    struct world *w = *state;
    CorePrimitive seven = {.value_case = CorePrimitive_integer_tag, .integer = 7};
    struct signal_arg s = {"k", literal(w, &seven)};
    start(w, world_spec(w, "t", "python"));
    assert_ok(&w->cx, enqueue_condition(w, "k", 60));
    world_run(w);
    world_pass(w, 30 * S);
    world_restart(w);
    world_run(w);
    assert_phase(w, "k", PAUSED);
    world_pass(w, 31 * S);
    assert_phase(w, "k", TIMED_OUT);
    assert_str_equal(world_action(w, "k")->error_code, "ConditionTimedOut");
    assert_code(&w->cx, lane_write(&w->cx, NULL, signal_entry, &s), CODE_FAILED_PRECONDITION);
}

static enum code enqueue_trace(struct world *w, const char *name, int32_t phase, const char *output)
{
    WorkflowTraceAction *t = pb_new(&w->mem, WorkflowTraceAction);
    t->name = STR("fn");
    t->phase = phase;
    t->outputs = pb_new(&w->mem, TaskOutputReferences);
    t->outputs->output_uri = str_from(output);
    struct world_enqueue e = {.n = {.project = STR("p"), .domain = STR("d"), .run = STR("r1"), .trace = t}};
    e.n.parent = STR("a0");
    e.n.name = str_from(name);
    e.n.input_uri = arena_printf(&w->mem, "s3://tern/p/d/r1/%s/inputs.pb", name);
    return lane_write(&w->cx, NULL, world_enqueue_entry, &e);
}

static void test_traces(void **state)
{
    struct world *w = *state;
    CoreContainerError err = {.code = STR("RateLimit"), .message = STR("429")};
    CoreErrorDocument doc = {.error = &err};
    str bytes;
    err.kind = CORE_CONTAINER_ERROR_KIND_RECOVERABLE;
    err.origin = CORE_EXECUTION_ERROR_ERROR_KIND_USER;
    start(w, world_spec(w, "t", "python"));
    assert_ok(&w->cx, enqueue_trace(w, "x1", SUCCEEDED, "s3://tern/p/d/r1/x1/outputs.pb"));
    assert_phase(w, "x1", SUCCEEDED);
    assert_str_equal(world_action(w, "x1")->output_uri, "s3://tern/p/d/r1/x1/outputs.pb");
    assert_code(&w->cx, enqueue_trace(w, "x1", SUCCEEDED, "s3://tern/p/d/r1/o"), CODE_ALREADY_EXISTS);
    assert_ok(&w->cx, pb_encode(&w->cx, &CoreErrorDocument_type, &doc, &bytes));
    world_store(STR("p/d/r1/x2/error.pb"), bytes);
    assert_ok(&w->cx, enqueue_trace(w, "x2", FAILED, ""));
    world_run(w);
    struct store_action *a = world_action(w, "x2");
    assert_int_equal(a->phase, FAILED);
    assert_str_equal(a->error_code, "RateLimit");
    assert_true(a->recoverable);
    assert_ok(&w->cx, enqueue_trace(w, "x2", SUCCEEDED, "s3://tern/p/d/r1/x2/outputs.pb"));
    a = world_action(w, "x2");
    assert_int_equal(a->phase, SUCCEEDED);
    assert_str_equal(a->error_code, "");
    assert_str_equal(a->output_uri, "s3://tern/p/d/r1/x2/outputs.pb");
}

/* ---- recover ---------------------------------------------------------------------------------------------------- */

static void test_recover_takes_over_what_succeeded(void **state)
{
    struct world *w = *state;
    TaskTaskSpec *s = world_spec(w, "t", "python");
    CommonRunIdentifier old = {.project = STR("p"), .domain = STR("d"), .name = STR("r1")};
    CommonRelation rel = {.related_to = &old, .relation_type = COMMON_RELATION_TYPE_RECOVER};
    str force[] = {STR("c3")};
    TaskRecover rec = {.force_rerun_actions = {.p = force, .n = 1}};
    TaskRunSpec rs = {.relation = &rel, .recover = &rec};
    start(w, s);
    assert_ok(&w->cx, world_enqueue(w, "r1", "a0", "c1", s, NULL));
    assert_ok(&w->cx, world_enqueue(w, "r1", "a0", "c2", s, NULL));
    assert_ok(&w->cx, world_enqueue(w, "r1", "a0", "c3", s, NULL));
    world_run(w);
    world_succeed(w, "c1");
    world_error(w, "c2", "E", CORE_EXECUTION_ERROR_ERROR_KIND_USER, false);
    world_succeed(w, "c3");
    world_error(w, "a0", "E", CORE_EXECUTION_ERROR_ERROR_KIND_USER, false);
    world_run(w);
    world_create_run(w, "r2", s, &rs);
    world_run(w);
    assert_phase(w, "a0", RUNNING);
    assert_ok(&w->cx, world_enqueue(w, "r2", "a0", "c1", s, NULL));
    assert_ok(&w->cx, world_enqueue(w, "r2", "a0", "c2", s, NULL));
    assert_ok(&w->cx, world_enqueue(w, "r2", "a0", "c3", s, NULL));
    assert_ok(&w->cx, world_enqueue(w, "r2", "a0", "c4", s, NULL));
    world_run(w);
    struct store_action *a = world_action(w, "c1");
    assert_int_equal(a->phase, RECOVERED);
    assert_str_equal(a->output_uri, "s3://tern/p/d/r1/c1/1");
    assert_true(a->recovered_id != 0);
    assert_phase(w, "c2", RUNNING);
    assert_phase(w, "c3", RUNNING);
    assert_phase(w, "c4", RUNNING);
}

static void test_repeated_request_makes_one_run(void **state)
{
    struct world *w = *state;
    struct world_create c = {.n = {.project = STR("p"), .domain = STR("d"), .name = STR("r1")}};
    c.n.spec = world_spec(w, "t", "core-echo");
    c.n.run_spec = pb_new(&w->mem, TaskRunSpec);
    c.n.base_uri = STR("s3://tern/p/d/r1");
    c.n.request_key = STR("0123456789abcdef0123456789abcdef");
    world_start(w);
    assert_ok(&w->cx, lane_write(&w->cx, NULL, world_create_entry, &c));
    assert_false(c.made.repeated);
    c.n.name = STR("r2"); /* generated anew */
    assert_ok(&w->cx, lane_write(&w->cx, NULL, world_create_entry, &c));
    assert_true(c.made.repeated);
    assert_str_equal(c.made.run->name, "r1");
    c.n.request_key = STR_NONE;
    c.n.name = STR("r1");
    assert_code(&w->cx, lane_write(&w->cx, NULL, world_create_entry, &c), CODE_ALREADY_EXISTS);
    assert_int_equal(world_int(w, "SELECT count(*) FROM run"), 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        world_test(test_process_succeeds),
        world_test(test_user_error_keeps_its_type),
        world_test(test_retries_with_backoff),
        world_test(test_non_recoverable_is_not_retried),
        world_test(test_system_errors_are_retried_thrice),
        world_test(test_exits_without_result),
        world_test(test_lost_exit_status_goes_by_the_result),
        world_test(test_bad_spec_fails_at_once),
        world_test(test_waiting_says_for_what),
        world_test(test_executor_away),
        world_test(test_max_runtime),
        world_test(test_max_runtime_per_attempt),
        world_test(test_queued_timeout),
        world_test(test_deadline_over_all_attempts),
        world_test(test_timers_survive_a_restart),
        world_test(test_late_look_counts_the_result),
        world_test(test_echo),
        world_test(test_sleep_goes_on_after_a_restart),
        world_test(test_sleep_takes_a_duration),
        world_test(test_children_and_waiting_parent),
        world_test(test_abort_of_a_run),
        world_test(test_abort_of_an_action_spares_others),
        world_test(test_abort_of_what_ended_changes_nothing),
        world_test(test_abort_wins_over_a_late_success),
        world_test(test_end_of_parent_ends_children),
        world_test(test_children_outlive_an_attempt),
        world_test(test_limit_of_concurrent_actions),
        world_test(test_limit_does_not_lock_a_recursion),
        world_test(test_cache_hit),
        world_test(test_cache_entry_without_outputs_is_a_miss),
        world_test(test_overwritten_cache),
        world_test(test_old_cache_entry),
        world_test(test_serialized_cache_runs_once),
        world_test(test_serialized_cache_passes_on_after_a_failure),
        world_test(test_condition_is_signalled),
        world_test(test_condition_times_out),
        world_test(test_traces),
        world_test(test_recover_takes_over_what_succeeded),
        world_test(test_repeated_request_makes_one_run),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

/* The attempts of one action in a world of its own (world.h): how they end, retries, timeouts. */
#include "world.h"

#define S NS_PER_S

/* ---- one process ------------------------------------------------------------------------------------------------ */

static void test_process_succeeds(void **state)
{
    struct world *w = *state;
    size_t n;
    world_start_run(w, world_spec(w, "t", "python"));
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
    world_start_run(w, world_spec(w, "t", "python"));
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
    world_start_run(w, s);
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
    world_start_run(w, s);
    world_error(w, "a0", "NonRecoverableError", CORE_EXECUTION_ERROR_ERROR_KIND_USER, false);
    world_run(w);
    assert_phase(w, "a0", FAILED);
    assert_int_equal(world_action(w, "a0")->attempt, 1);
}

static void test_system_errors_are_retried_thrice(void **state)
{
    struct world *w = *state;
    world_start_run(w, world_spec(w, "t", "python"));
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
    world_start_run(w, world_spec(w, "t", "python"));
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
    world_start_run(w, s);
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
    world_start_run(w, world_spec(w, "t", "python"));
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
    world_start_run(w, timed(w, 0, 10, 0));
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
    world_start_run(w, s);
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
    world_start_run(w, timed(w, 5, 0, 0));
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
    world_start_run(w, s);
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
    world_start_run(w, timed(w, 0, 10, 0));
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
    world_start_run(w, timed(w, 0, 10, 0));
    world_succeed(w, "a0");
    world_pass(w, 60 * S);
    assert_phase(w, "a0", SUCCEEDED);
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
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

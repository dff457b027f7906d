/* Runs as trees in a world of their own (world.h): children, aborts, limits, recovery. */
#include "world.h"

#include "engine/abort.h"

/* ---- children --------------------------------------------------------------------------------------------------- */

static void test_children_and_waiting_parent(void **state)
{
    struct world *w = *state;
    TaskTaskSpec *s = world_spec(w, "t", "python");
    world_start_run(w, s);
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
    struct store_run *run = world_start_run(w, s);
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
    world_start_run(w, s);
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
    struct store_run *run = world_start_run(w, world_spec(w, "t", "python"));
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
    struct store_run *run = world_start_run(w, world_spec(w, "t", "python"));
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
    world_start_run(w, s);
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
    world_start_run(w, s);
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
    world_start_run(w, s);
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
        world_test(test_children_and_waiting_parent),      world_test(test_abort_of_a_run),
        world_test(test_abort_of_an_action_spares_others), world_test(test_abort_of_what_ended_changes_nothing),
        world_test(test_abort_wins_over_a_late_success),   world_test(test_end_of_parent_ends_children),
        world_test(test_children_outlive_an_attempt),      world_test(test_limit_of_concurrent_actions),
        world_test(test_limit_does_not_lock_a_recursion),  world_test(test_recover_takes_over_what_succeeded),
        world_test(test_repeated_request_makes_one_run),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

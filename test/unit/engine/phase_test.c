/* The table of legal transitions against the rules it is made from (control-plane.md 3.4), written here as rules. */
#include "engine/phase.c"

#include "unit.h"

enum {
    TASK = WORKFLOW_ACTION_TYPE_TASK,
    TRACE = WORKFLOW_ACTION_TYPE_TRACE,
    CONDITION = WORKFLOW_ACTION_TYPE_CONDITION
};

static bool is_moving(int32_t p)
{
    return p >= QUEUED && p <= RUNNING;
}

static bool rule(int32_t type, int32_t from, int32_t to, bool higher)
{
    bool terminal = to == SUCCEEDED || to == FAILED || to == ABORTED || to == TIMED_OUT || to == RECOVERED;
    if (from == NEW)
        return to == QUEUED || to == RECOVERED || (to == PAUSED && type == CONDITION) ||
               (type == TRACE && (to == RUNNING || (terminal && to != RECOVERED)));
    if (is_moving(from))
        return terminal || (is_moving(to) && (to > from || higher));
    if (from == PAUSED)
        return terminal && to != RECOVERED;
    if (from == FAILED || from == TIMED_OUT)
        return higher && (is_moving(to) || (terminal && to != RECOVERED));
    return false;
}

static void test_table_follows_the_rules(void **state)
{
    (void)state;
    for (int32_t type = TASK; type <= CONDITION; type++)
        for (int32_t from = 0; from < ENGINE_PHASE_COUNT; from++)
            for (int32_t to = 0; to < ENGINE_PHASE_COUNT; to++)
                for (int higher = 0; higher < 2; higher++)
                    if (engine_phase_allowed(type, from, to, higher) != rule(type, from, to, higher))
                        fail_msg("type %d, %s to %s, higher %d", type, engine_phase_name(from), engine_phase_name(to),
                                 higher);
}

static void test_unknown_phases(void **state)
{
    (void)state;
    assert_false(engine_phase_allowed(TASK, QUEUED, 11, true));
    assert_false(engine_phase_allowed(TASK, -1, QUEUED, true));
    assert_string_equal(engine_phase_name(11), "?");
    assert_false(engine_phase_is_terminal(11));
}

static void test_door_sets_times(void **state)
{
    struct unit *u = *state;
    struct store_action a = {.type = TASK, .phase = QUEUED, .attempt = 1, .updated_ns = 100, .name = STR("x")};
    assert_ok(&u->cx, engine_phase_set(&u->cx, &a, RUNNING, 1, 50)); /* a clock that went back */
    assert_int_equal(a.started_ns, 100);
    assert_int_equal(a.updated_ns, 100);
    assert_int_equal(a.ended_ns, 0);
    assert_code(&u->cx, engine_phase_set(&u->cx, &a, QUEUED, 1, 200), CODE_FAILED_PRECONDITION);
    assert_int_equal(a.phase, RUNNING);
    assert_int_equal(a.updated_ns, 100);
    assert_ok(&u->cx, engine_phase_set(&u->cx, &a, QUEUED, 2, 200));
    assert_ok(&u->cx, engine_phase_set(&u->cx, &a, RUNNING, 2, 300));
    assert_int_equal(a.started_ns, 100);
    assert_code(&u->cx, engine_phase_set(&u->cx, &a, SUCCEEDED, 1, 400), CODE_FAILED_PRECONDITION);
    assert_ok(&u->cx, engine_phase_set(&u->cx, &a, SUCCEEDED, 2, 400));
    assert_int_equal(a.ended_ns, 400);
    assert_code(&u->cx, engine_phase_set(&u->cx, &a, FAILED, 3, 500), CODE_FAILED_PRECONDITION);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        unit_test(test_table_follows_the_rules),
        unit_test(test_unknown_phases),
        unit_test(test_door_sets_times),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

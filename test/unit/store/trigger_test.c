/* Triggers: what the versions of a task say of theirs. */
#include "store/trigger.c"

#include "store/tables.h"

#include "store/task.h"
#include "store/task_name.h"

static void deploy(struct ctx *cx, uint64_t task_name_id, const char *version)
{
    struct store_task k = {.task_name_id = task_name_id, .version = str_from(version), .spec_id = 1};
    bool changed;
    assert_ok(cx, store_task_put(cx, &k, &changed));
}

static void assert_summary(struct ctx *cx, const char *version, int64_t total, int64_t active, const char *name)
{
    struct store_task *k;
    assert_ok(cx, store_task_find(cx, STR("p"), STR("d"), STR("env.main"), str_from(version), &k));
    assert_int_equal(k->trigger_total, total);
    assert_int_equal(k->trigger_active, active);
    assert_true(str_eq(k->trigger_name, str_from(name)));
}

static void test_versions_tell_their_triggers(void **state)
{
    struct tables *t = *state;
    struct ctx *cx = t->cx;
    struct store_trigger g = {.space_id = t->run.space_id, .name = STR("nightly"), .automation = STR("a")};
    assert_ok(cx, store_task_name_put(cx, STR("p"), STR("d"), STR("env.main"), &g.task_name_id));
    deploy(cx, g.task_name_id, "v1");
    deploy(cx, g.task_name_id, "v2");
    g.task_version = STR("v1");
    g.active = true;
    assert_ok(cx, store_trigger_put(cx, &g));
    assert_ok(cx, store_trigger_summarize(cx, g.task_name_id));
    assert_summary(cx, "v1", 1, 1, "nightly");
    assert_summary(cx, "v2", 0, 0, "");
    g.task_version = STR("v2"); /* it moves, and is switched off */
    g.active = false;
    g.revision++;
    assert_ok(cx, store_trigger_put(cx, &g));
    assert_ok(cx, store_trigger_summarize(cx, g.task_name_id));
    assert_summary(cx, "v1", 0, 0, "");
    assert_summary(cx, "v2", 1, 0, "nightly");
    g.deleted_ns = 1;
    g.revision++;
    assert_ok(cx, store_trigger_put(cx, &g));
    assert_ok(cx, store_trigger_summarize(cx, g.task_name_id));
    assert_summary(cx, "v2", 0, 0, "");
}

static void test_versions_without_triggers_are_not_read(void **state)
{
    struct tables *t = *state;
    struct db_rows plan = tables_plan(t->cx, SUMMARIZE);
    assert_true(tables_plan_has(&plan, STR("SEARCH task USING INTEGER PRIMARY KEY (rowid=?)")));
    assert_true(tables_plan_has(&plan, STR("SEARCH k USING INDEX task_triggered (task_name_id=?)")));
    assert_true(tables_plan_has(&plan, STR("(task_name_id=? AND version=?)")));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        tables_test(test_versions_tell_their_triggers),
        tables_test(test_versions_without_triggers_are_not_read),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

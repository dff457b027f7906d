/* WatchRuns: what it asks the database walks an index, and sorts nothing. */
#include "store/tables.h"

static struct db_rows plan; /* of the last list */

static enum code explain(struct ctx *cx, str sql, const struct db_value *args, size_t n, struct db_rows *out)
{
    assert_ok(cx,
              db_query_dynamic(cx, arena_printf(cx->mem, "EXPLAIN QUERY PLAN " STR_FMT, STR_ARG(sql)), args, n, &plan));
    return db_query_dynamic(cx, sql, args, n, out);
}

#define db_query_dynamic explain
#include "store/page.c"
#undef db_query_dynamic
#include "service/run_service_runs.c"

static CommonProjectIdentifier project = {.name = STR("p"), .domain = STR("d")};
static TaskTaskIdentifier task = {
    .project = STR("p"), .domain = STR("d"), .name = STR("env.main"), .version = STR("v1")};

static const WorkflowWatchRunsRequest of_project = {.target_case = WorkflowWatchRunsRequest_project_id_tag,
                                                    .project_id = &project},
                                      of_task = {.target_case = WorkflowWatchRunsRequest_task_id_tag, .task_id = &task},
                                      of_all;

static void check(void **state, const WorkflowWatchRunsRequest *req, bool tracked, bool sent, const char *index)
{
    struct tables *t = *state;
    struct watch_runs w = {.tracked = tracked, .sent = sent};
    struct store_run_row *rows;
    size_t n;
    assert_ok(t->cx, list_runs(t->cx, req, &w, &rows, &n));
    if (!tables_plan_has(&plan, str_from(index)) || tables_plan_has(&plan, STR("TEMP B-TREE")))
        fail_msg("not by %s: " STR_FMT, index, STR_ARG(db_row(&plan, 0)[3].s));
}

static void test_the_first_page_walks_its_scope(void **state)
{
    check(state, &of_project, false, false, "r USING INDEX run_created");
    check(state, &of_task, false, false, "r USING INDEX run_task");
    check(state, &of_all, false, false, "SCAN r");
}

static void test_the_first_page_of_tracked_runs_walks_those(void **state)
{
    check(state, &of_project, true, false, "r USING INDEX run_tracked");
    check(state, &of_task, true, false, "r USING INDEX run_tracked");
    check(state, &of_all, true, false, "r USING INDEX run_tracked");
}

static void test_later_pages_walk_what_has_changed(void **state)
{
    for (int tracked = 0; tracked <= 1; tracked++) {
        check(state, &of_project, tracked, true, "r USING INDEX run_change");
        check(state, &of_task, tracked, true, "r USING INDEX run_change");
        check(state, &of_all, tracked, true, "r USING INDEX run_change");
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        tables_test(test_the_first_page_walks_its_scope),
        tables_test(test_the_first_page_of_tracked_runs_walks_those),
        tables_test(test_later_pages_walk_what_has_changed),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

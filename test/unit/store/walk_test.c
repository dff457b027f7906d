/* The queries of lists: each by the index that queries.def names, nothing sorted. */
#include "tables.h"

#include "store/walk.h"

static void check(struct ctx *cx, const struct store_walk_query *q, const char *sql)
{
    struct db_rows plan = tables_plan(cx, sql);
    if (!tables_plan_has(&plan, str_from(q->index)) || tables_plan_has(&plan, STR("SCAN x")))
        fail_msg("%s does not search by %s: " STR_FMT, q->name, q->index, STR_ARG(db_row(&plan, 0)[3].s));
    if (tables_plan_has(&plan, STR("TEMP B-TREE")) && q != &store_walk_queries[STORE_WALK_RUNS_PAUSED] &&
        q != &store_walk_queries[STORE_WALK_RUNS_CHANGED])
        fail_msg("%s sorts: %s", q->name, sql);
}

static void test_every_list_walks_its_index(void **state)
{
    struct tables *t = *state;
    for (size_t i = 0; i < STORE_WALK_KINDS_; i++) {
        const struct store_walk_query *q = &store_walk_queries[i];
        check(t->cx, q, q->ascending);
        check(t->cx, q, q->descending);
        /* All rows of a table are counted up to a limit, by whatever index is small. */
        if (i != STORE_WALK_RUNS && i != STORE_WALK_RUNS_BY_CHANGE && i != STORE_WALK_ACTIONS &&
            i != STORE_WALK_TASK_NAMES)
            check(t->cx, q, q->count);
    }
}

/* The place is one bound of the index: a later page does not begin at the first row. */
static void test_pages_begin_where_the_last_ended(void **state)
{
    struct tables *t = *state;
    struct db_rows plan = tables_plan(t->cx, store_walk_queries[STORE_WALK_RUNS_BY_PHASE].ascending);
    assert_true(tables_plan_has(&plan, STR("(created_ns,rowid)>(?,?)")) ||
                tables_plan_has(&plan, STR("created_ns>? ")) || tables_plan_has(&plan, STR("created_ns>?)")));
}

static void test_sets_are_merged_in_order(void **state)
{
    struct tables *t = *state;
    struct ctx *cx = t->cx;
    struct store_run run;
    struct store_action root;
    struct store_walk_place *at;
    size_t n;
    struct store_walk sets[] = {{STORE_WALK_RUNS_BY_PHASE, {DB_I(t->run.space_id), DB_I(QUEUED)}},
                                {STORE_WALK_RUNS_BY_PHASE, {DB_I(t->run.space_id), DB_I(SUCCEEDED)}}};
    for (int i = 2; i <= 6; i++) { /* all at the same time: the id decides */
        tables_make_run(cx, arena_printf(cx->mem, "r%d", i).p, &run, &root);
        if (i % 2)
            assert_ok(cx, store_run_touch(cx, run.id, SUCCEEDED));
    }
    struct store_walk_range up = {.after = {1000, t->run.id}, .end = INT64_MAX};
    assert_ok(cx, store_walk_read(cx, sets, 2, &up, 3, &at, &n));
    assert_int_equal(n, 3);
    for (size_t i = 0; i < n; i++)
        assert_int_equal(at[i].id, t->run.id + 1 + i);
    struct store_walk_range down = {.descending = true, .after = {1000, t->run.id + 4}, .end = INT64_MIN};
    assert_ok(cx, store_walk_read(cx, sets, 2, &down, 100, &at, &n));
    assert_int_equal(n, 4);
    for (size_t i = 0; i < n; i++)
        assert_int_equal(at[i].id, t->run.id + 3 - i);
    assert_ok(cx, store_walk_count(cx, &sets[0], 2, &n));
    assert_int_equal(n, 2);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        tables_test(test_every_list_walks_its_index),
        tables_test(test_pages_begin_where_the_last_ended),
        tables_test(test_sets_are_merged_in_order),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

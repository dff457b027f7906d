/* Runs, actions, their order and counts, cascades; and that every query of the hot paths uses an index. */
#include "store/tables.h"

#include "store/attempt.h"
#include "store/cascade.h"
#include "store/event.h"
#include "store/subtree.h"

/* ---- rows ------------------------------------------------------------------------------------------------------- */

/* long: one line for each column */
static void test_columns_survive(void **state)
{
    struct tables *t = *state;
    struct ctx *cx = t->cx;
    struct store_action in = {.run_id = t->run.id, .parent_id = t->root.id, .type = 3, .phase = PAUSED}, *out;
    in.depth = 1;
    in.attempt = 7;
    in.user_failures = 2;
    in.system_failures = 3;
    in.spec_id = t->run.spec_id;
    in.created_ns = 11;
    in.queued_ns = 12;
    in.started_ns = 13;
    in.updated_ns = 15;
    in.updated_up_ns = 16;
    in.boot = 18;
    in.cache_status = 2;
    in.cache_key = str_make("k\0y", 3);
    in.recovered_id = 19;
    in.external = true;
    in.abort_ns = 20;
    in.abort_by = 21;
    in.error_kind = 1;
    in.recoverable = true;
    in.name = STR("child");
    in.group_name = STR("g");
    in.queue = STR("q");
    in.input_uri = STR("s3://tern/in");
    in.output_uri = STR("s3://tern/out");
    in.cache_text = STR("ct");
    in.abort_reason = STR("why");
    in.error_code = STR("C");
    in.error = STR("m");
    in.value = str_make("\0v", 2);
    in.value_by = 22;
    assert_ok(cx, store_action_insert(cx, &in));
    assert_ok(cx, store_action_find(cx, t->run.id, STR("child"), &out));
    assert_non_null(out);
    assert_int_equal(out->id, t->root.id + 1);
    assert_int_equal(out->seq, 2);
    assert_int_equal(out->parent_id, t->root.id);
    assert_int_equal(out->type, 3);
    assert_int_equal(out->phase, PAUSED);
    assert_int_equal(out->depth, 1);
    assert_int_equal(out->attempt, 7);
    assert_int_equal(out->user_failures, 2);
    assert_int_equal(out->system_failures, 3);
    assert_int_equal(out->created_ns, 11);
    assert_int_equal(out->queued_ns, 12);
    assert_int_equal(out->started_ns, 13);
    assert_int_equal(out->ended_ns, 0);
    assert_int_equal(out->updated_ns, 15);
    assert_int_equal(out->updated_up_ns, 16);
    assert_int_equal(out->boot, 18);
    assert_int_equal(out->cache_status, 2);
    assert_true(str_eq(out->cache_key, in.cache_key));
    assert_int_equal(out->recovered_id, 19);
    assert_true(out->external);
    assert_int_equal(out->abort_ns, 20);
    assert_int_equal(out->abort_by, 21);
    assert_int_equal(out->error_kind, 1);
    assert_true(out->recoverable);
    assert_str_equal(out->group_name, "g");
    assert_str_equal(out->queue, "q");
    assert_str_equal(out->input_uri, "s3://tern/in");
    assert_str_equal(out->output_uri, "s3://tern/out");
    assert_str_equal(out->cache_text, "ct");
    assert_str_equal(out->abort_reason, "why");
    assert_str_equal(out->error_code, "C");
    assert_str_equal(out->error, "m");
    assert_true(str_eq(out->value, in.value));
    assert_int_equal(out->value_by, 22);
    assert_str_equal(out->parent_name, "a0");
    assert_str_equal(out->function_name, "env.main");
    assert_str_equal(out->task_project, "p");
    assert_str_equal(out->task_version, "v1");
    assert_str_equal(out->environment, "env");
}

static void test_run_is_found_by_name(void **state)
{
    struct tables *t = *state;
    struct ctx *cx = t->cx;
    struct store_run *r, again = t->run;
    assert_ok(cx, store_run_get(cx, STR("p"), STR("d"), STR("r1"), &r));
    assert_int_equal(r->id, t->run.id);
    assert_str_equal(r->project, "p");
    assert_str_equal(r->base_uri, "s3://tern/p/d/r");
    assert_ok(cx, store_run_find(cx, STR("p"), STR("other"), STR("r1"), &r));
    assert_null(r);
    assert_code(cx, store_run_get(cx, STR("p"), STR("d"), STR("r2"), &r), CODE_NOT_FOUND);
    assert_string_equal(cx->err.msg, "run not found: p/d/r2");
    assert_code(cx, store_run_insert(cx, &again), CODE_ALREADY_EXISTS);
}

static void test_runs_do_not_share_actions(void **state)
{
    struct tables *t = *state;
    struct ctx *cx = t->cx;
    struct store_run run2;
    struct store_action root2, *list, *a;
    struct store_action child = tables_child(t, &t->root, "x", QUEUED);
    size_t n;
    tables_make_run(cx, "r2", &run2, &root2);
    assert_int_equal(run2.id, t->run.id + 1);
    assert_int_equal(store_action_run(root2.id), run2.id);
    assert_ok(cx, store_action_find(cx, run2.id, STR("x"), &a));
    assert_null(a);
    assert_ok(cx, store_action_page(cx, t->run.id, 0, 10, &list, &n));
    assert_int_equal(n, 2);
    assert_int_equal(list[1].id, child.id);
    assert_ok(cx, store_action_page(cx, run2.id, 0, 10, &list, &n));
    assert_int_equal(n, 1);
}

static void test_same_name_is_refused(void **state)
{
    struct tables *t = *state;
    struct store_action a = tables_child(t, &t->root, "x", QUEUED), again = a;
    struct store_subtree count;
    assert_ok(t->cx, db_savepoint(t->cx));
    assert_code(t->cx, store_action_insert(t->cx, &again), CODE_ALREADY_EXISTS);
    db_rollback_to(t->cx);
    assert_ok(t->cx, store_subtree_get(t->cx, t->root.id, &count));
    assert_int_equal(count.n[QUEUED], 1);
}

/* ---- sequence and counts ---------------------------------------------------------------------------------------- */

static void move(struct tables *t, struct store_action *a, int32_t phase)
{
    int32_t was = a->phase;
    bool open = !a->ended_ns;
    a->phase = phase;
    if (phase >= SUCCEEDED && phase != PAUSED)
        a->ended_ns = 3000;
    assert_ok(t->cx, store_action_save(t->cx, a, was, open));
}

static void test_sequence_orders_changes(void **state)
{
    struct tables *t = *state;
    struct ctx *cx = t->cx;
    struct store_action *list, a = tables_child(t, &t->root, "a", QUEUED), b = tables_child(t, &t->root, "b", QUEUED);
    int64_t seq;
    size_t n;
    move(t, &a, RUNNING);
    assert_ok(cx, store_action_children(cx, t->root.id, 0, 10, &list, &n));
    assert_int_equal(n, 2);
    assert_str_equal(list[0].name, "b");
    assert_str_equal(list[1].name, "a");
    seq = list[1].seq;
    assert_ok(cx, store_action_children(cx, t->root.id, seq, 10, &list, &n));
    assert_int_equal(n, 0);
    move(t, &b, RUNNING);
    move(t, &b, SUCCEEDED);
    assert_ok(cx, store_action_changes(cx, t->run.id, seq, 10, &list, &n));
    assert_int_equal(n, 1);
    assert_int_equal(list[0].phase, SUCCEEDED);
    assert_ok(cx, store_run_seq(cx, t->run.id, &seq));
    assert_int_equal(seq, list[0].seq);
}

static void test_stale_row_is_not_saved(void **state)
{
    struct tables *t = *state;
    struct store_action a = tables_child(t, &t->root, "a", QUEUED), stale = a, *now;
    move(t, &a, RUNNING);
    stale.phase = FAILED;
    assert_code(t->cx, store_action_save(t->cx, &stale, QUEUED, true), CODE_ABORTED);
    assert_ok(t->cx, store_action_get_by_id(t->cx, a.id, &now));
    assert_int_equal(now->phase, RUNNING);
}

static void test_counts_reach_all_ancestors(void **state)
{
    struct tables *t = *state;
    struct ctx *cx = t->cx;
    struct store_subtree c;
    struct store_action a = tables_child(t, &t->root, "a", RUNNING), b = tables_child(t, &a, "b", QUEUED);
    struct store_action leaf = tables_child(t, &b, "c", QUEUED);
    move(t, &leaf, RUNNING);
    move(t, &leaf, SUCCEEDED);
    assert_ok(cx, store_subtree_get(cx, t->root.id, &c));
    assert_int_equal(c.n[RUNNING], 1);
    assert_int_equal(c.n[QUEUED], 1);
    assert_int_equal(c.n[SUCCEEDED], 1);
    assert_int_equal(c.open_children, 1);
    assert_ok(cx, store_subtree_get(cx, a.id, &c));
    assert_int_equal(c.n[QUEUED], 1);
    assert_int_equal(c.n[SUCCEEDED], 1);
    assert_int_equal(c.open_children, 1);
    assert_ok(cx, store_subtree_get(cx, b.id, &c));
    assert_int_equal(c.n[SUCCEEDED], 1);
    assert_int_equal(c.open_children, 0);
    assert_ok(cx, store_subtree_get(cx, leaf.id, &c));
    assert_int_equal(c.n[SUCCEEDED], 0);
}

static void test_run_follows_its_root(void **state)
{
    struct tables *t = *state;
    struct store_run *r;
    move(t, &t->root, RUNNING);
    assert_ok(t->cx, store_run_get_by_id(t->cx, t->run.id, &r));
    assert_int_equal(r->phase, RUNNING);
}

/* ---- cascades --------------------------------------------------------------------------------------------------- */

/* The counts as they would be computed from the rows. */
static void assert_counts_agree(struct tables *t)
{
    struct ctx *cx = t->cx;
    struct db_rows rows;
    assert_ok(cx, db_query(cx,
                           "WITH RECURSIVE up(anc, id) AS (SELECT parent_id, id FROM action WHERE parent_id IS NOT NULL"
                           " UNION ALL SELECT a.parent_id, up.id FROM up JOIN action a ON a.id=up.anc"
                           " WHERE a.parent_id IS NOT NULL)"
                           " SELECT up.anc, a.phase, count(*) FROM up JOIN action a ON a.id=up.id GROUP BY 1, 2",
                           NULL, 0, &rows));
    assert_true(rows.n > 0);
    for (size_t i = 0; i < rows.n; i++) {
        const struct db_value *v = db_row(&rows, i);
        struct store_subtree c;
        assert_ok(cx, store_subtree_get(cx, (uint64_t)v[0].i, &c));
        assert_int_equal(c.n[v[1].i], v[2].i);
    }
    assert_int_equal(fixture_int(cx,
                                 "SELECT count(*) FROM subtree s WHERE open_children <> (SELECT count(*) FROM action"
                                 " WHERE parent_id=s.action_id AND ended_ns IS NULL)"),
                     0);
}

static void test_cascade_of_a_run_in_pieces(void **state)
{
    struct tables *t = *state;
    struct ctx *cx = t->cx;
    struct store_cascade c = {.run_id = t->run.id, .reason = STR("stop")};
    struct store_cascade_hit *hits;
    struct store_action parents[3], *a;
    size_t n, total = 0;
    char name[16];
    for (int i = 0; i < 3; i++) {
        snprintf(name, sizeof(name), "p%d", i);
        parents[i] = tables_child(t, &t->root, name, RUNNING);
        for (int k = 0; k < 5; k++) {
            snprintf(name, sizeof(name), "p%dc%d", i, k);
            struct store_action child = tables_child(t, &parents[i], name, k % 2 ? QUEUED : RUNNING);
            if (k == 4)
                move(t, &child, SUCCEEDED);
        }
    }
    do {
        assert_ok(cx, store_cascade_step(cx, &c, 4, 5000, &hits, &n));
        assert_true(n <= 4);
        total += n;
        assert_counts_agree(t);
    } while (n == 4);
    assert_int_equal(total, 1 + 3 + 12);
    assert_int_equal(fixture_int(cx, "SELECT count(*) FROM action WHERE phase=7 AND abort_reason='stop'"), 16);
    assert_int_equal(fixture_int(cx, "SELECT count(*) FROM action WHERE phase=5"), 3);
    assert_int_equal(fixture_int(cx, "SELECT count(DISTINCT seq) - count(*) FROM action"), 0);
    assert_int_equal(fixture_int(cx, "SELECT phase FROM run"), ABORTED);
    assert_ok(cx, store_action_find(cx, t->run.id, STR("p0c0"), &a));
    assert_int_equal(a->ended_ns, 5000);
}

static void test_cascade_below_one_action(void **state)
{
    struct tables *t = *state;
    struct ctx *cx = t->cx;
    struct store_action a = tables_child(t, &t->root, "a", RUNNING), b = tables_child(t, &t->root, "b", RUNNING), *now;
    struct store_action below = tables_child(t, &a, "a1", RUNNING);
    struct store_attempt at = {.action_id = below.id, .attempt = 1, .phase = RUNNING, .queued_ns = 1}, *list;
    struct store_cascade c = {.run_id = t->run.id, .action_id = a.id, .reason = STR("stop")};
    struct store_cascade_hit *hits;
    size_t n;
    assert_ok(cx, store_attempt_put(cx, &at));
    tables_child(t, &below, "a2", QUEUED);
    assert_ok(cx, store_cascade_step(cx, &c, 10, 5000, &hits, &n));
    assert_int_equal(n, 1);
    assert_int_equal(hits[0].id, below.id);
    assert_int_equal(hits[0].was, RUNNING);
    assert_true(hits[0].has_children);
    assert_true(hits[0].launched);
    assert_ok(cx, store_action_get_by_id(cx, b.id, &now));
    assert_int_equal(now->phase, RUNNING);
    assert_ok(cx, store_action_get_by_id(cx, below.id, &now));
    assert_ok(cx, store_attempt_list(cx, now, &list, &n));
    assert_int_equal(n, 1);
    assert_int_equal(list[0].phase, ABORTED);
    assert_int_equal(list[0].ended_ns, 5000);
    assert_counts_agree(t);
}

/* ---- the rest --------------------------------------------------------------------------------------------------- */

static void test_first_attempt_needs_no_row(void **state)
{
    struct tables *t = *state;
    struct store_attempt *list, at = {.action_id = t->root.id, .attempt = 1, .phase = RUNNING, .queued_ns = 5};
    size_t n;
    assert_ok(t->cx, store_attempt_list(t->cx, &t->root, &list, &n));
    assert_int_equal(n, 1);
    assert_int_equal(list[0].attempt, 1);
    assert_int_equal(list[0].phase, QUEUED);
    at.running_ns = 9;
    at.output_uri = STR("s3://tern/o");
    assert_ok(t->cx, store_attempt_put(t->cx, &at));
    at.phase = SUCCEEDED;
    assert_ok(t->cx, store_attempt_put(t->cx, &at));
    assert_ok(t->cx, store_attempt_list(t->cx, &t->root, &list, &n));
    assert_int_equal(n, 1);
    assert_int_equal(list[0].phase, SUCCEEDED);
    assert_int_equal(list[0].running_ns, 9);
    assert_str_equal(list[0].output_uri, "s3://tern/o");
}

static void test_events_in_order(void **state)
{
    struct tables *t = *state;
    struct store_event *list, e = {.action_id = t->root.id, .attempt = 1, .reason = STR("R"), .message = STR("m")};
    size_t n;
    for (int i = 0; i < 3; i++)
        assert_ok(t->cx, store_event_add(t->cx, &e));
    assert_int_equal(e.seq, 3);
    assert_ok(t->cx, store_event_list(t->cx, t->root.id, 0, 1, 10, &list, &n));
    assert_int_equal(n, 2);
    assert_int_equal(list[0].seq, 2);
    assert_ok(t->cx, store_event_list(t->cx, t->root.id, 2, 0, 10, &list, &n));
    assert_int_equal(n, 0);
}

static void test_newest_events(void **state)
{
    static const uint32_t attempts[] = {0, 1, 2, 0, 1};
    struct tables *t = *state;
    struct store_event *list;
    size_t n;
    for (size_t i = 0; i < 5; i++) {
        struct store_event e = {.action_id = t->root.id, .attempt = attempts[i], .reason = STR("R")};
        assert_ok(t->cx, store_event_add(t->cx, &e));
    }
    assert_ok(t->cx, store_event_newest(t->cx, t->root.id, 1, 3, &list, &n));
    assert_int_equal(n, 3);
    assert_int_equal(list[0].seq, 5);
    assert_int_equal(list[1].seq, 4);
    assert_int_equal(list[2].seq, 2);
}

static void test_open_actions(void **state)
{
    struct tables *t = *state;
    struct ctx *cx = t->cx;
    struct store_action a = tables_child(t, &t->root, "a", QUEUED);
    uint64_t *ids;
    size_t n;
    tables_child(t, &t->root, "b", QUEUED);
    move(t, &a, RUNNING);
    move(t, &a, FAILED);
    assert_ok(cx, store_action_open_runs(cx, 0, 10, &ids, &n));
    assert_int_equal(n, 1);
    assert_int_equal(ids[0], t->run.id);
    assert_ok(cx, store_action_open(cx, t->run.id, 10, &ids, &n));
    assert_int_equal(n, 2);
    assert_ok(cx, store_action_waiting(cx, t->run.id, 10, &ids, &n));
    assert_int_equal(n, 2);
    assert_int_equal(ids[0], t->root.id);
}

static void test_delete_run_leaves_nothing(void **state)
{
    struct tables *t = *state;
    struct ctx *cx = t->cx;
    bool done = false;
    int pieces = 0;
    char name[16];
    for (int i = 0; i < 20; i++) {
        snprintf(name, sizeof(name), "c%d", i);
        struct store_action a = tables_child(t, &t->root, name, QUEUED);
        struct store_attempt at = {.action_id = a.id, .attempt = 1, .phase = QUEUED};
        assert_ok(cx, store_attempt_put(cx, &at));
    }
    assert_ok(cx, store_run_label_put(cx, &t->run, STR("k"), STR("v")));
    for (; !done; pieces++)
        assert_ok(cx, store_run_delete_piece(cx, t->run.id, 25, &done));
    assert_true(pieces > 2);
    static const char *const left[] = {"run", "action", "attempt", "subtree", "run_label"};
    for (size_t i = 0; i < sizeof(left) / sizeof(*left); i++)
        assert_int_equal(fixture_int(cx, arena_printf(cx->mem, "SELECT count(*) FROM %s", left[i]).p), 0);
}

static void test_runs_with_roots(void **state)
{
    struct tables *t = *state;
    struct ctx *cx = t->cx;
    struct store_run_row *rows;
    struct store_run run2;
    struct store_action root2;
    const struct db_value args[] = {DB_S(STR("p")), DB_S(STR("env.main"))};
    struct store_page page = {.where = STR("sp.project=$1 AND t.name=$2"), .args = args, .arg_count = 2, .limit = 10};
    size_t n;
    tables_make_run(cx, "r2", &run2, &root2);
    move(t, &t->root, RUNNING);
    page.order = STR("r.phase, r.created_ns DESC, r.id DESC");
    assert_ok(cx, store_run_list(cx, &page, &rows, &n));
    assert_int_equal(n, 2);
    assert_str_equal(rows[0].run.name, "r2");
    assert_str_equal(rows[1].run.name, "r1");
    assert_int_equal(rows[1].root->phase, RUNNING);
    assert_str_equal(rows[1].root->name, "a0");
}

/* Every table of these plans is found by an index or a key, and nothing is sorted. */
static void test_hot_queries_use_indexes(void **state)
{
    static const char *const hot[] = {
        "SELECT * FROM run r JOIN space sp ON sp.id=r.space_id WHERE sp.project=$1 AND sp.domain=$2 AND r.name=$3",
        "SELECT max(seq)+1 FROM action WHERE run_id=$1",
        "SELECT max(id)+1 FROM action WHERE id >= $1 AND id < $2",
        "SELECT * FROM action a WHERE a.run_id=$1 AND a.seq > $2 ORDER BY a.seq LIMIT 10",
        "SELECT * FROM action a WHERE a.parent_id=$1 AND a.seq > $2 ORDER BY a.seq LIMIT 10",
        "SELECT id FROM action WHERE ended_ns IS NULL AND run_id=$1 LIMIT 10",
        "SELECT id FROM action WHERE ended_ns IS NULL AND run_id=$1 AND parent_id=$2 ORDER BY run_id, parent_id, id",
        "SELECT DISTINCT run_id FROM action WHERE ended_ns IS NULL AND run_id > $1 ORDER BY run_id LIMIT 10",
        "SELECT id FROM action WHERE cache_key=$1 AND ended_ns IS NULL ORDER BY id LIMIT 1",
        "SELECT * FROM run r WHERE r.space_id=$1 ORDER BY r.created_ns DESC LIMIT 10",
        "SELECT * FROM run r WHERE r.task_name_id=$1 ORDER BY r.created_ns DESC LIMIT 10",
    };
    struct tables *t = *state;
    for (size_t i = 0; i < sizeof(hot) / sizeof(*hot); i++) {
        struct db_rows rows;
        str sql = arena_printf(t->cx->mem, "EXPLAIN QUERY PLAN %s", hot[i]);
        const struct db_value args[] = {DB_I(1), DB_I(1), DB_I(1)};
        assert_ok(t->cx, db_query_dynamic(t->cx, sql, args, 3, &rows));
        for (size_t r = 0; r < rows.n; r++) {
            str step = db_row(&rows, r)[3].s;
            bool bad = str_find(step, STR("TEMP B-TREE")) != SIZE_MAX ||
                       (str_starts(step, STR("SCAN ")) && str_find(step, STR("action_open")) == SIZE_MAX);
            if (bad)
                fail_msg("%s: " STR_FMT, hot[i], STR_ARG(step));
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        tables_test(test_columns_survive),
        tables_test(test_run_is_found_by_name),
        tables_test(test_runs_do_not_share_actions),
        tables_test(test_same_name_is_refused),
        tables_test(test_sequence_orders_changes),
        tables_test(test_stale_row_is_not_saved),
        tables_test(test_counts_reach_all_ancestors),
        tables_test(test_run_follows_its_root),
        tables_test(test_cascade_of_a_run_in_pieces),
        tables_test(test_cascade_below_one_action),
        tables_test(test_first_attempt_needs_no_row),
        tables_test(test_events_in_order),
        tables_test(test_newest_events),
        tables_test(test_open_actions),
        tables_test(test_delete_run_leaves_nothing),
        tables_test(test_runs_with_roots),
        tables_test(test_hot_queries_use_indexes),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

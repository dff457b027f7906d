/* The outbox: one row for each change, rule and way; what is due, of each server a few; what was given up comes back. */
#include "store/tables.h"

#include "store/outbox.h"

static struct store_outbox row(struct tables *t, int32_t rule, int64_t server, int64_t due_ns)
{
    return (struct store_outbox){.action_id = t->root.id,
                                 .phase = FAILED,
                                 .rule = rule,
                                 .channel = STORE_OUTBOX_WEBHOOK,
                                 .server = server,
                                 .created_ns = 1,
                                 .due_ns = due_ns};
}

static bool add(struct tables *t, struct store_outbox r, uint64_t *id)
{
    bool added;
    assert_ok(t->cx, store_outbox_add(t->cx, &r, &added));
    *id = r.id;
    return added;
}

static void save(struct tables *t, const struct store_outbox *r, bool expected)
{
    bool saved;
    assert_ok(t->cx, store_outbox_save(t->cx, r, &saved));
    assert_int_equal(saved, expected);
}

static void the_same_change_is_told_once(void **state)
{
    struct tables *t = *state;
    struct store_outbox again = row(t, 0, 7, 10), *found;
    uint64_t first, id;
    assert_true(add(t, again, &first));
    again.id = 77;
    assert_false(add(t, again, &id));
    assert_int_equal(id, 77); /* no row has another */
    again.channel = STORE_OUTBOX_EMAIL;
    assert_true(add(t, again, &id));
    again.phase = ABORTED;
    assert_true(add(t, again, &id));
    assert_ok(t->cx, store_outbox_get(t->cx, id, &found));
    assert_int_equal(found->phase, ABORTED);
    assert_ok(t->cx, store_outbox_get(t->cx, first, &found));
    found->ended_ns = 20;
    save(t, found, true);
    assert_false(add(t, row(t, 0, 7, 30), &id)); /* not either when it was sent long ago */
    assert_int_equal(fixture_int(t->cx, "SELECT count(*) FROM outbox"), 3);
    assert_code(t->cx, store_outbox_get(t->cx, 999, &found), CODE_NOT_FOUND);
    ctx_clear_err(t->cx);
}

static void each_server_has_its_turn(void **state)
{
    struct tables *t = *state;
    struct store_outbox *due;
    uint64_t id;
    size_t n;
    int64_t cursor = INT64_MIN, next;
    for (int32_t i = 0; i < 10; i++)
        assert_true(add(t, row(t, i, 3, 100 - i), &id));
    assert_true(add(t, row(t, 10, 0, 50), &id));
    assert_true(add(t, row(t, 11, INT64_MAX, 5000), &id)); /* not yet */
    assert_true(add(t, row(t, 12, INT64_MAX, 9000), &id)); /* so far off that the clock must have jumped */
    assert_ok(t->cx, store_outbox_due(t->cx, 100, 8000, 2, 4, &cursor, &due, &n, &next));
    assert_int_equal(cursor, 3);
    assert_int_equal(n, 5);
    assert_int_equal(due[0].server, 0);
    for (size_t i = 1; i < n; i++)
        assert_int_equal(due[i].id, 11 - i); /* of server 3 those that are due longest */
    assert_int_equal(next, INT64_MAX);
    assert_ok(t->cx, store_outbox_due(t->cx, 100, 8000, 2, 4, &cursor, &due, &n, &next));
    assert_int_equal(cursor, INT64_MIN);
    assert_int_equal(n, 1);
    assert_int_equal(due[0].id, id);
    assert_int_equal(next, 5000);
}

static void what_was_given_up_is_listed_and_comes_back(void **state)
{
    struct tables *t = *state;
    struct store_outbox_line *lines;
    struct store_outbox *r;
    uint64_t id;
    size_t n;
    assert_true(add(t, row(t, 0, 3, 100), &id));
    assert_ok(t->cx, store_outbox_get(t->cx, id, &r));
    r->attempts = 4;
    r->ended_ns = 200;
    r->error = STR("nobody there");
    save(t, r, true);
    assert_ok(t->cx, store_outbox_list(t->cx, false, 0, 10, &lines, &n));
    assert_int_equal(n, 0);
    assert_ok(t->cx, store_outbox_list(t->cx, true, 0, 10, &lines, &n));
    assert_int_equal(n, 1);
    assert_str_equal(lines[0].row.error, "nobody there");
    assert_str_equal(lines[0].run, "r1");
    assert_str_equal(lines[0].action, "a0");
    assert_ok(t->cx, store_outbox_revive(t->cx, id + 1, 300, 10, &n));
    assert_int_equal(n, 0);
    assert_ok(t->cx, store_outbox_revive(t->cx, 0, 300, 10, &n));
    assert_int_equal(n, 1);
    assert_ok(t->cx, store_outbox_get(t->cx, id, &r));
    assert_int_equal(r->attempts, 0);
    assert_int_equal(r->due_ns, 300);
    assert_int_equal(r->ended_ns, 0);
}

/* The run goes while its message is under way, and the next message gets the id. */
static void what_is_gone_is_not_saved_to_another(void **state)
{
    struct tables *t = *state;
    struct store_outbox *sent, *other;
    struct store_run run;
    struct store_action root;
    uint64_t id, again;
    bool done = false;
    assert_true(add(t, row(t, 0, 3, 100), &id));
    assert_ok(t->cx, store_outbox_get(t->cx, id, &sent));
    tables_make_run(t->cx, "r2", &run, &root);
    while (!done)
        assert_ok(t->cx, store_run_delete_piece(t->cx, t->run.id, 100, &done));
    sent->ended_ns = 200;
    save(t, sent, false);
    t->root = root;
    assert_true(add(t, row(t, 0, 3, 100), &again));
    assert_int_equal(again, id);
    save(t, sent, false);
    assert_ok(t->cx, store_outbox_get(t->cx, id, &other));
    assert_int_equal(other->ended_ns, 0);
}

static void tokens(void **state)
{
    struct tables *t = *state;
    struct store_outbox r = row(t, STORE_OUTBOX_CONDITION, 3, 100);
    uint64_t id;
    bool has;
    r.token = STR("abc");
    assert_true(add(t, r, &id));
    const struct {
        uint64_t action;
        str token;
        bool has;
    } cases[] = {{t->root.id, STR("abc"), true},
                 {t->root.id, STR("abd"), false},
                 {t->root.id, STR(""), false},
                 {t->root.id + 1, STR("abc"), false}};
    for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
        assert_ok(t->cx, store_outbox_has_token(t->cx, cases[i].action, cases[i].token, &has));
        assert_int_equal(has, cases[i].has);
    }
}

static void it_goes_with_its_run(void **state)
{
    struct tables *t = *state;
    uint64_t id;
    bool done = false;
    assert_true(add(t, row(t, 0, 3, 100), &id));
    while (!done)
        assert_ok(t->cx, store_run_delete_piece(t->cx, t->run.id, 100, &done));
    assert_int_equal(fixture_int(t->cx, "SELECT count(*) FROM outbox"), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {tables_test(the_same_change_is_told_once),
                                       tables_test(each_server_has_its_turn),
                                       tables_test(what_was_given_up_is_listed_and_comes_back),
                                       tables_test(what_is_gone_is_not_saved_to_another),
                                       tables_test(tokens),
                                       tables_test(it_goes_with_its_run)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}

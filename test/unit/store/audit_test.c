/* The audit trail: one order and true times, whatever the clock does; who is not known; what is old goes in pieces. */
#include "store/tables.h"

#include "store/audit.h"

static void add(struct ctx *cx, int64_t time_ns, str rpc, str about)
{
    struct store_audit a = {.time_ns = time_ns, .rpc = rpc, .about = about};
    assert_ok(cx, store_audit_add(cx, &a));
}

static void rows_stay_in_order(void **state)
{
    struct tables *t = *state;
    struct ctx *cx = t->cx;
    struct store_audit *rows;
    size_t n;
    add(cx, 1000, STR("/x.S/A"), STR("one"));
    add(cx, 400, STR("/x.S/B"), STR("two")); /* the clock was set back */
    add(cx, 1000, STR("/x.S/A"), STR(""));
    add(cx, 5000, STR("tern gc"), STR("three"));
    assert_ok(cx, store_audit_list(cx, 0, INT64_MAX, INT64_MAX, 10, &rows, &n));
    assert_int_equal(n, 4);
    const int64_t times[] = {5000, 1000, 400, 1000};
    for (size_t i = 0; i < n; i++)
        assert_int_equal(rows[i].time_ns, times[i]);
    assert_str_equal(rows[2].rpc, "/x.S/B");
    assert_str_equal(rows[2].about, "two");
    assert_int_equal(rows[1].about.n, 0);
    assert_int_equal(fixture_int(cx, "SELECT count(*) FROM audit_rpc"), 3);
    assert_ok(cx, store_audit_list(cx, 401, 5000, INT64_MAX, 10, &rows, &n));
    assert_int_equal(n, 2);
    assert_ok(cx, store_audit_list(cx, 0, INT64_MAX, INT64_MAX, 1, &rows, &n));
    assert_int_equal(n, 1);
    assert_str_equal(rows[0].about, "three");
    assert_ok(cx, store_audit_list(cx, 0, 1000, rows[0].id, 10, &rows, &n));
    assert_int_equal(n, 1);
    assert_str_equal(rows[0].about, "two");
}

static void callers_and_addresses(void **state)
{
    struct tables *t = *state;
    struct ctx *cx = t->cx;
    const struct principal *before = cx->who;
    const struct principal ann = {.subject = STR("uid:7"), .name = STR("ann"), .known = true};
    struct store_audit a = {.time_ns = 1, .rpc = STR("/x.S/A"), .address = STR("10.1.2.3")}, *rows;
    size_t n;
    cx->who = &ann;
    assert_ok(cx, store_audit_add(cx, &a));
    cx->who = before;
    assert_ok(cx, store_audit_list(cx, 0, INT64_MAX, INT64_MAX, 10, &rows, &n));
    assert_int_equal(n, 1);
    assert_str_equal(rows[0].subject, "uid:7");
    assert_str_equal(rows[0].name, "ann");
    assert_str_equal(rows[0].address, "10.1.2.3");
}

static void old_rows_go_in_pieces(void **state)
{
    struct tables *t = *state;
    struct ctx *cx = t->cx;
    uint64_t count;
    size_t removed;
    for (int64_t i = 1; i <= 5; i++)
        add(cx, i, STR("/x.S/A"), STR(""));
    assert_ok(cx, store_audit_count(cx, 5, &count));
    assert_int_equal(count, 4);
    assert_ok(cx, store_audit_sweep(cx, 5, 3, &removed));
    assert_int_equal(removed, 3);
    assert_ok(cx, store_audit_sweep(cx, 5, 3, &removed));
    assert_int_equal(removed, 1);
    assert_int_equal(fixture_int(cx, "SELECT min(id) FROM audit"), 5);
}

/* Written after the clock had been far ahead: old by its time, not by its place. */
static void what_the_clock_moved_goes_by_its_time(void **state)
{
    struct tables *t = *state;
    struct ctx *cx = t->cx;
    struct store_audit *rows;
    uint64_t count;
    size_t removed, n;
    add(cx, 9000, STR("/x.S/A"), STR("ahead"));
    add(cx, 100, STR("/x.S/A"), STR("old"));
    add(cx, 300, STR("/x.S/A"), STR("new"));
    assert_ok(cx, store_audit_count(cx, 200, &count));
    assert_int_equal(count, 1);
    assert_ok(cx, store_audit_sweep(cx, 200, 10, &removed));
    assert_int_equal(removed, 1);
    assert_ok(cx, store_audit_list(cx, 0, INT64_MAX, INT64_MAX, 10, &rows, &n));
    assert_int_equal(n, 2);
    assert_str_equal(rows[0].about, "new");
    assert_str_equal(rows[1].about, "ahead");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        tables_test(rows_stay_in_order),
        tables_test(callers_and_addresses),
        tables_test(old_rows_go_in_pieces),
        tables_test(what_the_clock_moved_goes_by_its_time),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

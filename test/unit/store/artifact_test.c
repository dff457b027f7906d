/* Artifacts: counts of names, what lists look at, and which objects are named. */
#include "store/artifact.c"

#include "store/tables.h"

static struct store_artifact_name name_of(struct ctx *cx, const char *name)
{
    struct store_artifact_name n = {.name = str_from(name)};
    assert_ok(cx, store_space_put(cx, STR("p"), STR("d"), &n.space_id));
    assert_ok(cx, store_artifact_name_insert(cx, &n));
    return n;
}

static struct store_artifact version_of(const struct store_artifact_name *n, const char *version, const char *part)
{
    return (struct store_artifact){.name_id = n->id,
                                   .space_id = n->space_id,
                                   .version = str_from(version),
                                   .digest = STR("d"),
                                   .spec = STR("s"),
                                   .part = str_from(part)};
}

static struct store_artifact add(struct ctx *cx, const struct store_artifact_name *n, const char *version,
                                 const char *part, const char *object)
{
    const str objects[] = {str_from(object)};
    const struct store_artifact_parts parts = {.objects = objects, .object_count = object ? 1 : 0};
    struct store_artifact a = version_of(n, version, part);
    assert_ok(cx, store_artifact_insert(cx, &a, &parts));
    return a;
}

static uint64_t add_at(struct ctx *cx, const struct store_artifact_name *n, const char *version, const char *part,
                       int64_t time_ns)
{
    const struct store_artifact_pair pairs[] = {{STORE_ARTIFACT_PARTITION, STR("day"), STR("then")},
                                                {STORE_ARTIFACT_PARTITION, STR("region"), str_from(part)},
                                                {STORE_ARTIFACT_METADATA, STR("kind"), STR("model")}};
    struct store_artifact a = version_of(n, version, part);
    a.time_ns = time_ns;
    a.has_time = true;
    a.time_key = STR("day");
    assert_ok(cx, store_artifact_insert(cx, &a, &(struct store_artifact_parts){.pairs = pairs, .pair_count = 3}));
    return a.id;
}

static void assert_name(struct ctx *cx, uint64_t versions, uint64_t latest)
{
    struct store_artifact_name *n;
    assert_ok(cx, store_artifact_name_find(cx, STR("p"), STR("d"), STR("n"), &n));
    assert_non_null(n);
    assert_int_equal(n->versions, versions);
    assert_int_equal(n->latest_id, latest);
}

static void test_names_count_their_versions(void **state)
{
    struct tables *t = *state;
    struct ctx *cx = t->cx;
    struct store_artifact_name n = name_of(cx, "n"), *found;
    struct store_artifact a = add(cx, &n, "1", "x", NULL), b = add(cx, &n, "2", "x", NULL);
    assert_name(cx, 2, b.id);
    assert_ok(cx, store_artifact_delete(cx, &b));
    assert_name(cx, 1, a.id);
    assert_ok(cx, store_artifact_name_declare(cx, n.id, STR("")));
    assert_ok(cx, store_artifact_delete(cx, &a));
    assert_name(cx, 0, 0); /* declared: it stays */
    struct store_artifact_name other = name_of(cx, "other");
    struct store_artifact last = add(cx, &other, "1", "x", NULL);
    assert_ok(cx, store_artifact_delete(cx, &last));
    assert_ok(cx, store_artifact_name_find(cx, STR("p"), STR("d"), STR("other"), &found));
    assert_null(found);
}

/* What a service makes of filters: versions by their ids, newer ones by their partition. */
static void test_filters_look_at_what_they_are_given(void **state)
{
    struct tables *t = *state;
    struct db_rows plan = tables_plan(
        t->cx, "SELECT a.id FROM artifact a JOIN artifact_name n ON n.id=a.name_id WHERE (a.id IN (1,2) AND"
               " (+a.name_id = $1 AND +a.source_run = $2 AND +a.time_ns = $3 AND NOT EXISTS (SELECT 1 FROM artifact b"
               " WHERE b.name_id = a.name_id AND b.part = a.part AND b.id > a.id AND +b.source_run = $2"
               " AND +b.time_ns = $3))) LIMIT 2");
    assert_true(tables_plan_has(&plan, STR("SEARCH a USING INTEGER PRIMARY KEY (rowid=?)")));
    assert_true(tables_plan_has(&plan, STR("SEARCH b USING INDEX artifact_part (name_id=? AND part=? AND rowid>?)")));
}

static void test_the_newest_of_each_partition_at_a_time(void **state)
{
    struct tables *t = *state;
    struct ctx *cx = t->cx;
    struct store_artifact_name n = name_of(cx, "n");
    struct store_artifact_partition *rows;
    size_t count;
    add_at(cx, &n, "1", "x", 100);
    uint64_t x = add_at(cx, &n, "2", "x", 100), y = add_at(cx, &n, "3", "y", 100);
    add_at(cx, &n, "4", "z", 50);
    assert_ok(cx, store_artifact_partitions_at(cx, n.id, 100, 10, &rows, &count));
    assert_int_equal(count, 2);
    assert_int_equal(rows[0].artifact_id, y);
    assert_str_equal(rows[0].key, "region");
    assert_str_equal(rows[0].value, "y");
    assert_int_equal(rows[1].artifact_id, x);
    assert_ok(cx, store_artifact_partitions_at(cx, n.id, 100, 1, &rows, &count));
    assert_int_equal(count, 1);
    assert_int_equal(rows[0].artifact_id, y);
    struct db_rows plan = tables_plan(cx, PARTITIONS_AT);
    assert_true(tables_plan_has(&plan, STR("SEARCH a USING INDEX artifact_time (name_id=? AND time_ns=?)")));
    assert_true(tables_plan_has(&plan, STR("INDEX artifact_part (name_id=? AND part=? AND rowid>?)")));
    assert_true(tables_plan_has(&plan, STR("SEARCH p USING PRIMARY KEY (artifact_id=? AND kind=?)")));
}

/* SQLite reads what is behind a large value through all of its pages. */
static void test_large_columns_are_the_last(void **state)
{
    struct tables *t = *state;
    assert_int_equal(fixture_int(t->cx, "SELECT min(cid) > (SELECT max(cid) FROM pragma_table_info('artifact')"
                                        " WHERE name NOT IN ('spec', 'mismatch'))"
                                        " FROM pragma_table_info('artifact') WHERE name IN ('spec', 'mismatch')"),
                     1);
}

static bool names(struct ctx *cx, const char *folder)
{
    bool out;
    assert_ok(cx, store_artifact_names_object(cx, str_from(folder), &out));
    return out;
}

static void test_objects_at_below_and_above(void **state)
{
    struct tables *t = *state;
    struct ctx *cx = t->cx;
    struct store_artifact_name n = name_of(cx, "n");
    struct store_artifact a = add(cx, &n, "1", "x", "p/d/run/o/f");
    str *keys;
    size_t count;
    static const char *const named[] = {"p/d/run/o/f", "p/d/run/o", "p/d/run", "p", "p/d/run/o/f/below"};
    static const char *const others[] = {"p/d/run/o/f2", "p/d/run2", "p/d/ru", "p/d/run/o/e", "q", "p/d/run0"};
    for (size_t i = 0; i < sizeof(named) / sizeof(*named); i++)
        assert_true(names(cx, named[i]));
    for (size_t i = 0; i < sizeof(others) / sizeof(*others); i++)
        assert_false(names(cx, others[i]));
    add(cx, &n, "2", "x", "p/d/run/b");
    assert_ok(cx, store_artifact_objects(cx, STR("p/d/run"), STR(""), 1, &keys, &count));
    assert_str_equal(keys[0], "p/d/run/b");
    assert_ok(cx, store_artifact_objects(cx, STR("p/d/run"), keys[0], 1, &keys, &count));
    assert_str_equal(keys[0], "p/d/run/o/f");
    assert_ok(cx, store_artifact_objects(cx, STR("p/d/run"), keys[0], 1, &keys, &count));
    assert_int_equal(count, 0);
    assert_ok(cx, store_artifact_delete(cx, &a));
    assert_false(names(cx, "p/d/run/o"));
}

static void test_what_outlives_its_run_is_left(void **state)
{
    struct tables *t = *state;
    struct ctx *cx = t->cx;
    struct store_artifact_name n = name_of(cx, "n");
    struct store_artifact a = add(cx, &n, "1", "x", "p/d/run/o"), b = add(cx, &n, "2", "x", "p/d/run2/o");
    struct store_artifact_left *left;
    size_t count;
    bool more;
    assert_ok(cx, store_artifact_outlives(cx, STR("p/d/run"), 10, &more));
    assert_false(more);
    assert_ok(cx, store_artifact_delete(cx, &a));
    assert_ok(cx, store_artifact_delete(cx, &b));
    assert_ok(cx, store_artifact_list_left(cx, 0, 10, &left, &count));
    assert_int_equal(count, 1);
    assert_str_equal(left[0].key, "p/d/run/o");
    assert_ok(cx, store_artifact_forget_left(cx, left[0].id));
    assert_int_equal(fixture_int(cx, "SELECT count(*) FROM artifact_object"), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        tables_test(test_names_count_their_versions),
        tables_test(test_filters_look_at_what_they_are_given),
        tables_test(test_the_newest_of_each_partition_at_a_time),
        tables_test(test_large_columns_are_the_last),
        tables_test(test_objects_at_below_and_above),
        tables_test(test_what_outlives_its_run_is_left),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

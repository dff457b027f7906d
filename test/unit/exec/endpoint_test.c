/* What the keys of tasks and people may do with objects. */
#include "exec/endpoint.c"

#include "unit.h"

static const struct object_scope task = {
    .kind = OBJECT_KEY_ATTEMPT,
    .project = STR_INIT("p"),
    .domain = STR_INIT("d"),
    .run = STR_INIT("r1"),
    .attempt = 1,
};

static bool writes(const char *key)
{
    return allow(NULL, &task, OBJECT_WRITE, STR("tern"), str_from(key));
}

static void test_a_task_writes_below_its_own_run(void **state)
{
    (void)state;
    assert_true(writes("p/d/r1/a0/1/outputs.pb"));
    assert_true(writes("p/d/r1/child/inputs.pb"));
    assert_true(writes("custom/base/p/d/r1/a0/1/outputs.pb"));
    assert_true(writes("custom/raw/0123/file.bin"));
}

static void test_a_task_does_not_write_elsewhere(void **state)
{
    (void)state;
    assert_false(writes("p/d/r2/a0/1/raw/x"));
    assert_false(writes("p/d/r11/x"));
    assert_false(writes("p/d/r1"));
    assert_false(writes("uploads/p/d/x/fast.tar.gz"));
    assert_false(writes("other/d/r1/a0/1/outputs.pb"));
    assert_false(writes("other/d/r9/a0/1/error.pb"));
    assert_false(allow(NULL, &task, OBJECT_WRITE, STR("bucket"), STR("p/d/r1/x")));
}

static void test_a_reader_reads_its_project_only(void **state)
{
    struct object_scope reader = {.kind = OBJECT_KEY_READER, .project = STR("p"), .domain = STR("d")};
    (void)state;
    assert_true(allow(NULL, &reader, OBJECT_READ, STR("tern"), STR("p/d/r1/a0/1/raw/x")));
    assert_true(allow(NULL, &reader, OBJECT_READ, STR("tern"), STR("uploads/p/d/x/y")));
    assert_true(allow(NULL, &reader, OBJECT_READ, STR("tern"), STR("uploads/org/p/d/offloaded-inputs/x/inputs.pb")));
    assert_false(allow(NULL, &reader, OBJECT_READ, STR("tern"), STR("p2/d/r1/x")));
    assert_false(allow(NULL, &reader, OBJECT_LIST, STR("tern"), STR("p/d")));
    assert_false(allow(NULL, &reader, OBJECT_LIST, STR("tern"), STR("")));
    assert_false(allow(NULL, &reader, OBJECT_WRITE, STR("tern"), STR("p/d/r1/x")));
    reader.project = reader.domain = STR("");
    assert_true(allow(NULL, &reader, OBJECT_LIST, STR("tern"), STR("")));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_task_writes_below_its_own_run),
        cmocka_unit_test(test_a_task_does_not_write_elsewhere),
        cmocka_unit_test(test_a_reader_reads_its_project_only),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

/* What the keys of tasks and people may do with objects, and until when. */
#include "exec/endpoint.c"

#include "unit.h"

struct fixture {
    struct arena mem;
    struct ctx cx;
    char dir[64];
    struct endpoint e;
    struct object_scope task;
};

static int setup(void **state)
{
    struct fixture *f = calloc(1, sizeof(*f));
    arena_init(&f->mem, 0);
    ctx_init(&f->cx, &f->mem);
    strcpy(f->dir, "/tmp/tern-endpoint-test-XXXXXX");
    if (!mkdtemp(f->dir) || object_store_open(&f->cx, str_from(f->dir), &f->e.store) != CODE_OK)
        return -1;
    f->e.data_dir = str_from(f->dir);
    f->task = (struct object_scope){.kind = OBJECT_KEY_ATTEMPT,
                                    .project = STR("p"),
                                    .domain = STR("d"),
                                    .run = STR("r1"),
                                    .attempt = 2,
                                    .action_id = 7};
    *state = f;
    return 0;
}

static int teardown(void **state)
{
    struct fixture *f = *state;
    char command[128];
    object_store_close(f->e.store);
    arena_done(&f->mem);
    snprintf(command, sizeof(command), "rm -rf '%s'", f->dir);
    free(f);
    return system(command);
}

static struct exec_key key_of(const struct fixture *f)
{
    return (struct exec_key){f->task.action_id, f->task.attempt};
}

static void launch(struct fixture *f)
{
    buf b;
    buf_init_arena(&b, &f->mem, 4096);
    exec_access_add(&b, EXEC_ACCESS_WRITE, STR("p/d/r1/"));
    exec_access_add(&b, EXEC_ACCESS_WRITE, STR("raw/r1/a0/"));
    exec_access_add(&b, EXEC_ACCESS_READ, STR("raw/r1/"));
    exec_access_add(&b, EXEC_ACCESS_WRITE, STR("x\nw"));
    exec_access_add(&b, EXEC_ACCESS_WRITE, STR(""));
    assert_ok(&f->cx, exec_access_open(&f->cx, f->e.data_dir, key_of(f), buf_view(&b)));
}

static bool may(struct fixture *f, enum object_access access, const char *key)
{
    return allow(&f->e, &f->task, access, STR("tern"), str_from(key));
}

static void test_a_task_writes_what_it_was_given(void **state)
{
    struct fixture *f = *state;
    assert_false(may(f, OBJECT_WRITE, "p/d/r1/a0/1/outputs.pb"));
    launch(f);
    assert_true(may(f, OBJECT_WRITE, "p/d/r1/a0/1/outputs.pb"));
    assert_true(may(f, OBJECT_WRITE, "p/d/r1/child/inputs.pb"));
    assert_true(may(f, OBJECT_WRITE, "raw/r1/a0/0123/file.bin"));
    static const char *const others[] = {
        "p/d/r2/a0/1/raw/x", "p/d/r11/x", "p/d/r1", "uploads/p/d/x/fast.tar.gz", "q/d/r1/a0/outputs.pb", "raw/r1/b/x",
        "b/p/d/r1/x",        "x",         ""};
    for (size_t i = 0; i < sizeof(others) / sizeof(*others); i++)
        assert_false(may(f, OBJECT_WRITE, others[i]));
}

static void test_buckets_of_others_are_open_to_running_tasks(void **state)
{
    struct fixture *f = *state;
    assert_false(allow(&f->e, &f->task, OBJECT_READ, STR("theirs"), STR("x")));
    launch(f);
    assert_true(allow(&f->e, &f->task, OBJECT_WRITE, STR("theirs"), STR("x")));
    f->task = (struct object_scope){.kind = OBJECT_KEY_READER, .project = STR("p"), .domain = STR("d")};
    assert_true(allow(&f->e, &f->task, OBJECT_READ, STR("theirs"), STR("x")));
    assert_false(allow(&f->e, &f->task, OBJECT_WRITE, STR("theirs"), STR("x")));
}

static void test_a_task_reads_its_project_and_what_it_was_given(void **state)
{
    struct fixture *f = *state;
    assert_false(may(f, OBJECT_READ, "p/d/r2/x"));
    launch(f);
    assert_true(may(f, OBJECT_READ, "p/d/r2/a0/1/outputs.pb"));
    assert_true(may(f, OBJECT_LIST, "p/other/"));
    assert_true(may(f, OBJECT_READ, "uploads/p/other/x/y"));
    assert_true(may(f, OBJECT_READ, "uploads/org/p/d/x/y"));
    assert_true(may(f, OBJECT_READ, "raw/r1/b/x"));
    assert_false(may(f, OBJECT_READ, "raw/r2/b/x"));
    assert_false(may(f, OBJECT_READ, "q/d/r1/x"));
    assert_false(may(f, OBJECT_LIST, ""));
    assert_false(may(f, OBJECT_LIST, "p"));
    assert_false(may(f, OBJECT_READ, "uploads/q/d/x/y"));
}

static void test_a_task_reads_what_its_run_was_granted(void **state)
{
    struct fixture *f = *state;
    const struct object_reach_run run = {STR("p"), STR("d"), STR("r1")};
    launch(f);
    assert_ok(&f->cx, object_reach_grant(&f->cx, f->e.store, &run, NULL, STR("s3://tern/q/d/r9/a0/1/raw/file")));
    assert_true(may(f, OBJECT_READ, "q/d/r9/other"));
    assert_false(may(f, OBJECT_WRITE, "q/d/r9/other"));
    assert_false(may(f, OBJECT_READ, "q/d/r8/other"));
    f->task.run = STR("r2");
    assert_false(may(f, OBJECT_READ, "q/d/r9/other"));
}

static void test_a_key_ends_ten_minutes_after_its_attempt(void **state)
{
    struct fixture *f = *state;
    launch(f);
    exec_access_end(&f->cx, f->e.data_dir, key_of(f), time_wall_ns() - EXEC_ACCESS_GRACE_NS + 60 * NS_PER_S);
    assert_true(may(f, OBJECT_WRITE, "p/d/r1/x"));
    exec_access_end(&f->cx, f->e.data_dir, key_of(f), time_wall_ns() - EXEC_ACCESS_GRACE_NS);
    assert_false(may(f, OBJECT_WRITE, "p/d/r1/x"));
    assert_false(may(f, OBJECT_READ, "p/d/r1/x"));
    launch(f); /* the supervisor starts it again: it was not known */
    assert_true(may(f, OBJECT_WRITE, "p/d/r1/x"));
}

static bool nobody(void *arg, struct exec_key key)
{
    (void)arg;
    return key.action_id == 8;
}

static void test_what_is_over_is_removed(void **state)
{
    struct fixture *f = *state;
    int64_t now = time_wall_ns();
    assert_int_equal(exec_access_running(&f->cx, f->e.data_dir), 0);
    launch(f);
    assert_int_equal(exec_access_running(&f->cx, f->e.data_dir), 1);
    exec_access_sweep(&f->cx, f->e.data_dir, now, NULL, NULL);
    assert_true(may(f, OBJECT_WRITE, "p/d/r1/x"));
    exec_access_end(&f->cx, f->e.data_dir, key_of(f), now);
    assert_int_equal(exec_access_running(&f->cx, f->e.data_dir), 0);
    exec_access_sweep(&f->cx, f->e.data_dir, now, nobody, NULL);
    assert_true(may(f, OBJECT_WRITE, "p/d/r1/x"));
    exec_access_sweep(&f->cx, f->e.data_dir, now + EXEC_ACCESS_GRACE_NS, NULL, NULL);
    exec_access_end(&f->cx, f->e.data_dir, key_of(f), now); /* makes no file */
    assert_false(may(f, OBJECT_WRITE, "p/d/r1/x"));
    launch(f); /* a power cut: it runs by its file, and no supervisor knows of it */
    f->task.action_id = 8;
    launch(f);
    exec_access_sweep(&f->cx, f->e.data_dir, now, nobody, NULL);
    assert_true(may(f, OBJECT_WRITE, "p/d/r1/x"));
    f->task.action_id = 7;
    assert_false(may(f, OBJECT_WRITE, "p/d/r1/x"));
}

static void test_a_reader_reads_its_project_only(void **state)
{
    struct fixture *f = *state;
    f->task = (struct object_scope){.kind = OBJECT_KEY_READER, .project = STR("p"), .domain = STR("d")};
    assert_true(may(f, OBJECT_READ, "p/d/r1/a0/1/raw/x"));
    assert_true(may(f, OBJECT_READ, "uploads/p/d/x/y"));
    assert_true(may(f, OBJECT_READ, "uploads/org/p/d/offloaded-inputs/x/inputs.pb"));
    assert_false(may(f, OBJECT_READ, "p2/d/r1/x"));
    assert_false(may(f, OBJECT_LIST, "p"));
    assert_false(may(f, OBJECT_LIST, ""));
    assert_false(may(f, OBJECT_WRITE, "p/d/r1/x"));
    f->task.project = f->task.domain = STR("");
    assert_true(may(f, OBJECT_LIST, ""));
    assert_false(may(f, OBJECT_WRITE, "p/d/r1/x"));
}

#define endpoint_test(fn) cmocka_unit_test_setup_teardown(fn, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        endpoint_test(test_a_task_writes_what_it_was_given),
        endpoint_test(test_buckets_of_others_are_open_to_running_tasks),
        endpoint_test(test_a_task_reads_its_project_and_what_it_was_given),
        endpoint_test(test_a_task_reads_what_its_run_was_granted),
        endpoint_test(test_a_key_ends_ten_minutes_after_its_attempt),
        endpoint_test(test_what_is_over_is_removed),
        endpoint_test(test_a_reader_reads_its_project_only),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

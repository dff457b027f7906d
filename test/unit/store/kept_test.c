/* What a read connection keeps of runs and actions: its answers are always those of a connection that keeps nothing. */
#include "store/tables.h"

#include "store/action_int.h"
#include "store/identity.h"

struct both {
    struct fixture *f;
    struct ctx *cx;
    struct db *writer, *reader;
    struct store_run run;
    struct store_action root, child;
};

#define SAME_I(x, y) assert_int_equal(x, y)
#define SAME_N(x, y) assert_int_equal(x, y)
#define SAME_S(x, y) assert_true(str_eq(x, y))
#define SAME_T(x, y) assert_true(str_eq(x, y))
#define SAME_B(x, y) assert_true(str_eq(x, y))
#define SAME(n, col, kind) SAME_##kind(a->col, b->col);

static void same_actions(const struct store_action *a, const struct store_action *b)
{
    STORE_ACTION_CHANGING(SAME)
    STORE_ACTION_FIXED(SAME)
    SAME_I(a->id, b->id);
    SAME_I(a->seq, b->seq);
    SAME_I(a->spec_kind, b->spec_kind);
    SAME_S(a->parent_name, b->parent_name);
    SAME_S(a->task_project, b->task_project);
    SAME_S(a->task_domain, b->task_domain);
    SAME_S(a->task_version, b->task_version);
    SAME_S(a->function_name, b->function_name);
    SAME_S(a->short_name, b->short_name);
    SAME_S(a->task_type, b->task_type);
    SAME_S(a->environment, b->environment);
}

static void same_runs(const struct store_run *a, const struct store_run *b)
{
    SAME_I(a->id, b->id);
    SAME_I(a->space_id, b->space_id);
    SAME_I(a->phase, b->phase);
    SAME_I(a->spec_id, b->spec_id);
    SAME_I(a->start_ns, b->start_ns);
    SAME_I(a->created_ns, b->created_ns);
    SAME_I(a->created_by, b->created_by);
    SAME_I(a->abort_ns, b->abort_ns);
    SAME_I(a->change, b->change);
    SAME_S(a->name, b->name);
    SAME_S(a->base_uri, b->base_uri);
    SAME_S(a->project, b->project);
    SAME_S(a->domain, b->domain);
    SAME_S(a->created_by_subject, b->created_by_subject);
    SAME_S(a->created_by_name, b->created_by_name);
}

/* Whatever may be asked of the two actions and the run, by the reader and by the writer. */
static void answers_are_the_same(struct both *t)
{
    struct store_action *a[2][2][2]; /* reader or writer, root or child, by id or by name */
    struct store_run *r[2][2];
    struct ctx *cx = t->cx;
    for (int who = 0; who < 2; who++) {
        cx->db = who ? t->writer : t->reader;
        assert_ok(cx, store_action_get_by_id(cx, t->root.id, &a[who][0][0]));
        assert_ok(cx, store_action_find(cx, t->run.id, STR("a0"), &a[who][0][1]));
        assert_ok(cx, store_action_get_by_id(cx, t->child.id, &a[who][1][0]));
        assert_ok(cx, store_action_find(cx, t->run.id, STR("child"), &a[who][1][1]));
        assert_ok(cx, store_run_get_by_id(cx, t->run.id, &r[who][0]));
        assert_ok(cx, store_run_get(cx, STR("p"), STR("d"), STR("r1"), &r[who][1]));
    }
    for (int how = 0; how < 2; how++) {
        same_actions(a[0][0][how], a[1][0][how]);
        same_actions(a[0][1][how], a[1][1][how]);
        same_runs(r[0][how], r[1][how]);
    }
    cx->db = t->writer;
}

static void set_texts(struct store_action *a)
{
    a->name = STR("child");
    a->group_name = STR("group");
    a->queue = STR("queue");
    a->input_uri = STR("s3://tern/in");
    a->cache_key = STR("key");
    a->cache_text = STR("text");
}

static int up(void **state)
{
    struct both *t = calloc(1, sizeof(*t));
    if (!t || fixture_up((void **)&t->f) != 0)
        return -1;
    *state = t;
    t->cx = &t->f->cx;
    t->writer = t->cx->db = fixture_open(t->f, DB_WRITE);
    assert_ok(t->cx, db_migrate(t->cx, str_from(t->f->url)));
    t->reader = fixture_open(t->f, DB_READ);
    tables_make_run(t->cx, "r1", &t->run, &t->root);
    assert_ok(t->cx, store_identity_put(t->cx, STR("me"), STR("Me"), &t->run.created_by));
    fixture_exec(t->cx, "UPDATE run SET created_by=1, start_ns=5");
    t->child = (struct store_action){.run_id = t->run.id, .parent_id = t->root.id, .type = 1, .phase = QUEUED};
    t->child.depth = t->child.attempt = 1;
    t->child.spec_id = t->run.spec_id;
    set_texts(&t->child);
    assert_ok(t->cx, store_action_insert(t->cx, &t->child));
    return 0;
}

static int down(void **state)
{
    struct both *t = *state;
    db_close(t->reader);
    db_close(t->writer);
    fixture_down((void **)&t->f);
    free(t);
    return 0;
}

static void test_changes_are_seen(void **state)
{
    struct both *t = *state;
    struct ctx *cx = t->cx;
    uint64_t who;
    answers_are_the_same(t);
    answers_are_the_same(t);
    t->child.phase = FAILED;
    t->child.ended_ns = t->child.updated_ns = 77;
    t->child.output_uri = STR("s3://tern/out");
    t->child.error_code = STR("Code");
    t->child.error = STR("what went wrong");
    assert_ok(cx, store_action_save(cx, &t->child, QUEUED, true));
    answers_are_the_same(t);
    t->root.phase = ABORTED;
    t->root.abort_reason = STR("enough");
    assert_ok(cx, store_action_save(cx, &t->root, QUEUED, true));
    assert_ok(cx, store_run_set_abort(cx, t->run.id, 88));
    answers_are_the_same(t);
    assert_ok(cx, store_identity_put(cx, STR("me"), STR("Myself"), &who));
    answers_are_the_same(t);
}

static void test_what_is_deleted_is_gone(void **state)
{
    struct both *t = *state;
    struct ctx *cx = t->cx;
    struct store_action *a;
    struct store_run *r;
    bool done = false;
    answers_are_the_same(t);
    while (!done)
        assert_ok(cx, store_run_delete_piece(cx, t->run.id, 100, &done));
    cx->db = t->reader;
    assert_code(cx, store_action_get_by_id(cx, t->child.id, &a), CODE_NOT_FOUND);
    assert_ok(cx, store_action_find(cx, t->run.id, STR("child"), &a));
    assert_null(a);
    assert_code(cx, store_run_get_by_id(cx, t->run.id, &r), CODE_NOT_FOUND);
    assert_code(cx, store_run_get(cx, STR("p"), STR("d"), STR("r1"), &r), CODE_NOT_FOUND);
    cx->db = t->writer;
}

/* More than there is room for, each asked for in turn; some too large to be kept. */
static void test_many_rows(void **state)
{
    struct both *t = *state;
    struct ctx *cx = t->cx;
    struct store_action *a, *b;
    uint64_t ids[300];
    char *large = calloc(1, 20000);
    memset(large, 'x', 19999);
    for (size_t i = 0; i < 300; i++) {
        struct store_action one = t->child;
        one.name = arena_printf(cx->mem, "c%zu", i);
        one.input_uri = i % 50 ? arena_printf(cx->mem, "s3://tern/%zu", i) : str_make(large, 19999);
        assert_ok(cx, store_action_insert(cx, &one));
        ids[i] = one.id;
    }
    for (size_t n = 0; n < 900; n++) {
        cx->db = t->reader;
        assert_ok(cx, store_action_get_by_id(cx, ids[n * 7 % 300], &a));
        assert_ok(cx, store_action_get_by_id(cx, ids[n * 11 % 300], &b));
        struct store_action *kept[] = {a, b};
        cx->db = t->writer;
        assert_ok(cx, store_action_get_by_id(cx, kept[0]->id, &a));
        assert_ok(cx, store_action_get_by_id(cx, kept[1]->id, &b));
        same_actions(kept[0], a);
        same_actions(kept[1], b);
    }
    free(large);
}

#define both_test(name) cmocka_unit_test_setup_teardown(name, up, down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        both_test(test_changes_are_seen),
        both_test(test_what_is_deleted_is_gone),
        both_test(test_many_rows),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

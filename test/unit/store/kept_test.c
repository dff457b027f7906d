/* What connections keep of runs and actions: their answers are always those of a connection that was opened just now. */
#include "store/tables.h"

#include "store/action_int.h"
#include "store/audit.h"
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

/* Whatever may be asked of the two actions and the run, by the reader, the writer and the new one. */
static void answers_are_the_same(struct both *t)
{
    struct store_action *a[3][2][2]; /* who, root or child, by id or by name */
    struct store_run *r[3][2];
    struct ctx *cx = t->cx;
    struct db *fresh = fixture_open(t->f, DB_READ), *all[] = {t->reader, t->writer, fresh};
    for (int who = 0; who < 3; who++) {
        cx->db = all[who];
        assert_ok(cx, store_action_get_by_id(cx, t->root.id, &a[who][0][0]));
        assert_ok(cx, store_action_find(cx, t->run.id, STR("a0"), &a[who][0][1]));
        assert_ok(cx, store_action_get_by_id(cx, t->child.id, &a[who][1][0]));
        assert_ok(cx, store_action_find(cx, t->run.id, STR("child"), &a[who][1][1]));
        assert_ok(cx, store_run_get_by_id(cx, t->run.id, &r[who][0]));
        assert_ok(cx, store_run_get(cx, STR("p"), STR("d"), STR("r1"), &r[who][1]));
    }
    for (int who = 0; who < 2; who++)
        for (int how = 0; how < 2; how++) {
            same_actions(a[who][0][how], a[2][0][how]);
            same_actions(a[who][1][how], a[2][1][how]);
            same_runs(r[who][how], r[2][how]);
        }
    db_close(fresh);
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

/* What the writer made and undid, and knows of: its ids are given again, to others. */
static void make_other(struct both *t, const char *run, const char *subject, const char *path, uint64_t out[5])
{
    struct ctx *cx = t->cx;
    struct store_run r, *found;
    struct store_action root, *a, child = t->child;
    tables_make_run(cx, run, &r, &root);
    child.run_id = r.id;
    child.parent_id = root.id;
    child.spec_id = tables_spec(cx, run);
    child.name = arena_printf(cx->mem, "child-of-%s", run);
    assert_ok(cx, store_action_insert(cx, &child));
    assert_ok(cx, store_identity_put(cx, str_from(subject), STR("Name"), &out[0]));
    assert_ok(cx, store_audit_add(cx, &(struct store_audit){.rpc = str_from(path), .about = str_from(run)}));
    assert_ok(cx, store_run_get(cx, STR("p"), STR("d"), str_from(run), &found));
    assert_string_equal(found->name.p, run);
    assert_ok(cx, store_action_find(cx, r.id, child.name, &a));
    assert_true(str_eq(a->name, child.name));
    out[1] = r.id;
    out[2] = a->id;
    out[3] = (uint64_t)a->seq;
    out[4] = child.spec_id;
}

static void test_what_is_undone_is_forgotten(void **state)
{
    struct both *t = *state;
    struct ctx *cx = t->cx;
    struct store_audit *log;
    uint64_t undone[5], made[5];
    size_t n;
    assert_ok(cx, db_begin(cx, DB_WRITE));
    assert_ok(cx, db_savepoint(cx));
    make_other(t, "r2", "you", "/s/A", undone);
    db_rollback_to(cx);
    assert_ok(cx, db_savepoint(cx));
    make_other(t, "r3", "she", "/s/B", made);
    assert_ok(cx, db_release(cx));
    assert_ok(cx, db_commit(cx));
    for (int i = 0; i < 4; i++)
        assert_int_equal(made[i], undone[i]);
    assert_int_equal(fixture_int(cx, "SELECT count(*) FROM identity WHERE subject='you'"), 0);
    assert_int_equal(fixture_int(cx, "SELECT count(*) FROM identity WHERE subject='she'"), 1);
    assert_int_equal(fixture_int(cx, "SELECT count(*) FROM action a JOIN spec s ON s.id=a.spec_id WHERE s.name='r3'"),
                     1);
    assert_ok(cx, store_audit_list(cx, 0, INT64_MAX, INT64_MAX, 10, &log, &n));
    assert_int_equal(n, 1);
    assert_string_equal(log[0].rpc.p, "/s/B");
    /* the same with the whole transaction */
    assert_ok(cx, db_begin(cx, DB_WRITE));
    make_other(t, "r4", "they", "/s/C", undone);
    db_rollback(cx);
    assert_ok(cx, db_begin(cx, DB_WRITE));
    make_other(t, "r5", "we", "/s/D", made);
    assert_ok(cx, db_commit(cx));
    assert_int_equal(made[1], undone[1]);
    assert_int_equal(fixture_int(cx, "SELECT count(*) FROM identity WHERE subject='we'"), 1);
}

/* A spec that was swept is stored again when it comes again. */
static void test_swept_specs_are_forgotten(void **state)
{
    struct both *t = *state;
    struct ctx *cx = t->cx;
    uint64_t cursor = 0, id = tables_spec(cx, "unused");
    assert_int_equal(tables_spec(cx, "unused"), id);
    assert_ok(cx, store_spec_sweep(cx, 100, &cursor));
    assert_int_equal(fixture_int(cx, "SELECT count(*) FROM spec WHERE name='unused'"), 0);
    assert_int_equal(tables_spec(cx, "unused"), id);
    assert_int_equal(fixture_int(cx, "SELECT count(*) FROM spec WHERE name='unused'"), 1);
}

#define both_test(name) cmocka_unit_test_setup_teardown(name, up, down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        both_test(test_changes_are_seen),
        both_test(test_what_is_deleted_is_gone),
        both_test(test_many_rows),
        both_test(test_what_is_undone_is_forgotten),
        both_test(test_swept_specs_are_forgotten),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

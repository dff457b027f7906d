/* The driver: values, placeholders, errors, transactions, the log. */
#include "store/sqlite.c"

#include "store/fixture.h"

#include <pthread.h>

static void values_come_back_as_they_went(void **state)
{
    struct fixture *f = *state;
    struct ctx *cx = &f->cx;
    cx->db = fixture_open(f, DB_WRITE);
    fixture_exec(cx, "CREATE TABLE t (a, b, c, d, e, f)");
    str bytes = str_make("\0x\xff", 3);
    struct db_rows rows;
    assert_ok(cx, db_query(cx, "INSERT INTO t VALUES ($6, $5, $4, $3, $2, $1)",
                           DB_ARGS(DB_I(INT64_MIN), DB_S(STR("h\xc3\xa9")), DB_B(bytes), DB_N, DB_S(STR_NONE),
                                   ((struct db_value){.kind = DB_REAL, .f = 0.1})),
                           &rows));
    assert_int_equal(rows.changed, 1);
    assert_int_equal(rows.n, 0);
    assert_ok(cx, db_query(cx, "SELECT f, e, d, c, b, a, typeof(b), $1 || $1 FROM t", DB_ARGS(DB_S(STR("xy"))), &rows));
    assert_int_equal(rows.n, 1);
    assert_int_equal(rows.cols, 8);
    const struct db_value *v = db_row(&rows, 0);
    assert_int_equal(v[0].kind, DB_INT);
    assert_true(v[0].i == INT64_MIN);
    assert_true(v[1].kind == DB_TEXT && str_eq(v[1].s, STR("h\xc3\xa9")) && v[1].s.p[3] == 0);
    assert_true(v[2].kind == DB_BLOB && str_eq(v[2].s, bytes));
    assert_int_equal(v[3].kind, DB_NULL);
    assert_true(v[4].kind == DB_TEXT && v[4].s.n == 0);
    assert_true(v[5].kind == DB_REAL && v[5].f > 0.0999 && v[5].f < 0.1001);
    assert_true(str_eq(v[6].s, STR("text")));
    assert_true(str_eq(v[7].s, STR("xyxy")));
    db_close(cx->db);
}

static void many_rows_are_gathered_in_order(void **state)
{
    struct fixture *f = *state;
    struct ctx *cx = &f->cx;
    struct db_rows rows;
    cx->db = fixture_open(f, DB_WRITE);
    assert_ok(cx, db_query(cx,
                           "WITH RECURSIVE n(i) AS (SELECT 0 UNION ALL SELECT i + 1 FROM n WHERE i < 999) "
                           "SELECT i, 'row ' || i FROM n",
                           NULL, 0, &rows));
    assert_int_equal(rows.n, 1000);
    for (size_t r = 0; r < rows.n; r++) {
        assert_int_equal(db_row(&rows, r)[0].i, r);
        assert_true(str_eq(db_row(&rows, r)[1].s, arena_printf(cx->mem, "row %zu", r)));
    }
    cx->mem->cap = cx->mem->used + 10000;
    assert_code(cx,
                db_query(cx,
                         "WITH RECURSIVE n(i) AS (SELECT 0 UNION ALL SELECT i + 1 FROM n WHERE i < 99999) "
                         "SELECT i FROM n",
                         NULL, 0, &rows),
                CODE_RESOURCE_EXHAUSTED);
    assert_int_equal(rows.n, 1000);
    cx->mem->cap = 0;
    db_close(cx->db);
}

static void mistakes_are_told(void **state)
{
    struct fixture *f = *state;
    struct ctx *cx = &f->cx;
    static char changing[64] = "SELECT 1";
    cx->db = fixture_open(f, DB_WRITE);
    assert_code(cx, db_query(cx, "SELECT $2", DB_ARGS(DB_I(1)), NULL), CODE_INTERNAL);
    assert_code(cx, db_query(cx, "SELECT ?", DB_ARGS(DB_I(1)), NULL), CODE_INTERNAL);
    assert_code(cx, db_query(cx, "SELECT $name", DB_ARGS(DB_I(1)), NULL), CODE_INTERNAL);
    assert_int_equal(db_query(cx, "SELECT 1; SELECT 2", NULL, 0, NULL), CODE_INTERNAL);
    assert_code(cx, db_query(cx, "", NULL, 0, NULL), CODE_INTERNAL);
    assert_code(cx, db_query(cx, "SELECT nothing FROM nowhere", NULL, 0, NULL), CODE_INTERNAL);
    assert_ok(cx, db_query(cx, changing, NULL, 0, NULL));
    strcpy(changing, "SELECT 2");
    assert_code(cx, db_query(cx, changing, NULL, 0, NULL), CODE_INTERNAL);
    db_close(cx->db);
    struct db *db;
    assert_code(cx, db_open(cx, STR("postgres://x"), DB_WRITE, &db), CODE_INVALID_ARGUMENT);
    assert_code(cx, db_open(cx, STR("sqlite:relative.db"), DB_WRITE, &db), CODE_INVALID_ARGUMENT);
    assert_code(cx, db_open(cx, STR("sqlite:file:/tmp/x"), DB_WRITE, &db), CODE_INVALID_ARGUMENT);
    assert_code(cx, db_open(cx, STR("sqlite::memory:a?mode=rw"), DB_WRITE, &db), CODE_INVALID_ARGUMENT);
    assert_code(cx, db_open(cx, str_from(f->url), DB_READ, &db), CODE_OK);
    db_close(db);
    unlink(f->file);
    assert_code(cx, db_open(cx, str_from(f->url), DB_READ, &db), CODE_NOT_FOUND);
    assert_true(access(f->file, F_OK) != 0);
}

static void constraints_have_their_codes(void **state)
{
    struct fixture *f = *state;
    struct ctx *cx = &f->cx;
    cx->db = fixture_open(f, DB_WRITE);
    fixture_exec(cx, "CREATE TABLE p (id INTEGER PRIMARY KEY, name TEXT UNIQUE, n INT CHECK (n < 10))");
    fixture_exec(cx, "CREATE TABLE c (p INT NOT NULL REFERENCES p (id))");
    fixture_exec(cx, "INSERT INTO p VALUES (1, 'a', 1)");
    const char *add = "INSERT INTO p VALUES ($1, $2, $3)";
    assert_ok(cx, db_begin(cx, DB_WRITE));
    assert_code(cx, db_query(cx, add, DB_ARGS(DB_I(1), DB_S(STR("b")), DB_I(1)), NULL), CODE_ALREADY_EXISTS);
    assert_code(cx, db_query(cx, add, DB_ARGS(DB_I(2), DB_S(STR("a")), DB_I(1)), NULL), CODE_ALREADY_EXISTS);
    assert_code(cx, db_query(cx, add, DB_ARGS(DB_I(2), DB_S(STR("b")), DB_I(10)), NULL), CODE_FAILED_PRECONDITION);
    const char *refer = "INSERT INTO c VALUES ($1)";
    assert_code(cx, db_query(cx, refer, DB_ARGS(DB_I(7)), NULL), CODE_FAILED_PRECONDITION);
    assert_code(cx, db_query(cx, refer, DB_ARGS(DB_N), NULL), CODE_FAILED_PRECONDITION);
    assert_true(db_in_transaction(cx->db));
    assert_ok(cx, db_query(cx, add, DB_ARGS(DB_I(2), DB_S(STR("b")), DB_I(1)), NULL));
    assert_ok(cx, db_commit(cx));
    assert_int_equal(fixture_int(cx, "SELECT count(*) FROM p"), 2);
    db_close(cx->db);
}

static void savepoints_undo_their_part(void **state)
{
    struct fixture *f = *state;
    struct ctx *cx = &f->cx;
    const char *add = "INSERT INTO t VALUES ($1)";
    cx->db = fixture_open(f, DB_WRITE);
    fixture_exec(cx, "CREATE TABLE t (a INTEGER PRIMARY KEY)");
    assert_ok(cx, db_begin(cx, DB_WRITE));
    for (int64_t i = 0; i < 10; i++) {
        assert_ok(cx, db_savepoint(cx));
        assert_ok(cx, db_query(cx, add, DB_ARGS(DB_I(i)), NULL));
        if (i % 2)
            db_rollback_to(cx);
        else
            assert_ok(cx, db_release(cx));
    }
    assert_ok(cx, db_commit(cx));
    assert_int_equal(fixture_int(cx, "SELECT sum(a) FROM t"), 0 + 2 + 4 + 6 + 8);
    assert_ok(cx, db_begin(cx, DB_WRITE));
    assert_ok(cx, db_query(cx, add, DB_ARGS(DB_I(100)), NULL));
    db_rollback(cx);
    assert_int_equal(fixture_int(cx, "SELECT count(*) FROM t"), 5);
    db_close(cx->db);
}

/* A full database takes the whole transaction with it, and nothing runs on its own afterwards. */
static void full_disk_loses_the_transaction(void **state)
{
    struct fixture *f = *state;
    struct ctx *cx = &f->cx;
    const char *add = "INSERT INTO t VALUES ($1, zeroblob($2))";
    cx->db = fixture_open(f, DB_WRITE);
    fixture_exec(cx, "CREATE TABLE t (a INTEGER PRIMARY KEY, b)");
    fixture_exec(cx, "PRAGMA max_page_count=20");
    assert_ok(cx, db_begin(cx, DB_WRITE));
    assert_ok(cx, db_query(cx, add, DB_ARGS(DB_I(1), DB_I(10)), NULL));
    assert_code(cx, db_query(cx, add, DB_ARGS(DB_I(2), DB_I(1000000)), NULL), CODE_RESOURCE_EXHAUSTED);
    assert_false(db_in_transaction(cx->db));
    assert_code(cx, db_query(cx, add, DB_ARGS(DB_I(3), DB_I(10)), NULL), CODE_UNAVAILABLE);
    assert_code(cx, db_savepoint(cx), CODE_UNAVAILABLE);
    assert_code(cx, db_commit(cx), CODE_UNAVAILABLE);
    assert_int_equal(fixture_int(cx, "SELECT count(*) FROM t"), 0);
    assert_ok(cx, db_begin(cx, DB_WRITE));
    assert_ok(cx, db_query(cx, add, DB_ARGS(DB_I(4), DB_I(10)), NULL));
    assert_ok(cx, db_commit(cx));
    assert_int_equal(fixture_int(cx, "SELECT a FROM t"), 4);
    db_close(cx->db);
}

static void readers_see_committed_snapshots(void **state)
{
    struct fixture *f = *state;
    struct ctx *cx = &f->cx;
    struct db *w = fixture_open(f, DB_WRITE);
    cx->db = w;
    fixture_exec(cx, "CREATE TABLE t (a)");
    struct db *r = fixture_open(f, DB_READ);
    assert_ok(cx, db_begin(cx, DB_WRITE));
    fixture_exec(cx, "INSERT INTO t VALUES (1)");
    cx->db = r;
    assert_ok(cx, db_begin(cx, DB_READ));
    assert_int_equal(fixture_int(cx, "SELECT count(*) FROM t"), 0);
    cx->db = w;
    assert_ok(cx, db_commit(cx));
    cx->db = r;
    assert_int_equal(fixture_int(cx, "SELECT count(*) FROM t"), 0);
    assert_ok(cx, db_commit(cx));
    assert_int_equal(fixture_int(cx, "SELECT count(*) FROM t"), 1);
    assert_code(cx, db_query(cx, "DELETE FROM t", NULL, 0, NULL), CODE_UNAVAILABLE);
    db_close(r);
    db_close(w);
}

static void a_read_past_its_deadline_ends(void **state)
{
    struct fixture *f = *state;
    struct ctx *cx = &f->cx;
    struct db *w = fixture_open(f, DB_WRITE);
    cx->db = fixture_open(f, DB_READ);
    cx->deadline_ns = time_now_ns() + 20 * NS_PER_MS;
    assert_code(cx,
                db_query(cx, "WITH RECURSIVE n(i) AS (SELECT 0 UNION ALL SELECT i + 1 FROM n) SELECT max(i) FROM n",
                         NULL, 0, NULL),
                CODE_DEADLINE_EXCEEDED);
    cx->deadline_ns = INT64_MAX;
    assert_int_equal(fixture_int(cx, "SELECT 5"), 5);
    db_close(cx->db);
    db_close(w);
}

struct walk {
    int64_t sum, rows;
};

static enum code on_row(struct ctx *cx, const struct db_value *row, void *arg)
{
    struct walk *w = arg;
    struct db_rows rows;
    /* The very statement that is being walked, nested. */
    TRY(db_query(cx, "SELECT a FROM t WHERE a >= $1 ORDER BY a", DB_ARGS(DB_I(row[0].i)), &rows));
    w->sum += rows.v[0].i;
    if (++w->rows == 50)
        return fail(cx, CODE_ABORTED, "enough");
    return CODE_OK;
}

static void rows_one_at_a_time(void **state)
{
    struct fixture *f = *state;
    struct ctx *cx = &f->cx;
    struct walk w = {0};
    const char *sql = "SELECT a FROM t WHERE a >= $1 ORDER BY a";
    cx->db = fixture_open(f, DB_WRITE);
    fixture_exec(cx, "CREATE TABLE t (a INTEGER PRIMARY KEY)");
    fixture_exec(cx, "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 100) "
                     "INSERT INTO t SELECT i FROM n");
    assert_code(cx, db_each(cx, sql, DB_ARGS(DB_I(1)), on_row, &w), CODE_ABORTED);
    assert_int_equal(w.sum, 50 * 51 / 2);
    w = (struct walk){0};
    assert_ok(cx, db_each(cx, sql, DB_ARGS(DB_I(90)), on_row, &w));
    assert_int_equal(w.rows, 11);
    assert_ok(cx, db_each(cx, sql, DB_ARGS(DB_I(1000)), on_row, &w));
    assert_int_equal(w.rows, 11);
    db_close(cx->db);
}

static void memory_is_shared_by_name(void **state)
{
    struct fixture *f = *state;
    struct ctx *cx = &f->cx;
    struct db *a, *b, *other;
    assert_ok(cx, db_open(cx, STR("sqlite::memory:one"), DB_WRITE, &a));
    cx->db = a;
    fixture_exec(cx, "CREATE TABLE t (a)");
    fixture_exec(cx, "INSERT INTO t VALUES (3)");
    assert_ok(cx, db_open(cx, STR("sqlite::memory:one"), DB_READ, &b));
    assert_ok(cx, db_open(cx, STR("sqlite::memory:two"), DB_WRITE, &other));
    cx->db = b;
    assert_int_equal(fixture_int(cx, "SELECT a FROM t"), 3);
    cx->db = other;
    assert_code(cx, db_query(cx, "SELECT a FROM t", NULL, 0, NULL), CODE_INTERNAL);
    db_close(a);
    db_close(b);
    db_close(other);
}

/* Nothing but db_checkpoint() shortens the log; after it the next commit starts it anew. */
static void the_log_is_kept_until_a_checkpoint(void **state)
{
    struct fixture *f = *state;
    struct ctx *cx = &f->cx;
    int64_t moved = -1;
    cx->db = fixture_open(f, DB_WRITE);
    fixture_exec(cx, "CREATE TABLE t (a)");
    for (int i = 0; i < 2000; i++)
        assert_ok(cx, db_query(cx, "INSERT INTO t VALUES (randomblob(3000))", NULL, 0, NULL));
    assert_true(db_wal_bytes(cx->db) > 2000 * 4096);
    assert_ok(cx, db_checkpoint(cx, &moved));
    assert_int_equal(moved, db_wal_bytes(cx->db));
    fixture_exec(cx, "DELETE FROM t WHERE rowid = 1");
    assert_true(db_wal_bytes(cx->db) < 20 * 4096);
    struct db *w = cx->db, *r = fixture_open(f, DB_READ);
    cx->db = r;
    assert_ok(cx, db_begin(cx, DB_READ));
    assert_int_equal(fixture_int(cx, "SELECT count(*) FROM t"), 1999);
    cx->db = w;
    fixture_exec(cx, "DELETE FROM t WHERE rowid = 2");
    assert_ok(cx, db_checkpoint(cx, &moved));
    assert_true(moved < db_wal_bytes(cx->db));
    db_close(r);
    assert_ok(cx, db_checkpoint(cx, &moved));
    assert_int_equal(moved, db_wal_bytes(cx->db));
    db_close(w);
}

static void damage_is_told_at_open(void **state)
{
    struct fixture *f = *state;
    struct ctx *cx = &f->cx;
    struct db *db = fixture_open(f, DB_WRITE);
    cx->db = db;
    fixture_exec(cx, "CREATE TABLE t (a)");
    db_close(db);
    FILE *file = fopen(f->file, "r+");
    fwrite("not a database, but a text that somebody wrote over its beginning", 1, 60, file);
    fclose(file);
    assert_code(cx, db_open(cx, str_from(f->url), DB_WRITE, &db), CODE_DATA_LOSS);
    assert_non_null(strstr(cx->err.msg, f->file));
    file = fopen(f->file, "w"); /* a good header, a schema that is rubbish */
    fclose(file);
    db = fixture_open(f, DB_WRITE);
    cx->db = db;
    fixture_exec(cx, "CREATE TABLE t (a)");
    db_close(db);
    file = fopen(f->file, "r+");
    fseek(file, 100, SEEK_SET);
    for (int i = 0; i < 3000; i++)
        fputc(0x5a, file);
    fclose(file);
    assert_code(cx, db_open(cx, str_from(f->url), DB_WRITE, &db), CODE_DATA_LOSS);
}

static void a_new_file_is_its_owners(void **state)
{
    struct fixture *f = *state;
    struct stat st;
    mode_t old = umask(0);
    struct db *db = fixture_open(f, DB_WRITE);
    umask(old);
    f->cx.db = db;
    fixture_exec(&f->cx, "CREATE TABLE t (a)");
    char wal[128];
    snprintf(wal, sizeof(wal), "%s-wal", f->file);
    assert_int_equal(stat(f->file, &st), 0);
    assert_int_equal(st.st_mode & 0777, 0600);
    assert_int_equal(stat(wal, &st), 0);
    assert_int_equal(st.st_mode & 0777, 0600);
    db_close(db);
}

#define T(name) cmocka_unit_test_setup_teardown(name, fixture_up, fixture_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        T(values_come_back_as_they_went),   T(many_rows_are_gathered_in_order),    T(mistakes_are_told),
        T(constraints_have_their_codes),    T(savepoints_undo_their_part),         T(full_disk_loses_the_transaction),
        T(readers_see_committed_snapshots), T(a_read_past_its_deadline_ends),      T(rows_one_at_a_time),
        T(memory_is_shared_by_name),        T(the_log_is_kept_until_a_checkpoint), T(damage_is_told_at_open),
        T(a_new_file_is_its_owners),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

/* What is recovered of a long write-ahead log, whole or cut or damaged, is what SQLite itself recovers of it; what is
 * written to one is what was committed. */
#include "store/fixture.h"

#include <fcntl.h>
#include <sqlite3.h>

#define COMMITS 150
#define LOG_MIN (1 << 20) /* several windows */

struct log {
    struct fixture *f;
    char *db, *wal;
    size_t db_n, wal_n;
};

static char *read_all(const char *path, size_t *n)
{
    int fd = open(path, O_RDONLY);
    assert_true(fd >= 0);
    *n = (size_t)lseek(fd, 0, SEEK_END);
    char *p = malloc(*n);
    assert_int_equal(pread(fd, p, *n, 0), *n);
    close(fd);
    return p;
}

static void write_all(const char *path, const char *p, size_t n)
{
    int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC, 0600);
    assert_true(fd >= 0);
    assert_int_equal(write(fd, p, n), n);
    close(fd);
}

/* A database all of which is in its log, as a killed process leaves it. */
static int up(void **state)
{
    struct log *l = calloc(1, sizeof(*l));
    char path[128];
    if (!l || fixture_up((void **)&l->f) != 0)
        return -1;
    struct ctx *cx = &l->f->cx;
    cx->db = fixture_open(l->f, DB_WRITE);
    fixture_exec(cx, "CREATE TABLE t (id INTEGER PRIMARY KEY, x BLOB)");
    for (int64_t i = 0; i < COMMITS; i++)
        assert_ok(cx, db_query(cx, "INSERT INTO t (id, x) VALUES ($1, randomblob(9000))", DB_ARGS(DB_I(i)), NULL));
    l->db = read_all(l->f->file, &l->db_n);
    snprintf(path, sizeof(path), "%s-wal", l->f->file);
    l->wal = read_all(path, &l->wal_n);
    assert_true(l->wal_n > LOG_MIN);
    db_close(cx->db);
    cx->db = NULL;
    *state = l;
    return 0;
}

static int down(void **state)
{
    struct log *l = *state;
    free(l->db);
    free(l->wal);
    fixture_down((void **)&l->f);
    free(l);
    return 0;
}

/* The files as they were, with this log. */
static void place(const struct log *l, const char *wal, size_t n)
{
    char path[128];
    snprintf(path, sizeof(path), "%s-shm", l->f->file);
    unlink(path);
    write_all(l->f->file, l->db, l->db_n);
    snprintf(path, sizeof(path), "%s-wal", l->f->file);
    write_all(path, wal, n);
}

#define SUM "SELECT count(*) * 1000003 + total(length(x)) + coalesce(max(id), 0) FROM t"

static int64_t by_sqlite(const struct log *l)
{
    sqlite3 *h;
    sqlite3_stmt *s;
    int64_t sum = -1; /* not even the table */
    assert_int_equal(sqlite3_open_v2(l->f->file, &h, SQLITE_OPEN_READWRITE, NULL), SQLITE_OK);
    if (sqlite3_prepare_v2(h, SUM, -1, &s, NULL) == SQLITE_OK) {
        assert_int_equal(sqlite3_step(s), SQLITE_ROW);
        sum = sqlite3_column_int64(s, 0);
    }
    sqlite3_finalize(s);
    sqlite3_close(h);
    return sum;
}

static int64_t by_tern(const struct log *l)
{
    struct db_rows rows;
    struct ctx *cx = &l->f->cx;
    int64_t sum = -1;
    cx->db = fixture_open(l->f, DB_WRITE);
    if (db_query_dynamic(cx, STR("SELECT CAST((" SUM ") AS INTEGER)"), NULL, 0, &rows) == CODE_OK)
        sum = rows.v[0].i;
    ctx_clear_err(cx);
    db_close(cx->db);
    cx->db = NULL;
    return sum;
}

static int64_t recovered_alike(const struct log *l, const char *wal, size_t n)
{
    place(l, wal, n);
    int64_t expected = by_sqlite(l);
    place(l, wal, n);
    assert_int_equal(by_tern(l), expected);
    return expected;
}

static void test_cut_anywhere(void **state)
{
    struct log *l = *state;
    int64_t whole = recovered_alike(l, l->wal, l->wal_n), last = -1;
    for (size_t n = 0; n < l->wal_n; n += l->wal_n / 60 + 1) {
        int64_t sum = recovered_alike(l, l->wal, n);
        assert_true(sum >= last);
        last = sum;
    }
    assert_true(last > 0 && last < whole);
}

static void test_damaged_anywhere(void **state)
{
    struct log *l = *state;
    int64_t whole = recovered_alike(l, l->wal, l->wal_n);
    for (size_t at = 40; at < l->wal_n; at += l->wal_n / 40 + 1) {
        l->wal[at] ^= 1;
        assert_true(recovered_alike(l, l->wal, l->wal_n) < whole);
        l->wal[at] ^= 1;
    }
}

/* The log goes on to be written and read after it was recovered. */
static void test_goes_on_after_recovery(void **state)
{
    struct log *l = *state;
    struct ctx *cx = &l->f->cx;
    place(l, l->wal, l->wal_n / 2);
    struct db *writer = cx->db = fixture_open(l->f, DB_WRITE), *reader = fixture_open(l->f, DB_READ);
    int64_t had = fixture_int(cx, "SELECT count(*) FROM t");
    for (int64_t i = 1; i <= 40; i++) {
        cx->db = writer;
        assert_ok(cx, db_query(cx, "INSERT INTO t (x) VALUES (randomblob(9000))", NULL, 0, NULL));
        cx->db = reader;
        assert_int_equal(fixture_int(cx, "SELECT count(*) FROM t WHERE length(x)=9000"), had + i);
    }
    db_close(reader);
    cx->db = writer;
    struct db_rows rows;
    assert_ok(cx, db_query_dynamic(cx, STR("PRAGMA integrity_check"), NULL, 0, &rows));
    assert_str_equal(rows.v[0].s, "ok");
    db_close(writer);
    cx->db = NULL;
}

static void insert_large(struct ctx *cx, int64_t n)
{
    for (int64_t i = 0; i < n; i++)
        assert_ok(cx, db_query(cx, "INSERT INTO t (x) VALUES (randomblob(9000))", NULL, 0, NULL));
}

/* Transactions that do not fit into the cache go to the log before their commit, and the same pages again and again. */
static void test_more_than_the_cache_holds(void **state)
{
    struct log *l = *state;
    struct ctx *cx = &l->f->cx;
    struct db_rows rows;
    place(l, l->wal, l->wal_n);
    struct db *writer = cx->db = fixture_open(l->f, DB_WRITE), *reader = fixture_open(l->f, DB_READ);
    fixture_exec(cx, "PRAGMA cache_size=5");
    int64_t had = fixture_int(cx, "SELECT count(*) FROM t");
    for (int64_t i = 1; i <= 5; i++) {
        cx->db = writer;
        assert_ok(cx, db_begin(cx, DB_WRITE)); /* given up as a whole */
        insert_large(cx, 30);
        db_rollback(cx);
        assert_ok(cx, db_begin(cx, DB_WRITE));
        insert_large(cx, 10);
        assert_ok(cx, db_savepoint(cx)); /* given up in part */
        insert_large(cx, 30);
        db_rollback_to(cx);
        assert_ok(cx, db_query(cx, "UPDATE t SET x=randomblob(8000) WHERE id % 3 = 0", NULL, 0, NULL));
        assert_ok(cx, db_query(cx, "UPDATE t SET x=randomblob(7000) WHERE id % 3 = 0", NULL, 0, NULL));
        cx->db = reader;
        assert_int_equal(fixture_int(cx, "SELECT count(*) FROM t"), had + (i - 1) * 10);
        cx->db = writer;
        assert_ok(cx, db_commit(cx));
        cx->db = reader;
        assert_int_equal(fixture_int(cx, "SELECT count(*) FROM t"), had + i * 10);
        assert_int_equal(fixture_int(cx, "SELECT count(*) FROM t WHERE id % 3 = 0 AND length(x)<>7000"), 0);
    }
    /* as a killed process leaves it */
    free(l->db);
    free(l->wal);
    char path[128];
    l->db = read_all(l->f->file, &l->db_n);
    snprintf(path, sizeof(path), "%s-wal", l->f->file);
    l->wal = read_all(path, &l->wal_n);
    db_close(reader);
    db_close(writer);
    recovered_alike(l, l->wal, l->wal_n);
    place(l, l->wal, l->wal_n);
    cx->db = fixture_open(l->f, DB_WRITE);
    assert_int_equal(fixture_int(cx, "SELECT count(*) FROM t"), had + 50);
    assert_ok(cx, db_query_dynamic(cx, STR("PRAGMA integrity_check"), NULL, 0, &rows));
    assert_str_equal(rows.v[0].s, "ok");
    db_close(cx->db);
    cx->db = NULL;
}

#define log_test(name) cmocka_unit_test_setup_teardown(name, up, down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        log_test(test_cut_anywhere),
        log_test(test_damaged_anywhere),
        log_test(test_goes_on_after_recovery),
        log_test(test_more_than_the_cache_holds),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

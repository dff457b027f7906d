/* Statements of the SQLite driver: preparing, binding $n, reading rows. On the connection's thread. */
#include "store/sqlite_stmt_int.h"

#include "base/mem.h"
#include "base/vec.h"

/* ---- the cache ------------------------------------------------------------------------------------------------- */

static size_t slot_of(const struct db *db, const char *sql)
{
    uint64_t x = (uint64_t)(uintptr_t)sql * UINT64_C(0x9e3779b97f4a7c15);
    size_t i = (size_t)(x >> 32) & (db->cap - 1);
    while (db->stmts[i].sql && db->stmts[i].sql != sql)
        i = (i + 1) & (db->cap - 1);
    return i;
}

static void grow(struct db *db)
{
    struct stmt *old = db->stmts;
    size_t n = db->cap;
    db->cap = n ? n * 2 : 64;
    db->stmts = mem_alloc_array(db->cap, sizeof(*db->stmts));
    for (size_t i = 0; i < n; i++)
        if (old[i].sql)
            db->stmts[slot_of(db, old[i].sql)] = old[i];
    mem_free(old);
}

static void drop(struct stmt *s)
{
    sqlite3_finalize(s->h);
    mem_free(s->arg);
    *s = (struct stmt){0};
}

void store_sqlite_stmt_drop_all(struct db *db)
{
    for (size_t i = 0; i < db->cap; i++)
        if (db->stmts[i].sql)
            drop(&db->stmts[i]);
    mem_free(db->stmts);
    db->stmts = NULL;
    db->n = db->cap = 0;
}

/* SQLite numbers $n by first appearance: notes for each of its indexes which argument is meant. */
static enum code map_args(struct ctx *cx, struct stmt *s)
{
    s->args = (size_t)sqlite3_bind_parameter_count(s->h);
    s->arg = s->args ? mem_alloc_array(s->args, sizeof(*s->arg)) : NULL;
    for (size_t i = 0; i < s->args; i++) {
        const char *name = sqlite3_bind_parameter_name(s->h, (int)i + 1);
        int64_t number;
        if (!name || name[0] != '$' || !str_to_i64(str_from(name + 1), &number) || number < 1 || number > UINT16_MAX)
            return fail(cx, CODE_INTERNAL, "placeholder %s is not $1, $2, ...: %.80s", name ? name : "?",
                        sqlite3_sql(s->h));
        s->arg[i] = (uint16_t)number;
    }
    return CODE_OK;
}

static enum code prepare(struct ctx *cx, str sql, unsigned flags, struct stmt *out)
{
    struct stmt s = {0};
    const char *rest = NULL;
    int rc = sqlite3_prepare_v3(cx->db->h, sql.p, (int)sql.n, flags, &s.h, &rest);
    if (rc != SQLITE_OK)
        return store_sqlite_fail(cx, cx->db, rc, "prepare");
    if (!s.h || str_trim(str_make(rest, (size_t)(sql.p + sql.n - rest))).n) {
        sqlite3_finalize(s.h);
        return fail(cx, CODE_INTERNAL, "not one statement: %.80s", sql.p);
    }
    enum code code = map_args(cx, &s);
    if (code != CODE_OK) {
        drop(&s);
        return code;
    }
    *out = s;
    return CODE_OK;
}

/* Finds or prepares. *out stays valid until the next call. */
static enum code cached(struct ctx *cx, const char *sql, struct stmt *out)
{
    struct db *db = cx->db;
    if (db->n * 2 >= db->cap)
        grow(db);
    struct stmt *s = &db->stmts[slot_of(db, sql)];
    if (!s->sql) {
        TRY(prepare(cx, str_from(sql), SQLITE_PREPARE_PERSISTENT, s));
        s->sql = sql;
        db->n++;
    }
    if (strcmp(sqlite3_sql(s->h), sql) != 0)
        return fail(cx, CODE_INTERNAL, "db_query needs a literal, use db_query_dynamic: %.80s", sql);
    *out = *s;
    return CODE_OK;
}

enum code store_sqlite_stmt_get(struct ctx *cx, const char *sql, sqlite3_stmt **out)
{
    struct stmt s;
    TRY(cached(cx, sql, &s));
    *out = s.h;
    return CODE_OK;
}

/* ---- values ---------------------------------------------------------------------------------------------------- */

static int bind_one(sqlite3_stmt *h, int at, const struct db_value *v)
{
    const char *p = v->s.p ? v->s.p : ""; /* SQLite takes a NULL pointer for NULL */
    switch (v->kind) {
    case DB_NULL:
        return sqlite3_bind_null(h, at);
    case DB_INT:
        return sqlite3_bind_int64(h, at, v->i);
    case DB_REAL:
        return sqlite3_bind_double(h, at, v->f);
    case DB_TEXT:
        return sqlite3_bind_text64(h, at, p, v->s.n, SQLITE_STATIC, SQLITE_UTF8);
    case DB_BLOB:
        return sqlite3_bind_blob64(h, at, p, v->s.n, SQLITE_STATIC);
    }
    return SQLITE_MISUSE;
}

static enum code bind_all(struct ctx *cx, const struct stmt *s, const struct db_value *args, size_t n)
{
    for (size_t i = 0; i < s->args; i++) {
        if (s->arg[i] > n)
            return fail(cx, CODE_INTERNAL, "no argument for $%d: %.80s", s->arg[i], sqlite3_sql(s->h));
        int rc = bind_one(s->h, (int)i + 1, &args[s->arg[i] - 1]);
        if (rc != SQLITE_OK)
            return store_sqlite_fail(cx, cx->db, rc, "bind");
    }
    return CODE_OK;
}

/* Borrows texts and blobs from SQLite until the next step. One look-up of the column, since the connection is this
 * thread's alone: sqlite3_column_...() would look it up for the type, the text and its length. */
static void read_value(sqlite3_stmt *h, int c, struct db_value *v)
{
    sqlite3_value *from = sqlite3_column_value(h, c);
    *v = (struct db_value){.kind = DB_NULL};
    switch (sqlite3_value_type(from)) {
    case SQLITE_INTEGER:
        v->kind = DB_INT;
        v->i = sqlite3_value_int64(from);
        break;
    case SQLITE_FLOAT:
        v->kind = DB_REAL;
        v->f = sqlite3_value_double(from);
        break;
    case SQLITE_TEXT:
        v->kind = DB_TEXT;
        v->s.p = (const char *)sqlite3_value_text(from);
        v->s.n = (size_t)sqlite3_value_bytes(from);
        break;
    case SQLITE_BLOB:
        v->kind = DB_BLOB;
        v->s.p = sqlite3_value_blob(from);
        v->s.n = (size_t)sqlite3_value_bytes(from);
        break;
    default:
        break;
    }
}

/* ---- running --------------------------------------------------------------------------------------------------- */

/* Rows are gathered (rows) or handed to fn; both NULL: dropped. */
struct sink {
    struct db_rows *rows;
    size_t cap;
    db_row_fn *fn;
    void *arg;
};

static enum code gather(struct ctx *cx, sqlite3_stmt *h, struct sink *to)
{
    struct db_rows *rows = to->rows;
    if (rows->n == to->cap) {
        size_t row = rows->cols * sizeof(*rows->v), more = to->cap ? to->cap * 4 : 1; /* most results are one row */
        rows->v = arena_grow_raw(cx->mem, rows->v, to->cap * row, more * row);
        to->cap = more;
    }
    struct db_value *v = rows->v + rows->n * rows->cols;
    for (size_t c = 0; c < rows->cols; c++) {
        read_value(h, (int)c, &v[c]);
        if (v[c].kind == DB_TEXT || v[c].kind == DB_BLOB)
            v[c].s = arena_str(cx->mem, v[c].s);
    }
    rows->n++;
    if (cx->mem->cap && cx->mem->used > cx->mem->cap)
        return fail(cx, CODE_RESOURCE_EXHAUSTED, "the result is too large");
    return CODE_OK;
}

static enum code hand_over(struct ctx *cx, sqlite3_stmt *h, struct sink *to)
{
    size_t cols = (size_t)sqlite3_column_count(h);
    struct db_value *v = arena_new_array(cx->mem, struct db_value, cols);
    int rc;
    do {
        for (size_t c = 0; c < cols; c++)
            read_value(h, (int)c, &v[c]);
        TRY(to->fn(cx, v, to->arg));
        rc = sqlite3_step(h);
    } while (rc == SQLITE_ROW);
    return rc == SQLITE_DONE ? CODE_OK : store_sqlite_fail(cx, cx->db, rc, "read");
}

static enum code step_all(struct ctx *cx, sqlite3_stmt *h, struct sink *to)
{
    int rc = sqlite3_step(h);
    if (rc == SQLITE_ROW && to->fn)
        return hand_over(cx, h, to);
    for (; rc == SQLITE_ROW; rc = sqlite3_step(h))
        if (to->rows)
            TRY(gather(cx, h, to));
    return rc == SQLITE_DONE ? CODE_OK : store_sqlite_fail(cx, cx->db, rc, "query");
}

/* Errors after which a write transaction cannot be relied on: SQLite rolls back most of them by itself, we the rest, so
 * that there is one rule (D-01). */
static bool loses_transaction(int rc)
{
    switch (rc & 0xff) {
    case SQLITE_FULL:
    case SQLITE_IOERR:
    case SQLITE_NOMEM:
    case SQLITE_INTERRUPT:
    case SQLITE_CORRUPT:
    case SQLITE_NOTADB:
    case SQLITE_CANTOPEN:
    case SQLITE_READONLY:
    case SQLITE_PROTOCOL:
    case SQLITE_BUSY:
    case SQLITE_LOCKED:
        return true;
    default:
        return false;
    }
}

static enum code run(struct ctx *cx, const struct stmt *s, const struct db_value *args, size_t n, struct sink *to)
{
    struct db *db = cx->db;
    TRY(bind_all(cx, s, args, n));
    if (to->rows)
        *to->rows = (struct db_rows){.cols = (size_t)sqlite3_column_count(s->h)};
    db->deadline_ns = cx->deadline_ns;
    enum code code = step_all(cx, s->h, to);
    int rc = sqlite3_reset(s->h); /* tells the error of the last step again */
    if (code != CODE_OK) {
        if (db->mode == DB_WRITE && db_in_transaction(db) && loses_transaction(rc))
            store_sqlite_roll_back(db);
        return code;
    }
    if (to->rows && !sqlite3_stmt_readonly(s->h))
        to->rows->changed = sqlite3_changes64(db->h);
    return CODE_OK;
}

/* Once the transaction is lost, a statement would run, and commit, on its own. */
static enum code check_transaction(struct ctx *cx)
{
    if (cx->db->in_tx && sqlite3_get_autocommit(cx->db->h))
        return fail(cx, CODE_UNAVAILABLE, "the transaction was rolled back by an earlier error");
    return CODE_OK;
}

static enum code run_dynamic(struct ctx *cx, str sql, const struct db_value *args, size_t n, struct sink *to)
{
    struct stmt s;
    TRY(check_transaction(cx));
    TRY(prepare(cx, sql, 0, &s));
    enum code code = run(cx, &s, args, n, to);
    drop(&s);
    return code;
}

static enum code run_kept(struct ctx *cx, const char *sql, const struct db_value *args, size_t n, struct sink *to)
{
    struct stmt s;
    TRY(check_transaction(cx));
    TRY(cached(cx, sql, &s));
    if (sqlite3_stmt_busy(s.h)) /* a db_each() further up is walking it */
        return run_dynamic(cx, str_from(sql), args, n, to);
    return run(cx, &s, args, n, to);
}

enum code db_query(struct ctx *cx, const char *sql, const struct db_value *args, size_t n, struct db_rows *out)
{
    struct db_rows rows;
    TRY(run_kept(cx, sql, args, n, &(struct sink){.rows = out ? &rows : NULL}));
    if (out)
        *out = rows;
    return CODE_OK;
}

enum code db_query_dynamic(struct ctx *cx, str sql, const struct db_value *args, size_t n, struct db_rows *out)
{
    struct db_rows rows;
    TRY(run_dynamic(cx, sql, args, n, &(struct sink){.rows = out ? &rows : NULL}));
    if (out)
        *out = rows;
    return CODE_OK;
}

enum code db_each(struct ctx *cx, const char *sql, const struct db_value *args, size_t n, db_row_fn *fn, void *arg)
{
    return run_kept(cx, sql, args, n, &(struct sink){.fn = fn, .arg = arg});
}

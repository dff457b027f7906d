/* The driver seam: what a metadata database must do. SQL is written once, in the common dialect of SQLite and PostgreSQL,
 * with $1 placeholders, in the table files beside this one. A struct db is one connection and belongs to one thread. */
#ifndef STORE_DB_H
#define STORE_DB_H

#include "base/ctx.h"

enum db_mode { DB_READ, DB_WRITE };

struct db_value {
    enum { DB_NULL, DB_INT, DB_TEXT, DB_BLOB, DB_REAL } kind;
    int64_t i;
    str s;
    double f;
};

#define DB_I(v) ((struct db_value){.kind = DB_INT, .i = (int64_t)(v)})
#define DB_S(v) ((struct db_value){.kind = DB_TEXT, .s = (v)})
#define DB_B(v) ((struct db_value){.kind = DB_BLOB, .s = (v)})
#define DB_N ((struct db_value){.kind = DB_NULL})
/* NULL for the empty string, so that "absent" is one thing in the database. */
#define DB_S_OR_NULL(v) ((v).n ? DB_S(v) : DB_N)

/* Rows live in cx->mem. Row r, column c: rows->v[r * rows->cols + c]. */
struct db_rows {
    struct db_value *v;
    size_t n, cols;
    int64_t changed; /* rows that an INSERT, UPDATE or DELETE touched */
};

static inline const struct db_value *db_row(const struct db_rows *rows, size_t r)
{
    return rows->v + r * rows->cols;
}

/* Opens a connection: "sqlite:/path/tern.db", "sqlite::memory:name" (shared by all connections of the process). */
must_check_ enum code db_open(struct ctx *cx, str url, enum db_mode mode, struct db **out);
void db_close(struct db *db);

/* Runs one statement on cx->db. sql must be a literal (or otherwise live as long as the process): prepared statements are
 * kept by its address. Errors: ALREADY_EXISTS (unique), FAILED_PRECONDITION (other constraint), RESOURCE_EXHAUSTED (full
 * disk), UNAVAILABLE (busy), INTERNAL. out may be NULL. */
must_check_ enum code db_query(struct ctx *cx, const char *sql, const struct db_value *args, size_t n,
                               struct db_rows *out);
/* SQL that was put together at run time (filters): not kept. */
must_check_ enum code db_query_dynamic(struct ctx *cx, str sql, const struct db_value *args, size_t n,
                                       struct db_rows *out);

#define DB_ARGS(...)                                                                                                   \
    (const struct db_value[]){__VA_ARGS__}, sizeof((const struct db_value[]){__VA_ARGS__}) / sizeof(struct db_value)

must_check_ enum code db_begin(struct ctx *cx, enum db_mode mode);
/* RESOURCE_EXHAUSTED or UNAVAILABLE: rolled back, nothing happened. DATA_LOSS: outcome unknown, the process must end
 * without acknowledging anything (D-01). */
must_check_ enum code db_commit(struct ctx *cx);
void db_rollback(struct ctx *cx);
must_check_ enum code db_savepoint(struct ctx *cx);
must_check_ enum code db_release(struct ctx *cx);
void db_rollback_to(struct ctx *cx);
/* False once an error has rolled back the whole transaction. */
bool db_in_transaction(const struct db *db);

/* Applies store/migrations/NNNN_*.sql that are missing, each in a transaction, after copying an existing database. Errors:
 * FAILED_PRECONDITION when the database is from a newer version. */
must_check_ enum code db_migrate(struct ctx *cx, str url);

#endif

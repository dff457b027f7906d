/* The driver seam: what a metadata database must do. SQL is written once, in the common dialect of SQLite and
 * PostgreSQL, with $1 placeholders, in the table files beside this one. A struct db is one connection and belongs to
 * one thread. */
#ifndef STORE_DB_H
#define STORE_DB_H

#include "base/ctx.h"

enum db_mode { DB_READ, DB_WRITE };

/* NULL is 0 and empty: whoever knows the column's type need not look at the kind. */
struct db_value {
    enum { DB_NULL, DB_INT, DB_TEXT, DB_BLOB, DB_REAL } kind;
    union {
        str s; /* the largest comes first, so that {0} is all of it */
        int64_t i;
        double f;
    };
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

/* Opens a connection: "sqlite:/path/tern.db", "sqlite::memory:name" (shared by all connections of the process, gone
 * with the last one; a writer and readers exclude each other there). DB_WRITE makes the file when it is missing. Only
 * the header and the schema are looked at. Errors: NOT_FOUND (DB_READ, no file), DATA_LOSS (damaged, or no database),
 * UNAVAILABLE. */
must_check_ enum code db_open(struct ctx *cx, str url, enum db_mode mode, struct db **out);
void db_close(struct db *db);
/* For cleanup_(); accepts NULL. */
static inline void db_cleanup(struct db **db)
{
    if (*db)
        db_close(*db);
}

/* Runs one statement on cx->db. sql must be a literal (or otherwise live as long as the process): prepared statements
 * are kept by its address. Errors: ALREADY_EXISTS (unique), FAILED_PRECONDITION (other constraint), RESOURCE_EXHAUSTED
 * (full disk, or a result over the arena's cap), UNAVAILABLE (busy, I/O error, transaction lost), DEADLINE_EXCEEDED (a
 * read that ran past cx->deadline_ns), DATA_LOSS (damaged), INTERNAL. Those of the disk lose the whole write
 * transaction: ask db_in_transaction(); until db_rollback() every further statement is refused. out may be NULL. */
must_check_ enum code db_query(struct ctx *cx, const char *sql, const struct db_value *args, size_t n,
                               struct db_rows *out);
/* SQL that was put together at run time (filters): not kept. */
must_check_ enum code db_query_dynamic(struct ctx *cx, str sql, const struct db_value *args, size_t n,
                                       struct db_rows *out);

/* One row at a time: the values are borrowed and gone when fn returns; an error of fn ends the walk. fn may run other
 * statements. For results that need not be in memory at once. */
typedef enum code db_row_fn(struct ctx *cx, const struct db_value *row, void *arg);
must_check_ enum code db_each(struct ctx *cx, const char *sql, const struct db_value *args, size_t n, db_row_fn *fn,
                              void *arg);

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

/* Whose connection this is: the write lane leaves its batch here, so that what a write entry publishes finds it. */
void db_set_owner(struct db *db, void *owner);
void *db_owner(const struct db *db); /* accepts NULL */

/* A place for what is kept of rows with the connection (kept_int.h); drop frees it with it, and whenever something is
 * rolled back: a row that was kept may be undone. */
void **db_memo(struct db *db, void (*drop)(void *memo));
void db_memo_drop(struct db *db);

/* Size of the write-ahead log after this connection's last commit; 0 when there is none. */
int64_t db_wal_bytes(const struct db *db);
/* Moves what no reader needs any more from the log into the database, waiting for nobody; *moved is how much of the
 * log, from its start, is in the database now. When that is all of it, the next commit starts the log anew. Nothing
 * does this by itself (D-15). DATA_LOSS when an fsync failed. */
must_check_ enum code db_checkpoint(struct ctx *cx, int64_t *moved);

/* Applies store/migrations/NNNN_*.sql that are missing, each in a transaction, after copying an existing database.
 * Errors: FAILED_PRECONDITION when the database is from a newer version or not Tern's, DATA_LOSS when an earlier
 * process met damage and a check confirms it. */
must_check_ enum code db_migrate(struct ctx *cx, str url);

#endif

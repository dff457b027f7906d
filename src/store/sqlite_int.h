/* What sqlite.c, migrate.c and backup.c share: the inside of a connection. */
#ifndef STORE_SQLITE_INT_H
#define STORE_SQLITE_INT_H

#include "store/db.h"

#include <sqlite3.h>

/* A prepared statement and, for each of SQLite's parameter indexes, the number after the $. */
struct stmt {
    const char *sql; /* NULL = free slot */
    sqlite3_stmt *h;
    uint16_t *arg;
    size_t args;
};

struct db {
    sqlite3 *h;
    char *path; /* NULL when in memory */
    enum db_mode mode;
    bool in_tx;          /* between db_begin and db_commit or db_rollback, whatever SQLite did meanwhile */
    bool open;           /* db_open() has returned */
    bool damaged;        /* told once */
    int64_t deadline_ns; /* of the running statement; read connections only */
    int wal_frames;
    int page_bytes;
    void *owner;
    void *memo;
    void (*drop_memo)(void *memo);
    struct stmt *stmts; /* open addressing by the address of the SQL */
    size_t n, cap;
};

/* sqlite_log.c: the VFS that databases in files are opened with, above the default one. Before the first is opened; tests
 * that change the default call it again. */
#define STORE_SQLITE_VFS "tern"
void store_sqlite_log_init(void);
/* After a transaction was rolled back: what it wrote to the log and is not in the file shall never be. */
void store_sqlite_log_forget(sqlite3 *h);
/* Of the whole transaction. */
void store_sqlite_roll_back(struct db *db);

/* Sets cx->err from the connection's last error rc; what is "being done", e.g. "open /x/tern.db". */
enum code store_sqlite_fail(struct ctx *cx, struct db *db, int rc, const char *what);
/* Runs a script outside the statement cache. */
must_check_ enum code store_sqlite_exec(struct ctx *cx, struct db *db, const char *sql);
/* The file of a URL, NUL-terminated in cx->mem; empty for an in-memory database. */
must_check_ enum code store_sqlite_path(struct ctx *cx, str url, str *path);
/* The file whose presence says that damage was met: the next start checks everything. */
str store_sqlite_damage_mark(struct ctx *cx, str path);

#endif

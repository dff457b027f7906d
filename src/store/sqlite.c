/* The SQLite driver: opening, errors, transactions. Statements are in sqlite_stmt.c.
 *
 * A connection belongs to one thread (SQLite's own mutex is off). Files are in WAL mode with synchronous=FULL, so that
 * a commit that returned is on disk. Never open(2) and close the database file in a process that has it open here:
 * closing any descriptor of it drops SQLite's locks. */
#include "store/sqlite_int.h"

#include "base/log.h"
#include "base/mem.h"
#include "base/time.h"
#include "store/sqlite_stmt_int.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <sys/stat.h>
#include <unistd.h>

#define BUSY_MS 5000
/* Steps of SQLite's virtual machine between two looks at the clock: about a millisecond. */
#define STEPS_PER_LOOK 50000

/* ---- errors ---------------------------------------------------------------------------------------------------- */

static enum code code_of(int rc)
{
    switch (rc) {
    case SQLITE_CONSTRAINT_UNIQUE:
    case SQLITE_CONSTRAINT_PRIMARYKEY:
    case SQLITE_CONSTRAINT_ROWID:
        return CODE_ALREADY_EXISTS;
    }
    switch (rc & 0xff) {
    case SQLITE_CONSTRAINT:
        return CODE_FAILED_PRECONDITION;
    case SQLITE_FULL:
    case SQLITE_NOMEM:
        return CODE_RESOURCE_EXHAUSTED;
    case SQLITE_BUSY:
    case SQLITE_LOCKED:
    case SQLITE_PROTOCOL:
    case SQLITE_IOERR:
    case SQLITE_CANTOPEN:
    case SQLITE_READONLY:
        return CODE_UNAVAILABLE;
    case SQLITE_INTERRUPT:
        return CODE_DEADLINE_EXCEEDED;
    case SQLITE_CORRUPT:
    case SQLITE_NOTADB:
        return CODE_DATA_LOSS;
    default:
        return CODE_INTERNAL;
    }
}

str store_sqlite_damage_mark(struct ctx *cx, str path)
{
    return arena_printf(cx->mem, STR_FMT ".damaged", STR_ARG(path));
}

/* Leaves the mark that makes the next start check the whole database. Best effort: the disk may be failing. */
static void note_damage(struct ctx *cx, struct db *db)
{
    if (!db->path || db->damaged)
        return;
    db->damaged = true;
    int fd = open(store_sqlite_damage_mark(cx, str_from(db->path)).p, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
    if (fd >= 0)
        close(fd);
    log_error(cx, "the database reported damage; the next start checks all of it", LOG_CSTR("file", db->path),
              LOG_CSTR("error", sqlite3_errmsg(db->h)));
}

enum code store_sqlite_fail(struct ctx *cx, struct db *db, int rc, const char *what)
{
    const char *msg = db && db->h ? sqlite3_errmsg(db->h) : sqlite3_errstr(rc);
    enum code code = code_of(rc);
    if ((rc & 0xff) == SQLITE_CORRUPT && db && db->open)
        note_damage(cx, db);
    if (code == CODE_DATA_LOSS)
        return fail(cx, code, "%s: the database is damaged or is none (%s); restore a backup", what, msg);
    if (code == CODE_ALREADY_EXISTS || code == CODE_FAILED_PRECONDITION)
        return fail(cx, code, "%s", msg);
    return fail(cx, code, "%s: %s (%d)", what, msg, rc);
}

/* ---- opening --------------------------------------------------------------------------------------------------- */

static void init_library(void)
{
    /* Per-process counters of SQLite's memory are a lock on every allocation. */
    sqlite3_config(SQLITE_CONFIG_MEMSTATUS, 0);
    sqlite3_initialize();
    store_sqlite_log_init();
}

static bool is_plain_name(str s)
{
    for (size_t i = 0; i < s.n; i++) {
        char c = s.p[i];
        if (!((c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-' || c == '_'))
            return false;
    }
    return s.n > 0;
}

/* The argument of sqlite3_open_v2(). *file is false for memory. */
static enum code parse_url(struct ctx *cx, str url, str *target, bool *file)
{
    if (!str_starts(url, STR("sqlite:")))
        return fail(cx, CODE_INVALID_ARGUMENT,
                    "database URL \"" STR_FMT "\" does not begin with sqlite:", STR_ARG(url));
    str rest = str_skip(url, 7);
    *file = !str_starts(rest, STR(":memory:"));
    if (*file) {
        if (!rest.n || rest.p[0] != '/' || memchr(rest.p, 0, rest.n))
            return fail(cx, CODE_INVALID_ARGUMENT, "database path \"" STR_FMT "\" is not absolute", STR_ARG(rest));
        *target = arena_str(cx->mem, rest);
        return CODE_OK;
    }
    str name = str_skip(rest, 8);
    if (!is_plain_name(name))
        return fail(cx, CODE_INVALID_ARGUMENT, "an in-memory database needs a name of letters and digits");
    *target = arena_printf(cx->mem, "file:/" STR_FMT "?vfs=memdb", STR_ARG(name));
    return CODE_OK;
}

enum code store_sqlite_path(struct ctx *cx, str url, str *path)
{
    bool file;
    str target;
    TRY(parse_url(cx, url, &target, &file));
    *path = file ? target : STR("");
    return CODE_OK;
}

/* Makes the file for its owner alone; the log and the index beside it inherit that. An existing file is not touched:
 * closing a descriptor of it would drop the locks of connections that this process has. */
static void make_private(const char *path)
{
    int fd = open(path, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    if (fd >= 0)
        close(fd);
}

static int on_commit(void *arg, sqlite3 *h, const char *name, int frames)
{
    struct db *db = arg;
    (void)h;
    (void)name;
    db->wal_frames = frames;
    return SQLITE_OK;
}

static int on_progress(void *arg)
{
    struct db *db = arg;
    return db->deadline_ns != INT64_MAX && time_now_ns() > db->deadline_ns;
}

enum code store_sqlite_exec(struct ctx *cx, struct db *db, const char *sql)
{
    int rc = sqlite3_exec(db->h, sql, NULL, NULL, NULL);
    return rc == SQLITE_OK ? CODE_OK : store_sqlite_fail(cx, db, rc, db->path ? db->path : "in-memory database");
}

/* Files must be in WAL mode; some network file systems cannot, and there a crash could lose what was acknowledged. */
static enum code set_wal(struct ctx *cx, struct db *db)
{
    struct db_rows rows;
    TRY(db_query(cx, "PRAGMA journal_mode=WAL", NULL, 0, &rows));
    if (!rows.n || !str_eq(rows.v[0].s, STR("wal")))
        return fail(cx, CODE_FAILED_PRECONDITION, "%s: its file system does not support a write-ahead log", db->path);
    return CODE_OK;
}

/* Small caches: the kernel has the pages too. The schema is read here, so a damaged file is told at once. No mmap: an
 * I/O error there is a signal, not an error code. */
static enum code configure(struct ctx *cx, struct db *db)
{
    sqlite3_extended_result_codes(db->h, 1);
    sqlite3_busy_timeout(db->h, BUSY_MS);
    sqlite3_wal_autocheckpoint(db->h, 0);
    TRY(store_sqlite_exec(cx, db,
                          "PRAGMA synchronous=FULL; PRAGMA foreign_keys=ON; PRAGMA temp_store=MEMORY;"
                          "PRAGMA secure_delete=FAST; PRAGMA mmap_size=0"));
    struct db_rows rows;
    TRY(db_query(cx, "PRAGMA schema_version", NULL, 0, NULL));
    TRY(db_query(cx, "SELECT count(*) FROM sqlite_schema", NULL, 0, NULL));
    if (db->mode == DB_READ) {
        sqlite3_progress_handler(db->h, STEPS_PER_LOOK, on_progress, db);
        return store_sqlite_exec(cx, db, "PRAGMA query_only=ON; PRAGMA cache_size=-2000");
    }
    if (db->path)
        TRY(set_wal(cx, db));
    sqlite3_wal_hook(db->h, on_commit, db);
    TRY(db_query(cx, "PRAGMA page_size", NULL, 0, &rows));
    db->page_bytes = (int)rows.v[0].i;
    return store_sqlite_exec(cx, db, "PRAGMA cache_size=-8000; PRAGMA journal_size_limit=16777216");
}

/* Runs with cx->db = db, so that the driver's own functions can be used, and puts the caller's connection back. */
static enum code open_handle(struct ctx *cx, struct db *db, str target, bool file)
{
    int flags = SQLITE_OPEN_READWRITE | SQLITE_OPEN_NOMUTEX | SQLITE_OPEN_EXRESCODE;
    if (db->mode == DB_WRITE || !file)
        flags |= SQLITE_OPEN_CREATE;
    if (!file)
        flags |= SQLITE_OPEN_URI;
    if (db->mode == DB_WRITE && file)
        make_private(target.p);
    if (db->mode == DB_READ && file && access(target.p, F_OK) != 0)
        return fail(cx, CODE_NOT_FOUND, "no database at %s", target.p);
    int rc = sqlite3_open_v2(target.p, &db->h, flags, file ? STORE_SQLITE_VFS : NULL);
    if (rc != SQLITE_OK)
        return store_sqlite_fail(cx, db, rc, target.p);
    struct db *callers = cx->db;
    cx->db = db;
    enum code code = configure(cx, db);
    cx->db = callers;
    return code;
}

enum code db_open(struct ctx *cx, str url, enum db_mode mode, struct db **out)
{
    static pthread_once_t once = PTHREAD_ONCE_INIT;
    str target;
    bool file;
    pthread_once(&once, init_library);
    TRY(parse_url(cx, url, &target, &file));
    struct db *db = mem_new(struct db);
    db->mode = mode;
    db->deadline_ns = INT64_MAX;
    db->path = file ? mem_strdup(target.p) : NULL;
    enum code code = open_handle(cx, db, target, file);
    if (code != CODE_OK) {
        db_close(db);
        return code;
    }
    db->open = true;
    *out = db;
    return CODE_OK;
}

void db_close(struct db *db)
{
    if (!db)
        return;
    store_sqlite_stmt_drop_all(db);
    db_memo_drop(db);
    sqlite3_close(db->h);
    mem_free(db->path);
    mem_free(db);
}

void db_set_owner(struct db *db, void *owner)
{
    db->owner = owner;
}

void *db_owner(const struct db *db)
{
    return db ? db->owner : NULL;
}

void **db_memo(struct db *db, void (*drop)(void *memo))
{
    db->drop_memo = drop;
    return &db->memo;
}

void db_memo_drop(struct db *db)
{
    if (db->memo)
        db->drop_memo(db->memo);
    db->memo = NULL;
}

/* ---- transactions ---------------------------------------------------------------------------------------------- */

enum code db_begin(struct ctx *cx, enum db_mode mode)
{
    if (cx->db->in_tx)
        return fail(cx, CODE_INTERNAL, "db_begin inside a transaction");
    TRY(db_query(cx, mode == DB_WRITE ? "BEGIN IMMEDIATE" : "BEGIN", NULL, 0, NULL));
    cx->db->in_tx = true;
    return CODE_OK;
}

bool db_in_transaction(const struct db *db)
{
    return db->in_tx && !sqlite3_get_autocommit(db->h);
}

void store_sqlite_roll_back(struct db *db)
{
    sqlite3_exec(db->h, "ROLLBACK", NULL, NULL, NULL);
    store_sqlite_log_forget(db->h);
}

void db_rollback(struct ctx *cx)
{
    struct db *db = cx->db;
    db->in_tx = false;
    if (!sqlite3_get_autocommit(db->h))
        store_sqlite_roll_back(db);
    db_memo_drop(db);
}

/* What a failed COMMIT means (D-01). FULL and BUSY happen before the commit mark is whole in the log; after any other failure
 * it may be there, and a restart may find it. */
static enum code commit_failed(struct ctx *cx, struct db *db, int rc)
{
    store_sqlite_fail(cx, db, rc, "commit");
    db_rollback(cx);
    switch (rc & 0xff) {
    case SQLITE_FULL:
        return cx->err.code = CODE_RESOURCE_EXHAUSTED;
    case SQLITE_BUSY:
    case SQLITE_CONSTRAINT: /* a deferred foreign key */
        return cx->err.code;
    default:
        return cx->err.code = CODE_DATA_LOSS;
    }
}

enum code db_commit(struct ctx *cx)
{
    struct db *db = cx->db;
    if (!db_in_transaction(db)) {
        db_rollback(cx);
        return fail(cx, CODE_UNAVAILABLE, "the transaction was rolled back by an earlier error");
    }
    sqlite3_stmt *h;
    enum code code = store_sqlite_stmt_get(cx, "COMMIT", &h);
    if (code != CODE_OK) {
        db_rollback(cx);
        return code;
    }
    int rc = sqlite3_step(h);
    sqlite3_reset(h);
    if (rc != SQLITE_DONE)
        return commit_failed(cx, db, rc);
    db->in_tx = false;
    return CODE_OK;
}

enum code db_savepoint(struct ctx *cx)
{
    return db_query(cx, "SAVEPOINT e", NULL, 0, NULL);
}

enum code db_release(struct ctx *cx)
{
    return db_query(cx, "RELEASE e", NULL, 0, NULL);
}

void db_rollback_to(struct ctx *cx)
{
    db_memo_drop(cx->db);
    if (!db_in_transaction(cx->db))
        return;
    struct err kept = cx->err;
    if (db_query(cx, "ROLLBACK TO e", NULL, 0, NULL) != CODE_OK || db_release(cx) != CODE_OK)
        store_sqlite_roll_back(cx->db); /* found by db_in_transaction() */
    cx->err = kept;
}

/* ---- the write-ahead log --------------------------------------------------------------------------------------- */

int64_t db_wal_bytes(const struct db *db)
{
    return (int64_t)db->wal_frames * (db->page_bytes + 24);
}

enum code db_checkpoint(struct ctx *cx, int64_t *moved)
{
    struct db *db = cx->db;
    int all = 0, done = 0;
    int rc = sqlite3_wal_checkpoint_v2(db->h, NULL, SQLITE_CHECKPOINT_PASSIVE, &all, &done);
    if (rc != SQLITE_OK && rc != SQLITE_BUSY) {
        enum code code = store_sqlite_fail(cx, db, rc, "checkpoint");
        return rc == SQLITE_IOERR_FSYNC ? (cx->err.code = CODE_DATA_LOSS) : code;
    }
    *moved = done > 0 ? (int64_t)done * (db->page_bytes + 24) : 0;
    return CODE_OK;
}

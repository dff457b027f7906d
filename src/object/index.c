/* SQL of the object index. One connection = one thread at a time; owns its prepared statements. See index_int.h. */
#include "object/index_int.h"

#include "base/codec.h"
#include "base/embed.h"
#include "base/mem.h"
#include "base/random.h"
#include "object/hash_int.h"

#include <stdio.h>
#include <time.h>

#define SCHEMA_VERSION 1
/* Longest wait for the other process's commit. */
#define BUSY_MAX_MS 20000

enum stmt_id {
#define STMT(id, sql) STMT_##id,
#include "object/index.def"
#undef STMT
    STMT_COUNT_
};

static const char *const stmt_sql[] = {
#define STMT(id, sql) [STMT_##id] = (sql),
#include "object/index.def"
#undef STMT
};

/* ---- statements -------------------------------------------------------------------------------------------------- */

enum code object_index_fail(struct ctx *cx, struct object_index *ix, int rc, const char *what)
{
    static const struct {
        int rc;
        enum code code;
    } map[] = {
        {SQLITE_FULL, CODE_RESOURCE_EXHAUSTED},    {SQLITE_BUSY, CODE_UNAVAILABLE},
        {SQLITE_LOCKED, CODE_UNAVAILABLE},         {SQLITE_IOERR, CODE_DATA_LOSS},
        {SQLITE_CORRUPT, CODE_DATA_LOSS},          {SQLITE_NOTADB, CODE_DATA_LOSS},
        {SQLITE_READONLY, CODE_PERMISSION_DENIED},
    };
    enum code code = CODE_INTERNAL;
    for (size_t i = 0; i < sizeof(map) / sizeof(*map); i++)
        if (map[i].rc == (rc & 0xff))
            code = map[i].code;
    const char *file = ix->db ? sqlite3_db_filename(ix->db, "main") : NULL;
    return fail(cx, code, "object index %s: %s: %s%s", file ? file : "", what,
                ix->db ? sqlite3_errmsg(ix->db) : sqlite3_errstr(rc),
                code == CODE_DATA_LOSS ? "; when the database is damaged, restore a backup" : "");
}

static enum code prepare(struct ctx *cx, struct object_index *ix, enum stmt_id id, sqlite3_stmt **out)
{
    if (!ix->stmts[id]) {
        int rc = sqlite3_prepare_v3(ix->db, stmt_sql[id], -1, SQLITE_PREPARE_PERSISTENT, &ix->stmts[id], NULL);
        if (rc != SQLITE_OK)
            return object_index_fail(cx, ix, rc, "prepare");
    }
    *out = ix->stmts[id];
    return CODE_OK;
}

/* A statement is borrowed from the cache for one use. */
static void put_back(sqlite3_stmt **st)
{
    if (*st)
        sqlite3_reset(*st);
}

#define BORROW(cx, ix, id, st)                                                                                         \
    sqlite3_stmt *st cleanup_(put_back) = NULL;                                                                        \
    TRY(prepare(cx, ix, STMT_##id, &st))

static enum code step(struct ctx *cx, struct object_index *ix, sqlite3_stmt *st, bool *row)
{
    int rc = sqlite3_step(st);
    if (rc != SQLITE_ROW && rc != SQLITE_DONE)
        return object_index_fail(cx, ix, rc, "step");
    *row = rc == SQLITE_ROW;
    return CODE_OK;
}

static enum code run(struct ctx *cx, struct object_index *ix, sqlite3_stmt *st)
{
    bool row = false;
    return step(cx, ix, st, &row);
}

static void bind_blob(sqlite3_stmt *st, int at, str s)
{
    sqlite3_bind_blob64(st, at, s.n ? s.p : "", s.n, SQLITE_STATIC);
}

static void bind_text(sqlite3_stmt *st, int at, str s)
{
    sqlite3_bind_text64(st, at, s.n ? s.p : "", s.n, SQLITE_STATIC, SQLITE_UTF8);
}

static void bind_file(sqlite3_stmt *st, int at, const struct object_file_id *id)
{
    bind_blob(st, at, str_make((const char *)id->b, sizeof(id->b)));
}

/* Borrowed until the statement moves on. */
static str column(sqlite3_stmt *st, int at)
{
    const char *p = sqlite3_column_blob(st, at);
    return str_make(p ? p : "", (size_t)sqlite3_column_bytes(st, at));
}

static void column_bytes(sqlite3_stmt *st, int at, uint8_t *out, size_t n)
{
    str s = column(st, at);
    memset(out, 0, n);
    memcpy(out, s.p, s.n < n ? s.n : n);
}

/* ---- connections ------------------------------------------------------------------------------------------------- */

enum code object_index_tx(struct ctx *cx, struct object_index *ix, enum object_index_tx what)
{
    static const enum stmt_id ids[] = {[OBJECT_TX_BEGIN] = STMT_TX_BEGIN,
                                       [OBJECT_TX_SAVEPOINT] = STMT_TX_SAVEPOINT,
                                       [OBJECT_TX_UNDO] = STMT_TX_UNDO,
                                       [OBJECT_TX_RELEASE] = STMT_TX_RELEASE,
                                       [OBJECT_TX_COMMIT] = STMT_TX_COMMIT};
    sqlite3_stmt *st cleanup_(put_back) = NULL;
    TRY(prepare(cx, ix, ids[what], &st));
    return run(cx, ix, st);
}

void object_index_rollback(struct object_index *ix)
{
    if (!sqlite3_get_autocommit(ix->db))
        sqlite3_exec(ix->db, "ROLLBACK", NULL, NULL, NULL);
}

/* The other process commits in a few milliseconds: look often, but let it have the processor. */
static int on_busy(void *arg, int calls)
{
    (void)arg;
    if (calls > 4 * BUSY_MAX_MS)
        return 0;
    nanosleep(&(struct timespec){.tv_nsec = 250000}, NULL);
    return 1;
}

static enum code exec(struct ctx *cx, struct object_index *ix, const char *sql)
{
    int rc = sqlite3_exec(ix->db, sql, NULL, NULL, NULL);
    return rc == SQLITE_OK ? CODE_OK : object_index_fail(cx, ix, rc, "exec");
}

enum code object_index_open(struct ctx *cx, const char *path, struct object_index *out)
{
    struct object_index ix = {0};
    int rc = sqlite3_open_v2(path, &ix.db, SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE | SQLITE_OPEN_NOMUTEX, NULL);
    if (rc != SQLITE_OK) {
        object_index_fail(cx, &ix, rc, path);
        sqlite3_close(ix.db);
        return cx->err.code;
    }
    ix.stmts = mem_alloc_array(STMT_COUNT_, sizeof(*ix.stmts));
    sqlite3_extended_result_codes(ix.db, 1);
    sqlite3_busy_handler(ix.db, on_busy, NULL);
    enum code code = exec(cx, &ix,
                          "PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL;"
                          "PRAGMA wal_autocheckpoint = 0; PRAGMA cache_size = -2048;"
                          "PRAGMA trusted_schema = OFF; PRAGMA temp_store = MEMORY");
    if (code != CODE_OK) {
        object_index_close(&ix);
        return code;
    }
    *out = ix;
    return CODE_OK;
}

void object_index_close(struct object_index *ix)
{
    for (size_t i = 0; ix->stmts && i < STMT_COUNT_; i++)
        sqlite3_finalize(ix->stmts[i]);
    mem_free(ix->stmts);
    sqlite3_close(ix->db);
    *ix = (struct object_index){0};
}

static enum code read_version(struct ctx *cx, struct object_index *ix, int *out)
{
    sqlite3_stmt *st = NULL;
    int rc = sqlite3_prepare_v2(ix->db, "PRAGMA user_version", -1, &st, NULL);
    if (rc == SQLITE_OK)
        rc = sqlite3_step(st);
    int version = rc == SQLITE_ROW ? sqlite3_column_int(st, 0) : -1;
    sqlite3_finalize(st);
    if (version < 0)
        return object_index_fail(cx, ix, rc, "read version");
    *out = version;
    return CODE_OK;
}

static enum code make_schema(struct ctx *cx, struct object_index *ix)
{
    int version;
    char pragma[48];
    TRY(read_version(cx, ix, &version)); /* the other process may have been first */
    if (version)
        return CODE_OK;
    TRY(exec(cx, ix, embed_find(STR("object/embed/schema.sql")).p));
    snprintf(pragma, sizeof(pragma), "PRAGMA user_version = %d", SCHEMA_VERSION);
    return exec(cx, ix, pragma);
}

enum code object_index_migrate(struct ctx *cx, struct object_index *ix)
{
    int version;
    TRY(read_version(cx, ix, &version));
    if (version > SCHEMA_VERSION)
        return fail(cx, CODE_FAILED_PRECONDITION,
                    "objects.db was written by a newer version of this program (schema %d, this one knows %d)", version,
                    SCHEMA_VERSION);
    if (version)
        return CODE_OK;
    TRY(exec(cx, ix, "BEGIN IMMEDIATE"));
    enum code code = make_schema(cx, ix);
    if (code == CODE_OK)
        code = exec(cx, ix, "COMMIT");
    if (code != CODE_OK)
        object_index_rollback(ix);
    return code;
}

/* ---- objects ----------------------------------------------------------------------------------------------------- */

/* MD5 in hexadecimal, "-" and the number of parts when there are any. */
static str etag_of(struct arena *mem, str digest, int64_t parts)
{
    str hex = codec_hex_encode(mem, digest);
    return parts ? arena_printf(mem, STR_FMT "-%lld", STR_ARG(hex), (long long)parts) : hex;
}

enum code object_index_find(struct ctx *cx, struct object_index *ix, str bucket, str key, bool bytes,
                            struct object_row *out)
{
    struct object_row row = {0};
    sqlite3_stmt *st cleanup_(put_back) = NULL;
    bool found = false;
    TRY(prepare(cx, ix, bytes ? STMT_OBJECT_FIND_BYTES : STMT_OBJECT_FIND, &st));
    bind_text(st, 1, bucket);
    bind_blob(st, 2, key);
    TRY(step(cx, ix, st, &found));
    if (!found)
        return fail(cx, CODE_NOT_FOUND, "no object " STR_FMT "/" STR_FMT, STR_ARG(bucket), STR_ARG(str_head(key, 160)));
    int64_t parts = sqlite3_column_int64(st, 2);
    row.info.key = arena_str(cx->mem, key);
    row.info.size = sqlite3_column_int64(st, 0);
    row.info.md5 = parts ? STR_NONE : arena_str(cx->mem, column(st, 1));
    row.info.etag = etag_of(cx->mem, column(st, 1), parts);
    row.info.modified_ns = sqlite3_column_int64(st, 3);
    row.is_inline = sqlite3_column_int(st, 4) != 0;
    row.body = sqlite3_column_int64(st, 5);
    row.info.content_type = arena_str(cx->mem, column(st, 6));
    row.info.headers = arena_str(cx->mem, column(st, 7));
    if (bytes && row.is_inline)
        row.bytes = arena_str(cx->mem, column(st, 8));
    *out = row;
    return CODE_OK;
}

enum code object_index_walk(struct ctx *cx, struct object_index *ix, str bucket, str from, object_index_visit_fn *fn,
                            void *arg)
{
    char etag[64];
    bool more = false;
    BORROW(cx, ix, OBJECT_WALK, st);
    bind_text(st, 1, bucket);
    bind_blob(st, 2, from);
    for (;;) {
        TRY(step(cx, ix, st, &more));
        if (!more)
            return CODE_OK;
        str digest = column(st, 2);
        int64_t parts = sqlite3_column_int64(st, 3);
        object_hash_hex((const uint8_t *)digest.p, OBJECT_MD5_SIZE, etag);
        if (parts)
            snprintf(etag + 2 * OBJECT_MD5_SIZE, 24, "-%lld", (long long)parts);
        struct object_info o = {.key = column(st, 0),
                                .size = sqlite3_column_int64(st, 1),
                                .etag = str_from(etag),
                                .modified_ns = sqlite3_column_int64(st, 4)};
        if (!fn(arg, &o))
            return CODE_OK;
    }
}

static enum code insert_object(struct ctx *cx, struct object_index *ix, const struct object_index_new *o, int64_t body)
{
    BORROW(cx, ix, OBJECT_PUT, st);
    bind_text(st, 1, o->bucket);
    bind_blob(st, 2, o->key);
    sqlite3_bind_int64(st, 3, o->size);
    bind_blob(st, 4, str_make((const char *)o->digest, OBJECT_MD5_SIZE));
    sqlite3_bind_int64(st, 5, o->parts);
    sqlite3_bind_int64(st, 6, o->modified_ns);
    sqlite3_bind_int(st, 7, o->is_inline);
    sqlite3_bind_int64(st, 8, body);
    bind_text(st, 9, o->content_type);
    bind_text(st, 10, o->headers);
    return run(cx, ix, st);
}

static enum code delete_inline(struct ctx *cx, struct object_index *ix, int64_t id)
{
    BORROW(cx, ix, INLINE_DELETE, st);
    sqlite3_bind_int64(st, 1, id);
    return run(cx, ix, st);
}

static enum code update_inline(struct ctx *cx, struct object_index *ix, int64_t id, str bytes)
{
    BORROW(cx, ix, INLINE_UPDATE, st);
    sqlite3_bind_int64(st, 1, id);
    bind_blob(st, 2, bytes);
    return run(cx, ix, st);
}

static enum code insert_inline(struct ctx *cx, struct object_index *ix, str bytes, int64_t *id)
{
    BORROW(cx, ix, INLINE_INSERT, st);
    bind_blob(st, 1, bytes);
    TRY(run(cx, ix, st));
    *id = sqlite3_last_insert_rowid(ix->db);
    return CODE_OK;
}

static enum code free_body(struct ctx *cx, struct object_index *ix, const struct object_row *row)
{
    return row->is_inline ? delete_inline(cx, ix, row->body) : object_index_body_delete(cx, ix, row->body);
}

/* Whether there is one; what only a put needs of it. */
static enum code find_old(struct ctx *cx, struct object_index *ix, str bucket, str key, struct object_row *old,
                          bool *found)
{
    BORROW(cx, ix, OBJECT_FIND, st);
    bind_text(st, 1, bucket);
    bind_blob(st, 2, key);
    TRY(step(cx, ix, st, found));
    if (!*found)
        return CODE_OK;
    old->info.etag = etag_of(cx->mem, column(st, 1), sqlite3_column_int64(st, 2));
    old->is_inline = sqlite3_column_int(st, 4) != 0;
    old->body = sqlite3_column_int64(st, 5);
    return CODE_OK;
}

enum code object_index_put(struct ctx *cx, struct object_index *ix, const struct object_index_new *o,
                           const struct object_index_when *when)
{
    struct object_row old = {0};
    int64_t body = o->body;
    bool found = false;
    TRY(find_old(cx, ix, o->bucket, o->key, &old, &found));
    if (found && when->only_new)
        return fail(cx, CODE_FAILED_PRECONDITION, "the object exists");
    if (when->if_etag.n && !(found && str_eq(old.info.etag, when->if_etag)))
        return fail(cx, CODE_FAILED_PRECONDITION, "the object is not the one that was expected");
    if (o->is_inline && found && old.is_inline) {
        body = old.body;
        TRY(update_inline(cx, ix, body, o->bytes));
    } else {
        if (found)
            TRY(free_body(cx, ix, &old));
        if (o->is_inline)
            TRY(insert_inline(cx, ix, o->bytes, &body));
    }
    return insert_object(cx, ix, o, body);
}

enum code object_index_delete(struct ctx *cx, struct object_index *ix, str bucket, str key)
{
    struct object_row old = {0};
    bool found = false;
    TRY(find_old(cx, ix, bucket, key, &old, &found));
    if (!found)
        return CODE_OK;
    TRY(free_body(cx, ix, &old));
    BORROW(cx, ix, OBJECT_DELETE, st);
    bind_text(st, 1, bucket);
    bind_blob(st, 2, key);
    return run(cx, ix, st);
}

enum code object_index_touch(struct ctx *cx, struct object_index *ix, str bucket, str key, int64_t now_ns)
{
    BORROW(cx, ix, OBJECT_TOUCH, st);
    bind_text(st, 1, bucket);
    bind_blob(st, 2, key);
    sqlite3_bind_int64(st, 3, now_ns);
    return run(cx, ix, st);
}

/* ---- segments ---------------------------------------------------------------------------------------------------- */

int64_t object_index_new_body(void)
{
    return (int64_t)(random_u64() >> 1);
}

enum code object_index_segments(struct ctx *cx, struct object_index *ix, int64_t body, int64_t after, size_t max,
                                struct object_segments *out)
{
    VEC(struct object_segment) list = {0};
    bool more = false;
    BORROW(cx, ix, SEGMENT_LIST, st);
    sqlite3_bind_int64(st, 1, body);
    sqlite3_bind_int64(st, 2, after);
    sqlite3_bind_int64(st, 3, (int64_t)max);
    for (;;) {
        TRY(step(cx, ix, st, &more));
        if (!more)
            break;
        struct object_segment *s = vec_push(&list, cx->mem);
        s->n = sqlite3_column_int64(st, 0);
        s->size = sqlite3_column_int64(st, 1);
        s->modified_ns = sqlite3_column_int64(st, 2);
        column_bytes(st, 3, s->digest, sizeof(s->digest));
        column_bytes(st, 4, s->file.b, sizeof(s->file.b));
    }
    out->p = list.p;
    out->n = list.n;
    return CODE_OK;
}

enum code object_index_file_used(struct ctx *cx, struct object_index *ix, const struct object_file_id *id, bool *out)
{
    BORROW(cx, ix, FILE_USED, st);
    bind_file(st, 1, id);
    return step(cx, ix, st, out);
}

/* Steps a DELETE ... RETURNING file to its end and notes the files that no other segment uses. SQLite has made all its
 * changes before it returns the first row. */
static enum code collect_freed(struct ctx *cx, struct object_index *ix, sqlite3_stmt *st)
{
    for (;;) {
        struct object_file_id id;
        bool row = false, used = false;
        TRY(step(cx, ix, st, &row));
        if (!row)
            return CODE_OK;
        column_bytes(st, 0, id.b, sizeof(id.b));
        TRY(object_index_file_used(cx, ix, &id, &used));
        if (!used)
            *(struct object_file_id *)vec_push(&ix->freed, ix->mem) = id;
    }
}

enum code object_index_segment_delete(struct ctx *cx, struct object_index *ix, int64_t body, int64_t n)
{
    BORROW(cx, ix, SEGMENT_DELETE, st);
    sqlite3_bind_int64(st, 1, body);
    sqlite3_bind_int64(st, 2, n);
    return collect_freed(cx, ix, st);
}

enum code object_index_body_delete(struct ctx *cx, struct object_index *ix, int64_t body)
{
    BORROW(cx, ix, SEGMENT_DELETE_ALL, st);
    sqlite3_bind_int64(st, 1, body);
    return collect_freed(cx, ix, st);
}

enum code object_index_segment_put(struct ctx *cx, struct object_index *ix, int64_t body,
                                   const struct object_segment *s)
{
    TRY(object_index_segment_delete(cx, ix, body, s->n));
    BORROW(cx, ix, SEGMENT_PUT, st);
    sqlite3_bind_int64(st, 1, body);
    sqlite3_bind_int64(st, 2, s->n);
    sqlite3_bind_int64(st, 3, s->size);
    sqlite3_bind_int64(st, 4, s->modified_ns);
    bind_blob(st, 5, str_make((const char *)s->digest, sizeof(s->digest)));
    bind_file(st, 6, &s->file);
    return run(cx, ix, st);
}

/* ---- uploads ----------------------------------------------------------------------------------------------------- */

static str upload_id(const uint8_t id[OBJECT_UPLOAD_ID_SIZE])
{
    return str_make((const char *)id, OBJECT_UPLOAD_ID_SIZE);
}

enum code object_index_upload_put(struct ctx *cx, struct object_index *ix, const struct object_upload *u)
{
    BORROW(cx, ix, UPLOAD_PUT, st);
    bind_blob(st, 1, upload_id(u->id));
    bind_text(st, 2, u->bucket);
    bind_blob(st, 3, u->key);
    sqlite3_bind_int64(st, 4, u->body);
    sqlite3_bind_int64(st, 5, u->created_ns);
    bind_text(st, 6, u->content_type);
    bind_text(st, 7, u->headers);
    return run(cx, ix, st);
}

enum code object_index_upload_find(struct ctx *cx, struct object_index *ix, const uint8_t id[OBJECT_UPLOAD_ID_SIZE],
                                   struct object_upload *out)
{
    bool found = false;
    BORROW(cx, ix, UPLOAD_FIND, st);
    bind_blob(st, 1, upload_id(id));
    TRY(step(cx, ix, st, &found));
    if (!found)
        return fail(cx, CODE_NOT_FOUND, "no such multipart upload");
    memcpy(out->id, id, OBJECT_UPLOAD_ID_SIZE);
    out->bucket = arena_str(cx->mem, column(st, 0));
    out->key = arena_str(cx->mem, column(st, 1));
    out->body = sqlite3_column_int64(st, 2);
    out->created_ns = sqlite3_column_int64(st, 3);
    out->content_type = arena_str(cx->mem, column(st, 4));
    out->headers = arena_str(cx->mem, column(st, 5));
    return CODE_OK;
}

enum code object_index_upload_delete(struct ctx *cx, struct object_index *ix, const uint8_t id[OBJECT_UPLOAD_ID_SIZE])
{
    BORROW(cx, ix, UPLOAD_DELETE, st);
    bind_blob(st, 1, upload_id(id));
    return run(cx, ix, st);
}

static enum code collect_uploads(struct ctx *cx, struct object_index *ix, sqlite3_stmt *st, str prefix,
                                 struct object_uploads *out)
{
    VEC(struct object_upload) list = {0};
    bool more = false;
    for (;;) {
        TRY(step(cx, ix, st, &more));
        if (!more || !str_starts(column(st, 2), prefix))
            break;
        struct object_upload *u = vec_push(&list, cx->mem);
        column_bytes(st, 0, u->id, sizeof(u->id));
        u->bucket = arena_str(cx->mem, column(st, 1));
        u->key = arena_str(cx->mem, column(st, 2));
        u->body = sqlite3_column_int64(st, 3);
        u->created_ns = sqlite3_column_int64(st, 4);
    }
    out->p = list.p;
    out->n = list.n;
    return CODE_OK;
}

enum code object_index_uploads(struct ctx *cx, struct object_index *ix, str bucket, str prefix, size_t max,
                               struct object_uploads *out)
{
    BORROW(cx, ix, UPLOAD_LIST, st);
    bind_text(st, 1, bucket);
    bind_blob(st, 2, prefix);
    sqlite3_bind_int64(st, 3, (int64_t)max);
    return collect_uploads(cx, ix, st, prefix, out);
}

enum code object_index_uploads_before(struct ctx *cx, struct object_index *ix, int64_t before_ns, size_t max,
                                      struct object_uploads *out)
{
    BORROW(cx, ix, UPLOAD_BEFORE, st);
    sqlite3_bind_int64(st, 1, before_ns);
    sqlite3_bind_int64(st, 2, (int64_t)max);
    return collect_uploads(cx, ix, st, STR_NONE, out);
}

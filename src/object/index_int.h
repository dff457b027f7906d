/* One connection to objects.db and the statements of its tables. A connection belongs to one thread at a time.
 * Functions that change something run inside the commit thread's transaction (commit_int.h). */
#ifndef OBJECT_INDEX_INT_H
#define OBJECT_INDEX_INT_H

#include "base/vec.h"
#include "object/file_int.h"
#include "object/object.h"

#include <sqlite3.h>

struct object_index {
    struct object_store *store;
    struct object_index *next; /* in the store's pool */
    sqlite3 *db;
    sqlite3_stmt **stmts; /* by the rows of index.def; prepared at first use */
    /* Files that the running transaction has left without a row: removed after its commit. */
    VEC(struct object_file_id) freed;
    struct arena *mem; /* of freed */
};

must_check_ enum code object_index_open(struct ctx *cx, const char *path, struct object_index *out);
void object_index_close(struct object_index *ix);
/* Makes the schema in a new database. Errors: FAILED_PRECONDITION when it is of a newer version. */
must_check_ enum code object_index_migrate(struct ctx *cx, struct object_index *ix);
/* The steps of a transaction with savepoints. */
enum object_index_tx { OBJECT_TX_BEGIN, OBJECT_TX_SAVEPOINT, OBJECT_TX_UNDO, OBJECT_TX_RELEASE, OBJECT_TX_COMMIT };
must_check_ enum code object_index_tx(struct ctx *cx, struct object_index *ix, enum object_index_tx step);
/* Whatever state it is in. */
void object_index_rollback(struct object_index *ix);
/* An error code of SQLite as ours, with its message: RESOURCE_EXHAUSTED (full), UNAVAILABLE (busy), DATA_LOSS (I/O). */
enum code object_index_fail(struct ctx *cx, struct object_index *ix, int rc, const char *what);

/* How an object lies in the index. */
struct object_row {
    struct object_info info;
    bool is_inline;
    int64_t body;
    str bytes; /* inline ones, when asked for */
};

/* Strings in cx->mem. bytes: also the inline bytes. Errors: NOT_FOUND. */
must_check_ enum code object_index_find(struct ctx *cx, struct object_index *ix, str bucket, str key, bool bytes,
                                        struct object_row *out);

/* Walks keys in byte order from `from` on: calls fn until it says false. Only key, size, etag and modified_ns are set,
 * and borrowed for the call. */
typedef bool object_index_visit_fn(void *arg, const struct object_info *o);
must_check_ enum code object_index_walk(struct ctx *cx, struct object_index *ix, str bucket, str from,
                                        object_index_visit_fn *fn, void *arg);

/* What is put: exactly one of bytes (inline) and body (segments that are there already). */
struct object_index_new {
    str bucket, key, content_type, headers;
    int64_t size;
    const uint8_t *digest; /* 16 bytes */
    int64_t parts;
    int64_t modified_ns;
    bool is_inline;
    str bytes;
    int64_t body;
};
/* Conditions of a put, empty = none. */
struct object_index_when {
    bool only_new;
    str if_etag;
};
/* Replaces what is there and frees its body. Errors: FAILED_PRECONDITION. */
must_check_ enum code object_index_put(struct ctx *cx, struct object_index *ix, const struct object_index_new *o,
                                       const struct object_index_when *when);
must_check_ enum code object_index_touch(struct ctx *cx, struct object_index *ix, str bucket, str key, int64_t now_ns);
must_check_ enum code object_index_delete(struct ctx *cx, struct object_index *ix, str bucket, str key);

/* ---- bodies in files -------------------------------------------------------------------------------------------- */

struct object_segment {
    int64_t n, size, modified_ns;
    uint8_t digest[OBJECT_MD5_SIZE];
    struct object_file_id file;
};
struct object_segments {
    struct object_segment *p;
    size_t n;
};
/* In order of n, after `after`, at most max. */
must_check_ enum code object_index_segments(struct ctx *cx, struct object_index *ix, int64_t body, int64_t after,
                                            size_t max, struct object_segments *out);
/* Replaces segment n of the body. */
must_check_ enum code object_index_segment_put(struct ctx *cx, struct object_index *ix, int64_t body,
                                               const struct object_segment *s);
must_check_ enum code object_index_segment_delete(struct ctx *cx, struct object_index *ix, int64_t body, int64_t n);
/* Frees all segments of a body. */
must_check_ enum code object_index_body_delete(struct ctx *cx, struct object_index *ix, int64_t body);
/* Is there a segment in this file? */
must_check_ enum code object_index_file_used(struct ctx *cx, struct object_index *ix, const struct object_file_id *id,
                                             bool *out);
/* A body id that nobody has. */
int64_t object_index_new_body(void);

/* ---- multipart uploads ------------------------------------------------------------------------------------------ */

#define OBJECT_UPLOAD_ID_SIZE ((size_t)16)

struct object_upload {
    uint8_t id[OBJECT_UPLOAD_ID_SIZE];
    str bucket, key, content_type, headers;
    int64_t body, created_ns;
};
must_check_ enum code object_index_upload_put(struct ctx *cx, struct object_index *ix, const struct object_upload *u);
/* Errors: NOT_FOUND. */
must_check_ enum code object_index_upload_find(struct ctx *cx, struct object_index *ix,
                                               const uint8_t id[OBJECT_UPLOAD_ID_SIZE], struct object_upload *out);
must_check_ enum code object_index_upload_delete(struct ctx *cx, struct object_index *ix,
                                                 const uint8_t id[OBJECT_UPLOAD_ID_SIZE]);
struct object_uploads {
    struct object_upload *p; /* without content_type and headers */
    size_t n;
};
/* Of keys that start with prefix, by key. */
must_check_ enum code object_index_uploads(struct ctx *cx, struct object_index *ix, str bucket, str prefix, size_t max,
                                           struct object_uploads *out);
/* Started before that time. */
must_check_ enum code object_index_uploads_before(struct ctx *cx, struct object_index *ix, int64_t before_ns,
                                                  size_t max, struct object_uploads *out);

#endif

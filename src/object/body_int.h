/* Bytes on their way into the store: kept in memory up to OBJECT_INLINE_MAX, then in a file. One thread at a time;
 * calls may block on the disk. */
#ifndef OBJECT_BODY_INT_H
#define OBJECT_BODY_INT_H

#include "base/buf.h"
#include "object/commit_int.h"
#include "object/hash_int.h"

struct object_body {
    struct object_store *store;
    bool always_file; /* parts of multipart uploads */
    buf head;         /* what is not in a file */
    struct object_file_id file;
    int fd; /* locked until object_body_done(); -1 = inline */
    int64_t size, flushing;
    struct object_hash md5;
    uint8_t digest[OBJECT_MD5_SIZE]; /* once sealed */
    bool kept;
};

void object_body_init(struct object_body *b, struct object_store *s, bool always_file);
/* Errors: OUT_OF_RANGE over OBJECT_PUT_MAX; RESOURCE_EXHAUSTED, INTERNAL of the file. */
must_check_ enum code object_body_append(struct ctx *cx, struct object_body *b, str bytes);
/* No more bytes: what is in a file is durable now, the digest known. */
must_check_ enum code object_body_seal(struct ctx *cx, struct object_body *b);
/* The outcome of the put: the file stays when a row refers to it, or may do so (DATA_LOSS: a sweep finds out). */
void object_body_settle(struct object_body *b, enum code code);
/* Removes the file unless it stays. Accepts one that was never initialised but zeroed, with fd = -1. */
void object_body_done(struct object_body *b);

/* ---- putting one into the index ---------------------------------------------------------------------------------- */

/* A put of a sealed body, or (body = NULL) of bytes in memory whose digest is set. All strings are borrowed until done.
 */
struct object_put_op {
    struct object_op op;
    struct object_body *body;
    struct object_index_new o;
    struct object_index_when when;
};
/* Fills what follows from the body, and op.run. The caller sets the rest of o and op.done. */
void object_body_put_init(struct object_put_op *p, struct object_body *b);
/* The same for bytes in memory, at most OBJECT_INLINE_MAX; digest is borrowed. */
void object_body_put_init_bytes(struct object_put_op *p, str bytes, const uint8_t digest[OBJECT_MD5_SIZE]);

#endif

/* Object bodies while they are written. See body_int.h. */
#include "object/body_int.h"

#include "base/list.h"
#include "base/time.h"
#include "object/store_int.h"

#include <fcntl.h>
#include <unistd.h>

/* The kernel is told to start writing after so many bytes, so that the final sync has little left to do. */
#define FLUSH_BYTES (INT64_C(8) << 20)

void object_body_init(struct object_body *b, struct object_store *s, bool always_file)
{
    *b = (struct object_body){.store = s, .always_file = always_file, .fd = -1};
    buf_init(&b->head, OBJECT_INLINE_MAX);
    object_hash_init(&b->md5, HASH_MD5);
}

/* From now on in a file: what is in memory goes first. */
static enum code spill(struct ctx *cx, struct object_body *b)
{
    if (b->fd >= 0)
        return CODE_OK;
    TRY(object_file_create(cx, b->store->files, &b->file, &b->fd));
    TRY(object_file_write(cx, b->fd, buf_view(&b->head)));
    buf_done(&b->head);
    return CODE_OK;
}

enum code object_body_append(struct ctx *cx, struct object_body *b, str bytes)
{
    if ((int64_t)bytes.n > OBJECT_PUT_MAX - b->size)
        return fail(cx, CODE_OUT_OF_RANGE, "an object has at most 5 GiB; larger ones are uploaded in parts");
    object_hash_add(&b->md5, bytes);
    b->size += (int64_t)bytes.n;
    if (b->fd < 0 && !b->always_file && b->size <= (int64_t)OBJECT_INLINE_MAX) {
        buf_str(&b->head, bytes);
        return CODE_OK;
    }
    TRY(spill(cx, b));
    TRY(object_file_write(cx, b->fd, bytes));
    if (b->size - b->flushing >= FLUSH_BYTES) {
        sync_file_range(b->fd, b->flushing, b->size - b->flushing, SYNC_FILE_RANGE_WRITE);
        b->flushing = b->size;
    }
    return CODE_OK;
}

enum code object_body_seal(struct ctx *cx, struct object_body *b)
{
    uint8_t digest[HASH_SIZE_MAX];
    object_hash_final(&b->md5, digest);
    memcpy(b->digest, digest, sizeof(b->digest));
    if (b->always_file)
        TRY(spill(cx, b));
    return b->fd >= 0 ? object_file_sync(cx, b->store->files, &b->file, b->fd) : CODE_OK;
}

void object_body_settle(struct object_body *b, enum code code)
{
    b->kept = code == CODE_OK || code == CODE_DATA_LOSS;
}

void object_body_done(struct object_body *b)
{
    if (b->fd >= 0 && !b->kept)
        object_file_remove(b->store->files, &b->file);
    object_file_close(&b->fd);
    object_hash_done(&b->md5);
    buf_done(&b->head);
}

/* ---- into the index ---------------------------------------------------------------------------------------------- */

static enum code run_put(struct object_op *op, struct ctx *cx, struct object_index *ix)
{
    struct object_put_op *p = container_of(op, struct object_put_op, op);
    if (!p->o.is_inline) {
        struct object_segment s = {.n = 1, .size = p->o.size, .modified_ns = p->o.modified_ns, .file = p->body->file};
        memcpy(s.digest, p->o.digest, sizeof(s.digest));
        TRY(object_index_segment_put(cx, ix, p->o.body, &s));
    }
    return object_index_put(cx, ix, &p->o, &p->when);
}

void object_body_put_init_bytes(struct object_put_op *p, str bytes, const uint8_t digest[OBJECT_MD5_SIZE])
{
    *p = (struct object_put_op){.op.run = run_put};
    p->o.is_inline = true;
    p->o.bytes = bytes;
    p->o.size = (int64_t)bytes.n;
    p->o.digest = digest;
    p->o.modified_ns = time_wall_ns();
}

void object_body_put_init(struct object_put_op *p, struct object_body *b)
{
    object_body_put_init_bytes(p, buf_view(&b->head), b->digest);
    p->body = b;
    p->o.size = b->size;
    if (b->fd >= 0) {
        p->o.is_inline = false;
        p->o.body = object_index_new_body();
    }
}

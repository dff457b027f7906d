/* Multipart uploads. See multipart_int.h. */
#include "object/multipart_int.h"

#include "base/codec.h"
#include "base/list.h"
#include "base/random.h"
#include "base/time.h"
#include "object/check_int.h"
#include "object/store_int.h"

/* ---- create ------------------------------------------------------------------------------------------------------ */

struct create_op {
    struct object_op op;
    struct object_upload upload;
};

static enum code run_create(struct object_op *op, struct ctx *cx, struct object_index *ix)
{
    return object_index_upload_put(cx, ix, &container_of(op, struct create_op, op)->upload);
}

enum code object_multipart_create(struct ctx *cx, struct object_store *s, str bucket, str key, str content_type,
                                  str headers, str *id)
{
    struct create_op c = {.op.run = run_create};
    TRY(object_check_put(cx, bucket, key, content_type, headers));
    random_bytes(c.upload.id, sizeof(c.upload.id));
    c.upload.bucket = bucket;
    c.upload.key = key;
    c.upload.content_type = content_type.n ? content_type : STR(OBJECT_CONTENT_TYPE);
    c.upload.headers = headers;
    c.upload.body = object_index_new_body();
    c.upload.created_ns = time_wall_ns();
    TRY(object_commit_run(cx, s->commit, &c.op));
    *id = codec_hex_encode(cx->mem, str_make((const char *)c.upload.id, sizeof(c.upload.id)));
    return CODE_OK;
}

enum code object_multipart_find(struct ctx *cx, struct object_store *s, str bucket, str key, str id,
                                struct object_upload *out)
{
    struct object_index *ix cleanup_(object_store_give_back) = NULL;
    uint8_t raw[OBJECT_UPLOAD_ID_SIZE];
    struct object_upload u;
    if (!object_hash_unhex(id, raw, sizeof(raw)))
        return fail(cx, CODE_NOT_FOUND, "no such multipart upload");
    TRY(object_store_borrow(cx, s, &ix));
    TRY(object_index_upload_find(cx, ix, raw, &u));
    if (!str_eq(u.bucket, bucket) || !str_eq(u.key, key))
        return fail(cx, CODE_NOT_FOUND, "no such multipart upload of this object");
    *out = u;
    return CODE_OK;
}

/* ---- parts ------------------------------------------------------------------------------------------------------- */

static enum code run_part(struct object_op *op, struct ctx *cx, struct object_index *ix)
{
    struct object_part_op *p = container_of(op, struct object_part_op, op);
    struct object_upload u;
    TRY(object_index_upload_find(cx, ix, p->upload, &u));
    return object_index_segment_put(cx, ix, u.body, &p->segment);
}

void object_multipart_part_init(struct object_part_op *p, const struct object_upload *u, int64_t n,
                                struct object_body *b)
{
    *p = (struct object_part_op){.op.run = run_part, .body = b};
    memcpy(p->upload, u->id, sizeof(p->upload));
    p->segment = (struct object_segment){.n = n, .size = b->size, .modified_ns = time_wall_ns(), .file = b->file};
    memcpy(p->segment.digest, b->digest, sizeof(p->segment.digest));
}

enum code object_multipart_parts(struct ctx *cx, struct object_store *s, const struct object_upload *u, int64_t after,
                                 size_t max, struct object_segments *out)
{
    struct object_index *ix cleanup_(object_store_give_back) = NULL;
    TRY(object_store_borrow(cx, s, &ix));
    return object_index_segments(cx, ix, u->body, after, max, out);
}

enum code object_multipart_list(struct ctx *cx, struct object_store *s, str bucket, str prefix, size_t max,
                                struct object_uploads *out)
{
    struct object_index *ix cleanup_(object_store_give_back) = NULL;
    TRY(object_store_borrow(cx, s, &ix));
    return object_index_uploads(cx, ix, bucket, prefix, max, out);
}

/* ---- complete ---------------------------------------------------------------------------------------------------- */

struct complete_op {
    struct object_op op;
    const struct object_upload *upload;
    const struct object_part *parts;
    size_t n;
    struct object_index_when when;
    uint8_t digest[HASH_SIZE_MAX];
    int64_t size;
    enum object_multipart_refusal refusal;
};

static enum code refuse(struct ctx *cx, struct complete_op *c, enum object_multipart_refusal why, int64_t n)
{
    c->refusal = why;
    return fail(cx, CODE_FAILED_PRECONDITION, "part %lld %s", (long long)n,
                why == OBJECT_MULTIPART_NO_PART ? "was not uploaded, or has another ETag"
                                                : "is under 5 MiB and not the last");
}

static bool has_etag(const struct object_segment *s, str etag)
{
    uint8_t digest[OBJECT_MD5_SIZE];
    return object_hash_unhex(etag, digest, sizeof(digest)) && !memcmp(digest, s->digest, sizeof(digest));
}

/* Matches what is there with what the client wants; deletes parts that it does not want. */
static enum code choose_parts(struct ctx *cx, struct object_index *ix, struct complete_op *c, int64_t body,
                              struct object_hash *md5)
{
    struct object_segments have;
    size_t want = 0;
    TRY(object_index_segments(cx, ix, body, 0, OBJECT_PART_MAX, &have));
    for (size_t i = 0; i < have.n; i++) {
        const struct object_segment *s = &have.p[i];
        if (want == c->n || c->parts[want].n > s->n) {
            TRY(object_index_segment_delete(cx, ix, body, s->n));
            continue;
        }
        if (c->parts[want].n != s->n || !has_etag(s, c->parts[want].etag))
            break;
        if (want + 1 < c->n && s->size < OBJECT_PART_SIZE_MIN)
            return refuse(cx, c, OBJECT_MULTIPART_TOO_SMALL, s->n);
        object_hash_add(md5, str_make((const char *)s->digest, sizeof(s->digest)));
        c->size += s->size;
        want++;
    }
    return want == c->n ? CODE_OK : refuse(cx, c, OBJECT_MULTIPART_NO_PART, c->parts[want].n);
}

static enum code run_complete(struct object_op *op, struct ctx *cx, struct object_index *ix)
{
    struct complete_op *c = container_of(op, struct complete_op, op);
    struct object_hash md5 cleanup_(object_hash_done) = {0};
    struct object_upload u;
    TRY(object_index_upload_find(cx, ix, c->upload->id, &u));
    object_hash_init(&md5, HASH_MD5);
    TRY(choose_parts(cx, ix, c, u.body, &md5));
    object_hash_final(&md5, c->digest);
    struct object_index_new o = {.bucket = u.bucket,
                                 .key = u.key,
                                 .content_type = u.content_type,
                                 .headers = u.headers,
                                 .size = c->size,
                                 .digest = c->digest,
                                 .parts = (int64_t)c->n,
                                 .modified_ns = time_wall_ns(),
                                 .body = u.body};
    enum code code = object_index_put(cx, ix, &o, &c->when);
    if (code == CODE_FAILED_PRECONDITION)
        c->refusal = OBJECT_MULTIPART_CONDITION;
    TRY(code);
    return object_index_upload_delete(cx, ix, u.id);
}

enum code object_multipart_complete(struct ctx *cx, struct object_store *s, const struct object_upload *u,
                                    const struct object_part *parts, size_t n, const struct object_index_when *when,
                                    enum object_multipart_refusal *refusal, str *etag)
{
    struct complete_op c = {.op.run = run_complete, .upload = u, .parts = parts, .n = n, .when = *when};
    enum code code = object_commit_run(cx, s->commit, &c.op);
    *refusal = c.refusal;
    TRY(code);
    str hex = codec_hex_encode(cx->mem, str_make((const char *)c.digest, OBJECT_MD5_SIZE));
    *etag = arena_printf(cx->mem, STR_FMT "-%zu", STR_ARG(hex), n);
    return CODE_OK;
}

/* ---- abort ------------------------------------------------------------------------------------------------------- */

struct abort_op {
    struct object_op op;
    const struct object_upload *upload;
};

static enum code run_abort(struct object_op *op, struct ctx *cx, struct object_index *ix)
{
    struct object_upload u;
    TRY(object_index_upload_find(cx, ix, container_of(op, struct abort_op, op)->upload->id, &u));
    TRY(object_index_body_delete(cx, ix, u.body));
    return object_index_upload_delete(cx, ix, u.id);
}

enum code object_multipart_abort(struct ctx *cx, struct object_store *s, const struct object_upload *u)
{
    struct abort_op a = {.op.run = run_abort, .upload = u};
    return object_commit_run(cx, s->commit, &a.op);
}

/* Multipart uploads. Parts are files; completing one only changes the index: the parts become the object's segments.
 * Any thread; calls block unless they say otherwise. */
#ifndef OBJECT_MULTIPART_INT_H
#define OBJECT_MULTIPART_INT_H

#include "object/body_int.h"

#define OBJECT_PART_MAX 10000
/* All but the last. */
#define OBJECT_PART_SIZE_MIN (INT64_C(5) << 20)

/* 32 hexadecimal digits, in cx->mem. headers as in object_info. */
must_check_ enum code object_multipart_create(struct ctx *cx, struct object_store *s, str bucket, str key,
                                              str content_type, str headers, str *id);

/* The upload of that id, for that object. Errors: NOT_FOUND. */
must_check_ enum code object_multipart_find(struct ctx *cx, struct object_store *s, str bucket, str key, str id,
                                            struct object_upload *out);

/* A put of a sealed body (always_file) as part n. Submitted by the caller, with done() set; NOT_FOUND when the upload
 * has ended meanwhile. */
struct object_part_op {
    struct object_op op;
    struct object_body *body;
    uint8_t upload[OBJECT_UPLOAD_ID_SIZE];
    struct object_segment segment;
};
void object_multipart_part_init(struct object_part_op *p, const struct object_upload *u, int64_t n,
                                struct object_body *b);

/* What the client says the object consists of. */
struct object_part {
    int64_t n;
    str etag; /* without quotes */
};
/* Why a completion was refused, besides the error's code (all FAILED_PRECONDITION). */
enum object_multipart_refusal {
    OBJECT_MULTIPART_OK,
    OBJECT_MULTIPART_NO_PART,   /* a part is missing, or has another etag */
    OBJECT_MULTIPART_TOO_SMALL, /* not the last, and under OBJECT_PART_SIZE_MIN */
    OBJECT_MULTIPART_CONDITION, /* when */
};
/* parts: 1 to OBJECT_PART_MAX, ascending. Durable when it returns; etag in cx->mem. Errors: NOT_FOUND (no such upload),
 * FAILED_PRECONDITION with *refusal. */
must_check_ enum code object_multipart_complete(struct ctx *cx, struct object_store *s, const struct object_upload *u,
                                                const struct object_part *parts, size_t n,
                                                const struct object_index_when *when,
                                                enum object_multipart_refusal *refusal, str *etag);
/* Errors: NOT_FOUND. */
must_check_ enum code object_multipart_abort(struct ctx *cx, struct object_store *s, const struct object_upload *u);

/* Parts after number `after`, at most max. */
must_check_ enum code object_multipart_parts(struct ctx *cx, struct object_store *s, const struct object_upload *u,
                                             int64_t after, size_t max, struct object_segments *out);
/* Unfinished uploads of keys that start with prefix, at most max. */
must_check_ enum code object_multipart_list(struct ctx *cx, struct object_store *s, str bucket, str prefix, size_t max,
                                            struct object_uploads *out);

#endif

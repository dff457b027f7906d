/* Objects: named bytes in buckets, reached by URIs s3://bucket/key. The default store is the project's own: an index in
 * SQLite (objects.db) with small objects inline and larger ones as files (D-10), served to S3 clients by s3_server.c.
 * Calls block: work lane, or the supervisor's own threads; never a loop thread. */
#ifndef OBJECT_OBJECT_H
#define OBJECT_OBJECT_H

#include "base/ctx.h"

#define OBJECT_BUCKET "tern"
/* D-10: at most this many bytes are kept inside the index. */
#define OBJECT_INLINE_MAX ((size_t)64 * 1024)

struct object_store;

struct object_info {
    str key;
    int64_t size;
    str etag; /* without quotes */
    str content_type;
    int64_t modified_ns; /* wall clock */
};

struct object_list {
    struct object_info *p;
    size_t n;
    str next; /* start-after key of the next page; empty = done */
};

/* Opens <data>/objects.db and <data>/objects/; several processes may have it open. */
must_check_ enum code object_store_open(struct ctx *cx, str data_dir, struct object_store **out);
void object_store_close(struct object_store *s);

/* Durable when it returns. Replaces what was there. */
must_check_ enum code object_put(struct ctx *cx, struct object_store *s, str bucket, str key, str content_type,
                                 str bytes);
/* Whole object into cx->mem. Errors: NOT_FOUND; RESOURCE_EXHAUSTED when larger than max. */
must_check_ enum code object_get(struct ctx *cx, struct object_store *s, str bucket, str key, size_t max, str *out);
/* Errors: NOT_FOUND. */
must_check_ enum code object_stat(struct ctx *cx, struct object_store *s, str bucket, str key,
                                  struct object_info *out);
/* In byte order of key, after `after`, at most max. */
must_check_ enum code object_list(struct ctx *cx, struct object_store *s, str bucket, str prefix, str after, size_t max,
                                  struct object_list *out);
/* Deleting what is not there is no error. */
must_check_ enum code object_delete(struct ctx *cx, struct object_store *s, str bucket, str key);

/* Splits "s3://bucket/key". Errors: INVALID_ARGUMENT naming `field` when the scheme is not s3, the key is empty, over
 * 1,024 bytes, or has dot segments after decoding (D-12). */
must_check_ enum code object_uri_parse(struct ctx *cx, const char *field, str uri, str *bucket, str *key);

/* ---- keys and signed URLs (D-11) --------------------------------------------------------------------------------- */

enum object_key_kind { OBJECT_KEY_ATTEMPT, OBJECT_KEY_READER, OBJECT_KEY_UPLOAD };

/* What an access key may do. */
struct object_scope {
    enum object_key_kind kind;
    str project, domain, run; /* run: attempts only */
    uint32_t attempt;
    uint64_t action_id;       /* attempts only */
};

struct object_keys {
    str access_key_id, secret_access_key;
};
/* Derived from the data folder's server key; nothing is stored. */
must_check_ enum code object_keys_derive(struct ctx *cx, struct object_store *s, const struct object_scope *scope,
                                         struct object_keys *out);

/* A presigned SigV4 URL under the endpoint ("http://localhost:30002") for GET or PUT of one key. */
must_check_ enum code object_presign(struct ctx *cx, struct object_store *s, str endpoint, str method, str bucket,
                                     str key, int64_t lifetime_s, str *url);

#endif

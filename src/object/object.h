/* Objects: named bytes in buckets, reached by URIs s3://bucket/key. The default store is the project's own: an index in
 * SQLite (objects.db) with small objects inline and larger ones as files (D-10), served to S3 clients by s3.c (s3.h).
 * Calls block: work lane, or the supervisor's own threads; never a loop thread. */
#ifndef OBJECT_OBJECT_H
#define OBJECT_OBJECT_H

#include "base/ctx.h"

#define OBJECT_BUCKET "tern"
/* Its folder of what clients upload; the others are projects, and what runs were told to put elsewhere. */
#define OBJECT_UPLOADS "uploads"
/* D-10: at most this many bytes are kept inside the index. */
#define OBJECT_INLINE_MAX ((size_t)64 * 1024)
#define OBJECT_KEY_MAX ((size_t)1024)
/* S3's limit for one PUT and for one part. */
#define OBJECT_PUT_MAX (INT64_C(5) << 30)
#define OBJECT_MD5_SIZE ((size_t)16)
#define OBJECT_CONTENT_TYPE "binary/octet-stream"

enum object_access {
    OBJECT_READ,
    OBJECT_LIST, /* everything that starts with a prefix may be named */
    OBJECT_WRITE,
};

struct object_store;

struct object_info {
    str key;
    int64_t size;
    str etag; /* without quotes */
    str content_type;
    int64_t modified_ns; /* wall clock */
    str md5;             /* 16 bytes; empty for an object that was uploaded in parts */
    str headers;         /* what else was stored with it: "name: value\n" each, names in lower case */
};
/* Value of a stored header ("cache-control", "x-amz-meta-..."; name in lower case); empty when absent. */
str object_info_header(const struct object_info *o, str name);

struct object_list {
    struct object_info *p; /* without content_type and headers */
    size_t n;
    str next; /* start-after key of the next page; empty = done */
};

/* Opens <data>/objects.db and <data>/objects/; several processes may have it open. Starts two threads.
 * Errors: FAILED_PRECONDITION when a newer version wrote it. */
must_check_ enum code object_store_open(struct ctx *cx, str data_dir, struct object_store **out);
/* Finishes writes that are queued. Readers and writers must be closed before. Accepts NULL. */
void object_store_close(struct object_store *s);
/* How long the disk has not answered what is being written, when that is longer than one that is well takes; else 0. Any
 * thread, never blocks. */
int64_t object_store_stalled_ns(struct object_store *s);

/* ---- whole objects ---------------------------------------------------------------------------------------------- */

/* Durable when it returns. Replaces what was there. Errors: INVALID_ARGUMENT for a bad key; RESOURCE_EXHAUSTED when the
 * disk is full; UNAVAILABLE when too many writes wait, or the disk does not answer; DATA_LOSS when a failing disk leaves it
 * unknown whether the object is there. */
must_check_ enum code object_put(struct ctx *cx, struct object_store *s, str bucket, str key, str content_type,
                                 str bytes);
/* object_put() of each, with one wait for the disk for those that are kept inside the index. After an error none of these
 * are there; of the larger ones some may be. */
struct object_new {
    str bucket, key, bytes;
};
must_check_ enum code object_put_many(struct ctx *cx, struct object_store *s, str content_type,
                                      const struct object_new *list, size_t n);
/* Whole object into cx->mem. Errors: NOT_FOUND; RESOURCE_EXHAUSTED when larger than max. */
must_check_ enum code object_get(struct ctx *cx, struct object_store *s, str bucket, str key, size_t max, str *out);
/* Errors: NOT_FOUND. */
must_check_ enum code object_stat(struct ctx *cx, struct object_store *s, str bucket, str key, struct object_info *out);
/* In byte order of key, after `after`, at most max. */
must_check_ enum code object_list(struct ctx *cx, struct object_store *s, str bucket, str prefix, str after, size_t max,
                                  struct object_list *out);
/* Deleting what is not there is no error. */
must_check_ enum code object_delete(struct ctx *cx, struct object_store *s, str bucket, str key);
/* All of them or none, in one transaction. Errors: INVALID_ARGUMENT for more than OBJECT_DELETE_MAX. */
#define OBJECT_DELETE_MAX ((size_t)1000)
must_check_ enum code object_delete_many(struct ctx *cx, struct object_store *s, str bucket, const str *keys, size_t n);
/* The same for those that changed before that time; others stay. */
must_check_ enum code object_delete_old(struct ctx *cx, struct object_store *s, str bucket, const str *keys, size_t n,
                                        int64_t before_ns);

/* Makes it changed just now; for keeping what is still wanted. Nothing there is no error. */
must_check_ enum code object_touch(struct ctx *cx, struct object_store *s, str bucket, str key);

/* ---- large objects: nothing holds more than a chunk in memory --------------------------------------------------- */

struct object_put_options {
    str content_type; /* empty = OBJECT_CONTENT_TYPE */
    str headers;      /* as in object_info */
    bool only_new;    /* FAILED_PRECONDITION when the key exists */
    str if_etag;      /* FAILED_PRECONDITION unless the object there has this etag */
};

struct object_writer;
/* options may be NULL; its strings are copied. */
must_check_ enum code object_writer_open(struct ctx *cx, struct object_store *s, str bucket, str key,
                                         const struct object_put_options *options, struct object_writer **out);
must_check_ enum code object_writer_append(struct ctx *cx, struct object_writer *w, str bytes);
/* Durable when it returns; nothing of the object is visible before. info may be NULL. */
must_check_ enum code object_writer_commit(struct ctx *cx, struct object_writer *w, struct object_info *info);
/* Without a commit: forgets everything. Accepts NULL. */
void object_writer_close(struct object_writer *w);

/* An open object: what it was when it was opened, also when it is replaced meanwhile. */
struct object_reader;
must_check_ enum code object_reader_open(struct ctx *cx, struct object_store *s, str bucket, str key,
                                         struct object_reader **out);
/* Lives as long as the reader. */
const struct object_info *object_reader_info(const struct object_reader *r);
/* Reads up to n bytes at offset into p; *got < n only at the end of the object. */
must_check_ enum code object_reader_read(struct ctx *cx, struct object_reader *r, int64_t offset, void *p, size_t n,
                                         size_t *got);
/* Where the bytes from offset on lie: either inline (fd = -1, bytes set) or in a file, of which the caller gets a
 * descriptor of its own; for sendfile. At most max bytes; ask again for the rest. */
struct object_piece {
    int fd;
    int64_t offset, len;
    str bytes;
};
must_check_ enum code object_reader_piece(struct ctx *cx, struct object_reader *r, int64_t offset, int64_t max,
                                          struct object_piece *out);
void object_reader_close(struct object_reader *r);

/* ---- URIs -------------------------------------------------------------------------------------------------------- */

/* Splits "s3://bucket/key"; the key is percent-decoded, in cx->mem. Errors: INVALID_ARGUMENT naming `field` when the
 * scheme is not s3, the key is empty, over 1,024 bytes, or has dot or empty segments or control characters after
 * decoding (D-12). */
must_check_ enum code object_uri_parse(struct ctx *cx, const char *field, str uri, str *bucket, str *key);
/* Whether the key is the project's: below "project/", or one of its uploads. domain: of uploads with an organization. */
bool object_uri_own(str project, str domain, str key);
/* What a caller may name. */
struct object_uri_scope {
    str project, domain; /* reading: these one's objects; without a project all of them */
    str folders[3];      /* URIs of folders that may also be read, and are all that may be written; empty = none */
};
/* D-12: the URI is of our bucket, in order (see object_uri_parse), and what the caller may use for that access.
 * Errors: INVALID_ARGUMENT naming `field`. */
must_check_ enum code object_uri_check(struct ctx *cx, const char *field, str uri, const struct object_uri_scope *scope,
                                       enum object_access access);
/* The other way, encoding what a URL path needs encoded; "=" and "/" stay. */
str object_uri_make(struct arena *mem, str bucket, str key);
/* Exactly one / between them. */
str object_uri_join(struct arena *mem, str folder, str name);
/* The file of that name, where a URI may be its folder or the file itself. Empty stays empty. */
str object_uri_file(struct arena *mem, str uri, str name);

/* ---- keys and signed URLs (D-11) --------------------------------------------------------------------------------- */

enum object_key_kind {
    OBJECT_KEY_ATTEMPT = 1, /* a task's own */
    OBJECT_KEY_READER = 2,  /* people and notebooks: `tern env` */
    OBJECT_KEY_UPLOAD = 3,  /* presigned URLs: the URL is the scope; never handed out */
};

/* What an access key may do. */
struct object_scope {
    enum object_key_kind kind;
    str project, domain, run; /* at most 64 bytes each; run: attempts only */
    uint32_t attempt;
    uint64_t action_id; /* attempts only */
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

/* The same with headers that the client must send exactly so ("Content-MD5"), and, for GET, the content type to answer
 * with instead of the stored one (empty = the stored one). */
struct object_presign_header {
    str name, value;
};
struct object_presign_request {
    str endpoint, method, bucket, key;
    int64_t lifetime_s; /* 1 to 604,800 */
    const struct object_presign_header *headers;
    size_t header_count;
    str content_type;
};
must_check_ enum code object_presign_request(struct ctx *cx, struct object_store *s,
                                             const struct object_presign_request *req, str *url);

#endif

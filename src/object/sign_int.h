/* AWS Signature Version 4 for S3: reading, checking and making signatures, in headers and in URLs. No state but a cache
 * of signing keys. Any thread; nothing blocks. */
#ifndef OBJECT_SIGN_INT_H
#define OBJECT_SIGN_INT_H

#include "object/hash_int.h"
#include "object/s3_error_int.h"
#include "object/uri_int.h"

/* The difference of clocks that is accepted. */
#define OBJECT_SIGN_SKEW_S 900
#define OBJECT_SIGN_EXPIRES_MAX_S 604800

struct object_sign_header {
    str name, value; /* name in lower case */
};

/* A request as its client signed it. */
struct object_sign_request {
    str method, path, query;                  /* as sent; path and query not decoded */
    const struct object_sign_header *headers; /* with "host", also for HTTP/2 */
    size_t header_count;
    const struct object_uri_param *params; /* of the query, decoded */
    size_t param_count;
};
/* The first of that name; empty when absent. */
str object_sign_header(const struct object_sign_request *r, str name);
/* NULL when absent. */
const struct object_uri_param *object_sign_param(const struct object_sign_request *r, str name);

/* How the body is protected. */
enum object_sign_payload {
    SIGN_PAYLOAD_HASH,             /* its SHA-256 is signed */
    SIGN_PAYLOAD_UNSIGNED,         /* not at all */
    SIGN_PAYLOAD_CHUNKS,           /* aws-chunked, each chunk is signed */
    SIGN_PAYLOAD_CHUNKS_TRAILER,   /* the same with signed trailers */
    SIGN_PAYLOAD_UNSIGNED_TRAILER, /* aws-chunked without signatures, with trailers */
};

#define OBJECT_SIGN_TIME_SIZE ((size_t)16) /* "20260131T120000Z" */

struct object_sign {
    bool presigned;
    str access_key_id, region, service;
    str date;           /* "20260131" */
    str time;           /* "20260131T120000Z" */
    str scope;          /* "20260131/us-east-1/s3/aws4_request" */
    str signed_headers; /* "host;x-amz-date" */
    str signature;      /* 64 hexadecimal digits */
    int64_t time_s, expires_s;
    enum object_sign_payload payload;
    str payload_hash;              /* as signed */
    uint8_t key[HASH_SHA256_SIZE]; /* for chunks; set by object_sign_verify() */
};

/* Finds out who signed and how; checks nothing but the form. Strings in cx->mem or of the request. */
enum s3_error object_sign_parse(struct ctx *cx, const struct object_sign_request *r, struct object_sign *out);

/* Signing keys that were used last. */
struct object_sign_cache;
struct object_sign_cache *object_sign_cache_new(void);
void object_sign_cache_free(struct object_sign_cache *c);
/* secret: gives the secret for an access key id, called when the signing key is not in the cache. */
typedef str object_sign_secret_fn(void *arg, struct arena *mem, str access_key_id);

/* Checks the signature, the clock and that everything that must be signed is. cache may be NULL. */
enum s3_error object_sign_verify(struct ctx *cx, const struct object_sign_request *r, struct object_sign *sign,
                                 int64_t now_s, struct object_sign_cache *cache, object_sign_secret_fn *secret,
                                 void *arg);

/* Signature of the next chunk (or of the trailers), from that of the one before: hexadecimal, in out. */
void object_sign_chunk(const struct object_sign *sign, bool trailer, const char previous[64],
                       const uint8_t sha256[HASH_SHA256_SIZE], char out[65]);

/* "20260131T120000Z", the value of x-amz-date. */
str object_sign_time(struct arena *mem, int64_t now_s);
/* The query as it is signed, and must be sent. */
str object_sign_query(struct arena *mem, const struct object_sign_request *r);
/* The authorization header of a request of ours: all of its headers are signed; they are sorted, and host, x-amz-date and
 * x-amz-content-sha256 among them. path: decoded. Empty when the request is too large. */
struct object_sign_as {
    str access_key_id, secret, region;
};
str object_sign_make_header(struct arena *mem, const struct object_sign_request *r, str path,
                            const struct object_sign_as *as);

/* What is presigned. Headers with names in lower case, sorted, "host" among them. */
struct object_sign_url {
    str endpoint;     /* "http://localhost:30002" */
    str method, path; /* path decoded, with the leading "/" */
    str access_key_id, secret, region;
    int64_t now_s, expires_s;
    const struct object_sign_header *headers;
    size_t header_count;
    str content_type; /* of the answer to a GET; may be empty */
};
str object_sign_make_url(struct arena *mem, const struct object_sign_url *u);

#endif

/* The S3 endpoint of the object store: what boto3, obstore and other S3 clients need, on a port of its own (D-13). Used
 * by whichever process serves it: the supervisor, which outlives the server, or the server itself. */
#ifndef OBJECT_S3_H
#define OBJECT_S3_H

#include "object/object.h"

/* Whether the key that signed a request may do this now (D-11); for OBJECT_LIST, key is a prefix. The bucket is ours or one
 * of the upstreams'. OBJECT_KEY_UPLOAD is not asked about: such a request is allowed because its URL was presigned. On a loop
 * thread of the endpoint, several at once: may look something up, must not wait. */
typedef bool object_access_fn(void *arg, const struct object_scope *scope, enum object_access access, str bucket,
                              str key);

struct object_upstreams;

struct object_s3_config {
    struct object_store *store; /* borrowed until object_s3_stop() returns */
    str listen;                 /* "host:port", see net/http_server.h; port 0 = free */
    object_access_fn *access;
    void *access_arg;
    const struct object_upstreams *upstreams; /* buckets of others (upstream.h), borrowed; NULL = none */
    int loops;                                /* threads that serve connections; 0 = one */
    int workers;                              /* threads that read, and as many that write; 0 = four */
    size_t connections;                       /* 0 = the default of net */
};

struct object_s3;
must_check_ enum code object_s3_start(struct ctx *cx, const struct object_s3_config *cfg, struct object_s3 **out);
uint16_t object_s3_port(const struct object_s3 *s);
/* Lets requests end for at most grace_ns. Accepts NULL. */
void object_s3_stop(struct object_s3 *s, int64_t grace_ns);

#endif

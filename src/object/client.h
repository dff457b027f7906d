/* A client of an S3 endpoint, for processes that reach objects with an attempt's own keys and not through the data folder.
 * Calls block, and try again a few times when the endpoint cannot be reached. Needs libcurl (net/http_client.h). */
#ifndef OBJECT_CLIENT_H
#define OBJECT_CLIENT_H

#include "object/object.h"

struct object_client {
    str endpoint; /* "http://localhost:30002" */
    str access_key_id, secret_access_key;
    str region;
};

/* All name objects by URIs, s3://bucket/key. Errors of all: NOT_FOUND, PERMISSION_DENIED, INVALID_ARGUMENT for another
 * URI, RESOURCE_EXHAUSTED over max, UNAVAILABLE, FAILED_PRECONDITION without libcurl. */

/* Into cx->mem. */
must_check_ enum code object_client_get(struct ctx *cx, const struct object_client *c, str uri, size_t max, str *out);
/* Into a file that is open for writing; what was in it is dropped. */
must_check_ enum code object_client_get_file(struct ctx *cx, const struct object_client *c, str uri, int fd,
                                             int64_t max);
must_check_ enum code object_client_put(struct ctx *cx, const struct object_client *c, str uri, str bytes);
/* The first size bytes of a file that is open for reading; in parts when they are many. At most 5 TiB. */
must_check_ enum code object_client_put_file(struct ctx *cx, const struct object_client *c, str uri, int fd,
                                             int64_t size);
/* One page of what lies below the URI of a folder, after the key `after`; keys and sizes only. */
must_check_ enum code object_client_list(struct ctx *cx, const struct object_client *c, str uri, str after,
                                         struct object_list *out);

#endif

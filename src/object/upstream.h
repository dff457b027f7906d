/* Buckets of others that tasks reach through us (D-14): where each is, and with whose keys. Their secrets are in memory
 * only: the server reads them where the setting says and hands them on as a text. */
#ifndef OBJECT_UPSTREAM_H
#define OBJECT_UPSTREAM_H

#include "base/ctx.h"

#define OBJECT_UPSTREAM_ANY "*"
#define OBJECT_UPSTREAMS_MAX ((size_t)200)

struct object_upstream {
    str bucket;   /* as tasks call it; "*" = every other one */
    str name;     /* as it is called there */
    str endpoint; /* "https://host:port", without / at its end */
    str region;
    str key_id, secret, token; /* key_id empty: requests are not signed; token: of temporary keys, else empty */
};

struct object_upstreams {
    struct object_upstream *p;
    size_t n;
};

/* Reads entries of the setting object.upstreams: "BUCKET URL name=N region=R key_id=K secret=S token=T", where K, S and T
 * are env:NAME, file:PATH (its first line) or the value itself; N is the bucket's name there, when it is another. The
 * result is a text for object_upstream_parse(), in cx->mem.
 * Errors: INVALID_ARGUMENT naming the entry by its bucket, and never a value. */
must_check_ enum code object_upstream_resolve(struct ctx *cx, const str *entries, size_t n, str *text);
/* Whether one of the entries serves the bucket. */
bool object_upstream_serves(const str *entries, size_t n, str bucket);
/* Strings borrow from text. Errors: INVALID_ARGUMENT. */
must_check_ enum code object_upstream_parse(struct ctx *cx, str text, struct object_upstreams *out);
/* NULL when nobody serves the bucket. */
const struct object_upstream *object_upstream_find(const struct object_upstreams *list, str bucket);

#endif

/* Identities: who made, aborted or signalled something. */
#ifndef STORE_IDENTITY_H
#define STORE_IDENTITY_H

#include "base/ctx.h"

struct store_identity {
    str subject; /* "uid:1000", a token's subject */
    str name;    /* for people; may be empty */
};

/* Write entry. 0 for an anonymous caller (empty subject). */
must_check_ enum code store_identity_put(struct ctx *cx, str subject, str name, uint64_t *out);
/* The caller's, from cx->who. */
must_check_ enum code store_identity_put_caller(struct ctx *cx, uint64_t *out);
/* All empty when id is 0 or unknown. */
must_check_ enum code store_identity_get(struct ctx *cx, uint64_t id, struct store_identity *out);

#endif

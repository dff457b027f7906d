/* Domains: the stages that every project has. Runs and tasks may name others; nothing checks. */
#ifndef STORE_DOMAIN_H
#define STORE_DOMAIN_H

#include "base/ctx.h"

struct store_domain {
    str id, name;
    int64_t created_ns;
};

/* In their order. */
must_check_ enum code store_domain_list(struct ctx *cx, struct store_domain **out, size_t *n);
/* Errors: NOT_FOUND. */
must_check_ enum code store_domain_get(struct ctx *cx, str id, struct store_domain **out);

/* Write entries. */
/* At the end of the list. Errors: ALREADY_EXISTS. */
must_check_ enum code store_domain_insert(struct ctx *cx, const struct store_domain *d);
/* The name. Errors: NOT_FOUND. */
must_check_ enum code store_domain_update(struct ctx *cx, const struct store_domain *d);
/* Errors: NOT_FOUND, FAILED_PRECONDITION (it has runs, tasks, artifacts, secrets or settings). */
must_check_ enum code store_domain_delete(struct ctx *cx, str id);

#endif

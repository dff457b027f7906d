/* Secrets, sealed: the secret service encrypts before and decrypts after (D-35). */
#ifndef STORE_SECRET_H
#define STORE_SECRET_H

#include "store/page.h"

struct store_secret {
    uint64_t id;
    str domain, project, name; /* scopes: both empty = global; project empty = the domain */
    int32_t type;              /* secret.SecretType */
    str sealed;
    int64_t created_ns, updated_ns;
};

/* Errors: ALREADY_EXISTS. */
must_check_ enum code store_secret_insert(struct ctx *cx, const struct store_secret *s);
/* Errors: NOT_FOUND. */
must_check_ enum code store_secret_update(struct ctx *cx, const struct store_secret *s);
/* Exactly this scope. *out = NULL when there is none. */
must_check_ enum code store_secret_find(struct ctx *cx, str domain, str project, str name, struct store_secret **out);
/* What a task of this project and domain gets: its own, else the domain's, else the global one. NULL when none. */
must_check_ enum code store_secret_resolve(struct ctx *cx, str domain, str project, str name,
                                           struct store_secret **out);
/* *found = false when there was none. */
must_check_ enum code store_secret_delete(struct ctx *cx, str domain, str project, str name, bool *found);
/* Alias: s. */
must_check_ enum code store_secret_list(struct ctx *cx, const struct store_page *page, struct store_secret **out,
                                        size_t *n);

#endif

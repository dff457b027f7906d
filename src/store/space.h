/* Spaces: a project and a domain. Read and write lane. */
#ifndef STORE_SPACE_H
#define STORE_SPACE_H

#include "base/ctx.h"

/* Write entry. Makes it when it is new. */
must_check_ enum code store_space_put(struct ctx *cx, str project, str domain, uint64_t *out);
/* All of them, at most max: out has the room. */
must_check_ enum code store_space_list(struct ctx *cx, size_t max, uint64_t *out, size_t *n);
/* 0 when nothing ever ran there. */
must_check_ enum code store_space_find(struct ctx *cx, str project, str domain, uint64_t *out);

#endif

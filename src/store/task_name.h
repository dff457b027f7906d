/* Full task names. */
#ifndef STORE_TASK_NAME_H
#define STORE_TASK_NAME_H

#include "base/ctx.h"

/* Write entry. Makes it when it is new. */
must_check_ enum code store_task_name_put(struct ctx *cx, str project, str domain, str name, uint64_t *out);
/* 0 when there is none. */
must_check_ enum code store_task_name_find(struct ctx *cx, str project, str domain, str name, uint64_t *out);

#endif

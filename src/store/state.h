/* The opaque state of StateService.Put and Get. */
#ifndef STORE_STATE_H
#define STORE_STATE_H

#include "base/ctx.h"

must_check_ enum code store_state_put(struct ctx *cx, uint64_t action_id, str body);
/* *found = false when there is none. */
must_check_ enum code store_state_get(struct ctx *cx, uint64_t action_id, bool *found, str *body);

#endif

/* Aborts that still have to reach descendants (D-04). */
#ifndef STORE_CASCADE_H
#define STORE_CASCADE_H

#include "base/ctx.h"

struct store_cascade {
    uint64_t run_id;
    uint64_t action_id; /* whose children; 0 = all of the run */
    str reason;
    uint64_t by_id; /* identity */
};

/* Write entries. Putting one that is there already keeps the first. */
must_check_ enum code store_cascade_put(struct ctx *cx, const struct store_cascade *c);
must_check_ enum code store_cascade_delete(struct ctx *cx, uint64_t run_id, uint64_t action_id);
/* Any of them, at most max. */
must_check_ enum code store_cascade_list(struct ctx *cx, size_t max, struct store_cascade **out, size_t *n);

#endif

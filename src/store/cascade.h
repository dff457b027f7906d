/* Aborts that still have to reach descendants (D-04): pieces of at most some hundred rows, until nothing is open. */
#ifndef STORE_CASCADE_H
#define STORE_CASCADE_H

#include "base/ctx.h"

struct store_cascade {
    uint64_t run_id;
    uint64_t action_id; /* whose open children; 0 = all open actions of the run */
    str reason;
    uint64_t by_id; /* identity */
};

/* An action that a piece ended. */
struct store_cascade_hit {
    uint64_t id, parent_id;
    uint32_t attempt;
    int32_t was; /* its phase until now */
    bool has_children;
    bool launched; /* the current attempt has a row: an executor may know it */
};

/* Write entries. Putting one that is there already keeps the first. */
must_check_ enum code store_cascade_put(struct ctx *cx, const struct store_cascade *c);
must_check_ enum code store_cascade_delete(struct ctx *cx, uint64_t run_id, uint64_t action_id);
/* Any of them, at most max. */
must_check_ enum code store_cascade_list(struct ctx *cx, size_t max, struct store_cascade **out, size_t *n);
/* Write entry. Ends at most max of the open actions that c names: phase ABORTED, their attempts too, the counts of
 * their ancestors kept. Fewer than max hits: nothing is left. */
must_check_ enum code store_cascade_step(struct ctx *cx, const struct store_cascade *c, size_t max, int64_t now_ns,
                                         struct store_cascade_hit **out, size_t *n);

#endif

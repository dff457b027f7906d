/* Failed runs whose handler (run.on_failure) is yet to be started. */
#ifndef STORE_FAILURE_H
#define STORE_FAILURE_H

#include "store/db.h"

struct store_failure {
    uint64_t run_id;
    int64_t due_ns;
    uint32_t failures; /* attempts to start it that did not work */
};

/* Write entries. */
must_check_ enum code store_failure_insert(struct ctx *cx, uint64_t run_id, int64_t due_ns);
/* due_ns, failures. */
must_check_ enum code store_failure_step(struct ctx *cx, const struct store_failure *f);
must_check_ enum code store_failure_delete(struct ctx *cx, uint64_t run_id);

/* The one that is due first, if only later, of runs of which nothing is left to be aborted (store/cascade.h). *out = NULL
 * when there is none. */
must_check_ enum code store_failure_next(struct ctx *cx, struct store_failure **out);

#endif

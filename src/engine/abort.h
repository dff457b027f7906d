/* Aborting actions and runs (control-plane.md 4, D-04). */
#ifndef ENGINE_ABORT_H
#define ENGINE_ABORT_H

#include "engine/clock.h"
#include "store/action.h"

/* Write entries. Already ended: nothing happens. The row is ABORTED at the commit; what is below follows in pieces; the
 * executor is told after it. by: identity, 0 = unknown. */
must_check_ enum code engine_abort_action(struct ctx *cx, const struct store_run *run, struct store_action *a,
                                          str reason, uint64_t by);
/* The whole run: from the commit on nothing can be enqueued in it. */
must_check_ enum code engine_abort_run(struct ctx *cx, const struct store_run *run, str reason, uint64_t by);

/* Write entry: one piece of the cascades that are left. *more when there is more to do. ids: actions that an executor
 * may still be running, in cx->mem. */
must_check_ enum code engine_abort_step(struct ctx *cx, bool *more, uint64_t **ids, size_t *n);

#endif

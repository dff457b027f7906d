/* The engine: what happens to an action. The store is the only truth; executors are reporters; kill -9 anywhere
 * converges. Functions with "write entry" run inside one (cx->db in a write transaction) and take effect at its commit.
 */
#ifndef ENGINE_ENGINE_H
#define ENGINE_ENGINE_H

#include "base/ctx.h"

struct engine;

/* Recovers what an earlier process left, then reconciles until stopped. */
must_check_ enum code engine_start(struct ctx *cx, struct app *app, struct engine **out);
void engine_stop(struct engine *e);
/* Looks at this action soon; any thread; cheap; duplicates are one. */
void engine_wake(struct engine *e, uint64_t action_id);
/* The same after the current write entry's commit. */
void engine_wake_after_commit(struct ctx *cx, uint64_t action_id);

#endif

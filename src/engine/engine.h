/* The engine: what happens to an action. The store is the only truth; executors are reporters; kill -9 anywhere
 * converges. Functions with "write entry" run inside one (cx->db in a write transaction) and take effect at its commit.
 */
#ifndef ENGINE_ENGINE_H
#define ENGINE_ENGINE_H

#include "base/ctx.h"
#include "engine/clock.h"

struct engine;

/* Recovers what an earlier process left, then reconciles until stopped. app->lanes, topics, objects and exec are there;
 * *out is set before anything is looked at, so that executors may notify meanwhile; when starting fails later, too. */
must_check_ enum code engine_start(struct ctx *cx, struct app *app, struct engine **out);
/* After the RPCs have ended and before the lanes stop: nothing new is begun, its threads end, what is being done is waited
 * for. Wakes are still taken, and do nothing. Accepts NULL. */
void engine_halt(struct engine *e);
/* After engine_halt(), and when nobody is left to wake it: the executor and the lanes have stopped. Accepts NULL. */
void engine_free(struct engine *e);
/* Looks at this action soon; any thread; cheap; duplicates are one. Executors call it when an observation changed. */
void engine_wake(struct engine *e, uint64_t action_id);
/* The same after the current write entry's commit. Does nothing without an engine (unit tests of services). */
void engine_wake_after_commit(struct ctx *cx, uint64_t action_id);
/* After the commit: looks at cascades (store/cascade.h). */
void engine_wake_cascades_after_commit(struct ctx *cx);
/* The time for rows that a write entry makes. */
void engine_clock_now(struct ctx *cx, struct engine_clock *out);

#endif

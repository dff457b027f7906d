/* The thread that starts the runs of triggers, of schedules when their time comes and for new artifacts, and the handlers of
 * failed runs. It sleeps until the next slot; what is due is read from the store each time, so a change of a trigger counts
 * at once. */
#ifndef ENGINE_FIRE_H
#define ENGINE_FIRE_H

#include "base/ctx.h"
#include "gen/flyteidl2_core.h"
#include "store/run.h"

/* Write entry: after its commit the thread looks again. Does nothing without an engine. */
void engine_fire_wake_after_commit(struct ctx *cx);
/* Write entry, the one that stores a new version of an artifact: afterwards the active triggers of that project and domain
 * that wait for it start their runs, each once. id: project, domain, name and version are there, partitions as the version
 * has them. value: what TriggeredArtifact binds. run_id: of the run that made it, 0 = none. One row at most, however many
 * triggers there are. */
must_check_ enum code engine_fire_artifact(struct ctx *cx, const CoreArtifactID *id, const CoreLiteral *value,
                                           uint64_t run_id);
/* Write entry, the one in which the run's root ends without success: afterwards its handler is started, once, if it has
 * one. */
must_check_ enum code engine_fire_failure(struct ctx *cx, const struct store_run *run);

#endif

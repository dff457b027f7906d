/* Runs that a new version of an artifact starts. */
#ifndef ENGINE_ARTIFACT_H
#define ENGINE_ARTIFACT_H

#include "base/ctx.h"
#include "gen/flyteidl2_core.h"

/* Write entry, the one that stores the version: afterwards the active triggers of that project and domain that wait for the
 * artifact start their runs, each once. id: project, domain, name and version are there, partitions as the version has
 * them. value: what TriggeredArtifact binds. run_id: of the run that made it, 0 = none. One row at most, however many
 * triggers there are. */
must_check_ enum code engine_artifact_created(struct ctx *cx, const CoreArtifactID *id, const CoreLiteral *value,
                                              uint64_t run_id);

#endif

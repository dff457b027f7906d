/* The task that runs when a run has failed or was aborted, its failure handler: which one, and with what. It is named by the
 * run's variable TERN_ON_FAILURE, else by that of its task. docs/failure-handlers.md says what users see; fire_failure.c
 * starts it. */
#ifndef ENGINE_HANDLER_H
#define ENGINE_HANDLER_H

#include "gen/flyteidl2_task.h"
#include "store/run.h"
#include "store/spec.h"
#include "store/task.h"

/* The full name of the handler, perhaps with :version; empty = none. spec: of the run's task, row: the same as it is
 * stored. A task is no handler of itself. */
str engine_handler_name(struct ctx *cx, const TaskRunSpec *run, const TaskTaskSpec *spec, const struct store_spec *row);
/* Read or write entry. The version that run->on_failure says, else that of the run's own task, else the newest. Errors:
 * FAILED_PRECONDITION: it is not deployed. */
must_check_ enum code engine_handler_find(struct ctx *cx, const struct store_run *run, str own_version,
                                          struct store_task **out);
/* The handler's inputs: `error` is why the run has failed, as text or, where the input takes none, as an object; the others
 * are the run's inputs of these names (given; NULL = none), else the handler's defaults, else None. Errors:
 * INVALID_ARGUMENT naming the input that nothing is there for. */
must_check_ enum code engine_handler_inputs(struct ctx *cx, const TaskTaskSpec *handler, const struct store_run *run,
                                            const struct store_action *root, const TaskInputs *given, TaskInputs **out);

#endif

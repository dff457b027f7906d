/* What a run begins with, put together alike whoever starts it: CreateRun, a schedule, an artifact. */
#ifndef ENGINE_PREPARE_H
#define ENGINE_PREPARE_H

#include "app.h"
#include "engine/create.h"
#include "engine/settings.h"
#include "engine/uri.h"

/* Adds to spec what the settings have (NULL = none), and makes it the run's: run_spec, base_uri and max_actions of *n;
 * project, domain, name and the task's spec are there. */
void engine_prepare_run(struct ctx *cx, const SettingsSettings *settings, TaskRunSpec *spec, struct engine_new_run *n);
/* Whether the task's SDK may be given a start time: the oldest ones made it part of the names of actions. */
bool engine_prepare_takes_start(const TaskTaskSpec *spec);

/* Under this key of the inputs' context the SDK names the input that its runtime fills with the run's start time. */
#define ENGINE_PREPARE_KICKOFF "_u_kickoff_time_input_arg"

/* What was given (NULL = nothing), and of `below` (the same) the literals and context that it lacks. */
TaskInputs *engine_prepare_fill(struct ctx *cx, const TaskInputs *given, const TaskInputs *below);
/* The task's defaults. */
TaskInputs *engine_prepare_defaults(struct ctx *cx, const TaskTaskSpec *spec);
/* False for a task that runs inside the engine and needs no object for no inputs. */
bool engine_prepare_must_store(const struct engine_new_run *n, const TaskInputs *in);
/* Sets input_uri, which is below base_uri, and inputs_hash of *n. *out: what has to be stored before the run is made. */
must_check_ enum code engine_prepare_inputs(struct ctx *cx, struct engine_new_run *n, const TaskInputs *in,
                                            struct engine_uri_object *out);
/* The same, and stores it. Blocks: not on the read or write lane. */
must_check_ enum code engine_prepare_store(struct ctx *cx, struct engine_new_run *n, const TaskInputs *in);

#endif

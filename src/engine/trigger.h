/* Runs that a trigger starts: what they begin with, whoever fires it. */
#ifndef ENGINE_TRIGGER_H
#define ENGINE_TRIGGER_H

#include "base/map.h"
#include "engine/prepare.h"
#include "gen/flyteidl2_trigger.h"
#include "store/trigger.h"

/* A trigger and what it starts, decoded; everything in cx->mem. */
struct engine_trigger {
    const struct store_trigger *row;
    const TriggerTriggerSpec *spec;
    const TaskTriggerAutomationSpec *automation;
    const TaskTaskSpec *task;
    uint64_t task_spec_id;
};

/* Read or write entry. What a trigger, or one of its revisions, says. Errors: DATA_LOSS. */
must_check_ enum code engine_trigger_spec(struct ctx *cx, const struct store_trigger *row,
                                          const TriggerTriggerSpec **out);
/* Its own inputs; *out = NULL when it has none. Reads an object: not on the read or write lane. Errors: FAILED_PRECONDITION:
 * the stored inputs are gone or cannot be read. */
must_check_ enum code engine_trigger_own_inputs(struct ctx *cx, const TriggerTriggerSpec *spec, const TaskInputs **out);

/* Read or write entry. shared: specs that were decoded before, by id, to which these are added; NULL = none. Errors: NOT_FOUND
 * (the task's version), DATA_LOSS. */
must_check_ enum code engine_trigger_load(struct ctx *cx, struct map *shared, const struct store_trigger *row,
                                          struct engine_trigger *out);
/* The trigger's own part of a run: trigger, task, run_spec, which is returned: a copy in cx->mem. project, domain, name,
 * source, start_ns are the caller's. */
TaskRunSpec *engine_trigger_run(struct ctx *cx, const struct engine_trigger *t, struct engine_new_run *n);

/* One literal under the name of an input; NULL for an empty name. */
TaskInputs *engine_trigger_literal(struct ctx *cx, str input, CoreLiteral *value);
/* The time as the input that the schedule names; NULL when it names none. */
TaskInputs *engine_trigger_kickoff(struct ctx *cx, const struct engine_trigger *t, int64_t time_ns);

/* Sets input_uri and inputs_hash: what was given (NULL = nothing), else bound (the kickoff time, an artifact; NULL = none),
 * else the trigger's own inputs, else the task's defaults. *out: what has to be stored before the run is made, perhaps
 * nothing. Reads objects: not on the read or write lane. Errors: FAILED_PRECONDITION: the stored inputs are gone or cannot be read. */
must_check_ enum code engine_trigger_inputs(struct ctx *cx, const struct engine_trigger *t, const TaskInputs *given,
                                            const TaskInputs *bound, struct engine_new_run *n,
                                            struct engine_uri_object *out);

#endif

/* Making runs and actions. Write entries, for the services. */
#ifndef ENGINE_CREATE_H
#define ENGINE_CREATE_H

#include "engine/task.h"
#include "gen/flyteidl2_workflow.h"
#include "store/action.h"
#include "store/spec.h"

/* Where everything is kept unless run_base_dir says otherwise. */
#define ENGINE_BASE_URI "s3://tern"
/* Among the uploads of a project and domain: the folder of tracked runs, as their clients name it. */
#define ENGINE_TRACKED "tracked-runs"

/* ---- checks ----------------------------------------------------------------------------------------------------- */

/* Errors: INVALID_ARGUMENT naming the field. */
must_check_ enum code engine_create_check_run_name(struct ctx *cx, str name);
must_check_ enum code engine_create_check_name(struct ctx *cx, const char *field, str name, size_t max);
/* "r" and 19 characters, from secure random. */
str engine_create_run_name(struct arena *mem);

/* ---- runs ------------------------------------------------------------------------------------------------------- */

struct store_trigger;

struct engine_new_run {
    str project, domain, name;
    const struct store_trigger *trigger; /* that starts it; NULL = none */
    const TaskTaskIdentifier *task_id;   /* what the task is called; NULL: as its template says */
    const TaskTaskSpec *spec;
    uint64_t spec_id;            /* of a deployed task; 0 = spec is to be stored */
    const TaskRunSpec *run_spec; /* without run_start_time */
    int64_t start_ns;            /* run_start_time; 0 = none */
    int32_t source;
    bool tracked; /* it runs elsewhere and is reported: its root is RUNNING, and nothing is launched */
    uint32_t max_actions;
    str base_uri; /* without / at its end */
    str input_uri;
    str inputs_hash;       /* for the cache key of a discoverable task; "" = not cached */
    str request_key;       /* 32 bytes (D-02); empty = none */
    str error_code, error; /* not empty: it cannot begin; the run is there, and has failed with this */
};

struct engine_made_run {
    struct store_run *run;
    struct store_action *root;
    bool repeated; /* the request was seen before: this is what it made then */
};

/* Write entry. Errors: ALREADY_EXISTS (the name), NOT_FOUND (the related run), FAILED_PRECONDITION (no version of its
 * failure handler is deployed; of a run without a trigger). */
must_check_ enum code engine_create_run(struct ctx *cx, const struct engine_new_run *n, struct engine_made_run *out);

/* ---- actions ---------------------------------------------------------------------------------------------------- */

/* The action that runs a run's failure handler (engine/handler.h). */
#define ENGINE_HANDLER_ACTION "on-failure"

/* Write entry. Makes it, below the root, which has ended. Of n count the task, input_uri, error_code and error. Errors:
 * ALREADY_EXISTS. */
must_check_ enum code engine_create_handler(struct ctx *cx, struct store_run *run, const struct engine_new_run *n);

struct engine_new_action {
    str project, domain, run, name, parent;
    str group, queue, input_uri;
    str output_base;                /* run_output_base as sent: only checked */
    const WorkflowTaskAction *task; /* one of the three */
    const WorkflowTraceAction *trace;
    const WorkflowConditionAction *condition;
    bool external; /* an external executor owns it */
    bool goes_on;  /* external: a trace is RUNNING until a report ends it */
};

/* Write entry. Errors: NOT_FOUND (run or parent), ABORTED (the run was aborted or the parent has ended),
 * ALREADY_EXISTS, INVALID_ARGUMENT (what the condition takes), FAILED_PRECONDITION (nothing is launched in a tracked run). */
must_check_ enum code engine_create_action(struct ctx *cx, const struct engine_new_action *n,
                                           struct store_action **out);

#endif

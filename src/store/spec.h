/* Specs: immutable messages that many rows share, stored once by their content. The id is made from the digest, so what
 * an id stands for never changes: decoded specs may be kept in memory by id. Read and write lane. */
#ifndef STORE_SPEC_H
#define STORE_SPEC_H

#include "base/ctx.h"
#include "gen/flyteidl2_task.h"

enum store_spec_kind {
    STORE_SPEC_TASK = 1,  /* flyteidl2.task.TaskSpec */
    STORE_SPEC_TRACE,     /* flyteidl2.task.TraceSpec */
    STORE_SPEC_CONDITION, /* flyteidl2.workflow.ConditionAction */
    STORE_SPEC_RUN,       /* flyteidl2.task.RunSpec, without run_start_time */
    STORE_SPEC_TRIGGER,   /* flyteidl2.trigger.TriggerSpec, see store/trigger.h */
};

struct store_spec {
    uint64_t id;
    int32_t kind;
    uint64_t task_name_id;                  /* TASK */
    str project, domain, version;           /* TASK: of the TaskIdentifier */
    str name;                               /* full task name, trace name, condition name */
    str short_name, task_type, environment; /* TASK */
    str body;
};

/* What clients send is stored by engine/uploads.h, which calls these. Write entry. Stores what is new; sets id and task_name_id of *s. */
must_check_ enum code store_spec_put(struct ctx *cx, struct store_spec *s);
/* Write entry. The row of a task's spec, stored. id: as the caller names the task; NULL or without a name = as its
 * template does. */
must_check_ enum code store_spec_put_task(struct ctx *cx, const TaskTaskIdentifier *id, const TaskTaskSpec *spec,
                                          struct store_spec *out);
/* Errors: NOT_FOUND. */
must_check_ enum code store_spec_get(struct ctx *cx, uint64_t id, struct store_spec **out);
/* Deletes specs that nothing names any more, at most max of them, looking at ids from *cursor on; *cursor becomes 0
 * when all were looked at. Write entry. */
must_check_ enum code store_spec_sweep(struct ctx *cx, size_t max, uint64_t *cursor);
/* The next specs after *cursor, at most max; *cursor becomes 0 when these were the last. Of each: id, kind, body. */
must_check_ enum code store_spec_walk(struct ctx *cx, size_t max, uint64_t *cursor, struct store_spec **out, size_t *n);

#endif

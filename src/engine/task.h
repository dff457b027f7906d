/* What the engine must know of a task, decoded once per spec and kept: specs never change (store/spec.h). Any thread.
 */
#ifndef ENGINE_TASK_H
#define ENGINE_TASK_H

#include "base/ctx.h"
#include "gen/flyteidl2_task.h"

struct engine_task_kept;

enum engine_task_kind {
    ENGINE_TASK_PROCESS, /* an executor runs it */
    ENGINE_TASK_ECHO,    /* core-echo: outputs are the inputs; inside the engine */
    ENGINE_TASK_SLEEP,   /* core-sleep: one input of type duration; inside the engine */
};

struct engine_task {
    enum engine_task_kind kind;
    uint32_t retries;
    int64_t backoff_base_ns, backoff_cap_ns; /* cap 0 = none */
    double backoff_factor;
    int64_t max_runtime_ns, queued_timeout_ns, deadline_ns; /* 0 = no limit */
    bool cached, serializable;
    int64_t cache_max_age_ns; /* 0 = no limit */
    bool has_inputs, has_outputs, has_report, produces_artifacts;
    const TaskTaskSpec *spec; /* its template is never NULL */
    const CoreTaskTemplate *template;
    struct engine_task_kept *kept; /* task.c's */
};

struct engine_tasks; /* those kept */

struct engine_tasks *engine_tasks_new(void);
void engine_tasks_free(struct engine_tasks *t);

/* Lives until engine_task_release(). cx->db is needed for one that is not kept. Errors: NOT_FOUND, INTERNAL. */
must_check_ enum code engine_task_get(struct ctx *cx, struct engine_tasks *t, uint64_t spec_id,
                                      const struct engine_task **out);
/* Accepts NULL. */
void engine_task_release(const struct engine_task *task);

/* From a message that outlives *out; template may be absent (then it is made empty). */
void engine_task_facts(struct arena *mem, const TaskTaskSpec *spec, struct engine_task *out);
/* 0 for an absent, zero or negative one; saturates. */
int64_t engine_task_duration_ns(const GoogleProtobufDuration *d);

#endif

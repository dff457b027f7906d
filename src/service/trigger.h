/* Changes of triggers, shared by TriggerService and by TaskService's DeployTask. Write entries; all of them make a revision
 * and let the scheduler look again. */
#ifndef SERVICE_TRIGGER_H
#define SERVICE_TRIGGER_H

#include "gen/flyteidl2_trigger.h"
#include "store/trigger.h"

/* Triggers that one request may name: each is a few rows (D-04). */
#define SERVICE_TRIGGER_MAX 100

struct service_trigger_new {
    str project, domain, task_name, name;
    uint64_t revision;                           /* that the change is based on; 0 = any */
    const TriggerTriggerSpec *spec;              /* with task_version */
    const TaskTriggerAutomationSpec *automation; /* NULL = none */
    bool from_deploy;                            /* by DeployTask */
};

/* Errors: NOT_FOUND (project, task version), INVALID_ARGUMENT, FAILED_PRECONDITION (another revision). */
must_check_ enum code service_trigger_deploy(struct ctx *cx, const struct service_trigger_new *n,
                                             struct store_trigger **out);
/* The triggers of a DeployTask, whose task is stored: those listed, and none that an earlier one made and that is not
 * (D-53). */
must_check_ enum code service_trigger_deploy_all(struct ctx *cx, const TaskDeployTaskRequest *req,
                                                 uint64_t task_name_id);
/* Nothing when it is so already. */
must_check_ enum code service_trigger_activate(struct ctx *cx, struct store_trigger *t, bool active);
must_check_ enum code service_trigger_delete(struct ctx *cx, struct store_trigger *t);

#endif

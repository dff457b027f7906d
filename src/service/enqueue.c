/* Enqueueing, aborting and telling about children. See enqueue.h. */
#include "service/enqueue.h"

#include "engine/abort.h"
#include "engine/create.h"
#include "engine/phase.h"
#include "store/identity.h"

static enum code check(struct ctx *cx, const ActionsAction *a)
{
    if (!a->parent_action_name.n)
        return fail(cx, CODE_INVALID_ARGUMENT, "action.parent_action_name: required; runs are made by CreateRun");
    TRY(engine_create_check_name(cx, "action.action_id.name", a->action_id->name, 30));
    if (a->group.n > 256)
        return fail(cx, CODE_INVALID_ARGUMENT, "action.group: more than 256 bytes");
    if (a->input_uri.n)
        TRY(engine_create_check_uri(cx, "action.input_uri", a->input_uri));
    return CODE_OK;
}

enum code service_enqueue(struct ctx *cx, const ActionsAction *a)
{
    const CommonRunIdentifier *run = a->action_id->run;
    struct store_action *made;
    struct engine_new_action n = {.project = run->project,
                                  .domain = run->domain,
                                  .run = run->name,
                                  .name = a->action_id->name,
                                  .parent = a->parent_action_name,
                                  .group = a->group,
                                  .input_uri = a->input_uri};
    TRY(check(cx, a));
    switch (a->spec_case) {
    case ActionsAction_task_tag:
        n.task = a->task;
        break;
    case ActionsAction_trace_tag:
        n.trace = a->trace;
        break;
    case ActionsAction_condition_tag:
        n.condition = a->condition;
        break;
    default:
        break;
    }
    return engine_create_action(cx, &n, &made);
}

enum code service_enqueue_abort(struct ctx *cx, const CommonActionIdentifier *id, str reason)
{
    struct store_run *run;
    struct store_action *a;
    uint64_t by;
    TRY(store_action_get(cx, id->run->project, id->run->domain, id->run->name, id->name, &run, &a));
    TRY(store_identity_put_caller(cx, &by));
    return a->parent_id ? engine_abort_action(cx, run, a, reason, by) : engine_abort_run(cx, run, reason, by);
}

/* ---- updates ------------------------------------------------------------------------------------------------------
 */

static CoreExecutionError *error_of(struct ctx *cx, const struct store_action *a)
{
    bool failed = a->phase == COMMON_ACTION_PHASE_FAILED || a->phase == COMMON_ACTION_PHASE_TIMED_OUT;
    if (!failed || (!a->error_code.n && !a->error.n))
        return NULL;
    CoreExecutionError *e = pb_new(cx->mem, CoreExecutionError);
    e->code = a->error_code;
    e->message = a->error;
    e->kind = a->error_kind;
    e->recoverability =
        a->recoverable ? CORE_CONTAINER_ERROR_KIND_RECOVERABLE : CORE_CONTAINER_ERROR_KIND_NON_RECOVERABLE;
    return e;
}

enum code service_enqueue_update(struct ctx *cx, const CommonRunIdentifier *run, const struct store_action *a,
                                 WorkflowActionUpdate **out)
{
    WorkflowActionUpdate *u = pb_new(cx->mem, WorkflowActionUpdate);
    void *value;
    u->action_id = pb_new(cx->mem, CommonActionIdentifier);
    u->action_id->name = a->name;
    u->action_id->run = pb_new(cx->mem, CommonRunIdentifier);
    u->action_id->run->project = run->project;
    u->action_id->run->domain = run->domain;
    u->action_id->run->name = run->name;
    u->phase = a->phase;
    u->output_uri = a->output_uri;
    u->error = error_of(cx, a);
    if (a->value.n) {
        TRY(pb_decode(cx, &CoreLiteral_type, a->value, &value));
        u->value = value;
    }
    *out = u;
    return CODE_OK;
}

enum code service_enqueue_parent(struct ctx *cx, const CommonActionIdentifier *id, uint64_t *out)
{
    struct store_run *run;
    struct store_action *a;
    TRY(store_action_get(cx, id->run->project, id->run->domain, id->run->name, id->name, &run, &a));
    *out = a->id;
    return CODE_OK;
}

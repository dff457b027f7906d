/* RunService: the RPCs that change what is there: AbortRun, AbortAction, SignalEvent. Write lane. */
#include "engine/abort.h"
#include "engine/signal.h"
#include "gen/services.h"
#include "store/identity.h"

#define REASON_MAX 4096

static enum code check_reason(struct ctx *cx, str reason)
{
    if (reason.n > REASON_MAX)
        return fail(cx, CODE_INVALID_ARGUMENT, "reason: more than %d bytes", REASON_MAX);
    return CODE_OK;
}

/* Aborting what has ended is a no-op. Errors: INVALID_ARGUMENT, NOT_FOUND. */
enum code RunService_AbortRun(struct ctx *cx, const WorkflowAbortRunRequest *req, WorkflowAbortRunResponse *rsp)
{
    const CommonRunIdentifier *id = req->run_id;
    struct store_run *run;
    uint64_t by;
    (void)rsp;
    TRY(check_reason(cx, req->reason));
    TRY(store_run_get(cx, id->project, id->domain, id->name, &run));
    TRY(store_identity_put_caller(cx, &by));
    return engine_abort_run(cx, run, req->has_reason ? req->reason : STR("User requested abort"), by);
}

/* The same for one action and what is below it; of a0: the whole run. */
enum code RunService_AbortAction(struct ctx *cx, const WorkflowAbortActionRequest *req,
                                 WorkflowAbortActionResponse *rsp)
{
    const CommonActionIdentifier *id = req->action_id;
    str reason = req->reason.n ? req->reason : STR("User requested abort");
    struct store_run *run;
    struct store_action *a;
    uint64_t by;
    (void)rsp;
    TRY(check_reason(cx, req->reason));
    TRY(store_action_get(cx, id->run->project, id->run->domain, id->run->name, id->name, &run, &a));
    TRY(store_identity_put_caller(cx, &by));
    return a->parent_id ? engine_abort_action(cx, run, a, reason, by) : engine_abort_run(cx, run, reason, by);
}

static enum code literal_of(struct ctx *cx, const WorkflowEventPayload *p, CoreLiteral **out)
{
    CoreLiteral *l = pb_new(cx->mem, CoreLiteral);
    CorePrimitive *v = pb_new(cx->mem, CorePrimitive);
    l->value_case = CoreLiteral_scalar_tag;
    l->scalar = pb_new(cx->mem, CoreScalar);
    l->scalar->value_case = CoreScalar_primitive_tag;
    l->scalar->primitive = v;
    *out = l;
    switch (p->value_case) {
    case WorkflowEventPayload_bool_value_tag:
        v->value_case = CorePrimitive_boolean_tag;
        v->boolean = p->bool_value;
        return CODE_OK;
    case WorkflowEventPayload_int_value_tag:
        v->value_case = CorePrimitive_integer_tag;
        v->integer = p->int_value;
        return CODE_OK;
    case WorkflowEventPayload_float_value_tag:
        v->value_case = CorePrimitive_float_value_tag;
        v->float_value = p->float_value;
        return CODE_OK;
    case WorkflowEventPayload_string_value_tag:
        v->value_case = CorePrimitive_string_value_tag;
        v->string_value = p->string_value;
        return CODE_OK;
    default:
        return fail(cx, CODE_INVALID_ARGUMENT, "payload.value: required");
    }
}

/* Errors: INVALID_ARGUMENT, NOT_FOUND, FAILED_PRECONDITION. The same signal again is no error. */
enum code RunService_SignalEvent(struct ctx *cx, const WorkflowSignalEventRequest *req,
                                 WorkflowSignalEventResponse *rsp)
{
    const CommonActionIdentifier *id = req->action_id;
    struct store_run *run;
    struct store_action *a;
    CoreLiteral *value;
    uint64_t by;
    (void)rsp;
    TRY(literal_of(cx, req->payload, &value));
    TRY(store_action_get(cx, id->run->project, id->run->domain, id->run->name, id->name, &run, &a));
    TRY(store_identity_put_caller(cx, &by));
    return engine_signal(cx, run, a, value, by);
}

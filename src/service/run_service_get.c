/* RunService: the RPCs that read one run or action. */
#include "gen/services.h"
#include "service/action_message.h"
#include "service/convert.h"
#include "service/data.h"

enum code RunService_GetRunDetails(struct ctx *cx, const WorkflowGetRunDetailsRequest *req,
                                   WorkflowGetRunDetailsResponse *rsp)
{
    struct store_run *run;
    struct store_action *root;
    const CommonRunIdentifier *id = req->run_id;
    TRY(store_run_get(cx, id->project, id->domain, id->name, &run));
    TRY(store_action_get_by_id(cx, store_action_root(run->id), &root));
    return service_run_details(cx, run, root, id->org, &rsp->details);
}

static enum code get_action(struct ctx *cx, const CommonActionIdentifier *id, struct store_run **run,
                            struct store_action **a)
{
    if (!id->run)
        return fail(cx, CODE_INVALID_ARGUMENT, "action_id.run: required");
    return store_action_get(cx, id->run->project, id->run->domain, id->run->name, id->name, run, a);
}

enum code RunService_GetActionDetails(struct ctx *cx, const WorkflowGetActionDetailsRequest *req,
                                      WorkflowGetActionDetailsResponse *rsp)
{
    struct store_run *run;
    struct store_action *a;
    TRY(get_action(cx, req->action_id, &run, &a));
    return service_action_details(cx, run, a, req->action_id->run->org, &rsp->details);
}

enum code RunService_GetActionDataURIs(struct ctx *cx, const WorkflowGetActionDataURIsRequest *req,
                                       WorkflowGetActionDataURIsResponse *rsp)
{
    struct store_run *run;
    struct store_action *a;
    TRY(get_action(cx, req->action_id, &run, &a));
    rsp->inputs_uri = service_inputs_uri(cx, a);
    rsp->outputs_uri = service_outputs_uri(cx, a);
    return CODE_OK;
}

enum code RunService_GetActionLogContext(struct ctx *cx, const WorkflowGetActionLogContextRequest *req,
                                         WorkflowGetActionLogContextResponse *rsp)
{
    struct store_run *run;
    struct store_action *a;
    struct store_attempt *t;
    TRY(get_action(cx, req->action_id, &run, &a));
    TRY(store_attempt_find(cx, a, req->attempt, &t));
    if (!t || !t->has_log)
        return fail(cx, CODE_NOT_FOUND, "attempt %u has no log yet", req->attempt);
    rsp->log_context = service_log_context(cx, run, a, t);
    rsp->cluster = STR("tern");
    rsp->start_time = service_timestamp(cx, t->running_ns);
    rsp->end_time = service_timestamp(cx, t->ended_ns);
    return CODE_OK;
}

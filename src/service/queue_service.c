/* QueueService: the older way to say what ActionsService.Enqueue and Abort say. Write lane. */
#include "gen/services.h"
#include "service/enqueue.h"

enum code QueueService_EnqueueAction(struct ctx *cx, const WorkflowEnqueueActionRequest *req,
                                     WorkflowEnqueueActionResponse *rsp)
{
    ActionsAction a = {.action_id = req->action_id,
                       .parent_action_name = req->parent_action_name,
                       .has_parent_action_name = req->has_parent_action_name,
                       .input_uri = req->input_uri,
                       .run_output_base = req->run_output_base,
                       .group = req->group,
                       .subject = req->subject};
    (void)rsp;
    switch (req->spec_case) {
    case WorkflowEnqueueActionRequest_task_tag:
        a.spec_case = ActionsAction_task_tag;
        a.task = req->task;
        break;
    case WorkflowEnqueueActionRequest_trace_tag:
        a.spec_case = ActionsAction_trace_tag;
        a.trace = req->trace;
        break;
    case WorkflowEnqueueActionRequest_condition_tag:
        a.spec_case = ActionsAction_condition_tag;
        a.condition = req->condition;
        break;
    default:
        break;
    }
    return service_enqueue(cx, &a);
}

enum code QueueService_AbortQueuedRun(struct ctx *cx, const WorkflowAbortQueuedRunRequest *req,
                                      WorkflowAbortQueuedRunResponse *rsp)
{
    CommonActionIdentifier root = {.run = req->run_id, .name = STR("a0")};
    (void)rsp;
    return service_enqueue_abort(cx, &root, req->has_reason ? req->reason : STR("User requested abort"));
}

enum code QueueService_AbortQueuedAction(struct ctx *cx, const WorkflowAbortQueuedActionRequest *req,
                                         WorkflowAbortQueuedActionResponse *rsp)
{
    (void)rsp;
    return service_enqueue_abort(cx, req->action_id, req->has_reason ? req->reason : STR("aborted by its parent"));
}

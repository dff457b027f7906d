/* StateService: Watch is ActionsService.WatchForUpdates by its older name; Put and Get keep an opaque text per action.
 */
#include "gen/services.h"
#include "rpc/stream.h"
#include "service/enqueue.h"
#include "store/state.h"

#define STATE_MAX ((size_t)1 << 20)

static enum code find(struct ctx *cx, const CommonActionIdentifier *id, struct store_action **out)
{
    struct store_run *run;
    return store_action_get(cx, id->run->project, id->run->domain, id->run->name, id->name, &run, out);
}

enum code StateService_Put(struct ctx *cx, const WorkflowPutRequest *req, WorkflowPutResponse *rsp)
{
    struct store_action *a;
    if (req->state.n > STATE_MAX)
        return fail(cx, CODE_INVALID_ARGUMENT, "state: more than 1 MiB");
    TRY(find(cx, req->action_id, &a));
    TRY(store_state_put(cx, a->id, req->state));
    rsp->action_id = req->action_id;
    rsp->status = pb_new(cx->mem, GoogleRpcStatus);
    return CODE_OK;
}

/* No state is an answer: its status says NOT_FOUND. */
enum code StateService_Get(struct ctx *cx, const WorkflowGetRequest *req, WorkflowGetResponse *rsp)
{
    struct store_action *a;
    bool found;
    TRY(find(cx, req->action_id, &a));
    TRY(store_state_get(cx, a->id, &found, &rsp->state));
    rsp->action_id = req->action_id;
    rsp->status = pb_new(cx->mem, GoogleRpcStatus);
    if (!found) {
        rsp->status->code = CODE_NOT_FOUND;
        rsp->status->message = STR("the action has no state");
    }
    return CODE_OK;
}

static enum code send(struct ctx *cx, struct stream *st, WorkflowActionUpdate *update)
{
    WorkflowControlMessage sentinel = {.sentinel = true};
    WorkflowWatchResponse rsp = {0};
    if (update) {
        rsp.message_case = WorkflowWatchResponse_action_update_tag;
        rsp.action_update = update;
    } else {
        rsp.message_case = WorkflowWatchResponse_control_message_tag;
        rsp.control_message = &sentinel;
    }
    return stream_send(cx, st, &rsp);
}

enum code StateService_Watch(struct ctx *cx, const WorkflowWatchRequest *req, struct stream *st)
{
    if (req->filter_case != WorkflowWatchRequest_parent_action_id_tag)
        return fail(cx, CODE_INVALID_ARGUMENT, "filter: parent_action_id is required");
    return service_enqueue_watch(cx, st, req->parent_action_id, send);
}

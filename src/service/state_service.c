/* StateService: Watch is ActionsService.WatchForUpdates by its older name; Put and Get keep an opaque text per action.
 */
#include "gen/services.h"
#include "lane/topic.h"
#include "rpc/stream.h"
#include "service/enqueue.h"
#include "store/state.h"

#define PAGE 256
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

struct watch {
    uint64_t parent_id;
    int64_t seq;
    bool caught_up;
};

/* As ActionsService_WatchForUpdates(), see there. */
enum code StateService_Watch(struct ctx *cx, const WorkflowWatchRequest *req, struct stream *st)
{
    struct watch *w = stream_state(st, sizeof(*w));
    struct store_action *list;
    size_t n;
    if (req->filter_case != WorkflowWatchRequest_parent_action_id_tag)
        return fail(cx, CODE_INVALID_ARGUMENT, "filter: parent_action_id is required");
    if (!w->parent_id)
        TRY(service_enqueue_parent(cx, req->parent_action_id, &w->parent_id));
    stream_subscribe(cx, st, (struct topic_key){.kind = TOPIC_CHILDREN, .id1 = w->parent_id});
    if (!stream_writable(st))
        return stream_again(st);
    TRY(store_action_children(cx, w->parent_id, w->seq, PAGE, &list, &n));
    for (size_t i = 0; i < n; i++) {
        WorkflowWatchResponse rsp = {.message_case = WorkflowWatchResponse_action_update_tag};
        TRY(service_enqueue_update(cx, req->parent_action_id->run, &list[i], &rsp.action_update));
        TRY(stream_send(cx, st, &rsp));
        w->seq = list[i].seq;
    }
    if (n == PAGE)
        return stream_again(st);
    if (!w->caught_up) {
        WorkflowControlMessage control = {.sentinel = true};
        WorkflowWatchResponse rsp = {.message_case = WorkflowWatchResponse_control_message_tag,
                                     .control_message = &control};
        TRY(stream_send(cx, st, &rsp));
    }
    w->caught_up = true;
    return stream_wait(st);
}

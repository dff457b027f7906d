/* ActionsService: what the runtime inside a task calls for its children. */
#include "engine/engine.h"
#include "engine/signal.h"
#include "gen/services.h"
#include "rpc/stream.h"
#include "service/enqueue.h"
#include "service/report.h"
#include "store/identity.h"

enum code ActionsService_Enqueue(struct ctx *cx, const ActionsEnqueueRequest *req, ActionsEnqueueResponse *rsp)
{
    (void)rsp;
    return service_enqueue(cx, req->action);
}

enum code ActionsService_Abort(struct ctx *cx, const ActionsAbortRequest *req, ActionsAbortResponse *rsp)
{
    (void)rsp;
    return service_enqueue_abort(cx, req->action_id, req->has_reason ? req->reason : STR("aborted by its parent"));
}

enum code ActionsService_Signal(struct ctx *cx, const ActionsSignalRequest *req, ActionsSignalResponse *rsp)
{
    const CommonActionIdentifier *id = req->action_id;
    struct store_run *run;
    struct store_action *a;
    uint64_t by;
    (void)rsp;
    TRY(store_action_get(cx, id->run->project, id->run->domain, id->run->name, id->name, &run, &a));
    TRY(store_identity_put_caller(cx, &by));
    return engine_signal(cx, run, a, req->value, by);
}

enum code ActionsService_Update(struct ctx *cx, const ActionsUpdateRequest *req, ActionsUpdateResponse *rsp)
{
    (void)rsp;
    return service_report_progress(cx, req->action_id, req->status);
}

static enum code send(struct ctx *cx, struct stream *st, WorkflowActionUpdate *update)
{
    WorkflowControlMessage sentinel = {.sentinel = true};
    ActionsWatchForUpdatesResponse rsp = {0};
    if (update) {
        rsp.message_case = ActionsWatchForUpdatesResponse_action_update_tag;
        rsp.action_update = update;
    } else {
        rsp.message_case = ActionsWatchForUpdatesResponse_control_message_tag;
        rsp.control_message = &sentinel;
    }
    return stream_send(cx, st, &rsp);
}

enum code ActionsService_WatchForUpdates(struct ctx *cx, const ActionsWatchForUpdatesRequest *req, struct stream *st)
{
    if (req->filter_case != ActionsWatchForUpdatesRequest_parent_action_id_tag)
        return fail(cx, CODE_INVALID_ARGUMENT, "filter: parent_action_id is required");
    return service_enqueue_watch(cx, st, req->parent_action_id, send);
}

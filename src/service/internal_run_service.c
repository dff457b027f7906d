/* InternalRunService: what an external executor reports (D-32). It needs the role "executor", and only actions that an
 * external executor owns can be reported about. Replies carry the outcome in their status. Write lane. */
#include "gen/services.h"
#include "rpc/stream.h"
#include "service/report.h"

/* ---- reports ----------------------------------------------------------------------------------------------------- */

static enum code record_action(struct ctx *cx, const void *msg)
{
    return service_report_action(cx, msg);
}

static enum code update_status(struct ctx *cx, const void *msg)
{
    return service_report_status(cx, msg);
}

static enum code record_event(struct ctx *cx, const void *msg)
{
    const WorkflowRecordActionEventRequest *req = msg;
    TRY(service_report_require_role(cx));
    if (!req->event)
        return fail(cx, CODE_INVALID_ARGUMENT, "event: required");
    return service_report_event(cx, req->event);
}

static enum code record_events(struct ctx *cx, const void *msg)
{
    const WorkflowRecordActionEventsRequest *req = msg;
    TRY(service_report_require_role(cx));
    for (size_t i = 0; i < req->events.n; i++)
        TRY(service_report_event(cx, req->events.p[i]));
    return CODE_OK;
}

/* ---- RPCs ------------------------------------------------------------------------------------------------------- */

enum code InternalRunService_RecordAction(struct ctx *cx, const WorkflowRecordActionRequest *req,
                                          WorkflowRecordActionResponse *rsp)
{
    rsp->action_id = req->action_id;
    return service_report_told(cx, record_action, req, &rsp->status);
}

enum code InternalRunService_UpdateActionStatus(struct ctx *cx, const WorkflowUpdateActionStatusRequest *req,
                                                WorkflowUpdateActionStatusResponse *rsp)
{
    rsp->action_id = req->action_id;
    return service_report_told(cx, update_status, req, &rsp->status);
}

enum code InternalRunService_RecordActionEvents(struct ctx *cx, const WorkflowRecordActionEventsRequest *req,
                                                WorkflowRecordActionEventsResponse *rsp)
{
    return service_report_told(cx, record_events, req, &rsp->status);
}

/* ---- streams: each message is answered in order; they end when the client has said all ----------------------------- */

/* Answers one message: makes the reply, in cx->mem. */
typedef enum code answer_fn(struct ctx *cx, const void *in, void **out);

static enum code answer_all(struct ctx *cx, struct stream *st, answer_fn *answer)
{
    void *in, *out;
    for (;;) {
        TRY(stream_recv(cx, st, &in));
        if (!in)
            return stream_recv_done(st) ? CODE_OK : stream_wait(st);
        TRY(answer(cx, in, &out));
        TRY(stream_send(cx, st, out));
    }
}

static enum code answer_action(struct ctx *cx, const void *msg, void **out)
{
    const WorkflowRecordActionStreamRequest *in = msg;
    WorkflowRecordActionStreamResponse *rsp = pb_new(cx->mem, WorkflowRecordActionStreamResponse);
    rsp->response = pb_new(cx->mem, WorkflowRecordActionResponse);
    *out = rsp;
    if (!in->request || !in->request->action_id || !in->request->action_id->run)
        return fail(cx, CODE_INVALID_ARGUMENT, "request.action_id: required");
    return InternalRunService_RecordAction(cx, in->request, rsp->response);
}

static enum code answer_status(struct ctx *cx, const void *msg, void **out)
{
    const WorkflowUpdateActionStatusStreamRequest *in = msg;
    WorkflowUpdateActionStatusStreamResponse *rsp = pb_new(cx->mem, WorkflowUpdateActionStatusStreamResponse);
    rsp->response = pb_new(cx->mem, WorkflowUpdateActionStatusResponse);
    rsp->nonce = in->nonce;
    *out = rsp;
    if (!in->request)
        return fail(cx, CODE_INVALID_ARGUMENT, "request: required");
    return InternalRunService_UpdateActionStatus(cx, in->request, rsp->response);
}

static enum code answer_event(struct ctx *cx, const void *msg, void **out)
{
    const WorkflowRecordActionEventStreamRequest *in = msg;
    WorkflowRecordActionEventStreamResponse *rsp = pb_new(cx->mem, WorkflowRecordActionEventStreamResponse);
    rsp->response = pb_new(cx->mem, WorkflowRecordActionEventResponse);
    rsp->nonce = in->nonce;
    *out = rsp;
    if (!in->request)
        return fail(cx, CODE_INVALID_ARGUMENT, "request: required");
    return service_report_told(cx, record_event, in->request, &rsp->response->status);
}

enum code InternalRunService_RecordActionStream(struct ctx *cx, const void *none, struct stream *st)
{
    (void)none;
    return answer_all(cx, st, answer_action);
}

enum code InternalRunService_UpdateActionStatusStream(struct ctx *cx, const void *none, struct stream *st)
{
    (void)none;
    return answer_all(cx, st, answer_status);
}

enum code InternalRunService_RecordActionEventStream(struct ctx *cx, const void *none, struct stream *st)
{
    (void)none;
    return answer_all(cx, st, answer_event);
}

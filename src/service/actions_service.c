/* ActionsService: what the runtime inside a task calls for its children. */
#include "engine/change.h"
#include "engine/engine.h"
#include "engine/signal.h"
#include "gen/services.h"
#include "rpc/stream.h"
#include "service/enqueue.h"
#include "store/identity.h"

/* Children that one step sends at most. */
#define PAGE 256

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

/* Only for executors, and only about what they own (D-32): attempts and cache status. */
enum code ActionsService_Update(struct ctx *cx, const ActionsUpdateRequest *req, ActionsUpdateResponse *rsp)
{
    const CommonActionIdentifier *id = req->action_id;
    struct engine_clock clock;
    struct store_run *run;
    struct store_action *a;
    (void)rsp;
    if (!cx->who->executor)
        return fail(cx, CODE_PERMISSION_DENIED, "the role \"executor\" is needed to report the state of actions");
    TRY(store_action_get(cx, id->run->project, id->run->domain, id->run->name, id->name, &run, &a));
    if (!a->external)
        return fail(cx, CODE_FAILED_PRECONDITION, "action " STR_FMT " is not run by an external executor",
                    STR_ARG(a->name));
    if (a->ended_ns || (a->attempt >= req->status->attempts && a->cache_status == req->status->cache_status))
        return CODE_OK;
    a->cache_status = req->status->cache_status;
    engine_clock_now(cx, &clock);
    return engine_change_save(cx, &clock, a, run, a->phase, a->attempt);
}

/* ---- watching children --------------------------------------------------------------------------------------------
 */

struct watch {
    uint64_t parent_id;
    int64_t seq;    /* sent up to here */
    bool caught_up; /* the sentinel has been sent */
};

static enum code send_update(struct ctx *cx, struct stream *st, const CommonRunIdentifier *run,
                             const struct store_action *a)
{
    ActionsWatchForUpdatesResponse rsp = {.message_case = ActionsWatchForUpdatesResponse_action_update_tag};
    TRY(service_enqueue_update(cx, run, a, &rsp.action_update));
    return stream_send(cx, st, &rsp);
}

static enum code send_sentinel(struct ctx *cx, struct stream *st)
{
    WorkflowControlMessage control = {.sentinel = true};
    ActionsWatchForUpdatesResponse rsp = {.message_case = ActionsWatchForUpdatesResponse_control_message_tag,
                                          .control_message = &control};
    return stream_send(cx, st, &rsp);
}

/* The state of all children, the sentinel, then whatever changes, each child's latest state: cursor and order are the
 * run's sequence numbers, so that nothing is lost and nothing repeated while the stream lasts. Never ends by itself. */
enum code ActionsService_WatchForUpdates(struct ctx *cx, const ActionsWatchForUpdatesRequest *req, struct stream *st)
{
    struct watch *w = stream_state(st, sizeof(*w));
    struct store_action *list;
    size_t n;
    if (req->filter_case != ActionsWatchForUpdatesRequest_parent_action_id_tag)
        return fail(cx, CODE_INVALID_ARGUMENT, "filter: parent_action_id is required");
    if (!w->parent_id)
        TRY(service_enqueue_parent(cx, req->parent_action_id, &w->parent_id));
    stream_subscribe(cx, st, (struct topic_key){.kind = TOPIC_CHILDREN, .id1 = w->parent_id});
    if (!stream_writable(st))
        return stream_again(st);
    TRY(store_action_children(cx, w->parent_id, w->seq, PAGE, &list, &n));
    for (size_t i = 0; i < n; i++) {
        TRY(send_update(cx, st, req->parent_action_id->run, &list[i]));
        w->seq = list[i].seq;
    }
    if (n == PAGE)
        return stream_again(st);
    if (!w->caught_up)
        TRY(send_sentinel(cx, st));
    w->caught_up = true;
    return stream_wait(st);
}

/* Reports of external executors. See report.h. Write entries. */
#include "service/report.h"

#include "base/time.h"
#include "engine/change.h"
#include "engine/create.h"
#include "engine/engine.h"
#include "engine/phase.h"
#include "engine/reach.h"
#include "store/cascade.h"
#include "store/db.h"
#include "store/event.h"
#include "store/identity.h"
#include "store/report.h"

enum code service_report_require_role(struct ctx *cx)
{
    if (!cx->who->executor)
        return fail(cx, CODE_PERMISSION_DENIED, "the role \"executor\" is needed to report the state of actions");
    return CODE_OK;
}

static enum code find(struct ctx *cx, const CommonActionIdentifier *id, struct store_run **run,
                      struct store_action **out)
{
    struct store_action *a;
    if (!id || !id->run)
        return fail(cx, CODE_INVALID_ARGUMENT, "action_id: required");
    TRY(store_action_get(cx, id->run->project, id->run->domain, id->run->name, id->name, run, &a));
    if (!a->external)
        return fail(cx, CODE_FAILED_PRECONDITION, "action " STR_FMT " is not run by an external executor",
                    STR_ARG(a->name));
    *out = a;
    return CODE_OK;
}

/* ---- actions ---------------------------------------------------------------------------------------------------- */

enum code service_report_action(struct ctx *cx, const WorkflowRecordActionRequest *req)
{
    const CommonRunIdentifier *run = req->action_id->run;
    struct engine_new_action n = {.project = run->project,
                                  .domain = run->domain,
                                  .run = run->name,
                                  .name = req->action_id->name,
                                  .parent = req->parent,
                                  .group = req->group,
                                  .input_uri = req->input_uri,
                                  .external = true};
    struct store_action *a;
    TRY(service_report_require_role(cx));
    TRY(engine_create_check_name(cx, "action_id.name", n.name, 30));
    if (req->spec_case == WorkflowRecordActionRequest_task_tag)
        n.task = req->task;
    else if (req->spec_case == WorkflowRecordActionRequest_trace_tag)
        n.trace = req->trace;
    else if (req->spec_case == WorkflowRecordActionRequest_condition_tag)
        n.condition = req->condition;
    enum code c = engine_create_action(cx, &n, &a);
    if (c == CODE_ALREADY_EXISTS) /* recorded before */
        ctx_clear_err(cx);
    return c == CODE_ALREADY_EXISTS ? CODE_OK : c;
}

/* Stale reports are no errors: the executor may repeat itself. */
static enum code save_phase(struct ctx *cx, struct store_run *run, struct store_action *a, int32_t phase,
                            uint32_t attempt, const struct engine_ending *end)
{
    struct engine_clock clock;
    engine_clock_now(cx, &clock);
    attempt = attempt > a->attempt ? attempt : a->attempt;
    if (!engine_phase_allowed(a->type, a->phase, phase, attempt > a->attempt))
        return CODE_OK;
    if (!engine_phase_is_terminal(phase))
        return engine_change_save(cx, &clock, a, run, phase, attempt);
    a->attempt = attempt;
    return engine_change_end(cx, &clock, a, run, NULL, end);
}

enum code service_report_status(struct ctx *cx, const WorkflowUpdateActionStatusRequest *req)
{
    struct engine_ending end = {.output_uri = STR(""), .abort_reason = req->abort_reason};
    struct store_run *run;
    struct store_action *a;
    TRY(service_report_require_role(cx));
    TRY(find(cx, req->action_id, &run, &a));
    if (!req->status)
        return fail(cx, CODE_INVALID_ARGUMENT, "status: required");
    end.phase = req->status->phase;
    end.cache_status = req->status->cache_status;
    end.output_uri = a->output_uri;
    end.error_kind = a->error_kind;
    end.code = a->error_code;
    end.error = a->error;
    if (req->output)
        TRY(pb_encode(cx, &CoreLiteral_type, req->output, &end.value));
    if (req->principal && req->principal->user && req->principal->user->id)
        TRY(store_identity_put(cx, req->principal->user->id->subject, STR(""), &end.value_by));
    a->cache_status = req->status->cache_status;
    return save_phase(cx, run, a, req->status->phase, req->status->attempts, &end);
}

enum code service_report_progress(struct ctx *cx, const CommonActionIdentifier *id, const WorkflowActionStatus *status)
{
    struct engine_clock clock;
    struct store_run *run;
    struct store_action *a;
    TRY(service_report_require_role(cx));
    TRY(find(cx, id, &run, &a));
    uint32_t attempt = status->attempts > a->attempt ? status->attempts : a->attempt;
    if (a->ended_ns || (attempt == a->attempt && a->cache_status == status->cache_status))
        return CODE_OK;
    a->cache_status = status->cache_status;
    engine_clock_now(cx, &clock);
    return engine_change_save(cx, &clock, a, run, a->phase, attempt);
}

/* ---- events ----------------------------------------------------------------------------------------------------- */

static int64_t nanos(const GoogleProtobufTimestamp *t)
{
    return t && t->seconds > 0 && t->seconds < INT64_MAX / NS_PER_S - 1 ? t->seconds * NS_PER_S + t->nanos : 0;
}

static int32_t error_kind(const WorkflowErrorInfo *e)
{
    if (e->kind == WORKFLOW_ERROR_INFO_KIND_SYSTEM)
        return CORE_EXECUTION_ERROR_ERROR_KIND_SYSTEM;
    return e->kind == WORKFLOW_ERROR_INFO_KIND_USER ? CORE_EXECUTION_ERROR_ERROR_KIND_USER
                                                    : CORE_EXECUTION_ERROR_ERROR_KIND_UNKNOWN;
}

static str without(str uri, str file)
{
    return str_ends(uri, file) ? str_head(uri, uri.n - file.n) : uri;
}

static str folder_of(const TaskOutputReferences *o)
{
    return o->output_uri.n ? without(o->output_uri, STR("/outputs.pb")) : without(o->report_uri, STR("/report.html"));
}

static void set_time(struct store_attempt *t, int32_t phase, int64_t at)
{
    int64_t *slot = NULL;
    if (phase == COMMON_ACTION_PHASE_QUEUED)
        slot = &t->queued_ns;
    else if (phase == COMMON_ACTION_PHASE_WAITING_FOR_RESOURCES)
        slot = &t->waiting_ns;
    else if (phase == COMMON_ACTION_PHASE_INITIALIZING)
        slot = &t->initializing_ns;
    else if (phase == COMMON_ACTION_PHASE_RUNNING)
        slot = &t->running_ns;
    else if (engine_phase_is_terminal(phase))
        slot = &t->ended_ns;
    if (slot && !*slot)
        *slot = at;
    if (!t->queued_ns)
        t->queued_ns = at;
}

static enum code check_outputs(struct ctx *cx, const struct store_run *run, const TaskOutputReferences *o)
{
    if (!o)
        return CODE_OK;
    if (o->output_uri.n)
        TRY(engine_reach_check(cx, run, "event.outputs.output_uri", o->output_uri, OBJECT_WRITE));
    return o->report_uri.n ? engine_reach_check(cx, run, "event.outputs.report_uri", o->report_uri, OBJECT_WRITE)
                           : CODE_OK;
}

/* The attempt as its events tell it, each as it comes. Nothing follows a terminal one. */
static enum code merge_event(struct ctx *cx, struct store_action *a, const WorkflowActionEvent *e)
{
    struct store_attempt *t;
    int64_t at = nanos(e->updated_time);
    TRY(store_attempt_find(cx, a, e->attempt, &t));
    if (!t) {
        t = arena_new(cx->mem, struct store_attempt);
        t->action_id = a->id;
        t->attempt = e->attempt;
    }
    if (engine_phase_is_terminal(t->phase))
        return CODE_OK;
    if (e->phase >= t->phase)
        t->phase = e->phase;
    set_time(t, e->phase, at ? at : time_wall_ns());
    t->has_log = t->has_log || e->log_context;
    t->cache_status = e->cache_status;
    if (e->outputs) {
        t->output_uri = folder_of(e->outputs);
        t->has_report = t->has_report || e->outputs->report_uri.n;
    }
    if (e->error_info) {
        t->error_kind = error_kind(e->error_info);
        t->error_code = e->error_info->code;
        t->error = e->error_info->message;
    }
    return store_attempt_put(cx, t);
}

static enum code add_cluster_events(struct ctx *cx, uint64_t action_id, const WorkflowActionEvent *e)
{
    for (size_t i = 0; i < e->cluster_events.n; i++) {
        const WorkflowClusterEvent *from = e->cluster_events.p[i];
        struct store_event row = {.action_id = action_id,
                                  .attempt = e->attempt,
                                  .time_ns = nanos(from->occurred_at),
                                  .kind = from->type,
                                  .reason = from->reason,
                                  .message = from->message};
        TRY(store_event_add(cx, &row));
    }
    return CODE_OK;
}

/* Keeps the event, unless it was there before, and takes over what it says of the action; the caller saves the row. */
static enum code take_event(struct ctx *cx, const struct store_run *run, struct store_action *a,
                            const WorkflowActionEvent *e, bool *fresh)
{
    str info;
    TRY(check_outputs(cx, run, e->outputs));
    TRY(pb_encode(cx, &WorkflowActionEvent_type, e, &info));
    TRY(store_report_put(cx, a->id, e->attempt, e->phase, e->version, info, fresh));
    if (!*fresh)
        return CODE_OK;
    TRY(merge_event(cx, a, e));
    TRY(add_cluster_events(cx, a->id, e));
    if (e->outputs && e->phase == COMMON_ACTION_PHASE_SUCCEEDED)
        a->output_uri = a->type == WORKFLOW_ACTION_TYPE_TRACE ? e->outputs->output_uri : folder_of(e->outputs);
    if (e->error_info) {
        a->error_kind = error_kind(e->error_info);
        a->error_code = e->error_info->code;
        a->error = e->error_info->message;
    }
    return CODE_OK;
}

enum code service_report_event(struct ctx *cx, const WorkflowActionEvent *e)
{
    struct engine_clock clock;
    struct store_run *run;
    struct store_action *a;
    bool fresh;
    TRY(find(cx, e->id, &run, &a));
    TRY(take_event(cx, run, a, e, &fresh));
    if (!fresh)
        return CODE_OK;
    engine_clock_now(cx, &clock);
    return engine_change_save(cx, &clock, a, run, a->phase, a->attempt);
}

/* ---- tracked runs ------------------------------------------------------------------------------------------------ */

static enum code end_tracked(struct ctx *cx, const struct engine_clock *clock, const struct store_run *run,
                             struct store_action *a, int32_t phase)
{
    struct engine_ending end = {.phase = phase, .cache_status = a->cache_status};
    if (phase == COMMON_ACTION_PHASE_SUCCEEDED) {
        end.output_uri = a->output_uri;
    } else if (phase == COMMON_ACTION_PHASE_ABORTED) {
        end.abort_reason = a->error.n ? a->error : STR("aborted where it ran");
        TRY(store_identity_put_caller(cx, &end.abort_by));
    } else {
        end.error_kind = a->error_kind;
        end.code = a->error_code;
        end.error = a->error;
    }
    return engine_change_end(cx, clock, a, run, NULL, &end);
}

enum code service_report_tracked(struct ctx *cx, const struct store_run *run, struct store_action *a,
                                 const WorkflowTrackedActionUpdate *u)
{
    const struct store_action was = *a;
    struct engine_clock clock;
    bool fresh;
    TRY(take_event(cx, run, a, u->event, &fresh));
    if (!fresh)
        return CODE_OK;
    if (a->phase == COMMON_ACTION_PHASE_ABORTED)
        return fail(cx, CODE_ABORTED, "action " STR_FMT " was aborted; stop", STR_ARG(a->name));
    engine_clock_now(cx, &clock);
    int32_t phase = u->status ? u->status->phase : a->phase;
    uint32_t attempt = u->status && u->status->attempts > a->attempt ? u->status->attempts : a->attempt;
    if (!u->status || !engine_phase_allowed(a->type, a->phase, phase, attempt > a->attempt)) {
        if (a->ended_ns) /* stale: what its end said stays */
            *a = was;
        return engine_change_save(cx, &clock, a, run, a->phase, a->attempt);
    }
    a->cache_status = u->status->cache_status;
    if (a->ended_ns) /* another attempt: what its children are aborted for is over, and there may be new ones */
        TRY(store_cascade_delete(cx, a->run_id, a->parent_id ? a->id : 0));
    if (engine_phase_is_terminal(phase)) {
        a->attempt = attempt;
        return end_tracked(cx, &clock, run, a, phase);
    }
    a->error_kind = 0;
    a->error_code = a->error = STR("");
    return engine_change_save(cx, &clock, a, run, phase, attempt);
}

/* ---- outcomes ---------------------------------------------------------------------------------------------------- */

/* What the client did wrong is told in the status; what went wrong here is an error of the call. */
static bool is_told(enum code c)
{
    return c == CODE_INVALID_ARGUMENT || c == CODE_NOT_FOUND || c == CODE_ALREADY_EXISTS ||
           c == CODE_FAILED_PRECONDITION || c == CODE_ABORTED || c == CODE_PERMISSION_DENIED;
}

enum code service_report_told(struct ctx *cx, service_report_fn *fn, const void *req, GoogleRpcStatus **out)
{
    GoogleRpcStatus *status = pb_new(cx->mem, GoogleRpcStatus);
    TRY(db_savepoint(cx));
    enum code c = fn(cx, req);
    *out = status;
    if (c == CODE_OK)
        return db_release(cx);
    if (!is_told(c))
        return c;
    db_rollback_to(cx);
    status->code = (int32_t)c;
    status->message = arena_str(cx->mem, str_from(cx->err.msg));
    ctx_clear_err(cx);
    return CODE_OK;
}

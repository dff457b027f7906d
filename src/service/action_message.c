/* Messages of runs and actions. Read entries: cx->db is a snapshot. */
#include "service/action_message.h"

#include "app.h"
#include "gen/flyteidl2_core.h"
#include "gen/flyteidl2_task.h"
#include "object/object.h"
#include "rpc/call.h"
#include "service/convert.h"
#include "store/event.h"
#include "store/identity.h"
#include "store/spec.h"

#define EVENTS_MAX 500
#define NS_PER_MS_U 1000000
/* The number of RunDetails.run_spec. */
#define RUN_SPEC_FIELD 1

bool service_phase_is_terminal(int32_t phase)
{
    return phase >= COMMON_ACTION_PHASE_SUCCEEDED && phase != COMMON_ACTION_PHASE_PAUSED;
}

bool service_phase_is_success(int32_t phase)
{
    return phase == COMMON_ACTION_PHASE_SUCCEEDED || phase == COMMON_ACTION_PHASE_RECOVERED;
}

CommonRunIdentifier *service_run_identifier(struct ctx *cx, const struct store_run *run, str org)
{
    CommonRunIdentifier *id = pb_new(cx->mem, CommonRunIdentifier);
    id->org = org;
    id->project = run->project;
    id->domain = run->domain;
    id->name = run->name;
    return id;
}

CommonActionIdentifier *service_action_identifier(struct ctx *cx, const struct store_run *run, str name, str org)
{
    CommonActionIdentifier *id = pb_new(cx->mem, CommonActionIdentifier);
    id->run = service_run_identifier(cx, run, org);
    id->name = name;
    return id;
}

enum code service_run_spec(struct ctx *cx, const struct store_run *run, TaskRunSpec **out)
{
    struct store_spec *spec;
    void *message;
    TRY(store_spec_get(cx, run->spec_id, &spec));
    TRY(pb_decode(cx, &TaskRunSpec_type, spec->body, &message));
    *out = message;
    (*out)->run_start_time = service_timestamp(cx, run->start_ns);
    return CODE_OK;
}

/* ---- metadata ---------------------------------------------------------------------------------------------------- */

static WorkflowTaskActionMetadata *task_metadata(struct ctx *cx, const struct store_action *a)
{
    WorkflowTaskActionMetadata *m = pb_new(cx->mem, WorkflowTaskActionMetadata);
    m->id = pb_new(cx->mem, TaskTaskIdentifier);
    m->id->project = a->task_project;
    m->id->domain = a->task_domain;
    m->id->name = a->function_name;
    m->id->version = a->task_version;
    m->task_type = a->task_type;
    m->short_name = a->short_name.n ? a->short_name : a->function_name;
    m->queue = a->queue;
    m->has_queue = a->queue.n > 0;
    return m;
}

static enum code condition_spec(struct ctx *cx, const struct store_action *a, WorkflowConditionAction **out)
{
    struct store_spec *spec;
    void *message;
    TRY(store_spec_get(cx, a->spec_id, &spec));
    TRY(pb_decode(cx, &WorkflowConditionAction_type, spec->body, &message));
    *out = message;
    return CODE_OK;
}

static enum code spec_metadata(struct ctx *cx, const struct store_action *a, WorkflowActionMetadata *m)
{
    WorkflowConditionAction *condition;
    switch (a->spec_kind) {
    case STORE_SPEC_TASK:
        m->spec_case = WorkflowActionMetadata_task_tag;
        m->task = task_metadata(cx, a);
        break;
    case STORE_SPEC_TRACE:
        m->spec_case = WorkflowActionMetadata_trace_tag;
        m->trace = pb_new(cx->mem, WorkflowTraceActionMetadata);
        m->trace->name = a->function_name;
        break;
    case STORE_SPEC_CONDITION:
        TRY(condition_spec(cx, a, &condition));
        m->spec_case = WorkflowActionMetadata_condition_tag;
        m->condition = pb_new(cx->mem, WorkflowConditionActionMetadata);
        m->condition->name = condition->name;
        m->condition->type = condition->type;
        break;
    default: /* a number from the database, not our enum */
        break;
    }
    return CODE_OK;
}

/* What fired; a run that somebody started by the trigger's name has none. */
static TaskTriggerAutomationSpec *trigger_type(struct ctx *cx, int32_t source)
{
    if (source != WORKFLOW_RUN_SOURCE_SCHEDULE_TRIGGER && source != WORKFLOW_RUN_SOURCE_ARTIFACT_TRIGGER)
        return NULL;
    TaskTriggerAutomationSpec *t = pb_new(cx->mem, TaskTriggerAutomationSpec);
    t->type = source == WORKFLOW_RUN_SOURCE_SCHEDULE_TRIGGER ? TASK_TYPE_SCHEDULE : TASK_TYPE_ARTIFACT;
    return t;
}

static enum code root_metadata(struct ctx *cx, const struct store_run *run, WorkflowActionMetadata *m)
{
    TaskRunSpec *spec;
    m->executed_by = service_identity(cx, run->created_by_subject, run->created_by_name);
    m->source = run->source;
    if (run->trigger_name.n) {
        m->trigger_name = run->trigger_name;
        m->trigger_type = trigger_type(cx, run->source);
        m->trigger_id = pb_new(cx->mem, CommonTriggerIdentifier);
        m->trigger_id->revision = run->trigger_revision;
        m->trigger_id->name = pb_new(cx->mem, CommonTriggerName);
        m->trigger_id->name->project = run->project;
        m->trigger_id->name->domain = run->domain;
        m->trigger_id->name->name = run->trigger_name;
        m->trigger_id->name->task_name = run->trigger_task;
    }
    if (run->related_id == 0)
        return CODE_OK;
    TRY(service_run_spec(cx, run, &spec));
    m->relation = spec->relation;
    return CODE_OK;
}

/* The action whose result was taken over; it may have been deleted since. */
static enum code recovered_from(struct ctx *cx, uint64_t id, CommonActionIdentifier **out)
{
    struct store_action *source;
    struct store_run *run;
    enum code code = store_action_get_by_id(cx, id, &source);
    if (code == CODE_OK)
        code = store_run_get_by_id(cx, source->run_id, &run);
    if (code == CODE_NOT_FOUND) {
        ctx_clear_err(cx);
        return CODE_OK;
    }
    TRY(code);
    *out = service_action_identifier(cx, run, source->name, STR(""));
    return CODE_OK;
}

static enum code metadata(struct ctx *cx, const struct store_run *run, const struct store_action *a,
                          WorkflowActionMetadata **out)
{
    WorkflowActionMetadata *m = pb_new(cx->mem, WorkflowActionMetadata);
    m->parent = a->parent_name;
    m->group = a->group_name;
    m->action_type = a->type;
    m->funtion_name = a->function_name;
    m->environment_name = a->environment;
    TRY(spec_metadata(cx, a, m));
    if (a->parent_id == 0)
        TRY(root_metadata(cx, run, m));
    if (a->recovered_id)
        TRY(recovered_from(cx, a->recovered_id, &m->recovered_from));
    *out = m;
    return CODE_OK;
}

static WorkflowActionStatus *status(struct ctx *cx, const struct store_action *a)
{
    WorkflowActionStatus *s = pb_new(cx->mem, WorkflowActionStatus);
    s->phase = a->phase;
    s->start_time = service_timestamp(cx, a->created_ns);
    s->end_time = service_timestamp(cx, a->ended_ns);
    s->attempts = a->attempt ? a->attempt : 1;
    s->cache_status = a->cache_status;
    s->has_duration_ms = a->ended_ns != 0;
    if (a->ended_ns > a->created_ns)
        s->duration_ms = (uint64_t)(a->ended_ns - a->created_ns) / NS_PER_MS_U;
    return s;
}

enum code service_action_message(struct ctx *cx, const struct store_run *run, const struct store_action *a, str org,
                                 WorkflowAction **out)
{
    WorkflowAction *m = pb_new(cx->mem, WorkflowAction);
    m->id = service_action_identifier(cx, run, a->name, org);
    m->status = status(cx, a);
    TRY(metadata(cx, run, a, &m->metadata));
    *out = m;
    return CODE_OK;
}

enum code service_run_message(struct ctx *cx, const struct store_run *run, const struct store_action *root, str org,
                              WorkflowRun **out)
{
    WorkflowRun *m = pb_new(cx->mem, WorkflowRun);
    TaskRunSpec *spec;
    TRY(service_action_message(cx, run, root, org, &m->action));
    TRY(service_run_spec(cx, run, &spec));
    if (spec->labels) {
        m->labels.n = spec->labels->values.n;
        m->labels.p = arena_new_array(cx->mem, struct WorkflowRun_LabelsEntry, m->labels.n);
        for (size_t i = 0; i < m->labels.n; i++) {
            m->labels.p[i].key = spec->labels->values.p[i].key;
            m->labels.p[i].value = spec->labels->values.p[i].value;
        }
    }
    *out = m;
    return CODE_OK;
}

/* ---- attempts ---------------------------------------------------------------------------------------------------- */

static WorkflowErrorInfo *error_info(struct ctx *cx, int32_t kind, str code, str message)
{
    WorkflowErrorInfo *e = pb_new(cx->mem, WorkflowErrorInfo);
    e->message = message;
    e->code = code;
    e->kind = kind; /* core.ExecutionError.ErrorKind and ErrorInfo.Kind number USER and SYSTEM alike */
    return e;
}

static void add_transition(struct ctx *cx, WorkflowActionAttempt *m, int32_t phase, int64_t at_ns)
{
    if (at_ns == 0)
        return;
    if (m->phase_transitions.n)
        m->phase_transitions.p[m->phase_transitions.n - 1]->end_time = service_timestamp(cx, at_ns);
    WorkflowPhaseTransition *t = pb_new(cx->mem, WorkflowPhaseTransition);
    t->phase = phase;
    t->start_time = service_timestamp(cx, at_ns);
    if (service_phase_is_terminal(phase))
        t->end_time = t->start_time;
    m->phase_transitions.p[m->phase_transitions.n++] = t;
}

static void add_transitions(struct ctx *cx, WorkflowActionAttempt *m, const struct store_attempt *t)
{
    m->phase_transitions.p = arena_new_array(cx->mem, WorkflowPhaseTransition *, 5);
    add_transition(cx, m, COMMON_ACTION_PHASE_QUEUED, t->queued_ns);
    add_transition(cx, m, COMMON_ACTION_PHASE_WAITING_FOR_RESOURCES, t->waiting_ns);
    add_transition(cx, m, COMMON_ACTION_PHASE_INITIALIZING, t->initializing_ns);
    add_transition(cx, m, COMMON_ACTION_PHASE_RUNNING, t->running_ns);
    if (service_phase_is_terminal(t->phase))
        add_transition(cx, m, t->phase, t->ended_ns);
}

CoreLogContext *service_log_context(struct ctx *cx, const struct store_run *run, const struct store_action *a,
                                    const struct store_attempt *t)
{
    CoreLogContext *lc = pb_new(cx->mem, CoreLogContext);
    CorePodLogContext *pod = pb_new(cx->mem, CorePodLogContext);
    CoreContainerContext *container = pb_new(cx->mem, CoreContainerContext);
    container->container_name = a->name;
    container->process = pb_new(cx->mem, CoreContainerContext_ProcessContext);
    container->process->container_start_time = service_timestamp(cx, t->running_ns);
    container->process->container_end_time = service_timestamp(cx, t->ended_ns);
    pod->pod_name = arena_printf(cx->mem, STR_FMT "-" STR_FMT "-%u", STR_ARG(run->name), STR_ARG(a->name), t->attempt);
    pod->namespace = arena_printf(cx->mem, STR_FMT "-" STR_FMT, STR_ARG(run->project), STR_ARG(run->domain));
    pod->primary_container_name = container->container_name;
    pod->containers.n = 1;
    pod->containers.p = arena_new_array(cx->mem, CoreContainerContext *, 1);
    pod->containers.p[0] = container;
    lc->primary_pod_name = pod->pod_name;
    lc->pods.n = 1;
    lc->pods.p = arena_new_array(cx->mem, CorePodLogContext *, 1);
    lc->pods.p[0] = pod;
    return lc;
}

static void add_log(struct ctx *cx, const struct store_run *run, const struct store_action *a,
                    const struct store_attempt *t, WorkflowActionAttempt *m)
{
    CoreTaskLog *log = pb_new(cx->mem, CoreTaskLog);
    log->name = STR("Log");
    log->ready = true;
    log->uri = arena_printf(
        cx->mem, STR_FMT "/v2/domain/" STR_FMT "/project/" STR_FMT "/runs/" STR_FMT "?action=" STR_FMT "&attempt=%u",
        STR_ARG(cx->app->api_url), STR_ARG(run->domain), STR_ARG(run->project), STR_ARG(run->name), STR_ARG(a->name),
        t->attempt);
    m->logs_available = true;
    m->log_info.n = 1;
    m->log_info.p = arena_new_array(cx->mem, CoreTaskLog *, 1);
    m->log_info.p[0] = log;
    m->log_context = service_log_context(cx, run, a, t);
}

static enum code add_events(struct ctx *cx, const struct store_attempt *t, WorkflowActionAttempt *m)
{
    struct store_event *events;
    size_t n;
    TRY(store_event_list(cx, t->action_id, t->attempt, 0, EVENTS_MAX, &events, &n));
    m->cluster_events.n = n;
    m->cluster_events.p = arena_new_array(cx->mem, WorkflowClusterEvent *, n);
    for (size_t i = 0; i < n; i++)
        m->cluster_events.p[i] = service_cluster_event(cx, &events[i]);
    return CODE_OK;
}

static void add_outputs(struct ctx *cx, const struct store_attempt *t, WorkflowActionAttempt *m)
{
    if (t->output_uri.n == 0)
        return;
    m->outputs = pb_new(cx->mem, TaskOutputReferences);
    m->outputs->output_uri = object_uri_join(cx->mem, t->output_uri, STR("outputs.pb"));
    if (t->has_report)
        m->outputs->report_uri = object_uri_join(cx->mem, t->output_uri, STR("report.html"));
}

static enum code add_cache_source(struct ctx *cx, const struct store_attempt *t, WorkflowActionAttempt *m)
{
    CommonActionIdentifier *id = NULL;
    if (t->cache_source == 0)
        return CODE_OK;
    TRY(recovered_from(cx, t->cache_source, &id));
    if (!id)
        return CODE_OK;
    m->cache_metadata = pb_new(cx->mem, CommonCacheMetadata);
    m->cache_metadata->source_action_attempt = pb_new(cx->mem, CommonActionAttemptIdentifier);
    m->cache_metadata->source_action_attempt->action_id = id;
    m->cache_metadata->source_action_attempt->attempt = t->cache_source_attempt;
    return CODE_OK;
}

static enum code attempt_message(struct ctx *cx, const struct store_run *run, const struct store_action *a,
                                 const struct store_attempt *t, WorkflowActionAttempt **out)
{
    WorkflowActionAttempt *m = pb_new(cx->mem, WorkflowActionAttempt);
    m->phase = t->phase;
    m->attempt = t->attempt;
    m->start_time = service_timestamp(cx, t->queued_ns);
    m->end_time = service_timestamp(cx, t->ended_ns);
    m->cache_status = t->cache_status;
    m->cluster = STR("tern");
    if (t->error_code.n || t->error.n)
        m->error_info = error_info(cx, t->error_kind, t->error_code, t->error);
    if (t->has_log)
        add_log(cx, run, a, t, m);
    add_outputs(cx, t, m);
    add_transitions(cx, m, t);
    TRY(add_events(cx, t, m));
    TRY(add_cache_source(cx, t, m));
    *out = m;
    return CODE_OK;
}

static enum code add_attempts(struct ctx *cx, const struct store_run *run, const struct store_action *a,
                              WorkflowActionDetails *d)
{
    struct store_attempt *rows;
    size_t n;
    TRY(store_attempt_list(cx, a, &rows, &n));
    d->attempts.n = n;
    d->attempts.p = arena_new_array(cx->mem, WorkflowActionAttempt *, n);
    for (size_t i = 0; i < n; i++)
        TRY(attempt_message(cx, run, a, &rows[i], &d->attempts.p[i]));
    return CODE_OK;
}

/* ---- details ----------------------------------------------------------------------------------------------------- */

static enum code add_signal(struct ctx *cx, const struct store_action *a, WorkflowActionDetails *d)
{
    struct store_identity by;
    void *value;
    TRY(pb_decode(cx, &CoreLiteral_type, a->value, &value));
    TRY(store_identity_get(cx, a->value_by, &by));
    d->result_case = WorkflowActionDetails_signal_info_tag;
    d->signal_info = pb_new(cx->mem, WorkflowSignalInfo);
    d->signal_info->output = value;
    d->signal_info->signalled_by = service_identity(cx, by.subject, by.name);
    return CODE_OK;
}

static enum code add_result(struct ctx *cx, const struct store_action *a, WorkflowActionDetails *d)
{
    struct store_identity by;
    if (a->value.n)
        return add_signal(cx, a, d);
    if (a->phase == COMMON_ACTION_PHASE_FAILED || a->phase == COMMON_ACTION_PHASE_TIMED_OUT) {
        d->result_case = WorkflowActionDetails_error_info_tag;
        d->error_info = error_info(cx, a->error_kind, a->error_code, a->error);
    }
    if (a->phase == COMMON_ACTION_PHASE_ABORTED) {
        TRY(store_identity_get(cx, a->abort_by, &by));
        d->result_case = WorkflowActionDetails_abort_info_tag;
        d->abort_info = pb_new(cx->mem, WorkflowAbortInfo);
        d->abort_info->reason = a->abort_reason;
        d->abort_info->aborted_by = service_identity(cx, by.subject, by.name);
    }
    return CODE_OK;
}

static enum code add_spec(struct ctx *cx, const struct store_action *a, WorkflowActionDetails *d)
{
    static const struct {
        int32_t kind, tag;
        const struct pb_type *type;
    } kinds[] = {
        {STORE_SPEC_TASK, WorkflowActionDetails_task_tag, &TaskTaskSpec_type},
        {STORE_SPEC_TRACE, WorkflowActionDetails_trace_tag, &TaskTraceSpec_type},
        {STORE_SPEC_CONDITION, WorkflowActionDetails_condition_tag, &WorkflowConditionAction_type},
    };
    struct store_spec *spec;
    void *message;
    TRY(store_spec_get(cx, a->spec_id, &spec));
    for (size_t i = 0; i < sizeof(kinds) / sizeof(*kinds); i++) {
        if (kinds[i].kind != spec->kind)
            continue;
        if (rpc_reply_is_binary(cx)) { /* as it is stored: most of the message */
            pb_add_encoded(cx->mem, d, (uint32_t)kinds[i].tag, spec->body);
            continue;
        }
        TRY(pb_decode(cx, kinds[i].type, spec->body, &message));
        d->spec_case = kinds[i].tag;
        d->task = message; /* the union's members are all pointers */
    }
    return CODE_OK;
}

enum code service_action_details(struct ctx *cx, const struct store_run *run, const struct store_action *a, str org,
                                 WorkflowActionDetails **out)
{
    WorkflowActionDetails *d = pb_new(cx->mem, WorkflowActionDetails);
    d->id = service_action_identifier(cx, run, a->name, org);
    d->status = status(cx, a);
    TRY(metadata(cx, run, a, &d->metadata));
    TRY(add_result(cx, a, d));
    TRY(add_spec(cx, a, d));
    TRY(add_attempts(cx, run, a, d));
    *out = d;
    return CODE_OK;
}

/* In a binary reply as it is stored, with the start time behind it: the stored one has none. */
static enum code add_run_spec(struct ctx *cx, const struct store_run *run, WorkflowRunDetails *d)
{
    TaskRunSpec start = {.run_start_time = service_timestamp(cx, run->start_ns)};
    struct store_spec *spec;
    str time;
    if (!rpc_reply_is_binary(cx))
        return service_run_spec(cx, run, &d->run_spec);
    TRY(store_spec_get(cx, run->spec_id, &spec));
    TRY(pb_encode(cx, &TaskRunSpec_type, &start, &time));
    pb_add_encoded(cx->mem, d, RUN_SPEC_FIELD, arena_concat(cx->mem, spec->body, time));
    return CODE_OK;
}

enum code service_run_details(struct ctx *cx, const struct store_run *run, const struct store_action *root, str org,
                              WorkflowRunDetails **out)
{
    WorkflowRunDetails *d = pb_new(cx->mem, WorkflowRunDetails);
    TRY(add_run_spec(cx, run, d));
    TRY(service_action_details(cx, run, root, org, &d->action));
    *out = d;
    return CODE_OK;
}

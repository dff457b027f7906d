/* RunService.CreateRun, and TrackedRunService.CreateRun, which launches nothing. On the write lane; with inline inputs, which
 * must be stored first, on the work lane. */
#include "app.h"
#include "base/time.h"
#include "engine/disk.h"
#include "engine/prepare.h"
#include "engine/settings.h"
#include "engine/trigger.h"
#include "gen/services.h"
#include "lane/lane.h"
#include "object/object.h"
#include "rpc/call.h"
#include "service/data.h"
#include "service/run_spec.h"
#include "store/project.h"
#include "store/task.h"

#include <openssl/sha.h>

struct creation {
    const WorkflowCreateRunRequest *req; /* of a tracked run: made from its own request */
    struct engine_new_run n;
    SettingsSettings *settings;    /* in force for the project and domain */
    const TaskRunSpec *asked;      /* of the request, else of the trigger */
    TaskRunSpec run_spec;          /* with what the settings add */
    struct engine_trigger trigger; /* row is NULL when none starts it */
    struct engine_made_run made;
};

/* ---- identity --------------------------------------------------------------------------------------------------- */

static enum code read_id(struct ctx *cx, struct creation *c)
{
    const WorkflowCreateRunRequest *req = c->req;
    if (req->id_case == WorkflowCreateRunRequest_run_id_tag) {
        c->n.project = req->run_id->project;
        c->n.domain = req->run_id->domain;
        c->n.name = req->run_id->name;
        TRY(engine_create_check_run_name(cx, c->n.name));
    } else if (req->id_case == WorkflowCreateRunRequest_project_id_tag) {
        c->n.project = req->project_id->name;
        c->n.domain = req->project_id->domain;
        c->n.name = engine_create_run_name(cx->mem);
    } else {
        return fail(cx, CODE_INVALID_ARGUMENT, "id: one of run_id, project_id is required");
    }
    TRY(engine_create_check_name(cx, "project", c->n.project, 63));
    return engine_create_check_name(cx, "domain", c->n.domain, 63);
}

/* D-02: a client that repeats a request sends the same x-request-id; the body is part of the key, so that an id that
 * was used for something else changes nothing. */
static enum code read_request_key(struct ctx *cx, struct creation *c)
{
    str body, id = rpc_header(cx, STR("x-request-id"));
    if (!id.n || id.n > 256)
        return CODE_OK;
    TRY(pb_encode(cx, &WorkflowCreateRunRequest_type, c->req, &body));
    str who = cx->who->subject;
    str all = arena_printf(cx->mem, "%zu:" STR_FMT "%zu:" STR_FMT, id.n, STR_ARG(id), who.n, STR_ARG(who));
    all = arena_concat(cx->mem, all, body);
    unsigned char *key = arena_alloc(cx->mem, SHA256_DIGEST_LENGTH);
    SHA256((const unsigned char *)all.p, all.n, key);
    c->n.request_key = str_make((const char *)key, SHA256_DIGEST_LENGTH);
    return CODE_OK;
}

/* ---- the task --------------------------------------------------------------------------------------------------- */

static enum code read_deployed(struct ctx *cx, struct creation *c)
{
    const TaskTaskIdentifier *id = c->req->task_id;
    struct store_task *t;
    struct store_spec *s;
    void *msg;
    TRY(store_task_find(cx, id->project, id->domain, id->name, id->version, &t));
    if (!t)
        return fail(cx, CODE_NOT_FOUND, "task not found: " STR_FMT "/" STR_FMT "/" STR_FMT " version " STR_FMT,
                    STR_ARG(id->project), STR_ARG(id->domain), STR_ARG(id->name), STR_ARG(id->version));
    TRY(store_spec_get(cx, t->spec_id, &s));
    TRY(pb_decode(cx, &TaskTaskSpec_type, s->body, &msg));
    c->n.spec = msg;
    c->n.spec_id = t->spec_id;
    return CODE_OK;
}

static enum code read_trigger(struct ctx *cx, struct creation *c)
{
    const CommonTriggerName *id = c->req->trigger_name;
    struct store_trigger *row;
    if (!str_eq(id->project, c->n.project) || !str_eq(id->domain, c->n.domain))
        return fail(cx, CODE_INVALID_ARGUMENT, "trigger_name: must be of the run's project and domain");
    TRY(store_trigger_get(cx, id->project, id->domain, id->task_name, id->name, &row));
    TRY(engine_trigger_load(cx, NULL, row, &c->trigger));
    (void)engine_trigger_run(cx, &c->trigger, &c->n);
    return CODE_OK;
}

/* An entry on whatever lane. */
static enum code read_stored(struct ctx *cx, void *arg)
{
    struct creation *c = arg;
    TRY(store_project_require_active(cx, c->n.project));
    TRY(engine_settings_resolve(cx, c->n.domain, c->n.project, &c->settings));
    switch (c->req->task_case) {
    case WorkflowCreateRunRequest_task_id_tag:
        return read_deployed(cx, c);
    case WorkflowCreateRunRequest_trigger_name_tag:
        return read_trigger(cx, c);
    default:
        return CODE_OK;
    }
}

static enum code read_task(struct ctx *cx, struct creation *c)
{
    if (!c->req->task_case)
        return fail(cx, CODE_INVALID_ARGUMENT, "task: one of task_id, task_spec, trigger_name is required");
    if (c->req->task_case == WorkflowCreateRunRequest_task_spec_tag)
        c->n.spec = c->req->task_spec;
    TRY(cx->db ? read_stored(cx, c) : lane_read(cx, cx->app->lanes, read_stored, c));
    if (!c->n.spec->task_template)
        return fail(cx, CODE_INVALID_ARGUMENT, "task_spec.task_template: required");
    return CODE_OK;
}

/* ---- the run's spec --------------------------------------------------------------------------------------------- */

static int64_t nanos(const GoogleProtobufTimestamp *t)
{
    if (!t || t->seconds < 0 || t->seconds > INT64_MAX / NS_PER_S - 1)
        return 0;
    return t->seconds * NS_PER_S + t->nanos;
}

/* The time is kept beside the spec, so that equal specs are stored once. */
static void read_start(struct creation *c)
{
    c->n.start_ns = nanos(c->run_spec.run_start_time);
    if (!c->n.start_ns && engine_prepare_takes_start(c->n.spec)) {
        c->n.start_ns = nanos(c->req->run_start_time);
        if (!c->n.start_ns)
            c->n.start_ns = time_wall_ns();
    }
    c->run_spec.run_start_time = NULL;
}

static enum code check_relation(struct ctx *cx, struct creation *c)
{
    TaskRunSpec *s = &c->run_spec;
    if (!s->relation && s->related_to) {
        s->relation = pb_new(cx->mem, CommonRelation);
        s->relation->related_to = s->related_to;
        s->relation->relation_type = COMMON_RELATION_TYPE_RERUN;
    }
    const CommonRunIdentifier *id = s->relation ? s->relation->related_to : NULL;
    if (id && (!str_eq(id->project, c->n.project) || !str_eq(id->domain, c->n.domain) || !id->name.n))
        return fail(cx, CODE_INVALID_ARGUMENT,
                    "run_spec.relation.related_to: must name a run of the same project and domain");
    return CODE_OK;
}

/* An entry on whatever lane. */
static enum code check_folders(struct ctx *cx, void *arg)
{
    const struct creation *c = arg;
    return service_run_spec_check_folders(cx, &c->run_spec, c->asked, c->n.project, c->n.name, c->n.base_uri);
}

/* What the request says, in order by itself. */
static enum code take_run_spec(struct ctx *cx, struct creation *c)
{
    static const TaskRunSpec nothing;
    TaskRunSpec *s = &c->run_spec;
    bool deployed = c->req->task_case != WorkflowCreateRunRequest_task_spec_tag;
    c->asked = c->req->run_spec ? c->req->run_spec : c->trigger.row ? c->n.run_spec : &nothing;
    *s = *c->asked;
    s->task_spec_source = deployed ? TASK_TASK_SPEC_SOURCE_DEPLOYED : TASK_TASK_SPEC_SOURCE_EPHEMERAL;
    c->n.run_spec = s;
    TRY(service_run_spec_check_counts(cx, s));
    TRY(service_run_spec_check_labels(cx, s));
    return check_relation(cx, c);
}

static enum code read_run_spec(struct ctx *cx, struct creation *c)
{
    TaskRunSpec *s = &c->run_spec;
    TRY(take_run_spec(cx, c));
    engine_prepare_run(cx, c->settings, s, &c->n);
    TRY(service_run_spec_check_labels(cx, s));
    read_start(c);
    if (!service_run_spec_has_folders(s))
        return CODE_OK;
    return cx->db ? check_folders(cx, c) : lane_read(cx, cx->app->lanes, check_folders, c);
}

/* ---- inputs ----------------------------------------------------------------------------------------------------- */

/* A trigger that is started by hand has the start time as its kickoff time. */
static enum code read_trigger_inputs(struct ctx *cx, struct creation *c, const TaskInputs *given)
{
    int64_t start_ns = c->n.start_ns ? c->n.start_ns : time_wall_ns();
    const TaskInputs *kickoff = engine_trigger_kickoff(cx, &c->trigger, start_ns);
    struct engine_uri_object inputs;
    TRY(engine_trigger_inputs(cx, &c->trigger, given, kickoff, &c->n, &inputs));
    return engine_uri_put_many(cx, cx->app, &inputs, 1);
}

static enum code read_offloaded(struct ctx *cx, struct creation *c, const CommonOffloadedInputData *off)
{
    c->n.input_uri = off->uri;
    while (c->n.input_uri.n && c->n.input_uri.p[c->n.input_uri.n - 1] == '/')
        c->n.input_uri.n--;
    c->n.inputs_hash = off->inputs_hash;
    return service_data_check_object(cx, "offloaded_input_data.uri", c->n.input_uri);
}

static enum code read_inputs(struct ctx *cx, struct creation *c)
{
    if (c->req->input_wrapper_case == WorkflowCreateRunRequest_offloaded_input_data_tag)
        return read_offloaded(cx, c, c->req->offloaded_input_data);
    const TaskInputs *given = c->req->input_wrapper_case == WorkflowCreateRunRequest_inputs_tag ? c->req->inputs : NULL;
    if (c->trigger.row)
        return cx->db ? rpc_move(cx, LANE_WORK) : read_trigger_inputs(cx, c, given);
    const TaskInputs *in = engine_prepare_fill(cx, given, engine_prepare_defaults(cx, c->n.spec));
    if (!engine_prepare_must_store(&c->n, in))
        return CODE_OK;
    return cx->db ? rpc_move(cx, LANE_WORK) : engine_prepare_store(cx, &c->n, in);
}

/* ---- the run ---------------------------------------------------------------------------------------------------- */

static enum code create(struct ctx *cx, void *arg)
{
    struct creation *c = arg;
    return engine_create_run(cx, &c->n, &c->made);
}

static GoogleProtobufTimestamp *timestamp(struct ctx *cx, int64_t ns)
{
    GoogleProtobufTimestamp *t = pb_new(cx->mem, GoogleProtobufTimestamp);
    t->seconds = ns / NS_PER_S;
    t->nanos = (int32_t)(ns % NS_PER_S);
    return t;
}

static WorkflowActionMetadata *metadata(struct ctx *cx, const struct store_run *run, const struct store_action *a)
{
    WorkflowActionMetadata *m = pb_new(cx->mem, WorkflowActionMetadata);
    m->action_type = a->type;
    m->funtion_name = a->function_name;
    m->environment_name = a->environment;
    m->source = run->source;
    m->spec_case = WorkflowActionMetadata_task_tag;
    m->task = pb_new(cx->mem, WorkflowTaskActionMetadata);
    m->task->task_type = a->task_type;
    m->task->short_name = a->short_name;
    m->task->id = pb_new(cx->mem, TaskTaskIdentifier);
    m->task->id->project = a->task_project;
    m->task->id->domain = a->task_domain;
    m->task->id->name = a->function_name;
    m->task->id->version = a->task_version;
    return m;
}

static WorkflowRun *reply(struct ctx *cx, const struct engine_made_run *made)
{
    WorkflowRun *run = pb_new(cx->mem, WorkflowRun);
    WorkflowAction *a = run->action = pb_new(cx->mem, WorkflowAction);
    a->id = pb_new(cx->mem, CommonActionIdentifier);
    a->id->name = made->root->name;
    a->id->run = pb_new(cx->mem, CommonRunIdentifier);
    a->id->run->project = made->run->project;
    a->id->run->domain = made->run->domain;
    a->id->run->name = made->run->name;
    a->metadata = metadata(cx, made->run, made->root);
    a->status = pb_new(cx->mem, WorkflowActionStatus);
    a->status->phase = made->root->phase;
    a->status->attempts = made->root->attempt;
    a->status->cache_status = made->root->cache_status;
    a->status->start_time = timestamp(cx, made->root->created_ns);
    return run;
}

enum code RunService_CreateRun(struct ctx *cx, const WorkflowCreateRunRequest *req, WorkflowCreateRunResponse *rsp)
{
    struct creation c = {.req = req};
    TRY(read_id(cx, &c));
    if (req->source == WORKFLOW_RUN_SOURCE_TRACKED)
        return fail(cx, CODE_INVALID_ARGUMENT, "source: tracked runs are made by TrackedRunService");
    TRY(engine_disk_require(cx));
    TRY(read_request_key(cx, &c));
    TRY(read_task(cx, &c));
    TRY(read_run_spec(cx, &c));
    TRY(read_inputs(cx, &c));
    c.n.source = req->source;
    TRY(cx->db ? create(cx, &c) : lane_write(cx, cx->app->lanes, create, &c));
    rsp->run = reply(cx, &c.made);
    return CODE_OK;
}

/* ---- tracked runs ------------------------------------------------------------------------------------------------ */

/* The run's own, and those of the request, which count more. Too many are not compared: they will be refused. */
static TaskLabels *all_labels(struct ctx *cx, const WorkflowCreateTrackedRunRequest *req)
{
    const TaskLabels *own = req->run_spec ? req->run_spec->labels : NULL;
    size_t have = own ? own->values.n : 0, n = 0;
    size_t compared = have + req->labels.n <= 2 * SERVICE_RUN_SPEC_LABELS_MAX ? have : 0;
    TaskLabels *all = pb_new(cx->mem, TaskLabels);
    all->values.p = arena_new_array(cx->mem, struct TaskLabels_ValuesEntry, have + req->labels.n);
    for (size_t i = 0; i < have; i++)
        all->values.p[n++] = own->values.p[i];
    for (size_t i = 0; i < req->labels.n; i++) {
        size_t at = 0;
        while (at < compared && !str_eq(all->values.p[at].key, req->labels.p[i].key))
            at++;
        all->values.p[at < compared ? at : n++] =
            (struct TaskLabels_ValuesEntry){req->labels.p[i].key, req->labels.p[i].value};
    }
    all->values.n = n;
    return n ? all : NULL;
}

/* The same request as RunService has it. */
static WorkflowCreateRunRequest *as_run_request(struct ctx *cx, const WorkflowCreateTrackedRunRequest *req)
{
    WorkflowCreateRunRequest *as = pb_new(cx->mem, WorkflowCreateRunRequest);
    as->source = WORKFLOW_RUN_SOURCE_TRACKED;
    if (req->id_case == WorkflowCreateTrackedRunRequest_run_id_tag) {
        as->id_case = WorkflowCreateRunRequest_run_id_tag;
        as->run_id = req->run_id;
    } else if (req->id_case == WorkflowCreateTrackedRunRequest_project_id_tag) {
        as->id_case = WorkflowCreateRunRequest_project_id_tag;
        as->project_id = req->project_id;
    }
    if (req->task_case == WorkflowCreateTrackedRunRequest_task_id_tag) {
        as->task_case = WorkflowCreateRunRequest_task_id_tag;
        as->task_id = req->task_id;
    } else if (req->task_case == WorkflowCreateTrackedRunRequest_task_spec_tag) {
        as->task_case = WorkflowCreateRunRequest_task_spec_tag;
        as->task_spec = req->task_spec;
    }
    if (req->offloaded_input_data) {
        as->input_wrapper_case = WorkflowCreateRunRequest_offloaded_input_data_tag;
        as->offloaded_input_data = req->offloaded_input_data;
    }
    as->run_start_time = req->run_start_time;
    as->run_spec = pb_new(cx->mem, TaskRunSpec);
    if (req->run_spec)
        *as->run_spec = *req->run_spec;
    as->run_spec->labels = all_labels(cx, req);
    return as;
}

/* Where its client uploads what it reports. */
static str tracked_base(struct ctx *cx, const struct engine_new_run *n)
{
    return arena_printf(cx->mem,
                        ENGINE_BASE_URI "/" OBJECT_UPLOADS "/" STR_FMT "/" STR_FMT "/" ENGINE_TRACKED "/" STR_FMT,
                        STR_ARG(n->project), STR_ARG(n->domain), STR_ARG(n->name));
}

enum code TrackedRunService_CreateRun(struct ctx *cx, const WorkflowCreateTrackedRunRequest *req,
                                      WorkflowCreateRunResponse *rsp)
{
    struct creation c = {.req = as_run_request(cx, req), .n.source = WORKFLOW_RUN_SOURCE_TRACKED, .n.tracked = true};
    TRY(read_id(cx, &c));
    if (req->id_case == WorkflowCreateTrackedRunRequest_run_id_tag && (c.n.name.p[0] == 'u' || c.n.name.p[0] == 'r'))
        return fail(cx, CODE_INVALID_ARGUMENT, "run_id.name: names that begin with u or r are kept for the server");
    TRY(engine_disk_require(cx));
    TRY(read_request_key(cx, &c));
    TRY(read_task(cx, &c));
    TRY(take_run_spec(cx, &c));
    c.run_spec.run_start_time = NULL;
    c.n.start_ns = nanos(req->run_start_time) ? nanos(req->run_start_time) : time_wall_ns();
    c.n.base_uri = tracked_base(cx, &c.n);
    if (req->offloaded_input_data)
        TRY(read_offloaded(cx, &c, req->offloaded_input_data));
    c.n.inputs_hash = STR(""); /* its results are not reused here */
    TRY(create(cx, &c));
    rsp->run = reply(cx, &c.made);
    return CODE_OK;
}

/* RunService.CreateRun. On the write lane; with inline inputs, which must be stored first, on the work lane. */
#include "app.h"
#include "base/codec.h"
#include "base/time.h"
#include "config/config.h"
#include "engine/create.h"
#include "engine/inputs_hash.h"
#include "engine/uri.h"
#include "gen/services.h"
#include "lane/lane.h"
#include "notify/notify.h"
#include "object/object.h"
#include "rpc/call.h"
#include "service/data.h"
#include "service/disk.h"
#include "store/project.h"
#include "store/task.h"

#include <openssl/sha.h>

/* The first SDK that may be given a start time: older ones made it part of the names of actions. */
#define START_TIME_SDK INT64_C(2003006) /* 2.3.6 */
#define LABELS_MAX 200

struct creation {
    const WorkflowCreateRunRequest *req;
    struct engine_new_run n;
    TaskRunSpec run_spec;
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

/* An entry on whatever lane. */
static enum code read_deployed(struct ctx *cx, void *arg)
{
    struct creation *c = arg;
    const TaskTaskIdentifier *id = c->req->task_id;
    struct store_task *t;
    struct store_spec *s;
    void *msg;
    TRY(store_project_require(cx, c->n.project));
    if (c->req->task_case != WorkflowCreateRunRequest_task_id_tag)
        return CODE_OK;
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

static enum code read_task(struct ctx *cx, struct creation *c)
{
    switch (c->req->task_case) {
    case WorkflowCreateRunRequest_task_spec_tag:
        c->n.spec = c->req->task_spec;
        break;
    case WorkflowCreateRunRequest_task_id_tag:
        break;
    case WorkflowCreateRunRequest_trigger_name_tag:
        return fail(cx, CODE_NOT_FOUND, "trigger \"" STR_FMT "\" not found", STR_ARG(c->req->trigger_name->name));
    default:
        return fail(cx, CODE_INVALID_ARGUMENT, "task: one of task_id, task_spec, trigger_name is required");
    }
    TRY(cx->db ? read_deployed(cx, c) : lane_read(cx, cx->app->lanes, read_deployed, c));
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

/* The three numbers that a version begins with, as one; 0 = none. */
static int64_t sdk_version(const TaskTaskSpec *spec)
{
    const CoreTaskMetadata *m = spec->task_template->metadata;
    str text = m && m->runtime ? m->runtime->version : STR(""), part;
    int64_t v = 0, number;
    if (text.n && text.p[0] == 'v')
        text = str_skip(text, 1);
    for (int i = 0; i < 3; i++) {
        size_t digits = 0;
        if (!str_next(&text, '.', &part))
            return 0;
        while (digits < part.n && part.p[digits] >= '0' && part.p[digits] <= '9')
            digits++;
        if (!str_to_i64(str_head(part, digits), &number) || number > 999)
            return 0;
        v = v * 1000 + number;
    }
    return v;
}

/* The time is kept beside the spec, so that equal specs are stored once. */
static void read_start(struct creation *c)
{
    c->n.start_ns = nanos(c->run_spec.run_start_time);
    if (!c->n.start_ns && sdk_version(c->n.spec) >= START_TIME_SDK) {
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

static enum code check_rules(struct ctx *cx, const TaskRunSpec *s)
{
    if (s->notification_settings_case == TaskRunSpec_notification_rules_tag &&
        s->notification_rules->rules.n > NOTIFY_RULES_MAX)
        return fail(cx, CODE_INVALID_ARGUMENT, "run_spec.notification_rules: more than %d", NOTIFY_RULES_MAX);
    return CODE_OK;
}

static enum code check_labels(struct ctx *cx, const TaskRunSpec *s)
{
    if (!s->labels)
        return CODE_OK;
    if (s->labels->values.n > LABELS_MAX)
        return fail(cx, CODE_INVALID_ARGUMENT, "run_spec.labels: more than %d", LABELS_MAX);
    for (size_t i = 0; i < s->labels->values.n; i++)
        if (!s->labels->values.p[i].key.n || s->labels->values.p[i].key.n > 316 || s->labels->values.p[i].value.n > 63)
            return fail(cx, CODE_INVALID_ARGUMENT,
                        "run_spec.labels: \"" STR_FMT "\": a key has 1 to 316 characters, a value at most 63",
                        STR_ARG(str_head(s->labels->values.p[i].key, 64)));
    return CODE_OK;
}

/* An entry on whatever lane. */
static enum code check_folders(struct ctx *cx, void *arg)
{
    struct creation *c = arg;
    const TaskRunSpec *s = &c->run_spec;
    if (s->raw_data_storage && s->raw_data_storage->raw_data_prefix.n)
        TRY(service_data_check_raw(cx, "run_spec.raw_data_storage.raw_data_prefix",
                                   object_uri_join(cx->mem, s->raw_data_storage->raw_data_prefix, c->n.name),
                                   c->n.project));
    return s->run_base_dir.n ? service_data_check_folder(cx, "run_spec.run_base_dir", c->n.base_uri, c->n.project)
                             : CODE_OK;
}

static enum code read_base(struct ctx *cx, struct creation *c)
{
    const TaskRunSpec *s = &c->run_spec;
    str base = s->run_base_dir.n ? s->run_base_dir : STR(ENGINE_BASE_URI);
    c->n.base_uri = object_uri_join(cx->mem, base,
                                    arena_printf(cx->mem, STR_FMT "/" STR_FMT "/" STR_FMT, STR_ARG(c->n.project),
                                                 STR_ARG(c->n.domain), STR_ARG(c->n.name)));
    if (!s->run_base_dir.n && !s->raw_data_storage)
        return CODE_OK;
    return cx->db ? check_folders(cx, c) : lane_read(cx, cx->app->lanes, check_folders, c);
}

static enum code read_run_spec(struct ctx *cx, struct creation *c)
{
    TaskRunSpec *s = &c->run_spec;
    bool deployed = c->req->task_case == WorkflowCreateRunRequest_task_id_tag;
    if (c->req->run_spec)
        *s = *c->req->run_spec;
    s->task_spec_source = deployed ? TASK_TASK_SPEC_SOURCE_DEPLOYED : TASK_TASK_SPEC_SOURCE_EPHEMERAL;
    read_start(c);
    TRY(check_relation(cx, c));
    TRY(check_labels(cx, s));
    TRY(check_rules(cx, s));
    TRY(read_base(cx, c));
    c->n.max_actions = s->max_action_concurrency;
    if (!c->n.max_actions && cx->app && cx->app->config)
        c->n.max_actions = (uint32_t)cx->app->config->run_max_action_concurrency;
    c->n.run_spec = s;
    return CODE_OK;
}

/* ---- inputs ----------------------------------------------------------------------------------------------------- */

static bool has(const TaskInputs *in, str name)
{
    for (size_t i = 0; i < in->literals.n; i++)
        if (str_eq(in->literals.p[i]->name, name))
            return true;
    return false;
}

/* What was given, and the task's defaults for what was not. */
static TaskInputs *merge_defaults(struct ctx *cx, const TaskInputs *given, const TaskTaskSpec *spec)
{
    TaskInputs *out = pb_new(cx->mem, TaskInputs);
    if (given)
        *out = *given;
    TaskNamedLiteral **all = arena_new_array(cx->mem, TaskNamedLiteral *, out->literals.n + spec->default_inputs.n);
    if (out->literals.n)
        memcpy(all, out->literals.p, out->literals.n * sizeof(TaskNamedLiteral *));
    out->literals.p = all;
    for (size_t i = 0; i < spec->default_inputs.n; i++) {
        const TaskNamedParameter *p = spec->default_inputs.p[i];
        if (!p->parameter || p->parameter->behavior_case != CoreParameter_default_tag || has(out, p->name))
            continue;
        TaskNamedLiteral *lit = pb_new(cx->mem, TaskNamedLiteral);
        lit->name = p->name;
        lit->value = p->parameter->default_;
        all[out->literals.n++] = lit;
    }
    return out;
}

static enum code write_inputs(struct ctx *cx, struct creation *c, const TaskInputs *in)
{
    const CoreTaskMetadata *m = c->n.spec->task_template->metadata;
    unsigned char digest[SHA256_DIGEST_LENGTH];
    str bytes;
    TRY(pb_encode(cx, &TaskInputs_type, in, &bytes));
    SHA256((const unsigned char *)bytes.p, bytes.n, digest);
    /* By content, so that a request that is refused for its name has overwritten nothing. */
    str name = codec_hex_encode(cx->mem, str_make((const char *)digest, 16));
    c->n.input_uri = arena_printf(cx->mem, STR_FMT "/inputs/" STR_FMT, STR_ARG(c->n.base_uri), STR_ARG(name));
    TRY(engine_uri_put(cx, cx->app, engine_uri_inputs(cx->mem, c->n.input_uri), bytes));
    return engine_inputs_hash(cx, in, m ? m->cache_ignore_input_vars.p : NULL, m ? m->cache_ignore_input_vars.n : 0,
                              &c->n.inputs_hash);
}

/* A task that runs inside the engine needs no object for no inputs. */
static bool must_write(const struct creation *c, const TaskInputs *in)
{
    return in->literals.n || in->context.n || !str_starts(c->n.spec->task_template->type, STR("core-"));
}

static enum code read_inputs(struct ctx *cx, struct creation *c)
{
    const CommonOffloadedInputData *off = c->req->offloaded_input_data;
    if (c->req->input_wrapper_case == WorkflowCreateRunRequest_offloaded_input_data_tag) {
        c->n.input_uri = off->uri;
        while (c->n.input_uri.n && c->n.input_uri.p[c->n.input_uri.n - 1] == '/')
            c->n.input_uri.n--;
        c->n.inputs_hash = off->inputs_hash;
        return service_data_check_object(cx, "offloaded_input_data.uri", c->n.input_uri);
    }
    bool given = c->req->input_wrapper_case == WorkflowCreateRunRequest_inputs_tag;
    const TaskInputs *in = merge_defaults(cx, given ? c->req->inputs : NULL, c->n.spec);
    if (!must_write(c, in))
        return CODE_OK;
    return cx->db ? rpc_move(cx, LANE_WORK) : write_inputs(cx, c, in);
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
    TRY(service_disk_require(cx));
    TRY(read_request_key(cx, &c));
    TRY(read_task(cx, &c));
    TRY(read_run_spec(cx, &c));
    TRY(read_inputs(cx, &c));
    c.n.source = req->source;
    TRY(cx->db ? create(cx, &c) : lane_write(cx, cx->app->lanes, create, &c));
    rsp->run = reply(cx, &c.made);
    return CODE_OK;
}

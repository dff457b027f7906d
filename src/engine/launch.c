/* Launch specs. See launch.h. */
#include "engine/launch.h"

#include "base/codec.h"
#include "base/time.h"
#include "base/vec.h"
#include "config/config.h"
#include "engine/connector.h"
#include "engine/pod.h"
#include "engine/reach.h"
#include "engine/secret.h"
#include "engine/settings.h"
#include "engine/template.h"
#include "engine/uri.h"
#include "lane/lane.h"
#include "object/object.h"
#include "store/spec.h"

#define INPUTS_MAX ((size_t)64 << 20)
#define CHECKPOINT "_flytecheckpoints"
/* The SDK insists on an organization; there is none. */
#define ORG "local"

struct launch {
    struct app *app;
    const struct store_run *run;
    const struct store_action *a;
    const struct engine_task *task;
    const TaskRunSpec *run_spec;
    VEC(struct exec_env) env;
    VEC(struct exec_secret) secrets;
    struct engine_pod pod;
    str folder;                             /* of the attempt */
    const struct exec_connector *connector; /* NULL = none: a process or a container */
    CoreConnection *connection;
};

/* ---- from the store --------------------------------------------------------------------------------------------- */

static str upper_name(struct ctx *cx, str group, str key)
{
    str s = group.n ? arena_printf(cx->mem, STR_FMT "_" STR_FMT, STR_ARG(group), STR_ARG(key))
                    : arena_printf(cx->mem, STR_FMT, STR_ARG(key));
    char *p = arena_cstr(cx->mem, s);
    for (size_t i = 0; i < s.n; i++) {
        if (p[i] >= 'a' && p[i] <= 'z')
            p[i] = (char)(p[i] - 'a' + 'A');
        else if (p[i] == '-')
            p[i] = '_';
    }
    return (str){p, s.n};
}

static enum code add_secret(struct ctx *cx, struct launch *l, const CoreSecret *s)
{
    struct exec_secret *out = vec_push(&l->secrets, cx->mem);
    TRY(engine_secret_resolve(cx, l->run->project, l->run->domain, s->key, &out->value));
    out->env_name = s->env_var;
    if (s->mount_requirement == CORE_SECRET_MOUNT_TYPE_FILE)
        out->file_name = s->key;
    else if (!s->env_var.n)
        out->env_name = upper_name(cx, s->group, s->key);
    return CODE_OK;
}

static enum code read_store(struct ctx *cx, void *arg)
{
    struct launch *l = arg;
    struct store_spec *s;
    void *msg;
    const CoreSecurityContext *sec = l->task->template->security_context;
    TRY(store_spec_get(cx, l->run->spec_id, &s));
    TRY(pb_decode(cx, &TaskRunSpec_type, s->body, &msg));
    l->run_spec = msg;
    l->secrets.n = 0;
    if (l->connector) /* whose secrets are those of its connection */
        return engine_connector_connection(cx, l->run, l->task->template, &l->connection);
    for (size_t i = 0; sec && i < sec->secrets.n; i++)
        TRY(add_secret(cx, l, sec->secrets.p[i]));
    return CODE_OK;
}

/* ---- arguments -------------------------------------------------------------------------------------------------- */

/* The checkpoint of the last attempt that wrote one. */
static enum code find_checkpoint(struct ctx *cx, struct launch *l, str *out)
{
    *out = STR("");
    for (uint32_t n = l->a->attempt; n-- > 1 && !out->n && l->a->attempt - n <= 20;) {
        str uri = object_uri_join(cx->mem, engine_uri_attempt(cx->mem, l->run, l->a->name, n), STR(CHECKPOINT));
        str bucket, key;
        struct object_list list;
        TRY(object_uri_parse(cx, "run_output_base", uri, &bucket, &key));
        TRY(object_list(cx, l->app->objects, bucket, key, STR(""), 1, &list));
        if (list.n)
            *out = uri;
    }
    return CODE_OK;
}

static enum code read_inputs(struct ctx *cx, struct launch *l, struct engine_template *t)
{
    bool wanted = false;
    str bytes;
    void *msg;
    for (size_t i = 0; i < l->pod.argc; i++)
        wanted = wanted || engine_template_wants_inputs(l->pod.argv[i]);
    if (!wanted)
        return CODE_OK;
    TRY(engine_uri_get(cx, l->app, t->input, INPUTS_MAX, &bytes));
    TRY(pb_decode(cx, &TaskInputs_type, bytes, &msg));
    t->inputs = msg;
    return CODE_OK;
}

/* The run's part of the prefix that it was started with; empty without one. */
static str run_raw(struct ctx *cx, const struct launch *l)
{
    const TaskRawDataStorage *raw = l->run_spec->raw_data_storage;
    return raw && raw->raw_data_prefix.n ? object_uri_join(cx->mem, raw->raw_data_prefix, l->run->name) : STR("");
}

static str raw_prefix(struct ctx *cx, const struct launch *l)
{
    str run = run_raw(cx, l);
    return run.n ? object_uri_join(cx->mem, run, l->a->name) : object_uri_join(cx->mem, l->folder, STR("raw"));
}

static enum code render_args(struct ctx *cx, struct launch *l, struct exec_task *out)
{
    char start[TIME_RFC3339_MAX] = "";
    int64_t start_ns = l->run->start_ns ? l->run->start_ns : l->run->created_ns;
    struct engine_template t = {
        .input = engine_uri_inputs(cx->mem, l->a->input_uri),
        .output_prefix = l->folder,
        .raw_prefix = raw_prefix(cx, l),
        .checkpoint = object_uri_join(cx->mem, l->folder, STR(CHECKPOINT)),
        .run = l->run->name,
        .action = l->a->name,
        .unique_key = arena_printf(cx->mem, "a%llu_%u", (unsigned long long)l->a->id, l->a->attempt),
        .project_domain = arena_printf(cx->mem, STR_FMT "-" STR_FMT, STR_ARG(l->run->project), STR_ARG(l->run->domain)),
    };
    time_format_rfc3339(start_ns / NS_PER_S, 0, start);
    t.run_start_time = str_from(start);
    TRY(find_checkpoint(cx, l, &t.prev_checkpoint));
    TRY(read_inputs(cx, l, &t));
    str *argv = arena_new_array(cx->mem, str, l->pod.argc);
    for (size_t i = 0; i < l->pod.argc; i++)
        TRY(engine_template_render(cx, &t, l->pod.argv[i], &argv[i]));
    out->argv = argv;
    out->argc = l->pod.argc;
    return CODE_OK;
}

/* ---- environment ------------------------------------------------------------------------------------------------ */

/* The last one of a name counts. */
static void set(struct ctx *cx, struct launch *l, str name, str value)
{
    if (!name.n || str_find_char(name, '=') != SIZE_MAX)
        return;
    for (size_t i = 0; i < l->env.n; i++)
        if (str_eq(l->env.p[i].name, name)) {
            l->env.p[i].value = value;
            return;
        }
    *vec_push(&l->env, cx->mem) = (struct exec_env){name, value};
}

#define SET(name, value) set(cx, l, STR(name), value)

/* Who the task is. These win over whatever the user set. */
static void set_identity(struct ctx *cx, struct launch *l)
{
    const CoreIdentifier *id = l->task->template->id;
    SET("ACTION_NAME", l->a->name);
    SET("RUN_NAME", l->run->name);
    SET("_U_RUN_BASE", l->run->base_uri);
    SET("_U_ORG_NAME", STR(ORG));
    SET("FLYTE_INTERNAL_EXECUTION_ID", l->run->name);
    SET("FLYTE_INTERNAL_EXECUTION_PROJECT", l->run->project);
    SET("FLYTE_INTERNAL_EXECUTION_DOMAIN", l->run->domain);
    SET("FLYTE_ATTEMPT_NUMBER", arena_printf(cx->mem, "%u", l->a->attempt - 1));
    SET("_F_PN", arena_printf(cx->mem, STR_FMT "-" STR_FMT "-%u", STR_ARG(l->run->name), STR_ARG(l->a->name),
                              l->a->attempt - 1));
    if (!id)
        return;
    SET("FLYTE_INTERNAL_TASK_PROJECT", id->project);
    SET("FLYTE_INTERNAL_TASK_DOMAIN", id->domain);
    SET("FLYTE_INTERNAL_TASK_NAME", id->name);
    SET("FLYTE_INTERNAL_TASK_VERSION", id->version);
    SET("FLYTE_INTERNAL_PROJECT", id->project);
    SET("FLYTE_INTERNAL_DOMAIN", id->domain);
    SET("FLYTE_INTERNAL_NAME", id->name);
    SET("FLYTE_INTERNAL_VERSION", id->version);
}

/* Where the API and the objects are, with keys that are this attempt's own (D-11). */
static enum code set_access(struct ctx *cx, struct launch *l)
{
    struct object_scope scope = {.kind = OBJECT_KEY_ATTEMPT,
                                 .project = l->run->project,
                                 .domain = l->run->domain,
                                 .run = l->run->name,
                                 .attempt = l->a->attempt,
                                 .action_id = l->a->id};
    struct object_keys keys;
    bool tls = l->app->config && l->app->config->server_tls_cert.n;
    TRY(object_keys_derive(cx, l->app->objects, &scope, &keys));
    SET("_U_EP_OVERRIDE", l->app->api_endpoint);
    SET("_U_INSECURE", tls ? STR("false") : STR("true"));
    SET("_U_USE_ACTIONS", STR("1"));
    SET("FLYTE_AWS_ENDPOINT", l->app->s3_endpoint);
    SET("FLYTE_AWS_ACCESS_KEY_ID", keys.access_key_id);
    SET("FLYTE_AWS_SECRET_ACCESS_KEY", keys.secret_access_key);
    return CODE_OK;
}

static enum code build_env(struct ctx *cx, struct launch *l)
{
    const TaskEnvs *run = l->run_spec->envs;
    for (size_t i = 0; i < l->pod.env_count; i++)
        set(cx, l, l->pod.env[i].name, l->pod.env[i].value);
    for (size_t i = 0; run && i < run->values.n; i++)
        set(cx, l, run->values.p[i]->key, run->values.p[i]->value);
    set_identity(cx, l);
    return l->connector ? CODE_OK : set_access(cx, l); /* what is elsewhere gets no keys */
}

/* ---- storage ---------------------------------------------------------------------------------------------------- */

static enum code set_reach(struct ctx *cx, const struct launch *l, struct exec_task *t)
{
    const struct engine_reach r = {.app = l->app,
                                   .run = l->run,
                                   .a = l->a,
                                   .input_uri = engine_uri_inputs(cx->mem, l->a->input_uri),
                                   .raw_prefix = raw_prefix(cx, l),
                                   .run_raw = run_raw(cx, l),
                                   .argv = t->argv,
                                   .argc = t->argc};
    return engine_reach_launch(cx, &r, &t->access);
}

/* ---- containers ------------------------------------------------------------------------------------------------- */

static enum code set_files(struct ctx *cx, const struct launch *l, struct exec_container *out)
{
    static const char *const formats[] = {"json", "yaml", "proto"};
    const CoreDataLoadingConfig *c = l->pod.files;
    const CoreTypedInterface *declared = l->task->template->interface;
    CoreTypedInterface outputs = {.outputs = declared ? declared->outputs : NULL};
    str bytes;
    if (c->format < 0 || c->format > 2)
        return fail(cx, CODE_INVALID_ARGUMENT, "data_config: there is no format %d", c->format);
    out->format = str_from(formats[c->format]);
    out->named = c->file_input_layout == CORE_DATA_LOADING_CONFIG_FILE_INPUT_LAYOUT_NAMED_DIR;
    if (l->task->has_inputs)
        out->input_dir = c->input_path.n ? c->input_path : STR("/var/flyte/inputs");
    if (!l->task->has_outputs)
        return CODE_OK;
    out->output_dir = c->output_path.n ? c->output_path : STR("/var/flyte/outputs");
    TRY(pb_encode(cx, &CoreTypedInterface_type, &outputs, &bytes));
    out->interface = codec_base64_encode(cx->mem, bytes);
    return CODE_OK;
}

static enum code set_container(struct ctx *cx, const struct launch *l, struct exec_task *t)
{
    struct exec_container *c = arena_new(cx->mem, struct exec_container);
    if (!l->pod.copilot)
        return CODE_OK;
    c->command = l->pod.command;
    c->inputs = engine_uri_inputs(cx->mem, l->a->input_uri);
    c->outputs = l->folder;
    c->raw = raw_prefix(cx, l);
    t->container = c;
    if (!l->pod.files && l->task->has_outputs)
        return fail(cx, CODE_INVALID_ARGUMENT, "a container task without data_config cannot have outputs");
    return l->pod.files ? set_files(cx, l, c) : CODE_OK;
}

/* ---- connectors ------------------------------------------------------------------------------------------------- */

/* What they run needs no container. */
static enum code read_pod(struct ctx *cx, struct launch *l)
{
    const CoreTaskTemplate *t = l->task->template;
    TRY(engine_pod_read_any(cx, t, &l->pod));
    TRY(engine_connector_select(cx, l->app, l->run, t, l->pod.runs, &l->connector));
    return l->connector ? CODE_OK : engine_pod_check(cx, t, &l->pod);
}

static enum code set_connector(struct ctx *cx, const struct launch *l, struct exec_task *t)
{
    const struct engine_connector_launch c = {.app = l->app,
                                              .connector = l->connector,
                                              .run = l->run,
                                              .a = l->a,
                                              .task = l->task,
                                              .run_spec = l->run_spec,
                                              .pod = &l->pod,
                                              .rendered = t,
                                              .connection = l->connection,
                                              .folder = l->folder};
    struct exec_connector_task *out = arena_new(cx->mem, struct exec_connector_task);
    t->connector = out;
    return engine_connector_build(cx, &c, out);
}

/* ---- all of it -------------------------------------------------------------------------------------------------- */

static bool is_sdk_runtime(const struct exec_task *t)
{
    if (!t->argc)
        return false;
    size_t slash = str_rfind_char(t->argv[0], '/');
    return str_eq(slash == SIZE_MAX ? t->argv[0] : str_skip(t->argv[0], slash + 1), STR("a0"));
}

enum code engine_launch_build(struct ctx *cx, struct app *app, const struct store_run *run,
                              const struct store_action *a, const struct engine_task *task, struct exec_task *out)
{
    struct launch l = {.app = app, .run = run, .a = a, .task = task};
    str notes;
    const CoreTaskMetadata *meta = task->template->metadata;
    l.folder = engine_uri_attempt(cx->mem, run, a->name, a->attempt);
    TRY(read_pod(cx, &l));
    TRY(lane_read(cx, app->lanes, read_store, &l));
    TRY(engine_settings_bound(cx, l.run_spec->default_settings, &l.pod, &notes));
    struct exec_task t = {
        .key = {a->id, a->attempt},
        .project = run->project,
        .domain = run->domain,
        .run = run->name,
        .action = a->name,
        .queue = a->queue,
        .run_id = run->id,
        .image = l.pod.image,
        .cpu_millis = l.pod.cpu_millis,
        .memory_bytes = l.pod.memory_bytes,
        .gpus = (int32_t)l.pod.gpus,
        .depth = a->depth,
        .notes = notes,
    };
    if (meta && meta->runtime && meta->runtime->type == CORE_RUNTIME_METADATA_RUNTIME_TYPE_FLYTE_SDK)
        t.sdk_version = meta->runtime->version;
    TRY(render_args(cx, &l, &t));
    TRY(build_env(cx, &l));
    t.env = l.env.p;
    t.env_count = l.env.n;
    if (l.connector) {
        TRY(set_connector(cx, &l, &t));
        *out = t;
        return CODE_OK;
    }
    TRY(set_reach(cx, &l, &t));
    TRY(set_container(cx, &l, &t));
    t.secrets = l.secrets.p;
    t.secret_count = l.secrets.n;
    t.python = !t.container && is_sdk_runtime(&t);
    *out = t;
    return CODE_OK;
}

/* See connector.h. */
#include "engine/connector.h"

#include "engine/secret.h"
#include "engine/uri.h"

#define INPUTS_MAX ((size_t)64 << 20)
/* What sealed connections are bound to: no secret of a user has an empty project with this name. */
#define SEALED_AS STR("connector/connection")

enum code engine_connector_select(struct ctx *cx, struct app *app, const struct store_run *run,
                                  const CoreTaskTemplate *t, bool runs, const struct exec_connector **out)
{
    const struct exec_task_type type = {t->type, t->task_type_version};
    *out = exec_connectors_select(app->connectors, type, run->project, run->domain);
    if (*out || runs)
        return CODE_OK;
    if (exec_connectors_are_unsure(app->connectors))
        return fail(cx, CODE_UNAVAILABLE, "not all connectors have said yet which task types they serve");
    return fail(cx, CODE_FAILED_PRECONDITION,
                "a task of type \"" STR_FMT
                "\" with nothing to run in a container needs a connector: none in the setting "
                "exec.connectors serves version %d of the type",
                STR_ARG(t->type), t->task_type_version);
}

/* ---- the connection ---------------------------------------------------------------------------------------------- */

/* The texts of an object in custom, as pairs. */
static size_t texts_of(struct ctx *cx, const CoreTaskTemplate *t, str name, struct CoreConnection_ConfigsEntry **out)
{
    const GoogleProtobufStruct *s = NULL;
    size_t n = 0;
    for (size_t i = 0; t->custom && i < t->custom->fields.n; i++) {
        const GoogleProtobufValue *v = t->custom->fields.p[i].value;
        if (str_eq(t->custom->fields.p[i].key, name) && v && v->kind_case == GoogleProtobufValue_struct_value_tag)
            s = v->struct_value;
    }
    *out = arena_new_array(cx->mem, struct CoreConnection_ConfigsEntry, s ? s->fields.n : 0);
    for (size_t i = 0; s && i < s->fields.n; i++) {
        const GoogleProtobufValue *v = s->fields.p[i].value;
        if (v && v->kind_case == GoogleProtobufValue_string_value_tag)
            (*out)[n++] = (struct CoreConnection_ConfigsEntry){s->fields.p[i].key, v->string_value};
    }
    return n;
}

enum code engine_connector_connection(struct ctx *cx, const struct store_run *run, const CoreTaskTemplate *t,
                                      CoreConnection **out)
{
    struct CoreConnection_ConfigsEntry *names, *configs;
    CoreConnection *c = pb_new(cx->mem, CoreConnection);
    size_t n = texts_of(cx, t, STR("secrets"), &names);
    c->task_type = t->type;
    c->configs.n = texts_of(cx, t, STR("configs"), &configs);
    c->configs.p = configs;
    c->secrets.n = n;
    c->secrets.p = arena_new_array(cx->mem, struct CoreConnection_SecretsEntry, n);
    for (size_t i = 0; i < n; i++) {
        c->secrets.p[i].key = names[i].key;
        TRY(engine_secret_resolve(cx, run->project, run->domain, names[i].value, &c->secrets.p[i].value));
    }
    *out = n || c->configs.n ? c : NULL;
    return CODE_OK;
}

static enum code set_connection(struct ctx *cx, const struct engine_connector_launch *l,
                                struct exec_connector_task *out)
{
    if (!l->connection)
        return CODE_OK;
    TRY(pb_encode(cx, &CoreConnection_type, l->connection, &out->connection));
    TRY(engine_secret_seal(cx, STR(""), STR(""), SEALED_AS, out->connection, &out->sealed));
    if (out->sealed.n > EXEC_CONNECTOR_SEALED_MAX)
        return fail(cx, CODE_INVALID_ARGUMENT, "the task's connection, its secrets and configs, is larger than %zu MiB",
                    EXEC_CONNECTOR_SEALED_MAX >> 20);
    return CODE_OK;
}

enum code engine_connector_unseal(struct ctx *cx, str sealed, str *plain)
{
    return engine_secret_open(cx, STR(""), STR(""), SEALED_AS, sealed, plain);
}

/* ---- the request ------------------------------------------------------------------------------------------------- */

/* With the arguments of its container filled in. */
static CoreTaskTemplate *rendered_template(struct ctx *cx, const struct engine_connector_launch *l)
{
    CoreTaskTemplate *t = pb_new(cx->mem, CoreTaskTemplate);
    *t = *l->task->template;
    if (t->target_case != CoreTaskTemplate_container_tag)
        return t;
    CoreContainer *c = pb_new(cx->mem, CoreContainer);
    *c = *t->container;
    str *argv = arena_new_array(cx->mem, str, l->rendered->argc);
    for (size_t i = 0; i < l->rendered->argc; i++)
        argv[i] = l->rendered->argv[i];
    c->command.p = argv;
    c->command.n = l->pod->command;
    c->args.p = argv + l->pod->command;
    c->args.n = l->rendered->argc - l->pod->command;
    t->container = c;
    return t;
}

static enum code read_inputs(struct ctx *cx, const struct engine_connector_launch *l, TaskInputs **out)
{
    str bytes, uri = engine_uri_inputs(cx->mem, l->a->input_uri);
    void *msg;
    *out = NULL;
    if (!uri.n || !l->task->has_inputs)
        return CODE_OK;
    TRY(engine_uri_get(cx, l->app, uri, INPUTS_MAX, &bytes));
    TRY(pb_decode(cx, &TaskInputs_type, bytes, &msg));
    *out = msg;
    return CODE_OK;
}

static CoreTaskExecutionIdentifier *execution_id(struct ctx *cx, const struct engine_connector_launch *l)
{
    CoreTaskExecutionIdentifier *id = pb_new(cx->mem, CoreTaskExecutionIdentifier);
    CoreNodeExecutionIdentifier *node = pb_new(cx->mem, CoreNodeExecutionIdentifier);
    CoreWorkflowExecutionIdentifier *run = pb_new(cx->mem, CoreWorkflowExecutionIdentifier);
    run->project = l->run->project;
    run->domain = l->run->domain;
    run->name = l->run->name;
    node->node_id = l->a->name;
    node->execution_id = run;
    id->task_id = l->task->template->id;
    id->node_execution_id = node;
    id->retry_attempt = l->a->attempt - 1;
    return id;
}

static ConnectorTaskExecutionMetadata *metadata(struct ctx *cx, const struct engine_connector_launch *l)
{
    ConnectorTaskExecutionMetadata *m = pb_new(cx->mem, ConnectorTaskExecutionMetadata);
    const struct exec_task *t = l->rendered;
    const TaskLabels *labels = l->run_spec->labels;
    const TaskAnnotations *notes = l->run_spec->annotations;
    m->task_execution_id = execution_id(cx, l);
    m->namespace = arena_printf(cx->mem, STR_FMT "-" STR_FMT, STR_ARG(l->run->project), STR_ARG(l->run->domain));
    m->max_attempts = l->task->retries < INT32_MAX ? (int32_t)l->task->retries + 1 : INT32_MAX;
    m->environment_variables.p =
        arena_new_array(cx->mem, struct ConnectorTaskExecutionMetadata_EnvironmentVariablesEntry, t->env_count);
    for (size_t i = 0; i < t->env_count; i++)
        m->environment_variables.p[m->environment_variables.n++] =
            (struct ConnectorTaskExecutionMetadata_EnvironmentVariablesEntry){t->env[i].name, t->env[i].value};
    m->labels.p =
        arena_new_array(cx->mem, struct ConnectorTaskExecutionMetadata_LabelsEntry, labels ? labels->values.n : 0);
    for (size_t i = 0; labels && i < labels->values.n; i++)
        m->labels.p[m->labels.n++] =
            (struct ConnectorTaskExecutionMetadata_LabelsEntry){labels->values.p[i].key, labels->values.p[i].value};
    m->annotations.p =
        arena_new_array(cx->mem, struct ConnectorTaskExecutionMetadata_AnnotationsEntry, notes ? notes->values.n : 0);
    for (size_t i = 0; notes && i < notes->values.n; i++)
        m->annotations.p[m->annotations.n++] =
            (struct ConnectorTaskExecutionMetadata_AnnotationsEntry){notes->values.p[i].key, notes->values.p[i].value};
    return m;
}

enum code engine_connector_build(struct ctx *cx, const struct engine_connector_launch *l,
                                 struct exec_connector_task *out)
{
    ConnectorCreateTaskRequest req = {.output_prefix = l->folder, .connection = l->connection};
    TRY(read_inputs(cx, l, &req.inputs));
    req.template = rendered_template(cx, l);
    req.task_execution_metadata = metadata(cx, l);
    *out = (struct exec_connector_task){.connector = l->connector->name,
                                        .type = l->task->template->type,
                                        .version = l->task->template->task_type_version,
                                        .output_prefix = l->folder,
                                        .has_outputs = l->task->has_outputs};
    TRY(set_connection(cx, l, out));
    return pb_encode(cx, &ConnectorCreateTaskRequest_type, &req, &out->request);
}

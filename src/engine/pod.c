/* Containers of task templates. See pod.h. */
#include "engine/pod.h"

#include "base/vec.h"
#include "engine/quantity.h"

typedef VEC(str) strs;
typedef VEC(struct engine_pod_env) envs;

/* ---- resources -------------------------------------------------------------------------------------------------- */

static enum code set_resource(struct ctx *cx, struct engine_pod *out, str name, str value)
{
    int64_t milli;
    bool cpu = str_eq(name, STR("cpu")), memory = str_eq(name, STR("memory"));
    bool gpu = str_eq(name, STR("gpu")) || str_ends(name, STR("/gpu"));
    if (!cpu && !memory && !gpu)
        return CODE_OK;
    if (!engine_quantity_milli(value, &milli))
        return fail(cx, CODE_INVALID_ARGUMENT, "resource " STR_FMT ": \"" STR_FMT "\" is no quantity", STR_ARG(name),
                    STR_ARG(value));
    if (cpu)
        out->cpu_millis = milli;
    else if (memory)
        out->memory_bytes = milli / 1000;
    else
        out->gpus = milli / 1000 > INT16_MAX ? INT16_MAX : milli / 1000;
    return CODE_OK;
}

static str resource_name(int32_t name)
{
    switch (name) {
    case CORE_RESOURCES_RESOURCE_NAME_CPU:
        return STR("cpu");
    case CORE_RESOURCES_RESOURCE_NAME_MEMORY:
        return STR("memory");
    case CORE_RESOURCES_RESOURCE_NAME_GPU:
        return STR("gpu");
    default:
        return STR("");
    }
}

/* Requests take a slot; a memory limit above the request is what kills. */
static enum code read_resources(struct ctx *cx, const CoreResources *r, struct engine_pod *out)
{
    for (size_t i = 0; r && i < r->requests.n; i++)
        TRY(set_resource(cx, out, resource_name(r->requests.p[i]->name), r->requests.p[i]->value));
    for (size_t i = 0; r && i < r->limits.n; i++) {
        int32_t name = r->limits.p[i]->name;
        if (name == CORE_RESOURCES_RESOURCE_NAME_CPU && out->cpu_millis)
            continue;
        TRY(set_resource(cx, out, resource_name(name), r->limits.p[i]->value));
    }
    return CODE_OK;
}

/* ---- a container ------------------------------------------------------------------------------------------------ */

static void set_files(const CoreDataLoadingConfig *c, struct engine_pod *out)
{
    out->copilot = c && c->enabled;
    out->files = out->copilot ? c : NULL;
}

static enum code read_container(struct ctx *cx, const CoreContainer *c, struct engine_pod *out)
{
    strs argv = {0};
    envs env = {0};
    out->image = c->image;
    for (size_t i = 0; i < c->command.n; i++)
        *vec_push(&argv, cx->mem) = c->command.p[i];
    out->command = argv.n;
    for (size_t i = 0; i < c->args.n; i++)
        *vec_push(&argv, cx->mem) = c->args.p[i];
    for (size_t i = 0; i < c->env.n; i++)
        *vec_push(&env, cx->mem) = (struct engine_pod_env){c->env.p[i]->key, c->env.p[i]->value};
    out->argv = argv.p;
    out->argc = argv.n;
    out->env = env.p;
    out->env_count = env.n;
    set_files(c->data_config, out);
    return read_resources(cx, c->resources, out);
}

/* ---- a pod template, as JSON ------------------------------------------------------------------------------------ */

static const GoogleProtobufValue *member(const GoogleProtobufStruct *s, str name)
{
    for (size_t i = 0; s && i < s->fields.n; i++)
        if (str_eq(s->fields.p[i].key, name))
            return s->fields.p[i].value;
    return NULL;
}

static const GoogleProtobufStruct *object_of(const GoogleProtobufValue *v)
{
    return v && v->kind_case == GoogleProtobufValue_struct_value_tag ? v->struct_value : NULL;
}

static const GoogleProtobufListValue *list_of(const GoogleProtobufValue *v)
{
    return v && v->kind_case == GoogleProtobufValue_list_value_tag ? v->list_value : NULL;
}

static str text_of(struct ctx *cx, const GoogleProtobufValue *v)
{
    if (v && v->kind_case == GoogleProtobufValue_string_value_tag)
        return v->string_value;
    if (v && v->kind_case == GoogleProtobufValue_number_value_tag)
        return arena_printf(cx->mem, "%.17g", v->number_value);
    return STR("");
}

static void add_texts(struct ctx *cx, const GoogleProtobufValue *v, strs *to)
{
    const GoogleProtobufListValue *l = list_of(v);
    for (size_t i = 0; l && i < l->values.n; i++)
        *vec_push(to, cx->mem) = text_of(cx, l->values.p[i]);
}

static void add_env(struct ctx *cx, const GoogleProtobufValue *v, envs *to)
{
    const GoogleProtobufListValue *l = list_of(v);
    for (size_t i = 0; l && i < l->values.n; i++) {
        const GoogleProtobufStruct *e = object_of(l->values.p[i]);
        if (e && member(e, STR("value")))
            *vec_push(to, cx->mem) =
                (struct engine_pod_env){text_of(cx, member(e, STR("name"))), text_of(cx, member(e, STR("value")))};
    }
}

static enum code add_resources(struct ctx *cx, const GoogleProtobufStruct *r, str kind, struct engine_pod *out)
{
    const GoogleProtobufStruct *list = object_of(member(r, kind));
    for (size_t i = 0; list && i < list->fields.n; i++) {
        str name = list->fields.p[i].key;
        if (str_eq(kind, STR("limits")) && str_eq(name, STR("cpu")) && out->cpu_millis)
            continue;
        TRY(set_resource(cx, out, name, text_of(cx, list->fields.p[i].value)));
    }
    return CODE_OK;
}

static enum code read_pod_container(struct ctx *cx, const GoogleProtobufStruct *c, struct engine_pod *out)
{
    const GoogleProtobufStruct *resources = object_of(member(c, STR("resources")));
    strs argv = {0};
    envs env = {0};
    out->image = text_of(cx, member(c, STR("image")));
    add_texts(cx, member(c, STR("command")), &argv);
    out->command = argv.n;
    add_texts(cx, member(c, STR("args")), &argv);
    add_env(cx, member(c, STR("env")), &env);
    out->argv = argv.p;
    out->argc = argv.n;
    out->env = env.p;
    out->env_count = env.n;
    if (!resources)
        return CODE_OK;
    TRY(add_resources(cx, resources, STR("requests"), out));
    return add_resources(cx, resources, STR("limits"), out);
}

static str primary_name(const CoreTaskTemplate *t)
{
    for (size_t i = 0; i < t->config.n; i++)
        if (str_eq(t->config.p[i].key, STR("primary_container_name")))
            return t->config.p[i].value;
    return t->k8s_pod->primary_container_name;
}

static enum code read_pod(struct ctx *cx, const CoreTaskTemplate *t, struct engine_pod *out)
{
    const GoogleProtobufListValue *list = list_of(member(t->k8s_pod->pod_spec, STR("containers")));
    str primary = primary_name(t);
    for (size_t i = 0; list && i < list->values.n; i++) {
        const GoogleProtobufStruct *c = object_of(list->values.p[i]);
        if (c && str_eq(text_of(cx, member(c, STR("name"))), primary)) {
            set_files(t->k8s_pod->data_config, out);
            return read_pod_container(cx, c, out);
        }
    }
    return fail(cx, CODE_INVALID_ARGUMENT, "the pod template has no container \"" STR_FMT "\" (primary_container_name)",
                STR_ARG(primary));
}

enum code engine_pod_read_any(struct ctx *cx, const CoreTaskTemplate *t, struct engine_pod *out)
{
    struct engine_pod pod = {0};
    if (t->target_case == CoreTaskTemplate_container_tag)
        TRY(read_container(cx, t->container, &pod));
    else if (t->target_case == CoreTaskTemplate_k8s_pod_tag)
        TRY(read_pod(cx, t, &pod));
    pod.runs = pod.argc || pod.copilot;
    pod.copilot = pod.copilot || str_eq(t->type, STR("raw-container"));
    *out = pod;
    return CODE_OK;
}

enum code engine_pod_check(struct ctx *cx, const CoreTaskTemplate *t, const struct engine_pod *pod)
{
    if (t->target_case != CoreTaskTemplate_container_tag && t->target_case != CoreTaskTemplate_k8s_pod_tag)
        return fail(cx, CODE_INVALID_ARGUMENT, "a task of type \"" STR_FMT "\" without a container cannot run here",
                    STR_ARG(t->type));
    if (!pod->runs)
        return fail(cx, CODE_INVALID_ARGUMENT, "the task's container has neither command nor args");
    return CODE_OK;
}

enum code engine_pod_read(struct ctx *cx, const CoreTaskTemplate *t, struct engine_pod *out)
{
    struct engine_pod pod;
    TRY(engine_pod_read_any(cx, t, &pod));
    TRY(engine_pod_check(cx, t, &pod));
    *out = pod;
    return CODE_OK;
}

/* Failure handlers. See handler.h. Pure but for engine_handler_find(). */
#include "engine/handler.h"

#include "engine/phase.h"
#include "engine/pod.h"
#include "engine/prepare.h"
#include "launchform/launchform.h"

#define VARIABLE STR("TERN_ON_FAILURE")
#define ERROR_INPUT STR("error")

/* ---- which task -------------------------------------------------------------------------------------------------- */

/* The last one of a name counts, as for a process. Whether there is one: an empty one switches the task's off. */
static bool of_run(const TaskRunSpec *run, str *out)
{
    const TaskEnvs *envs = run->envs;
    for (size_t i = envs ? envs->values.n : 0; i-- > 0;)
        if (str_eq(envs->values.p[i]->key, VARIABLE)) {
            *out = envs->values.p[i]->value;
            return true;
        }
    return false;
}

static str of_task(struct ctx *cx, const TaskTaskSpec *spec)
{
    struct engine_pod pod = {0};
    if (!spec->task_template || engine_pod_read_any(cx, spec->task_template, &pod) != CODE_OK) {
        ctx_clear_err(cx); /* the launch will say so */
        return STR("");
    }
    for (size_t i = pod.env_count; i-- > 0;)
        if (str_eq(pod.env[i].name, VARIABLE))
            return pod.env[i].value;
    return STR("");
}

/* Older SDKs do not name it when they deploy, but a task has its name before its own. */
static str environment_of(const struct store_spec *row)
{
    size_t dot = str_rfind_char(row->name, '.');
    return row->environment.n || dot == SIZE_MAX ? row->environment : str_head(row->name, dot);
}

str engine_handler_name(struct ctx *cx, const TaskRunSpec *run, const TaskTaskSpec *spec, const struct store_spec *row)
{
    str name, task, version, environment = environment_of(row);
    if (!of_run(run, &name))
        name = of_task(cx, spec);
    (void)str_cut(name, ':', &task, &version);
    if (task.n && str_find_char(task, '.') == SIZE_MAX && environment.n) {
        name = arena_printf(cx->mem, STR_FMT "." STR_FMT, STR_ARG(environment), STR_ARG(name));
        (void)str_cut(name, ':', &task, &version);
    }
    return str_eq(task, row->name) ? STR("") : name;
}

enum code engine_handler_find(struct ctx *cx, const struct store_run *run, str own_version, struct store_task **out)
{
    str name, version;
    bool exactly = str_cut(run->on_failure, ':', &name, &version);
    TRY(store_task_find(cx, run->project, run->domain, name, exactly ? version : own_version, out));
    if (!*out && !exactly)
        TRY(store_task_find_latest(cx, run->project, run->domain, name, out));
    if (*out)
        return CODE_OK;
    return fail(cx, CODE_FAILED_PRECONDITION,
                "TERN_ON_FAILURE names the task " STR_FMT ", which is not deployed in " STR_FMT "/" STR_FMT
                ": deploy it first (flyte deploy)",
                STR_ARG(str_head(run->on_failure, 200)), STR_ARG(run->project), STR_ARG(run->domain));
}

/* ---- the error --------------------------------------------------------------------------------------------------- */

static bool is_text(const CoreLiteralType *t)
{
    return t && t->type_case == CoreLiteralType_simple_tag && t->simple == CORE_STRING;
}

static bool takes_text(const CoreLiteralType *t)
{
    if (!t || t->type_case != CoreLiteralType_union_type_tag)
        return is_text(t);
    for (size_t i = 0; i < t->union_type->variants.n; i++)
        if (is_text(t->union_type->variants.p[i]))
            return true;
    return false;
}

static GoogleProtobufValue *text_value(struct ctx *cx, str s)
{
    GoogleProtobufValue *v = pb_new(cx->mem, GoogleProtobufValue);
    v->kind_case = GoogleProtobufValue_string_value_tag;
    v->string_value = s;
    return v;
}

static GoogleProtobufValue *error_object(struct ctx *cx, const struct store_run *run, const struct store_action *root,
                                         str code, str message)
{
    bool system = root->error_kind == CORE_EXECUTION_ERROR_ERROR_KIND_SYSTEM;
    const struct GoogleProtobufStruct_FieldsEntry fields[] = {
        /* in order of their names */
        {STR("code"), text_value(cx, code)},
        {STR("domain"), text_value(cx, run->domain)},
        {STR("kind"), text_value(cx, system ? STR("SYSTEM") : STR("USER"))},
        {STR("message"), text_value(cx, message)},
        {STR("phase"), text_value(cx, str_from(engine_phase_name(root->phase)))},
        {STR("project"), text_value(cx, run->project)},
        {STR("run"), text_value(cx, run->name)},
    };
    GoogleProtobufValue *v = pb_new(cx->mem, GoogleProtobufValue);
    v->kind_case = GoogleProtobufValue_struct_value_tag;
    v->struct_value = pb_new(cx->mem, GoogleProtobufStruct);
    v->struct_value->fields.n = sizeof(fields) / sizeof(*fields);
    v->struct_value->fields.p =
        memcpy(arena_new_array(cx->mem, struct GoogleProtobufStruct_FieldsEntry, v->struct_value->fields.n), fields,
               sizeof(fields));
    return v;
}

static GoogleProtobufValue *error_value(struct ctx *cx, const struct store_run *run, const struct store_action *root,
                                        const CoreLiteralType *t)
{
    bool aborted = root->phase == COMMON_ACTION_PHASE_ABORTED;
    str code = aborted ? STR("ABORTED") : root->error_code, message = aborted ? root->abort_reason : root->error;
    if (takes_text(t))
        return text_value(cx, arena_printf(cx->mem, STR_FMT ": " STR_FMT, STR_ARG(code), STR_ARG(message)));
    return error_object(cx, run, root, code, message);
}

/* ---- inputs ------------------------------------------------------------------------------------------------------ */

static CoreVariableEntry *find_variable(const CoreVariableMap *variables, str name)
{
    for (size_t i = 0; variables && i < variables->variables.n; i++)
        if (str_eq(variables->variables.p[i]->key, name))
            return variables->variables.p[i];
    return NULL;
}

/* Of the run's inputs what the handler takes: its SDK refuses others. */
static TaskInputs *known(struct ctx *cx, const TaskInputs *given, const CoreVariableMap *variables)
{
    TaskInputs *out = pb_new(cx->mem, TaskInputs);
    out->literals.p = arena_new_array(cx->mem, TaskNamedLiteral *, given->literals.n);
    out->context.p = arena_new_array(cx->mem, CoreKeyValuePair *, given->context.n);
    for (size_t i = 0; i < given->literals.n; i++) {
        str name = given->literals.p[i]->name;
        if (!str_eq(name, ERROR_INPUT) && find_variable(variables, name))
            out->literals.p[out->literals.n++] = given->literals.p[i];
    }
    for (size_t i = 0; i < given->context.n; i++) {
        const CoreKeyValuePair *kv = given->context.p[i];
        if (!str_eq(kv->key, STR(ENGINE_PREPARE_KICKOFF)) || find_variable(variables, kv->value))
            out->context.p[out->context.n++] = given->context.p[i];
    }
    return out;
}

/* Or will have, from the runtime. */
static bool has(const TaskInputs *in, str name)
{
    for (size_t i = 0; i < in->literals.n; i++)
        if (str_eq(in->literals.p[i]->name, name))
            return true;
    for (size_t i = 0; i < in->context.n; i++)
        if (str_eq(in->context.p[i]->key, STR(ENGINE_PREPARE_KICKOFF)) && str_eq(in->context.p[i]->value, name))
            return true;
    return false;
}

static CoreVariableMap *missing(struct ctx *cx, const CoreVariableMap *variables, const TaskInputs *in)
{
    CoreVariableMap *out = pb_new(cx->mem, CoreVariableMap);
    size_t n = variables ? variables->variables.n : 0;
    out->variables.p = arena_new_array(cx->mem, CoreVariableEntry *, n);
    for (size_t i = 0; i < n; i++)
        if (!has(in, variables->variables.p[i]->key))
            out->variables.p[out->variables.n++] = variables->variables.p[i];
    return out;
}

/* *out = NULL when the handler does not ask for it. */
static enum code error_inputs(struct ctx *cx, CoreVariableEntry *e, const struct store_run *run,
                              const struct store_action *root, TaskInputs **out)
{
    const CoreVariableMap only = {.variables = {&e, 1}};
    struct launchform_literals made;
    *out = NULL;
    if (!e)
        return CODE_OK;
    struct GoogleProtobufStruct_FieldsEntry value = {ERROR_INPUT,
                                                     error_value(cx, run, root, e->value ? e->value->type : NULL)};
    TRY(launchform_values_to_literals(cx, &only, &(GoogleProtobufStruct){.fields = {&value, 1}}, &made));
    *out = pb_new(cx->mem, TaskInputs);
    (*out)->literals.p = made.p;
    (*out)->literals.n = made.n;
    return CODE_OK;
}

enum code engine_handler_inputs(struct ctx *cx, const TaskTaskSpec *handler, const struct store_run *run,
                                const struct store_action *root, const TaskInputs *given, TaskInputs **out)
{
    static const TaskInputs none;
    static const GoogleProtobufStruct no_values;
    const CoreTypedInterface *interface = handler->task_template->interface;
    const CoreVariableMap *variables = interface ? interface->inputs : NULL;
    struct launchform_literals made;
    TaskInputs *in;
    TRY(error_inputs(cx, find_variable(variables, ERROR_INPUT), run, root, &in));
    in = engine_prepare_fill(cx, in, known(cx, given ? given : &none, variables));
    in = engine_prepare_fill(cx, in, engine_prepare_defaults(cx, handler));
    if (launchform_values_to_literals(cx, missing(cx, variables, in), &no_values, &made) != CODE_OK)
        return fail_wrap(cx, "neither the run nor a default has a value for an input");
    *out = engine_prepare_fill(cx, in, &(TaskInputs){.literals = {made.p, made.n}});
    return CODE_OK;
}

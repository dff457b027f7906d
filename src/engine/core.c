/* core-echo and core-sleep. See core.h. */
#include "engine/core.h"

#include "engine/uri.h"
#include "object/object.h"

#define INPUTS_MAX ((size_t)64 << 20)

static enum code read_inputs(struct ctx *cx, struct app *app, const struct store_action *a, const TaskInputs **out)
{
    str bytes;
    void *msg;
    enum code c = engine_uri_get(cx, app, engine_uri_inputs(cx->mem, a->input_uri), INPUTS_MAX, &bytes);
    if (c == CODE_NOT_FOUND)
        return fail(cx, CODE_INVALID_ARGUMENT, "the inputs " STR_FMT " are not there", STR_ARG(a->input_uri));
    TRY(c);
    TRY(pb_decode(cx, &TaskInputs_type, bytes, &msg));
    *out = msg;
    return CODE_OK;
}

static const CoreLiteral *find(const TaskInputs *in, str name)
{
    for (size_t i = 0; i < in->literals.n; i++)
        if (str_eq(in->literals.p[i]->name, name))
            return in->literals.p[i]->value;
    return NULL;
}

static enum code echo(struct ctx *cx, const TaskInputs *in, const CoreVariableMap *vars, TaskOutputs *out)
{
    out->literals.n = vars->variables.n;
    out->literals.p = arena_new_array(cx->mem, TaskNamedLiteral *, vars->variables.n);
    for (size_t i = 0; i < vars->variables.n; i++) {
        TaskNamedLiteral *lit = out->literals.p[i] = pb_new(cx->mem, TaskNamedLiteral);
        lit->name = vars->variables.p[i]->key;
        const CoreLiteral *v = find(in, lit->name);
        if (!v && vars->variables.n == 1 && in->literals.n == 1)
            v = in->literals.p[0]->value;
        if (!v)
            return fail(cx, CODE_INVALID_ARGUMENT, "core-echo: no input for the output " STR_FMT, STR_ARG(lit->name));
        lit->value = pb_clone(cx->mem, &CoreLiteral_type, v);
    }
    return CODE_OK;
}

enum code engine_core_echo(struct ctx *cx, struct app *app, const struct store_action *a,
                           const struct engine_task *task, str folder)
{
    const TaskInputs *in;
    TaskOutputs out = {0};
    str bytes;
    if (!task->has_outputs)
        return CODE_OK;
    TRY(read_inputs(cx, app, a, &in));
    TRY(echo(cx, in, task->template->interface->outputs, &out));
    TRY(pb_encode(cx, &TaskOutputs_type, &out, &bytes));
    return engine_uri_put(cx, app, object_uri_join(cx->mem, folder, STR("outputs.pb")), bytes);
}

enum code engine_core_sleep(struct ctx *cx, struct app *app, const struct store_action *a,
                            const struct engine_task *task, int64_t *sleep_ns)
{
    const TaskInputs *in;
    if (task->has_outputs)
        return fail(cx, CODE_INVALID_ARGUMENT, "core-sleep has no outputs");
    TRY(read_inputs(cx, app, a, &in));
    const CoreLiteral *v = in->literals.n == 1 ? in->literals.p[0]->value : NULL;
    if (!v || v->value_case != CoreLiteral_scalar_tag || v->scalar->value_case != CoreScalar_primitive_tag ||
        v->scalar->primitive->value_case != CorePrimitive_duration_tag)
        return fail(cx, CODE_INVALID_ARGUMENT, "core-sleep takes exactly one input, a duration");
    *sleep_ns = engine_task_duration_ns(v->scalar->primitive->duration);
    return CODE_OK;
}

/* Runs that a trigger starts. See trigger.h. */
#include "engine/trigger.h"

#include "base/time.h"
#include "engine/uri.h"
#include "store/task.h"

#define INPUTS_MAX ((size_t)64 << 20)

/* ---- loading ---------------------------------------------------------------------------------------------------- */

static enum code decode_spec(struct ctx *cx, uint64_t id, const struct pb_type *type, void **out)
{
    struct store_spec *s;
    TRY(store_spec_get(cx, id, &s));
    if (pb_decode(cx, type, s->body, out) != CODE_OK)
        return fail(cx, CODE_DATA_LOSS, "a stored spec cannot be read");
    return CODE_OK;
}

/* The same, unless it is among those that were decoded already. */
static enum code share_spec(struct ctx *cx, struct map *shared, uint64_t id, const struct pb_type *type, void **out)
{
    str key = str_make((const char *)&id, sizeof(id));
    *out = shared ? map_find(shared, key) : NULL;
    if (*out)
        return CODE_OK;
    TRY(decode_spec(cx, id, type, out));
    if (shared)
        map_put(shared, arena_str(cx->mem, key), *out);
    return CODE_OK;
}

enum code engine_trigger_spec(struct ctx *cx, const struct store_trigger *row, const TriggerTriggerSpec **out)
{
    void *msg;
    TRY(decode_spec(cx, row->spec_id, &TriggerTriggerSpec_type, &msg));
    *out = msg;
    return CODE_OK;
}

enum code engine_trigger_load(struct ctx *cx, struct map *shared, const struct store_trigger *row,
                              struct engine_trigger *out)
{
    struct store_task *task;
    void *spec, *automation, *task_spec;
    TRY(share_spec(cx, shared, row->spec_id, &TriggerTriggerSpec_type, &spec));
    if (pb_decode(cx, &TaskTriggerAutomationSpec_type, row->automation, &automation) != CODE_OK)
        return fail(cx, CODE_DATA_LOSS, "the automation of trigger \"" STR_FMT "\" cannot be read", STR_ARG(row->name));
    TRY(store_task_find(cx, row->project, row->domain, row->task_name, row->task_version, &task));
    if (!task)
        return fail(cx, CODE_NOT_FOUND, "task not found: " STR_FMT "/" STR_FMT "/" STR_FMT " version " STR_FMT,
                    STR_ARG(row->project), STR_ARG(row->domain), STR_ARG(row->task_name), STR_ARG(row->task_version));
    TRY(share_spec(cx, shared, task->spec_id, &TaskTaskSpec_type, &task_spec));
    *out = (struct engine_trigger){
        .row = row, .spec = spec, .automation = automation, .task = task_spec, .task_spec_id = task->spec_id};
    return CODE_OK;
}

TaskRunSpec *engine_trigger_run(struct ctx *cx, const struct engine_trigger *t, struct engine_new_run *n)
{
    TaskRunSpec *spec = pb_new(cx->mem, TaskRunSpec);
    if (t->spec->run_spec)
        *spec = *t->spec->run_spec;
    spec->task_spec_source = TASK_TASK_SPEC_SOURCE_DEPLOYED;
    spec->run_start_time = NULL; /* kept beside the spec */
    n->trigger = t->row;
    n->spec = t->task;
    n->spec_id = t->task_spec_id;
    n->run_spec = spec;
    return spec;
}

/* ---- inputs ----------------------------------------------------------------------------------------------------- */

TaskInputs *engine_trigger_literal(struct ctx *cx, str input, CoreLiteral *value)
{
    if (!input.n)
        return NULL;
    TaskInputs *in = pb_new(cx->mem, TaskInputs);
    in->literals.n = 1;
    in->literals.p = arena_new_array(cx->mem, TaskNamedLiteral *, 1);
    in->literals.p[0] = pb_new(cx->mem, TaskNamedLiteral);
    in->literals.p[0]->name = input;
    in->literals.p[0]->value = value;
    return in;
}

static str kickoff_input(const struct engine_trigger *t)
{
    const TaskSchedule *s =
        t->automation->automation_case == TaskTriggerAutomationSpec_schedule_tag ? t->automation->schedule : NULL;
    return s ? s->kickoff_time_input_arg : STR("");
}

TaskInputs *engine_trigger_kickoff(struct ctx *cx, const struct engine_trigger *t, int64_t time_ns)
{
    CoreLiteral *l = pb_new(cx->mem, CoreLiteral);
    l->value_case = CoreLiteral_scalar_tag;
    l->scalar = pb_new(cx->mem, CoreScalar);
    l->scalar->value_case = CoreScalar_primitive_tag;
    l->scalar->primitive = pb_new(cx->mem, CorePrimitive);
    l->scalar->primitive->value_case = CorePrimitive_datetime_tag;
    l->scalar->primitive->datetime = pb_new(cx->mem, GoogleProtobufTimestamp);
    l->scalar->primitive->datetime->seconds = time_ns / NS_PER_S;
    l->scalar->primitive->datetime->nanos = (int32_t)(time_ns % NS_PER_S);
    return engine_trigger_literal(cx, kickoff_input(t), l);
}

static enum code read_stored(struct ctx *cx, str uri, const TaskInputs **out)
{
    str bytes;
    void *msg;
    enum code c = engine_uri_get(cx, cx->app, engine_uri_inputs(cx->mem, uri), INPUTS_MAX, &bytes);
    if (c == CODE_NOT_FOUND || c == CODE_INVALID_ARGUMENT)
        return fail(cx, CODE_FAILED_PRECONDITION, "the trigger's inputs " STR_FMT " are not there; deploy it again",
                    STR_ARG(uri));
    TRY(c);
    if (pb_decode(cx, &TaskInputs_type, bytes, &msg) != CODE_OK)
        return fail(cx, CODE_FAILED_PRECONDITION, "the trigger's inputs " STR_FMT " cannot be read; deploy it again",
                    STR_ARG(uri));
    *out = msg;
    return CODE_OK;
}

enum code engine_trigger_own_inputs(struct ctx *cx, const TriggerTriggerSpec *spec, const TaskInputs **out)
{
    *out = spec->input_wrapper_case == TriggerTriggerSpec_inputs_tag ? spec->inputs : NULL;
    return spec->input_wrapper_case == TriggerTriggerSpec_offloaded_input_data_tag
               ? read_stored(cx, spec->offloaded_input_data->uri, out)
               : CODE_OK;
}

static bool gives(const TaskInputs *in, str name)
{
    for (size_t i = 0; in && i < in->literals.n; i++)
        if (str_eq(in->literals.p[i]->name, name))
            return true;
    return false;
}

/* The runtime would put the start time over what the caller gave. */
static void drop_marker(TaskInputs *in, const TaskInputs *given)
{
    size_t kept = 0;
    for (size_t i = 0; i < in->context.n; i++) {
        CoreKeyValuePair *kv = in->context.p[i];
        if (!str_eq(kv->key, STR(ENGINE_PREPARE_KICKOFF)) || !gives(given, kv->value))
            in->context.p[kept++] = kv;
    }
    in->context.n = kept;
}

/* In the order of the interface, since the cache's hash is made in order; what it does not know comes last. */
static void order(struct ctx *cx, const TaskTaskSpec *task, TaskInputs *in)
{
    const CoreTypedInterface *f = task->task_template->interface;
    TaskNamedLiteral **to = arena_new_array(cx->mem, TaskNamedLiteral *, in->literals.n), **from = in->literals.p;
    size_t n = 0;
    for (size_t v = 0; f && f->inputs && v < f->inputs->variables.n; v++)
        for (size_t i = 0; i < in->literals.n; i++)
            if (from[i] && str_eq(from[i]->name, f->inputs->variables.p[v]->key)) {
                to[n++] = from[i];
                from[i] = NULL;
            }
    for (size_t i = 0; i < in->literals.n; i++)
        if (from[i])
            to[n++] = from[i];
    in->literals.p = to;
}

/* Nothing is added to what is stored already. */
static bool is_whole(const TaskInputs *merged, const TaskInputs *own, const TaskInputs *given, const TaskInputs *bound)
{
    return !given && !bound && merged->literals.n == own->literals.n;
}

enum code engine_trigger_inputs(struct ctx *cx, const struct engine_trigger *t, const TaskInputs *given,
                                const TaskInputs *bound, struct engine_new_run *n, struct engine_uri_object *out)
{
    bool stored = t->spec->input_wrapper_case == TriggerTriggerSpec_offloaded_input_data_tag;
    const TaskInputs *own;
    TRY(engine_trigger_own_inputs(cx, t->spec, &own));
    TaskInputs *in = engine_prepare_fill(cx, given, bound);
    *out = (struct engine_uri_object){0};
    in = engine_prepare_fill(cx, in, own);
    in = engine_prepare_fill(cx, in, engine_prepare_defaults(cx, t->task));
    if (stored && is_whole(in, own, given, bound)) {
        n->input_uri = t->spec->offloaded_input_data->uri;
        n->inputs_hash = t->spec->offloaded_input_data->inputs_hash;
        return CODE_OK;
    }
    drop_marker(in, given);
    order(cx, t->task, in);
    return engine_prepare_must_store(n, in) ? engine_prepare_inputs(cx, n, in, out) : CODE_OK;
}

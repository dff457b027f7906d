/* What settings do to a run and its tasks. See settings.h. */
#include "engine/quantity.h"
#include "engine/settings.h"
#include "engine/settings_int.h"

#define NOTES_MAX 1024

/* ---- runs -------------------------------------------------------------------------------------------------------- */

static str text_of(const SettingsStringSetting *s)
{
    return s && s->state == SETTINGS_SETTING_STATE_VALUE ? s->string_value : STR("");
}

str engine_settings_run_base_dir(const SettingsSettings *s)
{
    return s->run ? text_of(s->run->run_base_dir) : STR("");
}

str engine_settings_raw_data_path(const SettingsSettings *s)
{
    return s->storage ? text_of(s->storage->raw_data_path) : STR("");
}

static const SettingsStringMap *pairs_of(const SettingsStringMapSetting *s)
{
    return s && s->state == SETTINGS_SETTING_STATE_VALUE ? s->map_value : NULL;
}

static void apply_concurrency(const SettingsInt64Setting *s, TaskRunSpec *run, bool *unlimited)
{
    *unlimited = false;
    if (run->max_action_concurrency || !s)
        return;
    run->max_action_concurrency = (uint32_t)s->int_value; /* of UNSET: 0 */
    *unlimited = run->max_action_concurrency == 0;
}

/* A task that names an account of its own keeps it: the run's goes before the task's. */
static void apply_account(struct ctx *cx, str account, const TaskTaskSpec *task, TaskRunSpec *run)
{
    const CoreSecurityContext *own = task->task_template ? task->task_template->security_context : NULL;
    const CoreSecurityContext *given = run->security_context;
    if (!account.n || (own && own->run_as && own->run_as->k8s_service_account.n) || (given && given->run_as))
        return;
    run->security_context = pb_new(cx->mem, CoreSecurityContext);
    if (given)
        *run->security_context = *given;
    run->security_context->run_as = pb_new(cx->mem, CoreIdentity);
    run->security_context->run_as->k8s_service_account = account;
}

/* Labels and annotations have structs of their own for the same pairs. */
_Static_assert(sizeof(SettingsStringMap_EntriesEntry) == sizeof(struct TaskLabels_ValuesEntry),
               "engine_settings_join() takes both");
_Static_assert(sizeof(SettingsStringMap_EntriesEntry) == sizeof(struct TaskAnnotations_ValuesEntry),
               "engine_settings_join() takes both");

static void apply_labels(struct ctx *cx, const SettingsStringMap *more, TaskRunSpec *run)
{
    const TaskLabels *own = run->labels ? run->labels : pb_new(cx->mem, TaskLabels);
    SettingsStringMap_EntriesEntry *all;
    if (!more)
        return;
    run->labels = pb_new(cx->mem, TaskLabels);
    run->labels->values.n =
        engine_settings_join(cx, (const SettingsStringMap_EntriesEntry *)own->values.p, own->values.n, more, &all);
    run->labels->values.p = (struct TaskLabels_ValuesEntry *)all;
}

static void apply_annotations(struct ctx *cx, const SettingsStringMap *more, TaskRunSpec *run)
{
    const TaskAnnotations *own = run->annotations ? run->annotations : pb_new(cx->mem, TaskAnnotations);
    SettingsStringMap_EntriesEntry *all;
    if (!more)
        return;
    run->annotations = pb_new(cx->mem, TaskAnnotations);
    run->annotations->values.n =
        engine_settings_join(cx, (const SettingsStringMap_EntriesEntry *)own->values.p, own->values.n, more, &all);
    run->annotations->values.p = (struct TaskAnnotations_ValuesEntry *)all;
}

static bool has_variable(const TaskEnvs *envs, str name)
{
    for (size_t i = 0; i < envs->values.n; i++)
        if (str_eq(envs->values.p[i]->key, name))
            return true;
    return false;
}

static void apply_variables(struct ctx *cx, const SettingsStringMap *more, TaskRunSpec *run)
{
    const TaskEnvs *own = run->envs ? run->envs : pb_new(cx->mem, TaskEnvs);
    size_t n = own->values.n;
    if (!more)
        return;
    CoreKeyValuePair **all = arena_new_array(cx->mem, CoreKeyValuePair *, n + more->entries.n);
    if (n)
        memcpy(all, own->values.p, n * sizeof(*all));
    for (size_t i = 0; i < more->entries.n; i++) {
        if (has_variable(own, more->entries.p[i].key))
            continue;
        all[n] = pb_new(cx->mem, CoreKeyValuePair);
        all[n]->key = more->entries.p[i].key;
        all[n++]->value = more->entries.p[i].value;
    }
    run->envs = pb_new(cx->mem, TaskEnvs);
    run->envs->values.p = all;
    run->envs->values.n = n;
}

/* Amounts as a list, which is the form of runs. */
static size_t amounts(struct ctx *cx, const SettingsTaskResourceDefaults *d, CoreResources_ResourceEntry ***out)
{
    const struct {
        const SettingsQuantitySetting *s;
        int32_t name;
    } all[] = {{d->cpu, CORE_RESOURCES_RESOURCE_NAME_CPU},
               {d->gpu, CORE_RESOURCES_RESOURCE_NAME_GPU},
               {d->memory, CORE_RESOURCES_RESOURCE_NAME_MEMORY},
               {d->storage, CORE_RESOURCES_RESOURCE_NAME_EPHEMERAL_STORAGE}};
    size_t n = 0, max = sizeof(all) / sizeof(*all);
    *out = arena_new_array(cx->mem, CoreResources_ResourceEntry *, max);
    for (size_t i = 0; i < max; i++)
        if (all[i].s && all[i].s->state == SETTINGS_SETTING_STATE_VALUE) {
            CoreResources_ResourceEntry *e = (*out)[n++] = pb_new(cx->mem, CoreResources_ResourceEntry);
            e->name = all[i].name;
            e->value = all[i].s->quantity_value;
        }
    return n;
}

/* NULL when the settings say nothing about resources. */
static TaskTaskResourceDefaults *resources(struct ctx *cx, const SettingsTaskResourceSettings *s)
{
    TaskTaskResourceDefaults *d = pb_new(cx->mem, TaskTaskResourceDefaults);
    if (!s)
        return NULL;
    if (s->min)
        d->requests.n = amounts(cx, s->min, &d->requests.p);
    if (s->max)
        d->max.n = amounts(cx, s->max, &d->max.p);
    if (s->default_accelerator && s->default_accelerator->state == SETTINGS_SETTING_STATE_VALUE)
        d->default_accelerator = s->default_accelerator->accelerator_value;
    return d->requests.n || d->max.n || d->default_accelerator ? d : NULL;
}

/* What a client sends of these does not count: a run that repeats another one brings that one's. */
static void apply_defaults(struct ctx *cx, const SettingsSettings *s, TaskRunSpec *run)
{
    TaskDefaultSettings *d = pb_new(cx->mem, TaskDefaultSettings);
    d->pod_template_name = text_of(s->pod_template_name);
    d->task_resource_defaults = resources(cx, s->task_resource);
    run->default_settings = d->pod_template_name.n || d->task_resource_defaults ? d : NULL;
}

void engine_settings_apply(struct ctx *cx, const SettingsSettings *s, const TaskTaskSpec *task, TaskRunSpec *run,
                           bool *unlimited)
{
    str base = engine_settings_run_base_dir(s), raw = engine_settings_raw_data_path(s);
    if (!run->queue.n && s->run)
        run->queue = text_of(s->run->default_queue);
    if (!run->run_base_dir.n)
        run->run_base_dir = base;
    if (raw.n && (!run->raw_data_storage || !run->raw_data_storage->raw_data_prefix.n)) {
        run->raw_data_storage = pb_new(cx->mem, TaskRawDataStorage);
        run->raw_data_storage->raw_data_prefix = raw;
    }
    apply_concurrency(s->run ? s->run->max_action_concurrency : NULL, run, unlimited);
    apply_account(cx, s->security ? text_of(s->security->service_account) : STR(""), task, run);
    apply_labels(cx, pairs_of(s->labels), run);
    apply_annotations(cx, pairs_of(s->annotations), run);
    apply_variables(cx, pairs_of(s->environment_variables), run);
    apply_defaults(cx, s, run);
}

/* ---- tasks of such a run ----------------------------------------------------------------------------------------- */

static void give(int64_t *have, int64_t amount)
{
    if (!*have)
        *have = amount;
}

/* No amount is no bound. */
static void bound(int64_t *have, int64_t amount)
{
    if (amount && *have > amount)
        *have = amount;
}

static enum code each_amount(struct ctx *cx, CoreResources_ResourceEntry *const *list, size_t n, struct engine_pod *pod,
                             void (*set)(int64_t *have, int64_t amount))
{
    int64_t milli;
    for (size_t i = 0; i < n; i++) {
        if (!engine_quantity_milli(list[i]->value, &milli))
            return fail(cx, CODE_INVALID_ARGUMENT, "settings.task_resource: \"" STR_FMT "\" is no quantity",
                        STR_ARG(list[i]->value));
        if (list[i]->name == CORE_RESOURCES_RESOURCE_NAME_CPU)
            set(&pod->cpu_millis, milli);
        else if (list[i]->name == CORE_RESOURCES_RESOURCE_NAME_MEMORY)
            set(&pod->memory_bytes, milli / 1000);
        else if (list[i]->name == CORE_RESOURCES_RESOURCE_NAME_GPU)
            set(&pod->gpus, milli / 1000 > INT16_MAX ? INT16_MAX : milli / 1000);
    }
    return CODE_OK;
}

/* As the task's log says it. */
static str amount_text(struct ctx *cx, int32_t name, int64_t amount)
{
    if (name == CORE_RESOURCES_RESOURCE_NAME_CPU)
        return arena_printf(cx->mem, "%g CPU", (double)amount / 1000);
    if (name == CORE_RESOURCES_RESOURCE_NAME_MEMORY)
        return arena_printf(cx->mem, "%lld MiB of memory", (long long)(amount >> 20));
    return arena_printf(cx->mem, "%lld GPU", (long long)amount);
}

static void say(struct ctx *cx, int32_t name, int64_t asked, int64_t got, buf *notes)
{
    str got_text = amount_text(cx, name, got);
    if (asked == got)
        return;
    if (notes->n)
        buf_char(notes, '\n');
    if (asked)
        buf_printf(notes, "The task asks for " STR_FMT ", the settings allow " STR_FMT,
                   STR_ARG(amount_text(cx, name, asked)), STR_ARG(got_text));
    else
        buf_printf(notes, "The task gets " STR_FMT " by the settings", STR_ARG(got_text));
}

enum code engine_settings_bound(struct ctx *cx, const TaskDefaultSettings *d, struct engine_pod *pod, str *notes)
{
    const TaskTaskResourceDefaults *r = d ? d->task_resource_defaults : NULL;
    const struct engine_pod asked = *pod;
    buf b;
    *notes = STR("");
    if (!r)
        return CODE_OK;
    TRY(each_amount(cx, r->requests.p, r->requests.n, pod, give));
    TRY(each_amount(cx, r->max.p, r->max.n, pod, bound));
    buf_init_arena(&b, cx->mem, NOTES_MAX);
    say(cx, CORE_RESOURCES_RESOURCE_NAME_CPU, asked.cpu_millis, pod->cpu_millis, &b);
    say(cx, CORE_RESOURCES_RESOURCE_NAME_MEMORY, asked.memory_bytes, pod->memory_bytes, &b);
    say(cx, CORE_RESOURCES_RESOURCE_NAME_GPU, asked.gpus, pod->gpus, &b);
    *notes = buf_view(&b);
    return CODE_OK;
}

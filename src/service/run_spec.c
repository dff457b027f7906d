/* Checks of RunSpecs. See run_spec.h. */
#include "service/run_spec.h"

#include "notify/notify.h"
#include "object/object.h"
#include "service/data.h"

#define PAIRS_MAX 1000

enum code service_run_spec_check_counts(struct ctx *cx, const TaskRunSpec *s)
{
    if (s->annotations && s->annotations->values.n > PAIRS_MAX)
        return fail(cx, CODE_INVALID_ARGUMENT, "run_spec.annotations: more than %d", PAIRS_MAX);
    if (s->envs && s->envs->values.n > PAIRS_MAX)
        return fail(cx, CODE_INVALID_ARGUMENT, "run_spec.envs: more than %d", PAIRS_MAX);
    if (s->notification_settings_case == TaskRunSpec_notification_rules_tag &&
        s->notification_rules->rules.n > NOTIFY_RULES_MAX)
        return fail(cx, CODE_INVALID_ARGUMENT, "run_spec.notification_rules: more than %d", NOTIFY_RULES_MAX);
    return CODE_OK;
}

enum code service_run_spec_check_labels(struct ctx *cx, const TaskRunSpec *s)
{
    if (!s->labels)
        return CODE_OK;
    if (s->labels->values.n > SERVICE_RUN_SPEC_LABELS_MAX)
        return fail(cx, CODE_INVALID_ARGUMENT, "run_spec.labels: more than %d with those of the settings",
                    SERVICE_RUN_SPEC_LABELS_MAX);
    for (size_t i = 0; i < s->labels->values.n; i++)
        if (!s->labels->values.p[i].key.n || s->labels->values.p[i].key.n > 316 || s->labels->values.p[i].value.n > 63)
            return fail(cx, CODE_INVALID_ARGUMENT,
                        "run_spec.labels: \"" STR_FMT "\": a key has 1 to 316 characters, a value at most 63",
                        STR_ARG(str_head(s->labels->values.p[i].key, 64)));
    return CODE_OK;
}

bool service_run_spec_has_folders(const TaskRunSpec *s)
{
    return s->run_base_dir.n || (s->raw_data_storage && s->raw_data_storage->raw_data_prefix.n);
}

enum code service_run_spec_check_folders(struct ctx *cx, const TaskRunSpec *s, const TaskRunSpec *asked, str project,
                                         str run, str base_uri)
{
    bool raw_asked = asked->raw_data_storage && asked->raw_data_storage->raw_data_prefix.n;
    if (s->raw_data_storage && s->raw_data_storage->raw_data_prefix.n)
        TRY(service_data_check_raw(
            cx, raw_asked ? "run_spec.raw_data_storage.raw_data_prefix" : "settings.storage.raw_data_path",
            object_uri_join(cx->mem, s->raw_data_storage->raw_data_prefix, run), project));
    if (!s->run_base_dir.n)
        return CODE_OK;
    return service_data_check_folder(cx, asked->run_base_dir.n ? "run_spec.run_base_dir" : "settings.run.run_base_dir",
                                     base_uri, project);
}

/* Checks of RunSpecs. See run_spec.h. */
#include "service/run_spec.h"

#include "object/object.h"
#include "service/data.h"

#define LABELS_MAX 200

enum code service_run_spec_check_labels(struct ctx *cx, const TaskRunSpec *s)
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

bool service_run_spec_has_folders(const TaskRunSpec *s)
{
    return s->run_base_dir.n || (s->raw_data_storage && s->raw_data_storage->raw_data_prefix.n);
}

enum code service_run_spec_check_folders(struct ctx *cx, const TaskRunSpec *s, str project, str run, str base_uri)
{
    if (s->raw_data_storage && s->raw_data_storage->raw_data_prefix.n)
        TRY(service_data_check_raw(cx, "run_spec.raw_data_storage.raw_data_prefix",
                                   object_uri_join(cx->mem, s->raw_data_storage->raw_data_prefix, run), project));
    return s->run_base_dir.n ? service_data_check_folder(cx, "run_spec.run_base_dir", base_uri, project) : CODE_OK;
}

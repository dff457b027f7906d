/* What runs begin with. See prepare.h. */
#include "engine/prepare.h"

#include "base/codec.h"
#include "config/config.h"
#include "engine/inputs_hash.h"
#include "object/object.h"

#include <openssl/sha.h>

/* The first SDK that may be given a start time. */
#define START_TIME_SDK INT64_C(2003006) /* 2.3.6 */

void engine_prepare_run(struct ctx *cx, const SettingsSettings *settings, TaskRunSpec *spec, struct engine_new_run *n)
{
    bool unlimited = false;
    if (settings)
        engine_settings_apply(cx, settings, n->spec, spec, &unlimited);
    str base = spec->run_base_dir.n ? spec->run_base_dir : STR(ENGINE_BASE_URI);
    n->run_spec = spec;
    n->base_uri = object_uri_join(cx->mem, base,
                                  arena_printf(cx->mem, STR_FMT "/" STR_FMT "/" STR_FMT, STR_ARG(n->project),
                                               STR_ARG(n->domain), STR_ARG(n->name)));
    n->max_actions = spec->max_action_concurrency;
    if (!n->max_actions && !unlimited && cx->app && cx->app->config)
        n->max_actions = (uint32_t)cx->app->config->run_max_action_concurrency;
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

bool engine_prepare_takes_start(const TaskTaskSpec *spec)
{
    return sdk_version(spec) >= START_TIME_SDK;
}

/* ---- inputs ----------------------------------------------------------------------------------------------------- */

static bool has_literal(const TaskInputs *in, str name)
{
    for (size_t i = 0; i < in->literals.n; i++)
        if (str_eq(in->literals.p[i]->name, name))
            return true;
    return false;
}

static bool has_context(const TaskInputs *in, str key)
{
    for (size_t i = 0; i < in->context.n; i++)
        if (str_eq(in->context.p[i]->key, key))
            return true;
    return false;
}

TaskInputs *engine_prepare_fill(struct ctx *cx, const TaskInputs *given, const TaskInputs *below)
{
    static const TaskInputs none;
    TaskInputs *out = pb_new(cx->mem, TaskInputs);
    given = given ? given : &none;
    below = below ? below : &none;
    *out = *given;
    out->literals.p = arena_new_array(cx->mem, TaskNamedLiteral *, given->literals.n + below->literals.n);
    out->context.p = arena_new_array(cx->mem, CoreKeyValuePair *, given->context.n + below->context.n);
    for (size_t i = 0; i < given->literals.n; i++)
        out->literals.p[i] = given->literals.p[i];
    for (size_t i = 0; i < given->context.n; i++)
        out->context.p[i] = given->context.p[i];
    for (size_t i = 0; i < below->literals.n; i++)
        if (!has_literal(given, below->literals.p[i]->name))
            out->literals.p[out->literals.n++] = below->literals.p[i];
    for (size_t i = 0; i < below->context.n; i++)
        if (!has_context(given, below->context.p[i]->key))
            out->context.p[out->context.n++] = below->context.p[i];
    return out;
}

TaskInputs *engine_prepare_defaults(struct ctx *cx, const TaskTaskSpec *spec)
{
    TaskInputs *out = pb_new(cx->mem, TaskInputs);
    out->literals.p = arena_new_array(cx->mem, TaskNamedLiteral *, spec->default_inputs.n);
    for (size_t i = 0; i < spec->default_inputs.n; i++) {
        const TaskNamedParameter *p = spec->default_inputs.p[i];
        if (!p->parameter || p->parameter->behavior_case != CoreParameter_default_tag)
            continue;
        TaskNamedLiteral *lit = pb_new(cx->mem, TaskNamedLiteral);
        lit->name = p->name;
        lit->value = p->parameter->default_;
        out->literals.p[out->literals.n++] = lit;
    }
    return out;
}

bool engine_prepare_must_store(const struct engine_new_run *n, const TaskInputs *in)
{
    return in->literals.n || in->context.n || !str_starts(n->spec->task_template->type, STR("core-"));
}

enum code engine_prepare_inputs(struct ctx *cx, struct engine_new_run *n, const TaskInputs *in,
                                struct engine_uri_object *out)
{
    const CoreTaskMetadata *m = n->spec->task_template->metadata;
    unsigned char digest[SHA256_DIGEST_LENGTH];
    str bytes;
    TRY(pb_encode(cx, &TaskInputs_type, in, &bytes));
    SHA256((const unsigned char *)bytes.p, bytes.n, digest);
    /* By content, so that a request that is refused for its name has overwritten nothing. */
    str name = codec_hex_encode(cx->mem, str_make((const char *)digest, 16));
    n->input_uri = arena_printf(cx->mem, STR_FMT "/inputs/" STR_FMT, STR_ARG(n->base_uri), STR_ARG(name));
    *out = (struct engine_uri_object){engine_uri_inputs(cx->mem, n->input_uri), bytes};
    return engine_inputs_hash(cx, in, m ? m->cache_ignore_input_vars.p : NULL, m ? m->cache_ignore_input_vars.n : 0,
                              &n->inputs_hash);
}

enum code engine_prepare_store(struct ctx *cx, struct engine_new_run *n, const TaskInputs *in)
{
    struct engine_uri_object o;
    TRY(engine_prepare_inputs(cx, n, in, &o));
    return engine_uri_put_many(cx, cx->app, &o, 1);
}

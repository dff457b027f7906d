/* Rendering of arguments. See template.h. */
#include "engine/template.h"

#include "base/buf.h"
#include "base/number.h"
#include "copilot/text.h"

#define TEXT_MAX ((size_t)8 << 20)

/* ---- finding variables ------------------------------------------------------------------------------------------ */

static bool is_space(char c)
{
    return c == ' ' || c == '\t' || c == '\n' || c == '\r';
}

static str skip_spaces(str s)
{
    while (s.n && is_space(s.p[0]))
        s = str_skip(s, 1);
    return s;
}

/* The next "{{.name}}" of text: what is before it, its name, what is after. False when there is none. */
static bool next_variable(str text, str *before, str *name, str *after)
{
    for (size_t from = 0;;) {
        size_t at = str_find(str_skip(text, from), STR("{{"));
        if (at == SIZE_MAX)
            return false;
        at += from;
        str rest = skip_spaces(str_skip(text, at + 2));
        size_t end = 0;
        from = at + 1;
        if (!rest.n || (rest.p[0] != '.' && rest.p[0] != '$'))
            continue;
        rest = str_skip(rest, 1);
        while (end < rest.n && !is_space(rest.p[end]) && rest.p[end] != '}')
            end++;
        str close = skip_spaces(str_skip(rest, end));
        if (!end || !str_starts(close, STR("}}")))
            continue;
        *before = str_head(text, at);
        *name = str_head(rest, end);
        *after = str_skip(close, 2);
        return true;
    }
}

static bool is_input(str name)
{
    return name.n > 7 && str_eq_nocase(str_head(name, 7), STR("inputs."));
}

bool engine_template_wants_inputs(str text)
{
    str before, name, after;
    for (; next_variable(text, &before, &name, &after); text = after)
        if (is_input(name))
            return true;
    return false;
}

/* ---- inputs as text --------------------------------------------------------------------------------------------- */

/* As arguments have them: numbers like Python's, durations in seconds. */
static bool put_primitive(buf *b, const CorePrimitive *p)
{
    switch (p->value_case) {
    case 0:
        return false;
    case CorePrimitive_float_value_tag:
        number_put(b, p->float_value, -4, 21);
        return true;
    case CorePrimitive_duration_tag:
        buf_printf(b, "%.9gs", (double)p->duration->seconds + (double)p->duration->nanos / 1e9);
        return true;
    default:
        return copilot_text_put(b, p);
    }
}

static bool put_literal(buf *b, const CoreLiteral *l, int depth)
{
    if (!l || depth > 32)
        return false;
    if (l->value_case == CoreLiteral_scalar_tag) {
        const CoreScalar *s = l->scalar;
        if (s->value_case == CoreScalar_primitive_tag)
            return put_primitive(b, s->primitive);
        if (s->value_case != CoreScalar_blob_tag)
            return false;
        buf_str(b, s->blob->uri);
        return true;
    }
    if (l->value_case != CoreLiteral_collection_tag)
        return false;
    buf_char(b, '[');
    for (size_t i = 0; i < l->collection->literals.n; i++) {
        if (i)
            buf_char(b, ',');
        if (!put_literal(b, l->collection->literals.p[i], depth + 1))
            return false;
    }
    buf_char(b, ']');
    return true;
}

static enum code put_input(struct ctx *cx, buf *b, const TaskInputs *inputs, str name)
{
    for (size_t i = 0; inputs && i < inputs->literals.n; i++)
        if (str_eq(inputs->literals.p[i]->name, name)) {
            if (put_literal(b, inputs->literals.p[i]->value, 0))
                return CODE_OK;
            return fail(cx, CODE_INVALID_ARGUMENT, "input " STR_FMT " has no form as text", STR_ARG(name));
        }
    return fail(cx, CODE_INVALID_ARGUMENT, "there is no input " STR_FMT, STR_ARG(name));
}

/* ---- the others ------------------------------------------------------------------------------------------------- */

static bool find(const struct engine_template *t, str name, str *out)
{
    const struct {
        str name, value;
    } all[] = {
        {STR("input"), t->input},
        {STR("outputPrefix"), t->output_prefix},
        {STR("rawOutputDataPrefix"), t->raw_prefix},
        {STR("checkpointOutputPrefix"), t->checkpoint},
        {STR("prevCheckpointPrefix"), t->prev_checkpoint},
        {STR("runName"), t->run},
        {STR("actionName"), t->action},
        {STR("runStartTime"), t->run_start_time},
        {STR("perRetryUniqueKey"), t->unique_key},
        {STR("taskTemplatePath"), STR("inline://taskTemplate")},
        {STR("namespace"), t->project_domain},
    };
    for (size_t i = 0; i < sizeof(all) / sizeof(*all); i++)
        if (str_eq_nocase(name, all[i].name)) {
            *out = all[i].value;
            return true;
        }
    if (!str_eq_nocase(name, STR("inputPrefix")))
        return false;
    size_t slash = str_rfind_char(t->input, '/');
    *out = slash == SIZE_MAX ? t->input : str_head(t->input, slash);
    return true;
}

enum code engine_template_render(struct ctx *cx, const struct engine_template *t, str text, str *out)
{
    str before, name, after, value, rest = text;
    buf b;
    if (str_find(text, STR("{{")) == SIZE_MAX) {
        *out = text;
        return CODE_OK;
    }
    buf_init_arena(&b, cx->mem, TEXT_MAX);
    for (; next_variable(rest, &before, &name, &after); rest = after) {
        buf_str(&b, before);
        if (is_input(name) && t->inputs)
            TRY(put_input(cx, &b, t->inputs, str_skip(name, 7)));
        else if (find(t, name, &value))
            buf_str(&b, value);
        else
            buf_add(&b, before.p + before.n, (size_t)(after.p - before.p) - before.n);
    }
    buf_str(&b, rest);
    if (b.failed)
        return fail(cx, CODE_INVALID_ARGUMENT, "the arguments are too long");
    *out = buf_view(&b);
    return CODE_OK;
}

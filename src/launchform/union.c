/* Which variant of a union a JSON value is. */
#include "launchform/launchform_int.h"

/* Of the variants that values of unions name, together. */
#define TYPE_BYTES_MAX ((size_t)32 << 20)
/* Room for why the value fits no variant. */
#define REASONS_MAX ((size_t)200)

/* The SDK's converter of values that it pickles. Their type is a union of where the bytes may be, yet their literal is no
 * union: the converter would not find the bytes inside one. */
#define PICKLE "FlytePickle"

static bool is_pickle(const CoreUnionType *t)
{
    for (size_t i = 0; i < t->variants.n; i++)
        if (!t->variants.p[i]->structure || !str_eq(t->variants.p[i]->structure->tag, STR(PICKLE)))
            return false;
    return t->variants.n > 0;
}

/* The literal of a union names its variant; the tag tells the SDK which converter to use. */
static enum code wrap(struct launchform *f, const CoreLiteralType *variant, CoreLiteral *value, CoreLiteral **out)
{
    struct arena *mem = f->cx->mem;
    CoreUnion *u = pb_new(mem, CoreUnion);
    CoreTypeStructure *structure = pb_new(mem, CoreTypeStructure);
    u->value = value;
    u->type = pb_new(mem, CoreLiteralType);
    *u->type = *variant;
    u->type->structure = structure;
    if (variant->structure)
        structure->tag = variant->structure->tag;
    f->type_bytes += pb_encoded_size(&CoreLiteralType_type, u->type);
    if (f->type_bytes > TYPE_BYTES_MAX)
        return fail(f->cx, CODE_RESOURCE_EXHAUSTED, "the types of the union's values have more than %zu bytes",
                    TYPE_BYTES_MAX);
    *out = launchform_scalar(mem, CoreScalar_union_tag);
    (*out)->scalar->union_ = u;
    return CODE_OK;
}

enum code launchform_union_none(struct launchform *f, const CoreLiteralType *t, CoreLiteral **out)
{
    const CoreUnionType *u = t->union_type;
    *out = NULL;
    f->steps += u->variants.n / 8; /* cheap ones */
    for (size_t i = 0; i < u->variants.n; i++)
        if (launchform_is_simple(u->variants.p[i], CORE_NONE))
            return wrap(f, u->variants.p[i], launchform_none(f->cx->mem), out);
    return CODE_OK;
}

/* *out stays NULL when the value does not fit, and cx->err says why. */
static enum code try_variant(struct launchform *f, const GoogleProtobufValue *v, const CoreLiteralType *variant,
                             int depth, CoreLiteral **out, bool *loose)
{
    bool before = f->loose;
    *out = NULL;
    f->loose = false;
    enum code code = launchform_is_simple(variant, CORE_NONE) ? fail(f->cx, CODE_INVALID_ARGUMENT, "is not null")
                                                              : launchform_literal(f, v, variant, depth, out);
    *loose = f->loose;
    f->loose = before;
    if (code == CODE_OK)
        return CODE_OK;
    *out = NULL;
    return code == CODE_INVALID_ARGUMENT ? CODE_OK : code;
}

static void add_reason(struct launchform *f, buf *reasons, const CoreLiteralType *variant)
{
    str title = str_head(launchform_type_title(variant), 32);
    buf_printf(reasons, "%s" STR_FMT ": %.60s", reasons->n ? "; " : "", STR_ARG(title), f->cx->err.msg);
}

/* depth: of the variant's value. */
static enum code finish(struct launchform *f, const CoreUnionType *t, size_t i, CoreLiteral *value, CoreLiteral **out)
{
    ctx_clear_err(f->cx);
    if (!is_pickle(t))
        return wrap(f, t->variants.p[i], value, out);
    *out = value;
    return CODE_OK;
}

/* Below the literal of the union: its scalar, the union, the value. */
#define IN_UNION 3

enum code launchform_union(struct launchform *f, const GoogleProtobufValue *v, const CoreLiteralType *type, int depth,
                           CoreLiteral **out)
{
    const CoreUnionType *t = type->union_type;
    CoreLiteral *value, *found = NULL;
    size_t found_at = 0;
    bool loose = true;
    buf reasons;
    buf_init_arena(&reasons, f->cx->mem, REASONS_MAX);
    for (size_t i = 0; i < t->variants.n && loose; i++) {
        TRY(try_variant(f, v, t->variants.p[i], depth + IN_UNION, &value, &loose));
        if (!value) {
            add_reason(f, &reasons, t->variants.p[i]);
            loose = true;
        } else if (!found || !loose) {
            found = value;
            found_at = i;
        }
    }
    if (!found)
        return fail(f->cx, CODE_INVALID_ARGUMENT, "fits none of the union's types: " STR_FMT,
                    STR_ARG(buf_view(&reasons)));
    f->loose |= loose;
    return finish(f, t, found_at, found, out);
}

enum code launchform_union_as(struct launchform *f, const GoogleProtobufValue *v, const CoreLiteralType *type, size_t i,
                              int depth, CoreLiteral **out)
{
    const CoreUnionType *t = type->union_type;
    CoreLiteral *value = NULL;
    bool loose;
    if (i < t->variants.n && !launchform_says_none(v))
        TRY(try_variant(f, v, t->variants.p[i], depth + IN_UNION, &value, &loose));
    if (value)
        return finish(f, t, i, value, out);
    ctx_clear_err(f->cx);
    return launchform_literal(f, v, type, depth, out);
}

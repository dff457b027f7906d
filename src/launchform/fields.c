/* Literals from filled-in forms, and from values without one. */
#include "launchform/launchform_int.h"

/* Where a named literal has its value, and a form a field's schema. */
#define LITERAL_DEPTH 2
#define FIELD_DEPTH (2 * LAUNCHFORM_IN_OBJECT)
#define NAME_SHOWN ((size_t)64)

static TaskNamedLiteral *add(struct arena *mem, struct launchform_literals *out, str name)
{
    TaskNamedLiteral *l = pb_new(mem, TaskNamedLiteral);
    l->name = name;
    out->p[out->n++] = l;
    return l;
}

static enum code literals_open(struct launchform *f, size_t n, struct launchform_literals *out)
{
    TRY(launchform_step(f, 0, n * sizeof(*out->p)));
    out->n = 0;
    out->p = arena_new_array(f->cx->mem, TaskNamedLiteral *, n);
    return CODE_OK;
}

/* ---- the value that a field holds -------------------------------------------------------------------------------- */

static bool has_format(const GoogleProtobufStruct *schema, const char *format)
{
    str text;
    return launchform_get_text(schema, STR("format"), &text) && (!format || str_eq(text, str_from(format)));
}

/* A file's parts are fields of their own. A form that nobody filled in has no URI, and then there is no file. */
static const GoogleProtobufValue *blob_default(struct launchform *f, const GoogleProtobufStruct *schema)
{
    static const char *const keys[] = {"dimensionality", "format", "uri"}; /* sorted */
    struct arena *mem = f->cx->mem;
    const GoogleProtobufStruct *properties = launchform_get_object(schema, STR("properties"));
    GoogleProtobufValue *blob = launchform_object(mem);
    str uri = STR("");
    for (size_t i = 0; i < sizeof(keys) / sizeof(*keys); i++) {
        const GoogleProtobufValue *v =
            launchform_get(launchform_get_object(properties, str_from(keys[i])), STR("default"));
        if (v) {
            GoogleProtobufValue *copy = pb_new(mem, GoogleProtobufValue);
            *copy = *v;
            launchform_put(mem, blob, keys[i], copy);
        }
    }
    launchform_get_text(blob->struct_value, STR("uri"), &uri);
    return uri.n ? blob : NULL;
}

/* An object of a class: neither a map nor one with a format. */
static bool is_class(const GoogleProtobufStruct *schema)
{
    const GoogleProtobufValue *more = launchform_get(schema, STR("additionalProperties"));
    str type;
    return launchform_get_text(schema, STR("type"), &type) && str_eq(type, STR("object")) &&
           !has_format(schema, NULL) && !launchform_as_object(more) &&
           !(more && more->kind_case == GoogleProtobufValue_bool_value_tag && more->bool_value);
}

/* The defaults of the class's own fields; NULL when there are none. */
static enum code class_default(struct launchform *f, const GoogleProtobufStruct *schema, int depth,
                               const GoogleProtobufValue **out)
{
    struct arena *mem = f->cx->mem;
    const GoogleProtobufStruct *properties = launchform_get_object(schema, STR("properties"));
    GoogleProtobufValue *object = launchform_object(mem);
    *out = NULL;
    for (size_t i = 0; properties && i < properties->fields.n; i++) {
        const GoogleProtobufStruct *field = launchform_as_object(properties->fields.p[i].value);
        const GoogleProtobufValue *v = launchform_get(field, STR("default"));
        TRY(launchform_step(f, depth, 0));
        if (!v && is_class(field))
            TRY(class_default(f, field, depth + LAUNCHFORM_IN_OBJECT, &v));
        if (!v)
            continue;
        GoogleProtobufValue *copy = pb_new(mem, GoogleProtobufValue);
        *copy = *v;
        launchform_put_key(mem, object->struct_value, properties->fields.p[i].key, copy);
        *out = object;
    }
    return CODE_OK;
}

static enum code field_value(struct launchform *f, const GoogleProtobufStruct *schema, const GoogleProtobufValue **out)
{
    *out = launchform_get(schema, STR("default"));
    if (!*out && has_format(schema, "blob"))
        *out = blob_default(f, schema);
    if (!*out && is_class(schema))
        return class_default(f, schema, FIELD_DEPTH, out);
    return CODE_OK;
}

/* ---- from a form ------------------------------------------------------------------------------------------------- */

/* Which variant the value had when the form was made: two types may have the same values in JSON. */
static size_t variant_of(const GoogleProtobufStruct *schema)
{
    const GoogleProtobufValue *v = launchform_get(schema, STR("variant"));
    if (!v || v->kind_case != GoogleProtobufValue_number_value_tag || !(v->number_value >= 0 && v->number_value < 1e6))
        return SIZE_MAX;
    return (size_t)v->number_value;
}

/* *out = NULL: nobody filled it in. */
static enum code field_literal(struct launchform *f, str name, const GoogleProtobufValue *field, CoreLiteral **out)
{
    struct launchform_path properties = {NULL, STR("properties")}, path = {&properties, name};
    const GoogleProtobufStruct *schema = launchform_as_object(field);
    const GoogleProtobufValue *v;
    CoreLiteralType *t;
    *out = NULL;
    if (!schema)
        return fail(f->cx, CODE_INVALID_ARGUMENT, "must be the schema of a field, is %s", launchform_kind(field));
    f->path = &path;
    TRY(launchform_type(f, schema, FIELD_DEPTH, &t));
    TRY(field_value(f, schema, &v));
    if (!v && t->type_case == CoreLiteralType_union_type_tag)
        return launchform_union_none(f, t, out);
    if (!v)
        return CODE_OK;
    if (t->type_case == CoreLiteralType_union_type_tag)
        return launchform_union_as(f, v, t, variant_of(schema), LITERAL_DEPTH, out);
    return launchform_literal(f, v, t, LITERAL_DEPTH, out);
}

enum code launchform_to_literals(struct ctx *cx, const GoogleProtobufStruct *form, struct launchform_literals *out)
{
    struct launchform f = {.cx = cx};
    const GoogleProtobufStruct *fields = launchform_get_object(form, STR("properties"));
    if (!fields)
        return fail(cx, CODE_INVALID_ARGUMENT, "json.properties: required, an object with a schema for each input");
    TRY(literals_open(&f, fields->fields.n, out));
    for (size_t i = 0; i < fields->fields.n; i++) {
        str name = fields->fields.p[i].key;
        CoreLiteral *l;
        if (field_literal(&f, name, fields->fields.p[i].value, &l) != CODE_OK)
            return fail_wrap(cx, STR_FMT, STR_ARG(str_head(name, NAME_SHOWN)));
        if (l)
            add(cx->mem, out, name)->value = l;
    }
    return CODE_OK;
}

/* ---- from values ------------------------------------------------------------------------------------------------- */

static enum code value_literal(struct launchform *f, const CoreVariableEntry *e, const GoogleProtobufValue *v,
                               CoreLiteral **out)
{
    const CoreLiteralType *t = e->value ? e->value->type : NULL;
    *out = NULL;
    if (v)
        return launchform_literal(f, v, t, LITERAL_DEPTH, out);
    if (t && t->type_case == CoreLiteralType_union_type_tag)
        TRY(launchform_union_none(f, t, out));
    return *out ? CODE_OK : fail(f->cx, CODE_INVALID_ARGUMENT, "required: the values have none of this name");
}

enum code launchform_values_to_literals(struct ctx *cx, const CoreVariableMap *variables,
                                        const GoogleProtobufStruct *values, struct launchform_literals *out)
{
    static const CoreVariableMap none;
    struct launchform f = {.cx = cx};
    variables = variables ? variables : &none;
    if (!values)
        return fail(cx, CODE_INVALID_ARGUMENT, "values: required, an object with a value for each variable");
    TRY(literals_open(&f, variables->variables.n, out));
    for (size_t i = 0; i < variables->variables.n; i++) {
        const CoreVariableEntry *e = variables->variables.p[i];
        CoreLiteral *l;
        if (value_literal(&f, e, launchform_get(values, e->key), &l) != CODE_OK)
            return fail_wrap(cx, STR_FMT, STR_ARG(str_head(e->key, NAME_SHOWN)));
        add(cx->mem, out, e->key)->value = l;
    }
    return CODE_OK;
}

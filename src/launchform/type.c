/* The type that a JSON schema of a form stands for: the way back of schema.c. */
#include "launchform/launchform_int.h"

#include "base/number.h"

bool launchform_is_simple(const CoreLiteralType *t, int32_t simple)
{
    return t && t->type_case == CoreLiteralType_simple_tag && t->simple == simple;
}

static void set_simple(CoreLiteralType *t, int32_t simple)
{
    t->type_case = CoreLiteralType_simple_tag;
    t->simple = simple;
}

/* ---- text and numbers -------------------------------------------------------------------------------------------- */

/* What "type" and "format" together mean; no format = any other one. The first row that fits counts. */
static const struct {
    const char *type, *format;
    int32_t simple;
} simples[] = {
    {"string", "datetime", CORE_DATETIME},  {"string", "duration", CORE_DURATION},
    {"string", "binary", CORE_BINARY},      {"string", "error", CORE_ERROR},
    {"string", NULL, CORE_STRING},          {"integer", "datetime", CORE_DATETIME},
    {"integer", "duration", CORE_DURATION}, {"integer", NULL, CORE_INTEGER},
    {"number", NULL, CORE_FLOAT},           {"boolean", NULL, CORE_BOOLEAN},
};

static int32_t find_simple(str type, str format)
{
    for (size_t i = 0; i < sizeof(simples) / sizeof(*simples); i++)
        if (str_eq(type, str_from(simples[i].type)) &&
            (!simples[i].format || str_eq(format, str_from(simples[i].format))))
            return simples[i].simple;
    return CORE_NONE;
}

/* A choice of the enum, which need not be text in somebody's own schema. */
static enum code enum_text(struct launchform *f, const GoogleProtobufValue *v, str *out)
{
    buf b;
    if (launchform_as_text(v, out))
        return CODE_OK;
    buf_init_arena(&b, f->cx->mem, 400);
    if (v && v->kind_case == GoogleProtobufValue_number_value_tag)
        number_put(&b, v->number_value, -4, 21);
    else if (v && v->kind_case == GoogleProtobufValue_bool_value_tag)
        buf_str(&b, v->bool_value ? STR("true") : STR("false"));
    else
        return fail(f->cx, CODE_INVALID_ARGUMENT, "enum: a choice is %s, not text", launchform_kind(v));
    *out = buf_view(&b);
    return CODE_OK;
}

static enum code enum_type(struct launchform *f, const GoogleProtobufListValue *values, int depth, CoreLiteralType *t)
{
    t->type_case = CoreLiteralType_enum_type_tag;
    t->enum_type = pb_new(f->cx->mem, CoreEnumType);
    t->enum_type->values.p = arena_new_array(f->cx->mem, str, values->values.n);
    for (size_t i = 0; i < values->values.n; i++) {
        TRY(launchform_step(f, depth, 0));
        TRY(enum_text(f, values->values.p[i], &t->enum_type->values.p[t->enum_type->values.n++]));
    }
    return CODE_OK;
}

/* ---- objects ----------------------------------------------------------------------------------------------------- */

static void blob_type(struct arena *mem, const GoogleProtobufStruct *schema, CoreLiteralType *t)
{
    const GoogleProtobufStruct *properties = launchform_get_object(schema, STR("properties"));
    const GoogleProtobufValue *dimensionality =
        launchform_get(launchform_get_object(properties, STR("dimensionality")), STR("default"));
    t->type_case = CoreLiteralType_blob_tag;
    t->blob = pb_new(mem, CoreBlobType);
    launchform_get_text(launchform_get_object(properties, STR("format")), STR("default"), &t->blob->format);
    if (!launchform_dimensionality(dimensionality, &t->blob->dimensionality))
        t->blob->dimensionality = CORE_BLOB_TYPE_BLOB_DIMENSIONALITY_SINGLE;
}

/* What only the form added, or what it calls by another name. */
static bool is_form_key(str key)
{
    static const char *const keys[] = {"default", "structure", "title", "variant", "dataclass"};
    for (size_t i = 0; i < sizeof(keys) / sizeof(*keys); i++)
        if (str_eq(key, str_from(keys[i])))
            return true;
    return false;
}

/* The class's own schema again, as far as the form kept it; sorted, as launchform_get() wants it. */
static enum code class_metadata(struct launchform *f, const GoogleProtobufStruct *schema, int depth,
                                GoogleProtobufStruct **out)
{
    struct arena *mem = f->cx->mem;
    GoogleProtobufStruct kept = {0};
    bool named = false;
    str class, place;
    for (size_t i = 0; i < schema->fields.n; i++) {
        const GoogleProtobufStruct_FieldsEntry *e = &schema->fields.p[i];
        TRY(launchform_step(f, depth, 0));
        if (!named && str_cmp(e->key, STR("title")) >= 0 && launchform_get_text(schema, STR("dataclass"), &class)) {
            launchform_put_key(mem, &kept, STR("title"), launchform_text(mem, class));
            named = true;
        }
        if (!is_form_key(e->key))
            launchform_put_key(mem, &kept, e->key, e->value);
    }
    TRY(launchform_path_text(f, depth, &place));
    return launchform_move_schema(f, &kept, depth, place, STR("#"), out);
}

/* Of a list's items or a map's values. */
static enum code inner_type(struct launchform *f, const GoogleProtobufStruct *schema, const char *key, int depth,
                            CoreLiteralType **out)
{
    struct launchform_path path = {f->path, str_from(key)};
    f->path = &path;
    TRY(launchform_type(f, schema, depth + LAUNCHFORM_IN_OBJECT, out));
    f->path = path.up;
    return CODE_OK;
}

static enum code object_type(struct launchform *f, const GoogleProtobufStruct *schema, int depth, CoreLiteralType *t)
{
    const GoogleProtobufStruct *values = launchform_get_object(schema, STR("additionalProperties"));
    str format;
    if (launchform_get_text(schema, STR("format"), &format)) {
        if (str_eq(format, STR("blob"))) {
            blob_type(f->cx->mem, schema, t);
        } else if (str_eq(format, STR("structured-dataset"))) {
            t->type_case = CoreLiteralType_structured_dataset_type_tag;
            t->structured_dataset_type = pb_new(f->cx->mem, CoreStructuredDatasetType);
        }
        return CODE_OK; /* of no known kind otherwise, which is an error when there is a value */
    }
    if (values) {
        t->type_case = CoreLiteralType_map_value_type_tag;
        return inner_type(f, values, "additionalProperties", depth, &t->map_value_type);
    }
    set_simple(t, CORE_STRUCT);
    if (launchform_get(schema, STR("additionalProperties"))) /* any object: the type has no schema of its own */
        return CODE_OK;
    return class_metadata(f, schema, depth, &t->metadata);
}

/* ---- all --------------------------------------------------------------------------------------------------------- */

static enum code member_type(struct launchform *f, const GoogleProtobufValue *v, size_t i, int depth,
                             CoreLiteralType **out)
{
    struct launchform_path members = {f->path, STR("oneOf")};
    struct launchform_path path = {&members, arena_printf(f->cx->mem, "%zu", i)};
    const GoogleProtobufStruct *member = launchform_as_object(v);
    if (!member)
        return fail(f->cx, CODE_INVALID_ARGUMENT, "oneOf[%zu]: must be an object, is %s", i, launchform_kind(v));
    f->path = &path;
    if (launchform_type(f, member, depth, out) != CODE_OK)
        return fail_wrap(f->cx, "oneOf[%zu]", i);
    f->path = members.up;
    return CODE_OK;
}

static enum code union_type(struct launchform *f, const GoogleProtobufValue *members, int depth, CoreLiteralType *t)
{
    struct arena *mem = f->cx->mem;
    if (members->kind_case != GoogleProtobufValue_list_value_tag)
        return fail(f->cx, CODE_INVALID_ARGUMENT, "oneOf: must be an array, is %s", launchform_kind(members));
    const GoogleProtobufListValue *list = members->list_value;
    TRY(launchform_step(f, depth, list->values.n * sizeof(CoreLiteralType *)));
    t->type_case = CoreLiteralType_union_type_tag;
    t->union_type = pb_new(mem, CoreUnionType);
    t->union_type->variants.p = arena_new_array(mem, CoreLiteralType *, list->values.n);
    for (size_t i = 0; i < list->values.n; i++) {
        TRY(member_type(f, list->values.p[i], i, depth + LAUNCHFORM_IN_OBJECT + LAUNCHFORM_IN_ARRAY,
                        &t->union_type->variants.p[i]));
        t->union_type->variants.n++;
    }
    return CODE_OK;
}

static enum code array_type(struct launchform *f, const GoogleProtobufStruct *schema, int depth, CoreLiteralType *t)
{
    const GoogleProtobufStruct *items = launchform_get_object(schema, STR("items"));
    t->type_case = CoreLiteralType_collection_type_tag;
    if (items)
        return inner_type(f, items, "items", depth, &t->collection_type);
    t->collection_type = pb_new(f->cx->mem, CoreLiteralType);
    set_simple(t->collection_type, CORE_STRING);
    return CODE_OK;
}

static enum code plain_type(struct launchform *f, const GoogleProtobufStruct *schema, int depth, CoreLiteralType *t)
{
    const GoogleProtobufListValue *choices = launchform_get_array(schema, STR("enum"));
    str type, format = STR("");
    if (!launchform_get_text(schema, STR("type"), &type))
        return fail(f->cx, CODE_INVALID_ARGUMENT, "type: required, a text such as \"string\"");
    launchform_get_text(schema, STR("format"), &format);
    if (str_eq(type, STR("object")))
        return object_type(f, schema, depth, t);
    if (str_eq(type, STR("array")))
        return array_type(f, schema, depth, t);
    if (str_eq(type, STR("string")) && choices)
        return enum_type(f, choices, depth, t);
    set_simple(t, find_simple(type, format));
    return CODE_OK;
}

enum code launchform_type(struct launchform *f, const GoogleProtobufStruct *schema, int depth, CoreLiteralType **out)
{
    const GoogleProtobufValue *members = launchform_get(schema, STR("oneOf"));
    CoreLiteralType *t = pb_new(f->cx->mem, CoreLiteralType);
    str tag;
    TRY(launchform_step(f, depth, 0));
    TRY(members ? union_type(f, members, depth, t) : plain_type(f, schema, depth, t));
    if (launchform_get_text(schema, STR("structure"), &tag) && tag.n) {
        t->structure = pb_new(f->cx->mem, CoreTypeStructure);
        t->structure->tag = tag;
    }
    *out = t;
    return CODE_OK;
}

/* The JSON schema of a type. */
#include "launchform/launchform_int.h"

/* Types without parameters; title: what a member of a union is called. */
static const struct simple {
    int32_t simple;
    const char *type, *format, *title;
} simples[] = {
    {CORE_NONE, "null", NULL, "none"},
    {CORE_INTEGER, "integer", NULL, "integer"},
    {CORE_FLOAT, "number", "float", "number"},
    {CORE_STRING, "string", NULL, "string"},
    {CORE_BOOLEAN, "boolean", NULL, "boolean"},
    {CORE_DATETIME, "string", "datetime", "datetime"},
    {CORE_DURATION, "string", "duration", "duration"},
    {CORE_BINARY, "string", "binary", "binary"},
    {CORE_ERROR, "string", "error", "unknown"},
};

static const struct simple *find_simple(int32_t simple)
{
    for (size_t i = 0; i < sizeof(simples) / sizeof(*simples); i++)
        if (simples[i].simple == simple)
            return &simples[i];
    return NULL;
}

static GoogleProtobufValue *constant(struct arena *mem, const char *s)
{
    return launchform_text(mem, str_from(s));
}

static GoogleProtobufValue *of_type(struct arena *mem, const char *type, const char *format)
{
    GoogleProtobufValue *v = launchform_object(mem);
    launchform_put(mem, v, "type", constant(mem, type));
    if (format)
        launchform_put(mem, v, "format", constant(mem, format));
    return v;
}

/* The type's own schema, as the SDK wrote it, at its place in the form. What it calls title is the name of the class;
 * additionalProperties would make a map of it. */
static enum code class_schema(struct launchform *f, const GoogleProtobufStruct *metadata, int depth,
                              GoogleProtobufStruct **out)
{
    struct arena *mem = f->cx->mem;
    GoogleProtobufStruct *schema;
    str place;
    TRY(launchform_path_text(f, depth, &place));
    TRY(launchform_move_schema(f, metadata, depth, STR("#"), place, &schema));
    GoogleProtobufStruct *kept = pb_new(mem, GoogleProtobufStruct);
    bool titled = launchform_get(metadata, STR("title"));
    for (size_t i = 0; i < schema->fields.n; i++) {
        GoogleProtobufStruct_FieldsEntry *e = &schema->fields.p[i];
        if (str_eq(e->key, STR("title")))
            launchform_put_key(mem, kept, STR("dataclass"), e->value);
        else if (!str_eq(e->key, STR("additionalProperties")) && !(titled && str_eq(e->key, STR("dataclass"))))
            launchform_put_key(mem, kept, e->key, e->value);
    }
    /* A class that refers to itself only says where its schema is ($ref), and other types say nothing. */
    if (!launchform_get(metadata, STR("type")))
        launchform_put_key(mem, kept, STR("type"), constant(mem, "object"));
    *out = kept;
    return CODE_OK;
}

static enum code simple_schema(struct launchform *f, const CoreLiteralType *t, int depth, GoogleProtobufStruct **out)
{
    struct arena *mem = f->cx->mem;
    const struct simple *s = find_simple(t->simple);
    if (t->simple == CORE_STRUCT && t->metadata)
        return class_schema(f, t->metadata, depth, out);
    if (t->simple == CORE_STRUCT) {
        GoogleProtobufValue *v = of_type(mem, "object", NULL);
        launchform_put(mem, v, "additionalProperties", launchform_bool(mem, true));
        *out = v->struct_value;
        return CODE_OK;
    }
    if (!s)
        return fail(f->cx, CODE_INVALID_ARGUMENT, "has the unknown simple type %d", (int)t->simple);
    *out = of_type(mem, s->type, s->format)->struct_value;
    return CODE_OK;
}

static GoogleProtobufValue *with_default(struct arena *mem, str value)
{
    GoogleProtobufValue *v = of_type(mem, "string", NULL);
    launchform_put(mem, v, "default", launchform_text(mem, value));
    return v;
}

static GoogleProtobufStruct *blob_schema(struct arena *mem, const CoreBlobType *t)
{
    bool multipart = t && t->dimensionality == CORE_BLOB_TYPE_BLOB_DIMENSIONALITY_MULTIPART;
    GoogleProtobufValue *v = of_type(mem, "object", "blob"), *properties = launchform_object(mem);
    GoogleProtobufValue *dimensionality = with_default(mem, multipart ? STR("MULTIPART") : STR("SINGLE"));
    GoogleProtobufValue *names = launchform_array(mem);
    launchform_append(mem, names, constant(mem, "SINGLE"));
    launchform_append(mem, names, constant(mem, "MULTIPART"));
    launchform_put(mem, dimensionality, "enum", names);
    launchform_put(mem, properties, "uri", with_default(mem, STR("")));
    launchform_put(mem, properties, "format", with_default(mem, t ? t->format : STR("")));
    launchform_put(mem, properties, "dimensionality", dimensionality);
    launchform_put(mem, v, "properties", properties);
    return v->struct_value;
}

static GoogleProtobufStruct *dataset_schema(struct arena *mem)
{
    GoogleProtobufValue *v = of_type(mem, "object", "structured-dataset"), *properties = launchform_object(mem);
    launchform_put(mem, properties, "uri", of_type(mem, "string", NULL));
    launchform_put(mem, properties, "format", of_type(mem, "string", NULL));
    launchform_put(mem, v, "properties", properties);
    return v->struct_value;
}

static enum code enum_schema(struct launchform *f, const CoreEnumType *t, int depth, GoogleProtobufStruct **out)
{
    struct arena *mem = f->cx->mem;
    GoogleProtobufValue *v = of_type(mem, "string", NULL), *values = launchform_array(mem);
    for (size_t i = 0; i < t->values.n; i++) {
        TRY(launchform_step(f, depth, 0));
        launchform_append(mem, values, launchform_text(mem, t->values.p[i]));
    }
    launchform_put(mem, v, "enum", values);
    *out = v->struct_value;
    return CODE_OK;
}

/* A list's items or a map's values. */
static enum code container_schema(struct launchform *f, const CoreLiteralType *inner, const char *type, const char *key,
                                  int depth, GoogleProtobufStruct **out)
{
    struct arena *mem = f->cx->mem;
    struct launchform_path path = {f->path, str_from(key)};
    GoogleProtobufValue *v = of_type(mem, type, NULL), *items = launchform_object(mem);
    f->path = &path;
    TRY(launchform_schema(f, inner, depth + LAUNCHFORM_IN_OBJECT, &items->struct_value));
    f->path = path.up;
    launchform_put(mem, v, key, items);
    *out = v->struct_value;
    return CODE_OK;
}

static enum code member_schema(struct launchform *f, const CoreLiteralType *variant, size_t i, int depth,
                               GoogleProtobufValue **out)
{
    struct arena *mem = f->cx->mem;
    struct launchform_path members = {f->path, STR("oneOf")}, path = {&members, arena_printf(mem, "%zu", i)};
    GoogleProtobufValue *member = launchform_object(mem);
    f->path = &path;
    if (launchform_schema(f, variant, depth, &member->struct_value) != CODE_OK)
        return fail_wrap(f->cx, "variant %zu", i);
    f->path = members.up;
    str tag = variant->structure ? variant->structure->tag : STR("");
    launchform_set(mem, member->struct_value, STR("title"), launchform_text(mem, launchform_type_title(variant)));
    launchform_set(mem, member->struct_value, STR("structure"), launchform_text(mem, tag));
    *out = member;
    return CODE_OK;
}

static enum code union_schema(struct launchform *f, const CoreUnionType *t, int depth, GoogleProtobufStruct **out)
{
    struct arena *mem = f->cx->mem;
    GoogleProtobufValue *v = launchform_object(mem), *members = launchform_array(mem), *member = NULL;
    for (size_t i = 0; i < t->variants.n; i++) {
        TRY(member_schema(f, t->variants.p[i], i, depth + LAUNCHFORM_IN_OBJECT + LAUNCHFORM_IN_ARRAY, &member));
        launchform_append(mem, members, member);
    }
    launchform_put(mem, v, "oneOf", members);
    launchform_put(mem, v, "format", constant(mem, "union"));
    *out = v->struct_value;
    return CODE_OK;
}

enum code launchform_schema(struct launchform *f, const CoreLiteralType *t, int depth, GoogleProtobufStruct **out)
{
    struct arena *mem = f->cx->mem;
    TRY(launchform_step(f, depth, 0));
    switch (t ? t->type_case : CoreLiteralType_simple_tag) {
    case CoreLiteralType_simple_tag:
        if (t)
            return simple_schema(f, t, depth, out);
        *out = of_type(mem, "null", NULL)->struct_value;
        return CODE_OK;
    case CoreLiteralType_collection_type_tag:
        return container_schema(f, t->collection_type, "array", "items", depth, out);
    case CoreLiteralType_map_value_type_tag:
        return container_schema(f, t->map_value_type, "object", "additionalProperties", depth, out);
    case CoreLiteralType_blob_tag:
        *out = blob_schema(mem, t->blob);
        return CODE_OK;
    case CoreLiteralType_enum_type_tag:
        return enum_schema(f, t->enum_type, depth, out);
    case CoreLiteralType_structured_dataset_type_tag:
        *out = dataset_schema(mem);
        return CODE_OK;
    case CoreLiteralType_union_type_tag:
        return union_schema(f, t->union_type, depth, out);
    case CoreLiteralType_schema_tag:
        return fail(f->cx, CODE_INVALID_ARGUMENT, "has the deprecated type schema; use a structured dataset");
    default:
        return fail(f->cx, CODE_INVALID_ARGUMENT, "has a type of no known kind");
    }
}

str launchform_type_title(const CoreLiteralType *t)
{
    static const char *const titles[] = {
        [CoreLiteralType_collection_type_tag] = "array",
        [CoreLiteralType_map_value_type_tag] = "object",
        [CoreLiteralType_blob_tag] = "blob",
        [CoreLiteralType_enum_type_tag] = "enum",
        [CoreLiteralType_structured_dataset_type_tag] = "structured_dataset",
        [CoreLiteralType_union_type_tag] = "union",
    };
    str title;
    if (t->type_case == CoreLiteralType_simple_tag) {
        if (t->simple == CORE_STRUCT)
            return launchform_get_text(t->metadata, STR("title"), &title) ? title : STR("object");
        const struct simple *s = find_simple(t->simple);
        return str_from(s ? s->title : "unknown");
    }
    const char *known = (size_t)t->type_case < sizeof(titles) / sizeof(*titles) ? titles[t->type_case] : NULL;
    return str_from(known ? known : "unknown");
}

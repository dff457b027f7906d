/* Values of classes, which are JSON objects. */
#include "launchform/launchform_int.h"

#include "base/msgpack.h"

#include <math.h>

/* ---- which class ------------------------------------------------------------------------------------------------- */

/* Where a class that refers to itself has its schema: "#/$defs/Node". */
static const GoogleProtobufStruct *own_schema(const GoogleProtobufStruct *metadata)
{
    static const char defs[] = "#/$defs/";
    str ref;
    if (!launchform_get_text(metadata, STR("$ref"), &ref) || !str_starts(ref, str_from(defs)))
        return metadata;
    return launchform_get_object(launchform_get_object(metadata, STR("$defs")), str_skip(ref, strlen(defs)));
}

/* Whether the object has what the class requires and nothing that the class does not know: which of the classes in a union
 * it is. */
static enum code fits_class(struct launchform *f, const GoogleProtobufStruct *metadata,
                            const GoogleProtobufStruct *object, int depth, bool *fits)
{
    const GoogleProtobufStruct *schema = own_schema(metadata);
    const GoogleProtobufStruct *properties = launchform_get_object(schema, STR("properties"));
    const GoogleProtobufListValue *required = launchform_get_array(schema, STR("required"));
    str name;
    *fits = true;
    for (size_t i = 0; required && i < required->values.n && *fits; i++) {
        TRY(launchform_step(f, depth, 0));
        *fits = !launchform_as_text(required->values.p[i], &name) || launchform_get(object, name);
    }
    for (size_t i = 0; properties && i < object->fields.n && *fits; i++)
        *fits = launchform_get(properties, object->fields.p[i].key);
    return CODE_OK;
}

/* ---- how the value is sent --------------------------------------------------------------------------------------- */

/* Whether a field, however deep, holds bytes: in JSON they are base64 text, in MessagePack the SDK wants bytes. */
static enum code holds_bytes(struct launchform *f, const GoogleProtobufValue *v, int depth, bool *out)
{
    const GoogleProtobufStruct *object = launchform_as_object(v);
    str format;
    TRY(launchform_step(f, depth, 0));
    if (launchform_get_text(object, STR("format"), &format) && str_eq(format, STR("base64")))
        *out = true;
    for (size_t i = 0; object && i < object->fields.n && !*out; i++)
        TRY(holds_bytes(f, object->fields.p[i].value, depth + LAUNCHFORM_IN_OBJECT, out));
    if (v && v->kind_case == GoogleProtobufValue_list_value_tag)
        for (size_t i = 0; i < v->list_value->values.n && !*out; i++)
            TRY(holds_bytes(f, v->list_value->values.p[i], depth + LAUNCHFORM_IN_ARRAY, out));
    return CODE_OK;
}

/* MessagePack is the SDK's own form and knows whole numbers, which a Struct does not: they would come back as floats
 * wherever no field says their type. Not for classes with bytes, nor for types that are no classes (protobuf messages). */
static enum code wants_msgpack(struct launchform *f, const GoogleProtobufStruct *metadata, bool *out)
{
    GoogleProtobufValue v = {.kind_case = GoogleProtobufValue_struct_value_tag};
    bool bytes = false;
    if (metadata && f->class_schema == metadata) {
        *out = f->class_msgpack;
        return CODE_OK;
    }
    *out = true;
    if (!metadata)
        return CODE_OK;
    v.struct_value = (GoogleProtobufStruct *)(uintptr_t)metadata;
    TRY(holds_bytes(f, &v, 0, &bytes));
    *out = !bytes && (launchform_get(metadata, STR("properties")) || launchform_get(metadata, STR("$ref")));
    f->class_schema = metadata;
    f->class_msgpack = *out;
    return CODE_OK;
}

static enum code put_msgpack(struct launchform *f, const GoogleProtobufValue *v, int depth, buf *b);

static enum code put_object(struct launchform *f, const GoogleProtobufStruct *s, int depth, buf *b)
{
    msgpack_put_map(b, s->fields.n);
    for (size_t i = 0; i < s->fields.n; i++) {
        msgpack_put_str(b, s->fields.p[i].key);
        TRY(put_msgpack(f, s->fields.p[i].value, depth + LAUNCHFORM_IN_OBJECT, b));
    }
    return CODE_OK;
}

static enum code put_array(struct launchform *f, const GoogleProtobufListValue *list, int depth, buf *b)
{
    msgpack_put_array(b, list->values.n);
    for (size_t i = 0; i < list->values.n; i++)
        TRY(put_msgpack(f, list->values.p[i], depth + LAUNCHFORM_IN_ARRAY, b));
    return CODE_OK;
}

static void put_number(buf *b, double d)
{
    if (d == floor(d) && fabs(d) <= (double)LAUNCHFORM_EXACT_MAX && !(d == 0 && signbit(d)))
        msgpack_put_integer(b, (int64_t)d);
    else
        msgpack_put_real(b, d);
}

static enum code put_msgpack(struct launchform *f, const GoogleProtobufValue *v, int depth, buf *b)
{
    str text = STR("");
    launchform_as_text(v, &text);
    TRY(launchform_step(f, depth, 4 * text.n)); /* the buffer grows by doubling */
    switch (v ? v->kind_case : 0) {
    case GoogleProtobufValue_null_value_tag:
        msgpack_put_nil(b);
        return CODE_OK;
    case GoogleProtobufValue_number_value_tag:
        put_number(b, v->number_value);
        return CODE_OK;
    case GoogleProtobufValue_string_value_tag:
        msgpack_put_str(b, text);
        return CODE_OK;
    case GoogleProtobufValue_bool_value_tag:
        msgpack_put_bool(b, v->bool_value);
        return CODE_OK;
    case GoogleProtobufValue_struct_value_tag:
        return put_object(f, v->struct_value, depth, b);
    case GoogleProtobufValue_list_value_tag:
        return put_array(f, v->list_value, depth, b);
    default:
        return fail(f->cx, CODE_INVALID_ARGUMENT, "holds a google.protobuf.Value without a kind");
    }
}

static enum code msgpack_literal(struct launchform *f, const GoogleProtobufStruct *object, int depth, CoreLiteral **out)
{
    struct arena *mem = f->cx->mem;
    buf b;
    buf_init_arena(&b, mem, UINT32_MAX);
    TRY(put_object(f, object, depth, &b));
    *out = launchform_scalar(mem, CoreScalar_binary_tag);
    (*out)->scalar->binary = pb_new(mem, CoreBinary);
    (*out)->scalar->binary->value = buf_view(&b);
    (*out)->scalar->binary->tag = STR("msgpack");
    return b.failed ? fail(f->cx, CODE_RESOURCE_EXHAUSTED, "is too large") : CODE_OK;
}

static enum code generic_literal(struct launchform *f, const GoogleProtobufStruct *object, int depth, CoreLiteral **out)
{
    GoogleProtobufStruct *copy;
    TRY(launchform_copy_object(f, object, depth + 1, &copy)); /* below the scalar */
    *out = launchform_scalar(f->cx->mem, CoreScalar_generic_tag);
    (*out)->scalar->generic = copy;
    return CODE_OK;
}

enum code launchform_class(struct launchform *f, const GoogleProtobufValue *v, const CoreLiteralType *t, int depth,
                           CoreLiteral **out)
{
    const GoogleProtobufStruct *object = launchform_as_object(v);
    bool fits, msgpack;
    if (!object)
        return fail(f->cx, CODE_INVALID_ARGUMENT, "must be an object, is %s", launchform_kind(v));
    TRY(fits_class(f, t->metadata, object, depth, &fits));
    f->loose |= !fits;
    TRY(wants_msgpack(f, t->metadata, &msgpack));
    return msgpack ? msgpack_literal(f, object, depth, out) : generic_literal(f, object, depth, out);
}

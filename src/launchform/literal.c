/* A JSON value as a literal of a type. */
#include "launchform/launchform_int.h"

#include "base/codec.h"
#include "base/duration.h"
#include "base/time.h"

#include <math.h>

CoreLiteral *launchform_scalar(struct arena *mem, int32_t value_case)
{
    CoreLiteral *l = pb_new(mem, CoreLiteral);
    l->value_case = CoreLiteral_scalar_tag;
    l->scalar = pb_new(mem, CoreScalar);
    l->scalar->value_case = value_case;
    return l;
}

CoreLiteral *launchform_none(struct arena *mem)
{
    CoreLiteral *l = launchform_scalar(mem, CoreScalar_none_type_tag);
    l->scalar->none_type = pb_new(mem, CoreVoid);
    return l;
}

static CorePrimitive *primitive(struct arena *mem, int32_t value_case, CoreLiteral **out)
{
    *out = launchform_scalar(mem, CoreScalar_primitive_tag);
    CorePrimitive *p = (*out)->scalar->primitive = pb_new(mem, CorePrimitive);
    p->value_case = value_case;
    return p;
}

static enum code must_be(struct launchform *f, const char *what, const GoogleProtobufValue *v)
{
    return fail(f->cx, CODE_INVALID_ARGUMENT, "must be %s, is %s", what, launchform_kind(v));
}

static bool as_number(const GoogleProtobufValue *v, double *out)
{
    if (v->kind_case != GoogleProtobufValue_number_value_tag)
        return false;
    *out = v->number_value;
    return true;
}

/* ---- simple types: a row of the table each, in the form of convert ----------------------------------------------- */

typedef enum code convert(struct launchform *f, const GoogleProtobufValue *v, CoreLiteral **out);

static enum code integer(struct launchform *f, const GoogleProtobufValue *v, CoreLiteral **out)
{
    int64_t i;
    double d;
    str text;
    if (as_number(v, &d)) {
        if (!isfinite(d) || d != floor(d))
            return fail(f->cx, CODE_INVALID_ARGUMENT, "must be a whole number, is %.17g", d);
        if (fabs(d) > (double)LAUNCHFORM_EXACT_MAX)
            return fail(f->cx, CODE_INVALID_ARGUMENT,
                        "is a number beyond 2^53, which JSON has changed on the way; send its digits as text");
        i = (int64_t)d;
    } else if (launchform_as_text(v, &text) && str_to_i64(text, &i)) {
        f->loose = true;
    } else {
        return must_be(f, "a whole number of 64 bits", v);
    }
    primitive(f->cx->mem, CorePrimitive_integer_tag, out)->integer = i;
    return CODE_OK;
}

static bool named_real(str text, double *out)
{
    static const struct {
        const char *name;
        double value;
    } names[] = {{"NaN", (double)NAN}, {"Infinity", (double)INFINITY}, {"-Infinity", -(double)INFINITY}};
    for (size_t i = 0; i < sizeof(names) / sizeof(*names); i++)
        if (str_eq(text, str_from(names[i].name))) {
            *out = names[i].value;
            return true;
        }
    return false;
}

static enum code real(struct launchform *f, const GoogleProtobufValue *v, CoreLiteral **out)
{
    double d;
    str text;
    if (as_number(v, &d))
        f->loose |= d == floor(d); /* 2 may mean an integer */
    else if (launchform_as_text(v, &text) && named_real(text, &d))
        f->loose = true;
    else
        return must_be(f, "a number", v);
    primitive(f->cx->mem, CorePrimitive_float_value_tag, out)->float_value = d;
    return CODE_OK;
}

static enum code string(struct launchform *f, const GoogleProtobufValue *v, CoreLiteral **out)
{
    str text;
    if (!launchform_as_text(v, &text))
        return must_be(f, "text", v);
    primitive(f->cx->mem, CorePrimitive_string_value_tag, out)->string_value = text;
    return CODE_OK;
}

static enum code boolean(struct launchform *f, const GoogleProtobufValue *v, CoreLiteral **out)
{
    if (v->kind_case != GoogleProtobufValue_bool_value_tag)
        return must_be(f, "true or false", v);
    primitive(f->cx->mem, CorePrimitive_boolean_tag, out)->boolean = v->bool_value;
    return CODE_OK;
}

static enum code datetime(struct launchform *f, const GoogleProtobufValue *v, CoreLiteral **out)
{
    GoogleProtobufTimestamp *t = pb_new(f->cx->mem, GoogleProtobufTimestamp);
    str text;
    if (!launchform_as_text(v, &text))
        return must_be(f, "a time as text", v);
    if (!time_parse_rfc3339(text, &t->seconds, &t->nanos))
        return fail(f->cx, CODE_INVALID_ARGUMENT, "must be a time like 2026-01-31T12:00:00Z, is \"" STR_FMT "\"",
                    STR_ARG(str_head(text, 64)));
    primitive(f->cx->mem, CorePrimitive_datetime_tag, out)->datetime = t;
    return CODE_OK;
}

/* Seconds with a fraction. */
static bool split_seconds(double d, GoogleProtobufDuration *out)
{
    if (!(fabs(d) <= (double)DURATION_SECONDS_MAX))
        return false;
    double nanos = round((d - trunc(d)) * 1e9);
    bool whole = fabs(nanos) >= 1e9;
    out->seconds = (int64_t)trunc(d) + (whole ? (d < 0 ? -1 : 1) : 0);
    out->nanos = whole ? 0 : (int32_t)nanos;
    return true;
}

static bool all_digits(str s)
{
    for (size_t i = 0; i < s.n; i++)
        if (s.p[i] < '0' || s.p[i] > '9')
            return false;
    return s.n > 0;
}

static enum code duration(struct launchform *f, const GoogleProtobufValue *v, CoreLiteral **out)
{
    GoogleProtobufDuration *t = pb_new(f->cx->mem, GoogleProtobufDuration);
    double seconds;
    str text;
    bool ok = false;
    if (as_number(v, &seconds)) {
        f->loose = true;
        ok = split_seconds(seconds, t);
    } else if (!launchform_as_text(v, &text)) {
        return must_be(f, "a duration as text, or a number of seconds", v);
    } else if (all_digits(text)) {
        f->loose = true;
        ok = str_to_i64(text, &t->seconds) && t->seconds <= DURATION_SECONDS_MAX;
    } else {
        ok = duration_parse(text, &t->seconds, &t->nanos);
    }
    if (!ok)
        return fail(f->cx, CODE_INVALID_ARGUMENT, "must be a duration like 1h2m3.5s, of less than 10,000 years");
    primitive(f->cx->mem, CorePrimitive_duration_tag, out)->duration = t;
    return CODE_OK;
}

static enum code binary(struct launchform *f, const GoogleProtobufValue *v, CoreLiteral **out)
{
    str text, bytes;
    if (!launchform_as_text(v, &text))
        return must_be(f, "base64 text", v);
    if (!codec_base64_decode(f->cx->mem, text, &bytes))
        return fail(f->cx, CODE_INVALID_ARGUMENT, "must be base64 text");
    f->loose = true;
    *out = launchform_scalar(f->cx->mem, CoreScalar_binary_tag);
    (*out)->scalar->binary = pb_new(f->cx->mem, CoreBinary);
    (*out)->scalar->binary->value = bytes;
    return CODE_OK;
}

static enum code none(struct launchform *f, const GoogleProtobufValue *v, CoreLiteral **out)
{
    (void)v;
    *out = launchform_none(f->cx->mem);
    return CODE_OK;
}

static const struct {
    int32_t simple;
    convert *convert;
} simples[] = {
    {CORE_NONE, none},       {CORE_INTEGER, integer},   {CORE_FLOAT, real},        {CORE_STRING, string},
    {CORE_BOOLEAN, boolean}, {CORE_DATETIME, datetime}, {CORE_DURATION, duration}, {CORE_BINARY, binary},
};

static enum code simple_literal(struct launchform *f, const GoogleProtobufValue *v, const CoreLiteralType *t, int depth,
                                CoreLiteral **out)
{
    if (t->simple == CORE_STRUCT)
        return launchform_class(f, v, t, depth, out);
    for (size_t i = 0; i < sizeof(simples) / sizeof(*simples); i++)
        if (simples[i].simple == t->simple)
            return simples[i].convert(f, v, out);
    return fail(f->cx, CODE_INVALID_ARGUMENT, "has a type of which no form makes values");
}

/* ---- files and tables -------------------------------------------------------------------------------------------- */

bool launchform_dimensionality(const GoogleProtobufValue *v, int32_t *out)
{
    static const struct {
        const char *name, *number;
        int32_t value;
    } names[] = {{"SINGLE", "0", CORE_BLOB_TYPE_BLOB_DIMENSIONALITY_SINGLE},
                 {"MULTIPART", "1", CORE_BLOB_TYPE_BLOB_DIMENSIONALITY_MULTIPART}};
    double d;
    str text;
    for (size_t i = 0; v && i < sizeof(names) / sizeof(*names); i++)
        if ((as_number(v, &d) && d == (double)names[i].value) ||
            (launchform_as_text(v, &text) &&
             (str_eq(text, str_from(names[i].name)) || str_eq(text, str_from(names[i].number))))) {
            *out = names[i].value;
            return true;
        }
    return false;
}

static enum code require_text(struct launchform *f, const GoogleProtobufStruct *object, const char *key, str *out)
{
    if (launchform_get_text(object, str_from(key), out))
        return CODE_OK;
    return fail(f->cx, CODE_INVALID_ARGUMENT, "%s: required, as text", key);
}

static enum code blob_literal(struct launchform *f, const GoogleProtobufValue *v, CoreLiteral **out)
{
    struct arena *mem = f->cx->mem;
    const GoogleProtobufStruct *object = launchform_as_object(v);
    CoreBlob *b = pb_new(mem, CoreBlob);
    if (!object)
        return must_be(f, "an object with uri, format and dimensionality", v);
    b->metadata = pb_new(mem, CoreBlobMetadata);
    CoreBlobType *t = b->metadata->type = pb_new(mem, CoreBlobType);
    TRY(require_text(f, object, "uri", &b->uri));
    TRY(require_text(f, object, "format", &t->format));
    if (!launchform_dimensionality(launchform_get(object, STR("dimensionality")), &t->dimensionality))
        return fail(f->cx, CODE_INVALID_ARGUMENT, "dimensionality: must be SINGLE or MULTIPART");
    if (object->fields.n > 3)
        f->loose = true;
    *out = launchform_scalar(mem, CoreScalar_blob_tag);
    (*out)->scalar->blob = b;
    return CODE_OK;
}

/* The columns are those of the type, since a form does not show them. */
static enum code dataset_literal(struct launchform *f, const GoogleProtobufValue *v, const CoreStructuredDatasetType *t,
                                 CoreLiteral **out)
{
    struct arena *mem = f->cx->mem;
    const GoogleProtobufStruct *object = launchform_as_object(v);
    CoreStructuredDataset *d = pb_new(mem, CoreStructuredDataset);
    if (!object)
        return must_be(f, "an object with uri and format", v);
    d->metadata = pb_new(mem, CoreStructuredDatasetMetadata);
    d->metadata->structured_dataset_type = pb_new(mem, CoreStructuredDatasetType);
    if (t)
        *d->metadata->structured_dataset_type = *t;
    TRY(require_text(f, object, "uri", &d->uri));
    TRY(require_text(f, object, "format", &d->metadata->structured_dataset_type->format));
    if (object->fields.n > 2)
        f->loose = true;
    *out = launchform_scalar(mem, CoreScalar_structured_dataset_tag);
    (*out)->scalar->structured_dataset = d;
    return CODE_OK;
}

static enum code enum_literal(struct launchform *f, const GoogleProtobufValue *v, const CoreEnumType *t, int depth,
                              CoreLiteral **out)
{
    str text;
    if (!launchform_as_text(v, &text))
        return must_be(f, "one of the enum's texts", v);
    for (size_t i = 0; i < t->values.n; i++) {
        if (str_eq(t->values.p[i], text))
            return string(f, v, out);
        if (i % 64 == 63)
            TRY(launchform_step(f, depth, 0));
    }
    return fail(f->cx, CODE_INVALID_ARGUMENT, "\"" STR_FMT "\" is none of the enum's values",
                STR_ARG(str_head(text, 64)));
}

/* ---- lists and maps ---------------------------------------------------------------------------------------------- */

static enum code list_literal(struct launchform *f, const GoogleProtobufValue *v, const CoreLiteralType *inner,
                              int depth, CoreLiteral **out)
{
    struct arena *mem = f->cx->mem;
    if (v->kind_case != GoogleProtobufValue_list_value_tag)
        return must_be(f, "an array", v);
    const GoogleProtobufListValue *from = v->list_value;
    TRY(launchform_step(f, depth, from->values.n * sizeof(CoreLiteral *)));
    CoreLiteralCollection *list = pb_new(mem, CoreLiteralCollection);
    list->literals.p = arena_new_array(mem, CoreLiteral *, from->values.n);
    for (size_t i = 0; i < from->values.n; i++) {
        enum code code =
            launchform_literal(f, from->values.p[i], inner, depth + LAUNCHFORM_IN_ARRAY, &list->literals.p[i]);
        if (code != CODE_OK)
            return fail_wrap(f->cx, "[%zu]", i);
        list->literals.n++;
    }
    *out = pb_new(mem, CoreLiteral);
    (*out)->value_case = CoreLiteral_collection_tag;
    (*out)->collection = list;
    return CODE_OK;
}

static enum code map_literal(struct launchform *f, const GoogleProtobufValue *v, const CoreLiteralType *inner,
                             int depth, CoreLiteral **out)
{
    struct arena *mem = f->cx->mem;
    const GoogleProtobufStruct *from = launchform_as_object(v);
    if (!from)
        return must_be(f, "an object", v);
    TRY(launchform_step(f, depth, from->fields.n * sizeof(CoreLiteralMap_LiteralsEntry)));
    CoreLiteralMap *map = pb_new(mem, CoreLiteralMap);
    map->literals.p = arena_new_array(mem, CoreLiteralMap_LiteralsEntry, from->fields.n);
    for (size_t i = 0; i < from->fields.n; i++) {
        str key = map->literals.p[i].key = from->fields.p[i].key;
        if (launchform_literal(f, from->fields.p[i].value, inner, depth + LAUNCHFORM_IN_OBJECT,
                               &map->literals.p[i].value) != CODE_OK)
            return fail_wrap(f->cx, "[\"" STR_FMT "\"]", STR_ARG(str_head(key, 64)));
        map->literals.n++;
    }
    *out = pb_new(mem, CoreLiteral);
    (*out)->value_case = CoreLiteral_map_tag;
    (*out)->map = map;
    return CODE_OK;
}

/* ---- all --------------------------------------------------------------------------------------------------------- */

/* {"type": "null"} says none only where none may be: elsewhere it is somebody's object. */
static bool is_none(const GoogleProtobufValue *v, const CoreLiteralType *t)
{
    if (v->kind_case == GoogleProtobufValue_null_value_tag)
        return true;
    return launchform_says_none(v) && t &&
           (t->type_case == CoreLiteralType_union_type_tag || launchform_is_simple(t, CORE_NONE));
}

static enum code none_literal(struct launchform *f, const CoreLiteralType *t, CoreLiteral **out)
{
    *out = NULL;
    if (launchform_is_simple(t, CORE_NONE))
        *out = launchform_none(f->cx->mem);
    else if (t && t->type_case == CoreLiteralType_union_type_tag)
        TRY(launchform_union_none(f, t, out));
    return *out ? CODE_OK : fail(f->cx, CODE_INVALID_ARGUMENT, "must have a value: its type does not allow none");
}

enum code launchform_literal(struct launchform *f, const GoogleProtobufValue *v, const CoreLiteralType *t, int depth,
                             CoreLiteral **out)
{
    TRY(launchform_step(f, depth, 0));
    if (!v || v->kind_case == 0)
        return fail(f->cx, CODE_INVALID_ARGUMENT, "holds a google.protobuf.Value without a kind");
    if (is_none(v, t))
        return none_literal(f, t, out);
    switch (t ? t->type_case : 0) {
    case CoreLiteralType_simple_tag:
        return simple_literal(f, v, t, depth, out);
    case CoreLiteralType_collection_type_tag:
        return list_literal(f, v, t->collection_type, depth, out);
    case CoreLiteralType_map_value_type_tag:
        return map_literal(f, v, t->map_value_type, depth, out);
    case CoreLiteralType_blob_tag:
        return blob_literal(f, v, out);
    case CoreLiteralType_enum_type_tag:
        return enum_literal(f, v, t->enum_type, depth, out);
    case CoreLiteralType_structured_dataset_type_tag:
        return dataset_literal(f, v, t->structured_dataset_type, out);
    case CoreLiteralType_union_type_tag:
        return launchform_union(f, v, t, depth, out);
    case CoreLiteralType_schema_tag:
        return fail(f->cx, CODE_INVALID_ARGUMENT, "has the deprecated type schema; use a structured dataset");
    default:
        return fail(f->cx, CODE_INVALID_ARGUMENT, "has a type of no known kind");
    }
}

/* A literal as the JSON value that a form shows. */
#include "launchform/launchform_int.h"

#include "base/codec.h"
#include "base/duration.h"
#include "base/time.h"

/* Of literals that are stored elsewhere, all together. */
#define READ_MAX ((size_t)32 << 20)

static enum code nothing(struct launchform *f, const char *what)
{
    return fail(f->cx, CODE_INVALID_ARGUMENT, "has %s without a value", what);
}

/* ---- primitives -------------------------------------------------------------------------------------------------- */

static enum code datetime_value(struct launchform *f, const GoogleProtobufTimestamp *t, GoogleProtobufValue **out)
{
    char text[TIME_RFC3339_MAX];
    if (!t)
        return nothing(f, "a datetime");
    if (!time_format_rfc3339(t->seconds, t->nanos, text))
        return fail(f->cx, CODE_INVALID_ARGUMENT, "is a time that no calendar has");
    *out = launchform_text(f->cx->mem, arena_str(f->cx->mem, str_from(text)));
    return CODE_OK;
}

static enum code duration_value(struct launchform *f, const GoogleProtobufDuration *d, GoogleProtobufValue **out)
{
    buf b;
    if (!d)
        return nothing(f, "a duration");
    if (d->seconds > DURATION_SECONDS_MAX || d->seconds < -DURATION_SECONDS_MAX || d->nanos >= NS_PER_S ||
        d->nanos <= -NS_PER_S || (d->seconds > 0 && d->nanos < 0) || (d->seconds < 0 && d->nanos > 0))
        return fail(f->cx, CODE_INVALID_ARGUMENT, "is no duration: seconds and nanos out of range or of two signs");
    buf_init_arena(&b, f->cx->mem, 64);
    duration_put(&b, d->seconds, d->nanos);
    *out = launchform_text(f->cx->mem, buf_view(&b));
    return CODE_OK;
}

static enum code primitive_value(struct launchform *f, const CorePrimitive *p, GoogleProtobufValue **out)
{
    struct arena *mem = f->cx->mem;
    switch (p ? p->value_case : 0) {
    case CorePrimitive_integer_tag:
        *out = launchform_integer(mem, p->integer);
        return CODE_OK;
    case CorePrimitive_float_value_tag:
        *out = launchform_real(mem, p->float_value);
        return CODE_OK;
    case CorePrimitive_string_value_tag:
        *out = launchform_text(mem, p->string_value);
        return CODE_OK;
    case CorePrimitive_boolean_tag:
        *out = launchform_bool(mem, p->boolean);
        return CODE_OK;
    case CorePrimitive_datetime_tag:
        return datetime_value(f, p->datetime, out);
    case CorePrimitive_duration_tag:
        return duration_value(f, p->duration, out);
    default:
        return nothing(f, "a primitive");
    }
}

/* ---- other scalars ----------------------------------------------------------------------------------------------- */

static enum code binary_value(struct launchform *f, const CoreBinary *b, int depth, GoogleProtobufValue **out)
{
    static const CoreBinary none;
    b = b ? b : &none;
    *out = NULL;
    TRY(launchform_step(f, depth, 2 * b->value.n));
    if (b->value.n && (b->tag.n == 0 || str_eq(b->tag, STR("msgpack"))))
        TRY(launchform_msgpack(f, b->value, depth, out));
    if (!*out)
        *out = launchform_text(f->cx->mem, codec_base64_encode(f->cx->mem, b->value));
    return CODE_OK;
}

static enum code blob_value(struct launchform *f, const CoreBlob *b, GoogleProtobufValue **out)
{
    struct arena *mem = f->cx->mem;
    const CoreBlobType *t = b && b->metadata ? b->metadata->type : NULL;
    bool multipart = t && t->dimensionality == CORE_BLOB_TYPE_BLOB_DIMENSIONALITY_MULTIPART;
    *out = launchform_object(mem);
    launchform_put(mem, *out, "dimensionality", launchform_text(mem, multipart ? STR("MULTIPART") : STR("SINGLE")));
    launchform_put(mem, *out, "format", launchform_text(mem, t ? t->format : STR("")));
    launchform_put(mem, *out, "uri", launchform_text(mem, b ? b->uri : STR("")));
    return CODE_OK;
}

static enum code dataset_value(struct launchform *f, const CoreStructuredDataset *d, GoogleProtobufValue **out)
{
    struct arena *mem = f->cx->mem;
    const CoreStructuredDatasetType *t = d && d->metadata ? d->metadata->structured_dataset_type : NULL;
    *out = launchform_object(mem);
    launchform_put(mem, *out, "format", launchform_text(mem, t ? t->format : STR("")));
    launchform_put(mem, *out, "uri", launchform_text(mem, d ? d->uri : STR("")));
    return CODE_OK;
}

static enum code generic_value(struct launchform *f, const GoogleProtobufStruct *s, int depth,
                               GoogleProtobufValue **out)
{
    *out = launchform_object(f->cx->mem);
    return s ? launchform_copy_object(f, s, depth, &(*out)->struct_value) : CODE_OK;
}

static enum code scalar_value(struct launchform *f, const CoreScalar *s, int depth, GoogleProtobufValue **out)
{
    switch (s ? s->value_case : 0) {
    case CoreScalar_primitive_tag:
        return primitive_value(f, s->primitive, out);
    case CoreScalar_blob_tag:
        return blob_value(f, s->blob, out);
    case CoreScalar_binary_tag:
        return binary_value(f, s->binary, depth, out);
    case CoreScalar_none_type_tag:
        *out = launchform_object(f->cx->mem);
        launchform_put(f->cx->mem, *out, "type", launchform_text(f->cx->mem, STR("null")));
        return CODE_OK;
    case CoreScalar_generic_tag:
        return generic_value(f, s->generic, depth, out);
    case CoreScalar_structured_dataset_tag:
        return dataset_value(f, s->structured_dataset, out);
    case CoreScalar_union_tag:
        return s->union_ && s->union_->value ? launchform_value(f, s->union_->value, depth, out)
                                             : nothing(f, "a union");
    case CoreScalar_schema_tag:
        return fail(f->cx, CODE_UNIMPLEMENTED, "is a deprecated schema, which no form shows");
    case CoreScalar_error_tag:
        return fail(f->cx, CODE_UNIMPLEMENTED, "is an error, which no form shows");
    default:
        return nothing(f, "a scalar");
    }
}

/* ---- lists, maps, what lies elsewhere ---------------------------------------------------------------------------- */

static enum code list_value(struct launchform *f, const CoreLiteralCollection *list, int depth,
                            GoogleProtobufValue **out)
{
    *out = launchform_array(f->cx->mem);
    for (size_t i = 0; list && i < list->literals.n; i++) {
        GoogleProtobufValue *v;
        if (launchform_value(f, list->literals.p[i], depth + LAUNCHFORM_IN_ARRAY, &v) != CODE_OK)
            return fail_wrap(f->cx, "[%zu]", i);
        launchform_append(f->cx->mem, *out, v);
    }
    return CODE_OK;
}

static enum code map_value(struct launchform *f, const CoreLiteralMap *map, int depth, GoogleProtobufValue **out)
{
    *out = launchform_object(f->cx->mem);
    for (size_t i = 0; map && i < map->literals.n; i++) {
        const CoreLiteralMap_LiteralsEntry *e = &map->literals.p[i];
        GoogleProtobufValue *v;
        if (launchform_value(f, e->value, depth + LAUNCHFORM_IN_OBJECT, &v) != CODE_OK)
            return fail_wrap(f->cx, "[\"" STR_FMT "\"]", STR_ARG(str_head(e->key, 64)));
        launchform_put_key(f->cx->mem, (*out)->struct_value, e->key, v);
    }
    return CODE_OK;
}

/* One stored literal may name others, so depth and the bytes of all of them are bounded. */
static enum code stored_value(struct launchform *f, const CoreLiteralOffloadedMetadata *m, int depth,
                              GoogleProtobufValue **out)
{
    str bytes, uri = m ? m->uri : STR("");
    void *l;
    if (!f->source)
        return fail(f->cx, CODE_UNIMPLEMENTED, "is stored elsewhere (offloaded_metadata)");
    TRY(f->source->read(f->cx, f->source->arg, uri, &bytes));
    f->read_bytes += bytes.n;
    if (f->read_bytes > READ_MAX)
        return fail(f->cx, CODE_RESOURCE_EXHAUSTED, "the literals that are stored elsewhere have more than %zu bytes",
                    READ_MAX);
    TRY(pb_decode(f->cx, &CoreLiteral_type, bytes, &l));
    return launchform_value(f, l, depth + 1, out);
}

enum code launchform_value(struct launchform *f, const CoreLiteral *l, int depth, GoogleProtobufValue **out)
{
    TRY(launchform_step(f, depth, 0));
    switch (l ? l->value_case : 0) {
    case CoreLiteral_scalar_tag:
        return scalar_value(f, l->scalar, depth, out);
    case CoreLiteral_collection_tag:
        return list_value(f, l->collection, depth, out);
    case CoreLiteral_map_tag:
        return map_value(f, l->map, depth, out);
    case CoreLiteral_offloaded_metadata_tag:
        return stored_value(f, l->offloaded_metadata, depth, out);
    default:
        return nothing(f, "a literal");
    }
}

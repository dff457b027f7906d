/* MessagePack, in which the SDK sends values of classes, as JSON. */
#include "launchform/launchform_int.h"

#include "base/codec.h"
#include "base/msgpack.h"
#include "base/number.h"
#include "base/time.h"

#include <stdlib.h>

/* The extension of MessagePack itself. */
#define EXT_TIME (-1)

/* A value that JSON cannot say is no failure: *out stays NULL. */
static enum code next_value(struct launchform *f, str *rest, int depth, GoogleProtobufValue **out);

/* Seconds in 32 bits; nanoseconds in 30 bits and seconds in 34; or in 32 and 64 bits. */
static bool read_time(str bytes, int64_t *seconds, int32_t *nanos)
{
    uint64_t v[3] = {0};
    if (bytes.n != 4 && bytes.n != 8 && bytes.n != 12)
        return false;
    for (size_t i = 0; i < bytes.n; i++)
        v[i / 4] = v[i / 4] << 8 | (unsigned char)bytes.p[i];
    uint64_t ns = bytes.n == 4 ? 0 : bytes.n == 8 ? v[0] >> 2 : v[0];
    uint64_t s = bytes.n == 4 ? v[0] : bytes.n == 8 ? (v[0] & 3) << 32 | v[1] : v[1] << 32 | v[2];
    *seconds = (int64_t)s;
    *nanos = (int32_t)ns;
    return ns < (uint64_t)NS_PER_S;
}

static GoogleProtobufValue *ext_value(struct arena *mem, const struct msgpack *v)
{
    char text[TIME_RFC3339_MAX];
    int64_t seconds;
    int32_t nanos;
    if (v->ext == EXT_TIME && read_time(v->bytes, &seconds, &nanos) && time_format_rfc3339(seconds, nanos, text))
        return launchform_text(mem, arena_str(mem, str_from(text)));
    return launchform_text(mem, codec_base64_encode(mem, v->bytes));
}

static GoogleProtobufValue *leaf_value(struct arena *mem, const struct msgpack *v)
{
    switch (v->kind) {
    case MSGPACK_NIL:
        return launchform_null(mem);
    case MSGPACK_BOOL:
        return launchform_bool(mem, v->boolean);
    case MSGPACK_INT:
        return launchform_integer(mem, v->integer);
    case MSGPACK_UINT:
        return launchform_text(mem, arena_printf(mem, "%llu", (unsigned long long)v->uinteger));
    case MSGPACK_REAL:
        return launchform_real(mem, v->real);
    case MSGPACK_STR:
        return str_is_utf8(v->bytes) ? launchform_text(mem, v->bytes) : NULL;
    case MSGPACK_BIN:
        return launchform_text(mem, codec_base64_encode(mem, v->bytes));
    case MSGPACK_EXT:
        return ext_value(mem, v);
    case MSGPACK_ARRAY:
    case MSGPACK_MAP:
        break;
    }
    return NULL;
}

/* Keys of JSON are text. False for what has none. */
static bool key_text(struct arena *mem, const struct msgpack *v, str *out)
{
    buf b;
    switch (v->kind) {
    case MSGPACK_STR:
        *out = v->bytes;
        return str_is_utf8(v->bytes);
    case MSGPACK_INT:
        *out = arena_printf(mem, "%lld", (long long)v->integer);
        return true;
    case MSGPACK_UINT:
        *out = arena_printf(mem, "%llu", (unsigned long long)v->uinteger);
        return true;
    case MSGPACK_BOOL:
        *out = v->boolean ? STR("true") : STR("false");
        return true;
    case MSGPACK_REAL:
        buf_init_arena(&b, mem, 400);
        number_put(&b, v->real, -4, 21);
        *out = buf_view(&b);
        return true;
    case MSGPACK_NIL:
        *out = STR("<nil>");
        return true;
    case MSGPACK_BIN:
    case MSGPACK_EXT:
    case MSGPACK_ARRAY:
    case MSGPACK_MAP:
        break;
    }
    return false;
}

static int by_key(const void *a, const void *b)
{
    return str_cmp(((const GoogleProtobufStruct_FieldsEntry *)a)->key,
                   ((const GoogleProtobufStruct_FieldsEntry *)b)->key);
}

/* Sorts; 1 and "1" are two keys in MessagePack and one in JSON. */
static bool has_twins(GoogleProtobufStruct *s)
{
    if (s->fields.n)
        qsort(s->fields.p, s->fields.n, sizeof(*s->fields.p), by_key);
    for (size_t i = 1; i < s->fields.n; i++)
        if (str_eq(s->fields.p[i].key, s->fields.p[i - 1].key))
            return true;
    return false;
}

static enum code map_value(struct launchform *f, str *rest, uint64_t items, int depth, GoogleProtobufValue **out)
{
    struct arena *mem = f->cx->mem;
    GoogleProtobufValue *object = launchform_object(mem);
    for (uint64_t i = 0; i < items; i++) {
        struct msgpack key;
        GoogleProtobufValue *v;
        str text;
        if (!msgpack_next(rest, &key) || !key_text(mem, &key, &text))
            return CODE_OK;
        TRY(next_value(f, rest, depth + LAUNCHFORM_IN_OBJECT, &v));
        if (!v)
            return CODE_OK;
        launchform_put_key(mem, object->struct_value, text, v);
    }
    if (!has_twins(object->struct_value))
        *out = object;
    return CODE_OK;
}

static enum code array_value(struct launchform *f, str *rest, uint64_t items, int depth, GoogleProtobufValue **out)
{
    struct arena *mem = f->cx->mem;
    GoogleProtobufValue *array = launchform_array(mem);
    for (uint64_t i = 0; i < items; i++) {
        GoogleProtobufValue *v;
        TRY(next_value(f, rest, depth + LAUNCHFORM_IN_ARRAY, &v));
        if (!v)
            return CODE_OK;
        launchform_append(mem, array, v);
    }
    *out = array;
    return CODE_OK;
}

static enum code next_value(struct launchform *f, str *rest, int depth, GoogleProtobufValue **out)
{
    struct msgpack v;
    *out = NULL;
    if (!msgpack_next(rest, &v))
        return CODE_OK;
    TRY(launchform_step(f, depth, 2 * v.bytes.n));
    if (v.kind == MSGPACK_MAP)
        return map_value(f, rest, v.items, depth, out);
    if (v.kind == MSGPACK_ARRAY)
        return array_value(f, rest, v.items, depth, out);
    *out = leaf_value(f->cx->mem, &v);
    return CODE_OK;
}

enum code launchform_msgpack(struct launchform *f, str bytes, int depth, GoogleProtobufValue **out)
{
    TRY(next_value(f, &bytes, depth, out));
    if (bytes.n)
        *out = NULL;
    return CODE_OK;
}

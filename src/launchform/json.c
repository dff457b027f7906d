/* Building, reading and copying JSON as google.protobuf.Value. */
#include "launchform/launchform_int.h"

#include "base/time.h"

#include <math.h>

/* Of one conversion; a value or type is one step, for a union one more for each variant that is tried. */
#define STEPS_MAX ((size_t)10000000)
#define DEADLINE_STEPS ((size_t)1 << 16)
/* What a step allocates beside arrays. */
#define STEP_BYTES ((size_t)512)

enum code launchform_step(struct launchform *f, int depth, size_t bytes)
{
    struct ctx *cx = f->cx;
    if (depth > LAUNCHFORM_DEPTH_MAX)
        return fail(cx, CODE_INVALID_ARGUMENT, "is nested too deep");
    if (++f->steps > STEPS_MAX || !arena_fits(cx->mem, bytes + STEP_BYTES))
        return fail(cx, CODE_RESOURCE_EXHAUSTED, "the values are too many for one call");
    if (f->steps % DEADLINE_STEPS == 0 && time_now_ns() > cx->deadline_ns)
        return fail(cx, CODE_DEADLINE_EXCEEDED, "the values are too many for the time that the caller gave");
    return CODE_OK;
}

/* ---- building ---------------------------------------------------------------------------------------------------- */

static GoogleProtobufValue *new_value(struct arena *mem, int32_t kind_case)
{
    GoogleProtobufValue *v = pb_new(mem, GoogleProtobufValue);
    v->kind_case = kind_case;
    return v;
}

GoogleProtobufValue *launchform_null(struct arena *mem)
{
    return new_value(mem, GoogleProtobufValue_null_value_tag);
}

GoogleProtobufValue *launchform_bool(struct arena *mem, bool b)
{
    GoogleProtobufValue *v = new_value(mem, GoogleProtobufValue_bool_value_tag);
    v->bool_value = b;
    return v;
}

GoogleProtobufValue *launchform_text(struct arena *mem, str s)
{
    GoogleProtobufValue *v = new_value(mem, GoogleProtobufValue_string_value_tag);
    v->string_value = s;
    return v;
}

GoogleProtobufValue *launchform_real(struct arena *mem, double d)
{
    if (isnan(d))
        return launchform_text(mem, STR("NaN"));
    if (isinf(d))
        return launchform_text(mem, d > 0 ? STR("Infinity") : STR("-Infinity"));
    GoogleProtobufValue *v = new_value(mem, GoogleProtobufValue_number_value_tag);
    v->number_value = d;
    return v;
}

GoogleProtobufValue *launchform_integer(struct arena *mem, int64_t i)
{
    if (i > LAUNCHFORM_EXACT_MAX || i < -LAUNCHFORM_EXACT_MAX)
        return launchform_text(mem, arena_printf(mem, "%lld", (long long)i));
    return launchform_real(mem, (double)i);
}

GoogleProtobufValue *launchform_object(struct arena *mem)
{
    GoogleProtobufValue *v = new_value(mem, GoogleProtobufValue_struct_value_tag);
    v->struct_value = pb_new(mem, GoogleProtobufStruct);
    return v;
}

GoogleProtobufValue *launchform_array(struct arena *mem)
{
    GoogleProtobufValue *v = new_value(mem, GoogleProtobufValue_list_value_tag);
    v->list_value = pb_new(mem, GoogleProtobufListValue);
    return v;
}

/* Room for one more of n elements; the capacity is the power of two that n has reached. */
static void *room(struct arena *mem, void *p, size_t n, size_t size)
{
    if (n & (n - 1))
        return p;
    return arena_grow(mem, p, n * size, (n ? 2 * n : 1) * size);
}

void launchform_put_key(struct arena *mem, GoogleProtobufStruct *object, str key, GoogleProtobufValue *v)
{
    object->fields.p = room(mem, object->fields.p, object->fields.n, sizeof(*object->fields.p));
    object->fields.p[object->fields.n++] = (GoogleProtobufStruct_FieldsEntry){key, v};
}

void launchform_put(struct arena *mem, GoogleProtobufValue *object, const char *key, GoogleProtobufValue *v)
{
    launchform_put_key(mem, object->struct_value, str_from(key), v);
}

void launchform_set(struct arena *mem, GoogleProtobufStruct *object, str key, GoogleProtobufValue *v)
{
    for (size_t i = 0; i < object->fields.n; i++)
        if (str_eq(object->fields.p[i].key, key)) {
            object->fields.p[i].value = v;
            return;
        }
    launchform_put_key(mem, object, key, v);
}

void launchform_append(struct arena *mem, GoogleProtobufValue *array, GoogleProtobufValue *v)
{
    GoogleProtobufListValue *list = array->list_value;
    list->values.p = room(mem, list->values.p, list->values.n, sizeof(*list->values.p));
    list->values.p[list->values.n++] = v;
}

/* ---- reading ----------------------------------------------------------------------------------------------------- */

const GoogleProtobufValue *launchform_get(const GoogleProtobufStruct *object, str key)
{
    size_t low = 0, high = object ? object->fields.n : 0;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        int order = str_cmp(object->fields.p[middle].key, key);
        if (order == 0)
            return object->fields.p[middle].value;
        if (order < 0)
            low = middle + 1;
        else
            high = middle;
    }
    return NULL;
}

const GoogleProtobufStruct *launchform_as_object(const GoogleProtobufValue *v)
{
    return v && v->kind_case == GoogleProtobufValue_struct_value_tag ? v->struct_value : NULL;
}

bool launchform_as_text(const GoogleProtobufValue *v, str *out)
{
    if (!v || v->kind_case != GoogleProtobufValue_string_value_tag)
        return false;
    *out = v->string_value;
    return true;
}

const GoogleProtobufStruct *launchform_get_object(const GoogleProtobufStruct *object, str key)
{
    return launchform_as_object(launchform_get(object, key));
}

const GoogleProtobufListValue *launchform_get_array(const GoogleProtobufStruct *object, str key)
{
    const GoogleProtobufValue *v = launchform_get(object, key);
    return v && v->kind_case == GoogleProtobufValue_list_value_tag ? v->list_value : NULL;
}

bool launchform_get_text(const GoogleProtobufStruct *object, str key, str *out)
{
    return launchform_as_text(launchform_get(object, key), out);
}

bool launchform_says_none(const GoogleProtobufValue *v)
{
    const GoogleProtobufStruct *object = launchform_as_object(v);
    str type;
    return object && object->fields.n == 1 && launchform_get_text(object, STR("type"), &type) &&
           str_eq(type, STR("null"));
}

const char *launchform_kind(const GoogleProtobufValue *v)
{
    static const char *const names[] = {
        [0] = "nothing",
        [GoogleProtobufValue_null_value_tag] = "null",
        [GoogleProtobufValue_number_value_tag] = "a number",
        [GoogleProtobufValue_string_value_tag] = "text",
        [GoogleProtobufValue_bool_value_tag] = "true or false",
        [GoogleProtobufValue_struct_value_tag] = "an object",
        [GoogleProtobufValue_list_value_tag] = "an array",
    };
    return names[v ? v->kind_case : 0];
}

/* ---- paths ------------------------------------------------------------------------------------------------------- */

/* RFC 6901: ~ and / inside a key; what a URI cannot have is %XX. */
static void put_pointer_key(buf *b, str key)
{
    static const char plain[] = "-._$";
    for (size_t i = 0; i < key.n; i++) {
        unsigned char c = (unsigned char)key.p[i];
        bool letter = (c >= '0' && c <= '9') || ((c | 32) >= 'a' && (c | 32) <= 'z');
        if (letter || (c && strchr(plain, c)))
            buf_char(b, (char)c);
        else if (c == '~' || c == '/')
            buf_str(b, c == '~' ? STR("~0") : STR("~1"));
        else
            buf_printf(b, "%%%02X", c);
    }
}

static void put_path(buf *b, const struct launchform_path *path)
{
    if (!path)
        return;
    put_path(b, path->up);
    buf_char(b, '/');
    put_pointer_key(b, path->key);
}

enum code launchform_path_text(struct launchform *f, int depth, str *out)
{
    buf b;
    size_t room = 1;
    for (const struct launchform_path *p = f->path; p; p = p->up)
        room += 1 + 3 * p->key.n;
    TRY(launchform_step(f, depth, room));
    buf_init_arena(&b, f->cx->mem, room);
    buf_expect(&b, room);
    buf_char(&b, '#');
    put_path(&b, f->path);
    *out = buf_view(&b);
    return CODE_OK;
}

/* ---- copying ----------------------------------------------------------------------------------------------------- */

static enum code copy_array(struct launchform *f, const GoogleProtobufListValue *list, int depth,
                            GoogleProtobufValue **out)
{
    struct arena *mem = f->cx->mem;
    GoogleProtobufValue *copy = launchform_array(mem);
    for (size_t i = 0; i < list->values.n; i++) {
        GoogleProtobufValue *v;
        TRY(launchform_copy(f, list->values.p[i], depth + LAUNCHFORM_IN_ARRAY, &v));
        launchform_append(mem, copy, v);
    }
    *out = copy;
    return CODE_OK;
}

/* *out = NULL unless the entry is a reference to be moved. */
static enum code move_ref(struct launchform *f, const GoogleProtobufStruct_FieldsEntry *e, int depth,
                          GoogleProtobufValue **out)
{
    str ref;
    *out = NULL;
    if (!f->ref_from.n || !str_eq(e->key, STR("$ref")) || !launchform_as_text(e->value, &ref) ||
        !str_starts(ref, f->ref_from) || !str_starts(str_skip(ref, f->ref_from.n), STR("/")))
        return CODE_OK;
    TRY(launchform_step(f, depth, f->ref_to.n + ref.n));
    *out = launchform_text(f->cx->mem, arena_concat(f->cx->mem, f->ref_to, str_skip(ref, f->ref_from.n)));
    return CODE_OK;
}

enum code launchform_copy_object(struct launchform *f, const GoogleProtobufStruct *object, int depth,
                                 GoogleProtobufStruct **out)
{
    struct arena *mem = f->cx->mem;
    GoogleProtobufStruct *copy = pb_new(mem, GoogleProtobufStruct);
    for (size_t i = 0; i < object->fields.n; i++) {
        const GoogleProtobufStruct_FieldsEntry *e = &object->fields.p[i];
        GoogleProtobufValue *v;
        TRY(move_ref(f, e, depth, &v));
        if (!v)
            TRY(launchform_copy(f, e->value, depth + LAUNCHFORM_IN_OBJECT, &v));
        launchform_put_key(mem, copy, e->key, v);
    }
    *out = copy;
    return CODE_OK;
}

enum code launchform_move_schema(struct launchform *f, const GoogleProtobufStruct *schema, int depth, str from, str to,
                                 GoogleProtobufStruct **out)
{
    f->ref_from = from;
    f->ref_to = to;
    TRY(launchform_copy_object(f, schema, depth, out));
    f->ref_from = f->ref_to = STR("");
    return CODE_OK;
}

enum code launchform_copy(struct launchform *f, const GoogleProtobufValue *v, int depth, GoogleProtobufValue **out)
{
    struct arena *mem = f->cx->mem;
    TRY(launchform_step(f, depth, 0));
    switch (v ? v->kind_case : 0) {
    case GoogleProtobufValue_number_value_tag:
        *out = launchform_real(mem, v->number_value);
        return CODE_OK;
    case GoogleProtobufValue_struct_value_tag:
        *out = new_value(mem, GoogleProtobufValue_struct_value_tag);
        return launchform_copy_object(f, v->struct_value, depth, &(*out)->struct_value);
    case GoogleProtobufValue_list_value_tag:
        return copy_array(f, v->list_value, depth, out);
    case 0:
        return fail(f->cx, CODE_INVALID_ARGUMENT, "holds a google.protobuf.Value without a kind");
    default:
        *out = pb_new(mem, GoogleProtobufValue);
        **out = *v;
        return CODE_OK;
    }
}

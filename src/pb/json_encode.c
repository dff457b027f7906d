/* ProtoJSON writing: one walk over the message. Any thread; the text is in the call's arena. */
#include "pb/pb.h"

#include "base/codec.h"
#include "base/time.h"
#include "gen/google_protobuf.h"
#include "pb/enum_int.h"
#include "pb/json_number.h"
#include "pb/json_out_int.h"
#include "pb/pb_int.h"

#include <math.h>

#define DURATION_MAX_S INT64_C(315576000000)

struct encoder {
    struct ctx *cx;
    struct json_out out;
    int depth, any_depth;
};

static enum code put_message(struct encoder *e, const struct pb_type *t, const void *msg);
static enum code put_fields(struct encoder *e, const struct pb_type *t, const void *msg);

static enum code put_string(struct encoder *e, str s)
{
    if (!pb_json_out_string(&e->out, s))
        return fail(e->cx, CODE_INTERNAL, "JSON: a string is not valid UTF-8");
    return CODE_OK;
}

/* 64-bit numbers are strings in JSON, for readers that have only doubles. */
static void put_i64(struct encoder *e, int64_t v, bool quoted)
{
    char *to = json_out_room(&e->out, PB_JSON_NUMBER_MAX), *p = to;
    if (!to)
        return;
    if (quoted)
        *p++ = '"';
    p += pb_json_number_i64(p, v);
    if (quoted)
        *p++ = '"';
    e->out.n += (size_t)(p - to);
}

static void put_u64(struct encoder *e, uint64_t v)
{
    char text[PB_JSON_NUMBER_MAX] = "\"";
    size_t n = 1 + pb_json_number_u64(text + 1, v);
    text[n] = '"';
    json_out_str(&e->out, (str){text, n + 1});
}

static void put_real(struct encoder *e, double v, bool single)
{
    char text[PB_JSON_NUMBER_MAX];
    if (isnan(v))
        json_out_str(&e->out, STR("\"NaN\""));
    else if (isinf(v))
        json_out_str(&e->out, v > 0 ? STR("\"Infinity\"") : STR("\"-Infinity\""));
    else
        json_out_str(&e->out, (str){text, pb_json_number_real(text, v, single)});
}

static enum code put_bytes(struct encoder *e, str bytes)
{
    if (!arena_fits(e->cx->mem, bytes.n))
        return fail(e->cx, CODE_RESOURCE_EXHAUSTED, "JSON: message needs too much memory");
    return put_string(e, codec_base64_encode(e->cx->mem, bytes));
}

static enum code put_enum(struct encoder *e, const struct pb_enum *en, int32_t number)
{
    if (en->is_null) {
        json_out_str(&e->out, STR("null"));
        return CODE_OK;
    }
    const struct pb_enum_value *v = pb_enum_by_number(en, number);
    if (v)
        return put_string(e, pb_enum_value_name(en, v));
    put_i64(e, number, false);
    return CODE_OK;
}

static enum code put_value(struct encoder *e, const struct pb_field *f, const void *slot)
{
    switch ((enum pb_kind)f->kind) {
    case PB_BOOL:
        json_out_str(&e->out, *(const bool *)slot ? STR("true") : STR("false"));
        break;
    case PB_INT32:
    case PB_SINT32:
    case PB_SFIXED32:
        put_i64(e, *(const int32_t *)slot, false);
        break;
    case PB_UINT32:
    case PB_FIXED32:
        put_i64(e, *(const uint32_t *)slot, false);
        break;
    case PB_INT64:
    case PB_SINT64:
    case PB_SFIXED64:
        put_i64(e, *(const int64_t *)slot, true);
        break;
    case PB_UINT64:
    case PB_FIXED64:
        put_u64(e, *(const uint64_t *)slot);
        break;
    case PB_FLOAT:
        put_real(e, (double)*(const float *)slot, true);
        break;
    case PB_DOUBLE:
        put_real(e, *(const double *)slot, false);
        break;
    case PB_STRING:
        return put_string(e, *(const str *)slot);
    case PB_BYTES:
        return put_bytes(e, *(const str *)slot);
    case PB_ENUM:
        return put_enum(e, f->enums, *(const int32_t *)slot);
    case PB_MESSAGE:
        return put_message(e, f->type, *(const void *const *)slot);
    }
    return CODE_OK;
}

/* Keys are strings whatever their type. */
static enum code put_key(struct encoder *e, const struct pb_field *f, const void *slot)
{
    bool quote = f->kind != PB_STRING && pb_kind_size[f->kind] != 8;
    if (quote)
        json_out_char(&e->out, '"');
    TRY(put_value(e, f, slot));
    if (quote)
        json_out_char(&e->out, '"');
    json_out_char(&e->out, ':');
    return CODE_OK;
}

static enum code put_map(struct encoder *e, const struct pb_field *f, const struct pb_array *a)
{
    const struct pb_type *t = f->type;
    json_out_char(&e->out, '{');
    for (size_t i = 0; i < a->n; i++) {
        const char *entry = (const char *)a->p + i * t->size;
        TRY(put_key(e, &t->fields[0], pb_slot_const(&t->fields[0], entry)));
        TRY(put_value(e, &t->fields[1], pb_slot_const(&t->fields[1], entry)));
        json_out_char(&e->out, ',');
    }
    json_out_drop_comma(&e->out);
    json_out_char(&e->out, '}');
    return CODE_OK;
}

static enum code put_array(struct encoder *e, const struct pb_field *f, const struct pb_array *a)
{
    json_out_char(&e->out, '[');
    for (size_t i = 0; i < a->n; i++) {
        TRY(put_value(e, f, (const char *)a->p + i * pb_kind_size[f->kind]));
        json_out_char(&e->out, ',');
    }
    json_out_drop_comma(&e->out);
    json_out_char(&e->out, ']');
    return CODE_OK;
}

static void put_name(struct encoder *e, str name)
{
    char *to = json_out_room(&e->out, name.n + 3);
    if (!to)
        return;
    *to = '"';
    memcpy(to + 1, name.p, name.n);
    memcpy(to + 1 + name.n, "\":", 2);
    e->out.n += name.n + 3;
}

/* The members, each with a comma behind it. */
static enum code put_fields(struct encoder *e, const struct pb_type *t, const void *msg)
{
    for (const struct pb_field *f = t->fields, *end = f + t->n; f < end; f++) {
        if (!pb_present(f, msg))
            continue;
        const void *slot = pb_slot_const(f, msg);
        put_name(e, pb_field_json_name(t, f));
        if (f->shape == PB_MAP)
            TRY(put_map(e, f, slot));
        else if (f->shape == PB_REPEATED)
            TRY(put_array(e, f, slot));
        else
            TRY(put_value(e, f, slot));
        json_out_char(&e->out, ',');
    }
    return CODE_OK;
}

/* ---- types with a form of their own ----------------------------------------------------------------------------- */

static enum code put_timestamp(struct encoder *e, const struct pb_type *t, const void *msg)
{
    const GoogleProtobufTimestamp *m = msg;
    char text[TIME_RFC3339_MAX];
    (void)t;
    if (m->nanos < 0 || m->nanos >= NS_PER_S || !time_format_rfc3339(m->seconds, m->nanos, text))
        return fail(e->cx, CODE_INTERNAL, "JSON: timestamp out of range");
    return put_string(e, str_from(text));
}

static enum code put_duration(struct encoder *e, const struct pb_type *t, const void *msg)
{
    const GoogleProtobufDuration *m = msg;
    int64_t s = m->seconds, ns = m->nanos;
    (void)t;
    if (s > DURATION_MAX_S || s < -DURATION_MAX_S || ns >= NS_PER_S || ns <= -NS_PER_S || (s > 0 && ns < 0) ||
        (s < 0 && ns > 0))
        return fail(e->cx, CODE_INTERNAL, "JSON: duration out of range");
    char text[64] = "\"-";
    size_t n = s < 0 || ns < 0 ? 2 : 1;
    n += pb_json_number_u64(text + n, (uint64_t)(s < 0 ? -s : s));
    ns = ns < 0 ? -ns : ns;
    int digits = ns == 0 ? 0 : ns % NS_PER_MS == 0 ? 3 : ns % NS_PER_US == 0 ? 6 : 9;
    if (digits)
        text[n++] = '.';
    for (int64_t unit = NS_PER_S / 10; digits > 0; digits--, unit /= 10)
        text[n++] = (char)('0' + ns / unit % 10);
    memcpy(text + n, "s\"", 2);
    json_out_str(&e->out, (str){text, n + 2});
    return CODE_OK;
}

static enum code put_struct(struct encoder *e, const struct pb_type *t, const void *msg)
{
    return put_map(e, &t->fields[0], pb_slot_const(&t->fields[0], msg));
}

static enum code put_list(struct encoder *e, const struct pb_type *t, const void *msg)
{
    return put_array(e, &t->fields[0], pb_slot_const(&t->fields[0], msg));
}

static enum code put_any_value(struct encoder *e, const struct pb_type *t, const void *msg)
{
    const GoogleProtobufValue *m = msg;
    if (m->kind_case == GoogleProtobufValue_number_value_tag && !isfinite(m->number_value))
        return fail(e->cx, CODE_INTERNAL, "JSON: google.protobuf.Value cannot hold NaN or Infinity");
    const struct pb_field *f = pb_field_find(t, (uint32_t)m->kind_case);
    if (f)
        return put_value(e, f, pb_slot_const(f, msg));
    json_out_str(&e->out, STR("null"));
    return CODE_OK;
}

static enum code put_wrapper(struct encoder *e, const struct pb_type *t, const void *msg)
{
    return put_value(e, &t->fields[0], pb_slot_const(&t->fields[0], msg));
}

/* snake_case becomes camelCase; what has no way back is refused. Returns the bytes written. */
static enum code camel_path(struct encoder *e, str path, char *to, size_t *n)
{
    bool up = false;
    *n = 0;
    for (size_t i = 0; i < path.n; i++) {
        char c = path.p[i];
        bool lower = c >= 'a' && c <= 'z';
        if ((c >= 'A' && c <= 'Z') || (up && !lower))
            return fail(e->cx, CODE_INTERNAL, "JSON: a field mask path has no form in camelCase");
        if (c != '_')
            to[(*n)++] = up ? (char)(c - 'a' + 'A') : c;
        up = c == '_';
    }
    return up ? fail(e->cx, CODE_INTERNAL, "JSON: a field mask path ends in _") : CODE_OK;
}

static enum code put_field_mask(struct encoder *e, const struct pb_type *t, const void *msg)
{
    const GoogleProtobufFieldMask *m = msg;
    size_t room = m->paths.n, n = 0;
    (void)t;
    for (size_t i = 0; i < m->paths.n; i++)
        room += m->paths.p[i].n;
    char *text = pb_take(e->cx->mem, room);
    if (!text)
        return fail(e->cx, CODE_RESOURCE_EXHAUSTED, "JSON: message needs too much memory");
    for (size_t i = 0; i < m->paths.n; i++) {
        size_t added;
        if (i)
            text[n++] = ',';
        TRY(camel_path(e, m->paths.p[i], text + n, &added));
        n += added;
    }
    return put_string(e, (str){text, n});
}

/* The content of an Any stands beside its "@type", or as "value" where it is not written as an object. */
static enum code put_any(struct encoder *e, const struct pb_type *t, const void *msg)
{
    const GoogleProtobufAny *m = msg;
    void *inner;
    (void)t;
    json_out_char(&e->out, '{');
    if (m->type_url.n || m->value.n) {
        const struct pb_type *it = pb_type_find(str_skip(m->type_url, str_rfind_char(m->type_url, '/') + 1));
        if (!it)
            return fail(e->cx, CODE_INTERNAL, "JSON: google.protobuf.Any of unknown type \"" STR_FMT "\"",
                        STR_ARG(str_head(m->type_url, 100)));
        if (e->any_depth-- <= 0)
            return fail(e->cx, CODE_INTERNAL, "JSON: message is nested too deeply");
        TRY(pb_decode(e->cx, it, m->value, &inner));
        put_name(e, STR("@type"));
        TRY(put_string(e, m->type_url));
        json_out_char(&e->out, ',');
        if (it->wkt) {
            put_name(e, STR("value"));
            TRY(put_message(e, it, inner));
        } else {
            TRY(put_fields(e, it, inner));
            json_out_drop_comma(&e->out);
        }
        e->any_depth++;
    }
    json_out_char(&e->out, '}');
    return CODE_OK;
}

static enum code put_plain(struct encoder *e, const struct pb_type *t, const void *msg)
{
    json_out_char(&e->out, '{');
    TRY(put_fields(e, t, msg));
    json_out_drop_comma(&e->out);
    json_out_char(&e->out, '}');
    return CODE_OK;
}

typedef enum code put_fn(struct encoder *e, const struct pb_type *t, const void *msg);

static put_fn *const put_by_wkt[] = {
    [PB_WKT_NONE] = put_plain,        [PB_WKT_ANY] = put_any,         [PB_WKT_TIMESTAMP] = put_timestamp,
    [PB_WKT_DURATION] = put_duration, [PB_WKT_STRUCT] = put_struct,   [PB_WKT_VALUE] = put_any_value,
    [PB_WKT_LIST] = put_list,         [PB_WKT_WRAPPER] = put_wrapper, [PB_WKT_FIELD_MASK] = put_field_mask,
};

static enum code put_message(struct encoder *e, const struct pb_type *t, const void *msg)
{
    if (e->out.full)
        return fail(e->cx, CODE_RESOURCE_EXHAUSTED, "JSON: message needs too much memory");
    if (!msg) {
        json_out_str(&e->out, STR("{}"));
        return CODE_OK;
    }
    if (e->depth-- <= 0)
        return fail(e->cx, CODE_INTERNAL, "JSON: message is nested too deeply");
    TRY(put_by_wkt[t->wkt](e, t, msg));
    e->depth++;
    return CODE_OK;
}

enum code pb_json_encode(struct ctx *cx, const struct pb_type *type, const void *msg, str *out)
{
    struct encoder e = {.cx = cx, .out = {.mem = cx->mem}, .depth = PB_DEPTH_MAX + 1, .any_depth = PB_ANY_DEPTH_MAX};
    TRY(put_message(&e, type, msg));
    json_out_char(&e.out, '\0');
    if (e.out.full)
        return fail(cx, CODE_RESOURCE_EXHAUSTED, "JSON: message needs too much memory");
    *out = (str){e.out.p, e.out.n - 1};
    return CODE_OK;
}

/* See text.h. */
#include "copilot/text.h"

#include "base/duration.h"
#include "base/number.h"
#include "base/time.h"
#include "gen/google_protobuf.h"

#include <stdlib.h>

/* ---- writing ----------------------------------------------------------------------------------------------------- */

bool copilot_text_put(buf *b, const CorePrimitive *p)
{
    char when[TIME_RFC3339_MAX];
    switch (p->value_case) {
    case CorePrimitive_integer_tag:
        buf_i64(b, p->integer);
        return true;
    case CorePrimitive_float_value_tag:
        number_put(b, p->float_value, -1000, 1000);
        return true;
    case CorePrimitive_string_value_tag:
        buf_str(b, p->string_value);
        return true;
    case CorePrimitive_boolean_tag:
        buf_str(b, p->boolean ? STR("true") : STR("false"));
        return true;
    case CorePrimitive_datetime_tag:
        if (!time_format_rfc3339(p->datetime->seconds, p->datetime->nanos, when))
            return false;
        buf_str(b, str_from(when));
        return true;
    case CorePrimitive_duration_tag:
        duration_put(b, p->duration->seconds, p->duration->nanos);
        return true;
    default:
        buf_str(b, STR("null"));
        return true;
    }
}

/* ---- reading ----------------------------------------------------------------------------------------------------- */

static bool parse_integer(struct ctx *cx, str s, CorePrimitive *p)
{
    (void)cx;
    p->value_case = CorePrimitive_integer_tag;
    return str_to_i64(s.n > 1 && s.p[0] == '+' && s.p[1] != '-' ? str_skip(s, 1) : s, &p->integer);
}

static bool parse_float(struct ctx *cx, str s, CorePrimitive *p)
{
    char *end;
    const char *text = arena_cstr(cx->mem, s);
    p->value_case = CorePrimitive_float_value_tag;
    p->float_value = strtod(text, &end);
    return s.n && end == text + s.n;
}

static bool parse_boolean(struct ctx *cx, str s, CorePrimitive *p)
{
    static const char *const words[] = {"1", "t", "T", "TRUE",  "true",  "True",
                                        "0", "f", "F", "FALSE", "false", "False"};
    (void)cx;
    p->value_case = CorePrimitive_boolean_tag;
    for (size_t i = 0; i < sizeof(words) / sizeof(*words); i++)
        if (str_eq(s, str_from(words[i]))) {
            p->boolean = i < sizeof(words) / sizeof(*words) / 2;
            return true;
        }
    return false;
}

static bool parse_string(struct ctx *cx, str s, CorePrimitive *p)
{
    (void)cx;
    p->value_case = CorePrimitive_string_value_tag;
    p->string_value = s;
    return str_is_utf8(s);
}

static bool parse_datetime(struct ctx *cx, str s, CorePrimitive *p)
{
    p->value_case = CorePrimitive_datetime_tag;
    p->datetime = pb_new(cx->mem, GoogleProtobufTimestamp);
    return time_parse_rfc3339(s, &p->datetime->seconds, &p->datetime->nanos);
}

static bool parse_duration(struct ctx *cx, str s, CorePrimitive *p)
{
    p->value_case = CorePrimitive_duration_tag;
    p->duration = pb_new(cx->mem, GoogleProtobufDuration);
    return duration_parse(s, &p->duration->seconds, &p->duration->nanos);
}

static const struct simple {
    int32_t type;
    bool (*parse)(struct ctx *cx, str s, CorePrimitive *p);
    const char *what;
} simples[] = {
    {CORE_INTEGER, parse_integer, "a whole number"},
    {CORE_FLOAT, parse_float, "a number"},
    {CORE_STRING, parse_string, "text (UTF-8)"},
    {CORE_BOOLEAN, parse_boolean, "true or false"},
    {CORE_DATETIME, parse_datetime, "a time like 2026-01-31T12:00:00Z"},
    {CORE_DURATION, parse_duration, "a duration like 1h2m3.5s"},
};

CoreLiteral *copilot_text_scalar(struct arena *mem, CoreScalar **scalar, int32_t value_case)
{
    CoreLiteral *l = pb_new(mem, CoreLiteral);
    l->value_case = CoreLiteral_scalar_tag;
    l->scalar = *scalar = pb_new(mem, CoreScalar);
    (*scalar)->value_case = value_case;
    return l;
}

CoreLiteral *copilot_text_literal(struct arena *mem, CorePrimitive *p)
{
    CoreScalar *s;
    CoreLiteral *l = copilot_text_scalar(mem, &s, CoreScalar_primitive_tag);
    s->primitive = p;
    return l;
}

CoreLiteral *copilot_text_none(struct arena *mem)
{
    CoreScalar *s;
    CoreLiteral *l = copilot_text_scalar(mem, &s, CoreScalar_none_type_tag);
    s->none_type = pb_new(mem, CoreVoid);
    return l;
}

static enum code parse_struct(struct ctx *cx, str text, CoreLiteral **out)
{
    CoreScalar *s;
    void *msg;
    if (pb_json_decode(cx, &GoogleProtobufStruct_type, text, false, &msg) != CODE_OK) {
        cx->err.code = CODE_FAILED_PRECONDITION;
        return fail_wrap(cx, "is not a JSON object");
    }
    *out = copilot_text_scalar(cx->mem, &s, CoreScalar_generic_tag);
    s->generic = msg;
    return CODE_OK;
}

static CoreLiteral *binary_of(struct ctx *cx, str bytes)
{
    CoreScalar *s;
    CoreLiteral *l = copilot_text_scalar(cx->mem, &s, CoreScalar_binary_tag);
    s->binary = pb_new(cx->mem, CoreBinary);
    s->binary->value = bytes;
    s->binary->tag = STR("msgpack");
    return l;
}

static CoreLiteral *error_of(struct ctx *cx, str text)
{
    CoreScalar *s;
    CoreLiteral *l = copilot_text_scalar(cx->mem, &s, CoreScalar_error_tag);
    s->error = pb_new(cx->mem, CoreError);
    s->error->message = text;
    return l;
}

enum code copilot_text_parse(struct ctx *cx, int32_t simple, str bytes, CoreLiteral **out)
{
    str text = str_trim(bytes);
    CorePrimitive *p = pb_new(cx->mem, CorePrimitive);
    for (size_t i = 0; i < sizeof(simples) / sizeof(*simples); i++) {
        if (simples[i].type != simple)
            continue;
        if (!simples[i].parse(cx, text, p))
            return fail(cx, CODE_FAILED_PRECONDITION, "is not %s", simples[i].what);
        *out = copilot_text_literal(cx->mem, p);
        return CODE_OK;
    }
    switch (simple) {
    case CORE_STRUCT:
        return parse_struct(cx, text, out);
    case CORE_BINARY:
        *out = binary_of(cx, bytes);
        return CODE_OK;
    case CORE_ERROR:
        if (!str_is_utf8(text))
            return fail(cx, CODE_FAILED_PRECONDITION, "is not text (UTF-8)");
        *out = error_of(cx, text);
        return CODE_OK;
    case CORE_NONE:
        *out = copilot_text_none(cx->mem);
        return CODE_OK;
    default:
        return fail(cx, CODE_FAILED_PRECONDITION, "has a type that cannot be read from a file");
    }
}

/* YAML: libyaml's events, one after the other, built into nodes by recursive descent. Pure functions, any thread. */
#include "base/yaml.h"

#include <yaml.h>

struct reader {
    struct ctx *cx;
    yaml_parser_t parser;
    yaml_event_t event; /* the current one */
    int depth;
    size_t nodes;
};

static enum code build(struct reader *r, struct json *v);

static enum code bad(struct reader *r, const char *what)
{
    return fail(r->cx, CODE_INVALID_ARGUMENT, "line %zu: %s", r->event.start_mark.line + 1, what);
}

static enum code advance(struct reader *r)
{
    yaml_event_delete(&r->event);
    if (yaml_parser_parse(&r->parser, &r->event))
        return CODE_OK;
    memset(&r->event, 0, sizeof(r->event));
    return fail(r->cx, CODE_INVALID_ARGUMENT, "line %zu: %s", r->parser.problem_mark.line + 1,
                r->parser.problem ? r->parser.problem : "not YAML");
}

/* ---- the core schema --------------------------------------------------------------------------------------------- */

static bool one_of(str s, const char *const words[])
{
    for (; *words; words++)
        if (str_eq(s, str_from(*words)))
            return true;
    return false;
}

static size_t digits(str s)
{
    size_t n = 0;
    while (n < s.n && s.p[n] >= '0' && s.p[n] <= '9')
        n++;
    return n;
}

static bool from_base(str s, unsigned int base, uint64_t *out)
{
    uint64_t v = 0;
    for (size_t i = 0; i < s.n; i++) {
        char c = s.p[i];
        unsigned int d = c >= '0' && c <= '9' ? (unsigned int)(c - '0')
                         : (c | 32) >= 'a'    ? (unsigned int)((c | 32) - 'a') + 10
                                              : 99;
        if (d >= base || __builtin_mul_overflow(v, base, &v) || __builtin_add_overflow(v, d, &v))
            return false;
    }
    *out = v;
    return s.n > 0;
}

/* [-+]? ( \. [0-9]+ | [0-9]+ ( \. [0-9]* )? ) ( [eE] [-+]? [0-9]+ )?  rewritten in JSON's form. */
static bool decimal(struct arena *mem, str s, str *out)
{
    const char *sign = s.n && s.p[0] == '-' ? "-" : "";
    if (s.n && (s.p[0] == '-' || s.p[0] == '+'))
        s = str_skip(s, 1);
    str whole = str_head(s, digits(s)), fraction = STR("");
    s = str_skip(s, whole.n);
    if (s.n && s.p[0] == '.') {
        s = str_skip(s, 1);
        fraction = str_head(s, digits(s));
        s = str_skip(s, fraction.n);
    }
    if (whole.n + fraction.n == 0)
        return false;
    str exponent = s;
    if (s.n) {
        if (s.p[0] != 'e' && s.p[0] != 'E')
            return false;
        s = str_skip(s, 1);
        if (s.n && (s.p[0] == '-' || s.p[0] == '+'))
            s = str_skip(s, 1);
        if (s.n == 0 || digits(s) != s.n)
            return false;
    }
    while (whole.n > 1 && whole.p[0] == '0')
        whole = str_skip(whole, 1);
    *out = arena_printf(mem, "%s" STR_FMT "%s" STR_FMT STR_FMT, sign, STR_ARG(whole.n ? whole : STR("0")),
                        fraction.n ? "." : "", STR_ARG(fraction), STR_ARG(exponent));
    return true;
}

static bool number(struct arena *mem, str s, str *out)
{
    uint64_t u;
    if (str_starts(s, STR("0x")) || str_starts(s, STR("0o"))) {
        if (!from_base(str_skip(s, 2), s.p[1] == 'x' ? 16 : 8, &u))
            return false;
        *out = arena_printf(mem, "%llu", (unsigned long long)u);
        return true;
    }
    return decimal(mem, s, out);
}

static const char *const nulls[] = {"", "~", "null", "Null", "NULL", NULL};
static const char *const trues[] = {"true", "True", "TRUE", NULL};
static const char *const falses[] = {"false", "False", "FALSE", NULL};
static const char *const not_json[] = {".inf",  ".Inf",  ".INF", "+.inf", "+.Inf", "+.INF", "-.inf",
                                       "-.Inf", "-.INF", ".nan", ".NaN",  ".NAN",  NULL};

static enum code resolve(struct reader *r, str s, struct json *v)
{
    struct arena *mem = r->cx->mem;
    if (one_of(s, not_json))
        return bad(r, "infinity and not-a-number are no values here");
    if (one_of(s, nulls)) {
        v->kind = JSON_NULL;
    } else if (one_of(s, trues) || one_of(s, falses)) {
        v->kind = JSON_BOOL;
        v->boolean = one_of(s, trues);
    } else if (number(mem, s, &v->text)) {
        v->kind = JSON_NUMBER;
    } else {
        v->kind = JSON_STRING;
        v->text = arena_str(mem, s);
    }
    return CODE_OK;
}

/* ---- nodes ------------------------------------------------------------------------------------------------------- */

static enum code check_tag(struct reader *r, const yaml_char_t *tag, const yaml_char_t *anchor, const char *allowed)
{
    if (anchor)
        return bad(r, "anchors and aliases are not supported");
    if (tag && strcmp((const char *)tag, allowed) != 0)
        return bad(r, "this tag is not supported");
    return CODE_OK;
}

static str scalar_text(const struct reader *r)
{
    return str_make((const char *)r->event.data.scalar.value, r->event.data.scalar.length);
}

static enum code build_scalar(struct reader *r, struct json *v)
{
    TRY(check_tag(r, r->event.data.scalar.tag, r->event.data.scalar.anchor, YAML_STR_TAG));
    if (r->event.data.scalar.style == YAML_PLAIN_SCALAR_STYLE && !r->event.data.scalar.tag)
        return resolve(r, scalar_text(r), v);
    v->kind = JSON_STRING;
    v->text = arena_str(r->cx->mem, scalar_text(r));
    return CODE_OK;
}

static enum code take_key(struct reader *r, str *key)
{
    if (r->event.type != YAML_SCALAR_EVENT)
        return bad(r, r->event.type == YAML_ALIAS_EVENT ? "anchors and aliases are not supported"
                                                        : "a key must be a plain word or a string");
    TRY(check_tag(r, r->event.data.scalar.tag, r->event.data.scalar.anchor, YAML_STR_TAG));
    *key = arena_str(r->cx->mem, scalar_text(r));
    return advance(r);
}

static enum code build_children(struct reader *r, struct json *v, yaml_event_type_t end)
{
    struct json **at = &v->first;
    if (++r->depth > JSON_DEPTH_MAX)
        return bad(r, "nested too deep");
    TRY(advance(r));
    while (r->event.type != end) {
        str key = STR_NONE;
        uint32_t line = (uint32_t)r->event.start_mark.line + 1;
        if (v->kind == JSON_OBJECT)
            TRY(take_key(r, &key));
        *at = arena_new(r->cx->mem, struct json);
        TRY(build(r, *at));
        (*at)->key = key;
        (*at)->line = line;
        at = &(*at)->next;
        TRY(advance(r));
    }
    r->depth--;
    return CODE_OK;
}

static enum code build_object(struct reader *r, struct json *v)
{
    v->kind = JSON_OBJECT;
    TRY(check_tag(r, r->event.data.mapping_start.tag, r->event.data.mapping_start.anchor, YAML_MAP_TAG));
    TRY(build_children(r, v, YAML_MAPPING_END_EVENT));
    const struct json *twice = json_duplicate(r->cx->mem, v);
    if (!twice)
        return CODE_OK;
    return fail(r->cx, CODE_INVALID_ARGUMENT, "line %u: \"" STR_FMT "\" is there twice", twice->line,
                STR_ARG(str_head(twice->key, 64)));
}

static enum code build_array(struct reader *r, struct json *v)
{
    v->kind = JSON_ARRAY;
    TRY(check_tag(r, r->event.data.sequence_start.tag, r->event.data.sequence_start.anchor, YAML_SEQ_TAG));
    return build_children(r, v, YAML_SEQUENCE_END_EVENT);
}

/* The current event begins the node; afterwards it is the one that ends it. */
static enum code build(struct reader *r, struct json *v)
{
    v->line = (uint32_t)r->event.start_mark.line + 1;
    if (++r->nodes > YAML_NODES_MAX)
        return bad(r, "too many values");
    if (r->event.type == YAML_SCALAR_EVENT)
        return build_scalar(r, v);
    if (r->event.type == YAML_MAPPING_START_EVENT)
        return build_object(r, v);
    if (r->event.type == YAML_SEQUENCE_START_EVENT)
        return build_array(r, v);
    return bad(r, "anchors and aliases are not supported");
}

static enum code read_document(struct reader *r, struct json *v)
{
    TRY(advance(r)); /* the stream's start */
    TRY(advance(r));
    if (r->event.type == YAML_STREAM_END_EVENT)
        return CODE_OK;
    TRY(advance(r));
    TRY(build(r, v));
    TRY(advance(r)); /* the document's end */
    TRY(advance(r));
    return r->event.type == YAML_STREAM_END_EVENT ? CODE_OK : bad(r, "only one document is read");
}

static void reader_done(struct reader *r)
{
    yaml_event_delete(&r->event);
    yaml_parser_delete(&r->parser);
}

enum code yaml_parse(struct ctx *cx, str text, struct json **out)
{
    cleanup_(reader_done) struct reader r = {.cx = cx};
    struct json *v = arena_new(cx->mem, struct json);
    if (!str_is_utf8(text))
        return fail(cx, CODE_INVALID_ARGUMENT, "line 1: not valid UTF-8");
    if (!yaml_parser_initialize(&r.parser))
        return fail(cx, CODE_RESOURCE_EXHAUSTED, "line 1: out of memory");
    yaml_parser_set_input_string(&r.parser, (const unsigned char *)(text.p ? text.p : ""), text.n);
    yaml_parser_set_encoding(&r.parser, YAML_UTF8_ENCODING);
    TRY(read_document(&r, v));
    *out = v;
    return CODE_OK;
}

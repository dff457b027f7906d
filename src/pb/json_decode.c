/* ProtoJSON reading: straight from the text into messages, no tree between. Strings without escapes borrow from the
 * text. Any thread; memory is the call's arena, within its cap. */
#include "pb/pb.h"

#include "base/codec.h"
#include "base/time.h"
#include "gen/google_protobuf.h"
#include "pb/enum_int.h"
#include "pb/json_field_int.h"
#include "pb/json_scan.h"
#include "pb/json_value_int.h"
#include "pb/pb_int.h"

/* Fields of a message whose presence is noted on the stack. */
#define SEEN_WORDS 2

struct reader {
    struct pb_json_scan s;
    struct ctx *cx;
    bool ignore_unknown;
    bool skipped; /* the value just read was an unknown enum name, ignored */
    int depth, any_depth;
    const struct pb_type *type; /* what is being read, for errors */
    const struct pb_field *field;
    str unknown; /* the name of a field that the type does not have */
};

/* Which fields an object has had. */
struct seen {
    uint64_t some[SEEN_WORDS], *words;
};

static bool read_message(struct reader *r, const struct pb_type *t, void *msg);
static bool read_plain(struct reader *r, const struct pb_type *t, void *msg);
static bool read_value(struct reader *r, const struct pb_field *f, void *slot);

static bool problem(struct reader *r, const char *text)
{
    return pb_json_scan_fail(&r->s, text);
}

static bool is_null(struct reader *r)
{
    return pb_json_scan_peek(&r->s) == 'n';
}

/* ---- single values ---------------------------------------------------------------------------------------------- */

static bool read_bool(struct reader *r, bool *slot)
{
    char c = pb_json_scan_peek(&r->s);
    if (c != 't' && c != 'f')
        return problem(r, "expected true or false");
    *slot = c == 't';
    return pb_json_scan_word(&r->s, c == 't' ? STR("true") : STR("false"));
}

static bool read_bytes(struct reader *r, str *slot)
{
    str text;
    if (!pb_json_scan_string(&r->s, &text))
        return false;
    if (!arena_fits(r->s.mem, text.n))
        return pb_json_scan_full(&r->s);
    return codec_base64_decode(r->s.mem, text, slot) || problem(r, "malformed base64");
}

static bool read_enum(struct reader *r, const struct pb_enum *e, int32_t *slot)
{
    str text;
    char c = pb_json_scan_peek(&r->s);
    if (c == 'n' && e->is_null) {
        *slot = 0;
        return pb_json_scan_word(&r->s, STR("null"));
    }
    if (c != '"')
        return pb_json_scan_number(&r->s, &text) && pb_json_value_number(&r->s, PB_ENUM, text, false, slot);
    if (!pb_json_scan_string(&r->s, &text))
        return false;
    const struct pb_enum_value *v = pb_enum_by_name(e, text);
    if (v)
        *slot = v->number;
    else if (!r->ignore_unknown)
        return problem(r, "unknown enum value");
    r->skipped = !v;
    return true;
}

static bool read_number(struct reader *r, const struct pb_field *f, void *slot)
{
    str text;
    bool quoted = pb_json_scan_peek(&r->s) == '"';
    if (!(quoted ? pb_json_scan_string(&r->s, &text) : pb_json_scan_number(&r->s, &text)))
        return false;
    return pb_json_value_number(&r->s, f->kind, text, quoted, slot);
}

static bool read_submessage(struct reader *r, const struct pb_type *t, void **slot)
{
    if (!*slot && !(*slot = pb_take(r->s.mem, t->size)))
        return pb_json_scan_full(&r->s);
    if (!read_message(r, t, *slot))
        return false;
    r->skipped = false; /* a value inside it may have been, the message was not */
    return true;
}

static bool read_value(struct reader *r, const struct pb_field *f, void *slot)
{
    switch (f->kind) {
    case PB_BOOL:
        return read_bool(r, slot);
    case PB_STRING:
        return pb_json_scan_string(&r->s, slot);
    case PB_BYTES:
        return read_bytes(r, slot);
    case PB_ENUM:
        return read_enum(r, f->enums, slot);
    case PB_MESSAGE:
        return read_submessage(r, f->type, slot);
    default:
        return read_number(r, f, slot);
    }
}

/* null stands for absence, but it is a value of google.protobuf.Value and of NullValue. */
static bool takes_null(const struct pb_field *f)
{
    return (f->kind == PB_MESSAGE && f->type->wkt == PB_WKT_VALUE) || (f->kind == PB_ENUM && f->enums->is_null);
}

/* ---- arrays and maps -------------------------------------------------------------------------------------------- */

static bool read_array(struct reader *r, const struct pb_field *f, struct pb_array *a)
{
    bool more;
    if (pb_json_scan_peek(&r->s) != '[')
        return problem(r, "expected an array");
    if (!pb_json_scan_open(&r->s, '[', ']', &more))
        return false;
    while (more) {
        if (is_null(r) && !takes_null(f))
            return problem(r, "null inside an array");
        void *elem = pb_array_push(r->s.mem, a, pb_kind_size[f->kind]);
        if (!elem)
            return pb_json_scan_full(&r->s);
        r->skipped = false;
        if (!read_value(r, f, elem))
            return false;
        a->n -= r->skipped;
        if (!pb_json_scan_next(&r->s, ']', &more))
            return false;
    }
    return true;
}

static bool read_key(struct reader *r, const struct pb_field *f, void *slot)
{
    str text;
    if (!pb_json_scan_string(&r->s, &text) || !pb_json_scan_expect(&r->s, ':'))
        return false;
    if (f->kind == PB_STRING) {
        *(str *)slot = text;
        return true;
    }
    if (f->kind != PB_BOOL)
        return pb_json_value_number(&r->s, f->kind, text, true, slot);
    *(bool *)slot = str_eq(text, STR("true"));
    return *(bool *)slot || str_eq(text, STR("false")) || problem(r, "expected true or false");
}

static bool read_entry(struct reader *r, const struct pb_type *t, struct pb_array *a)
{
    const struct pb_field *value = &t->fields[1];
    void *entry = pb_array_push(r->s.mem, a, t->size);
    if (!entry)
        return pb_json_scan_full(&r->s);
    if (!read_key(r, &t->fields[0], pb_slot(&t->fields[0], entry)))
        return false;
    if (is_null(r) && !takes_null(value))
        return problem(r, "null inside a map");
    r->skipped = false;
    if (!read_value(r, value, pb_slot(value, entry)))
        return false;
    if (r->skipped) {
        memset(entry, 0, t->size);
        a->n--;
    }
    return true;
}

static bool read_map(struct reader *r, const struct pb_type *t, struct pb_array *a)
{
    bool more;
    if (pb_json_scan_peek(&r->s) != '{')
        return problem(r, "expected an object");
    if (!pb_json_scan_open(&r->s, '{', '}', &more))
        return false;
    while (more) {
        if (!read_entry(r, t, a) || !pb_json_scan_next(&r->s, '}', &more))
            return false;
    }
    if (pb_map_is_sorted(t, a))
        return true;
    size_t n = a->n;
    if (!pb_map_sort(r->s.mem, t, a))
        return pb_json_scan_full(&r->s);
    return a->n == n || problem(r, "duplicate key");
}

/* ---- objects ---------------------------------------------------------------------------------------------------- */

static inline bool is_called(const struct pb_type *t, const struct pb_field *f, str name)
{
    return str_eq(name, pb_field_json_name(t, f)) || (f->json_len && str_eq(name, pb_field_name(t, f)));
}

/* Writers keep to the order of the fields, so the search begins behind the last one found. */
static const struct pb_field *find_field(const struct pb_type *t, str name, size_t from)
{
    for (size_t i = from; i < t->n; i++) {
        if (is_called(t, &t->fields[i], name))
            return &t->fields[i];
    }
    for (size_t i = 0; i < from; i++) {
        if (is_called(t, &t->fields[i], name))
            return &t->fields[i];
    }
    return NULL;
}

static bool seen_init(struct reader *r, struct seen *seen, const struct pb_type *t)
{
    memset(seen->some, 0, sizeof(seen->some));
    seen->words = seen->some;
    if (t->n > SEEN_WORDS * 64)
        seen->words = pb_take(r->s.mem, ((size_t)t->n + 63) / 64 * 8);
    return seen->words || pb_json_scan_full(&r->s);
}

/* False when the field was there before. */
static bool seen_add(struct seen *seen, size_t i)
{
    uint64_t bit = UINT64_C(1) << (i & 63);
    bool before = seen->words[i >> 6] & bit;
    seen->words[i >> 6] |= bit;
    return !before;
}

/* The value of a field that is neither repeated nor a map. */
static bool read_single(struct reader *r, const struct pb_field *f, void *msg)
{
    void *slot = pb_slot(f, msg);
    int32_t number = (int32_t)pb_field_number(f);
    if (f->shape == PB_ONEOF && *pb_oneof_case(f, msg) != 0)
        return problem(r, "second member of a oneof");
    r->skipped = false;
    if (!read_value(r, f, slot))
        return false;
    if (f->shape == PB_ONEOF && !r->skipped)
        *pb_oneof_case(f, msg) = number;
    if (f->shape == PB_OPTIONAL)
        *((char *)msg + f->has) = !r->skipped;
    return true;
}

static bool read_field(struct reader *r, const struct pb_field *f, void *msg)
{
    if (is_null(r) && (f->shape == PB_REPEATED || f->shape == PB_MAP || !takes_null(f)))
        return pb_json_scan_word(&r->s, STR("null"));
    if (f->shape == PB_MAP)
        return read_map(r, f->type, pb_slot(f, msg));
    if (f->shape == PB_REPEATED)
        return read_array(r, f, pb_slot(f, msg));
    return read_single(r, f, msg);
}

/* One member of an object whose name has been read. */
static bool read_member(struct reader *r, const struct pb_type *t, void *msg, str name, struct seen *seen, size_t *next)
{
    const struct pb_field *f = find_field(t, name, *next);
    r->type = t;
    r->field = f;
    if (!f && r->ignore_unknown)
        return pb_json_scan_skip(&r->s, r->depth);
    if (!f) {
        r->unknown = name;
        return problem(r, "unknown field");
    }
    size_t i = (size_t)(f - t->fields);
    *next = i + 1;
    return seen_add(seen, i) ? read_field(r, f, msg) : problem(r, "field given twice");
}

/* The members of an object, but for the one named `except`. */
static bool read_object(struct reader *r, const struct pb_type *t, void *msg, str except)
{
    bool more;
    struct seen seen;
    size_t next = 0;
    if (pb_json_scan_peek(&r->s) != '{')
        return problem(r, "expected an object");
    if (!seen_init(r, &seen, t) || !pb_json_scan_open(&r->s, '{', '}', &more))
        return false;
    for (str name; more;) {
        if (!pb_json_scan_string(&r->s, &name) || !pb_json_scan_expect(&r->s, ':'))
            return false;
        bool skip = except.n && str_eq(name, except);
        if (!(skip ? pb_json_scan_skip(&r->s, r->depth) : read_member(r, t, msg, name, &seen, &next)))
            return false;
        if (!pb_json_scan_next(&r->s, '}', &more))
            return false;
    }
    return true;
}

static bool read_plain(struct reader *r, const struct pb_type *t, void *msg)
{
    return read_object(r, t, msg, STR_NONE);
}

/* ---- types with a form of their own ----------------------------------------------------------------------------- */

static bool read_timestamp(struct reader *r, const struct pb_type *t, void *msg)
{
    GoogleProtobufTimestamp *m = msg;
    str text;
    (void)t;
    return pb_json_scan_string(&r->s, &text) &&
           (time_parse_rfc3339(text, &m->seconds, &m->nanos) || problem(r, "malformed timestamp"));
}

static bool read_duration(struct reader *r, const struct pb_type *t, void *msg)
{
    GoogleProtobufDuration *m = msg;
    str text;
    (void)t;
    return pb_json_scan_string(&r->s, &text) &&
           (pb_json_value_duration(text, &m->seconds, &m->nanos) || problem(r, "malformed duration"));
}

static bool read_struct(struct reader *r, const struct pb_type *t, void *msg)
{
    return read_map(r, t->fields[0].type, pb_slot(&t->fields[0], msg));
}

static bool read_list(struct reader *r, const struct pb_type *t, void *msg)
{
    return read_array(r, &t->fields[0], pb_slot(&t->fields[0], msg));
}

/* google.protobuf.Value: the member of its oneof follows from the text. */
static bool read_any_value(struct reader *r, const struct pb_type *t, void *msg)
{
    GoogleProtobufValue *m = msg;
    switch (pb_json_scan_peek(&r->s)) {
    case 'n':
        m->kind_case = GoogleProtobufValue_null_value_tag;
        return pb_json_scan_word(&r->s, STR("null"));
    case 't':
    case 'f':
        m->kind_case = GoogleProtobufValue_bool_value_tag;
        break;
    case '"':
        m->kind_case = GoogleProtobufValue_string_value_tag;
        break;
    case '{':
        m->kind_case = GoogleProtobufValue_struct_value_tag;
        break;
    case '[':
        m->kind_case = GoogleProtobufValue_list_value_tag;
        break;
    default:
        m->kind_case = GoogleProtobufValue_number_value_tag;
        break;
    }
    const struct pb_field *f = pb_field_find(t, (uint32_t)m->kind_case);
    return read_value(r, f, pb_slot(f, msg));
}

static bool read_wrapper(struct reader *r, const struct pb_type *t, void *msg)
{
    return read_value(r, &t->fields[0], pb_slot(&t->fields[0], msg));
}

/* camelCase becomes snake_case. */
static bool snake_path(struct reader *r, str path, str *out)
{
    char *to = pb_take(r->s.mem, path.n * 2 + 1);
    size_t n = 0;
    if (!to)
        return pb_json_scan_full(&r->s);
    for (size_t i = 0; i < path.n; i++) {
        char c = path.p[i];
        bool upper = c >= 'A' && c <= 'Z';
        if (c == '_')
            return problem(r, "field mask path is not in camelCase");
        if (upper)
            to[n++] = '_';
        to[n++] = upper ? (char)(c - 'A' + 'a') : c;
    }
    *out = (str){to, n};
    return true;
}

static bool read_field_mask(struct reader *r, const struct pb_type *t, void *msg)
{
    GoogleProtobufFieldMask *m = msg;
    str text, path;
    (void)t;
    if (!pb_json_scan_string(&r->s, &text))
        return false;
    for (bool more = text.n != 0; more;) {
        more = str_cut(text, ',', &path, &text);
        str *slot = pb_array_push(r->s.mem, (struct pb_array *)(void *)&m->paths, sizeof(str));
        if (!slot)
            return pb_json_scan_full(&r->s);
        if (!snake_path(r, path, slot))
            return false;
    }
    return true;
}

static bool look_for_type(struct reader *r, struct pb_json_scan *look, str *out, bool *empty)
{
    bool more;
    str name;
    if (!pb_json_scan_open(look, '{', '}', &more))
        return false;
    *empty = !more;
    while (more) {
        if (!pb_json_scan_string(look, &name) || !pb_json_scan_expect(look, ':'))
            return false;
        if (str_eq(name, STR("@type")))
            return pb_json_scan_string(look, out);
        if (!pb_json_scan_skip(look, r->depth) || !pb_json_scan_next(look, '}', &more))
            return false;
    }
    return *empty || pb_json_scan_fail(look, "@type is missing");
}

/* Finds "@type" in the object at the scan's position, which moves only to the place of an error. */
static bool find_type_url(struct reader *r, str *out, bool *empty)
{
    struct pb_json_scan look = r->s;
    bool ok = look_for_type(r, &look, out, empty);
    if (!ok)
        r->s = look;
    return ok;
}

/* {"@type": url, "value": content} of the types that are no objects in JSON. */
static bool read_any_content(struct reader *r, const struct pb_type *t, void *msg)
{
    bool more, found = false;
    str name;
    if (!pb_json_scan_open(&r->s, '{', '}', &more))
        return false;
    while (more) {
        if (!pb_json_scan_string(&r->s, &name) || !pb_json_scan_expect(&r->s, ':'))
            return false;
        bool content = str_eq(name, STR("value"));
        if (content && found)
            return problem(r, "field given twice");
        if (!content && !str_eq(name, STR("@type")) && !r->ignore_unknown)
            return problem(r, "unknown field");
        found |= content;
        if (!(content ? read_message(r, t, msg) : pb_json_scan_skip(&r->s, r->depth)) ||
            !pb_json_scan_next(&r->s, '}', &more))
            return false;
    }
    return found || problem(r, "value is missing");
}

static bool read_any(struct reader *r, const struct pb_type *t, void *msg)
{
    GoogleProtobufAny *m = msg;
    (void)t;
    if (pb_json_scan_peek(&r->s) != '{')
        return problem(r, "expected an object");
    bool empty;
    if (!find_type_url(r, &m->type_url, &empty))
        return false;
    if (empty)
        return pb_json_scan_skip(&r->s, 1);
    if (r->any_depth <= 0)
        return problem(r, "nested too deeply");
    const struct pb_type *it = pb_type_find(str_skip(m->type_url, str_rfind_char(m->type_url, '/') + 1));
    void *inner = it ? pb_take(r->s.mem, it->size) : NULL;
    if (!it)
        return problem(r, "unknown type in @type");
    if (!inner)
        return pb_json_scan_full(&r->s);
    r->any_depth--;
    if (!(it->wkt ? read_any_content(r, it, inner) : read_object(r, it, inner, STR("@type"))))
        return false;
    r->any_depth++;
    r->s.code = pb_encode(r->cx, it, inner, &m->value);
    return r->s.code == CODE_OK || pb_json_scan_full(&r->s);
}

typedef bool read_fn(struct reader *r, const struct pb_type *t, void *msg);

static read_fn *const read_by_wkt[] = {
    [PB_WKT_NONE] = read_plain,          [PB_WKT_ANY] = read_any,
    [PB_WKT_TIMESTAMP] = read_timestamp, [PB_WKT_DURATION] = read_duration,
    [PB_WKT_STRUCT] = read_struct,       [PB_WKT_VALUE] = read_any_value,
    [PB_WKT_LIST] = read_list,           [PB_WKT_FIELD_MASK] = read_field_mask,
    [PB_WKT_WRAPPER] = read_wrapper,
};

static bool read_message(struct reader *r, const struct pb_type *t, void *msg)
{
    if (r->depth-- <= 0)
        return problem(r, "nested too deeply");
    if (!read_by_wkt[t->wkt](r, t, msg))
        return false;
    r->depth++;
    return true;
}

static enum code explain(const struct reader *r, const struct pb_type *type)
{
    size_t at = (size_t)(r->s.p - r->s.start);
    if (r->unknown.n)
        return fail(r->cx, r->s.code, "JSON of %s: no field named \"" STR_FMT "\" at byte %zu", r->type->name,
                    STR_ARG(str_head(r->unknown, 100)), at);
    if (!r->field)
        return fail(r->cx, r->s.code, "JSON of %s: %s at byte %zu", (r->type ? r->type : type)->name, r->s.problem, at);
    return fail(r->cx, r->s.code, "JSON of %s." STR_FMT ": %s at byte %zu", r->type->name,
                STR_ARG(pb_field_name(r->type, r->field)), r->s.problem, at);
}

static struct reader reader_of(struct ctx *cx, str text, bool ignore_unknown)
{
    const char *p = text.p ? text.p : "";
    return (struct reader){.s = {.p = p, .start = p, .end = p + text.n, .mem = cx->mem},
                           .cx = cx,
                           .ignore_unknown = ignore_unknown,
                           .depth = PB_DEPTH_MAX + 1,
                           .any_depth = PB_ANY_DEPTH_MAX};
}

static bool at_end(struct reader *r)
{
    pb_json_scan_peek(&r->s);
    return r->s.p >= r->s.end || pb_json_scan_fail(&r->s, "text goes on behind the value");
}

enum code pb_json_decode(struct ctx *cx, const struct pb_type *type, str text, bool ignore_unknown, void **out)
{
    struct reader r = reader_of(cx, text, ignore_unknown);
    void *msg = pb_take(cx->mem, type->size);
    if (!msg)
        return fail(cx, CODE_RESOURCE_EXHAUSTED, "JSON of %s: message needs too much memory", type->name);
    if (!read_message(&r, type, msg) || !at_end(&r))
        return explain(&r, type);
    *out = msg;
    return CODE_OK;
}

/* ---- single fields ---------------------------------------------------------------------------------------------- */

const struct pb_field *pb_json_field_find(const struct pb_type *t, str name)
{
    return find_field(t, name, 0);
}

enum code pb_json_field_value(struct ctx *cx, const struct pb_field *f, str text, void *slot, const char **problem)
{
    struct reader r = reader_of(cx, text, false);
    if (read_value(&r, f, slot) && at_end(&r))
        return CODE_OK;
    *problem = r.s.problem;
    return r.s.code;
}

enum code pb_json_decode_field(struct ctx *cx, const struct pb_type *type, str name, str text, bool ignore_unknown,
                               void *msg)
{
    struct reader r = reader_of(cx, text, ignore_unknown);
    r.type = type;
    r.field = find_field(type, name, 0);
    if (!r.field)
        return fail(cx, CODE_INVALID_ARGUMENT, "%s has no field \"" STR_FMT "\"", type->name,
                    STR_ARG(str_head(name, 100)));
    if (!read_field(&r, r.field, msg) || !at_end(&r))
        return explain(&r, type);
    return CODE_OK;
}

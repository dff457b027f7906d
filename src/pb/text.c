/* Fields set from single texts by their path: what REST has in paths and queries. Each text becomes a token of JSON, so
 * that there is one reader of values. Any thread; memory is the call's arena, within its cap. */
#include "pb/pb.h"

#include "base/json.h"
#include "pb/json_field_int.h"
#include "pb/json_scan.h"
#include "pb/pb_int.h"

#define SHOWN 100

/* What a path leads to. */
struct spot {
    const struct pb_field *f;
    void *msg; /* that has the field */
    str key;   /* of a map */
};

static enum code refuse(struct ctx *cx, str path, const char *problem)
{
    return fail(cx, CODE_INVALID_ARGUMENT, STR_FMT ": %s", STR_ARG(str_head(path, SHOWN)), problem);
}

static enum code full(struct ctx *cx, str path)
{
    return fail(cx, CODE_RESOURCE_EXHAUSTED, STR_FMT ": message needs too much memory", STR_ARG(str_head(path, SHOWN)));
}

/* ---- the path ---------------------------------------------------------------------------------------------------- */

/* Takes the next name off the path: up to a dot, or to the bracket of a key. */
static str next_name(str *path, bool *more)
{
    size_t n = 0;
    while (n < path->n && path->p[n] != '.' && path->p[n] != '[')
        n++;
    str name = str_head(*path, n);
    *more = n < path->n && path->p[n] == '.';
    *path = str_skip(*path, n + *more);
    return name;
}

static bool has_fields(const struct pb_field *f)
{
    return f->kind == PB_MESSAGE && f->type->wkt == PB_WKT_NONE && f->shape != PB_REPEATED && f->shape != PB_MAP;
}

/* Makes f, a member of a oneof, the one that is set. */
static enum code choose(struct ctx *cx, const struct pb_field *f, void *msg, str path)
{
    int32_t *set = pb_oneof_case(f, msg);
    int32_t number = (int32_t)pb_field_number(f);
    if (*set && *set != number)
        return refuse(cx, path, "another member of its oneof is set");
    *set = number;
    return CODE_OK;
}

/* The message in f, made when there is none. */
static enum code enter(struct ctx *cx, const struct pb_field *f, str path, void **msg)
{
    if (!has_fields(f))
        return refuse(cx, path, "only fields inside a single message are named with a dot");
    if (f->shape == PB_ONEOF)
        TRY(choose(cx, f, *msg, path));
    void **slot = pb_slot(f, *msg);
    if (!*slot && !(*slot = pb_take(cx->mem, f->type->size)))
        return full(cx, path);
    *msg = *slot;
    return CODE_OK;
}

static enum code find(struct ctx *cx, const struct pb_text *t, str path, struct spot *out)
{
    const struct pb_type *type = t->type;
    str rest = path;
    *out = (struct spot){.msg = t->msg};
    for (bool more = true; more;) {
        str name = next_name(&rest, &more);
        out->f = pb_json_field_find(type, name);
        if (!out->f)
            return fail(cx, CODE_INVALID_ARGUMENT, STR_FMT ": %s has no field \"" STR_FMT "\"",
                        STR_ARG(str_head(path, SHOWN)), type->name, STR_ARG(str_head(name, SHOWN)));
        if (!more)
            break;
        TRY(enter(cx, out->f, path, &out->msg));
        type = out->f->type;
    }
    bool key = rest.n >= 2 && rest.p[rest.n - 1] == ']';
    if ((rest.n && !key) || key != (out->f->shape == PB_MAP))
        return refuse(cx, path, "an entry of a map, and nothing else, is named with its key in brackets");
    if (key)
        out->key = str_head(str_skip(rest, 1), rest.n - 2);
    return CODE_OK;
}

uint32_t pb_text_field(const struct pb_type *type, str path)
{
    bool more;
    const struct pb_field *f = pb_json_field_find(type, next_name(&path, &more));
    return f ? pb_field_number(f) : 0;
}

bool pb_text_is_single(const struct pb_type *type, str path)
{
    for (bool more = true; more;) {
        const struct pb_field *f = pb_json_field_find(type, next_name(&path, &more));
        if (!f || f->shape == PB_REPEATED || f->shape == PB_MAP || (more && !has_fields(f)))
            return false;
        if (!more)
            return path.n == 0 && !has_fields(f) && !(f->kind == PB_MESSAGE && f->type->wkt == PB_WKT_ANY);
        type = f->type;
    }
    return false;
}

/* ---- the value --------------------------------------------------------------------------------------------------- */

static bool is_raw(const struct pb_field *f, str text)
{
    if (f->kind == PB_BOOL)
        return true;
    if (f->kind == PB_ENUM)
        return pb_json_scan_is_number(text);
    return f->kind == PB_MESSAGE &&
           (f->type->wkt == PB_WKT_STRUCT || f->type->wkt == PB_WKT_VALUE || f->type->wkt == PB_WKT_LIST);
}

static bool is_wrapper(const struct pb_field *f)
{
    return f->kind == PB_MESSAGE && f->type->wkt == PB_WKT_WRAPPER;
}

static enum code read_value(struct ctx *cx, const struct pb_field *f, str path, str text, void *slot)
{
    const char *problem = "";
    buf quoted;
    if (f->kind == PB_STRING) {
        *(str *)slot = text;
        return CODE_OK;
    }
    if (f->kind == PB_MESSAGE && (f->type->wkt == PB_WKT_NONE || f->type->wkt == PB_WKT_ANY))
        return refuse(cx, path, "a message is not given by one text; name its fields");
    if (!is_raw(is_wrapper(f) ? &f->type->fields[0] : f, text)) {
        buf_init_arena(&quoted, cx->mem, 6 * text.n + 2); /* the longest escape of a byte */
        json_put_str(&quoted, text);
        text = buf_view(&quoted);
    }
    enum code code = pb_json_field_value(cx, f, text, slot, &problem);
    if (code == CODE_RESOURCE_EXHAUSTED)
        return full(cx, path);
    return code == CODE_OK ? CODE_OK : refuse(cx, path, problem);
}

/* ---- where it goes ----------------------------------------------------------------------------------------------- */

static enum code take(struct ctx *cx, struct pb_text *t, const void *slot, str path)
{
    if (!t->taken)
        t->taken = arena_new_array(cx->mem, const void *, PB_TEXT_MAX);
    for (size_t i = 0; i < t->taken_n; i++)
        if (t->taken[i] == slot)
            return refuse(cx, path, "given twice");
    t->taken[t->taken_n++] = slot;
    return CODE_OK;
}

static enum code set_single(struct ctx *cx, struct pb_text *t, const struct spot *at, str path, str text)
{
    const struct pb_field *f = at->f;
    if (f->shape == PB_ONEOF)
        TRY(choose(cx, f, at->msg, path));
    TRY(take(cx, t, (const char *)at->msg + f->offset, path));
    TRY(read_value(cx, f, path, text, pb_slot(f, at->msg)));
    if (f->shape == PB_OPTIONAL)
        *((bool *)at->msg + f->has) = true;
    return CODE_OK;
}

static enum code add_element(struct ctx *cx, const struct spot *at, str path, str text)
{
    void *slot = pb_array_push(cx->mem, pb_slot(at->f, at->msg), pb_kind_size[at->f->kind]);
    return slot ? read_value(cx, at->f, path, text, slot) : full(cx, path);
}

static enum code add_entry(struct ctx *cx, const struct spot *at, str path, str text)
{
    const struct pb_type *entry = at->f->type;
    const struct pb_field *key = &entry->fields[0], *value = &entry->fields[1];
    struct pb_array *a = pb_slot(at->f, at->msg);
    void *slot = pb_array_push(cx->mem, a, entry->size);
    if (!slot)
        return full(cx, path);
    TRY(read_value(cx, key, path, at->key, pb_slot(key, slot)));
    TRY(read_value(cx, value, path, text, pb_slot(value, slot)));
    size_t n = a->n;
    if (!pb_map_is_sorted(entry, a) && !pb_map_sort(cx->mem, entry, a))
        return full(cx, path);
    return a->n == n ? CODE_OK : refuse(cx, path, "given twice");
}

enum code pb_text_set(struct ctx *cx, struct pb_text *t, str path, str text)
{
    struct spot at;
    if (!str_is_utf8(path) || !str_is_utf8(text))
        return fail(cx, CODE_INVALID_ARGUMENT, STR_FMT ": not UTF-8",
                    STR_ARG(str_is_utf8(path) ? str_head(path, SHOWN) : STR("a name")));
    if (t->n++ >= PB_TEXT_MAX)
        return fail(cx, CODE_INVALID_ARGUMENT, STR_FMT ": more than %d values", STR_ARG(str_head(path, SHOWN)),
                    PB_TEXT_MAX);
    TRY(find(cx, t, path, &at));
    if (at.f->shape == PB_MAP)
        return add_entry(cx, &at, path, text);
    if (at.f->shape == PB_REPEATED)
        return add_element(cx, &at, path, text);
    return set_single(cx, t, &at, path, text);
}

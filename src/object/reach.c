/* Places of other projects that runs may read. See reach.h. A grant is an empty object of a bucket of its own, its key
 * the run and the place. */
#include "object/reach.h"

#include "object/check_int.h"

#define GRANTS "tern-grants"
#define URI_START "s3://" OBJECT_BUCKET "/"
#define PLACE_MAX ((size_t)512)
#define GRANTS_MAX 256
#define CHUNK (INT64_C(256) * 1024)
#define OVERLAP ((int64_t)1024)

/* ---- places ------------------------------------------------------------------------------------------------------ */

static bool is_uri_char(char c)
{
    return (uint8_t)c > 0x20 && c != 0x7f && !strchr("\"'<>\\^`{|}", c);
}

/* The place that the text begins with: 0 when it ends before. */
static size_t place_in(str s)
{
    int left = str_starts(s, STR(OBJECT_UPLOADS "/")) ? 4 : 3;
    for (size_t i = 0; i < s.n && i < PLACE_MAX && is_uri_char(s.p[i]); i++)
        if (s.p[i] == '/' && --left == 0)
            return i + 1;
    return 0;
}

static str key_of(struct ctx *cx, const struct object_reach_run *r, str place)
{
    return arena_printf(cx->mem, STR_FMT "/" STR_FMT "/" STR_FMT "/" STR_FMT, STR_ARG(r->project), STR_ARG(r->domain),
                        STR_ARG(r->run), STR_ARG(place));
}

static enum code is_granted(struct ctx *cx, struct object_store *s, const struct object_reach_run *r, str place,
                            bool *out)
{
    struct object_info info;
    enum code code = object_stat(cx, s, STR(GRANTS), key_of(cx, r, place), &info);
    *out = code == CODE_OK;
    if (code != CODE_NOT_FOUND)
        return code;
    ctx_clear_err(cx);
    return CODE_OK;
}

str object_reach_place(str key)
{
    return str_head(key, place_in(key));
}

enum code object_reach_granted(struct ctx *cx, struct object_store *s, const struct object_reach_run *run, str key,
                               bool *out)
{
    str place = object_reach_place(key);
    *out = false;
    return place.n ? is_granted(cx, s, run, place, out) : CODE_OK;
}

/* ---- granting ---------------------------------------------------------------------------------------------------- */

struct scan {
    struct object_store *s;
    const struct object_reach_run *to, *from;
    str seen[GRANTS_MAX];
    size_t n;
};

static bool is_seen(const struct scan *x, str place)
{
    for (size_t i = x->n; i-- > 0;)
        if (str_eq(x->seen[i], place))
            return true;
    return false;
}

/* Whether the run that names the place may read it. */
static enum code may_give(struct ctx *cx, const struct scan *x, str place, bool *out)
{
    *out = !x->from || object_uri_own(x->from->project, x->from->domain, place);
    return *out ? CODE_OK : object_reach_granted(cx, x->s, x->from, place, out);
}

static enum code grant(struct ctx *cx, struct scan *x, str place)
{
    bool give, there;
    TRY(is_granted(cx, x->s, x->to, place, &there));
    if (there)
        return CODE_OK;
    TRY(may_give(cx, x, place, &give));
    return give ? object_put(cx, x->s, STR(GRANTS), key_of(cx, x->to, place), STR(""), STR("")) : CODE_OK;
}

/* What a URI begins with, after its bucket; false when that is no place. */
static bool read_place(struct ctx *cx, str text, str *place)
{
    str bucket, raw = str_head(text, place_in(text));
    if (raw.n &&
        object_uri_parse(cx, "uri", arena_printf(cx->mem, URI_START STR_FMT, STR_ARG(raw)), &bucket, place) == CODE_OK)
        return true;
    ctx_clear_err(cx);
    return false;
}

static enum code name_place(struct ctx *cx, struct scan *x, str text)
{
    str place;
    if (!read_place(cx, text, &place))
        return CODE_OK;
    if (object_uri_own(x->to->project, x->to->domain, place) || is_seen(x, place) || x->n == GRANTS_MAX)
        return CODE_OK;
    x->seen[x->n++] = place;
    return grant(cx, x, place);
}

/* URIs that begin before `end`. */
static enum code look_through(struct ctx *cx, struct scan *x, str bytes, size_t end)
{
    const str start = STR(URI_START);
    for (size_t at = 0, next; at < end && (next = str_find(str_skip(bytes, at), start)) != SIZE_MAX; at++) {
        at += next;
        if (at < end)
            TRY(name_place(cx, x, str_skip(bytes, at + start.n)));
    }
    return CODE_OK;
}

enum code object_reach_grant(struct ctx *cx, struct object_store *s, const struct object_reach_run *to,
                             const struct object_reach_run *from, str bytes)
{
    struct scan x = {.s = s, .to = to, .from = from};
    return look_through(cx, &x, bytes, bytes.n);
}

void object_reach_each(struct ctx *cx, str bytes, void (*fn)(void *arg, str place), void *arg)
{
    const str start = STR(URI_START);
    str place;
    for (size_t at; (at = str_find(bytes, start)) != SIZE_MAX;) {
        bytes = str_skip(bytes, at + start.n);
        if (read_place(cx, bytes, &place))
            fn(arg, place);
    }
}

/* Chunks overlap by what a URI's beginning may have, so that none is cut. */
enum code object_reach_grant_object(struct ctx *cx, struct object_store *s, const struct object_reach_run *to,
                                    str bucket, str key)
{
    struct scan x = {.s = s, .to = to};
    struct object_reader *r cleanup_(object_check_close_reader) = NULL;
    enum code code = object_reader_open(cx, s, bucket, key, &r);
    if (code == CODE_NOT_FOUND) {
        ctx_clear_err(cx);
        return CODE_OK;
    }
    TRY(code);
    int64_t size = object_reader_info(r)->size;
    size_t room = (size_t)(size < CHUNK + OVERLAP ? size : CHUNK + OVERLAP), got;
    char *p = arena_alloc(cx->mem, room + 1);
    for (int64_t at = 0; at < size; at += CHUNK) {
        TRY(object_reader_read(cx, r, at, p, room, &got));
        TRY(look_through(cx, &x, str_make(p, got), (size_t)CHUNK));
    }
    return CODE_OK;
}

/* ---- all of a run's ---------------------------------------------------------------------------------------------- */

static enum code list_some(struct ctx *cx, struct object_store *s, const struct object_reach_run *run, str after,
                           str *prefix, struct object_list *out)
{
    *prefix = key_of(cx, run, STR(""));
    return object_list(cx, s, STR(GRANTS), *prefix, after, OBJECT_DELETE_MAX, out);
}

enum code object_reach_copy(struct ctx *cx, struct object_store *s, const struct object_reach_run *to,
                            const struct object_reach_run *from)
{
    struct object_list list = {.next = STR("")};
    str prefix;
    do {
        TRY(list_some(cx, s, from, list.next, &prefix, &list));
        for (size_t i = 0; i < list.n; i++)
            TRY(object_put(cx, s, STR(GRANTS), key_of(cx, to, str_skip(list.p[i].key, prefix.n)), STR(""), STR("")));
    } while (list.next.n);
    return CODE_OK;
}

enum code object_reach_drop(struct ctx *cx, struct object_store *s, const struct object_reach_run *run)
{
    struct object_list list;
    str prefix;
    do {
        TRY(list_some(cx, s, run, STR(""), &prefix, &list));
        str *keys = arena_new_array(cx->mem, str, list.n + 1);
        for (size_t i = 0; i < list.n; i++)
            keys[i] = list.p[i].key;
        TRY(object_delete_many(cx, s, STR(GRANTS), keys, list.n));
    } while (list.n);
    return CODE_OK;
}

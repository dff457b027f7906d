/* Listing. One read connection per call; keys are walked in byte order and groups are skipped, not read. See list_int.h
 * and object.h. */
#include "object/list_int.h"

#include "base/vec.h"
#include "object/index_int.h"
#include "object/store_int.h"

struct walk {
    struct arena *mem;
    const struct object_list_query *q;
    VEC(struct object_list_entry) list;
    bool more;
    str group; /* found last: go on after all its keys */
};

/* The common prefix that stands for the key, or the empty string. */
static str group_of(const struct object_list_query *q, str key)
{
    if (!q->delimiter.n)
        return STR_NONE;
    size_t at = str_find(str_skip(key, q->prefix.n), q->delimiter);
    return at == SIZE_MAX ? STR_NONE : str_head(key, q->prefix.n + at + q->delimiter.n);
}

static bool visit(void *arg, const struct object_info *o)
{
    struct walk *w = arg;
    if (!str_starts(o->key, w->q->prefix))
        return false;
    if (w->list.n == w->q->max) {
        w->more = true;
        return false;
    }
    str group = group_of(w->q, o->key);
    struct object_list_entry *e = vec_push(&w->list, w->mem);
    if (group.n) {
        e->is_prefix = true;
        e->info.key = w->group = arena_str(w->mem, group);
        return false;
    }
    e->info = *o;
    e->info.key = arena_str(w->mem, o->key);
    e->info.etag = arena_str(w->mem, o->etag);
    return true;
}

/* The first string in byte order after all that start with prefix; false when there is none. */
static bool successor(struct arena *mem, str prefix, str *out)
{
    char *p = arena_cstr(mem, prefix);
    size_t n = prefix.n;
    while (n && (uint8_t)p[n - 1] == 0xff)
        n--;
    if (!n)
        return false;
    p[n - 1]++;
    *out = str_make(p, n);
    return true;
}

/* Where the walk begins; false when nothing can follow. */
static bool first_key(struct arena *mem, const struct object_list_query *q, str *out)
{
    str from = q->after;
    if (q->after.n && q->after_prefix && !successor(mem, q->after, &from))
        return false;
    if (q->after.n && !q->after_prefix)
        from = arena_concat(mem, q->after, str_make("", 1)); /* key + NUL is the next string */
    *out = str_cmp(from, q->prefix) < 0 ? q->prefix : from;
    return true;
}

enum code object_list_page(struct ctx *cx, struct object_store *s, const struct object_list_query *q,
                           struct object_list_page *out)
{
    struct object_index *ix cleanup_(object_store_give_back) = NULL;
    struct walk w = {.mem = cx->mem, .q = q};
    str from;
    bool go = q->max > 0 && first_key(cx->mem, q, &from);
    TRY(object_store_borrow(cx, s, &ix));
    while (go) {
        w.group = STR_NONE;
        TRY(object_index_walk(cx, ix, q->bucket, from, visit, &w));
        go = w.group.n && successor(cx->mem, w.group, &from);
    }
    *out = (struct object_list_page){.p = w.list.p, .n = w.list.n, .more = w.more};
    return CODE_OK;
}

enum code object_list(struct ctx *cx, struct object_store *s, str bucket, str prefix, str after, size_t max,
                      struct object_list *out)
{
    struct object_list_query q = {.bucket = bucket, .prefix = prefix, .after = after, .max = max};
    struct object_list_page page;
    TRY(object_list_page(cx, s, &q, &page));
    out->p = arena_new_array(cx->mem, struct object_info, page.n);
    out->n = page.n;
    for (size_t i = 0; i < page.n; i++)
        out->p[i] = page.p[i].info;
    out->next = page.more ? page.p[page.n - 1].info.key : STR_NONE;
    return CODE_OK;
}

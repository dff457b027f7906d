/* Artifacts never go by themselves, and what they name outlives its run. When such an artifact was deleted, what it named
 * goes here. The other sweeps ask here what they must spare. */
#include "engine/retention_int.h"
#include "engine/uploads.h"
#include "lane/lane.h"
#include "object/object.h"
#include "store/artifact.h"

/* ---- what no artifact may name meanwhile -------------------------------------------------------------------------- */

struct claim {
    struct engine_uploads *uploads;
    str key;
};

static enum code write_claim(struct ctx *cx, void *arg)
{
    const struct claim *c = arg;
    bool ok; /* always: specs keep uploads alone */
    return engine_uploads_claim(cx, c->uploads, c->key, &ok);
}

/* What artifacts name is asked afterwards. */
static enum code claim(struct ctx *cx, struct engine_retention_sweep *s, str key)
{
    struct claim c = {s->e->uploads, key};
    return s->dry ? CODE_OK : lane_write(cx, s->e->app->lanes, write_claim, &c);
}

static enum code write_end(struct ctx *cx, void *arg)
{
    return engine_uploads_end(cx, arg);
}

void engine_retention_unclaim(struct ctx *cx, struct engine_retention_sweep *s)
{
    struct err err = cx->err;
    if (!s->dry)
        (void)!lane_write(cx, s->e->app->lanes, write_end, s->e->uploads); /* the next claim ends this one */
    cx->err = err;
}

/* ---- what is spared ---------------------------------------------------------------------------------------------- */

struct spared_page {
    str folder, after;
    struct arena *mem; /* of the keys */
    struct engine_retention_spared *out;
};

static enum code read_covers(struct ctx *cx, void *arg)
{
    struct spared_page *p = arg;
    return store_artifact_covers(cx, p->folder, &p->out->all);
}

static enum code read_page(struct ctx *cx, void *arg)
{
    struct spared_page *p = arg;
    str *keys;
    size_t n;
    TRY(store_artifact_objects(cx, p->folder, p->after, ENGINE_RETENTION_PIECE, &keys, &n));
    for (size_t i = 0; i < n; i++) {
        str key = arena_str(p->mem, keys[i]);
        map_put(&p->out->keys, key, p->out);
        p->after = key;
    }
    if (n < ENGINE_RETENTION_PIECE)
        p->after = STR("");
    return CODE_OK;
}

enum code engine_retention_spare(struct ctx *cx, struct engine_retention_sweep *s, str folder,
                                 struct engine_retention_spared *out)
{
    struct spared_page p = {.folder = folder, .after = STR(""), .mem = cx->mem, .out = out};
    map_init(&out->keys);
    TRY(claim(cx, s, folder));
    TRY(lane_read(cx, s->e->app->lanes, read_covers, &p));
    do
        TRY(lane_read(cx, s->e->app->lanes, read_page, &p));
    while (p.after.n);
    return CODE_OK;
}

bool engine_retention_is_spared(const struct engine_retention_spared *spared, str key)
{
    if (spared->all)
        return true;
    for (size_t end = key.n; end != SIZE_MAX && spared->keys.n; end = str_rfind_char(str_head(key, end), '/'))
        if (map_find(&spared->keys, str_head(key, end)))
            return true;
    return false;
}

void engine_retention_spared_done(struct engine_retention_spared *spared)
{
    map_done(&spared->keys);
}

/* ---- what was left ----------------------------------------------------------------------------------------------- */

struct left {
    uint64_t after;
    struct store_artifact_left *p;
    size_t n;
    const struct store_artifact_left *now;
    bool named;
};

static enum code list_left(struct ctx *cx, void *arg)
{
    struct left *l = arg;
    return store_artifact_list_left(cx, l->after, ENGINE_RETENTION_PIECE, &l->p, &l->n);
}

static enum code ask_named(struct ctx *cx, void *arg)
{
    struct left *l = arg;
    return store_artifact_names_object(cx, l->now->key, &l->named);
}

static enum code forget(struct ctx *cx, void *arg)
{
    const struct left *l = arg;
    return store_artifact_forget_left(cx, l->now->id);
}

static enum code delete_one(struct ctx *cx, struct engine_retention_sweep *s, const struct object_info *o)
{
    s->row->count++;
    s->row->bytes += o->size;
    return s->dry ? CODE_OK : object_delete(cx, s->e->app->objects, STR(OBJECT_BUCKET), o->key);
}

/* The key is an object's, or a folder. */
static enum code delete_objects(struct ctx *cx, struct engine_retention_sweep *s, str key)
{
    struct object_store *store = s->e->app->objects;
    struct object_info one;
    struct object_list list = {.next = STR("")};
    enum code c = object_stat(cx, store, STR(OBJECT_BUCKET), key, &one);
    if (c == CODE_OK) {
        one.key = key;
        c = delete_one(cx, s, &one);
    }
    if (c != CODE_OK && c != CODE_NOT_FOUND)
        return c;
    ctx_clear_err(cx);
    str prefix = arena_printf(cx->mem, STR_FMT "/", STR_ARG(key));
    do {
        TRY(object_list(cx, store, STR(OBJECT_BUCKET), prefix, list.next, ENGINE_RETENTION_PIECE, &list));
        for (size_t i = 0; i < list.n; i++)
            TRY(delete_one(cx, s, &list.p[i]));
    } while (list.next.n);
    return CODE_OK;
}

/* Named by another artifact: it waits for that one's end. */
static enum code sweep_left(struct ctx *cx, struct engine_retention_sweep *s, void *arg)
{
    struct left *l = arg;
    TRY(lane_read(cx, s->e->app->lanes, ask_named, l));
    if (l->named)
        return CODE_OK;
    TRY(claim(cx, s, l->now->key));
    TRY(lane_read(cx, s->e->app->lanes, ask_named, l)); /* now that no other can come */
    if (l->named)
        return CODE_OK;
    TRY(delete_objects(cx, s, l->now->key));
    return s->dry ? CODE_OK : lane_write(cx, s->e->app->lanes, forget, l);
}

static enum code sweep_page(struct ctx *cx, struct engine_retention_sweep *s, void *arg)
{
    struct left *l = arg;
    TRY(lane_read(cx, s->e->app->lanes, list_left, l));
    for (size_t i = 0; i < l->n; i++) {
        l->now = &l->p[i];
        l->after = l->now->id;
        TRY(engine_retention_step(cx, s, sweep_left, l));
    }
    return CODE_OK;
}

enum code engine_retention_artifacts(struct ctx *cx, struct engine_retention_sweep *s)
{
    struct left l = {0};
    do
        TRY(engine_retention_step(cx, s, sweep_page, &l));
    while (l.n == ENGINE_RETENTION_PIECE);
    return CODE_OK;
}

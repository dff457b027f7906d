/* What clients uploaded (code bundles, inputs, files). A stored spec or artifact that names it keeps it: an upload that is
 * named is made young again once a week, so its time runs from the last run or task that named it. Inputs are named by
 * their runs' inputs, which are not read here: nothing goes before the runs of its time. */
#include "base/map.h"
#include "base/time.h"
#include "engine/retention_int.h"
#include "engine/uploads.h"
#include "lane/lane.h"
#include "object/object.h"
#include "object/reach.h"
#include "store/artifact.h"

#define YOUNG_NS (7 * 24 * 3600 * NS_PER_S)

/* ---- what specs name --------------------------------------------------------------------------------------------- */

/* Read when the first upload is old enough to ask. */
struct named {
    struct map places; /* the keys are in mem */
    struct arena *mem; /* of the kind */
    bool read;         /* and watched from before that on, unless it is a dry run */
};

static void add_place(void *arg, str place)
{
    struct named *w = arg;
    if (str_starts(place, STR(OBJECT_UPLOADS "/")) && !map_find(&w->places, place))
        map_put(&w->places, arena_str(w->mem, place), w);
}

static void look_at_spec(struct ctx *cx, struct engine_retention_sweep *s, const struct store_spec *spec, void *arg)
{
    (void)s;
    object_reach_each(cx, spec->body, add_place, arg);
}

static enum code watch(struct ctx *cx, void *arg)
{
    return engine_uploads_watch(cx, arg);
}

static enum code read_names(struct ctx *cx, struct engine_retention_sweep *s, struct named *w)
{
    w->read = true;
    if (!s->dry)
        TRY(lane_write(cx, s->e->app->lanes, watch, s->e->uploads));
    return engine_retention_each_spec(cx, s, look_at_spec, w);
}

struct by_artifact {
    str folder;
    bool named;
};

static enum code ask_artifacts(struct ctx *cx, void *arg)
{
    struct by_artifact *b = arg;
    return store_artifact_names_object(cx, b->folder, &b->named);
}

static enum code is_named(struct ctx *cx, struct engine_retention_sweep *s, struct named *w, str place, bool *out)
{
    struct by_artifact b = {.folder = str_head(place, place.n - 1)};
    if (!w->read)
        TRY(read_names(cx, s, w));
    TRY(lane_read(cx, s->e->app->lanes, ask_artifacts, &b));
    *out = b.named || map_find(&w->places, place) != NULL;
    return CODE_OK;
}

/* ---- uploads ----------------------------------------------------------------------------------------------------- */

struct upload {
    struct named *named;
    int64_t before_ns;
    str after;  /* keys up to here were looked at; in cx->mem of the kind */
    str place;  /* the upload that is being added up */
    str newest; /* its object that changed last */
    int64_t changed_ns, bytes;
};

/* A client may send the very objects again meanwhile: those are young, and stay. */
static enum code delete_objects(struct ctx *cx, struct engine_retention_sweep *s, void *arg)
{
    struct object_store *store = s->e->app->objects;
    const struct upload *u = arg;
    struct object_list list = {.next = STR("")};
    do {
        TRY(object_list(cx, store, STR(OBJECT_BUCKET), u->place, list.next, ENGINE_RETENTION_PIECE, &list));
        str *keys = arena_new_array(cx->mem, str, list.n + 1);
        for (size_t i = 0; i < list.n; i++)
            keys[i] = list.p[i].key;
        TRY(object_delete_old(cx, store, STR(OBJECT_BUCKET), keys, list.n, u->before_ns));
    } while (list.next.n);
    return CODE_OK;
}

struct claim {
    struct engine_uploads *uploads;
    str place;
    bool ok;
};

static enum code claim_upload(struct ctx *cx, void *arg)
{
    struct claim *c = arg;
    bool named;
    TRY(store_artifact_names_object(cx, str_head(c->place, c->place.n - 1), &named));
    return named ? CODE_OK : engine_uploads_claim(cx, c->uploads, c->place, &c->ok);
}

/* Not when it was named since the specs were read. */
static enum code delete_upload(struct ctx *cx, struct engine_retention_sweep *s, struct upload *u)
{
    struct claim c = {.uploads = s->e->uploads, .place = u->place};
    if (!s->dry)
        TRY(lane_write(cx, s->e->app->lanes, claim_upload, &c));
    if (!s->dry && !c.ok)
        return CODE_OK;
    s->row->count++;
    s->row->bytes += u->bytes;
    return s->dry ? CODE_OK : engine_retention_step(cx, s, delete_objects, u);
}

static enum code end_upload(struct ctx *cx, struct engine_retention_sweep *s, struct upload *u)
{
    bool old = u->changed_ns < u->before_ns, aging = u->changed_ns < s->now_ns - YOUNG_NS, named;
    if (!u->place.n || (!old && !aging))
        return CODE_OK;
    TRY(is_named(cx, s, u->named, u->place, &named));
    if (named)
        return aging && !s->dry ? object_touch(cx, s->e->app->objects, STR(OBJECT_BUCKET), u->newest) : CODE_OK;
    return old ? delete_upload(cx, s, u) : CODE_OK;
}

/* Objects of one upload follow each other. */
static enum code sweep_page(struct ctx *cx, struct engine_retention_sweep *s, void *arg)
{
    struct upload *u = arg;
    struct arena *mem = u->named->mem;
    struct object_list list;
    TRY(object_list(cx, s->e->app->objects, STR(OBJECT_BUCKET), STR(OBJECT_UPLOADS "/"), u->after,
                    ENGINE_RETENTION_PIECE, &list));
    for (size_t i = 0; i < list.n; i++) {
        const struct object_info *o = &list.p[i];
        str place = object_reach_place(o->key);
        if (!str_eq(place, u->place)) {
            TRY(end_upload(cx, s, u));
            u->place = arena_str(mem, place);
            u->changed_ns = INT64_MIN;
            u->bytes = 0;
        }
        u->bytes += o->size;
        if (o->modified_ns > u->changed_ns) {
            u->changed_ns = o->modified_ns;
            u->newest = arena_str(mem, o->key);
        }
    }
    u->after = arena_str(mem, list.next);
    return list.next.n ? CODE_OK : end_upload(cx, s, u);
}

static enum code sweep_uploads(struct ctx *cx, struct engine_retention_sweep *s, struct named *named)
{
    const struct config *c = s->config;
    int64_t keep_ns = c->retention_uploads_ns > c->retention_runs_ns ? c->retention_uploads_ns : c->retention_runs_ns;
    struct upload u = {.named = named, .before_ns = engine_retention_before(s, keep_ns), .after = STR("")};
    do
        TRY(engine_retention_step(cx, s, sweep_page, &u));
    while (u.after.n);
    return CODE_OK;
}

enum code engine_retention_uploads(struct ctx *cx, struct engine_retention_sweep *s)
{
    struct named named = {.mem = cx->mem};
    if (!s->config->retention_uploads_ns || !s->config->retention_runs_ns)
        return CODE_OK;
    map_init(&named.places);
    enum code code = sweep_uploads(cx, s, &named);
    map_done(&named.places);
    if (named.read)
        engine_retention_unclaim(cx, s);
    return code;
}

/* See uploads.h. Everything but new and free runs on the write lane's thread. */
#include "engine/uploads.h"

#include "base/map.h"
#include "base/mem.h"
#include "engine/engine_int.h"
#include "object/reach.h"
#include "store/artifact.h"

struct engine_uploads {
    bool watching;
    struct map named; /* places; the keys are in mem */
    struct arena mem; /* of one watch */
    str claimed;      /* in mem; empty = none */
};

struct engine_uploads *engine_uploads_new(void)
{
    struct engine_uploads *u = mem_new(struct engine_uploads);
    map_init(&u->named);
    arena_init(&u->mem, 0);
    return u;
}

void engine_uploads_free(struct engine_uploads *u)
{
    if (!u)
        return;
    map_done(&u->named);
    arena_done(&u->mem);
    mem_free(u);
}

/* ---- those who name ---------------------------------------------------------------------------------------------- */

struct naming {
    struct engine_uploads *u;
    str claimed; /* that the spec names */
};

static void add_place(void *arg, str place)
{
    struct naming *n = arg;
    if (n->u->claimed.n && str_eq(place, n->u->claimed))
        n->claimed = n->u->claimed;
    else if (str_starts(place, STR(OBJECT_UPLOADS "/")) && !map_find(&n->u->named, place))
        map_put(&n->u->named, arena_str(&n->u->mem, place), n->u);
}

static enum code note(struct ctx *cx, const struct store_spec *s)
{
    struct naming n = {.u = cx->app && cx->app->engine ? cx->app->engine->uploads : NULL};
    if (!n.u || !n.u->watching)
        return CODE_OK;
    object_reach_each(cx, s->body, add_place, &n);
    if (n.claimed.n)
        return fail(cx, CODE_FAILED_PRECONDITION,
                    "the upload " STR_FMT " is old and just being removed (retention.uploads): upload it again",
                    STR_ARG(n.claimed));
    return CODE_OK;
}

enum code engine_uploads_put_spec(struct ctx *cx, struct store_spec *s)
{
    TRY(store_spec_put(cx, s));
    return note(cx, s);
}

enum code engine_uploads_put_task(struct ctx *cx, const TaskTaskIdentifier *id, const TaskTaskSpec *spec,
                                  struct store_spec *out)
{
    TRY(store_spec_put_task(cx, id, spec, out));
    return note(cx, out);
}

static bool is_within(str key, str folder)
{
    return str_starts(key, folder) && (key.n == folder.n || key.p[folder.n] == '/');
}

enum code engine_uploads_check_key(struct ctx *cx, str key)
{
    const struct engine_uploads *u = cx->app && cx->app->engine ? cx->app->engine->uploads : NULL;
    str claimed = u ? u->claimed : STR_NONE;
    bool spared;
    if (str_ends(claimed, STR("/")))
        claimed.n--;
    if (!claimed.n || (!is_within(key, claimed) && !is_within(claimed, key)))
        return CODE_OK;
    TRY(store_artifact_covers(cx, key, &spared));
    return spared ? CODE_OK
                  : fail(cx, CODE_FAILED_PRECONDITION,
                         "s3://" OBJECT_BUCKET "/" STR_FMT
                         " is old and just being removed (retention.runs, retention.uploads): store it again",
                         STR_ARG(key));
}

/* ---- the sweep --------------------------------------------------------------------------------------------------- */

static void forget(struct engine_uploads *u)
{
    u->claimed = STR_NONE;
    map_done(&u->named);
    map_init(&u->named);
    arena_reset(&u->mem);
}

enum code engine_uploads_watch(struct ctx *cx, struct engine_uploads *u)
{
    (void)cx;
    forget(u); /* what a sweep has left that could not end */
    u->watching = true;
    return CODE_OK;
}

enum code engine_uploads_claim(struct ctx *cx, struct engine_uploads *u, str place, bool *ok)
{
    (void)cx;
    if (!u->watching)
        forget(u); /* the claim before */
    *ok = map_find(&u->named, place) == NULL;
    u->claimed = *ok ? arena_str(&u->mem, place) : STR_NONE;
    return CODE_OK;
}

enum code engine_uploads_end(struct ctx *cx, struct engine_uploads *u)
{
    (void)cx;
    u->watching = false;
    forget(u);
    return CODE_OK;
}

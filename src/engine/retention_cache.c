/* Reusable results: those that were made or replaced too long ago, and the oldest ones when there are too many. Only the
 * entries: what they point to goes with the runs. */
#include "engine/retention_int.h"
#include "lane/lane.h"
#include "store/cache.h"

struct old_entries {
    int64_t before_ns;
    uint64_t most; /* 0 = no limit */
    uint64_t count;
    int64_t bytes;
    bool more;
};

static enum code look(struct ctx *cx, void *arg)
{
    struct old_entries *o = arg;
    int64_t newest_ns;
    if (o->most) {
        TRY(store_cache_beyond(cx, o->most, &newest_ns));
        o->before_ns = newest_ns > o->before_ns ? newest_ns : o->before_ns;
    }
    return store_cache_count_old(cx, o->before_ns, &o->count, &o->bytes);
}

static enum code evict(struct ctx *cx, void *arg)
{
    struct old_entries *o = arg;
    return store_cache_evict(cx, o->before_ns, ENGINE_RETENTION_PIECE, &o->more);
}

enum code engine_retention_cache(struct ctx *cx, struct engine_retention_sweep *s)
{
    struct old_entries o = {.before_ns = engine_retention_before(s, s->config->retention_cache_age_ns),
                            .most = (uint64_t)s->config->retention_cache_entries,
                            .more = !s->dry};
    TRY(lane_read(cx, s->e->app->lanes, look, &o));
    s->row->count = o.count;
    s->row->bytes = o.bytes;
    while (o.more)
        TRY(engine_retention_write(cx, s, evict, &o));
    return CODE_OK;
}

/* The thread and the kinds of retention; small tables are swept here. See retention.h. */
#include "engine/retention.h"

#include "base/log.h"
#include "base/mem.h"
#include "base/time.h"
#include "engine/retention_int.h"
#include "lane/lane.h"
#include "store/audit.h"
#include "store/cache.h"
#include "store/run.h"

#include <stdatomic.h>
#include <time.h>

#define FIRST_NS (30 * NS_PER_S)
#define EVERY_NS (3600 * NS_PER_S)
#define REQUESTS_NS (24 * 3600 * NS_PER_S) /* D-02 */

struct engine_retention {
    struct engine *e;
    pthread_t thread;
    pthread_mutex_t turn; /* held by the sweep that runs */
    pthread_mutex_t lock; /* of wake */
    pthread_cond_t wake;
    atomic_bool stopping;
};

/* ---- for the kinds ----------------------------------------------------------------------------------------------- */

int64_t engine_retention_before(const struct engine_retention_sweep *s, int64_t keep_ns)
{
    return keep_ns ? s->now_ns - keep_ns : INT64_MIN;
}

enum code engine_retention_step(struct ctx *cx, struct engine_retention_sweep *s, engine_retention_fn *fn, void *arg)
{
    struct arena mem, *outer = cx->mem;
    if (s->e->retention && atomic_load(&s->e->retention->stopping))
        return fail(cx, CODE_UNAVAILABLE, "the server stops; the next one goes on sweeping");
    arena_init(&mem, 0);
    cx->mem = &mem;
    enum code code = fn(cx, s, arg);
    cx->mem = outer;
    cx->err.details = NULL;
    arena_done(&mem);
    return code;
}

struct piece {
    lane_write_fn *fn;
    void *arg;
};

static enum code write_piece(struct ctx *cx, struct engine_retention_sweep *s, void *arg)
{
    const struct piece *p = arg;
    return lane_write(cx, s->e->app->lanes, p->fn, p->arg);
}

enum code engine_retention_write(struct ctx *cx, struct engine_retention_sweep *s, lane_write_fn *fn, void *arg)
{
    struct piece p = {fn, arg};
    return engine_retention_step(cx, s, write_piece, &p);
}

struct spec_walk {
    engine_retention_spec_fn *fn;
    void *arg;
    uint64_t cursor;
    struct store_spec *specs;
    size_t n;
};

static enum code read_specs(struct ctx *cx, void *arg)
{
    struct spec_walk *w = arg;
    return store_spec_walk(cx, ENGINE_RETENTION_PIECE, &w->cursor, &w->specs, &w->n);
}

static enum code look_at_specs(struct ctx *cx, struct engine_retention_sweep *s, void *arg)
{
    struct spec_walk *w = arg;
    TRY(lane_read(cx, s->e->app->lanes, read_specs, w));
    for (size_t i = 0; i < w->n; i++)
        w->fn(cx, s, &w->specs[i], w->arg);
    return CODE_OK;
}

enum code engine_retention_each_spec(struct ctx *cx, struct engine_retention_sweep *s, engine_retention_spec_fn *fn,
                                     void *arg)
{
    struct spec_walk w = {.fn = fn, .arg = arg};
    do
        TRY(engine_retention_step(cx, s, look_at_specs, &w));
    while (w.cursor);
    return CODE_OK;
}

void engine_retention_add(struct engine_retention_sweep *s, const struct exec_swept *swept)
{
    s->row->count += swept->count;
    s->row->bytes += swept->bytes;
}

/* ---- requests that can no longer be repeated, reservations that nobody holds -------------------------------------- */

struct small {
    int64_t now_ns;
    bool more;
};

static enum code sweep_piece(struct ctx *cx, void *arg)
{
    struct small *s = arg;
    TRY(store_cache_sweep(cx, s->now_ns, ENGINE_RETENTION_PIECE));
    return store_run_sweep_requests(cx, s->now_ns - REQUESTS_NS, ENGINE_RETENTION_PIECE, &s->more);
}

static enum code sweep_small(struct ctx *cx, struct engine_retention_sweep *s)
{
    struct small small = {.now_ns = s->now_ns};
    do
        TRY(engine_retention_write(cx, s, sweep_piece, &small));
    while (small.more);
    return CODE_OK;
}

/* ---- the audit trail --------------------------------------------------------------------------------------------- */

struct trail {
    int64_t before_ns;
    uint64_t count;
    size_t removed;
};

static enum code count_trail(struct ctx *cx, void *arg)
{
    struct trail *t = arg;
    return store_audit_count(cx, t->before_ns, &t->count);
}

static enum code sweep_trail_piece(struct ctx *cx, void *arg)
{
    struct trail *t = arg;
    return store_audit_sweep(cx, t->before_ns, ENGINE_RETENTION_PIECE, &t->removed);
}

static enum code sweep_trail_step(struct ctx *cx, struct engine_retention_sweep *s, void *arg)
{
    return lane_write(cx, s->e->app->lanes, sweep_trail_piece, arg);
}

static enum code sweep_audit(struct ctx *cx, struct engine_retention_sweep *s)
{
    struct trail t = {.before_ns = engine_retention_before(s, s->config->retention_audit_ns)};
    if (s->dry) {
        TRY(lane_read(cx, s->e->app->lanes, count_trail, &t));
        s->row->count = t.count;
        return CODE_OK;
    }
    do {
        TRY(engine_retention_step(cx, s, sweep_trail_step, &t));
        s->row->count += t.removed;
    } while (t.removed == ENGINE_RETENTION_PIECE);
    return CODE_OK;
}

/* ---- a sweep ----------------------------------------------------------------------------------------------------- */

static const struct kind {
    const char *what, *setting;
    size_t keep; /* the setting in struct config */
    enum code (*fn)(struct ctx *cx, struct engine_retention_sweep *s);
} kinds[] = {
    {"finished runs", "retention.runs", offsetof(struct config, retention_runs_ns), engine_retention_runs},
    {"of artifacts", "retention.runs", offsetof(struct config, retention_runs_ns), engine_retention_artifacts},
    {"cached results", "retention.cache_*", offsetof(struct config, retention_cache_age_ns), engine_retention_cache},
    {"work folders", "retention.work_*", offsetof(struct config, retention_work_failed_ns), engine_retention_work},
    {"logs", "retention.logs", offsetof(struct config, retention_logs_ns), engine_retention_logs},
    {"uploads", "retention.uploads", offsetof(struct config, retention_uploads_ns), engine_retention_uploads},
    {"environments", "retention.images", offsetof(struct config, retention_images_ns), engine_retention_images},
    {"audit rows", "retention.audit", offsetof(struct config, retention_audit_ns), sweep_audit},
};
_Static_assert(sizeof(kinds) / sizeof(*kinds) == ENGINE_RETENTION_KINDS, "a row for each kind");

static enum code sweep_kinds(struct ctx *cx, struct engine_retention_sweep *s, void *arg)
{
    struct engine_retention_row *rows = arg;
    if (!s->dry)
        TRY(sweep_small(cx, s));
    for (size_t i = 0; i < ENGINE_RETENTION_KINDS; i++) {
        const struct kind *k = &kinds[i];
        int64_t keep_ns;
        memcpy(&keep_ns, (const char *)s->config + k->keep, sizeof(keep_ns));
        rows[i] = (struct engine_retention_row){.what = k->what, .setting = k->setting, .keep_ns = keep_ns};
        s->row = &rows[i];
        TRY(k->fn(cx, s));
    }
    return CODE_OK;
}

enum code engine_retention_sweep(struct ctx *cx, struct engine *e, bool dry,
                                 struct engine_retention_row rows[static ENGINE_RETENTION_KINDS])
{
    struct engine_retention_sweep s = {.e = e, .config = e->app->config, .now_ns = time_wall_ns(), .dry = dry};
    if (!e->retention || !s.config)
        return fail(cx, CODE_UNAVAILABLE, "nothing is swept by this server");
    pthread_mutex_lock(&e->retention->turn);
    enum code code = engine_retention_step(cx, &s, sweep_kinds, rows);
    engine_retention_unclaim(cx, &s);
    pthread_mutex_unlock(&e->retention->turn);
    return code;
}

/* ---- the thread -------------------------------------------------------------------------------------------------- */

static void sweep_and_tell(struct engine *e)
{
    struct engine_retention_row rows[ENGINE_RETENTION_KINDS] = {0};
    struct arena mem;
    struct ctx cx;
    arena_init(&mem, 0);
    ctx_init(&cx, &mem);
    cx.app = e->app;
    if (engine_retention_sweep(&cx, e, false, rows) != CODE_OK && !atomic_load(&e->retention->stopping))
        log_warn(&cx, "the sweep of what is old stopped", LOG_ERR(&cx));
    for (size_t i = 0; i < ENGINE_RETENTION_KINDS; i++)
        if (rows[i].count)
            log_info(&cx, "swept", LOG_STR("what", str_from(rows[i].what)), LOG_INT("count", rows[i].count),
                     LOG_INT("bytes", rows[i].bytes));
    arena_done(&mem);
}

/* False when it was woken to stop. */
static bool sleep_for(struct engine_retention *r, int64_t ns)
{
    struct timespec at;
    clock_gettime(CLOCK_MONOTONIC, &at);
    at.tv_sec += ns / NS_PER_S;
    pthread_mutex_lock(&r->lock);
    while (!atomic_load(&r->stopping) && pthread_cond_timedwait(&r->wake, &r->lock, &at) == 0)
        ;
    pthread_mutex_unlock(&r->lock);
    return !atomic_load(&r->stopping);
}

static void *run(void *arg)
{
    struct engine_retention *r = arg;
    pthread_setname_np(pthread_self(), "tern-retention");
    for (int64_t wait_ns = FIRST_NS; sleep_for(r, wait_ns); wait_ns = EVERY_NS)
        sweep_and_tell(r->e);
    return NULL;
}

struct engine_retention *engine_retention_start(struct engine *e)
{
    struct engine_retention *r = mem_new(struct engine_retention);
    pthread_condattr_t attr;
    r->e = e;
    e->retention = r;
    pthread_mutex_init(&r->turn, NULL);
    pthread_mutex_init(&r->lock, NULL);
    pthread_condattr_init(&attr);
    pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
    pthread_cond_init(&r->wake, &attr);
    pthread_condattr_destroy(&attr);
    if (pthread_create(&r->thread, NULL, run, r) != 0) {
        log_error(NULL, "cannot start the thread that sweeps what is old");
        mem_free(r);
        return NULL;
    }
    return r;
}

void engine_retention_interrupt(struct engine *e)
{
    struct engine_retention *r = e->retention;
    if (!r)
        return;
    pthread_mutex_lock(&r->lock);
    atomic_store(&r->stopping, true);
    pthread_cond_signal(&r->wake);
    pthread_mutex_unlock(&r->lock);
}

void engine_retention_stop(struct engine_retention *r)
{
    if (!r)
        return;
    engine_retention_interrupt(r->e);
    pthread_join(r->thread, NULL);
    pthread_cond_destroy(&r->wake);
    pthread_mutex_destroy(&r->lock);
    pthread_mutex_destroy(&r->turn);
    mem_free(r);
}

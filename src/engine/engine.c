/* Starting and stopping the engine, waking it, and its workers on the engine lane. See engine.h. */
#include "engine/engine.h"

#include "base/log.h"
#include "base/mem.h"
#include "base/time.h"
#include "engine/engine_int.h"
#include "engine/fire_int.h"
#include "engine/retention_int.h"
#include "engine/rules.h"
#include "engine/uploads.h"
#include "lane/lane.h"
#include "store/boot.h"

/* Actions that are looked at in one batch: their rows fit one write entry (D-04). */
#define BATCH 96

struct engine_worker {
    struct lane_entry entry;
    struct engine *e;
    struct arena mem;
    bool busy; /* under e->lock */
};

/* ---- workers ---------------------------------------------------------------------------------------------------- */

static struct engine_worker *idle_worker(struct engine *e)
{
    for (size_t i = 0; i < ENGINE_WORKERS; i++)
        if (!e->workers[i].busy)
            return &e->workers[i];
    return NULL;
}

/* A second worker only when the first one has enough to do. */
static void start_worker(void *arg)
{
    struct engine *e = arg;
    struct engine_worker *w = NULL;
    pthread_mutex_lock(&e->lock);
    if (!e->stopping && (!e->busy || (e->busy < ENGINE_WORKERS && engine_queue_ready(e->queue) > BATCH)))
        w = idle_worker(e);
    if (w) {
        w->busy = true;
        e->busy++;
    }
    pthread_mutex_unlock(&e->lock);
    if (w)
        lane_submit(e->app->lanes, LANE_ENGINE, &w->entry);
}

/* Takes out what is no action and does it. */
static size_t run_specials(struct engine *e, uint64_t *ids, size_t n)
{
    size_t kept = 0;
    for (size_t i = 0; i < n; i++) {
        if (ids[i] == ENGINE_ID_CASCADES)
            engine_cascades_go_on(e->cascades);
        else
            ids[kept++] = ids[i];
    }
    return kept;
}

static bool is_stopping(struct engine *e)
{
    pthread_mutex_lock(&e->lock);
    bool stopping = e->stopping;
    pthread_mutex_unlock(&e->lock);
    return stopping;
}

static enum code run_worker(struct lane_entry *entry, struct ctx *cx)
{
    struct engine_worker *w = (struct engine_worker *)entry;
    struct arena *lane_mem = cx->mem;
    uint64_t taken[BATCH], actions[BATCH];
    cx->mem = &w->mem;
    for (size_t n; !is_stopping(w->e) && (n = engine_queue_take(w->e->queue, taken, BATCH)) > 0;) {
        memcpy(actions, taken, n * sizeof(*taken));
        size_t kept = run_specials(w->e, actions, n);
        if (kept)
            engine_reconcile(cx, w->e, actions, kept);
        engine_queue_done(w->e->queue, taken, n);
        ctx_clear_err(cx);
        arena_reset(&w->mem);
    }
    cx->mem = lane_mem;
    return CODE_OK;
}

static void done_worker(struct lane_entry *entry, struct ctx *cx, enum code code)
{
    struct engine_worker *w = (struct engine_worker *)entry;
    struct engine *e = w->e;
    (void)cx;
    pthread_mutex_lock(&e->lock);
    w->busy = false;
    e->busy--;
    bool again = code == CODE_OK && !e->stopping;
    pthread_cond_broadcast(&e->idle);
    pthread_mutex_unlock(&e->lock);
    if (again && engine_queue_ready(e->queue))
        start_worker(e);
}

/* ---- waking ----------------------------------------------------------------------------------------------------- */

void engine_wake(struct engine *e, uint64_t action_id)
{
    engine_queue_wake(e->queue, action_id);
}

static void wake_after(void *arg, uint64_t id)
{
    engine_queue_wake(((struct engine *)arg)->queue, id);
}

void engine_wake_after_commit(struct ctx *cx, uint64_t action_id)
{
    if (cx->app && cx->app->engine)
        lane_after_commit(cx, wake_after, cx->app->engine, action_id);
}

void engine_wake_cascades_after_commit(struct ctx *cx)
{
    engine_wake_after_commit(cx, ENGINE_ID_CASCADES);
}

void engine_clock_now(struct ctx *cx, struct engine_clock *out)
{
    engine_clock_read(out, cx->app && cx->app->engine ? cx->app->engine->boot : 0);
}

/* ---- starting and stopping -------------------------------------------------------------------------------------- */

static enum code put_boot(struct ctx *cx, void *arg)
{
    return store_boot_put(cx, arg);
}

static struct engine *make(struct app *app)
{
    struct engine *e = mem_new(struct engine);
    e->app = app;
    e->tasks = engine_tasks_new();
    e->queue = engine_queue_new(start_worker, e);
    e->uploads = engine_uploads_new();
    e->fire = engine_fire_new(e);
    e->cascades = engine_cascades_new(e);
    pthread_mutex_init(&e->lock, NULL);
    pthread_cond_init(&e->idle, NULL);
    pthread_mutex_init(&e->rules, NULL);
    e->workers = mem_alloc_array(ENGINE_WORKERS, sizeof(*e->workers));
    for (size_t i = 0; i < ENGINE_WORKERS; i++) {
        e->workers[i].e = e;
        e->workers[i].entry.run = run_worker;
        e->workers[i].entry.done = done_worker;
        arena_init(&e->workers[i].mem, 0);
    }
    return e;
}

enum code engine_start(struct ctx *cx, struct app *app, struct engine **out)
{
    uint64_t boot;
    TRY(lane_write(cx, app->lanes, put_boot, &boot));
    struct engine *e = make(app);
    e->boot = boot;
    e->timer = engine_timer_start(e->queue);
    __atomic_store_n(out, e, __ATOMIC_RELEASE); /* threads of the executor may look already */
    TRY(engine_rules_tell(cx, app));
    engine_fire_start(e->fire);
    TRY(engine_recover(cx, e));
    e->retention = engine_retention_start(e);
    return CODE_OK;
}

static void wait_for_workers(struct engine *e)
{
    pthread_mutex_lock(&e->lock);
    e->stopping = true;
    while (e->busy)
        pthread_cond_wait(&e->idle, &e->lock);
    pthread_mutex_unlock(&e->lock);
}

void engine_halt(struct engine *e)
{
    if (!e)
        return;
    engine_retention_stop(e->retention);
    engine_timer_stop(e->timer);
    wait_for_workers(e);
    engine_cascades_stop(e->cascades);
    engine_fire_stop(e->fire);
}

void engine_free(struct engine *e)
{
    if (!e)
        return;
    engine_cascades_free(e->cascades);
    engine_fire_free(e->fire);
    for (size_t i = 0; i < ENGINE_WORKERS; i++)
        arena_done(&e->workers[i].mem);
    mem_free(e->workers);
    engine_queue_free(e->queue);
    engine_tasks_free(e->tasks);
    engine_uploads_free(e->uploads);
    pthread_cond_destroy(&e->idle);
    pthread_mutex_destroy(&e->lock);
    pthread_mutex_destroy(&e->rules);
    mem_free(e);
}

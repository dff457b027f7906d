/* Reconciliation of a batch of actions: one read entry loads them, each is looked at and decided, one write entry
 * writes what was decided, then the executor is told. Batches make many cheap actions cheap; a failure of the write
 * loses nothing but time. On engine threads. */
#include "base/fault.h"
#include "base/log.h"
#include "base/time.h"
#include "engine/item_int.h"
#include "lane/lane.h"

/* So many have waited long enough for each other. */
#define MANY 64

struct batch {
    struct engine *e;
    struct engine_item *items;
    size_t n;
    struct engine_clock clock;
};

static enum code load(struct ctx *cx, void *arg)
{
    struct batch *b = arg;
    struct store_run *run = NULL;
    for (size_t i = 0; i < b->n; i++) {
        struct engine_item *it = &b->items[i];
        engine_task_release(it->task);
        *it = (struct engine_item){.id = it->id, .run = run};
        TRY(engine_item_load(cx, b->e, it, &b->clock));
        run = it->run ? it->run : run;
    }
    return CODE_OK;
}

static void decide(struct ctx *cx, struct batch *b)
{
    for (size_t i = 0; i < b->n; i++) {
        struct engine_item *it = &b->items[i];
        if (it->skip || engine_item_decide(cx, b->e, it) == CODE_OK)
            continue;
        log_warn(cx, "an action cannot be looked at now", LOG_STR("run", it->run->name), LOG_STR("action", it->a->name),
                 LOG_ERR(cx));
        ctx_clear_err(cx);
        it->again = true;
    }
}

static enum code write(struct ctx *cx, void *arg)
{
    struct batch *b = arg;
    for (size_t i = 0; i < b->n; i++)
        TRY(engine_item_write(cx, b->e, &b->items[i], &b->clock));
    return CODE_OK;
}

static void again_later(struct ctx *cx, struct batch *b, const char *what)
{
    log_error(cx, "the engine cannot reach the database; it tries again", LOG_CSTR("step", what),
              LOG_INT("actions", b->n), LOG_ERR(cx));
    ctx_clear_err(cx);
    for (size_t i = 0; i < b->n; i++)
        engine_queue_wake_at(b->e->queue, b->items[i].id, time_now_ns() + NS_PER_S);
}

static bool any_write(const struct batch *b)
{
    for (size_t i = 0; i < b->n; i++)
        if (engine_item_writes(&b->items[i]))
            return true;
    return false;
}

static bool has_exit(const struct batch *b)
{
    for (size_t i = 0; i < b->n; i++)
        if (b->items[i].decision.cleanup && !b->items[i].skip)
            return true;
    return false;
}

static enum code write_batch(struct ctx *cx, struct batch *b)
{
    bool exits = has_exit(b);
    if (!any_write(b))
        return CODE_OK;
    if (exits)
        fault_point("engine.before_exit");
    TRY((b->n < MANY ? lane_write_patiently : lane_write)(cx, b->e->app->lanes, write, b));
    if (exits)
        fault_point("engine.after_exit");
    return CODE_OK;
}

static void run_batch(struct ctx *cx, struct batch *b)
{
    engine_clock_read(&b->clock, b->e->boot);
    if (lane_read(cx, b->e->app->lanes, load, b) != CODE_OK) {
        again_later(cx, b, "read");
        return;
    }
    decide(cx, b);
    if (write_batch(cx, b) != CODE_OK) {
        again_later(cx, b, "write");
        return;
    }
    for (size_t i = 0; i < b->n; i++)
        engine_item_apply(cx, b->e, &b->items[i], &b->clock);
}

void engine_reconcile(struct ctx *cx, struct engine *e, const uint64_t *ids, size_t n)
{
    struct batch b = {.e = e, .items = arena_new_array(cx->mem, struct engine_item, n), .n = n};
    for (size_t i = 0; i < n; i++)
        b.items[i].id = ids[i];
    run_batch(cx, &b);
    for (size_t i = 0; i < n; i++)
        engine_task_release(b.items[i].task);
}

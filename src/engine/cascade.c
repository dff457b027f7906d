/* Aborts that go on below what was aborted: one entry of the write lane after the other, each submitted when the one before is
 * durable, so that 100,000 actions end without a way over other threads and between them everybody else's changes (D-04). */
#include "engine/engine_int.h"

#include "base/list.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/time.h"
#include "engine/abort.h"
#include "lane/lane.h"

#define AGAIN_NS (1 * NS_PER_S)

struct engine_cascades {
    struct lane_entry entry;
    struct engine *e;
    pthread_mutex_t lock; /* of what follows */
    pthread_cond_t idle;
    bool under_way, asked, stopping; /* asked: meanwhile, so one more look is needed */
    /* of the piece that is under way */
    bool more;
    uint64_t *ids;
    size_t n;
};

static enum code run(struct lane_entry *entry, struct ctx *cx)
{
    struct engine_cascades *c = container_of(entry, struct engine_cascades, entry);
    return engine_abort_step(cx, &c->more, &c->ids, &c->n);
}

/* Whether a piece is to be submitted. */
static bool begin(struct engine_cascades *c)
{
    pthread_mutex_lock(&c->lock);
    bool yes = !c->under_way && !c->stopping;
    c->asked = c->under_way;
    c->under_way |= yes;
    pthread_mutex_unlock(&c->lock);
    return yes;
}

/* The same after one; the last that is done with c when it returns false. */
static bool go_on(struct engine_cascades *c, bool more)
{
    pthread_mutex_lock(&c->lock);
    bool yes = (more || c->asked) && !c->stopping;
    c->asked = false;
    c->under_way = yes;
    pthread_cond_broadcast(&c->idle);
    pthread_mutex_unlock(&c->lock);
    return yes;
}

static void done(struct lane_entry *entry, struct ctx *cx, enum code code)
{
    struct engine_cascades *c = container_of(entry, struct engine_cascades, entry);
    struct engine *e = c->e;
    if (code == CODE_OK) {
        for (size_t i = 0; i < c->n; i++)
            engine_queue_wake(e->queue, c->ids[i]);
    } else {
        log_error(cx, "an abort cannot go on now", LOG_ERR(cx));
        engine_queue_wake_at(e->queue, ENGINE_ID_CASCADES, time_now_ns() + AGAIN_NS);
    }
    if (go_on(c, code == CODE_OK && c->more))
        lane_submit(e->app->lanes, LANE_WRITE, &c->entry);
}

void engine_cascades_go_on(struct engine_cascades *c)
{
    if (begin(c))
        lane_submit(c->e->app->lanes, LANE_WRITE, &c->entry);
}

struct engine_cascades *engine_cascades_new(struct engine *e)
{
    struct engine_cascades *c = mem_new(struct engine_cascades);
    c->e = e;
    c->entry = (struct lane_entry){.run = run, .done = done, .engine = true};
    pthread_mutex_init(&c->lock, NULL);
    pthread_cond_init(&c->idle, NULL);
    return c;
}

void engine_cascades_stop(struct engine_cascades *c)
{
    pthread_mutex_lock(&c->lock);
    c->stopping = true;
    while (c->under_way)
        pthread_cond_wait(&c->idle, &c->lock);
    pthread_mutex_unlock(&c->lock);
}

void engine_cascades_free(struct engine_cascades *c)
{
    pthread_mutex_destroy(&c->lock);
    pthread_cond_destroy(&c->idle);
    mem_free(c);
}

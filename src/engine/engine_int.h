/* struct engine, for the files of this folder. */
#ifndef ENGINE_ENGINE_INT_H
#define ENGINE_ENGINE_INT_H

#include "app.h"
#include "engine/engine.h"
#include "engine/queue_int.h"
#include "engine/task.h"

#include <pthread.h>

/* The id in the queue that is no action. */
#define ENGINE_ID_CASCADES UINT64_C(0)

#define ENGINE_WORKERS 2

struct engine_worker;
struct engine_cascades;

/* Everything that others may wake is there before *out of engine_start() is set, and until engine_free(): the executor's
 * threads, and what the writer does after a commit, come at any time between. Started: the timer, the thread of triggers,
 * then recovery, which sets workers to work. Halted: retention and timers, which bring new work; then the workers are waited
 * for, which finish what they have begun and may wake the triggers, and cascades; then the thread of triggers. */
struct engine {
    struct app *app;
    uint64_t boot;
    struct engine_tasks *tasks;
    struct engine_queue *queue;
    pthread_mutex_t lock; /* of what follows */
    pthread_cond_t idle;
    struct engine_worker *workers;
    size_t busy; /* workers that are on the lane */
    bool stopping;
    struct engine_timer *timer;
    struct engine_retention *retention;
    struct engine_uploads *uploads;
    struct engine_fire *fire;
    struct engine_cascades *cascades;
    pthread_mutex_t rules; /* held while what is said of queues changes (rules.c) */
};

/* Looks at these actions: loads, observes, decides, writes, applies. On an engine thread. */
void engine_reconcile(struct ctx *cx, struct engine *e, const uint64_t *ids, size_t n);

/* Cascades of aborts (cascade.c). */
struct engine_cascades *engine_cascades_new(struct engine *e);
/* Begins with what there is to end, unless that is under way. Any thread. */
void engine_cascades_go_on(struct engine_cascades *c);
/* Waits for the piece that is under way; the rest is there for the next start. */
void engine_cascades_stop(struct engine_cascades *c);
void engine_cascades_free(struct engine_cascades *c);

/* The thread that fires timers (timer.c). */
struct engine_timer *engine_timer_start(struct engine_queue *q);
void engine_timer_stop(struct engine_timer *t);

/* Wakes all open actions and all that executors know; ends attempts that nobody wants. */
must_check_ enum code engine_recover(struct ctx *cx, struct engine *e);

#endif

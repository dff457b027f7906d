/* Which actions the engine has to look at: a set of ids that are ready, those being looked at, and timers. Never the
 * same id twice at once; an id that is woken while it is being looked at becomes ready again. Any thread. */
#ifndef ENGINE_QUEUE_INT_H
#define ENGINE_QUEUE_INT_H

#include "base/ctx.h"

struct engine_queue;

/* ready(arg) is called, on the waking thread, whenever something became ready: it must only start a worker. */
struct engine_queue *engine_queue_new(void (*ready)(void *arg), void *arg);
void engine_queue_free(struct engine_queue *q);

void engine_queue_wake(struct engine_queue *q, uint64_t id);
/* At this time_now_ns(); the earliest wish of an id counts. */
void engine_queue_wake_at(struct engine_queue *q, uint64_t id, int64_t up_ns);
/* Takes at most max ready ids; engine_queue_done() gives each back. */
size_t engine_queue_take(struct engine_queue *q, uint64_t *ids, size_t max);
void engine_queue_done(struct engine_queue *q, const uint64_t *ids, size_t n);
/* How many are ready. */
size_t engine_queue_ready(struct engine_queue *q);

/* Makes ready whose timers are due; returns when the next one is, INT64_MAX = none. */
int64_t engine_queue_fire(struct engine_queue *q, int64_t up_ns);
/* Called, under the queue's lock, when a timer became the earliest one. */
void engine_queue_on_timer(struct engine_queue *q, void (*changed)(void *arg), void *arg);

#endif

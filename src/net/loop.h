/* Event loops: epoll, timers, and the one doorway from other threads. One loop = one thread; a loop never blocks. */
#ifndef NET_LOOP_H
#define NET_LOOP_H

#include "base/ctx.h"
#include "base/list.h"

struct loop;

must_check_ enum code loop_new(struct ctx *cx, struct loop **out);
void loop_free(struct loop *l);
/* Runs until loop_stop(); call on the loop's own thread. */
void loop_run(struct loop *l);
void loop_stop(struct loop *l); /* any thread */

/* Runs fn(post) on the loop's thread, in order of posting; the post's memory is the caller's until then. Any thread.
 * An eventfd is written only when the queue was empty, so a batch costs one wake-up. */
struct loop_post {
    struct loop_post *next;
    void (*fn)(struct loop_post *post);
};
void loop_post(struct loop *l, struct loop_post *post);
void loop_post_batch(struct loop *l, struct loop_post *chain);

/* Loop thread only: runs fn(post) once in this same round, after the events at hand were served and before the loop writes
 * out its connections and sleeps. For what is collected during a round and handed on as one batch. No wake-up is needed. */
void loop_defer(struct loop *l, struct loop_post *post);

/* File descriptors; loop thread only. events are EPOLLIN and so on, level-triggered. */
struct loop_fd {
    int fd;
    void (*fn)(struct loop_fd *f, uint32_t events);
};
must_check_ enum code loop_fd_add(struct ctx *cx, struct loop *l, struct loop_fd *f, uint32_t events);
void loop_fd_mod(struct loop *l, struct loop_fd *f, uint32_t events);
void loop_fd_del(struct loop *l, struct loop_fd *f);

/* One-shot timers; loop thread only. */
struct loop_timer {
    int64_t at_ns; /* time_now_ns() clock */
    size_t slot;   /* the loop's; 0 = not armed */
    void (*fn)(struct loop_timer *t);
};
void loop_timer_set(struct loop *l, struct loop_timer *t, int64_t at_ns);
void loop_timer_clear(struct loop *l, struct loop_timer *t);

/* The loop whose thread this is, or NULL. */
struct loop *loop_current(void);

#endif

/* Event loops: epoll, timers, and the one doorway from other threads. One loop = one thread; a loop never blocks. */
#ifndef NET_LOOP_H
#define NET_LOOP_H

#include "base/ctx.h"
#include "base/list.h"

struct loop;

must_check_ enum code loop_new(struct ctx *cx, struct loop **out);
/* Posts that have not run are forgotten. Accepts NULL. */
void loop_free(struct loop *l);
/* Runs until loop_stop(); call on the loop's own thread. What was posted before loop_stop() has run when this returns.
 */
void loop_run(struct loop *l);
void loop_stop(struct loop *l); /* any thread */

/* Runs fn(post) on the loop's thread, in order of posting; the post's memory is the caller's until then. Any thread.
 * An eventfd is written only when the queue was empty, so a batch costs one wake-up. */
struct loop_post {
    struct loop_post *next;
    void (*fn)(struct loop_post *post);
};
void loop_post(struct loop *l, struct loop_post *post);
/* The same for a chain linked by next: it runs in the order of the chain. */
void loop_post_batch(struct loop *l, struct loop_post *chain);

/* Loop thread only: runs fn(post) once in this same round, after the events at hand were served and before the loop
 * writes out its connections and sleeps. For what is collected during a round and handed on as one batch. No wake-up is
 * needed. */
void loop_defer(struct loop *l, struct loop_post *post);

/* File descriptors; loop thread only. events are EPOLLIN and so on, level-triggered. */
struct loop_fd {
    int fd;
    void (*fn)(struct loop_fd *f, uint32_t events);
};
must_check_ enum code loop_fd_add(struct ctx *cx, struct loop *l, struct loop_fd *f, uint32_t events);
void loop_fd_mod(struct loop *l, struct loop_fd *f, uint32_t events);
/* After this fn is not called again, not even for events that were already fetched. Before closing the fd. */
void loop_fd_del(struct loop *l, struct loop_fd *f);

/* One-shot timers; loop thread only. */
struct loop_timer {
    int64_t at_ns; /* time_now_ns() clock */
    size_t slot;   /* the loop's; 0 = not armed */
    void (*fn)(struct loop_timer *t);
};
/* Arms, or moves when it is armed. */
void loop_timer_set(struct loop *l, struct loop_timer *t, int64_t at_ns);
void loop_timer_clear(struct loop *l, struct loop_timer *t);

/* Work for the end of this round, before the loop waits again: what was collected goes out at once. Loop thread only.
 * A task that adds itself again runs in the next round, which then does not wait. */
struct loop_task {
    struct list node;
    void (*fn)(struct loop_task *t);
    bool queued;
};
void loop_task_add(struct loop *l, struct loop_task *t);
void loop_task_clear(struct loop *l, struct loop_task *t);

/* The time when this round began: free of a system call. Loop thread only. */
int64_t loop_now_ns(const struct loop *l);
/* 64 KiB to read into, shared by everything on this loop: its content is gone when the callback returns. */
#define LOOP_READ_BYTES ((size_t)64 * 1024)
char *loop_read_buffer(struct loop *l);

/* The loop whose thread this is, or NULL. */
struct loop *loop_current(void);

#endif

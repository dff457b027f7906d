/* Event loop on epoll. All but loop_post(), loop_post_batch() and loop_stop() belong to the loop's own thread.
 *
 * A round: wait, run the callbacks of ready descriptors, run posts, run due timers, run end-of-round tasks. Posts are a
 * lock-free stack that the loop takes whole and reverses; timers are a binary heap whose slot 0 is never used. */
#include "net/loop.h"

#include "base/mem.h"
#include "base/time.h"

#include <errno.h>
#include <stdatomic.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <unistd.h>

#define EVENTS_MAX 128

struct loop {
    int epoll_fd;
    struct loop_fd wake;               /* the eventfd */
    _Atomic(struct loop_post *) posts; /* newest first */
    atomic_bool stop;
    int64_t now_ns;
    struct loop_timer **heap; /* 1 .. timers */
    size_t timers, heap_cap;
    bool in_timers;
    struct loop_post *deferred, **deferred_end;
    struct list tasks;
    struct epoll_event events[EVENTS_MAX];
    int event_count, event_at;
    char *read_buffer;
};

static _Thread_local struct loop *current;

static void on_wake(struct loop_fd *f, uint32_t events)
{
    uint64_t n;
    (void)events;
    while (read(f->fd, &n, sizeof(n)) < 0 && errno == EINTR)
        ;
}

enum code loop_new(struct ctx *cx, struct loop **out)
{
    struct loop *l = mem_new(struct loop);
    list_init(&l->tasks);
    l->deferred_end = &l->deferred;
    l->now_ns = time_now_ns();
    l->epoll_fd = epoll_create1(EPOLL_CLOEXEC);
    l->wake = (struct loop_fd){.fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC), .fn = on_wake};
    if (l->epoll_fd < 0 || l->wake.fd < 0) {
        enum code code = fail_errno(cx, "event loop");
        loop_free(l);
        return code;
    }
    enum code code = loop_fd_add(cx, l, &l->wake, EPOLLIN);
    if (code != CODE_OK) {
        loop_free(l);
        return code;
    }
    *out = l;
    return CODE_OK;
}

void loop_free(struct loop *l)
{
    if (!l)
        return;
    if (l->epoll_fd >= 0)
        close(l->epoll_fd);
    if (l->wake.fd >= 0)
        close(l->wake.fd);
    mem_free(l->heap);
    mem_free(l->read_buffer);
    mem_free(l);
}

struct loop *loop_current(void)
{
    return current;
}

int64_t loop_now_ns(const struct loop *l)
{
    return l->now_ns;
}

char *loop_read_buffer(struct loop *l)
{
    if (!l->read_buffer)
        l->read_buffer = mem_resize(NULL, LOOP_READ_BYTES);
    return l->read_buffer;
}

/* ---- posts ------------------------------------------------------------------------------------------------------- */

static struct loop_post *reverse(struct loop_post *p)
{
    struct loop_post *done = NULL;
    while (p) {
        struct loop_post *next = p->next;
        p->next = done;
        done = p;
        p = next;
    }
    return done;
}

static void wake_up(struct loop *l)
{
    uint64_t one = 1;
    while (write(l->wake.fd, &one, sizeof(one)) < 0 && errno == EINTR)
        ;
}

/* first .. last are linked, newest first. */
static void push(struct loop *l, struct loop_post *first, struct loop_post *last)
{
    struct loop_post *old = atomic_load_explicit(&l->posts, memory_order_relaxed);
    do
        last->next = old;
    while (!atomic_compare_exchange_weak_explicit(&l->posts, &old, first, memory_order_release, memory_order_relaxed));
    if (!old)
        wake_up(l);
}

void loop_post(struct loop *l, struct loop_post *post)
{
    push(l, post, post);
}

void loop_post_batch(struct loop *l, struct loop_post *chain)
{
    if (chain)
        push(l, reverse(chain), chain);
}

static void run_posts(struct loop *l)
{
    if (!atomic_load_explicit(&l->posts, memory_order_relaxed))
        return;
    struct loop_post *p = reverse(atomic_exchange_explicit(&l->posts, NULL, memory_order_acquire));
    while (p) {
        struct loop_post *next = p->next; /* fn may free p */
        p->fn(p);
        p = next;
    }
}

/* ---- file descriptors -------------------------------------------------------------------------------------------- */

enum code loop_fd_add(struct ctx *cx, struct loop *l, struct loop_fd *f, uint32_t events)
{
    struct epoll_event ev = {.events = events, .data.ptr = f};
    if (epoll_ctl(l->epoll_fd, EPOLL_CTL_ADD, f->fd, &ev) < 0)
        return fail_errno(cx, "watch descriptor %d", f->fd);
    return CODE_OK;
}

void loop_fd_mod(struct loop *l, struct loop_fd *f, uint32_t events)
{
    struct epoll_event ev = {.events = events, .data.ptr = f};
    epoll_ctl(l->epoll_fd, EPOLL_CTL_MOD, f->fd, &ev);
}

void loop_fd_del(struct loop *l, struct loop_fd *f)
{
    epoll_ctl(l->epoll_fd, EPOLL_CTL_DEL, f->fd, NULL);
    for (int i = l->event_at; i < l->event_count; i++)
        if (l->events[i].data.ptr == f)
            l->events[i].data.ptr = NULL;
}

static void run_events(struct loop *l)
{
    for (l->event_at = 0; l->event_at < l->event_count;) {
        struct epoll_event *ev = &l->events[l->event_at++];
        struct loop_fd *f = ev->data.ptr;
        if (f)
            f->fn(f, ev->events);
    }
    l->event_at = l->event_count = 0;
}

/* ---- timers ------------------------------------------------------------------------------------------------------ */

static void place(struct loop *l, size_t slot, struct loop_timer *t)
{
    l->heap[slot] = t;
    t->slot = slot;
}

static void sift_up(struct loop *l, size_t slot, struct loop_timer *t)
{
    for (; slot > 1 && l->heap[slot / 2]->at_ns > t->at_ns; slot /= 2)
        place(l, slot, l->heap[slot / 2]);
    place(l, slot, t);
}

static void sift_down(struct loop *l, size_t slot, struct loop_timer *t)
{
    for (size_t child; (child = slot * 2) <= l->timers; slot = child) {
        if (child < l->timers && l->heap[child + 1]->at_ns < l->heap[child]->at_ns)
            child++;
        if (l->heap[child]->at_ns >= t->at_ns)
            break;
        place(l, slot, l->heap[child]);
    }
    place(l, slot, t);
}

void loop_timer_clear(struct loop *l, struct loop_timer *t)
{
    size_t slot = t->slot;
    if (!slot)
        return;
    struct loop_timer *last = l->heap[l->timers--];
    t->slot = 0;
    if (last == t)
        return;
    if (slot > 1 && l->heap[slot / 2]->at_ns > last->at_ns)
        sift_up(l, slot, last);
    else
        sift_down(l, slot, last);
}

void loop_timer_set(struct loop *l, struct loop_timer *t, int64_t at_ns)
{
    loop_timer_clear(l, t);
    /* What a timer arms for now or earlier waits for the next round: else it could keep the loop for ever. */
    t->at_ns = l->in_timers && at_ns <= l->now_ns ? l->now_ns + 1 : at_ns;
    if (l->timers + 2 > l->heap_cap) {
        l->heap_cap = l->heap_cap ? l->heap_cap * 2 : 16;
        l->heap = mem_resize(l->heap, l->heap_cap * sizeof(struct loop_timer *));
    }
    sift_up(l, ++l->timers, t);
}

static void run_timers(struct loop *l)
{
    l->in_timers = true;
    while (l->timers && l->heap[1]->at_ns <= l->now_ns) {
        struct loop_timer *t = l->heap[1];
        loop_timer_clear(l, t);
        t->fn(t);
    }
    l->in_timers = false;
}

/* ---- end of a round ---------------------------------------------------------------------------------------------- */

void loop_defer(struct loop *l, struct loop_post *post)
{
    post->next = NULL;
    *l->deferred_end = post;
    l->deferred_end = &post->next;
}

static void run_deferred(struct loop *l)
{
    struct loop_post *p = l->deferred;
    l->deferred = NULL;
    l->deferred_end = &l->deferred;
    while (p) {
        struct loop_post *next = p->next; /* fn may free p */
        p->fn(p);
        p = next;
    }
}

void loop_task_add(struct loop *l, struct loop_task *t)
{
    if (t->queued)
        return;
    t->queued = true;
    list_add(&l->tasks, &t->node);
}

void loop_task_clear(struct loop *l, struct loop_task *t)
{
    (void)l;
    if (!t->queued)
        return;
    t->queued = false;
    list_del(&t->node);
}

static void run_tasks(struct loop *l)
{
    struct list now; /* the round's; what is added from here on belongs to the next round */
    list_take(&now, &l->tasks);
    while (!list_empty(&now)) {
        struct loop_task *t = container_of(now.next, struct loop_task, node);
        loop_task_clear(l, t);
        t->fn(t);
    }
}

/* ---- running ----------------------------------------------------------------------------------------------------- */

static int wait_ms(struct loop *l)
{
    if (!list_empty(&l->tasks) || l->deferred)
        return 0;
    if (!l->timers)
        return -1;
    int64_t left_ns = l->heap[1]->at_ns - time_now_ns();
    if (left_ns <= 0)
        return 0;
    int64_t ms = left_ns / NS_PER_MS + 1;
    return ms > INT32_MAX ? INT32_MAX : (int)ms;
}

static void end_round(struct loop *l)
{
    run_deferred(l);
    run_tasks(l);
    run_deferred(l); /* what writing out the connections set off */
}

void loop_run(struct loop *l)
{
    struct loop *outer = current;
    current = l;
    while (!atomic_load_explicit(&l->stop, memory_order_acquire)) {
        int n = epoll_wait(l->epoll_fd, l->events, EVENTS_MAX, wait_ms(l));
        l->now_ns = time_now_ns();
        l->event_count = n < 0 ? 0 : n;
        run_events(l);
        run_posts(l);
        run_timers(l);
        end_round(l);
    }
    run_posts(l);
    end_round(l);
    atomic_store_explicit(&l->stop, false, memory_order_relaxed);
    current = outer;
}

void loop_stop(struct loop *l)
{
    atomic_store_explicit(&l->stop, true, memory_order_release);
    wake_up(l);
}

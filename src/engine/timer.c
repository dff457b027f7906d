/* The thread that fires the engine's timers: it sleeps on a timerfd of CLOCK_BOOTTIME, which goes on during suspend. */
#include "base/log.h"
#include "base/mem.h"
#include "base/time.h"
#include "engine/engine_int.h"

#include <poll.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <sys/timerfd.h>
#include <unistd.h>

struct engine_timer {
    struct engine_queue *queue;
    pthread_t thread;
    int timer_fd, event_fd;
    atomic_bool stop;
};

static void poke(void *arg)
{
    struct engine_timer *t = arg;
    uint64_t one = 1;
    ssize_t n = write(t->event_fd, &one, sizeof(one));
    (void)n; /* full = it will look anyway */
}

static void arm(struct engine_timer *t, int64_t in_ns)
{
    struct itimerspec spec = {0};
    if (in_ns != INT64_MAX) {
        in_ns = in_ns < 1 ? 1 : in_ns;
        spec.it_value.tv_sec = in_ns / NS_PER_S;
        spec.it_value.tv_nsec = in_ns % NS_PER_S;
    }
    timerfd_settime(t->timer_fd, 0, &spec, NULL);
}

static void drain(int fd)
{
    uint64_t n;
    ssize_t got = read(fd, &n, sizeof(n));
    (void)got;
}

static void *run(void *arg)
{
    struct engine_timer *t = arg;
    pthread_setname_np(pthread_self(), "tern-timer");
    while (!atomic_load(&t->stop)) {
        int64_t now = time_now_ns(), next = engine_queue_fire(t->queue, now);
        struct pollfd fds[] = {{.fd = t->timer_fd, .events = POLLIN}, {.fd = t->event_fd, .events = POLLIN}};
        arm(t, next == INT64_MAX ? next : next - now);
        poll(fds, 2, -1);
        if (fds[0].revents)
            drain(t->timer_fd);
        if (fds[1].revents)
            drain(t->event_fd);
    }
    return NULL;
}

struct engine_timer *engine_timer_start(struct engine_queue *q)
{
    struct engine_timer *t = mem_new(struct engine_timer);
    t->queue = q;
    t->timer_fd = timerfd_create(CLOCK_BOOTTIME, TFD_NONBLOCK | TFD_CLOEXEC);
    t->event_fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
    if (t->timer_fd < 0 || t->event_fd < 0 || pthread_create(&t->thread, NULL, run, t) != 0) {
        log_error(NULL, "cannot start the timer thread");
        abort();
    }
    engine_queue_on_timer(q, poke, t);
    return t;
}

void engine_timer_stop(struct engine_timer *t)
{
    if (!t)
        return;
    engine_queue_on_timer(t->queue, NULL, NULL);
    atomic_store(&t->stop, true);
    poke(t);
    pthread_join(t->thread, NULL);
    close(t->timer_fd);
    close(t->event_fd);
    mem_free(t);
}

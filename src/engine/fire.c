/* The thread of triggers. See fire.h. */
#include "engine/fire.h"

#include "base/log.h"
#include "base/mem.h"
#include "base/time.h"
#include "engine/fire_int.h"
#include "lane/lane.h"

#include <poll.h>
#include <pthread.h>
#include <stdatomic.h>
#include <sys/eventfd.h>
#include <sys/timerfd.h>
#include <unistd.h>

#define AGAIN_NS (1 * NS_PER_S) /* after an error of the database */

struct engine_fire {
    struct engine *e;
    pthread_t thread;
    bool runs;
    int event_fd; /* woken */
    int timer_fd; /* CLOCK_BOOTTIME: the next slot */
    int step_fd;  /* CLOCK_REALTIME: readable when somebody has set the wall clock */
    int64_t started_wall_ns, started_up_ns;
    atomic_bool stop;
};

/* ---- waiting ---------------------------------------------------------------------------------------------------- */

static void poke(struct engine_fire *f)
{
    uint64_t one = 1;
    ssize_t n = write(f->event_fd, &one, sizeof(one));
    (void)n; /* full = it will look anyway */
}

static void drain(int fd)
{
    uint64_t n;
    ssize_t got = read(fd, &n, sizeof(n));
    (void)got;
}

static void arm(struct engine_fire *f, int64_t at_wall_ns)
{
    struct itimerspec next = {0}, never = {.it_value.tv_sec = INT32_MAX};
    int64_t in_ns = at_wall_ns == INT64_MAX ? 0 : at_wall_ns - time_wall_ns();
    if (at_wall_ns != INT64_MAX) {
        in_ns = in_ns < 1 ? 1 : in_ns;
        next.it_value.tv_sec = in_ns / NS_PER_S;
        next.it_value.tv_nsec = in_ns % NS_PER_S;
    }
    timerfd_settime(f->step_fd, TFD_TIMER_ABSTIME | TFD_TIMER_CANCEL_ON_SET, &never, NULL);
    timerfd_settime(f->timer_fd, 0, &next, NULL);
}

static void wait_until(struct engine_fire *f, int64_t at_wall_ns)
{
    struct pollfd fds[] = {{.fd = f->event_fd, .events = POLLIN},
                           {.fd = f->timer_fd, .events = POLLIN},
                           {.fd = f->step_fd, .events = POLLIN}};
    arm(f, at_wall_ns);
    poll(fds, 3, -1);
    for (size_t i = 0; i < 3; i++)
        if (fds[i].revents)
            drain(fds[i].fd);
}

/* ---- the thread -------------------------------------------------------------------------------------------------- */

/* When this server began, by the wall clock as it is now; if that was set ahead meanwhile, by the one of then. */
static int64_t started(const struct engine_fire *f)
{
    int64_t now = time_wall_ns() - (time_now_ns() - f->started_up_ns);
    return now < f->started_wall_ns ? now : f->started_wall_ns;
}

static int64_t or_later(struct ctx *cx, enum code code, int64_t next_ns)
{
    if (code == CODE_OK)
        return next_ns;
    log_error(cx, "triggers cannot fire now", LOG_ERR(cx));
    ctx_clear_err(cx);
    return time_wall_ns() + AGAIN_NS;
}

/* When to look again. */
static int64_t look(struct ctx *cx, struct engine_fire *f)
{
    enum code (*const events[])(struct ctx *, struct engine *, int64_t *) = {engine_fire_artifacts,
                                                                             engine_fire_failures};
    int64_t next_ns = 0;
    enum code code = engine_fire_schedules(cx, f->e, started(f), &next_ns);
    int64_t first_ns = or_later(cx, code, next_ns);
    for (size_t i = 0; i < sizeof(events) / sizeof(*events); i++) {
        code = events[i](cx, f->e, &next_ns);
        int64_t event_ns = or_later(cx, code, next_ns);
        first_ns = event_ns < first_ns ? event_ns : first_ns;
    }
    return first_ns;
}

static void *run(void *arg)
{
    struct engine_fire *f = arg;
    struct arena mem;
    struct ctx cx;
    pthread_setname_np(pthread_self(), "tern-trigger");
    arena_init(&mem, 0);
    while (!atomic_load(&f->stop)) {
        ctx_init(&cx, &mem);
        cx.app = f->e->app;
        int64_t next_ns = look(&cx, f);
        arena_reset(&mem);
        if (next_ns)
            wait_until(f, next_ns);
    }
    arena_done(&mem);
    return NULL;
}

struct engine_fire *engine_fire_new(struct engine *e)
{
    struct engine_fire *f = mem_new(struct engine_fire);
    f->e = e;
    f->started_wall_ns = time_wall_ns();
    f->started_up_ns = time_now_ns();
    f->event_fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
    f->timer_fd = timerfd_create(CLOCK_BOOTTIME, TFD_NONBLOCK | TFD_CLOEXEC);
    f->step_fd = timerfd_create(CLOCK_REALTIME, TFD_NONBLOCK | TFD_CLOEXEC);
    return f;
}

void engine_fire_start(struct engine_fire *f)
{
    bool whole = f->event_fd >= 0 && f->timer_fd >= 0 && f->step_fd >= 0;
    f->runs = whole && pthread_create(&f->thread, NULL, run, f) == 0;
    if (!f->runs)
        log_error(NULL, "cannot start the thread of triggers");
}

void engine_fire_stop(struct engine_fire *f)
{
    atomic_store(&f->stop, true);
    poke(f);
    if (f->runs)
        pthread_join(f->thread, NULL);
    f->runs = false;
}

void engine_fire_free(struct engine_fire *f)
{
    if (!f)
        return;
    close(f->event_fd);
    close(f->timer_fd);
    close(f->step_fd);
    mem_free(f);
}

static void wake(void *arg, uint64_t id)
{
    (void)id;
    poke(arg);
}

void engine_fire_wake_after_commit(struct ctx *cx)
{
    if (cx->app && cx->app->engine)
        lane_after_commit(cx, wake, cx->app->engine->fire, 0);
}

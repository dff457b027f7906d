/* What the supervisor looks at from time to time: growing logs (inotify, at most 50 times a second), memory of attempts
 * that no cgroup limits (ten times a second), and groups of ended attempts that still hold dying processes. */
#include "exec/supervise_int.h"

#include "base/log.h"
#include "base/mem.h"
#include "base/time.h"
#include "exec/access.h"
#include "exec/sample.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <sys/epoll.h>
#include <sys/inotify.h>
#include <unistd.h>

#define KEYS_NS (60 * NS_PER_S)
#define TICK_NS (20 * NS_PER_MS)
#define SAMPLE_NS (100 * NS_PER_MS)

typedef void each_fn(struct exec_attempt *a, void *arg);

static void each_running(struct exec_super *s, each_fn *fn, void *arg)
{
    size_t at = 0;
    str key;
    void *value;
    while (map_next(&s->attempts, &at, &key, &value)) {
        struct exec_attempt *a = value;
        if (a->fact.state == EXEC_STARTING || a->fact.state == EXEC_RUNNING)
            fn(a, arg);
    }
}

/* ---- logs -------------------------------------------------------------------------------------------------------- */

static void tell_grown(struct exec_attempt *a)
{
    struct exec_msg m = {.type = EXEC_MSG_GREW, .key = a->fact.key};
    exec_super_tell(a->super, &m);
}

static void stamp(struct exec_attempt *a, void *arg)
{
    (void)arg;
    if (a->log.fd >= 0 && exec_logfile_stamp(&a->log))
        tell_grown(a);
}

static void stamp_watched(struct exec_attempt *a, void *arg)
{
    if (a->watch == *(const int *)arg)
        stamp(a, NULL);
}

void exec_watch_soon(struct exec_super *s)
{
    if (s->tick.slot == 0)
        loop_timer_set(s->loop, &s->tick, time_now_ns() + TICK_NS);
}

/* Events that came in one read name each file once or a few times; then the watch rests until the next tick, so that a
 * task which prints without end costs us fifty looks a second and no more. */
static void on_inotify(struct loop_fd *f, uint32_t events)
{
    struct exec_super *s = container_of(f, struct exec_super, inotify);
    _Alignas(struct inotify_event) char text[16384];
    int last = -1;
    (void)events;
    ssize_t n = read(f->fd, text, sizeof(text));
    for (ssize_t at = 0; at < n;) {
        struct inotify_event *e = (struct inotify_event *)(void *)(text + at);
        at += (ssize_t)(sizeof(*e) + e->len);
        if (e->wd == last)
            continue;
        last = e->wd;
        each_running(s, e->mask & IN_Q_OVERFLOW ? stamp : stamp_watched, &e->wd);
    }
    loop_fd_mod(s->loop, f, 0);
    s->log_quiet = true;
    exec_watch_soon(s);
}

static void on_tick(struct loop_timer *t)
{
    struct exec_super *s = container_of(t, struct exec_super, tick);
    if (s->log_quiet)
        loop_fd_mod(s->loop, &s->inotify, EPOLLIN);
    s->log_quiet = false;
    if (s->inotify.fd < 0)
        each_running(s, stamp, NULL);
    exec_attempt_sweep(s);
    if (!list_empty(&s->lingering) || (s->inotify.fd < 0 && s->running))
        exec_watch_soon(s);
}

void exec_watch_log(struct exec_attempt *a)
{
    struct exec_super *s = a->super;
    char path[64];
    snprintf(path, sizeof(path), "/proc/self/fd/%d", a->log.fd);
    if (s->inotify.fd >= 0)
        a->watch = inotify_add_watch(s->inotify.fd, path, IN_MODIFY);
    if (a->watch < 0)
        exec_watch_soon(s);
}

void exec_watch_log_end(struct exec_attempt *a)
{
    struct exec_super *s = a->super;
    if (a->watch >= 0)
        inotify_rm_watch(s->inotify.fd, a->watch);
    a->watch = -1;
    if (a->log.fd >= 0) {
        exec_logfile_end(&a->log);
        exec_logfile_close(&a->log);
        tell_grown(a);
    }
}

/* ---- memory without cgroups ----------------------------------------------------------------------------------------
 */

struct sampling {
    struct exec_sample processes;
    struct ctx cx;
    size_t limited;
};

static void sample_one(struct exec_attempt *a, void *arg)
{
    struct sampling *sampling = arg;
    int *pids;
    int64_t limit = exec_attempt_memory(a);
    if (limit <= 0 || a->fact.state != EXEC_RUNNING)
        return;
    sampling->limited++;
    size_t n = exec_sample_tree(&sampling->cx, &sampling->processes, (int)a->fact.pid, a->log.fd, &pids);
    if (exec_sample_pss(&sampling->processes, pids, n, limit) <= limit)
        return;
    a->over_memory = true;
    for (size_t i = 0; i < n; i++)
        kill(pids[i], SIGKILL);
}

static void count_limited(struct exec_attempt *a, void *n)
{
    *(size_t *)n += exec_attempt_memory(a) > 0;
}

static void on_sample(struct loop_timer *t)
{
    struct exec_super *s = container_of(t, struct exec_super, sampler);
    struct arena mem;
    struct sampling sampling = {0};
    arena_init(&mem, 0);
    ctx_init(&sampling.cx, &mem);
    exec_sample_take(&sampling.cx, &sampling.processes);
    each_running(s, sample_one, &sampling);
    arena_done(&mem);
    exec_watch_memory(s);
}

void exec_watch_memory(struct exec_super *s)
{
    size_t limited = 0;
    if (s->limits.mode != EXEC_LIMITS_SAMPLED || s->sampler.slot != 0)
        return;
    each_running(s, count_limited, &limited);
    if (limited)
        loop_timer_set(s->loop, &s->sampler, time_now_ns() + SAMPLE_NS);
}

void exec_watch_kill_tree(struct exec_attempt *a, int signal)
{
    struct arena mem;
    struct ctx cx;
    struct exec_sample processes;
    int *pids;
    if (a->fact.pid <= 1 || a->fact.state == EXEC_REFUSED)
        return;
    if (a->limit.memory_dir || a->limit.pids_dir) {
        exec_limits_kill(&a->limit, signal);
        return;
    }
    arena_init(&mem, 0);
    ctx_init(&cx, &mem);
    exec_sample_take(&cx, &processes);
    size_t n = exec_sample_tree(&cx, &processes, (int)a->fact.pid, a->log.fd, &pids);
    for (size_t i = 0; i < n; i++)
        /* The leader may be reaped and its pid somebody else's. */
        if ((uint64_t)pids[i] != a->fact.pid || exec_sample_start_ticks(pids[i]) == a->fact.start_ticks)
            kill(pids[i], signal);
    arena_done(&mem);
}

static void on_keys(struct loop_timer *t)
{
    struct exec_super *s = container_of(t, struct exec_super, keys);
    exec_access_sweep(&s->cx, s->data_dir, time_wall_ns(), NULL, NULL);
    loop_timer_set(s->loop, t, time_now_ns() + KEYS_NS);
    exec_super_flush_later(s); /* frees what this round allocates */
}

static bool is_known(void *super, struct exec_key key)
{
    return exec_attempt_find(super, key) != NULL;
}

void exec_watch_keys(struct exec_super *s)
{
    s->keys.fn = on_keys;
    exec_access_sweep(&s->cx, s->data_dir, time_wall_ns(), is_known, s);
    loop_timer_set(s->loop, &s->keys, time_now_ns() + KEYS_NS);
}

void exec_watch_start(struct exec_super *s)
{
    s->tick.fn = on_tick;
    s->sampler.fn = on_sample;
    s->inotify = (struct loop_fd){.fd = inotify_init1(IN_CLOEXEC | IN_NONBLOCK), .fn = on_inotify};
    if (s->inotify.fd >= 0 && loop_fd_add(&s->cx, s->loop, &s->inotify, EPOLLIN) != CODE_OK) {
        close(s->inotify.fd);
        s->inotify.fd = -1;
    }
    if (s->inotify.fd < 0)
        log_warn(&s->cx, "no inotify: logs are looked at every 20 ms", LOG_INT("errno", errno));
    ctx_clear_err(&s->cx);
}

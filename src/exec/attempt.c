/* Attempts in the supervisor: started at a gate, journalled, let go, watched, ended, told (D-20). */
#include "exec/supervise_int.h"

#include "base/fault.h"
#include "base/file.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/random.h"
#include "base/time.h"
#include "exec/access.h"
#include "exec/sample.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <sys/epoll.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#define GRACE_MAX_MS 600000
#define JOURNAL_COMPACT_BYTES ((size_t)4 << 20)
#define RETRY_NS NS_PER_S
/* A parent that takes no note of its dead children is not waited for longer. */
#define REAP_WAIT_NS (500 * NS_PER_MS)

/* ---- the table of attempts --------------------------------------------------------------------------------------- */

static void make_id(struct exec_key key, char id[12])
{
    memcpy(id, &key.action_id, 8);
    memcpy(id + 8, &key.attempt, 4);
}

struct exec_attempt *exec_attempt_find(struct exec_super *s, struct exec_key key)
{
    char id[12];
    make_id(key, id);
    return map_find(&s->attempts, str_make(id, sizeof(id)));
}

/* Keeps a copy of value on the heap in *slot. */
static void set_text(str *slot, str value)
{
    char *p = value.n ? mem_copy(value.p, value.n) : NULL;
    mem_free((void *)(uintptr_t)slot->p);
    *slot = str_make(p, value.n);
}

static void on_kill_due(struct loop_timer *t);

static struct exec_attempt *attempt_new(struct exec_super *s, struct exec_key key)
{
    struct exec_attempt *a = mem_new(struct exec_attempt);
    a->super = s;
    a->fact.key = key;
    a->process = (struct exec_spawned){.gate = -1, .error = -1};
    a->pidfd.fd = a->oom.fd = a->limit.oom_event = a->watch = -1;
    a->log.fd = a->log.index = -1;
    a->kill.fn = on_kill_due;
    list_init(&a->unsynced);
    list_init(&a->lingering);
    buf_init(&a->launch, EXEC_FRAME_MAX + 8);
    make_id(key, a->id);
    map_put(&s->attempts, str_make(a->id, sizeof(a->id)), a);
    return a;
}

static bool is_running(const struct exec_attempt *a)
{
    return a->fact.state == EXEC_STARTING || a->fact.state == EXEC_RUNNING;
}

static void close_fd(int *fd)
{
    if (*fd >= 0)
        close(*fd);
    *fd = -1;
}

static void unwatch(struct exec_super *s, struct loop_fd *f, bool close_it)
{
    if (f->fd < 0)
        return;
    loop_fd_del(s->loop, f);
    if (close_it)
        close(f->fd);
    f->fd = -1;
}

/* Everything but the facts: what a running attempt holds. */
static void let_go(struct exec_attempt *a)
{
    struct exec_super *s = a->super;
    exec_pool_drop(s->pool, a);
    exec_spawn_cancel(&a->process);
    close_fd(&a->process.error);
    unwatch(s, &a->pidfd, true);
    unwatch(s, &a->oom, false);
    loop_timer_clear(s->loop, &a->kill);
    exec_watch_log_end(a);
    buf_done(&a->launch);
    if (a->secrets)
        exec_secrets_remove(a);
    if (list_empty(&a->lingering) && !exec_limits_remove(&a->limit)) {
        list_add(&s->lingering, &a->lingering);
        exec_watch_soon(s);
    }
}

void exec_attempt_free(struct exec_attempt *a)
{
    let_go(a);
    list_del(&a->lingering); /* a group that is still busy is found and removed by the next supervisor */
    mem_free(a->limit.memory_dir);
    mem_free(a->limit.pids_dir);
    list_del(&a->unsynced);
    map_delete(&a->super->attempts, str_make(a->id, sizeof(a->id)));
    str *texts[] = {&a->fact.boot_id, &a->fact.error_code, &a->fact.error, &a->fact.memory_dir, &a->fact.pids_dir,
                    &a->fact.runtime, &a->fact.container,  &a->fact.queue, &a->fact.project};
    for (size_t i = 0; i < sizeof(texts) / sizeof(*texts); i++)
        set_text(texts[i], STR_NONE);
    mem_free(a);
}

static void queue(struct exec_attempt *a)
{
    if (list_empty(&a->unsynced))
        list_add(&a->super->unsynced, &a->unsynced);
    exec_super_flush_later(a->super);
}

/* What may be told: an end that is not durable yet has not happened. */
static struct exec_msg to_tell(const struct exec_attempt *a)
{
    struct exec_msg m = a->fact;
    m.type = EXEC_MSG_STATE;
    if (a->end_due)
        m.state = EXEC_RUNNING;
    return m;
}

void exec_attempt_tell(struct exec_attempt *a)
{
    struct exec_msg m = to_tell(a);
    exec_super_tell(a->super, &m);
}

static void no_longer_running(struct exec_attempt *a, enum exec_state state)
{
    struct exec_super *s = a->super;
    if (is_running(a))
        s->running--;
    a->fact.state = state;
    exec_access_end(&s->cx, s->data_dir, a->fact.key, time_wall_ns());
    let_go(a);
    exec_super_changed(s);
}

static void refuse(struct exec_attempt *a, const char *code, const char *why)
{
    struct exec_super *s = a->super;
    log_warn(&s->cx, "attempt not started", LOG_INT("action", a->fact.key.action_id), LOG_CSTR("error", why));
    set_text(&a->fact.error_code, str_from(code));
    set_text(&a->fact.error, str_from(why));
    a->fact.system = 1;
    a->begin_due = false;
    exec_limits_kill(&a->limit, SIGKILL);
    no_longer_running(a, EXEC_REFUSED);
    exec_attempt_tell(a);
}

/* ---- start ------------------------------------------------------------------------------------------------------- */

static enum code make_folders(struct ctx *cx, str path)
{
    char *p = arena_cstr(cx->mem, path);
    for (char *c = p + 1; *c; c++) {
        if (*c != '/')
            continue;
        *c = 0;
        if (mkdir(p, 0700) < 0 && errno != EEXIST)
            return fail_errno(cx, "folder %s", p);
        *c = '/';
    }
    if (mkdir(p, 0755) < 0 && errno != EEXIST)
        return fail_errno(cx, "folder %s", p);
    return CODE_OK;
}

static void on_oom(struct loop_fd *f, uint32_t events)
{
    struct exec_attempt *a = container_of(f, struct exec_attempt, oom);
    uint64_t n;
    (void)events;
    if (read(f->fd, &n, sizeof(n)) < 0 && errno == EAGAIN)
        return;
    a->over_memory = true;
    exec_watch_kill_tree(a, SIGKILL);
}

static void watch_oom(struct exec_attempt *a)
{
    if (a->limit.oom_event < 0)
        return;
    a->oom = (struct loop_fd){.fd = a->limit.oom_event, .fn = on_oom};
    if (loop_fd_add(&a->super->cx, a->super->loop, &a->oom, EPOLLIN) != CODE_OK)
        a->oom.fd = -1;
}

/* A container's runtime limits it; what it runs is not in our group. */
int64_t exec_attempt_memory(const struct exec_attempt *a)
{
    return a->fact.container.n ? 0 : (int64_t)a->fact.memory_bytes;
}

/* Groups with the limits of the attempt, and the process in them. One that has entered groups of its own brings them
 * along: to move a process costs 10 ms and more. */
static enum code limit_process(struct exec_attempt *a, int pid, bool has_groups)
{
    struct exec_super *s = a->super;
    int64_t memory_bytes = exec_attempt_memory(a);
    char name[48];
    snprintf(name, sizeof(name), "%llu-%u", (unsigned long long)a->fact.key.action_id, a->fact.key.attempt);
    if (!has_groups || exec_limits_take(&s->cx, &s->limits, pid, memory_bytes, &a->limit) != CODE_OK) {
        ctx_clear_err(&s->cx);
        TRY(exec_limits_add(&s->cx, &s->limits, str_from(name), memory_bytes, &a->limit));
        TRY(exec_limits_join(&s->cx, &a->limit, pid));
    }
    set_text(&a->fact.memory_dir, str_from(a->limit.memory_dir));
    set_text(&a->fact.pids_dir, str_from(a->limit.pids_dir));
    watch_oom(a);
    exec_watch_memory(s);
    return CODE_OK;
}

static enum code start_cold(struct exec_attempt *a, const struct exec_msg *m)
{
    struct exec_super *s = a->super;
    struct exec_spawn what = {
        .program = m->program, .argv = m->argv, .env = m->env, .cwd = m->cwd, .log_fd = a->log.fd, .keep_fd = -1};
    TRY(exec_secrets_place(a, m, &what));
    TRY(exec_spawn_start(&s->cx, &what, &a->process));
    exec_attempt_forked(a, a->process.pid, false);
    return CODE_OK;
}

static void say_lines(struct exec_attempt *a, str text)
{
    str line;
    while (text.n && str_next(&text, '\n', &line))
        exec_logfile_system(&a->log, line);
}

static enum code launch(struct exec_attempt *a, const struct exec_msg *m)
{
    struct exec_super *s = a->super;
    TRY(exec_logfile_open(&s->cx, s->data_dir, m->key, &a->log));
    exec_watch_log(a);
    say_lines(a, m->text);
    TRY(make_folders(&s->cx, m->cwd));
    TRY(exec_access_open(&s->cx, s->data_dir, m->key, m->access));
    if (m->warm && m->secret_names.n == 0 && exec_pool_ask(s->pool, a, m)) {
        exec_wire_put(&a->launch, m);
        return CODE_OK;
    }
    return start_cold(a, m);
}

void exec_attempt_launch(struct exec_super *s, const struct exec_msg *m)
{
    struct exec_attempt *a = exec_attempt_find(s, m->key);
    if (a) {
        exec_attempt_tell(a);
        return;
    }
    a = attempt_new(s, m->key);
    a->fact.state = EXEC_STARTING;
    a->fact.cpu_millis = m->cpu_millis;
    a->fact.memory_bytes = m->memory_bytes;
    a->fact.gpus = m->gpus;
    a->fact.depth = m->depth;
    a->fact.run_id = m->run_id;
    set_text(&a->fact.queue, m->queue);
    set_text(&a->fact.project, m->project);
    set_text(&a->fact.runtime, m->runtime);
    set_text(&a->fact.container, m->container);
    s->running++;
    if (s->stopping)
        refuse(a, "SupervisorStopping", "the supervisor is being stopped");
    else if (launch(a, m) != CODE_OK)
        refuse(a, "LaunchFailed", s->cx.err.msg);
    ctx_clear_err(&s->cx);
    exec_super_changed(s);
}

void exec_attempt_forked(struct exec_attempt *a, int pid, bool has_groups)
{
    struct exec_super *s = a->super;
    a->fact.pid = (uint64_t)pid;
    a->fact.start_ticks = exec_sample_start_ticks(pid);
    a->fact.started_ns = (uint64_t)time_wall_ns();
    set_text(&a->fact.boot_id, time_boot_id());
    if (a->fact.start_ticks == 0) {
        refuse(a, "LaunchFailed", "the process ended before it was let go");
        return;
    }
    if (limit_process(a, pid, has_groups) != CODE_OK) {
        refuse(a, "LaunchFailed", s->cx.err.msg);
        ctx_clear_err(&s->cx);
        return;
    }
    a->begin_due = true;
    queue(a);
}

void exec_attempt_go_cold(struct exec_attempt *a)
{
    struct exec_super *s = a->super;
    struct exec_msg m;
    str body = str_skip(buf_view(&a->launch), 4);
    exec_spawn_cancel(&a->process);
    a->warm = false;
    if (exec_wire_parse(&s->cx, body, &m) != CODE_OK || start_cold(a, &m) != CODE_OK)
        refuse(a, "LaunchFailed", s->cx.err.msg);
    ctx_clear_err(&s->cx);
}

/* ---- end --------------------------------------------------------------------------------------------------------- */

static void say_why_not_started(struct exec_attempt *a)
{
    str why = exec_spawn_error(&a->super->cx, &a->process);
    if (why.n)
        exec_logfile_system(&a->log, why);
}

static void ended(struct exec_attempt *a, enum exec_state state)
{
    uint64_t now = (uint64_t)time_wall_ns();
    a->fact.ended_ns = now > a->fact.started_ns ? now : a->fact.started_ns;
    a->fact.oom = a->over_memory || exec_limits_oom(&a->limit);
    exec_watch_kill_tree(a, SIGKILL);
    say_why_not_started(a);
    a->end_due = true;
    no_longer_running(a, state);
    exec_super_container_remove(a);
    queue(a);
}

static void set_status(struct exec_attempt *a, int status)
{
    if (WIFSIGNALED(status))
        a->fact.signal = (uint64_t)WTERMSIG(status);
    else
        a->fact.exit_code = (uint64_t)WEXITSTATUS(status);
    /* Aborted at the gate: it left by itself, without having run. */
    if (a->begin_due && a->fact.aborted) {
        a->fact.exit_code = 0;
        a->fact.signal = SIGTERM;
    }
}

static int64_t ns_of(struct timeval t)
{
    return (int64_t)t.tv_sec * NS_PER_S + (int64_t)t.tv_usec * NS_PER_US;
}

static struct exec_attempt *find_pid(struct exec_super *s, int pid)
{
    size_t at = 0;
    str key;
    void *value;
    while (map_next(&s->attempts, &at, &key, &value)) {
        struct exec_attempt *a = value;
        if (a->fact.pid == (uint64_t)pid && is_running(a) && a->pidfd.fd < 0)
            return a;
    }
    return NULL;
}

bool exec_attempt_reaped(struct exec_super *s, int pid, int status, const struct rusage *used)
{
    struct exec_attempt *a = find_pid(s, pid);
    if (!a)
        return false;
    fault_point("supervisor.reaped");
    a->fact.cpu_ns = (uint64_t)(ns_of(used->ru_utime) + ns_of(used->ru_stime));
    a->fact.max_rss = (uint64_t)used->ru_maxrss * 1024;
    set_status(a, status);
    ended(a, EXEC_EXITED);
    return true;
}

static void kill_group(const struct exec_attempt *a, int signal)
{
    /* The pid is ours until we have reaped it; an adopted one is compared, it may be somebody else's by now. */
    if (a->fact.pid > 1 && exec_sample_start_ticks((int)a->fact.pid) == a->fact.start_ticks)
        kill(-(pid_t)a->fact.pid, signal);
}

static void on_kill_due(struct loop_timer *t)
{
    struct exec_attempt *a = container_of(t, struct exec_attempt, kill);
    if (a->dead) {
        ended(a, EXEC_LOST);
        return;
    }
    kill_group(a, SIGKILL);
    exec_watch_kill_tree(a, SIGKILL);
}

void exec_attempt_abort(struct exec_attempt *a, int64_t grace_ms)
{
    struct exec_super *s = a->super;
    if (!is_running(a)) {
        exec_attempt_tell(a);
        return;
    }
    if (!a->fact.aborted) {
        a->fact.aborted = 1;
        struct exec_msg m = {.type = EXEC_MSG_ABORTED, .key = a->fact.key};
        exec_journal_add(s->journal, &m);
        exec_super_flush_later(s);
    }
    if (a->fact.pid == 0) {
        a->fact.signal = SIGTERM;
        ended(a, EXEC_EXITED);
        return;
    }
    if (a->begin_due) {
        exec_spawn_cancel(&a->process);
        return;
    }
    grace_ms = grace_ms < 0 ? 0 : grace_ms > GRACE_MAX_MS ? GRACE_MAX_MS : grace_ms;
    if (grace_ms > 0)
        kill_group(a, SIGTERM);
    loop_timer_set(s->loop, &a->kill, time_now_ns() + grace_ms * NS_PER_MS);
}

void exec_attempt_forget(struct exec_super *s, struct exec_key key)
{
    struct exec_attempt *a = exec_attempt_find(s, key);
    struct exec_msg gone = {.type = EXEC_MSG_GONE, .key = key};
    if (a && (is_running(a) || a->end_due)) {
        exec_attempt_tell(a);
        return;
    }
    if (a) {
        exec_journal_add(s->journal, &gone);
        exec_super_flush_later(s);
        exec_attempt_free(a);
    }
    gone.type = EXEC_MSG_FORGOTTEN;
    exec_super_tell(s, &gone);
}

void exec_attempt_sweep(struct exec_super *s)
{
    struct list *next;
    for (struct list *n = s->lingering.next; n != &s->lingering; n = next) {
        struct exec_attempt *a = container_of(n, struct exec_attempt, lingering);
        next = n->next;
        exec_limits_kill(&a->limit, SIGKILL);
        if (exec_limits_remove(&a->limit))
            list_del(&a->lingering);
    }
}

/* ---- the journal ------------------------------------------------------------------------------------------------- */

static void add_record(struct exec_super *s, const struct exec_attempt *a, enum exec_msg_type type)
{
    struct exec_msg m = a->fact;
    m.type = type;
    exec_journal_add(s->journal, &m);
}

static void add_everything(void *super)
{
    struct exec_super *s = super;
    size_t at = 0;
    str key;
    void *value;
    while (map_next(&s->attempts, &at, &key, &value)) {
        struct exec_attempt *a = value;
        if (a->fact.pid == 0 || a->fact.state == EXEC_REFUSED)
            continue;
        add_record(s, a, EXEC_MSG_BEGIN);
        if (a->fact.aborted)
            add_record(s, a, EXEC_MSG_ABORTED);
        if (!is_running(a))
            add_record(s, a, EXEC_MSG_END);
    }
}

static enum code sync_journal(struct exec_super *s)
{
    if (exec_journal_sync(&s->cx, s->journal) == CODE_OK)
        return CODE_OK;
    log_error(&s->cx, "supervisor journal failed, writing a new one", LOG_ERR(&s->cx));
    ctx_clear_err(&s->cx);
    return exec_journal_replace(&s->cx, s->journal, add_everything, s);
}

static void on_retry(struct loop_timer *t)
{
    exec_super_flush_later(container_of(t, struct exec_super, retry));
}

static void let_run(struct exec_attempt *a)
{
    a->begin_due = false;
    if (!is_running(a))
        return;
    exec_spawn_release(&a->process);
    fault_point("supervisor.released");
    a->fact.state = EXEC_RUNNING;
    buf_done(&a->launch);
}

static void settle(struct exec_attempt *a, bool durable)
{
    if (durable) {
        list_del(&a->unsynced);
        if (a->begin_due)
            let_run(a);
        a->end_due = false;
        exec_attempt_tell(a);
    } else if (a->begin_due) {
        list_del(&a->unsynced);
        if (is_running(a))
            refuse(a, "JournalFailed", a->super->cx.err.msg);
    }
}

void exec_attempt_flush(struct exec_super *s)
{
    for (struct list *n = s->unsynced.next; n != &s->unsynced; n = n->next) {
        struct exec_attempt *a = container_of(n, struct exec_attempt, unsynced);
        if (a->begin_due)
            add_record(s, a, EXEC_MSG_BEGIN);
        if (a->end_due)
            add_record(s, a, EXEC_MSG_END);
    }
    bool any = !list_empty(&s->unsynced);
    if (any)
        fault_point("supervisor.before_journal");
    bool durable = sync_journal(s) == CODE_OK;
    if (any)
        fault_point("supervisor.after_journal");
    struct list *next;
    for (struct list *n = s->unsynced.next; n != &s->unsynced; n = next) {
        next = n->next;
        settle(container_of(n, struct exec_attempt, unsynced), durable);
    }
    if (!durable) {
        log_error(&s->cx, "supervisor journal cannot be written", LOG_ERR(&s->cx));
        s->retry.fn = on_retry;
        loop_timer_set(s->loop, &s->retry, time_now_ns() + RETRY_NS);
    } else if (exec_journal_size(s->journal) > JOURNAL_COMPACT_BYTES + s->compacted * 2) {
        if (exec_journal_replace(&s->cx, s->journal, add_everything, s) == CODE_OK)
            s->compacted = exec_journal_size(s->journal);
    }
    ctx_clear_err(&s->cx);
}

/* ---- after a restart --------------------------------------------------------------------------------------------- */

static void take_fact(struct exec_attempt *a, const struct exec_msg *m)
{
    struct exec_msg old = a->fact;
    a->fact = *m;
    a->fact.aborted |= old.aborted;
    str *texts[] = {&a->fact.boot_id, &a->fact.error_code, &a->fact.error, &a->fact.memory_dir, &a->fact.pids_dir,
                    &a->fact.runtime, &a->fact.container,  &a->fact.queue, &a->fact.project};
    str *olds[] = {&old.boot_id, &old.error_code, &old.error, &old.memory_dir, &old.pids_dir,
                   &old.runtime, &old.container,  &old.queue, &old.project};
    for (size_t i = 0; i < sizeof(texts) / sizeof(*texts); i++) {
        str now = *texts[i];
        *texts[i] = STR_NONE;
        set_text(texts[i], now);
        set_text(olds[i], STR_NONE);
    }
    a->fact.cwd = a->fact.build = a->fact.text = a->fact.program = a->fact.interpreter = a->fact.access = STR_NONE;
    a->fact.argv = a->fact.env = a->fact.secret_names = a->fact.secret_values = (struct exec_strs){0};
}

void exec_attempt_replay(void *super, const struct exec_msg *m)
{
    struct exec_super *s = super;
    struct exec_attempt *a = exec_attempt_find(s, m->key);
    if (m->type == EXEC_MSG_BEGIN) {
        if (!a)
            a = attempt_new(s, m->key);
        take_fact(a, m);
        a->fact.state = EXEC_RUNNING;
    } else if (a && m->type == EXEC_MSG_END) {
        take_fact(a, m);
    } else if (a && m->type == EXEC_MSG_ABORTED) {
        a->fact.aborted = 1;
    } else if (a && m->type == EXEC_MSG_GONE) {
        exec_attempt_free(a);
    }
}

/* Linux 6.15 and later tell how a process that is no child of ours has ended, to who holds its pidfd, once its parent
 * has taken note of it. 0 = told, 1 = not yet, -1 = this kernel does not. */
static int status_by_pidfd(int pidfd, int *status)
{
#define PIDFD_INFO_EXIT_ ((uint64_t)1 << 3)
    struct {
        uint64_t mask, cgroup;
        uint32_t ids[11];
        int32_t exit_code;
    } info = {.mask = PIDFD_INFO_EXIT_};
    _Static_assert(sizeof(info) == 64, "the kernel's first version of it");
    if (ioctl(pidfd, _IOC(_IOC_READ | _IOC_WRITE, 0xff, 11, sizeof(info)), &info) < 0)
        return -1;
    if (!(info.mask & PIDFD_INFO_EXIT_))
        return 1;
    *status = info.exit_code;
    return 0;
}

static void on_adopted_end(struct loop_fd *f, uint32_t events)
{
    struct exec_attempt *a = container_of(f, struct exec_attempt, pidfd);
    int status, told = status_by_pidfd(f->fd, &status);
    if (told != 0 && exec_sample_exit_status((int)a->fact.pid, a->fact.start_ticks, &status))
        told = 0;
    if (told == 1 && !(events & EPOLLHUP) && !a->dead) {
        a->dead = true;
        loop_fd_mod(a->super->loop, f, 0); /* EPOLLHUP comes when the parent has taken note */
        loop_timer_set(a->super->loop, &a->kill, time_now_ns() + REAP_WAIT_NS);
        return;
    }
    if (told == 0)
        set_status(a, status);
    ended(a, told == 0 ? EXEC_EXITED : EXEC_LOST);
}

static bool is_alive(const struct exec_attempt *a)
{
    return str_eq(a->fact.boot_id, time_boot_id()) && a->fact.pid > 1 &&
           exec_sample_start_ticks((int)a->fact.pid) == a->fact.start_ticks;
}

static bool adopt(struct exec_attempt *a)
{
    struct exec_super *s = a->super;
    int fd = is_alive(a) ? (int)syscall(SYS_pidfd_open, (pid_t)a->fact.pid, 0) : -1;
    a->pidfd = (struct loop_fd){.fd = fd, .fn = on_adopted_end};
    exec_limits_adopt(&s->limits, a->fact.memory_dir, a->fact.pids_dir, &a->limit);
    a->secrets = true; /* perhaps */
    if (fd < 0 || !is_alive(a) || loop_fd_add(&s->cx, s->loop, &a->pidfd, EPOLLIN) != CODE_OK) {
        close_fd(&a->pidfd.fd);
        return false;
    }
    watch_oom(a);
    return true;
}

void exec_attempt_adopt(struct exec_super *s)
{
    size_t at = 0, alive = 0;
    str key;
    void *value;
    while (map_next(&s->attempts, &at, &key, &value)) {
        struct exec_attempt *a = value;
        if (!is_running(a)) {
            exec_access_end(&s->cx, s->data_dir, a->fact.key, (int64_t)a->fact.ended_ns);
            exec_super_container_remove(a); /* the one before may have been ended too early for it */
            continue;
        }
        s->running++;
        if (exec_logfile_open(&s->cx, s->data_dir, a->fact.key, &a->log) == CODE_OK)
            exec_watch_log(a);
        if (adopt(a))
            alive++;
        else
            ended(a, EXEC_LOST);
    }
    ctx_clear_err(&s->cx);
    exec_watch_keys(s);
    exec_watch_memory(s);
    if (s->attempts.n)
        log_info(&s->cx, "attempts taken over", LOG_INT("known", s->attempts.n), LOG_INT("running", alive));
}

/* The supervisor's process: its lock, socket, servers, signals, and when it ends. See supervise.h. */
#include "exec/supervise.h"

#include "base/file.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/time.h"
#include "exec/supervise_int.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/file.h>
#include <sys/prctl.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#define OUT_MAX ((size_t)64 << 20)
#define STOP_GRACE_MS 5000
#define IDLE_EXIT_S 60

struct client {
    struct list node;
    struct exec_super *super;
    struct loop_fd fd;
    buf in, out;
    bool greeted, writing;
};

/* ---- clients ----------------------------------------------------------------------------------------------------- */

static void client_free(struct client *c)
{
    struct exec_super *s = c->super;
    loop_fd_del(s->loop, &c->fd);
    close(c->fd.fd);
    buf_done(&c->in);
    buf_done(&c->out);
    list_del(&c->node);
    mem_free(c);
    exec_super_changed(s);
}

/* False when the client is gone. */
static bool client_send(struct client *c)
{
    while (c->out.n) {
        ssize_t n = send(c->fd.fd, c->out.p, c->out.n, MSG_NOSIGNAL | MSG_DONTWAIT);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0 && errno != EAGAIN)
            return false;
        if (n < 0)
            break;
        buf_consume(&c->out, (size_t)n);
    }
    if (c->writing != (c->out.n > 0)) {
        c->writing = c->out.n > 0;
        loop_fd_mod(c->super->loop, &c->fd, EPOLLIN | (c->writing ? EPOLLOUT : 0));
    }
    return !c->out.failed;
}

/* Written out at the end of the round. */
static void client_tell(struct client *c, const struct exec_msg *m)
{
    exec_wire_put(&c->out, m);
    exec_super_flush_later(c->super);
}

void exec_super_tell(struct exec_super *s, const struct exec_msg *m)
{
    for (struct list *n = s->clients.next; n != &s->clients; n = n->next) {
        struct client *c = container_of(n, struct client, node);
        if (c->greeted)
            client_tell(c, m);
    }
}

static void send_all(struct exec_super *s)
{
    struct list *next;
    for (struct list *n = s->clients.next; n != &s->clients; n = next) {
        struct client *c = container_of(n, struct client, node);
        next = n->next;
        if (!client_send(c))
            client_free(c);
    }
}

static void on_flush(struct loop_post *post)
{
    struct exec_super *s = container_of(post, struct exec_super, flush);
    exec_attempt_flush(s);
    send_all(s);
    arena_reset(&s->mem);
    s->flush_due = false;
}

void exec_super_flush_later(struct exec_super *s)
{
    if (!s->flush_due)
        loop_defer(s->loop, &s->flush);
    s->flush_due = true;
}

static void greet(struct client *c)
{
    struct exec_super *s = c->super;
    struct exec_msg m = {.type = EXEC_MSG_WELCOME,
                         .version = EXEC_WIRE_VERSION,
                         .oldest = EXEC_WIRE_OLDEST,
                         .build = s->build,
                         .pid = (uint64_t)getpid(),
                         .running = s->running,
                         .text = str_from(exec_limits_name(s->limits.mode)),
                         .s3_listen = str_from(s->s3_listen)};
    size_t at = 0;
    str key;
    void *value;
    c->greeted = true;
    client_tell(c, &m);
    while (map_next(&s->attempts, &at, &key, &value))
        exec_attempt_tell(value);
    m = (struct exec_msg){.type = EXEC_MSG_SYNCED};
    client_tell(c, &m);
}

static void stop_attempts(struct exec_super *s)
{
    size_t at = 0;
    str key;
    void *value;
    s->stopping = true;
    while (map_next(&s->attempts, &at, &key, &value)) {
        struct exec_attempt *a = value;
        if (a->fact.state == EXEC_STARTING || a->fact.state == EXEC_RUNNING)
            exec_attempt_abort(a, STOP_GRACE_MS);
    }
    exec_super_changed(s);
}

static void on_stop(struct client *c, const struct exec_msg *m)
{
    struct exec_super *s = c->super;
    struct exec_msg answer = {.type = EXEC_MSG_STOPPING, .all = m->all || s->running == 0, .running = s->running};
    client_tell(c, &answer);
    if (answer.all)
        stop_attempts(s);
}

static void on_log_line(struct exec_super *s, const struct exec_msg *m)
{
    struct exec_logfile f;
    if (exec_logfile_open(&s->cx, s->data_dir, m->key, &f) != CODE_OK)
        return;
    exec_logfile_system(&f, m->text);
    exec_logfile_close(&f);
    struct exec_msg grew = {.type = EXEC_MSG_GREW, .key = m->key};
    exec_super_tell(s, &grew);
}

static void on_message(struct client *c, const struct exec_msg *m)
{
    struct exec_super *s = c->super;
    struct exec_attempt *a;
    switch ((int)m->type) {
    case EXEC_MSG_HELLO:
        greet(c);
        break;
    case EXEC_MSG_LAUNCH:
        exec_attempt_launch(s, m);
        break;
    case EXEC_MSG_ABORT:
        if ((a = exec_attempt_find(s, m->key)))
            exec_attempt_abort(a, (int64_t)m->grace_ms);
        break;
    case EXEC_MSG_FORGET:
        exec_attempt_forget(s, m->key);
        break;
    case EXEC_MSG_STOP:
        on_stop(c, m);
        break;
    case EXEC_MSG_S3:
        exec_super_s3_set(s, m->text);
        break;
    case EXEC_MSG_LOG:
        on_log_line(s, m);
        break;
    default: /* of a newer server; it sees by our version that we do not know it */
        log_warn(&s->cx, "message not understood", LOG_INT("type", m->type));
    }
}

static enum code take_messages(struct client *c)
{
    struct exec_super *s = c->super;
    size_t at = 0, n;
    for (;;) {
        struct exec_msg m;
        str rest = str_skip(buf_view(&c->in), at);
        TRY(exec_wire_next(&s->cx, rest, &n));
        if (n == 0)
            break;
        TRY(exec_wire_parse(&s->cx, str_make(rest.p + 4, n - 4), &m));
        on_message(c, &m);
        at += n;
    }
    buf_consume(&c->in, at);
    return CODE_OK;
}

static bool client_receive(struct client *c)
{
    char *room = buf_room(&c->in, 64 * 1024);
    ssize_t n = room ? recv(c->fd.fd, room, 64 * 1024, MSG_DONTWAIT) : -1;
    if (n < 0)
        return room && (errno == EAGAIN || errno == EINTR);
    if (n == 0)
        return false;
    buf_wrote(&c->in, (size_t)n);
    if (take_messages(c) == CODE_OK)
        return true;
    log_warn(&c->super->cx, "a server's message is wrong, connection closed", LOG_ERR(&c->super->cx));
    ctx_clear_err(&c->super->cx);
    return false;
}

static void on_client(struct loop_fd *f, uint32_t events)
{
    struct client *c = container_of(f, struct client, fd);
    bool alive = true;
    exec_super_flush_later(c->super); /* frees what this round allocates */
    if (events & (EPOLLIN | EPOLLHUP | EPOLLERR))
        alive = client_receive(c);
    if (alive && (events & EPOLLOUT))
        alive = client_send(c);
    if (!alive)
        client_free(c);
}

static bool is_own_account(int fd)
{
    struct ucred who;
    socklen_t n = sizeof(who);
    return getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &who, &n) == 0 && (who.uid == geteuid() || who.uid == 0);
}

static void on_connection(struct loop_fd *f, uint32_t events)
{
    struct exec_super *s = container_of(f, struct exec_super, listener);
    (void)events;
    int fd = accept4(f->fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
    if (fd < 0)
        return;
    if (!is_own_account(fd)) {
        close(fd);
        return;
    }
    struct client *c = mem_new(struct client);
    c->super = s;
    c->fd = (struct loop_fd){.fd = fd, .fn = on_client};
    buf_init(&c->in, 2 * EXEC_FRAME_MAX);
    buf_init(&c->out, OUT_MAX);
    list_add(&s->clients, &c->node);
    if (loop_fd_add(&s->cx, s->loop, &c->fd, EPOLLIN) != CODE_OK)
        client_free(c);
    else
        exec_super_changed(s);
}

/* ---- life -------------------------------------------------------------------------------------------------------- */

static void on_idle(struct loop_timer *t)
{
    struct exec_super *s = container_of(t, struct exec_super, idle);
    log_info(&s->cx, "no server and no task: the supervisor ends");
    s->stopping = true;
    exec_super_changed(s);
}

void exec_super_changed(struct exec_super *s)
{
    if (s->stopping && s->running == 0) {
        s->stopped = true;
        exec_super_flush_later(s);
        loop_stop(s->loop);
        return;
    }
    bool idle = s->running == 0 && list_empty(&s->clients);
    if (!idle)
        loop_timer_clear(s->loop, &s->idle);
    else if (s->idle.slot == 0)
        loop_timer_set(s->loop, &s->idle, time_now_ns() + s->idle_exit_ns);
}

static void reap(struct exec_super *s)
{
    int status, pid;
    struct rusage used;
    while ((pid = wait4(-1, &status, WNOHANG, &used)) > 0) {
        if (!exec_super_s3_reaped(s, pid)) {
            (void)exec_attempt_reaped(s, pid, status, &used); /* or the pool's, or an orphan that a task has left */
            exec_limits_forget(&s->limits, pid);
        }
    }
    exec_attempt_sweep(s);
}

static void on_signal(struct loop_fd *f, uint32_t events)
{
    struct exec_super *s = container_of(f, struct exec_super, signals);
    struct signalfd_siginfo info;
    (void)events;
    while (read(f->fd, &info, sizeof(info)) == (ssize_t)sizeof(info)) {
        if (info.ssi_signo == SIGCHLD)
            reap(s);
        else
            stop_attempts(s);
    }
}

static enum code watch_signals(struct exec_super *s)
{
    sigset_t set;
    sigemptyset(&set);
    sigaddset(&set, SIGCHLD);
    sigaddset(&set, SIGTERM);
    sigaddset(&set, SIGINT);
    sigprocmask(SIG_SETMASK, &set, NULL);
    signal(SIGPIPE, SIG_IGN);
    signal(SIGHUP, SIG_IGN);
    s->signals = (struct loop_fd){.fd = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK), .fn = on_signal};
    if (s->signals.fd < 0)
        return fail_errno(&s->cx, "signalfd");
    return loop_fd_add(&s->cx, s->loop, &s->signals, EPOLLIN);
}

/* A socket's path has 108 bytes, a data folder may be deeper: the address goes by way of the folder's descriptor. */
static enum code listen_at(struct exec_super *s, const char *run_dir)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    int dir = open(run_dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    snprintf(address.sun_path, sizeof(address.sun_path), "/proc/self/fd/%d/supervisor.sock", dir);
    bool ok = dir >= 0 && fd >= 0 && (unlinkat(dir, "supervisor.sock", 0) == 0 || errno == ENOENT) &&
              bind(fd, (struct sockaddr *)&address, sizeof(address)) == 0 &&
              fchmodat(dir, "supervisor.sock", 0600, 0) == 0 && listen(fd, 16) == 0;
    if (!ok)
        (void)fail_errno(&s->cx, "%s/supervisor.sock", run_dir);
    if (dir >= 0)
        close(dir);
    if (!ok) {
        if (fd >= 0)
            close(fd);
        return s->cx.err.code;
    }
    s->listener = (struct loop_fd){.fd = fd, .fn = on_connection};
    return loop_fd_add(&s->cx, s->loop, &s->listener, EPOLLIN);
}

/* The lock is the process's: held until it ends. A child between fork and exec of a dead supervisor may hold it for a
 * moment. */
static enum code take_lock(struct ctx *cx, const char *run_dir)
{
    str path = arena_printf(cx->mem, "%s/supervisor.lock", run_dir);
    int fd = open(path.p, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    if (fd < 0)
        return fail_errno(cx, STR_FMT, STR_ARG(path));
    for (int i = 0; i < 40; i++) {
        if (flock(fd, LOCK_EX | LOCK_NB) == 0)
            return CODE_OK;
        usleep(50000);
    }
    close(fd);
    return fail(cx, CODE_FAILED_PRECONDITION, EXEC_SUPERVISE_ANOTHER);
}

static str own_build(struct ctx *cx)
{
    struct stat st;
    if (stat("/proc/self/exe", &st) < 0)
        return STR("unknown");
    return arena_printf(cx->mem, "%llx-%llx-%lld.%09ld", (unsigned long long)st.st_dev, (unsigned long long)st.st_ino,
                        (long long)st.st_mtim.tv_sec, st.st_mtim.tv_nsec);
}

static enum code set_up(struct exec_super *s, const struct exec_supervise_options *o, struct arena *lasting)
{
    struct ctx setup, *cx = &setup;
    ctx_init(cx, lasting);
    s->data_dir = arena_str(lasting, o->data_dir);
    str run = arena_printf(lasting, STR_FMT "/run", STR_ARG(o->data_dir));
    s->build = own_build(cx);
    enum code code = file_mkdirs(cx, run.p, 0700);
    if (code == CODE_OK)
        code = take_lock(cx, run.p);
    if (code == CODE_OK)
        code = loop_new(cx, &s->loop);
    s->cx.err = cx->err;
    TRY(code);
    exec_spawn_raise_limits();
    exec_secrets_init(s);
    exec_watch_start(s);
    exec_limits_init(&s->cx, &s->limits, !o->no_cgroup,
                     arena_printf(lasting, "tern-%08x", (unsigned)(str_hash(s->data_dir) & 0xffffffff)));
    s->pool = exec_pool_new(s);
    TRY(exec_journal_open(&s->cx, run, exec_attempt_replay, s, &s->journal));
    exec_attempt_adopt(s);
    TRY(watch_signals(s));
    exec_super_s3_start(s);
    return listen_at(s, run.p);
}

static void super_init(struct exec_super *s, const struct exec_supervise_options *o)
{
    *s = (struct exec_super){.idle_exit_ns = (o->idle_exit_s ? o->idle_exit_s : IDLE_EXIT_S) * NS_PER_S};
    snprintf(s->s3_listen, sizeof(s->s3_listen), STR_FMT, STR_ARG(o->s3_listen));
    s->s3_keep = o->s3_keep;
    arena_init(&s->mem, 0);
    ctx_init(&s->cx, &s->mem);
    map_init(&s->attempts);
    list_init(&s->unsynced);
    list_init(&s->lingering);
    list_init(&s->clients);
    s->flush.fn = on_flush;
    s->idle.fn = on_idle;
    s->signals.fd = s->listener.fd = s->inotify.fd = -1;
}

static void tear_down(struct exec_super *s)
{
    exec_attempt_flush(s);
    send_all(s);
    exec_super_s3_stop(s);
    exec_pool_free(s->pool);
    for (int i = 0; i < 20 && !list_empty(&s->lingering); i++) {
        usleep(10000);
        while (waitpid(-1, NULL, WNOHANG) > 0)
            ;
        exec_attempt_sweep(s);
    }
    exec_limits_done(&s->limits);
    exec_journal_close(s->journal);
    char path[4096];
    snprintf(path, sizeof(path), STR_FMT "/run/supervisor.sock", STR_ARG(s->data_dir));
    unlink(path);
}

static void answer_ready(int64_t fd, const char *text)
{
    if (fd <= 0)
        return;
    if (write((int)fd, text, strlen(text)) < 0 || write((int)fd, "\n", 1) < 0)
        log_warn(NULL, "nobody waits for the supervisor");
    close((int)fd);
}

enum code exec_supervise_run(struct ctx *cx, const struct exec_supervise_options *o)
{
    static struct exec_super s;
    struct arena lasting;
    if (o->data_dir.n == 0 || o->data_dir.p[0] != '/')
        return fail(cx, CODE_INVALID_ARGUMENT, "the data folder must be an absolute path");
    if (o->ready_fd > 0)
        fcntl((int)o->ready_fd, F_SETFD, FD_CLOEXEC);
    umask(077);
    prctl(PR_SET_DUMPABLE, 0);
    prctl(PR_SET_CHILD_SUBREAPER, 1);
    prctl(PR_SET_NAME, "tern-supervise");
    arena_init(&lasting, 0);
    super_init(&s, o);
    if (set_up(&s, o, &lasting) != CODE_OK) {
        answer_ready(o->ready_fd, s.cx.err.msg);
        return fail(cx, s.cx.err.code, "%s", s.cx.err.msg);
    }
    log_info(&s.cx, "supervisor ready", LOG_INT("pid", getpid()), LOG_CSTR("limits", exec_limits_name(s.limits.mode)));
    answer_ready(o->ready_fd, "ok");
    exec_super_changed(&s);
    arena_reset(&s.mem);
    loop_run(s.loop);
    tear_down(&s);
    return CODE_OK;
}

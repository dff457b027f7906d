/* See client.h. */
#include "exec/client.h"

#include "base/file.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/time.h"
#include "exec/spawn.h"
#include "exec/supervise.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#define READY_MS 15000
#define ANSWER_MS 15000
#define BACKOFF_MIN_NS (50 * NS_PER_MS)
#define BACKOFF_MAX_NS (5 * NS_PER_S)
/* How long the first connection may take while supervisors come and go. */
#define PATIENCE_NS (20 * NS_PER_S)
#define LOG_MAX (8 << 20)
#define OUT_MAX ((size_t)256 << 20)

struct exec_client {
    struct exec_client_config cfg;
    pthread_t thread;
    pthread_mutex_t lock; /* of out, synced, stop, trouble */
    pthread_cond_t changed;
    buf out;
    bool synced, stop, started;
    bool ever_synced, gave_up; /* how the start went */
    char trouble[ERR_MSG_MAX];
    enum code trouble_code;
    int wake; /* eventfd */
    int64_t began_ns;
    /* the thread's own */
    int fd;
    buf in;
    struct arena mem;
    struct ctx cx;
    char program[4096];
    char data_dir[4096];
    char s3_listen[256];
};

/* ---- connecting -------------------------------------------------------------------------------------------------- */

static enum code connect_to(struct ctx *cx, const char *data_dir, int *out)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    int dir = open(arena_printf(cx->mem, "%s/run", data_dir).p, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    snprintf(address.sun_path, sizeof(address.sun_path), "/proc/self/fd/%d/supervisor.sock", dir);
    bool ok = dir >= 0 && fd >= 0 && connect(fd, (struct sockaddr *)&address, sizeof(address)) == 0;
    int e = errno;
    if (dir >= 0)
        close(dir);
    if (ok) {
        *out = fd;
        return CODE_OK;
    }
    if (fd >= 0)
        close(fd);
    errno = e;
    return fail(cx, CODE_UNAVAILABLE, "no supervisor: %s", strerrordesc_np(e));
}

static enum code send_msg(struct ctx *cx, int fd, const struct exec_msg *m)
{
    buf b;
    buf_init_arena(&b, cx->mem, EXEC_FRAME_MAX + 8);
    exec_wire_put(&b, m);
    if (b.failed || send(fd, b.p, b.n, MSG_NOSIGNAL) != (ssize_t)b.n)
        return fail(cx, CODE_UNAVAILABLE, "the supervisor does not listen");
    return CODE_OK;
}

/* Waits for one message of a fresh connection. */
static enum code receive_msg(struct ctx *cx, int fd, buf *in, struct exec_msg *out)
{
    for (;;) {
        size_t n;
        TRY(exec_wire_next(cx, buf_view(in), &n));
        if (n) {
            str body = arena_str(cx->mem, str_make(in->p + 4, n - 4));
            buf_consume(in, n);
            return exec_wire_parse(cx, body, out);
        }
        struct pollfd p = {.fd = fd, .events = POLLIN};
        char *room = buf_room(in, 65536);
        int ready = poll(&p, 1, ANSWER_MS);
        if (ready < 0 && errno == EINTR)
            continue;
        ssize_t got = ready > 0 && room ? recv(fd, room, 65536, 0) : -1;
        if (got <= 0)
            return fail(cx, CODE_UNAVAILABLE, "the supervisor does not answer");
        buf_wrote(in, (size_t)got);
    }
}

/* ---- starting a supervisor --------------------------------------------------------------------------------------- */

struct start_plan {
    const char *program, *log;
    const char *argv[24];
    int null_fd, log_fd, ready_fd;
    size_t plain; /* where argv starts without the program that makes a scope */
    char ready_text[16], idle_text[24];
};

/* In the child of a process with threads: system calls only. Forked twice, so that the supervisor is nobody's child. */
_Noreturn static void start_child(struct start_plan *p)
{
    sigset_t none;
    setsid();
    if (fork() != 0)
        _exit(0);
    for (int i = 1; i < NSIG; i++)
        signal(i, SIG_DFL);
    sigemptyset(&none);
    sigprocmask(SIG_SETMASK, &none, NULL);
    dup2(p->null_fd, 0);
    dup2(p->log_fd, 1);
    dup2(p->log_fd, 2);
    fcntl(p->ready_fd, F_SETFD, 0);
    exec_spawn_restore_limits();
    if (chdir("/") == 0)
        execv(p->program, (char *const *)(uintptr_t)p->argv);
    execv(p->argv[p->plain], (char *const *)(uintptr_t)(p->argv + p->plain));
    static const char text[] = "the program cannot be started again\n";
    _exit(write(p->ready_fd, text, sizeof(text) - 1) < 0 ? 126 : 127);
}

static enum code read_ready(struct ctx *cx, int fd)
{
    char text[ERR_MSG_MAX];
    size_t n = 0;
    struct pollfd p = {.fd = fd, .events = POLLIN};
    while (n < sizeof(text) - 1 && poll(&p, 1, READY_MS) > 0) {
        ssize_t got = read(fd, text + n, sizeof(text) - 1 - n);
        if (got <= 0 && errno != EINTR)
            break;
        n += got > 0 ? (size_t)got : 0;
        if (n && text[n - 1] == '\n')
            break;
    }
    str line = str_trim(str_make(text, n));
    if (str_eq(line, STR("ok")))
        return CODE_OK;
    if (line.n == 0)
        line = STR("it did not become ready; see log/supervisor.log in the data folder");
    /* One that another process is starting right now will answer soon. */
    enum code code =
        str_find(line, STR(EXEC_SUPERVISE_ANOTHER)) != SIZE_MAX ? CODE_UNAVAILABLE : CODE_FAILED_PRECONDITION;
    return fail(cx, code, "the supervisor cannot start: " STR_FMT, STR_ARG(line));
}

/* One old log is kept. */
static void rotate(struct ctx *cx, const char *path)
{
    struct stat st;
    if (stat(path, &st) == 0 && st.st_size > LOG_MAX && rename(path, arena_printf(cx->mem, "%s.1", path).p) < 0)
        log_warn(cx, "a log stays as long as it is", LOG_CSTR("path", path), LOG_INT("errno", errno));
}

static enum code run_start(struct ctx *cx, struct start_plan *p, int *ready)
{
    p->null_fd = open("/dev/null", O_RDONLY | O_CLOEXEC);
    p->log_fd = open(p->log, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC, 0600);
    if (p->null_fd < 0 || p->log_fd < 0 || pipe2(ready, O_CLOEXEC) < 0)
        return fail_errno(cx, "cannot start the supervisor");
    p->ready_fd = ready[1];
    snprintf(p->ready_text, sizeof(p->ready_text), "%d", ready[1]);
    int pid = fork();
    if (pid == 0)
        start_child(p);
    if (pid < 0)
        return fail_errno(cx, "cannot start the supervisor");
    while (waitpid(pid, NULL, 0) < 0 && errno == EINTR)
        ;
    close(ready[1]);
    ready[1] = -1;
    return read_ready(cx, ready[0]);
}

/* Where cgroup v2 is in use, an ordinary account gets a group of its own from its systemd: systemd-run makes a scope and
 * becomes the supervisor in it (D-23). Returns how many words of argv that takes; 0 = not possible here. */
static size_t scope_argv(struct ctx *cx, const struct exec_client *c, struct start_plan *p)
{
    static const char *const words[] = {
        "systemd-run", "--user", "--scope", "--quiet", "--collect", "--property=Delegate=yes", "--"};
    static const char *const places[] = {"/usr/bin/systemd-run", "/bin/systemd-run"};
    const char *runtime = getenv("XDG_RUNTIME_DIR");
    if (!c->cfg.cgroup || geteuid() == 0 || !runtime || access("/sys/fs/cgroup/cgroup.controllers", R_OK) != 0 ||
        access(arena_printf(cx->mem, "%s/systemd/private", runtime).p, W_OK) != 0)
        return 0;
    for (size_t i = 0; i < 2; i++)
        if (access(places[i], X_OK) == 0) {
            p->program = places[i];
            memcpy(p->argv, words, sizeof(words));
            return sizeof(words) / sizeof(*words);
        }
    return 0;
}

static enum code start_once(struct exec_client *c, bool in_scope, bool *scoped)
{
    struct ctx *cx = &c->cx;
    struct start_plan p = {.program = c->program, .null_fd = -1, .log_fd = -1};
    str log_dir = arena_printf(cx->mem, "%s/log", c->data_dir);
    p.log = arena_printf(cx->mem, "%s/supervisor.log", log_dir.p).p;
    /* Nothing that was removed under a running server is made again by it. */
    if (access(arena_printf(cx->mem, "%s/run", c->data_dir).p, F_OK) < 0)
        return fail(cx, CODE_FAILED_PRECONDITION, "the data folder %s is gone: end this server", c->data_dir);
    TRY(file_mkdirs(cx, log_dir.p, 0700));
    rotate(cx, p.log);
    size_t n = in_scope ? scope_argv(cx, c, &p) : 0;
    *scoped = n > 0;
    const char *base[] = {c->program, "supervise", "--data", c->data_dir, "--ready-fd", p.ready_text};
    p.plain = n;
    memcpy(p.argv + n, base, sizeof(base));
    n += sizeof(base) / sizeof(*base);
    if (!c->cfg.cgroup)
        p.argv[n++] = "--no-cgroup";
    if (c->s3_listen[0]) {
        p.argv[n++] = "--s3-listen";
        p.argv[n++] = c->s3_listen;
        if (c->cfg.s3_keep)
            p.argv[n++] = "--s3-keep";
    }
    if (c->cfg.idle_exit_s > 0) {
        snprintf(p.idle_text, sizeof(p.idle_text), "%lld", (long long)c->cfg.idle_exit_s);
        p.argv[n++] = "--idle-exit";
        p.argv[n++] = p.idle_text;
    }
    int ready[2] = {-1, -1};
    enum code code = run_start(cx, &p, ready);
    int fds[] = {p.null_fd, p.log_fd, ready[0], ready[1]};
    for (size_t i = 0; i < 4; i++)
        if (fds[i] >= 0)
            close(fds[i]);
    return code;
}

static enum code start_supervisor(struct exec_client *c)
{
    bool scoped;
    enum code code = start_once(c, true, &scoped);
    if (code == CODE_OK || code == CODE_UNAVAILABLE || !scoped)
        return code;
    log_warn(&c->cx, "no scope of systemd for the supervisor, starting it without", LOG_ERR(&c->cx));
    ctx_clear_err(&c->cx);
    return start_once(c, false, &scoped);
}

/* ---- greeting ---------------------------------------------------------------------------------------------------- */

static str own_build(struct ctx *cx, const char *program)
{
    struct stat st;
    if (stat(program, &st) < 0)
        return STR("unknown");
    return arena_printf(cx->mem, "%llx-%llx-%lld.%09ld", (unsigned long long)st.st_dev, (unsigned long long)st.st_ino,
                        (long long)st.st_mtim.tv_sec, st.st_mtim.tv_nsec);
}

/* A supervisor without tasks makes room when it is of an older or newer program, or has its S3 endpoint elsewhere than
 * where it is wanted; with tasks it is kept as long as it can be understood. */
static enum code check_welcome(struct exec_client *c, const struct exec_msg *m, bool *replace)
{
    struct ctx *cx = &c->cx;
    bool understood = m->version >= EXEC_WIRE_OLDEST && m->oldest <= EXEC_WIRE_VERSION;
    bool elsewhere = m->s3_listen.n && c->s3_listen[0] && !str_eq(m->s3_listen, str_from(c->s3_listen));
    *replace = m->running == 0 && (!understood || elsewhere || !str_eq(m->build, own_build(cx, c->program)));
    if (!understood && !*replace)
        return fail(
            cx, CODE_FAILED_PRECONDITION,
            "the supervisor (pid %llu) is of another version of this program and still has %llu tasks: wait for them, "
            "or end them with: tern stop --tasks --data %s",
            (unsigned long long)m->pid, (unsigned long long)m->running, c->data_dir);
    return CODE_OK;
}

static void wait_closed(int fd)
{
    char text[4096];
    struct pollfd p = {.fd = fd, .events = POLLIN};
    while (poll(&p, 1, ANSWER_MS) > 0 && recv(fd, text, sizeof(text), 0) > 0)
        ;
}

static enum code greet(struct exec_client *c, bool *replace)
{
    struct ctx *cx = &c->cx;
    struct exec_msg m = {.type = EXEC_MSG_HELLO,
                         .version = EXEC_WIRE_VERSION,
                         .oldest = EXEC_WIRE_OLDEST,
                         .build = own_build(cx, c->program)};
    buf_clear(&c->in);
    TRY(send_msg(cx, c->fd, &m));
    TRY(receive_msg(cx, c->fd, &c->in, &m));
    if (m.type != EXEC_MSG_WELCOME)
        return fail(cx, CODE_FAILED_PRECONDITION, "the supervisor answers with something else than a welcome");
    TRY(check_welcome(c, &m, replace));
    if (*replace) {
        m = (struct exec_msg){.type = EXEC_MSG_STOP};
        TRY(send_msg(cx, c->fd, &m));
        wait_closed(c->fd);
        return CODE_OK;
    }
    c->cfg.on_message(c->cfg.arg, &m);
    m = (struct exec_msg){.type = EXEC_MSG_S3, .text = c->cfg.s3_upstreams};
    return send_msg(cx, c->fd, &m);
}

static enum code open_connection(struct exec_client *c)
{
    for (int i = 0; i < 3; i++) {
        bool replace = false;
        if (connect_to(&c->cx, c->data_dir, &c->fd) != CODE_OK) {
            ctx_clear_err(&c->cx);
            TRY(start_supervisor(c));
            TRY(connect_to(&c->cx, c->data_dir, &c->fd));
        }
        enum code code = greet(c, &replace);
        if (code == CODE_OK && !replace)
            return CODE_OK;
        close(c->fd);
        c->fd = -1;
        TRY(code);
    }
    return fail(&c->cx, CODE_UNAVAILABLE, "an old supervisor does not make room");
}

/* ---- the thread -------------------------------------------------------------------------------------------------- */

static bool stopping(struct exec_client *c)
{
    pthread_mutex_lock(&c->lock);
    bool stop = c->stop;
    pthread_mutex_unlock(&c->lock);
    return stop;
}

/* Takes what is queued; b is the thread's own. False when something did not fit: then everything is told anew. */
static bool take_out(struct exec_client *c, buf *b)
{
    uint64_t n;
    if (read(c->wake, &n, sizeof(n)) < 0 && errno != EAGAIN)
        return false;
    pthread_mutex_lock(&c->lock);
    if (b->n == 0) {
        buf swap = *b;
        *b = c->out;
        c->out = swap;
    } else {
        buf_str(b, buf_view(&c->out));
        buf_clear(&c->out);
    }
    pthread_mutex_unlock(&c->lock);
    return !b->failed;
}

static bool write_out(struct exec_client *c, buf *b)
{
    while (b->n) {
        ssize_t n = send(c->fd, b->p, b->n, MSG_NOSIGNAL | MSG_DONTWAIT);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return errno == EAGAIN;
        buf_consume(b, (size_t)n);
    }
    return true;
}

static void on_synced(struct exec_client *c)
{
    pthread_mutex_lock(&c->lock);
    c->synced = c->ever_synced = true;
    c->trouble[0] = 0;
    pthread_cond_broadcast(&c->changed);
    pthread_mutex_unlock(&c->lock);
}

static enum code take_in(struct exec_client *c)
{
    size_t at = 0, n;
    for (;;) {
        struct exec_msg m;
        str rest = str_skip(buf_view(&c->in), at);
        TRY(exec_wire_next(&c->cx, rest, &n));
        if (n == 0)
            break;
        TRY(exec_wire_parse(&c->cx, str_make(rest.p + 4, n - 4), &m));
        if (m.type == EXEC_MSG_SYNCED)
            on_synced(c);
        c->cfg.on_message(c->cfg.arg, &m);
        at += n;
    }
    buf_consume(&c->in, at);
    arena_reset(&c->mem);
    return CODE_OK;
}

static bool read_in(struct exec_client *c)
{
    char *room = buf_room(&c->in, 65536);
    ssize_t n = room ? recv(c->fd, room, 65536, MSG_DONTWAIT) : 0;
    if (n < 0)
        return errno == EAGAIN || errno == EINTR;
    if (n == 0)
        return false;
    buf_wrote(&c->in, (size_t)n);
    return take_in(c) == CODE_OK;
}

/* Until the connection ends. What came with the welcome is in c->in already. */
static void converse(struct exec_client *c)
{
    buf out;
    buf_init(&out, OUT_MAX);
    bool alive = take_in(c) == CODE_OK;
    while (alive && !stopping(c)) {
        struct pollfd p[2] = {{.fd = c->fd, .events = (short)(POLLIN | (out.n ? POLLOUT : 0))},
                              {.fd = c->wake, .events = POLLIN}};
        if (poll(p, 2, -1) < 0 && errno != EINTR)
            break;
        alive =
            take_out(c, &out) && write_out(c, &out) && (!(p[0].revents & (POLLIN | POLLHUP | POLLERR)) || read_in(c));
    }
    buf_done(&out);
}

static void note_trouble(struct exec_client *c, bool say)
{
    pthread_mutex_lock(&c->lock);
    c->synced = false;
    c->gave_up = c->cx.err.code != CODE_UNAVAILABLE || time_now_ns() - c->began_ns > PATIENCE_NS;
    bool same = strcmp(c->trouble, c->cx.err.msg) == 0;
    memcpy(c->trouble, c->cx.err.msg, sizeof(c->trouble));
    c->trouble_code = c->cx.err.code;
    buf_clear(&c->out);
    pthread_cond_broadcast(&c->changed);
    pthread_mutex_unlock(&c->lock);
    if (say && !same)
        log_error(&c->cx, "no supervisor", LOG_ERR(&c->cx));
}

static void pause_for(struct exec_client *c, int64_t ns)
{
    struct pollfd p = {.fd = c->wake, .events = POLLIN};
    int64_t until = time_now_ns() + ns;
    for (int64_t left = ns; left > 0 && !stopping(c); left = until - time_now_ns())
        if (poll(&p, 1, (int)(left / NS_PER_MS) + 1) > 0) {
            uint64_t n;
            if (read(c->wake, &n, sizeof(n)) < 0)
                return;
        }
}

static void *run(void *arg)
{
    struct exec_client *c = arg;
    int64_t backoff_ns = BACKOFF_MIN_NS;
    while (!stopping(c)) {
        if (open_connection(c) == CODE_OK) {
            backoff_ns = BACKOFF_MIN_NS;
            converse(c);
            close(c->fd);
            c->fd = -1;
            (void)fail(&c->cx, CODE_UNAVAILABLE, "the connection to the supervisor was lost");
            note_trouble(c, !stopping(c));
        } else {
            note_trouble(c, true);
            pause_for(c, backoff_ns);
            backoff_ns = backoff_ns * 2 < BACKOFF_MAX_NS ? backoff_ns * 2 : BACKOFF_MAX_NS;
        }
        ctx_clear_err(&c->cx);
        arena_reset(&c->mem);
    }
    return NULL;
}

/* ---- outside ----------------------------------------------------------------------------------------------------- */

static enum code wait_synced(struct ctx *cx, struct exec_client *c)
{
    pthread_mutex_lock(&c->lock);
    while (!c->ever_synced && !c->gave_up)
        pthread_cond_wait(&c->changed, &c->lock);
    bool ok = c->ever_synced;
    char why[ERR_MSG_MAX];
    enum code code = c->trouble_code;
    memcpy(why, c->trouble, sizeof(why));
    pthread_mutex_unlock(&c->lock);
    return ok ? CODE_OK : fail(cx, code, "%s", why);
}

static enum code find_program(struct ctx *cx, struct exec_client *c)
{
    str program = c->cfg.program;
    if (program.n == 0)
        TRY(file_own_program(cx, &program));
    if (program.n >= sizeof(c->program) || c->cfg.data_dir.n >= sizeof(c->data_dir))
        return fail(cx, CODE_FAILED_PRECONDITION, "the path of this program or of its data is too long");
    memcpy(c->program, program.p, program.n);
    memcpy(c->data_dir, c->cfg.data_dir.p, c->cfg.data_dir.n);
    snprintf(c->s3_listen, sizeof(c->s3_listen), STR_FMT, STR_ARG(c->cfg.s3_listen));
    return CODE_OK;
}

enum code exec_client_start(struct ctx *cx, const struct exec_client_config *cfg, struct exec_client **out)
{
    struct exec_client *c = mem_new(struct exec_client);
    c->cfg = *cfg;
    c->fd = -1;
    c->began_ns = time_now_ns();
    arena_init(&c->mem, 0);
    ctx_init(&c->cx, &c->mem);
    buf_init(&c->out, OUT_MAX);
    buf_init(&c->in, 2 * EXEC_FRAME_MAX);
    pthread_mutex_init(&c->lock, NULL);
    pthread_cond_init(&c->changed, NULL);
    c->wake = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    enum code code = c->wake < 0 ? fail_errno(cx, "eventfd") : find_program(cx, c);
    if (code == CODE_OK && pthread_create(&c->thread, NULL, run, c) != 0)
        code = fail(cx, CODE_RESOURCE_EXHAUSTED, "cannot start a thread");
    else if (code == CODE_OK)
        c->started = true;
    if (code == CODE_OK)
        code = wait_synced(cx, c);
    if (code != CODE_OK) {
        exec_client_stop(c);
        return code;
    }
    *out = c;
    return CODE_OK;
}

static void wake_up(struct exec_client *c)
{
    uint64_t one = 1;
    if (write(c->wake, &one, sizeof(one)) < 0)
        return; /* it is awake already */
}

void exec_client_stop(struct exec_client *c)
{
    if (!c)
        return;
    if (c->started) {
        pthread_mutex_lock(&c->lock);
        c->stop = true;
        pthread_mutex_unlock(&c->lock);
        wake_up(c);
        pthread_join(c->thread, NULL);
    }
    if (c->wake >= 0)
        close(c->wake);
    buf_done(&c->in);
    buf_done(&c->out);
    arena_done(&c->mem);
    pthread_mutex_destroy(&c->lock);
    pthread_cond_destroy(&c->changed);
    mem_free(c);
}

void exec_client_send_frame(struct exec_client *c, str frame)
{
    pthread_mutex_lock(&c->lock);
    bool synced = c->synced;
    bool first = c->out.n == 0;
    if (synced)
        buf_str(&c->out, frame);
    pthread_mutex_unlock(&c->lock);
    if (synced && first)
        wake_up(c);
}

void exec_client_send(struct exec_client *c, const struct exec_msg *m)
{
    char small[512];
    buf b = {.p = small, .cap = sizeof(small), .max = sizeof(small) - 1};
    exec_wire_put(&b, m);
    if (!b.failed) /* what is said with this function is a key and a few numbers */
        exec_client_send_frame(c, buf_view(&b));
}

str exec_client_trouble(struct ctx *cx, struct exec_client *c)
{
    pthread_mutex_lock(&c->lock);
    str s = c->synced ? STR_NONE : arena_str(cx->mem, str_from(c->trouble));
    pthread_mutex_unlock(&c->lock);
    return s;
}

enum code exec_supervise_stop(struct ctx *cx, str data_dir, bool tasks, bool *stopped)
{
    int fd;
    buf in;
    struct exec_msg m = {.type = EXEC_MSG_STOP, .all = tasks};
    if (connect_to(cx, arena_cstr(cx->mem, data_dir), &fd) != CODE_OK) {
        ctx_clear_err(cx);
        *stopped = true;
        return CODE_OK;
    }
    buf_init(&in, EXEC_FRAME_MAX);
    enum code code = send_msg(cx, fd, &m);
    if (code == CODE_OK)
        code = receive_msg(cx, fd, &in, &m);
    if (code == CODE_OK && m.all)
        wait_closed(fd);
    if (code == CODE_OK)
        *stopped = m.all;
    buf_done(&in);
    close(fd);
    return code;
}

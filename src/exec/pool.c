/* Warm Python processes (D-21): one zygote (embed/zygote/) per a0 script and set of environment variables that are
 * read at import. An attempt goes cold when there is none that fits yet, and whenever anything is in doubt. */
#include "exec/supervise_int.h"

#include "base/embed.h"
#include "base/file.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/time.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <sys/epoll.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#define START_NS (120 * NS_PER_S)
#define REPLY_NS (5 * NS_PER_S) /* without any answer, while one is owed */
#define IDLE_NS (600 * NS_PER_S)
#define ZYGOTES_PER_SCRIPT 3
#define LOG_MAX (4 << 20)
#define PATHS_MAX 32
#define SEEN_MAX 16
#define ANSWER_MAX ((size_t)64 * 1024)
#define CONTROL_FD 3

/* Given to the first zygote of a script; the next ones get exactly what the first has found to be read. */
static const char *const likely_names[] = {
    "PATH",
    "HOME",
    "LANG*",
    "LC_*",
    "TZ*",
    "LOG_*",
    "USER_LOG_LEVEL",
    "FLYTE_IO_*",
    "_F_TE_MAX_COROS",
    "PYTHON*",
    "LD_*",
    "FSSPEC_*",
    "SSL_CERT*",
    "OMP_*",
    "MKL_*",
    "OPENBLAS_*",
    "OPENSSL_*",
    "MALLOC_*",
    "PYDANTIC_*",
    "OTEL_*",
    "RUST_*",
    "SQLITE_TMPDIR",
    "TMPDIR",
    "VIRTUAL_ENV",
    "HTTP_PROXY",
    "HTTPS_PROXY",
    "ALL_PROXY",
    "NO_PROXY",
    "http_proxy",
    "https_proxy",
    "all_proxy",
    "no_proxy",
    "REQUEST_METHOD",
    "TOKIO_*",
    "_FLYTE_USE_PYQWEST_DNS_RESOLVER",
};

/* A file whose change makes a zygote stale. */
struct watched {
    char *path;
    struct timespec mtime;
    ino_t inode;
};

/* What is known of one a0 script. */
struct script {
    struct list node;
    char *path;
    struct arena mem; /* of names */
    struct exec_strs names;
    struct watched paths[PATHS_MAX];
    size_t path_count;
    bool off;                /* until one of the paths changes */
    uint64_t seen[SEEN_MAX]; /* fingerprints that were asked for and not had */
    size_t seen_at;
};

struct request {
    struct list node;
    uint64_t number;
    struct exec_attempt *attempt; /* NULL: gone meanwhile */
    int64_t at_ns;
};

struct zygote {
    struct list node;
    struct exec_pool *pool;
    struct script *script;
    struct arena mem; /* of env */
    struct exec_strs env;
    int pid;
    struct loop_fd control;
    bool ready;
    struct list requests;
    uint64_t next_request;
    struct loop_timer timer;
    int64_t used_ns;     /* last asked, or started */
    int64_t answered_ns; /* its last answer */
};

struct exec_pool {
    struct exec_super *super;
    struct list scripts, zygotes;
    char *program; /* where zygote.py lies */
};

/* ---- files and names that matter --------------------------------------------------------------------------------- */

static void look(struct watched *w)
{
    struct stat st = {0};
    if (stat(w->path, &st) < 0)
        st = (struct stat){0};
    w->mtime = st.st_mtim;
    w->inode = st.st_ino;
}

static bool has_changed(const struct script *s)
{
    for (size_t i = 0; i < s->path_count; i++) {
        struct watched now = {.path = s->paths[i].path};
        look(&now);
        if (now.inode != s->paths[i].inode || now.mtime.tv_sec != s->paths[i].mtime.tv_sec ||
            now.mtime.tv_nsec != s->paths[i].mtime.tv_nsec)
            return true;
    }
    return false;
}

static void forget_paths(struct script *s)
{
    for (size_t i = 0; i < s->path_count; i++)
        mem_free(s->paths[i].path);
    s->path_count = 0;
}

static void watch_path(struct script *s, str path)
{
    if (s->path_count == PATHS_MAX)
        return;
    struct watched *w = &s->paths[s->path_count++];
    w->path = memcpy(mem_alloc(path.n + 1), path.p, path.n);
    look(w);
}

static struct script *script_of(struct exec_pool *p, str path)
{
    for (struct list *n = p->scripts.next; n != &p->scripts; n = n->next) {
        struct script *s = container_of(n, struct script, node);
        if (str_eq(str_from(s->path), path))
            return s;
    }
    struct script *s = mem_new(struct script);
    s->path = memcpy(mem_alloc(path.n + 1), path.p, path.n);
    arena_init(&s->mem, 0);
    watch_path(s, path);
    list_add(&p->scripts, &s->node);
    return s;
}

static bool name_fits(str pattern, str name)
{
    if (str_ends(pattern, STR("*")))
        return str_starts(name, str_head(pattern, pattern.n - 1));
    return str_eq(pattern, name);
}

static bool matters(const struct script *s, str name)
{
    for (size_t i = 0; i < s->names.n; i++)
        if (name_fits(s->names.p[i], name))
            return true;
    for (size_t i = 0; s->names.n == 0 && i < sizeof(likely_names) / sizeof(*likely_names); i++)
        if (name_fits(str_from(likely_names[i]), name))
            return true;
    return false;
}

/* The variables of env that matter. */
static struct exec_strs what_matters(struct arena *mem, const struct script *s, struct exec_strs env)
{
    struct exec_strs out = {arena_new_array(mem, str, env.n + 1), 0};
    for (size_t i = 0; i < env.n; i++) {
        str name, value;
        if (str_cut(env.p[i], '=', &name, &value) && matters(s, name))
            out.p[out.n++] = arena_str(mem, env.p[i]);
    }
    return out;
}

static bool contains(struct exec_strs list, str one)
{
    for (size_t i = 0; i < list.n; i++)
        if (str_eq(list.p[i], one))
            return true;
    return false;
}

static bool same_set(struct exec_strs a, struct exec_strs b)
{
    for (size_t i = 0; i < a.n; i++)
        if (!contains(b, a.p[i]))
            return false;
    return a.n == b.n;
}

/* ---- life of a zygote -------------------------------------------------------------------------------------------- */

static void rearm(struct zygote *z)
{
    int64_t at = z->used_ns + (z->ready ? IDLE_NS : START_NS);
    if (!list_empty(&z->requests)) {
        int64_t oldest_ns = container_of(z->requests.next, struct request, node)->at_ns;
        at = (oldest_ns > z->answered_ns ? oldest_ns : z->answered_ns) + REPLY_NS;
    }
    loop_timer_set(z->pool->super->loop, &z->timer, at);
}

static void request_free(struct request *r)
{
    list_del(&r->node);
    mem_free(r);
}

/* Ends it; what it owed is started cold. */
static void retire(struct zygote *z)
{
    struct exec_super *s = z->pool->super;
    loop_timer_clear(s->loop, &z->timer);
    loop_fd_del(s->loop, &z->control);
    close(z->control.fd);
    if (!list_empty(&z->requests) || !z->ready)
        kill(z->pid, SIGKILL); /* else it leaves by itself when it sees the closed socket */
    list_del(&z->node);
    while (!list_empty(&z->requests)) {
        struct request *r = container_of(z->requests.next, struct request, node);
        struct exec_attempt *a = r->attempt;
        request_free(r);
        if (a)
            exec_attempt_go_cold(a);
    }
    arena_done(&z->mem);
    mem_free(z);
}

static void retire_all_of(struct exec_pool *p, const struct script *script)
{
    struct list *next;
    for (struct list *n = p->zygotes.next; n != &p->zygotes; n = next) {
        struct zygote *z = container_of(n, struct zygote, node);
        next = n->next;
        if (!script || z->script == script)
            retire(z);
    }
}

static void turn_off(struct zygote *z, str why)
{
    struct exec_super *s = z->pool->super;
    log_warn(&s->cx, "no warm Python for this environment, its tasks start cold", LOG_CSTR("a0", z->script->path),
             LOG_STR("reason", why));
    z->script->off = true;
    retire(z);
}

static void on_timer(struct loop_timer *t)
{
    struct zygote *z = container_of(t, struct zygote, timer);
    if (!z->ready) {
        turn_off(z, STR("it did not become ready in time"));
        return;
    }
    if (!list_empty(&z->requests))
        log_warn(&z->pool->super->cx, "warm Python does not answer, starting cold", LOG_CSTR("a0", z->script->path));
    retire(z);
}

static void on_ready(struct zygote *z, str rest)
{
    struct script *s = z->script;
    str piece;
    int64_t paths = 0;
    if (str_next(&rest, 0, &piece))
        (void)str_to_i64(piece, &paths);
    forget_paths(s);
    while (paths-- > 0 && str_next(&rest, 0, &piece))
        watch_path(s, piece);
    arena_reset(&s->mem);
    s->names = (struct exec_strs){arena_new_array(&s->mem, str, rest.n + 1), 0};
    while (str_next(&rest, 0, &piece))
        if (piece.n)
            s->names.p[s->names.n++] = arena_str(&s->mem, piece);
    z->ready = true;
    z->used_ns = time_now_ns();
    rearm(z);
    log_info(&z->pool->super->cx, "warm Python ready", LOG_CSTR("a0", s->path), LOG_INT("pid", z->pid));
}

static void on_pid(struct zygote *z, str rest)
{
    str number, process;
    int64_t n, pid;
    if (!str_cut(rest, 0, &number, &rest) || !str_cut(rest, 0, &process, &rest) || !str_to_i64(number, &n) ||
        !str_to_i64(process, &pid))
        return;
    for (struct list *at = z->requests.next; at != &z->requests; at = at->next) {
        struct request *r = container_of(at, struct request, node);
        if (r->number != (uint64_t)n)
            continue;
        struct exec_attempt *a = r->attempt;
        z->answered_ns = time_now_ns();
        request_free(r);
        rearm(z);
        if (a)
            exec_attempt_forked(a, (int)pid, str_eq(rest, STR("in")));
        return;
    }
}

static void on_control(struct loop_fd *f, uint32_t events)
{
    struct zygote *z = container_of(f, struct zygote, control);
    char text[ANSWER_MAX];
    str kind, rest;
    (void)events;
    ssize_t n = recv(f->fd, text, sizeof(text), MSG_DONTWAIT);
    if (n < 0 && (errno == EAGAIN || errno == EINTR))
        return;
    if (n <= 0) {
        if (z->ready)
            retire(z);
        else
            turn_off(z, STR("it ended while starting; see log/warm-python.log in the data folder"));
        return;
    }
    str_cut(str_make(text, (size_t)n), 0, &kind, &rest);
    if (str_eq(kind, STR("pid")))
        on_pid(z, rest);
    else if (str_eq(kind, STR("ready")))
        on_ready(z, rest);
    else if (str_eq(kind, STR("fail")))
        turn_off(z, rest);
}

/* argv as the kernel makes it from the script's first line: interpreter, at most one argument, and what follows. */
static struct exec_strs zygote_argv(struct exec_pool *p, const struct script *s, str interpreter, str cache)
{
    struct arena *mem = p->super->cx.mem;
    const char *const roots[] = {p->super->limits.memory_root, p->super->limits.pids_root};
    struct exec_strs argv = {arena_new_array(mem, str, 7), 0};
    str flag;
    str_cut(interpreter, ' ', &argv.p[argv.n++], &flag);
    if (flag.n)
        argv.p[argv.n++] = flag;
    argv.p[argv.n++] = str_from(p->program);
    argv.p[argv.n++] = str_from(s->path);
    argv.p[argv.n++] = cache;
    for (size_t i = 0; i < 2; i++)
        if (roots[i])
            argv.p[argv.n++] = arena_printf(mem, "%s/" EXEC_LIMITS_OWN, roots[i]);
    return argv;
}

static enum code spawn_zygote(struct zygote *z, str interpreter, int control, int log_fd)
{
    struct exec_super *s = z->pool->super;
    struct arena *mem = s->cx.mem;
    str cache = arena_printf(mem, STR_FMT "/venvs/warm-%016llx.modules", STR_ARG(s->data_dir),
                             (unsigned long long)str_hash(str_from(z->script->path)));
    struct exec_strs argv = zygote_argv(z->pool, z->script, interpreter, cache);
    struct exec_spawn what = {
        .program = argv.p[0], .argv = argv, .env = z->env, .cwd = STR("/"), .log_fd = log_fd, .keep_fd = control};
    struct exec_spawned made;
    TRY(file_mkdirs(&s->cx, arena_printf(mem, STR_FMT "/venvs", STR_ARG(s->data_dir)).p, 0700));
    TRY(exec_spawn_start(&s->cx, &what, &made));
    z->pid = made.pid;
    exec_spawn_release(&made);
    if (made.error >= 0)
        close(made.error);
    return CODE_OK;
}

static int open_log(struct exec_super *s)
{
    (void)mkdir(arena_printf(s->cx.mem, STR_FMT "/log", STR_ARG(s->data_dir)).p, 0700);
    const char *path = arena_printf(s->cx.mem, STR_FMT "/log/warm-python.log", STR_ARG(s->data_dir)).p;
    struct stat st;
    int keep = stat(path, &st) == 0 && st.st_size > LOG_MAX ? O_TRUNC : O_APPEND;
    return open(path, O_WRONLY | keep | O_APPEND | O_CREAT | O_CLOEXEC, 0600);
}

static void start_zygote(struct exec_pool *p, struct script *script, str interpreter, struct exec_strs env)
{
    struct exec_super *s = p->super;
    int pair[2] = {-1, -1}, log_fd = open_log(s);
    struct zygote *z = mem_new(struct zygote);
    z->pool = p;
    z->script = script;
    z->used_ns = time_now_ns();
    z->timer.fn = on_timer;
    list_init(&z->requests);
    arena_init(&z->mem, 0);
    z->env = what_matters(&z->mem, script, env);
    list_add(&p->zygotes, &z->node);
    bool ok = log_fd >= 0 && socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) == 0;
    z->control = (struct loop_fd){.fd = pair[0], .fn = on_control};
    ok = ok && loop_fd_add(&s->cx, s->loop, &z->control, EPOLLIN) == CODE_OK &&
         spawn_zygote(z, interpreter, pair[1], log_fd) == CODE_OK;
    if (pair[1] >= 0)
        close(pair[1]);
    if (log_fd >= 0)
        close(log_fd);
    ctx_clear_err(&s->cx);
    if (ok)
        rearm(z);
    else
        turn_off(z, STR("it cannot be started"));
}

/* ---- asking ------------------------------------------------------------------------------------------------------ */

static int order_file(struct exec_super *s, const struct exec_msg *m)
{
    buf b;
    buf_init_arena(&b, s->cx.mem, EXEC_FRAME_MAX);
    buf_str(&b, m->cwd);
    buf_char(&b, 0);
    buf_u64(&b, m->argv.n);
    buf_char(&b, 0);
    for (size_t i = 0; i < m->argv.n + m->env.n; i++) {
        buf_str(&b, i < m->argv.n ? m->argv.p[i] : m->env.p[i - m->argv.n]);
        buf_char(&b, 0);
    }
    int fd = b.failed ? -1 : memfd_create("tern-task", MFD_CLOEXEC);
    if (fd >= 0 && (write(fd, b.p, b.n) != (ssize_t)b.n || lseek(fd, 0, SEEK_SET) < 0)) {
        close(fd);
        fd = -1;
    }
    return fd;
}

static bool send_request(struct zygote *z, uint64_t number, const int fds[3])
{
    char text[40];
    struct iovec iov = {text, (size_t)snprintf(text, sizeof(text), "fork%c%llu", 0, (unsigned long long)number)};
    union {
        struct cmsghdr head;
        char space[CMSG_SPACE(3 * sizeof(int))];
    } control = {0};
    struct msghdr msg = {.msg_iov = &iov, .msg_iovlen = 1, .msg_control = &control, .msg_controllen = sizeof(control)};
    struct cmsghdr *c = CMSG_FIRSTHDR(&msg);
    c->cmsg_level = SOL_SOCKET;
    c->cmsg_type = SCM_RIGHTS;
    c->cmsg_len = CMSG_LEN(3 * sizeof(int));
    memcpy(CMSG_DATA(c), fds, 3 * sizeof(int));
    return sendmsg(z->control.fd, &msg, MSG_DONTWAIT | MSG_NOSIGNAL) > 0;
}

static bool ask(struct zygote *z, struct exec_attempt *a, const struct exec_msg *m)
{
    int gate[2], order = order_file(z->pool->super, m);
    if (order < 0 || pipe2(gate, O_CLOEXEC) < 0) {
        if (order >= 0)
            close(order);
        return false;
    }
    uint64_t number = ++z->next_request;
    bool sent = send_request(z, number, (const int[]){order, a->log.fd, gate[0]});
    close(order);
    close(gate[0]);
    if (!sent) {
        close(gate[1]);
        return false;
    }
    a->process.gate = gate[1];
    a->warm = true;
    struct request *r = mem_new(struct request);
    *r = (struct request){.number = number, .attempt = a, .at_ns = time_now_ns()};
    list_add(&z->requests, &r->node);
    z->used_ns = r->at_ns;
    rearm(z);
    return true;
}

/* A second zygote of a script is worth its start when the same variables are asked for again. */
static bool seen_before(struct script *s, struct exec_strs env)
{
    uint64_t hash = 0;
    for (size_t i = 0; i < env.n; i++)
        hash += str_hash(env.p[i]);
    for (size_t i = 0; i < SEEN_MAX; i++)
        if (s->seen[i] == hash)
            return true;
    s->seen[s->seen_at++ % SEEN_MAX] = hash;
    return false;
}

static void perhaps_start(struct exec_pool *p, struct script *script, const struct exec_msg *m, struct exec_strs env)
{
    size_t count = 0;
    struct zygote *idle = NULL;
    for (struct list *n = p->zygotes.next; n != &p->zygotes; n = n->next) {
        struct zygote *z = container_of(n, struct zygote, node);
        if (z->script != script)
            continue;
        if (!z->ready)
            return;
        count++;
        if (list_empty(&z->requests) && (!idle || z->used_ns < idle->used_ns))
            idle = z;
    }
    if (count && !seen_before(script, env))
        return;
    if (count >= ZYGOTES_PER_SCRIPT) {
        if (!idle)
            return;
        retire(idle);
    }
    start_zygote(p, script, m->interpreter, m->env);
}

/* A library that is loaded before the program looks, when it is loaded, at variables that nobody knows here. */
static bool loads_before(const struct exec_strs *env)
{
    for (size_t i = 0; i < env->n; i++)
        if (str_starts(env->p[i], STR("LD_PRELOAD=")) || str_starts(env->p[i], STR("LD_AUDIT=")))
            return true;
    return false;
}

bool exec_pool_ask(struct exec_pool *p, struct exec_attempt *a, const struct exec_msg *m)
{
    if (m->interpreter.n == 0 || !p->program || loads_before(&m->env))
        return false;
    struct script *script = script_of(p, m->program);
    if (has_changed(script)) {
        retire_all_of(p, script);
        script->off = false;
        script->names = (struct exec_strs){0};
        forget_paths(script);
        watch_path(script, m->program);
    }
    if (script->off)
        return false;
    struct exec_strs env = what_matters(p->super->cx.mem, script, m->env);
    for (struct list *n = p->zygotes.next; n != &p->zygotes; n = n->next) {
        struct zygote *z = container_of(n, struct zygote, node);
        if (z->script == script && z->ready && same_set(env, what_matters(p->super->cx.mem, script, z->env)))
            return ask(z, a, m);
    }
    perhaps_start(p, script, m, env);
    return false;
}

void exec_pool_drop(struct exec_pool *p, struct exec_attempt *a)
{
    if (!a->warm)
        return;
    for (struct list *n = p->zygotes.next; n != &p->zygotes; n = n->next) {
        struct zygote *z = container_of(n, struct zygote, node);
        for (struct list *at = z->requests.next; at != &z->requests; at = at->next) {
            struct request *r = container_of(at, struct request, node);
            if (r->attempt == a)
                r->attempt = NULL;
        }
    }
}

/* ---- the pool ---------------------------------------------------------------------------------------------------- */

/* The program of a zygote and its parts, as files: the interpreter and its error messages want them there. */
static enum code write_program(struct exec_super *s, char **out)
{
    const str prefix = STR("exec/embed/zygote/");
    str folder = arena_printf(s->cx.mem, STR_FMT "/run/zygote", STR_ARG(s->data_dir));
    TRY(file_mkdirs(&s->cx, folder.p, 0700));
    for (const struct embed_file *f = embed_files; f->name; f++)
        if (str_starts(str_from(f->name), prefix))
            TRY(file_write(&s->cx, arena_printf(s->cx.mem, STR_FMT "/%s", STR_ARG(folder), f->name + prefix.n).p,
                           str_make(f->data, f->size), 0600));
    *out = mem_strdup(arena_printf(s->cx.mem, STR_FMT "/zygote.py", STR_ARG(folder)).p);
    return CODE_OK;
}

struct exec_pool *exec_pool_new(struct exec_super *s)
{
    struct exec_pool *p = mem_new(struct exec_pool);
    p->super = s;
    list_init(&p->scripts);
    list_init(&p->zygotes);
    if (write_program(s, &p->program) != CODE_OK)
        log_warn(&s->cx, "no warm Python", LOG_ERR(&s->cx));
    ctx_clear_err(&s->cx);
    return p;
}

void exec_pool_free(struct exec_pool *p)
{
    if (!p)
        return;
    retire_all_of(p, NULL);
    while (!list_empty(&p->scripts)) {
        struct script *s = container_of(p->scripts.next, struct script, node);
        list_del(&s->node);
        forget_paths(s);
        arena_done(&s->mem);
        mem_free(s->path);
        mem_free(s);
    }
    mem_free(p->program);
    mem_free(p);
}

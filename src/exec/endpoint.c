/* The S3 endpoint's process, and how others find it. See endpoint.h. */
#include "exec/endpoint.h"

#include "base/file.h"
#include "base/log.h"
#include "base/time.h"
#include "exec/access.h"
#include "object/reach.h"
#include "object/s3.h"
#include "object/upstream.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <sys/file.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <unistd.h>

#define FILE_MAX ((size_t)2048)
#define STOP_GRACE_NS (2 * NS_PER_S)
#define LOOK_EVERY_US 5000
/* For longer than another one lets its requests end. */
#define LOCK_TRIES 600
/* By then a supervisor that was at it has tried again. */
#define TRIED_AGAIN_NS (2500 * NS_PER_MS)
#define UPSTREAMS_MAX ((off_t)8 << 20)
#define LISTEN_TRIES 10
#define LISTEN_AGAIN_US 30000

static str path_of(struct ctx *cx, str data_dir, const char *name)
{
    return arena_printf(cx->mem, STR_FMT "/run/%s", STR_ARG(data_dir), name);
}

/* ---- what a key may do ------------------------------------------------------------------------------------------- */

struct endpoint {
    str data_dir;
    struct object_store *store;
};

static bool is_granted(struct ctx *cx, struct endpoint *e, const struct object_scope *scope, str key)
{
    const struct object_reach_run run = {scope->project, scope->domain, scope->run};
    bool granted;
    return object_reach_granted(cx, e->store, &run, key, &granted) == CODE_OK && granted;
}

/* Others' buckets (object.upstreams) are open to every task. Of ours: what it was given when it was launched; to read also
 * its own project, and what its run was granted since. */
static bool attempt_may(struct ctx *cx, struct endpoint *e, const struct object_scope *scope, enum object_access access,
                        bool ours, str key)
{
    const struct exec_key who = {scope->action_id, scope->attempt};
    bool write = access == OBJECT_WRITE;
    str lines;
    if (!exec_access_read(cx, e->data_dir, who, time_wall_ns(), &lines))
        return false;
    if (!ours)
        return true;
    if (exec_access_covers(lines, write ? EXEC_ACCESS_WRITE : EXEC_ACCESS_READ, key))
        return true;
    return !write && (object_uri_own(scope->project, scope->domain, key) || is_granted(cx, e, scope, key));
}

/* Keys of people read what they were made for. */
static bool reader_may(const struct object_scope *scope, enum object_access access, bool ours, str key)
{
    return access != OBJECT_WRITE && (!ours || !scope->project.n || object_uri_own(scope->project, scope->domain, key));
}

static bool allow(void *arg, const struct object_scope *scope, enum object_access access, str bucket, str key)
{
    struct arena mem;
    struct ctx cx;
    bool ours = str_eq(bucket, STR(OBJECT_BUCKET));
    if (scope->kind != OBJECT_KEY_ATTEMPT)
        return reader_may(scope, access, ours, key);
    arena_init(&mem, 0);
    ctx_init(&cx, &mem);
    bool yes = attempt_may(&cx, arg, scope, access, ours, key);
    arena_done(&mem);
    return yes;
}

/* ---- the process ------------------------------------------------------------------------------------------------- */

/* The one before may still be ending. */
static enum code take_lock(struct ctx *cx, str data_dir, int *out)
{
    str path = path_of(cx, data_dir, "s3.lock");
    int fd = open(path.p, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
    if (fd < 0)
        return fail_errno(cx, "%s", path.p);
    for (int i = 0; i < LOCK_TRIES; i++) {
        if (flock(fd, LOCK_EX | LOCK_NB) == 0) {
            *out = fd;
            return CODE_OK;
        }
        usleep(LOOK_EVERY_US);
    }
    close(fd);
    return fail(cx, CODE_FAILED_PRECONDITION, "another S3 endpoint serves this folder");
}

/* What a dead process announced is not true any more, but says which address to try. */
static void put_aside(struct ctx *cx, str data_dir)
{
    rename(path_of(cx, data_dir, "s3.endpoint").p, path_of(cx, data_dir, "s3.last").p);
}

static str last_address(struct ctx *cx, str data_dir)
{
    str text, line, rest;
    if (file_read(cx, path_of(cx, data_dir, "s3.last").p, FILE_MAX, &text) != CODE_OK) {
        ctx_clear_err(cx);
        return STR("");
    }
    str_cut(text, '\n', &line, &rest);
    return line;
}

/* The process before may just be ending: its lock goes a moment before its port. */
static enum code listen_again(struct ctx *cx, struct object_s3_config *cfg, int tries, struct object_s3 **out)
{
    enum code code = object_s3_start(cx, cfg, out);
    for (; code == CODE_FAILED_PRECONDITION && --tries > 0; code = object_s3_start(cx, cfg, out)) {
        ctx_clear_err(cx);
        usleep(LISTEN_AGAIN_US);
    }
    return code;
}

/* Tasks that run know the last address and no other (D-13). */
static enum code listen_somewhere(struct ctx *cx, struct object_s3_config *cfg, str data_dir, bool keep,
                                  struct object_s3 **out)
{
    size_t running = exec_access_running(cx, data_dir);
    str wanted = cfg->listen, last = keep || running ? last_address(cx, data_dir) : STR("");
    if (last.n) {
        cfg->listen = last;
        if (listen_again(cx, cfg, LISTEN_TRIES, out) == CODE_OK)
            return CODE_OK;
        if (running)
            return fail_wrap(
                cx,
                "the S3 endpoint cannot move, tasks that run (%zu) know its address; free the port, or end "
                "the tasks: tern stop --tasks --data " STR_FMT,
                running, STR_ARG(data_dir));
        ctx_clear_err(cx);
    }
    cfg->listen = wanted;
    return listen_again(cx, cfg, LISTEN_TRIES, out);
}

/* For who waits in exec_endpoint_find(): why there is none. */
static enum code tell_why(struct ctx *cx, str data_dir, enum code code)
{
    const struct err why = cx->err;
    if (code == CODE_OK)
        return CODE_OK;
    if (file_write(cx, path_of(cx, data_dir, "s3.failed").p, str_from(why.msg), 0600) != CODE_OK)
        log_warn(cx, "cannot say why there is no S3 endpoint", LOG_ERR(cx));
    cx->err = why;
    return code;
}

static enum code announce(struct ctx *cx, str data_dir, str listen, const struct object_s3 *s3)
{
    size_t colon = str_rfind_char(listen, ':');
    str host = colon == SIZE_MAX ? STR("localhost") : str_head(listen, colon);
    str text = arena_printf(cx->mem, STR_FMT ":%u\n%d\n", STR_ARG(host), object_s3_port(s3), (int)getpid());
    return file_write(cx, path_of(cx, data_dir, "s3.endpoint").p, text, 0600);
}

static void close_store(struct object_store **s)
{
    object_store_close(*s);
}

static void set_up_process(sigset_t *stop)
{
    prctl(PR_SET_DUMPABLE, 0);
    prctl(PR_SET_NAME, "tern-s3");
    umask(077);
    sigemptyset(stop);
    sigaddset(stop, SIGTERM);
    sigaddset(stop, SIGINT);
    sigprocmask(SIG_BLOCK, stop, NULL);
    signal(SIGPIPE, SIG_IGN);
    signal(SIGHUP, SIG_IGN);
}

static enum code read_upstreams(struct ctx *cx, int64_t fd, struct object_upstreams *out)
{
    struct stat st;
    *out = (struct object_upstreams){0};
    if (fd <= 0)
        return CODE_OK;
    if (fstat((int)fd, &st) != 0 || st.st_size > UPSTREAMS_MAX)
        return fail(cx, CODE_INVALID_ARGUMENT, "the list of others' buckets cannot be read");
    char *p = arena_alloc(cx->mem, (size_t)st.st_size + 1);
    ssize_t n = pread((int)fd, p, (size_t)st.st_size, 0);
    close((int)fd);
    return object_upstream_parse(cx, str_make(p, n > 0 ? (size_t)n : 0), out);
}

enum code exec_endpoint_run(struct ctx *cx, const struct exec_endpoint_options *o)
{
    cleanup_(file_close) int lock = -1;
    cleanup_(close_store) struct object_store *store = NULL;
    struct object_upstreams upstreams;
    struct object_s3 *s3 = NULL;
    sigset_t stop;
    int sig;
    set_up_process(&stop);
    TRY(read_upstreams(cx, o->upstreams_fd, &upstreams));
    TRY(file_mkdirs(cx, path_of(cx, o->data_dir, "").p, 0700));
    TRY(take_lock(cx, o->data_dir, &lock));
    put_aside(cx, o->data_dir);
    TRY(object_store_open(cx, o->data_dir, &store));
    struct endpoint self = {.data_dir = o->data_dir, .store = store};
    struct object_s3_config cfg = {
        .store = store, .listen = o->listen, .access = allow, .access_arg = &self, .upstreams = &upstreams};
    TRY(tell_why(cx, o->data_dir, listen_somewhere(cx, &cfg, o->data_dir, o->keep, &s3)));
    enum code code = announce(cx, o->data_dir, o->listen, s3);
    while (code == CODE_OK && sigwait(&stop, &sig) == EINTR)
        ;
    object_s3_stop(s3, STOP_GRACE_NS);
    return code;
}

/* ---- finding it -------------------------------------------------------------------------------------------------- */

static bool is_held(struct ctx *cx, str data_dir)
{
    cleanup_(file_close) int fd = open(path_of(cx, data_dir, "s3.lock").p, O_RDWR | O_CLOEXEC | O_NOFOLLOW);
    return fd >= 0 && flock(fd, LOCK_SH | LOCK_NB) != 0 && errno == EWOULDBLOCK;
}

static bool read_announced(struct ctx *cx, str data_dir, str *address, int64_t *pid)
{
    str text, rest;
    if (!is_held(cx, data_dir) || file_read(cx, path_of(cx, data_dir, "s3.endpoint").p, FILE_MAX, &text) != CODE_OK) {
        ctx_clear_err(cx);
        return false;
    }
    return str_cut(text, '\n', address, &rest) && str_to_i64(str_trim(rest), pid);
}

static bool has_failed(struct ctx *cx, str data_dir, str *why)
{
    bool failed = file_read(cx, path_of(cx, data_dir, "s3.failed").p, FILE_MAX, why) == CODE_OK;
    ctx_clear_err(cx);
    return failed;
}

enum code exec_endpoint_find(struct ctx *cx, str data_dir, int64_t wait_ns, str *out)
{
    int64_t pid, begin_ns = time_now_ns();
    str why;
    while (!read_announced(cx, data_dir, out, &pid)) {
        int64_t waited_ns = time_now_ns() - begin_ns;
        if (waited_ns >= TRIED_AGAIN_NS && has_failed(cx, data_dir, &why))
            return fail(cx, CODE_FAILED_PRECONDITION, STR_FMT, STR_ARG(why));
        if (waited_ns >= wait_ns)
            return fail(cx, CODE_UNAVAILABLE,
                        "the S3 endpoint does not start; its log is " STR_FMT "/log/supervisor.log", STR_ARG(data_dir));
        usleep(LOOK_EVERY_US);
    }
    return CODE_OK;
}

/* The lock is held, so the process that wrote the file is alive and the number is its own. */
static bool ask_to_end(struct ctx *cx, str data_dir)
{
    str address;
    int64_t pid;
    return read_announced(cx, data_dir, &address, &pid) && pid > 1 && kill((pid_t)pid, SIGTERM) == 0;
}

void exec_endpoint_replace(struct ctx *cx, str data_dir)
{
    unlink(path_of(cx, data_dir, "s3.failed").p);
    ask_to_end(cx, data_dir);
    put_aside(cx, data_dir);
}

void exec_endpoint_stop(struct ctx *cx, str data_dir)
{
    if (!ask_to_end(cx, data_dir))
        return;
    for (int i = 0; i < 600 && is_held(cx, data_dir); i++)
        usleep(LOOK_EVERY_US);
}

/* The supervisor's part of the S3 endpoint: starts its process, starts it again when it ends, ends it at the end. */
#include "exec/endpoint.h"
#include "exec/supervise_int.h"

#include "base/log.h"
#include "base/mem.h"
#include "base/time.h"

#include <errno.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#define AGAIN_NS NS_PER_S
/* A server says what it wants right after its greeting; one of an older version does not. */
#define SAID_NS NS_PER_S
#define LIST_FD 3
#define LIST_FD_TEXT "3"

extern char **environ;

/* A file in memory with the list, which holds secrets; -1 when there is none. */
static int upstreams_fd(struct exec_super *s)
{
    int fd = s->s3_upstreams.n ? memfd_create("s3-upstreams", MFD_CLOEXEC) : -1;
    if (fd >= 0 && write(fd, s->s3_upstreams.p, s->s3_upstreams.n) == (ssize_t)s->s3_upstreams.n)
        return fd;
    if (fd >= 0)
        close(fd);
    return -1;
}

/* It inherits standard error, which is the supervisor's log, and the list. Nothing else of ours is open in it
 * (close-on-exec). */
static int spawn(struct exec_super *s, const char **argv, int list_fd)
{
    posix_spawnattr_t attr;
    posix_spawn_file_actions_t files;
    sigset_t none;
    sigemptyset(&none);
    posix_spawn_file_actions_init(&files);
    if (list_fd >= 0)
        posix_spawn_file_actions_adddup2(&files, list_fd, LIST_FD);
    posix_spawnattr_init(&attr);
    posix_spawnattr_setsigmask(&attr, &none);
    posix_spawnattr_setpgroup(&attr, 0);
    posix_spawnattr_setflags(&attr, POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETPGROUP);
    int error = posix_spawn(&s->s3_pid, "/proc/self/exe", &files, &attr, (char *const *)(uintptr_t)argv, environ);
    posix_spawnattr_destroy(&attr);
    posix_spawn_file_actions_destroy(&files);
    return error;
}

static void start(struct exec_super *s)
{
    const char *argv[10] = {"tern", "s3", "--data", s->data_dir.p, "--listen", s->s3_listen};
    size_t n = 6;
    int list_fd = upstreams_fd(s);
    if (s->s3_keep)
        argv[n++] = "--keep";
    if (list_fd >= 0) {
        argv[n++] = "--upstreams-fd";
        argv[n++] = LIST_FD_TEXT;
    }
    loop_timer_clear(s->loop, &s->s3_again);
    exec_endpoint_replace(&s->cx, s->data_dir);
    int error = spawn(s, argv, list_fd);
    if (list_fd >= 0)
        close(list_fd);
    if (error) {
        s->s3_pid = 0;
        log_error(&s->cx, "cannot start the S3 endpoint", LOG_CSTR("error", strerror(error)));
        loop_timer_set(s->loop, &s->s3_again, time_now_ns() + AGAIN_NS);
    }
}

static void on_again(struct loop_timer *t)
{
    start(container_of(t, struct exec_super, s3_again));
}

void exec_super_s3_start(struct exec_super *s)
{
    s->s3_again.fn = on_again;
    if (s->s3_listen[0])
        loop_timer_set(s->loop, &s->s3_again, time_now_ns() + SAID_NS);
}

void exec_super_s3_set(struct exec_super *s, str upstreams)
{
    bool changed = !str_eq(s->s3_upstreams, upstreams), first = !s->s3_said;
    s->s3_said = true;
    if (changed) {
        mem_free((void *)(uintptr_t)s->s3_upstreams.p);
        s->s3_upstreams = str_make(upstreams.n ? mem_copy(upstreams.p, upstreams.n) : NULL, upstreams.n);
    }
    if (!s->s3_listen[0] || s->stopping)
        return;
    s->s3_changed = s->s3_pid > 0 && changed;
    if (s->s3_changed)
        kill(s->s3_pid, SIGTERM); /* started again when it has ended */
    else if (s->s3_pid <= 0 && first)
        start(s);
}

bool exec_super_s3_reaped(struct exec_super *s, int pid)
{
    if (pid != s->s3_pid)
        return false;
    s->s3_pid = 0;
    if (!s->stopping)
        loop_timer_set(s->loop, &s->s3_again, time_now_ns() + (s->s3_changed ? 0 : AGAIN_NS));
    s->s3_changed = false;
    return true;
}

void exec_super_s3_stop(struct exec_super *s)
{
    mem_free((void *)(uintptr_t)s->s3_upstreams.p);
    s->s3_upstreams = STR_NONE;
    if (!s->s3_listen[0])
        return;
    exec_endpoint_stop(&s->cx, s->data_dir);
    if (s->s3_pid > 0) /* perhaps not announced yet */
        kill(s->s3_pid, SIGTERM);
}

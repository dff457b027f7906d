/* The supervisor's part of the S3 endpoint: starts its process, starts it again when it ends, ends it at the end. */
#include "exec/endpoint.h"
#include "exec/supervise_int.h"

#include "base/log.h"
#include "base/time.h"

#include <errno.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <sys/wait.h>

#define AGAIN_NS NS_PER_S

extern char **environ;

/* It inherits standard error, which is the supervisor's log. Nothing else of ours is open in it (close-on-exec). */
static void start(struct exec_super *s)
{
    posix_spawnattr_t attr;
    sigset_t none;
    const char *argv[] = {"tern", "s3", "--data", s->data_dir.p, "--listen", s->s3_listen, s->s3_keep ? "--keep" : NULL,
                          NULL};
    exec_endpoint_expect(&s->cx, s->data_dir);
    sigemptyset(&none);
    posix_spawnattr_init(&attr);
    posix_spawnattr_setsigmask(&attr, &none);
    posix_spawnattr_setpgroup(&attr, 0);
    posix_spawnattr_setflags(&attr, POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETPGROUP);
    int error = posix_spawn(&s->s3_pid, "/proc/self/exe", NULL, &attr, (char *const *)(uintptr_t)argv, environ);
    posix_spawnattr_destroy(&attr);
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
        start(s);
}

bool exec_super_s3_reaped(struct exec_super *s, int pid)
{
    if (pid != s->s3_pid)
        return false;
    s->s3_pid = 0;
    if (!s->stopping)
        loop_timer_set(s->loop, &s->s3_again, time_now_ns() + AGAIN_NS);
    return true;
}

void exec_super_s3_stop(struct exec_super *s)
{
    if (!s->s3_listen[0])
        return;
    exec_endpoint_stop(&s->cx, s->data_dir);
    if (s->s3_pid > 0) /* perhaps not announced yet */
        kill(s->s3_pid, SIGTERM);
}

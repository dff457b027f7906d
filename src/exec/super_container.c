/* Removes the containers of tasks that were killed. See container.h. */
#include "exec/supervise_int.h"

#include "base/log.h"

#include <signal.h>
#include <spawn.h>
#include <unistd.h>

/* A process that ended by itself has removed its container; one that was killed could not. */
static bool is_removed(const struct exec_attempt *a)
{
    return a->fact.container.n == 0 || (a->fact.state == EXEC_EXITED && !a->fact.signal && !a->fact.aborted);
}

/* By a process that outlives us: it looks again after some seconds. */
void exec_super_container_remove(struct exec_attempt *a)
{
    struct ctx *cx = &a->super->cx;
    posix_spawnattr_t attr;
    sigset_t none;
    pid_t pid;
    if (is_removed(a))
        return;
    const char *const argv[] = {"tern",      "remove_container",
                                "--runtime", arena_cstr(cx->mem, a->fact.runtime),
                                "--name",    arena_cstr(cx->mem, a->fact.container),
                                NULL};
    sigemptyset(&none);
    posix_spawnattr_init(&attr);
    posix_spawnattr_setsigmask(&attr, &none);
    posix_spawnattr_setflags(&attr, POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSID);
    int error = posix_spawn(&pid, "/proc/self/exe", NULL, &attr, (char *const *)(uintptr_t)argv, environ);
    posix_spawnattr_destroy(&attr);
    if (error)
        log_error(cx, "a container may be left", LOG_STR("name", a->fact.container),
                  LOG_CSTR("error", strerror(error)));
}

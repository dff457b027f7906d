/* Running a program. */
#include "image/process.h"

#include <errno.h>
#include <fcntl.h>
#include <spawn.h>
#include <stdio.h>
#include <sys/wait.h>
#include <unistd.h>

extern char **environ;

static int wait_for(pid_t pid)
{
    int status;
    while (waitpid(pid, &status, 0) < 0)
        if (errno != EINTR)
            return -1;
    return status;
}

static enum code cannot_run(struct ctx *cx, const char *program, int error)
{
    return fail(cx, CODE_FAILED_PRECONDITION, "cannot run %s: %s", program, strerror(error));
}

static enum code check_status(struct ctx *cx, const char *program, int status)
{
    if (WIFEXITED(status) && WEXITSTATUS(status) == 0)
        return CODE_OK;
    if (WIFSIGNALED(status))
        return fail(cx, CODE_FAILED_PRECONDITION, "%s was ended by signal %d", program, WTERMSIG(status));
    return fail(cx, CODE_FAILED_PRECONDITION, "%s failed with status %d; its output is above", program,
                WEXITSTATUS(status));
}

enum code image_process_run(struct ctx *cx, const char *const *argv, const char *folder)
{
    return image_process_run_as(cx, argv, argv, folder);
}

enum code image_process_run_as(struct ctx *cx, const char *const *argv, const char *const *shown, const char *folder)
{
    posix_spawn_file_actions_t actions;
    pid_t pid;
    fputs("$", stdout);
    for (size_t i = 0; shown[i]; i++)
        printf(" %s", shown[i]);
    puts("");
    fflush(stdout);
    posix_spawn_file_actions_init(&actions);
    if (folder)
        posix_spawn_file_actions_addchdir_np(&actions, folder);
    int error = posix_spawnp(&pid, argv[0], &actions, NULL, (char *const *)(uintptr_t)argv, environ);
    posix_spawn_file_actions_destroy(&actions);
    if (error)
        return cannot_run(cx, argv[0], error);
    return check_status(cx, argv[0], wait_for(pid));
}

enum code image_process_read(struct ctx *cx, const char *const *argv, size_t max, str *out)
{
    posix_spawn_file_actions_t actions;
    int fds[2];
    pid_t pid;
    FILE *from = NULL;
    char *text = arena_new_array(cx->mem, char, max + 2);
    if (pipe2(fds, O_CLOEXEC) != 0 || !(from = fdopen(fds[0], "r")))
        return fail_errno(cx, "%s", argv[0]);
    fflush(stdout);
    posix_spawn_file_actions_init(&actions);
    posix_spawn_file_actions_adddup2(&actions, fds[1], 1);
    int error = posix_spawnp(&pid, argv[0], &actions, NULL, (char *const *)(uintptr_t)argv, environ);
    posix_spawn_file_actions_destroy(&actions);
    close(fds[1]);
    size_t n = error ? 0 : fread(text, 1, max + 1, from);
    fclose(from);
    if (error)
        return cannot_run(cx, argv[0], error);
    TRY(check_status(cx, argv[0], wait_for(pid)));
    if (n > max)
        return fail(cx, CODE_RESOURCE_EXHAUSTED, "%s wrote more than %zu bytes", argv[0], max);
    *out = str_make(text, n);
    return CODE_OK;
}

bool image_process_succeeds(const char *const *argv)
{
    posix_spawn_file_actions_t actions;
    pid_t pid;
    posix_spawn_file_actions_init(&actions);
    posix_spawn_file_actions_addopen(&actions, 1, "/dev/null", O_WRONLY, 0);
    posix_spawn_file_actions_addopen(&actions, 2, "/dev/null", O_WRONLY, 0);
    int error = posix_spawnp(&pid, argv[0], &actions, NULL, (char *const *)(uintptr_t)argv, environ);
    posix_spawn_file_actions_destroy(&actions);
    if (error)
        return false;
    int status = wait_for(pid);
    return WIFEXITED(status) && WEXITSTATUS(status) == 0;
}

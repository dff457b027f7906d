/* See spawn.h. Between fork and exec only async-signal-safe calls are made, because the process may have threads: all
 * memory is prepared before. */
#include "exec/spawn.h"

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#define GATE_FD 3
#define ERROR_FD 4
/* Above everything that is put in place. */
#define SPARE_FD 10

static struct rlimit files_limit;
static bool files_raised;

void exec_spawn_raise_limits(void)
{
    if (files_raised || getrlimit(RLIMIT_NOFILE, &files_limit) < 0)
        return;
    struct rlimit all = {files_limit.rlim_max, files_limit.rlim_max};
    files_raised = setrlimit(RLIMIT_NOFILE, &all) == 0;
}

void exec_spawn_restore_limits(void)
{
    if (files_raised)
        setrlimit(RLIMIT_NOFILE, &files_limit);
}

struct plan {
    const char **paths; /* to try in turn */
    char **argv, **envp;
    const char *cwd;
    int log_fd, keep_fd, null_fd, gate, error;
    const char **secret_paths;
    const str *secret_values;
    size_t secrets;
    uid_t uid;
    gid_t gid;
    char uid_map[64], gid_map[64];
};

static char **c_strings(struct ctx *cx, struct exec_strs list)
{
    char **v = arena_new_array(cx->mem, char *, list.n + 1);
    for (size_t i = 0; i < list.n; i++)
        v[i] = arena_cstr(cx->mem, list.p[i]);
    return v;
}

static str env_value(struct exec_strs env, str name)
{
    for (size_t i = 0; i < env.n; i++)
        if (str_starts(env.p[i], name) && env.p[i].n > name.n && env.p[i].p[name.n] == '=')
            return str_skip(env.p[i], name.n + 1);
    return STR_NONE;
}

static const char **candidates(struct ctx *cx, const struct exec_spawn *what)
{
    str path = env_value(what->env, STR("PATH")), dir;
    const char **v = arena_new_array(cx->mem, const char *, path.n + 3);
    size_t n = 0;
    if (str_find_char(what->program, '/') != SIZE_MAX)
        v[n++] = arena_cstr(cx->mem, what->program);
    else
        while (str_next(&path, ':', &dir))
            if (dir.n)
                v[n++] = arena_printf(cx->mem, STR_FMT "/" STR_FMT, STR_ARG(dir), STR_ARG(what->program)).p;
    return v;
}

/* ---- in the child ------------------------------------------------------------------------------------------------ */

_Noreturn static void child_fail(const struct plan *p, const char *what, const char *which)
{
    char text[512];
    size_t n = 0;
    int e = errno;
    const char *parts[] = {what, which, ": ", strerrordesc_np(e)};
    for (size_t i = 0; i < 4; i++)
        for (const char *c = parts[i]; c && *c && n < sizeof(text); c++)
            text[n++] = *c;
    if (write(p->error, text, n) < 0)
        _exit(126);
    _exit(e == ENOENT ? 127 : 126);
}

static void child_signals(void)
{
    sigset_t none;
    struct sigaction sa = {.sa_handler = SIG_DFL};
    for (int i = 1; i < NSIG; i++)
        sigaction(i, &sa, NULL);
    sigemptyset(&none);
    sigprocmask(SIG_SETMASK, &none, NULL);
}

static bool child_write(const char *path, const char *p, size_t n, int flags)
{
    int fd = open(path, flags | O_CLOEXEC, 0600);
    if (fd < 0)
        return false;
    while (n) {
        ssize_t put = write(fd, p, n);
        if (put <= 0)
            break;
        p += put;
        n -= (size_t)put;
    }
    close(fd);
    return n == 0;
}

/* System calls only. */
bool exec_spawn_private(const char *uid_map, const char *gid_map)
{
    bool plain = unshare(CLONE_NEWNS) == 0;
    if (!plain && unshare(CLONE_NEWNS | CLONE_NEWUSER) < 0)
        return false;
    if (!plain && (!child_write("/proc/self/setgroups", "deny", 4, O_WRONLY) ||
                   !child_write("/proc/self/uid_map", uid_map, strlen(uid_map), O_WRONLY) ||
                   !child_write("/proc/self/gid_map", gid_map, strlen(gid_map), O_WRONLY)))
        return false;
    return mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) == 0;
}

/* An empty folder in memory at EXEC_SECRETS_DIR. */
static bool child_mount(const struct plan *p)
{
    return exec_spawn_private(p->uid_map, p->gid_map) &&
           mount("tmpfs", EXEC_SECRETS_DIR, "tmpfs", MS_NOSUID | MS_NODEV | MS_NOEXEC, "mode=0700,size=16m") == 0;
}

static void child_secrets(const struct plan *p)
{
    if (p->secrets == 0)
        return;
    if (!child_mount(p))
        child_fail(p, "cannot mount the secrets folder ", EXEC_SECRETS_DIR);
    for (size_t i = 0; i < p->secrets; i++) {
        char dir[4096];
        size_t n = strlen(p->secret_paths[i]);
        for (size_t k = sizeof(EXEC_SECRETS_DIR); k < n && n < sizeof(dir); k++) {
            if (p->secret_paths[i][k] != '/')
                continue;
            memcpy(dir, p->secret_paths[i], k);
            dir[k] = 0;
            mkdir(dir, 0700);
        }
        if (!child_write(p->secret_paths[i], p->secret_values[i].p, p->secret_values[i].n, O_WRONLY | O_CREAT | O_EXCL))
            child_fail(p, "cannot write a secret to ", p->secret_paths[i]);
    }
}

static void child_descriptors(struct plan *p)
{
    /* Out of the way first, so that nothing is overwritten before it is in place. */
    int from[] = {p->null_fd, p->log_fd, p->log_fd, p->keep_fd, p->gate, p->error};
    for (size_t i = 0; i < 6; i++)
        if (from[i] >= 0)
            from[i] = fcntl(from[i], F_DUPFD, SPARE_FD);
    for (int i = 0; i < 3; i++)
        dup2(from[i], i);
    int next = 3;
    if (from[3] >= 0)
        dup2(from[3], next++);
    p->gate = dup3(from[4], next, O_CLOEXEC);
    p->error = dup3(from[5], next + 1, O_CLOEXEC);
    syscall(SYS_close_range, next + 2, ~0U, 0);
}

static void child_wait(const struct plan *p)
{
    char c;
    ssize_t n;
    while ((n = read(p->gate, &c, 1)) < 0 && errno == EINTR)
        ;
    if (n != 1)
        kill(getpid(), SIGKILL); /* an exit code would look like the task's own; this is an interruption */
    close(p->gate);
}

_Noreturn static void child(struct plan *p)
{
    setsid();
    child_signals();
    child_descriptors(p);
    umask(022);
    exec_spawn_restore_limits();
    child_wait(p);
    child_secrets(p);
    if (chdir(p->cwd) < 0)
        child_fail(p, "cannot enter ", p->cwd);
    errno = ENOENT;
    int first = 0;
    for (const char **path = p->paths; *path; path++) {
        execve(*path, p->argv, p->envp);
        if (errno != ENOENT)
            first = first ? first : errno;
    }
    errno = first ? first : ENOENT;
    child_fail(p, "cannot start ", p->argv[0]);
}

/* ---- in the parent ----------------------------------------------------------------------------------------------- */

static enum code check_secret_name(struct ctx *cx, str name)
{
    str rest = name, part;
    bool bad = name.n == 0 || name.n > 1024 || name.p[0] == '/' || memchr(name.p, 0, name.n);
    while (!bad && str_next(&rest, '/', &part))
        bad = part.n == 0 || str_eq(part, STR(".")) || str_eq(part, STR(".."));
    return bad ? fail(cx, CODE_INVALID_ARGUMENT, "secret file name \"" STR_FMT "\"", STR_ARG(name)) : CODE_OK;
}

static enum code plan_secrets(struct ctx *cx, const struct exec_spawn *what, struct plan *p)
{
    p->secrets = what->secret_names.n;
    p->secret_values = what->secret_values.p;
    p->secret_paths = arena_new_array(cx->mem, const char *, p->secrets + 1);
    if (what->secret_values.n != p->secrets)
        return fail(cx, CODE_INVALID_ARGUMENT, "secrets: %zu names, %zu values", p->secrets, what->secret_values.n);
    for (size_t i = 0; i < p->secrets; i++) {
        TRY(check_secret_name(cx, what->secret_names.p[i]));
        p->secret_paths[i] = arena_printf(cx->mem, EXEC_SECRETS_DIR "/" STR_FMT, STR_ARG(what->secret_names.p[i])).p;
    }
    p->uid = geteuid();
    p->gid = getegid();
    snprintf(p->uid_map, sizeof(p->uid_map), "%u %u 1", p->uid, p->uid);
    snprintf(p->gid_map, sizeof(p->gid_map), "%u %u 1", p->gid, p->gid);
    return CODE_OK;
}

static void close_both(int *p)
{
    if (p[0] >= 0)
        close(p[0]);
    if (p[1] >= 0)
        close(p[1]);
}

/* All signals wait while the child is between fork and its own handlers, so that ours never run in it. */
static int fork_child(struct plan *p)
{
    sigset_t all, old;
    sigfillset(&all);
    sigprocmask(SIG_SETMASK, &all, &old);
    int pid = fork();
    if (pid == 0)
        child(p);
    sigprocmask(SIG_SETMASK, &old, NULL);
    return pid;
}

static enum code start(struct ctx *cx, struct plan *p, int *gate, int *error, struct exec_spawned *out)
{
    if (p->null_fd < 0 || pipe2(gate, O_CLOEXEC) < 0 || pipe2(error, O_CLOEXEC | O_NONBLOCK) < 0)
        return fail_errno(cx, "cannot start a process");
    p->gate = gate[0];
    p->error = error[1];
    out->pid = fork_child(p);
    if (out->pid < 0)
        return fail_errno(cx, "cannot start a process");
    out->gate = gate[1];
    out->error = error[0];
    gate[1] = error[0] = -1;
    return CODE_OK;
}

enum code exec_spawn_start(struct ctx *cx, const struct exec_spawn *what, struct exec_spawned *out)
{
    int gate[2] = {-1, -1}, error[2] = {-1, -1};
    struct plan p = {.log_fd = what->log_fd, .keep_fd = what->keep_fd};
    if (what->argv.n == 0 || what->program.n == 0)
        return fail(cx, CODE_INVALID_ARGUMENT, "a task without a command");
    TRY(plan_secrets(cx, what, &p));
    p.paths = candidates(cx, what);
    p.argv = c_strings(cx, what->argv);
    p.envp = c_strings(cx, what->env);
    p.cwd = arena_cstr(cx->mem, what->cwd);
    p.null_fd = open("/dev/null", O_RDONLY | O_CLOEXEC);
    struct exec_spawned made = {.gate = -1, .error = -1};
    enum code code = start(cx, &p, gate, error, &made);
    close_both(gate);
    close_both(error);
    if (p.null_fd >= 0)
        close(p.null_fd);
    if (code == CODE_OK)
        *out = made;
    return code;
}

void exec_spawn_release(struct exec_spawned *s)
{
    if (s->gate >= 0 && write(s->gate, "g", 1) < 0)
        errno = 0; /* it is gone already: its end will be seen */
    exec_spawn_cancel(s);
}

void exec_spawn_cancel(struct exec_spawned *s)
{
    if (s->gate >= 0)
        close(s->gate);
    s->gate = -1;
}

str exec_spawn_error(struct ctx *cx, struct exec_spawned *s)
{
    char text[512];
    ssize_t n = s->error >= 0 ? read(s->error, text, sizeof(text)) : 0;
    if (s->error >= 0)
        close(s->error);
    s->error = -1;
    return arena_str(cx->mem, str_make(text, n > 0 ? (size_t)n : 0));
}

bool exec_spawn_can_mount(const char **why)
{
    struct plan p = {.uid = geteuid(), .gid = getegid(), .error = -1};
    struct stat st;
    int status = 0;
    *why = "this account may not make mount namespaces";
    if (p.uid == 0) {
        mkdir("/etc/flyte", 0755);
        mkdir(EXEC_SECRETS_DIR, 0755);
    }
    if (stat(EXEC_SECRETS_DIR, &st) < 0 || !S_ISDIR(st.st_mode)) {
        *why = "the folder " EXEC_SECRETS_DIR " does not exist (root can make it: mkdir -p " EXEC_SECRETS_DIR ")";
        return false;
    }
    snprintf(p.uid_map, sizeof(p.uid_map), "%u %u 1", p.uid, p.uid);
    snprintf(p.gid_map, sizeof(p.gid_map), "%u %u 1", p.gid, p.gid);
    int pid = fork();
    if (pid == 0)
        _exit(child_mount(&p) ? 0 : 1);
    return pid > 0 && waitpid(pid, &status, 0) == pid && status == 0;
}

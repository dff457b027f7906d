/* File secrets of attempts (D-35): in a private mount of memory at /etc/flyte/secrets, made by the child itself; where
 * that is not permitted, in a folder in memory that only this account may enter, named to the task by
 * FLYTE_SECRETS_DEFAULT_DIR. */
#include "exec/supervise_int.h"

#include "base/log.h"
#include "base/tree.h"
#include "exec/container.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

/* Folders in memory first: a secret should not reach a disk. */
void exec_secrets_init(struct exec_super *s)
{
    const char *runtime = getenv("XDG_RUNTIME_DIR");
    uint64_t hash = str_hash(s->data_dir);
    const char *base = runtime && *runtime && access(runtime, W_OK) == 0 ? runtime : "/dev/shm";
    static char path[4096];
    if (access(base, W_OK) == 0)
        snprintf(path, sizeof(path), "%s/tern-%u-%016llx", base, geteuid(), (unsigned long long)hash);
    else
        snprintf(path, sizeof(path), STR_FMT "/run/secrets", STR_ARG(s->data_dir));
    s->secrets_dir = str_from(path);
}

static str attempt_dir(const struct exec_attempt *a)
{
    return arena_printf(a->super->cx.mem, STR_FMT "/%llu-%u", STR_ARG(a->super->secrets_dir),
                        (unsigned long long)a->fact.key.action_id, a->fact.key.attempt);
}

/* The folder is made by us and nobody else: /dev/shm is open to all accounts. */
static enum code make_private(struct ctx *cx, const char *path)
{
    struct stat st;
    if (mkdir(path, 0700) < 0 && errno != EEXIST)
        return fail_errno(cx, "secrets folder %s", path);
    if (lstat(path, &st) < 0 || !S_ISDIR(st.st_mode) || st.st_uid != geteuid() || (st.st_mode & 077))
        return fail(cx, CODE_PERMISSION_DENIED, "secrets folder %s is not private", path);
    return CODE_OK;
}

static enum code write_secret(struct ctx *cx, const char *path, str value)
{
    int fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
    bool ok = fd >= 0 && write(fd, value.p, value.n) == (ssize_t)value.n;
    if (!ok)
        (void)fail_errno(cx, "secret %s", path);
    if (fd >= 0)
        close(fd);
    return ok ? CODE_OK : cx->err.code;
}

static enum code place_one(struct ctx *cx, str dir, str name, str value)
{
    str rest = name, part, at = dir;
    while (str_next(&rest, '/', &part)) {
        if (part.n == 0 || str_eq(part, STR(".")) || str_eq(part, STR("..")) || memchr(part.p, 0, part.n))
            return fail(cx, CODE_INVALID_ARGUMENT, "secret file name \"" STR_FMT "\"", STR_ARG(name));
        if (part.p != name.p)
            TRY(make_private(cx, at.p));
        at = arena_printf(cx->mem, STR_FMT "/" STR_FMT, STR_ARG(at), STR_ARG(part));
    }
    return write_secret(cx, at.p, value);
}

/* A value in env that lies below from is moved below to: the variables that name a secret's path. */
static struct exec_strs move_env(struct ctx *cx, struct exec_strs env, str from, str to)
{
    struct exec_strs out = {arena_new_array(cx->mem, str, env.n), env.n};
    for (size_t i = 0; i < env.n; i++) {
        str name, value;
        out.p[i] = env.p[i];
        if (str_cut(env.p[i], '=', &name, &value) && str_starts(value, from) &&
            (value.n == from.n || value.p[from.n] == '/'))
            out.p[i] = arena_printf(cx->mem, STR_FMT "=" STR_FMT STR_FMT, STR_ARG(name), STR_ARG(to),
                                    STR_ARG(str_skip(value, from.n)));
    }
    return out;
}

/* The container's account is not always ours; nobody else gets to the folder that this one is in. */
static void let_container_read(struct ctx *cx, str dir, struct exec_strs names)
{
    for (size_t i = 0; i < names.n; i++) {
        char *path = arena_cstr(cx->mem, arena_printf(cx->mem, STR_FMT "/" STR_FMT, STR_ARG(dir), STR_ARG(names.p[i])));
        if (chmod(path, 0644) < 0)
            log_warn(cx, "a secret may not be readable in its container", LOG_INT("errno", errno));
        for (char *c = path + strlen(path); c > path + dir.n; c--)
            if (*c == '/') {
                *c = 0;
                (void)!chmod(path, 0755);
            }
    }
    (void)!chmod(dir.p, 0755);
}

static enum code place_for_container(struct exec_attempt *a, const struct exec_msg *m, str dir, struct exec_spawn *what)
{
    struct ctx *cx = &a->super->cx;
    str *env = arena_new_array(cx->mem, str, what->env.n + 1);
    for (size_t i = 0; i < what->env.n; i++)
        env[i] = what->env.p[i];
    env[what->env.n] = arena_concat(cx->mem, STR(EXEC_CONTAINER_SECRETS "="), dir);
    what->env = (struct exec_strs){env, what->env.n + 1};
    let_container_read(cx, dir, m->secret_names);
    return CODE_OK;
}

static enum code place_in_folder(struct exec_attempt *a, const struct exec_msg *m, struct exec_spawn *what)
{
    struct exec_super *s = a->super;
    struct ctx *cx = &s->cx;
    str dir = attempt_dir(a);
    TRY(make_private(cx, arena_cstr(cx->mem, s->secrets_dir)));
    exec_secrets_remove(a);
    TRY(make_private(cx, dir.p));
    a->secrets = true;
    for (size_t i = 0; i < m->secret_names.n && i < m->secret_values.n; i++)
        TRY(place_one(cx, dir, m->secret_names.p[i], m->secret_values.p[i]));
    if (m->container.n)
        return place_for_container(a, m, dir, what);
    what->env = move_env(cx, what->env, STR(EXEC_SECRETS_DIR), dir);
    exec_logfile_system(&a->log, arena_printf(cx->mem,
                                              "The task's secret files are in " STR_FMT " (FLYTE_SECRETS_DEFAULT_DIR), "
                                              "not in " EXEC_SECRETS_DIR ": %s.",
                                              STR_ARG(dir), s->mount_error));
    return CODE_OK;
}

enum code exec_secrets_place(struct exec_attempt *a, const struct exec_msg *m, struct exec_spawn *what)
{
    struct exec_super *s = a->super;
    if (m->secret_names.n == 0)
        return CODE_OK;
    if (m->container.n)
        return place_in_folder(a, m, what);
    if (s->can_mount == 0)
        s->can_mount = exec_spawn_can_mount(&s->mount_error) ? 1 : -1;
    if (s->can_mount < 0)
        return place_in_folder(a, m, what);
    what->secret_names = m->secret_names;
    what->secret_values = m->secret_values;
    return CODE_OK;
}

void exec_secrets_remove(struct exec_attempt *a)
{
    tree_remove(attempt_dir(a).p);
    a->secrets = false;
}

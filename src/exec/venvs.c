/* See venvs.h. */
#include "exec/venvs.h"

#include "base/file.h"
#include "base/time.h"
#include "base/tree.h"
#include "base/vec.h"
#include "exec/python.h"

#include <dirent.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

/* A use is noted once in so long, so that launching a task mostly only looks. */
#define NOTE_NS (3600 * NS_PER_S)

static str venv_path(struct ctx *cx, str data_dir, str name)
{
    return arena_printf(cx->mem, STR_FMT "/venvs/" STR_FMT, STR_ARG(data_dir), STR_ARG(name));
}

/* 0 when it is no environment. */
static int64_t used_ns(struct ctx *cx, str venv)
{
    struct stat st;
    if (stat(arena_printf(cx->mem, STR_FMT "/" EXEC_VENVS_COMPLETE, STR_ARG(venv)).p, &st) < 0)
        return 0;
    return (int64_t)st.st_mtim.tv_sec * NS_PER_S + st.st_mtim.tv_nsec;
}

void exec_venvs_used(struct ctx *cx, str bin_dir)
{
    if (!str_ends(bin_dir, STR("/bin")))
        return;
    str venv = str_head(bin_dir, bin_dir.n - strlen("/bin"));
    int64_t last = used_ns(cx, venv);
    if (last && time_wall_ns() - last > NOTE_NS)
        (void)utimensat(AT_FDCWD, arena_printf(cx->mem, STR_FMT "/" EXEC_VENVS_COMPLETE, STR_ARG(venv)).p, NULL, 0);
}

enum code exec_venvs_list(struct ctx *cx, str data_dir, struct exec_venv **out, size_t *n)
{
    VEC(struct exec_venv) list = {0};
    cleanup_(file_close_dir) DIR *dir = opendir(venv_path(cx, data_dir, STR("")).p);
    struct dirent *e;
    while (dir && (e = readdir(dir))) {
        struct exec_venv v = {.name = arena_str(cx->mem, str_from(e->d_name))};
        bool own = v.name.p[0] != '.' && e->d_type == DT_DIR; /* not the links */
        if (own && (v.used_ns = used_ns(cx, venv_path(cx, data_dir, v.name))))
            *vec_push(&list, cx->mem) = v;
    }
    *out = list.p;
    *n = list.n;
    return CODE_OK;
}

str exec_venvs_of_image(struct ctx *cx, str data_dir, str image)
{
    char real[PATH_MAX];
    if (!image.n || !realpath(exec_python_image_path(cx, data_dir, image).p, real))
        return STR("");
    str path = str_from(real);
    return arena_str(cx->mem, str_skip(path, str_rfind_char(path, '/') + 1));
}

static void remove_names(struct ctx *cx, str data_dir, str venv)
{
    cleanup_(file_close_dir) DIR *dir = opendir(venv_path(cx, data_dir, STR("")).p);
    struct dirent *e;
    char target[PATH_MAX];
    while (dir && (e = readdir(dir))) {
        ssize_t n = e->d_type == DT_LNK ? readlinkat(dirfd(dir), e->d_name, target, sizeof(target)) : -1;
        if (n > 0 && str_eq(str_make(target, (size_t)n), venv))
            unlinkat(dirfd(dir), e->d_name, 0);
    }
}

/* The lock is that of builds. It is moved away first: there is never half an environment under its name. */
void exec_venvs_remove(struct ctx *cx, str data_dir, str name, int64_t before_ns, bool dry, struct exec_swept *swept)
{
    str venv = venv_path(cx, data_dir, name), lock = arena_printf(cx->mem, STR_FMT ".lock", STR_ARG(venv));
    str gone = venv_path(cx, data_dir, arena_printf(cx->mem, "build-gone-" STR_FMT, STR_ARG(name)));
    cleanup_(file_close) int fd = open(lock.p, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
    if (fd < 0 || flock(fd, LOCK_EX | LOCK_NB) != 0 || used_ns(cx, venv) >= before_ns)
        return;
    swept->count++;
    swept->bytes += tree_size(venv.p);
    if (dry)
        return;
    remove_names(cx, data_dir, venv);
    if (rename(venv.p, gone.p) == 0)
        tree_remove(gone.p);
    unlink(lock.p);
}

void exec_venvs_sweep_builds(struct ctx *cx, str data_dir, int64_t before_ns, bool dry, struct exec_swept *swept)
{
    cleanup_(file_close_dir) DIR *dir = opendir(venv_path(cx, data_dir, STR("")).p);
    struct dirent *e;
    struct stat st;
    while (dir && (e = readdir(dir))) {
        if (!str_starts(str_from(e->d_name), STR("build-")) ||
            fstatat(dirfd(dir), e->d_name, &st, AT_SYMLINK_NOFOLLOW) < 0 || st.st_mtim.tv_sec >= before_ns / NS_PER_S)
            continue;
        str path = venv_path(cx, data_dir, str_from(e->d_name));
        swept->count++;
        swept->bytes += tree_size(path.p);
        if (!dry)
            tree_remove(path.p);
    }
}

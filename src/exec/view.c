/* See view.h. A path that is missing needs a name in a folder that exists, say "app" in "/": that folder is covered by
 * one in memory, in which everything it had is bound, and the new names. */
#include "exec/view.h"

#include "base/file.h"
#include "exec/spawn.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#define ITEMS_MAX 4096
#define NAMES_MAX 1024 /* of a folder that is covered: each becomes a mount */
#define DEPTH_MAX 64
/* In the working folder while the view is made. */
#define SCRATCH ".tern-view"

/* One file or folder of the working folder, and where it goes. */
struct item {
    str from, to;
    str folder; /* the nearest that exists above to; "" = to itself is there */
    bool done;
};

struct view {
    struct ctx *cx;
    struct item *items;
    size_t n;
    str scratch;
};

static enum code cannot(struct ctx *cx, const char *what, str path)
{
    return fail(cx, CODE_FAILED_PRECONDITION, "cannot %s " STR_FMT ": %s", what, STR_ARG(path), strerrordesc_np(errno));
}

static str join(struct view *v, str folder, str name)
{
    bool root = str_eq(folder, STR("/"));
    return arena_printf(v->cx->mem, STR_FMT "/" STR_FMT, STR_ARG(root ? STR("") : folder), STR_ARG(name));
}

/* Calls fn for each name in the folder. */
static enum code each(struct view *v, str folder,
                      enum code (*fn)(struct view *v, str folder, str name, const void *arg), const void *arg)
{
    struct dirent *e;
    size_t n = 0;
    cleanup_(file_close_dir) DIR *dir = opendir(folder.p);
    if (!dir)
        return cannot(v->cx, "read", folder);
    while ((e = readdir(dir))) {
        if (strcmp(e->d_name, ".") == 0 || strcmp(e->d_name, "..") == 0)
            continue;
        if (n++ == NAMES_MAX)
            return fail(v->cx, CODE_FAILED_PRECONDITION, STR_FMT " holds more than %d names", STR_ARG(folder),
                        NAMES_MAX);
        TRY(fn(v, folder, arena_str(v->cx->mem, str_from(e->d_name)), arg));
    }
    return CODE_OK;
}

/* ---- what goes where --------------------------------------------------------------------------------------------- */

struct target {
    str to;
    int depth;
};

static enum code add(struct view *v, str from, str to, int depth);

static enum code add_child(struct view *v, str folder, str name, const void *arg)
{
    const struct target *t = arg;
    return add(v, join(v, folder, name), join(v, t->to, name), t->depth + 1);
}

static enum code add(struct view *v, str from, str to, int depth)
{
    struct stat source, there;
    if (lstat(from.p, &source) != 0)
        return CODE_OK; /* the task's code bundle or nobody has it: nothing to show */
    bool exists = stat(to.p, &there) == 0;
    if (exists && S_ISDIR(source.st_mode) && S_ISDIR(there.st_mode) && depth < DEPTH_MAX) {
        struct target t = {to, depth};
        return each(v, from, add_child, &t);
    }
    if (v->n == ITEMS_MAX)
        return fail(v->cx, CODE_FAILED_PRECONDITION, "more than %d files at absolute paths", ITEMS_MAX);
    str folder = exists ? STR("") : to;
    while (!exists && stat(folder.p, &there) != 0) {
        size_t slash = str_rfind_char(folder, '/');
        folder = slash ? arena_str(v->cx->mem, str_head(folder, slash)) : STR("/");
    }
    if (!exists && !S_ISDIR(there.st_mode))
        return fail(v->cx, CODE_FAILED_PRECONDITION, STR_FMT " is no folder", STR_ARG(folder));
    v->items[v->n++] = (struct item){.from = from, .to = to, .folder = folder};
    return CODE_OK;
}

/* ---- mounting ---------------------------------------------------------------------------------------------------- */

/* A mount point of the same kind as from, and from on it; symbolic links are made anew. */
static enum code show(struct view *v, str from, str to)
{
    char target[4096];
    struct stat st;
    if (lstat(from.p, &st) != 0)
        return CODE_OK;
    if (S_ISLNK(st.st_mode)) {
        ssize_t n = readlink(from.p, target, sizeof(target) - 1);
        target[n < 0 ? 0 : n] = 0;
        return symlink(target, to.p) == 0 ? CODE_OK : cannot(v->cx, "make", to);
    }
    if (S_ISDIR(st.st_mode) ? mkdir(to.p, 0755) != 0 && errno != EEXIST
                            : mknod(to.p, S_IFREG | 0644, 0) != 0 && errno != EEXIST)
        return cannot(v->cx, "make", to);
    return mount(from.p, to.p, NULL, MS_BIND | MS_REC, NULL) == 0 ? CODE_OK : cannot(v->cx, "mount on", to);
}

static enum code show_old(struct view *v, str folder, str name, const void *arg)
{
    (void)arg;
    return show(v, join(v, folder, name), join(v, v->scratch, name));
}

static enum code show_new(struct view *v, const struct item *it)
{
    str below = str_skip(it->to, it->folder.n + (it->folder.n > 1));
    str to = join(v, v->scratch, below);
    char *path = arena_cstr(v->cx->mem, to);
    for (char *c = path + v->scratch.n + 1; *c; c++) {
        if (*c != '/')
            continue;
        *c = 0;
        if (mkdir(path, 0755) != 0 && errno != EEXIST)
            return cannot(v->cx, "make", str_from(path));
        *c = '/';
    }
    return show(v, it->from, to);
}

/* The folder in memory takes the place of the covered one; of "/" by becoming the root. */
static enum code put_in_place(struct view *v, str folder)
{
    if (!str_eq(folder, STR("/")))
        return mount(v->scratch.p, folder.p, NULL, MS_MOVE, NULL) == 0 ? CODE_OK : cannot(v->cx, "cover", folder);
    bool ok = chdir(v->scratch.p) == 0 && syscall(SYS_pivot_root, ".", ".") == 0 && umount2(".", MNT_DETACH) == 0;
    return ok ? CODE_OK : cannot(v->cx, "cover", folder);
}

static enum code cover(struct view *v, str folder)
{
    struct stat st;
    if (stat(folder.p, &st) != 0 || (mkdir(v->scratch.p, 0700) != 0 && errno != EEXIST))
        return cannot(v->cx, "cover", folder);
    str options = arena_printf(v->cx->mem, "mode=%o,size=16m", st.st_mode & 07777);
    if (mount("tmpfs", v->scratch.p, "tmpfs", MS_NOSUID | MS_NODEV, options.p) != 0)
        return cannot(v->cx, "mount on", v->scratch);
    TRY(each(v, folder, show_old, NULL));
    for (size_t i = 0; i < v->n; i++)
        if (str_eq(v->items[i].folder, folder)) {
            TRY(show_new(v, &v->items[i]));
            v->items[i].done = true;
        }
    return put_in_place(v, folder);
}

/* The deepest first: what is above takes along what is in place below. */
static enum code cover_all(struct view *v)
{
    for (;;) {
        str deepest = STR("");
        for (size_t i = 0; i < v->n; i++)
            if (!v->items[i].done && v->items[i].folder.n > deepest.n)
                deepest = v->items[i].folder;
        if (deepest.n == 0)
            return CODE_OK;
        TRY(cover(v, deepest));
    }
}

static enum code make(struct view *v, str cwd)
{
    char uid_map[64], gid_map[64];
    snprintf(uid_map, sizeof(uid_map), "%u %u 1", geteuid(), geteuid());
    snprintf(gid_map, sizeof(gid_map), "%u %u 1", getegid(), getegid());
    if (!exec_spawn_private(uid_map, gid_map))
        return fail(v->cx, CODE_FAILED_PRECONDITION, "this account may not make mount namespaces");
    for (size_t i = 0; i < v->n; i++)
        if (v->items[i].folder.n == 0 && mount(v->items[i].from.p, v->items[i].to.p, NULL, MS_BIND | MS_REC, NULL) != 0)
            return cannot(v->cx, "mount on", v->items[i].to);
    TRY(cover_all(v));
    if (chdir(cwd.p) != 0)
        return cannot(v->cx, "enter", cwd);
    umount2(v->scratch.p, MNT_DETACH); /* what was bound for a new root had it, too */
    rmdir(v->scratch.p);
    return CODE_OK;
}

/* Tried in a child first, since a half-made view cannot be left again. */
static enum code try_make(struct view *v, str cwd)
{
    struct err *why = mmap(NULL, sizeof(*why), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    int status = 0;
    if (why == MAP_FAILED)
        return fail_errno(v->cx, "memory");
    *why = (struct err){.code = CODE_FAILED_PRECONDITION, .msg = "the view cannot be made"};
    int pid = fork();
    if (pid == 0) {
        bool ok = make(v, cwd) == CODE_OK;
        *why = v->cx->err;
        _exit(ok ? 0 : 1);
    }
    bool ok = pid > 0 && waitpid(pid, &status, 0) == pid && status == 0;
    if (!ok)
        v->cx->err = *why;
    munmap(why, sizeof(*why));
    rmdir(v->scratch.p);
    return ok ? CODE_OK : v->cx->err.code;
}

enum code exec_view_enter(struct ctx *cx, str paths, str cwd)
{
    struct view v = {.cx = cx, .items = arena_new_array(cx->mem, struct item, ITEMS_MAX)};
    str line;
    v.scratch = arena_printf(cx->mem, STR_FMT "/" SCRATCH, STR_ARG(cwd));
    while (str_next(&paths, '\n', &line))
        if (line.n)
            TRY(add(&v, join(&v, cwd, line), join(&v, STR("/"), line), 0));
    if (v.n == 0)
        return CODE_OK;
    TRY(try_make(&v, cwd));
    return make(&v, cwd);
}

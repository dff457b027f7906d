/* See limits.h. cgroup files are written whole, by path. */
#include "exec/limits.h"

#include "base/log.h"
#include "base/mem.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <sys/stat.h>
#include <sys/xattr.h>
#include <unistd.h>

#define CGROUP_ROOT "/sys/fs/cgroup"
/* A runaway fork is stopped here. */
#define PIDS_MAX "8192"
#define FILE_MAX 65536

static str read_small(struct arena *mem, const char *path)
{
    char *p = arena_alloc(mem, FILE_MAX);
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return STR_NONE;
    ssize_t n = read(fd, p, FILE_MAX - 1);
    close(fd);
    return str_make(p, n > 0 ? (size_t)n : 0);
}

static bool write_small(const char *dir, const char *file, const char *text)
{
    char path[4096];
    int n = snprintf(path, sizeof(path), "%s/%s", dir, file);
    int fd = n > 0 && (size_t)n < sizeof(path) ? open(path, O_WRONLY | O_CLOEXEC) : -1;
    if (fd < 0)
        return false;
    ssize_t put = write(fd, text, strlen(text));
    int e = errno;
    close(fd);
    errno = e;
    return put == (ssize_t)strlen(text);
}

/* ---- what the machine allows ------------------------------------------------------------------------------------- */

/* The path of this process in the hierarchy of a v1 controller, or of v2 when controller is "". */
static bool own_path(struct ctx *cx, str controller, str *out)
{
    str rest = read_small(cx->mem, "/proc/self/cgroup"), line, id, names, path;
    while (str_next(&rest, '\n', &line)) {
        if (!str_cut(line, ':', &id, &line) || !str_cut(line, ':', &names, &path))
            continue;
        if (controller.n == 0 && names.n == 0) {
            *out = path;
            return true;
        }
        str one;
        while (str_next(&names, ',', &one))
            if (one.n && str_eq(one, controller)) {
                *out = path;
                return true;
            }
    }
    return false;
}

static bool is_dir(const char *path)
{
    struct stat st;
    return stat(path, &st) == 0 && S_ISDIR(st.st_mode);
}

/* Makes <hierarchy>/<own path>/<name>. In a container the own path may not be visible below the mount: then its root.
 */
static char *make_v1_root(struct ctx *cx, str controller, str name)
{
    str path;
    if (!own_path(cx, controller, &path))
        return NULL;
    if (str_eq(path, STR("/")))
        path = STR_NONE;
    str base = arena_printf(cx->mem, CGROUP_ROOT "/" STR_FMT STR_FMT, STR_ARG(controller), STR_ARG(path));
    if (!is_dir(base.p))
        base = arena_printf(cx->mem, CGROUP_ROOT "/" STR_FMT, STR_ARG(controller));
    str dir = arena_printf(cx->mem, STR_FMT "/" STR_FMT, STR_ARG(base), STR_ARG(name));
    if (mkdir(dir.p, 0755) < 0 && errno != EEXIST)
        return NULL;
    return access(arena_printf(cx->mem, STR_FMT "/cgroup.procs", STR_ARG(dir)).p, W_OK) == 0 ? mem_strdup(dir.p) : NULL;
}

static bool init_v1(struct ctx *cx, struct exec_limits *l, str name)
{
    l->memory_root = make_v1_root(cx, STR("memory"), name);
    if (!l->memory_root)
        return false;
    l->pids_root = make_v1_root(cx, STR("pids"), name);
    l->mode = EXEC_LIMITS_V1;
    return true;
}

static bool has_word(str words, str word)
{
    str one;
    words = str_trim(words);
    while (str_next(&words, ' ', &one))
        if (str_eq(one, word))
            return true;
    return false;
}

static bool has_controllers(struct ctx *cx, str base, const char *file)
{
    str can = read_small(cx->mem, arena_printf(cx->mem, STR_FMT "/%s", STR_ARG(base), file).p);
    return has_word(can, STR("memory")) && has_word(can, STR("pids"));
}

/* Makes <base>/<name>, whose children can be limited. */
static bool make_v2_root(struct ctx *cx, struct exec_limits *l, str base, str name)
{
    str dir = arena_printf(cx->mem, STR_FMT "/" STR_FMT, STR_ARG(base), STR_ARG(name));
    if (!has_controllers(cx, base, "cgroup.subtree_control") &&
        !write_small(base.p, "cgroup.subtree_control", "+memory +pids"))
        return false;
    if (mkdir(dir.p, 0755) < 0 && errno != EEXIST)
        return false;
    if (!write_small(dir.p, "cgroup.subtree_control", "+memory +pids")) {
        rmdir(dir.p);
        return false;
    }
    l->memory_root = mem_strdup(dir.p);
    l->mode = EXEC_LIMITS_V2;
    return true;
}

/* systemd marks what it gives away. */
static bool is_delegated(const char *dir)
{
    char value[8];
    return getxattr(dir, "user.delegate", value, sizeof(value)) > 0 ||
           getxattr(dir, "trusted.delegate", value, sizeof(value)) > 0;
}

static void move_all(struct ctx *cx, str from, str to)
{
    str rest = read_small(cx->mem, arena_printf(cx->mem, STR_FMT "/cgroup.procs", STR_ARG(from)).p), line;
    while (str_next(&rest, '\n', &line))
        if (line.n && !write_small(to.p, "cgroup.procs", arena_cstr(cx->mem, line)))
            log_debug(cx, "a process stays in its cgroup", LOG_STR("pid", line));
}

/* A group with processes of its own cannot have limited children: they move to a leaf. This process does so by itself; the
 * others of the group only where the group was given to us. */
static bool init_v2_own(struct ctx *cx, struct exec_limits *l, str base, str name)
{
    str leaf = arena_printf(cx->mem, STR_FMT "/" STR_FMT ".supervisor", STR_ARG(base), STR_ARG(name));
    if (!has_controllers(cx, base, "cgroup.controllers"))
        return false;
    if ((mkdir(leaf.p, 0755) < 0 && errno != EEXIST) || !write_small(leaf.p, "cgroup.procs", "0"))
        return false;
    if (make_v2_root(cx, l, base, name))
        return true;
    if (is_delegated(base.p)) {
        move_all(cx, base, leaf);
        if (make_v2_root(cx, l, base, name))
            return true;
    }
    if (write_small(base.p, "cgroup.procs", "0"))
        rmdir(leaf.p);
    return false;
}

static bool init_v2(struct ctx *cx, struct exec_limits *l, str name)
{
    str path;
    if (access(CGROUP_ROOT "/cgroup.controllers", R_OK) < 0 || !own_path(cx, STR_NONE, &path))
        return false;
    str base = arena_printf(cx->mem, CGROUP_ROOT STR_FMT, STR_ARG(str_eq(path, STR("/")) ? STR_NONE : path));
    if (init_v2_own(cx, l, base, name))
        return true;
    /* Root, in a session's group: beside the groups of the whole machine. */
    str top = STR(CGROUP_ROOT);
    return geteuid() == 0 && has_controllers(cx, top, "cgroup.subtree_control") && make_v2_root(cx, l, top, name);
}

void exec_limits_init(struct ctx *cx, struct exec_limits *l, bool allow_cgroup, str name)
{
    *l = (struct exec_limits){.mode = EXEC_LIMITS_SAMPLED};
    if (allow_cgroup && !init_v2(cx, l, name))
        init_v1(cx, l, name);
}

/* With the groups that an earlier supervisor may have left; what still holds processes stays. */
static void remove_root(const char *root)
{
    DIR *dir = root ? opendir(root) : NULL;
    struct dirent *e;
    while (dir && (e = readdir(dir)))
        if (e->d_type == DT_DIR && e->d_name[0] != '.')
            unlinkat(dirfd(dir), e->d_name, AT_REMOVEDIR);
    if (dir)
        closedir(dir);
    if (root)
        rmdir(root);
}

void exec_limits_done(struct exec_limits *l)
{
    remove_root(l->memory_root);
    remove_root(l->pids_root);
    mem_free(l->memory_root);
    mem_free(l->pids_root);
    *l = (struct exec_limits){.mode = EXEC_LIMITS_SAMPLED};
}

const char *exec_limits_name(enum exec_limits_mode mode)
{
    static const char *const names[] = {"sampled every 100 ms (no usable cgroup)", "cgroup v1", "cgroup v2"};
    return names[mode];
}

/* ---- the groups of one attempt ----------------------------------------------------------------------------------- */

static char *make_group(struct ctx *cx, const char *root, str name)
{
    str dir = arena_printf(cx->mem, "%s/" STR_FMT, root, STR_ARG(name));
    int made = mkdir(dir.p, 0755);
    /* Somebody who tidies up may have removed our empty folder. */
    if (made < 0 && errno == ENOENT && mkdir(root, 0755) == 0)
        made = mkdir(dir.p, 0755);
    if (made < 0 && errno != EEXIST) {
        (void)fail_errno(cx, "cgroup " STR_FMT, STR_ARG(dir));
        return NULL;
    }
    return mem_strdup(dir.p);
}

/* Readable when the group reaches its limit: the kernel then kills one process, and we all of them. */
static int watch_v1(const char *dir)
{
    char path[4096], text[64];
    snprintf(path, sizeof(path), "%s/memory.oom_control", dir);
    int control = open(path, O_RDONLY | O_CLOEXEC);
    int event = control >= 0 ? eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK) : -1;
    snprintf(text, sizeof(text), "%d %d", event, control);
    if (event >= 0 && !write_small(dir, "cgroup.event_control", text)) {
        close(event);
        event = -1;
    }
    if (control >= 0)
        close(control);
    return event;
}

static bool limit_memory(const struct exec_limits *l, struct exec_limit *limit, int64_t bytes)
{
    char text[32];
    snprintf(text, sizeof(text), "%lld", (long long)bytes);
    if (l->mode == EXEC_LIMITS_V2) {
        write_small(limit->memory_dir, "memory.swap.max", "0");
        write_small(limit->memory_dir, "memory.oom.group", "1");
        return write_small(limit->memory_dir, "memory.max", text);
    }
    if (!write_small(limit->memory_dir, "memory.limit_in_bytes", text))
        return false;
    write_small(limit->memory_dir, "memory.memsw.limit_in_bytes", text); /* absent without swap accounting */
    limit->oom_event = watch_v1(limit->memory_dir);
    return true;
}

/* Limits what is in the groups; forgets them when that cannot be done. */
static enum code set_limits(struct ctx *cx, const struct exec_limits *l, struct exec_limit *limit, int64_t memory_bytes)
{
    if (limit->memory_dir && memory_bytes > 0 && !limit_memory(l, limit, memory_bytes)) {
        enum code code = fail_errno(cx, "cgroup memory limit");
        exec_limits_remove(limit);
        return code;
    }
    const char *pids = limit->pids_dir ? limit->pids_dir : l->mode == EXEC_LIMITS_V2 ? limit->memory_dir : NULL;
    if (pids && !write_small(pids, "pids.max", PIDS_MAX))
        log_debug(cx, "no limit of processes", LOG_INT("errno", errno));
    return CODE_OK;
}

enum code exec_limits_add(struct ctx *cx, struct exec_limits *l, str name, int64_t memory_bytes, struct exec_limit *out)
{
    struct exec_limit limit = {.oom_event = -1};
    if (l->memory_root) {
        limit.memory_dir = make_group(cx, l->memory_root, name);
        if (!limit.memory_dir)
            return cx->err.code;
    }
    if (l->pids_root)
        limit.pids_dir = make_group(cx, l->pids_root, name);
    TRY(set_limits(cx, l, &limit, memory_bytes));
    ctx_clear_err(cx);
    *out = limit;
    return CODE_OK;
}

/* NULL without a root; else the group of process pid, in mem. */
static char *own_group(struct arena *mem, const char *root, int pid)
{
    return root ? arena_cstr(mem, arena_printf(mem, "%s/" EXEC_LIMITS_OWN "%d", root, pid)) : NULL;
}

enum code exec_limits_take(struct ctx *cx, struct exec_limits *l, int pid, int64_t memory_bytes, struct exec_limit *out)
{
    struct exec_limit limit = {.oom_event = -1};
    char *memory = own_group(cx->mem, l->memory_root, pid), *pids = own_group(cx->mem, l->pids_root, pid);
    if ((memory && !is_dir(memory)) || (pids && !is_dir(pids)))
        return fail(cx, CODE_NOT_FOUND, "cgroup of process %d", pid);
    limit.memory_dir = memory ? mem_strdup(memory) : NULL;
    limit.pids_dir = pids ? mem_strdup(pids) : NULL;
    TRY(set_limits(cx, l, &limit, memory_bytes));
    *out = limit;
    return CODE_OK;
}

void exec_limits_forget(const struct exec_limits *l, int pid)
{
    struct arena mem;
    arena_init(&mem, 0);
    const char *const roots[] = {l->memory_root, l->pids_root};
    for (size_t i = 0; i < 2; i++) {
        const char *dir = own_group(&mem, roots[i], pid);
        if (dir)
            rmdir(dir);
    }
    arena_done(&mem);
}

void exec_limits_adopt(struct exec_limits *l, str memory_dir, str pids_dir, struct exec_limit *out)
{
    char path[4096];
    *out = (struct exec_limit){.oom_event = -1};
    if (memory_dir.n && memory_dir.n < sizeof(path)) {
        snprintf(path, sizeof(path), STR_FMT, STR_ARG(memory_dir));
        out->memory_dir = mem_strdup(path);
        if (l->mode == EXEC_LIMITS_V1)
            out->oom_event = watch_v1(path);
    }
    if (pids_dir.n && pids_dir.n < sizeof(path)) {
        snprintf(path, sizeof(path), STR_FMT, STR_ARG(pids_dir));
        out->pids_dir = mem_strdup(path);
    }
}

enum code exec_limits_join(struct ctx *cx, const struct exec_limit *l, int pid)
{
    char text[32];
    snprintf(text, sizeof(text), "%d", pid);
    if (l->memory_dir && !write_small(l->memory_dir, "cgroup.procs", text))
        return fail_errno(cx, "cgroup %s", l->memory_dir);
    if (l->pids_dir && !write_small(l->pids_dir, "cgroup.procs", text))
        return fail_errno(cx, "cgroup %s", l->pids_dir);
    return CODE_OK;
}

static bool kill_listed(const char *dir, int signal)
{
    char path[4096];
    struct arena mem;
    bool any = false;
    arena_init(&mem, 0);
    snprintf(path, sizeof(path), "%s/cgroup.procs", dir);
    str rest = read_small(&mem, path), line;
    while (str_next(&rest, '\n', &line)) {
        int64_t pid;
        if (str_to_i64(line, &pid) && pid > 1 && pid != getpid()) {
            kill((pid_t)pid, signal);
            any = true;
        }
    }
    arena_done(&mem);
    return any;
}

bool exec_limits_kill(const struct exec_limit *l, int signal)
{
    const char *dir = l->memory_dir ? l->memory_dir : l->pids_dir;
    return dir && kill_listed(dir, signal);
}

/* "oom_kill N" stands in memory.oom_control (v1) and memory.events (v2). */
bool exec_limits_oom(const struct exec_limit *l)
{
    static const char *const files[] = {"memory.oom_control", "memory.events"};
    char path[4096];
    struct arena mem;
    bool oom = false;
    arena_init(&mem, 0);
    for (size_t i = 0; l->memory_dir && i < 2; i++) {
        str line, name, value;
        uint64_t n;
        snprintf(path, sizeof(path), "%s/%s", l->memory_dir, files[i]);
        str rest = read_small(&mem, path);
        while (str_next(&rest, '\n', &line))
            if (str_cut(line, ' ', &name, &value) && str_eq(name, STR("oom_kill")) && str_to_u64(str_trim(value), &n))
                oom = oom || n > 0;
    }
    arena_done(&mem);
    return oom;
}

static bool remove_dir(char **dir)
{
    if (*dir && rmdir(*dir) < 0 && errno == EBUSY)
        return false;
    mem_free(*dir);
    *dir = NULL;
    return true;
}

bool exec_limits_remove(struct exec_limit *l)
{
    if (l->oom_event >= 0)
        close(l->oom_event);
    l->oom_event = -1;
    bool memory = remove_dir(&l->memory_dir), pids = remove_dir(&l->pids_dir);
    return memory && pids;
}

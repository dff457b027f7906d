/* See kept.h. */
#include "exec/kept.h"

#include "base/file.h"
#include "base/time.h"
#include "base/tree.h"
#include "base/vec.h"
#include "exec/files.h"
#include "exec/logfile.h"
#include "exec/task.h"

#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

static bool is_there(const char *path)
{
    struct stat st;
    return lstat(path, &st) == 0;
}

static int64_t changed_ns(const struct stat *st)
{
    return (int64_t)st->st_mtim.tv_sec * NS_PER_S + st->st_mtim.tv_nsec;
}

/* The next name in a folder that does not begin with a dot; NULL at the end. */
static const char *next_name(DIR *dir)
{
    struct dirent *e = NULL;
    while (dir && (e = readdir(dir)) && e->d_name[0] == '.')
        ;
    return e ? e->d_name : NULL;
}

/* ---- work folders ------------------------------------------------------------------------------------------------ */

/* The folders above, when they are empty now. */
static void remove_parents(struct ctx *cx, str dir, int levels)
{
    for (int i = 0; i < levels; i++) {
        dir = arena_str(cx->mem, str_head(dir, str_rfind_char(dir, '/')));
        if (rmdir(dir.p) < 0)
            break;
    }
}

static void discard_folder(struct ctx *cx, str dir, int levels, bool dry, struct exec_swept *swept)
{
    if (!is_there(dir.p))
        return;
    swept->count++;
    swept->bytes += tree_size(dir.p);
    if (dry)
        return;
    exec_files_remove(cx, dir);
    remove_parents(cx, dir, levels);
}

void exec_kept_discard(struct ctx *cx, str data_dir, const struct exec_place *place, bool log, bool dry,
                       struct exec_swept *swept)
{
    discard_folder(cx, exec_task_folder(cx, data_dir, place), 4, dry, swept);
    if (log)
        swept->bytes += exec_logfile_remove(cx, data_dir, place->key, dry);
}

static str work_folder(struct ctx *cx, str data_dir)
{
    return arena_printf(cx->mem, STR_FMT "/work", STR_ARG(data_dir));
}

static str run_folder(struct ctx *cx, str data_dir, const struct exec_kept_run *r)
{
    return arena_printf(cx->mem, "%s/" STR_FMT "/" STR_FMT "/" STR_FMT, work_folder(cx, data_dir).p,
                        STR_ARG(r->project), STR_ARG(r->domain), STR_ARG(r->run));
}

void exec_kept_discard_run(struct ctx *cx, str data_dir, const struct exec_kept_run *run, bool dry,
                           struct exec_swept *swept)
{
    discard_folder(cx, run_folder(cx, data_dir, run), 2, dry, swept);
}

typedef VEC(struct exec_kept_run) kept_list;

/* Projects, domains, runs: levels 0, 1, 2. */
static void list_below(struct ctx *cx, str dir, str *names, int level, kept_list *list)
{
    cleanup_(file_close_dir) DIR *d = opendir(dir.p);
    const char *name;
    struct stat st;
    while ((name = next_name(d))) {
        names[level] = arena_str(cx->mem, str_from(name));
        if (level < 2)
            list_below(cx, arena_printf(cx->mem, STR_FMT "/%s", STR_ARG(dir), name), names, level + 1, list);
        else if (fstatat(dirfd(d), name, &st, AT_SYMLINK_NOFOLLOW) == 0)
            *vec_push(list, cx->mem) = (struct exec_kept_run){names[0], names[1], names[2], changed_ns(&st)};
    }
}

enum code exec_kept_list(struct ctx *cx, str data_dir, struct exec_kept_run **out, size_t *n)
{
    kept_list list = {0};
    str names[3];
    list_below(cx, work_folder(cx, data_dir), names, 0, &list);
    *out = list.p;
    *n = list.n;
    return CODE_OK;
}

/* ---- logs -------------------------------------------------------------------------------------------------------- */

struct log_sweep {
    str data_dir;
    int64_t before_ns;
    bool dry;
    bool (*known)(void *arg, struct exec_key key);
    void *arg;
    struct exec_swept *swept;
};

static void sweep_log(struct ctx *cx, const struct log_sweep *s, int folder, const char *name)
{
    struct exec_key key;
    struct stat st;
    if (!exec_logfile_key(str_from(name), &key) || fstatat(folder, name, &st, AT_SYMLINK_NOFOLLOW) < 0 ||
        changed_ns(&st) >= s->before_ns || s->known(s->arg, key))
        return;
    s->swept->count++;
    s->swept->bytes += exec_logfile_remove(cx, s->data_dir, key, s->dry);
}

void exec_kept_sweep_logs(struct ctx *cx, str data_dir, int64_t before_ns, bool dry,
                          bool (*known)(void *arg, struct exec_key key), void *arg, struct exec_swept *swept)
{
    const struct log_sweep s = {data_dir, before_ns, dry, known, arg, swept};
    struct arena mem, *outer = cx->mem;
    arena_init(&mem, 0);
    cx->mem = &mem;
    for (unsigned shard = 0; shard < EXEC_LOG_SHARDS; shard++) {
        str dir = exec_logfile_shard(cx, data_dir, shard);
        cleanup_(file_close_dir) DIR *d = opendir(dir.p);
        const char *name;
        while ((name = next_name(d)))
            sweep_log(cx, &s, dirfd(d), name);
        arena_reset(&mem);
    }
    cx->mem = outer;
    arena_done(&mem);
}

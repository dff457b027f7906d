/* The files of attempts' storage keys. See access.h. */
#include "exec/access.h"

#include "base/file.h"
#include "base/log.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#define TEXT_MAX ((size_t)64 * 1024)
/* The year 2100: after it, an attempt has no end yet. */
#define RUNNING_S INT64_C(4102444800)

static str folder_of(struct ctx *cx, str data_dir)
{
    return arena_printf(cx->mem, STR_FMT "/run/keys", STR_ARG(data_dir));
}

static str path_of(struct ctx *cx, str data_dir, struct exec_key key)
{
    return arena_printf(cx->mem, STR_FMT "/run/keys/%llu-%u", STR_ARG(data_dir), (unsigned long long)key.action_id,
                        key.attempt);
}

static bool key_of(const char *name, struct exec_key *out)
{
    str id, attempt;
    uint64_t number;
    if (!str_cut(str_from(name), '-', &id, &attempt) || !str_to_u64(id, &out->action_id) ||
        !str_to_u64(attempt, &number) || number > UINT32_MAX)
        return false;
    out->attempt = (uint32_t)number;
    return true;
}

static int64_t ns_of(const struct stat *st)
{
    return (int64_t)st->st_mtim.tv_sec * NS_PER_S + st->st_mtim.tv_nsec;
}

static int set_time(int fd, int64_t s, int64_t ns)
{
    const struct timespec times[2] = {{.tv_nsec = UTIME_OMIT}, {.tv_sec = (time_t)s, .tv_nsec = (long)ns}};
    return futimens(fd, times);
}

/* ---- the supervisor's side --------------------------------------------------------------------------------------- */

void exec_access_add(buf *text, enum exec_access what, str prefix)
{
    if (prefix.n == 0 || str_find_char(prefix, '\n') != SIZE_MAX)
        return;
    buf_char(text, (char)what);
    buf_str(text, prefix);
    buf_char(text, '\n');
}

enum code exec_access_open(struct ctx *cx, str data_dir, struct exec_key key, str text)
{
    str path = path_of(cx, data_dir, key);
    cleanup_(file_close) int fd = open(path.p, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0600);
    if (fd < 0 && errno == ENOENT) {
        TRY(file_mkdirs(cx, folder_of(cx, data_dir).p, 0700));
        fd = open(path.p, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0600);
    }
    if (fd < 0 || write(fd, text.p, text.n) != (ssize_t)text.n || set_time(fd, RUNNING_S, 0) != 0)
        return fail_errno(cx, "%s", path.p);
    return CODE_OK;
}

void exec_access_end(struct ctx *cx, str data_dir, struct exec_key key, int64_t ended_ns)
{
    str path = path_of(cx, data_dir, key);
    int64_t until = ended_ns + EXEC_ACCESS_GRACE_NS;
    cleanup_(file_close) int fd = open(path.p, O_WRONLY | O_CLOEXEC | O_NOFOLLOW);
    if (fd >= 0 && set_time(fd, until / NS_PER_S, until % NS_PER_S) == 0)
        return;
    if (errno != ENOENT)
        log_error(cx, "cannot end a storage key", LOG_STR("file", path), LOG_CSTR("error", strerror(errno)));
}

typedef void each_fn(void *arg, int dir, const char *name, struct exec_key key, const struct stat *st);

static void each(struct ctx *cx, str data_dir, each_fn *fn, void *arg)
{
    DIR *dir = opendir(folder_of(cx, data_dir).p);
    const struct dirent *e;
    while (dir && (e = readdir(dir))) {
        struct exec_key key;
        struct stat st;
        if (key_of(e->d_name, &key) && fstatat(dirfd(dir), e->d_name, &st, AT_SYMLINK_NOFOLLOW) == 0)
            fn(arg, dirfd(dir), e->d_name, key, &st);
    }
    if (dir)
        closedir(dir);
}

struct sweep {
    int64_t now_ns;
    exec_access_known_fn *known;
    void *arg;
};

static void remove_over(void *arg, int dir, const char *name, struct exec_key key, const struct stat *st)
{
    const struct sweep *s = arg;
    bool lost = s->known && st->st_mtim.tv_sec >= RUNNING_S && !s->known(s->arg, key);
    if (ns_of(st) <= s->now_ns || lost)
        unlinkat(dir, name, 0);
}

void exec_access_sweep(struct ctx *cx, str data_dir, int64_t now_ns, exec_access_known_fn *known, void *arg)
{
    struct sweep s = {now_ns, known, arg};
    each(cx, data_dir, remove_over, &s);
}

static void count_running(void *arg, int dir, const char *name, struct exec_key key, const struct stat *st)
{
    (void)dir;
    (void)name;
    (void)key;
    *(size_t *)arg += st->st_mtim.tv_sec >= RUNNING_S;
}

size_t exec_access_running(struct ctx *cx, str data_dir)
{
    size_t n = 0;
    each(cx, data_dir, count_running, &n);
    return n;
}

/* ---- the endpoint's side ----------------------------------------------------------------------------------------- */

bool exec_access_read(struct ctx *cx, str data_dir, struct exec_key key, int64_t now_ns, str *text)
{
    struct stat st;
    cleanup_(file_close) int fd = open(path_of(cx, data_dir, key).p, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
    if (fd < 0 || fstat(fd, &st) != 0 || ns_of(&st) <= now_ns || st.st_size > (off_t)TEXT_MAX)
        return false;
    char *p = arena_alloc(cx->mem, (size_t)st.st_size + 1);
    ssize_t n = read(fd, p, (size_t)st.st_size);
    *text = str_make(p, n > 0 ? (size_t)n : 0);
    return n >= 0;
}

bool exec_access_covers(str text, enum exec_access what, str key)
{
    str line;
    while (text.n && str_next(&text, '\n', &line))
        if (line.n > 1 && (line.p[0] == EXEC_ACCESS_WRITE || what == EXEC_ACCESS_READ) &&
            str_starts(key, str_skip(line, 1)))
            return true;
    return false;
}

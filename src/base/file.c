/* Files. A write goes to a temporary name in the same folder, is synced, renamed over the target, and the folder is
 * synced: in this order, so that a crash at any point leaves the old or the new content. */
#include "base/file.h"

#include "base/buf.h"
#include "base/random.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

static ssize_t read_some(int fd, char *to, size_t n)
{
    ssize_t got;
    do
        got = read(fd, to, n);
    while (got < 0 && errno == EINTR);
    return got;
}

enum code file_read(struct ctx *cx, const char *path, size_t max_bytes, str *out)
{
    struct stat st;
    buf b;
    ssize_t got;
    cleanup_(file_close) int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    if (fd < 0 || fstat(fd, &st) != 0)
        return fail_errno(cx, "%s", path);
    if (!S_ISREG(st.st_mode))
        return fail(cx, CODE_FAILED_PRECONDITION, "%s: not a regular file", path);
    buf_init_arena(&b, cx->mem, max_bytes + 1);
    do {
        size_t rest = max_bytes + 1 - b.n, want = (size_t)st.st_size > b.n ? (size_t)st.st_size - b.n + 1 : 4096;
        char *to = buf_room(&b, want < rest ? want : rest);
        got = read_some(fd, to, want < rest ? want : rest);
        if (got < 0)
            return fail_errno(cx, "%s", path);
        buf_wrote(&b, (size_t)got);
    } while (got > 0 && b.n <= max_bytes);
    if (b.n > max_bytes)
        return fail(cx, CODE_RESOURCE_EXHAUSTED, "%s: larger than %zu bytes", path, max_bytes);
    *out = buf_view(&b);
    return CODE_OK;
}

static bool write_bytes(int fd, str s)
{
    while (s.n) {
        ssize_t n = write(fd, s.p, s.n);
        if (n < 0 && errno != EINTR)
            return false;
        s = str_skip(s, n > 0 ? (size_t)n : 0);
    }
    return true;
}

/* The folder part of a path: "." when it has none. */
static str dir_of(str path)
{
    size_t slash = str_rfind_char(path, '/');
    if (slash == SIZE_MAX)
        return STR(".");
    return slash ? str_head(path, slash) : STR("/");
}

static enum code write_and_rename(struct ctx *cx, const char *path, const char *temp, str bytes, mode_t mode)
{
    cleanup_(file_close) int fd = open(temp, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, mode);
    if (fd < 0)
        return fail_errno(cx, "%s", path);
    if (fchmod(fd, mode) != 0 || !write_bytes(fd, bytes) || fsync(fd) != 0 || rename(temp, path) != 0) {
        fail_errno(cx, "%s", path);
        unlink(temp);
        return cx->err.code;
    }
    return CODE_OK;
}

enum code file_write(struct ctx *cx, const char *path, str bytes, mode_t mode)
{
    char suffix[9];
    random_text(suffix, sizeof(suffix) - 1, STR("abcdefghijklmnopqrstuvwxyz0123456789"));
    str temp = arena_printf(cx->mem, "%s.%s.tmp", path, suffix);
    TRY(write_and_rename(cx, path, temp.p, bytes, mode));
    return file_sync_dir(cx, arena_cstr(cx->mem, dir_of(str_from(path))));
}

enum code file_sync_dir(struct ctx *cx, const char *path)
{
    cleanup_(file_close) int fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0 || fsync(fd) != 0)
        return fail_errno(cx, "%s", path);
    return CODE_OK;
}

static enum code check_dir(struct ctx *cx, const char *path)
{
    struct stat st;
    if (stat(path, &st) != 0)
        return fail_errno(cx, "%s", path);
    if (!S_ISDIR(st.st_mode))
        return fail(cx, CODE_FAILED_PRECONDITION, "%s: not a folder", path);
    return CODE_OK;
}

static enum code make_dir(struct ctx *cx, const char *path, mode_t mode)
{
    if (mkdir(path, mode) == 0)
        return file_sync_dir(cx, arena_cstr(cx->mem, dir_of(str_from(path))));
    if (errno != EEXIST)
        return fail_errno(cx, "%s", path);
    return check_dir(cx, path);
}

enum code file_mkdirs(struct ctx *cx, const char *path, mode_t mode)
{
    struct stat st;
    char *at = arena_cstr(cx->mem, str_from(path));
    if (stat(path, &st) == 0 && S_ISDIR(st.st_mode))
        return CODE_OK;
    for (char *p = at + 1; at[0] && *p; p++) {
        if (*p != '/' || p[-1] == '/')
            continue;
        *p = 0;
        TRY(make_dir(cx, at, mode));
        *p = '/';
    }
    return make_dir(cx, path, mode);
}

enum code file_join(struct ctx *cx, str dir, str name, str *out)
{
    if (name.n == 0 || str_eq(name, STR(".")) || str_eq(name, STR("..")))
        return fail(cx, CODE_INVALID_ARGUMENT, "\"" STR_FMT "\" cannot be a file's name", STR_ARG(name));
    if (memchr(name.p, '/', name.n) || memchr(name.p, 0, name.n))
        return fail(cx, CODE_INVALID_ARGUMENT, "a file's name cannot have \"/\" or NUL bytes");
    if (name.n > FILE_NAME_MAX || dir.n + 1 + name.n > FILE_PATH_MAX)
        return fail(cx, CODE_INVALID_ARGUMENT, "a file's name of %zu bytes is too long", name.n);
    bool slash = dir.n && dir.p[dir.n - 1] == '/';
    *out = arena_printf(cx->mem, STR_FMT "%s" STR_FMT, STR_ARG(dir), slash ? "" : "/", STR_ARG(name));
    return CODE_OK;
}

enum code file_expand(struct ctx *cx, str path, str *out)
{
    char cwd[FILE_PATH_MAX + 1];
    str result = path;
    if (path.n == 0 || memchr(path.p, 0, path.n))
        return fail(cx, CODE_INVALID_ARGUMENT, "a path cannot be empty or have NUL bytes");
    if (str_eq(path, STR("~")) || str_starts(path, STR("~/"))) {
        str home = str_from(getenv("HOME"));
        if (home.n == 0 || home.p[0] != '/')
            return fail(cx, CODE_INVALID_ARGUMENT, STR_FMT ": HOME is not set", STR_ARG(path));
        result = arena_concat(cx->mem, home, str_skip(path, 1));
    } else if (path.p[0] != '/') {
        if (!getcwd(cwd, sizeof(cwd)))
            return fail_errno(cx, "the current folder");
        result = arena_printf(cx->mem, "%s/" STR_FMT, cwd, STR_ARG(path));
    }
    if (result.n > FILE_PATH_MAX)
        return fail(cx, CODE_INVALID_ARGUMENT, "a path of %zu bytes is too long", result.n);
    *out = arena_str(cx->mem, result);
    return CODE_OK;
}

bool file_on_path(struct ctx *cx, str name, str *out)
{
    str path = str_from(getenv("PATH")), dir;
    while (path.n && str_next(&path, ':', &dir)) {
        str full = arena_printf(cx->mem, STR_FMT "/" STR_FMT, STR_ARG(dir), STR_ARG(name));
        if (dir.n && dir.p[0] == '/' && access(full.p, X_OK) == 0) {
            *out = full;
            return true;
        }
    }
    return false;
}

enum code file_own_program(struct ctx *cx, str *out)
{
    static const str gone = STR_INIT(" (deleted)");
    char path[FILE_PATH_MAX + 1];
    ssize_t n = readlink("/proc/self/exe", path, sizeof(path));
    if (n <= 0 || n > FILE_PATH_MAX)
        return fail_errno(cx, "the file of this program");
    *out = arena_str(cx->mem, str_make(path, (size_t)n));
    if (str_ends(*out, gone))
        *out = str_head(*out, out->n - gone.n);
    return CODE_OK;
}

void file_close(const int *fd)
{
    if (*fd >= 0)
        close(*fd);
}

void file_close_dir(DIR **dir)
{
    if (*dir)
        closedir(*dir);
}

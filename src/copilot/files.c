/* See files.h. */
#include "copilot/files.h"

#include "base/file.h"
#include "base/vec.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#define SHOWN ((size_t)100)
/* Open folders at a time, while one is removed. */
#define DEPTH_MAX 200

bool copilot_files_plain(str name)
{
    if (name.n == 0 || name.n > FILE_NAME_MAX || str_eq(name, STR(".")) || str_eq(name, STR("..")))
        return false;
    for (size_t i = 0; i < name.n; i++)
        if (name.p[i] == '/' || (unsigned char)name.p[i] < 0x20 || name.p[i] == 0x7f)
            return false;
    return true;
}

void copilot_files_close(const int *fd)
{
    if (*fd >= 0)
        close(*fd);
}

/* ---- writing ----------------------------------------------------------------------------------------------------- */

static enum code name_of(struct ctx *cx, str name, const char **out)
{
    if (!copilot_files_plain(name))
        return fail(cx, CODE_INVALID_ARGUMENT, "\"" STR_FMT "\" cannot be the name of a file",
                    STR_ARG(str_head(name, SHOWN)));
    *out = arena_cstr(cx->mem, name);
    return CODE_OK;
}

static enum code failed(struct ctx *cx, const char *name)
{
    if (errno == EEXIST)
        return fail(cx, CODE_ALREADY_EXISTS, "%.100s would be there twice", name);
    return fail_errno(cx, "%.100s", name);
}

enum code copilot_files_mkdir(struct ctx *cx, int dir, str name, int *fd)
{
    const char *path;
    TRY(name_of(cx, name, &path));
    if (mkdirat(dir, path, 0777) < 0)
        return failed(cx, path);
    *fd = openat(dir, path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    return *fd < 0 ? fail_errno(cx, "%.100s", path) : CODE_OK;
}

enum code copilot_files_create(struct ctx *cx, int dir, str name, int *fd)
{
    const char *path;
    TRY(name_of(cx, name, &path));
    *fd = openat(dir, path, O_RDWR | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0777);
    return *fd < 0 ? failed(cx, path) : CODE_OK;
}

enum code copilot_files_write(struct ctx *cx, int dir, str name, str bytes)
{
    cleanup_(copilot_files_close) int fd = -1;
    TRY(copilot_files_create(cx, dir, name, &fd));
    while (bytes.n) {
        ssize_t n = write(fd, bytes.p, bytes.n);
        if (n < 0)
            return fail_errno(cx, STR_FMT, STR_ARG(str_head(name, SHOWN)));
        bytes = str_skip(bytes, (size_t)n);
    }
    return CODE_OK;
}

/* ---- reading ----------------------------------------------------------------------------------------------------- */

enum copilot_kind copilot_files_kind(int dir, str name)
{
    char path[FILE_NAME_MAX + 1];
    struct stat st;
    if (!copilot_files_plain(name))
        return COPILOT_ABSENT;
    memcpy(path, name.p, name.n);
    path[name.n] = 0;
    if (fstatat(dir, path, &st, AT_SYMLINK_NOFOLLOW) < 0)
        return errno == ENOENT ? COPILOT_ABSENT : COPILOT_OTHER;
    return S_ISREG(st.st_mode) ? COPILOT_FILE : S_ISDIR(st.st_mode) ? COPILOT_FOLDER : COPILOT_OTHER;
}

enum code copilot_files_open(struct ctx *cx, int dir, str name, int *fd, int64_t *size)
{
    struct stat st;
    const char *path = arena_cstr(cx->mem, name);
    /* Not blocking: a pipe is opened at once, and then refused. */
    *fd = openat(dir, path, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
    if (*fd < 0 && errno == ELOOP)
        return fail(cx, CODE_FAILED_PRECONDITION, "is a symbolic link; copy the file instead");
    if (*fd < 0 || fstat(*fd, &st) < 0)
        return fail(cx, CODE_FAILED_PRECONDITION, "cannot be read: %s", strerrordesc_np(errno));
    if (!S_ISREG(st.st_mode))
        return fail(cx, CODE_FAILED_PRECONDITION, "is %s, not a file",
                    S_ISDIR(st.st_mode) ? "a folder" : "a device or pipe");
    *size = st.st_size;
    return CODE_OK;
}

enum code copilot_files_open_folder(struct ctx *cx, int dir, str name, int *fd)
{
    *fd = openat(dir, arena_cstr(cx->mem, name), O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    if (*fd < 0 && (errno == ELOOP || errno == ENOTDIR))
        return fail(cx, CODE_FAILED_PRECONDITION, "is not a folder");
    return *fd < 0 ? fail(cx, CODE_FAILED_PRECONDITION, "cannot be read: %s", strerrordesc_np(errno)) : CODE_OK;
}

enum code copilot_files_read(struct ctx *cx, int dir, str name, size_t max, str *out)
{
    cleanup_(copilot_files_close) int fd = -1;
    int64_t size;
    size_t n = 0;
    TRY(copilot_files_open(cx, dir, name, &fd, &size));
    if ((uint64_t)size > max)
        return fail(cx, CODE_FAILED_PRECONDITION, "has %lld bytes, %zu at most can be read", (long long)size, max);
    char *p = arena_alloc(cx->mem, (size_t)size + 1);
    while (n < (size_t)size) {
        ssize_t got = read(fd, p + n, (size_t)size - n);
        if (got < 0)
            return fail_errno(cx, "cannot read it");
        if (got == 0)
            break;
        n += (size_t)got;
    }
    *out = str_make(p, n);
    return CODE_OK;
}

static int compare(const void *a, const void *b)
{
    return str_cmp(*(const str *)a, *(const str *)b);
}

enum code copilot_files_list(struct ctx *cx, int dir, size_t max, str **out, size_t *n)
{
    VEC(str) names = {0};
    int own = openat(dir, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    DIR *d = own >= 0 ? fdopendir(own) : NULL;
    const struct dirent *e;
    enum code code = CODE_OK;
    if (!d) {
        code = fail_errno(cx, "cannot read a folder");
        copilot_files_close(&own);
        return code;
    }
    while (code == CODE_OK && (e = readdir(d))) {
        str name = str_from(e->d_name);
        if (str_eq(name, STR(".")) || str_eq(name, STR("..")))
            continue;
        if (names.n == max)
            code = fail(cx, CODE_FAILED_PRECONDITION, "has more than %zu files", max);
        *vec_push(&names, cx->mem) = arena_str(cx->mem, name);
    }
    closedir(d);
    if (names.n)
        qsort(names.p, names.n, sizeof(*names.p), compare);
    *out = names.p;
    *n = names.n;
    return code;
}

/* ---- removing ---------------------------------------------------------------------------------------------------- */

static bool remove_below(int dir, const char *name, int depth)
{
    if (unlinkat(dir, name, 0) == 0 || errno == ENOENT)
        return true;
    if (depth > DEPTH_MAX)
        return false;
    int fd = openat(dir, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    DIR *d = fd >= 0 ? fdopendir(fd) : NULL;
    const struct dirent *e;
    if (!d) {
        copilot_files_close(&fd);
        return false;
    }
    while ((e = readdir(d)))
        if (strcmp(e->d_name, ".") != 0 && strcmp(e->d_name, "..") != 0)
            remove_below(fd, e->d_name, depth + 1);
    closedir(d);
    return unlinkat(dir, name, AT_REMOVEDIR) == 0;
}

bool copilot_files_remove(int dir, const char *name)
{
    return remove_below(dir, name, 0);
}

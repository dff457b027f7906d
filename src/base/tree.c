/* Whole folders. Every step goes by descriptors, so that a folder that is moved or replaced meanwhile leads nowhere else. */
#include "base/tree.h"

#include "base/file.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/fs.h>
#include <stdio.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <unistd.h>

#define DEPTH_MAX 200

static bool is_dots(const char *name)
{
    return strcmp(name, ".") == 0 || strcmp(name, "..") == 0;
}

static DIR *open_folder(int parent, const char *name, int flags)
{
    int fd = openat(parent, name, O_RDONLY | O_DIRECTORY | O_CLOEXEC | flags);
    DIR *dir = fd >= 0 ? fdopendir(fd) : NULL;
    if (!dir && fd >= 0)
        close(fd);
    return dir;
}

/* ---- removing ---------------------------------------------------------------------------------------------------- */

struct removal {
    int top;        /* the folder that is removed */
    unsigned moved; /* over all rounds, so that no name comes twice */
};

/* Too deep for a descriptor each: it is moved up, and removed in the next round. */
static void move_up(struct removal *r, int parent, const char *name)
{
    char to[32];
    snprintf(to, sizeof(to), ".deep-%u", r->moved);
    if (renameat(parent, name, r->top, to) == 0)
        r->moved++;
}

static void remove_folder(struct removal *r, int parent, const char *name, int depth)
{
    DIR *dir = open_folder(parent, name, O_NOFOLLOW);
    struct dirent *e;
    if (!dir && errno == EACCES && fchmodat(parent, name, 0700, 0) == 0)
        dir = open_folder(parent, name, O_NOFOLLOW);
    if (!dir)
        return;
    if (r->top < 0)
        r->top = dirfd(dir);
    bool opened = false;
    while ((e = readdir(dir))) {
        if (is_dots(e->d_name))
            continue;
        int failed = unlinkat(dirfd(dir), e->d_name, 0) < 0 ? errno : 0;
        if (failed == EACCES && !opened && (opened = fchmod(dirfd(dir), 0700) == 0))
            failed = unlinkat(dirfd(dir), e->d_name, 0) < 0 ? errno : 0;
        if (failed == EISDIR && depth == DEPTH_MAX)
            move_up(r, dirfd(dir), e->d_name);
        else if (failed == EISDIR)
            remove_folder(r, dirfd(dir), e->d_name, depth + 1);
    }
    closedir(dir);
    unlinkat(parent, name, AT_REMOVEDIR);
}

bool tree_remove(const char *path)
{
    struct removal r = {0};
    unsigned before;
    if (unlink(path) == 0 || errno == ENOENT || errno == ENOTDIR)
        return true;
    do {
        before = r.moved;
        r.top = -1;
        remove_folder(&r, AT_FDCWD, path, 0);
    } while (r.moved > before);
    return access(path, F_OK) != 0 && errno == ENOENT;
}

/* ---- measuring --------------------------------------------------------------------------------------------------- */

static int64_t size_at(int parent, const char *name, int depth)
{
    struct stat st;
    struct dirent *e;
    if (fstatat(parent, name, &st, AT_SYMLINK_NOFOLLOW) < 0)
        return 0;
    int64_t bytes = (int64_t)st.st_blocks * 512;
    DIR *dir = S_ISDIR(st.st_mode) && depth <= DEPTH_MAX ? open_folder(parent, name, O_NOFOLLOW) : NULL;
    while (dir && (e = readdir(dir)))
        if (!is_dots(e->d_name))
            bytes += size_at(dirfd(dir), e->d_name, depth + 1);
    if (dir)
        closedir(dir);
    return bytes;
}

int64_t tree_size(const char *path)
{
    return size_at(AT_FDCWD, path, 0);
}

/* ---- copying ----------------------------------------------------------------------------------------------------- */

static bool copy_bytes(int from, int to)
{
    char bytes[65536];
    ssize_t n;
    if (ioctl(to, FICLONE, from) == 0)
        return true;
    while ((n = copy_file_range(from, NULL, to, NULL, (size_t)1 << 30, 0)) > 0)
        ;
    if (n == 0)
        return true;
    if (errno != EXDEV && errno != EINVAL && errno != EOPNOTSUPP && errno != ENOSYS)
        return false;
    while ((n = read(from, bytes, sizeof(bytes))) > 0)
        for (ssize_t put = 0, w; put < n; put += w)
            if ((w = write(to, bytes + put, (size_t)(n - put))) < 0)
                return false;
    return n == 0;
}

static enum code copy_file(struct ctx *cx, int from_dir, const char *from, int to_dir, const char *to)
{
    struct stat st;
    cleanup_(file_close) int in = openat(from_dir, from, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
    if (in < 0 || fstat(in, &st) < 0)
        return fail_errno(cx, "%s", from);
    if (unlinkat(to_dir, to, 0) < 0 && errno != ENOENT)
        return fail_errno(cx, "%s", to);
    cleanup_(file_close) int out = openat(to_dir, to, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
    if (out < 0 || !copy_bytes(in, out) || fchmod(out, st.st_mode & 0777) < 0)
        return fail_errno(cx, "%s", to);
    return CODE_OK;
}

static enum code copy_link(struct ctx *cx, int from_dir, const char *name, int to_dir)
{
    char target[4096];
    ssize_t n = readlinkat(from_dir, name, target, sizeof(target) - 1);
    if (n < 0)
        return fail_errno(cx, "%s", name);
    target[n] = 0;
    if ((unlinkat(to_dir, name, 0) < 0 && errno != ENOENT) || symlinkat(target, to_dir, name) < 0)
        return fail_errno(cx, "%s", name);
    return CODE_OK;
}

static enum code copy_folder(struct ctx *cx, int from_dir, const char *from, int to_dir, const char *to, int depth);

static enum code copy_entry(struct ctx *cx, int from, const char *name, int to, int depth)
{
    struct stat st;
    if (fstatat(from, name, &st, AT_SYMLINK_NOFOLLOW) < 0)
        return fail_errno(cx, "%s", name);
    if (S_ISDIR(st.st_mode))
        return copy_folder(cx, from, name, to, name, depth + 1);
    if (S_ISREG(st.st_mode))
        return copy_file(cx, from, name, to, name);
    return S_ISLNK(st.st_mode) ? copy_link(cx, from, name, to) : CODE_OK;
}

static enum code copy_folder(struct ctx *cx, int from_dir, const char *from, int to_dir, const char *to, int depth)
{
    struct dirent *e;
    if (depth > DEPTH_MAX)
        return fail(cx, CODE_RESOURCE_EXHAUSTED, "%s: more than %d folders deep", from, DEPTH_MAX);
    cleanup_(file_close_dir) DIR *in = open_folder(from_dir, from, depth ? O_NOFOLLOW : 0);
    if (!in)
        return fail_errno(cx, "%s", from);
    if (mkdirat(to_dir, to, 0755) < 0 && errno != EEXIST)
        return fail_errno(cx, "%s", to);
    cleanup_(file_close_dir) DIR *out = open_folder(to_dir, to, depth ? O_NOFOLLOW : 0);
    if (!out)
        return fail_errno(cx, "%s", to);
    while ((e = readdir(in)))
        if (!is_dots(e->d_name))
            TRY(copy_entry(cx, dirfd(in), e->d_name, dirfd(out), depth));
    return CODE_OK;
}

enum code tree_copy(struct ctx *cx, const char *from, const char *to)
{
    return copy_folder(cx, AT_FDCWD, from, AT_FDCWD, to, 0);
}

enum code tree_copy_file(struct ctx *cx, const char *from, const char *to)
{
    return copy_file(cx, AT_FDCWD, from, AT_FDCWD, to);
}

/* Files of large objects. Any thread; keeps no state. See file_int.h. */
#include "object/file_int.h"

#include "base/random.h"
#include "object/hash_int.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

void object_file_name(const struct object_file_id *id, char out[OBJECT_FILE_NAME_SIZE])
{
    object_hash_hex(id->b, 1, out);
    out[2] = '/';
    object_hash_hex(id->b, OBJECT_FILE_ID_SIZE, out + 3);
}

void object_file_close(int *fd)
{
    if (*fd >= 0)
        close(*fd);
    *fd = -1;
}

static enum code sync_dir(struct ctx *cx, int dir, const char *name)
{
    int fd cleanup_(object_file_close) = openat(dir, name, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0 || fsync(fd))
        return fail_errno(cx, "sync folder %s", name);
    return CODE_OK;
}

/* The folder of two hexadecimal digits that name begins with. */
static enum code make_folder(struct ctx *cx, int dir, const char *name)
{
    char folder[3] = {name[0], name[1], 0};
    if (mkdirat(dir, folder, 0700) && errno != EEXIST)
        return fail_errno(cx, "make folder objects/%s", folder);
    return sync_dir(cx, dir, ".");
}

/* Creates and locks. *fd < 0: a sweep held it for the moment in which it found no row; it goes, take another name. */
static enum code create_locked(struct ctx *cx, int dir, const struct object_file_id *id, int *fd)
{
    char name[OBJECT_FILE_NAME_SIZE];
    const int flags = O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW;
    struct stat st;
    object_file_name(id, name);
    int f = openat(dir, name, flags, 0600);
    if (f < 0 && errno == ENOENT) {
        TRY(make_folder(cx, dir, name));
        f = openat(dir, name, flags, 0600);
    }
    if (f < 0)
        return fail_errno(cx, "create objects/%s", name);
    if (flock(f, LOCK_EX | LOCK_NB) || fstat(f, &st) || !st.st_nlink)
        object_file_close(&f);
    *fd = f;
    return CODE_OK;
}

enum code object_file_create(struct ctx *cx, int dir, struct object_file_id *id, int *fd)
{
    int f = -1;
    while (f < 0) {
        random_bytes(id->b, sizeof(id->b));
        TRY(create_locked(cx, dir, id, &f));
    }
    *fd = f;
    return CODE_OK;
}

enum code object_file_sync(struct ctx *cx, int dir, const struct object_file_id *id, int fd)
{
    char name[OBJECT_FILE_NAME_SIZE];
    object_file_name(id, name);
    if (fsync(fd))
        return fail_errno(cx, "sync objects/%s", name);
    name[2] = 0;
    return sync_dir(cx, dir, name);
}

enum code object_file_open(struct ctx *cx, int dir, const struct object_file_id *id, int *fd)
{
    char name[OBJECT_FILE_NAME_SIZE];
    object_file_name(id, name);
    int f = openat(dir, name, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
    if (f < 0)
        return fail_errno(cx, "open objects/%s", name);
    *fd = f;
    return CODE_OK;
}

void object_file_remove(int dir, const struct object_file_id *id)
{
    char name[OBJECT_FILE_NAME_SIZE];
    object_file_name(id, name);
    unlinkat(dir, name, 0);
}

enum code object_file_write(struct ctx *cx, int fd, str bytes)
{
    while (bytes.n) {
        ssize_t n = write(fd, bytes.p, bytes.n);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return fail_errno(cx, "write object");
        bytes = str_skip(bytes, (size_t)n);
    }
    return CODE_OK;
}

static void close_dir(DIR **d)
{
    if (*d)
        closedir(*d);
}

bool object_file_lock(int dir, const struct object_file_id *id, int *fd)
{
    char name[OBJECT_FILE_NAME_SIZE];
    object_file_name(id, name);
    int f = openat(dir, name, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
    if (f >= 0 && flock(f, LOCK_EX | LOCK_NB))
        object_file_close(&f);
    if (f < 0)
        return false;
    *fd = f;
    return true;
}

static bool visit_folder(int dir, const char *folder, object_file_visit_fn *fn, void *arg)
{
    struct object_file_id id;
    int fd = openat(dir, folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    DIR *d cleanup_(close_dir) = fd < 0 ? NULL : fdopendir(fd);
    if (!d)
        object_file_close(&fd);
    for (struct dirent *e; d && (e = readdir(d));)
        if (object_hash_unhex(str_from(e->d_name), id.b, sizeof(id.b)) && !fn(arg, &id))
            return false;
    return true;
}

void object_file_each(int dir, object_file_visit_fn *fn, void *arg)
{
    char folder[3];
    for (int i = 0; i < 256; i++) {
        object_hash_hex(&(uint8_t){(uint8_t)i}, 1, folder);
        if (!visit_folder(dir, folder, fn, arg))
            return;
    }
}

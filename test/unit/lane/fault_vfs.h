/* A SQLite VFS that fails the n-th write or sync, or loses what was not synced and ends the process, as a power cut
 * would. Everything else goes to the real one. Installed as the default VFS, so that db_open() uses it. */
#ifndef TEST_UNIT_LANE_FAULT_VFS_H
#define TEST_UNIT_LANE_FAULT_VFS_H

#include "store/sqlite_int.h"

#include <fcntl.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum fault_mode {
    FAULT_NONE,
    FAULT_WRITE,      /* one write fails with an I/O error */
    FAULT_FULL,       /* one write finds the disk full */
    FAULT_FULL_STAYS, /* and all later ones too */
    FAULT_SYNC,       /* one sync fails */
    FAULT_POWER,      /* at a write or sync: all that was not synced is gone */
    FAULT_POWER_SOME, /* some of it is gone */
    FAULT_MODES_
};

#define FAULT_EXIT_POWER 99

struct fault_undo {
    struct fault_undo *next; /* older */
    char *path;
    int64_t at, old_size;
    size_t n, len; /* bytes of old content that there were; bytes that were written */
    char old[];
};

static struct {
    pthread_mutex_t lock;
    enum fault_mode mode;
    int n, passed;
    bool *hit; /* in shared memory: the fault happened */
    struct fault_undo *undo;
    sqlite3_vfs *real;
    sqlite3_vfs vfs;
    sqlite3_io_methods methods;
} fault = {.lock = PTHREAD_MUTEX_INITIALIZER};

struct fault_file {
    sqlite3_file base;
    char *path;
    sqlite3_file *real;
};

static sqlite3_file *fault_real(sqlite3_file *f)
{
    return ((struct fault_file *)(void *)f)->real;
}

/* What a disk writes at once: of a larger write some may be there and some not. */
#define FAULT_SECTOR 512

static void fault_undo_one(const struct fault_undo *u, bool all)
{
    int fd = open(u->path, O_WRONLY);
    if (fd < 0)
        return;
    if (pwrite(fd, u->old, all ? u->n : u->len, u->at) != (ssize_t)(all ? u->n : u->len) ||
        (all && ftruncate(fd, u->old_size) != 0))
        _exit(98);
    close(fd);
}

/* Where only some of it is gone, there are zeros behind the old end of the file. */
static _Noreturn void fault_power_cut(void)
{
    unsigned seed = (unsigned)fault.n;
    bool all = fault.mode == FAULT_POWER;
    for (struct fault_undo *u = fault.undo; u; u = u->next)
        if (all || rand_r(&seed) % 2)
            fault_undo_one(u, all);
    _exit(FAULT_EXIT_POWER);
}

/* Remembers what a write is about to replace, sector by sector. */
static void fault_remember(struct fault_file *f, int len, int64_t at)
{
    int64_t size;
    f->real->pMethods->xFileSize(f->real, (sqlite3_int64 *)&size);
    for (int64_t end = at + len, next; at < end; at = next) {
        next = (at / FAULT_SECTOR + 1) * FAULT_SECTOR;
        next = next < end ? next : end;
        size_t n = (size_t)(next - at);
        struct fault_undo *u = calloc(1, sizeof(*u) + n);
        *u = (struct fault_undo){.next = fault.undo, .path = f->path, .at = at, .old_size = size, .len = n};
        int64_t have = size - at;
        u->n = have <= 0 ? 0 : (size_t)have < n ? (size_t)have : n;
        if (u->n)
            f->real->pMethods->xRead(f->real, u->old, (int)u->n, at);
        fault.undo = u;
    }
}

/* What was written to this file is safe now. */
static void fault_forget(const struct fault_file *f)
{
    for (struct fault_undo **at = &fault.undo; *at;) {
        struct fault_undo *u = *at;
        if (strcmp(u->path, f->path) != 0) {
            at = &u->next;
            continue;
        }
        *at = u->next;
        free(u);
    }
}

static bool fault_counts(bool write)
{
    switch (fault.mode) {
    case FAULT_WRITE:
    case FAULT_FULL:
    case FAULT_FULL_STAYS:
        return write;
    case FAULT_SYNC:
        return !write;
    case FAULT_POWER:
    case FAULT_POWER_SOME:
        return true;
    default:
        return false;
    }
}

/* With the lock held: is this the one? */
static bool fault_now(bool write)
{
    if (!fault_counts(write))
        return false;
    int pass = ++fault.passed;
    bool now = pass == fault.n || (fault.mode == FAULT_FULL_STAYS && pass > fault.n);
    if (now)
        *fault.hit = true;
    if (now && (fault.mode == FAULT_POWER || fault.mode == FAULT_POWER_SOME))
        fault_power_cut();
    return now;
}

static int fault_write(sqlite3_file *file, const void *p, int len, sqlite3_int64 at)
{
    struct fault_file *f = (struct fault_file *)(void *)file;
    int rc;
    pthread_mutex_lock(&fault.lock);
    if (fault_now(true)) { /* after a part of it */
        f->real->pMethods->xWrite(f->real, p, len / 2, at);
        rc = fault.mode == FAULT_WRITE ? SQLITE_IOERR_WRITE : SQLITE_FULL;
    } else {
        if (fault.mode >= FAULT_POWER)
            fault_remember(f, len, at);
        rc = f->real->pMethods->xWrite(f->real, p, len, at);
    }
    pthread_mutex_unlock(&fault.lock);
    return rc;
}

static int fault_sync(sqlite3_file *file, int flags)
{
    struct fault_file *f = (struct fault_file *)(void *)file;
    int rc;
    pthread_mutex_lock(&fault.lock);
    if (fault_now(false)) {
        rc = SQLITE_IOERR_FSYNC;
    } else {
        rc = f->real->pMethods->xSync(f->real, flags);
        fault_forget(f);
    }
    pthread_mutex_unlock(&fault.lock);
    return rc;
}

static int fault_close(sqlite3_file *f)
{
    return fault_real(f)->pMethods->xClose(fault_real(f));
}
static int fault_read(sqlite3_file *f, void *p, int n, sqlite3_int64 at)
{
    return fault_real(f)->pMethods->xRead(fault_real(f), p, n, at);
}
static int fault_truncate(sqlite3_file *f, sqlite3_int64 n)
{
    return fault_real(f)->pMethods->xTruncate(fault_real(f), n);
}
static int fault_size(sqlite3_file *f, sqlite3_int64 *n)
{
    return fault_real(f)->pMethods->xFileSize(fault_real(f), n);
}
static int fault_lock(sqlite3_file *f, int l)
{
    return fault_real(f)->pMethods->xLock(fault_real(f), l);
}
static int fault_unlock(sqlite3_file *f, int l)
{
    return fault_real(f)->pMethods->xUnlock(fault_real(f), l);
}
static int fault_check_lock(sqlite3_file *f, int *out)
{
    return fault_real(f)->pMethods->xCheckReservedLock(fault_real(f), out);
}
static int fault_control(sqlite3_file *f, int op, void *arg)
{
    return fault_real(f)->pMethods->xFileControl(fault_real(f), op, arg);
}
static int fault_sector(sqlite3_file *f)
{
    return fault_real(f)->pMethods->xSectorSize(fault_real(f));
}
static int fault_device(sqlite3_file *f)
{
    return fault_real(f)->pMethods->xDeviceCharacteristics(fault_real(f));
}
static int fault_shm_map(sqlite3_file *f, int i, int n, int extend, void volatile **out)
{
    return fault_real(f)->pMethods->xShmMap(fault_real(f), i, n, extend, out);
}
static int fault_shm_lock(sqlite3_file *f, int at, int n, int flags)
{
    return fault_real(f)->pMethods->xShmLock(fault_real(f), at, n, flags);
}
static void fault_shm_barrier(sqlite3_file *f)
{
    fault_real(f)->pMethods->xShmBarrier(fault_real(f));
}
static int fault_shm_unmap(sqlite3_file *f, int del)
{
    return fault_real(f)->pMethods->xShmUnmap(fault_real(f), del);
}

static int fault_open(sqlite3_vfs *v, const char *name, sqlite3_file *file, int flags, int *out)
{
    struct fault_file *f = (struct fault_file *)(void *)file;
    (void)v;
    f->real = (sqlite3_file *)(void *)(f + 1);
    f->path = strdup(name ? name : ""); /* undo records point to it */
    f->base.pMethods = NULL;
    int rc = fault.real->xOpen(fault.real, name, f->real, flags, out);
    if (rc == SQLITE_OK && f->real->pMethods)
        f->base.pMethods = &fault.methods;
    return rc;
}

static inline void fault_install(enum fault_mode mode, int n, bool *hit)
{
    sqlite3_initialize();
    fault.real = sqlite3_vfs_find(NULL);
    fault.mode = mode;
    fault.n = n;
    fault.hit = hit;
    fault.methods = (sqlite3_io_methods){2,
                                         fault_close,
                                         fault_read,
                                         fault_write,
                                         fault_truncate,
                                         fault_sync,
                                         fault_size,
                                         fault_lock,
                                         fault_unlock,
                                         fault_check_lock,
                                         fault_control,
                                         fault_sector,
                                         fault_device,
                                         fault_shm_map,
                                         fault_shm_lock,
                                         fault_shm_barrier,
                                         fault_shm_unmap,
                                         NULL,
                                         NULL};
    fault.vfs = *fault.real;
    fault.vfs.zName = "fault";
    fault.vfs.pNext = NULL;
    fault.vfs.szOsFile = fault.real->szOsFile + (int)sizeof(struct fault_file);
    fault.vfs.xOpen = fault_open;
    sqlite3_vfs_register(&fault.vfs, 1);
    store_sqlite_log_init();
}

#endif

/* A snapshot of a live database as a file: for `tern backup` and before migrations. Any thread; has its own
 * connections. */
#include "store/backup.h"

#include "base/file.h"
#include "store/sqlite_int.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <unistd.h>

static enum code sync_file(struct ctx *cx, const char *path)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return fail_errno(cx, "open %s", path);
    int rc = fsync(fd), e = errno;
    close(fd);
    errno = e;
    return rc == 0 ? CODE_OK : fail_errno(cx, "fsync %s", path);
}

/* In one step, inside one read snapshot: a copy in steps would begin anew with every commit of the writer. */
static int copy(sqlite3 *to, sqlite3 *from)
{
    sqlite3_backup *b = sqlite3_backup_init(to, "main", from, "main");
    if (!b)
        return sqlite3_extended_errcode(to);
    sqlite3_backup_step(b, -1);
    return sqlite3_backup_finish(b);
}

/* The copy needs no journal: a half-written one is thrown away. */
static enum code copy_to(struct ctx *cx, struct db *from, const char *tmp)
{
    struct db to = {.mode = DB_WRITE};
    int fd = open(tmp, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    if (fd < 0)
        return fail_errno(cx, "create %s", tmp);
    close(fd);
    int rc = sqlite3_open_v2(tmp, &to.h, SQLITE_OPEN_READWRITE | SQLITE_OPEN_NOMUTEX | SQLITE_OPEN_EXRESCODE, NULL);
    if (rc == SQLITE_OK)
        rc = sqlite3_exec(to.h, "PRAGMA journal_mode=OFF; PRAGMA synchronous=OFF", NULL, NULL, NULL);
    if (rc == SQLITE_OK)
        rc = copy(to.h, from->h);
    enum code code = rc == SQLITE_OK ? CODE_OK : store_sqlite_fail(cx, &to, rc, tmp);
    sqlite3_close(to.h);
    return code;
}

static enum code put_in_place(struct ctx *cx, const char *tmp, const char *path)
{
    TRY(sync_file(cx, tmp));
    if (rename(tmp, path) != 0)
        return fail_errno(cx, "rename %s to %s", tmp, path);
    char *dir = arena_cstr(cx->mem, str_from(path)), *slash = strrchr(dir, '/');
    if (slash)
        slash[slash == dir] = 0;
    return file_sync_dir(cx, slash ? dir : ".");
}

enum code store_backup(struct ctx *cx, str url, str path)
{
    str source;
    struct db *from;
    TRY(store_sqlite_path(cx, url, &source));
    if (!source.n)
        return fail(cx, CODE_FAILED_PRECONDITION, "an in-memory database has no backup");
    TRY(db_open(cx, url, DB_READ, &from));
    const char *to = arena_cstr(cx->mem, path);
    const char *tmp = arena_printf(cx->mem, "%s.tmp%d", to, (int)getpid()).p;
    unlink(tmp);
    enum code code = copy_to(cx, from, tmp);
    db_close(from);
    if (code == CODE_OK)
        code = put_in_place(cx, tmp, to);
    if (code != CODE_OK)
        unlink(tmp);
    return code;
}

/* Reads and writes a write-ahead log in large pieces. The VFS here is the default one, but for its logs:
 *
 * Reading. After kill -9 the first connection reads the whole log, and SQLite does that frame by frame: 18,000 reads for
 * 64 MiB, before the server can answer. What is read in order, frame behind frame, comes from a window of the file: only
 * before the connection writes, since that recovery holds the locks that keep all others from writing.
 *
 * Writing. SQLite writes each frame of a commit in two pieces, then syncs, then tells the other connections of the frames.
 * What is written in order is held back and goes to the file in one piece, at the latest with that sync; so a write that
 * fails is told by the sync. This needs synchronous=FULL, and a device that needs no padding behind a commit, which SQLite
 * would write after the sync (POWERSAFE_OVERWRITE, the default): others are told of no frame that was not synced. What is
 * held of a transaction that was rolled back is forgotten. */
#include "store/sqlite_int.h"

#include "base/mem.h"

#define WINDOW_BYTES (256 << 10)
#define HELD_BYTES (64 << 10)
/* A frame of the smallest page. */
#define FRAME_MIN (512 + 24)

/* Of an open log, whose file is that of the VFS below but for its methods. */
struct log {
    sqlite3_io_methods io; /* those below, but for what is here */
    const sqlite3_io_methods *below;
    sqlite3_int64 next; /* where the last read ended */
    char *window;       /* NULL unless reads go on in order */
    sqlite3_int64 at;   /* of the window in the file */
    int n;
    bool holds; /* writes may be held back */
    char *held; /* written here, not yet in the file; NULL until the first write */
    sqlite3_int64 held_at;
    int held_n;
};

static sqlite3_vfs vfs, *below;

static struct log *log_of(sqlite3_file *f)
{
    return (struct log *)(uintptr_t)f->pMethods;
}

static void drop(struct log *l)
{
    mem_free(l->window);
    l->window = NULL;
    l->n = 0;
}

/* The window from there on; false when that is less than n bytes, or cannot be read. */
static bool fill(sqlite3_file *f, struct log *l, int n, sqlite3_int64 from)
{
    sqlite3_int64 size;
    if (l->below->xFileSize(f, &size) != SQLITE_OK || size - from < n)
        return false;
    if (!l->window)
        l->window = mem_resize(NULL, WINDOW_BYTES);
    l->at = from;
    l->n = size - from < WINDOW_BYTES ? (int)(size - from) : WINDOW_BYTES;
    return l->below->xRead(f, l->window, l->n, from) == SQLITE_OK;
}

/* What is held back goes to the file. When that fails it is given up: the transaction is. */
static int flush(sqlite3_file *f)
{
    struct log *l = log_of(f);
    int n = l->held_n;
    l->held_n = 0;
    return n ? l->below->xWrite(f, l->held, n, l->held_at) : SQLITE_OK;
}

static int log_read(sqlite3_file *f, void *to, int n, sqlite3_int64 from)
{
    struct log *l = log_of(f);
    int rc = flush(f);
    if (rc != SQLITE_OK)
        return rc;
    bool goes_on = !l->held && from == l->next && n >= FRAME_MIN && n <= WINDOW_BYTES;
    bool here = goes_on && l->n && from + n <= l->at + l->n;
    l->next = from + n;
    if (goes_on && (here || fill(f, l, n, from))) {
        memcpy(to, l->window + (from - l->at), (size_t)n);
        return SQLITE_OK;
    }
    drop(l);
    return l->below->xRead(f, to, n, from);
}

static int log_write(sqlite3_file *f, const void *from, int n, sqlite3_int64 at)
{
    struct log *l = log_of(f);
    drop(l);
    bool goes_on = l->held_n && at == l->held_at + l->held_n && n <= HELD_BYTES - l->held_n;
    int rc = goes_on ? SQLITE_OK : flush(f);
    if (rc != SQLITE_OK)
        return rc;
    if (n > HELD_BYTES || !l->holds)
        return l->below->xWrite(f, from, n, at);
    if (!l->held)
        l->held = mem_resize(NULL, HELD_BYTES);
    if (!l->held_n)
        l->held_at = at;
    memcpy(l->held + l->held_n, from, (size_t)n);
    l->held_n += n;
    return SQLITE_OK;
}

static int log_sync(sqlite3_file *f, int flags)
{
    int rc = flush(f);
    return rc == SQLITE_OK ? log_of(f)->below->xSync(f, flags) : rc;
}

static int log_size(sqlite3_file *f, sqlite3_int64 *size)
{
    int rc = flush(f);
    return rc == SQLITE_OK ? log_of(f)->below->xFileSize(f, size) : rc;
}

static int log_truncate(sqlite3_file *f, sqlite3_int64 size)
{
    drop(log_of(f));
    int rc = flush(f);
    return rc == SQLITE_OK ? log_of(f)->below->xTruncate(f, size) : rc;
}

static int log_close(sqlite3_file *f)
{
    struct log *l = log_of(f);
    drop(l);
    mem_free(l->held); /* of a transaction that was given up */
    f->pMethods = l->below;
    mem_free(l);
    return f->pMethods->xClose(f);
}

static int log_open(sqlite3_vfs *self, const char *name, sqlite3_file *f, int flags, int *out)
{
    (void)self;
    int rc = below->xOpen(below, name, f, flags, out);
    if (rc != SQLITE_OK || !(flags & SQLITE_OPEN_WAL))
        return rc;
    struct log *l = mem_new(struct log);
    l->below = f->pMethods;
    l->io = *f->pMethods;
    l->holds = f->pMethods->xDeviceCharacteristics(f) & SQLITE_IOCAP_POWERSAFE_OVERWRITE;
    l->io.xRead = log_read;
    l->io.xWrite = log_write;
    l->io.xSync = log_sync;
    l->io.xFileSize = log_size;
    l->io.xTruncate = log_truncate;
    l->io.xClose = log_close;
    f->pMethods = &l->io;
    return rc;
}

void store_sqlite_log_forget(sqlite3 *h)
{
    sqlite3_file *f = NULL;
    sqlite3_file_control(h, "main", SQLITE_FCNTL_JOURNAL_POINTER, (void *)&f);
    if (f && f->pMethods && f->pMethods->xWrite == log_write)
        log_of(f)->held_n = 0;
}

void store_sqlite_log_init(void)
{
    if (below)
        sqlite3_vfs_unregister(&vfs);
    below = sqlite3_vfs_find(NULL);
    vfs = *below;
    vfs.zName = STORE_SQLITE_VFS;
    vfs.xOpen = log_open;
    sqlite3_vfs_register(&vfs, 0);
}

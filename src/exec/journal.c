/* See journal.h. A failing fsync is never repeated on the same file: its pages may be gone; the whole state is written
 * to a new one instead. */
#include "exec/journal.h"

#include "base/log.h"
#include "base/mem.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>
#include <zlib.h>

#define MAGIC "tern-exec-1\n"
#define MAGIC_BYTES (sizeof(MAGIC) - 1)
#define RECORD_HEAD 8
#define JOURNAL_MAX ((size_t)1 << 30)

struct exec_journal {
    int dir, fd;
    size_t size; /* durable bytes */
    buf batch;
    bool broken;
};

static uint32_t get_u32(const char *p)
{
    const unsigned char *u = (const unsigned char *)p;
    return (uint32_t)u[0] | (uint32_t)u[1] << 8 | (uint32_t)u[2] << 16 | (uint32_t)u[3] << 24;
}

static void put_u32(char *p, uint32_t v)
{
    for (int i = 0; i < 4; i++)
        p[i] = (char)(v >> (8 * i));
}

static uint32_t checksum(str s)
{
    return (uint32_t)crc32(0, (const Bytef *)s.p, (uInt)s.n);
}

static enum code write_all(struct ctx *cx, int fd, str s, size_t at)
{
    while (s.n) {
        ssize_t n = pwrite(fd, s.p, s.n, (off_t)at);
        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0)
            return fail_errno(cx, "supervisor journal");
        s = str_skip(s, (size_t)n);
        at += (size_t)n;
    }
    return CODE_OK;
}

static enum code read_file(struct ctx *cx, int fd, str *out)
{
    struct stat st;
    if (fstat(fd, &st) < 0)
        return fail_errno(cx, "supervisor journal");
    if ((size_t)st.st_size > JOURNAL_MAX)
        return fail(cx, CODE_DATA_LOSS, "supervisor journal: %lld bytes", (long long)st.st_size);
    char *p = arena_alloc(cx->mem, (size_t)st.st_size + 1);
    size_t n = 0;
    while (n < (size_t)st.st_size) {
        ssize_t got = pread(fd, p + n, (size_t)st.st_size - n, (off_t)n);
        if (got < 0 && errno == EINTR)
            continue;
        if (got < 0)
            return fail_errno(cx, "supervisor journal");
        if (got == 0)
            break;
        n += (size_t)got;
    }
    *out = str_make(p, n);
    return CODE_OK;
}

/* Bytes of whole, intact records. */
static size_t replay(struct ctx *cx, str all, exec_journal_fn *fn, void *arg)
{
    size_t at = MAGIC_BYTES;
    for (;;) {
        str rest = str_skip(all, at);
        size_t n = rest.n >= RECORD_HEAD ? get_u32(rest.p) : SIZE_MAX;
        if (rest.n < RECORD_HEAD || n > rest.n - RECORD_HEAD)
            return at;
        str body = str_make(rest.p + RECORD_HEAD, n);
        struct exec_msg m;
        if (checksum(body) != get_u32(rest.p + 4) || exec_wire_parse(cx, body, &m) != CODE_OK)
            return at;
        fn(arg, &m);
        at += RECORD_HEAD + n;
    }
}

static enum code load(struct ctx *cx, struct exec_journal *j, exec_journal_fn *fn, void *arg)
{
    str all;
    TRY(read_file(cx, j->fd, &all));
    if (all.n < MAGIC_BYTES && str_eq(all, str_head(STR(MAGIC), all.n))) {
        TRY(write_all(cx, j->fd, STR(MAGIC), 0));
        j->size = MAGIC_BYTES;
        return CODE_OK;
    }
    if (!str_starts(all, STR(MAGIC)))
        return fail(cx, CODE_FAILED_PRECONDITION, "supervisor journal: written by another version");
    j->size = replay(cx, all, fn, arg);
    if (j->size < all.n) {
        log_warn(cx, "supervisor journal: torn end cut off", LOG_INT("bytes", all.n - j->size));
        if (ftruncate(j->fd, (off_t)j->size) < 0)
            return fail_errno(cx, "supervisor journal");
    }
    return CODE_OK;
}

enum code exec_journal_open(struct ctx *cx, str dir, exec_journal_fn *fn, void *arg, struct exec_journal **out)
{
    struct exec_journal *j = mem_new(struct exec_journal);
    buf_init(&j->batch, JOURNAL_MAX);
    j->fd = -1;
    enum code code = CODE_OK;
    j->dir = open(arena_cstr(cx->mem, dir), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (j->dir >= 0)
        j->fd = openat(j->dir, "journal", O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    if (j->fd < 0)
        code = fail_errno(cx, "supervisor journal in " STR_FMT, STR_ARG(dir));
    if (code == CODE_OK)
        code = load(cx, j, fn, arg);
    if (code == CODE_OK && (fdatasync(j->fd) < 0 || fsync(j->dir) < 0))
        code = fail_errno(cx, "supervisor journal");
    if (code != CODE_OK) {
        exec_journal_close(j);
        return code;
    }
    *out = j;
    return CODE_OK;
}

void exec_journal_close(struct exec_journal *j)
{
    if (!j)
        return;
    if (j->fd >= 0)
        close(j->fd);
    if (j->dir >= 0)
        close(j->dir);
    buf_done(&j->batch);
    mem_free(j);
}

void exec_journal_add(struct exec_journal *j, const struct exec_msg *m)
{
    size_t from = j->batch.n;
    /* A frame's length takes 4 bytes, a record's head 8: room for the checksum is made behind the length. */
    buf_add(&j->batch, "\0\0\0", 4);
    exec_wire_put(&j->batch, m);
    if (j->batch.failed)
        return;
    char *p = j->batch.p + from;
    str body = str_make(p + RECORD_HEAD, j->batch.n - from - RECORD_HEAD);
    put_u32(p, (uint32_t)body.n);
    put_u32(p + 4, checksum(body));
}

enum code exec_journal_sync(struct ctx *cx, struct exec_journal *j)
{
    str batch = buf_view(&j->batch);
    if (j->broken || j->batch.failed) {
        buf_clear(&j->batch);
        j->broken = true;
        return fail(cx, CODE_UNAVAILABLE, "supervisor journal: an earlier write failed");
    }
    if (batch.n == 0)
        return CODE_OK;
    enum code code = write_all(cx, j->fd, batch, j->size);
    if (code == CODE_OK && fdatasync(j->fd) < 0)
        code = fail_errno(cx, "supervisor journal");
    if (code == CODE_OK) {
        j->size += batch.n;
    } else {
        j->broken = true;
        if (ftruncate(j->fd, (off_t)j->size) < 0)
            log_warn(cx, "supervisor journal: cannot cut off a failed write", LOG_INT("errno", errno));
    }
    buf_clear(&j->batch);
    return code;
}

static enum code write_new(struct ctx *cx, struct exec_journal *j, int fd)
{
    TRY(write_all(cx, fd, STR(MAGIC), 0));
    TRY(write_all(cx, fd, buf_view(&j->batch), MAGIC_BYTES));
    if (j->batch.failed)
        return fail(cx, CODE_RESOURCE_EXHAUSTED, "supervisor journal: too large");
    if (fsync(fd) < 0 || renameat(j->dir, "journal.new", j->dir, "journal") < 0 || fsync(j->dir) < 0)
        return fail_errno(cx, "supervisor journal");
    return CODE_OK;
}

enum code exec_journal_replace(struct ctx *cx, struct exec_journal *j, void (*fn)(void *arg), void *arg)
{
    buf_clear(&j->batch);
    fn(arg);
    int fd = openat(j->dir, "journal.new", O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    enum code code = fd < 0 ? fail_errno(cx, "supervisor journal") : write_new(cx, j, fd);
    if (code == CODE_OK) {
        close(j->fd);
        j->fd = fd;
        j->size = MAGIC_BYTES + j->batch.n;
        j->broken = false;
    } else if (fd >= 0) {
        close(fd);
    }
    buf_clear(&j->batch);
    return code;
}

size_t exec_journal_size(const struct exec_journal *j)
{
    return j->size;
}

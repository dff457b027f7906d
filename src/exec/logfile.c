/* See logfile.h. */
#include "exec/logfile.h"

#include "base/buf.h"
#include "base/time.h"
#include "base/vec.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#define READ_CHUNK ((size_t)256 * 1024)
#define BLOCK INT64_C(4096)

enum record_kind { RECORD_TIME = 1, RECORD_SYSTEM = 2, RECORD_END = 3 };

/* TIME, END: bytes before `offset` had arrived at time_ns. SYSTEM: `len` bytes from `offset` on are ours. */
struct record {
    int64_t offset, len, time_ns;
    uint32_t kind, zero;
};
_Static_assert(sizeof(struct record) == 32, "file format");

static int64_t record_end(const struct record *r)
{
    return r->offset + r->len;
}

/* ---- writing ----------------------------------------------------------------------------------------------------- */

str exec_logfile_shard(struct ctx *cx, str data_dir, unsigned shard)
{
    return arena_printf(cx->mem, STR_FMT "/logs/%02x", STR_ARG(data_dir), shard);
}

static str log_path(struct ctx *cx, str data_dir, struct exec_key key, const char *ext)
{
    return arena_printf(cx->mem, STR_FMT "/%llu-%u.%s",
                        STR_ARG(exec_logfile_shard(cx, data_dir, key.action_id % EXEC_LOG_SHARDS)),
                        (unsigned long long)key.action_id, key.attempt, ext);
}

static int open_append(const char *path)
{
    return open(path, O_RDWR | O_APPEND | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
}

static int open_making_dirs(struct ctx *cx, str data_dir, struct exec_key key, const char *path)
{
    int fd = open_append(path);
    if (fd >= 0 || errno != ENOENT)
        return fd;
    mkdir(arena_printf(cx->mem, STR_FMT "/logs", STR_ARG(data_dir)).p, 0700);
    mkdir(exec_logfile_shard(cx, data_dir, key.action_id % EXEC_LOG_SHARDS).p, 0700);
    return open_append(path);
}

enum code exec_logfile_open(struct ctx *cx, str data_dir, struct exec_key key, struct exec_logfile *out)
{
    str log = log_path(cx, data_dir, key, "log"), index = log_path(cx, data_dir, key, "idx");
    struct exec_logfile f = {.hole_end = EXEC_LOG_HEAD};
    f.index = open_making_dirs(cx, data_dir, key, index.p);
    f.fd = f.index >= 0 ? open_append(log.p) : -1;
    if (f.fd < 0) {
        enum code code = fail_errno(cx, "log " STR_FMT, STR_ARG(log));
        if (f.index >= 0)
            close(f.index);
        return code;
    }
    struct record last;
    off_t n = lseek(f.index, 0, SEEK_END);
    if (n >= 32 && pread(f.index, &last, sizeof(last), n - n % 32 - 32) == 32)
        f.size = record_end(&last);
    f.stamps = (size_t)n / 32;
    *out = f;
    return CODE_OK;
}

void exec_logfile_close(struct exec_logfile *f)
{
    if (f->fd >= 0)
        close(f->fd);
    if (f->index >= 0)
        close(f->index);
    f->fd = f->index = -1;
}

static void append_record(struct exec_logfile *f, struct record r)
{
    /* A full disk loses times, nothing else; a torn record is kept out by its size. */
    ssize_t n = write(f->index, &r, sizeof(r));
    if (n > 0 && n < (ssize_t)sizeof(r)) {
        off_t size = lseek(f->index, 0, SEEK_END);
        if (ftruncate(f->index, size - n) < 0)
            return;
    }
    f->stamps++;
}

static int64_t wall(struct timespec t)
{
    return (int64_t)t.tv_sec * NS_PER_S + t.tv_nsec;
}

/* The longer the index, the coarser: a task that prints for days must not fill the disk with times. */
static int64_t stamp_gap_ns(size_t stamps)
{
    return stamps < 1000 ? 5 * NS_PER_MS : stamps < 20000 ? 100 * NS_PER_MS : 2 * NS_PER_S;
}

static void punch(struct exec_logfile *f, int64_t size)
{
    int64_t end = (size - EXEC_LOG_TAIL) / BLOCK * BLOCK;
    if (f->no_holes || size - f->hole_end <= EXEC_LOG_TAIL + EXEC_LOG_SLACK)
        return;
    if (fallocate(f->fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, f->hole_end, end - f->hole_end) == 0) {
        f->hole_end = end;
        return;
    }
    f->no_holes = true;
    exec_logfile_system(f, STR("This log is over its limit, but this file system cannot drop the middle of a file."));
}

/* Under the index's lock. */
static bool note(struct exec_logfile *f, enum record_kind kind)
{
    struct stat st;
    if (fstat(f->fd, &st) < 0)
        return false;
    bool grew = st.st_size > f->size;
    int64_t time_ns = wall(st.st_mtim);
    bool due = kind == RECORD_END || (grew && time_ns - f->stamped_ns >= stamp_gap_ns(f->stamps));
    if (due) {
        append_record(f, (struct record){.offset = st.st_size, .time_ns = time_ns, .kind = kind});
        f->stamped_ns = time_ns;
    }
    if (grew)
        f->size = st.st_size;
    return grew;
}

static void note_locked(struct exec_logfile *f, enum record_kind kind, bool *grew)
{
    flock(f->index, LOCK_EX);
    *grew = note(f, kind);
    flock(f->index, LOCK_UN);
}

bool exec_logfile_stamp(struct exec_logfile *f)
{
    bool grew;
    note_locked(f, RECORD_TIME, &grew);
    if (grew)
        punch(f, f->size);
    return grew;
}

void exec_logfile_end(struct exec_logfile *f)
{
    bool grew;
    note_locked(f, RECORD_END, &grew);
}

static bool ends_in_newline(int fd)
{
    struct stat st;
    char c = '\n';
    if (fstat(fd, &st) == 0 && st.st_size > 0 && pread(fd, &c, 1, st.st_size - 1) != 1)
        return true;
    return c == '\n';
}

void exec_logfile_system(struct exec_logfile *f, str line)
{
    char text[4096];
    size_t n = line.n < sizeof(text) - 1 ? line.n : sizeof(text) - 1;
    for (size_t i = 0; i < n; i++)
        text[i] = line.p[i] == '\n' ? ' ' : line.p[i];
    text[n++] = '\n';
    flock(f->index, LOCK_EX);
    if (!ends_in_newline(f->fd) && write(f->fd, "\n", 1) < 0)
        n = 0;
    ssize_t put = n ? write(f->fd, text, n) : -1;
    off_t end = lseek(f->fd, 0, SEEK_CUR); /* an append leaves the position behind what it wrote */
    if (put > 0)
        append_record(f, (struct record){end - put, put, time_wall_ns(), RECORD_SYSTEM, 0});
    flock(f->index, LOCK_UN);
}

/* ---- reading ----------------------------------------------------------------------------------------------------- */

struct reader {
    struct ctx *cx;
    int fd, index;
    int64_t size, cursor;
    int64_t mtime_ns;
    bool over;
    size_t record_at, records;
    struct record record; /* the first whose end is after the cursor; kind 0 = none */
    struct exec_log_page page;
    size_t cap, bytes;
};

static bool read_record(const struct reader *r, size_t i, struct record *out)
{
    return pread(r->index, out, sizeof(*out), (off_t)(i * sizeof(*out))) == (ssize_t)sizeof(*out);
}

/* Records are in order of their ends. */
static void seek_record(struct reader *r)
{
    size_t low = 0, high = r->records;
    struct record rec;
    while (low < high) {
        size_t mid = low + (high - low) / 2;
        if (read_record(r, mid, &rec) && record_end(&rec) <= r->cursor)
            low = mid + 1;
        else
            high = mid;
    }
    r->record_at = low;
    if (!read_record(r, low, &r->record))
        r->record = (struct record){0};
}

static void advance_record(struct reader *r)
{
    while (r->record.kind && record_end(&r->record) <= r->cursor) {
        r->record_at++;
        if (r->record_at >= r->records || !read_record(r, r->record_at, &r->record))
            r->record = (struct record){0};
    }
}

static bool is_control(unsigned char c)
{
    return (c < 0x20 && c != '\t' && c != 0x1b) || c == 0x7f;
}

/* Invalid UTF-8 and control bytes become U+FFFD and "?"; a newline is added. */
static str clean(struct ctx *cx, str raw)
{
    buf b;
    buf_init_arena(&b, cx->mem, 3 * raw.n + 2);
    while (raw.n) {
        size_t len = (unsigned char)raw.p[0] < 0x80 ? 1 : str_utf8_len(raw);
        if (len == 0)
            buf_str(&b, STR("\xef\xbf\xbd"));
        else if (is_control((unsigned char)raw.p[0]))
            buf_char(&b, '?');
        else
            buf_add(&b, raw.p, len);
        raw = str_skip(raw, len ? len : 1);
    }
    buf_char(&b, '\n');
    return buf_view(&b);
}

static void add_line(struct reader *r, str text, int64_t time_ns, bool system)
{
    struct exec_log_line *old = r->page.p;
    if (r->page.n == r->cap) {
        size_t cap = r->cap ? r->cap * 2 : 16;
        r->page.p = arena_grow(r->cx->mem, old, r->cap * sizeof(*old), cap * sizeof(*old));
        r->cap = cap;
    }
    r->page.p[r->page.n++] = (struct exec_log_line){.time_ns = time_ns, .text = text, .system = system};
    r->bytes += text.n;
}

/* Length of the first line without and (whole) with its end; false when it is not complete. "\r" alone ends a line too:
 * progress bars. */
static bool find_line(str s, bool last, size_t *text, size_t *whole)
{
    size_t max = s.n < EXEC_LOG_LINE_MAX ? s.n : EXEC_LOG_LINE_MAX;
    for (size_t i = 0; i < max; i++) {
        if (s.p[i] != '\n' && s.p[i] != '\r')
            continue;
        if (s.p[i] == '\r' && i + 1 == s.n && !last)
            return false;
        *text = i;
        *whole = i + (s.p[i] == '\r' && i + 1 < s.n && s.p[i + 1] == '\n' ? 2 : 1);
        return true;
    }
    *text = *whole = max;
    if (max == EXEC_LOG_LINE_MAX) {
        while (*text > max - 4 && str_utf8_len(str_skip(s, *text)) == 0 && ((unsigned char)s.p[*text - 1] & 0x80))
            --*text;
        *whole = *text;
        return true;
    }
    return last && max > 0;
}

/* Lines of a piece of the file that starts at the cursor; last: nothing will be appended to this piece. */
static void take_lines(struct reader *r, str piece, bool last, size_t max_lines)
{
    while (piece.n && r->page.n < max_lines && r->bytes < EXEC_LOG_PAGE_MAX) {
        size_t text, whole;
        advance_record(r);
        bool ours = r->record.kind == RECORD_SYSTEM && r->record.offset <= r->cursor;
        /* A line of ours that was appended in the middle of one of the task's starts anew. */
        int64_t gap = r->record.kind == RECORD_SYSTEM && !ours ? r->record.offset - r->cursor : INT64_MAX;
        str s = gap < (int64_t)piece.n ? str_head(piece, (size_t)gap) : piece;
        if (!find_line(s, last || s.n < piece.n, &text, &whole))
            return;
        int64_t time_ns = r->record.kind ? r->record.time_ns : r->mtime_ns;
        add_line(r, clean(r->cx, str_head(s, text)), time_ns, ours);
        r->cursor += (int64_t)whole;
        piece = str_skip(piece, whole);
    }
}

static void skip_hole(struct reader *r, int64_t data)
{
    char text[128];
    int n = snprintf(text, sizeof(text),
                     "%lld bytes of output were dropped here: a log keeps its first and last %lld MiB\n",
                     (long long)(data - r->cursor), (long long)(EXEC_LOG_HEAD >> 20));
    add_line(r, arena_str(r->cx->mem, str_make(text, (size_t)n)), r->mtime_ns, true);
    r->cursor = data;
}

/* Where the piece at the cursor ends: the file's size, or the next hole. */
static int64_t piece_end(struct reader *r)
{
    if (r->size <= EXEC_LOG_HEAD)
        return r->size;
    off_t data = lseek(r->fd, r->cursor, SEEK_DATA);
    if (data < 0)
        data = r->size;
    if (data > r->cursor && r->cursor >= EXEC_LOG_HEAD)
        skip_hole(r, data);
    off_t hole = lseek(r->fd, r->cursor, SEEK_HOLE);
    return hole < 0 || hole > r->size ? r->size : hole;
}

static enum code read_lines(struct reader *r, size_t max_lines)
{
    char *chunk = arena_alloc(r->cx->mem, READ_CHUNK);
    while (r->cursor < r->size && r->page.n < max_lines && r->bytes < EXEC_LOG_PAGE_MAX) {
        int64_t from, end = piece_end(r);
        size_t want = end - r->cursor < (int64_t)READ_CHUNK ? (size_t)(end - r->cursor) : READ_CHUNK;
        ssize_t n = pread(r->fd, chunk, want, r->cursor);
        if (n < 0)
            return fail_errno(r->cx, "log");
        from = r->cursor;
        bool last = r->cursor + n == end && (r->over || end < r->size);
        take_lines(r, str_make(chunk, (size_t)n), last, max_lines);
        if (r->cursor == from)
            break;
    }
    return CODE_OK;
}

static enum code read_page(struct reader *r, size_t max_lines)
{
    struct stat st, index;
    flock(r->index, LOCK_SH);
    bool bad = fstat(r->fd, &st) < 0 || fstat(r->index, &index) < 0;
    flock(r->index, LOCK_UN);
    if (bad)
        return fail_errno(r->cx, "log");
    r->size = st.st_size;
    r->mtime_ns = wall(st.st_mtim);
    r->records = (size_t)index.st_size / sizeof(struct record);
    seek_record(r);
    TRY(read_lines(r, max_lines));
    r->page.next = r->cursor;
    r->page.ended = r->over && r->cursor >= r->size;
    return CODE_OK;
}

/* Where the first line begins that lies in the last `back` bytes; the end when none does. */
static int64_t line_near_end(int fd, int64_t back)
{
    char text[EXEC_LOG_BACK_MAX + 1];
    struct stat st;
    if (back > EXEC_LOG_BACK_MAX)
        back = EXEC_LOG_BACK_MAX;
    if (fstat(fd, &st) < 0 || st.st_size <= back)
        return 0;
    int64_t from = st.st_size - back - 1; /* a line that begins exactly there has its newline before it */
    ssize_t n = pread(fd, text, (size_t)back + 1, from);
    const char *end = n > 0 ? memchr(text, '\n', (size_t)n) : NULL;
    return end ? from + (end - text) + 1 : st.st_size;
}

enum code exec_logfile_read(struct ctx *cx, str data_dir, struct exec_key key, int64_t cursor, size_t max_lines,
                            bool over, struct exec_log_page *out)
{
    struct reader r = {.cx = cx, .cursor = cursor, .over = over};
    r.fd = open(log_path(cx, data_dir, key, "log").p, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
    if (r.fd < 0)
        return fail_errno(cx, "log of attempt %u", key.attempt);
    if (cursor < 0)
        r.cursor = line_near_end(r.fd, -cursor);
    r.index = open(log_path(cx, data_dir, key, "idx").p, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
    enum code code = r.index < 0 ? fail_errno(cx, "log of attempt %u", key.attempt) : read_page(&r, max_lines);
    close(r.fd);
    if (r.index >= 0)
        close(r.index);
    if (code == CODE_OK)
        *out = r.page;
    return code;
}

static int64_t system_bytes(int index)
{
    struct record r[128];
    int64_t bytes = 0;
    off_t at = 0;
    for (ssize_t n; (n = pread(index, r, sizeof(r), at)) >= (ssize_t)sizeof(*r); at += n - n % (ssize_t)sizeof(*r))
        for (size_t i = 0; i < (size_t)n / sizeof(*r); i++)
            bytes += r[i].kind == RECORD_SYSTEM ? r[i].len : 0;
    return bytes;
}

enum code exec_logfile_task_bytes(struct ctx *cx, str data_dir, struct exec_key key, int64_t *out)
{
    struct exec_logfile f;
    struct stat st;
    TRY(exec_logfile_open(cx, data_dir, key, &f));
    flock(f.index, LOCK_SH);
    bool ok = fstat(f.fd, &st) == 0;
    int64_t ours = system_bytes(f.index);
    flock(f.index, LOCK_UN);
    exec_logfile_close(&f);
    if (!ok)
        return fail_errno(cx, "log of attempt %u", key.attempt);
    *out = st.st_size - ours;
    return CODE_OK;
}

bool exec_logfile_has_ended(struct ctx *cx, str data_dir, struct exec_key key)
{
    struct record rec = {0};
    int fd = open(log_path(cx, data_dir, key, "idx").p, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
    if (fd < 0)
        return false;
    /* Lines of ours may follow the end. */
    off_t n = lseek(fd, 0, SEEK_END) / 32;
    for (int back = 1; back <= 64 && back <= n && rec.kind != RECORD_END; back++)
        if (pread(fd, &rec, sizeof(rec), (n - back) * 32) != 32)
            break;
    close(fd);
    return rec.kind == RECORD_END;
}

int64_t exec_logfile_remove(struct ctx *cx, str data_dir, struct exec_key key, bool dry)
{
    static const char *const parts[] = {"log", "idx"};
    int64_t bytes = 0;
    struct stat st;
    for (size_t i = 0; i < 2; i++) {
        str path = log_path(cx, data_dir, key, parts[i]);
        if (lstat(path.p, &st) == 0)
            bytes += (int64_t)st.st_blocks * 512;
        if (!dry)
            unlink(path.p);
    }
    return bytes;
}

bool exec_logfile_key(str name, struct exec_key *out)
{
    str id, attempt;
    uint64_t n;
    if (!str_ends(name, STR(".log")) || !str_cut(str_head(name, name.n - 4), '-', &id, &attempt))
        return false;
    if (!str_to_u64(id, &out->action_id) || !str_to_u64(attempt, &n) || n > UINT32_MAX)
        return false;
    out->attempt = (uint32_t)n;
    return true;
}

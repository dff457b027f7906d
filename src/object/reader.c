/* Reading one object. What it was when it was opened stays readable: inline bytes are copied, the files of a small
 * number of segments are opened at once. Of larger ones a file is opened when it is read, and may be gone by then:
 * ABORTED. One thread at a time; calls block. See object.h. */
#include "object/object.h"

#include "base/mem.h"
#include "object/store_int.h"

#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

/* Files of one object that are held open. */
#define OPEN_MAX_ 16
#define SEGMENTS_MAX 10000
/* An object may be replaced between looking it up and opening it; each time it was a whole one. */
#define TRIES 8

struct segment {
    int64_t start, size;
    struct object_file_id id;
    int fd;
};

struct object_reader {
    struct object_store *store;
    struct arena mem;
    struct object_row row;
    struct segment *segments;
    size_t n, at; /* at: the one used last */
};

static void forget_segments(struct object_reader *r)
{
    for (size_t i = 0; i < r->n; i++)
        object_file_close(&r->segments[i].fd);
    r->n = 0;
}

static enum code open_segments(struct ctx *cx, struct object_reader *r, struct object_index *ix)
{
    struct object_segments list;
    int64_t start = 0;
    TRY(object_index_segments(cx, ix, r->row.body, 0, SEGMENTS_MAX, &list));
    r->segments = arena_new_array(&r->mem, struct segment, list.n);
    for (size_t i = 0; i < list.n; i++) {
        r->segments[i] = (struct segment){.start = start, .size = list.p[i].size, .id = list.p[i].file, .fd = -1};
        start += list.p[i].size;
    }
    r->n = list.n;
    for (size_t i = 0; i < r->n && r->n <= OPEN_MAX_; i++)
        TRY(object_file_open(cx, r->store->files, &r->segments[i].id, &r->segments[i].fd));
    if (start != r->row.info.size)
        return fail(cx, CODE_NOT_FOUND, "the object was replaced");
    return CODE_OK;
}

/* NOT_FOUND with *replaced: look again. */
static enum code open_once(struct ctx *cx, struct object_reader *r, str bucket, str key, bool *replaced)
{
    struct ctx own = *cx; /* what the reader keeps goes to its own arena */
    struct object_index *ix cleanup_(object_store_give_back) = NULL;
    own.mem = &r->mem;
    enum code code = object_store_borrow(&own, r->store, &ix);
    *replaced = false;
    if (code == CODE_OK)
        code = object_index_find(&own, ix, bucket, key, true, &r->row);
    if (code == CODE_OK && !r->row.is_inline) {
        code = open_segments(&own, r, ix);
        *replaced = code == CODE_NOT_FOUND;
    }
    cx->err = own.err;
    return code;
}

enum code object_reader_open(struct ctx *cx, struct object_store *s, str bucket, str key, struct object_reader **out)
{
    struct object_reader *r = mem_new(struct object_reader);
    enum code code;
    bool replaced;
    int tries = 0;
    r->store = s;
    arena_init(&r->mem, 0);
    while ((code = open_once(cx, r, bucket, key, &replaced)) != CODE_OK && replaced && ++tries < TRIES)
        forget_segments(r);
    if (code != CODE_OK) {
        if (replaced)
            code = fail(cx, CODE_DATA_LOSS, "the bytes of object " STR_FMT " are missing", STR_ARG(str_head(key, 160)));
        object_reader_close(r);
        return code;
    }
    *out = r;
    return CODE_OK;
}

const struct object_info *object_reader_info(const struct object_reader *r)
{
    return &r->row.info;
}

static struct segment *find_segment(struct object_reader *r, int64_t offset)
{
    if (r->segments[r->at].start > offset)
        r->at = 0;
    while (offset >= r->segments[r->at].start + r->segments[r->at].size)
        r->at++;
    return &r->segments[r->at];
}

static enum code open_file(struct ctx *cx, struct object_reader *r, struct segment *s)
{
    if (s->fd >= 0)
        return CODE_OK;
    enum code code = object_file_open(cx, r->store->files, &s->id, &s->fd);
    return code == CODE_NOT_FOUND ? fail(cx, CODE_ABORTED, "the object was replaced while it was read") : code;
}

enum code object_reader_piece(struct ctx *cx, struct object_reader *r, int64_t offset, int64_t max,
                              struct object_piece *out)
{
    int64_t left = r->row.info.size - offset;
    struct object_piece piece = {.fd = -1, .len = 0};
    if (offset < 0 || left <= 0 || max <= 0) {
        *out = piece;
        return CODE_OK;
    }
    if (r->row.is_inline) {
        piece.bytes = str_head(str_skip(r->row.bytes, (size_t)offset), (size_t)max);
        piece.len = (int64_t)piece.bytes.n;
        *out = piece;
        return CODE_OK;
    }
    struct segment *s = find_segment(r, offset);
    bool keep = s->fd >= 0;
    TRY(open_file(cx, r, s));
    piece.offset = offset - s->start;
    piece.len = s->size - piece.offset < max ? s->size - piece.offset : max;
    piece.fd = keep ? fcntl(s->fd, F_DUPFD_CLOEXEC, 0) : s->fd;
    if (!keep)
        s->fd = -1;
    if (piece.fd < 0)
        return fail_errno(cx, "open object");
    *out = piece;
    return CODE_OK;
}

static enum code read_file(struct ctx *cx, const struct object_piece *piece, char *p)
{
    for (int64_t done = 0; done < piece->len;) {
        ssize_t n = pread(piece->fd, p + done, (size_t)(piece->len - done), piece->offset + done);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return fail_errno(cx, "read object");
        if (n == 0)
            return fail(cx, CODE_DATA_LOSS, "the file of an object is shorter than its index says");
        done += n;
    }
    return CODE_OK;
}

enum code object_reader_read(struct ctx *cx, struct object_reader *r, int64_t offset, void *p, size_t n, size_t *got)
{
    size_t done = 0;
    while (done < n) {
        struct object_piece piece;
        TRY(object_reader_piece(cx, r, offset + (int64_t)done, (int64_t)(n - done), &piece));
        int fd cleanup_(object_file_close) = piece.fd;
        if (!piece.len)
            break;
        if (fd >= 0)
            TRY(read_file(cx, &piece, (char *)p + done));
        else
            memcpy((char *)p + done, piece.bytes.p, piece.bytes.n);
        done += (size_t)piece.len;
    }
    *got = done;
    return CODE_OK;
}

void object_reader_close(struct object_reader *r)
{
    if (!r)
        return;
    forget_segments(r);
    arena_done(&r->mem);
    mem_free(r);
}

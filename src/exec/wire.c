/* The codec of wire.h: one table of fields drives both directions. */
#include "exec/wire.h"

#include <stddef.h>

enum kind { U64, STRING, LIST };

struct field {
    uint8_t tag;
    enum kind kind;
    size_t at;
};

#define F(tag, kind, name)                                                                                             \
    {                                                                                                                  \
        tag, kind, offsetof(struct exec_msg, name)                                                                     \
    }

/* A tag is never used again for something else. */
static const struct field fields[] = {
    F(1, U64, key.action_id),  F(3, U64, version),       F(4, U64, oldest),         F(5, U64, pid),
    F(6, U64, start_ticks),    F(7, U64, state),         F(8, U64, exit_code),      F(9, U64, signal),
    F(10, U64, oom),           F(11, U64, aborted),      F(12, U64, system),        F(13, U64, all),
    F(14, U64, cpu_millis),    F(15, U64, memory_bytes), F(16, U64, gpus),          F(17, U64, depth),
    F(18, U64, grace_ms),      F(19, U64, warm),         F(21, U64, started_ns),    F(22, U64, ended_ns),
    F(23, U64, cpu_ns),        F(24, U64, max_rss),      F(25, U64, running),       F(26, U64, run_id),
    F(32, STRING, build),      F(33, STRING, boot_id),   F(34, STRING, cwd),        F(35, STRING, text),
    F(36, STRING, error_code), F(37, STRING, error),     F(38, STRING, program),    F(39, STRING, interpreter),
    F(40, STRING, memory_dir), F(41, STRING, pids_dir),  F(42, STRING, access),     F(43, STRING, s3_listen),
    F(44, STRING, runtime),    F(45, STRING, container), F(46, STRING, queue),      F(47, STRING, project),
    F(48, LIST, argv),         F(49, LIST, env),         F(50, LIST, secret_names), F(51, LIST, secret_values),
};
#define FIELDS (sizeof(fields) / sizeof(*fields))
#define TAG_ATTEMPT 2 /* the only number of 32 bits */
#define LIST_MAX ((size_t)100 * 1000)

static void put_le(buf *b, uint64_t v, size_t bytes)
{
    char p[8];
    for (size_t i = 0; i < bytes; i++)
        p[i] = (char)(v >> (8 * i));
    buf_add(b, p, bytes);
}

static uint64_t get_le(const char *p, size_t bytes)
{
    uint64_t v = 0;
    for (size_t i = 0; i < bytes; i++)
        v |= (uint64_t)(unsigned char)p[i] << (8 * i);
    return v;
}

static void put_bytes(buf *b, uint8_t tag, str s)
{
    buf_char(b, (char)tag);
    put_le(b, s.n, 4);
    buf_str(b, s);
}

static void put_u64(buf *b, uint8_t tag, uint64_t v)
{
    if (v == 0)
        return;
    buf_char(b, (char)tag);
    put_le(b, 8, 4);
    put_le(b, v, 8);
}

static void put_field(buf *b, const struct field *f, const struct exec_msg *m)
{
    const char *at = (const char *)m + f->at;
    if (f->kind == U64) {
        uint64_t v;
        memcpy(&v, at, sizeof(v));
        put_u64(b, f->tag, v);
    } else if (f->kind == STRING) {
        str s;
        memcpy(&s, at, sizeof(s));
        if (s.n)
            put_bytes(b, f->tag, s);
    } else {
        struct exec_strs list;
        memcpy(&list, at, sizeof(list));
        for (size_t i = 0; i < list.n; i++)
            put_bytes(b, f->tag, list.p[i]);
    }
}

void exec_wire_put(buf *b, const struct exec_msg *m)
{
    size_t from = b->n;
    put_le(b, 0, 4);
    buf_char(b, (char)m->type);
    put_u64(b, TAG_ATTEMPT, m->key.attempt);
    for (size_t i = 0; i < FIELDS; i++)
        put_field(b, &fields[i], m);
    if (b->failed || b->n - from - 4 > EXEC_FRAME_MAX) {
        b->failed = true;
        return;
    }
    size_t n = b->n - from - 4;
    for (size_t i = 0; i < 4; i++)
        b->p[from + i] = (char)(n >> (8 * i));
}

static const struct field *find_field(uint8_t tag)
{
    for (size_t i = 0; i < FIELDS; i++)
        if (fields[i].tag == tag)
            return &fields[i];
    return NULL;
}

/* The lists' lengths are counted first, so that they are allocated once. */
static void count_lists(str body, struct exec_msg *m)
{
    while (body.n >= 5) {
        size_t n = get_le(body.p + 1, 4);
        const struct field *f = find_field((uint8_t)body.p[0]);
        if (n > body.n - 5)
            return;
        if (f && f->kind == LIST)
            ((struct exec_strs *)(void *)((char *)m + f->at))->n++;
        body = str_skip(body, 5 + n);
    }
}

static enum code alloc_lists(struct ctx *cx, struct exec_msg *m)
{
    for (size_t i = 0; i < FIELDS; i++) {
        if (fields[i].kind != LIST)
            continue;
        struct exec_strs *list = (struct exec_strs *)(void *)((char *)m + fields[i].at);
        if (list->n > LIST_MAX)
            return fail(cx, CODE_INVALID_ARGUMENT, "message: list of %zu", list->n);
        list->p = list->n ? arena_new_array(cx->mem, str, list->n) : NULL;
        list->n = 0;
    }
    return CODE_OK;
}

static enum code read_field(struct ctx *cx, const struct field *f, str value, struct exec_msg *m)
{
    char *at = (char *)m + f->at;
    if (f->kind == U64) {
        if (value.n != 8)
            return fail(cx, CODE_INVALID_ARGUMENT, "message: number of %zu bytes", value.n);
        uint64_t v = get_le(value.p, 8);
        memcpy(at, &v, sizeof(v));
    } else if (f->kind == STRING) {
        memcpy(at, &value, sizeof(value));
    } else {
        struct exec_strs *list = (struct exec_strs *)(void *)at;
        list->p[list->n++] = value;
    }
    return CODE_OK;
}

enum code exec_wire_parse(struct ctx *cx, str body, struct exec_msg *out)
{
    struct exec_msg m = {0};
    if (body.n == 0)
        return fail(cx, CODE_INVALID_ARGUMENT, "message: empty");
    m.type = (enum exec_msg_type)(unsigned char)body.p[0];
    body = str_skip(body, 1);
    count_lists(body, &m);
    TRY(alloc_lists(cx, &m));
    while (body.n) {
        size_t n = body.n >= 5 ? get_le(body.p + 1, 4) : SIZE_MAX;
        if (body.n < 5 || n > body.n - 5)
            return fail(cx, CODE_INVALID_ARGUMENT, "message: cut short");
        const struct field *f = find_field((uint8_t)body.p[0]);
        str value = str_make(body.p + 5, n);
        if (body.p[0] == TAG_ATTEMPT && n == 8)
            m.key.attempt = (uint32_t)get_le(value.p, 8);
        else if (f)
            TRY(read_field(cx, f, value, &m));
        body = str_skip(body, 5 + n);
    }
    *out = m;
    return CODE_OK;
}

enum code exec_wire_next(struct ctx *cx, str s, size_t *out)
{
    *out = 0;
    if (s.n < 4)
        return CODE_OK;
    size_t n = get_le(s.p, 4);
    if (n > EXEC_FRAME_MAX)
        return fail(cx, CODE_INVALID_ARGUMENT, "message: frame of %zu bytes", n);
    if (s.n >= n + 4)
        *out = n + 4;
    return CODE_OK;
}

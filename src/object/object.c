/* Whole objects: put, get, stat, delete. Any thread; calls block. See object.h. */
#include "object/object.h"

#include "base/list.h"
#include "base/time.h"
#include "object/body_int.h"
#include "object/check_int.h"
#include "object/store_int.h"

str object_info_header(const struct object_info *o, str name)
{
    str rest = o->headers, line, key, value;
    while (str_next(&rest, '\n', &line))
        if (str_cut(line, ':', &key, &value) && str_eq(key, name))
            return str_trim(value);
    return STR_NONE;
}

static enum code put_file(struct ctx *cx, struct object_store *s, str content_type, const struct object_new *o)
{
    struct object_put_options options = {.content_type = content_type};
    struct object_writer *w cleanup_(object_check_close_writer) = NULL;
    TRY(object_writer_open(cx, s, o->bucket, o->key, &options, &w));
    TRY(object_writer_append(cx, w, o->bytes));
    return object_writer_commit(cx, w, NULL);
}

/* One of those inside the index. */
struct small {
    struct object_put_op put;
    uint8_t digest[OBJECT_MD5_SIZE];
};

static void small_init(struct small *p, str content_type, const struct object_new *o)
{
    object_hash_md5(o->bytes, p->digest);
    object_body_put_init_bytes(&p->put, o->bytes, p->digest);
    p->put.o.bucket = o->bucket;
    p->put.o.key = o->key;
    p->put.o.content_type = content_type.n ? content_type : STR(OBJECT_CONTENT_TYPE);
}

struct put_op {
    struct object_op op;
    struct small *list;
    size_t n;
};

static enum code run_puts(struct object_op *op, struct ctx *cx, struct object_index *ix)
{
    struct put_op *p = container_of(op, struct put_op, op);
    for (size_t i = 0; i < p->n; i++)
        TRY(p->list[i].put.op.run(&p->list[i].put.op, cx, ix));
    return CODE_OK;
}

enum code object_put_many(struct ctx *cx, struct object_store *s, str content_type, const struct object_new *list,
                          size_t n)
{
    struct put_op p = {.op.run = run_puts, .list = arena_new_array(cx->mem, struct small, n)};
    for (size_t i = 0; i < n; i++)
        TRY(object_check_put(cx, list[i].bucket, list[i].key, content_type, STR_NONE));
    for (size_t i = 0; i < n; i++) {
        if (list[i].bytes.n <= OBJECT_INLINE_MAX)
            small_init(&p.list[p.n++], content_type, &list[i]);
        else
            TRY(put_file(cx, s, content_type, &list[i]));
    }
    return p.n ? object_commit_run(cx, s->commit, &p.op) : CODE_OK;
}

enum code object_put(struct ctx *cx, struct object_store *s, str bucket, str key, str content_type, str bytes)
{
    return object_put_many(cx, s, content_type, &(struct object_new){bucket, key, bytes}, 1);
}

enum code object_stat(struct ctx *cx, struct object_store *s, str bucket, str key, struct object_info *out)
{
    struct object_index *ix cleanup_(object_store_give_back) = NULL;
    struct object_row row;
    TRY(object_store_borrow(cx, s, &ix));
    TRY(object_index_find(cx, ix, bucket, key, false, &row));
    *out = row.info;
    return CODE_OK;
}

enum code object_get(struct ctx *cx, struct object_store *s, str bucket, str key, size_t max, str *out)
{
    struct object_reader *r cleanup_(object_check_close_reader) = NULL;
    size_t got;
    TRY(object_reader_open(cx, s, bucket, key, &r));
    int64_t size = object_reader_info(r)->size;
    if ((uint64_t)size > max)
        return fail(cx, CODE_RESOURCE_EXHAUSTED, "object " STR_FMT " has %lld bytes, more than %zu",
                    STR_ARG(str_head(key, 160)), (long long)size, max);
    char *p = arena_try_alloc(cx->mem, (size_t)size + 1, 1);
    if (!p)
        return fail(cx, CODE_RESOURCE_EXHAUSTED, "object of %lld bytes: too large for this call", (long long)size);
    TRY(object_reader_read(cx, r, 0, p, (size_t)size, &got));
    *out = str_make(p, got);
    return CODE_OK;
}

struct delete_op {
    struct object_op op;
    str bucket;
    const str *keys;
    size_t n;
    int64_t before_ns; /* INT64_MAX = whenever they changed */
};

static enum code is_old(struct ctx *cx, struct object_index *ix, const struct delete_op *d, str key, bool *out)
{
    struct object_row row = {0};
    enum code code = object_index_find(cx, ix, d->bucket, key, false, &row);
    *out = code == CODE_OK && row.info.modified_ns < d->before_ns;
    if (code != CODE_NOT_FOUND)
        return code;
    ctx_clear_err(cx);
    return CODE_OK;
}

static enum code run_delete(struct object_op *op, struct ctx *cx, struct object_index *ix)
{
    struct delete_op *d = container_of(op, struct delete_op, op);
    bool old = true;
    for (size_t i = 0; i < d->n; i++) {
        if (d->before_ns != INT64_MAX)
            TRY(is_old(cx, ix, d, d->keys[i], &old));
        if (old)
            TRY(object_index_delete(cx, ix, d->bucket, d->keys[i]));
    }
    return CODE_OK;
}

enum code object_delete_many(struct ctx *cx, struct object_store *s, str bucket, const str *keys, size_t n)
{
    return object_delete_old(cx, s, bucket, keys, n, INT64_MAX);
}

enum code object_delete_old(struct ctx *cx, struct object_store *s, str bucket, const str *keys, size_t n,
                            int64_t before_ns)
{
    struct delete_op d = {.op.run = run_delete, .bucket = bucket, .keys = keys, .n = n, .before_ns = before_ns};
    if (n > OBJECT_DELETE_MAX)
        return fail(cx, CODE_INVALID_ARGUMENT, "at most 1,000 objects are deleted at once, not %zu", n);
    return n ? object_commit_run(cx, s->commit, &d.op) : CODE_OK;
}

enum code object_delete(struct ctx *cx, struct object_store *s, str bucket, str key)
{
    return object_delete_many(cx, s, bucket, &key, 1);
}

/* ---- touching ---------------------------------------------------------------------------------------------------- */

struct touch_op {
    struct object_op op;
    str bucket, key;
};

static enum code run_touch(struct object_op *op, struct ctx *cx, struct object_index *ix)
{
    const struct touch_op *t = container_of(op, struct touch_op, op);
    return object_index_touch(cx, ix, t->bucket, t->key, time_wall_ns());
}

enum code object_touch(struct ctx *cx, struct object_store *s, str bucket, str key)
{
    struct touch_op t = {.op.run = run_touch, .bucket = bucket, .key = key};
    return object_commit_run(cx, s->commit, &t.op);
}

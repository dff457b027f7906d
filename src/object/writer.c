/* Writing one object piece by piece. One thread at a time. See object.h. */
#include "object/object.h"

#include "base/codec.h"
#include "base/mem.h"
#include "object/body_int.h"
#include "object/check_int.h"
#include "object/store_int.h"

struct object_writer {
    struct object_store *store;
    struct object_body body;
    struct arena mem;
    str bucket, key;
    struct object_put_options options;
};

enum code object_writer_open(struct ctx *cx, struct object_store *s, str bucket, str key,
                             const struct object_put_options *options, struct object_writer **out)
{
    static const struct object_put_options none;
    const struct object_put_options *o = options ? options : &none;
    TRY(object_check_put(cx, bucket, key, o->content_type, o->headers));
    struct object_writer *w = mem_new(struct object_writer);
    arena_init(&w->mem, 0);
    w->store = s;
    w->bucket = arena_str(&w->mem, bucket);
    w->key = arena_str(&w->mem, key);
    w->options.content_type = o->content_type.n ? arena_str(&w->mem, o->content_type) : STR(OBJECT_CONTENT_TYPE);
    w->options.headers = arena_str(&w->mem, o->headers);
    w->options.only_new = o->only_new;
    w->options.if_etag = arena_str(&w->mem, o->if_etag);
    object_body_init(&w->body, s, false);
    *out = w;
    return CODE_OK;
}

enum code object_writer_append(struct ctx *cx, struct object_writer *w, str bytes)
{
    return object_body_append(cx, &w->body, bytes);
}

enum code object_writer_commit(struct ctx *cx, struct object_writer *w, struct object_info *info)
{
    struct object_put_op p;
    TRY(object_body_seal(cx, &w->body));
    object_body_put_init(&p, &w->body);
    p.o.bucket = w->bucket;
    p.o.key = w->key;
    p.o.content_type = w->options.content_type;
    p.o.headers = w->options.headers;
    p.when = (struct object_index_when){.only_new = w->options.only_new, .if_etag = w->options.if_etag};
    enum code code = object_commit_run(cx, w->store->commit, &p.op);
    object_body_settle(&w->body, code);
    if (code != CODE_OK || !info)
        return code;
    str md5 = arena_str(cx->mem, str_make((const char *)w->body.digest, OBJECT_MD5_SIZE));
    *info = (struct object_info){.key = arena_str(cx->mem, w->key),
                                 .size = w->body.size,
                                 .etag = codec_hex_encode(cx->mem, md5),
                                 .content_type = arena_str(cx->mem, p.o.content_type),
                                 .modified_ns = p.o.modified_ns,
                                 .md5 = md5,
                                 .headers = arena_str(cx->mem, p.o.headers)};
    return CODE_OK;
}

void object_writer_close(struct object_writer *w)
{
    if (!w)
        return;
    object_body_done(&w->body);
    arena_done(&w->mem);
    mem_free(w);
}

/* PUT, copy and DELETE of objects. See s3_int.h for which thread. */
#include "object/s3_int.h"

#include "base/codec.h"
#include "base/list.h"
#include "base/time.h"
#include "object/s3_xml_int.h"
#include "object/store_int.h"

/* What the body's bytes become; r->put has the bytes already. Does not block. */
enum s3_error object_s3_put_object(struct s3_request *r)
{
    r->put.o.bucket = r->bucket;
    r->put.o.key = r->key;
    S3_TRY(object_s3_head_when(r, &r->put.when));
    return object_s3_head_stored(r, &r->put.o.content_type, &r->put.o.headers);
}

/* ---- copy
 * ------------------------------------------------------------------------------------------------------------------------
 */

struct copy_op {
    struct object_op op;
    str from_bucket, from_key, bucket, key;
    bool replace; /* headers below instead of those of the source */
    str content_type, headers;
    struct object_index_when when;
    int64_t modified_ns;
    str etag; /* made */
};

/* The files are shared: a segment of the copy names the same file. */
static enum code copy_segments(struct ctx *cx, struct object_index *ix, int64_t from, int64_t to)
{
    struct object_segments list;
    TRY(object_index_segments(cx, ix, from, 0, OBJECT_PART_MAX, &list));
    for (size_t i = 0; i < list.n; i++)
        TRY(object_index_segment_put(cx, ix, to, &list.p[i]));
    return CODE_OK;
}

static enum code run_copy(struct object_op *op, struct ctx *cx, struct object_index *ix)
{
    struct copy_op *c = container_of(op, struct copy_op, op);
    struct object_row row;
    uint8_t digest[OBJECT_MD5_SIZE];
    int64_t parts = 0;
    str hex, count;
    TRY(object_index_find(cx, ix, c->from_bucket, c->from_key, true, &row));
    c->etag = row.info.etag;
    if (str_cut(row.info.etag, '-', &hex, &count))
        str_to_i64(count, &parts);
    object_hash_unhex(hex, digest, sizeof(digest));
    struct object_index_new o = {.bucket = c->bucket,
                                 .key = c->key,
                                 .content_type = c->replace ? c->content_type : row.info.content_type,
                                 .headers = c->replace ? c->headers : row.info.headers,
                                 .size = row.info.size,
                                 .digest = digest,
                                 .parts = parts,
                                 .modified_ns = c->modified_ns,
                                 .is_inline = row.is_inline,
                                 .bytes = row.bytes};
    if (!row.is_inline) {
        o.body = object_index_new_body();
        TRY(copy_segments(cx, ix, row.body, o.body));
    }
    return object_index_put(cx, ix, &o, &c->when);
}

/* "/bucket/key" or "bucket/key", percent-encoded. */
static enum s3_error read_source(struct s3_request *r, struct copy_op *c)
{
    str source = object_s3_head_header(r, "x-amz-copy-source"), path;
    if (str_find(source, STR("?versionId=")) != SIZE_MAX)
        return object_s3_error_say(&r->cx, S3_NotImplemented, "Versions are not implemented.");
    if (!codec_percent_decode(&r->mem, source, false, &path))
        return S3_InvalidArgument;
    if (str_starts(path, STR("/")))
        path = str_skip(path, 1);
    str_cut(path, '/', &c->from_bucket, &c->from_key);
    if (!c->from_key.n)
        return object_s3_error_say(&r->cx, S3_InvalidArgument, "x-amz-copy-source names no object.");
    if (!object_s3_head_allowed(r, OBJECT_READ, c->from_bucket, c->from_key))
        return object_s3_error_say(&r->cx, S3_AccessDenied, "This key may not read the source of the copy.");
    return S3_OK;
}

enum s3_error object_s3_copy_object(struct s3_request *r)
{
    struct copy_op c = {.op.run = run_copy, .bucket = r->bucket, .key = r->key, .modified_ns = time_wall_ns()};
    buf b;
    if (object_s3_head_has(r, "uploadId"))
        return object_s3_error_say(&r->cx, S3_NotImplemented, "Parts cannot be copied from other objects.");
    S3_TRY(read_source(r, &c));
    S3_TRY(object_s3_head_when(r, &c.when));
    c.replace = str_eq_nocase(object_s3_head_header(r, "x-amz-metadata-directive"), STR("REPLACE"));
    S3_TRY(object_s3_head_stored(r, &c.content_type, &c.headers));
    S3_TRY_CODE(&r->cx, object_commit_run(&r->cx, r->server->store->commit, &c.op));
    struct object_info info;
    S3_TRY_CODE(&r->cx, object_stat(&r->cx, r->server->store, r->bucket, r->key, &info));
    buf_init_arena(&b, &r->mem, 4096);
    object_s3_xml_begin(&b, S3_XML_NS, "CopyObjectResult");
    object_s3_xml_time(&b, "LastModified", c.modified_ns);
    object_s3_xml_text(&b, "ETag", arena_printf(&r->mem, "\"" STR_FMT "\"", STR_ARG(info.etag)));
    object_s3_xml_end(&b, "CopyObjectResult");
    r->reply.body = buf_view(&b);
    return S3_OK;
}

/* ---- delete
 * ------------------------------------------------------------------------------------------------------------------------
 */

enum s3_error object_s3_delete_object(struct s3_request *r)
{
    S3_TRY_CODE(&r->cx, object_delete(&r->cx, r->server->store, r->bucket, r->key));
    r->reply.status = 204;
    return S3_OK;
}

struct delete_entry {
    str key;
    bool denied;
};

struct delete_many {
    struct s3_request *r;
    VEC(struct delete_entry) list;
    VEC(str) allowed;
    size_t number; /* of the record that was read last */
    bool quiet;
};

static enum s3_error on_field(void *arg, size_t number, str record, str field, str text)
{
    struct delete_many *d = arg;
    if (!record.n && str_eq(field, STR("Quiet")))
        d->quiet = str_eq(str_trim(text), STR("true"));
    if (!str_eq(record, STR("Object")) || !str_eq(field, STR("Key")))
        return S3_OK;
    if (d->list.n == OBJECT_DELETE_MAX || !text.n || (d->list.n && number == d->number))
        return S3_MalformedXML;
    if (text.n > OBJECT_KEY_MAX)
        return S3_KeyTooLongError;
    struct delete_entry *e = vec_push(&d->list, &d->r->mem);
    e->key = text;
    e->denied = !object_s3_head_allowed(d->r, OBJECT_WRITE, d->r->bucket, text);
    if (!e->denied)
        *(str *)vec_push(&d->allowed, &d->r->mem) = text;
    d->number = number;
    return S3_OK;
}

static void put_result(buf *b, const struct delete_many *d, const struct delete_entry *e)
{
    const char *tag = e->denied ? "Error" : "Deleted";
    if (d->quiet && !e->denied)
        return;
    object_s3_xml_open(b, tag);
    object_s3_xml_text(b, "Key", e->key);
    if (e->denied) {
        object_s3_xml_text(b, "Code", STR("AccessDenied"));
        object_s3_xml_text(b, "Message", STR("This key may not delete the object."));
    }
    object_s3_xml_end(b, tag);
}

enum s3_error object_s3_delete_many(struct s3_request *r)
{
    struct delete_many d = {.r = r};
    buf b;
    S3_TRY(object_s3_xml_walk(&r->cx, buf_view(&r->small), "Delete", on_field, &d));
    if (!d.list.n)
        return S3_MalformedXML;
    S3_TRY_CODE(&r->cx, object_delete_many(&r->cx, r->server->store, r->bucket, d.allowed.p, d.allowed.n));
    buf_init_arena(&b, &r->mem, 16 << 20);
    object_s3_xml_begin(&b, S3_XML_NS, "DeleteResult");
    for (size_t i = 0; i < d.list.n; i++)
        put_result(&b, &d, &d.list.p[i]);
    object_s3_xml_end(&b, "DeleteResult");
    r->reply.body = buf_view(&b);
    return S3_OK;
}

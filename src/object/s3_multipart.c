/* Multipart uploads for S3 clients. On a writer thread, reading ones on a reader. See s3_int.h. */
#include "object/s3_int.h"

#include "base/codec.h"
#include "object/s3_xml_int.h"

#define LIST_MAX 1000
#define XML_MAX ((size_t)16 << 20)

static enum s3_error find_upload(struct s3_request *r, struct object_upload *out)
{
    enum code code =
        object_multipart_find(&r->cx, r->server->store, r->bucket, r->key, object_s3_head_param(r, "uploadId"), out);
    enum s3_error e = object_s3_error_of(&r->cx, code);
    return e == S3_NoSuchKey ? S3_NoSuchUpload : e;
}

static str quoted(struct arena *mem, str etag)
{
    return arena_printf(mem, "\"" STR_FMT "\"", STR_ARG(etag));
}

/* ---- create, part, abort ----------------------------------------------------------------------------------------- */

enum s3_error object_s3_multipart_create(struct s3_request *r)
{
    str type, headers, id;
    buf b;
    S3_TRY(object_s3_head_stored(r, &type, &headers));
    S3_TRY_CODE(&r->cx, object_multipart_create(&r->cx, r->server->store, r->bucket, r->key, type, headers, &id));
    buf_init_arena(&b, &r->mem, 64 * 1024);
    object_s3_xml_begin(&b, S3_XML_NS, "InitiateMultipartUploadResult");
    object_s3_xml_text(&b, "Bucket", r->bucket);
    object_s3_xml_text(&b, "Key", r->key);
    object_s3_xml_text(&b, "UploadId", id);
    object_s3_xml_end(&b, "InitiateMultipartUploadResult");
    r->reply.body = buf_view(&b);
    return S3_OK;
}

/* Before the first byte of the part is taken. */
enum s3_error object_s3_multipart_part(struct s3_request *r)
{
    return find_upload(r, &r->upload);
}

enum s3_error object_s3_multipart_abort(struct s3_request *r)
{
    struct object_upload u;
    S3_TRY(find_upload(r, &u));
    enum s3_error e = object_s3_error_of(&r->cx, object_multipart_abort(&r->cx, r->server->store, &u));
    r->reply.status = 204;
    return e == S3_NoSuchKey ? S3_NoSuchUpload : e;
}

/* ---- complete
 * --------------------------------------------------------------------------------------------------------------------
 */

struct part_list {
    struct arena *mem;
    VEC(struct object_part) list;
    size_t number; /* of the record that was read last */
};

static enum s3_error on_field(void *arg, size_t number, str record, str field, str text)
{
    struct part_list *p = arg;
    if (!str_eq(record, STR("Part")))
        return S3_OK;
    if (!p->list.n || number != p->number) {
        if (p->list.n == OBJECT_PART_MAX)
            return S3_MalformedXML;
        vec_push(&p->list, p->mem);
        p->number = number;
    }
    struct object_part *part = &p->list.p[p->list.n - 1];
    text = str_trim(text);
    if (str_eq(field, STR("PartNumber")) && !str_to_i64(text, &part->n))
        return S3_MalformedXML;
    if (str_eq(field, STR("ETag")))
        part->etag = text.n >= 2 && text.p[0] == '"' ? str_make(text.p + 1, text.n - 2) : text;
    return S3_OK;
}

static enum s3_error read_parts(struct s3_request *r, struct part_list *p)
{
    S3_TRY(object_s3_xml_walk(&r->cx, buf_view(&r->small), "CompleteMultipartUpload", on_field, p));
    if (!p->list.n)
        return S3_MalformedXML;
    for (size_t i = 0; i < p->list.n; i++) {
        if (p->list.p[i].n < 1 || p->list.p[i].n > OBJECT_PART_MAX)
            return S3_InvalidPart;
        if (i && p->list.p[i].n <= p->list.p[i - 1].n)
            return S3_InvalidPartOrder;
    }
    return S3_OK;
}

/* The entity tag that an object of these parts has. */
static str expected_etag(struct s3_request *r, const struct part_list *p)
{
    struct object_hash md5 cleanup_(object_hash_done) = {0};
    uint8_t digest[HASH_SIZE_MAX];
    object_hash_init(&md5, HASH_MD5);
    for (size_t i = 0; i < p->list.n; i++) {
        if (!object_hash_unhex(p->list.p[i].etag, digest, OBJECT_MD5_SIZE))
            return STR_NONE;
        object_hash_add(&md5, str_make((const char *)digest, OBJECT_MD5_SIZE));
    }
    object_hash_final(&md5, digest);
    str hex = codec_hex_encode(&r->mem, str_make((const char *)digest, OBJECT_MD5_SIZE));
    return arena_printf(&r->mem, STR_FMT "-%zu", STR_ARG(hex), p->list.n);
}

/* The upload is not there. A client that asks again because the answer to its first completion was lost (a server that
 * was killed between the commit and the reply) finds the object that it wanted: that is success. */
static enum s3_error complete_again(struct s3_request *r, const struct part_list *p, str *etag)
{
    struct object_info info;
    str expected = expected_etag(r, p);
    enum code code = object_stat(&r->cx, r->server->store, r->bucket, r->key, &info);
    if (code == CODE_NOT_FOUND || (code == CODE_OK && !(expected.n && str_eq(info.etag, expected)))) {
        ctx_clear_err(&r->cx);
        return S3_NoSuchUpload;
    }
    *etag = expected;
    return object_s3_error_of(&r->cx, code);
}

static enum s3_error complete(struct s3_request *r, const struct object_upload *u, const struct part_list *p, str *etag)
{
    static const enum s3_error refusals[] = {[OBJECT_MULTIPART_OK] = S3_PreconditionFailed,
                                             [OBJECT_MULTIPART_NO_PART] = S3_InvalidPart,
                                             [OBJECT_MULTIPART_TOO_SMALL] = S3_EntityTooSmall,
                                             [OBJECT_MULTIPART_CONDITION] = S3_PreconditionFailed};
    struct object_index_when when = {0};
    enum object_multipart_refusal why;
    S3_TRY(object_s3_head_when(r, &when));
    enum code code = object_multipart_complete(&r->cx, r->server->store, u, p->list.p, p->list.n, &when, &why, etag);
    if (code == CODE_NOT_FOUND)
        return complete_again(r, p, etag);
    return code == CODE_FAILED_PRECONDITION ? refusals[why] : object_s3_error_of(&r->cx, code);
}

enum s3_error object_s3_multipart_complete(struct s3_request *r)
{
    struct part_list p = {.mem = &r->mem};
    struct object_upload u;
    str etag = STR_NONE;
    buf b;
    S3_TRY(read_parts(r, &p));
    enum s3_error e = find_upload(r, &u);
    if (e == S3_NoSuchUpload)
        e = complete_again(r, &p, &etag);
    else if (e == S3_OK)
        e = complete(r, &u, &p, &etag);
    S3_TRY(e);
    buf_init_arena(&b, &r->mem, 64 * 1024);
    object_s3_xml_begin(&b, S3_XML_NS, "CompleteMultipartUploadResult");
    object_s3_xml_text(&b, "Location", r->head.path);
    object_s3_xml_text(&b, "Bucket", r->bucket);
    object_s3_xml_text(&b, "Key", r->key);
    object_s3_xml_text(&b, "ETag", quoted(&r->mem, etag));
    object_s3_xml_end(&b, "CompleteMultipartUploadResult");
    r->reply.body = buf_view(&b);
    return S3_OK;
}

/* ---- lists
 * ------------------------------------------------------------------------------------------------------------------------
 */

static void put_part(struct s3_request *r, buf *b, const struct object_segment *s)
{
    str hex = codec_hex_encode(&r->mem, str_make((const char *)s->digest, sizeof(s->digest)));
    object_s3_xml_open(b, "Part");
    object_s3_xml_int(b, "PartNumber", s->n);
    object_s3_xml_time(b, "LastModified", s->modified_ns);
    object_s3_xml_text(b, "ETag", quoted(&r->mem, hex));
    object_s3_xml_int(b, "Size", s->size);
    object_s3_xml_end(b, "Part");
}

enum s3_error object_s3_multipart_parts(struct s3_request *r)
{
    struct object_upload u;
    struct object_segments list;
    int64_t after, max;
    buf b;
    S3_TRY(find_upload(r, &u));
    S3_TRY(object_s3_head_number(r, "part-number-marker", 0, 0, INT32_MAX, &after));
    S3_TRY(object_s3_head_number(r, "max-parts", LIST_MAX, 1, INT32_MAX, &max));
    max = max < LIST_MAX ? max : LIST_MAX;
    S3_TRY_CODE(&r->cx, object_multipart_parts(&r->cx, r->server->store, &u, after, (size_t)max + 1, &list));
    bool more = list.n > (size_t)max;
    list.n = more ? (size_t)max : list.n;
    buf_init_arena(&b, &r->mem, XML_MAX);
    object_s3_xml_begin(&b, S3_XML_NS, "ListPartsResult");
    object_s3_xml_text(&b, "Bucket", r->bucket);
    object_s3_xml_text(&b, "Key", r->key);
    object_s3_xml_text(&b, "UploadId", object_s3_head_param(r, "uploadId"));
    object_s3_xml_int(&b, "PartNumberMarker", after);
    object_s3_xml_int(&b, "NextPartNumberMarker", list.n ? list.p[list.n - 1].n : 0);
    object_s3_xml_int(&b, "MaxParts", max);
    object_s3_xml_text(&b, "IsTruncated", more ? STR("true") : STR("false"));
    for (size_t i = 0; i < list.n; i++)
        put_part(r, &b, &list.p[i]);
    object_s3_xml_end(&b, "ListPartsResult");
    r->reply.body = buf_view(&b);
    return S3_OK;
}

enum s3_error object_s3_multipart_list(struct s3_request *r)
{
    struct object_uploads list;
    buf b;
    S3_TRY_CODE(&r->cx, object_multipart_list(&r->cx, r->server->store, r->bucket, object_s3_head_param(r, "prefix"),
                                              LIST_MAX, &list));
    buf_init_arena(&b, &r->mem, XML_MAX);
    object_s3_xml_begin(&b, S3_XML_NS, "ListMultipartUploadsResult");
    object_s3_xml_text(&b, "Bucket", r->bucket);
    object_s3_xml_text(&b, "IsTruncated", STR("false"));
    for (size_t i = 0; i < list.n; i++) {
        object_s3_xml_open(&b, "Upload");
        object_s3_xml_text(&b, "Key", list.p[i].key);
        object_s3_xml_text(&b, "UploadId",
                           codec_hex_encode(&r->mem, str_make((const char *)list.p[i].id, OBJECT_UPLOAD_ID_SIZE)));
        object_s3_xml_time(&b, "Initiated", list.p[i].created_ns);
        object_s3_xml_end(&b, "Upload");
    }
    object_s3_xml_end(&b, "ListMultipartUploadsResult");
    r->reply.body = buf_view(&b);
    return S3_OK;
}

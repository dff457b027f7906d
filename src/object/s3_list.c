/* ListObjectsV2 and the older ListObjects. On a reader thread. See s3_int.h. */
#include "object/s3_int.h"

#include "base/codec.h"
#include "object/list_int.h"
#include "object/s3_xml_int.h"

#define LIST_MAX 1000
#define XML_MAX ((size_t)32 << 20)

struct listing {
    struct s3_request *r;
    struct object_list_query q;
    struct object_list_page page;
    bool v2, url; /* url: keys are percent-encoded */
    str from;     /* marker, or start-after: as asked for */
    buf b;
};

static void put_key(struct listing *l, const char *tag, str key)
{
    if (!l->url) {
        object_s3_xml_text(&l->b, tag, key);
        return;
    }
    object_s3_xml_open(&l->b, tag);
    object_uri_encode(&l->b, key, OBJECT_URI_KEEP_SLASH);
    object_s3_xml_end(&l->b, tag);
}

/* ---- where it goes on: a token that clients do not look into ----------------------------------------------------- */

static str make_token(struct arena *mem, const struct object_list_entry *last)
{
    return codec_base64url_encode(mem, arena_concat(mem, last->is_prefix ? STR("p") : STR("k"), last->info.key));
}

static enum s3_error read_token(struct s3_request *r, str token, struct object_list_query *q)
{
    str raw;
    if (!codec_base64_decode(&r->mem, token, &raw) || raw.n < 2 || raw.n > OBJECT_KEY_MAX + 1 ||
        (raw.p[0] != 'p' && raw.p[0] != 'k'))
        return object_s3_error_say(&r->cx, S3_InvalidArgument, "The continuation token provided is incorrect");
    q->after = str_skip(raw, 1);
    q->after_prefix = raw.p[0] == 'p';
    return S3_OK;
}

/* ---- the request
 * -----------------------------------------------------------------------------------------------------------------------
 */

static enum s3_error read_params(struct listing *l)
{
    struct s3_request *r = l->r;
    int64_t max;
    str token = object_s3_head_param(r, "continuation-token"), encoding = object_s3_head_param(r, "encoding-type");
    l->v2 = str_eq(object_s3_head_param(r, "list-type"), STR("2"));
    S3_TRY(object_s3_head_number(r, "max-keys", LIST_MAX, 0, INT32_MAX, &max));
    l->q.bucket = r->bucket;
    l->q.prefix = object_s3_head_param(r, "prefix");
    l->q.delimiter = object_s3_head_param(r, "delimiter");
    l->q.max = (size_t)(max < LIST_MAX ? max : LIST_MAX);
    if (encoding.n && !str_eq(encoding, STR("url")))
        return object_s3_error_say(&r->cx, S3_InvalidArgument, "Invalid Encoding Method specified in Request");
    l->url = encoding.n > 0;
    l->from = object_s3_head_param(r, l->v2 ? "start-after" : "marker");
    l->q.after = l->from;
    /* A marker that an answer gave as NextMarker may be a common prefix: go on behind all its keys. */
    l->q.after_prefix = !l->v2 && l->q.delimiter.n && str_ends(l->from, l->q.delimiter);
    return l->v2 && object_s3_head_has(r, "continuation-token") ? read_token(r, token, &l->q) : S3_OK;
}

/* ---- the answer
 * ------------------------------------------------------------------------------------------------------------------------
 */

static void put_v2(struct listing *l)
{
    str token = object_s3_head_param(l->r, "continuation-token");
    object_s3_xml_int(&l->b, "KeyCount", (int64_t)l->page.n);
    if (token.n)
        object_s3_xml_text(&l->b, "ContinuationToken", token);
    if (l->page.more)
        object_s3_xml_text(&l->b, "NextContinuationToken", make_token(&l->r->mem, &l->page.p[l->page.n - 1]));
    if (l->from.n)
        put_key(l, "StartAfter", l->from);
}

static void put_v1(struct listing *l)
{
    put_key(l, "Marker", l->from);
    if (l->page.more)
        put_key(l, "NextMarker", l->page.p[l->page.n - 1].info.key);
}

static void put_object(struct listing *l, const struct object_info *o)
{
    object_s3_xml_open(&l->b, "Contents");
    put_key(l, "Key", o->key);
    object_s3_xml_time(&l->b, "LastModified", o->modified_ns);
    buf_printf(&l->b, "<ETag>&quot;" STR_FMT "&quot;</ETag>", STR_ARG(o->etag));
    object_s3_xml_int(&l->b, "Size", o->size);
    object_s3_xml_text(&l->b, "StorageClass", STR("STANDARD"));
    object_s3_xml_end(&l->b, "Contents");
}

static void put_entries(struct listing *l)
{
    for (size_t i = 0; i < l->page.n; i++)
        if (!l->page.p[i].is_prefix)
            put_object(l, &l->page.p[i].info);
    for (size_t i = 0; i < l->page.n; i++) {
        if (!l->page.p[i].is_prefix)
            continue;
        object_s3_xml_open(&l->b, "CommonPrefixes");
        put_key(l, "Prefix", l->page.p[i].info.key);
        object_s3_xml_end(&l->b, "CommonPrefixes");
    }
}

enum s3_error object_s3_list_objects(struct s3_request *r)
{
    struct listing l = {.r = r};
    S3_TRY(read_params(&l));
    S3_TRY_CODE(&r->cx, object_list_page(&r->cx, r->server->store, &l.q, &l.page));
    buf_init_arena(&l.b, &r->mem, XML_MAX);
    object_s3_xml_begin(&l.b, S3_XML_NS, "ListBucketResult");
    object_s3_xml_text(&l.b, "Name", r->bucket);
    put_key(&l, "Prefix", l.q.prefix);
    if (l.q.delimiter.n)
        put_key(&l, "Delimiter", l.q.delimiter);
    object_s3_xml_int(&l.b, "MaxKeys", (int64_t)l.q.max);
    if (l.url)
        object_s3_xml_text(&l.b, "EncodingType", STR("url"));
    object_s3_xml_text(&l.b, "IsTruncated", l.page.more ? STR("true") : STR("false"));
    if (l.v2)
        put_v2(&l);
    else
        put_v1(&l);
    put_entries(&l);
    object_s3_xml_end(&l.b, "ListBucketResult");
    r->reply.body = buf_view(&l.b);
    return S3_OK;
}

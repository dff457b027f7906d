/* Heads of S3 requests: copied, signature checked, route found, access asked for. On the loop thread; the rest of the
 * functions on whichever thread has the request. See s3_int.h. */
#include "object/s3_int.h"

#include "base/codec.h"
#include "base/time.h"
#include "object/check_int.h"
#include "object/store_int.h"

/* All header fields that start with x-amz-meta-, as S3 counts them. */
#define METADATA_MAX ((size_t)2048)
#define META "x-amz-meta-"

static const struct s3_route routes[] = {
#define S3_ROUTE(method, level, param, access, body, handler)                                                          \
    {method, S3_LEVEL_##level, param, S3_CHECK_##access, S3_BODY_##body, handler},
#include "object/s3_route.def"
#undef S3_ROUTE
};

/* Parameters that ask for something else than the plain operation, and that we do not have. */
static const char *const unknown[] = {
    "accelerate",
    "acl",
    "analytics",
    "attributes",
    "cors",
    "encryption",
    "inventory",
    "legal-hold",
    "lifecycle",
    "logging",
    "metrics",
    "notification",
    "object-lock",
    "ownershipControls",
    "policy",
    "policyStatus",
    "publicAccessBlock",
    "replication",
    "requestPayment",
    "restore",
    "retention",
    "select",
    "tagging",
    "torrent",
    "versionId",
    "versions",
    "website",
    "intelligent-tiering",
};

/* ---- asking the head --------------------------------------------------------------------------------------------- */

str object_s3_head_header(const struct s3_request *r, const char *name)
{
    return object_sign_header(&r->head, str_from(name));
}

str object_s3_head_param(const struct s3_request *r, const char *name)
{
    const struct object_uri_param *p = object_sign_param(&r->head, str_from(name));
    return p ? p->value : STR_NONE;
}

/* The value of content-encoding without "aws-chunked", which says how it was sent. */
static str stored_encoding(struct arena *mem, str value)
{
    str piece;
    buf b;
    buf_init_arena(&b, mem, OBJECT_HEADERS_MAX);
    while (str_next(&value, ',', &piece)) {
        piece = str_trim(piece);
        if (str_eq_nocase(piece, STR("aws-chunked")) || !piece.n)
            continue;
        if (b.n)
            buf_str(&b, STR(", "));
        buf_str(&b, piece);
    }
    return buf_view(&b);
}

str object_s3_head_encoding(struct s3_request *r)
{
    str value = object_s3_head_header(r, "content-encoding");
    return value.n ? stored_encoding(&r->mem, value) : STR_NONE;
}

bool object_s3_head_has(const struct s3_request *r, const char *name)
{
    return object_sign_param(&r->head, str_from(name)) != NULL;
}

enum s3_error object_s3_head_number(struct s3_request *r, const char *name, int64_t fallback, int64_t min, int64_t max,
                                    int64_t *out)
{
    str text = object_s3_head_param(r, name);
    int64_t v = fallback;
    if (text.n && (!str_to_i64(text, &v) || v < min || v > max))
        return object_s3_error_say(&r->cx, S3_InvalidArgument, "%s must be a number from %lld to %lld.", name,
                                   (long long)min, (long long)max);
    *out = v;
    return S3_OK;
}

/* ---- copying ----------------------------------------------------------------------------------------------------- */

static enum s3_error copy_head(struct s3_request *r)
{
    const struct http_request *q = http_request(r->x);
    struct object_sign_header *h = arena_new_array(&r->mem, struct object_sign_header, q->header_count + 1);
    struct object_uri_param *params;
    size_t n = 0;
    h[n++] = (struct object_sign_header){STR("host"), arena_str(&r->mem, q->host)};
    for (size_t i = 0; i < q->header_count; i++)
        if (!str_eq(q->headers[i].name, STR("host")))
            h[n++] = (struct object_sign_header){arena_str(&r->mem, q->headers[i].name),
                                                 arena_str(&r->mem, q->headers[i].value)};
    r->head.method = arena_str(&r->mem, q->method);
    r->head.path = arena_str(&r->mem, q->path);
    r->head.query = arena_str(&r->mem, q->query);
    r->head.headers = h;
    r->head.header_count = n;
    r->content_length = q->content_length;
    if (!object_uri_query(&r->mem, r->head.query, &params, &r->head.param_count))
        return S3_InvalidURI;
    r->head.params = params;
    return S3_OK;
}

/* Bucket and key from the path, or the bucket from the host (only <bucket>.localhost: any other name may be the
 * server's own). */
static enum s3_error read_target(struct s3_request *r)
{
    str path, host = object_s3_head_header(r, "host");
    if (!codec_percent_decode(&r->mem, r->head.path, false, &path) || !path.n || path.p[0] != '/')
        return S3_InvalidURI;
    path = str_skip(path, 1);
    host = str_head(host, str_find_char(host, ':'));
    if (str_eq_nocase(host, STR(OBJECT_BUCKET ".localhost"))) {
        r->bucket = STR(OBJECT_BUCKET);
        r->key = path;
    } else {
        str_cut(path, '/', &r->bucket, &r->key);
    }
    return r->key.n > OBJECT_KEY_MAX ? S3_KeyTooLongError : S3_OK;
}

/* ---- who, what, whether ------------------------------------------------------------------------------------------ */

static str secret_of(void *arg, struct arena *mem, str id)
{
    const struct object_store *s = arg;
    char *out = arena_alloc(mem, OBJECT_SECRET_SIZE);
    object_keys_secret(s->server_key, id, out);
    return str_make(out, OBJECT_SECRET_SIZE);
}

static enum s3_error check_signature(struct s3_request *r)
{
    struct object_s3 *s = r->server;
    S3_TRY(object_sign_parse(&r->cx, &r->head, &r->sign));
    if (!object_keys_scope(&r->mem, r->sign.access_key_id, &r->scope))
        return S3_InvalidAccessKeyId;
    S3_TRY(
        object_sign_verify(&r->cx, &r->head, &r->sign, time_wall_ns() / NS_PER_S, s->sign_cache, secret_of, s->store));
    /* Its secret is never handed out. */
    return r->scope.kind == OBJECT_KEY_UPLOAD && !r->sign.presigned ? S3_AccessDenied : S3_OK;
}

static bool fits(const struct s3_request *r, const struct s3_route *route)
{
    if (!str_eq(str_from(route->method), r->head.method))
        return false;
    if (str_starts(str_from(route->param), STR("x-amz-")))
        return object_s3_head_header(r, route->param).n > 0;
    return !*route->param || object_s3_head_has(r, route->param);
}

static enum s3_error find_route(struct s3_request *r)
{
    enum s3_level level = r->key.n ? S3_LEVEL_OBJECT : r->bucket.n ? S3_LEVEL_BUCKET : S3_LEVEL_SERVICE;
    for (size_t i = 0; i < sizeof(unknown) / sizeof(*unknown); i++)
        if (object_s3_head_has(r, unknown[i]))
            return object_s3_error_say(&r->cx, S3_NotImplemented, "\"%s\" is not implemented.", unknown[i]);
    for (size_t i = 0; i < sizeof(routes) / sizeof(*routes); i++)
        if (routes[i].level == level && fits(r, &routes[i])) {
            r->route = &routes[i];
            return S3_OK;
        }
    return S3_MethodNotAllowed;
}

bool object_s3_head_allowed(const struct s3_request *r, enum object_access access, str bucket, str key)
{
    const struct object_s3_config *cfg = &r->server->cfg;
    if (!str_eq(bucket, STR(OBJECT_BUCKET)))
        return false;
    return r->scope.kind == OBJECT_KEY_UPLOAD || cfg->access(cfg->access_arg, &r->scope, access, bucket, key);
}

static enum s3_error check_access(struct s3_request *r)
{
    enum s3_check check = r->route->access;
    if (r->bucket.n && !str_eq(r->bucket, STR(OBJECT_BUCKET)))
        return object_s3_forward_check(r);
    if (check == S3_CHECK_NONE)
        return S3_OK;
    str key = check == S3_CHECK_LIST ? object_s3_head_param(r, "prefix") : r->key;
    if (!object_s3_head_allowed(r, (enum object_access)check, r->bucket, key))
        return object_s3_error_say(&r->cx, S3_AccessDenied, "This key may not %s \"" STR_FMT "\".",
                                   check == S3_CHECK_WRITE ? "write" : "read", STR_ARG(str_head(key, 120)));
    return S3_OK;
}

enum s3_error object_s3_head_read(struct s3_request *r)
{
    S3_TRY(copy_head(r));
    S3_TRY(check_signature(r));
    S3_TRY(read_target(r));
    S3_TRY(find_route(r));
    return check_access(r);
}

/* ---- what a put stores ------------------------------------------------------------------------------------------- */

static bool is_stored(str name)
{
    static const char *const names[] = {"cache-control", "content-disposition", "content-encoding", "content-language",
                                        "expires"};
    for (size_t i = 0; i < sizeof(names) / sizeof(*names); i++)
        if (str_eq(name, str_from(names[i])))
            return true;
    return str_starts(name, STR(META));
}

enum s3_error object_s3_head_stored(struct s3_request *r, str *content_type, str *headers)
{
    size_t metadata = 0;
    buf b;
    buf_init_arena(&b, &r->mem, OBJECT_HEADERS_MAX);
    for (size_t i = 0; i < r->head.header_count; i++) {
        str name = r->head.headers[i].name, value = str_trim(r->head.headers[i].value);
        if (!is_stored(name))
            continue;
        if (str_starts(name, STR(META)))
            metadata += name.n - sizeof(META) + 1 + value.n;
        if (str_eq(name, STR("content-encoding")))
            value = stored_encoding(&r->mem, value);
        if (value.n || str_starts(name, STR(META)))
            buf_printf(&b, STR_FMT ": " STR_FMT "\n", STR_ARG(name), STR_ARG(value));
    }
    if (metadata > METADATA_MAX || b.failed)
        return S3_MetadataTooLarge;
    str type = object_s3_head_header(r, "content-type");
    *content_type = type.n ? type : STR(OBJECT_CONTENT_TYPE);
    *headers = buf_view(&b);
    S3_TRY_CODE(&r->cx, object_check_put(&r->cx, r->bucket, r->key, *content_type, *headers));
    return S3_OK;
}

static str unquoted(str etag)
{
    etag = str_trim(etag);
    if (etag.n >= 2 && etag.p[0] == '"' && etag.p[etag.n - 1] == '"')
        return str_make(etag.p + 1, etag.n - 2);
    return etag;
}

enum s3_error object_s3_head_when(struct s3_request *r, struct object_index_when *out)
{
    str none = str_trim(object_s3_head_header(r, "if-none-match"));
    if (none.n && !str_eq(none, STR("*")))
        return object_s3_error_say(&r->cx, S3_NotImplemented, "If-None-Match of a PUT must be *.");
    out->only_new = none.n > 0;
    out->if_etag = unquoted(object_s3_head_header(r, "if-match"));
    return S3_OK;
}

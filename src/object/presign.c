/* Presigned URLs: signed with a key of their own kind, which is never handed out; the URL is what it allows. Any
 * thread. See object.h. */
#include "object/object.h"

#include "base/time.h"
#include "object/sign_int.h"
#include "object/store_int.h"

#include <stdlib.h>

#define REGION "us-east-1"
#define HEADERS_MAX 16

static int by_name(const void *a, const void *b)
{
    const struct object_sign_header *x = a, *y = b;
    return str_cmp(x->name, y->name);
}

/* "http://host:port" without a path. */
static enum code check_endpoint(struct ctx *cx, str endpoint, str *host)
{
    size_t at = str_find(endpoint, STR("://"));
    *host = at == SIZE_MAX ? STR_NONE : str_skip(endpoint, at + 3);
    if (!host->n || str_find_char(*host, '/') != SIZE_MAX)
        return fail(cx, CODE_INTERNAL, "the object store's endpoint is no URL without a path");
    return CODE_OK;
}

static enum code check(struct ctx *cx, const struct object_presign_request *req)
{
    if (!str_eq(req->method, STR("GET")) && !str_eq(req->method, STR("PUT")))
        return fail(cx, CODE_INTERNAL, "only GET and PUT are presigned");
    if (req->lifetime_s < 1 || req->lifetime_s > OBJECT_SIGN_EXPIRES_MAX_S)
        return fail(cx, CODE_INVALID_ARGUMENT, "a signed URL lives 1 second to 7 days");
    if (!req->key.n || req->key.n > OBJECT_KEY_MAX)
        return fail(cx, CODE_INVALID_ARGUMENT, "an object's key has 1 to 1,024 bytes, not %zu", req->key.n);
    if (req->header_count >= HEADERS_MAX)
        return fail(cx, CODE_INTERNAL, "too many headers to sign");
    return CODE_OK;
}

enum code object_presign_request(struct ctx *cx, struct object_store *s, const struct object_presign_request *req,
                                 str *url)
{
    static const struct object_scope scope = {.kind = OBJECT_KEY_UPLOAD};
    struct object_sign_header headers[HEADERS_MAX] = {{.name = STR("host")}};
    struct object_keys keys;
    TRY(check(cx, req));
    TRY(check_endpoint(cx, req->endpoint, &headers[0].value));
    TRY(object_keys_derive(cx, s, &scope, &keys));
    for (size_t i = 0; i < req->header_count; i++) {
        headers[i + 1].name = arena_lower(cx->mem, req->headers[i].name);
        headers[i + 1].value = req->headers[i].value;
    }
    qsort(headers, req->header_count + 1, sizeof(*headers), by_name);
    struct object_sign_url u = {
        .endpoint = req->endpoint,
        .method = req->method,
        .path = arena_printf(cx->mem, "/" STR_FMT "/" STR_FMT, STR_ARG(req->bucket), STR_ARG(req->key)),
        .access_key_id = keys.access_key_id,
        .secret = keys.secret_access_key,
        .region = STR(REGION),
        .now_s = time_wall_ns() / NS_PER_S,
        .expires_s = req->lifetime_s,
        .headers = headers,
        .header_count = req->header_count + 1,
        .content_type = req->content_type,
    };
    *url = object_sign_make_url(cx->mem, &u);
    return CODE_OK;
}

enum code object_presign(struct ctx *cx, struct object_store *s, str endpoint, str method, str bucket, str key,
                         int64_t lifetime_s, str *url)
{
    struct object_presign_request req = {
        .endpoint = endpoint, .method = method, .bucket = bucket, .key = key, .lifetime_s = lifetime_s};
    return object_presign_request(cx, s, &req, url);
}

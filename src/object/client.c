/* Requests to an S3 endpoint, signed with somebody's keys. See client.h. */
#include "object/client.h"

#include "base/codec.h"
#include "base/time.h"
#include "base/vec.h"
#include "net/http_client.h"
#include "object/sign_int.h"
#include "object/uri_int.h"

#include <time.h>
#include <unistd.h>

#define TRIES 4
#define FIRST_PAUSE_NS (200 * NS_PER_MS)
#define ERROR_BYTES ((size_t)4096)
#define LIST_BYTES ((size_t)16 << 20)
/* Larger files go in parts, of which there may be so many. */
#define PART_BYTES (INT64_C(128) << 20)
#define PARTS_MAX 10000
#define FILE_BYTES_MAX (INT64_C(5) << 40)
#define URL_MAX ((size_t)16 * 1024)

struct call {
    struct ctx *cx;
    str bucket, key;
    struct object_uri_param params[4];
    size_t param_count;
    int status;
    buf text;    /* the answer: all of it, or the beginning of an error */
    int in, out; /* files; -1 = none */
    str bytes, etag;
    int64_t from;          /* where in the file the body begins */
    int64_t size, at, max; /* of the body that is sent; how much was sent or came; bound of the answer */
    bool over, broken;     /* more than max; the file failed */
};

/* ---- bodies ------------------------------------------------------------------------------------------------------ */

static size_t send_body(void *arg, char *p, size_t n)
{
    struct call *c = arg;
    int64_t left = c->size - c->at;
    if ((int64_t)n > left)
        n = (size_t)left;
    if (c->in < 0) {
        memcpy(p, c->bytes.p + c->at, n);
    } else {
        ssize_t got = n ? pread(c->in, p, n, c->from + c->at) : 0;
        if (got < 0 || (n && got == 0)) {
            c->broken = true;
            return HTTP_CLIENT_STOP;
        }
        n = (size_t)got;
    }
    c->at += (int64_t)n;
    return n;
}

static bool take_head(void *arg, int status, const struct http_header *headers, size_t n)
{
    struct call *c = arg;
    c->status = status;
    for (size_t i = 0; i < n; i++)
        if (str_eq(headers[i].name, STR("etag")))
            c->etag = arena_str(c->cx->mem, headers[i].value);
    return true;
}

static bool take_body(void *arg, str bytes)
{
    struct call *c = arg;
    if (c->status / 100 != 2) {
        buf_str(&c->text, str_head(bytes, ERROR_BYTES - (c->text.n < ERROR_BYTES ? c->text.n : ERROR_BYTES)));
        return true;
    }
    if ((int64_t)bytes.n > c->max - c->at) {
        c->over = true;
        return false;
    }
    c->at += (int64_t)bytes.n;
    if (c->out < 0)
        buf_str(&c->text, bytes);
    while (c->out >= 0 && bytes.n) {
        ssize_t n = write(c->out, bytes.p, bytes.n);
        if (n <= 0) {
            c->broken = true;
            return false;
        }
        bytes = str_skip(bytes, (size_t)n);
    }
    return !c->text.failed;
}

/* ---- one request ------------------------------------------------------------------------------------------------- */

static str inner(str text, str open, str close)
{
    size_t from = str_find(text, open);
    if (from == SIZE_MAX)
        return STR_NONE;
    text = str_skip(text, from + open.n);
    size_t n = str_find(text, close);
    return n == SIZE_MAX ? STR_NONE : str_head(text, n);
}

static enum code answer_of(struct call *c, str method)
{
    static const struct {
        int status;
        enum code code;
    } rows[] = {{404, CODE_NOT_FOUND},
                {403, CODE_PERMISSION_DENIED},
                {400, CODE_INVALID_ARGUMENT},
                {405, CODE_INVALID_ARGUMENT},
                {501, CODE_FAILED_PRECONDITION}};
    enum code code = c->status / 100 == 5 || c->status == 429 ? CODE_UNAVAILABLE : CODE_INTERNAL;
    if (c->status / 100 == 2)
        return CODE_OK;
    for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++)
        if (rows[i].status == c->status)
            code = rows[i].code;
    str why = inner(buf_view(&c->text), STR("<Message>"), STR("</Message>"));
    return fail(c->cx, code, STR_FMT " s3://" STR_FMT "/" STR_FMT ": %d " STR_FMT, STR_ARG(method), STR_ARG(c->bucket),
                STR_ARG(str_head(c->key, 100)), c->status, STR_ARG(str_head(why, 80)));
}

static str url_of(struct ctx *cx, const struct object_client *client, const struct object_sign_request *r)
{
    str query = object_sign_query(cx->mem, r);
    buf b;
    buf_init_arena(&b, cx->mem, URL_MAX);
    buf_str(&b, client->endpoint);
    object_uri_encode(&b, r->path, OBJECT_URI_KEEP_SLASH);
    if (query.n)
        buf_char(&b, '?');
    buf_str(&b, query);
    return buf_view(&b);
}

static enum code perform_once(const struct object_client *client, struct call *c, str method)
{
    struct ctx *cx = c->cx;
    const struct object_sign_as as = {client->access_key_id, client->secret_access_key, client->region};
    str host = str_skip(client->endpoint, str_find(client->endpoint, STR("://")) + 3);
    const struct object_sign_header signed_headers[] = {
        {STR("host"), host},
        {STR("x-amz-content-sha256"), STR("UNSIGNED-PAYLOAD")},
        {STR("x-amz-date"), object_sign_time(cx->mem, time_wall_ns() / NS_PER_S)},
    };
    struct object_sign_request sign = {.method = method,
                                       .headers = signed_headers,
                                       .header_count = 3,
                                       .params = c->params,
                                       .param_count = c->param_count};
    sign.path =
        arena_printf(cx->mem, "/" STR_FMT "%s" STR_FMT, STR_ARG(c->bucket), c->key.n ? "/" : "", STR_ARG(c->key));
    struct http_header headers[4];
    for (size_t i = 0; i < 3; i++)
        headers[i] = (struct http_header){signed_headers[i].name, signed_headers[i].value};
    headers[3] = (struct http_header){STR("authorization"), object_sign_make_header(cx->mem, &sign, sign.path, &as)};
    struct http_client_request req = {.method = method,
                                      .url = url_of(cx, client, &sign),
                                      .headers = headers,
                                      .header_count = 4,
                                      .body_length = c->size,
                                      .anywhere = true,
                                      .arg = c,
                                      .read = send_body,
                                      .head = take_head,
                                      .body = take_body};
    enum code code = http_client_perform(cx, &req);
    if (c->over)
        return fail(cx, CODE_RESOURCE_EXHAUSTED, "s3://" STR_FMT "/" STR_FMT " is larger than %lld bytes",
                    STR_ARG(c->bucket), STR_ARG(str_head(c->key, 100)), (long long)c->max);
    if (c->broken)
        return fail(cx, CODE_INTERNAL, "a file could not be %s while it was copied", c->out >= 0 ? "written" : "read");
    TRY(code);
    return answer_of(c, method);
}

static enum code perform(const struct object_client *client, struct call *c, str method)
{
    int64_t pause = FIRST_PAUSE_NS;
    enum code code = CODE_UNAVAILABLE;
    for (int try = 0; try < TRIES && code == CODE_UNAVAILABLE; try++) {
        if (try) {
            struct timespec t = {pause / NS_PER_S, pause % NS_PER_S};
            nanosleep(&t, NULL);
            pause *= 3;
        }
        ctx_clear_err(c->cx);
        buf_clear(&c->text);
        c->at = 0;
        c->status = 0;
        if (c->out >= 0 && (ftruncate(c->out, 0) < 0 || lseek(c->out, 0, SEEK_SET) < 0))
            return fail_errno(c->cx, "cannot empty a file");
        code = perform_once(client, c, method);
    }
    return code;
}

static enum code begin(struct ctx *cx, str uri, struct call *c)
{
    *c = (struct call){.cx = cx, .in = -1, .out = -1, .size = -1};
    buf_init_arena(&c->text, cx->mem, SIZE_MAX / 4);
    return object_uri_parse(cx, "uri", uri, &c->bucket, &c->key);
}

/* ---- objects ----------------------------------------------------------------------------------------------------- */

enum code object_client_get(struct ctx *cx, const struct object_client *c, str uri, size_t max, str *out)
{
    struct call call;
    TRY(begin(cx, uri, &call));
    call.max = (int64_t)max;
    TRY(perform(c, &call, STR("GET")));
    *out = buf_view(&call.text);
    return CODE_OK;
}

enum code object_client_get_file(struct ctx *cx, const struct object_client *c, str uri, int fd, int64_t max)
{
    struct call call;
    TRY(begin(cx, uri, &call));
    call.max = max;
    call.out = fd;
    return perform(c, &call, STR("GET"));
}

enum code object_client_put(struct ctx *cx, const struct object_client *c, str uri, str bytes)
{
    struct call call;
    TRY(begin(cx, uri, &call));
    call.bytes = bytes;
    call.size = (int64_t)bytes.n;
    call.max = (int64_t)ERROR_BYTES;
    return perform(c, &call, STR("PUT"));
}

static enum code put_whole(struct ctx *cx, const struct object_client *c, str uri, int fd, int64_t size)
{
    struct call call;
    TRY(begin(cx, uri, &call));
    call.in = fd;
    call.size = size;
    call.max = (int64_t)ERROR_BYTES;
    return perform(c, &call, STR("PUT"));
}

/* ---- objects in parts -------------------------------------------------------------------------------------------- */

struct parts {
    struct ctx *cx;
    const struct object_client *c;
    str uri, id;
    int fd;
    int64_t size, part;
    buf done; /* the document that ends the upload */
};

static void add_param(struct call *call, const char *name, str value)
{
    call->params[call->param_count++] = (struct object_uri_param){str_from(name), value};
}

static enum code begin_parts(struct parts *p)
{
    struct call call;
    TRY(begin(p->cx, p->uri, &call));
    add_param(&call, "uploads", STR(""));
    call.size = 0;
    call.max = (int64_t)LIST_BYTES;
    TRY(perform(p->c, &call, STR("POST")));
    p->id = arena_str(p->cx->mem, inner(buf_view(&call.text), STR("<UploadId>"), STR("</UploadId>")));
    return p->id.n ? CODE_OK : fail(p->cx, CODE_UNAVAILABLE, "an upload in parts did not begin");
}

static enum code put_part(struct parts *p, int number, int64_t from)
{
    struct call call;
    TRY(begin(p->cx, p->uri, &call));
    add_param(&call, "partNumber", arena_printf(p->cx->mem, "%d", number));
    add_param(&call, "uploadId", p->id);
    call.in = p->fd;
    call.from = from;
    call.size = p->size - from < p->part ? p->size - from : p->part;
    call.max = (int64_t)ERROR_BYTES;
    TRY(perform(p->c, &call, STR("PUT")));
    buf_printf(&p->done, "<Part><PartNumber>%d</PartNumber><ETag>" STR_FMT "</ETag></Part>", number,
               STR_ARG(call.etag));
    return CODE_OK;
}

/* Its answer may begin well and still be an error. */
static enum code end_parts(struct parts *p)
{
    struct call call;
    buf_str(&p->done, STR("</CompleteMultipartUpload>"));
    TRY(begin(p->cx, p->uri, &call));
    add_param(&call, "uploadId", p->id);
    call.bytes = buf_view(&p->done);
    call.size = (int64_t)call.bytes.n;
    call.max = (int64_t)LIST_BYTES;
    TRY(perform(p->c, &call, STR("POST")));
    str why = inner(buf_view(&call.text), STR("<Message>"), STR("</Message>"));
    if (str_find(buf_view(&call.text), STR("<CompleteMultipartUploadResult")) == SIZE_MAX)
        return fail(p->cx, CODE_UNAVAILABLE, "an upload in parts did not end: " STR_FMT, STR_ARG(str_head(why, 100)));
    return CODE_OK;
}

/* What was sent is forgotten there; the error is the first one. */
static void drop_parts(struct parts *p)
{
    struct err first = p->cx->err;
    struct call call;
    if (begin(p->cx, p->uri, &call) == CODE_OK) {
        add_param(&call, "uploadId", p->id);
        call.max = (int64_t)ERROR_BYTES;
        (void)!perform(p->c, &call, STR("DELETE"));
    }
    p->cx->err = first;
}

static enum code put_in_parts(struct parts *p)
{
    enum code code = CODE_OK;
    int number = 1;
    p->part = p->size / PARTS_MAX + 1 > PART_BYTES ? p->size / PARTS_MAX + 1 : PART_BYTES;
    buf_init_arena(&p->done, p->cx->mem, LIST_BYTES);
    buf_str(&p->done, STR("<CompleteMultipartUpload>"));
    TRY(begin_parts(p));
    for (int64_t from = 0; code == CODE_OK && from < p->size; from += p->part)
        code = put_part(p, number++, from);
    if (code == CODE_OK)
        code = end_parts(p);
    if (code != CODE_OK)
        drop_parts(p);
    return code;
}

enum code object_client_put_file(struct ctx *cx, const struct object_client *c, str uri, int fd, int64_t size)
{
    struct parts p = {.cx = cx, .c = c, .uri = uri, .fd = fd, .size = size};
    if (size <= PART_BYTES)
        return put_whole(cx, c, uri, fd, size);
    if (size > FILE_BYTES_MAX)
        return fail(cx, CODE_RESOURCE_EXHAUSTED, "a file of %lld bytes is larger than an object may be (5 TiB)",
                    (long long)size);
    return put_in_parts(&p);
}

/* ---- lists ------------------------------------------------------------------------------------------------------- */

static enum code read_page(struct ctx *cx, str text, struct object_list *out)
{
    VEC(struct object_info) found = {0};
    const str open = STR("<Contents>"), close = STR("</Contents>");
    bool more = str_eq(inner(text, STR("<IsTruncated>"), STR("</IsTruncated>")), STR("true"));
    for (str item; (item = inner(text, open, close)).p; text = str_skip(text, (size_t)(item.p - text.p) + item.n)) {
        struct object_info *o = vec_push(&found, cx->mem);
        if (!codec_percent_decode(cx->mem, inner(item, STR("<Key>"), STR("</Key>")), true, &o->key) || !o->key.n ||
            !str_to_i64(inner(item, STR("<Size>"), STR("</Size>")), &o->size) || o->size < 0)
            return fail(cx, CODE_UNAVAILABLE, "the list of a bucket cannot be read");
    }
    *out = (struct object_list){.p = found.p, .n = found.n, .next = STR("")};
    if (more && found.n)
        out->next = found.p[found.n - 1].key;
    return CODE_OK;
}

enum code object_client_list(struct ctx *cx, const struct object_client *c, str uri, str after, struct object_list *out)
{
    struct call call;
    str prefix;
    TRY(begin(cx, uri, &call));
    prefix = arena_printf(cx->mem, STR_FMT "/", STR_ARG(call.key));
    call.key = STR("");
    call.max = (int64_t)LIST_BYTES;
    call.params[call.param_count++] = (struct object_uri_param){STR("encoding-type"), STR("url")};
    call.params[call.param_count++] = (struct object_uri_param){STR("list-type"), STR("2")};
    call.params[call.param_count++] = (struct object_uri_param){STR("prefix"), prefix};
    if (after.n)
        call.params[call.param_count++] = (struct object_uri_param){STR("start-after"), after};
    TRY(perform(c, &call, STR("GET")));
    return read_page(cx, buf_view(&call.text), out);
}

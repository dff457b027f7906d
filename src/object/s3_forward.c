/* Requests for buckets of others (D-14): signed anew and sent on, both bodies streamed. A worker does the whole request; it
 * asks the loop to send the head and then each piece of the answer, and waits until the peer has taken it. See s3_int.h. */
#include "object/s3_int.h"

#include "base/list.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/time.h"
#include "net/http_client.h"
#include "object/upstream.h"

#include <stdlib.h>

#define HEADERS_MAX_ 128

enum ask { ASK_HEAD, ASK_BODY };

struct s3_forward {
    struct s3_request *r;
    const struct object_upstream *to;
    int64_t body_length; /* -1 = none */
    str copy_source;     /* of a copy, as it is called there */
    enum s3_error error; /* what is wrong with the request's body, and the text of it */
    struct err why;
    bool began, no_body; /* the answer: its head is on its way, and is all of it */

    /* The request's body: a piece is sent when the next one has come, the last one when all of it was found right. */
    buf now;
    size_t at;
    str next;
    bool primed, last;

    /* Between the worker and the loop; under the request's mutex. */
    pthread_cond_t changed;
    struct loop_post post;
    enum ask ask;
    str data;
    bool done;

    bool waits; /* loop only: for the peer to take what was sent */
};

/* ---- whether ----------------------------------------------------------------------------------------------------- */

static enum s3_error no_such_upstream(struct s3_request *r)
{
    return object_s3_error_say(&r->cx, S3_AccessDenied,
                               "Bucket \"" STR_FMT "\" is not served here (only \"" OBJECT_BUCKET
                               "\" is). To reach it from tasks, name its endpoint in the setting object.upstreams.",
                               STR_ARG(str_head(r->bucket, 63)));
}

static bool is_reading(const struct s3_request *r)
{
    return str_eq(r->head.method, STR("GET")) || str_eq(r->head.method, STR("HEAD"));
}

/* Servers copy between buckets that they have themselves. */
static enum s3_error check_copy(struct s3_request *r, const struct object_upstream *to, str *out)
{
    str source = object_s3_head_header(r, "x-amz-copy-source"), bucket, key;
    if (!source.n)
        return S3_OK;
    if (source.p[0] == '/')
        source = str_skip(source, 1);
    str_cut(source, '/', &bucket, &key);
    const struct object_upstream *from = object_upstream_find(r->server->cfg.upstreams, bucket);
    if (str_eq(bucket, STR(OBJECT_BUCKET)) || !from || !str_eq(from->endpoint, to->endpoint) ||
        !str_eq(from->key_id, to->key_id))
        return object_s3_error_say(&r->cx, S3_NotImplemented, "Copies between servers are not implemented.");
    *out = from->name.n ? arena_printf(&r->mem, STR_FMT "/" STR_FMT, STR_ARG(from->name), STR_ARG(key)) : source;
    return S3_OK;
}

enum s3_error object_s3_forward_check(struct s3_request *r)
{
    const struct object_s3_config *cfg = &r->server->cfg;
    const struct object_upstream *to = cfg->upstreams ? object_upstream_find(cfg->upstreams, r->bucket) : NULL;
    bool read = is_reading(r);
    str copy_source = STR_NONE;
    if (!to || !r->server->forwards)
        return no_such_upstream(r);
    if (r->route->level == S3_LEVEL_BUCKET && str_eq(r->head.method, STR("PUT")))
        return S3_MethodNotAllowed;
    if (r->scope.kind == OBJECT_KEY_UPLOAD ||
        !cfg->access(cfg->access_arg, &r->scope, read ? OBJECT_READ : OBJECT_WRITE, r->bucket, r->key))
        return object_s3_error_say(&r->cx, S3_AccessDenied, "This key may not %s bucket \"" STR_FMT "\".",
                                   read ? "read" : "write", STR_ARG(str_head(r->bucket, 63)));
    S3_TRY(check_copy(r, to, &copy_source));
    r->forward = mem_new(struct s3_forward);
    r->forward->r = r;
    r->forward->copy_source = copy_source;
    r->forward->to = to;
    r->forward->body_length = read || str_eq(r->head.method, STR("DELETE")) ? -1 : 0;
    pthread_cond_init(&r->forward->changed, NULL);
    buf_init(&r->forward->now, S3_PENDING_MAX * 2);
    return S3_OK;
}

/* ---- the request's body: on the worker --------------------------------------------------------------------------- */

static enum s3_error pull(struct s3_request *r, struct s3_forward *f)
{
    if (!f->primed)
        S3_TRY(object_s3_body_pull(r, &f->next));
    f->primed = true;
    f->at = f->now.n = 0;
    buf_str(&f->now, f->next);
    if (f->now.n)
        S3_TRY(object_s3_body_pull(r, &f->next));
    f->last = !f->now.n || !f->next.n;
    return S3_OK;
}

static size_t read_body(void *arg, char *p, size_t n)
{
    struct s3_request *r = arg;
    struct s3_forward *f = r->forward;
    if (r->route->body == S3_BODY_XML && !f->primed) { /* it has come, and was right */
        f->primed = f->last = true;
        buf_str(&f->now, buf_view(&r->small));
    }
    if (f->at == f->now.n && !f->last && (f->error = pull(r, f)) != S3_OK) {
        f->why = r->cx.err;
        return HTTP_CLIENT_STOP;
    }
    if (n > f->now.n - f->at)
        n = f->now.n - f->at;
    memcpy(p, f->now.p + f->at, n);
    f->at += n;
    return n;
}

/* ---- the answer: from the worker to the loop --------------------------------------------------------------------- */

void object_s3_forward_wake(struct s3_request *r)
{
    if (r->forward)
        pthread_cond_signal(&r->forward->changed);
}

void object_s3_forward_wait(struct s3_request *r)
{
    pthread_cond_wait(&r->forward->changed, &r->mutex);
}

static void answer(struct s3_request *r)
{
    pthread_mutex_lock(&r->mutex);
    r->forward->done = true;
    object_s3_forward_wake(r);
    pthread_mutex_unlock(&r->mutex);
}

/* On the loop: does what the worker asks for, and tells it when the peer can take more. */
static void on_asked(struct loop_post *post)
{
    struct s3_forward *f = container_of(post, struct s3_forward, post);
    struct s3_request *r = f->r;
    if (!object_s3_asked(r))
        return;
    if (f->ask == ASK_HEAD)
        object_s3_send_head(r, r->reply.content_length, f->no_body);
    else
        http_write(r->x, f->data, false);
    f->waits = f->ask == ASK_BODY && !http_writable(r->x);
    if (!f->waits)
        answer(r);
}

void object_s3_forward_writable(struct s3_request *r)
{
    if (!r->forward->waits)
        return;
    r->forward->waits = false;
    answer(r);
}

static bool ask(struct s3_request *r, enum ask what, str data)
{
    struct s3_forward *f = r->forward;
    pthread_mutex_lock(&r->mutex);
    f->ask = what;
    f->data = data;
    f->done = false;
    if (!r->closed) {
        r->asked = true;
        f->post.fn = on_asked;
        loop_post(r->loop, &f->post);
    }
    while (!r->closed && !f->done)
        object_s3_forward_wait(r);
    bool done = f->done;
    pthread_mutex_unlock(&r->mutex);
    return done;
}

static bool is_passed_back(str name)
{
    static const char *const names[] = {"accept-ranges",    "cache-control", "content-disposition", "content-encoding",
                                        "content-language", "content-range", "content-type",        "etag",
                                        "expires",          "last-modified"};
    for (size_t i = 0; i < sizeof(names) / sizeof(*names); i++)
        if (str_eq(name, str_from(names[i])))
            return true;
    return str_starts(name, STR("x-amz-")) && !str_eq(name, STR("x-amz-request-id"));
}

static bool take_head(void *arg, int status, const struct http_header *headers, size_t n)
{
    struct s3_request *r = arg;
    int64_t length = -1;
    r->reply.status = status;
    for (size_t i = 0; i < n; i++)
        if (str_eq(headers[i].name, STR("content-length")))
            (void)str_to_i64(headers[i].value, &length);
        else if (is_passed_back(headers[i].name))
            object_s3_reply_header(r, headers[i].name.p, headers[i].value);
    if (status == 204 || status == 304)
        length = 0;
    r->reply.content_length = length;
    r->forward->no_body = str_eq(r->head.method, STR("HEAD")) || length == 0;
    r->forward->began = true;
    return ask(r, ASK_HEAD, STR_NONE);
}

static bool take_body(void *arg, str bytes)
{
    return ask(arg, ASK_BODY, bytes);
}

static bool is_wanted(void *arg)
{
    struct s3_request *r = arg;
    pthread_mutex_lock(&r->mutex);
    bool closed = r->closed;
    pthread_mutex_unlock(&r->mutex);
    return !closed;
}

/* ---- what is sent on --------------------------------------------------------------------------------------------- */

/* Of a client's headers: what the request means, not how it came here. */
static bool is_passed_on(str name)
{
    static const char *const names[] = {
        "cache-control", "content-disposition", "content-language", "content-md5",         "content-type", "expires",
        "if-match",      "if-modified-since",   "if-none-match",    "if-unmodified-since", "range"};
    static const char *const ours[] = {"x-amz-content-sha256",         "x-amz-copy-source",    "x-amz-date",
                                       "x-amz-decoded-content-length", "x-amz-security-token", "x-amz-trailer"};
    for (size_t i = 0; i < sizeof(ours) / sizeof(*ours); i++)
        if (str_eq(name, str_from(ours[i])))
            return false;
    for (size_t i = 0; i < sizeof(names) / sizeof(*names); i++)
        if (str_eq(name, str_from(names[i])))
            return true;
    return str_starts(name, STR("x-amz-"));
}

struct outgoing {
    struct s3_request *r;
    struct object_sign_request sign;
    struct object_sign_header headers[HEADERS_MAX_];
    str path; /* decoded */
};

static void add(struct outgoing *o, const char *name, str value)
{
    if (o->sign.header_count < HEADERS_MAX_ && value.n)
        o->headers[o->sign.header_count++] = (struct object_sign_header){str_from(name), value};
}

/* The name of the algorithm goes with a checksum; one that came as a trailer was checked here and is not sent on. */
static bool is_orphan(const struct s3_request *r, str name)
{
    return r->chunked && str_eq(name, STR("x-amz-sdk-checksum-algorithm"));
}

static void add_headers(struct outgoing *o)
{
    const struct s3_request *r = o->r;
    const struct object_upstream *to = r->forward->to;
    add(o, "host", str_skip(to->endpoint, str_find(to->endpoint, STR("://")) + 3));
    for (size_t i = 0; i < r->head.header_count; i++)
        if (is_passed_on(r->head.headers[i].name) && !is_orphan(r, r->head.headers[i].name))
            add(o, r->head.headers[i].name.p, str_trim(r->head.headers[i].value));
    add(o, "content-encoding", object_s3_head_encoding(o->r));
    add(o, "x-amz-copy-source", r->forward->copy_source);
    if (!to->key_id.n)
        return;
    add(o, "x-amz-content-sha256", STR("UNSIGNED-PAYLOAD"));
    add(o, "x-amz-date", object_sign_time(&o->r->mem, time_wall_ns() / NS_PER_S));
    add(o, "x-amz-security-token", to->token);
}

static int compare_headers(const void *a, const void *b)
{
    return str_cmp(((const struct object_sign_header *)a)->name, ((const struct object_sign_header *)b)->name);
}

/* All parameters but those of a presigned URL. */
static void add_params(struct outgoing *o)
{
    const struct object_sign_request *from = &o->r->head;
    struct object_uri_param *params = arena_new_array(&o->r->mem, struct object_uri_param, from->param_count + 1);
    for (size_t i = 0; i < from->param_count; i++)
        if (!str_starts(from->params[i].name, STR("X-Amz-")))
            params[o->sign.param_count++] = from->params[i];
    o->sign.params = params;
}

static str url_of(struct outgoing *o)
{
    struct arena *mem = &o->r->mem;
    str query = object_sign_query(mem, &o->sign);
    buf b;
    buf_init_arena(&b, mem, (size_t)64 * 1024);
    buf_str(&b, o->r->forward->to->endpoint);
    object_uri_encode(&b, o->path, OBJECT_URI_KEEP_SLASH);
    if (query.n)
        buf_char(&b, '?');
    buf_str(&b, query);
    return buf_view(&b);
}

static void make(struct outgoing *o, struct http_client_request *req)
{
    struct s3_request *r = o->r;
    const struct object_upstream *to = r->forward->to;
    const struct object_sign_as as = {to->key_id, to->secret, to->region};
    o->sign.method = r->head.method;
    o->sign.headers = o->headers;
    str bucket = to->name.n ? to->name : r->bucket;
    o->path = arena_printf(&r->mem, "/" STR_FMT "%s" STR_FMT, STR_ARG(bucket), r->key.n ? "/" : "", STR_ARG(r->key));
    add_headers(o);
    add_params(o);
    qsort(o->headers, o->sign.header_count, sizeof(*o->headers), compare_headers);
    struct http_header *headers = arena_new_array(&r->mem, struct http_header, o->sign.header_count + 1);
    for (; req->header_count < o->sign.header_count; req->header_count++)
        headers[req->header_count] =
            (struct http_header){o->headers[req->header_count].name, o->headers[req->header_count].value};
    if (to->key_id.n)
        headers[req->header_count++] =
            (struct http_header){STR("authorization"), object_sign_make_header(&r->mem, &o->sign, o->path, &as)};
    req->method = o->sign.method;
    req->headers = headers;
    req->url = url_of(o);
}

/* ---- all of it: on the worker ------------------------------------------------------------------------------------ */

static enum s3_error failed(struct s3_request *r, enum code code)
{
    struct s3_forward *f = r->forward;
    if (f->error != S3_OK) {
        r->cx.err = f->why;
        return f->error;
    }
    if (code == CODE_FAILED_PRECONDITION)
        return S3_NotImplemented;
    if (code != CODE_ABORTED)
        log_warn(&r->cx, "a request for a bucket of others failed", LOG_STR("bucket", r->bucket), LOG_ERR(&r->cx));
    return S3_ServiceUnavailable;
}

void object_s3_forward_run(struct object_s3_job *job)
{
    struct s3_request *r = container_of(job, struct s3_request, job);
    struct s3_forward *f = r->forward;
    struct outgoing o = {.r = r};
    struct http_client_request req = {
        .anywhere = true, .arg = r, .read = read_body, .head = take_head, .body = take_body, .alive = is_wanted};
    req.body_length = r->route->body == S3_BODY_XML ? (int64_t)r->small.n : f->body_length;
    make(&o, &req);
    enum code code = http_client_perform(&r->cx, &req);
    enum s3_error e = code == CODE_OK ? S3_OK : failed(r, code);
    if (f->began)
        object_s3_end(r, e == S3_OK);
    else
        object_s3_finish(r, e);
}

enum s3_error object_s3_forward_begin_body(struct s3_request *r)
{
    return object_s3_body_begin_forward(r, &r->forward->body_length);
}

void object_s3_forward_free(struct s3_request *r)
{
    if (!r->forward)
        return;
    pthread_cond_destroy(&r->forward->changed);
    buf_done(&r->forward->now);
    mem_free(r->forward);
}

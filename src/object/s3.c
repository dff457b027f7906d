/* The S3 endpoint: the life of a request between its loop, the workers and the commit thread. See s3_int.h and s3.h. */
#include "object/s3_int.h"

#include "base/list.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/random.h"
#include "object/hash_int.h"
#include "object/s3_xml_int.h"
#include "object/store_int.h"
#include "object/upstream.h"

#define WORKERS 4
/* Requests for buckets of others at a time; the next ones wait. */
#define FORWARDS 32

/* ---- requests ---------------------------------------------------------------------------------------------------- */

static struct s3_request *request_new(struct http_exchange *x)
{
    struct s3_request *r = mem_new(struct s3_request);
    uint64_t id = random_u64();
    r->server = http_service_self(x);
    r->loop = http_loop(x);
    r->x = x;
    r->last = &r->first;
    r->body.fd = r->reply.piece.fd = -1;
    r->reply.content_length = -1;
    arena_init(&r->mem, 0);
    ctx_init(&r->cx, &r->mem);
    pthread_mutex_init(&r->mutex, NULL);
    object_hash_hex((const uint8_t *)&id, sizeof(id), r->id);
    return r;
}

static void request_free(struct s3_request *r)
{
    object_s3_body_free(r);
    object_s3_forward_free(r);
    object_reader_close(r->reply.reader);
    object_file_close(&r->reply.piece.fd);
    pthread_mutex_destroy(&r->mutex);
    arena_done(&r->mem);
    mem_free(r);
}

/* ---- replies: on the loop thread --------------------------------------------------------------------------------- */

void object_s3_reply_header(struct s3_request *r, const char *name, str value)
{
    *(struct http_header *)vec_push(&r->reply.headers, &r->mem) = (struct http_header){str_from(name), value};
}

static void send_error(struct s3_request *r)
{
    const char *text = *r->cx.err.msg ? r->cx.err.msg : object_s3_error_text(r->error);
    int status = object_s3_error_status(r->error);
    buf b;
    buf_init_arena(&b, &r->mem, 64 * 1024);
    object_s3_xml_begin(&b, NULL, "Error");
    object_s3_xml_text(&b, "Code", str_from(object_s3_error_code(r->error)));
    object_s3_xml_text(&b, "Message", str_from(text));
    object_s3_xml_text(&b, "Resource", r->head.path);
    object_s3_xml_text(&b, "RequestId", str_from(r->id));
    object_s3_xml_end(&b, "Error");
    if (status >= 400 && r->error != S3_NoSuchKey)
        log_debug(&r->cx, "s3 request refused", LOG_CSTR("s3_code", object_s3_error_code(r->error)),
                  LOG_CSTR("why", text), LOG_STR("method", r->head.method), LOG_STR("path", r->head.path));
    /* What a success would have said, but for the two that say something of the object too. */
    if (r->error != S3_InvalidRange && r->error != S3_NotModified)
        r->reply.headers.n = 0;
    r->reply.status = status;
    r->reply.body = status == 304 ? STR_NONE : buf_view(&b);
    object_reader_close(r->reply.reader);
    object_file_close(&r->reply.piece.fd);
    r->reply.reader = NULL;
}

void object_s3_send_head(struct s3_request *r, int64_t length, bool end)
{
    const struct s3_reply *p = &r->reply;
    object_s3_reply_header(r, "x-amz-request-id", str_from(r->id));
    /* What users have stored must not act with the rights of this origin (D-31). */
    object_s3_reply_header(r, "content-security-policy", STR("sandbox allow-scripts"));
    object_s3_reply_header(r, "x-content-type-options", STR("nosniff"));
    object_s3_reply_header(r, "cross-origin-resource-policy", STR("same-origin"));
    if (!p->reader && p->body.n)
        object_s3_reply_header(r, "content-type", p->content_type.n ? p->content_type : STR("application/xml"));
    http_respond(r->x, p->status ? p->status : 200, p->headers.p, p->headers.n, length, end);
}

static void send_head(struct s3_request *r)
{
    const struct s3_reply *p = &r->reply;
    int64_t length = p->reader ? p->left : p->content_length >= 0 ? p->content_length : (int64_t)p->body.n;
    object_s3_send_head(r, length, p->reader ? !p->left : !p->body.n);
}

/* The next piece of an object that is being sent; the one after it is looked for when the peer has this one. */
static void send_piece(struct s3_request *r)
{
    struct object_piece *piece = &r->reply.piece;
    int fd = piece->fd;
    piece->fd = -1;
    r->reply.offset += piece->len;
    r->reply.left -= piece->len;
    bool last = r->reply.left <= 0;
    if (fd < 0)
        http_write(r->x, piece->bytes, last);
    else if (last)
        http_write_file(r->x, fd, piece->offset, piece->len);
    else
        http_write_file_part(r->x, fd, piece->offset, piece->len);
}

static void send_reply(struct s3_request *r)
{
    r->replied = true;
    if (r->error != S3_OK)
        send_error(r);
    send_head(r);
    if (r->reply.reader && r->reply.left)
        send_piece(r);
    else if (!r->reply.reader && r->reply.body.n)
        http_write(r->x, r->reply.body, true);
}

/* ---- between threads --------------------------------------------------------------------------------------------- */

/* Ends every change of who has the request: whoever makes the last one, after the peer has gone, frees it. Not to be
 * touched afterwards when `closed`. */
static void unlock(struct s3_request *r)
{
    bool last = r->closed && r->at == S3_AT_LOOP && !r->resume_posted && !r->asked;
    pthread_mutex_unlock(&r->mutex);
    if (last)
        request_free(r);
}

/* On the loop: takes the request back. False when nobody waits for it any more: it may be gone. */
static bool take_back(struct s3_request *r)
{
    pthread_mutex_lock(&r->mutex);
    bool closed = r->closed;
    r->at = S3_AT_LOOP;
    unlock(r);
    return !closed;
}

static void on_finished(struct loop_post *post)
{
    struct s3_request *r = container_of(post, struct s3_request, post);
    if (take_back(r))
        send_reply(r);
}

static void on_piece(struct loop_post *post)
{
    struct s3_request *r = container_of(post, struct s3_request, post);
    if (!take_back(r))
        return;
    if (r->error == S3_OK)
        send_piece(r);
    else
        http_reset(r->x);
}

/* From a worker: to the loop, which lives at least until the exchange has closed. */
static void give_back(struct s3_request *r, void (*fn)(struct loop_post *post))
{
    pthread_mutex_lock(&r->mutex);
    r->at = r->closed ? S3_AT_LOOP : S3_AT_POST;
    if (!r->closed) {
        r->post.fn = fn;
        loop_post(r->loop, &r->post);
    }
    unlock(r);
}

void object_s3_finish(struct s3_request *r, enum s3_error error)
{
    r->error = error;
    give_back(r, on_finished);
}

bool object_s3_asked(struct s3_request *r)
{
    pthread_mutex_lock(&r->mutex);
    bool closed = r->closed;
    r->asked = false;
    unlock(r);
    return !closed;
}

static void on_complete(struct loop_post *post)
{
    struct s3_request *r = container_of(post, struct s3_request, post);
    r->replied = true;
    if (take_back(r))
        http_write(r->x, STR_NONE, true);
}

static void on_broken(struct loop_post *post)
{
    struct s3_request *r = container_of(post, struct s3_request, post);
    if (take_back(r))
        http_reset(r->x);
}

void object_s3_end(struct s3_request *r, bool complete)
{
    pthread_mutex_lock(&r->mutex);
    object_s3_resume(r); /* what still arrives is of no interest */
    pthread_mutex_unlock(&r->mutex);
    give_back(r, complete ? on_complete : on_broken);
}

static void on_resume(struct loop_post *post)
{
    struct s3_request *r = container_of(post, struct s3_request, resume_post);
    pthread_mutex_lock(&r->mutex);
    bool closed = r->closed;
    r->resume_posted = false;
    r->paused = false;
    unlock(r);
    if (!closed)
        http_pause(r->x, false);
}

void object_s3_resume(struct s3_request *r)
{
    if (r->closed || !r->paused || r->resume_posted)
        return;
    r->resume_posted = true;
    r->resume_post.fn = on_resume;
    loop_post(r->loop, &r->resume_post);
}

void object_s3_submit(struct s3_request *r, struct object_s3_work *pool, void (*fn)(struct object_s3_job *job))
{
    pthread_mutex_lock(&r->mutex);
    r->at = S3_AT_WORK;
    pthread_mutex_unlock(&r->mutex);
    r->job.run = fn;
    object_s3_work_submit(pool, &r->job);
}

static void run_handler(struct object_s3_job *job)
{
    struct s3_request *r = container_of(job, struct s3_request, job);
    object_s3_finish(r, r->route->handler(r));
}

static void run_piece(struct object_s3_job *job)
{
    struct s3_request *r = container_of(job, struct s3_request, job);
    r->error = object_s3_error_of(
        &r->cx, object_reader_piece(&r->cx, r->reply.reader, r->reply.offset, r->reply.left, &r->reply.piece));
    if (r->error == S3_OK && !r->reply.piece.len)
        r->error = S3_InternalError;
    give_back(r, on_piece);
}

/* ---- what net calls ---------------------------------------------------------------------------------------------- */

static void refuse(struct s3_request *r, enum s3_error e)
{
    r->error = e;
    send_reply(r);
}

static struct object_s3_work *pool_of(const struct s3_request *r)
{
    if (r->forward)
        return r->server->forwards;
    return r->route->access == S3_CHECK_WRITE || r->route->body != S3_BODY_NONE ? r->server->writers
                                                                                : r->server->readers;
}

static enum s3_error begin_xml(struct s3_request *r)
{
    if (r->content_length > S3_XML_MAX)
        return S3_EntityTooLarge;
    if (r->sign.payload >= SIGN_PAYLOAD_CHUNKS)
        return S3_NotImplemented;
    buf_init(&r->small, (size_t)S3_XML_MAX);
    return object_s3_verify_begin(&r->cx, &r->verify, &r->head, &r->sign, true);
}

static void on_headers(struct http_exchange *x)
{
    struct s3_request *r = request_new(x);
    http_set_arg(x, r);
    enum s3_error e = object_s3_head_read(r);
    if (e == S3_OK && r->route->body == S3_BODY_XML)
        e = begin_xml(r);
    else if (e == S3_OK && r->route->body == S3_BODY_OBJECT)
        e = r->forward ? object_s3_forward_begin_body(r) : object_s3_body_begin(r);
    if (e != S3_OK)
        refuse(r, e);
    else if (r->route->body == S3_BODY_NONE || (r->forward && r->route->body == S3_BODY_OBJECT))
        object_s3_submit(r, pool_of(r), r->forward ? object_s3_forward_run : run_handler);
}

static void on_data(struct http_exchange *x, void *arg, str chunk)
{
    struct s3_request *r = arg;
    (void)x;
    if (r->replied || r->route->body == S3_BODY_NONE)
        return;
    if (r->route->body == S3_BODY_OBJECT) {
        object_s3_body_data(r, chunk);
        return;
    }
    object_s3_verify_add(&r->verify, chunk);
    buf_str(&r->small, chunk);
}

static void end_xml(struct s3_request *r)
{
    enum s3_error e = r->small.failed ? S3_EntityTooLarge : object_s3_verify_end(&r->cx, &r->verify, NULL, NULL);
    if (e != S3_OK)
        refuse(r, e);
    else
        object_s3_submit(r, pool_of(r), r->forward ? object_s3_forward_run : run_handler);
}

static void on_end(struct http_exchange *x, void *arg)
{
    struct s3_request *r = arg;
    (void)x;
    if (r->replied)
        return;
    if (r->route->body == S3_BODY_OBJECT)
        object_s3_body_end(r);
    else if (r->route->body == S3_BODY_XML)
        end_xml(r);
}

static void on_writable(struct http_exchange *x, void *arg)
{
    struct s3_request *r = arg;
    (void)x;
    pthread_mutex_lock(&r->mutex);
    bool here = r->at == S3_AT_LOOP;
    pthread_mutex_unlock(&r->mutex);
    if (r->forward)
        object_s3_forward_writable(r);
    if (here && r->reply.reader && r->reply.left > 0)
        object_s3_submit(r, r->server->readers, run_piece);
}

static void on_close(struct http_exchange *x, void *arg, bool complete)
{
    struct s3_request *r = arg;
    (void)x;
    (void)complete;
    r->x = NULL;
    pthread_mutex_lock(&r->mutex);
    r->closed = true;
    object_s3_forward_wake(r);
    unlock(r);
}

/* ---- start and stop ---------------------------------------------------------------------------------------------- */

static enum code start(struct ctx *cx, struct object_s3 *s)
{
    int workers = s->cfg.workers ? s->cfg.workers : WORKERS;
    struct http_server_config http = {.listen = s->cfg.listen,
                                      .loops = s->cfg.loops,
                                      .limits.connections = s->cfg.connections,
                                      .service = &s->service};
    TRY(object_s3_work_start(cx, workers, &s->readers));
    TRY(object_s3_work_start(cx, workers, &s->writers));
    if (s->cfg.upstreams && s->cfg.upstreams->n)
        TRY(object_s3_work_start(cx, FORWARDS, &s->forwards));
    return http_server_start(cx, &http, &s->http);
}

enum code object_s3_start(struct ctx *cx, const struct object_s3_config *cfg, struct object_s3 **out)
{
    struct object_s3 *s = mem_new(struct object_s3);
    s->cfg = *cfg;
    s->store = cfg->store;
    s->sign_cache = object_sign_cache_new();
    s->service = (struct http_service){.self = s,
                                       .on_headers = on_headers,
                                       .on_data = on_data,
                                       .on_end = on_end,
                                       .on_writable = on_writable,
                                       .on_close = on_close};
    enum code code = start(cx, s);
    if (code != CODE_OK) {
        object_s3_stop(s, 0);
        return code;
    }
    *out = s;
    return CODE_OK;
}

uint16_t object_s3_port(const struct object_s3 *s)
{
    return http_server_port(s->http);
}

void object_s3_stop(struct object_s3 *s, int64_t grace_ns)
{
    if (!s)
        return;
    http_server_stop(s->http, grace_ns);
    object_s3_work_stop(s->readers);
    object_s3_work_stop(s->writers);
    object_s3_work_stop(s->forwards);
    object_sign_cache_free(s->sign_cache);
    mem_free(s);
}

/* Bodies of objects that are being put. Small ones are collected and go from the loop to the commit thread; others go
 * through the writers, chunk by chunk, with back-pressure. See s3_int.h. */
#include "object/s3_int.h"

#include "base/codec.h"
#include "base/list.h"
#include "base/mem.h"
#include "object/store_int.h"

/* ---- taking bytes in: whoever has the request -------------------------------------------------------------------- */

typedef enum s3_error sink_fn(struct s3_request *r, str content);

/* Through the chunk decoder when there is one, to the digests, to the sink. */
static enum s3_error feed(struct s3_request *r, str in, sink_fn *sink)
{
    while (in.n) {
        str data = in;
        if (r->chunked)
            S3_TRY(object_chunked_next(&r->cx, r->chunked, &in, &data));
        else
            in = STR_NONE;
        if (!data.n)
            continue; /* the line of a chunk's size, say */
        object_s3_verify_add(&r->verify, data);
        S3_TRY(sink(r, data));
    }
    return S3_OK;
}

static enum s3_error to_body(struct s3_request *r, str content)
{
    S3_TRY_CODE(&r->cx, object_body_append(&r->cx, &r->body, content));
    return S3_OK;
}

/* In place: the content is never longer than what carries it. */
static enum s3_error to_small(struct s3_request *r, str content)
{
    memmove(r->small.p + (r->verify.size - (int64_t)content.n), content.p, content.n);
    return S3_OK;
}

/* The body was what its headers said. */
static enum s3_error check_end(struct s3_request *r, const uint8_t md5[OBJECT_MD5_SIZE])
{
    int64_t decoded;
    if (!r->chunked)
        return object_s3_verify_end(&r->cx, &r->verify, md5, NULL);
    S3_TRY(object_chunked_end(&r->cx, r->chunked));
    if (!str_to_i64(object_s3_head_header(r, "x-amz-decoded-content-length"), &decoded) || decoded != r->verify.size)
        return S3_IncompleteBody;
    return object_s3_verify_end(&r->cx, &r->verify, md5, r->chunked);
}

/* ---- into the index ---------------------------------------------------------------------------------------------- */

static void reply_put(struct s3_request *r, const uint8_t digest[OBJECT_MD5_SIZE])
{
    str hex = codec_hex_encode(&r->mem, str_make((const char *)digest, OBJECT_MD5_SIZE));
    object_s3_reply_header(r, "etag", arena_printf(&r->mem, "\"" STR_FMT "\"", STR_ARG(hex)));
    if (r->verify.checksum_made.n)
        object_s3_reply_header(r, (const char *)r->verify.checksum_name.p, r->verify.checksum_made);
}

/* On the commit thread. */
static void on_put(struct object_op *op, enum code code)
{
    struct s3_request *r = container_of(op, struct s3_request, put.op);
    object_body_settle(&r->body, code);
    r->cx.err = op->err;
    if (code == CODE_OK)
        reply_put(r, r->put.o.digest);
    object_s3_finish(r, object_s3_error_of(&r->cx, code));
}

static void on_part(struct object_op *op, enum code code)
{
    struct s3_request *r = container_of(op, struct s3_request, part.op);
    object_body_settle(&r->body, code);
    r->cx.err = op->err;
    if (code == CODE_OK)
        reply_put(r, r->part.segment.digest);
    object_s3_finish(r, code == CODE_NOT_FOUND ? S3_NoSuchUpload : object_s3_error_of(&r->cx, code));
}

/* The rest of r->put.o was filled in by the handler. */
static void submit_put(struct s3_request *r)
{
    if (r->verify.checksum_made.n) {
        str line = arena_printf(&r->mem, STR_FMT ": " STR_FMT "\n", STR_ARG(r->verify.checksum_name),
                                STR_ARG(r->verify.checksum_made));
        r->put.o.headers = arena_concat(&r->mem, r->put.o.headers, line);
    }
    r->put.op.done = on_put;
    object_commit_submit(r->server->store->commit, &r->put.op);
}

/* ---- small ones: on the loop thread ------------------------------------------------------------------------------ */

static enum s3_error end_small(struct s3_request *r)
{
    uint8_t *digest = arena_alloc(&r->mem, OBJECT_MD5_SIZE);
    str raw = buf_view(&r->small);
    if (r->small.failed)
        return S3_IncompleteBody;
    S3_TRY(feed(r, raw, to_small));
    str content = str_head(raw, (size_t)r->verify.size);
    object_hash_md5(content, digest);
    S3_TRY(check_end(r, digest));
    object_body_put_init_bytes(&r->put, content, digest);
    return r->route->handler(r);
}

static void finish_small(struct s3_request *r)
{
    enum s3_error e = end_small(r);
    pthread_mutex_lock(&r->mutex);
    r->at = S3_AT_WORK;
    pthread_mutex_unlock(&r->mutex);
    if (e == S3_OK)
        submit_put(r);
    else
        object_s3_finish(r, e);
}

/* ---- large ones: on a writer ------------------------------------------------------------------------------------- */

static void free_chunks(struct s3_chunk *c)
{
    for (struct s3_chunk *next; c; c = next) {
        next = c->next;
        mem_free(c);
    }
}

static enum s3_error begin_stream(struct s3_request *r)
{
    if (r->body.store)
        return S3_OK;
    object_body_init(&r->body, r->server->store, r->part_number > 0);
    return r->part_number ? r->route->handler(r) : S3_OK;
}

/* All bytes are in the body: seals it and queues its row. */
static enum s3_error end_stream(struct s3_request *r)
{
    S3_TRY_CODE(&r->cx, object_body_seal(&r->cx, &r->body));
    S3_TRY(check_end(r, r->body.digest));
    if (r->part_number) {
        object_multipart_part_init(&r->part, &r->upload, r->part_number, &r->body);
        r->part.op.done = on_part;
        object_commit_submit(r->server->store->commit, &r->part.op);
        return S3_OK;
    }
    object_body_put_init(&r->put, &r->body);
    S3_TRY(r->route->handler(r));
    submit_put(r);
    return S3_OK;
}

static struct s3_chunk *take_chunks(struct s3_request *r)
{
    pthread_mutex_lock(&r->mutex);
    struct s3_chunk *list = r->first;
    r->first = NULL;
    r->last = &r->first;
    r->pending = 0;
    object_s3_resume(r);
    pthread_mutex_unlock(&r->mutex);
    return list;
}

static enum s3_error write_chunks(struct s3_request *r, const struct s3_chunk *list)
{
    S3_TRY(begin_stream(r));
    for (; list; list = list->next)
        S3_TRY(feed(r, str_make(list->p, list->n), to_body));
    return S3_OK;
}

enum next { NEXT_WAIT, NEXT_AGAIN, NEXT_END, NEXT_GONE };

/* What this writer does after it has used up what there was. WAIT: the request is the loop's again. */
static enum next what_next(struct s3_request *r)
{
    pthread_mutex_lock(&r->mutex);
    enum next next = r->closed ? NEXT_GONE : r->first ? NEXT_AGAIN : r->ended ? NEXT_END : NEXT_WAIT;
    if (next == NEXT_WAIT)
        r->at = S3_AT_LOOP;
    pthread_mutex_unlock(&r->mutex);
    return next;
}

static void run_stream(struct object_s3_job *job)
{
    struct s3_request *r = container_of(job, struct s3_request, job);
    struct s3_chunk *list = take_chunks(r);
    enum s3_error e = write_chunks(r, list);
    free_chunks(list);
    enum next next = e == S3_OK ? what_next(r) : NEXT_GONE;
    if (next == NEXT_AGAIN)
        object_s3_work_submit(r->server->writers, &r->job); /* behind the others that wait */
    else if (next == NEXT_END)
        e = end_stream(r);
    if (next == NEXT_GONE || e != S3_OK)
        object_s3_finish(r, e);
}

/* Loop thread: a writer takes what there is, or who forwards it does. With the mutex held. */
static void wake(struct s3_request *r)
{
    object_s3_forward_wake(r);
    if (r->at != S3_AT_LOOP)
        return;
    r->at = S3_AT_WORK;
    r->job.run = run_stream;
    object_s3_work_submit(r->server->writers, &r->job);
}

static void stream_data(struct s3_request *r, str chunk)
{
    struct s3_chunk *c = mem_resize(NULL, sizeof(*c) + chunk.n);
    c->next = NULL;
    c->n = chunk.n;
    memcpy(c->p, chunk.p, chunk.n);
    pthread_mutex_lock(&r->mutex);
    *r->last = c;
    r->last = &c->next;
    r->pending += chunk.n;
    bool pause = r->pending > S3_PENDING_MAX && !r->paused;
    r->paused |= pause;
    wake(r);
    pthread_mutex_unlock(&r->mutex);
    if (pause)
        http_pause(r->x, true);
}

/* ---- what s3.c calls
 * -------------------------------------------------------------------------------------------------------------------
 */

static enum s3_error check_length(struct s3_request *r)
{
    int64_t length = r->content_length;
    if (r->chunked && !str_to_i64(object_s3_head_header(r, "x-amz-decoded-content-length"), &length))
        return object_s3_error_say(&r->cx, S3_InvalidRequest, "x-amz-decoded-content-length is missing.");
    return length > OBJECT_PUT_MAX ? S3_EntityTooLarge : S3_OK;
}

static void begin_chunks(struct s3_request *r)
{
    if (r->sign.payload < SIGN_PAYLOAD_CHUNKS)
        return;
    r->chunked = mem_new(struct object_chunked);
    object_chunked_init(r->chunked, &r->sign);
}

enum s3_error object_s3_body_begin(struct s3_request *r)
{
    S3_TRY(object_s3_head_number(r, "partNumber", 0, 1, OBJECT_PART_MAX, &r->part_number));
    if (object_s3_head_has(r, "uploadId") != (r->part_number > 0))
        return object_s3_error_say(&r->cx, S3_InvalidArgument, "partNumber and uploadId belong together.");
    begin_chunks(r);
    S3_TRY(check_length(r));
    r->streams = r->part_number || r->content_length < 0 || r->content_length > S3_SMALL_MAX;
    if (!r->streams)
        buf_init(&r->small, (size_t)S3_SMALL_MAX);
    return object_s3_verify_begin(&r->cx, &r->verify, &r->head, &r->sign, false);
}

enum s3_error object_s3_body_begin_forward(struct s3_request *r, int64_t *length)
{
    begin_chunks(r);
    S3_TRY(check_length(r));
    *length = r->content_length;
    if (r->chunked)
        (void)str_to_i64(object_s3_head_header(r, "x-amz-decoded-content-length"), length);
    if (*length < 0)
        return S3_MissingContentLength;
    r->streams = true;
    buf_init(&r->small, S3_PENDING_MAX * 2);
    return object_s3_verify_begin(&r->cx, &r->verify, &r->head, &r->sign, true);
}

static enum s3_error to_piece(struct s3_request *r, str content)
{
    buf_str(&r->small, content);
    return r->small.failed ? S3_InternalError : S3_OK;
}

/* The next chunk that has arrived; NULL at the end, or when the peer has gone. */
static struct s3_chunk *wait_chunk(struct s3_request *r)
{
    pthread_mutex_lock(&r->mutex);
    while (!r->first && !r->ended && !r->closed)
        object_s3_forward_wait(r);
    struct s3_chunk *c = r->first;
    if (c) {
        r->first = c->next;
        r->pending -= c->n;
        if (!r->first)
            r->last = &r->first;
    }
    if (r->pending < S3_PENDING_MAX / 2)
        object_s3_resume(r);
    pthread_mutex_unlock(&r->mutex);
    return c;
}

enum s3_error object_s3_body_pull(struct s3_request *r, str *content)
{
    r->small.n = 0;
    while (!r->small.n) {
        struct s3_chunk *c = wait_chunk(r);
        if (!c)
            break;
        enum s3_error e = feed(r, str_make(c->p, c->n), to_piece);
        mem_free(c);
        S3_TRY(e);
    }
    *content = buf_view(&r->small);
    return r->small.n ? S3_OK : check_end(r, NULL);
}

void object_s3_body_data(struct s3_request *r, str chunk)
{
    if (r->streams)
        stream_data(r, chunk);
    else
        buf_str(&r->small, chunk);
}

void object_s3_body_end(struct s3_request *r)
{
    if (!r->streams) {
        finish_small(r);
        return;
    }
    pthread_mutex_lock(&r->mutex);
    r->ended = true;
    wake(r);
    pthread_mutex_unlock(&r->mutex);
}

void object_s3_body_free(struct s3_request *r)
{
    free_chunks(r->first);
    if (r->chunked)
        object_chunked_done(r->chunked);
    mem_free(r->chunked);
    object_s3_verify_done(&r->verify);
    object_body_done(&r->body);
    buf_done(&r->small);
}

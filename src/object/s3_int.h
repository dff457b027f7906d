/* One request to the S3 endpoint, and the table of what can be asked.
 *
 * A request belongs to its loop thread or to one worker (or the commit thread), never to both: `at` says to whom. What
 * the loop must say while a worker has it goes through the mutex: bytes that arrived, that the peer has gone. Whoever
 * has it last frees it. Its arena and ctx belong to whoever has it. */
#ifndef OBJECT_S3_INT_H
#define OBJECT_S3_INT_H

#include "base/vec.h"
#include "net/http.h"
#include "object/chunked_int.h"
#include "object/multipart_int.h"
#include "object/s3.h"
#include "object/s3_error_int.h"
#include "object/s3_verify_int.h"
#include "object/s3_work_int.h"
#include "object/sign_int.h"

#include <pthread.h>

/* Objects up to this size are put from the loop thread through the commit thread, without a worker. */
#define S3_SMALL_MAX ((int64_t)16 * 1024)
/* XML in a request: 1,000 keys, escaped. */
#define S3_XML_MAX ((int64_t)4 << 20)
/* Bytes of a body that wait for a worker: above, the peer is stopped until the worker has taken them. */
#define S3_PENDING_MAX ((size_t)1 << 20)

struct object_s3 {
    struct object_s3_config cfg;
    struct object_store *store;
    struct http_service service;
    struct http_server *http;
    struct object_sign_cache *sign_cache;
    struct object_s3_work *readers, *writers, *forwards; /* forwards: NULL without upstreams */
};

enum s3_level { S3_LEVEL_SERVICE, S3_LEVEL_BUCKET, S3_LEVEL_OBJECT };
enum s3_check {
    S3_CHECK_READ = OBJECT_READ,
    S3_CHECK_LIST = OBJECT_LIST,
    S3_CHECK_WRITE = OBJECT_WRITE,
    S3_CHECK_NONE
};
enum s3_body { S3_BODY_NONE, S3_BODY_XML, S3_BODY_OBJECT };

struct s3_request;
/* On a worker: does it and fills r->reply, or says what is wrong (with a text in r->cx.err, or none). */
typedef enum s3_error s3_handler(struct s3_request *r);

/* A row of s3_route.def. */
struct s3_route {
    const char *method;
    enum s3_level level;
    const char *param; /* must be in the query; "" = always fits */
    enum s3_check access;
    enum s3_body body;
    s3_handler *handler; /* of OBJECT bodies: before the first byte is taken */
};
#define S3_ROUTE(method, level, param, access, body, handler) enum s3_error handler(struct s3_request *r);
#include "object/s3_route.def"
#undef S3_ROUTE

struct s3_reply {
    int status; /* 0 = 200 */
    VEC(struct http_header) headers;
    str content_type; /* of body; empty = application/xml */
    str body;
    /* Instead of body: a range of an object. */
    struct object_reader *reader;
    int64_t offset, left;
    struct object_piece piece; /* the next one to send; fd owned while fd >= 0 */
    int64_t content_length;    /* of a HEAD; -1 = of the body */
};

/* Bytes of a body on their way to a worker. */
struct s3_chunk {
    struct s3_chunk *next;
    size_t n;
    char p[];
};

enum s3_at { S3_AT_LOOP, S3_AT_WORK, S3_AT_POST };

struct s3_request {
    struct object_s3 *server;
    struct loop *loop;
    struct arena mem;
    struct ctx cx;
    char id[17]; /* x-amz-request-id */

    /* The head, copied. */
    struct object_sign_request head;
    int64_t content_length; /* -1 = not said */
    str bucket, key;
    struct object_sign sign;
    struct object_scope scope;
    const struct s3_route *route;
    struct s3_forward *forward; /* of a bucket of others, else NULL */

    /* Its body. small: S3_BODY_XML, and objects up to S3_SMALL_MAX. */
    buf small;
    struct s3_verify verify;
    struct object_chunked *chunked; /* NULL = the body is the content */
    bool streams;                   /* an object that goes through the writers */
    struct object_body body;        /* of such */
    struct object_put_op put;
    struct object_part_op part;
    struct object_upload upload; /* when it is a part */
    int64_t part_number;         /* 0 = no part */

    enum s3_error error;
    struct s3_reply reply;

    struct object_s3_job job;
    struct loop_post post, resume_post;

    /* Under the mutex. */
    pthread_mutex_t mutex;
    enum s3_at at;
    bool closed; /* the exchange has gone */
    struct s3_chunk *first, **last;
    size_t pending; /* bytes in the chunks */
    bool ended;     /* the body is complete */
    bool paused, resume_posted;
    bool asked; /* forward: the loop has been asked and has not come to it yet */

    /* Loop thread only. */
    struct http_exchange *x;
    bool replied; /* what still arrives is of no interest */
};

/* ---- s3_head.c: who asks for what -------------------------------------------------------------------------------- */

/* Copies the head, checks signature and access, finds the route. On the loop thread. */
enum s3_error object_s3_head_read(struct s3_request *r);
/* Content-Encoding without "aws-chunked", which says how it was sent. */
str object_s3_head_encoding(struct s3_request *r);
/* Value of a header or parameter; empty when absent. */
str object_s3_head_header(const struct s3_request *r, const char *name);
str object_s3_head_param(const struct s3_request *r, const char *name);
bool object_s3_head_has(const struct s3_request *r, const char *name);
/* A number of a parameter; InvalidArgument when it is none, or out of range. fallback when absent. */
enum s3_error object_s3_head_number(struct s3_request *r, const char *name, int64_t fallback, int64_t min, int64_t max,
                                    int64_t *out);
/* May this request's key also do that? */
bool object_s3_head_allowed(const struct s3_request *r, enum object_access access, str bucket, str key);
/* What of the headers is stored with an object: content-type apart, "name: value\n" lines. */
enum s3_error object_s3_head_stored(struct s3_request *r, str *content_type, str *headers);
/* Conditions of a put. */
enum s3_error object_s3_head_when(struct s3_request *r, struct object_index_when *out);

/* ---- s3.c: the life of a request --------------------------------------------------------------------------------- */

/* Adds a header to the reply; strings live as long as the request. */
void object_s3_reply_header(struct s3_request *r, const char *name, str value);
/* From the commit thread or a worker that has the request: gives it back to its loop, which sends the reply. */
void object_s3_finish(struct s3_request *r, enum s3_error error);
/* From a worker, with the mutex held: the peer may send more. */
void object_s3_resume(struct s3_request *r);
/* Gives it to a worker. fn runs there; the request may come back by object_s3_finish(). */
void object_s3_submit(struct s3_request *r, struct object_s3_work *pool, void (*fn)(struct object_s3_job *job));

/* On the loop: what a worker asked for may be done; false when the peer has gone, and the request perhaps too. */
bool object_s3_asked(struct s3_request *r);
/* On the loop. length -1 = not known; end: there is no body. */
void object_s3_send_head(struct s3_request *r, int64_t length, bool end);
/* From a worker that had the answer sent: it is complete, or breaks off. */
void object_s3_end(struct s3_request *r, bool complete);

/* ---- s3_forward.c: buckets of others ----------------------------------------------------------------------------- */

/* On the loop thread: whether somebody serves the bucket and the key may ask; makes r->forward. */
enum s3_error object_s3_forward_check(struct s3_request *r);
enum s3_error object_s3_forward_begin_body(struct s3_request *r);
/* The whole request, on one of r->server->forwards. */
void object_s3_forward_run(struct object_s3_job *job);
/* With the mutex held, when it is forwarded: something of what the worker waits for has changed. And waiting for that. */
void object_s3_forward_wake(struct s3_request *r);
void object_s3_forward_wait(struct s3_request *r);
/* On the loop: the peer has taken what was sent. */
void object_s3_forward_writable(struct s3_request *r);
void object_s3_forward_free(struct s3_request *r);

/* ---- s3_body.c: bodies of objects -------------------------------------------------------------------------------- */

/* On the loop thread: decides how the body is taken. */
enum s3_error object_s3_body_begin(struct s3_request *r);
/* The same for one that is sent on; its length, without what it is wrapped in. */
enum s3_error object_s3_body_begin_forward(struct s3_request *r, int64_t *length);
/* On the worker: waits for the next piece of the content, valid until the next call. Empty at the end, when the body was
 * what its headers said. */
enum s3_error object_s3_body_pull(struct s3_request *r, str *content);
void object_s3_body_data(struct s3_request *r, str chunk);
void object_s3_body_end(struct s3_request *r);
/* Frees what a body holds, whatever state it is in. */
void object_s3_body_free(struct s3_request *r);

#endif

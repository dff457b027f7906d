/* One RPC or page from its request's head to the end of its response.
 *
 * A call belongs to the loop thread of its connection. What a lane needs to work on it is a run: the entry, an arena,
 * the results. While a run is on a lane the worker owns the run, and of the call it reads what does not change and
 * writes only the headers that the handler sets. Unary RPCs and pages have one run for their whole life; a stream has
 * one for each step, so that a parked stream is only its call and its struct stream. A call ends when its exchange has
 * closed and no lane has its run. */
#ifndef RPC_CALL_INT_H
#define RPC_CALL_INT_H

#include "rpc/access_int.h"
#include "rpc/call.h"
#include "rpc/message.h"
#include "rpc/text.h"

#define CALL_REQUEST_ID_MAX 40
/* Headers and trailers that a handler may set. */
#define CALL_META_MAX 64
/* Of a response, ours and the handler's. */
#define CALL_HEADERS_MAX (CALL_META_MAX + 16)

struct media;
struct rest;
struct rest_binding;
struct shared;
struct stream;

/* A header or trailer that the handler set. */
struct meta {
    struct meta *next;
    str name, value;
    bool trailer;
};

struct run {
    struct lane_entry entry;
    struct loop_post post;
    struct call *call;
    struct rpc_loop *loop;
    struct run *kept_next;
    void (*back)(struct run *run);
    enum code code; /* the outcome */
    bool moves;     /* it failed because it is to run again on another lane: rpc_move() */
    enum lane_kind moves_to;
    struct err err; /* what the client is told */
    /* What follows lives in mem or on the wire side of it. */
    struct arena mem;
    struct http_header *headers; /* copies of the request's, while the first run lasts */
    size_t header_count;
    str peer, query;
    buf body;    /* the request as received (unary, page) */
    str message; /* its message */
    bool gzip;   /* which is compressed */
    void *req;   /* decoded */
    buf out;     /* frames to send */
    bool out_gzip;
    struct rpc_page_request page_req;
    struct rpc_page_response page_rsp;
    struct stream *followers;    /* streams that take over what this step makes */
    const struct shared *shared; /* for them */
};

/* An error that waits until so many more bytes of the request have come. */
struct held {
    struct err err;
    size_t bytes;
};

/* What a kind of call does at the events of its exchange. */
struct call_ops {
    void (*data)(struct call *c, str chunk);
    void (*end)(struct call *c);
    /* Answers with an error; the call has not answered yet. */
    void (*fail)(struct call *c, const struct err *e);
    void (*writable)(struct call *c); /* NULL = nothing waits for it */
    /* The exchange has closed. */
    void (*closed)(struct call *c);
};

struct call {
    const struct call_ops *ops;
    struct http_exchange *x; /* NULL once it has closed */
    struct rpc *rpc;
    struct rpc_loop *loop;
    const struct media *media;   /* protocol and codec; NULL = a page */
    const struct method *method; /* NULL = a page */
    const struct rpc_page *page;
    const struct rest_binding *binding; /* NULL = not by REST */
    const struct rest *rest;            /* in the first run, while that lasts */
    struct access access;
    struct run *run;   /* NULL = a parked stream */
    struct stream *st; /* NULL unless streaming */
    struct meta *meta;
    struct loop_timer timer;
    int64_t started_ns, deadline_ns; /* INT64_MAX = none */
    int64_t counted_bytes;           /* of rpc->inflight_bytes */
    size_t length;                   /* of the body as its head says, when it is a message as it comes; 0 = unknown */
    struct message_form in, out;
    struct text_base64 base64;
    struct held *held;
    uint8_t meta_count;
    bool http1;
    bool get; /* Connect GET */
    bool head_sent;
    bool answered; /* nothing more will be written */
    bool on_lane;
    _Atomic bool gone; /* the client no longer waits */
    char request_id[CALL_REQUEST_ID_MAX];
};

/* A call with its first run, which has copies of the request's headers. */
struct call *call_new(struct rpc *r, struct http_exchange *x, const struct head *h, const struct access *a,
                      const struct call_ops *ops);
/* The exchange has closed and no lane has the run. */
void call_free(struct call *c);
struct run *call_run_new(struct call *c);
void call_run_free(struct run *run);
/* A ctx for work on the call in the loop thread. */
void call_ctx(struct call *c, struct run *run, struct ctx *cx);

/* Hands the run to a lane at the end of this round: fn on the worker, then back on the loop's thread. While the server
 * drains it answers instead. */
void call_submit(struct run *run, enum lane_kind kind, enum code (*fn)(struct lane_entry *e, struct ctx *cx),
                 void (*back)(struct run *run));
/* Answers through ops->fail, unless there is an answer already. */
void call_fail(struct call *c, enum code code, const char *fmt, ...) __attribute__((format(printf, 3, 4)));
void call_fail_err(struct call *c, const struct err *e);
/* The same once `bytes` more of the request have come, or its end: a client of HTTP/1.1 that is still sending may miss
 * an answer that comes before. At once on HTTP/2, and when that would be much. */
void call_fail_after(struct call *c, const struct err *e, size_t bytes);
/* True: the chunk was one of those bytes. */
bool call_swallow(struct call *c, str chunk);
/* True: the end was waited for; there is an answer now. */
bool call_swallow_end(struct call *c);
/* Adds a piece of the request to run->body, and to what all requests hold. whole: how much the client says will come; 0 =
 * unknown. Errors: RESOURCE_EXHAUSTED. */
must_check_ enum code call_receive(struct ctx *cx, struct call *c, str bytes, size_t whole, size_t max);
/* Counts bytes of a request as held. False: the server holds too much. */
bool call_hold(struct call *c, size_t bytes);
void call_let_go(struct call *c, size_t bytes);

/* ---- response heads ---- */

struct head_out {
    struct http_header h[CALL_HEADERS_MAX];
    size_t n;
};
void head_out_add(struct head_out *o, str name, str value);
/* What the handler set; trailers get `prefix` before their names, which then live in mem. */
void head_out_meta(struct head_out *o, const struct call *c, bool trailers, struct arena *mem, str prefix);
/* Headers that a page of another site needs to read the answer. */
void head_out_cors(struct head_out *o, const struct call *c);

/* ---- the kinds of calls ---- */

/* dispatch.c: an RPC, whose protocol the head says. */
void dispatch_open(struct rpc *r, struct http_exchange *x, const struct head *h, const struct method *m,
                   const struct access *a);
/* The same where protocol and codec are known; binding: of REST, else NULL. */
void dispatch_open_as(struct rpc *r, struct http_exchange *x, const struct head *h, const struct method *m,
                      const struct media *media, const struct rest_binding *binding, const struct access *a);
/* Without a call: the answer to a request that is none. */
void dispatch_refuse(struct http_exchange *x, const struct head *h, int status, enum code code, const char *message);
/* The same as REST says it. allow: the header of that name; NULL = none. */
void dispatch_refuse_rest(struct http_exchange *x, int status, const struct err *e, const char *allow);
/* unary.c, stream.c: go on after the protocol has read the head. */
extern const struct call_ops unary_ops, stream_ops;
void unary_open(struct call *c, const struct head *h);
/* Makes it a stream; before anything can fail it. */
void stream_init(struct call *c);
void stream_open(struct call *c);
/* Ends what is parked with UNAVAILABLE. */
void stream_drain(struct rpc_loop *l);
/* Wakes every parked stream, a slice in each round: a net below topics, once a minute while there are streams (D-07). */
void stream_sweep(struct rpc_loop *l);
/* page.c */
must_check_ enum code page_table_check(struct ctx *cx, const struct rpc_config *cfg);
/* NULL = no page has this path. */
const struct rpc_page *page_find(const struct rpc *r, str path);
void page_open(struct rpc *r, struct http_exchange *x, const struct head *h, const struct rpc_page *page,
               const struct access *a);

#endif

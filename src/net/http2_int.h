/* HTTP/2 on a connection, through libnghttp2: http2.c receives, http2_out.c sends. Loop thread only.
 *
 * A stream is an exchange. Its body waits in its own queue until nghttp2 asks for a frame; then it moves to the
 * connection's queue. What arrives for a paused stream is held, within the stream's window. */
#ifndef NET_HTTP2_INT_H
#define NET_HTTP2_INT_H

#include "net/http_int.h"

#include <nghttp2/nghttp2.h>

struct http2_head;

/* What all connections of a worker share. */
struct http2_shared {
    nghttp2_session_callbacks *callbacks;
    nghttp2_option *option;
    struct http2_head *spare; /* memory to collect a head in; NULL while a connection keeps it */
};

struct http2 {
    nghttp2_session *session;
    struct conn *c;
    struct list streams;
    struct list todo;        /* streams that look at the end of the round whether they can go on */
    struct http2_head *head; /* being collected; NULL: none */
    size_t queued;           /* bytes of bodies that wait to be sent, all streams */
    size_t held;             /* bytes of bodies that wait for paused services */
    size_t owed;             /* of the connection's window, not given back yet */
    uint32_t receiving;      /* streams whose request is not complete */
    int32_t credit;          /* see http2_charge() */
    int64_t credit_ns;
    bool settled;    /* the client's SETTINGS have come */
    bool more;       /* output stopped at its share */
    bool terminated; /* GOAWAY with an error is on its way */
};

struct http2_stream {
    struct http_exchange x;
    struct http2 *h;
    struct list node, todo;
    int32_t id;
    uint32_t trailer_count;
    struct out out;       /* of the response's body */
    struct out in;        /* of the request's body, while paused */
    nghttp2_nv *trailers; /* in x.mem */
    int64_t moved_ns;     /* when a byte of it last moved */
    bool received : 1;    /* END_STREAM has come */
    bool deferred : 1;    /* nghttp2 waits for nghttp2_session_resume_data() */
    bool ending : 1;      /* the body is complete */
    bool sent : 1;        /* END_STREAM was sent */
};

/* Makes c an HTTP/2 connection whose first bytes are `in` (they begin with the client's preface). */
void http2_start(struct conn *c, str in);
/* Accepts NULL. */
void http2_shared_free(struct http2_shared *s);

/* What costs the peer nothing and us something (resets, pings, settings, empty frames) uses up credit, which comes back
 * with time and with every frame of a response. Without credit the connection ends with ENHANCE_YOUR_CALM. */
void http2_charge(struct http2 *h, int32_t cost);
/* Looks at the stream at the end of the round. */
void http2_todo(struct http2_stream *s);

/* ---- http2_out.c ---- */
void http2_out_respond(struct http_exchange *x, int status, const struct http_header *headers, size_t n,
                       int64_t content_length, bool end);
void http2_out_write(struct http_exchange *x, str bytes, bool end);
void http2_out_file(struct http_exchange *x, int fd, int64_t offset, int64_t len, bool end);
void http2_out_trailers(struct http_exchange *x, const struct http_header *trailers, size_t n);
bool http2_out_writable(const struct http_exchange *x);
/* A response without body and exchange, for requests that are refused. */
void http2_out_refusal(struct http2 *h, int32_t id, int status);
void http2_out_continue(struct http2_stream *s);
/* The callback of nghttp2 that moves the bytes of a DATA frame. */
int http2_out_send_data(nghttp2_session *session, nghttp2_frame *frame, const uint8_t *head, size_t n,
                        nghttp2_data_source *source, void *arg);
/* Moves frames to c->out until it has its share or there are none. */
void http2_out_fill(struct conn *c);

#endif

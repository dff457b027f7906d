/* One request and its response, as the protocols see it. */
#ifndef NET_HTTP_INT_H
#define NET_HTTP_INT_H

#include "net/conn_int.h"

struct http_trailers {
    const struct http_header *p;
    size_t n;
};

struct http_exchange {
    struct http_request *req; /* one block with its header table and strings; NULL: dropped */
    struct conn *c;
    void *arg;
    const struct http_trailers *trailers; /* in mem; NULL: none */
    struct arena mem;
    int64_t send_left;  /* of the promised content_length; -1 = not promised */
    bool is_head : 1;   /* the method is HEAD */
    bool responded : 1; /* the head is queued */
    bool ended : 1;     /* the response is complete, perhaps not sent */
    bool received : 1;  /* the request is complete and on_end has been called */
    bool gone : 1;      /* broken off; only on_close follows */
    bool paused : 1;
    bool mute : 1;       /* a response without a body: HEAD, 204, 304 */
    bool want_write : 1; /* on_writable is owed */
    bool gaps : 1;       /* http_allow_gaps() */
};

/* Sets up x, whose memory is zeroed, with a copy of the request's strings. Header names are copied in lower case. */
struct http_head_source {
    str method, scheme, host, path, query;
    const struct http_header *headers;
    size_t count;
};
void http_exchange_init(struct http_exchange *x, struct conn *c, const struct http_head_source *from);
/* Copies the trailers into the exchange. */
void http_exchange_set_trailers(struct http_exchange *x, const struct http_header *p, size_t n);
/* Callbacks to the service; each does nothing when it must not be called any more. */
void http_exchange_on_headers(struct http_exchange *x);
void http_exchange_on_data(struct http_exchange *x, str chunk);
void http_exchange_on_end(struct http_exchange *x);
void http_exchange_on_writable(struct http_exchange *x); /* when owed and there is room */
/* on_close, then frees what x holds, not x. */
void http_exchange_close(struct http_exchange *x, bool complete);
/* Copies s to `to` with what could end a header line replaced by spaces; returns to + s.n. */
char *http_header_copy(char *to, str s);
/* A name that a service may send: a token, and none of the fields that are the server's own business. */
bool http_header_is_allowed(str name);

#endif

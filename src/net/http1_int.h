/* HTTP/1.1 on a connection: requests one after the other, bodies by length or chunks, responses in order.
 *
 * The head is found and its lines are checked here (CRLF only, no folding), parsed by llhttp, and checked again for
 * what makes smuggling possible; the body's framing is ours (chunk_int.h). What arrives while a request is in progress
 * waits in the socket, and what was already read with it in `in`. */
#ifndef NET_HTTP1_INT_H
#define NET_HTTP1_INT_H

#include "net/chunk_int.h"

struct conn;
struct http_exchange;
struct http1_in;

enum http1_state {
    HTTP1_HEAD,    /* between requests, or inside a head */
    HTTP1_BODY,    /* inside a body of known length */
    HTTP1_CHUNKED, /* inside a chunked body */
    HTTP1_TRAILER,
    HTTP1_DONE, /* the request is complete, its response is not */
};

enum http1_framing { HTTP1_FRAMING_LENGTH, HTTP1_FRAMING_CHUNKED, HTTP1_FRAMING_CLOSE };

struct http1 {
    struct http_exchange *x; /* NULL: none, or its response has ended before its request */
    struct http1_in *in;     /* NULL: nothing waits */
    int64_t left;            /* of the body, when its length is known */
    struct chunk chunk;
    uint32_t discarded; /* bytes of a body whose response has ended */
    enum http1_state state : 8;
    enum http1_framing framing : 8; /* of the response */
    bool keep : 1;                  /* the connection may be used again */
    bool minor0 : 1;                /* HTTP/1.0 */
    bool served : 1;                /* has had a request */
    bool expects : 1;               /* the client waits for 100 Continue */
    bool skipped_crlf : 1;
};

/* Makes c an HTTP/1.1 connection, which becomes HTTP/2 when the client's preface says so. */
void http1_start(struct conn *c);

#endif

/* HTTP server: HTTP/1.1 (llhttp) and HTTP/2 (nghttp2; prior knowledge and ALPN), plain or TLS, behind one interface.
 *
 * An exchange is one request and its response. All callbacks and all calls on an exchange happen on the loop thread
 * that owns its connection; other threads use loop_post(http_loop(x), ...) and must be sure that on_close has not run.
 * Limits (header bytes, header count, idle time, body time, connections, streams) are the server's and refuse with the
 * right status before the service sees anything. */
#ifndef NET_HTTP_H
#define NET_HTTP_H

#include "base/ctx.h"
#include "net/http_server.h"
#include "net/loop.h"

struct http_exchange;

struct http_header {
    str name; /* lower case in requests */
    str value;
};

struct http_request {
    str method; /* "POST" */
    str scheme; /* "http" or "https" */
    str host;   /* Host or :authority, as sent */
    str path;   /* without the query, not decoded */
    str query;  /* without "?" */
    const struct http_header *headers;
    size_t header_count;
    int64_t content_length; /* -1 = not said */
    int version;            /* 1 or 2 */
    bool has_body;
};

struct http_peer {
    str address; /* "127.0.0.1" */
    uint16_t port;
    uint32_t uid; /* of a loopback peer (D-30); UINT32_MAX = unknown */
    bool loopback;
};

/* What serves requests. arg of each callback is what the service stored with http_set_arg(). No callback runs inside a
 * call of http_*(): what a call sets off (on_writable, on_close) comes at the end of the loop's round. */
struct http_service {
    void *self; /* for on_headers to find its object: http_service_self(x) */
    /* The request's head is complete. Either answer at once or wait for more. When this returns without an answer, a
     * request with "Expect: 100-continue" gets its 100 (S3 clients wait a second for it). */
    void (*on_headers)(struct http_exchange *x);
    /* The chunk is borrowed for this call. Not called any more once the response is complete. */
    void (*on_data)(struct http_exchange *x, void *arg, str chunk);
    /* The request is complete; trailers are in http_trailer(). Not called once the response is complete. */
    void (*on_end)(struct http_exchange *x, void *arg);
    /* The send buffer has fallen under its mark again. May be NULL. */
    void (*on_writable)(struct http_exchange *x, void *arg);
    /* Last call, exactly one for each on_headers: the response was handed to the kernel (complete), or the peer has
     * gone, http_reset() was called, or the server stops. Frees what arg holds. */
    void (*on_close)(struct http_exchange *x, void *arg, bool complete);
};

/* Until on_close or http_drop_head(); strings end in NUL. */
const struct http_request *http_request(const struct http_exchange *x);
/* Looked up at the first call of a connection. */
const struct http_peer *http_peer(const struct http_exchange *x);
void *http_service_self(const struct http_exchange *x);
void http_set_arg(struct http_exchange *x, void *arg);
void *http_arg(const struct http_exchange *x);
struct loop *http_loop(const struct http_exchange *x);
/* Empty when absent; the first of several. name in lower case. */
str http_header(const struct http_exchange *x, str name);
str http_trailer(const struct http_exchange *x, str name);
/* Freed after on_close. For what belongs to the exchange. */
struct arena *http_mem(struct http_exchange *x);
/* Frees the request: http_request() is then an empty one. For streams that park for long. */
void http_drop_head(struct http_exchange *x);
/* The body may pause for long without being a stall: for client and bidirectional streams. Without it a request that is
 * silent for limits.body_stall_ns in the middle of its body, before a response has begun, is broken off. */
void http_allow_gaps(struct http_exchange *x);

/* All that follow may be called at any time until on_close; what no longer makes sense (a second head, bytes after the
 * end, anything after the peer has gone) is ignored. */

/* Sends the response head. content_length < 0: unknown (chunked or h2 data). end: no body follows. Strings are copied.
 * content-length, transfer-encoding, connection and date are written by the server: leave them out. Header values
 * cannot smuggle: control bytes become spaces. */
void http_respond(struct http_exchange *x, int status, const struct http_header *headers, size_t n,
                  int64_t content_length, bool end);
/* Copies bytes into the send buffer. end: the body is complete. Less than the promised content_length breaks off. */
void http_write(struct http_exchange *x, str bytes, bool end);
/* Takes over fd: sends len bytes from offset (sendfile where the transport allows), then closes fd and ends the body.
 */
void http_write_file(struct http_exchange *x, int fd, int64_t offset, int64_t len);
/* The same, but more of the body follows: on_writable tells when these bytes are sent. For objects of several files. */
void http_write_file_part(struct http_exchange *x, int fd, int64_t offset, int64_t len);
/* Ends the body with trailers: HTTP/2 always; HTTP/1.1 as chunked trailers. */
void http_end_trailers(struct http_exchange *x, const struct http_header *trailers, size_t n);
/* False when more than the mark (256 KiB) waits to be sent, or a part of a file, or when the peer's window is closed:
 * then on_writable follows. */
bool http_writable(const struct http_exchange *x);
/* Stops and resumes on_data and on_end; the peer sees back-pressure. */
void http_pause(struct http_exchange *x, bool pause);
/* Breaks off: RST_STREAM or closing the connection. on_close follows. */
void http_reset(struct http_exchange *x);
/* Response head, body and end in one: for small answers. */
void http_reply(struct http_exchange *x, int status, str content_type, str body);

#endif

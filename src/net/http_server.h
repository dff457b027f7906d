/* The server: listening sockets, loop threads, limits. Started and stopped from any thread that is no loop. */
#ifndef NET_HTTP_SERVER_H
#define NET_HTTP_SERVER_H

#include "base/ctx.h"

struct http_server;
struct http_service;

struct http_limits {
    size_t header_bytes;             /* 64 KiB; request line and header fields together */
    size_t header_count;             /* 100; 256 at most */
    size_t connections;              /* 20,000 */
    uint32_t streams_per_connection; /* 256 */
    int64_t header_timeout_ns;       /* 30 s: from the first byte (or the connection) to the end of the head */
    int64_t idle_timeout_ns;         /* 5 min: kept alive without a request */
    int64_t body_stall_ns;           /* 60 s: no byte of a request's body arrives, or none of what waits can be sent */
};
void http_limits_default(struct http_limits *l);

struct http_server_config {
    str listen;                                          /* "host:port"; localhost = 127.0.0.1 and ::1; port 0 = free */
    str tls_cert_file, tls_key_file, tls_client_ca_file; /* empty = plain */
    int loops;                                           /* threads; 0 = one */
    struct http_limits limits;                           /* zeroed fields get their defaults */
    const struct http_service *service;                  /* borrowed until http_server_stop() returns */
};
/* Answers when this returns. Errors: INVALID_ARGUMENT for an address or TLS file that cannot be used;
 * FAILED_PRECONDITION when the port is taken. */
must_check_ enum code http_server_start(struct ctx *cx, const struct http_server_config *cfg, struct http_server **out);
/* The two halves of it, for who must know the port first: after bind() connections are taken by the kernel and wait
 * until run() answers them. When run() fails the server must still be stopped. */
must_check_ enum code http_server_bind(struct ctx *cx, const struct http_server_config *cfg, struct http_server **out);
must_check_ enum code http_server_run(struct ctx *cx, struct http_server *s);
/* The port really bound. */
uint16_t http_server_port(const struct http_server *s);
/* Stops accepting, lets exchanges end for at most grace_ns (new ones on open connections are refused), closes, joins.
 * Every exchange has had its on_close when this returns. Accepts NULL. */
void http_server_stop(struct http_server *s, int64_t grace_ns);

#endif

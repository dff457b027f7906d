/* Connections: a socket (plain or TLS), what waits to be sent on it, its time-outs, and the protocol that it speaks.
 *
 * A connection belongs to one worker (a loop thread) and is owned by it. It owns no buffer while nothing waits. Nothing
 * is sent and nothing freed inside a callback: conn_dirty() and conn_break() mark, and the worker's task at the end of
 * the loop's round sends what has collected, tells the protocol, and frees what is broken. */
#ifndef NET_CONN_INT_H
#define NET_CONN_INT_H

#include "net/http.h"
#include "net/http1_int.h"
#include "net/loop.h"
#include "net/out_int.h"

struct conn;
struct http2;
struct http2_shared;
struct tls;
struct tls_context;

/* More than this waiting for one exchange: http_writable() is false. */
#define CONN_MARK_BYTES ((size_t)256 * 1024)

/* What the connection waits for; each has its time-out. */
enum conn_wait {
    CONN_WAIT_NONE,    /* for the service, as long as that takes */
    CONN_WAIT_HEAD,    /* for the rest of a head or handshake */
    CONN_WAIT_IDLE,    /* for the next request */
    CONN_WAIT_STALL,   /* for bytes of a body, or for the peer to take bytes */
    CONN_WAIT_STREAMS, /* the same, each stream in its own time */
    CONN_WAIT_LINGER,  /* for the peer to close after us */
    CONN_WAITS_,
};

/* A loop thread and its connections. */
struct worker {
    struct http_server *server;
    const struct http_service *service;
    const struct http_limits *limits;
    struct tls_context *tls; /* NULL: plain */
    struct loop *loop;
    struct list waits[CONN_WAITS_]; /* of struct conn; each in order of its time */
    struct loop_timer sweep;
    struct list dirty; /* connections with something to send or to end */
    struct loop_task flush;
    size_t conns;
    bool draining;
    char date[32];
    int64_t date_until_ns;
    int peer_source;                           /* see peer_find() */
    struct http2_shared *h2;                   /* NULL: no HTTP/2 connection yet */
    void (*sink)(struct worker *w, str bytes); /* tests: takes what would be sent, connections have no socket */
    void (*on_closed)(struct worker *w);       /* a connection has ended; may be NULL */
    void (*on_empty)(struct worker *w);        /* draining and no connection is left */
};

/* What a protocol does with a connection. */
struct conn_proto {
    /* Bytes from the peer, borrowed for the call. */
    void (*input)(struct conn *c, str bytes);
    /* The peer sends no more. */
    void (*eof)(struct conn *c);
    /* Moves what can be sent to c->out. May be NULL. */
    void (*output)(struct conn *c);
    /* After sending: ends exchanges, tells who waits for room. */
    void (*sent)(struct conn *c);
    /* It has waited too long. */
    void (*expired)(struct conn *c, enum conn_wait kind);
    /* What it waits for now. */
    enum conn_wait (*waits)(const struct conn *c);
    bool (*wants_input)(const struct conn *c);
    /* The server stops: end when what is open has ended. */
    void (*drain)(struct conn *c);
    /* The connection is gone: closes its exchanges and frees the protocol's memory. */
    void (*gone)(struct conn *c);

    /* Calls on exchanges; see http.h. */
    void (*respond)(struct http_exchange *x, int status, const struct http_header *headers, size_t n,
                    int64_t content_length, bool end);
    void (*write)(struct http_exchange *x, str bytes, bool end);
    void (*write_file)(struct http_exchange *x, int fd, int64_t offset, int64_t len, bool end);
    void (*trailers)(struct http_exchange *x, const struct http_header *trailers, size_t n);
    bool (*writable)(const struct http_exchange *x);
    void (*pause)(struct http_exchange *x);
    void (*reset)(struct http_exchange *x);
};

struct conn {
    struct loop_fd fd;
    struct worker *w;
    const struct conn_proto *proto;
    struct list wait_node, dirty_node;
    int64_t wait_until_ns;
    struct out out;
    struct tls *tls;        /* NULL: plain */
    struct http_peer *peer; /* with its text in one block; NULL: not asked for yet */
    uint32_t events;        /* what epoll watches */
    enum conn_wait wait : 8;
    bool broken : 1;   /* freed at the end of the round */
    bool blocked : 1;  /* the socket takes no more */
    bool again : 1;    /* the protocol has more to send in this round */
    bool progress : 1; /* bytes moved since the time-out was set */
    bool eof : 1;
    bool lingers : 1; /* our side is shut; what comes is thrown away until the peer closes */
    uint32_t thrown;  /* bytes, since then */
    union {
        struct http1 h1;
        struct http2 *h2;
    };
};

/* Prepares the lists and tasks of a worker whose fields above `waits` are set. */
void conn_worker_init(struct worker *w);
/* Makes fd (non-blocking) a connection of w; closes fd when that fails. Returns NULL then. */
struct conn *conn_new(struct worker *w, int fd);
void conn_worker_done(struct worker *w);
/* There is something to send or to end. */
void conn_dirty(struct conn *c);
/* Ends the connection at the end of the round, without sending more. */
void conn_break(struct conn *c);
/* Shuts our side, once everything is sent, so that the peer sees what was said last, and waits a while for its close.
 */
void conn_linger(struct conn *c);
/* No more exchanges: each connection ends when it can; those that still are there after the grace are broken. */
void conn_drain_all(struct worker *w);
void conn_break_all(struct worker *w);
/* Bytes that arrived: for tests without sockets, else private to conn.c. */
void conn_input(struct conn *c, str bytes);
/* "Sun, 06 Nov 1994 08:49:37 GMT" */
str conn_date(struct worker *w);
const struct http_peer *conn_peer(struct conn *c);

#endif

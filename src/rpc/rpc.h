/* The API port: Connect, gRPC, gRPC-Web and REST over one dispatcher, and the pages beside them.
 *
 * rpc_http_service() is what the HTTP server serves. A request whose path is that of a method is an RPC, its protocol
 * is told by the content type; other paths are REST's (rpc/rest_int.h), or else looked up in the table of pages. Before either, the caller is
 * checked: account of a loopback peer, Host, Origin (D-30); a bearer token is refused, since nothing verifies it, unless a
 * trusted proxy has passed it on (D-36). */
#ifndef RPC_RPC_H
#define RPC_RPC_H

#include "lane/lane.h"
#include "lane/topic.h"
#include "net/cidr.h"
#include "net/http.h"
#include "pb/pb.h"
#include "rpc/page.h"

struct rpc;

/* Reverse proxies that have asked their callers who they are, and the headers that say it (D-36). */
struct rpc_proxy {
    const uint32_t *uids; /* of loopback peers; they may call */
    size_t uid_count;
    const struct cidr *nets; /* of other peers */
    size_t net_count;
    str user_header; /* in lower case; without it the others count nothing */
    str email_header, name_header;
};

struct rpc_config {
    struct lanes *lanes;
    struct topics *topics;
    struct app *app;
    const struct rpc_page *pages;
    size_t page_count;
    /* NULL = those of the IDL. Test programs serve others. */
    const struct pb_method *methods;
    size_t method_count;

    size_t message_max;  /* bytes of one message, inflated, at most 1 GiB; 0 = 32 MiB */
    size_t response_max; /* bytes of one message that is sent; 0 = 64 MiB */
    size_t inflight_max; /* bytes of requests being received or waiting, all together; 0 = 896 MiB, which leaves
                          * room in decoded_max for what is made of them */
    size_t decoded_max;  /* bytes of messages being worked on, all together; 0 = 1 GiB */
    /* Messages from here on are compressed for clients that accept it; 0 = 64 KiB, and never over loopback. */
    size_t gzip_min;

    str host; /* the server's own besides localhost, 127.0.0.1 and [::1], with its own port; may be empty */
    /* Names that Host may carry too: with a port that one, without any; "*" = all. */
    const str *hosts;
    size_t host_count;
    const str *origins; /* "https://example.org": other origins whose pages may call */
    size_t origin_count;
    const uint32_t *users; /* uids besides ours and root that may call over loopback */
    size_t user_count;
    bool any_user;
    const uint32_t *executors; /* uids that may call, and have the role "executor" (D-32) */
    size_t executor_count;
    struct rpc_proxy proxy;
    /* Writes down an RPC that has changed something, before it is answered; NULL = nobody does. On the worker that ran
     * the handler, inside its transaction on the write lane; of a stream once, without the answer. An error fails the
     * RPC. */
    enum code (*audit)(struct ctx *cx, const struct pb_method *m, const void *req, const void *rsp);
    /* For test programs only. */
    bool tell_internal;  /* INTERNAL messages go to the client */
    bool handlers_sleep; /* every RPC runs on the work lane */
};

/* Copies cfg, borrows what it points to. Errors: INVALID_ARGUMENT for a table of pages that is not well-formed. */
must_check_ enum code rpc_new(struct ctx *cx, const struct rpc_config *cfg, struct rpc **out);
/* After the HTTP server has stopped, and not while a lane works for an RPC. Accepts NULL. */
void rpc_free(struct rpc *r);
const struct http_service *rpc_http_service(const struct rpc *r);
/* The port that Host and Origin must name; until it is told any port is right. Any thread. */
void rpc_set_port(struct rpc *r, uint16_t port);
/* From now on new RPCs are answered UNAVAILABLE, and streams end with it. Waits until no lane works for an RPC, for at
 * most grace_ns; false when one still does. Not from a loop or lane thread. The order of an end is: rpc_drain(),
 * http_server_stop(), rpc_free(), lanes_stop(). */
bool rpc_drain(struct rpc *r, int64_t grace_ns);

/* What `tern rpcs` lists. */
const char *rpc_method_lane(const struct pb_method *m);

#endif

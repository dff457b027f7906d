/* Calls of gRPC servers: one message there, one or more back. Over http_client.h, with HTTP/2. A call blocks: worker
 * threads only. */
#ifndef NET_GRPC_CLIENT_H
#define NET_GRPC_CLIENT_H

#include "base/ctx.h"

struct grpc_call {
    str server;         /* "http://host:port" or "https://host:port" */
    str path;           /* "/package.Service/Method" */
    str request;        /* the encoded message */
    size_t message_max; /* bytes of the answer: of each message, and of all of them */
    int64_t timeout_ns; /* of the whole call; 0 = no limit */
    void *arg;
    bool (*message)(void *arg, str bytes); /* each encoded message of the answer; false = no more of them */
    bool (*alive)(void *arg);              /* about once a second: false = break off. May be NULL */
};

/* CODE_OK also when message() broke off. Errors: the status of the server with its message (cx->err.foreign); UNAVAILABLE
 * when it was not reached or is no gRPC server; those of http_client_perform(). cx->err.unsent: the server has got nothing
 * of the request, not even a part. */
must_check_ enum code grpc_client_call(struct ctx *cx, const struct grpc_call *call);

#endif

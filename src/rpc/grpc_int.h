/* What gRPC and gRPC-Web share. */
#ifndef RPC_GRPC_INT_H
#define RPC_GRPC_INT_H

#include "rpc/protocol.h"

/* Bytes of error details that go into a trailer; more are left out (clients bound their headers too). */
#define GRPC_STATUS_MAX ((size_t)32 << 10)

enum code grpc_open(struct ctx *cx, struct call *c, const struct head *h);
/* Sends the head of a response that has a body. */
void grpc_send_head(struct call *c, bool meta);
/* grpc-status and what belongs to it, then what the handler set. */
void grpc_trailers(struct head_out *o, const struct call *c, const struct err *e, bool meta, struct arena *mem);

#endif

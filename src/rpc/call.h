/* What a handler can learn about its call and add to the reply, through cx->call. On a ctx without a call the questions
 * answer "nothing" and the rest does nothing. In a stream, headers of the request can be read in the first step only.
 */
#ifndef RPC_CALL_H
#define RPC_CALL_H

#include "base/ctx.h"
#include "lane/lane.h"

/* The first header of that name (lower case), empty when there is none. Lives as long as cx->mem. */
str rpc_header(const struct ctx *cx, str name);
/* Walks all headers: start with *at = 0; false at the end. */
bool rpc_header_next(const struct ctx *cx, size_t *at, str *name, str *value);
/* Adds a header or a trailer to the response. Headers of a stream must be set before its head is sent: see
 * stream_send_head(). Both strings are copied; names in lower case, values without control bytes (else dropped). */
void rpc_set_header(struct ctx *cx, str name, str value);
void rpc_set_trailer(struct ctx *cx, str name, str value);
/* "127.0.0.1" */
str rpc_peer_address(const struct ctx *cx);
/* The reply is protobuf's binary form, so that pb_add_encoded() may be used for it; false on a ctx without a call. */
bool rpc_reply_is_binary(const struct ctx *cx);
/* The query of a Connect GET, as sent. */
str rpc_query(const struct ctx *cx);
/* The time the client gave the call, as it said it; -1 = no limit. */
int64_t rpc_timeout_ns(const struct ctx *cx);

/* For a unary handler that finds out that it must do what its lane may not (a handler on the write lane that needs an
 * object): `return rpc_move(cx, LANE_WORK);` undoes what it wrote and runs it again there, from the top. */
enum code rpc_move(struct ctx *cx, enum lane_kind lane);

#endif

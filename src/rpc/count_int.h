/* Counting of answers (count.c). Any thread. */
#ifndef RPC_COUNT_INT_H
#define RPC_COUNT_INT_H

#include "base/metric.h"
#include "rpc/rpc_int.h"

struct call;

/* Of one RPC. */
struct rpc_count *rpc_count_new(struct arena *mem);
/* Once for each call; pages do not count. */
void rpc_count_answer(const struct call *c, enum code code);
/* Of a unary RPC. */
void rpc_count_time(const struct call *c, int64_t ns);
/* Of all RPCs that were called. */
void rpc_count_print(struct ctx *cx, const struct rpc *r, buf *out);

#endif

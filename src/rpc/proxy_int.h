/* Who a reverse proxy that is trusted says the caller is (D-36). Loop threads. */
#ifndef RPC_PROXY_INT_H
#define RPC_PROXY_INT_H

#include "rpc/rpc_int.h"

/* Whether the peer is in cfg.proxy: a loopback peer by its account, any other by its address. */
bool proxy_is_trusted(const struct rpc *r, const struct http_peer *peer);
/* Of a request from such a peer: *who becomes the person that its headers name, and stays when they name nobody.
 * Errors: UNAUTHENTICATED for a value that can be no name or comes twice, RESOURCE_EXHAUSTED. */
must_check_ enum code proxy_find(struct ctx *cx, struct rpc *r, const struct http_request *req,
                                 const struct principal **who);

#endif

/* Who may call, and from where (D-30, D-36): the account of a loopback peer or whom a trusted proxy names, the Host that
 * was asked for (DNS rebinding), the Origin of the page that asks (cross-site requests). Loop threads. */
#ifndef RPC_ACCESS_INT_H
#define RPC_ACCESS_INT_H

#include "rpc/head_int.h"
#include "rpc/rpc_int.h"

struct access {
    const struct principal *who;
    str origin;   /* of another site that is allowed to call: CORS headers are due; borrows from the config */
    bool trusted; /* the peer is a proxy that has checked the caller's credentials */
};

/* Looks up the accounts that may always call. Once, at the start: it reads the account database. */
void access_init(struct rpc *r);
/* Errors: PERMISSION_DENIED; of a trusted proxy's headers also UNAUTHENTICATED, RESOURCE_EXHAUSTED. */
must_check_ enum code access_check(struct ctx *cx, struct rpc *r, const struct http_peer *peer, const struct head *h,
                                   struct access *out);
/* Refuses a bearer token that nobody has verified: a call must not look authenticated when it is not. For calls, which
 * answer in the form of their protocol. Errors: UNAUTHENTICATED. */
must_check_ enum code access_check_token(struct ctx *cx, const struct head *h, const struct access *a);
/* Answers a browser's question whether it may call (OPTIONS), for an origin that access_check() let pass. */
void access_preflight(struct http_exchange *x, const struct access *a);

#endif

/* Writes down who has changed what: for the dispatcher, and for pages that change something. */
#ifndef SERVICE_AUDIT_H
#define SERVICE_AUDIT_H

#include "base/ctx.h"
#include "pb/pb.h"

/* An RPC that has changed something; inside its write entry it is written with the change, elsewhere right after it, in an
 * entry of its own, whose failure is logged and nobody's error. rsp may be NULL, req too (streams). Is what rpc_config.audit wants. */
must_check_ enum code audit_rpc(struct ctx *cx, const struct pb_method *m, const void *req, const void *rsp);
/* The same for what is no RPC. */
must_check_ enum code audit_other(struct ctx *cx, str what, str about);

#endif

/* Pages: what the API port answers that is no RPC. service/ fills a table of them, given in struct rpc_config. */
#ifndef RPC_PAGE_H
#define RPC_PAGE_H

#include "base/ctx.h"
#include "lane/lane.h"

struct rpc_page_request {
    str method; /* "GET", "HEAD", "POST" ... */
    str path;   /* not decoded */
    str query;  /* without "?" */
    str body;   /* at most RPC_PAGE_BODY_MAX bytes */
};

#define RPC_PAGE_BODY_MAX ((size_t)1 << 20)

/* Zeroed before the call; strings live in cx->mem or longer. rpc_set_header() (rpc/call.h) adds headers. Unless the
 * handler sets them itself, pages get a Content-Security-Policy that allows nothing from elsewhere, and nosniff. */
struct rpc_page_response {
    int status;       /* 0 = 200 */
    str content_type; /* empty = text/plain; charset=utf-8 */
    str body;
};

/* Runs on the lane its row names. An error becomes the status that Connect gives its code, with the message as text.
 * Headers of the request: rpc_header(). */
typedef enum code rpc_page_fn(struct ctx *cx, const struct rpc_page_request *req, struct rpc_page_response *rsp);

/* One row of the table of pages; the longest matching path wins. */
struct rpc_page {
    const char *path; /* "/healthz"; with a slash at the end ("/v2/") everything below it too */
    enum lane_kind lane;
    rpc_page_fn *fn;
};

/* Rows that every server has. */
rpc_page_fn rpc_page_healthz; /* 200 as long as a lane answers */
rpc_page_fn rpc_page_metrics; /* Prometheus text */

#endif

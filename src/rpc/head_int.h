/* The head of a request, with the headers that rpc reads sorted out in one pass. Borrows from the exchange. */
#ifndef RPC_HEAD_INT_H
#define RPC_HEAD_INT_H

#include "net/http.h"

enum head_id {
#define HEADER(id, name) HEAD_##id,
#include "rpc/headers.def"
#undef HEADER
    HEAD_COUNT_
};

struct head {
    const struct http_request *req;
    str value[HEAD_COUNT_]; /* trimmed; the first of several; empty = absent */
};

void head_read(struct head *h, const struct http_request *req);
/* The media type without its parameters. */
str head_media_type(const struct head *h);

#endif

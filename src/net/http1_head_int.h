/* Heads of HTTP/1.1 requests: finding their end, parsing, and refusing what is ambiguous. Pure: no connection. */
#ifndef NET_HTTP1_HEAD_INT_H
#define NET_HTTP1_HEAD_INT_H

#include "net/http.h"

#define HTTP1_HEADERS_MAX 256
#define HTTP1_TARGET_MAX ((size_t)32 * 1024)

/* What a head says; strings lie inside it. */
struct http1_head {
    str method, target; /* "/path?query", also when it was written as an absolute URI; or "*" */
    str host;
    struct http_header headers[HTTP1_HEADERS_MAX]; /* names as written */
    size_t count;
    int64_t content_length; /* -1 = not said */
    bool minor0;            /* HTTP/1.0 */
    bool chunked;
    bool keep;    /* the client would use the connection again */
    bool expects; /* 100-continue */
};

/* Looks for the empty line. Returns 0 and *size = length of the head with it, or *size = 0 when more must come (then
 * *scanned says where to go on), or the status to refuse with. trailer: an empty section is one empty line. */
int http1_head_find(str in, bool trailer, size_t max, size_t *scanned, size_t *size);
/* head ends with its empty line. Returns 0, or the status to refuse with. */
int http1_head_parse(str head, size_t count_max, struct http1_head *out);
/* The lines of a trailer section into headers (at most max). Returns how many, or -1 when one is malformed. */
int http1_head_trailers(str section, struct http_header *headers, int max);

#endif

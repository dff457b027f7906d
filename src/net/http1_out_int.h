/* Writing responses of HTTP/1.1. */
#ifndef NET_HTTP1_OUT_INT_H
#define NET_HTTP1_OUT_INT_H

#include "net/http_int.h"

/* Status line and header fields; decides how the body is framed. */
void http1_out_head(struct conn *c, int status, const struct http_header *headers, size_t n, int64_t content_length,
                    bool mute);
void http1_out_body(struct conn *c, str bytes, bool end);
void http1_out_file(struct conn *c, int fd, int64_t offset, int64_t len, bool end);
void http1_out_trailers(struct conn *c, const struct http_header *trailers, size_t n);
/* A whole answer of our own, after which the connection ends. */
void http1_out_refusal(struct conn *c, int status);
str http1_out_reason(int status);

#endif

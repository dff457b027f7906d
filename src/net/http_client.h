/* Outgoing HTTP and HTTPS requests, over libcurl, which is loaded at the first one: a machine that makes none does not need
 * it. A call blocks: worker threads only. Connections are kept per thread and kind of guard, and used again. */
#ifndef NET_HTTP_CLIENT_H
#define NET_HTTP_CLIENT_H

#include "net/cidr.h"
#include "net/http.h"

/* What a reader answers to break off. */
#define HTTP_CLIENT_STOP SIZE_MAX

struct http_client_request {
    str method, url;
    const struct http_header *headers; /* host, length and the like are made here, and a user-agent unless given */
    size_t header_count;
    int64_t body_length; /* of what read() gives; -1 = no body */
    /* Only public addresses (guard.h), looked at when a connection is opened, also after a redirect. Set anywhere for
     * addresses that the administrator has configured. There is never a proxy. */
    bool anywhere;
    const struct cidr *allowed; /* networks that are taken for public ones */
    size_t allowed_count;
    /* HTTP/2: without TLS the server must speak nothing else, with TLS it is agreed on. */
    bool http2;
    int redirects;              /* followed at most; 0 = they are answers. Not with a body. */
    int64_t answer_max;         /* bytes of the answer's body; 0 = any */
    int64_t connect_timeout_ns; /* 0 = 10 s */
    int64_t stall_ns;           /* without a byte in either direction; time in callbacks does not count. 0 = 60 s */
    int64_t total_ns;           /* 0 = no limit */

    /* On the calling thread. */
    void *arg;
    size_t (*read)(void *arg, char *p, size_t n); /* the next bytes of the body; fewer than n is fine, 0 = the end */
    bool (*head)(void *arg, int status, const struct http_header *headers, size_t n); /* names in lower case */
    bool (*body)(void *arg, str bytes);                                               /* false = break off */
    void (*trailers)(void *arg, const struct http_header *headers, size_t n);         /* after the body. May be NULL */
    bool (*alive)(void *arg); /* about once a second: false = break off. May be NULL */
};

/* Whether requests can be made at all. Errors: FAILED_PRECONDITION without libcurl, saying how to install it. */
must_check_ enum code http_client_ready(struct ctx *cx);
/* CODE_OK for every answer that came whole, whatever its status. Errors: FAILED_PRECONDITION without libcurl, saying how to
 * install it; INVALID_ARGUMENT for a URL or header that cannot be sent; PERMISSION_DENIED when the guard refused every
 * address; UNAVAILABLE when there was no answer or it broke off; DEADLINE_EXCEEDED; RESOURCE_EXHAUSTED over answer_max;
 * ABORTED when a callback broke off. Their texts name the host, never headers or the query. */
must_check_ enum code http_client_perform(struct ctx *cx, const struct http_client_request *req);

/* "host:port" of a URL, for texts: the rest may hold what is secret. */
str http_client_server(str url);

#endif

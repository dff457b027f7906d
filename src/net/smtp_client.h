/* Sends mail by SMTP, over libcurl. A call blocks: worker threads only. The server is the administrator's, so any address
 * will do. */
#ifndef NET_SMTP_CLIENT_H
#define NET_SMTP_CLIENT_H

#include "base/ctx.h"

struct smtp_client_mail {
    str url;            /* smtp://host:port or smtps://host:port */
    str user, password; /* empty user: none */
    str ca_file;        /* certificates to trust; empty: the system's */
    bool starttls;      /* smtp: refuse to go on without TLS */
    str from;           /* addresses, without <> */
    const str *to;
    size_t to_count;
    str message; /* headers and body, lines ending in CRLF */
    int64_t total_ns;
    void *arg;
    bool (*alive)(void *arg); /* about once a second: false = break off. May be NULL */
};

/* CODE_OK when the server has taken it. Errors: INVALID_ARGUMENT when it never will (a 5xx reply), FAILED_PRECONDITION without
 * libcurl; UNAUTHENTICATED, UNAVAILABLE, DEADLINE_EXCEEDED, ABORTED: it may, later. Texts never have the password. */
must_check_ enum code smtp_client_send(struct ctx *cx, const struct smtp_client_mail *mail);

#endif

/* libcurl, for the clients of this folder: loaded when the first of them is used. Its numbers are part of its ABI and never
 * change, so its headers are not needed to build. */
#ifndef NET_CURL_INT_H
#define NET_CURL_INT_H

#include "base/ctx.h"
#include "base/time.h"

#include <sys/socket.h>

#define CURL_ERROR_SIZE 256
#define CURL_CONNECT_NS (10 * NS_PER_S)

typedef void curl_t;
struct curl_slist;

enum curl_option {
    OPT_WRITEDATA = 10001,
    OPT_URL = 10002,
    OPT_PROXY = 10004,
    OPT_READDATA = 10009,
    OPT_ERRORBUFFER = 10010,
    OPT_HTTPHEADER = 10023,
    OPT_HEADERDATA = 10029,
    OPT_CUSTOMREQUEST = 10036,
    OPT_XFERINFODATA = 10057,
    OPT_CAINFO = 10065,
    OPT_OPENSOCKETDATA = 10164,
    OPT_USERNAME = 10173,
    OPT_PASSWORD = 10174,
    OPT_MAIL_FROM = 10186,
    OPT_MAIL_RCPT = 10187,
    OPT_NOPROGRESS = 43,
    OPT_NOBODY = 44,
    OPT_UPLOAD = 46,
    OPT_FOLLOWLOCATION = 52,
    OPT_MAXREDIRS = 68,
    OPT_FORBID_REUSE = 75,
    OPT_HTTP_VERSION = 84,
    OPT_BUFFERSIZE = 98,
    OPT_NOSIGNAL = 99,
    OPT_USE_SSL = 119,
    OPT_TIMEOUT_MS = 155,
    OPT_CONNECTTIMEOUT_MS = 156,
    OPT_PROTOCOLS = 181,
    OPT_REDIR_PROTOCOLS = 182,
    OPT_PATH_AS_IS = 234,
    OPT_UPLOAD_BUFFERSIZE = 280,
    OPT_WRITEFUNCTION = 20011,
    OPT_READFUNCTION = 20012,
    OPT_HEADERFUNCTION = 20079,
    OPT_OPENSOCKETFUNCTION = 20163,
    OPT_XFERINFOFUNCTION = 20219,
    OPT_INFILESIZE_LARGE = 30115,
};

enum {
    HTTP_1_1 = 2,
    HTTP_2_TLS = 4,
    HTTP_2_PRIOR_KNOWLEDGE = 5,
    PROTOCOL_HTTP = 1,
    PROTOCOL_HTTPS = 2,
    PROTOCOL_SMTP = 1 << 16,
    PROTOCOL_SMTPS = 1 << 17,
    INFO_RESPONSE_CODE = 0x200002,
    READ_ABORT = 0x10000000,
    GLOBAL_ALL = 3,
    E_OK = 0,
    E_URL = 3,
    E_CONNECT = 7,
    E_TIMEOUT = 28,
    E_USE_SSL = 64,
    E_LOGIN = 67
};

extern struct curl_functions {
    int (*global_init)(long flags);
    curl_t *(*easy_init)(void);
    int (*setopt)(curl_t *c, int option, ...);
    int (*perform)(curl_t *c);
    int (*getinfo)(curl_t *c, int info, ...);
    void (*reset)(curl_t *c);
    void (*cleanup)(curl_t *c);
    const char *(*text)(int error);
    struct curl_slist *(*append)(struct curl_slist *list, const char *line);
    void (*free_all)(struct curl_slist *list);
    char missing[200]; /* why it cannot be used; "" = it can */
} curl;

/* What it gives to who opens a socket. */
struct curl_address {
    int family, type, protocol;
    unsigned n;
    struct sockaddr address; /* and what follows it */
};

/* Errors: FAILED_PRECONDITION when it cannot be loaded, saying how to install it. */
must_check_ enum code curl_ready(struct ctx *cx);

enum curl_kind { CURL_GUARDED, CURL_ANYWHERE, CURL_MAIL, CURL_KINDS_ };
/* This thread's handle of that kind, without options; with it come its open connections. NULL = out of memory. */
curl_t *curl_handle(enum curl_kind kind);

/* Rounded up. */
long curl_ms(int64_t ns);

#endif

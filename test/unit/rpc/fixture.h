/* A whole server in this process, lanes and sockets included, and a blocking HTTP/1.1 client that shows every byte. */
#ifndef UNIT_RPC_FIXTURE_H
#define UNIT_RPC_FIXTURE_H

#include "unit.h"

#include "base/log.h"
#include "base/time.h"
#include "lane/lane.h"
#include "net/http.h"
#include "rpc/rpc.h"

#include <arpa/inet.h>
#include <signal.h>
#include <sys/socket.h>
#include <unistd.h>

/* A test that hangs ends here. */
#define PATIENCE_S 20

struct fixture {
    struct arena mem;
    struct ctx cx;
    struct topics *topics;
    struct lanes *lanes;
    struct rpc *rpc;
    struct http_server *http;
};

/* base: what the test wants different. */
static inline void fixture_start(struct fixture *f, const struct rpc_config *base)
{
    signal(SIGPIPE, SIG_IGN);
    log_setup(LOG_LEVEL_ERROR, LOG_FORMAT_TEXT);
    *f = (struct fixture){0};
    arena_init(&f->mem, 0);
    ctx_init(&f->cx, &f->mem);
    f->topics = topics_new();
    const struct lane_config lanes = {.db_url = STR("sqlite::memory:rpc"), .work_workers = 4};
    assert_ok(&f->cx, lanes_start(&f->cx, &lanes, &f->lanes));
    struct rpc_config cfg = *base;
    cfg.lanes = f->lanes;
    cfg.topics = f->topics;
    assert_ok(&f->cx, rpc_new(&f->cx, &cfg, &f->rpc));
    const struct http_server_config http = {
        .listen = STR("127.0.0.1:0"), .loops = 1, .service = rpc_http_service(f->rpc)};
    assert_ok(&f->cx, http_server_start(&f->cx, &http, &f->http));
    rpc_set_port(f->rpc, http_server_port(f->http));
}

static inline void fixture_stop(struct fixture *f)
{
    assert_true(rpc_drain(f->rpc, PATIENCE_S * NS_PER_S));
    http_server_stop(f->http, NS_PER_S);
    rpc_free(f->rpc);
    lanes_stop(f->lanes);
    topics_free(f->topics);
    arena_done(&f->mem);
}

/* ---- the client -------------------------------------------------------------------------------------------------- */

struct client {
    int fd;
    struct fixture *f;
    buf in; /* received and not taken */
};

static inline void client_open(struct client *c, struct fixture *f)
{
    struct sockaddr_in to = {.sin_family = AF_INET, .sin_port = htons(http_server_port(f->http))};
    const struct timeval patience = {.tv_sec = PATIENCE_S};
    to.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    c->f = f;
    buf_init(&c->in, (size_t)64 << 20);
    c->fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_true(c->fd >= 0);
    setsockopt(c->fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof(patience));
    assert_int_equal(connect(c->fd, (struct sockaddr *)&to, sizeof(to)), 0);
}

static inline void client_close(struct client *c)
{
    close(c->fd);
    buf_done(&c->in);
}

static inline void client_send(struct client *c, str bytes)
{
    while (bytes.n) {
        ssize_t n = send(c->fd, bytes.p, bytes.n, 0);
        assert_true(n > 0);
        bytes = str_skip(bytes, (size_t)n);
    }
}

/* One more read. False at the end of the connection. */
static inline bool client_more(struct client *c)
{
    char *room = buf_room(&c->in, 65536);
    assert_non_null(room);
    ssize_t n = recv(c->fd, room, 65536, 0);
    assert_true(n >= 0);
    buf_wrote(&c->in, (size_t)n);
    return n > 0;
}

/* Reads until the text is there; gives what was received up to its end. */
static inline str client_until(struct client *c, str text)
{
    size_t at;
    while ((at = str_find(buf_view(&c->in), text)) == SIZE_MAX)
        if (!client_more(c))
            fail_msg("the connection ended without \"" STR_FMT "\": " STR_FMT, STR_ARG(text),
                     STR_ARG(buf_view(&c->in)));
    str got = arena_str(&c->f->mem, str_head(buf_view(&c->in), at + text.n));
    buf_consume(&c->in, at + text.n);
    return got;
}

struct answer {
    int status;
    str head, body;
};

static inline str answer_header(const struct answer *a, const char *name)
{
    str rest = a->head, line, key, value;
    while (str_next(&rest, '\n', &line)) {
        str_cut(line, ':', &key, &value);
        if (str_eq_nocase(key, str_from(name)))
            return str_trim(value);
    }
    return STR_NONE;
}

static inline str client_take(struct client *c, size_t n)
{
    while (c->in.n < n)
        assert_true(client_more(c));
    str got = arena_str(&c->f->mem, str_head(buf_view(&c->in), n));
    buf_consume(&c->in, n);
    return got;
}

/* One chunk of a chunked body; empty = the last. */
static inline str client_chunk(struct client *c)
{
    str line = client_until(c, STR("\r\n"));
    size_t n = strtoul(line.p, NULL, 16);
    str data = client_take(c, n);
    client_take(c, 2);
    return data;
}

static inline struct answer client_head(struct client *c)
{
    struct answer a = {.head = client_until(c, STR("\r\n\r\n"))};
    assert_true(str_starts(a.head, STR("HTTP/1.1 ")));
    a.status = atoi(a.head.p + 9);
    return a;
}

static inline struct answer client_answer(struct client *c)
{
    struct answer a = client_head(c);
    uint64_t n = 0;
    if (str_eq(answer_header(&a, "transfer-encoding"), STR("chunked"))) {
        buf all;
        buf_init_arena(&all, &c->f->mem, (size_t)64 << 20);
        for (str piece; (piece = client_chunk(c)).n;)
            buf_str(&all, piece);
        a.body = buf_view(&all);
    } else if (str_to_u64(answer_header(&a, "content-length"), &n)) {
        a.body = client_take(c, (size_t)n);
    }
    return a;
}

/* "POST path", Host, content-length, then `headers` ("name: value\r\n" each) and the body. */
static inline void client_request(struct client *c, const char *method, const char *target, const char *headers,
                                  str body)
{
    client_send(c, arena_printf(&c->f->mem, "%s %s HTTP/1.1\r\nHost: localhost:%u\r\nContent-Length: %zu\r\n%s\r\n",
                                method, target, http_server_port(c->f->http), body.n, headers));
    client_send(c, body);
}

static inline struct answer client_call(struct client *c, const char *method, const char *target, const char *headers,
                                        str body)
{
    client_request(c, method, target, headers, body);
    return client_answer(c);
}

/* The same on a connection of its own. */
static inline struct answer fixture_call(struct fixture *f, const char *method, const char *target, const char *headers,
                                         str body)
{
    struct client c;
    client_open(&c, f);
    struct answer a = client_call(&c, method, target, headers, body);
    client_close(&c);
    return a;
}

/* An envelope of Connect or gRPC. */
static inline str fixture_envelope(struct fixture *f, int flags, str payload)
{
    char head[5] = {(char)flags, (char)(payload.n >> 24), (char)(payload.n >> 16), (char)(payload.n >> 8),
                    (char)payload.n};
    return arena_concat(&f->mem, str_make(head, 5), payload);
}

#endif

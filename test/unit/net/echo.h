/* A service for tests and measurements of net/: what a request's path names is done with it.
 *
 *   /hello          a small answer            /unary    the whole body comes back in one answer
 *   /echo           the body comes back as it arrives, under back-pressure, then the request's "x-sum" trailer
 *   /late           answered from another thread     /park     a head, five bytes, and then silence
 *   /big?n          n bytes, written when there is room      /file?n   n bytes of the test file, in two parts
 *   /early          413 before the body       /reset    broken off        /peer     who asks
 *   /headers        the request as text       /pause    reads the body 20 ms late      /short    less than promised
 */
#ifndef TEST_NET_ECHO_H
#define TEST_NET_ECHO_H

#include "base/buf.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/time.h"
#include "net/http.h"

#include <fcntl.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

struct echo {
    struct http_service service;
    const char *file; /* for /file */
    int64_t big_max;  /* of /big and /file; 0 = none */
    bool no_threads;  /* /late answers at once */
    atomic_long opened, closed, completed, data_after_end;
};

struct echo_call {
    struct loop_post post;
    struct loop_timer timer;
    struct echo *echo;
    struct http_exchange *x;
    const struct echo_path *path;
    buf body;
    int64_t left, sent;
    bool got_end, posted, gone;
};

struct echo_path {
    const char *path;
    void (*on_headers)(struct echo_call *c);
    void (*on_data)(struct echo_call *c, str chunk);
    void (*on_end)(struct echo_call *c);
    void (*on_writable)(struct echo_call *c);
};

static void echo_collect(struct echo_call *c, str chunk)
{
    buf_str(&c->body, chunk);
}

static void echo_hello(struct echo_call *c)
{
    http_reply(c->x, 200, STR("text/plain"), STR("hello\n"));
}

static void echo_unary_end(struct echo_call *c)
{
    http_reply(c->x, c->body.failed ? 413 : 200, STR("application/octet-stream"), buf_view(&c->body));
}

static void echo_echo(struct echo_call *c)
{
    http_allow_gaps(c->x);
    http_respond(c->x, 200, NULL, 0, http_request(c->x)->content_length, false);
}

static void echo_echo_data(struct echo_call *c, str chunk)
{
    http_write(c->x, chunk, false);
    if (!http_writable(c->x))
        http_pause(c->x, true);
}

static void echo_echo_writable(struct echo_call *c)
{
    http_pause(c->x, false);
}

static void echo_echo_end(struct echo_call *c)
{
    struct http_header t = {STR("x-sum"), http_trailer(c->x, STR("x-sum"))};
    if (t.value.n)
        http_end_trailers(c->x, &t, 1);
    else
        http_write(c->x, STR(""), true);
}

static void echo_on_loop(struct loop_post *p)
{
    struct echo_call *c = container_of(p, struct echo_call, post);
    c->posted = false;
    if (c->gone) {
        mem_free(c);
        return;
    }
    http_reply(c->x, 200, STR("text/plain"), STR("late\n"));
}

static void *echo_thread(void *arg)
{
    struct echo_call *c = arg;
    loop_post(http_loop(c->x), &c->post);
    return NULL;
}

static void echo_late_end(struct echo_call *c)
{
    pthread_t t;
    pthread_attr_t a;
    if (c->echo->no_threads) {
        http_reply(c->x, 200, STR("text/plain"), STR("late\n"));
        return;
    }
    pthread_attr_init(&a);
    pthread_attr_setdetachstate(&a, PTHREAD_CREATE_DETACHED);
    c->post.fn = echo_on_loop;
    c->posted = true;
    if (pthread_create(&t, &a, echo_thread, c) != 0)
        abort();
    pthread_attr_destroy(&a);
}

static void echo_park(struct echo_call *c)
{
    http_respond(c->x, 200, NULL, 0, -1, false);
    http_write(c->x, STR("first"), false);
    http_drop_head(c->x);
}

static int64_t echo_size(const struct echo_call *c)
{
    int64_t n;
    if (!str_to_i64(http_request(c->x)->query, &n) || n < 0)
        return 0;
    return c->echo->big_max && n > c->echo->big_max ? c->echo->big_max : n;
}

static void echo_fill(struct echo_call *c)
{
    static const char block[16384] = {'b', 'i', 'g'};
    while (c->left && http_writable(c->x)) {
        size_t n = c->left < (int64_t)sizeof(block) ? (size_t)c->left : sizeof(block);
        c->left -= (int64_t)n;
        http_write(c->x, str_make(block, n), c->left == 0);
    }
}

static void echo_big(struct echo_call *c)
{
    c->left = echo_size(c);
    http_respond(c->x, 200, NULL, 0, c->left, false);
    if (c->left)
        echo_fill(c);
    else
        http_write(c->x, STR(""), true);
}

static void echo_file_rest(struct echo_call *c)
{
    if (c->left < 0)
        return;
    int64_t half = c->left;
    c->left = -1;
    http_write_file(c->x, open(c->echo->file, O_RDONLY | O_CLOEXEC), c->sent, half);
}

static void echo_file(struct echo_call *c)
{
    int64_t n = echo_size(c);
    c->sent = n / 2;
    c->left = n - c->sent;
    http_respond(c->x, 200, NULL, 0, n % 2 ? -1 : n, false);
    http_write_file_part(c->x, open(c->echo->file, O_RDONLY | O_CLOEXEC), 0, c->sent);
}

static void echo_early(struct echo_call *c)
{
    http_reply(c->x, 413, STR("text/plain"), STR("too large\n"));
}

static void echo_reset(struct echo_call *c)
{
    http_reset(c->x);
}

static void echo_peer(struct echo_call *c)
{
    const struct http_peer *p = http_peer(c->x);
    str s = arena_printf(http_mem(c->x), STR_FMT " %u %u %d\n", STR_ARG(p->address), p->port, p->uid, p->loopback);
    http_reply(c->x, 200, STR("text/plain"), s);
}

static void echo_headers_end(struct echo_call *c)
{
    const struct http_request *r = http_request(c->x);
    struct http_header evil[] = {{STR("x-evil"), STR("a\r\nx-injected: 1")}, {STR("content-length"), STR("1")}};
    buf b;
    buf_init_arena(&b, http_mem(c->x), 1 << 20);
    buf_printf(&b, "%s %s host=%s path=%s query=%s length=%lld body=%d version=%d\n", r->method.p, r->scheme.p,
               r->host.p, r->path.p, r->query.p, (long long)r->content_length, r->has_body, r->version);
    for (size_t i = 0; i < r->header_count; i++)
        buf_printf(&b, "%s: %s\n", r->headers[i].name.p, r->headers[i].value.p);
    http_respond(c->x, 200, evil, 2, (int64_t)b.n, false);
    http_write(c->x, buf_view(&b), true);
}

static void echo_on_timer(struct loop_timer *t)
{
    struct echo_call *c = container_of(t, struct echo_call, timer);
    http_pause(c->x, false);
}

static void echo_pause(struct echo_call *c)
{
    c->timer.fn = echo_on_timer;
    http_pause(c->x, true);
    loop_timer_set(http_loop(c->x), &c->timer, loop_now_ns(http_loop(c->x)) + 20 * NS_PER_MS);
}

static void echo_pause_data(struct echo_call *c, str chunk)
{
    echo_collect(c, chunk);
    if (c->body.n < 1000000)
        echo_pause(c);
}

static void echo_short(struct echo_call *c)
{
    http_respond(c->x, 200, NULL, 0, 100, false);
    http_write(c->x, STR("short"), true);
}

static const struct echo_path echo_paths[] = {
    {.path = "/hello", .on_headers = echo_hello},
    {.path = "/unary", .on_data = echo_collect, .on_end = echo_unary_end},
    {.path = "/echo",
     .on_headers = echo_echo,
     .on_data = echo_echo_data,
     .on_end = echo_echo_end,
     .on_writable = echo_echo_writable},
    {.path = "/late", .on_end = echo_late_end},
    {.path = "/park", .on_headers = echo_park},
    {.path = "/big", .on_headers = echo_big, .on_writable = echo_fill},
    {.path = "/file", .on_headers = echo_file, .on_writable = echo_file_rest},
    {.path = "/early", .on_headers = echo_early},
    {.path = "/reset", .on_headers = echo_reset},
    {.path = "/peer", .on_headers = echo_peer},
    {.path = "/headers", .on_end = echo_headers_end},
    {.path = "/pause", .on_headers = echo_pause, .on_data = echo_pause_data, .on_end = echo_unary_end},
    {.path = "/short", .on_headers = echo_short},
};

static void echo_on_headers(struct http_exchange *x)
{
    struct echo *e = http_service_self(x);
    struct echo_call *c = mem_new(struct echo_call);
    c->echo = e;
    c->x = x;
    buf_init(&c->body, (size_t)64 << 20);
    http_set_arg(x, c);
    atomic_fetch_add(&e->opened, 1);
    for (size_t i = 0; i < sizeof(echo_paths) / sizeof(*echo_paths); i++)
        if (str_eq(http_request(x)->path, str_from(echo_paths[i].path)))
            c->path = &echo_paths[i];
    if (!c->path)
        http_reply(x, 404, STR("text/plain"), STR("not found\n"));
    else if (c->path->on_headers)
        c->path->on_headers(c);
}

static void echo_on_data(struct http_exchange *x, void *arg, str chunk)
{
    struct echo_call *c = arg;
    (void)x;
    if (c->got_end)
        atomic_fetch_add(&c->echo->data_after_end, 1);
    if (c->path && c->path->on_data)
        c->path->on_data(c, chunk);
}

static void echo_on_end(struct http_exchange *x, void *arg)
{
    struct echo_call *c = arg;
    (void)x;
    c->got_end = true;
    if (c->path && c->path->on_end)
        c->path->on_end(c);
}

static void echo_on_writable(struct http_exchange *x, void *arg)
{
    struct echo_call *c = arg;
    (void)x;
    if (c->path && c->path->on_writable)
        c->path->on_writable(c);
}

static void echo_on_close(struct http_exchange *x, void *arg, bool complete)
{
    struct echo_call *c = arg;
    atomic_fetch_add(&c->echo->closed, 1);
    if (complete)
        atomic_fetch_add(&c->echo->completed, 1);
    loop_timer_clear(http_loop(x), &c->timer);
    buf_done(&c->body);
    c->gone = true;
    if (!c->posted)
        mem_free(c);
}

static void echo_init(struct echo *e)
{
    e->service = (struct http_service){
        .self = e,
        .on_headers = echo_on_headers,
        .on_data = echo_on_data,
        .on_end = echo_on_end,
        .on_writable = echo_on_writable,
        .on_close = echo_on_close,
    };
}

#endif

/* A connection without a socket: bytes go in through conn_input(), what would be sent is collected. The service is
 * echo.h's. */
#ifndef TEST_NET_WIRE_H
#define TEST_NET_WIRE_H

#include "echo.h"
#include "net/conn_int.h"

struct wire {
    struct worker w; /* first: the sink finds the wire by it */
    struct http_limits limits;
    struct echo echo;
    struct conn *c; /* NULL: the server has closed */
    buf out;
};

static void wire_sink(struct worker *w, str bytes)
{
    buf_str(&((struct wire *)(void *)w)->out, bytes);
}

static void wire_closed(struct worker *w)
{
    ((struct wire *)(void *)w)->c = NULL;
}

/* Until nothing is left to do without new input. */
static void wire_settle(struct wire *x)
{
    for (int i = 0; i < 1000 && !list_empty(&x->w.dirty); i++) {
        loop_task_clear(x->w.loop, &x->w.flush);
        x->w.flush.fn(&x->w.flush);
    }
}

static void wire_open(struct wire *x)
{
    struct arena mem = {0};
    struct ctx cx;
    ctx_init(&cx, &mem);
    *x = (struct wire){.limits = {0}};
    echo_init(&x->echo);
    x->echo.file = "/dev/zero";
    http_limits_default(&x->limits);
    x->w = (struct worker){.service = &x->echo.service, .limits = &x->limits, .sink = wire_sink};
    x->w.on_closed = wire_closed;
    if (loop_new(&cx, &x->w.loop) != CODE_OK)
        abort();
    conn_worker_init(&x->w);
    buf_init(&x->out, (size_t)1 << 30);
    x->c = conn_new(&x->w, -1);
}

/* Feeds all of it, in pieces of at most `piece` bytes, until the server closes. */
static void wire_feed(struct wire *x, str bytes, size_t piece)
{
    while (bytes.n && x->c && !x->c->lingers) {
        str now = str_head(bytes, piece);
        char *copy = mem_copy(now.p, now.n); /* so that a sanitizer sees who reads beyond, or later */
        conn_input(x->c, str_make(copy, now.n));
        mem_free(copy);
        wire_settle(x);
        bytes = str_skip(bytes, now.n);
    }
}

static void wire_close(struct wire *x)
{
    if (x->c)
        conn_break(x->c);
    wire_settle(x);
    conn_worker_done(&x->w);
    loop_free(x->w.loop);
    buf_done(&x->out);
}

#endif

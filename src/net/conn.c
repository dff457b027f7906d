/* Connections of one worker: reading, sending, time-outs. See conn_int.h. Loop thread of the worker only. */
#include "net/conn_int.h"

#include "base/log.h"
#include "base/mem.h"
#include "base/metric.h"
#include "base/time.h"
#include "net/http2_int.h"
#include "net/http_int.h"
#include "net/peer_int.h"
#include "net/tls_int.h"

#include <errno.h>
#include <stdio.h>
#include <sys/epoll.h>
#include <sys/sendfile.h>
#include <sys/socket.h>
#include <unistd.h>

/* What one connection may send in one round before the others have their turn. */
#define ROUND_BYTES ((size_t)1024 * 1024)
/* How often it may go through send and answer in one round (pipelined requests). */
#define ROUND_TURNS 16
#define LINGER_NS (2 * NS_PER_S)
/* An upload that was refused early goes on for as long as the client has not seen the answer; a reset would take it away. */
#define LINGER_MAX ((uint32_t)16 * 1024 * 1024)
#define IOV_MAX_ 16
/* Time-outs are looked at no more often than this. */
#define SWEEP_NS (250 * NS_PER_MS)

/* ---- time-outs: one list per kind, in order of time, because all of a kind wait equally long -------------------- */

static int64_t wait_ns(const struct worker *w, enum conn_wait kind)
{
    switch (kind) {
    case CONN_WAIT_HEAD:
        return w->limits->header_timeout_ns;
    case CONN_WAIT_IDLE:
        return w->draining ? 0 : w->limits->idle_timeout_ns;
    case CONN_WAIT_STALL:
    case CONN_WAIT_STREAMS:
        return w->limits->body_stall_ns;
    case CONN_WAIT_LINGER:
        return LINGER_NS;
    case CONN_WAIT_NONE:
    case CONN_WAITS_:
        break;
    }
    return INT64_MAX;
}

static void set_wait(struct conn *c)
{
    enum conn_wait kind = c->lingers ? CONN_WAIT_LINGER : c->proto->waits(c);
    bool renew = kind == CONN_WAIT_STALL && c->progress;
    c->progress = false;
    if (kind == c->wait && !renew)
        return;
    struct worker *w = c->w;
    c->wait = kind;
    list_del(&c->wait_node);
    list_add(&w->waits[kind], &c->wait_node);
    if (kind == CONN_WAIT_NONE)
        return;
    c->wait_until_ns = loop_now_ns(w->loop) + wait_ns(w, kind);
    if (!w->sweep.slot || w->sweep.at_ns > c->wait_until_ns + SWEEP_NS)
        loop_timer_set(w->loop, &w->sweep, c->wait_until_ns + SWEEP_NS / 2);
}

static void sweep_list(struct worker *w, struct list *l, int64_t *next_ns)
{
    while (!list_empty(l)) {
        struct conn *c = container_of(l->next, struct conn, wait_node);
        if (c->wait_until_ns > loop_now_ns(w->loop)) {
            if (c->wait_until_ns < *next_ns)
                *next_ns = c->wait_until_ns;
            return;
        }
        enum conn_wait kind = c->wait;
        c->wait = CONN_WAIT_NONE;
        list_del(&c->wait_node);
        list_add(&w->waits[CONN_WAIT_NONE], &c->wait_node);
        if (c->lingers)
            conn_break(c);
        else
            c->proto->expired(c, kind);
        conn_dirty(c);
    }
}

static void on_sweep(struct loop_timer *t)
{
    struct worker *w = container_of(t, struct worker, sweep);
    int64_t next_ns = INT64_MAX;
    for (int i = CONN_WAIT_NONE + 1; i < CONN_WAITS_; i++)
        sweep_list(w, &w->waits[i], &next_ns);
    if (next_ns != INT64_MAX)
        loop_timer_set(w->loop, t, next_ns + SWEEP_NS / 2);
}

/* ---- sending ----------------------------------------------------------------------------------------------------- */

static bool copies(const struct conn *c)
{
    return c->tls || c->w->sink;
}

/* TLS, and the tests' stand-in for a socket. */
static ssize_t send_one(struct conn *c, void *p, size_t n)
{
    if (c->tls)
        return tls_write(c->tls, p, n);
    c->w->sink(c->w, str_make(p, n));
    return (ssize_t)n;
}

/* Bytes taken by the socket; 0 = none now; -1 = broken. */
static ssize_t send_iov(struct conn *c, struct iovec *iov, int n, bool more)
{
    if (copies(c))
        return send_one(c, iov[0].iov_base, iov[0].iov_len);
    struct msghdr m = {.msg_iov = iov, .msg_iovlen = (size_t)n};
    ssize_t sent = sendmsg(c->fd.fd, &m, MSG_NOSIGNAL | (more ? MSG_MORE : 0));
    if (sent < 0)
        return errno == EAGAIN || errno == EINTR ? 0 : -1;
    return sent;
}

static ssize_t send_blocks(struct conn *c)
{
    struct iovec iov[IOV_MAX_];
    int n = out_iov(&c->out, iov, IOV_MAX_);
    size_t want = 0;
    for (int i = 0; i < n; i++)
        want += iov[i].iov_len;
    ssize_t sent = send_iov(c, iov, n, c->out.files > 0);
    if (sent > 0)
        out_consume(&c->out, (size_t)sent);
    if (sent == 0 || (sent > 0 && !copies(c) && (size_t)sent < want))
        c->blocked = true;
    return sent;
}

/* TLS cannot send from the file itself. */
static ssize_t send_file_copied(struct conn *c, struct out_item *f)
{
    char *p = loop_read_buffer(c->w->loop);
    size_t want = f->left < (int64_t)LOOP_READ_BYTES ? (size_t)f->left : LOOP_READ_BYTES;
    ssize_t got = pread(f->fd, p, want, f->offset);
    if (got <= 0)
        return -1;
    return send_one(c, p, (size_t)got);
}

static ssize_t send_file(struct conn *c, struct out_item *f)
{
    ssize_t sent;
    if (copies(c)) {
        sent = send_file_copied(c, f);
    } else {
        off_t at = f->offset;
        size_t want = f->left < (int64_t)ROUND_BYTES ? (size_t)f->left : ROUND_BYTES;
        sent = sendfile(c->fd.fd, f->fd, &at, want);
        if (sent == 0)
            return -1; /* the file has become shorter */
        if (sent < 0)
            sent = errno == EAGAIN || errno == EINTR ? 0 : -1;
    }
    if (sent > 0)
        out_consume_file(&c->out, sent);
    else if (sent == 0)
        c->blocked = true;
    return sent;
}

/* False: the connection is broken. */
static bool send_out(struct conn *c)
{
    size_t total = 0;
    while (!out_empty(&c->out) && !c->blocked) {
        struct out_item *f = out_first_file(&c->out);
        ssize_t sent = f ? send_file(c, f) : send_blocks(c);
        if (sent < 0)
            return false;
        c->progress = c->progress || sent > 0;
        total += (size_t)sent;
        if (total >= ROUND_BYTES) {
            c->again = !out_empty(&c->out);
            return true;
        }
    }
    return true;
}

/* ---- reading ----------------------------------------------------------------------------------------------------- */

static bool wants_input(const struct conn *c)
{
    return c->lingers || c->proto->wants_input(c);
}

static void throw_away(struct conn *c, size_t n)
{
    c->thrown += (uint32_t)n;
    if (c->thrown > LINGER_MAX)
        conn_break(c);
}

void conn_input(struct conn *c, str bytes)
{
    if (c->lingers) {
        throw_away(c, bytes.n);
        return;
    }
    c->progress = true;
    c->proto->input(c, bytes);
    conn_dirty(c);
}

static void on_end_of_input(struct conn *c)
{
    c->eof = true;
    if (c->lingers)
        conn_break(c);
    else
        c->proto->eof(c);
    conn_dirty(c);
}

static void read_plain(struct conn *c)
{
    char *p = loop_read_buffer(c->w->loop);
    ssize_t n = recv(c->fd.fd, p, LOOP_READ_BYTES, 0);
    if (n > 0)
        conn_input(c, str_make(p, (size_t)n));
    else if (n == 0)
        on_end_of_input(c);
    else if (errno != EAGAIN && errno != EINTR)
        conn_break(c);
}

/* What OpenSSL has decrypted ahead is invisible to epoll: read until it has nothing. */
static void read_tls(struct conn *c)
{
    char *p = loop_read_buffer(c->w->loop);
    for (int i = 0; i < ROUND_TURNS && !c->broken && !c->eof && wants_input(c); i++) {
        ssize_t n = tls_read(c->tls, p, LOOP_READ_BYTES);
        if (n > 0)
            conn_input(c, str_make(p, (size_t)n));
        else if (n == TLS_EOF)
            on_end_of_input(c);
        else if (n == TLS_BROKEN)
            conn_break(c);
        if (n <= 0)
            break;
    }
    conn_dirty(c);
}

static void on_readable(struct conn *c)
{
    if (!wants_input(c)) {
        c->events &= ~(uint32_t)EPOLLIN;
        loop_fd_mod(c->w->loop, &c->fd, c->events);
        return;
    }
    if (c->tls)
        read_tls(c);
    else
        read_plain(c);
}

static void on_event(struct loop_fd *f, uint32_t events)
{
    struct conn *c = container_of(f, struct conn, fd);
    if (c->broken)
        return;
    if (events & (EPOLLERR | EPOLLHUP)) {
        conn_break(c);
        return;
    }
    if (events & EPOLLOUT) {
        c->blocked = false;
        conn_dirty(c);
    }
    if (events & EPOLLIN)
        on_readable(c);
    else if (events & EPOLLRDHUP)
        on_end_of_input(c);
}

/* ---- the end of a round ------------------------------------------------------------------------------------------ */

static void set_events(struct conn *c)
{
    uint32_t want = c->eof ? 0 : EPOLLRDHUP;
    if (!c->eof && wants_input(c))
        want |= EPOLLIN;
    if (c->blocked || (c->tls && tls_wants_write(c->tls)))
        want |= EPOLLOUT;
    /* Input that is not wanted yet is switched off only when it comes: see on_event(). */
    if (want == (c->events & ~(uint32_t)EPOLLIN) || want == c->events)
        return;
    c->events = want;
    if (c->fd.fd >= 0)
        loop_fd_mod(c->w->loop, &c->fd, want);
}

static void conn_free(struct conn *c)
{
    struct worker *w = c->w;
    c->proto->gone(c);
    list_del(&c->wait_node);
    list_del(&c->dirty_node);
    out_done(&c->out);
    tls_free(c->tls);
    if (c->fd.fd >= 0) {
        loop_fd_del(w->loop, &c->fd);
        close(c->fd.fd);
    }
    mem_free(c->peer);
    mem_free(c);
    w->conns--;
    metric_add(METRIC_connections_open, -1);
    if (w->on_closed)
        w->on_closed(w);
    if (w->draining && !w->conns && w->on_empty)
        w->on_empty(w);
}

/* Everything this connection can do now. */
static void serve(struct conn *c)
{
    int turns = 0;
    if (c->tls && tls_has_pending(c->tls) && wants_input(c))
        read_tls(c);
    do {
        c->again = false;
        if (c->lingers)
            break;
        if (c->proto->output && !c->blocked)
            c->proto->output(c);
        if (c->broken)
            break;
        if (!send_out(c)) {
            c->broken = true;
            break;
        }
        bool more = c->again;
        c->again = false;
        c->proto->sent(c);
        if (more)
            break; /* its share of this round is used up */
    } while (c->again && !c->broken && !c->blocked && ++turns < ROUND_TURNS);
}

static void on_flush(struct loop_task *t)
{
    struct worker *w = container_of(t, struct worker, flush);
    struct list now; /* the round's; what is marked from here on waits for the next one */
    list_take(&now, &w->dirty);
    while (!list_empty(&now)) {
        struct conn *c = container_of(now.next, struct conn, dirty_node);
        list_del(&c->dirty_node);
        if (!c->broken)
            serve(c);
        if (c->broken) {
            conn_free(c);
            continue;
        }
        if (!c->blocked && (c->again || !out_empty(&c->out)))
            conn_dirty(c);
        set_wait(c);
        set_events(c);
    }
}

void conn_dirty(struct conn *c)
{
    if (!list_empty(&c->dirty_node))
        return;
    list_add(&c->w->dirty, &c->dirty_node);
    loop_task_add(c->w->loop, &c->w->flush);
}

void conn_linger(struct conn *c)
{
    c->lingers = true;
    if (c->tls)
        tls_shutdown(c->tls);
    else if (c->fd.fd >= 0)
        shutdown(c->fd.fd, SHUT_WR);
    conn_dirty(c);
}

void conn_break(struct conn *c)
{
    c->broken = true;
    conn_dirty(c);
}

/* ---- life -------------------------------------------------------------------------------------------------------- */

void conn_worker_init(struct worker *w)
{
    for (int i = 0; i < CONN_WAITS_; i++)
        list_init(&w->waits[i]);
    list_init(&w->dirty);
    w->sweep.fn = on_sweep;
    w->flush.fn = on_flush;
    w->peer_source = peer_source();
}

void conn_worker_done(struct worker *w)
{
    http2_shared_free(w->h2);
    w->h2 = NULL;
    if (w->peer_source >= 0)
        close(w->peer_source);
    w->peer_source = -1;
}

struct conn *conn_new(struct worker *w, int fd)
{
    struct conn *c = mem_new(struct conn);
    c->fd = (struct loop_fd){.fd = fd, .fn = on_event};
    c->w = w;
    list_init(&c->wait_node);
    list_init(&c->dirty_node);
    c->events = EPOLLIN | EPOLLRDHUP;
    if (fd >= 0) {
        struct ctx cx;
        ctx_init(&cx, NULL);
        if (loop_fd_add(&cx, w->loop, &c->fd, c->events) != CODE_OK) {
            log_warn(&cx, "connection refused", LOG_ERR(&cx));
            close(fd);
            mem_free(c);
            return NULL;
        }
    }
    if (w->tls)
        c->tls = tls_new(w->tls, fd);
    http1_start(c);
    w->conns++;
    metric_add(METRIC_connections_open, 1);
    list_add(&w->waits[CONN_WAIT_NONE], &c->wait_node);
    set_wait(c);
    return c;
}

static void for_all(struct worker *w, void (*fn)(struct conn *c))
{
    for (int i = 0; i < CONN_WAITS_; i++)
        for (struct list *n = w->waits[i].next, *next; next = n->next, n != &w->waits[i]; n = next)
            fn(container_of(n, struct conn, wait_node));
}

static void drain(struct conn *c)
{
    c->proto->drain(c);
    conn_dirty(c);
}

void conn_drain_all(struct worker *w)
{
    w->draining = true;
    for_all(w, drain);
    if (!w->conns && w->on_empty)
        w->on_empty(w);
}

void conn_break_all(struct worker *w)
{
    for_all(w, conn_break);
}

const struct http_peer *conn_peer(struct conn *c)
{
    struct peer found;
    if (!c->peer) {
        peer_find(c->w->peer_source, c->fd.fd, &found);
        str address = found.known.address;
        c->peer = mem_alloc(sizeof(*c->peer) + address.n + 1);
        *c->peer = found.known;
        c->peer->address.p = memcpy(c->peer + 1, address.p, address.n);
    }
    return c->peer;
}

str conn_date(struct worker *w)
{
    int64_t now = loop_now_ns(w->loop);
    if (now < w->date_until_ns)
        return str_make(w->date, 29);
    static const char days[] = "SunMonTueWedThuFriSat", months[] = "JanFebMarAprMayJunJulAugSepOctNovDec";
    int64_t wall = time_wall_ns();
    struct time_civil t;
    time_to_civil(wall / NS_PER_S, &t);
    snprintf(w->date, sizeof(w->date), "%.3s, %02u %.3s %04u %02u:%02u:%02u GMT", &days[t.weekday * 3],
             (unsigned)t.day % 100u, &months[(t.month - 1) * 3], (unsigned)t.year % 10000u, (unsigned)t.hour % 100u,
             (unsigned)t.minute % 100u, (unsigned)t.second % 100u);
    w->date_until_ns = now + NS_PER_S - wall % NS_PER_S;
    return str_make(w->date, 29);
}

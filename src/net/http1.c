/* HTTP/1.1 connections. See http1_int.h. Loop thread only. */
#include "net/http1_int.h"

#include "base/time.h"
#include "net/http1_head_int.h"
#include "net/http1_out_int.h"
#include "net/http2_int.h"
#include "net/http_int.h"
#include "net/pool_int.h"
#include "net/tls_int.h"

#define PREFACE "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
#define TRAILER_MAX ((size_t)16 * 1024)
#define TRAILERS_MAX 100
/* A body that nobody wants is read to its end when no more than this is left, so that the connection can be kept. */
#define DISCARD_MAX ((uint32_t)256 * 1024)

/* Bytes that wait for the rest of their head, or for the exchange before them. */
struct http1_in {
    size_t at, n, cap;
    size_t scanned; /* by http1_head_find(), from at */
    char p[];
};

static const struct conn_proto http1_proto;

/* ---- bytes that wait --------------------------------------------------------------------------------------------- */

static str held(const struct conn *c)
{
    const struct http1_in *in = c->h1.in;
    return in ? str_make(in->p + in->at, in->n - in->at) : STR_NONE;
}

static void release(struct conn *c)
{
    pool_free(c->h1.in);
    c->h1.in = NULL;
}

static void hold(struct conn *c, str bytes)
{
    struct http1_in *in = c->h1.in;
    if (!bytes.n)
        return;
    if (in && in->at) {
        memmove(in->p, in->p + in->at, in->n - in->at);
        in->n -= in->at;
        in->at = 0;
    }
    size_t need = (in ? in->n : 0) + bytes.n;
    if (!in || need > in->cap) {
        bool fresh = !in;
        size_t cap = in && need < in->cap * 2 ? in->cap * 2 : need;
        in = pool_resize(in, sizeof(*in) + cap);
        if (fresh)
            in->at = in->n = in->scanned = 0;
        in->cap = cap;
        c->h1.in = in;
    }
    memcpy(in->p + in->n, bytes.p, bytes.n);
    in->n += bytes.n;
}

static void consume_held(struct conn *c, size_t n)
{
    struct http1_in *in = c->h1.in;
    in->at += n;
    if (n)
        in->scanned = 0;
    if (in->at == in->n)
        release(c);
}

/* ---- the end of requests and responses --------------------------------------------------------------------------- */

/* Answers what is no request, and reads on only to let the peer see the answer. */
static void refuse(struct conn *c, int status)
{
    struct http1 *h = &c->h1;
    struct http_exchange *x = h->x;
    if (x && x->responded) {
        conn_break(c); /* too late for a status */
        return;
    }
    h->x = NULL;
    h->state = HTTP1_DONE;
    http1_out_refusal(c, status);
    if (x) {
        http_exchange_close(x, false);
        pool_free(x);
    }
}

/* The response is with the kernel. */
static void end_exchange(struct conn *c)
{
    struct http1 *h = &c->h1;
    struct http_exchange *x = h->x;
    h->x = NULL;
    h->discarded = 0;
    if (h->state == HTTP1_DONE && h->keep)
        h->state = HTTP1_HEAD;
    http_exchange_close(x, true);
    pool_free(x);
}

static void end_request(struct conn *c)
{
    struct http1 *h = &c->h1;
    h->state = HTTP1_DONE;
    if (h->x)
        http_exchange_on_end(h->x);
    else if (h->keep)
        h->state = HTTP1_HEAD;
}

/* ---- reading: each takes bytes off the front and says how many; 0 = wait for more or for the service ------------ */

static str cut_target(str target, str *query)
{
    str path;
    str_cut(target, '?', &path, query);
    return path;
}

static void begin_exchange(struct conn *c, const struct http1_head *head)
{
    struct http1 *h = &c->h1;
    struct http_exchange *x = pool_new(struct http_exchange);
    struct http_head_source from = {
        .method = head->method,
        .scheme = c->tls ? STR("https") : STR("http"),
        .host = head->host,
        .headers = head->headers,
        .count = head->count,
    };
    from.path = cut_target(head->target, &from.query);
    http_exchange_init(x, c, &from);
    x->req->version = 1;
    x->req->content_length = head->content_length;
    x->req->has_body = head->chunked || head->content_length > 0;
    h->x = x;
    h->served = true;
    h->skipped_crlf = false;
    h->minor0 = head->minor0;
    h->keep = head->keep && !c->w->draining;
    h->expects = head->expects && x->req->has_body;
    h->left = head->content_length;
    h->state = head->chunked ? HTTP1_CHUNKED : x->req->has_body ? HTTP1_BODY : HTTP1_DONE;
    chunk_init(&h->chunk);
    http_exchange_on_headers(x);
}

/* The service wants the body, which the client has not begun to send. */
static void send_continue(struct conn *c)
{
    struct http1 *h = &c->h1;
    if (h->expects && h->x && !h->x->responded)
        out_add(&c->out, STR("HTTP/1.1 100 Continue\r\n\r\n"));
    h->expects = false;
}

/* Also when it is only the beginning of one. */
static bool may_be_preface(str in)
{
    return memcmp(in.p, PREFACE, in.n < sizeof(PREFACE) - 1 ? in.n : sizeof(PREFACE) - 1) == 0;
}

static size_t feed_head(struct conn *c, str in)
{
    struct http1 *h = &c->h1;
    if (!h->served && may_be_preface(in))
        return 0;
    if (!h->skipped_crlf && in.n >= 2 && in.p[0] == '\r' && in.p[1] == '\n') {
        h->skipped_crlf = true; /* some clients end a body with one line end too many */
        return 2;
    }
    if (in.p[0] != '\r' && (in.p[0] < 'A' || in.p[0] > 'Z')) {
        refuse(c, 400);
        return 0;
    }
    size_t scanned = h->in ? h->in->scanned : 0, size;
    int status = in.p[0] == '\r' && (in.n > 1 || h->skipped_crlf)
                     ? 400
                     : http1_head_find(in, false, c->w->limits->header_bytes, &scanned, &size);
    struct http1_head head;
    if (!status && !size) {
        if (h->in)
            h->in->scanned = scanned;
        return 0;
    }
    if (!status)
        status = http1_head_parse(str_head(in, size), c->w->limits->header_count, &head);
    if (status) {
        refuse(c, status);
        return 0;
    }
    begin_exchange(c, &head);
    if (!h->x || h->x->gone)
        return size;
    if (h->state == HTTP1_DONE && !h->x->paused)
        end_request(c);
    else if (in.n == size)
        send_continue(c);
    return size;
}

static size_t discard(struct conn *c, size_t n)
{
    struct http1 *h = &c->h1;
    if (h->x)
        return n;
    h->discarded += (uint32_t)(n < DISCARD_MAX ? n : DISCARD_MAX);
    if (h->discarded >= DISCARD_MAX)
        h->keep = false;
    return n;
}

static size_t feed_body(struct conn *c, str in)
{
    struct http1 *h = &c->h1;
    str piece = str_head(in, in.n < (uint64_t)h->left ? in.n : (size_t)h->left);
    h->left -= (int64_t)piece.n;
    if (h->x)
        http_exchange_on_data(h->x, piece);
    discard(c, piece.n);
    if (!h->left && !(h->x && h->x->paused))
        end_request(c);
    return piece.n;
}

static size_t feed_chunked(struct conn *c, str in)
{
    struct http1 *h = &c->h1;
    str piece;
    bool end;
    size_t n = chunk_feed(&h->chunk, in, &piece, &end);
    if (n == SIZE_MAX) {
        refuse(c, 400);
        return 0;
    }
    if (h->x && piece.n)
        http_exchange_on_data(h->x, piece);
    discard(c, n);
    if (end)
        h->state = HTTP1_TRAILER;
    return n;
}

static size_t feed_trailer(struct conn *c, str in)
{
    struct http1 *h = &c->h1;
    size_t scanned = h->in ? h->in->scanned : 0, size;
    int status = http1_head_find(in, true, TRAILER_MAX, &scanned, &size);
    if (!status && !size) {
        if (h->in)
            h->in->scanned = scanned;
        return 0;
    }
    struct http_header trailers[TRAILERS_MAX];
    int n = status ? -1 : http1_head_trailers(str_head(in, size), trailers, TRAILERS_MAX);
    if (n < 0) {
        refuse(c, status ? status : 400);
        return 0;
    }
    if (h->x)
        http_exchange_set_trailers(h->x, trailers, (size_t)n);
    end_request(c);
    return size;
}

static size_t feed_one(struct conn *c, str in)
{
    struct http1 *h = &c->h1;
    if (c->broken || (h->x && (h->x->paused || h->x->gone)))
        return 0;
    switch (h->state) {
    case HTTP1_HEAD:
        return h->x ? 0 : feed_head(c, in);
    case HTTP1_BODY:
        return feed_body(c, in);
    case HTTP1_CHUNKED:
        return feed_chunked(c, in);
    case HTTP1_TRAILER:
        return feed_trailer(c, in);
    case HTTP1_DONE:
        break;
    }
    return 0;
}

static size_t feed(struct conn *c, str in)
{
    size_t at = 0, n;
    while (at < in.n && (n = feed_one(c, str_skip(in, at))) > 0) {
        at += n;
        if (c->h1.in)
            c->h1.in->scanned = 0;
    }
    return at;
}

/* ---- the protocol's side of the connection ----------------------------------------------------------------------- */

/* The first bytes decide: the preface of HTTP/2, or a request. True: it is no longer HTTP/1. */
static bool sniff(struct conn *c, str in)
{
    bool like = may_be_preface(in);
    if (!like && c->tls && tls_is_h2(c->tls)) {
        conn_break(c);
        return true;
    }
    if (!like || in.n < sizeof(PREFACE) - 1)
        return false;
    struct http1_in *in_memory = c->h1.in;
    c->h1.in = NULL;
    http2_start(c, in);
    pool_free(in_memory);
    return true;
}

static void http1_input(struct conn *c, str bytes)
{
    struct http1 *h = &c->h1;
    bool waiting = h->in != NULL;
    if (waiting) {
        hold(c, bytes);
        bytes = held(c);
    }
    if (!h->served && sniff(c, bytes))
        return;
    size_t used = feed(c, bytes);
    if (waiting)
        consume_held(c, used);
    else
        hold(c, str_skip(bytes, used));
}

static void http1_eof(struct conn *c)
{
    conn_break(c); /* who sends no more does not wait for an answer either */
}

/* Goes on with what waits since a pause or an exchange ended. */
static void resume(struct conn *c)
{
    struct http1 *h = &c->h1;
    struct http_exchange *x = h->x;
    if (x && x->paused)
        return;
    if (h->state == HTTP1_BODY && !h->left)
        end_request(c);
    else if (h->state == HTTP1_DONE && x && !x->received)
        end_request(c);
    if (h->in)
        consume_held(c, feed(c, held(c)));
    if (!out_empty(&c->out) || (h->x && h->x->ended))
        c->again = true;
}

static void http1_sent(struct conn *c)
{
    struct http1 *h = &c->h1;
    if (h->x)
        http_exchange_on_writable(h->x);
    if (h->x && h->x->ended && !h->x->gone && out_empty(&c->out))
        end_exchange(c);
    if (c->broken)
        return;
    bool finished = !h->keep && !h->x && h->served;
    bool refused = h->state == HTTP1_DONE && !h->x;
    if ((finished || refused) && out_empty(&c->out)) {
        release(c);
        conn_linger(c);
        return;
    }
    resume(c);
}

static void http1_expired(struct conn *c, enum conn_wait kind)
{
    const struct http_exchange *x = c->h1.x;
    bool asked = kind == CONN_WAIT_HEAD ? c->h1.in != NULL : kind == CONN_WAIT_STALL && x && !x->responded;
    if (asked && out_empty(&c->out))
        refuse(c, 408);
    else
        conn_break(c);
}

static enum conn_wait http1_waits(const struct conn *c)
{
    const struct http1 *h = &c->h1;
    const struct http_exchange *x = h->x;
    bool reading = h->state == HTTP1_BODY || h->state == HTTP1_CHUNKED || h->state == HTTP1_TRAILER;
    if (!out_empty(&c->out))
        return CONN_WAIT_STALL;
    if (reading && (!x || (!x->paused && !x->gaps && !x->responded)))
        return CONN_WAIT_STALL;
    if (x || h->state == HTTP1_DONE)
        return CONN_WAIT_NONE;
    return h->in || !h->served ? CONN_WAIT_HEAD : CONN_WAIT_IDLE;
}

static bool http1_wants_input(const struct conn *c)
{
    const struct http1 *h = &c->h1;
    if (h->x && h->x->paused)
        return false;
    return h->state != HTTP1_DONE;
}

static void http1_drain(struct conn *c)
{
    struct http1 *h = &c->h1;
    if (!h->x && h->state == HTTP1_HEAD)
        conn_break(c);
    h->keep = false;
}

static void http1_gone(struct conn *c)
{
    struct http_exchange *x = c->h1.x;
    c->h1.x = NULL;
    release(c);
    if (x) {
        http_exchange_close(x, false);
        pool_free(x);
    }
}

/* ---- calls on exchanges ------------------------------------------------------------------------------------------ */

static void http1_respond(struct http_exchange *x, int status, const struct http_header *headers, size_t n,
                          int64_t content_length, bool end)
{
    struct conn *c = x->c;
    (void)end;
    if (c->w->draining || c->h1.expects) /* the client waits for leave to send the body: it may or may not do so now */
        c->h1.keep = false;
    http1_out_head(c, status, headers, n, content_length, x->mute);
}

static void http1_write(struct http_exchange *x, str bytes, bool end)
{
    if (!x->mute)
        http1_out_body(x->c, bytes, end);
}

static void http1_write_file(struct http_exchange *x, int fd, int64_t offset, int64_t len, bool end)
{
    http1_out_file(x->c, fd, offset, len, end);
}

static void http1_trailers(struct http_exchange *x, const struct http_header *trailers, size_t n)
{
    http1_out_trailers(x->c, trailers, n);
}

static bool http1_writable(const struct http_exchange *x)
{
    return x->c->out.bytes <= CONN_MARK_BYTES && !x->c->out.files;
}

static void http1_pause(struct http_exchange *x)
{
    if (!x->paused)
        conn_dirty(x->c); /* goes on at the end of the round */
}

static void http1_reset(struct http_exchange *x)
{
    conn_break(x->c);
}

static const struct conn_proto http1_proto = {
    .input = http1_input,
    .eof = http1_eof,
    .sent = http1_sent,
    .expired = http1_expired,
    .waits = http1_waits,
    .wants_input = http1_wants_input,
    .drain = http1_drain,
    .gone = http1_gone,
    .respond = http1_respond,
    .write = http1_write,
    .write_file = http1_write_file,
    .trailers = http1_trailers,
    .writable = http1_writable,
    .pause = http1_pause,
    .reset = http1_reset,
};

void http1_start(struct conn *c)
{
    c->proto = &http1_proto;
    c->h1 = (struct http1){.state = HTTP1_HEAD, .keep = true};
}

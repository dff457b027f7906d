/* HTTP/2 connections: receiving, streams, limits. See http2_int.h. */
#include "net/http2_int.h"

#include "base/mem.h"
#include "base/time.h"
#include "net/pool_int.h"

#define STREAM_WINDOW (256 * 1024)
#define CONNECTION_WINDOW (1024 * 1024)
/* Held for paused streams before the connection's window is kept back too. */
#define HELD_MAX ((size_t)1024 * 1024)
#define CREDIT_MAX 1000
#define CREDIT_PER_S 100
/* A request that is broken off before its response began. All streams that may be open at once can do that. */
#define RESET_COST 3
#define FIELDS_MAX 256
/* A header list this many times over the limit is not even counted to its end. */
#define ABUSE_FACTOR 4

static const struct conn_proto http2_proto;

/* ---- heads, collected field by field ----------------------------------------------------------------------------- */

struct field {
    uint32_t name_n, value_n;
};

struct http2_head {
    int32_t stream;
    int status;    /* to refuse with; 0 = good so far */
    size_t listed; /* as SETTINGS_MAX_HEADER_LIST_SIZE counts */
    size_t count;
    struct field fields[FIELDS_MAX];
    size_t n, cap; /* names and values, one behind the other */
    char *bytes;
};

static void head_free(struct http2_head *head)
{
    if (!head)
        return;
    mem_free(head->bytes);
    mem_free(head);
}

static struct http2_head *head_begin(struct http2 *h, int32_t id)
{
    struct http2_shared *shared = h->c->w->h2;
    struct http2_head *head = h->head;
    if (!head) {
        head = shared->spare ? shared->spare : mem_new(struct http2_head);
        shared->spare = NULL;
    }
    head->stream = id;
    head->status = 0;
    head->listed = head->count = head->n = 0;
    return h->head = head;
}

static void head_end(struct http2 *h)
{
    struct http2_shared *shared = h->c->w->h2;
    if (shared->spare)
        head_free(h->head);
    else
        shared->spare = h->head;
    h->head = NULL;
}

static void head_put(struct http2_head *head, str s)
{
    if (head->cap - head->n < s.n) {
        head->cap = (head->cap + s.n) * 2;
        head->bytes = mem_resize(head->bytes, head->cap);
    }
    if (s.n)
        memcpy(head->bytes + head->n, s.p, s.n);
    head->n += s.n;
}

/* False: so far over the limit that the peer means harm. */
static bool head_add(struct http2_head *head, const struct http_limits *l, str name, str value)
{
    size_t max = l->header_count < FIELDS_MAX - 4 ? l->header_count + 4 : FIELDS_MAX; /* with the pseudo-headers */
    head->listed += name.n + value.n + 32;
    if (head->listed > l->header_bytes || head->count == max)
        head->status = 431;
    if (head->status)
        return head->listed <= l->header_bytes * ABUSE_FACTOR;
    head->fields[head->count++] = (struct field){(uint32_t)name.n, (uint32_t)value.n};
    head_put(head, name);
    head_put(head, value);
    return true;
}

/* The fields as strings inside the head; *from gets the pseudo-headers. */
static void head_read(struct http2_head *head, struct http_header *headers, struct http_head_source *from)
{
    const char *at = head->bytes;
    *from = (struct http_head_source){.headers = headers};
    for (size_t i = 0; i < head->count; i++) {
        str name = str_make(at, head->fields[i].name_n), value = str_make(at + name.n, head->fields[i].value_n);
        at += name.n + value.n;
        if (!name.n || name.p[0] != ':')
            headers[from->count++] = (struct http_header){name, value};
        else if (str_eq(name, STR(":method")))
            from->method = value;
        else if (str_eq(name, STR(":path")))
            from->path = value;
        else if (str_eq(name, STR(":authority")))
            from->host = value;
    }
}

/* ---- floods ------------------------------------------------------------------------------------------------------ */

static void terminate(struct http2 *h)
{
    if (h->terminated)
        return;
    h->terminated = true;
    nghttp2_session_terminate_session(h->session, NGHTTP2_ENHANCE_YOUR_CALM);
    conn_dirty(h->c);
}

static void refill(struct http2 *h)
{
    int64_t now = loop_now_ns(h->c->w->loop), back = (now - h->credit_ns) * CREDIT_PER_S / NS_PER_S;
    if (back <= 0)
        return;
    h->credit = back > CREDIT_MAX - h->credit ? CREDIT_MAX : h->credit + (int32_t)back;
    h->credit_ns = now;
}

void http2_charge(struct http2 *h, int32_t cost)
{
    h->credit -= cost;
    if (h->credit > 0)
        return;
    refill(h);
    if (h->credit <= 0)
        terminate(h);
}

static void give_back(struct http2 *h)
{
    if (h->credit < CREDIT_MAX)
        h->credit++;
}

/* ---- streams ----------------------------------------------------------------------------------------------------- */

void http2_todo(struct http2_stream *s)
{
    if (list_empty(&s->todo))
        list_add(&s->h->todo, &s->todo);
}

static void stream_free(struct http2_stream *s, bool complete)
{
    struct http2 *h = s->h;
    h->queued -= s->out.bytes;
    h->held -= s->in.bytes;
    if (!s->received)
        h->receiving--;
    list_del(&s->node);
    list_del(&s->todo);
    http_exchange_close(&s->x, complete);
    out_done(&s->out);
    out_done(&s->in);
    pool_free(s);
}

static void free_streams(struct http2 *h)
{
    while (!list_empty(&h->streams))
        stream_free(container_of(h->streams.next, struct http2_stream, node), false);
}

/* 0, or the status to refuse with. */
static int check_request(struct http_head_source *from)
{
    str host = STR_NONE;
    for (size_t i = 0; i < from->count; i++) {
        if (str_eq(from->headers[i].name, STR("expect")) && !str_eq_nocase(from->headers[i].value, STR("100-continue")))
            return 417;
        if (!str_eq(from->headers[i].name, STR("host")))
            continue;
        if (host.p)
            return 400;
        host = from->headers[i].value;
    }
    if (str_eq(from->method, STR("CONNECT")) || str_eq(from->method, STR("TRACE")))
        return 501;
    if (host.p && from->host.p && !str_eq_nocase(host, from->host))
        return 400;
    if (!from->host.n)
        from->host = host;
    if (!from->host.n || !from->path.n || (from->path.p[0] != '/' && !str_eq(from->path, STR("*"))))
        return 400;
    for (size_t i = 0; i < from->path.n; i++)
        if ((unsigned char)from->path.p[i] <= ' ' || (unsigned char)from->path.p[i] >= 0x7f || from->path.p[i] == '#')
            return 400;
    return 0;
}

static void set_body(struct http2_stream *s, bool received)
{
    uint64_t n;
    s->received = received;
    s->x.req->has_body = !received;
    str length = http_header(&s->x, STR("content-length"));
    if (length.n && str_to_u64(length, &n) && n <= INT64_MAX)
        s->x.req->content_length = (int64_t)n;
}

static struct http2_stream *stream_new(struct http2 *h, int32_t id, struct http_head_source *from, bool received)
{
    struct http2_stream *s = pool_new(struct http2_stream);
    from->scheme = h->c->tls ? STR("https") : STR("http");
    str target = from->path;
    str_cut(target, '?', &from->path, &from->query);
    http_exchange_init(&s->x, h->c, from);
    s->x.req->version = 2;
    s->h = h;
    s->id = id;
    s->moved_ns = loop_now_ns(h->c->w->loop);
    list_init(&s->todo);
    list_add(&h->streams, &s->node);
    set_body(s, received);
    if (!received)
        h->receiving++;
    nghttp2_session_set_stream_user_data(h->session, id, s);
    return s;
}

/* The service has had everything that was held: then the end. */
static void end_request(struct http2_stream *s)
{
    if (s->received && !s->x.received && !s->x.paused && out_empty(&s->in))
        http_exchange_on_end(&s->x);
}

static void on_request(struct http2 *h, int32_t id, bool received)
{
    struct http_header headers[FIELDS_MAX];
    struct http_head_source from;
    struct http2_head *head = h->head;
    head_read(head, headers, &from);
    int status = head->status ? head->status : check_request(&from);
    if (status) {
        head_end(h);
        http2_out_refusal(h, id, status);
        return;
    }
    struct http2_stream *s = stream_new(h, id, &from, received);
    head_end(h);
    http_exchange_on_headers(&s->x);
    if (received)
        end_request(s);
    else if (!s->x.responded && http_header(&s->x, STR("expect")).n)
        http2_out_continue(s);
}

static void on_received(struct http2_stream *s)
{
    if (s->received)
        return;
    s->received = true;
    s->h->receiving--;
    end_request(s);
}

static void on_trailers(struct http2 *h, struct http2_stream *s)
{
    struct http_header headers[FIELDS_MAX];
    struct http_head_source from;
    head_read(h->head, headers, &from);
    if (h->head->status)
        nghttp2_submit_rst_stream(h->session, NGHTTP2_FLAG_NONE, s->id, NGHTTP2_ENHANCE_YOUR_CALM);
    else
        http_exchange_set_trailers(&s->x, headers, from.count);
    head_end(h);
}

/* ---- callbacks of nghttp2: while it receives -------------------------------------------------------------------- */

static int on_begin_headers(nghttp2_session *session, const nghttp2_frame *frame, void *arg)
{
    (void)session;
    head_begin(arg, frame->hd.stream_id);
    return 0;
}

static int on_header(nghttp2_session *session, const nghttp2_frame *frame, const uint8_t *name, size_t name_n,
                     const uint8_t *value, size_t value_n, uint8_t flags, void *arg)
{
    struct http2 *h = arg;
    (void)session;
    (void)frame;
    (void)flags;
    if (!h->head || head_add(h->head, h->c->w->limits, str_make((const char *)name, name_n),
                             str_make((const char *)value, value_n)))
        return 0;
    terminate(h);
    return NGHTTP2_ERR_TEMPORAL_CALLBACK_FAILURE;
}

/* A field that HTTP forbids: not left out, as is the default, but refused. */
static int on_invalid_header(nghttp2_session *session, const nghttp2_frame *frame, const uint8_t *name, size_t name_n,
                             const uint8_t *value, size_t value_n, uint8_t flags, void *arg)
{
    (void)session;
    (void)frame;
    (void)name;
    (void)name_n;
    (void)value;
    (void)value_n;
    (void)flags;
    (void)arg;
    return NGHTTP2_ERR_TEMPORAL_CALLBACK_FAILURE;
}

static void on_headers_frame(struct http2 *h, const nghttp2_frame *frame)
{
    int32_t id = frame->hd.stream_id;
    bool end = frame->hd.flags & NGHTTP2_FLAG_END_STREAM;
    struct http2_stream *s = nghttp2_session_get_stream_user_data(h->session, id);
    if (!h->head)
        return;
    if (frame->headers.cat == NGHTTP2_HCAT_REQUEST) {
        on_request(h, id, end);
        return;
    }
    if (!s) {
        head_end(h);
        return;
    }
    on_trailers(h, s);
    if (end)
        on_received(s);
}

static int on_frame(nghttp2_session *session, const nghttp2_frame *frame, void *arg)
{
    struct http2 *h = arg;
    switch (frame->hd.type) {
    case NGHTTP2_HEADERS:
        on_headers_frame(h, frame);
        break;
    case NGHTTP2_DATA: {
        struct http2_stream *s = nghttp2_session_get_stream_user_data(session, frame->hd.stream_id);
        if (s && frame->hd.flags & NGHTTP2_FLAG_END_STREAM)
            on_received(s);
        else if (!frame->hd.length)
            http2_charge(h, 1);
        break;
    }
    case NGHTTP2_SETTINGS:
        h->settled = true;
        http2_charge(h, frame->hd.flags & NGHTTP2_FLAG_ACK ? 0 : 2);
        break;
    case NGHTTP2_WINDOW_UPDATE:
    case NGHTTP2_RST_STREAM: /* on_stream_close() counts it */
        break;
    default: /* PING, PRIORITY, GOAWAY and what we do not know */
        http2_charge(h, 2);
        break;
    }
    return 0;
}

static int on_invalid_frame(nghttp2_session *session, const nghttp2_frame *frame, int error, void *arg)
{
    (void)session;
    (void)frame;
    (void)error;
    http2_charge(arg, 4);
    return 0;
}

static void hold(struct http2_stream *s, str bytes)
{
    out_add_tight(&s->in, bytes);
    s->h->held += bytes.n;
}

/* Gives the connection's window back unless too much is held. */
static void settle_window(struct http2 *h)
{
    if (!h->owed || h->held > HELD_MAX)
        return;
    nghttp2_session_consume_connection(h->session, h->owed);
    h->owed = 0;
}

static int on_data(nghttp2_session *session, uint8_t flags, int32_t id, const uint8_t *p, size_t n, void *arg)
{
    struct http2 *h = arg;
    struct http2_stream *s = nghttp2_session_get_stream_user_data(session, id);
    str bytes = str_make((const char *)p, n);
    (void)flags;
    h->owed += n;
    if (s && !s->x.ended && !s->x.gone && (s->x.paused || !out_empty(&s->in))) {
        hold(s, bytes);
        s->moved_ns = loop_now_ns(h->c->w->loop);
    } else {
        if (s) {
            s->moved_ns = loop_now_ns(h->c->w->loop);
            http_exchange_on_data(&s->x, bytes);
        }
        nghttp2_session_consume_stream(session, id, n);
    }
    settle_window(h);
    return 0;
}

/* ---- callbacks of nghttp2: while it receives or sends ----------------------------------------------------------- */

static int on_stream_close(nghttp2_session *session, int32_t id, uint32_t error, void *arg)
{
    struct http2 *h = arg;
    struct http2_stream *s = nghttp2_session_get_stream_user_data(session, id);
    if (h->head && h->head->stream == id)
        head_end(h);
    if (error != NGHTTP2_NO_ERROR)
        http2_charge(h, s && s->x.responded ? 1 : RESET_COST);
    if (s)
        stream_free(s, s->sent);
    return 0;
}

static int on_frame_sent(nghttp2_session *session, const nghttp2_frame *frame, void *arg)
{
    struct http2 *h = arg;
    if (frame->hd.type != NGHTTP2_DATA && frame->hd.type != NGHTTP2_HEADERS)
        return 0;
    give_back(h);
    int32_t id = frame->hd.stream_id;
    struct http2_stream *s = nghttp2_session_get_stream_user_data(session, id);
    if (!(frame->hd.flags & NGHTTP2_FLAG_END_STREAM))
        return 0;
    if (s)
        s->sent = true;
    /* The rest of the request is not wanted. */
    if (nghttp2_session_get_stream_remote_close(session, id) == 0)
        nghttp2_submit_rst_stream(session, NGHTTP2_FLAG_NONE, id, NGHTTP2_NO_ERROR);
    return 0;
}

/* ---- the protocol's side of the connection ----------------------------------------------------------------------- */

static void http2_input(struct conn *c, str bytes)
{
    struct http2 *h = c->h2;
    if (nghttp2_session_mem_recv(h->session, (const uint8_t *)bytes.p, bytes.n) < 0)
        conn_break(c);
}

static void http2_eof(struct conn *c)
{
    conn_break(c);
}

/* Hands over what was held while the service paused. */
static void deliver(struct http2_stream *s)
{
    struct http2 *h = s->h;
    struct iovec piece;
    while (!s->x.paused && out_iov(&s->in, &piece, 1)) {
        http_exchange_on_data(&s->x, str_make(piece.iov_base, piece.iov_len));
        nghttp2_session_consume_stream(h->session, s->id, piece.iov_len);
        h->held -= piece.iov_len;
        out_consume(&s->in, piece.iov_len);
        h->more = true; /* the window to give back */
    }
    end_request(s);
    settle_window(h);
}

static void run_todo(struct http2 *h)
{
    struct list now;
    if (list_empty(&h->todo))
        return;
    list_take(&now, &h->todo);
    while (!list_empty(&now)) {
        struct http2_stream *s = container_of(now.next, struct http2_stream, todo);
        list_del(&s->todo);
        deliver(s);
        http_exchange_on_writable(&s->x);
        if (s->x.want_write)
            http2_todo(s);
    }
}

/* GOAWAY was sent, and nothing is left that it allows. */
static void end_session(struct conn *c)
{
    free_streams(c->h2);
    conn_linger(c);
}

static void http2_sent(struct conn *c)
{
    struct http2 *h = c->h2;
    run_todo(h);
    c->again = h->more;
    if (out_empty(&c->out) && !nghttp2_session_want_read(h->session) && !nghttp2_session_want_write(h->session))
        end_session(c);
}

static bool is_stalled(const struct http2_stream *s, int64_t before_ns)
{
    const struct http_exchange *x = &s->x;
    bool receives = !s->received && !x->paused && !x->gaps && !x->responded;
    return s->moved_ns <= before_ns && (receives || !out_empty(&s->out));
}

static void http2_expired(struct conn *c, enum conn_wait kind)
{
    struct http2 *h = c->h2;
    int64_t before_ns = loop_now_ns(c->w->loop) - c->w->limits->body_stall_ns;
    if (kind == CONN_WAIT_IDLE) {
        nghttp2_session_terminate_session(h->session, NGHTTP2_NO_ERROR);
        return;
    }
    if (kind != CONN_WAIT_STREAMS) {
        conn_break(c);
        return;
    }
    for (struct list *n = h->streams.next; n != &h->streams; n = n->next) {
        struct http2_stream *s = container_of(n, struct http2_stream, node);
        if (is_stalled(s, before_ns))
            http_reset(&s->x);
    }
}

static enum conn_wait http2_waits(const struct conn *c)
{
    const struct http2 *h = c->h2;
    if (h->head || !h->settled)
        return CONN_WAIT_HEAD;
    if (!out_empty(&c->out) || h->terminated)
        return CONN_WAIT_STALL;
    if (list_empty(&h->streams))
        return CONN_WAIT_IDLE;
    return h->receiving || h->queued ? CONN_WAIT_STREAMS : CONN_WAIT_NONE;
}

static bool http2_wants_input(const struct conn *c)
{
    (void)c;
    return true;
}

static void http2_drain(struct conn *c)
{
    struct http2 *h = c->h2;
    nghttp2_submit_goaway(h->session, NGHTTP2_FLAG_NONE, nghttp2_session_get_last_proc_stream_id(h->session),
                          NGHTTP2_NO_ERROR, NULL, 0);
}

static void http2_gone(struct conn *c)
{
    struct http2 *h = c->h2;
    free_streams(h);
    head_free(h->head);
    nghttp2_session_del(h->session);
    pool_free(h);
}

static void http2_pause(struct http_exchange *x)
{
    if (x->paused)
        return;
    http2_todo(container_of(x, struct http2_stream, x));
    conn_dirty(x->c);
}

static void http2_reset(struct http_exchange *x)
{
    struct http2_stream *s = container_of(x, struct http2_stream, x);
    nghttp2_submit_rst_stream(s->h->session, NGHTTP2_FLAG_NONE, s->id, NGHTTP2_INTERNAL_ERROR);
    conn_dirty(x->c);
}

static const struct conn_proto http2_proto = {
    .input = http2_input,
    .eof = http2_eof,
    .output = http2_out_fill,
    .sent = http2_sent,
    .expired = http2_expired,
    .waits = http2_waits,
    .wants_input = http2_wants_input,
    .drain = http2_drain,
    .gone = http2_gone,
    .respond = http2_out_respond,
    .write = http2_out_write,
    .write_file = http2_out_file,
    .trailers = http2_out_trailers,
    .writable = http2_out_writable,
    .pause = http2_pause,
    .reset = http2_reset,
};

/* ---- beginning --------------------------------------------------------------------------------------------------- */

static struct http2_shared *shared_new(void)
{
    struct http2_shared *s = mem_new(struct http2_shared);
    if (nghttp2_session_callbacks_new(&s->callbacks) != 0 || nghttp2_option_new(&s->option) != 0)
        return s;
    nghttp2_session_callbacks *k = s->callbacks;
    nghttp2_session_callbacks_set_on_begin_headers_callback(k, on_begin_headers);
    nghttp2_session_callbacks_set_on_header_callback(k, on_header);
    nghttp2_session_callbacks_set_on_invalid_header_callback(k, on_invalid_header);
    nghttp2_session_callbacks_set_on_frame_recv_callback(k, on_frame);
    nghttp2_session_callbacks_set_on_invalid_frame_recv_callback(k, on_invalid_frame);
    nghttp2_session_callbacks_set_on_data_chunk_recv_callback(k, on_data);
    nghttp2_session_callbacks_set_on_stream_close_callback(k, on_stream_close);
    nghttp2_session_callbacks_set_on_frame_send_callback(k, on_frame_sent);
    nghttp2_session_callbacks_set_send_data_callback(k, http2_out_send_data);
    nghttp2_option_set_no_auto_window_update(s->option, 1);
    nghttp2_option_set_no_closed_streams(s->option, 1);
    nghttp2_option_set_max_outbound_ack(s->option, 500);
    nghttp2_option_set_max_settings(s->option, 32);
    /* http2_charge() ends such connections earlier, with a code that says why. */
    nghttp2_option_set_stream_reset_rate_limit(s->option, 10 * CREDIT_MAX, CREDIT_MAX);
    return s;
}

void http2_shared_free(struct http2_shared *s)
{
    if (!s)
        return;
    nghttp2_session_callbacks_del(s->callbacks);
    nghttp2_option_del(s->option);
    head_free(s->spare);
    mem_free(s);
}

static void *take(size_t size, void *arg)
{
    (void)arg;
    return pool_alloc(size);
}

static void *take_zeroed(size_t count, size_t size, void *arg)
{
    (void)arg;
    return pool_alloc_zeroed(count * size);
}

static void *resize(void *p, size_t size, void *arg)
{
    (void)arg;
    return pool_resize(p, size);
}

static void give(void *p, void *arg)
{
    (void)arg;
    pool_free(p);
}

static nghttp2_mem memory = {.malloc = take, .free = give, .calloc = take_zeroed, .realloc = resize};

static bool begin(struct http2 *h)
{
    struct worker *w = h->c->w;
    const nghttp2_settings_entry settings[] = {
        {NGHTTP2_SETTINGS_MAX_CONCURRENT_STREAMS, w->limits->streams_per_connection},
        {NGHTTP2_SETTINGS_INITIAL_WINDOW_SIZE, STREAM_WINDOW},
        {NGHTTP2_SETTINGS_MAX_HEADER_LIST_SIZE, (uint32_t)w->limits->header_bytes},
    };
    if (!w->h2)
        w->h2 = shared_new();
    if (nghttp2_session_server_new3(&h->session, w->h2->callbacks, h, w->h2->option, &memory) != 0)
        return false;
    return nghttp2_submit_settings(h->session, NGHTTP2_FLAG_NONE, settings, sizeof(settings) / sizeof(*settings)) ==
               0 &&
           nghttp2_session_set_local_window_size(h->session, NGHTTP2_FLAG_NONE, 0, CONNECTION_WINDOW) == 0;
}

void http2_start(struct conn *c, str in)
{
    struct http2 *h = pool_new(struct http2);
    h->c = c;
    list_init(&h->streams);
    list_init(&h->todo);
    h->credit = CREDIT_MAX;
    h->credit_ns = loop_now_ns(c->w->loop);
    c->h2 = h;
    c->proto = &http2_proto;
    if (begin(h))
        http2_input(c, in);
    else
        conn_break(c);
    if (c->w->draining && !c->broken)
        http2_drain(c);
}

/* Sending on HTTP/2 connections. See http2_int.h. */
#include "net/http2_int.h"

#include <unistd.h>

/* What output collects before it is sent. */
#define FILL_BYTES ((size_t)64 * 1024)
/* More than this waiting on one connection stops all its streams. */
#define QUEUED_MAX ((size_t)1024 * 1024)
/* Who has left so much of answers untaken gets no more of them. One answer may be larger. */
#define UNTAKEN_MAX ((size_t)64 * 1024 * 1024)
#define FIELDS_MAX 256

/* ---- heads ------------------------------------------------------------------------------------------------------- */

static nghttp2_nv nv_of(str name, str value)
{
    return (nghttp2_nv){.name = (uint8_t *)(uintptr_t)name.p,
                        .namelen = name.n,
                        .value = (uint8_t *)(uintptr_t)value.p,
                        .valuelen = value.n,
                        .flags = NGHTTP2_NV_FLAG_NONE};
}

static str clean(struct http_exchange *x, str value)
{
    for (size_t i = 0; i < value.n; i++)
        if (((unsigned char)value.p[i] < ' ' && value.p[i] != '\t') || value.p[i] == 0x7f) {
            char *copy = arena_alloc(&x->mem, value.n);
            http_header_copy(copy, value);
            value.p = copy;
            break;
        }
    /* HTTP/2 forbids space at the ends. */
    return str_trim(value);
}

static size_t put_fields(struct http_exchange *x, nghttp2_nv *to, size_t max, const struct http_header *headers,
                         size_t n)
{
    size_t count = 0;
    for (size_t i = 0; i < n && count < max; i++)
        if (http_header_is_allowed(headers[i].name))
            to[count++] = nv_of(headers[i].name, clean(x, headers[i].value));
    return count;
}

static str print_number(char text[24], int64_t n)
{
    char *at = text + 24;
    do
        *--at = (char)('0' + n % 10);
    while ((n /= 10) > 0);
    return str_make(at, (size_t)(text + 24 - at));
}

static ssize_t read_body(nghttp2_session *session, int32_t id, uint8_t *to, size_t max, uint32_t *flags,
                         nghttp2_data_source *source, void *arg);

void http2_out_respond(struct http_exchange *x, int status, const struct http_header *headers, size_t n,
                       int64_t content_length, bool end)
{
    struct http2_stream *s = container_of(x, struct http2_stream, x);
    nghttp2_nv nv[FIELDS_MAX];
    char status_text[24], length_text[24];
    size_t count = 0;
    nv[count++] = nv_of(STR(":status"), print_number(status_text, status));
    count += put_fields(x, nv + count, FIELDS_MAX - 3, headers, n);
    nv[count++] = nv_of(STR("date"), conn_date(x->c->w));
    if (content_length >= 0 && status != 204 && !(end && x->mute))
        nv[count++] = nv_of(STR("content-length"), print_number(length_text, content_length));
    nghttp2_data_provider body = {.source.ptr = s, .read_callback = read_body};
    s->moved_ns = loop_now_ns(x->c->w->loop);
    if (nghttp2_submit_response(s->h->session, s->id, nv, count, end ? NULL : &body) != 0)
        http_reset(x);
}

void http2_out_continue(struct http2_stream *s)
{
    nghttp2_nv nv = nv_of(STR(":status"), STR("100"));
    nghttp2_submit_headers(s->h->session, NGHTTP2_FLAG_NONE, s->id, NULL, &nv, 1, NULL);
}

void http2_out_refusal(struct http2 *h, int32_t id, int status)
{
    char text[24];
    nghttp2_nv nv = nv_of(STR(":status"), print_number(text, status));
    nghttp2_submit_response(h->session, id, &nv, 1, NULL);
}

/* ---- bodies ------------------------------------------------------------------------------------------------------ */

static void wake(struct http2_stream *s)
{
    if (!s->deferred)
        return;
    s->deferred = false;
    nghttp2_session_resume_data(s->h->session, s->id);
}

static void queue_changed(struct http2_stream *s, bool end)
{
    if (out_empty(&s->out))
        s->moved_ns = loop_now_ns(s->h->c->w->loop);
    s->ending = s->ending || end;
    wake(s);
    http2_todo(s);
}

static void give_up(struct http2_stream *s)
{
    s->x.gone = true;
    nghttp2_submit_rst_stream(s->h->session, NGHTTP2_FLAG_NONE, s->id, NGHTTP2_ENHANCE_YOUR_CALM);
}

void http2_out_write(struct http_exchange *x, str bytes, bool end)
{
    struct http2_stream *s = container_of(x, struct http2_stream, x);
    if (s->h->queued > UNTAKEN_MAX) {
        give_up(s);
        return;
    }
    if (out_empty(&s->out))
        s->moved_ns = loop_now_ns(x->c->w->loop);
    out_add_tight(&s->out, bytes);
    s->h->queued += bytes.n;
    queue_changed(s, end);
}

void http2_out_file(struct http_exchange *x, int fd, int64_t offset, int64_t len, bool end)
{
    struct http2_stream *s = container_of(x, struct http2_stream, x);
    out_file(&s->out, fd, offset, len);
    queue_changed(s, end);
}

/* They wait for the end of the body, so they are copied. */
void http2_out_trailers(struct http_exchange *x, const struct http_header *trailers, size_t n)
{
    struct http2_stream *s = container_of(x, struct http2_stream, x);
    nghttp2_nv nv[FIELDS_MAX];
    size_t count = put_fields(x, nv, FIELDS_MAX, trailers, n);
    s->trailers = count ? arena_new_array(&x->mem, nghttp2_nv, count) : NULL;
    s->trailer_count = (uint32_t)count;
    for (size_t i = 0; i < count; i++) {
        str name = arena_str(&x->mem, str_make((const char *)nv[i].name, nv[i].namelen));
        str value = arena_str(&x->mem, str_make((const char *)nv[i].value, nv[i].valuelen));
        s->trailers[i] = nv_of(name, value);
    }
    queue_changed(s, true);
}

bool http2_out_writable(const struct http_exchange *x)
{
    struct http_exchange *known = (struct http_exchange *)(uintptr_t)x; /* exchanges are never const objects */
    struct http2_stream *s = container_of(known, struct http2_stream, x);
    struct http2 *h = s->h;
    bool room =
        s->out.bytes <= CONN_MARK_BYTES && !s->out.files && h->queued <= QUEUED_MAX && x->c->out.bytes <= QUEUED_MAX;
    bool window = nghttp2_session_get_stream_remote_window_size(h->session, s->id) > 0 &&
                  nghttp2_session_get_remote_window_size(h->session) > 0;
    if (room && window)
        return true;
    http2_todo(s);
    return false;
}

static size_t available(const struct http2_stream *s, size_t max)
{
    struct out_item *file = out_first_file(&s->out);
    if (file)
        return file->left < (int64_t)max ? (size_t)file->left : max;
    size_t n = 0;
    for (struct out_item *i = s->out.head; i && i->fd < 0 && n < max; i = i->next)
        n += i->n;
    return n < max ? n : max;
}

/* True when n bytes are all that is left. */
static bool is_last(const struct http2_stream *s, size_t n)
{
    if (!s->ending)
        return false;
    struct out_item *file = out_first_file(&s->out);
    return file ? !file->next && (int64_t)n == file->left : !s->out.files && s->out.bytes == n;
}

/* nghttp2 asks how much of the body goes into the next DATA frame; the bytes are moved by http2_out_send_data(). */
static ssize_t read_body(nghttp2_session *session, int32_t id, uint8_t *to, size_t max, uint32_t *flags,
                         nghttp2_data_source *source, void *arg)
{
    struct http2_stream *s = source->ptr;
    (void)to;
    (void)arg;
    size_t n = available(s, max);
    if (!n && !s->ending) {
        s->deferred = true;
        return NGHTTP2_ERR_DEFERRED;
    }
    *flags |= NGHTTP2_DATA_FLAG_NO_COPY;
    if (!is_last(s, n))
        return (ssize_t)n;
    *flags |= NGHTTP2_DATA_FLAG_EOF;
    if (s->trailer_count) {
        *flags |= NGHTTP2_DATA_FLAG_NO_END_STREAM;
        if (nghttp2_submit_trailer(session, id, s->trailers, s->trailer_count) != 0)
            return NGHTTP2_ERR_TEMPORAL_CALLBACK_FAILURE;
    }
    return (ssize_t)n;
}

/* False: the file has become shorter. */
static bool move_file(struct http2_stream *s, size_t n)
{
    struct out_item *file = out_first_file(&s->out);
    char *to = out_room(&s->h->c->out, n);
    size_t got = 0;
    while (got < n) {
        ssize_t k = pread(file->fd, to + got, n - got, file->offset + (int64_t)got);
        if (k <= 0)
            return false;
        got += (size_t)k;
    }
    out_wrote(&s->h->c->out, n);
    out_consume_file(&s->out, (int64_t)n);
    return true;
}

static void move_blocks(struct http2_stream *s, size_t n)
{
    struct out *to = &s->h->c->out;
    for (struct out_item *i; n && (i = s->out.head);) {
        size_t take = n < i->n ? n : i->n;
        out_add(to, str_make(i->p, take));
        out_consume(&s->out, take);
        s->h->queued -= take;
        n -= take;
    }
}

int http2_out_send_data(nghttp2_session *session, nghttp2_frame *frame, const uint8_t *head, size_t n,
                        nghttp2_data_source *source, void *arg)
{
    struct http2_stream *s = source->ptr;
    (void)session;
    (void)frame;
    (void)arg;
    s->moved_ns = loop_now_ns(s->h->c->w->loop);
    out_add(&s->h->c->out, str_make((const char *)head, 9));
    if (!n)
        return 0;
    if (!out_first_file(&s->out)) {
        move_blocks(s, n);
        return 0;
    }
    if (move_file(s, n))
        return 0;
    /* The frame's head is queued already: only the connection can be broken off. */
    conn_break(s->h->c);
    return NGHTTP2_ERR_CALLBACK_FAILURE;
}

void http2_out_fill(struct conn *c)
{
    struct http2 *h = c->h2;
    const uint8_t *p;
    h->more = false;
    while (c->out.bytes < FILL_BYTES) {
        ssize_t n = nghttp2_session_mem_send(h->session, &p);
        if (n < 0)
            conn_break(c);
        if (n <= 0)
            return;
        out_add(&c->out, str_make((const char *)p, (size_t)n));
    }
    h->more = true;
}

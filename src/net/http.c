/* Exchanges: what services call, the same for both protocols. Loop thread of the connection only. See http.h. */
#include "net/http_int.h"

#include "base/log.h"
#include "net/pool_int.h"

#include <unistd.h>

/* ---- the request ------------------------------------------------------------------------------------------------- */

/* Copies s with a NUL behind it. */
static str put(char **at, str s)
{
    char *p = *at;
    if (s.n)
        memcpy(p, s.p, s.n);
    p[s.n] = 0;
    *at = p + s.n + 1;
    return str_make(p, s.n);
}

static str put_lower(char **at, str s)
{
    char *p = *at;
    s = put(at, s);
    for (size_t i = 0; i < s.n; i++)
        if (p[i] >= 'A' && p[i] <= 'Z')
            p[i] = (char)(p[i] | 0x20);
    return s;
}

static size_t head_size(const struct http_head_source *from)
{
    size_t n = sizeof(struct http_request) + from->count * sizeof(struct http_header);
    n += from->method.n + from->host.n + from->path.n + from->query.n + 4;
    for (size_t i = 0; i < from->count; i++)
        n += from->headers[i].name.n + from->headers[i].value.n + 2;
    return n;
}

void http_exchange_init(struct http_exchange *x, struct conn *c, const struct http_head_source *from)
{
    x->c = c;
    x->send_left = -1;
    x->is_head = str_eq(from->method, STR("HEAD"));
    x->req = pool_alloc(head_size(from));
    struct http_header *headers = (struct http_header *)(void *)(x->req + 1);
    char *at = (char *)(headers + from->count);
    for (size_t i = 0; i < from->count; i++) {
        headers[i].name = put_lower(&at, from->headers[i].name);
        headers[i].value = put(&at, from->headers[i].value);
    }
    *x->req = (struct http_request){
        .method = put(&at, from->method),
        .scheme = from->scheme,
        .host = put(&at, from->host),
        .path = put(&at, from->path),
        .query = put(&at, from->query),
        .headers = headers,
        .header_count = from->count,
        .content_length = -1,
    };
}

void http_exchange_set_trailers(struct http_exchange *x, const struct http_header *p, size_t n)
{
    if (!n || x->trailers)
        return;
    struct http_header *copy = arena_new_array(&x->mem, struct http_header, n);
    for (size_t i = 0; i < n; i++) {
        char *at = arena_alloc(&x->mem, p[i].name.n + 1);
        copy[i] = (struct http_header){put_lower(&at, p[i].name), arena_str(&x->mem, p[i].value)};
    }
    struct http_trailers *t = arena_new(&x->mem, struct http_trailers);
    *t = (struct http_trailers){copy, n};
    x->trailers = t;
}

const struct http_request *http_request(const struct http_exchange *x)
{
    static const struct http_request dropped = {.method = STR_INIT(""),
                                                .scheme = STR_INIT(""),
                                                .host = STR_INIT(""),
                                                .path = STR_INIT(""),
                                                .query = STR_INIT(""),
                                                .content_length = -1};
    return x->req ? x->req : &dropped;
}

const struct http_peer *http_peer(const struct http_exchange *x)
{
    return conn_peer(x->c);
}

void *http_service_self(const struct http_exchange *x)
{
    return x->c->w->service->self;
}

void http_set_arg(struct http_exchange *x, void *arg)
{
    x->arg = arg;
}

void *http_arg(const struct http_exchange *x)
{
    return x->arg;
}

struct loop *http_loop(const struct http_exchange *x)
{
    return x->c->w->loop;
}

static str find(const struct http_header *p, size_t n, str name)
{
    for (size_t i = 0; i < n; i++)
        if (str_eq(p[i].name, name))
            return p[i].value;
    return STR("");
}

str http_header(const struct http_exchange *x, str name)
{
    const struct http_request *req = http_request(x);
    return find(req->headers, req->header_count, name);
}

str http_trailer(const struct http_exchange *x, str name)
{
    return x->trailers ? find(x->trailers->p, x->trailers->n, name) : STR("");
}

struct arena *http_mem(struct http_exchange *x)
{
    return &x->mem;
}

void http_drop_head(struct http_exchange *x)
{
    pool_free(x->req);
    x->req = NULL;
}

void http_allow_gaps(struct http_exchange *x)
{
    x->gaps = true;
}

/* ---- the response ------------------------------------------------------------------------------------------------ */

char *http_header_copy(char *to, str s)
{
    for (size_t i = 0; i < s.n; i++) {
        unsigned char c = (unsigned char)s.p[i];
        to[i] = (c < ' ' && c != '\t') || c == 0x7f ? ' ' : (char)c;
    }
    return to + s.n;
}

/* The server's own business: a service's field of that name is left out. */
static bool is_ours(str name)
{
    switch (name.n) {
    case 4:
        return str_eq_nocase(name, STR("date"));
    case 10:
        return str_eq_nocase(name, STR("connection")) || str_eq_nocase(name, STR("keep-alive"));
    case 14:
        return str_eq_nocase(name, STR("content-length"));
    case 17:
        return str_eq_nocase(name, STR("transfer-encoding"));
    default:
        return false;
    }
}

static bool is_name(str name)
{
    for (size_t i = 0; i < name.n; i++)
        if ((unsigned char)name.p[i] <= ' ' || (unsigned char)name.p[i] >= 0x7f || name.p[i] == ':')
            return false;
    return name.n > 0;
}

bool http_header_is_allowed(str name)
{
    return is_name(name) && !is_ours(name);
}

static void end_body(struct http_exchange *x)
{
    if (x->send_left > 0 && !x->mute) {
        log_error(NULL, "a response ended before its promised length", LOG_INT("missing_bytes", x->send_left));
        http_reset(x);
        return;
    }
    x->ended = true;
    conn_dirty(x->c);
}

static bool cannot_send(const struct http_exchange *x)
{
    return !x->responded || x->ended || x->gone;
}

void http_respond(struct http_exchange *x, int status, const struct http_header *headers, size_t n,
                  int64_t content_length, bool end)
{
    if (x->responded || x->gone)
        return;
    x->responded = true;
    x->mute = status == 204 || status == 304 || x->is_head;
    if (end && content_length < 0 && !x->mute)
        content_length = 0;
    x->send_left = end ? 0 : content_length;
    x->c->proto->respond(x, status, headers, n, content_length, end);
    conn_dirty(x->c);
    if (end)
        end_body(x);
}

void http_write(struct http_exchange *x, str bytes, bool end)
{
    if (cannot_send(x))
        return;
    if (x->mute)
        bytes.n = 0;
    if (x->send_left >= 0) {
        bytes = str_head(bytes, (size_t)x->send_left);
        x->send_left -= (int64_t)bytes.n;
    }
    x->c->proto->write(x, bytes, end && (x->send_left <= 0 || x->mute));
    conn_dirty(x->c);
    if (end)
        end_body(x);
    else if (!x->c->proto->writable(x))
        x->want_write = true;
}

static void write_file(struct http_exchange *x, int fd, int64_t offset, int64_t len, bool end)
{
    if (fd < 0) { /* the caller could not open it: no body that looks complete */
        http_reset(x);
        return;
    }
    if (cannot_send(x) || x->mute || len < 0) {
        close(fd);
        if (end && !cannot_send(x))
            http_write(x, STR(""), true);
        return;
    }
    if (x->send_left >= 0) {
        len = len < x->send_left ? len : x->send_left;
        x->send_left -= len;
    }
    x->c->proto->write_file(x, fd, offset, len, end && x->send_left <= 0);
    conn_dirty(x->c);
    if (end)
        end_body(x);
    else
        x->want_write = true;
}

void http_write_file(struct http_exchange *x, int fd, int64_t offset, int64_t len)
{
    write_file(x, fd, offset, len, true);
}

void http_write_file_part(struct http_exchange *x, int fd, int64_t offset, int64_t len)
{
    write_file(x, fd, offset, len, false);
}

void http_end_trailers(struct http_exchange *x, const struct http_header *trailers, size_t n)
{
    if (cannot_send(x))
        return;
    if (x->send_left <= 0 && !x->mute)
        x->c->proto->trailers(x, trailers, n);
    else
        x->c->proto->write(x, STR(""), x->mute);
    end_body(x);
}

bool http_writable(const struct http_exchange *x)
{
    if (x->gone || x->ended || x->c->proto->writable(x))
        return true;
    /* Exchanges are never const objects; asking is what makes the callback due. */
    ((struct http_exchange *)(uintptr_t)x)->want_write = true;
    return false;
}

void http_pause(struct http_exchange *x, bool pause)
{
    if (x->paused == pause || x->gone)
        return;
    x->paused = pause;
    x->c->proto->pause(x);
}

void http_reset(struct http_exchange *x)
{
    if (x->gone)
        return;
    x->gone = true;
    x->c->proto->reset(x);
}

void http_reply(struct http_exchange *x, int status, str content_type, str body)
{
    struct http_header type = {STR("content-type"), content_type};
    if (x->responded || x->gone)
        return;
    http_respond(x, status, &type, content_type.n ? 1 : 0, (int64_t)body.n, false);
    http_write(x, body, true);
}

/* ---- callbacks --------------------------------------------------------------------------------------------------- */

static const struct http_service *service(const struct http_exchange *x)
{
    return x->c->w->service;
}

void http_exchange_on_headers(struct http_exchange *x)
{
    service(x)->on_headers(x);
}

void http_exchange_on_data(struct http_exchange *x, str chunk)
{
    if (!x->ended && !x->gone && chunk.n)
        service(x)->on_data(x, x->arg, chunk);
}

void http_exchange_on_end(struct http_exchange *x)
{
    if (x->received)
        return;
    x->received = true;
    if (!x->ended && !x->gone)
        service(x)->on_end(x, x->arg);
}

void http_exchange_on_writable(struct http_exchange *x)
{
    if (!x->want_write || x->ended || x->gone || !x->c->proto->writable(x))
        return;
    x->want_write = false;
    if (service(x)->on_writable)
        service(x)->on_writable(x, x->arg);
}

void http_exchange_close(struct http_exchange *x, bool complete)
{
    x->gone = true;
    service(x)->on_close(x, x->arg, complete);
    pool_free(x->req);
    arena_done(&x->mem);
}

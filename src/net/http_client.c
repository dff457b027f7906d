/* See http_client.h. */
#include "net/http_client.h"

#include "base/time.h"
#include "base/vec.h"
#include "base/version.h"
#include "net/curl_int.h"
#include "net/guard.h"

#include <netinet/in.h>

#define HEADERS_MAX 200
#define HEADER_BYTES_MAX ((size_t)128 * 1024)
#define BUFFER_BYTES (256L * 1024)
#define STALL_NS (60 * NS_PER_S)

/* ---- one transfer ------------------------------------------------------------------------------------------------ */

struct transfer {
    struct ctx *cx;
    const struct http_client_request *req;
    curl_t *c;
    struct curl_slist *lines;
    VEC(struct http_header) headers; /* of the head, then of the trailers */
    size_t header_bytes, head_count;
    int status;
    int64_t received, moved_ns; /* when bytes moved last */
    bool told;                  /* the head was handed over */
    bool refused;               /* an address, by the guard */
    enum code why;              /* of a stop of ours; CODE_OK = none */
    char error[CURL_ERROR_SIZE];
};

static bool stop(struct transfer *t, enum code why)
{
    if (t->why == CODE_OK)
        t->why = why;
    return false;
}

static bool tell_head(struct transfer *t)
{
    if (t->told)
        return true;
    t->told = true;
    t->head_count = t->headers.n;
    return t->req->head(t->req->arg, t->status, t->headers.p, t->headers.n) || stop(t, CODE_ABORTED);
}

/* A redirect that is followed is no answer. */
static bool is_followed(const struct transfer *t)
{
    return t->req->redirects && t->status >= 300 && t->status < 400 && t->status != 304;
}

static size_t on_read(char *p, size_t size, size_t n, void *arg)
{
    struct transfer *t = arg;
    size_t got = t->req->read(t->req->arg, p, size * n);
    t->moved_ns = time_now_ns();
    if (got != HTTP_CLIENT_STOP)
        return got;
    stop(t, CODE_ABORTED);
    return READ_ABORT;
}

static size_t on_body(char *p, size_t size, size_t n, void *arg)
{
    struct transfer *t = arg;
    n *= size;
    if (is_followed(t))
        return n;
    t->received += (int64_t)n;
    if (t->req->answer_max && t->received > t->req->answer_max && !stop(t, CODE_RESOURCE_EXHAUSTED))
        return 0;
    if (!tell_head(t) || (!t->req->body(t->req->arg, str_make(p, n)) && !stop(t, CODE_ABORTED)))
        return 0;
    t->moved_ns = time_now_ns();
    return n;
}

/* "HTTP/1.1 200 OK": a new head; those before it were of redirects or of interim answers. */
static void begin_head(struct transfer *t, str line)
{
    str version, rest;
    int64_t status = 0;
    str_cut(line, ' ', &version, &rest);
    t->headers.n = 0;
    t->header_bytes = 0;
    t->status = str_to_i64(str_head(rest, 3), &status) ? (int)status : 0;
}

static size_t on_header(char *p, size_t size, size_t n, void *arg)
{
    struct transfer *t = arg;
    str line = str_trim(str_make(p, size * n)), name, value;
    t->header_bytes += size * n;
    if ((t->header_bytes > HEADER_BYTES_MAX || t->headers.n == HEADERS_MAX) && !stop(t, CODE_RESOURCE_EXHAUSTED))
        return 0;
    if (str_starts(line, STR("HTTP/")))
        begin_head(t, line);
    else if (str_cut(line, ':', &name, &value))
        *vec_push(&t->headers, t->cx->mem) =
            (struct http_header){arena_lower(t->cx->mem, str_trim(name)), arena_str(t->cx->mem, str_trim(value))};
    return size * n;
}

static int on_time(void *arg, int64_t a, int64_t b, int64_t c, int64_t d)
{
    struct transfer *t = arg;
    int64_t stall_ns = t->req->stall_ns ? t->req->stall_ns : STALL_NS;
    (void)a, (void)b, (void)c, (void)d;
    if (t->req->alive && !t->req->alive(t->req->arg))
        return !stop(t, CODE_ABORTED);
    if (time_now_ns() - t->moved_ns > stall_ns)
        return !stop(t, CODE_DEADLINE_EXCEEDED);
    return 0;
}

static int on_socket(void *arg, int purpose, struct curl_address *a)
{
    struct transfer *t = arg;
    (void)purpose;
    if (!t->req->anywhere && !guard_allows(&a->address, t->req->allowed, t->req->allowed_count)) {
        t->refused = true;
        return -1;
    }
    return socket(a->family, a->type | SOCK_CLOEXEC, a->protocol);
}

/* ---- setting up -------------------------------------------------------------------------------------------------- */

static bool is_line(str s)
{
    for (size_t i = 0; i < s.n; i++)
        if ((uint8_t)s.p[i] < 0x20 && s.p[i] != '\t')
            return false;
    return true;
}

static enum code add_line(struct transfer *t, const char *line)
{
    struct curl_slist *list = curl.append(t->lines, line);
    if (!list)
        return fail(t->cx, CODE_RESOURCE_EXHAUSTED, "out of memory");
    t->lines = list;
    return CODE_OK;
}

static bool has_header(const struct http_client_request *req, str name)
{
    for (size_t i = 0; i < req->header_count; i++)
        if (str_eq_nocase(req->headers[i].name, name))
            return true;
    return false;
}

/* A header without a value is written with a semicolon; with a colon and nothing it would be one to leave out. */
static enum code add_headers(struct transfer *t)
{
    const struct http_client_request *req = t->req;
    TRY(add_line(t, "Accept:"));
    TRY(add_line(t, "Expect:"));
    if (!has_header(req, STR("user-agent")))
        TRY(add_line(t, "User-Agent: tern/" TERN_VERSION));
    for (size_t i = 0; i < req->header_count; i++) {
        const struct http_header *h = &req->headers[i];
        if (!h->name.n || !is_line(h->name) || !is_line(h->value))
            return fail(t->cx, CODE_INVALID_ARGUMENT, "header %zu cannot be sent", i);
        str line = h->value.n ? arena_printf(t->cx->mem, STR_FMT ": " STR_FMT, STR_ARG(h->name), STR_ARG(h->value))
                              : arena_printf(t->cx->mem, STR_FMT ";", STR_ARG(h->name));
        TRY(add_line(t, line.p));
    }
    return CODE_OK;
}

static long version_of(const struct http_client_request *req)
{
    if (!req->http2)
        return HTTP_1_1;
    return str_starts(req->url, STR("https:")) ? HTTP_2_TLS : HTTP_2_PRIOR_KNOWLEDGE;
}

static void set_limits(struct transfer *t)
{
    const struct http_client_request *req = t->req;
    curl.setopt(t->c, OPT_NOSIGNAL, 1L);
    curl.setopt(t->c, OPT_PROXY, "");
    curl.setopt(t->c, OPT_PROTOCOLS, (long)(PROTOCOL_HTTP | PROTOCOL_HTTPS));
    curl.setopt(t->c, OPT_REDIR_PROTOCOLS, (long)(PROTOCOL_HTTP | PROTOCOL_HTTPS));
    curl.setopt(t->c, OPT_FOLLOWLOCATION, (long)(req->redirects > 0));
    curl.setopt(t->c, OPT_MAXREDIRS, (long)req->redirects);
    curl.setopt(t->c, OPT_CONNECTTIMEOUT_MS,
                curl_ms(req->connect_timeout_ns ? req->connect_timeout_ns : CURL_CONNECT_NS));
    curl.setopt(t->c, OPT_TIMEOUT_MS, curl_ms(req->total_ns));
    curl.setopt(t->c, OPT_HTTP_VERSION, version_of(req));
    /* libcurl 7.88 fails on an idle HTTP/2 connection that it had kept. */
    curl.setopt(t->c, OPT_FORBID_REUSE, (long)req->http2);
    curl.setopt(t->c, OPT_PATH_AS_IS, 1L);
    curl.setopt(t->c, OPT_BUFFERSIZE, BUFFER_BYTES);
    curl.setopt(t->c, OPT_UPLOAD_BUFFERSIZE, BUFFER_BYTES);
}

static void set_callbacks(struct transfer *t)
{
    curl.setopt(t->c, OPT_ERRORBUFFER, t->error);
    curl.setopt(t->c, OPT_NOPROGRESS, 0L);
    curl.setopt(t->c, OPT_XFERINFODATA, t);
    curl.setopt(t->c, OPT_XFERINFOFUNCTION, on_time);
    curl.setopt(t->c, OPT_OPENSOCKETDATA, t);
    curl.setopt(t->c, OPT_OPENSOCKETFUNCTION, on_socket);
    curl.setopt(t->c, OPT_HEADERDATA, t);
    curl.setopt(t->c, OPT_HEADERFUNCTION, on_header);
    curl.setopt(t->c, OPT_WRITEDATA, t);
    curl.setopt(t->c, OPT_WRITEFUNCTION, on_body);
    curl.setopt(t->c, OPT_READDATA, t);
    curl.setopt(t->c, OPT_READFUNCTION, on_read);
}

static enum code set_up(struct transfer *t)
{
    const struct http_client_request *req = t->req;
    if (!is_line(req->url) || !is_line(req->method) || (req->redirects && req->body_length >= 0))
        return fail(t->cx, CODE_INVALID_ARGUMENT, "the request cannot be sent");
    TRY(add_headers(t));
    set_limits(t);
    set_callbacks(t);
    curl.setopt(t->c, OPT_URL, arena_cstr(t->cx->mem, req->url));
    curl.setopt(t->c, OPT_HTTPHEADER, t->lines);
    curl.setopt(t->c, OPT_NOBODY, (long)str_eq(req->method, STR("HEAD")));
    if (req->body_length >= 0) {
        curl.setopt(t->c, OPT_UPLOAD, 1L);
        curl.setopt(t->c, OPT_INFILESIZE_LARGE, req->body_length);
    }
    curl.setopt(t->c, OPT_CUSTOMREQUEST, arena_cstr(t->cx->mem, req->method));
    return CODE_OK;
}

/* ---- the outcome ------------------------------------------------------------------------------------------------- */

str http_client_server(str url)
{
    size_t scheme = str_find(url, STR("://")), end;
    str rest = str_skip(url, scheme == SIZE_MAX ? 0 : scheme + 3);
    for (end = 0; end < rest.n && !strchr("/?#", rest.p[end]); end++)
        ;
    size_t at = str_rfind_char(str_head(rest, end), '@');
    return str_head(at == SIZE_MAX ? rest : str_skip(rest, at + 1), at == SIZE_MAX ? end : end - at - 1);
}

static enum code came_whole(struct transfer *t)
{
    if (!tell_head(t))
        return fail(t->cx, CODE_ABORTED, "broken off");
    if (t->req->trailers)
        t->req->trailers(t->req->arg, t->headers.p + t->head_count, t->headers.n - t->head_count);
    return CODE_OK;
}

static enum code outcome(struct transfer *t, int e)
{
    str server = http_client_server(t->req->url);
    const char *text = *t->error ? t->error : curl.text(e);
    if (e == E_OK)
        return came_whole(t);
    if (t->why == CODE_RESOURCE_EXHAUSTED)
        return fail(t->cx, t->why, "the answer of " STR_FMT " is too large", STR_ARG(server));
    if (t->why == CODE_DEADLINE_EXCEEDED || e == E_TIMEOUT)
        return fail(t->cx, CODE_DEADLINE_EXCEEDED, STR_FMT " does not answer in time", STR_ARG(server));
    if (t->why != CODE_OK)
        return fail(t->cx, t->why, "the request to " STR_FMT " was broken off", STR_ARG(server));
    if (t->refused && e == E_CONNECT)
        return fail(t->cx, CODE_PERMISSION_DENIED,
                    STR_FMT ", or where it redirects to, has no public address; requests to private networks and this "
                            "machine are not made",
                    STR_ARG(server));
    return fail(t->cx, e == E_URL ? CODE_INVALID_ARGUMENT : CODE_UNAVAILABLE, STR_FMT ": %s", STR_ARG(server), text);
}

enum code http_client_ready(struct ctx *cx)
{
    return curl_ready(cx);
}

enum code http_client_perform(struct ctx *cx, const struct http_client_request *req)
{
    struct transfer t = {.cx = cx, .req = req, .moved_ns = time_now_ns()};
    TRY(http_client_ready(cx));
    t.c = curl_handle(req->anywhere ? CURL_ANYWHERE : CURL_GUARDED);
    if (!t.c)
        return fail(cx, CODE_RESOURCE_EXHAUSTED, "out of memory");
    enum code code = set_up(&t);
    if (code == CODE_OK)
        code = outcome(&t, curl.perform(t.c));
    curl.free_all(t.lines);
    curl.reset(t.c); /* it points to what ends here */
    return code;
}

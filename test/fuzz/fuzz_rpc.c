/* All of rpc/ on what strangers send: paths, queries, protocols, envelopes, base64, gzip, timeouts, in chunks of any size,
 * with disconnects, topics and closed windows in between. Sockets, loops, lanes and topics are played here, in one
 * thread, so that an input always does the same. Whatever comes in, each request is answered at most once and well
 * formed in its protocol, and nothing is left over when its exchange has closed (the leak check sees to that).
 *
 * Input: media type, path, method, flags, chunk size, length of the query, the query, the body. */
#include "fuzz.h"

#include "gen/grpc_health_v1.h"
#include "lane/lane.h"
#include "net/http.h"
#include "rpc/call.h"
#include "rpc/rpc.h"
#include "rpc/stream.h"
#include "rpc/text.h"

typedef GrpcHealthV1HealthCheckRequest Text;

enum {
    FLAG_GZIP = 1,    /* the request says it is compressed */
    FLAG_ACCEPT = 2,  /* the client takes compressed answers */
    FLAG_TIMEOUT = 4, /* and gives a time that runs out */
    FLAG_HTTP1 = 8,
    FLAG_LENGTH = 16,  /* content-length is told */
    FLAG_GO = 32,      /* the client goes away in the middle */
    FLAG_CLOSED = 64,  /* its window is closed for a while */
    FLAG_NO_END = 128, /* it never half-closes */
};

#define check(condition)                                                                                               \
    do {                                                                                                               \
        if (!(condition)) {                                                                                            \
            fprintf(stderr, "%s:%d: %s\n", __FILE__, __LINE__, #condition);                                            \
            abort();                                                                                                   \
        }                                                                                                              \
    } while (0)

/* ---- the loop: posts, timers --------------------------------------------------------------------------------------- */

static struct loop_post *posts, **posts_end = &posts;
static struct loop_timer *armed[2];
static struct loop *const the_loop = (struct loop *)&posts;

void loop_post(struct loop *l, struct loop_post *p)
{
    (void)l;
    p->next = NULL;
    *posts_end = p;
    posts_end = &p->next;
}

void loop_defer(struct loop *l, struct loop_post *p)
{
    loop_post(l, p);
}

/* The call's and the sweep's. */
void loop_timer_set(struct loop *l, struct loop_timer *t, int64_t at_ns)
{
    (void)l;
    t->at_ns = at_ns;
    t->slot = 1;
    size_t free_slot = armed[0] == t || !armed[0] ? 0 : 1;
    if (armed[1] == t)
        free_slot = 1;
    check(!armed[free_slot] || armed[free_slot] == t);
    armed[free_slot] = t;
}

void loop_timer_clear(struct loop *l, struct loop_timer *t)
{
    (void)l;
    t->slot = 0;
    for (int i = 0; i < 2; i++)
        if (armed[i] == t)
            armed[i] = NULL;
}

static void run_posts(int most)
{
    for (; posts && most; most--) {
        struct loop_post *p = posts;
        posts = p->next;
        if (!posts)
            posts_end = &posts;
        p->fn(p);
    }
}

static void run_timers(void)
{
    struct loop_timer *due[2] = {armed[0], armed[1]};
    for (int i = 0; i < 2; i++) {
        if (!due[i] || armed[i] != due[i]) /* cleared by the other */
            continue;
        armed[i] = NULL;
        due[i]->slot = 0;
        due[i]->at_ns = 0;
        due[i]->fn(due[i]);
    }
}

/* ---- lanes and topics ---------------------------------------------------------------------------------------------- */

static void (*sub_fn)(void *);
static void *sub_arg;
static struct topic_key sub_key;

void lane_submit_batch(struct lanes *lanes, enum lane_kind kind, struct lane_entry *chain)
{
    (void)lanes;
    (void)kind;
    while (chain) {
        struct lane_entry *e = chain;
        struct ctx cx;
        chain = e->next;
        ctx_init(&cx, e->mem);
        cx.who = e->who;
        cx.call = e->call;
        cx.fields = e->fields;
        e->done(e, &cx, e->run(e, &cx));
    }
}

struct topic_sub *topic_subscribe(struct topics *t, struct topic_key key, topic_fn *fn, void *arg)
{
    (void)t;
    sub_key = key;
    sub_fn = fn;
    sub_arg = arg;
    return (struct topic_sub *)&sub_fn;
}

struct topic_key topic_sub_key(const struct topic_sub *sub)
{
    return sub ? sub_key : (struct topic_key){0};
}

void topic_unsubscribe(struct topics *t, struct topic_sub *sub)
{
    (void)t;
    if (sub)
        sub_fn = NULL;
}

/* ---- the exchange -------------------------------------------------------------------------------------------------- */

struct http_exchange {
    struct http_request req;
    struct http_peer peer;
    struct arena mem;
    const struct http_service *service;
    void *arg;
    bool responded, ended, writable, asked, paused, has_trailers;
    int status;
    int64_t content_length;
    str type;
    int grpc_statuses;
    buf body;
};

const struct http_request *http_request(const struct http_exchange *x)
{
    return &x->req;
}

const struct http_peer *http_peer(const struct http_exchange *x)
{
    return &x->peer;
}

void *http_service_self(const struct http_exchange *x)
{
    return x->service->self;
}

void http_set_arg(struct http_exchange *x, void *arg)
{
    x->arg = arg;
}

struct loop *http_loop(const struct http_exchange *x)
{
    (void)x;
    return the_loop;
}

struct arena *http_mem(struct http_exchange *x)
{
    return &x->mem;
}

static void check_headers(struct http_exchange *x, const struct http_header *h, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        check(text_is_header_name(h[i].name));
        check(text_is_header_value(h[i].value));
        if (str_eq(h[i].name, STR("content-type")))
            x->type = arena_str(&x->mem, h[i].value);
        x->grpc_statuses += str_eq(h[i].name, STR("grpc-status"));
    }
}

void http_respond(struct http_exchange *x, int status, const struct http_header *headers, size_t n,
                  int64_t content_length, bool end)
{
    check(!x->responded);
    check(status >= 200 && status < 600);
    x->responded = true;
    x->status = status;
    x->content_length = content_length;
    x->ended = end;
    check_headers(x, headers, n);
}

void http_write(struct http_exchange *x, str bytes, bool end)
{
    check(x->responded && !x->ended);
    buf_str(&x->body, bytes);
    x->ended = end;
}

void http_end_trailers(struct http_exchange *x, const struct http_header *trailers, size_t n)
{
    check(x->responded && !x->ended);
    check_headers(x, trailers, n);
    x->has_trailers = true;
    x->ended = true;
}

bool http_writable(const struct http_exchange *x)
{
    if (!x->writable)
        ((struct http_exchange *)(uintptr_t)x)->asked = true;
    return x->writable;
}

void http_pause(struct http_exchange *x, bool pause)
{
    check(x->paused != pause);
    x->paused = pause;
}

void http_drop_head(struct http_exchange *x)
{
    x->req = (struct http_request){0};
}

void http_allow_gaps(struct http_exchange *x)
{
    (void)x;
}

/* ---- the methods --------------------------------------------------------------------------------------------------- */

static enum code unary(struct ctx *cx, const void *req, void *rsp)
{
    str said = ((const Text *)req)->service;
    ((Text *)rsp)->service = said;
    rpc_set_header(cx, STR("x-said"), said);
    rpc_set_trailer(cx, STR("x-said"), said);
    if (said.n > 3 && said.n < 16)
        return fail(cx, (enum code)said.n, STR_FMT, STR_ARG(said));
    ctx_add_detail(cx, STR("a.B"), said);
    return said.n == 3 ? fail(cx, CODE_ABORTED, STR_FMT, STR_ARG(said)) : CODE_OK;
}

static enum code watch(struct ctx *cx, const void *req, struct stream *st)
{
    int *n = stream_state(st, sizeof(*n));
    stream_subscribe(cx, st, (struct topic_key){TOPIC_RUNS, 0, 0});
    if (++*n > 3)
        return unary(cx, req, &(Text){0});
    TRY(stream_send(cx, st, req));
    return *n == 2 ? stream_again(st) : *n == 3 ? stream_wait_until(st, 1) : stream_wait(st);
}

static enum code talk(struct ctx *cx, struct stream *st, bool one)
{
    void *msg;
    size_t *n = stream_state(st, sizeof(*n));
    for (;;) {
        TRY(stream_recv(cx, st, &msg));
        if (!msg)
            break;
        rpc_set_trailer(cx, STR("x-said"), ((const Text *)msg)->service);
        if (!one)
            TRY(stream_send(cx, st, msg));
        ++*n;
    }
    if (!stream_recv_done(st))
        return stream_wait(st);
    return one ? stream_send(cx, st, &(Text){.service = arena_printf(cx->mem, "%zu", *n)}) : CODE_OK;
}

static enum code chat(struct ctx *cx, const void *none, struct stream *st)
{
    (void)none;
    return talk(cx, st, false);
}

static enum code collect(struct ctx *cx, const void *none, struct stream *st)
{
    (void)none;
    return talk(cx, st, true);
}

static enum code page(struct ctx *cx, const struct rpc_page_request *req, struct rpc_page_response *rsp)
{
    (void)cx;
    rsp->body = req->body;
    return CODE_OK;
}

static const struct rpc_page pages[] = {{"/", LANE_READ, page}, {"/p/", LANE_WORK, page}};

#define METHOD(n, c, s, quiet, u, f)                                                                                   \
    {                                                                                                                  \
        .service = "t.S", .name = n, .path = "/t.S/" n, .input = &GrpcHealthV1HealthCheckRequest_type,                 \
        .output = &GrpcHealthV1HealthCheckRequest_type, .client_stream = c, .server_stream = s,                        \
        .no_side_effects = quiet, .unary = u, .stream = f                                                              \
    }
static const struct pb_method methods[] = {
    METHOD("Chat", true, true, true, NULL, chat),    METHOD("Collect", true, false, true, NULL, collect),
    METHOD("Get", false, false, true, unary, NULL),  METHOD("None", false, false, false, NULL, NULL),
    METHOD("Set", false, false, false, unary, NULL), METHOD("Watch", false, true, true, NULL, watch),
};

/* ---- one request --------------------------------------------------------------------------------------------------- */

static const char *const medias[] = {
    "application/proto",
    "application/json",
    "application/connect+proto",
    "application/connect+json",
    "application/grpc",
    "application/grpc+json",
    "application/grpc-web",
    "application/grpc-web+json",
    "application/grpc-web-text",
    "application/json;charset=x",
    "application/grpc-web-text+proto",
    "text/plain",
};
static const char *const paths[] = {"/t.S/Get",  "/t.S/Set", "/t.S/Watch", "/t.S/Chat", "/t.S/Collect",
                                    "/t.S/None", "/t.S/No",  "/",          "/p/x",      "/elsewhere"};
static const char *const http_methods[] = {"POST", "GET", "POST", "PUT", "POST", "OPTIONS", "POST", "HEAD"};

static size_t set_headers(struct http_header *h, uint8_t media, uint8_t flags)
{
    size_t n = 0;
    h[n++] = (struct http_header){STR("content-type"), str_from(medias[media % (sizeof(medias) / sizeof(*medias))])};
    str encoding = media & 64 ? STR("br") : STR("gzip");
    static const char *const in[] = {"content-encoding", "connect-content-encoding", "grpc-encoding"};
    static const char *const out[] = {"accept-encoding", "connect-accept-encoding", "grpc-accept-encoding"};
    for (int i = 0; i < 3 && flags & FLAG_GZIP; i++)
        h[n++] = (struct http_header){str_from(in[i]), encoding};
    for (int i = 0; i < 3 && flags & FLAG_ACCEPT; i++)
        h[n++] = (struct http_header){str_from(out[i]), STR("gzip, identity")};
    if (flags & FLAG_TIMEOUT) {
        h[n++] = (struct http_header){STR("connect-timeout-ms"), media & 16 ? STR("0") : STR("60000")};
        h[n++] = (struct http_header){STR("grpc-timeout"), media & 32 ? STR("xyz") : STR("60S")};
    }
    if (media & 128)
        h[n++] = (struct http_header){STR("connect-protocol-version"), STR("1")};
    return n;
}

/* Envelopes up to the last, which has to be the end of the stream. */
static void check_envelopes(str body, int end_flag)
{
    int last = -2;
    while (body.n) {
        check(body.n >= 5 && last != end_flag);
        size_t n = (size_t)(uint8_t)body.p[1] << 24 | (size_t)(uint8_t)body.p[2] << 16 |
                   (size_t)(uint8_t)body.p[3] << 8 | (uint8_t)body.p[4];
        last = (uint8_t)body.p[0];
        check(last == 0 || last == 1 || last == end_flag);
        check(body.n - 5 >= n);
        body = str_skip(body, 5 + n);
    }
    check(end_flag < 0 || last == end_flag);
}

static void check_answer(struct http_exchange *x)
{
    str body = buf_view(&x->body);
    check(!x->body.failed);
    if (!x->ended)
        return; /* a stream that is parked, or a request that never ended */
    if (x->content_length >= 0)
        check((size_t)x->content_length == body.n);
    if (x->status != 200 || !x->type.n)
        return;
    if (str_starts(x->type, STR("application/grpc-web-text"))) {
        struct text_base64 r = {0};
        buf plain;
        buf_init_arena(&plain, &x->mem, body.n + 3);
        check(text_base64_read(&r, body, &plain) && text_base64_end(&r, &plain));
        check_envelopes(buf_view(&plain), 0x80);
    } else if (str_starts(x->type, STR("application/grpc-web"))) {
        check_envelopes(body, 0x80);
    } else if (str_starts(x->type, STR("application/grpc"))) {
        check(x->grpc_statuses == 1);
        check_envelopes(body, -1);
    } else if (str_starts(x->type, STR("application/connect+"))) {
        check_envelopes(body, 2);
    }
}

static void between(struct http_exchange *x, int i)
{
    run_posts(i & 1 ? 1 : -1);
    if (i % 3 == 0 && sub_fn)
        sub_fn(sub_arg);
    if (!x->writable && i > 2) {
        x->writable = true;
        if (x->asked)
            x->service->on_writable(x, x->arg);
    }
}

static void play(struct http_exchange *x, str body, size_t chunk, uint8_t flags)
{
    int i = 0;
    x->service->on_headers(x);
    for (; body.n && !x->ended; i++) {
        between(x, i);
        if (x->ended || (x->paused && i > 1000) || (flags & FLAG_GO && body.n < chunk * 2))
            break;
        if (x->paused)
            continue;
        str piece = str_head(body, chunk);
        char *own = malloc(piece.n); /* gone right after, and with an edge that a sanitizer sees */
        memcpy(own, piece.p, piece.n);
        x->service->on_data(x, x->arg, str_make(own, piece.n));
        free(own);
        body = str_skip(body, piece.n);
    }
    if (!x->ended && !(flags & (FLAG_GO | FLAG_NO_END)))
        x->service->on_end(x, x->arg);
    for (int end = i + 12; i < end && !(flags & FLAG_GO); i++)
        between(x, i);
    if (flags & FLAG_TIMEOUT && !(flags & FLAG_GO))
        run_timers();
    run_posts(flags & FLAG_GO ? 1 : -1);
}

static struct rpc *server(void)
{
    static struct rpc *r;
    const struct rpc_config cfg = {
        .methods = methods,
        .method_count = sizeof(methods) / sizeof(*methods),
        .pages = pages,
        .page_count = sizeof(pages) / sizeof(*pages),
        .message_max = 2000,
        .response_max = 3000,
        .gzip_min = 8,
        .any_user = true,
        .tell_internal = true, /* and so logs nothing */
    };
    if (!r) {
        struct fuzz f;
        fuzz_init(&f);
        fuzz_check(rpc_new(&f.cx, &cfg, &r) == CODE_OK);
        fuzz_done(&f);
    }
    return r;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct http_header headers[16];
    struct http_exchange x = {.service = rpc_http_service(server()), .content_length = -1};
    if (size < 6 || size - 6 < data[5])
        return 0;
    uint8_t flags = data[3];
    str query = str_make((const char *)data + 6, data[5]);
    str body = str_make((const char *)data + 6 + data[5], size - 6 - data[5]);
    arena_init(&x.mem, 0);
    buf_init(&x.body, (size_t)64 << 20);
    x.writable = !(flags & FLAG_CLOSED);
    x.peer = (struct http_peer){.address = STR("127.0.0.1"), .loopback = true};
    x.req = (struct http_request){
        .method = str_from(http_methods[data[2] % 8]),
        .scheme = STR("http"),
        .host = STR("localhost"),
        .path = str_from(paths[data[1] % (sizeof(paths) / sizeof(*paths))]),
        .query = query,
        .headers = headers,
        .header_count = set_headers(headers, data[0], flags),
        .content_length = flags & FLAG_LENGTH ? (int64_t)body.n : -1,
        .version = flags & FLAG_HTTP1 ? 1 : 2,
    };
    play(&x, body, (size_t)data[4] + 1, flags);
    check_answer(&x);
    x.service->on_close(&x, x.arg, x.ended);
    run_posts(-1);
    run_timers(); /* the sweep finds no stream and is not armed again */
    check(!armed[0] && !armed[1]);
    check(!sub_fn);
    buf_done(&x.body);
    arena_done(&x.mem);
    return 0;
}

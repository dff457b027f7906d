/* The whole server over HTTP/1.1: unary RPCs, errors, limits, pages. The protocols themselves are tested by the Connect
 * project's suite (make conform). */
#include "fixture.h"

#include "rpc/rpc_int.h"

#include "base/json.h"
#include "gen/services.h"
#include "pb/pb.h"
#include "rpc/call.h"

#include <semaphore.h>
#include <zlib.h>

#define GET_PATH "/flyteidl2.app.AppService/Get"
#define CREATE_PATH "/flyteidl2.app.AppService/Create"
#define DELETE_PATH "/flyteidl2.app.AppService/Delete"
#define JSON "Content-Type: application/json\r\n"
#define PROTO "Content-Type: application/proto\r\n"
#define APP_JSON "{\"appId\":{\"project\":\"p\",\"domain\":\"d\",\"name\":\"n\"}}"

static sem_t handler_runs, handler_may_end;

/* ---- handlers: what the name of the app says --------------------------------------------------------------------- */

static enum code act(struct ctx *cx, str name)
{
    if (str_eq(name, STR("missing"))) {
        ctx_add_detail(cx, STR("a.Detail"), STR("\x01\x02\x03"));
        return fail(cx, CODE_NOT_FOUND, "no app \"missing\"");
    }
    if (str_eq(name, STR("broken")))
        return fail(cx, CODE_INTERNAL, "the password is 12345");
    if (str_eq(name, STR("codeonly")))
        return CODE_ABORTED;
    if (str_eq(name, STR("slow"))) {
        sem_post(&handler_runs);
        sem_wait(&handler_may_end);
    }
    return CODE_OK;
}

enum code AppService_Get(struct ctx *cx, const AppGetRequest *req, AppGetResponse *rsp)
{
    TRY(act(cx, req->app_id->name));
    rpc_set_header(cx, STR("x-saw"), rpc_header(cx, STR("x-test")));
    rpc_set_header(cx, STR("x-bad"), STR("a\r\nInjected: yes"));
    rpc_set_trailer(cx, STR("x-who"), cx->who->subject);
    rsp->app = pb_new(cx->mem, AppApp);
    rsp->app->metadata = pb_new(cx->mem, AppMeta);
    rsp->app->metadata->id = req->app_id;
    return CODE_OK;
}

enum code AppService_Delete(struct ctx *cx, const AppDeleteRequest *req, AppDeleteResponse *rsp)
{
    (void)rsp;
    return act(cx, req->app_id->name);
}

static enum code page(struct ctx *cx, const struct rpc_page_request *req, struct rpc_page_response *rsp)
{
    if (str_eq(req->query, STR("fail")))
        return fail(cx, CODE_NOT_FOUND, "no such thing");
    rpc_set_header(cx, STR("cache-control"), STR("max-age=1"));
    rsp->status = 201;
    rsp->content_type = STR("text/html");
    rsp->body = arena_printf(cx->mem, STR_FMT " " STR_FMT " " STR_FMT " %zu", STR_ARG(req->method), STR_ARG(req->path),
                             STR_ARG(req->query), req->body.n);
    return CODE_OK;
}

static const struct rpc_page pages[] = {
    {"/", LANE_READ, page},
    {"/things/", LANE_WORK, page},
    {"/things/exact", LANE_READ, rpc_page_healthz},
};
#define PAGES .pages = pages, .page_count = sizeof(pages) / sizeof(*pages)

/* ---- helpers ----------------------------------------------------------------------------------------------------- */

static str json_field(struct fixture *f, const struct answer *a, const char *name)
{
    struct json *j;
    assert_ok(&f->cx, json_parse(&f->cx, a->body, &j));
    return json_text(json_path(j, str_from(name)), STR_NONE);
}

static void assert_error(struct fixture *f, const struct answer *a, int status, const char *code)
{
    if (a->status != status)
        fail_msg("status %d, not %d: " STR_FMT, a->status, status, STR_ARG(a->body));
    assert_str_equal(answer_header(a, "content-type"), "application/json");
    assert_str_equal(json_field(f, a, "code"), code);
}

static str gzip(struct fixture *f, str plain)
{
    z_stream z = {0};
    assert_int_equal(deflateInit2(&z, 9, Z_DEFLATED, 15 + 16, 9, Z_DEFAULT_STRATEGY), Z_OK);
    char *out = arena_alloc(&f->mem, plain.n + 100);
    z.next_in = (Bytef *)(uintptr_t)plain.p;
    z.avail_in = (uInt)plain.n;
    z.next_out = (Bytef *)out;
    z.avail_out = (uInt)plain.n + 100;
    assert_int_equal(deflate(&z, Z_FINISH), Z_STREAM_END);
    str packed = {out, plain.n + 100 - z.avail_out};
    deflateEnd(&z);
    return packed;
}

static str app_proto(struct fixture *f, const char *name)
{
    const AppIdentifier id = {.project = STR("p"), .domain = STR("d"), .name = str_from(name)};
    const AppGetRequest req = {
        .identifier_case = AppGetRequest_app_id_tag,
        .app_id = (AppIdentifier *)(uintptr_t)&id,
    };
    str out;
    assert_ok(&f->cx, pb_encode(&f->cx, &AppGetRequest_type, &req, &out));
    return out;
}

static str app_json(struct fixture *f, const char *name)
{
    return arena_printf(&f->mem, "{\"appId\":{\"project\":\"p\",\"domain\":\"d\",\"name\":\"%s\"}}", name);
}

/* ---- tests ------------------------------------------------------------------------------------------------------- */

static void json_and_proto_are_answered_in_kind(void **state)
{
    struct fixture f;
    void *msg;
    (void)state;
    fixture_start(&f, &(struct rpc_config){0});
    struct answer a =
        fixture_call(&f, "POST", GET_PATH, "Content-Type: application/json; charset=utf-8\r\n", STR(APP_JSON));
    assert_int_equal(a.status, 200);
    assert_str_equal(answer_header(&a, "content-type"), "application/json");
    assert_str_equal(json_field(&f, &a, "app.metadata.id.name"), "n");
    a = fixture_call(&f, "POST", GET_PATH, PROTO, app_proto(&f, "n"));
    assert_int_equal(a.status, 200);
    assert_str_equal(answer_header(&a, "content-type"), "application/proto");
    assert_ok(&f.cx, pb_decode(&f.cx, &AppGetResponse_type, a.body, &msg));
    assert_str_equal(((AppGetResponse *)msg)->app->metadata->id->name, "n");
    fixture_stop(&f);
}

static void headers_pass_both_ways(void **state)
{
    struct fixture f;
    char who[32];
    (void)state;
    fixture_start(&f, &(struct rpc_config){0});
    struct answer a = fixture_call(&f, "POST", GET_PATH, JSON "X-Test: Value\r\n", STR(APP_JSON));
    snprintf(who, sizeof(who), "uid:%u", (unsigned)getuid());
    assert_str_equal(answer_header(&a, "x-saw"), "Value");
    assert_str_equal(answer_header(&a, "trailer-x-who"), who);
    assert_int_equal(answer_header(&a, "x-bad").n, 0);
    assert_int_equal(answer_header(&a, "injected").n, 0);
    fixture_stop(&f);
}

/* The Python client compresses every unary request, also one of no bytes. */
static void gzip_bodies_are_read(void **state)
{
    struct fixture f;
    (void)state;
    fixture_start(&f, &(struct rpc_config){.message_max = 1 << 16});
    struct answer a = fixture_call(&f, "POST", GET_PATH, JSON "Content-Encoding: gzip\r\n", gzip(&f, STR(APP_JSON)));
    assert_int_equal(a.status, 200);
    a = fixture_call(&f, "POST", GET_PATH, PROTO "Content-Encoding: gzip\r\n", gzip(&f, STR("")));
    assert_error(&f, &a, 400, "invalid_argument"); /* by the rules of the message, not by gzip */
    assert_int_not_equal(str_find(a.body, STR("identifier")), SIZE_MAX);
    a = fixture_call(&f, "POST", GET_PATH, PROTO "Content-Encoding: gzip\r\n", STR(""));
    assert_error(&f, &a, 400, "invalid_argument");
    assert_int_not_equal(str_find(a.body, STR("identifier")), SIZE_MAX);
    a = fixture_call(&f, "POST", GET_PATH, PROTO "Content-Encoding: gzip\r\n", STR("no gzip"));
    assert_error(&f, &a, 400, "invalid_argument");
    a = fixture_call(&f, "POST", GET_PATH, PROTO "Content-Encoding: br\r\n", STR(""));
    assert_error(&f, &a, 501, "unimplemented");
    char *zeros = arena_alloc(&f.mem, 1 << 20);
    a = fixture_call(&f, "POST", GET_PATH, PROTO "Content-Encoding: gzip\r\n", gzip(&f, str_make(zeros, 1 << 20)));
    assert_error(&f, &a, 429, "resource_exhausted");
    /* The same for a method of the write lane, whose requests are decoded elsewhere. */
    a = fixture_call(&f, "POST", DELETE_PATH, PROTO "Content-Encoding: gzip\r\n", gzip(&f, str_make(zeros, 1 << 20)));
    assert_error(&f, &a, 429, "resource_exhausted");
    fixture_stop(&f);
}

static void large_answers_are_compressed_for_those_who_take_it(void **state)
{
    struct fixture f;
    (void)state;
    fixture_start(&f, &(struct rpc_config){.gzip_min = 16});
    struct answer a = fixture_call(&f, "POST", GET_PATH, JSON "Accept-Encoding: gzip,identity\r\n",
                                   app_json(&f, "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"));
    assert_int_equal(a.status, 200);
    assert_str_equal(answer_header(&a, "content-encoding"), "gzip");
    assert_memory_equal(a.body.p, "\x1f\x8b", 2);
    a = fixture_call(&f, "POST", GET_PATH, JSON, app_json(&f, "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"));
    assert_int_equal(answer_header(&a, "content-encoding").n, 0);
    fixture_stop(&f);
}

static void get_reads_the_query(void **state)
{
    struct fixture f;
    (void)state;
    fixture_start(&f, &(struct rpc_config){0});
    struct answer a =
        fixture_call(&f, "GET",
                     GET_PATH "?connect=v1&encoding=json&message=%7B%22appId%22%3A%7B%22project%22%3A%22p%"
                              "22,%22domain%22:%22d%22,%22name%22:%22n%22%7D%7D",
                     "", STR(""));
    assert_int_equal(a.status, 200);
    assert_str_equal(json_field(&f, &a, "app.metadata.id.name"), "n");
    /* {"appId":{"project":"p","domain":"d","name":"n"}} in the URL alphabet, without padding */
    a = fixture_call(&f, "GET",
                     GET_PATH "?encoding=json&base64=1&message=eyJhcHBJZCI6eyJwcm9qZWN0IjoicCIsImRvbWFpbiI6ImQiLCJuYW1l"
                              "IjoibiJ9fQ",
                     "", STR(""));
    assert_int_equal(a.status, 200);
    a = fixture_call(&f, "GET", GET_PATH "?encoding=json", "", STR(""));
    assert_error(&f, &a, 400, "invalid_argument");
    a = fixture_call(&f, "GET", GET_PATH "?encoding=json&message=%zz", "", STR(""));
    assert_error(&f, &a, 400, "invalid_argument");
    a = fixture_call(&f, "GET", GET_PATH "?encoding=json&base64=1&message=!!", "", STR(""));
    assert_error(&f, &a, 400, "invalid_argument");
    a = fixture_call(&f, "GET", GET_PATH "?connect=v2&encoding=json&message={}", "", STR(""));
    assert_error(&f, &a, 400, "invalid_argument");
    a = fixture_call(&f, "GET", GET_PATH "?encoding=xml&message={}", "", STR(""));
    assert_int_equal(a.status, 415);
    a = fixture_call(&f, "GET", DELETE_PATH "?encoding=json&message={}", "", STR("")); /* may change something */
    assert_int_equal(a.status, 405);
    assert_str_equal(answer_header(&a, "allow"), "POST");
    fixture_stop(&f);
}

static void what_is_no_rpc_is_refused(void **state)
{
    struct fixture f;
    (void)state;
    fixture_start(&f, &(struct rpc_config){0});
    struct answer a = fixture_call(&f, "POST", "/flyteidl2.app.AppService/NoSuch", JSON, STR("{}"));
    assert_error(&f, &a, 404, "unimplemented");
    a = fixture_call(&f, "POST", GET_PATH, "Content-Type: text/plain\r\n", STR(APP_JSON));
    assert_int_equal(a.status, 415);
    a = fixture_call(&f, "POST", GET_PATH, "", STR(APP_JSON));
    assert_int_equal(a.status, 415);
    a = fixture_call(&f, "POST", GET_PATH, "Content-Type: application/connect+json\r\n", STR(APP_JSON));
    assert_int_equal(a.status, 415); /* a streaming content type for a unary RPC */
    a = fixture_call(&f, "PUT", GET_PATH, JSON, STR(APP_JSON));
    assert_int_equal(a.status, 405);
    a = fixture_call(&f, "POST", CREATE_PATH, JSON, STR("{}"));
    assert_error(&f, &a, 501, "unimplemented"); /* known, but without a handler */
    a = fixture_call(&f, "POST", GET_PATH, JSON "Connect-Protocol-Version: 2\r\n", STR(APP_JSON));
    assert_error(&f, &a, 400, "invalid_argument");
    a = fixture_call(&f, "POST", GET_PATH, JSON "Connect-Timeout-Ms: soon\r\n", STR(APP_JSON));
    assert_error(&f, &a, 400, "invalid_argument");
    a = fixture_call(&f, "POST", GET_PATH, JSON, STR("{\"appId\":"));
    assert_error(&f, &a, 400, "invalid_argument");
    a = fixture_call(&f, "POST", GET_PATH, PROTO, STR("\x0a\xff"));
    assert_error(&f, &a, 400, "invalid_argument");
    a = fixture_call(&f, "POST", GET_PATH, JSON "Origin: http://evil.example\r\n", STR(APP_JSON));
    assert_error(&f, &a, 403, "permission_denied");
    fixture_stop(&f);
}

static void rules_name_the_field(void **state)
{
    struct fixture f;
    (void)state;
    fixture_start(&f, &(struct rpc_config){0});
    static const char *const paths[] = {GET_PATH, DELETE_PATH}; /* decoded by a worker, by the loop */
    for (size_t i = 0; i < 2; i++) {
        struct answer a =
            fixture_call(&f, "POST", paths[i], JSON, STR("{\"appId\":{\"project\":\"p\",\"name\":\"n\"}}"));
        assert_error(&f, &a, 400, "invalid_argument");
        assert_true(str_starts(json_field(&f, &a, "message"), STR("app_id.domain: ")));
    }
    fixture_stop(&f);
}

static void errors_of_handlers_reach_the_client(void **state)
{
    struct fixture f;
    (void)state;
    fixture_start(&f, &(struct rpc_config){0});
    static const char *const paths[] = {GET_PATH, DELETE_PATH};
    for (size_t i = 0; i < 2; i++) {
        struct answer a = fixture_call(&f, "POST", paths[i], JSON, app_json(&f, "missing"));
        assert_error(&f, &a, 404, "not_found");
        assert_str_equal(json_field(&f, &a, "message"), "no app \"missing\"");
        assert_int_not_equal(str_find(a.body, STR("{\"type\":\"a.Detail\",\"value\":\"AQID\"}")), SIZE_MAX);
        a = fixture_call(&f, "POST", paths[i], JSON, app_json(&f, "codeonly"));
        assert_error(&f, &a, 409, "aborted");
    }
    fixture_stop(&f);
}

static void internal_errors_keep_their_text_to_the_log(void **state)
{
    struct fixture f;
    (void)state;
    fixture_start(&f, &(struct rpc_config){0});
    struct answer a = fixture_call(&f, "POST", GET_PATH, JSON, app_json(&f, "broken"));
    assert_error(&f, &a, 500, "internal");
    assert_int_equal(str_find(a.body, STR("12345")), SIZE_MAX);
    assert_true(str_starts(json_field(&f, &a, "message"), STR("internal error ")));
    struct answer b = fixture_call(&f, "POST", GET_PATH, JSON, app_json(&f, "broken"));
    assert_false(str_eq(a.body, b.body)); /* each has a number of its own */
    fixture_stop(&f);
}

/* The handler is held until the client has its answer, so the answer cannot be the handler's. */
static void a_deadline_is_answered_on_time(void **state)
{
    struct fixture f;
    struct client c;
    (void)state;
    fixture_start(&f, &(struct rpc_config){.handlers_sleep = true});
    client_open(&c, &f);
    struct answer a = client_call(&c, "POST", GET_PATH, JSON "Connect-Timeout-Ms: 100\r\n", app_json(&f, "slow"));
    assert_error(&f, &a, 504, "deadline_exceeded");
    sem_wait(&handler_runs);
    sem_post(&handler_may_end);
    a = client_call(&c, "POST", GET_PATH, JSON "Connect-Timeout-Ms: 20000\r\n", app_json(&f, "n")); /* goes on */
    assert_int_equal(a.status, 200);
    a = client_call(&c, "POST", GET_PATH, JSON "Connect-Timeout-Ms: 0\r\n", app_json(&f, "n"));
    assert_error(&f, &a, 504, "deadline_exceeded");
    client_close(&c);
    fixture_stop(&f);
}

static void a_client_may_vanish_while_its_handler_runs(void **state)
{
    struct fixture f;
    struct client c;
    (void)state;
    fixture_start(&f, &(struct rpc_config){.handlers_sleep = true});
    client_open(&c, &f);
    client_request(&c, "POST", GET_PATH, JSON, app_json(&f, "slow"));
    sem_wait(&handler_runs);
    client_close(&c);
    struct answer a = fixture_call(&f, "POST", GET_PATH, JSON, app_json(&f, "n"));
    assert_int_equal(a.status, 200);
    sem_post(&handler_may_end);
    fixture_stop(&f);
}

static void sizes_have_limits(void **state)
{
    struct fixture f;
    struct client c;
    (void)state;
    fixture_start(&f, &(struct rpc_config){.message_max = 1000});
    char *much = arena_alloc(&f.mem, 300000);
    memset(much, ' ', 300000);
    struct answer a =
        fixture_call(&f, "POST", GET_PATH, JSON, arena_concat(&f.mem, STR(APP_JSON), str_make(much, 900)));
    assert_int_equal(a.status, 200);
    a = fixture_call(&f, "POST", GET_PATH, JSON, str_make(much, 1001));
    assert_error(&f, &a, 429, "resource_exhausted");
    client_open(&c, &f); /* announced, not sent: refused all the same */
    client_send(&c, arena_printf(&f.mem,
                                 "POST " GET_PATH " HTTP/1.1\r\nHost: localhost:%u\r\n" JSON
                                 "Content-Length: 9000000\r\n\r\n",
                                 http_server_port(f.http)));
    a = client_answer(&c);
    assert_error(&f, &a, 429, "resource_exhausted");
    client_close(&c);
    client_open(&c, &f); /* never announced */
    client_send(&c, arena_printf(&f.mem,
                                 "POST " GET_PATH " HTTP/1.1\r\nHost: localhost:%u\r\n" JSON
                                 "Transfer-Encoding: chunked\r\n\r\n3e9\r\n",
                                 http_server_port(f.http)));
    client_send(&c, str_make(much, 1001));
    client_send(&c, STR("\r\n0\r\n\r\n"));
    a = client_answer(&c);
    assert_error(&f, &a, 429, "resource_exhausted");
    client_close(&c);
    fixture_stop(&f);
}

static void bytes_in_flight_have_a_limit(void **state)
{
    struct fixture f;
    struct client hog;
    (void)state;
    fixture_start(&f, &(struct rpc_config){.inflight_max = 5000, PAGES});
    char *much = arena_alloc(&f.mem, 5000);
    memset(much, ' ', 5000);
    client_open(&hog, &f);
    client_send(&hog,
                arena_printf(&f.mem,
                             "POST " GET_PATH " HTTP/1.1\r\nHost: localhost:%u\r\n" JSON "Content-Length: 6000\r\n\r\n",
                             http_server_port(f.http)));
    client_send(&hog, str_make(much, 4990));
    struct answer a;
    do /* until the server has read what the hog sent */
        a = fixture_call(&f, "POST", GET_PATH, JSON, STR(APP_JSON));
    while (a.status == 200);
    assert_error(&f, &a, 429, "resource_exhausted");
    client_close(&hog);
    do /* until it has seen that the hog is gone */
        a = fixture_call(&f, "POST", GET_PATH, JSON, STR(APP_JSON));
    while (a.status == 429);
    assert_int_equal(a.status, 200);
    fixture_stop(&f);
}

/* D-34: a call that works on much leaves less to others, who are told so and served again after it. */
static void messages_in_work_have_a_limit(void **state)
{
    struct fixture f;
    struct client hog;
    (void)state;
    fixture_start(&f, &(struct rpc_config){.decoded_max = 5500000});
    char *much = arena_alloc(&f.mem, 2000000);
    memset(much, 'x', 2000000);
    str slow =
        arena_printf(&f.mem, "{\"appId\":{\"project\":\"p\",\"domain\":\"d\",\"name\":\"slow\"}%*s}", 2000000, "");
    str large =
        arena_printf(&f.mem, "{\"appId\":{\"project\":\"p\",\"domain\":\"d\",\"name\":\"%.*s\"}}", 2000000, much);
    client_open(&hog, &f);
    client_send(&hog, arena_printf(&f.mem,
                                   "POST " DELETE_PATH " HTTP/1.1\r\nHost: localhost:%u\r\n" JSON
                                   "Content-Length: %zu\r\n\r\n",
                                   http_server_port(f.http), slow.n));
    client_send(&hog, slow);
    sem_wait(&handler_runs);
    struct answer a = fixture_call(&f, "POST", GET_PATH, JSON, large);
    assert_error(&f, &a, 429, "resource_exhausted");
    a = fixture_call(&f, "POST", GET_PATH, JSON, STR(APP_JSON));
    assert_int_equal(a.status, 200);
    sem_post(&handler_may_end);
    a = client_answer(&hog);
    assert_int_equal(a.status, 200);
    client_close(&hog);
    do /* until its memory is given back */
        a = fixture_call(&f, "POST", GET_PATH, JSON, large);
    while (a.status == 429);
    assert_error(&f, &a, 400, "invalid_argument"); /* a name may not be so long */
    fixture_stop(&f);
}

/* D-34: what is received counts by its size, though the room for it was too small again and again. */
static void received_messages_count_by_their_size(void **state)
{
    enum { CLIENTS = 12, SIZE = 4500000 };
    struct fixture f;
    struct client c[CLIENTS];
    (void)state;
    fixture_start(&f, &(struct rpc_config){.decoded_max = (size_t)(CLIENTS + 1) * SIZE});
    str app = arena_printf(&f.mem, "{\"appId\":{\"project\":\"p\",\"domain\":\"d\",\"name\":\"a\"}%*s}", SIZE, "");
    str framed = fixture_envelope(&f, 0, app);
    for (int i = 0; i < CLIENTS; i++) {
        str body = i % 2 ? framed : app;
        client_open(&c[i], &f);
        client_send(&c[i], arena_printf(&f.mem,
                                        "POST " GET_PATH " HTTP/1.1\r\nHost: localhost:%u\r\n"
                                        "Content-Type: application/%s\r\nContent-Length: %zu\r\n\r\n",
                                        http_server_port(f.http), i % 2 ? "grpc-web+json" : "json", body.n));
        client_send(&c[i], str_make(body.p, body.n - 1));
    }
    int64_t sent = CLIENTS / 2 * (int64_t)(app.n + framed.n - 2);
    while (f.rpc->inflight_bytes < sent) /* until the server has read it */
        assert_int_equal(fixture_call(&f, "POST", GET_PATH, JSON, STR(APP_JSON)).status, 200);
    assert_true(f.rpc->decoded.used < (size_t)CLIENTS * SIZE + SIZE / 2);
    struct answer a = fixture_call(&f, "POST", GET_PATH, JSON, STR(APP_JSON));
    assert_int_equal(a.status, 200);
    char *much = memset(arena_alloc(&f.mem, SIZE), 'x', SIZE);
    str large = arena_printf(&f.mem, "{\"appId\":{\"project\":\"p\",\"domain\":\"d\",\"name\":\"%.*s\"}}", SIZE, much);
    a = fixture_call(&f, "POST", GET_PATH, JSON, large);
    assert_error(&f, &a, 429, "resource_exhausted");
    for (int i = 0; i < CLIENTS; i++) {
        client_send(&c[i], STR("}"));
        a = client_answer(&c[i]);
        assert_int_equal(a.status, 200);
        if (i % 2)
            assert_true(str_find(a.body, STR("grpc-status: 0")) < a.body.n);
        client_close(&c[i]);
    }
    fixture_stop(&f);
}

static void answers_are_counted_by_rpc_and_protocol(void **state)
{
    static const struct rpc_page metrics[] = {{"/metrics", LANE_READ, rpc_page_metrics}};
    static const char *const lines[] = {
        "tern_rpc_total{method=\"flyteidl2.app.AppService/Get\",protocol=\"connect\",code=\"ok\"} 2\n",
        "tern_rpc_total{method=\"flyteidl2.app.AppService/Get\",protocol=\"connect\",code=\"not_found\"} 1\n",
        "tern_rpc_total{method=\"flyteidl2.app.AppService/Get\",protocol=\"grpc-web\",code=\"ok\"} 1\n",
        "tern_rpc_seconds_count{method=\"flyteidl2.app.AppService/Get\"} 4\n",
        "tern_rpc_seconds_bucket{method=\"flyteidl2.app.AppService/Get\",le=\"+Inf\"} 4\n",
    };
    struct fixture f;
    (void)state;
    fixture_start(&f, &(struct rpc_config){.pages = metrics, .page_count = 1});
    fixture_call(&f, "POST", GET_PATH, JSON, STR(APP_JSON));
    fixture_call(&f, "POST", GET_PATH, JSON, STR(APP_JSON));
    fixture_call(&f, "POST", GET_PATH, JSON,
                 STR("{\"appId\":{\"project\":\"p\",\"domain\":\"d\",\"name\":\"missing\"}}"));
    fixture_call(&f, "POST", GET_PATH, "Content-Type: application/grpc-web+json\r\n",
                 fixture_envelope(&f, 0, STR(APP_JSON)));
    struct answer a = fixture_call(&f, "GET", "/metrics", "", STR(""));
    for (size_t i = 0; i < sizeof(lines) / sizeof(*lines); i++)
        if (str_find(a.body, str_from(lines[i])) == SIZE_MAX)
            fail_msg("no line %s", lines[i]);
    assert_int_equal(str_find(a.body, STR("AppService/Delete")), SIZE_MAX);
    fixture_stop(&f);
}

static void pages_are_found_and_sent(void **state)
{
    struct fixture f;
    (void)state;
    fixture_start(&f, &(struct rpc_config){PAGES});
    struct answer a = fixture_call(&f, "GET", "/?a=b", "", STR(""));
    assert_int_equal(a.status, 201);
    assert_str_equal(a.body, "GET / a=b 0");
    assert_str_equal(answer_header(&a, "content-type"), "text/html");
    assert_str_equal(answer_header(&a, "cache-control"), "max-age=1");
    assert_str_equal(answer_header(&a, "x-content-type-options"), "nosniff");
    assert_true(str_starts(answer_header(&a, "content-security-policy"), STR("default-src 'none'")));
    a = fixture_call(&f, "POST", "/things/some/where", "", STR("12345"));
    assert_str_equal(a.body, "POST /things/some/where  5");
    a = fixture_call(&f, "GET", "/things/exact", "", STR(""));
    assert_str_equal(a.body, "ok\n");
    a = fixture_call(&f, "GET", "/things/x?fail", "", STR(""));
    assert_int_equal(a.status, 404);
    assert_str_equal(a.body, "no such thing");
    a = fixture_call(&f, "GET", "/things", "", STR(""));
    assert_int_equal(a.status, 404);
    a = fixture_call(&f, "GET", "/elsewhere", "", STR(""));
    assert_int_equal(a.status, 404);
    char *much = arena_alloc(&f.mem, RPC_PAGE_BODY_MAX + 1);
    memset(much, 'x', RPC_PAGE_BODY_MAX + 1);
    a = fixture_call(&f, "POST", "/", "", str_make(much, RPC_PAGE_BODY_MAX));
    assert_int_equal(a.status, 201);
    a = fixture_call(&f, "POST", "/", "", str_make(much, RPC_PAGE_BODY_MAX + 1));
    assert_int_equal(a.status, 429);
    fixture_stop(&f);
}

static void other_origins_are_told_that_they_may(void **state)
{
    struct fixture f;
    const str origins[] = {STR("https://console.example")};
    (void)state;
    fixture_start(&f, &(struct rpc_config){.origins = origins, .origin_count = 1});
    struct answer a = fixture_call(
        &f, "OPTIONS", GET_PATH, "Origin: https://console.example\r\nAccess-Control-Request-Method: POST\r\n", STR(""));
    assert_int_equal(a.status, 204);
    assert_str_equal(answer_header(&a, "access-control-allow-origin"), "https://console.example");
    a = fixture_call(&f, "POST", GET_PATH, JSON "Origin: https://console.example\r\n", STR(APP_JSON));
    assert_int_equal(a.status, 200);
    assert_str_equal(answer_header(&a, "access-control-allow-origin"), "https://console.example");
    a = fixture_call(&f, "OPTIONS", GET_PATH, "Origin: https://evil.example\r\n", STR(""));
    assert_int_equal(a.status, 403);
    assert_int_equal(answer_header(&a, "access-control-allow-origin").n, 0);
    fixture_stop(&f);
}

static void requests_follow_each_other_on_a_connection(void **state)
{
    struct fixture f;
    struct client c;
    (void)state;
    fixture_start(&f, &(struct rpc_config){PAGES});
    client_open(&c, &f);
    for (int i = 0; i < 50; i++) /* pipelined */
        client_request(&c, "POST", i % 3 ? GET_PATH : DELETE_PATH, JSON, app_json(&f, i % 5 ? "n" : "missing"));
    for (int i = 0; i < 50; i++)
        assert_int_equal(client_answer(&c).status, i % 5 ? 200 : 404);
    client_close(&c);
    fixture_stop(&f);
}

static void a_draining_server_refuses(void **state)
{
    struct fixture f;
    struct client c;
    (void)state;
    fixture_start(&f, &(struct rpc_config){0});
    client_open(&c, &f);
    assert_int_equal(client_call(&c, "POST", GET_PATH, JSON, STR(APP_JSON)).status, 200);
    assert_true(rpc_drain(f.rpc, PATIENCE_S * NS_PER_S));
    struct answer a = client_call(&c, "POST", GET_PATH, JSON, STR(APP_JSON));
    assert_error(&f, &a, 503, "unavailable");
    client_close(&c);
    fixture_stop(&f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(json_and_proto_are_answered_in_kind),
        cmocka_unit_test(headers_pass_both_ways),
        cmocka_unit_test(gzip_bodies_are_read),
        cmocka_unit_test(large_answers_are_compressed_for_those_who_take_it),
        cmocka_unit_test(get_reads_the_query),
        cmocka_unit_test(what_is_no_rpc_is_refused),
        cmocka_unit_test(rules_name_the_field),
        cmocka_unit_test(errors_of_handlers_reach_the_client),
        cmocka_unit_test(internal_errors_keep_their_text_to_the_log),
        cmocka_unit_test(a_deadline_is_answered_on_time),
        cmocka_unit_test(a_client_may_vanish_while_its_handler_runs),
        cmocka_unit_test(sizes_have_limits),
        cmocka_unit_test(bytes_in_flight_have_a_limit),
        cmocka_unit_test(messages_in_work_have_a_limit),
        cmocka_unit_test(received_messages_count_by_their_size),
        cmocka_unit_test(answers_are_counted_by_rpc_and_protocol),
        cmocka_unit_test(pages_are_found_and_sent),
        cmocka_unit_test(other_origins_are_told_that_they_may),
        cmocka_unit_test(requests_follow_each_other_on_a_connection),
        cmocka_unit_test(a_draining_server_refuses),
    };
    sem_init(&handler_runs, 0, 0);
    sem_init(&handler_may_end, 0, 0);
    return cmocka_run_group_tests(tests, NULL, NULL);
}

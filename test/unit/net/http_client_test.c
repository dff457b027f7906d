/* Outgoing requests, against our own server. The guard of this test lets 127.0.0.1 pass and nothing else, so that what it
 * refuses after a redirect can be seen. */
#include "net/guard.h"
static bool test_guard(const struct sockaddr *address, const struct cidr *allowed, size_t n);
#define guard_allows test_guard
#include "net/http_client.c"
#undef guard_allows

#include "base/buf.h"
#include "unit.h"

#include <arpa/inet.h>

static bool only_first = true;

static bool test_guard(const struct sockaddr *a, const struct cidr *allowed, size_t n)
{
    (void)allowed;
    (void)n;
    const struct sockaddr_in *v4 = (const void *)a;
    return only_first && a->sa_family == AF_INET && ntohl(v4->sin_addr.s_addr) == INADDR_LOOPBACK;
}

struct fixture {
    struct arena mem;
    struct ctx cx;
    struct http_service service;
    struct http_server *server;
    str base;
    /* what came back */
    int status, heads;
    buf got;
    str etag;
    /* what is sent, and what the server saw */
    size_t left;
    int stop_after;
    size_t received;
    str proxied;
};

/* ---- the server: the path says what it does ---------------------------------------------------------------------- */

static void redirect(struct fixture *f, struct http_exchange *x, const char *host)
{
    uint16_t port = http_server_port(f->server);
    struct http_header h = {STR("location"), arena_printf(http_mem(x), "http://%s:%u/ok", host, port)};
    http_respond(x, 302, &h, 1, 0, true);
}

static void on_headers(struct http_exchange *x)
{
    struct fixture *f = http_service_self(x);
    const struct http_request *q = http_request(x);
    const struct http_header tag = {STR("ETag"), STR(" \"e\" ")};
    if (str_eq(q->path, STR("/ok")))
        http_reply(x, 200, STR("text/plain"), q->query.n ? q->query : STR("fine"));
    else if (str_eq(q->path, STR("/a/../b")))
        http_reply(x, 200, STR("text/plain"), q->path);
    else if (str_eq(q->path, STR("/head")))
        http_respond(x, 200, &tag, 1, 12345, true);
    else if (str_eq(q->path, STR("/again")))
        redirect(f, x, "127.0.0.1");
    else if (str_eq(q->path, STR("/inside")))
        redirect(f, x, "127.0.0.2");
    else if (str_eq(q->path, STR("/many")))
        http_reply(x, 200, STR("text/plain"), str_make(arena_new_array(http_mem(x), char, 100000), 100000));
    else if (str_eq(q->path, STR("/cut"))) {
        http_respond(x, 200, NULL, 0, 100, false);
        http_write(x, STR("short"), true);
    } else if (!q->has_body && !str_eq(q->path, STR("/silent")))
        http_reply(x, 404, STR("text/plain"), STR("no"));
}

static void on_data(struct http_exchange *x, void *arg, str chunk)
{
    struct fixture *f = http_service_self(x);
    (void)arg;
    f->received += chunk.n;
}

static void on_end(struct http_exchange *x, void *arg)
{
    (void)arg;
    if (http_request(x)->has_body)
        http_reply(x, 201, STR("text/plain"), STR("stored"));
}

static void on_close(struct http_exchange *x, void *arg, bool complete)
{
    (void)x, (void)arg, (void)complete;
}

static int setup(void **state)
{
    struct fixture *f = calloc(1, sizeof(*f));
    arena_init(&f->mem, 0);
    ctx_init(&f->cx, &f->mem);
    f->service = (struct http_service){f, on_headers, on_data, on_end, NULL, on_close};
    struct http_server_config cfg = {.listen = STR("127.0.0.1:0"), .service = &f->service};
    *state = f;
    setenv("http_proxy", "http://127.0.0.1:1", 1);
    setenv("all_proxy", "http://127.0.0.1:1", 1);
    only_first = true;
    if (http_server_start(&f->cx, &cfg, &f->server) != CODE_OK)
        return -1;
    f->base = arena_printf(&f->mem, "http://127.0.0.1:%u", http_server_port(f->server));
    buf_init(&f->got, 1 << 20);
    return 0;
}

static int teardown(void **state)
{
    struct fixture *f = *state;
    http_server_stop(f->server, 0);
    buf_done(&f->got);
    arena_done(&f->mem);
    free(f);
    return 0;
}

/* ---- the client -------------------------------------------------------------------------------------------------- */

static bool take_head(void *arg, int status, const struct http_header *headers, size_t n)
{
    struct fixture *f = arg;
    f->status = status;
    f->heads++;
    for (size_t i = 0; i < n; i++)
        if (str_eq(headers[i].name, STR("etag")))
            f->etag = headers[i].value;
    return f->stop_after != 1;
}

static bool take_body(void *arg, str bytes)
{
    struct fixture *f = arg;
    buf_str(&f->got, bytes);
    return f->stop_after != 2;
}

static size_t give_body(void *arg, char *p, size_t n)
{
    struct fixture *f = arg;
    if (f->stop_after == 3)
        return HTTP_CLIENT_STOP;
    n = n < f->left ? n : f->left;
    memset(p, 'x', n);
    f->left -= n;
    return n;
}

static enum code ask(struct fixture *f, const char *method, const char *path, struct http_client_request more)
{
    more.method = str_from(method);
    more.url = str_starts(str_from(path), STR("http")) ? str_from(path)
                                                       : arena_printf(&f->mem, STR_FMT "%s", STR_ARG(f->base), path);
    more.arg = f;
    more.read = give_body;
    more.head = take_head;
    more.body = take_body;
    if (!more.body_length)
        more.body_length = -1;
    f->status = f->heads = 0;
    f->got.n = 0;
    return http_client_perform(&f->cx, &more);
}

static void expect(struct fixture *f, enum code code, int status, const char *body)
{
    if (code != CODE_OK)
        fail_msg("%s: %s", code_name(code), f->cx.err.msg);
    assert_int_equal(f->status, status);
    assert_int_equal(f->heads, 1);
    assert_true(str_eq(buf_view(&f->got), str_from(body)));
}

static void test_answers(void **state)
{
    struct fixture *f = *state;
    expect(f, ask(f, "GET", "/ok", (struct http_client_request){0}), 200, "fine");
    expect(f, ask(f, "GET", "/ok?a=%2F&b=", (struct http_client_request){0}), 200, "a=%2F&b=");
    expect(f, ask(f, "GET", "/none", (struct http_client_request){0}), 404, "no");
    expect(f, ask(f, "GET", "/a/../b", (struct http_client_request){0}), 200, "/a/../b");
    expect(f, ask(f, "HEAD", "/head", (struct http_client_request){0}), 200, "");
    assert_true(str_eq(f->etag, STR("\"e\"")));
    expect(f, ask(f, "DELETE", "/none", (struct http_client_request){0}), 404, "no");
}

static void test_bodies_are_sent(void **state)
{
    struct fixture *f = *state;
    f->left = 3000000;
    expect(f, ask(f, "PUT", "/put", (struct http_client_request){.body_length = 3000000}), 201, "stored");
    assert_int_equal(f->received, 3000000);
    f->stop_after = 3;
    assert_code(&f->cx, ask(f, "POST", "/put", (struct http_client_request){.body_length = 10}), CODE_ABORTED);
}

static void test_redirects(void **state)
{
    struct fixture *f = *state;
    expect(f, ask(f, "GET", "/again", (struct http_client_request){0}), 302, "");
    expect(f, ask(f, "GET", "/again", (struct http_client_request){.redirects = 1}), 200, "fine");
    assert_code(&f->cx, ask(f, "GET", "/inside", (struct http_client_request){.redirects = 1}), CODE_PERMISSION_DENIED);
    assert_int_equal(f->heads, 0);
    expect(f, ask(f, "GET", "/inside", (struct http_client_request){.redirects = 0}), 302, "");
    assert_code(&f->cx, ask(f, "PUT", "/again", (struct http_client_request){.redirects = 1, .body_length = 1}),
                CODE_INVALID_ARGUMENT);
}

static void test_the_guard(void **state)
{
    struct fixture *f = *state;
    str v6 = arena_printf(&f->mem, "http://[::1]:%u/ok", http_server_port(f->server));
    assert_code(&f->cx, ask(f, "GET", v6.p, (struct http_client_request){0}), CODE_PERMISSION_DENIED);
    only_first = false; /* on a thread whose connection to it may still be open */
    struct http_client_request anywhere = {.anywhere = true};
    expect(f, ask(f, "GET", "/ok", anywhere), 200, "fine");
    str name = arena_printf(&f->mem, "http://localhost:%u/ok", http_server_port(f->server));
    assert_code(&f->cx, ask(f, "GET", name.p, (struct http_client_request){0}), CODE_PERMISSION_DENIED);
}

static void test_limits(void **state)
{
    struct fixture *f = *state;
    assert_code(&f->cx, ask(f, "GET", "/many", (struct http_client_request){.answer_max = 99999}),
                CODE_RESOURCE_EXHAUSTED);
    assert_ok(&f->cx, ask(f, "GET", "/many", (struct http_client_request){.answer_max = 100000}));
    assert_code(&f->cx, ask(f, "GET", "/silent", (struct http_client_request){.total_ns = 50 * NS_PER_MS}),
                CODE_DEADLINE_EXCEEDED);
    assert_code(&f->cx, ask(f, "GET", "/silent", (struct http_client_request){.stall_ns = 50 * NS_PER_MS}),
                CODE_DEADLINE_EXCEEDED);
    f->stop_after = 1;
    assert_code(&f->cx, ask(f, "GET", "/ok", (struct http_client_request){0}), CODE_ABORTED);
    f->stop_after = 2;
    assert_code(&f->cx, ask(f, "GET", "/ok", (struct http_client_request){0}), CODE_ABORTED);
    f->stop_after = 0;
    expect(f, ask(f, "GET", "/ok", (struct http_client_request){0}), 200, "fine");
}

static void test_what_goes_wrong(void **state)
{
    struct fixture *f = *state;
    const struct http_header bad = {STR("x-a"), STR("1\r\nx-b: 2")};
    assert_code(&f->cx, ask(f, "GET", "http://127.0.0.1:1/?secret", (struct http_client_request){0}), CODE_UNAVAILABLE);
    assert_null(strstr(f->cx.err.msg, "secret"));
    assert_non_null(strstr(f->cx.err.msg, "127.0.0.1:1"));
    assert_code(&f->cx, ask(f, "GET", "/cut", (struct http_client_request){0}), CODE_UNAVAILABLE);
    assert_code(&f->cx, ask(f, "GET", "/ok", (struct http_client_request){.headers = &bad, .header_count = 1}),
                CODE_INVALID_ARGUMENT);
    assert_code(&f->cx, ask(f, "GET", "/ok\r\nx: y", (struct http_client_request){0}), CODE_INVALID_ARGUMENT);
    assert_code(&f->cx, ask(f, "GET", "http://", (struct http_client_request){0}), CODE_INVALID_ARGUMENT);
    assert_code(&f->cx, ask(f, "GET", "httpfile:///etc/passwd", (struct http_client_request){0}), CODE_UNAVAILABLE);
}

static void test_texts_name_the_server_only(void **state)
{
    static const char *const cases[][2] = {{"https://h.example:1/p?q", "h.example:1"},
                                           {"http://user:pw@h/x@y", "h"},
                                           {"http://h?a@b", "h"},
                                           {"h/x", "h"},
                                           {"http://h", "h"}};
    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++)
        assert_true(str_eq(http_client_server(str_from(cases[i][0])), str_from(cases[i][1])));
}

#define client_test(fn) cmocka_unit_test_setup_teardown(fn, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        client_test(test_answers),
        client_test(test_bodies_are_sent),
        client_test(test_redirects),
        client_test(test_the_guard),
        client_test(test_limits),
        client_test(test_what_goes_wrong),
        cmocka_unit_test(test_texts_name_the_server_only),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

/* HTTP/1.1 connections without sockets: what is answered to which bytes, however they are cut. */
#include "net/wire.h"
#include "unit.h"

#define GET(path) "GET " path " HTTP/1.1\r\nHost: h\r\n\r\n"
#define OK(length, body) "HTTP/1.1 200 OK\r\ncontent-length: " length "\r\n\r\n" body
#define TEXT(length, body) "HTTP/1.1 200 OK\r\ncontent-type: text/plain\r\ncontent-length: " length "\r\n\r\n" body
#define BYTES(length, body)                                                                                            \
    "HTTP/1.1 200 OK\r\ncontent-type: application/octet-stream\r\ncontent-length: " length "\r\n\r\n" body
#define CHUNKED "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n"
#define REFUSED(status, length, body)                                                                                  \
    "HTTP/1.1 " status "\r\ncontent-type: text/plain\r\ncontent-length: " length "\r\nconnection: close\r\n\r\n" body

/* Dates differ from run to run. */
static void cut_dates(buf *b)
{
    for (size_t at; (at = str_find(buf_view(b), STR("date: "))) != SIZE_MAX;) {
        size_t n = str_find(str_skip(buf_view(b), at), STR("\n")) + 1;
        memmove(b->p + at, b->p + at + n, b->n - at - n);
        b->n -= n;
    }
}

enum { ENDS, KEPT };

struct expected {
    const char *in, *out;
    int after; /* what becomes of the connection */
};

static const struct expected cases[] = {
    {GET("/hello"), TEXT("6", "hello\n"), KEPT},
    {GET("/hello") GET("/hello") GET("/nothing"),
     TEXT("6", "hello\n") TEXT("6", "hello\n") "HTTP/1.1 404 Not Found\r\ncontent-type: text/plain\r\n"
                                               "content-length: 10\r\n\r\nnot found\n",
     KEPT},
    {"\r\n" GET("/hello"), TEXT("6", "hello\n"), KEPT},
    {"POST /unary HTTP/1.1\r\nHost: h\r\nContent-Length: 3\r\n\r\nabc" GET("/hello"),
     BYTES("3", "abc") TEXT("6", "hello\n"), KEPT},
    {"POST /unary HTTP/1.1\r\nHost: h\r\nContent-Length: 0\r\n\r\n", BYTES("0", ""), KEPT},
    {"POST /unary HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n2;x=y\r\nde\r\n0\r\n\r\n" GET(
         "/hello"),
     BYTES("5", "abcde") TEXT("6", "hello\n"), KEPT},
    {"POST /echo HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n0\r\nX-Sum: 7 \r\n\r\n" GET("/hello"),
     CHUNKED "0\r\nx-sum: 7\r\n\r\n" TEXT("6", "hello\n"), KEPT},
    {"POST /echo HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n0\r\nX-Other: 7 \r\n\r\n",
     CHUNKED "0\r\n\r\n", KEPT},
    {"HEAD /hello HTTP/1.1\r\nHost: h\r\n\r\n" GET("/hello"), TEXT("6", "") TEXT("6", "hello\n"), KEPT},
    {"HEAD /echo HTTP/1.1\r\nHost: h\r\n\r\n" GET("/hello"), "HTTP/1.1 200 OK\r\n\r\n" TEXT("6", "hello\n"), KEPT},
    {"GET /hello HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n" GET("/hello"),
     "HTTP/1.1 200 OK\r\ncontent-type: text/plain\r\ncontent-length: 6\r\nconnection: close\r\n\r\nhello\n", ENDS},
    {"GET /hello HTTP/1.0\r\n\r\n",
     "HTTP/1.1 200 OK\r\ncontent-type: text/plain\r\ncontent-length: 6\r\nconnection: close\r\n\r\nhello\n", ENDS},
    {"GET /hello HTTP/1.0\r\nConnection: keep-alive\r\n\r\n" GET("/hello"),
     "HTTP/1.1 200 OK\r\ncontent-type: text/plain\r\ncontent-length: 6\r\nconnection: keep-alive\r\n\r\nhello\n" TEXT(
         "6", "hello\n"),
     KEPT},
    {"POST /echo HTTP/1.0\r\nContent-Length: 3\r\n\r\nabc",
     "HTTP/1.1 200 OK\r\ncontent-length: 3\r\nconnection: close"
     "\r\n\r\nabc",
     ENDS},
    /* an offer to change the protocol is not taken up */
    {"GET /hello HTTP/1.1\r\nHost: h\r\nConnection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: "
     "AAMAAABkAAQAoAAA\r\n\r\n" GET("/hello"),
     TEXT("6", "hello\n") TEXT("6", "hello\n"), KEPT},
    {"POST /unary HTTP/1.1\r\nHost: h\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nContent-Length: 3\r\n\r\nabc" GET(
         "/hello"),
     BYTES("3", "abc") TEXT("6", "hello\n"), KEPT},
    /* an answer that does not wait for the body: what is left of it is no request */
    {"POST /early HTTP/1.1\r\nHost: h\r\nContent-Length: 42\r\n\r\nGET /hello HTTP/1.1\r\nHost: "
     "h\r\n\r\n0123456789" GET("/hello"),
     "HTTP/1.1 413 Content Too Large\r\ncontent-type: text/plain\r\ncontent-length: 10\r\n\r\ntoo large\n" TEXT(
         "6", "hello\n"),
     KEPT},
    /* what is refused ends the connection, and what follows it is not looked at */
    {"POST /unary HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n3\nabc\r\n0\r\n\r\n" GET("/hello"),
     REFUSED("400 Bad Request", "12", "Bad Request\n"), ENDS},
    {"POST /unary HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n0\r\nA: b\n\r\n" GET("/hello"),
     REFUSED("400 Bad Request", "12", "Bad Request\n"), ENDS},
    {GET("/hello") "GET /hello HTTP/1.1\r\n\r\n" GET("/hello"),
     TEXT("6", "hello\n") REFUSED("400 Bad Request", "12", "Bad Request\n"), ENDS},
    {"\r\n\r\n" GET("/hello"), REFUSED("400 Bad Request", "12", "Bad Request\n"), ENDS},
    {"\x16\x03\x01\x02", REFUSED("400 Bad Request", "12", "Bad Request\n"), ENDS},
    {"PRI * HTTP/2.0\r\n\r\nXX\r\n\r\n", REFUSED("400 Bad Request", "12", "Bad Request\n"), ENDS},
    {"PUT /hello HTTP/1.1\r\nHost: h\r\nExpect: tea\r\n\r\n",
     REFUSED("417 Expectation Failed", "19", "Expectation Failed\n"), ENDS},
    /* answers cannot be split */
    {GET("/headers"),
     "HTTP/1.1 200 OK\r\nx-evil: a  x-injected: 1\r\ncontent-length: 72\r\n\r\n"
     "GET http host=h path=/headers query= length=-1 body=0 version=1\nhost: h\n",
     KEPT},
    {GET("/reset") GET("/hello"), "", ENDS},
    {GET("/short"), "", ENDS},
};

static void run_case(const struct expected *e, size_t piece)
{
    struct wire x;
    wire_open(&x);
    wire_feed(&x, str_from(e->in), piece);
    cut_dates(&x.out);
    if (!str_eq(buf_view(&x.out), str_from(e->out)))
        fail_msg("pieces of %zu\n--- in:\n%s\n--- out:\n%s\n--- expected:\n%s", piece, e->in, buf_view(&x.out).p,
                 e->out);
    assert_int_equal(x.c && !x.c->lingers ? KEPT : ENDS, e->after);
    assert_true(!x.c || out_empty(&x.c->out));
    wire_close(&x);
    assert_int_equal(x.echo.opened, x.echo.closed);
    assert_int_equal(x.echo.data_after_end, 0);
    assert_int_equal(x.w.conns, 0);
}

static void test_cases_in_every_cut(void **state)
{
    (void)state;
    log_setup(LOG_LEVEL_ERROR - 1, LOG_FORMAT_TEXT);
    for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++)
        for (size_t piece = 1; piece < 300; piece += piece < 8 ? 1 : piece / 3)
            run_case(&cases[i], piece);
}

static void test_a_body_comes_back_in_pieces(void **state)
{
    (void)state;
    struct wire x;
    wire_open(&x);
    wire_feed(&x, STR("POST /echo HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n"), SIZE_MAX);
    cut_dates(&x.out);
    assert_str_equal(buf_view(&x.out), CHUNKED); /* at once: the head does not wait for the body */
    wire_feed(&x, STR("5\r\nhe"), SIZE_MAX);
    wire_feed(&x, STR("llo\r\n"), SIZE_MAX);
    assert_str_equal(buf_view(&x.out), CHUNKED "2\r\nhe\r\n3\r\nllo\r\n");
    wire_feed(&x, STR("0\r\n\r\n"), SIZE_MAX);
    assert_str_equal(buf_view(&x.out), CHUNKED "2\r\nhe\r\n3\r\nllo\r\n0\r\n\r\n");
    wire_close(&x);
}

static void test_continue_is_sent_when_the_service_waits_for_the_body(void **state)
{
    (void)state;
    struct wire x;
    wire_open(&x);
    wire_feed(&x, STR("PUT /unary HTTP/1.1\r\nHost: h\r\nExpect: 100-continue\r\nContent-Length: 3\r\n\r\n"), SIZE_MAX);
    assert_str_equal(buf_view(&x.out), "HTTP/1.1 100 Continue\r\n\r\n");
    buf_clear(&x.out);
    wire_feed(&x, STR("abc"), SIZE_MAX);
    cut_dates(&x.out);
    assert_str_equal(buf_view(&x.out), BYTES("3", "abc"));
    buf_clear(&x.out);
    /* Refused at once: whether the body comes is the client's choice, so the connection ends. */
    wire_feed(&x, STR("PUT /early HTTP/1.1\r\nHost: h\r\nExpect: 100-continue\r\nContent-Length: 3\r\n\r\n"), SIZE_MAX);
    assert_int_equal(str_find(buf_view(&x.out), STR("100 Continue")), SIZE_MAX);
    assert_true(str_find(buf_view(&x.out), STR("413 Content Too Large")) != SIZE_MAX);
    assert_true(x.c->lingers);
    wire_close(&x);
}

static void test_an_unwanted_body_is_not_read_for_ever(void **state)
{
    (void)state;
    struct wire x;
    wire_open(&x);
    wire_feed(&x, STR("POST /early HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n100000\r\n"), SIZE_MAX);
    size_t fed = 0;
    static const char zeros[4096];
    while (x.c && !x.c->lingers && fed < 0x100000) {
        wire_feed(&x, str_make(zeros, sizeof(zeros)), SIZE_MAX);
        fed += sizeof(zeros);
    }
    assert_true(x.c->lingers);
    assert_in_range(fed, 200 * 1024, 300 * 1024);
    assert_int_equal(x.echo.completed, 1);
    wire_close(&x);
}

static void test_pausing_holds_the_body_and_what_follows(void **state)
{
    (void)state;
    struct wire x;
    wire_open(&x);
    wire_feed(&x, STR("POST /pause HTTP/1.1\r\nHost: h\r\nContent-Length: 3\r\n\r\nabc" GET("/hello")), SIZE_MAX);
    assert_int_equal(x.out.n, 0);
    assert_false(x.c->proto->wants_input(x.c));
    for (int i = 0; i < 10 && x.echo.closed < 2; i++) {
        struct echo_call *c = http_arg(x.c->h1.x);
        loop_timer_clear(x.w.loop, &c->timer);
        c->timer.fn(&c->timer);
        wire_settle(&x);
    }
    cut_dates(&x.out);
    assert_str_equal(buf_view(&x.out), BYTES("3", "abc") TEXT("6", "hello\n"));
    wire_close(&x);
}

static void test_idle_and_parked_connections_hold_no_buffer(void **state)
{
    (void)state;
    struct wire x;
    wire_open(&x);
    wire_feed(&x, STR(GET("/hello")), 7);
    assert_null(x.c->h1.in);
    assert_true(out_empty(&x.c->out));
    wire_feed(&x, STR(GET("/park")), 7);
    assert_null(x.c->h1.in);
    assert_true(out_empty(&x.c->out));
    wire_close(&x);
}

static void test_files_are_sent_whole_and_in_order(void **state)
{
    (void)state;
    struct wire x;
    wire_open(&x);
    wire_feed(&x, STR(GET("/file?200000") GET("/hello")), SIZE_MAX);
    cut_dates(&x.out);
    str head = STR("HTTP/1.1 200 OK\r\ncontent-length: 200000\r\n\r\n");
    assert_true(str_starts(buf_view(&x.out), head));
    assert_str_equal(str_skip(buf_view(&x.out), head.n + 200000), TEXT("6", "hello\n"));
    buf_clear(&x.out);
    x.echo.file = "/dev/null"; /* shorter than promised: broken off */
    wire_feed(&x, STR(GET("/file?10")), SIZE_MAX);
    assert_null(x.c);
    assert_int_equal(x.echo.completed, 2);
    wire_close(&x);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_cases_in_every_cut),
        cmocka_unit_test(test_a_body_comes_back_in_pieces),
        cmocka_unit_test(test_continue_is_sent_when_the_service_waits_for_the_body),
        cmocka_unit_test(test_an_unwanted_body_is_not_read_for_ever),
        cmocka_unit_test(test_pausing_holds_the_body_and_what_follows),
        cmocka_unit_test(test_idle_and_parked_connections_hold_no_buffer),
        cmocka_unit_test(test_files_are_sent_whole_and_in_order),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

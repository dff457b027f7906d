/* Heads of HTTP/1.1: what is accepted and what each malformed or ambiguous form is refused with, in every cut. */
#include "net/http1_head.c"

#include "base/buf.h"
#include "base/mem.h"
#include "unit.h"

#define HOST "Host: h\r\n"

static const struct {
    const char *head;
    int status; /* 0: accepted */
} cases[] = {
    {"GET / HTTP/1.1\r\n" HOST "\r\n", 0},
    {"GET /a?b=c HTTP/1.1\r\n" HOST "Accept:\r\nX-Y: \t z \t\r\n\r\n", 0},
    {"POST / HTTP/1.1\r\n" HOST "Content-Length: 12\r\n\r\n", 0},
    {"POST / HTTP/1.1\r\n" HOST "Transfer-Encoding: chunked\r\n\r\n", 0},
    {"POST / HTTP/1.1\r\n" HOST "transfer-encoding: CHUNKED\r\n\r\n", 0},
    {"POST / HTTP/1.1\r\n" HOST "Expect: 100-Continue\r\nContent-Length: 1\r\n\r\n", 0},
    {"GET http://h/x HTTP/1.1\r\n" HOST "\r\n", 0},
    {"OPTIONS * HTTP/1.1\r\n" HOST "\r\n", 0},
    {"GET / HTTP/1.1\r\nHost: [::1]:80\r\n\r\n", 0},
    {"GET / HTTP/1.0\r\n\r\n", 0},
    {"GET / HTTP/1.1\r\n" HOST "X: caf\xc3\xa9\r\n\r\n", 0},
    /* one framing only */
    {"POST / HTTP/1.1\r\n" HOST "Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n", 400},
    {"POST / HTTP/1.1\r\n" HOST "Transfer-Encoding: chunked\r\nContent-Length: 5\r\n\r\n", 400},
    {"POST / HTTP/1.1\r\n" HOST "Content-Length: 5\r\nContent-Length: 5\r\n\r\n", 400},
    {"POST / HTTP/1.1\r\n" HOST "Content-Length: 5\r\nContent-Length: 6\r\n\r\n", 400},
    {"POST / HTTP/1.1\r\n" HOST "Content-Length: 5, 5\r\n\r\n", 400},
    {"POST / HTTP/1.1\r\n" HOST "Content-Length: +5\r\n\r\n", 400},
    {"POST / HTTP/1.1\r\n" HOST "Content-Length: -5\r\n\r\n", 400},
    {"POST / HTTP/1.1\r\n" HOST "Content-Length: 0x5\r\n\r\n", 400},
    {"POST / HTTP/1.1\r\n" HOST "Content-Length: 5 5\r\n\r\n", 400},
    {"POST / HTTP/1.1\r\n" HOST "Content-Length:\r\n\r\n", 400},
    {"POST / HTTP/1.1\r\n" HOST "Content-Length: 18446744073709551616\r\n\r\n", 400},
    {"POST / HTTP/1.1\r\n" HOST "Content-Length: 9223372036854775808\r\n\r\n", 400},
    {"POST / HTTP/1.1\r\n" HOST "Content-Length : 5\r\n\r\n", 400},
    {"POST / HTTP/1.1\r\n" HOST "Transfer-Encoding : chunked\r\n\r\n", 400},
    {"POST / HTTP/1.1\r\n" HOST "Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n", 400},
    {"POST / HTTP/1.1\r\n" HOST "Transfer-Encoding: chunked, identity\r\n\r\n", 400},
    {"POST / HTTP/1.1\r\n" HOST "Transfer-Encoding: identity\r\n\r\n", 400},
    {"POST / HTTP/1.1\r\n" HOST "Transfer-Encoding: xchunked\r\n\r\n", 501},
    {"POST / HTTP/1.1\r\n" HOST "Transfer-Encoding: \x0b"
     "chunked\r\n\r\n",
     400},
    {"POST / HTTP/1.1\r\n" HOST "Transfer-Encoding:\r\n\r\n", 400},
    {"POST / HTTP/1.1\r\n" HOST "Transfer-Encoding: gzip, chunked\r\n\r\n", 501},
    {"POST / HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n", 400},
    /* lines */
    {"GET / HTTP/1.1\n" HOST "\r\n", 400},
    {"GET / HTTP/1.1\r\nHost: h\n\r\n", 400},
    {"GET / HTTP/1.1\r\nHost: h\r\n\n", 400},
    {"GET / HTTP/1.1\r\n" HOST "A: b\rC: d\r\n\r\n", 400},
    {"GET / HTTP/1.1\r\n" HOST "A: b\r\r\n\r\n", 400},
    {"GET / HTTP/1.1\r\n" HOST "A: b\r\n c\r\n\r\n", 400},
    {"GET / HTTP/1.1\r\n" HOST "A: b\r\n\tc\r\n\r\n", 400},
    {"GET / HTTP/1.1\r\n A: b\r\n" HOST "\r\n", 400},
    {"GET / HTTP/1.1\r\n" HOST "A b\r\n\r\n", 400},
    {"GET / HTTP/1.1\r\n" HOST ": b\r\n\r\n", 400},
    {"GET / HTTP/1.1\r\n" HOST "A\x01: b\r\n\r\n", 400},
    {"GET / HTTP/1.1\r\n" HOST "A: b\x01\r\n\r\n", 400},
    {"GET / HTTP/1.1\r\n" HOST "A: b\x7f\r\n\r\n", 400},
    {"GET / HTTP/1.1\r\n" HOST "A\"B: b\r\n\r\n", 400},
    /* host */
    {"GET / HTTP/1.1\r\n\r\n", 400},
    {"GET / HTTP/1.1\r\nHost:\r\n\r\n", 400},
    {"GET / HTTP/1.1\r\nHost: h\r\nHost: h\r\n\r\n", 400},
    {"GET / HTTP/1.1\r\nHost: h\r\nhost: g\r\n\r\n", 400},
    {"GET / HTTP/1.1\r\nHost: a b\r\n\r\n", 400},
    {"GET / HTTP/1.1\r\nHost: a/b\r\n\r\n", 400},
    {"GET / HTTP/1.1\r\nHost: a@b\r\n\r\n", 400},
    {"GET http://other/ HTTP/1.1\r\n" HOST "\r\n", 400},
    /* request line */
    {"GET /a b HTTP/1.1\r\n" HOST "\r\n", 400},
    {"GET /\x80 HTTP/1.1\r\n" HOST "\r\n", 400},
    {"GET /a#b HTTP/1.1\r\n" HOST "\r\n", 400},
    {"GET a HTTP/1.1\r\n" HOST "\r\n", 400},
    {"GET * HTTP/1.1\r\n" HOST "\r\n", 400},
    {"GET ftp://h/ HTTP/1.1\r\n" HOST "\r\n", 400},
    {"GET  / HTTP/1.1\r\n" HOST "\r\n", 400},
    {"GET /\r\n" HOST "\r\n", 505},
    {"GET / HTTP/1.1 \r\n" HOST "\r\n", 505},
    {"GET / HTTP/2.0\r\n" HOST "\r\n", 505},
    {"GET / HTTP/1.2\r\n" HOST "\r\n", 505},
    {"GET / HTTP/0.9\r\n" HOST "\r\n", 505},
    {"GET / HTTQ/1.1\r\n" HOST "\r\n", 400},
    {"get / HTTP/1.1\r\n" HOST "\r\n", 400},
    {"FROB / HTTP/1.1\r\n" HOST "\r\n", 400},
    {"CONNECT h:80 HTTP/1.1\r\n" HOST "\r\n", 501},
    {"TRACE / HTTP/1.1\r\n" HOST "\r\n", 501},
    {"\r\n", 400},
    {"GET / HTTP/1.1\r\n" HOST "Expect: more\r\n\r\n", 417},
};

/* In pieces, as it would arrive. */
static int read_head(str in, size_t piece, struct http1_head *h)
{
    size_t scanned = 0, size = 0;
    for (size_t n = piece < in.n ? piece : in.n;; n = n + piece < in.n ? n + piece : in.n) {
        int status = http1_head_find(str_head(in, n), false, 65536, &scanned, &size);
        if (status)
            return status;
        if (size)
            return http1_head_parse(str_head(in, size), 100, h);
        if (n == in.n)
            return -1;
    }
}

static void test_cases_in_every_cut(void **state)
{
    (void)state;
    struct http1_head h;
    for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++)
        for (size_t piece = 1; piece < 120; piece = piece * 2 + 1) {
            char *copy = mem_copy(cases[i].head, strlen(cases[i].head)); /* no NUL behind it */
            int status = read_head(str_make(copy, strlen(cases[i].head)), piece, &h);
            if (status != cases[i].status)
                fail_msg("case %zu, pieces of %zu: %d instead of %d: %s", i, piece, status, cases[i].status,
                         cases[i].head);
            mem_free(copy);
        }
}

static void test_parts(void **state)
{
    (void)state;
    struct http1_head h;
    str in = STR("POST http://h:1/a/b?c=d&e HTTP/1.1\r\nHOST: h:1\r\nA:  b c \r\nEmpty:\r\ncontent-LENGTH: 007\r\n"
                 "Connection: close\r\nExpect: 100-continue\r\n\r\n");
    assert_int_equal(read_head(in, SIZE_MAX / 2, &h), 0);
    assert_str_equal(h.method, "POST");
    assert_str_equal(h.target, "/a/b?c=d&e");
    assert_str_equal(h.host, "h:1");
    assert_int_equal(h.count, 6);
    assert_str_equal(h.headers[1].name, "A");
    assert_str_equal(h.headers[1].value, "b c");
    assert_str_equal(h.headers[2].name, "Empty");
    assert_str_equal(h.headers[2].value, "");
    assert_int_equal(h.content_length, 7);
    assert_false(h.chunked);
    assert_false(h.keep);
    assert_true(h.expects);
    assert_false(h.minor0);
}

static void test_keeping_the_connection(void **state)
{
    (void)state;
    static const struct {
        const char *head;
        bool keep;
    } k[] = {
        {"GET / HTTP/1.1\r\n" HOST "\r\n", true},
        {"GET / HTTP/1.1\r\n" HOST "Connection: close\r\n\r\n", false},
        {"GET / HTTP/1.1\r\n" HOST "Connection: TE, close\r\n\r\n", false},
        {"GET / HTTP/1.0\r\n\r\n", false},
        {"GET / HTTP/1.0\r\nConnection: keep-alive\r\n\r\n", true},
    };
    struct http1_head h;
    for (size_t i = 0; i < sizeof(k) / sizeof(*k); i++) {
        assert_int_equal(read_head(str_from(k[i].head), SIZE_MAX / 2, &h), 0);
        assert_int_equal(h.keep, k[i].keep);
    }
}

static void test_limits(void **state)
{
    (void)state;
    struct http1_head *h = malloc(sizeof(*h));
    buf b;
    buf_init(&b, 1 << 20);
    buf_str(&b, STR("GET / HTTP/1.1\r\n" HOST));
    for (int i = 0; i < 99; i++)
        buf_printf(&b, "a%d: x\r\n", i);
    size_t n = b.n;
    buf_str(&b, STR("\r\n"));
    assert_int_equal(read_head(buf_view(&b), 1000, h), 0);
    assert_int_equal(h->count, 100);
    b.n = n;
    buf_str(&b, STR("z: x\r\n\r\n"));
    assert_int_equal(read_head(buf_view(&b), 1000, h), 431);
    buf_clear(&b);
    buf_str(&b, STR("GET / HTTP/1.1\r\n" HOST "a: "));
    while (b.n < 65536)
        buf_char(&b, 'x');
    assert_int_equal(read_head(buf_view(&b), 1000, h), -1);
    buf_char(&b, 'x');
    assert_int_equal(read_head(buf_view(&b), 1000, h), 431);
    buf_clear(&b);
    buf_str(&b, STR("GET /"));
    while (b.n < HTTP1_TARGET_MAX)
        buf_char(&b, 'x');
    assert_int_equal(read_head(buf_view(&b), 1000, h), -1);
    buf_char(&b, 'x');
    assert_int_equal(read_head(buf_view(&b), 1000, h), 414);
    buf_done(&b);
    free(h);
}

static void test_trailers(void **state)
{
    (void)state;
    struct http_header t[2];
    size_t scanned = 0, size;
    assert_int_equal(http1_head_find(STR("\r\nGET"), true, 100, &scanned, &size), 0);
    assert_int_equal(size, 2);
    assert_int_equal(http1_head_trailers(STR("\r\n"), t, 2), 0);
    assert_int_equal(http1_head_trailers(STR("A: b \r\nc:\r\n\r\n"), t, 2), 2);
    assert_str_equal(t[0].name, "A");
    assert_str_equal(t[0].value, "b");
    assert_str_equal(t[1].value, "");
    assert_int_equal(http1_head_trailers(STR("A: b\r\nB: b\r\nC: d\r\n\r\n"), t, 2), -1);
    assert_int_equal(http1_head_trailers(STR("A b\r\n\r\n"), t, 2), -1);
    assert_int_equal(http1_head_trailers(STR("A : b\r\n\r\n"), t, 2), -1);
    assert_int_equal(http1_head_trailers(STR("A: \x01\r\n\r\n"), t, 2), -1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_cases_in_every_cut),
        cmocka_unit_test(test_parts),
        cmocka_unit_test(test_keeping_the_connection),
        cmocka_unit_test(test_limits),
        cmocka_unit_test(test_trailers),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

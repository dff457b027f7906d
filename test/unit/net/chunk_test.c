/* Chunked bodies: what is accepted and refused, however the bytes are cut, and never a body that llhttp reads
 * otherwise. */
#include "net/chunk.c"

#include "base/buf.h"
#include "base/mem.h"
#include "base/random.h"
#include "unit.h"

#include <llhttp.h>

/* Decodes `in` cut into pieces. Returns false when refused; *rest = what follows the last chunk's line. */
static bool decode(str in, size_t piece, buf *body, str *rest)
{
    struct chunk k;
    bool end = false;
    chunk_init(&k);
    size_t at = 0;
    while (at < in.n && !end) {
        str now = str_head(str_skip(in, at), piece), data;
        size_t n = chunk_feed(&k, now, &data, &end);
        if (n == SIZE_MAX)
            return false;
        assert_true(n > 0 && n <= now.n);
        buf_str(body, data);
        at += n;
    }
    *rest = str_skip(in, at);
    return end;
}

static const struct {
    const char *in, *body; /* body NULL: refused */
} cases[] = {
    {"0\r\n", ""},
    {"5\r\nhello\r\n0\r\n", "hello"},
    {"5\r\nhello\r\n00000\r\n", "hello"},
    {"5;name=value\r\nhello\r\n1\r\n!\r\n0;last\r\n", "hello!"},
    {"A\r\n0123456789\r\na\r\n0123456789\r\n0\r\n", "01234567890123456789"},
    {"5\nhello\r\n0\r\n", NULL},
    {"5\r\nhello\n0\r\n", NULL},
    {"5\r\nhelloX\r\n0\r\n", NULL},
    {"5\r\nhell\r\n0\r\n", NULL},
    {" 5\r\nhello\r\n0\r\n", NULL},
    {"5 \r\nhello\r\n0\r\n", NULL},
    {"0x5\r\nhello\r\n0\r\n", NULL},
    {"+5\r\nhello\r\n0\r\n", NULL},
    {"-5\r\nhello\r\n0\r\n", NULL},
    {"\r\nhello\r\n0\r\n", NULL},
    {";x\r\nhello\r\n0\r\n", NULL},
    {"5;a\nb\r\nhello\r\n0\r\n", NULL},
    {"5;a\rb\r\nhello\r\n0\r\n", NULL},
    {"5\r\r\nhello\r\n0\r\n", NULL},
    {"ffffffffffffffff\r\nhello", NULL},
    {"10000000000000005\r\nhello\r\n0\r\n", NULL},
};

static void test_cases_in_every_cut(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++)
        for (size_t piece = 1; piece < 40; piece++) {
            buf body;
            str rest;
            buf_init(&body, 1000);
            bool ok = decode(str_from(cases[i].in), piece, &body, &rest);
            assert_int_equal(ok, cases[i].body != NULL);
            if (ok)
                assert_str_equal(buf_view(&body), cases[i].body);
            buf_done(&body);
        }
}

static void test_long_extensions_are_refused(void **state)
{
    (void)state;
    for (int n = 200; n < 300; n++) {
        char in[400];
        str rest;
        buf body;
        buf_init(&body, 1000);
        int len = snprintf(in, sizeof(in), "1;%0*d\r\nx\r\n0\r\n", n, 0);
        assert_int_equal(decode(str_make(in, (size_t)len), SIZE_MAX, &body, &rest), n < EXTENSION_MAX);
        buf_done(&body);
    }
}

/* ---- against llhttp ---------------------------------------------------------------------------------------------- */

static int on_body(llhttp_t *l, const char *at, size_t n)
{
    buf_add(l->data, at, n);
    return 0;
}

static int on_complete(llhttp_t *l)
{
    (void)l;
    return HPE_PAUSED;
}

static bool decode_with_llhttp(str in, buf *body)
{
    static const llhttp_settings_t settings = {.on_body = on_body, .on_message_complete = on_complete};
    static const char head[] = "POST / HTTP/1.1\r\nhost: x\r\ntransfer-encoding: chunked\r\n\r\n";
    llhttp_t l;
    llhttp_init(&l, HTTP_REQUEST, &settings);
    l.data = body;
    assert_int_equal(llhttp_execute(&l, head, sizeof(head) - 1), HPE_OK);
    return llhttp_execute(&l, in.p, in.n) == HPE_PAUSED;
}

/* A body that is nearly right. */
static void make_random(buf *in)
{
    static const char *const parts[] = {"\r\n", "\n", "\r", "0", "1", "a", "F", ";", "x", " ", "=", "\t", "0\r\n\r\n"};
    for (uint64_t n = random_below(4); n; n--) {
        uint64_t size = random_below(20);
        buf_printf(in, size % 2 ? "%llx" : "%llX", (unsigned long long)size);
        buf_str(in, random_below(4) ? STR("\r\n") : STR(";e=1\r\n"));
        for (uint64_t i = 0; i < size; i++)
            buf_char(in, (char)('a' + i));
        buf_str(in, STR("\r\n"));
    }
    buf_str(in, STR("0\r\n\r\n"));
    for (uint64_t n = random_below(3); n; n--) {
        size_t at = random_below(in->n + 1);
        str part = str_from(parts[random_below(sizeof(parts) / sizeof(*parts))]);
        str tail = str_skip(buf_view(in), at);
        char *copy = mem_copy(tail.p, tail.n);
        size_t tail_n = tail.n;
        in->n = at;
        buf_str(in, part);
        if (!random_below(2) && tail_n)
            buf_add(in, copy + 1, tail_n - 1);
        else
            buf_add(in, copy, tail_n);
        mem_free(copy);
    }
}

static void test_never_reads_a_body_that_llhttp_reads_otherwise(void **state)
{
    (void)state;
    int accepted = 0, refused = 0;
    for (int i = 0; i < 20000; i++) {
        buf in, ours, theirs;
        str rest;
        buf_init(&in, 10000);
        buf_init(&ours, 10000);
        buf_init(&theirs, 10000);
        make_random(&in);
        bool ok = decode(buf_view(&in), 1 + random_below(30), &ours, &rest);
        /* Trailers are not the decoder's: compare where there are none. */
        if (ok && str_eq(rest, STR("\r\n"))) {
            bool known = decode_with_llhttp(buf_view(&in), &theirs); /* it looks into extensions, too */
            accepted += known;
            if (known && !str_eq(buf_view(&ours), buf_view(&theirs)))
                fail_msg("read otherwise by llhttp: %s", buf_view(&in).p);
        } else {
            refused++;
        }
        buf_done(&in);
        buf_done(&ours);
        buf_done(&theirs);
    }
    assert_true(accepted > 1000 && refused > 1000);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_cases_in_every_cut),
        cmocka_unit_test(test_long_extensions_are_refused),
        cmocka_unit_test(test_never_reads_a_body_that_llhttp_reads_otherwise),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

/* The small texts of the protocols. */
#include "rpc/text.c"

#include "unit.h"

#include "base/codec.h"
#include "base/time.h"

static str encode(struct unit *u, const char *s, bool pad)
{
    buf b;
    buf_init_arena(&b, &u->mem, 1000);
    text_base64_put(&b, str_from(s), pad);
    return buf_view(&b);
}

/* RFC 4648, section 10 */
static const char *const vectors[][2] = {{"", ""},
                                         {"f", "Zg=="},
                                         {"fo", "Zm8="},
                                         {"foo", "Zm9v"},
                                         {"foob", "Zm9vYg=="},
                                         {"fooba", "Zm9vYmE="},
                                         {"foobar", "Zm9vYmFy"}};

static void base64_encodes(void **state)
{
    struct unit *u = *state;
    for (size_t i = 0; i < sizeof(vectors) / sizeof(*vectors); i++)
        assert_str_equal(encode(u, vectors[i][0], true), vectors[i][1]);
    assert_str_equal(encode(u, "f", false), "Zg");
    assert_str_equal(encode(u, "fo", false), "Zm8");
}

/* Every way to cut a text into two chunks. */
static void base64_reads_any_chunks(void **state)
{
    struct unit *u = *state;
    for (size_t i = 0; i < sizeof(vectors) / sizeof(*vectors); i++) {
        str text = str_from(vectors[i][1]);
        for (size_t cut = 0; cut <= text.n; cut++) {
            struct text_base64 r = {0};
            buf out;
            buf_init_arena(&out, &u->mem, 1000);
            assert_true(text_base64_read(&r, str_head(text, cut), &out));
            assert_true(text_base64_read(&r, str_skip(text, cut), &out));
            assert_true(text_base64_end(&r, &out));
            assert_str_equal(buf_view(&out), vectors[i][0]);
        }
    }
}

static bool reads(struct unit *u, const char *text, const char *want)
{
    struct text_base64 r = {0};
    buf out;
    buf_init_arena(&out, &u->mem, 1000);
    bool ok = text_base64_read(&r, str_from(text), &out) && text_base64_end(&r, &out);
    return ok && str_eq(buf_view(&out), str_from(want));
}

static void base64_goes_on_behind_padding_and_refuses_rubbish(void **state)
{
    struct unit *u = *state;
    assert_true(reads(u, "Zg==Zm8=Zm9v", "ffofoo"));
    assert_true(reads(u, "Zg", "f"));
    assert_true(reads(u, "_-8", "\xff\xef"));
    assert_false(reads(u, "Z", ""));
    assert_false(reads(u, "Z===", ""));
    assert_false(reads(u, "====", ""));
    assert_false(reads(u, "Zg=g", ""));
    assert_false(reads(u, "Zg=", "f"));
    assert_false(reads(u, "Zm9v!", "foo"));
    assert_false(reads(u, "Zm 9v", "foo"));
}

static void query_is_searched_and_decoded(void **state)
{
    struct unit *u = *state;
    str v;
    assert_true(text_query_find(STR("a=1&message=x%20y+z&a=2&e"), STR("message"), &v));
    assert_true(codec_percent_decode(&u->mem, v, true, &v));
    assert_str_equal(v, "x y z");
    assert_true(text_query_find(STR("a=1&a=2"), STR("a"), &v));
    assert_str_equal(v, "1");
    assert_true(text_query_find(STR("a=1&e"), STR("e"), &v));
    assert_str_equal(v, "");
    assert_false(text_query_find(STR("a=1"), STR("message"), &v));
    assert_true(codec_percent_decode(&u->mem, STR("a+b%2B"), false, &v));
    assert_str_equal(v, "a+b+");
    assert_false(codec_percent_decode(&u->mem, STR("a%2"), true, &v));
    assert_false(codec_percent_decode(&u->mem, STR("a%zz"), true, &v));
    assert_false(codec_percent_decode(&u->mem, STR("%"), true, &v));
}

static void grpc_messages_are_percent_encoded(void **state)
{
    struct unit *u = *state;
    buf b;
    buf_init_arena(&b, &u->mem, 100);
    text_percent_put(&b, STR("a b%~\n\xe2\x98\xba\x7f"));
    assert_str_equal(buf_view(&b), "a b%25~%0A%E2%98%BA%7F");
}

static void gzip_is_taken_when_the_list_says_so(void **state)
{
    (void)state;
    assert_true(text_accepts_gzip(STR("gzip")));
    assert_true(text_accepts_gzip(STR("zstd, GZIP;q=0.5,br")));
    assert_true(text_accepts_gzip(STR("gzip,identity")));
    assert_false(text_accepts_gzip(STR("")));
    assert_false(text_accepts_gzip(STR("identity")));
    assert_false(text_accepts_gzip(STR("gzip;q=0, br")));
    assert_false(text_accepts_gzip(STR("gzip; q=0.00")));
    assert_false(text_accepts_gzip(STR("gzipped")));
}

static void timeouts_are_exact(void **state)
{
    int64_t ns = -1;
    (void)state;
    assert_true(text_timeout_connect(STR("5000"), &ns));
    assert_int_equal(ns, 5 * NS_PER_S);
    assert_true(text_timeout_connect(STR("9999999999"), &ns));
    assert_int_equal(ns, INT64_C(9999999999) * NS_PER_MS);
    assert_false(text_timeout_connect(STR("10000000000"), &ns));
    assert_false(text_timeout_connect(STR("-1"), &ns));
    assert_false(text_timeout_connect(STR("1s"), &ns));
    assert_true(text_timeout_grpc(STR("2S"), &ns));
    assert_int_equal(ns, 2 * NS_PER_S);
    assert_true(text_timeout_grpc(STR("15m"), &ns));
    assert_int_equal(ns, 15 * NS_PER_MS);
    assert_true(text_timeout_grpc(STR("15M"), &ns));
    assert_int_equal(ns, 900 * NS_PER_S);
    assert_true(text_timeout_grpc(STR("7n"), &ns));
    assert_int_equal(ns, 7);
    assert_true(text_timeout_grpc(STR("99999999H"), &ns)); /* more than there is */
    assert_true(ns == INT64_MAX);
    assert_false(text_timeout_grpc(STR("100000000S"), &ns));
    assert_false(text_timeout_grpc(STR("5"), &ns));
    assert_false(text_timeout_grpc(STR("S"), &ns));
    assert_false(text_timeout_grpc(STR("5s"), &ns));
}

static void header_texts_are_checked(void **state)
{
    (void)state;
    assert_true(text_is_header_name(STR("x-request-id")));
    assert_false(text_is_header_name(STR("X-Request-Id")));
    assert_false(text_is_header_name(STR("a b")));
    assert_false(text_is_header_name(str_make("a\0b", 3)));
    assert_false(text_is_header_name(STR("")));
    assert_true(text_is_header_value(STR("a\tb \xc3\xa9")));
    assert_false(text_is_header_value(STR("a\r\nb: c")));
    assert_false(text_is_header_value(STR("\x7f")));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        unit_test(base64_encodes),
        unit_test(base64_reads_any_chunks),
        unit_test(base64_goes_on_behind_padding_and_refuses_rubbish),
        unit_test(query_is_searched_and_decoded),
        unit_test(grpc_messages_are_percent_encoded),
        unit_test(gzip_is_taken_when_the_list_says_so),
        unit_test(timeouts_are_exact),
        unit_test(header_texts_are_checked),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

#include "base/json.h"
#include "unit.h"

static str print(struct unit *u, const struct json *v)
{
    buf b;
    buf_init_arena(&b, &u->mem, 100000);
    json_put(&b, v);
    return buf_view(&b);
}

static void documents_round_trip(void **state)
{
    struct unit *u = *state;
    static const char *const t[][2] = {
        {"null", "null"},
        {" [ ] ", "[]"},
        {"{\"a\":1,\"b\":[true,false,null,-0.5e+3]}", "{\"a\":1,\"b\":[true,false,null,-0.5e+3]}"},
        {"\"\\u0041\\u00e4\\ud83d\\ude00\\n\\/\"", "\"A\xc3\xa4\xf0\x9f\x98\x80\\n/\""},
        {"{\"\":{\"x\":[{}]}}", "{\"\":{\"x\":[{}]}}"},
        {"\"\\u0000\\u001f\"", "\"\\u0000\\u001f\""},
        {"123456789012345678901234567890", "123456789012345678901234567890"},
    };
    for (size_t i = 0; i < sizeof(t) / sizeof(*t); i++) {
        struct json *v;
        assert_ok(&u->cx, json_parse(&u->cx, str_from(t[i][0]), &v));
        assert_str_equal(print(u, v), t[i][1]);
    }
}

static void bad_documents_are_refused(void **state)
{
    struct unit *u = *state;
    static const char *const t[] = {
        "",
        " ",
        "nul",
        "[",
        "[1,]",
        "[,1]",
        "{",
        "{\"a\"}",
        "{\"a\":}",
        "{a:1}",
        "{\"a\":1,}",
        "01",
        "-",
        "1.",
        ".5",
        "1e",
        "+1",
        "NaN",
        "\"a",
        "\"\\x\"",
        "\"\\u12g4\"",
        "\"\t\"",
        "1 2",
        "[1}",
        "\"\\ud800\"",
        "\"\\udc00\"",
        "\"\\ud800\\u0041\"",
        "\"\xff\"",
        "tru e",
        "'a'",
        "[1 2]",
        "{\"a\":1,\"a\":2}",
        "\xef\xbb\xbf{}",
        "\"\\",
        "\"\\u12",
        "{\"a\":1,\"b\":2,\"c\":3,\"b\":4}",
    };
    struct json *v = NULL;
    for (size_t i = 0; i < sizeof(t) / sizeof(*t); i++)
        if (json_parse(&u->cx, str_from(t[i]), &v) != CODE_INVALID_ARGUMENT)
            fail_msg("accepted: %s", t[i]);
    assert_null(v);
    assert_code(&u->cx, json_parse(&u->cx, STR("{\"a\":\n  x}"), &v), CODE_INVALID_ARGUMENT);
    assert_string_equal(u->cx.err.msg, "JSON: value expected at byte 8");
}

static void depth_and_memory_are_bounded(void **state)
{
    struct unit *u = *state;
    struct json *v;
    char text[2 * JSON_DEPTH_MAX + 3];
    memset(text, '[', JSON_DEPTH_MAX + 1);
    memset(text + JSON_DEPTH_MAX + 1, ']', JSON_DEPTH_MAX + 1);
    assert_ok(&u->cx, json_parse(&u->cx, str_make(text + 1, 2 * JSON_DEPTH_MAX), &v));
    assert_code(&u->cx, json_parse(&u->cx, str_make(text, 2 * JSON_DEPTH_MAX + 2), &v), CODE_INVALID_ARGUMENT);
    struct unit small;
    arena_init(&small.mem, 10000);
    ctx_init(&small.cx, &small.mem);
    char many[2001];
    for (size_t i = 0; i < 1000; i++)
        memcpy(many + 2 * i, i ? ",1" : "[1", 2);
    many[1999] = ']';
    assert_code(&small.cx, json_parse(&small.cx, str_make(many, 2000), &v), CODE_RESOURCE_EXHAUSTED);
    arena_done(&small.mem);
}

static void access_by_name(void **state)
{
    struct unit *u = *state;
    struct json *v;
    str text = STR("{\"a\":{\"b\":{\"c\":\"x\"}},\"n\":-7,\"f\":2e3,\"h\":1.5,\"t\":true,\"big\":1e300}");
    assert_ok(&u->cx, json_parse(&u->cx, text, &v));
    assert_str_equal(json_text(json_path(v, STR("a.b.c")), STR("none")), "x");
    assert_null(json_path(v, STR("a.x.c")));
    assert_null(json_path(v, STR("a.b.c.d")));
    assert_null(json_get(NULL, STR("a")));
    assert_int_equal(json_i64(json_get(v, STR("n")), 0), -7);
    assert_int_equal(json_i64(json_get(v, STR("f")), 0), 2000);
    assert_int_equal(json_i64(json_get(v, STR("h")), 99), 99);
    assert_int_equal(json_i64(json_get(v, STR("big")), 99), 99);
    assert_int_equal(json_i64(json_get(v, STR("t")), 99), 99);
    assert_true(json_bool(json_get(v, STR("t")), false));
    assert_true(json_bool(json_get(v, STR("n")), true));
    assert_str_equal(json_text(json_get(v, STR("n")), STR("none")), "none");
}

static void written_strings_are_valid_json(void **state)
{
    struct unit *u = *state;
    buf b;
    buf_init_arena(&b, &u->mem, 1000);
    json_put_str(&b, STR("q\" b\\ \x01\t\x7f \xc3\xa4 \xff\xe2\x82"));
    assert_str_equal(buf_view(&b), "\"q\\\" b\\\\ \\u0001\\t\\u007f \xc3\xa4 \xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd\"");
    struct json *v;
    for (int i = 0; i < 256; i++) {
        char c = (char)i;
        buf_clear(&b);
        json_put_str(&b, str_make(&c, 1));
        assert_ok(&u->cx, json_parse(&u->cx, buf_view(&b), &v));
        if (i < 128)
            assert_true(str_eq(v->text, str_make(&c, 1)));
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        unit_test(documents_round_trip),           unit_test(bad_documents_are_refused),
        unit_test(depth_and_memory_are_bounded),   unit_test(access_by_name),
        unit_test(written_strings_are_valid_json),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

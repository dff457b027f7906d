/* Expected values follow the YAML 1.2 specification, chapter 10.3 (core schema). */
#include "base/yaml.h"
#include "unit.h"

static str print(struct unit *u, const struct json *v)
{
    buf b;
    buf_init_arena(&b, &u->mem, 100000);
    json_put(&b, v);
    return buf_view(&b);
}

static void documents(void **state)
{
    struct unit *u = *state;
    static const char *const t[][2] = {
        {"", "null"},
        {"# only a comment\n", "null"},
        {"---\n", "null"},
        {"a: 1\nb:\n  c: [x, 'y', \"z\\n\"]\n", "{\"a\":1,\"b\":{\"c\":[\"x\",\"y\",\"z\\n\"]}}"},
        {"- - 1\n  - 2\n- {k: v}\n", "[[1,2],{\"k\":\"v\"}]"},
        {"[null, ~, Null, NULL, nUll]", "[null,null,null,null,\"nUll\"]"},
        {"[true, True, TRUE, false, yes, on, tRue]", "[true,true,true,false,\"yes\",\"on\",\"tRue\"]"},
        {"[0, 007, +12, -3, 0x1F, 0o17, 0b1, 1_000]", "[0,7,12,-3,31,15,\"0b1\",\"1_000\"]"},
        {"[.5, 1., -1.50, 1e3, +.5E-7, 1e, '.', 1.2.3]", "[0.5,1,-1.50,1e3,0.5E-7,\"1e\",\".\",\"1.2.3\"]"},
        {"['1', \"true\", !!str 1, 12:30, localhost:0]", "[\"1\",\"true\",\"1\",\"12:30\",\"localhost:0\"]"},
        {"a: |\n  x\n  y\nb: >-\n  x\n  y\n", "{\"a\":\"x\\ny\\n\",\"b\":\"x y\"}"},
        {"1: a\ntrue: b\n", "{\"1\":\"a\",\"true\":\"b\"}"},
        {"a:\nb: ''\n", "{\"a\":null,\"b\":\"\"}"},
    };
    for (size_t i = 0; i < sizeof(t) / sizeof(*t); i++) {
        struct json *v;
        assert_ok(&u->cx, yaml_parse(&u->cx, str_from(t[i][0]), &v));
        assert_str_equal(print(u, v), t[i][1]);
    }
}

static void refused_with_the_line(void **state)
{
    struct unit *u = *state;
    static const char *const t[][2] = {
        {"a: 1\nb: [1,\n", "line 3"},
        {"a: 1\na: 2\n", "line 2: \"a\" is there twice"},
        {"a: &x 1\nb: *x\n", "line 1: anchors"},
        {"b: *x\n", "line 1: anchors"},
        {"*x : b\n", "line 1: anchors"},
        {"a: 1\n---\nb: 1\n", "line 2: only one document"},
        {"a:\n  - !!python/object x\n", "line 2: this tag"},
        {"a: !!int 1\n", "line 1: this tag"},
        {"[a]: 1\n", "line 1: a key must be"},
        {"a: 1\nx: .inf\n", "line 2: infinity"},
        {"a: 1\n\tb: 2\n", "line 2"},
        {"\xff", "line 1: not valid UTF-8"},
    };
    struct json *v = NULL;
    for (size_t i = 0; i < sizeof(t) / sizeof(*t); i++) {
        assert_code(&u->cx, yaml_parse(&u->cx, str_from(t[i][0]), &v), CODE_INVALID_ARGUMENT);
        if (!str_starts(str_from(u->cx.err.msg), str_from(t[i][1])))
            fail_msg("%s\nsays: %s", t[i][0], u->cx.err.msg);
    }
    assert_null(v);
}

static void bounded(void **state)
{
    struct unit *u = *state;
    struct json *v;
    size_t n = YAML_NODES_MAX;
    char *text = arena_alloc(&u->mem, 3 * n);
    memset(text, '[', 1000);
    assert_code(&u->cx, yaml_parse(&u->cx, str_make(text, 1000), &v), CODE_INVALID_ARGUMENT);
    assert_non_null(strstr(u->cx.err.msg, "too deep"));
    for (size_t i = 0; i < n; i++)
        memcpy(text + 2 * i, i ? ",1" : "[1", 2);
    text[2 * n] = ']';
    assert_code(&u->cx, yaml_parse(&u->cx, str_make(text, 2 * n + 1), &v), CODE_INVALID_ARGUMENT);
    assert_non_null(strstr(u->cx.err.msg, "too many"));
}

static void lines_are_kept(void **state)
{
    struct unit *u = *state;
    struct json *v;
    assert_ok(&u->cx, yaml_parse(&u->cx, STR("a: 1\n\nb:\n  c: 2\n"), &v));
    assert_int_equal(json_path(v, STR("a"))->line, 1);
    assert_int_equal(json_path(v, STR("b"))->line, 3);
    assert_int_equal(json_path(v, STR("b.c"))->line, 4);
}

int main(void)
{
    const struct CMUnitTest tests[] = {unit_test(documents), unit_test(refused_with_the_line), unit_test(bounded),
                                       unit_test(lines_are_kept)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}

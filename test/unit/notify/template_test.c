/* Places in texts: escaped for where they stand, so that a value is never read as anything but a value. */
#include "unit.h"

#include "base/json.h"
#include "notify/template.h"

static const struct notify_values values = {
    .project = STR_INIT("p"),
    .domain = STR_INIT("d"),
    .run = STR_INIT("r1"),
    .phase = STR_INIT("FAILED"),
    .error = STR_INIT("a\"b\\c\n<i>&'\x01{{.Phase}} ü/"),
    .action = STR_INIT("ask"),
    .prompt = STR_INIT("Go?"),
    .description = STR_INIT("why"),
    .prompt_type = STR_INIT("TEXT"),
};

static str render(struct ctx *cx, enum notify_context context, const char *text)
{
    str out;
    assert_ok(cx, notify_template_render(cx, &values, context, str_from(text), &out));
    return out;
}

static void places(void **state)
{
    struct ctx *cx = &((struct unit *)*state)->cx;
    static const char *const cases[][2] = {
        {"", ""},
        {"no place } here {", "no place } here {"},
        {"{{.Run.Project}}/{{.Run.Domain}}/{{.Run.Name}} {{ .Phase }}", "p/d/r1 FAILED"},
        {"{{.Action}} {{.Action.Name}} {{.Action.Run.Name}}", "ask ask r1"},
        {"{{.Prompt}} {{.Description}} {{.PromptType}}{{.Run.Org}}", "Go? why TEXT"},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++)
        assert_str_equal(render(cx, NOTIFY_PLAIN, cases[i][0]), cases[i][1]);
    static const char *const wrong[] = {"{{",
                                        "{{.Phase",
                                        "{{.Phase}",
                                        "{{.phase}}",
                                        "{{.Run}}",
                                        "{{}}",
                                        "{{.Run.Name | html}}",
                                        "{{if .Error}}x{{end}}"};
    for (size_t i = 0; i < sizeof(wrong) / sizeof(*wrong); i++) {
        str out = STR("untouched");
        assert_code(cx, notify_template_render(cx, &values, NOTIFY_PLAIN, str_from(wrong[i]), &out),
                    CODE_INVALID_ARGUMENT);
        assert_true(str_eq(out, STR("untouched")));
        ctx_clear_err(cx);
    }
}

/* Inside a string, behind an escaped quote, and where no string is: what is read back is the value itself. */
static void json(void **state)
{
    struct ctx *cx = &((struct unit *)*state)->cx;
    struct json *v;
    str text = render(cx, NOTIFY_JSON,
                      "{\"a\": \"x {{.Error}}\", \"b\": {{.Error}}, \"c\\\"{{.Run.Name}}\": [\"\\\\\", {{.Phase}}]}");
    assert_ok(cx, json_parse(cx, text, &v));
    assert_true(str_eq(json_text(json_get(v, STR("a")), STR("")), arena_concat(cx->mem, STR("x "), values.error)));
    assert_true(str_eq(json_text(json_get(v, STR("b")), STR("")), values.error));
    const struct json *list = json_get(v, STR("c\"r1"));
    assert_non_null(list);
    assert_str_equal(json_text(list->first->next, STR("")), "FAILED");
}

static void others(void **state)
{
    struct ctx *cx = &((struct unit *)*state)->cx;
    assert_true(
        str_eq(render(cx, NOTIFY_HTML, "<b>{{.Error}}"), STR("<b>a&quot;b\\c\n&lt;i&gt;&amp;&#39;\x01{{.Phase}} ü/")));
    assert_true(str_eq(render(cx, NOTIFY_LINE, "X: {{.Error}}"), STR("X: a\"b\\c <i>&' {{.Phase}} ü/")));
    assert_true(str_eq(render(cx, NOTIFY_URL, "/?e={{.Error}}"),
                       STR("/?e=a%22b%5Cc%0A%3Ci%3E%26%27%01%7B%7B.Phase%7D%7D%20%C3%BC%2F")));
}

static void too_long(void **state)
{
    struct ctx *cx = &((struct unit *)*state)->cx;
    buf b;
    str out;
    buf_init_arena(&b, cx->mem, NOTIFY_TEMPLATE_MAX);
    while (b.n + 16 < NOTIFY_TEMPLATE_MAX)
        buf_str(&b, STR("{{.Error}}"));
    assert_code(cx, notify_template_render(cx, &values, NOTIFY_URL, buf_view(&b), &out), CODE_RESOURCE_EXHAUSTED);
    ctx_clear_err(cx);
}

int main(void)
{
    const struct CMUnitTest tests[] = {unit_test(places), unit_test(json), unit_test(others), unit_test(too_long)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}

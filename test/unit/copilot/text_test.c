/* Simple values as the text of files. */
#include "copilot/text.h"

#include "gen/google_protobuf.h"
#include "unit.h"

static const CorePrimitive *read_(struct unit *u, int32_t type, const char *text)
{
    CoreLiteral *l = NULL;
    ctx_clear_err(&u->cx);
    if (copilot_text_parse(&u->cx, type, str_from(text), &l) != CODE_OK)
        return NULL;
    return l->scalar->primitive;
}

static str write_(struct unit *u, const CorePrimitive *p)
{
    buf b;
    buf_init_arena(&b, &u->mem, 10000);
    assert_true(copilot_text_put(&b, p));
    return buf_view(&b);
}

static void test_there_and_back(void **state)
{
    static const struct {
        int32_t type;
        const char *text;
    } rows[] = {
        {CORE_INTEGER, "-9223372036854775808"},
        {CORE_INTEGER, "42"},
        {CORE_FLOAT, "0.1"},
        {CORE_FLOAT, "0.00000015"},
        {CORE_FLOAT, "-2"},
        {CORE_STRING, "a  b\tc"},
        {CORE_STRING, ""},
        {CORE_BOOLEAN, "true"},
        {CORE_BOOLEAN, "false"},
        {CORE_DATETIME, "2026-01-31T12:00:00.123Z"},
        {CORE_DURATION, "0s"},
        {CORE_DURATION, "1h2m3.5s"},
        {CORE_DURATION, "-1m0s"},
        {CORE_DURATION, "1.5ms"},
        {CORE_DURATION, "12ns"},
        {CORE_DURATION, "0.123456789s"},
        {CORE_DURATION, "100h0m0s"},
    };
    struct unit *u = *state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
        const CorePrimitive *p = read_(u, rows[i].type, rows[i].text);
        if (!p)
            fail_msg("%s: %s", rows[i].text, u->cx.err.msg);
        const char *want = strcmp(rows[i].text, "0.123456789s") ? rows[i].text : "123.456789ms";
        assert_str_equal(write_(u, p), want);
    }
}

static void test_forms(void **state)
{
    struct unit *u = *state;
    assert_int_equal(read_(u, CORE_INTEGER, " +7 \n")->integer, 7);
    assert_int_equal(read_(u, CORE_BOOLEAN, "T\n")->boolean, 1);
    assert_int_equal(read_(u, CORE_BOOLEAN, "0")->boolean, 0);
    assert_str_equal(read_(u, CORE_STRING, " hello \n\n")->string_value, "hello");
    assert_int_equal(read_(u, CORE_DATETIME, "2026-01-31T13:00:00+01:00\n")->datetime->seconds, 1769860800);
    assert_int_equal(read_(u, CORE_DURATION, "1.5h")->duration->seconds, 5400);
    assert_int_equal(read_(u, CORE_DURATION, "2\u00b5s")->duration->nanos, 2000);
    assert_int_equal(read_(u, CORE_FLOAT, "inf")->float_value > 1e308, 1);
}

static void test_refused(void **state)
{
    static const struct {
        int32_t type;
        const char *text;
    } rows[] = {
        {CORE_INTEGER, ""},
        {CORE_INTEGER, "1.0"},
        {CORE_INTEGER, "9223372036854775808"},
        {CORE_INTEGER, "0x10"},
        {CORE_INTEGER, "+-1"},
        {CORE_FLOAT, "1,5"},
        {CORE_FLOAT, ""},
        {CORE_BOOLEAN, "yes"},
        {CORE_STRING, "\xff\xfe"},
        {CORE_DATETIME, "2026-01-31"},
        {CORE_DATETIME, "yesterday"},
        {CORE_DURATION, "5"},
        {CORE_DURATION, "1x"},
        {CORE_DURATION, ""},
        {CORE_DURATION, "h"},
        {CORE_DURATION, "9223372036854775807h"},
        {CORE_STRUCT, "[1]"},
        {CORE_STRUCT, "{"},
        {99, "1"},
    };
    struct unit *u = *state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
        CoreLiteral *l;
        ctx_clear_err(&u->cx);
        assert_code(&u->cx, copilot_text_parse(&u->cx, rows[i].type, str_from(rows[i].text), &l),
                    CODE_FAILED_PRECONDITION);
    }
}

static void test_other_types(void **state)
{
    struct unit *u = *state;
    CoreLiteral *l;
    assert_ok(&u->cx, copilot_text_parse(&u->cx, CORE_STRUCT, STR(" {\"a\": 1}\n"), &l));
    assert_str_equal(l->scalar->generic->fields.p[0].key, "a");
    assert_ok(&u->cx, copilot_text_parse(&u->cx, CORE_BINARY, STR("\x81 \n"), &l));
    assert_str_equal(l->scalar->binary->value, "\x81 \n");
    assert_str_equal(l->scalar->binary->tag, "msgpack");
    assert_ok(&u->cx, copilot_text_parse(&u->cx, CORE_NONE, STR("whatever"), &l));
    assert_int_equal(l->scalar->value_case, CoreScalar_none_type_tag);
}

int main(void)
{
    const struct CMUnitTest tests[] = {unit_test(test_there_and_back), unit_test(test_forms), unit_test(test_refused),
                                       unit_test(test_other_types)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}

#include "pb/pb.h"
#include "unit.h"

/* type, JSON read, JSON written again; NULL = the same */
struct good {
    const char *type, *text, *again;
};
struct bad {
    const char *type, *text, *problem; /* problem: a part of the message */
};

#define P(name) "google.protobuf." name

static const struct good good[] = {
    /* names in both forms, white space, absence, order of the fields */
    {"flyteidl2.common.RunIdentifier", " { \"project\" : \"p\" ,\n\t\"org\":\"o\" } ",
     "{\"org\":\"o\",\"project\":\"p\"}"},
    {"flyteidl2.common.ActionIdentifier", "{\"run\":{},\"name\":\"a0\"}", NULL},
    {"flyteidl2.workflow.ActionSpec", "{\"action_id\":{},\"parentActionName\":\"p\",\"input_uri\":\"x\"}",
     "{\"actionId\":{},\"parentActionName\":\"p\",\"inputUri\":\"x\"}"},
    {"flyteidl2.common.RunIdentifier", "{\"org\":null,\"name\":\"\"}", "{}"},
    {"flyteidl2.actions.Action", "{\"parentActionName\":\"\"}", NULL}, /* optional: set, though empty */
    {"flyteidl2.actions.Action", "{\"parentActionName\":null}", "{}"},
    /* enums */
    {"flyteidl2.workflow.ActionStatus", "{\"phase\":\"ACTION_PHASE_RUNNING\"}", NULL},
    {"flyteidl2.workflow.ActionStatus", "{\"phase\":4}", "{\"phase\":\"ACTION_PHASE_RUNNING\"}"},
    {"flyteidl2.workflow.ActionStatus", "{\"phase\":4.0e0}", "{\"phase\":\"ACTION_PHASE_RUNNING\"}"},
    {"flyteidl2.workflow.ActionStatus", "{\"phase\":-77}", NULL},
    /* numbers */
    {P("Int32Value"), "-2147483648", NULL},
    {P("Int32Value"), "1e5", "100000"},
    {P("Int32Value"), "\"1.5e1\"", "15"},
    {P("Int32Value"), "-0", "0"},
    {P("Int64Value"), "9223372036854775807", "\"9223372036854775807\""},
    {P("Int64Value"), "\"-9223372036854775808\"", NULL},
    {P("UInt64Value"), "\"18446744073709551615\"", NULL},
    {P("UInt64Value"), "18446744073709551615", "\"18446744073709551615\""},
    {P("UInt32Value"), "4294967295", NULL},
    {P("DoubleValue"), "0.1", NULL},
    {P("DoubleValue"), "5e-324", NULL},
    {P("DoubleValue"), "1.7976931348623157e308", "1.7976931348623157e+308"},
    {P("DoubleValue"), "-0.0", NULL},
    {P("DoubleValue"), "\"NaN\"", NULL},
    {P("DoubleValue"), "\"-Infinity\"", NULL},
    {P("DoubleValue"), "\"1.25\"", "1.25"},
    {P("DoubleValue"), "1e-400", "0"},
    {P("FloatValue"), "0.1", NULL},
    {P("FloatValue"), "3.4028235e+38", NULL},
    {P("FloatValue"), "\"Infinity\"", NULL},
    {P("FloatValue"), "16777216", NULL},
    /* strings and bytes */
    {P("StringValue"), "\"\\u0041\\ud83d\\ude00\\/\\b\\f\\n\\r\\t\\\"\\\\\"",
     "\"A\xf0\x9f\x98\x80/\\b\\f\\n\\r\\t\\\"\\\\\""},
    {P("StringValue"), "\"\\u0000\\u001f\x7f\"", NULL},
    {P("StringValue"), "\"\xef\xbf\xbf\xf4\x8f\xbf\xbf\"", NULL},
    {P("StringValue"), "\"0123456\\\\0123456\\\"01234567\"", NULL},
    {P("BytesValue"), "\"-_+/\"", "\"+/+/\""},
    {P("BytesValue"), "\"YQ\"", "\"YQ==\""},
    {P("BytesValue"), "\"YWI=\"", NULL},
    {P("BytesValue"), "\"\"", NULL},
    {P("BoolValue"), "true", NULL},
    /* times */
    {P("Timestamp"), "\"1970-01-01T00:00:00Z\"", NULL},
    {P("Timestamp"), "\"0001-01-01T00:00:00Z\"", NULL},
    {P("Timestamp"), "\"9999-12-31T23:59:59.999999999Z\"", NULL},
    {P("Timestamp"), "\"2024-02-29T12:00:00.5+01:30\"", "\"2024-02-29T10:30:00.500Z\""},
    {P("Timestamp"), "\"1969-12-31T23:59:59.9Z\"", "\"1969-12-31T23:59:59.900Z\""},
    {P("Duration"), "\"0s\"", NULL},
    {P("Duration"), "\"-0.5s\"", "\"-0.500s\""},
    {P("Duration"), "\"1.000001s\"", NULL},
    {P("Duration"), "\"-315576000000s\"", NULL},
    {P("Duration"), "\"3.000000001s\"", NULL},
    /* values of any shape */
    {P("Value"), "null", NULL},
    {P("Value"), "[1,\"a\",{\"k\":[null,true,{}]},[]]", NULL},
    {P("Struct"), "{\"b\":1,\"a\":-1.5}", "{\"a\":-1.5,\"b\":1}"},
    {P("Struct"), "{\"\":{}}", NULL},
    {P("ListValue"), "[]", NULL},
    {P("FieldMask"), "\"fooBar.baz,x\"", NULL},
    {P("FieldMask"), "\"\"", NULL},
    {P("Empty"), "{}", NULL},
    {P("Any"), "{}", NULL},
    {P("Any"), "{\"@type\":\"type.googleapis.com/google.protobuf.Duration\",\"value\":\"1s\"}", NULL},
    {P("Any"), "{\"value\":\"1s\",\"@type\":\"x/google.protobuf.Duration\"}",
     "{\"@type\":\"x/google.protobuf.Duration\",\"value\":\"1s\"}"},
    {P("Any"), "{\"name\":\"n\",\"@type\":\"a/b/flyteidl2.common.RunIdentifier\"}",
     "{\"@type\":\"a/b/flyteidl2.common.RunIdentifier\",\"name\":\"n\"}"},
    {P("Any"), "{\"@type\":\"/google.protobuf.Any\",\"value\":{\"@type\":\"/google.protobuf.Empty\"}}", NULL},
    /* maps and arrays */
    {"flyteidl2.task.Labels", "{\"values\":{\"b\":\"1\",\"a\":\"\"}}", "{\"values\":{\"a\":\"\",\"b\":\"1\"}}"},
    {"flyteidl2.task.Labels", "{\"values\":null}", "{}"},
    {"flyteidl2.workflow.WatchActionsResponse", "{\"enrichedActions\":[{\"childrenPhaseCounts\":{\"10\":1,\"-2\":3}}]}",
     "{\"enrichedActions\":[{\"childrenPhaseCounts\":{\"-2\":3,\"10\":1}}]}"},
    {"flyteidl2.core.Scalar", "{\"noneType\":{}}", NULL},
    {"flyteidl2.core.Primitive", "{\"integer\":\"0\"}", NULL},
    {"flyteidl2.core.Primitive", "{\"integer\":null,\"boolean\":false}", "{\"boolean\":false}"},
};

static const struct bad bad[] = {
    {"flyteidl2.common.RunIdentifier", "", "expected an object"},
    {"flyteidl2.common.RunIdentifier", "null", "expected an object"},
    {"flyteidl2.common.RunIdentifier", "{\"nope\":1}", "no field named \"nope\" at byte 8"},
    {"flyteidl2.common.RunIdentifier", "{\"org\":\"a\",\"org\":\"a\"}", "given twice"},
    {"flyteidl2.workflow.ActionSpec", "{\"inputUri\":\"a\",\"input_uri\":\"b\"}",
     "ActionSpec.input_uri: field given twice"},
    {"flyteidl2.workflow.ActionSpec", "{\"inputUri\":null,\"input_uri\":\"b\"}", "given twice"},
    {"flyteidl2.core.Primitive", "{\"integer\":1,\"boolean\":true}", "second member of a oneof"},
    {"flyteidl2.common.RunIdentifier", "{\"org\":1}", "RunIdentifier.org: expected a string at byte 7"},
    {"flyteidl2.common.RunIdentifier", "{\"org\":\"a\"} x", "goes on"},
    {"flyteidl2.common.RunIdentifier", "{\"org\":\"a\",}", "expected a string"},
    {"flyteidl2.common.RunIdentifier", "{'org':\"a\"}", "expected a string"},
    {"flyteidl2.common.RunIdentifier", "{\"org\" \"a\"}", "unexpected character"},
    {"flyteidl2.common.RunIdentifier", "\xef\xbb\xbf{}", "expected an object"},
    {"flyteidl2.workflow.ActionStatus", "{\"phase\":\"RUNNING\"}", "unknown enum value"},
    {"flyteidl2.workflow.ActionStatus", "{\"phase\":\"4\"}", "unknown enum value"},
    {"flyteidl2.workflow.ActionStatus", "{\"phase\":1.5}", "not a whole number"},
    {"flyteidl2.workflow.ActionStatus", "{\"phase\":true}", "malformed number"},
    {P("Int32Value"), "2147483648", "out of range"},
    {P("Int32Value"), "0.5", "whole number"},
    {P("Int32Value"), "01", "malformed number"},
    {P("Int32Value"), "+1", "malformed number"},
    {P("Int32Value"), "\" 1\"", "expected a number"},
    {P("Int32Value"), "\"1 \"", "expected a number"},
    {P("Int32Value"), "\"\"", "expected a number"},
    {P("Int32Value"), "\"0x1\"", "expected a number"},
    {P("Int32Value"), "NaN", "malformed number"},
    {P("UInt32Value"), "-1", "out of range"},
    {P("UInt64Value"), "18446744073709551616", "out of range"},
    {P("UInt64Value"), "1e20", "out of range"},
    {P("Int64Value"), "9223372036854775808", "out of range"},
    {P("Int64Value"), "1e19", "out of range"},
    {P("DoubleValue"), "1e400", "out of range"},
    {P("DoubleValue"), "\"1e400\"", "out of range"},
    {P("DoubleValue"), "\"nan\"", "expected a number"},
    {P("DoubleValue"), "\"inf\"", "expected a number"},
    {P("DoubleValue"), "1.", "malformed number"},
    {P("DoubleValue"), ".5", "malformed number"},
    {P("DoubleValue"), "1e", "malformed number"},
    {P("FloatValue"), "3.5e38", "out of range"},
    {P("StringValue"), "\"\\ud800\"", "unpaired surrogate"},
    {P("StringValue"), "\"\\udc00\\ud800\"", "unpaired surrogate"},
    {P("StringValue"), "\"\\ud800\\u0041\"", "unpaired surrogate"},
    {P("StringValue"), "\"\\x41\"", "bad escape"},
    {P("StringValue"), "\"\\u12g4\"", "bad escape"},
    {P("StringValue"), "\"\\u12", "ends too early"},
    {P("StringValue"), "\"a\nb\"", "control character"},
    {P("StringValue"), "\"\\n\nb\"", "control character"},
    {P("StringValue"), "\"\xff\"", "not valid UTF-8"},
    {P("StringValue"), "\"\\n\xc0\x80\"", "not valid UTF-8"},
    {P("StringValue"), "\"\xed\xa0\x80\"", "not valid UTF-8"},
    {P("StringValue"), "\"abc", "ends too early"},
    {P("StringValue"), "\"abc\\\"", "ends too early"},
    {P("BytesValue"), "\"Y\"", "malformed base64"},
    {P("BytesValue"), "\"YQ=\"", "malformed base64"},
    {P("BytesValue"), "\"Y Q=\"", "malformed base64"},
    {P("BytesValue"), "\"YQ==YQ==\"", "malformed base64"},
    {P("BoolValue"), "\"true\"", "expected true or false"},
    {P("BoolValue"), "1", "expected true or false"},
    {P("BoolValue"), "tru", "unexpected character"},
    {P("BoolValue"), "trux", "unexpected character"},
    {P("Timestamp"), "\"2024-02-30T00:00:00Z\"", "malformed timestamp"},
    {P("Timestamp"), "\"2024-02-29 00:00:00Z\"", "malformed timestamp"},
    {P("Timestamp"), "\"2024-02-29T00:00:00\"", "malformed timestamp"},
    {P("Timestamp"), "\"2024-02-29t00:00:00z\"", "malformed timestamp"},
    {P("Timestamp"), "\"2024-02-29T24:00:00Z\"", "malformed timestamp"},
    {P("Timestamp"), "\"2024-02-29T00:00:00.1234567890Z\"", "malformed timestamp"},
    {P("Timestamp"), "\"0000-01-01T00:00:00Z\"", "malformed timestamp"},
    {P("Timestamp"), "\"0001-01-01T00:00:00+00:01\"", "malformed timestamp"},
    {P("Timestamp"), "\"9999-12-31T23:59:59-00:01\"", "malformed timestamp"},
    {P("Duration"), "\"1\"", "malformed duration"},
    {P("Duration"), "\"s\"", "malformed duration"},
    {P("Duration"), "\"1.s\"", "malformed duration"},
    {P("Duration"), "\".5s\"", "malformed duration"},
    {P("Duration"), "\"+1s\"", "malformed duration"},
    {P("Duration"), "\"--1s\"", "malformed duration"},
    {P("Duration"), "\"1.0000000001s\"", "malformed duration"},
    {P("Duration"), "\"315576000001s\"", "malformed duration"},
    {P("Duration"), "\"315576000000.000000001s\"", "malformed duration"},
    {P("FieldMask"), "\"foo_bar\"", "not in camelCase"},
    {P("Struct"), "{\"a\":1,\"a\":2}", "duplicate key"},
    {P("Struct"), "{\"a\":1,\"\\u0061\":2}", "duplicate key"},
    {P("Struct"), "[]", "expected an object"},
    {P("ListValue"), "{}", "expected an array"},
    {P("ListValue"), "[1 2]", "unexpected character"},
    {P("Any"), "{\"value\":1}", "@type is missing"},
    {P("Any"), "{\"@type\":\"x/no.such.Type\"}", "unknown type"},
    {P("Any"), "{\"@type\":\"\"}", "unknown type"},
    {P("Any"), "{\"@type\":1}", "expected a string"},
    {P("Any"), "[]", "expected an object"},
    {P("Any"), "{\"@type\":\"/google.protobuf.Duration\"}", "value is missing"},
    {P("Any"), "{\"@type\":\"/google.protobuf.Duration\",\"value\":\"1s\",\"x\":1}", "unknown field"},
    {P("Any"), "{\"@type\":\"/google.protobuf.Duration\",\"value\":\"1s\",\"value\":\"1s\"}", "given twice"},
    {"flyteidl2.task.Labels", "{\"values\":{\"a\":null}}", "null inside a map"},
    {"flyteidl2.task.Labels", "{\"values\":{\"a\":\"1\",\"b\":\"2\",\"a\":\"3\"}}", "duplicate key"},
    {"flyteidl2.task.Labels", "{\"values\":[]}", "expected an object"},
    {"flyteidl2.task.Envs", "{\"values\":[null]}", "null inside an array"},
    {"flyteidl2.task.Envs", "{\"values\":{}}", "expected an array"},
    {"flyteidl2.workflow.WatchActionsResponse", "{\"enrichedActions\":[{\"childrenPhaseCounts\":{\"1\":1,\"1e0\":2}}]}",
     "duplicate key"},
};

static enum code read_json(struct unit *u, const char *type, str text, bool ignore, const struct pb_type **t,
                           void **out)
{
    *t = pb_type_find(str_from(type));
    assert_non_null(*t);
    return pb_json_decode(&u->cx, *t, text, ignore, out);
}

/* The text in a heap block of its own size, where a sanitizer sees reads behind it. */
static str exact(struct unit *u, const char *text)
{
    (void)u;
    size_t n = strlen(text);
    char *p = malloc(n ? n : 1);
    memcpy(p, text, n);
    return (str){p, n};
}

static void values_survive_reading_and_writing(void **state)
{
    struct unit *u = *state;
    for (size_t i = 0; i < sizeof(good) / sizeof(*good); i++) {
        const struct pb_type *t;
        void *msg;
        str text = exact(u, good[i].text), bytes, again;
        assert_ok(&u->cx, read_json(u, good[i].type, text, false, &t, &msg));
        /* Through the binary form too, so that both codecs agree on the structs. */
        assert_ok(&u->cx, pb_encode(&u->cx, t, msg, &bytes));
        assert_ok(&u->cx, pb_decode(&u->cx, t, bytes, &msg));
        assert_ok(&u->cx, pb_json_encode(&u->cx, t, msg, &again));
        assert_str_equal(again, good[i].again ? good[i].again : good[i].text);
        free((void *)(uintptr_t)text.p);
    }
}

static void bad_texts_are_refused_with_a_reason(void **state)
{
    struct unit *u = *state;
    for (size_t i = 0; i < sizeof(bad) / sizeof(*bad); i++) {
        const struct pb_type *t;
        void *msg = u;
        str text = exact(u, bad[i].text);
        if (read_json(u, bad[i].type, text, false, &t, &msg) != CODE_INVALID_ARGUMENT || msg != u)
            fail_msg("%s %s was not refused", bad[i].type, bad[i].text);
        if (!strstr(u->cx.err.msg, bad[i].problem))
            fail_msg("%s: \"%s\" does not say \"%s\"", bad[i].text, u->cx.err.msg, bad[i].problem);
        free((void *)(uintptr_t)text.p);
    }
}

static void unknown_fields_are_ignored_when_asked(void **state)
{
    struct unit *u = *state;
    const struct pb_type *t;
    void *msg;
    str again;
    assert_ok(&u->cx, read_json(u, "flyteidl2.workflow.ActionStatus",
                                STR("{\"x\":{\"a\":[1,\"\\n\",null,true,{}]},\"phase\":\"NEW_PHASE\",\"attempts\":2}"),
                                true, &t, &msg));
    assert_ok(&u->cx, pb_json_encode(&u->cx, t, msg, &again));
    assert_str_equal(again, "{\"attempts\":2}");
    assert_code(&u->cx, read_json(u, "flyteidl2.workflow.ActionStatus", STR("{\"x\":[1,}"), true, &t, &msg),
                CODE_INVALID_ARGUMENT);
    /* Unknown names inside arrays and maps are left out, not turned into zero. */
    assert_ok(&u->cx, read_json(u, "flyteidl2.task.InlineRule",
                                STR("{\"onPhases\":[\"ACTION_PHASE_FAILED\",\"NEW\",\"ACTION_PHASE_ABORTED\"]}"), true,
                                &t, &msg));
    assert_ok(&u->cx, pb_json_encode(&u->cx, t, msg, &again));
    assert_str_equal(again, "{\"onPhases\":[\"ACTION_PHASE_FAILED\",\"ACTION_PHASE_ABORTED\"]}");
}

/* The message around an unknown name is there nevertheless: in an array, as a member of a oneof. */
static void what_holds_an_ignored_name_stays(void **state)
{
    static const char *const t[][3] = {
        {"flyteidl2.common.ListRequest",
         "{\"filters\":[{\"field\":\"a\",\"function\":\"NEW\"},{\"function\":\"NEW\"},{\"field\":\"b\"}]}",
         "{\"filters\":[{\"field\":\"a\"},{},{\"field\":\"b\"}]}"},
        {"flyteidl2.actions.Action", "{\"condition\":{\"name\":\"n\",\"promptType\":\"NEW\"}}",
         "{\"condition\":{\"name\":\"n\"}}"},
    };
    struct unit *u = *state;
    for (size_t i = 0; i < sizeof(t) / sizeof(*t); i++) {
        const struct pb_type *type;
        void *msg;
        str again;
        assert_ok(&u->cx, read_json(u, t[i][0], str_from(t[i][1]), true, &type, &msg));
        assert_ok(&u->cx, pb_json_encode(&u->cx, type, msg, &again));
        assert_str_equal(again, t[i][2]);
    }
}

static str nested(struct unit *u, size_t depth, const char *open, const char *middle, const char *close)
{
    buf b;
    buf_init_arena(&b, &u->mem, 1 << 24);
    for (size_t i = 0; i < depth; i++)
        buf_str(&b, str_from(open));
    buf_str(&b, str_from(middle));
    for (size_t i = 0; i < depth; i++)
        buf_str(&b, str_from(close));
    return buf_view(&b);
}

static void depth_is_bounded(void **state)
{
    struct unit *u = *state;
    const struct pb_type *t;
    void *msg;
    static const char any[] = "{\"@type\":\"/google.protobuf.Any\",\"value\":";
    assert_ok(&u->cx, read_json(u, P("Value"), nested(u, 50, "[", "", "]"), false, &t, &msg));
    assert_code(&u->cx, read_json(u, P("Value"), nested(u, 200000, "[", "", "]"), false, &t, &msg),
                CODE_INVALID_ARGUMENT);
    assert_non_null(strstr(u->cx.err.msg, "too deeply"));
    assert_code(&u->cx, read_json(u, P("Empty"), nested(u, 200000, "{\"a\":", "1", "}"), true, &t, &msg),
                CODE_INVALID_ARGUMENT);
    assert_ok(&u->cx, read_json(u, P("Any"), nested(u, 10, any, "{}", "}"), false, &t, &msg));
    assert_code(&u->cx, read_json(u, P("Any"), nested(u, 100, any, "{}", "}"), false, &t, &msg), CODE_INVALID_ARGUMENT);
}

static void memory_is_bounded(void **state)
{
    struct unit *u = *state;
    struct arena small;
    struct ctx cx;
    void *msg;
    str text = nested(u, 20000, "[],", "", "");
    arena_init(&small, 100000);
    ctx_init(&cx, &small);
    buf b;
    buf_init_arena(&b, &u->mem, 1 << 20);
    buf_char(&b, '[');
    buf_str(&b, text);
    buf_str(&b, STR("0]"));
    assert_code(&cx, pb_json_decode(&cx, pb_type_find(STR(P("ListValue"))), buf_view(&b), false, &msg),
                CODE_RESOURCE_EXHAUSTED);
    assert_true(small.used <= 100000);
    arena_done(&small);
}

static void what_json_cannot_say_is_an_error(void **state)
{
    struct unit *u = *state;
    static const struct {
        const char *type;
        str bytes;
        const char *problem;
    } t[] = {
        {P("Timestamp"), STR("\x08\xff\xff\xff\xff\xff\xff\xff\xff\x7f"), "timestamp"},
        {P("Timestamp"), STR("\x10\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01"), "timestamp"},
        {P("Duration"), STR("\x08\x01\x10\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01"), "duration"},
        {P("Duration"), STR("\x08\xff\xff\xff\xff\xff\xff\xff\xff\x7f"), "duration"},
        {P("Value"), STR("\x11\x00\x00\x00\x00\x00\x00\xf8\x7f"), "NaN"},
        {P("FieldMask"),
         STR("\x0a\x01"
             "A"),
         "camelCase"},
        {P("FieldMask"),
         STR("\x0a\x02"
             "a_"),
         "ends in _"},
        {P("FieldMask"),
         STR("\x0a\x03"
             "a_1"),
         "camelCase"},
        {P("Any"), STR("\x0a\x01x"), "unknown type"},
        {P("Any"), STR("\x12\x01x"), "unknown type"},
    };
    for (size_t i = 0; i < sizeof(t) / sizeof(*t); i++) {
        const struct pb_type *type = pb_type_find(str_from(t[i].type));
        void *msg;
        str out;
        assert_ok(&u->cx, pb_decode(&u->cx, type, t[i].bytes, &msg));
        assert_code(&u->cx, pb_json_encode(&u->cx, type, msg, &out), CODE_INTERNAL);
        if (!strstr(u->cx.err.msg, t[i].problem))
            fail_msg("\"%s\" does not say \"%s\"", u->cx.err.msg, t[i].problem);
    }
    /* A string that a handler made of foreign bytes. */
    str out;
    const struct pb_type *type = pb_type_find(STR(P("BytesValue")));
    void *msg;
    assert_ok(&u->cx, pb_decode(&u->cx, type, STR("\x0a\x01\xff"), &msg)); /* the same struct as StringValue */
    assert_code(&u->cx, pb_json_encode(&u->cx, pb_type_find(STR(P("StringValue"))), msg, &out), CODE_INTERNAL);
}

static void floats_survive(void **state)
{
    struct unit *u = *state;
    const struct pb_type *t = pb_type_find(STR(P("FloatValue")));
    uint32_t seed = 12345;
    for (int i = 0; i < 20000; i++) {
        seed = seed * 1664525 + 1013904223;
        uint32_t bits = i < 254 ? (uint32_t)i << 23 : seed; /* all powers of two, then any */
        if (i == 254)
            bits = 1;
        if ((bits >> 23 & 255) == 255)
            continue;
        char bytes[5] = "\x0d";
        memcpy(bytes + 1, &bits, 4);
        void *msg;
        str text, again;
        assert_ok(&u->cx, pb_decode(&u->cx, t, (str){bytes, 5}, &msg));
        assert_ok(&u->cx, pb_json_encode(&u->cx, t, msg, &text));
        assert_true(text.n <= 16);
        assert_ok(&u->cx, pb_json_decode(&u->cx, t, text, false, &msg));
        assert_ok(&u->cx, pb_encode(&u->cx, t, msg, &again));
        assert_true(bits == 0 ? again.n == 0 : again.n == 5 && memcmp(again.p, bytes, 5) == 0);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        unit_test(values_survive_reading_and_writing),
        unit_test(bad_texts_are_refused_with_a_reason),
        unit_test(unknown_fields_are_ignored_when_asked),
        unit_test(what_holds_an_ignored_name_stays),
        unit_test(depth_is_bounded),
        unit_test(memory_is_bounded),
        unit_test(what_json_cannot_say_is_an_error),
        unit_test(floats_survive),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

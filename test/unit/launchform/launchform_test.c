/* The rows of Flyte's own conversions that a form's drawer relies on, as the requests and answers of TranslatorService in
 * JSON. Values of the SDK both ways, and what is refused, are in test/api/test_translator.py. */
#include "gen/flyteidl2_workflow.h"
#include "launchform/launchform.h"
#include "unit.h"

static void *from_json(struct unit *u, const struct pb_type *type, const char *text)
{
    void *msg;
    assert_ok(&u->cx, pb_json_decode(&u->cx, type, str_from(text), false, &msg));
    return msg;
}

static void assert_message(struct unit *u, const struct pb_type *type, const void *got, const char *want)
{
    str text, bytes;
    void *read;
    /* Sorted, as whoever gets it reads it. */
    assert_ok(&u->cx, pb_encode(&u->cx, type, got, &bytes));
    assert_ok(&u->cx, pb_decode(&u->cx, type, bytes, &read));
    if (pb_equal(type, read, from_json(u, type, want)))
        return;
    assert_ok(&u->cx, pb_json_encode(&u->cx, type, got, &text));
    fail_msg("%s\nis not\n%s", text.p, want);
}

static str braced(struct unit *u, const char *before, const char *middle, const char *after)
{
    return arena_printf(&u->mem, "%s%s%s", before, middle, after);
}

/* ---- types ------------------------------------------------------------------------------------------------------- */

static const struct {
    const char *type, *schema;
} types[] = {
    {"{\"simple\":\"NONE\"}", "{\"type\":\"null\"}"},
    {"{\"simple\":\"STRING\"}", "{\"type\":\"string\"}"},
    {"{\"simple\":\"INTEGER\"}", "{\"type\":\"integer\"}"},
    {"{\"simple\":\"FLOAT\"}", "{\"type\":\"number\",\"format\":\"float\"}"},
    {"{\"simple\":\"BOOLEAN\"}", "{\"type\":\"boolean\"}"},
    {"{\"simple\":\"DATETIME\"}", "{\"type\":\"string\",\"format\":\"datetime\"}"},
    {"{\"simple\":\"DURATION\"}", "{\"type\":\"string\",\"format\":\"duration\"}"},
    {"{\"simple\":\"BINARY\"}", "{\"type\":\"string\",\"format\":\"binary\"}"},
    {"{\"simple\":\"ERROR\"}", "{\"type\":\"string\",\"format\":\"error\"}"},
    {"{\"simple\":\"STRUCT\"}", "{\"type\":\"object\",\"additionalProperties\":true}"},
    {"{\"simple\":\"STRUCT\",\"metadata\":{\"type\":\"object\",\"title\":\"C\",\"additionalProperties\":false,"
     "\"properties\":{\"p\":{\"$ref\":\"#/$defs/P\",\"title\":\"P\"}},\"$defs\":{\"P\":{\"type\":\"integer\"}}}}",
     "{\"type\":\"object\",\"dataclass\":\"C\",\"properties\":{\"p\":{\"$ref\":\"#/properties/a~1b%20c/$defs/P\","
     "\"title\":\"P\"}},\"$defs\":{\"P\":{\"type\":\"integer\"}}}"},
    {"{\"blob\":{\"format\":\"csv\",\"dimensionality\":\"MULTIPART\"}}",
     "{\"type\":\"object\",\"format\":\"blob\",\"properties\":{\"uri\":{\"type\":\"string\",\"default\":\"\"},"
     "\"format\":"
     "{\"type\":\"string\",\"default\":\"csv\"},\"dimensionality\":{\"type\":\"string\",\"enum\":[\"SINGLE\","
     "\"MULTIPART\"],"
     "\"default\":\"MULTIPART\"}}}"},
    {"{\"collectionType\":{\"mapValueType\":{\"simple\":\"STRING\"}}}",
     "{\"type\":\"array\",\"items\":{\"type\":\"object\",\"additionalProperties\":{\"type\":\"string\"}}}"},
    {"{\"enumType\":{\"values\":[\"A\",\"B\"]}}", "{\"type\":\"string\",\"enum\":[\"A\",\"B\"]}"},
    {"{\"structuredDatasetType\":{\"format\":\"parquet\"}}",
     "{\"type\":\"object\",\"format\":\"structured-dataset\",\"properties\":{\"uri\":{\"type\":\"string\"},\"format\":"
     "{\"type\":\"string\"}}}"},
    {"{\"unionType\":{\"variants\":[{\"simple\":\"FLOAT\",\"structure\":{\"tag\":\"float\"}},{\"simple\":\"ERROR\"},"
     "{\"simple\":\"STRUCT\",\"metadata\":{\"title\":\"C\"}},{\"blob\":{}},{\"unionType\":{}}]}}",
     "{\"format\":\"union\",\"oneOf\":[{\"type\":\"number\",\"format\":\"float\",\"title\":\"number\",\"structure\":"
     "\"float\"},{\"type\":\"string\",\"format\":\"error\",\"title\":\"unknown\",\"structure\":\"\"},{\"type\":"
     "\"object\","
     "\"dataclass\":\"C\",\"title\":\"C\",\"structure\":\"\"},{\"type\":\"object\",\"format\":\"blob\",\"title\":"
     "\"blob\","
     "\"structure\":\"\",\"properties\":{\"uri\":{\"type\":\"string\",\"default\":\"\"},\"format\":{\"type\":"
     "\"string\","
     "\"default\":\"\"},\"dimensionality\":{\"type\":\"string\",\"enum\":[\"SINGLE\",\"MULTIPART\"],\"default\":"
     "\"SINGLE\"}}},{\"format\":\"union\",\"oneOf\":[],\"title\":\"union\",\"structure\":\"\"}]}"},
};

static void test_types(void **state)
{
    struct unit *u = *state;
    for (size_t i = 0; i < sizeof(types) / sizeof(*types); i++) {
        GoogleProtobufStruct *form;
        str spec = braced(
            u, "{\"taskTemplate\":{\"interface\":{\"inputs\":{\"variables\":[{\"key\":\"a/b c\",\"value\":{\"type\":",
            types[i].type, "}}]}}}}");
        str want = braced(
            u, "{\"type\":\"object\",\"title\":\"Launch Form\",\"required\":[\"a/b c\"],\"properties\":{\"a/b c\":",
            types[i].schema, "}}");
        assert_ok(&u->cx, launchform_from_task(&u->cx, from_json(u, &TaskTaskSpec_type, spec.p), NULL, &form));
        assert_message(u, &GoogleProtobufStruct_type, form, want.p);
    }
}

/* ---- values ------------------------------------------------------------------------------------------------------ */

#define SCALAR(x) "{\"scalar\":{" x "}}"
#define PRIMITIVE(x) SCALAR("\"primitive\":{" x "}")
#define MSGPACK(x) SCALAR("\"binary\":{\"tag\":\"msgpack\",\"value\":\"" x "\"}")

static const struct {
    const char *literal, *value;
} values[] = {
    {PRIMITIVE("\"integer\":\"9007199254740992\""), "9007199254740992"},
    {PRIMITIVE("\"integer\":\"9007199254740993\""), "\"9007199254740993\""},
    {PRIMITIVE("\"integer\":\"-9223372036854775808\""), "\"-9223372036854775808\""},
    {PRIMITIVE("\"floatValue\":0.1"), "0.1"},
    {PRIMITIVE("\"floatValue\":\"-Infinity\""), "\"-Infinity\""},
    {PRIMITIVE("\"datetime\":\"2026-01-31T12:00:00.000000001Z\""), "\"2026-01-31T12:00:00.000000001Z\""},
    {PRIMITIVE("\"duration\":\"5430.5s\""), "\"1h30m30.5s\""},
    {SCALAR("\"noneType\":{}"), "{\"type\":\"null\"}"},
    {SCALAR("\"generic\":{\"a\":[1,null]}"), "{\"a\":[1,null]}"},
    {SCALAR("\"union\":{\"value\":{\"scalar\":{\"primitive\":{\"boolean\":true}}}}"), "true"},
    {SCALAR(
         "\"structuredDataset\":{\"uri\":\"s3://b/k\",\"metadata\":{\"structuredDatasetType\":{\"format\":\"csv\"}}}"),
     "{\"uri\":\"s3://b/k\",\"format\":\"csv\"}"},
    {"{\"collection\":{\"literals\":[" PRIMITIVE("\"integer\":\"1\"") "]}}", "[1]"},
    {"{\"collection\":{}}", "[]"},
    {"{\"map\":{\"literals\":{\"k\":" PRIMITIVE("\"stringValue\":\"v\"") "}}}", "{\"k\":\"v\"}"},
    /* Given with Flyte's specification. */
    {MSGPACK("hQNuBGMBcwVRAl8="), "{\"1\":115,\"2\":95,\"3\":110,\"4\":99,\"5\":81}"},
    {MSGPACK("wcHB"), "\"wcHB\""},
    /* Two values; no bytes; another tag; a key that is an array; the keys 1 and "1". */
    {MSGPACK("AQE="), "\"AQE=\""},
    {MSGPACK(""), "\"\""},
    {SCALAR("\"binary\":{\"tag\":\"pickle\",\"value\":\"AQ==\"}"), "\"AQ==\""},
    {MSGPACK("gZEBAQ=="), "\"gZEBAQ==\""},
    {MSGPACK("ggEBoTEC"), "\"ggEBoTEC\""},
    /* Bytes; times of 32, 64 and 96 bits; another extension; the keys nil, true and 0.5. */
    {MSGPACK("xAL//g=="), "\"//4=\""},
    {MSGPACK("1v8AAAAB"), "\"1970-01-01T00:00:01Z\""},
    {MSGPACK("1/8AAAAEAAAAAQ=="), "\"1970-01-01T00:00:01.000000001Z\""},
    {MSGPACK("xwz/AAAAAf//////////"), "\"1969-12-31T23:59:59.000000001Z\""},
    {MSGPACK("1AUq"), "\"Kg==\""},
    {MSGPACK("g8ABwwLLP+AAAAAAAAAD"), "{\"<nil>\":1,\"true\":2,\"0.5\":3}"},
    {MSGPACK("z///////////"), "\"18446744073709551615\""},
};

static void test_values(void **state)
{
    struct unit *u = *state;
    for (size_t i = 0; i < sizeof(values) / sizeof(*values); i++) {
        GoogleProtobufStruct *form;
        str request =
            braced(u,
                   "{\"variables\":{\"variables\":[{\"key\":\"x\",\"value\":{\"type\":{\"simple\":\"INTEGER\"},"
                   "\"description\":\"d\"}}]},\"literals\":[{\"name\":\"x\",\"value\":",
                   values[i].literal, "}]}");
        str want = braced(u,
                          "{\"type\":\"object\",\"title\":\"Launch Form\",\"required\":[\"x\"],\"properties\":{\"x\":"
                          "{\"type\":\"integer\",\"description\":\"d\",\"default\":",
                          values[i].value, "}}}");
        const WorkflowLiteralsToLaunchFormJsonRequest *req =
            from_json(u, &WorkflowLiteralsToLaunchFormJsonRequest_type, request.p);
        struct launchform_literals literals = {.p = req->literals.p, .n = req->literals.n};
        assert_ok(&u->cx, launchform_from_literals(&u->cx, req->variables, &literals, NULL, &form));
        assert_message(u, &GoogleProtobufStruct_type, form, want.p);
    }
}

/* ---- fields ------------------------------------------------------------------------------------------------------ */

#define BLOB_PARTS(uri)                                                                                                \
    "\"type\":\"object\",\"format\":\"blob\",\"properties\":{\"uri\":{\"default\":\"" uri                              \
    "\"},\"format\":{\"default\":\"csv\"},\"dimensionality\":{\"default\":1}}"
#define INT_OR_TEXT "{\"type\":\"integer\",\"structure\":\"int\"},{\"type\":\"string\",\"structure\":\"str\"}"
#define UNION(type, tag, value)                                                                                        \
    SCALAR("\"union\":{\"type\":{\"simple\":\"" type "\",\"structure\":{\"tag\":\"" tag "\"}},\"value\":" value "}")
#define TIME_OR_TEXT                                                                                                   \
    "\"oneOf\":[{\"type\":\"string\",\"structure\":\"str\"},{\"type\":\"string\",\"format\":\"datetime\","             \
    "\"structure\":"                                                                                                   \
    "\"datetime\"}]"

/* NULL: nobody filled the field in. */
static const struct {
    const char *field, *literal;
} fields[] = {
    {"{\"type\":\"integer\",\"default\":7}", PRIMITIVE("\"integer\":\"7\"")},
    {"{\"type\":\"integer\",\"default\":\"9007199254740993\"}", PRIMITIVE("\"integer\":\"9007199254740993\"")},
    {"{\"type\":\"integer\"}", NULL},
    {"{\"type\":\"number\",\"default\":2}", PRIMITIVE("\"floatValue\":2")},
    {"{\"type\":\"integer\",\"format\":\"duration\",\"default\":1.5}", PRIMITIVE("\"duration\":\"1.5s\"")},
    {"{\"type\":\"string\",\"format\":\"duration\",\"default\":\"90\"}", PRIMITIVE("\"duration\":\"90s\"")},
    {"{\"type\":\"string\",\"format\":\"duration\",\"default\":\"-1m0.5s\"}", PRIMITIVE("\"duration\":\"-60.5s\"")},
    {"{\"type\":\"string\",\"format\":\"datetime\",\"default\":\"2026-01-31T13:00:00.5+01:00\"}",
     PRIMITIVE("\"datetime\":\"2026-01-31T12:00:00.500Z\"")},
    {"{\"type\":\"string\",\"format\":\"email\",\"default\":\"a@b\"}", PRIMITIVE("\"stringValue\":\"a@b\"")},
    {"{\"type\":\"string\",\"format\":\"binary\",\"default\":\"AAE=\"}", SCALAR("\"binary\":{\"value\":\"AAE=\"}")},
    {"{\"type\":\"string\",\"enum\":[\"A\",2],\"default\":\"2\"}", PRIMITIVE("\"stringValue\":\"2\"")},
    {"{\"type\":\"array\",\"default\":[\"a\"]}",
     "{\"collection\":{\"literals\":[" PRIMITIVE("\"stringValue\":\"a\"") "]}}"},
    {"{\"type\":\"null\",\"default\":{\"type\":\"null\"}}", SCALAR("\"noneType\":{}")},
    {"{" BLOB_PARTS("s3://b/k") "}",
     SCALAR("\"blob\":{\"uri\":\"s3://b/"
            "k\",\"metadata\":{\"type\":{\"format\":\"csv\",\"dimensionality\":\"MULTIPART\"}}}")},
    {"{" BLOB_PARTS("") "}", NULL},
    /* A class: its own default, or those of its fields. {"a":1} and {"n":{"b":2}} in MessagePack. */
    {"{\"type\":\"object\",\"properties\":{\"a\":{\"default\":5}},\"default\":{\"a\":1}}", MSGPACK("gaFhAQ==")},
    {"{\"type\":\"object\",\"properties\":{\"n\":{\"type\":\"object\",\"properties\":{\"b\":{\"default\":2}}},\"c\":{}}"
     "}",
     MSGPACK("gaFugaFiAg==")},
    {"{\"type\":\"object\",\"properties\":{\"c\":{}}}", NULL},
    /* With bytes in it a class is sent as JSON, which says them as text. */
    {"{\"type\":\"object\",\"properties\":{\"a\":{\"type\":\"string\",\"format\":\"base64\"}},\"default\":{\"a\":\"AA=="
     "\"}}",
     SCALAR("\"generic\":{\"a\":\"AA==\"}")},
    {"{\"oneOf\":[" INT_OR_TEXT "],\"default\":1}", UNION("INTEGER", "int", PRIMITIVE("\"integer\":\"1\""))},
    {"{\"oneOf\":[" INT_OR_TEXT "],\"default\":\"1\"}", UNION("STRING", "str", PRIMITIVE("\"stringValue\":\"1\""))},
    {"{\"oneOf\":[{\"type\":\"number\",\"structure\":\"float\"}," INT_OR_TEXT "],\"default\":1}",
     UNION("INTEGER", "int", PRIMITIVE("\"integer\":\"1\""))},
    {"{\"oneOf\":[" INT_OR_TEXT ",{\"type\":\"null\",\"structure\":\"none\"}]}",
     UNION("NONE", "none", SCALAR("\"noneType\":{}"))},
    {"{\"oneOf\":[" INT_OR_TEXT "]}", NULL},
    /* Text or a time: what the form says it was, as long as it can be. */
    {"{" TIME_OR_TEXT ",\"default\":\"2026-01-01T00:00:00Z\"}",
     UNION("STRING", "str", PRIMITIVE("\"stringValue\":\"2026-01-01T00:00:00Z\""))},
    {"{" TIME_OR_TEXT ",\"variant\":1,\"default\":\"2026-01-01T00:00:00Z\"}",
     UNION("DATETIME", "datetime", PRIMITIVE("\"datetime\":\"2026-01-01T00:00:00Z\""))},
    {"{" TIME_OR_TEXT ",\"variant\":1,\"default\":\"tomorrow\"}",
     UNION("STRING", "str", PRIMITIVE("\"stringValue\":\"tomorrow\""))},
    {"{" TIME_OR_TEXT ",\"variant\":9,\"default\":\"t\"}", UNION("STRING", "str", PRIMITIVE("\"stringValue\":\"t\""))},
};

static void test_fields(void **state)
{
    struct unit *u = *state;
    for (size_t i = 0; i < sizeof(fields) / sizeof(*fields); i++) {
        struct launchform_literals got;
        str form = braced(u, "{\"properties\":{\"x\":", fields[i].field, "}}");
        str want = fields[i].literal ? braced(u, "{\"literals\":[{\"name\":\"x\",\"value\":", fields[i].literal, "}]}")
                                     : STR("{}");
        assert_ok(&u->cx, launchform_to_literals(&u->cx, from_json(u, &GoogleProtobufStruct_type, form.p), &got));
        WorkflowLaunchFormJsonToLiteralsResponse rsp = {.literals = {.p = got.p, .n = got.n}};
        assert_message(u, &WorkflowLaunchFormJsonToLiteralsResponse_type, &rsp, want.p);
    }
}

/* ---- limits ------------------------------------------------------------------------------------------------------ */

/* {"properties":{"x":{"type":"array","items":...,"default":[...]}}} with n elements of a union of so many types, none of which
 * fits: each element is compared with each type. */
static GoogleProtobufStruct *worst_form(struct unit *u, size_t elements, size_t members)
{
    buf b;
    buf_init_arena(&b, &u->mem, SIZE_MAX / 2);
    buf_str(&b, STR("{\"properties\":{\"x\":{\"type\":\"array\",\"items\":{\"oneOf\":["));
    for (size_t i = 0; i < members; i++)
        buf_str(&b, i ? STR(",{\"type\":\"number\"}") : STR("{\"type\":\"number\"}"));
    buf_str(&b, STR("]},\"default\":["));
    for (size_t i = 0; i < elements; i++)
        buf_str(&b, i ? STR(",1") : STR("1"));
    buf_str(&b, STR("]}}}"));
    return from_json(u, &GoogleProtobufStruct_type, buf_view(&b).p);
}

static void test_work_has_an_end(void **state)
{
    struct unit *u = *state;
    struct launchform_literals got;
    assert_ok(&u->cx, launchform_to_literals(&u->cx, worst_form(u, 1000, 100), &got));
    const GoogleProtobufStruct *form = worst_form(u, 10000, 10000);
    assert_code(&u->cx, launchform_to_literals(&u->cx, form, &got), CODE_RESOURCE_EXHAUSTED);
}

/* Memory is what a stranger's bytes make of it: a byte of MessagePack is a whole google.protobuf.Value. */
static void test_memory_has_an_end(void **state)
{
    struct unit *u = *state;
    enum { ITEMS = 4000000 };
    char *bytes = arena_alloc(&u->mem, ITEMS + 5);
    memcpy(bytes, "\xdd\x00\x3d\x09\x00", 5);
    memset(bytes + 5, 0xc0, ITEMS);
    const WorkflowLiteralsToLaunchFormJsonRequest *req =
        from_json(u, &WorkflowLiteralsToLaunchFormJsonRequest_type,
                  "{\"variables\":{\"variables\":[{\"key\":\"x\"}]},\"literals\":[{\"name\":\"x\",\"value\":" MSGPACK(
                      "AQ==") "}]}");
    struct launchform_literals literals = {.p = req->literals.p, .n = req->literals.n};
    req->literals.p[0]->value->scalar->binary->value = str_make(bytes, ITEMS + 5);
    GoogleProtobufStruct *form;
    struct ctx cx;
    struct arena small;
    arena_init(&small, (size_t)64 << 20);
    ctx_init(&cx, &small);
    assert_code(&cx, launchform_from_literals(&cx, req->variables, &literals, NULL, &form), CODE_RESOURCE_EXHAUSTED);
    assert_true(small.used < (size_t)200 << 20);
    arena_done(&small);
}

int main(void)
{
    const struct CMUnitTest tests[] = {unit_test(test_types), unit_test(test_values), unit_test(test_fields),
                                       unit_test(test_work_has_an_end), unit_test(test_memory_has_an_end)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}

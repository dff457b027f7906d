/* The parts of a launch: variables in arguments, quantities, pods; and cache keys against values of the SDK. */
#include "engine/cachekey.h"
#include "engine/pod.h"
#include "engine/quantity.h"
#include "engine/template.h"

#include "unit.h"

static void test_variables(void **state)
{
    static const struct {
        const char *text, *want;
    } cases[] = {
        {"{{.input}}", "IN/inputs.pb"},
        {"{{ .INPUT }}", "IN/inputs.pb"},
        {"{{$outputPrefix}}", "OUT"},
        {"{{ $ outputPrefix}}", "{{ $ outputPrefix}}"},
        {"{{.inputPrefix}}", "IN"},
        {"a{{.runName}}b{{.actionname}}c", "arbac"},
        {"{{.unknown}} {{.runName}}", "{{.unknown}} r"},
        {"{{{.runName}}}", "{r}"},
        {"{{.runName}", "{{.runName}"},
        {"{{}}{{.}}", "{{}}{{.}}"},
        {"{{.prevCheckpointPrefix}}", ""},
        {"no variables", "no variables"},
        {"{{.inputs.x}}", "{{.inputs.x}}"},
    };
    struct unit *u = *state;
    struct engine_template t = {.input = STR("IN/inputs.pb"),
                                .output_prefix = STR("OUT"),
                                .run = STR("r"),
                                .action = STR("a"),
                                .prev_checkpoint = STR("")};
    str out;
    for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
        assert_ok(&u->cx, engine_template_render(&u->cx, &t, str_from(cases[i].text), &out));
        assert_str_equal(out, cases[i].want);
    }
    assert_true(engine_template_wants_inputs(STR("x {{ .Inputs.name }}")));
    assert_false(engine_template_wants_inputs(STR("{{.input}} inputs.x {{.inputs.}}")));
}

static void test_inputs_in_arguments(void **state)
{
    struct unit *u = *state;
    CorePrimitive p = {.value_case = CorePrimitive_integer_tag, .integer = -5};
    CoreScalar s = {.value_case = CoreScalar_primitive_tag, .primitive = &p};
    CoreScalar none = {.value_case = CoreScalar_none_type_tag};
    CoreLiteral l = {.value_case = CoreLiteral_scalar_tag, .scalar = &s};
    CoreLiteral bad = {.value_case = CoreLiteral_scalar_tag, .scalar = &none};
    TaskNamedLiteral x = {.name = STR("x"), .value = &l}, y = {.name = STR("y"), .value = &bad};
    TaskNamedLiteral *all[] = {&x, &y};
    TaskInputs in = {.literals = {.p = all, .n = 2}};
    struct engine_template t = {.inputs = &in};
    str out;
    assert_ok(&u->cx, engine_template_render(&u->cx, &t, STR("n={{.inputs.x}}"), &out));
    assert_str_equal(out, "n=-5");
    assert_code(&u->cx, engine_template_render(&u->cx, &t, STR("{{.inputs.y}}"), &out), CODE_INVALID_ARGUMENT);
    assert_code(&u->cx, engine_template_render(&u->cx, &t, STR("{{.inputs.z}}"), &out), CODE_INVALID_ARGUMENT);
    p = (CorePrimitive){.value_case = CorePrimitive_string_value_tag, .string_value = STR("$x {{.runName}}")};
    assert_ok(&u->cx, engine_template_render(&u->cx, &t, STR("{{.inputs.x}}"), &out));
    assert_str_equal(out, "$x {{.runName}}"); /* what a user gave is not read again */
}

static void test_quantities(void **state)
{
    static const struct {
        const char *text;
        int64_t milli; /* -1 = none */
    } cases[] = {
        {"1", 1000},
        {"500m", 500},
        {"0.5", 500},
        {"1.5Gi", 1610612736000},
        {"250Mi", 262144000000},
        {"1G", 1000000000000},
        {"1e3", 1000000},
        {"100n", 1},
        {"2k", 2000000},
        {"", -1},
        {"m", -1},
        {"-1", -1},
        {"1x", -1},
        {"nan", -1},
        {"1 Gi", -1},
    };
    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
        int64_t v = -1;
        engine_quantity_milli(str_from(cases[i].text), &v);
        if (v != cases[i].milli)
            fail_msg("%s gives %lld", cases[i].text, (long long)v);
    }
}

/* A pod template in JSON, as the SDK sends it. */
static void test_pod_template(void **state)
{
    static const char json[] =
        "{\"config\":{\"primary_container_name\":\"main\"},\"k8sPod\":{\"podSpec\":{\"containers\":["
        "{\"name\":\"side\",\"image\":\"s\",\"args\":[\"no\"]},"
        "{\"name\":\"main\",\"image\":\"img\",\"command\":[\"c\"],\"args\":[\"a0\",\"x\"],"
        "\"env\":[{\"name\":\"A\",\"value\":\"1\"},{\"name\":\"B\",\"valueFrom\":{}}],"
        "\"resources\":{\"requests\":{\"cpu\":\"500m\",\"memory\":\"1Gi\"},\"limits\":{\"cpu\":2,\"memory\":\"2Gi\"}}}"
        "]}}}";
    struct unit *u = *state;
    struct engine_pod pod;
    void *msg;
    assert_ok(&u->cx, pb_json_decode(&u->cx, &CoreTaskTemplate_type, str_from(json), false, &msg));
    assert_ok(&u->cx, engine_pod_read(&u->cx, msg, &pod));
    assert_str_equal(pod.image, "img");
    assert_int_equal(pod.argc, 3);
    assert_int_equal(pod.command, 1);
    assert_false(pod.copilot);
    assert_str_equal(pod.argv[0], "c");
    assert_str_equal(pod.argv[2], "x");
    assert_int_equal(pod.env_count, 1);
    assert_str_equal(pod.env[0].value, "1");
    assert_int_equal(pod.cpu_millis, 500);
    assert_int_equal(pod.memory_bytes, INT64_C(2) << 30);
    CoreTaskTemplate *t = msg;
    t->config.p[0].value = STR("other");
    assert_code(&u->cx, engine_pod_read(&u->cx, t, &pod), CODE_INVALID_ARGUMENT);
    t->target_case = 0;
    assert_code(&u->cx, engine_pod_read(&u->cx, t, &pod), CODE_INVALID_ARGUMENT);
}

/* What makes a container task, and where its files are. */
static void test_container_tasks(void **state)
{
    static const struct {
        const char *json;
        bool copilot, files;
    } rows[] = {
        {"{\"type\":\"raw-container\",\"container\":{\"image\":\"i\",\"args\":[\"x\"],"
         "\"dataConfig\":{\"enabled\":true,\"inputPath\":\"/in\"}}}",
         true, true},
        {"{\"type\":\"raw-container\",\"container\":{\"image\":\"i\",\"args\":[\"x\"]}}", true, false},
        {"{\"type\":\"raw-container\",\"container\":{\"image\":\"i\",\"args\":[\"x\"],\"dataConfig\":{\"inputPath\":\"/"
         "in\"}}}",
         true, false},
        {"{\"type\":\"other\",\"container\":{\"image\":\"i\",\"dataConfig\":{\"enabled\":true,\"inputPath\":\"/in\"}}}",
         true, true},
        {"{\"type\":\"python\",\"container\":{\"image\":\"i\",\"args\":[\"x\"]}}", false, false},
        {"{\"type\":\"python\",\"config\":{\"primary_container_name\":\"m\"},\"k8sPod\":{\"dataConfig\":{\"enabled\":"
         "true,"
         "\"inputPath\":\"/in\"},\"podSpec\":{\"containers\":[{\"name\":\"m\",\"image\":\"i\",\"args\":[\"x\"]}]}}}",
         true, true},
    };
    struct unit *u = *state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
        struct engine_pod pod;
        void *msg;
        assert_ok(&u->cx, pb_json_decode(&u->cx, &CoreTaskTemplate_type, str_from(rows[i].json), false, &msg));
        assert_ok(&u->cx, engine_pod_read(&u->cx, msg, &pod));
        assert_int_equal(pod.copilot, rows[i].copilot);
        assert_int_equal(pod.files != NULL, rows[i].files);
        assert_int_equal(pod.command, 0);
        if (pod.files)
            assert_str_equal(pod.files->input_path, "/in");
    }
}

/* Values of flyte 2.12.1: convert.generate_cache_key_hash(). */
static void test_cache_keys_of_the_sdk(void **state)
{
    static const char json[] =
        "{\"id\":{\"name\":\"env.task\"},\"metadata\":{\"discoverable\":true,\"discoveryVersion\":\"v7\"},"
        "\"interface\":{\"inputs\":{\"variables\":[{\"key\":\"y\",\"value\":{\"type\":{\"simple\":\"INTEGER\"}}},"
        "{\"key\":\"a\",\"value\":{\"type\":{\"simple\":\"STRING\"}}}]},"
        "\"outputs\":{\"variables\":[{\"key\":\"o0\",\"value\":{\"type\":{\"simple\":\"FLOAT\"}}}]}}}";
    struct unit *u = *state;
    void *msg;
    str text, key, other;
    assert_ok(&u->cx, pb_json_decode(&u->cx, &CoreTaskTemplate_type, str_from(json), false, &msg));
    CoreTaskTemplate *t = msg;
    assert_ok(&u->cx, engine_cachekey_text(&u->cx, t, STR("INPUTS"), &text));
    assert_str_equal(text, "3+9xPB0KC0oDF4xOmd4fr0iW9nTXfD/dOapLPf2yLYg=");
    assert_ok(&u->cx, engine_cachekey_make(&u->cx, t, TASK_CACHE_LOOKUP_SCOPE_GLOBAL, STR("p"), STR("d"), text, &key));
    assert_int_equal(key.n, 32);
    assert_ok(&u->cx, engine_cachekey_make(&u->cx, t, 0, STR("q"), STR("d"), text, &other));
    assert_true(str_eq(key, other));
    assert_ok(&u->cx, engine_cachekey_make(&u->cx, t, TASK_CACHE_LOOKUP_SCOPE_PROJECT_DOMAIN, STR("p"), STR("d"), text,
                                           &other));
    assert_false(str_eq(key, other));
    t->interface->outputs->variables.p[0]->key = STR("o1");
    assert_ok(&u->cx, engine_cachekey_make(&u->cx, t, 0, STR("p"), STR("d"), text, &other));
    assert_false(str_eq(key, other));
    t->metadata->discoverable = false;
    assert_ok(&u->cx, engine_cachekey_make(&u->cx, t, 0, STR("p"), STR("d"), text, &other));
    assert_int_equal(other.n, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        unit_test(test_variables),    unit_test(test_inputs_in_arguments), unit_test(test_quantities),
        unit_test(test_pod_template), unit_test(test_container_tasks),     unit_test(test_cache_keys_of_the_sdk),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

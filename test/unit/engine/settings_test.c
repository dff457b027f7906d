/* What settings do to runs and their tasks; the levels and their answers are in test/api/test_settings.py. */
#include "engine/settings.h"

#include "unit.h"

static SettingsStringSetting text(const char *s)
{
    return (SettingsStringSetting){.state = SETTINGS_SETTING_STATE_VALUE, .string_value = str_from(s)};
}

/* ---- runs -------------------------------------------------------------------------------------------------------- */

static void what_settings_say_about_concurrency(void **state)
{
    static const struct {
        uint32_t run;
        int32_t state; /* -1: the settings say nothing */
        int64_t value;
        uint32_t want;
        bool unlimited; /* the server's default does not count */
    } cases[] = {
        {5, SETTINGS_SETTING_STATE_VALUE, 3, 5, false}, {5, SETTINGS_SETTING_STATE_UNSET, 0, 5, false},
        {0, SETTINGS_SETTING_STATE_VALUE, 3, 3, false}, {0, SETTINGS_SETTING_STATE_VALUE, 0, 0, true},
        {0, SETTINGS_SETTING_STATE_UNSET, 0, 0, true},  {0, -1, 0, 0, false},
    };
    struct unit *u = *state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
        SettingsInt64Setting limit = {.state = cases[i].state, .int_value = cases[i].value};
        SettingsRunSettings group = {.max_action_concurrency = cases[i].state < 0 ? NULL : &limit};
        SettingsSettings s = {.run = &group};
        TaskTaskSpec task = {0};
        TaskRunSpec run = {.max_action_concurrency = cases[i].run};
        bool unlimited;
        engine_settings_apply(&u->cx, &s, &task, &run, &unlimited);
        assert_int_equal(run.max_action_concurrency, cases[i].want);
        assert_int_equal(unlimited, cases[i].unlimited);
    }
}

/* The run's account goes before the task's, so a default must not replace that. */
static void who_names_the_account(void **state)
{
    static const struct {
        const char *run, *task, *settings, *want; /* want NULL: the run names none */
    } cases[] = {
        {"r", "t", "s", "r"},  {NULL, "t", "s", NULL}, {NULL, NULL, "s", "s"},
        {"r", NULL, "s", "r"}, {NULL, NULL, "", NULL},
    };
    struct unit *u = *state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
        SettingsStringSetting account = text(cases[i].settings);
        SettingsSecuritySettings group = {.service_account = &account};
        SettingsSettings s = {.security = &group};
        CoreIdentity of_run = {.k8s_service_account = str_from(cases[i].run)};
        CoreIdentity of_task = {.k8s_service_account = str_from(cases[i].task)};
        CoreSecurityContext run_context = {.run_as = &of_run}, task_context = {.run_as = &of_task};
        CoreTaskTemplate t = {.security_context = cases[i].task ? &task_context : NULL};
        TaskTaskSpec task = {.task_template = &t};
        TaskRunSpec run = {.security_context = cases[i].run ? &run_context : NULL};
        bool unlimited;
        engine_settings_apply(&u->cx, &s, &task, &run, &unlimited);
        if (cases[i].want)
            assert_str_equal(run.security_context->run_as->k8s_service_account, cases[i].want);
        else
            assert_null(run.security_context);
    }
}

static void what_a_client_sends_as_defaults_does_not_count(void **state)
{
    struct unit *u = *state;
    TaskDefaultSettings old = {.pod_template_name = STR("old")};
    TaskRunSpec run = {.default_settings = &old};
    TaskTaskSpec task = {0};
    SettingsSettings s = {0};
    bool unlimited;
    engine_settings_apply(&u->cx, &s, &task, &run, &unlimited);
    assert_null(run.default_settings);
}

/* ---- tasks ------------------------------------------------------------------------------------------------------- */

static void amounts_for_tasks(void **state)
{
    static const struct {
        struct engine_pod asked, got;
        const char *notes;
    } cases[] = {
        {{.cpu_millis = 0},
         {.cpu_millis = 500, .memory_bytes = 1 << 30},
         "The task gets 0.5 CPU by the settings\nThe task gets 1024 MiB of memory by the settings"},
        {{.cpu_millis = 100, .memory_bytes = 4096}, {.cpu_millis = 100, .memory_bytes = 4096}, ""},
        {{.cpu_millis = 64000, .memory_bytes = INT64_C(1) << 40, .gpus = 8},
         {.cpu_millis = 2000, .memory_bytes = INT64_C(2) << 30, .gpus = 1},
         "The task asks for 64 CPU, the settings allow 2 CPU\n"
         "The task asks for 1048576 MiB of memory, the settings allow 2048 MiB of memory\n"
         "The task asks for 8 GPU, the settings allow 1 GPU"},
    };
    struct unit *u = *state;
    CoreResources_ResourceEntry cpu = {.name = CORE_RESOURCES_RESOURCE_NAME_CPU, .value = STR("500m")},
                                memory = {.name = CORE_RESOURCES_RESOURCE_NAME_MEMORY, .value = STR("1Gi")},
                                cpu_max = {.name = CORE_RESOURCES_RESOURCE_NAME_CPU, .value = STR("2")},
                                memory_max = {.name = CORE_RESOURCES_RESOURCE_NAME_MEMORY, .value = STR("2Gi")},
                                gpu_max = {.name = CORE_RESOURCES_RESOURCE_NAME_GPU, .value = STR("1")};
    CoreResources_ResourceEntry *requests[] = {&cpu, &memory}, *max[] = {&cpu_max, &memory_max, &gpu_max};
    TaskTaskResourceDefaults r = {.requests = {.p = requests, .n = 2}, .max = {.p = max, .n = 3}};
    TaskDefaultSettings d = {.task_resource_defaults = &r};
    str notes;
    for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
        struct engine_pod pod = cases[i].asked;
        assert_ok(&u->cx, engine_settings_bound(&u->cx, &d, &pod, &notes));
        assert_str_equal(notes, cases[i].notes);
        assert_int_equal(pod.cpu_millis, cases[i].got.cpu_millis);
        assert_int_equal(pod.memory_bytes, cases[i].got.memory_bytes);
        assert_int_equal(pod.gpus, cases[i].got.gpus);
        pod = cases[i].asked;
        assert_ok(&u->cx, engine_settings_bound(&u->cx, NULL, &pod, &notes));
        assert_int_equal(notes.n, 0);
        assert_int_equal(pod.cpu_millis, cases[i].asked.cpu_millis);
    }
    memory.value = STR("much");
    struct engine_pod pod = {0};
    assert_code(&u->cx, engine_settings_bound(&u->cx, &d, &pod, &notes), CODE_INVALID_ARGUMENT);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        unit_test(what_settings_say_about_concurrency),
        unit_test(who_names_the_account),
        unit_test(what_a_client_sends_as_defaults_does_not_count),
        unit_test(amounts_for_tasks),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

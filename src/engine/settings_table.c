/* The settings as a table. See settings_int.h. */
#include "engine/settings_int.h"

#include <stddef.h>

#define LABEL_KEY_MAX 316
#define LABEL_VALUE_MAX 63
#define TEXT_MAX 32768

#define SETTING(T, field, KIND)                                                                                        \
    {                                                                                                                  \
        .name = #field, .offset = offsetof(T, field), .kind = ENGINE_SETTINGS_##KIND                                   \
    }
#define PAIRS(T, field, KEY_MAX, VALUE_MAX)                                                                            \
    {                                                                                                                  \
        .name = #field, .offset = offsetof(T, field), .kind = ENGINE_SETTINGS_MAP, .key_max = (KEY_MAX),               \
        .value_max = (VALUE_MAX)                                                                                       \
    }
#define GROUP(T, field, members_)                                                                                      \
    {                                                                                                                  \
        .name = #field, .offset = offsetof(T, field), .group = &(members_)                                             \
    }
#define MEMBERS(T, list)                                                                                               \
    {                                                                                                                  \
        &T##_type, list, sizeof(list) / sizeof(*(list))                                                                \
    }

static const struct engine_settings_member run_members[] = {
    SETTING(SettingsRunSettings, default_queue, TEXT),
    SETTING(SettingsRunSettings, max_action_concurrency, NUMBER),
    SETTING(SettingsRunSettings, run_base_dir, TEXT),
};
static const struct engine_settings_member security_members[] = {
    SETTING(SettingsSecuritySettings, service_account, TEXT),
};
static const struct engine_settings_member storage_members[] = {
    SETTING(SettingsStorageSettings, raw_data_path, TEXT),
};
static const struct engine_settings_member amount_members[] = {
    SETTING(SettingsTaskResourceDefaults, cpu, AMOUNT),
    SETTING(SettingsTaskResourceDefaults, gpu, AMOUNT),
    SETTING(SettingsTaskResourceDefaults, memory, AMOUNT),
    SETTING(SettingsTaskResourceDefaults, storage, AMOUNT),
};
static const struct engine_settings_member app_members[] = {
    SETTING(SettingsAppSettings, disallow_anonymous, SWITCH),
    SETTING(SettingsAppSettings, app_dns_strategy, TEXT),
};

static const struct engine_settings_group run_group = MEMBERS(SettingsRunSettings, run_members);
static const struct engine_settings_group security_group = MEMBERS(SettingsSecuritySettings, security_members);
static const struct engine_settings_group storage_group = MEMBERS(SettingsStorageSettings, storage_members);
static const struct engine_settings_group amount_group = MEMBERS(SettingsTaskResourceDefaults, amount_members);
static const struct engine_settings_group app_group = MEMBERS(SettingsAppSettings, app_members);

static const struct engine_settings_member resource_members[] = {
    GROUP(SettingsTaskResourceSettings, min, amount_group),
    GROUP(SettingsTaskResourceSettings, max, amount_group),
    SETTING(SettingsTaskResourceSettings, mirror_limits_request, SWITCH),
    SETTING(SettingsTaskResourceSettings, default_accelerator, ACCELERATOR),
};
static const struct engine_settings_group resource_group = MEMBERS(SettingsTaskResourceSettings, resource_members);

static const struct engine_settings_member members[] = {
    GROUP(SettingsSettings, run, run_group),
    GROUP(SettingsSettings, security, security_group),
    GROUP(SettingsSettings, storage, storage_group),
    GROUP(SettingsSettings, task_resource, resource_group),
    PAIRS(SettingsSettings, labels, LABEL_KEY_MAX, LABEL_VALUE_MAX),
    PAIRS(SettingsSettings, annotations, LABEL_KEY_MAX, TEXT_MAX),
    PAIRS(SettingsSettings, environment_variables, LABEL_KEY_MAX, TEXT_MAX),
    GROUP(SettingsSettings, app, app_group),
    SETTING(SettingsSettings, pod_template_name, TEXT),
};

const struct engine_settings_group engine_settings_all = MEMBERS(SettingsSettings, members);

/* ---- kinds ------------------------------------------------------------------------------------------------------- */

#define KIND(T, value)                                                                                                 \
    {                                                                                                                  \
        &T##_type, offsetof(T, state), offsetof(T, scope_level), offsetof(T, value), sizeof(((T *)0)->value)           \
    }

static const struct {
    const struct pb_type *type;
    size_t state, level, value, size; /* where they are, and the value's size */
} kinds[] = {
    [ENGINE_SETTINGS_TEXT] = KIND(SettingsStringSetting, string_value),
    [ENGINE_SETTINGS_NUMBER] = KIND(SettingsInt64Setting, int_value),
    [ENGINE_SETTINGS_SWITCH] = KIND(SettingsBoolSetting, bool_value),
    [ENGINE_SETTINGS_MAP] = KIND(SettingsStringMapSetting, map_value),
    [ENGINE_SETTINGS_AMOUNT] = KIND(SettingsQuantitySetting, quantity_value),
    [ENGINE_SETTINGS_ACCELERATOR] = KIND(SettingsAcceleratorSetting, accelerator_value),
};

int32_t engine_settings_state(enum engine_settings_kind kind, const void *leaf)
{
    int32_t state;
    memcpy(&state, (const char *)leaf + kinds[kind].state, sizeof(state));
    return state;
}

void *engine_settings_copy(struct arena *mem, enum engine_settings_kind kind, const void *leaf, int32_t level)
{
    char *out = pb_type_new(mem, kinds[kind].type);
    int32_t state = engine_settings_state(kind, leaf);
    memcpy(out + kinds[kind].state, &state, sizeof(state));
    memcpy(out + kinds[kind].level, &level, sizeof(level));
    if (state == SETTINGS_SETTING_STATE_VALUE)
        memcpy(out + kinds[kind].value, (const char *)leaf + kinds[kind].value, kinds[kind].size);
    return out;
}

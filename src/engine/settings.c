/* What levels are given, and levels put together. See settings.h. */
#include "engine/settings.h"

#include "engine/quantity.h"
#include "engine/settings_int.h"
#include "store/settings.h"

#define BODY_MAX ((size_t)64 * 1024)
#define PAIRS_MAX ((size_t)100)
#define TEXT_MAX ((size_t)2048)
#define NAME_MAX_BYTES ((size_t)128)

static void **slot(const void *group, const struct engine_settings_member *m)
{
    return (void **)((uintptr_t)group + m->offset);
}

/* ---- checking ---------------------------------------------------------------------------------------------------- */

static enum code check_text(struct ctx *cx, const char *name, str text, size_t max)
{
    if (!text.n)
        return fail(cx, CODE_INVALID_ARGUMENT, "settings.%s: empty; leave it out to inherit, or unset it", name);
    if (text.n > max)
        return fail(cx, CODE_INVALID_ARGUMENT, "settings.%s: more than %zu bytes", name, max);
    return CODE_OK;
}

static enum code check_pairs(struct ctx *cx, const char *name, const struct engine_settings_member *m,
                             const SettingsStringMap *map)
{
    for (size_t i = 0; map && i < map->entries.n; i++) {
        const SettingsStringMap_EntriesEntry *e = &map->entries.p[i];
        bool variable = m->offset == offsetof(SettingsSettings, environment_variables);
        if (!e->key.n || e->key.n > m->key_max || e->value.n > m->value_max ||
            (variable && str_find_char(e->key, '=') != SIZE_MAX))
            return fail(cx, CODE_INVALID_ARGUMENT,
                        "settings.%s: \"" STR_FMT "\": a key has 1 to %zu bytes%s, a value at most %zu", name,
                        STR_ARG(str_head(e->key, 64)), m->key_max, variable ? " and no =" : "", m->value_max);
    }
    if (map && map->entries.n > PAIRS_MAX)
        return fail(cx, CODE_INVALID_ARGUMENT, "settings.%s: more than %zu entries", name, PAIRS_MAX);
    return CODE_OK;
}

static enum code check_amount(struct ctx *cx, const char *name, str text)
{
    int64_t milli;
    TRY(check_text(cx, name, text, TEXT_MAX));
    if (!engine_quantity_milli(text, &milli))
        return fail(cx, CODE_INVALID_ARGUMENT,
                    "settings.%s: \"" STR_FMT "\" is no quantity; write it as Kubernetes does, such as 500m or 4Gi",
                    name, STR_ARG(str_head(text, 64)));
    return CODE_OK;
}

static enum code check_value(struct ctx *cx, const char *name, const struct engine_settings_member *m, const void *leaf)
{
    int64_t number;
    switch (m->kind) {
    case ENGINE_SETTINGS_TEXT:
        return check_text(cx, name, ((const SettingsStringSetting *)leaf)->string_value, TEXT_MAX);
    case ENGINE_SETTINGS_NUMBER:
        number = ((const SettingsInt64Setting *)leaf)->int_value;
        if (number < 0 || number > UINT32_MAX)
            return fail(cx, CODE_INVALID_ARGUMENT, "settings.%s: %lld is not from 0 to %u", name, (long long)number,
                        UINT32_MAX);
        return CODE_OK;
    case ENGINE_SETTINGS_SWITCH:
        return CODE_OK;
    case ENGINE_SETTINGS_MAP:
        return check_pairs(cx, name, m, ((const SettingsStringMapSetting *)leaf)->map_value);
    case ENGINE_SETTINGS_AMOUNT:
        return check_amount(cx, name, ((const SettingsQuantitySetting *)leaf)->quantity_value);
    case ENGINE_SETTINGS_ACCELERATOR: {
        const CoreGPUAccelerator *a = ((const SettingsAcceleratorSetting *)leaf)->accelerator_value;
        return check_text(cx, name, a ? a->device : STR(""), NAME_MAX_BYTES);
    }
    }
    return fail(cx, CODE_INTERNAL, "settings.%s: of no kind", name);
}

static enum code clean_leaf(struct ctx *cx, const char *name, const struct engine_settings_member *m, const void *in,
                            void **out)
{
    int32_t state = engine_settings_state(m->kind, in);
    if (state < SETTINGS_SETTING_STATE_INHERIT || state > SETTINGS_SETTING_STATE_VALUE)
        return fail(cx, CODE_INVALID_ARGUMENT, "settings.%s.state: there is no %d", name, state);
    if (state == SETTINGS_SETTING_STATE_VALUE)
        TRY(check_value(cx, name, m, in));
    *out = state == SETTINGS_SETTING_STATE_INHERIT ? NULL : engine_settings_copy(cx->mem, m->kind, in, 0);
    return CODE_OK;
}

/* *out stays NULL when nothing is left of the group. */
static enum code clean_group(struct ctx *cx, const char *path, const struct engine_settings_group *g, const void *in,
                             void **out)
{
    for (size_t i = 0; in && i < g->n; i++) {
        const struct engine_settings_member *m = &g->members[i];
        const void *given = *slot(in, m);
        const char *name = arena_printf(cx->mem, "%s%s%s", path, *path ? "." : "", m->name).p;
        void *kept = NULL;
        if (!given)
            continue;
        TRY(m->group ? clean_group(cx, name, m->group, given, &kept) : clean_leaf(cx, name, m, given, &kept));
        if (!kept)
            continue;
        if (!*out)
            *out = pb_type_new(cx->mem, g->type);
        *slot(*out, m) = kept;
    }
    return CODE_OK;
}

enum code engine_settings_clean(struct ctx *cx, const SettingsSettings *in, SettingsSettings **out)
{
    void *kept = NULL;
    TRY(clean_group(cx, "", &engine_settings_all, in, &kept));
    *out = kept ? kept : pb_new(cx->mem, SettingsSettings);
    if (pb_encoded_size(&SettingsSettings_type, *out) > BODY_MAX)
        return fail(cx, CODE_INVALID_ARGUMENT, "settings: more than %zu bytes together", BODY_MAX);
    return CODE_OK;
}

/* ---- putting levels together ------------------------------------------------------------------------------------- */

size_t engine_settings_join(struct ctx *cx, const SettingsStringMap_EntriesEntry *narrow, size_t n,
                            const SettingsStringMap *wide, SettingsStringMap_EntriesEntry **out)
{
    size_t all = n;
    *out = arena_new_array(cx->mem, SettingsStringMap_EntriesEntry, n + wide->entries.n);
    if (n)
        memcpy(*out, narrow, n * sizeof(SettingsStringMap_EntriesEntry));
    for (size_t i = 0; i < wide->entries.n; i++) {
        size_t k = 0;
        while (k < n && !str_eq(narrow[k].key, wide->entries.p[i].key))
            k++;
        if (k == n)
            (*out)[all++] = wide->entries.p[i];
    }
    return all;
}

static void add_wider(struct ctx *cx, const SettingsStringMapSetting *wide, SettingsStringMapSetting *narrow)
{
    const SettingsStringMap *own = narrow->map_value;
    if (!wide || !wide->map_value || narrow->state != SETTINGS_SETTING_STATE_VALUE)
        return;
    narrow->map_value = pb_new(cx->mem, SettingsStringMap);
    narrow->map_value->entries.n = engine_settings_join(cx, own ? own->entries.p : NULL, own ? own->entries.n : 0,
                                                        wide->map_value, &narrow->map_value->entries.p);
}

static void merge_group(struct ctx *cx, const struct engine_settings_group *g, const void *level, int32_t which,
                        void *into)
{
    for (size_t i = 0; i < g->n; i++) {
        const struct engine_settings_member *m = &g->members[i];
        void *given = *slot(level, m), **to = slot(into, m);
        if (!given)
            continue;
        if (m->group) {
            *to = *to ? *to : pb_type_new(cx->mem, m->group->type);
            merge_group(cx, m->group, given, which, *to);
            continue;
        }
        void *narrow = engine_settings_copy(cx->mem, m->kind, given, which);
        if (m->kind == ENGINE_SETTINGS_MAP)
            add_wider(cx, *to, narrow);
        *to = narrow;
    }
}

static int32_t level_of(const struct store_settings *s)
{
    if (s->project.n)
        return SETTINGS_SCOPE_LEVEL_PROJECT;
    return s->domain.n ? SETTINGS_SCOPE_LEVEL_DOMAIN : SETTINGS_SCOPE_LEVEL_ORG;
}

enum code engine_settings_resolve(struct ctx *cx, str domain, str project, SettingsSettings **out)
{
    struct store_settings *levels;
    size_t n;
    void *level;
    TRY(store_settings_levels(cx, domain, project, &levels, &n));
    *out = pb_new(cx->mem, SettingsSettings);
    for (size_t i = 0; i < n; i++) {
        TRY(pb_decode(cx, &SettingsSettings_type, levels[i].body, &level));
        merge_group(cx, &engine_settings_all, level, level_of(&levels[i]), *out);
    }
    return CODE_OK;
}

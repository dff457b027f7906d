/* The settings as a table, for all that is done with each of them alike. Between settings*.c. */
#ifndef ENGINE_SETTINGS_INT_H
#define ENGINE_SETTINGS_INT_H

#include "gen/flyteidl2_settings.h"

enum engine_settings_kind {
    ENGINE_SETTINGS_TEXT,
    ENGINE_SETTINGS_NUMBER,
    ENGINE_SETTINGS_SWITCH,
    ENGINE_SETTINGS_MAP,
    ENGINE_SETTINGS_AMOUNT,
    ENGINE_SETTINGS_ACCELERATOR,
};

/* A message of settings: settings themselves, and groups of them. */
struct engine_settings_group {
    const struct pb_type *type;
    const struct engine_settings_member *members;
    size_t n;
};

struct engine_settings_member {
    const char *name;                          /* in the IDL */
    size_t offset;                             /* of the pointer in the group's struct */
    const struct engine_settings_group *group; /* NULL: it is a setting */
    enum engine_settings_kind kind;
    size_t key_max, value_max; /* MAP: bytes */
};

extern const struct engine_settings_group engine_settings_all;

int32_t engine_settings_state(enum engine_settings_kind kind, const void *leaf);
/* The same state and value, from this level. */
void *engine_settings_copy(struct arena *mem, enum engine_settings_kind kind, const void *leaf, int32_t level);

/* The narrower pairs, and those of the wider map that they do not replace. */
size_t engine_settings_join(struct ctx *cx, const SettingsStringMap_EntriesEntry *narrow, size_t n,
                            const SettingsStringMap *wide, SettingsStringMap_EntriesEntry **out);

#endif

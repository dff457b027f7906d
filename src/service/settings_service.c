/* SettingsService: what runs get that they do not say themselves, by level (control-plane.md 11.3). There is one
 * organization: whatever a key calls it is answered, and chooses nothing. */
#include "engine/create.h"
#include "engine/settings.h"
#include "gen/services.h"
#include "object/object.h"
#include "service/data.h"
#include "store/settings.h"

#define PART_MAX 63

static enum code check_key(struct ctx *cx, const SettingsSettingsKey *key)
{
    if (key->project.n && !key->domain.n)
        return fail(cx, CODE_INVALID_ARGUMENT,
                    "key.domain: required with a project, whose settings belong to a domain");
    if (key->org.n)
        TRY(engine_create_check_name(cx, "key.org", key->org, PART_MAX));
    if (key->domain.n)
        TRY(engine_create_check_name(cx, "key.domain", key->domain, PART_MAX));
    return key->project.n ? engine_create_check_name(cx, "key.project", key->project, PART_MAX) : CODE_OK;
}

/* Of a wider level only the buckets: the rest is seen when a run begins. */
static enum code check_folders(struct ctx *cx, const SettingsSettingsKey *key, const SettingsSettings *s)
{
    str base = engine_settings_run_base_dir(s), raw = engine_settings_raw_data_path(s);
    str project = key->project, below = project.n ? project : STR("any");
    if (base.n)
        TRY(service_data_check_folder(cx, "settings.run.run_base_dir", object_uri_join(cx->mem, base, below), project));
    return raw.n ? service_data_check_raw(cx, "settings.storage.raw_data_path", object_uri_join(cx->mem, raw, below),
                                          project)
                 : CODE_OK;
}

static enum code settings_row(struct ctx *cx, const SettingsSettingsKey *key, const SettingsSettings *given,
                              SettingsSettings **kept, struct store_settings *out)
{
    TRY(check_key(cx, key));
    TRY(engine_settings_clean(cx, given, kept));
    TRY(check_folders(cx, key, *kept));
    *out = (struct store_settings){.domain = key->domain, .project = key->project};
    return pb_encode(cx, &SettingsSettings_type, *kept, &out->body);
}

static SettingsSettingsRecord *record(struct ctx *cx, SettingsSettingsKey *key, SettingsSettings *s, uint64_t version)
{
    SettingsSettingsRecord *r = pb_new(cx->mem, SettingsSettingsRecord);
    r->key = key;
    r->settings = s;
    r->version = version;
    return r;
}

enum code SettingsService_CreateSettings(struct ctx *cx, const SettingsCreateSettingsRequest *req,
                                         SettingsCreateSettingsResponse *rsp)
{
    struct store_settings row;
    SettingsSettings *kept;
    TRY(settings_row(cx, req->key, req->settings, &kept, &row));
    TRY(store_settings_insert(cx, &row));
    rsp->settingsRecord = record(cx, req->key, kept, row.version);
    return CODE_OK;
}

enum code SettingsService_UpdateSettings(struct ctx *cx, const SettingsUpdateSettingsRequest *req,
                                         SettingsUpdateSettingsResponse *rsp)
{
    struct store_settings row;
    SettingsSettings *kept;
    if (!req->version || req->version > INT64_MAX)
        return fail(cx, CODE_INVALID_ARGUMENT, "version: that of the settings that the change is based on, from 1");
    TRY(settings_row(cx, req->key, req->settings, &kept, &row));
    row.version = req->version;
    TRY(store_settings_update(cx, &row));
    rsp->settingsRecord = record(cx, req->key, kept, row.version);
    return CODE_OK;
}

/* What is put together is no stored record and has no version. */
enum code SettingsService_GetSettings(struct ctx *cx, const SettingsGetSettingsRequest *req,
                                      SettingsGetSettingsResponse *rsp)
{
    SettingsSettings *s;
    TRY(check_key(cx, req->key));
    TRY(engine_settings_resolve(cx, req->key->domain, req->key->project, &s));
    rsp->settingsRecord = record(cx, req->key, s, 0);
    return CODE_OK;
}

/* A level without settings is answered with none. */
static enum code add_level(struct ctx *cx, const SettingsSettingsKey *asked, int level,
                           const struct store_settings *rows, size_t n, SettingsGetSettingsForEditResponse *rsp)
{
    SettingsSettingsKey *key = pb_new(cx->mem, SettingsSettingsKey);
    void *s = pb_new(cx->mem, SettingsSettings);
    uint64_t version = 0;
    key->org = asked->org;
    key->domain = level > 0 ? asked->domain : STR("");
    key->project = level > 1 ? asked->project : STR("");
    for (size_t i = 0; i < n; i++)
        if (str_eq(rows[i].domain, key->domain) && str_eq(rows[i].project, key->project)) {
            TRY(pb_decode(cx, &SettingsSettings_type, rows[i].body, &s));
            version = rows[i].version;
        }
    rsp->levels.p[rsp->levels.n++] = record(cx, key, s, version);
    return CODE_OK;
}

enum code SettingsService_GetSettingsForEdit(struct ctx *cx, const SettingsGetSettingsForEditRequest *req,
                                             SettingsGetSettingsForEditResponse *rsp)
{
    struct store_settings *rows;
    size_t n;
    TRY(check_key(cx, req->key));
    TRY(store_settings_levels(cx, req->key->domain, req->key->project, &rows, &n));
    int levels = 1 + (req->key->domain.n > 0) + (req->key->project.n > 0);
    rsp->requestedKey = req->key;
    rsp->levels.p = arena_new_array(cx->mem, SettingsSettingsRecord *, (size_t)levels);
    for (int i = 0; i < levels; i++)
        TRY(add_level(cx, req->key, i, rows, n, rsp));
    return CODE_OK;
}

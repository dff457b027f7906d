/* One run of a trigger, whatever fires it. See fire_int.h. */
#include "base/log.h"
#include "base/time.h"
#include "engine/disk.h"
#include "engine/fire_int.h"
#include "object/object.h"
#include "store/project.h"

#define BACKOFF_MAX_NS (300 * NS_PER_S)
#define DISK_AGAIN_NS (10 * NS_PER_S)

bool engine_fire_is_final(enum code code)
{
    return code == CODE_NOT_FOUND || code == CODE_INVALID_ARGUMENT || code == CODE_FAILED_PRECONDITION ||
           code == CODE_DATA_LOSS || code == CODE_OUT_OF_RANGE || code == CODE_UNIMPLEMENTED;
}

int64_t engine_fire_backoff_ns(uint32_t failures)
{
    int64_t ns = NS_PER_S << (failures > 9 ? 9 : failures);
    return ns < BACKOFF_MAX_NS ? ns : BACKOFF_MAX_NS;
}

bool engine_fire_waits_for_disk(struct ctx *cx, int64_t now_ns, int64_t *next_ns)
{
    if (engine_disk_require(cx) == CODE_OK)
        return false;
    log_warn(cx, "triggers and failure handlers wait", LOG_ERR(cx));
    ctx_clear_err(cx);
    *next_ns = now_ns + DISK_AGAIN_NS;
    return true;
}

static void note(struct ctx *cx, struct engine_fire_run *r, enum code code)
{
    r->code = code;
    if (code != CODE_OK)
        memcpy(r->error, cx->err.msg, sizeof(r->error));
    ctx_clear_err(cx);
}

void engine_fire_shared_init(struct engine_fire_shared *s)
{
    map_init(&s->specs);
    map_init(&s->settings);
}

void engine_fire_shared_done(struct engine_fire_shared *s)
{
    map_done(&s->specs);
    map_done(&s->settings);
}

static enum code share_settings(struct ctx *cx, struct map *shared, const struct store_trigger *row,
                                SettingsSettings **out)
{
    str key = arena_printf(cx->mem, STR_FMT "/" STR_FMT, STR_ARG(row->domain), STR_ARG(row->project));
    *out = map_find(shared, key);
    if (*out)
        return CODE_OK;
    TRY(engine_settings_resolve(cx, row->domain, row->project, out));
    map_put(shared, key, *out);
    return CODE_OK;
}

void engine_fire_load(struct ctx *cx, struct engine_fire_shared *s, struct engine_fire_run *r,
                      const struct store_trigger *row)
{
    r->t.row = row;
    enum code code = engine_trigger_load(cx, &s->specs, row, &r->t);
    if (code == CODE_OK)
        code = share_settings(cx, &s->settings, row, &r->settings);
    note(cx, r, code);
}

enum code engine_fire_is_wanted(struct ctx *cx, str project, bool *out)
{
    enum code code = store_project_require_active(cx, project);
    *out = code == CODE_OK;
    if (code != CODE_NOT_FOUND && code != CODE_FAILED_PRECONDITION)
        return code;
    ctx_clear_err(cx);
    return CODE_OK;
}

void engine_fire_stand_in(struct ctx *cx, str project, str domain, str name, str version, struct engine_new_run *n)
{
    TaskTaskSpec *spec = pb_new(cx->mem, TaskTaskSpec);
    TaskTaskIdentifier *id = pb_new(cx->mem, TaskTaskIdentifier);
    spec->task_template = pb_new(cx->mem, CoreTaskTemplate);
    id->project = project;
    id->domain = domain;
    id->name = name;
    id->version = version;
    n->spec = spec;
    n->spec_id = 0;
    n->task_id = id;
}

static void set_failed(struct ctx *cx, struct engine_fire_run *r)
{
    const struct store_trigger *row = r->t.row;
    if (!r->n.spec) {
        engine_fire_stand_in(cx, row->project, row->domain, row->task_name, row->task_version, &r->n);
        r->n.trigger = row;
        r->n.run_spec = pb_new(cx->mem, TaskRunSpec);
    }
    TaskRunSpec *spec = pb_new(cx->mem, TaskRunSpec);
    *spec = *r->n.run_spec;
    spec->relation = NULL; /* what it refers to may be what is missing */
    r->n.input_uri = r->n.inputs_hash = STR("");
    r->n.error_code = STR(ENGINE_FIRE_ERROR);
    r->n.error = arena_printf(cx->mem, "trigger \"" STR_FMT "\": %s", STR_ARG(r->t.row->name), r->error);
    engine_prepare_run(cx, r->settings, spec, &r->n);
    log_warn(cx, "a trigger cannot start its run", LOG_STR("trigger", r->t.row->name),
             LOG_STR("task", r->t.row->task_name), LOG_STR("run", r->n.name), LOG_CSTR("error", r->error));
}

void engine_fire_make_failed(struct ctx *cx, struct engine_fire_run *r)
{
    note(cx, r, cx->err.code);
    set_failed(cx, r);
}

/* In memory of their own, as inputs may be large and a piece is many runs: what is large is stored at once. */
static enum code make_inputs(struct ctx *cx, struct engine_fire_run *r, const TaskInputs *bound)
{
    struct engine_uri_object o = {0};
    struct arena mem, *outer = cx->mem;
    arena_init(&mem, 0);
    cx->mem = &mem;
    enum code code = engine_trigger_inputs(cx, &r->t, NULL, bound, &r->n, &o);
    bool large = o.bytes.n > OBJECT_INLINE_MAX;
    if (code == CODE_OK && large)
        code = engine_uri_put(cx, cx->app, o.uri, o.bytes);
    cx->mem = outer;
    cx->err.details = NULL;
    r->n.input_uri = arena_str(outer, r->n.input_uri);
    r->n.inputs_hash = arena_str(outer, r->n.inputs_hash);
    if (!large)
        r->inputs = (struct engine_uri_object){arena_str(outer, o.uri), arena_str(outer, o.bytes)};
    arena_done(&mem);
    return code;
}

void engine_fire_prepare(struct ctx *cx, struct engine_fire_run *r, const TaskInputs *bound)
{
    r->n.project = r->t.row->project;
    r->n.domain = r->t.row->domain;
    if (r->code != CODE_OK)
        return;
    TaskRunSpec *spec = engine_trigger_run(cx, &r->t, &r->n);
    if (!engine_prepare_takes_start(r->n.spec))
        r->n.start_ns = 0;
    engine_prepare_run(cx, r->settings, spec, &r->n);
    note(cx, r, make_inputs(cx, r, bound));
}

void engine_fire_store(struct ctx *cx, struct engine_fire_run **runs, size_t n)
{
    struct engine_uri_object *list = arena_new_array(cx->mem, struct engine_uri_object, n);
    for (size_t i = 0; i < n; i++)
        if (runs[i]->code == CODE_OK)
            list[i] = runs[i]->inputs;
    if (engine_uri_put_many(cx, cx->app, list, n) == CODE_OK)
        return;
    ctx_clear_err(cx);
    for (size_t i = 0; i < n; i++) /* finds out which */
        if (list[i].uri.n)
            note(cx, runs[i], engine_uri_put(cx, cx->app, list[i].uri, list[i].bytes));
}

bool engine_fire_settle(struct ctx *cx, struct engine_fire_run *r)
{
    if (r->code == CODE_OK)
        return true;
    if (!engine_fire_is_final(r->code))
        return false;
    set_failed(cx, r);
    return true;
}

enum code engine_fire_create(struct ctx *cx, const struct engine_fire_run *r)
{
    struct store_run *made_before;
    struct engine_made_run made;
    TRY(store_run_find(cx, r->n.project, r->n.domain, r->n.name, &made_before));
    return made_before ? CODE_OK : engine_create_run(cx, &r->n, &made);
}

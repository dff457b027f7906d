/* Runs for new versions of artifacts. The entry that stores a version leaves an event; here its triggers are taken in order
 * of their ids, a piece at a time, and the event remembers how far that went. A run's name is made of trigger and version, so
 * one that was made before a crash is not made again. */
#include "base/log.h"
#include "base/time.h"
#include "engine/fire_int.h"
#include "engine/schedule.h"
#include "lane/lane.h"
#include "store/artifact_event.h"
#include "store/space.h"

enum code engine_fire_artifact(struct ctx *cx, const CoreArtifactID *id, const CoreLiteral *value, uint64_t run_id)
{
    const CoreArtifactKey *key = id->artifact_key;
    struct store_artifact_event e = {.run_id = run_id, .due_ns = time_wall_ns()};
    struct store_trigger *waiting;
    size_t n = 0;
    TRY(store_space_find(cx, key->project, key->domain, &e.space_id));
    if (e.space_id)
        TRY(store_trigger_list_artifact(cx, e.space_id, key->name, id->version, 0, 1, &waiting, &n));
    if (!n)
        return CODE_OK;
    TRY(pb_encode(cx, &CoreArtifactID_type, id, &e.artifact));
    TRY(pb_encode(cx, &CoreLiteral_type, value, &e.value));
    TRY(store_artifact_event_insert(cx, &e));
    engine_fire_wake_after_commit(cx);
    return CODE_OK;
}

/* ---- reading ---------------------------------------------------------------------------------------------------- */

struct piece {
    int64_t now_ns;
    struct store_artifact_event *event; /* NULL = none is due */
    int64_t next_ns;
    const CoreArtifactID *artifact;
    CoreLiteral *value;
    struct store_run *made_by; /* NULL = unknown */
    struct engine_fire_run *runs;
    size_t n;
    bool more;
};

static const CoreLabelValue *partition(const CoreArtifactID *a, str key)
{
    for (size_t i = 0; a->partitions && i < a->partitions->value.n; i++)
        if (str_eq(a->partitions->value.p[i].key, key))
            return a->partitions->value.p[i].value;
    const CoreTimePartition *t = a->time_partition;
    return t && (!t->key.n || str_eq(t->key, key)) ? t->value : NULL;
}

/* Only partitions that are strings are compared. */
static bool matches(const TaskArtifactTrigger *want, const CoreArtifactID *a)
{
    for (size_t i = 0; i < want->partitions.n; i++) {
        const CoreLabelValue *v = partition(a, want->partitions.p[i].key);
        if (!v || v->value_case != CoreLabelValue_static_value_tag ||
            !str_eq(v->static_value, want->partitions.p[i].value))
            return false;
    }
    return true;
}

static enum code decode_event(struct ctx *cx, struct piece *p)
{
    void *artifact, *value;
    TRY(pb_decode(cx, &CoreArtifactID_type, p->event->artifact, &artifact));
    TRY(pb_decode(cx, &CoreLiteral_type, p->event->value, &value));
    p->artifact = artifact;
    p->value = value;
    if (p->event->run_id && store_run_get_by_id(cx, p->event->run_id, &p->made_by) != CODE_OK) {
        p->made_by = NULL; /* it may be gone by now */
        ctx_clear_err(cx);
    }
    return CODE_OK;
}

static enum code load_triggers(struct ctx *cx, struct piece *p)
{
    struct engine_fire_shared shared;
    struct store_trigger *rows;
    size_t n;
    bool wanted;
    TRY(engine_fire_is_wanted(cx, p->artifact->artifact_key->project, &wanted));
    if (!wanted)
        return CODE_OK;
    TRY(store_trigger_list_artifact(cx, p->event->space_id, p->artifact->artifact_key->name, p->artifact->version,
                                    p->event->done_id, ENGINE_FIRE_PIECE, &rows, &n));
    p->runs = arena_new_array(cx->mem, struct engine_fire_run, n);
    engine_fire_shared_init(&shared);
    for (size_t i = 0; i < n; i++) {
        struct engine_fire_run *r = &p->runs[p->n];
        engine_fire_load(cx, &shared, r, &rows[i]);
        if (r->code != CODE_OK || matches(r->t.automation->artifact, p->artifact))
            p->n++;
        else
            *r = (struct engine_fire_run){0};
    }
    engine_fire_shared_done(&shared);
    p->more = n == ENGINE_FIRE_PIECE;
    p->event->done_id = n ? rows[n - 1].id : p->event->done_id;
    return CODE_OK;
}

static enum code load_piece(struct ctx *cx, void *arg)
{
    struct piece *p = arg;
    TRY(store_artifact_event_next(cx, &p->event));
    p->next_ns = p->event ? p->event->due_ns : INT64_MAX;
    if (p->next_ns > p->now_ns) {
        p->event = NULL;
        return CODE_OK;
    }
    TRY(decode_event(cx, p));
    return load_triggers(cx, p);
}

/* ---- preparing -------------------------------------------------------------------------------------------------- */

static TaskInputs *partition_input(struct ctx *cx, str input, const CoreLabelValue *v)
{
    CoreLiteral *l = pb_new(cx->mem, CoreLiteral);
    l->value_case = CoreLiteral_scalar_tag;
    l->scalar = pb_new(cx->mem, CoreScalar);
    l->scalar->value_case = CoreScalar_primitive_tag;
    CorePrimitive *p = l->scalar->primitive = pb_new(cx->mem, CorePrimitive);
    if (v->value_case == CoreLabelValue_time_value_tag) {
        p->value_case = CorePrimitive_datetime_tag;
        p->datetime = v->time_value;
    } else {
        p->value_case = CorePrimitive_string_value_tag;
        p->string_value = v->value_case == CoreLabelValue_static_value_tag ? v->static_value : STR("");
    }
    return engine_trigger_literal(cx, input, l);
}

/* The map has the inputs as keys: that is what clients send. */
static TaskInputs *bound_inputs(struct ctx *cx, const struct piece *p, const TaskArtifactTrigger *a)
{
    TaskInputs *in = engine_trigger_literal(cx, a->input_arg, p->value);
    for (size_t i = 0; i < a->partition_input_args.n; i++) {
        const CoreLabelValue *v = partition(p->artifact, a->partition_input_args.p[i].value);
        if (v)
            in = engine_prepare_fill(cx, in, partition_input(cx, a->partition_input_args.p[i].key, v));
    }
    return in;
}

static str run_name(struct ctx *cx, const struct store_trigger *t, str version)
{
    str text = arena_printf(cx->mem, STR_FMT ":" STR_FMT, STR_ARG(t->artifact_name), STR_ARG(version));
    return engine_schedule_run_name(cx->mem, t->project, t->domain, t->task_name,
                                    arena_printf(cx->mem, STR_FMT ":" STR_FMT, STR_ARG(t->name), STR_ARG(text)), 0);
}

static void relate(struct ctx *cx, const struct piece *p, struct engine_fire_run *r)
{
    TaskRunSpec *spec = pb_new(cx->mem, TaskRunSpec);
    if (!p->made_by || r->n.error_code.n)
        return;
    *spec = *r->n.run_spec;
    spec->relation = pb_new(cx->mem, CommonRelation);
    spec->relation->relation_type = COMMON_RELATION_TYPE_ON_ARTIFACT;
    spec->relation->related_to = pb_new(cx->mem, CommonRunIdentifier);
    spec->relation->related_to->project = p->made_by->project;
    spec->relation->related_to->domain = p->made_by->domain;
    spec->relation->related_to->name = p->made_by->name;
    r->n.run_spec = spec;
}

static void prepare(struct ctx *cx, const struct piece *p, struct engine_fire_run *r)
{
    r->n.source = WORKFLOW_RUN_SOURCE_ARTIFACT_TRIGGER;
    r->n.start_ns = p->now_ns;
    r->n.name = run_name(cx, r->t.row, p->artifact->version);
    const TaskInputs *bound = r->code == CODE_OK ? bound_inputs(cx, p, r->t.automation->artifact) : NULL;
    engine_fire_prepare(cx, r, bound);
}

/* As far as it goes now; the event waits for the rest. */
static void prepare_all(struct ctx *cx, struct piece *p)
{
    struct store_artifact_event *e = p->event;
    struct engine_fire_run **runs = arena_new_array(cx->mem, struct engine_fire_run *, p->n);
    for (size_t i = 0; i < p->n; i++)
        prepare(cx, p, runs[i] = &p->runs[i]);
    engine_fire_store(cx, runs, p->n);
    for (size_t i = 0; i < p->n; i++) {
        if (engine_fire_settle(cx, runs[i])) {
            relate(cx, p, runs[i]);
            continue;
        }
        log_warn(cx, "an artifact's trigger cannot fire now and will again", LOG_STR("trigger", p->runs[i].t.row->name),
                 LOG_CSTR("error", p->runs[i].error));
        e->done_id = p->runs[i].t.row->id - 1;
        e->failures = i ? 1 : e->failures + 1;
        e->due_ns = p->now_ns + engine_fire_backoff_ns(e->failures - 1);
        p->more = true;
        p->n = i;
        return;
    }
    e->failures = 0;
}

/* ---- writing ---------------------------------------------------------------------------------------------------- */

static enum code end_piece(struct ctx *cx, void *arg)
{
    const struct piece *p = arg;
    return p->more ? store_artifact_event_step(cx, p->event) : store_artifact_event_delete(cx, p->event->id);
}

static enum code write_piece(struct ctx *cx, void *arg)
{
    const struct piece *p = arg;
    for (size_t i = 0; i < p->n; i++)
        TRY(engine_fire_create(cx, &p->runs[i]));
    return end_piece(cx, arg);
}

static enum code write_alone(struct ctx *cx, void *arg)
{
    return engine_fire_create(cx, arg);
}

/* After the piece failed: one that can never be written becomes a run that has failed. */
static enum code write_apart(struct ctx *cx, struct engine *e, struct piece *p)
{
    for (size_t i = 0; i < p->n; i++) {
        enum code code = lane_write(cx, e->app->lanes, write_alone, &p->runs[i]);
        if (code != CODE_OK && engine_fire_is_final(code) && !p->runs[i].n.error_code.n) {
            engine_fire_make_failed(cx, &p->runs[i]);
            code = lane_write(cx, e->app->lanes, write_alone, &p->runs[i]);
        }
        TRY(code);
    }
    return lane_write(cx, e->app->lanes, end_piece, p);
}

enum code engine_fire_artifacts(struct ctx *cx, struct engine *e, int64_t *next_ns)
{
    struct piece p = {.now_ns = time_wall_ns()};
    TRY(lane_read(cx, e->app->lanes, load_piece, &p));
    *next_ns = p.event ? 0 : p.next_ns;
    if (!p.event)
        return CODE_OK;
    if (engine_fire_waits_for_disk(cx, p.now_ns, next_ns))
        return CODE_OK;
    prepare_all(cx, &p);
    if (lane_write(cx, e->app->lanes, write_piece, &p) == CODE_OK)
        return CODE_OK;
    ctx_clear_err(cx);
    return write_apart(cx, e, &p);
}

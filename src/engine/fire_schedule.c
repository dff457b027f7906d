/* Schedules that are due. A piece: what is due is read; inputs are made and stored outside of any transaction; then, part by
 * part, each run is inserted together with its trigger's step to the next slot, so a slot has one run whatever is killed. */
#include "base/log.h"
#include "base/time.h"
#include "config/config.h"
#include "engine/fire_int.h"
#include "engine/schedule.h"
#include "lane/lane.h"

/* What is later than this was missed, as if the server had been away; less than that, a step of the wall clock skips
 * nothing (D-08). */
#define LATE_NS (3600 * NS_PER_S)
#define CATCH_UP_DEFAULT 100
/* Triggers that are read, and whose inputs are stored, at once: several write entries. */
#define PIECE (4 * ENGINE_FIRE_PIECE)

struct due {
    struct store_trigger row; /* as it is to be stored */
    int64_t slot_ns;          /* that it waits for */
    uint32_t failures;        /* of that slot, so far */
    struct engine_schedule schedule;
    struct engine_fire_run run;
    bool fires; /* false: only steps on */
    bool stuck; /* not now: its row says when again */
};

struct piece {
    int64_t now_ns, missed_ns; /* slots up to missed_ns were missed */
    size_t catch_up;
    struct due *list;
    size_t n;
    int64_t next_ns;
};

/* ---- which slot ------------------------------------------------------------------------------------------------- */

static size_t catch_up_max(const struct config *c)
{
    if (!c)
        return CATCH_UP_DEFAULT;
    if (str_eq(c->trigger_catch_up, STR("none")))
        return 0;
    return str_eq(c->trigger_catch_up, STR("last")) ? 1 : (size_t)c->trigger_catch_up_max;
}

/* Of the slots that were missed, the newest ones are caught up; the slot to fire now, 0 = none. */
static int64_t choose_slot(struct ctx *cx, const struct piece *p, struct due *d)
{
    int64_t slots[ENGINE_SCHEDULE_MISSED_MAX], slot_s = d->slot_ns / NS_PER_S, until_s = p->missed_ns / NS_PER_S, next;
    if (slot_s > until_s)
        return d->slot_ns;
    size_t n = engine_schedule_last(&d->schedule, slot_s, until_s, p->catch_up, slots);
    if (n && slots[0] == slot_s)
        return d->slot_ns;
    log_info(cx, "slots of a trigger were missed and are not caught up", LOG_STR("trigger", d->row.name),
             LOG_STR("task", d->row.task_name), LOG_INT("caught_up", n));
    if (n)
        return slots[0] * NS_PER_S;
    next = engine_schedule_next(&d->schedule, until_s, &next) ? next * NS_PER_S : 0;
    d->row.next_ns = next;
    return next && next <= p->now_ns ? next : 0;
}

static void step_on(struct due *d, int64_t after_ns)
{
    int64_t next_s;
    d->row.next_ns = engine_schedule_next(&d->schedule, after_ns / NS_PER_S, &next_s) ? next_s * NS_PER_S : 0;
}

static enum code read_schedule(struct ctx *cx, struct due *d)
{
    void *msg;
    TRY(pb_decode(cx, &TaskTriggerAutomationSpec_type, d->row.automation, &msg));
    const TaskTriggerAutomationSpec *a = msg;
    if (a->automation_case != TaskTriggerAutomationSpec_schedule_tag)
        return fail(cx, CODE_DATA_LOSS, "the stored automation is no schedule");
    return engine_schedule_read(cx, a->schedule, d->row.updated_ns, &d->schedule);
}

static void set_stuck(struct ctx *cx, const struct piece *p, struct due *d, const char *error)
{
    d->stuck = true;
    d->row.next_ns = d->slot_ns;
    d->row.due_ns = p->now_ns + engine_fire_backoff_ns(d->failures);
    d->row.failures = d->failures + 1;
    log_warn(cx, "a trigger cannot fire now and will again", LOG_STR("trigger", d->row.name),
             LOG_STR("task", d->row.task_name), LOG_INT("failures", d->row.failures), LOG_CSTR("error", error));
}

/* ---- reading ---------------------------------------------------------------------------------------------------- */

static enum code load(struct ctx *cx, const struct piece *p, struct engine_fire_shared *shared, struct due *d)
{
    d->slot_ns = d->row.next_ns;
    d->failures = d->row.failures;
    if (read_schedule(cx, d) != CODE_OK) {
        set_stuck(cx, p, d, cx->err.msg);
        ctx_clear_err(cx);
        return CODE_OK;
    }
    int64_t slot_ns = choose_slot(cx, p, d);
    if (!slot_ns)
        return CODE_OK;
    step_on(d, slot_ns);
    TRY(engine_fire_is_wanted(cx, d->row.project, &d->fires));
    if (!d->fires)
        return CODE_OK;
    d->run.n.start_ns = slot_ns;
    engine_fire_load(cx, shared, &d->run, &d->row);
    return CODE_OK;
}

static enum code load_all(struct ctx *cx, const struct piece *p)
{
    struct engine_fire_shared shared;
    enum code code = CODE_OK;
    engine_fire_shared_init(&shared);
    for (size_t i = 0; i < p->n && code == CODE_OK; i++)
        code = load(cx, p, &shared, &p->list[i]);
    engine_fire_shared_done(&shared);
    return code;
}

static enum code load_piece(struct ctx *cx, void *arg)
{
    struct piece *p = arg;
    struct store_trigger *rows;
    TRY(store_trigger_list_due(cx, p->now_ns, PIECE, &rows, &p->n));
    p->list = arena_new_array(cx->mem, struct due, p->n);
    for (size_t i = 0; i < p->n; i++)
        p->list[i].row = rows[i];
    TRY(load_all(cx, p));
    if (p->n)
        return CODE_OK;
    TRY(store_trigger_next_due(cx, &p->next_ns));
    p->next_ns = p->next_ns ? p->next_ns : INT64_MAX;
    return CODE_OK;
}

/* ---- preparing and writing -------------------------------------------------------------------------------------- */

static void prepare(struct ctx *cx, struct engine_fire_run *r)
{
    const struct store_trigger *row = r->t.row;
    struct engine_new_run *n = &r->n;
    int64_t slot_ns = n->start_ns;
    const TaskInputs *kickoff = r->code == CODE_OK ? engine_trigger_kickoff(cx, &r->t, slot_ns) : NULL;
    n->source = WORKFLOW_RUN_SOURCE_SCHEDULE_TRIGGER;
    n->name =
        engine_schedule_run_name(cx->mem, row->project, row->domain, row->task_name, row->name, slot_ns / NS_PER_S);
    engine_fire_prepare(cx, r, kickoff);
}

static void prepare_all(struct ctx *cx, struct piece *p)
{
    struct engine_fire_run **runs = arena_new_array(cx->mem, struct engine_fire_run *, p->n);
    size_t n = 0;
    for (size_t i = 0; i < p->n; i++)
        if (p->list[i].fires)
            prepare(cx, runs[n++] = &p->list[i].run);
    engine_fire_store(cx, runs, n);
    for (size_t i = 0; i < p->n; i++) {
        struct due *d = &p->list[i];
        if (d->fires && !engine_fire_settle(cx, &d->run))
            set_stuck(cx, p, d, d->run.error);
    }
}

static enum code write_one(struct ctx *cx, struct due *d)
{
    bool done;
    if (!d->stuck) {
        d->row.due_ns = d->row.next_ns;
        d->row.failures = 0;
    }
    TRY(store_trigger_step(cx, &d->row, d->slot_ns, &done));
    return done && d->fires && !d->stuck ? engine_fire_create(cx, &d->run)
                                         : CODE_OK; /* else it was changed meanwhile */
}

struct part {
    struct due *list;
    size_t n;
};

static enum code write_part(struct ctx *cx, void *arg)
{
    const struct part *p = arg;
    for (size_t i = 0; i < p->n; i++)
        TRY(write_one(cx, &p->list[i]));
    return CODE_OK;
}

static enum code write_alone(struct ctx *cx, void *arg)
{
    return write_one(cx, arg);
}

/* One of a part that could not be written: finds out which, so that it holds up none of the others. */
static enum code write_apart(struct ctx *cx, struct engine *e, const struct piece *p, struct due *d)
{
    enum code code = lane_write(cx, e->app->lanes, write_alone, d);
    if (code != CODE_OK && engine_fire_is_final(code) && d->fires && !d->run.n.error_code.n) {
        engine_fire_make_failed(cx, &d->run);
        code = lane_write(cx, e->app->lanes, write_alone, d);
    }
    if (code == CODE_OK)
        return CODE_OK;
    set_stuck(cx, p, d, cx->err.msg);
    ctx_clear_err(cx);
    return lane_write(cx, e->app->lanes, write_alone, d);
}

static enum code write_all(struct ctx *cx, struct engine *e, const struct piece *p)
{
    for (size_t at = 0; at < p->n; at += ENGINE_FIRE_PIECE) {
        struct part part = {p->list + at, p->n - at < ENGINE_FIRE_PIECE ? p->n - at : ENGINE_FIRE_PIECE};
        if (lane_write(cx, e->app->lanes, write_part, &part) == CODE_OK)
            continue;
        ctx_clear_err(cx);
        for (size_t i = 0; i < part.n; i++)
            TRY(write_apart(cx, e, p, &part.list[i]));
    }
    return CODE_OK;
}

enum code engine_fire_schedules(struct ctx *cx, struct engine *e, int64_t started_ns, int64_t *next_ns)
{
    struct piece p = {.now_ns = time_wall_ns(), .catch_up = catch_up_max(e->app->config)};
    p.missed_ns = p.now_ns - LATE_NS > started_ns ? p.now_ns - LATE_NS : started_ns;
    TRY(lane_read(cx, e->app->lanes, load_piece, &p));
    *next_ns = p.next_ns;
    if (!p.n)
        return CODE_OK;
    if (engine_fire_waits_for_disk(cx, p.now_ns, next_ns))
        return CODE_OK;
    prepare_all(cx, &p);
    return write_all(cx, e, &p);
}

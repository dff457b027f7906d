/* Loading an action and looking at what its decision needs. See item_int.h. */
#include "engine/change.h"
#include "engine/core.h"
#include "engine/item_int.h"
#include "engine/launch.h"
#include "engine/phase.h"
#include "engine/reach.h"
#include "engine/result.h"
#include "engine/uri.h"
#include "gen/flyteidl2_workflow.h"
#include "object/object.h"
#include "store/spec.h"
#include "store/subtree.h"

#define OUTPUTS_MAX ((size_t)64 << 20)
/* What an error tells of a log's end: lines that begin in the last bytes. */
#define SAID_BYTES 2048
#define SAID_LINES ((size_t)10)

/* ---- loading: a read entry -------------------------------------------------------------------------------------- */

static bool is_active(int32_t phase)
{
    return phase == COMMON_ACTION_PHASE_WAITING_FOR_RESOURCES || phase == COMMON_ACTION_PHASE_INITIALIZING ||
           phase == COMMON_ACTION_PHASE_RUNNING;
}

enum code engine_item_slot(struct ctx *cx, const struct store_run *run, bool *out)
{
    struct store_subtree t;
    int64_t busy;
    *out = true;
    if (!run->max_actions)
        return CODE_OK;
    TRY(store_subtree_get(cx, store_action_root(run->id), &t));
    int64_t active = t.n[COMMON_ACTION_PHASE_WAITING_FOR_RESOURCES] + t.n[COMMON_ACTION_PHASE_INITIALIZING] +
                     t.n[COMMON_ACTION_PHASE_RUNNING] + (is_active(run->phase) ? 1 : 0);
    if (active < run->max_actions)
        return CODE_OK;
    /* All of them wait for children that may not start: one more may, else nothing ever moves. */
    TRY(store_action_count_busy(cx, run->id, &busy));
    *out = busy == 0;
    return CODE_OK;
}

static enum code load_condition(struct ctx *cx, struct engine_item *it)
{
    struct store_spec *s;
    void *msg;
    if (it->a->ended_ns)
        return CODE_OK;
    TRY(store_spec_get(cx, it->a->spec_id, &s));
    TRY(pb_decode(cx, &WorkflowConditionAction_type, s->body, &msg));
    it->look.condition_timeout_ns = engine_task_duration_ns(((const WorkflowConditionAction *)msg)->timeout);
    return CODE_OK;
}

static enum code load_cache(struct ctx *cx, struct engine_item *it, const struct engine_clock *clock)
{
    struct store_cache_entry *e;
    struct store_spec *s;
    void *msg;
    TRY(store_spec_get(cx, it->run->spec_id, &s));
    TRY(pb_decode(cx, &TaskRunSpec_type, s->body, &msg));
    const TaskRunSpec *spec = msg;
    it->look.overwrite_cache = spec->overwrite_cache || (spec->cache_config && spec->cache_config->overwrite_cache);
    TRY(store_cache_find(cx, it->a->cache_key, &e));
    int64_t age = it->task->cache_max_age_ns;
    if (e && (!age || clock->wall_ns - e->updated_ns < age))
        it->entry = e;
    return it->task->serializable ? store_cache_holder(cx, it->a->cache_key, engine_change_cache_owner(cx->mem, it->id),
                                                       clock->wall_ns, &it->cache_busy)
                                  : CODE_OK;
}

static enum code load_orphan(struct ctx *cx, struct engine_item *it)
{
    struct store_action_brief parent;
    if (it->a->ended_ns || !it->a->parent_id)
        return CODE_OK;
    if (it->id == it->run->handler_id)
        return CODE_OK; /* begins when its parent has ended */
    it->look.orphan = it->run->abort_ns && !store_run_is_handler(it->run, it->id);
    if (it->a->phase != COMMON_ACTION_PHASE_QUEUED)
        return CODE_OK; /* the parent's end comes down by itself */
    TRY(store_action_brief(cx, it->a->parent_id, &parent));
    it->look.orphan = it->look.orphan || parent.ended;
    return CODE_OK;
}

static enum code load_task(struct ctx *cx, struct engine *e, struct engine_item *it, const struct engine_clock *clock)
{
    bool queued = it->a->phase == COMMON_ACTION_PHASE_QUEUED;
    TRY(engine_task_get(cx, e->tasks, it->a->spec_id, &it->task));
    if (!queued) {
        struct store_subtree below;
        TRY(store_attempt_find(cx, it->a, it->a->attempt, &it->at));
        TRY(store_subtree_get(cx, it->id, &below));
        it->open_children = below.open_children;
        return CODE_OK;
    }
    TRY(engine_item_slot(cx, it->run, &it->slot));
    return it->a->cache_key.n ? load_cache(cx, it, clock) : CODE_OK;
}

enum code engine_item_load(struct ctx *cx, struct engine *e, struct engine_item *it, const struct engine_clock *clock)
{
    enum code c = store_action_get_by_id(cx, it->id, &it->a);
    if (c == CODE_NOT_FOUND) {
        ctx_clear_err(cx);
        it->skip = true;
        return CODE_OK;
    }
    TRY(c);
    if (!it->run || it->run->id != it->a->run_id)
        TRY(store_run_get_by_id(cx, it->a->run_id, &it->run));
    it->attempt = it->a->attempt;
    TRY(load_orphan(cx, it));
    if (it->a->type == WORKFLOW_ACTION_TYPE_TASK)
        TRY(load_task(cx, e, it, clock));
    else if (it->a->type == WORKFLOW_ACTION_TYPE_CONDITION)
        TRY(load_condition(cx, it));
    it->look.a = it->a;
    it->look.at = it->at;
    it->look.task = it->task;
    it->look.slot = it->slot;
    it->look.have |= ENGINE_LOOK_SLOT;
    it->look.now_ns = engine_clock_of(clock, it->a);
    return CODE_OK;
}

/* ---- looking: an engine thread ---------------------------------------------------------------------------------- */

static str folder_of(struct ctx *cx, const struct engine_item *it)
{
    if (it->at && it->at->output_uri.n)
        return it->at->output_uri;
    return engine_uri_attempt(cx->mem, it->run, it->a->name, it->a->attempt);
}

/* INVALID_ARGUMENT and the like: the task is wrong. Everything else: not now. */
static enum code spec_error(struct ctx *cx, struct engine_item *it, enum code c)
{
    if (c != CODE_INVALID_ARGUMENT && c != CODE_NOT_FOUND && c != CODE_FAILED_PRECONDITION)
        return c;
    it->look.bad_spec = arena_str(cx->mem, str_from(cx->err.msg));
    ctx_clear_err(cx);
    return CODE_OK;
}

static enum code look_core(struct ctx *cx, struct engine *e, struct engine_item *it)
{
    if (it->task->kind == ENGINE_TASK_SLEEP)
        return spec_error(cx, it, engine_core_sleep(cx, e->app, it->a, it->task, &it->look.sleep_ns));
    it->output_uri = it->task->has_outputs ? folder_of(cx, it) : STR("");
    return spec_error(cx, it, engine_core_echo(cx, e->app, it->a, it->task, it->output_uri));
}

/* The outputs are copied, so that the action has them for as long as its run is kept. */
static enum code look_cache(struct ctx *cx, struct engine *e, struct engine_item *it)
{
    str bytes, file = STR("outputs.pb");
    it->look.cache = it->cache_busy ? ENGINE_CACHE_BUSY : ENGINE_CACHE_MISS;
    if (!it->entry)
        return CODE_OK;
    enum code c = CODE_OK;
    if (it->entry->output_uri.n) {
        c = engine_uri_get(cx, e->app, object_uri_join(cx->mem, it->entry->output_uri, file), OUTPUTS_MAX, &bytes);
        if (c == CODE_OK) {
            TRY(engine_reach_reused(cx, e->app, it->run, it->entry->action_id, bytes));
            it->output_uri = folder_of(cx, it);
            TRY(engine_uri_put(cx, e->app, object_uri_join(cx->mem, it->output_uri, file), bytes));
        }
    }
    if (c == CODE_OK)
        it->look.cache = ENGINE_CACHE_HIT;
    else if (c != CODE_NOT_FOUND && !it->cache_busy)
        it->look.cache = ENGINE_CACHE_FAILURE;
    ctx_clear_err(cx);
    return CODE_OK;
}

/* A module that is missing is missing somewhere: the attempt's log begins with the environment and the image. */
static void say_where(struct ctx *cx, struct engine *e, struct engine_item *it)
{
    struct engine_result *r = &it->look.result;
    struct exec_log_page page = {0};
    bool missing = r->kind == ENGINE_RESULT_ERROR && (str_find(r->code, STR("ModuleNotFoundError")) != SIZE_MAX ||
                                                      str_find(r->message, STR("No module named ")) != SIZE_MAX);
    if (!missing)
        return;
    if (exec_log_read(cx, e->app->exec, (struct exec_key){it->id, it->a->attempt}, 0, 1, &page) == CODE_OK && page.n &&
        page.p[0].system)
        r->message =
            arena_printf(cx->mem, STR_FMT "\n" STR_FMT, STR_ARG(r->message), STR_ARG(str_trim(page.p[0].text)));
    ctx_clear_err(cx);
}

/* A process that failed and did not tell why: perhaps its last lines do. */
static void listen_to_log(struct ctx *cx, struct engine *e, struct engine_item *it)
{
    const struct exec_observation *o = &it->look.exec;
    struct exec_log_page page = {0};
    buf b;
    bool failed = o->state == EXEC_EXITED && (o->signal || o->exit_code) && !o->oom;
    if (it->look.result.kind == ENGINE_RESULT_ERROR || !failed)
        return;
    struct exec_key key = {it->id, it->a->attempt};
    if (exec_log_read(cx, e->app->exec, key, -SAID_BYTES, SAID_BYTES, &page) != CODE_OK)
        ctx_clear_err(cx);
    buf_init_arena(&b, cx->mem, 8 * SAID_BYTES); /* a control byte takes four */
    for (size_t i = page.n > SAID_LINES ? page.n - SAID_LINES : 0; i < page.n; i++)
        if (!page.p[i].system) {
            buf_str(&b, STR("\n  "));
            buf_visible(&b, str_head(page.p[i].text, page.p[i].text.n - 1));
        }
    it->look.said = buf_view(&b);
}

static enum code look_result(struct ctx *cx, struct engine *e, struct engine_item *it)
{
    str folder = folder_of(cx, it);
    TRY(engine_result_read(cx, e->app, folder, &it->look.result));
    say_where(cx, e, it);
    listen_to_log(cx, e, it);
    if (it->look.result.kind == ENGINE_RESULT_OUTPUTS)
        TRY(engine_produced_read(cx, e->app, it->run, it->a, it->task, folder, &it->produced));
    if (it->task->has_report)
        TRY(engine_result_has_report(cx, e->app, folder, &it->has_report));
    return CODE_OK;
}

static enum code look_previous(struct ctx *cx, struct engine *e, struct engine_item *it)
{
    struct exec_observation o = {0};
    TRY(exec_observe(cx, e->app->exec, (struct exec_key){it->id, it->a->attempt - 1}, &o));
    it->look.previous = o.state;
    return CODE_OK;
}

static enum code look_place(struct ctx *cx, struct engine *e, struct engine_item *it)
{
    const struct exec_task place = {
        .key = {it->id, it->a->attempt}, .project = it->run->project, .queue = it->a->queue, .run_id = it->run->id};
    bool started = it->a->phase == COMMON_ACTION_PHASE_RUNNING;
    it->look.held = exec_hold(cx, e->app->exec, &place, started, &it->look.no_place);
    return CODE_OK;
}

static enum code look_at(struct ctx *cx, struct engine *e, struct engine_item *it, unsigned what)
{
    switch (what) {
    case ENGINE_LOOK_EXEC:
        return exec_observe(cx, e->app->exec, (struct exec_key){it->id, it->a->attempt}, &it->look.exec);
    case ENGINE_LOOK_PREVIOUS:
        return look_previous(cx, e, it);
    case ENGINE_LOOK_RESULT:
        return look_result(cx, e, it);
    case ENGINE_LOOK_CACHE:
        return look_cache(cx, e, it);
    case ENGINE_LOOK_CORE:
        return look_core(cx, e, it);
    case ENGINE_LOOK_PLACE:
        return look_place(cx, e, it);
    case ENGINE_LOOK_LAUNCH:
        return spec_error(cx, it, engine_launch_build(cx, e->app, it->run, it->a, it->task, &it->launch));
    default:
        return fail(cx, CODE_INTERNAL, "nothing to look at: %u", what);
    }
}

/* A trace that failed: its error lies beside its inputs. */
static enum code look_trace(struct ctx *cx, struct engine *e, struct engine_item *it)
{
    if (it->a->phase != COMMON_ACTION_PHASE_FAILED || it->a->error_code.n || !it->a->input_uri.n)
        return CODE_OK;
    str file = engine_uri_inputs(cx->mem, it->a->input_uri);
    TRY(engine_result_read(cx, e->app, str_head(file, str_rfind_char(file, '/')), &it->look.result));
    return CODE_OK;
}

enum code engine_item_decide(struct ctx *cx, struct engine *e, struct engine_item *it)
{
    if (it->a->type == WORKFLOW_ACTION_TYPE_TRACE)
        return look_trace(cx, e, it);
    for (;;) {
        engine_decide(&it->look, cx->mem, &it->decision);
        unsigned need = it->decision.need;
        if (!need)
            return CODE_OK;
        TRY(look_at(cx, e, it, need));
        it->look.have |= need;
    }
}

/* Making runs and actions. See create.h. Write entries. */
#include "engine/create.h"

#include "base/fault.h"
#include "base/random.h"
#include "base/time.h"
#include "engine/cachekey.h"
#include "engine/change.h"
#include "engine/engine.h"
#include "engine/handler.h"
#include "engine/phase.h"
#include "engine/reach.h"
#include "engine/signal.h"
#include "engine/uploads.h"
#include "notify/notify.h"
#include "store/identity.h"
#include "store/space.h"
#include "store/trigger.h"

/* ---- checks ----------------------------------------------------------------------------------------------------- */

static bool is_lower_or_digit(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9');
}

enum code engine_create_check_run_name(struct ctx *cx, str name)
{
    bool ok = name.n >= 1 && name.n <= 30 && name.p[0] >= 'a' && name.p[0] <= 'z' && name.p[name.n - 1] != '-';
    for (size_t i = 0; ok && i < name.n; i++)
        ok = is_lower_or_digit(name.p[i]) || name.p[i] == '-';
    if (!ok)
        return fail(cx, CODE_INVALID_ARGUMENT,
                    "invalid run name \"" STR_FMT
                    "\": run_id.name must begin with a letter and have at most 30 of a-z, 0-9"
                    " and -",
                    STR_ARG(str_head(name, 64)));
    return CODE_OK;
}

enum code engine_create_check_name(struct ctx *cx, const char *field, str name, size_t max)
{
    bool ok = name.n >= 1 && name.n <= max && name.p[0] != '.' && name.p[0] != '-';
    for (size_t i = 0; ok && i < name.n; i++) {
        char c = name.p[i];
        ok = is_lower_or_digit(c) || (c >= 'A' && c <= 'Z') || c == '-' || c == '_' || c == '.';
    }
    if (!ok)
        return fail(cx, CODE_INVALID_ARGUMENT, "%s: \"" STR_FMT "\" must have 1 to %zu letters, digits, -, _ and .",
                    field, STR_ARG(str_head(name, 64)), max);
    return CODE_OK;
}

str engine_create_run_name(struct arena *mem)
{
    char *p = arena_alloc(mem, 21);
    p[0] = 'r';
    random_text(p + 1, 19, STR("bcdfghjklmnpqrstvwxz2456789"));
    return (str){p, 20};
}

/* ---- specs ------------------------------------------------------------------------------------------------------ */

static enum code put_run_spec(struct ctx *cx, const TaskRunSpec *spec, uint64_t *out)
{
    struct store_spec s = {.kind = STORE_SPEC_RUN, .name = STR("")};
    TRY(pb_encode(cx, &TaskRunSpec_type, spec, &s.body));
    TRY(engine_uploads_put_spec(cx, &s));
    *out = s.id;
    return CODE_OK;
}

/* ---- runs ------------------------------------------------------------------------------------------------------- */

static enum code find_repeated(struct ctx *cx, const struct engine_new_run *n, struct engine_made_run *out)
{
    uint64_t id = 0;
    if (n->request_key.n)
        TRY(store_run_find_request(cx, n->request_key, &id));
    if (!id)
        return CODE_OK;
    TRY(store_run_get_by_id(cx, id, &out->run));
    TRY(store_action_get_by_id(cx, store_action_root(id), &out->root));
    out->repeated = true;
    return CODE_OK;
}

static enum code find_related(struct ctx *cx, const TaskRunSpec *spec, uint64_t *out)
{
    const CommonRunIdentifier *id = spec->relation ? spec->relation->related_to : NULL;
    struct store_run *r;
    *out = 0;
    if (!id)
        return CODE_OK;
    TRY(store_run_get(cx, id->project, id->domain, id->name, &r));
    *out = r->id;
    return CODE_OK;
}

static enum code put_labels(struct ctx *cx, const TaskRunSpec *spec, const struct store_run *run)
{
    const TaskLabels *l = spec->labels;
    for (size_t i = 0; l && i < l->values.n; i++)
        TRY(store_run_label_put(cx, run, l->values.p[i].key, l->values.p[i].value));
    return CODE_OK;
}

/* A run that a person starts is refused when its handler could not run; that of a trigger has nobody to tell. */
static enum code set_handler(struct ctx *cx, const struct engine_new_run *n, const struct store_spec *task,
                             struct store_run *run)
{
    struct store_task *handler;
    if (n->tracked)
        return CODE_OK;
    run->on_failure = engine_handler_name(cx, n->run_spec, n->spec, task);
    if (!run->on_failure.n || n->trigger)
        return CODE_OK;
    return engine_handler_find(cx, run, task->version, &handler);
}

static enum code insert_run(struct ctx *cx, const struct engine_new_run *n, const struct store_spec *task,
                            int64_t now_ns, struct store_run *run)
{
    *run = (struct store_run){.name = n->name,
                              .project = n->project,
                              .domain = n->domain,
                              .phase = COMMON_ACTION_PHASE_QUEUED,
                              .source = n->source,
                              .task_name_id = task->task_name_id,
                              .task_spec_id = task->id,
                              .start_ns = n->start_ns,
                              .created_ns = now_ns,
                              .max_actions = n->max_actions,
                              .base_uri = n->base_uri,
                              .notify = notify_phases(n->run_spec)};
    TRY(store_space_put(cx, n->project, n->domain, &run->space_id));
    TRY(put_run_spec(cx, n->run_spec, &run->spec_id));
    TRY(store_identity_put_caller(cx, &run->created_by));
    if (n->trigger) {
        run->trigger_task_id = n->trigger->task_name_id;
        run->trigger_name = n->trigger->name;
        run->trigger_revision = n->trigger->revision;
        TRY(store_trigger_touch(cx, n->trigger->id, now_ns));
    }
    TRY(find_related(cx, n->run_spec, &run->related_id));
    TRY(set_handler(cx, n, task, run));
    TRY(store_run_insert(cx, run));
    TRY(put_labels(cx, n->run_spec, run));
    return n->request_key.n ? store_run_put_request(cx, n->request_key, run->id, now_ns) : CODE_OK;
}

static enum code end_failed(struct ctx *cx, const struct engine_clock *clock, const struct engine_new_run *n,
                            const struct engine_made_run *made)
{
    const struct engine_ending end = {.phase = COMMON_ACTION_PHASE_FAILED,
                                      .error_kind = CORE_EXECUTION_ERROR_ERROR_KIND_USER,
                                      .code = n->error_code,
                                      .error = n->error};
    return engine_change_end(cx, clock, made->root, made->run, NULL, &end);
}

static enum code root_cache_key(struct ctx *cx, const struct engine_new_run *n, struct store_action *root)
{
    const CoreTaskTemplate *t = n->spec ? n->spec->task_template : NULL;
    const TaskCacheConfig *cfg = n->run_spec->cache_config;
    if (!t || !t->metadata || !t->metadata->discoverable || !n->inputs_hash.n)
        return CODE_OK;
    TRY(engine_cachekey_text(cx, t, n->inputs_hash, &root->cache_text));
    return engine_cachekey_make(cx, t, cfg ? cfg->cache_lookup_scope : 0, n->project, n->domain, root->cache_text,
                                &root->cache_key);
}

static void describe(struct store_action *a, const struct store_spec *s)
{
    a->spec_id = s->id;
    a->spec_kind = s->kind;
    a->task_project = s->project;
    a->task_domain = s->domain;
    a->task_version = s->version;
    a->function_name = s->name;
    a->short_name = s->short_name;
    a->task_type = s->task_type;
    a->environment = s->environment;
}

static enum code get_spec(struct ctx *cx, const struct engine_new_run *n, struct store_spec *out)
{
    struct store_spec *s;
    if (!n->spec_id)
        return engine_uploads_put_task(cx, n->task_id, n->spec, out);
    TRY(store_spec_get(cx, n->spec_id, &s));
    *out = *s;
    return CODE_OK;
}

enum code engine_create_run(struct ctx *cx, const struct engine_new_run *n, struct engine_made_run *out)
{
    struct engine_clock clock;
    struct store_spec task;
    struct engine_made_run made = {0};
    TRY(find_repeated(cx, n, &made));
    if (made.repeated) {
        *out = made;
        return CODE_OK;
    }
    engine_clock_now(cx, &clock);
    made.run = arena_new(cx->mem, struct store_run);
    made.root = arena_new(cx->mem, struct store_action);
    TRY(get_spec(cx, n, &task));
    TRY(insert_run(cx, n, &task, clock.wall_ns, made.run));
    *made.root = (struct store_action){.run_id = made.run->id,
                                       .type = WORKFLOW_ACTION_TYPE_TASK,
                                       .phase = COMMON_ACTION_PHASE_QUEUED,
                                       .attempt = 1,
                                       .created_ns = clock.wall_ns,
                                       .name = STR("a0"),
                                       .queue = n->run_spec->queue,
                                       .input_uri = n->input_uri,
                                       .external = n->tracked};
    describe(made.root, &task);
    TRY(root_cache_key(cx, n, made.root));
    TRY(engine_change_insert(cx, &clock, made.root, made.run));
    if (n->tracked)
        TRY(engine_change_save(cx, &clock, made.root, made.run, COMMON_ACTION_PHASE_RUNNING, 1));
    if (n->error_code.n)
        TRY(end_failed(cx, &clock, n, &made));
    fault_point("run.created");
    *out = made;
    return CODE_OK;
}

/* ---- actions ---------------------------------------------------------------------------------------------------- */

enum code engine_create_handler(struct ctx *cx, struct store_run *run, const struct engine_new_run *n)
{
    struct engine_clock clock;
    struct store_spec task;
    struct store_action *root, *a = arena_new(cx->mem, struct store_action);
    const struct engine_made_run made = {.run = run, .root = a};
    engine_clock_now(cx, &clock);
    TRY(store_action_get_by_id(cx, store_action_root(run->id), &root));
    TRY(get_spec(cx, n, &task));
    *a = (struct store_action){.run_id = run->id,
                               .parent_id = root->id,
                               .type = WORKFLOW_ACTION_TYPE_TASK,
                               .phase = COMMON_ACTION_PHASE_QUEUED,
                               .depth = root->depth + 1,
                               .attempt = 1,
                               .created_ns = engine_clock_of(&clock, root),
                               .name = STR(ENGINE_HANDLER_ACTION),
                               .queue = root->queue,
                               .input_uri = n->input_uri};
    describe(a, &task);
    TRY(engine_change_insert(cx, &clock, a, run));
    TRY(store_run_set_handler(cx, run->id, a->id));
    return n->error_code.n ? end_failed(cx, &clock, n, &made) : CODE_OK;
}

struct making {
    const struct engine_new_action *n;
    struct engine_clock clock;
    struct store_run *run;
    struct store_action *parent, *a;
};

static enum code find_parent(struct ctx *cx, struct making *m)
{
    const struct engine_new_action *n = m->n;
    TRY(store_run_get(cx, n->project, n->domain, n->run, &m->run));
    if (m->run->source == WORKFLOW_RUN_SOURCE_TRACKED && !n->external)
        return fail(cx, CODE_FAILED_PRECONDITION, "run " STR_FMT " is tracked: it runs elsewhere", STR_ARG(n->run));
    TRY(store_action_find(cx, m->run->id, n->parent, &m->parent));
    if (m->run->abort_ns && !(m->parent && store_run_is_handler(m->run, m->parent->id)))
        return fail(cx, CODE_ABORTED, "run " STR_FMT " was aborted", STR_ARG(n->run));
    if (!m->parent)
        return fail(cx, CODE_NOT_FOUND, "action.parent_action_name: run " STR_FMT " has no action " STR_FMT,
                    STR_ARG(n->run), STR_ARG(n->parent));
    if (m->parent->ended_ns)
        return fail(cx, CODE_ABORTED, "action " STR_FMT " has ended: %s", STR_ARG(n->parent),
                    engine_phase_name(m->parent->phase));
    return CODE_OK;
}

static enum code check_uris(struct ctx *cx, const struct making *m)
{
    const struct engine_new_action *n = m->n;
    if (n->input_uri.n)
        TRY(engine_reach_check(cx, m->run, "input_uri", n->input_uri, OBJECT_READ));
    if (n->output_base.n) /* of a folder: what lies in it */
        TRY(engine_reach_check(cx, m->run, "run_output_base", object_uri_join(cx->mem, n->output_base, STR("x")),
                               OBJECT_WRITE));
    return CODE_OK;
}

static const TaskRunSpec *run_spec_of(struct ctx *cx, const struct store_run *run)
{
    struct store_spec *s;
    void *msg;
    if (store_spec_get(cx, run->spec_id, &s) == CODE_OK && pb_decode(cx, &TaskRunSpec_type, s->body, &msg) == CODE_OK)
        return msg;
    ctx_clear_err(cx);
    return pb_new(cx->mem, TaskRunSpec);
}

/* A run that recovers another one takes over what succeeded there under the same name (control-plane.md 3.11). */
static enum code recover(struct ctx *cx, struct making *m)
{
    struct store_action *old;
    if (!m->run->related_id)
        return CODE_OK;
    const TaskRunSpec *spec = run_spec_of(cx, m->run);
    if (!spec->relation || spec->relation->relation_type != COMMON_RELATION_TYPE_RECOVER)
        return CODE_OK;
    for (size_t i = 0; spec->recover && i < spec->recover->force_rerun_actions.n; i++)
        if (str_eq(spec->recover->force_rerun_actions.p[i], m->a->name))
            return CODE_OK;
    TRY(store_action_find(cx, m->run->related_id, m->a->name, &old));
    if (!old || !engine_phase_is_success(old->phase) || old->type != m->a->type)
        return CODE_OK;
    m->a->phase = COMMON_ACTION_PHASE_RECOVERED;
    m->a->recovered_id = old->recovered_id ? old->recovered_id : old->id;
    m->a->output_uri = old->output_uri;
    m->a->value = old->value;
    m->a->value_by = old->value_by;
    return CODE_OK;
}

/* The task's own, else the run's, which its root has. */
static enum code set_queue(struct ctx *cx, struct making *m)
{
    struct store_action *root = m->parent;
    m->a->queue = m->n->task->queue;
    if (m->a->queue.n)
        return CODE_OK;
    if (!store_action_is_root(root->id))
        TRY(store_action_get_by_id(cx, store_action_root(m->run->id), &root));
    m->a->queue = root->queue;
    return CODE_OK;
}

static enum code make_task(struct ctx *cx, struct making *m)
{
    const WorkflowTaskAction *t = m->n->task;
    const CoreTaskTemplate *tmpl = t->spec ? t->spec->task_template : NULL;
    struct store_spec s;
    if (!tmpl)
        return fail(cx, CODE_INVALID_ARGUMENT, "task.spec.task_template: required");
    TRY(engine_uploads_put_task(cx, t->id, t->spec, &s));
    describe(m->a, &s);
    m->a->type = WORKFLOW_ACTION_TYPE_TASK;
    m->a->phase = COMMON_ACTION_PHASE_QUEUED;
    m->a->attempt = 1;
    TRY(set_queue(cx, m));
    if (t->cache_key && tmpl->metadata && tmpl->metadata->discoverable) {
        const TaskRunSpec *spec = run_spec_of(cx, m->run);
        m->a->cache_text = t->cache_key->value;
        TRY(engine_cachekey_make(cx, tmpl, spec->cache_config ? spec->cache_config->cache_lookup_scope : 0,
                                 m->run->project, m->run->domain, m->a->cache_text, &m->a->cache_key));
    }
    return recover(cx, m);
}

static int64_t nanos(const GoogleProtobufTimestamp *t)
{
    if (!t || t->seconds < 0 || t->seconds > INT64_MAX / NS_PER_S - 1)
        return 0;
    return t->seconds * NS_PER_S + t->nanos;
}

static bool is_retry_of_trace(const struct store_action *old, int32_t phase)
{
    return old->type == WORKFLOW_ACTION_TYPE_TRACE && old->phase == COMMON_ACTION_PHASE_FAILED &&
           phase == COMMON_ACTION_PHASE_SUCCEEDED;
}

/* A trace that failed and then went well when the parent ran again: the row takes the new result. */
static enum code save_trace_again(struct ctx *cx, struct making *m, struct store_action *old)
{
    old->output_uri = m->a->output_uri;
    old->error_kind = 0;
    old->error_code = old->error = STR("");
    TRY(engine_change_save(cx, &m->clock, old, m->run, m->a->phase, old->attempt + 1));
    m->a = old;
    return CODE_OK;
}

static enum code make_trace(struct ctx *cx, struct making *m)
{
    const WorkflowTraceAction *t = m->n->trace;
    struct store_spec s = {.kind = STORE_SPEC_TRACE, .name = t->name};
    const TaskTraceSpec *spec = t->spec ? t->spec : pb_new(cx->mem, TaskTraceSpec);
    if (t->outputs && t->outputs->output_uri.n)
        TRY(engine_reach_check(cx, m->run, "trace.outputs.output_uri", t->outputs->output_uri, OBJECT_WRITE));
    if (t->outputs && t->outputs->report_uri.n)
        TRY(engine_reach_check(cx, m->run, "trace.outputs.report_uri", t->outputs->report_uri, OBJECT_WRITE));
    TRY(pb_encode(cx, &TaskTraceSpec_type, spec, &s.body));
    TRY(engine_uploads_put_spec(cx, &s));
    describe(m->a, &s);
    m->a->type = WORKFLOW_ACTION_TYPE_TRACE;
    m->a->phase = m->n->goes_on                        ? COMMON_ACTION_PHASE_RUNNING
                  : engine_phase_is_terminal(t->phase) ? t->phase
                                                       : COMMON_ACTION_PHASE_SUCCEEDED;
    m->a->output_uri = t->outputs ? t->outputs->output_uri : STR("");
    return CODE_OK;
}

/* A trace comes when it is over; its times are the caller's, as far as they fit. */
static void set_trace_times(struct making *m)
{
    const WorkflowTraceAction *t = m->n->trace;
    struct store_action *a = m->a;
    int64_t start = nanos(t->start_time), end = nanos(t->end_time);
    if (start && start >= m->parent->created_ns && start <= a->created_ns)
        a->created_ns = start;
    a->started_ns = a->created_ns;
    if (end > a->created_ns && end <= m->clock.wall_ns)
        a->ended_ns = end;
}

static enum code make_condition(struct ctx *cx, struct making *m)
{
    const WorkflowConditionAction *c = m->n->condition;
    struct store_spec s = {.kind = STORE_SPEC_CONDITION, .name = c->name};
    TRY(engine_signal_check_type(cx, c->type));
    TRY(pb_encode(cx, &WorkflowConditionAction_type, c, &s.body));
    TRY(engine_uploads_put_spec(cx, &s));
    describe(m->a, &s);
    m->a->type = WORKFLOW_ACTION_TYPE_CONDITION;
    m->a->phase = COMMON_ACTION_PHASE_PAUSED;
    return recover(cx, m);
}

static enum code make_by_kind(struct ctx *cx, struct making *m)
{
    if (m->n->task)
        return make_task(cx, m);
    if (m->n->trace)
        return make_trace(cx, m);
    if (m->n->condition)
        return make_condition(cx, m);
    return fail(cx, CODE_INVALID_ARGUMENT, "one of task, trace, condition: required");
}

static enum code insert_trace(struct ctx *cx, struct making *m)
{
    struct store_action *old;
    TRY(store_action_find(cx, m->run->id, m->a->name, &old));
    if (old && is_retry_of_trace(old, m->a->phase))
        return save_trace_again(cx, m, old);
    set_trace_times(m);
    TRY(engine_change_insert(cx, &m->clock, m->a, m->run));
    if (m->a->phase == COMMON_ACTION_PHASE_FAILED)
        engine_wake_after_commit(cx, m->a->id); /* its error is in an object */
    return CODE_OK;
}

enum code engine_create_action(struct ctx *cx, const struct engine_new_action *n, struct store_action **out)
{
    struct making m = {.n = n, .a = arena_new(cx->mem, struct store_action)};
    engine_clock_now(cx, &m.clock);
    if (!n->external && str_eq(n->name, STR(ENGINE_HANDLER_ACTION)))
        return fail(cx, CODE_INVALID_ARGUMENT,
                    "action_id.name: " ENGINE_HANDLER_ACTION " is kept for failure handlers");
    TRY(find_parent(cx, &m));
    TRY(check_uris(cx, &m));
    int64_t now = engine_clock_of(&m.clock, m.parent);
    *m.a = (struct store_action){.run_id = m.run->id,
                                 .parent_id = m.parent->id,
                                 .depth = m.parent->depth + 1,
                                 .created_ns = now,
                                 .name = n->name,
                                 .group_name = n->group,
                                 .input_uri = n->input_uri,
                                 .external = n->external};
    TRY(make_by_kind(cx, &m));
    if (m.a->type == WORKFLOW_ACTION_TYPE_TRACE)
        TRY(insert_trace(cx, &m));
    else
        TRY(engine_change_insert(cx, &m.clock, m.a, m.run));
    if (n->condition)
        TRY(notify_condition(cx, m.a, n->condition));
    fault_point("child.enqueued");
    *out = m.a;
    return CODE_OK;
}

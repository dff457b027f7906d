/* Enqueueing, aborting and telling about children. See enqueue.h. */
#include "service/enqueue.h"

#include "engine/abort.h"
#include "engine/create.h"
#include "engine/uri.h"
#include "lane/topic.h"
#include "store/identity.h"

/* Children that one step tells at most. */
#define PAGE 256

static enum code check(struct ctx *cx, const ActionsAction *a)
{
    if (!a->parent_action_name.n)
        return fail(cx, CODE_INVALID_ARGUMENT, "action.parent_action_name: required; runs are made by CreateRun");
    TRY(engine_create_check_name(cx, "action.action_id.name", a->action_id->name, 30));
    if (a->group.n > 256)
        return fail(cx, CODE_INVALID_ARGUMENT, "action.group: more than 256 bytes");
    return CODE_OK;
}

enum code service_enqueue(struct ctx *cx, const ActionsAction *a)
{
    const CommonRunIdentifier *run = a->action_id->run;
    struct store_action *made;
    struct engine_new_action n = {.project = run->project,
                                  .domain = run->domain,
                                  .run = run->name,
                                  .name = a->action_id->name,
                                  .parent = a->parent_action_name,
                                  .group = a->group,
                                  .input_uri = a->input_uri,
                                  .output_base = a->run_output_base};
    TRY(check(cx, a));
    switch (a->spec_case) {
    case ActionsAction_task_tag:
        n.task = a->task;
        break;
    case ActionsAction_trace_tag:
        n.trace = a->trace;
        break;
    case ActionsAction_condition_tag:
        n.condition = a->condition;
        break;
    default:
        break;
    }
    return engine_create_action(cx, &n, &made);
}

enum code service_enqueue_abort(struct ctx *cx, const CommonActionIdentifier *id, str reason)
{
    struct store_run *run;
    struct store_action *a;
    uint64_t by;
    TRY(store_action_get(cx, id->run->project, id->run->domain, id->run->name, id->name, &run, &a));
    TRY(store_identity_put_caller(cx, &by));
    return a->parent_id ? engine_abort_action(cx, run, a, reason, by) : engine_abort_run(cx, run, reason, by);
}

/* ---- updates ---------------------------------------------------------------------------------------------------- */

static CoreExecutionError *error_of(struct ctx *cx, const struct store_action *a)
{
    bool failed = a->phase == COMMON_ACTION_PHASE_FAILED || a->phase == COMMON_ACTION_PHASE_TIMED_OUT;
    if (!failed || (!a->error_code.n && !a->error.n))
        return NULL;
    CoreExecutionError *e = pb_new(cx->mem, CoreExecutionError);
    e->code = a->error_code;
    e->message = a->error;
    e->kind = a->error_kind;
    e->recoverability =
        a->recoverable ? CORE_CONTAINER_ERROR_KIND_RECOVERABLE : CORE_CONTAINER_ERROR_KIND_NON_RECOVERABLE;
    return e;
}

/* What a watch keeps between its steps. */
struct watch {
    uint64_t parent_id;
    struct store_run run; /* name, project, domain, base_uri */
    int64_t seq;          /* told up to here */
    bool caught_up;       /* the sentinel has been sent */
};

static enum code open_watch(struct ctx *cx, struct stream *st, const CommonActionIdentifier *id, struct watch *w)
{
    struct store_run *run;
    struct store_action *a;
    TRY(store_action_get(cx, id->run->project, id->run->domain, id->run->name, id->name, &run, &a));
    struct arena *mem = stream_mem(st);
    w->parent_id = a->id;
    w->run = (struct store_run){.id = run->id,
                                .name = arena_str(mem, run->name),
                                .project = arena_str(mem, run->project),
                                .domain = arena_str(mem, run->domain),
                                .base_uri = arena_str(mem, run->base_uri)};
    return CODE_OK;
}

static enum code make_update(struct ctx *cx, const struct store_run *run, const struct store_action *a,
                             WorkflowActionUpdate **out)
{
    WorkflowActionUpdate *u = pb_new(cx->mem, WorkflowActionUpdate);
    void *value;
    u->action_id = pb_new(cx->mem, CommonActionIdentifier);
    u->action_id->name = a->name;
    u->action_id->run = pb_new(cx->mem, CommonRunIdentifier);
    u->action_id->run->project = run->project;
    u->action_id->run->domain = run->domain;
    u->action_id->run->name = run->name;
    u->phase = a->phase;
    u->error = error_of(cx, a);
    u->output_uri = a->output_uri;
    if (!u->output_uri.n && a->type == WORKFLOW_ACTION_TYPE_TASK) /* clients want to know it from the beginning */
        u->output_uri = engine_uri_attempt(cx->mem, run, a->name, a->attempt);
    if (a->value.n) {
        TRY(pb_decode(cx, &CoreLiteral_type, a->value, &value));
        u->value = value;
    }
    *out = u;
    return CODE_OK;
}

enum code service_enqueue_watch(struct ctx *cx, struct stream *st, const CommonActionIdentifier *parent,
                                service_enqueue_send_fn *send)
{
    struct watch *w = stream_state(st, sizeof(*w));
    struct store_action *list;
    size_t n;
    if (!w->parent_id)
        TRY(open_watch(cx, st, parent, w));
    stream_subscribe(cx, st, (struct topic_key){.kind = TOPIC_CHILDREN, .id1 = w->parent_id});
    if (!stream_writable(st))
        return stream_again(st);
    TRY(store_action_children(cx, w->parent_id, w->seq, PAGE, &list, &n));
    for (size_t i = 0; i < n; i++) {
        WorkflowActionUpdate *u;
        TRY(make_update(cx, &w->run, &list[i], &u));
        TRY(send(cx, st, u));
        w->seq = list[i].seq;
    }
    if (n == PAGE)
        return stream_again(st);
    if (!w->caught_up)
        TRY(send(cx, st, NULL));
    w->caught_up = true;
    return stream_wait(st);
}

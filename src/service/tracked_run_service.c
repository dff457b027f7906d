/* TrackedRunService: runs that execute elsewhere, such as with flyte run --local, and are only reported here. They are
 * ordinary rows whose actions an external executor owns, so that nothing of them is ever launched; reading is
 * RunService's, for such runs only. CreateRun is in run_service_create.c, ListRuns in run_service_list.c, WatchRuns in
 * run_service_runs.c. */
#include "app.h"
#include "engine/create.h"
#include "gen/services.h"
#include "lane/lane.h"
#include "object/object.h"
#include "service/report.h"

#define UPDATES_MAX ((size_t)10000)
/* Of one write entry (D-04). */
#define PIECE ((size_t)100)

/* Write or read entry. */
static enum code find_tracked(struct ctx *cx, const CommonRunIdentifier *id, struct store_run **out)
{
    if (!id)
        return fail(cx, CODE_INVALID_ARGUMENT, "action_id.run: required");
    TRY(store_run_get(cx, id->project, id->domain, id->name, out));
    if ((*out)->source != WORKFLOW_RUN_SOURCE_TRACKED)
        return fail(cx, CODE_NOT_FOUND,
                    "tracked run not found: " STR_FMT "/" STR_FMT "/" STR_FMT "; RunService has a run of that name",
                    STR_ARG(id->project), STR_ARG(id->domain), STR_ARG(id->name));
    return CODE_OK;
}

static enum code require_tracked(struct ctx *cx, const CommonRunIdentifier *id)
{
    struct store_run *run;
    return find_tracked(cx, id, &run);
}

/* ---- ReportActions ----------------------------------------------------------------------------------------------- */

struct reporting {
    const WorkflowReportTrackedActionsRequest *req;
    WorkflowReportTrackedActionsResponse *rsp;
    struct store_run *run;
    size_t from;
    const WorkflowTrackedActionUpdate *now;
};

static bool same_run(const CommonRunIdentifier *a, const CommonRunIdentifier *b)
{
    return str_eq(a->project, b->project) && str_eq(a->domain, b->domain) && str_eq(a->name, b->name);
}

static bool has_inputs(const WorkflowTrackedActionUpdate *u)
{
    const CoreTypedInterface *i = NULL;
    if (u->spec_case == WorkflowTrackedActionUpdate_task_tag && u->task->spec && u->task->spec->task_template)
        i = u->task->spec->task_template->interface;
    else if (u->spec_case == WorkflowTrackedActionUpdate_trace_tag && u->trace->spec)
        i = u->trace->spec->interface;
    return i && i->inputs && i->inputs->variables.n;
}

/* The client uploads an action's inputs to a place that follows from its name. */
static enum code first_report(struct ctx *cx, const struct reporting *r, struct store_action **out)
{
    const WorkflowTrackedActionUpdate *u = r->now;
    struct engine_new_action n = {.project = r->run->project,
                                  .domain = r->run->domain,
                                  .run = r->run->name,
                                  .name = u->event->id->name,
                                  .parent = u->parent_name,
                                  .group = u->group,
                                  .external = true,
                                  .goes_on = true};
    WorkflowTaskAction task;
    TRY(engine_create_check_name(cx, "event.id.name", n.name, 30));
    if (!n.parent.n)
        return fail(cx, CODE_INVALID_ARGUMENT, "parent_name: required in the first report of an action");
    if (u->spec_case == WorkflowTrackedActionUpdate_task_tag) {
        task = *u->task;
        task.cache_key = NULL;
        n.task = &task;
    } else if (u->spec_case == WorkflowTrackedActionUpdate_trace_tag) {
        n.trace = u->trace;
    } else {
        return fail(cx, CODE_INVALID_ARGUMENT, "spec: task or trace is required in the first report of an action");
    }
    if (has_inputs(u))
        n.input_uri = object_uri_join(cx->mem, r->run->base_uri, n.name);
    return engine_create_action(cx, &n, out);
}

/* In a savepoint of its own. */
static enum code report_one(struct ctx *cx, const void *arg)
{
    const struct reporting *r = arg;
    const CommonActionIdentifier *id = r->now->event->id;
    struct store_action *a;
    if (!same_run(id->run, r->req->run_id))
        return fail(cx, CODE_INVALID_ARGUMENT, "event.id.run: must be that of run_id");
    TRY(store_action_find(cx, r->run->id, id->name, &a));
    if (!a)
        TRY(first_report(cx, r, &a));
    return service_report_tracked(cx, r->run, a, r->now);
}

static enum code report_piece(struct ctx *cx, void *arg)
{
    struct reporting *r = arg;
    size_t end = r->from + PIECE < r->req->updates.n ? r->from + PIECE : r->req->updates.n;
    TRY(find_tracked(cx, r->req->run_id, &r->run));
    for (size_t i = r->from; i < end; i++) {
        r->now = r->req->updates.p[i];
        TRY(service_report_told(cx, report_one, r, &r->rsp->statuses.p[i]));
    }
    return CODE_OK;
}

/* On the work lane, since there may be more updates than one write entry may hold; whoever repeats them changes nothing. */
enum code TrackedRunService_ReportActions(struct ctx *cx, const WorkflowReportTrackedActionsRequest *req,
                                          WorkflowReportTrackedActionsResponse *rsp)
{
    struct reporting r = {.req = req, .rsp = rsp};
    if (req->updates.n > UPDATES_MAX)
        return fail(cx, CODE_INVALID_ARGUMENT, "updates: at most %zu", UPDATES_MAX);
    rsp->statuses.n = req->updates.n;
    rsp->statuses.p = arena_new_array(cx->mem, GoogleRpcStatus *, req->updates.n);
    for (; r.from < req->updates.n; r.from += PIECE)
        TRY(lane_write(cx, cx->app->lanes, report_piece, &r));
    return CODE_OK;
}

/* ---- as RunService ----------------------------------------------------------------------------------------------- */

enum code TrackedRunService_AbortRun(struct ctx *cx, const WorkflowAbortRunRequest *req, WorkflowAbortRunResponse *rsp)
{
    TRY(require_tracked(cx, req->run_id));
    return RunService_AbortRun(cx, req, rsp);
}

enum code TrackedRunService_GetRunDetails(struct ctx *cx, const WorkflowGetRunDetailsRequest *req,
                                          WorkflowGetRunDetailsResponse *rsp)
{
    TRY(require_tracked(cx, req->run_id));
    return RunService_GetRunDetails(cx, req, rsp);
}

enum code TrackedRunService_WatchRunDetails(struct ctx *cx, const WorkflowWatchRunDetailsRequest *req,
                                            struct stream *st)
{
    TRY(require_tracked(cx, req->run_id));
    return RunService_WatchRunDetails(cx, req, st);
}

enum code TrackedRunService_GetActionDetails(struct ctx *cx, const WorkflowGetActionDetailsRequest *req,
                                             WorkflowGetActionDetailsResponse *rsp)
{
    TRY(require_tracked(cx, req->action_id->run));
    return RunService_GetActionDetails(cx, req, rsp);
}

enum code TrackedRunService_WatchActionDetails(struct ctx *cx, const WorkflowWatchActionDetailsRequest *req,
                                               struct stream *st)
{
    TRY(require_tracked(cx, req->action_id->run));
    return RunService_WatchActionDetails(cx, req, st);
}

enum code TrackedRunService_ListActions(struct ctx *cx, const WorkflowListActionsRequest *req,
                                        WorkflowListActionsResponse *rsp)
{
    TRY(require_tracked(cx, req->run_id));
    return RunService_ListActions(cx, req, rsp);
}

enum code TrackedRunService_WatchActions(struct ctx *cx, const WorkflowWatchActionsRequest *req, struct stream *st)
{
    TRY(require_tracked(cx, req->run_id));
    return RunService_WatchActions(cx, req, st);
}

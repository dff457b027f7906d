/* RunService and TrackedRunService: ListRuns and ListActions. */
#include "gen/services.h"
#include "service/action_message.h"
#include "service/run_walk.h"

/* A page asks for rows by their ids (service/walk.h): the + keeps SQLite from going through the whole scope instead. */
static enum code run_scope(struct ctx *cx, const WorkflowListRunsRequest *req, struct service_list *l)
{
    switch (req->scope_by_case) {
    case WorkflowListRunsRequest_project_id_tag:
        return service_list_and(cx, l, "+r.space_id = (SELECT x.id FROM space x WHERE x.project = ? AND x.domain = ?)",
                                (struct db_value[]){DB_S(req->project_id->name), DB_S(req->project_id->domain)}, 2);
    case WorkflowListRunsRequest_trigger_name_tag:
        return service_list_and(
            cx, l,
            "r.trigger_name = ? AND +r.trigger_task_id = (SELECT x.id FROM task_name x WHERE x.project = ? "
            "AND x.domain = ? AND x.name = ?)",
            (struct db_value[]){DB_S(req->trigger_name->name), DB_S(req->trigger_name->project),
                                DB_S(req->trigger_name->domain), DB_S(req->trigger_name->task_name)},
            4);
    case WorkflowListRunsRequest_task_name_tag:
        return service_list_and(
            cx, l,
            "+r.task_name_id = (SELECT x.id FROM task_name x WHERE x.project = ? AND x.domain = ? AND x.name = ?)",
            (struct db_value[]){DB_S(req->task_name->project), DB_S(req->task_name->domain),
                                DB_S(req->task_name->name)},
            3);
    case WorkflowListRunsRequest_task_id_tag:
        return service_list_and(
            cx, l,
            "+r.task_name_id = (SELECT x.id FROM task_name x WHERE x.project = ? AND x.domain = ? AND x.name = ?) "
            "AND s.version = ?",
            (struct db_value[]){DB_S(req->task_id->project), DB_S(req->task_id->domain), DB_S(req->task_id->name),
                                DB_S(req->task_id->version)},
            4);
    default: /* an organization: there is one */
        return CODE_OK;
    }
}

static enum code list_runs(struct ctx *cx, const WorkflowListRunsRequest *req, bool tracked,
                           WorkflowListRunsResponse *rsp)
{
    struct service_list l;
    struct service_walk walk;
    struct store_run_row *rows;
    uint64_t *ids;
    size_t n;
    service_list_init(cx, &l);
    TRY(run_scope(cx, req, &l));
    if (tracked)
        TRY(service_list_and(cx, &l, "+r.source = ?", &DB_I(WORKFLOW_RUN_SOURCE_TRACKED), 1));
    if (req->paused_actions_only)
        TRY(service_list_and(cx, &l,
                             "EXISTS (SELECT 1 FROM action x WHERE x.run_id = r.id AND x.ended_ns IS NULL "
                             "AND x.phase = 9)",
                             NULL, 0));
    TRY(service_list_request(cx, &l, &service_run_walk_list, req->request));
    TRY(service_list_done(cx, &l));
    TRY(service_run_walk(cx, req, tracked, &l, &walk));
    TRY(service_walk_page(cx, &l, &walk, &ids, &n, &rsp->token));
    TRY(store_run_list_ids(cx, ids, n, &rows));
    rsp->runs.n = n;
    rsp->runs.p = arena_new_array(cx->mem, WorkflowRun *, n);
    for (size_t i = 0; i < n; i++)
        TRY(service_run_message(cx, &rows[i].run, rows[i].root, STR(""), &rsp->runs.p[i]));
    return CODE_OK;
}

enum code RunService_ListRuns(struct ctx *cx, const WorkflowListRunsRequest *req, WorkflowListRunsResponse *rsp)
{
    return list_runs(cx, req, false, rsp);
}

enum code TrackedRunService_ListRuns(struct ctx *cx, const WorkflowListRunsRequest *req, WorkflowListRunsResponse *rsp)
{
    return list_runs(cx, req, true, rsp);
}

static const struct service_list_field action_fields[] = {
    {"name", "a.name", SERVICE_LIST_TEXT, NULL},
    {"parent_name", "p.name", SERVICE_LIST_TEXT, NULL},
    {"parent_action_name", "p.name", SERVICE_LIST_TEXT, NULL},
    {"action_group", "a.group_name", SERVICE_LIST_TEXT, NULL},
    {"phase", "a.phase", SERVICE_LIST_ENUM, "flyteidl2.common.ActionPhase"},
    {"action_type", "a.type", SERVICE_LIST_ENUM, "flyteidl2.workflow.ActionType"},
    {"task_project", "t.project", SERVICE_LIST_TEXT, NULL},
    {"task_domain", "t.domain", SERVICE_LIST_TEXT, NULL},
    {"task_name", "s.name", SERVICE_LIST_TEXT, NULL},
    {"task_version", "s.version", SERVICE_LIST_TEXT, NULL},
    {"function_name", "s.name", SERVICE_LIST_TEXT, NULL},
    {"created_at", "a.created_ns", SERVICE_LIST_TIME, NULL},
    {"updated_at", "a.updated_ns", SERVICE_LIST_TIME, NULL},
    {"ended_at", "a.ended_ns", SERVICE_LIST_TIME, NULL},
    {"duration_ms", "((a.ended_ns - a.created_ns) / 1000000)", SERVICE_LIST_INT, NULL},
};

/* Ids grow with creation, so that they stand for created_at wherever it only breaks ties. */
static const struct service_list_spec action_list = {
    .fields = action_fields,
    .field_count = sizeof(action_fields) / sizeof(*action_fields),
    .default_order = "a.id",
    .tie_break = "a.id",
    .indexed = "a.created_ns",
    .walked = true,
};

/* The order that the SDK asks for, that of creation, is the order of ids. */
static bool is_by_id(const struct service_list *l)
{
    return l->order_count == 1 || (l->order_count == 2 && str_eq(l->order[0].sql, str_from(action_list.indexed)));
}

static void walk_actions(struct ctx *cx, const struct service_list *l, const struct store_run *run,
                         struct service_walk *out)
{
    uint64_t begin = store_action_root(run->id), end = store_action_root(run->id + 1);
    bool descending = is_by_id(l) && l->order[0].descending;
    *out = (struct service_walk){
        .group_count = 1,
        .range = {.descending = descending, .end = (int64_t)(descending ? begin : end - 1)},
        .ordered = is_by_id(l),
        .id = "a.id",
        .filter = store_action_filter,
    };
    out->range.after.id = descending ? end : begin - 1;
    out->range.after.at = (int64_t)out->range.after.id;
    out->groups[0] = (struct service_walk_group){arena_new(cx->mem, struct store_walk), 1};
    out->groups[0].sets[0].kind = STORE_WALK_ACTIONS;
}

enum code RunService_ListActions(struct ctx *cx, const WorkflowListActionsRequest *req,
                                 WorkflowListActionsResponse *rsp)
{
    struct service_list l;
    struct service_walk walk;
    struct store_run *run;
    struct store_action *rows;
    uint64_t *ids;
    size_t n;
    const CommonRunIdentifier *id = req->run_id;
    service_list_init(cx, &l);
    TRY(service_list_request(cx, &l, &action_list, req->request));
    TRY(store_run_find(cx, id->project, id->domain, id->name, &run));
    if (!run)
        return CODE_OK;
    walk_actions(cx, &l, run, &walk);
    walk.exact = l.where.n == 0;
    TRY(service_list_and(cx, &l, "+a.run_id = ?", (struct db_value[]){DB_I(run->id)}, 1));
    TRY(service_list_done(cx, &l));
    TRY(service_walk_page(cx, &l, &walk, &ids, &n, &rsp->token));
    TRY(store_action_list_ids(cx, ids, n, &rows));
    rsp->actions.n = n;
    rsp->actions.p = arena_new_array(cx->mem, WorkflowAction *, n);
    for (size_t i = 0; i < n; i++)
        TRY(service_action_message(cx, run, &rows[i], id->org, &rsp->actions.p[i]));
    return CODE_OK;
}

/* RunService and TrackedRunService: ListRuns and ListActions. */
#include "gen/services.h"
#include "service/action_message.h"
#include "service/list.h"

static const struct service_list_field run_fields[] = {
    {"project", "sp.project", SERVICE_LIST_TEXT, NULL},
    {"domain", "sp.domain", SERVICE_LIST_TEXT, NULL},
    {"run_name", "r.name", SERVICE_LIST_TEXT, NULL},
    {"name", "r.name", SERVICE_LIST_TEXT, NULL},
    {"phase", "r.phase", SERVICE_LIST_ENUM, "flyteidl2.common.ActionPhase"},
    {"action_type", "a.type", SERVICE_LIST_ENUM, "flyteidl2.workflow.ActionType"},
    {"run_source", "r.source", SERVICE_LIST_ENUM, "flyteidl2.workflow.RunSource"},
    {"created_by", "i.subject", SERVICE_LIST_TEXT, NULL},
    {"created_by_subject", "i.subject", SERVICE_LIST_TEXT, NULL},
    {"trigger_name", "r.trigger_name", SERVICE_LIST_TEXT, NULL},
    {"trigger_revision", "r.trigger_revision", SERVICE_LIST_INT, NULL},
    {"trigger_task_name", "(SELECT x.name FROM task_name x WHERE x.id = r.trigger_task_id)", SERVICE_LIST_TEXT, NULL},
    {"task_project", "t.project", SERVICE_LIST_TEXT, NULL},
    {"task_domain", "t.domain", SERVICE_LIST_TEXT, NULL},
    {"task_name", "t.name", SERVICE_LIST_TEXT, NULL},
    {"task_version", "s.version", SERVICE_LIST_TEXT, NULL},
    {"function_name", "s.name", SERVICE_LIST_TEXT, NULL},
    {"created_at", "r.created_ns", SERVICE_LIST_TIME, NULL},
    {"updated_at", "a.updated_ns", SERVICE_LIST_TIME, NULL},
    {"ended_at", "a.ended_ns", SERVICE_LIST_TIME, NULL},
    {"duration_ms", "((a.ended_ns - a.created_ns) / 1000000)", SERVICE_LIST_INT, NULL},
};

static const struct service_list_pairs run_pairs[] = {
    {"labels.", "SELECT 1 FROM run_label x WHERE x.run_id = r.id"},
};

static const struct service_list_spec run_list = {
    .fields = run_fields,
    .field_count = sizeof(run_fields) / sizeof(*run_fields),
    .default_order = "r.phase, r.created_ns DESC, r.id DESC",
    .tie_break = "r.id",
    .pairs = run_pairs,
    .pair_count = 1,
};

static enum code run_scope(struct ctx *cx, const WorkflowListRunsRequest *req, struct service_list *l)
{
    switch (req->scope_by_case) {
    case WorkflowListRunsRequest_project_id_tag:
        return service_list_and(cx, l, "r.space_id = (SELECT x.id FROM space x WHERE x.project = ? AND x.domain = ?)",
                                (struct db_value[]){DB_S(req->project_id->name), DB_S(req->project_id->domain)}, 2);
    case WorkflowListRunsRequest_trigger_name_tag:
        return service_list_and(
            cx, l,
            "r.trigger_name = ? AND r.trigger_task_id = (SELECT x.id FROM task_name x WHERE x.project = ? "
            "AND x.domain = ? AND x.name = ?)",
            (struct db_value[]){DB_S(req->trigger_name->name), DB_S(req->trigger_name->project),
                                DB_S(req->trigger_name->domain), DB_S(req->trigger_name->task_name)},
            4);
    case WorkflowListRunsRequest_task_name_tag:
        return service_list_and(
            cx, l,
            "r.task_name_id = (SELECT x.id FROM task_name x WHERE x.project = ? AND x.domain = ? AND x.name = ?)",
            (struct db_value[]){DB_S(req->task_name->project), DB_S(req->task_name->domain),
                                DB_S(req->task_name->name)},
            3);
    case WorkflowListRunsRequest_task_id_tag:
        return service_list_and(
            cx, l,
            "r.task_name_id = (SELECT x.id FROM task_name x WHERE x.project = ? AND x.domain = ? AND x.name = ?) "
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
    struct store_run_row *rows;
    size_t n;
    service_list_init(cx, &l);
    TRY(run_scope(cx, req, &l));
    if (tracked)
        TRY(service_list_and(cx, &l, "r.source = ?", &DB_I(WORKFLOW_RUN_SOURCE_TRACKED), 1));
    if (req->paused_actions_only)
        TRY(service_list_and(cx, &l,
                             "EXISTS (SELECT 1 FROM action x WHERE x.run_id = r.id AND x.ended_ns IS NULL "
                             "AND x.phase = 9)",
                             NULL, 0));
    TRY(service_list_request(cx, &l, &run_list, req->request));
    TRY(service_list_done(cx, &l));
    TRY(store_run_list(cx, &l.page, &rows, &n));
    rsp->token = service_list_token(cx, &l, &n);
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
};

/* The order that the SDK asks for is the order of ids: then no sorting is needed, however large the run. */
static void by_id(struct service_list *l)
{
    if (str_eq(l->page.order, STR("a.created_ns ASC, a.id")))
        l->page.order = STR("a.id");
}

enum code RunService_ListActions(struct ctx *cx, const WorkflowListActionsRequest *req,
                                 WorkflowListActionsResponse *rsp)
{
    struct service_list l;
    struct store_run *run;
    struct store_action *rows;
    size_t n;
    const CommonRunIdentifier *id = req->run_id;
    service_list_init(cx, &l);
    TRY(service_list_request(cx, &l, &action_list, req->request));
    TRY(store_run_find(cx, id->project, id->domain, id->name, &run));
    if (!run)
        return CODE_OK;
    const struct db_value range[] = {DB_I(store_action_root(run->id)), DB_I(store_action_root(run->id + 1))};
    TRY(service_list_and(cx, &l, "a.id >= ? AND a.id < ?", range, 2));
    TRY(service_list_done(cx, &l));
    by_id(&l);
    TRY(store_action_list(cx, &l.page, &rows, &n));
    rsp->token = service_list_token(cx, &l, &n);
    rsp->actions.n = n;
    rsp->actions.p = arena_new_array(cx->mem, WorkflowAction *, n);
    for (size_t i = 0; i < n; i++)
        TRY(service_action_message(cx, run, &rows[i], id->org, &rsp->actions.p[i]));
    return CODE_OK;
}

/* TaskService: deployed versions of tasks. Version order is the order of first deployment. */
#include "base/log.h"
#include "base/time.h"
#include "engine/uploads.h"
#include "gen/flyteidl2_common.h"
#include "gen/flyteidl2_core.h"
#include "gen/flyteidl2_task.h"
#include "gen/services.h"
#include "service/convert.h"
#include "service/trigger.h"
#include "service/walk.h"
#include "store/identity.h"
#include "store/project.h"
#include "store/run.h"
#include "store/spec.h"
#include "store/task.h"

#define SHORT_TEXT_MAX 255
#define LONG_TEXT_MAX 2048

/* ---- deploying --------------------------------------------------------------------------------------------------- */

/* "env.fn" without the environment, or what follows the last dot. */
static str function_of(str name, str environment)
{
    if (environment.n && name.n > environment.n + 1 && str_starts(name, environment) && name.p[environment.n] == '.')
        return str_skip(name, environment.n + 1);
    size_t dot = str_rfind_char(name, '.');
    return dot == SIZE_MAX ? name : str_skip(name, dot + 1);
}

/* A copy of the spec with its texts cut to what we keep. */
static TaskTaskSpec *kept_spec(struct ctx *cx, const TaskTaskSpec *spec)
{
    TaskTaskSpec *copy = arena_new(cx->mem, TaskTaskSpec);
    *copy = *spec;
    if (spec->environment) {
        copy->environment = arena_new(cx->mem, TaskEnvironment);
        *copy->environment = *spec->environment;
        copy->environment->description = str_head_utf8(spec->environment->description, SHORT_TEXT_MAX);
    }
    if (spec->documentation) {
        copy->documentation = arena_new(cx->mem, TaskDocumentationEntity);
        *copy->documentation = *spec->documentation;
        copy->documentation->short_description = str_head_utf8(spec->documentation->short_description, SHORT_TEXT_MAX);
        copy->documentation->long_description = str_head_utf8(spec->documentation->long_description, LONG_TEXT_MAX);
    }
    return copy;
}

static const CoreTaskMetadata *metadata_of(const TaskTaskSpec *spec)
{
    static const CoreTaskMetadata none;
    return spec->task_template->metadata ? spec->task_template->metadata : &none;
}

enum code TaskService_DeployTask(struct ctx *cx, const TaskDeployTaskRequest *req, TaskDeployTaskResponse *rsp)
{
    struct store_spec spec;
    bool changed;
    (void)rsp;
    TRY(store_project_require(cx, req->task_id->project));
    TaskTaskSpec *kept = kept_spec(cx, req->spec);
    TRY(engine_uploads_put_task(cx, req->task_id, kept, &spec));
    struct store_task row = {
        .task_name_id = spec.task_name_id,
        .version = req->task_id->version,
        .spec_id = spec.id,
        .function_name = function_of(req->task_id->name, spec.environment),
        .environment = spec.environment,
        .env_description = kept->environment ? kept->environment->description : STR(""),
        .short_description = kept->documentation ? kept->documentation->short_description : STR(""),
        .entrypoint = metadata_of(kept)->is_entrypoint,
        .created_ns = time_wall_ns(),
    };
    row.updated_ns = row.created_ns;
    TRY(store_identity_put_caller(cx, &row.deployed_by));
    TRY(store_task_put(cx, &row, &changed));
    if (changed)
        log_warn(cx, "a version of a task was deployed again with other content; its runs from now on have that",
                 LOG_STR("task", req->task_id->name), LOG_STR("version", req->task_id->version),
                 LOG_STR("by", cx->who->subject));
    return service_trigger_deploy_all(cx, req, row.task_name_id);
}

/* ---- reading ----------------------------------------------------------------------------------------------------- */

static TaskTaskIdentifier *identifier(struct ctx *cx, const struct store_task *t)
{
    TaskTaskIdentifier *id = pb_new(cx->mem, TaskTaskIdentifier);
    id->project = t->project;
    id->domain = t->domain;
    id->name = t->name;
    id->version = t->version;
    return id;
}

static TaskTaskTriggersSummary *triggers(struct ctx *cx, const struct store_task *t)
{
    void *automation = NULL;
    if (t->trigger_total == 0)
        return NULL;
    TaskTaskTriggersSummary *s = pb_new(cx->mem, TaskTaskTriggersSummary);
    if (t->trigger_total > 1) {
        s->summary_case = TaskTaskTriggersSummary_stats_tag;
        s->stats = pb_new(cx->mem, TaskTaskTriggersSummary_TriggerStats);
        s->stats->total = (uint32_t)t->trigger_total;
        s->stats->active = (uint32_t)t->trigger_active;
        return s;
    }
    s->summary_case = TaskTaskTriggersSummary_details_tag;
    s->details = pb_new(cx->mem, TaskTaskTriggersSummary_TriggerDetails);
    s->details->name = t->trigger_name;
    s->details->active = t->trigger_active > 0;
    if (pb_decode(cx, &TaskTriggerAutomationSpec_type, t->trigger_automation, &automation) == CODE_OK)
        s->details->automation_spec = automation;
    return s;
}

static TaskTaskMetadata *metadata(struct ctx *cx, const struct store_task *t)
{
    TaskTaskMetadata *m = pb_new(cx->mem, TaskTaskMetadata);
    m->short_name = t->function_name;
    m->environment_name = t->environment;
    m->short_description = t->short_description;
    m->deployed_at = service_timestamp(cx, t->created_ns);
    m->deployed_by = service_identity(cx, t->deployed_by_subject, t->deployed_by_name);
    m->triggers_summary = triggers(cx, t);
    return m;
}

/* NULL for a task that has not run. */
static TaskLatestRunSummary *latest_run(struct ctx *cx, const struct store_run *run, str task)
{
    if (!run)
        return NULL;
    TaskLatestRunSummary *s = pb_new(cx->mem, TaskLatestRunSummary);
    s->run_id = pb_new(cx->mem, CommonRunIdentifier);
    s->run_id->project = run->project;
    s->run_id->domain = run->domain;
    s->run_id->name = run->name;
    s->run_time = service_timestamp(cx, run->created_ns);
    s->phase = run->phase;
    s->root_task_name = task;
    return s;
}

enum code TaskService_GetTaskDetails(struct ctx *cx, const TaskGetTaskDetailsRequest *req,
                                     TaskGetTaskDetailsResponse *rsp)
{
    const TaskTaskIdentifier *id = req->task_id;
    struct store_task *row;
    struct store_spec *spec;
    void *message;
    TRY(store_task_find(cx, id->project, id->domain, id->name, id->version, &row));
    if (!row)
        return fail(cx, CODE_NOT_FOUND, "task not found: " STR_FMT "/" STR_FMT "/" STR_FMT " version " STR_FMT,
                    STR_ARG(id->project), STR_ARG(id->domain), STR_ARG(id->name), STR_ARG(id->version));
    TRY(store_spec_get(cx, row->spec_id, &spec));
    TRY(pb_decode(cx, &TaskTaskSpec_type, spec->body, &message));
    rsp->details = pb_new(cx->mem, TaskTaskDetails);
    rsp->details->task_id = identifier(cx, row);
    rsp->details->metadata = metadata(cx, row);
    rsp->details->spec = message;
    return CODE_OK;
}

/* A page asks for names by their ids (service/walk.h): the + keeps SQLite from going through a project instead. */
static const struct service_list_field task_fields[] = {
    {"project", "+t.project", SERVICE_LIST_TEXT, NULL},
    {"domain", "+t.domain", SERVICE_LIST_TEXT, NULL},
    {"name", "+t.name", SERVICE_LIST_TEXT, NULL},
    {"version", "k.version", SERVICE_LIST_TEXT, NULL},
    {"environment", "k.environment", SERVICE_LIST_TEXT, NULL},
    {"function_name", "k.function_name", SERVICE_LIST_TEXT, NULL},
    {"deployed_by", "i.subject", SERVICE_LIST_TEXT, NULL},
    {"created_at", "k.created_ns", SERVICE_LIST_TIME, NULL},
    {"updated_at", "k.updated_ns", SERVICE_LIST_TIME, NULL},
    {"trigger_name", "k.trigger_name", SERVICE_LIST_TEXT, NULL},
    {"total_triggers", "k.trigger_total", SERVICE_LIST_INT, NULL},
    {"active_triggers", "k.trigger_active", SERVICE_LIST_INT, NULL},
    {"env_description", "k.env_description", SERVICE_LIST_TEXT, NULL},
    {"short_description", "k.short_description", SERVICE_LIST_TEXT, NULL},
    {"is_entrypoint", "k.entrypoint", SERVICE_LIST_BOOL, NULL},
};

static const struct service_list_spec task_list = {
    .fields = task_fields,
    .field_count = sizeof(task_fields) / sizeof(*task_fields),
    .default_order = "k.created_ns DESC, k.id DESC",
    .tie_break = "k.id",
    .indexed = "k.created_ns",
    .walked = true,
};

static enum code task_scope(struct ctx *cx, const TaskListTasksRequest *req, struct service_list *l)
{
    if (req->scope_by_case != TaskListTasksRequest_project_id_tag)
        return CODE_OK;
    const struct db_value v[] = {DB_S(req->project_id->name), DB_S(req->project_id->domain)};
    return service_list_and(cx, l, "+t.project = ? AND +t.domain = ?", v, 2);
}

static enum code known_filters(struct ctx *cx, const TaskListTasksRequest *req, struct service_list *l)
{
    for (size_t i = 0; i < req->known_filters.n; i++) {
        const TaskListTasksRequest_KnownFilter *f = req->known_filters.p[i];
        bool by = f->filter_by_case == TaskListTasksRequest_KnownFilter_deployed_by_tag;
        if (f->filter_by_case == 0)
            continue;
        struct db_value v = by ? DB_S(f->deployed_by) : DB_I(f->is_entrypoint);
        TRY(service_list_and(cx, l, by ? "i.subject = ?" : "k.entrypoint = ?", &v, 1));
    }
    return CODE_OK;
}

/* The names to look at: all of the scope, or the one that a filter says. */
static struct store_walk names_of(const TaskListTasksRequest *req)
{
    const CommonListRequest *list = req->request;
    if (req->scope_by_case != TaskListTasksRequest_project_id_tag)
        return (struct store_walk){STORE_WALK_TASK_NAMES, {DB_N}};
    struct db_value project = DB_S(req->project_id->name), domain = DB_S(req->project_id->domain);
    for (size_t i = 0; list && i < list->filters.n; i++) {
        const CommonFilter *f = list->filters.p[i];
        if (f->function == COMMON_FILTER_FUNCTION_EQUAL && str_eq_nocase(f->field, STR("name")))
            return (struct store_walk){STORE_WALK_TASK_NAMES_OF_NAME, {project, domain, DB_S(f->values.p[0])}};
    }
    return (struct store_walk){STORE_WALK_TASK_NAMES_OF_PROJECT, {project, domain}};
}

static void walk_names(struct ctx *cx, struct store_walk set, const struct service_list *l, struct service_walk *out)
{
    *out = (struct service_walk){.groups = {{arena_new(cx->mem, struct store_walk), 1}},
                                 .group_count = 1,
                                 .range = store_walk_ids(l->order[0].descending),
                                 .id = "t.id",
                                 .filter = store_task_filter_latest};
    out->groups[0].sets[0] = set;
}

static enum code count_names(struct ctx *cx, struct store_walk set, struct service_list *l, uint32_t *out)
{
    struct service_walk walk;
    size_t n;
    walk_names(cx, set, l, &walk);
    TRY(service_walk_count(cx, l, &walk, &n));
    *out = (uint32_t)n;
    return CODE_OK;
}

/* As far as one page looks. */
static enum code task_counts(struct ctx *cx, const TaskListTasksRequest *req, struct service_list *l,
                             TaskListTasksResponse_ListTasksMetadata **out)
{
    TaskListTasksResponse_ListTasksMetadata *m = pb_new(cx->mem, TaskListTasksResponse_ListTasksMetadata);
    TaskListTasksRequest all = *req;
    struct service_list scope;
    all.request = NULL;
    service_list_init(cx, &scope);
    TRY(task_scope(cx, req, &scope));
    TRY(service_list_done(cx, &scope));
    TRY(count_names(cx, names_of(&all), &scope, &m->total));
    m->filtered_total = m->total;
    if (!str_eq(l->page.where, scope.page.where))
        TRY(count_names(cx, names_of(req), l, &m->filtered_total));
    *out = m;
    return CODE_OK;
}

enum code TaskService_ListTasks(struct ctx *cx, const TaskListTasksRequest *req, TaskListTasksResponse *rsp)
{
    struct service_list l;
    struct service_walk walk;
    struct store_task *rows;
    uint64_t *ids;
    size_t n;
    service_list_init(cx, &l);
    TRY(task_scope(cx, req, &l));
    TRY(known_filters(cx, req, &l));
    TRY(service_list_request(cx, &l, &task_list, req->request));
    TRY(service_list_done(cx, &l));
    TRY(task_counts(cx, req, &l, &rsp->metadata));
    walk_names(cx, names_of(req), &l, &walk);
    TRY(service_walk_page(cx, &l, &walk, &ids, &n, &rsp->token));
    TRY(store_task_list_ids(cx, ids, n, &rows));
    rsp->tasks.n = n;
    rsp->tasks.p = arena_new_array(cx->mem, TaskTask *, n);
    for (size_t i = 0; i < n; i++) {
        TaskTask *t = rsp->tasks.p[i] = pb_new(cx->mem, TaskTask);
        struct store_run *run;
        TRY(store_run_latest_of_task(cx, rows[i].task_name_id, &run));
        t->task_id = identifier(cx, &rows[i]);
        t->metadata = metadata(cx, &rows[i]);
        t->task_summary = pb_new(cx->mem, TaskTaskSummary);
        t->task_summary->latest_run = latest_run(cx, run, rows[i].name);
    }
    return CODE_OK;
}

enum code TaskService_ListVersions(struct ctx *cx, const TaskListVersionsRequest *req, TaskListVersionsResponse *rsp)
{
    static const struct service_list_field fields[] = {
        {"version", "k.version", SERVICE_LIST_TEXT, NULL},
        {"created_at", "k.created_ns", SERVICE_LIST_TIME, NULL},
    };
    static const struct service_list_spec spec = {.fields = fields,
                                                  .field_count = 2,
                                                  .default_order = "k.created_ns DESC, k.id DESC",
                                                  .tie_break = "k.id",
                                                  .indexed = "k.created_ns"};
    struct service_list l;
    struct store_task *rows;
    size_t n;
    const struct db_value v[] = {DB_S(req->task_name->project), DB_S(req->task_name->domain),
                                 DB_S(req->task_name->name)};
    service_list_init(cx, &l);
    TRY(service_list_and(cx, &l, "t.project = ? AND t.domain = ? AND t.name = ?", v, 3));
    TRY(service_list_request(cx, &l, &spec, req->request));
    TRY(service_list_done(cx, &l));
    TRY(store_task_list(cx, &l.page, &rows, &n));
    rsp->token = service_list_token(cx, &l, &n);
    rsp->versions.n = n;
    rsp->versions.p = arena_new_array(cx->mem, TaskListVersionsResponse_VersionResponse *, n);
    for (size_t i = 0; i < n; i++) {
        TaskListVersionsResponse_VersionResponse *v1 = pb_new(cx->mem, TaskListVersionsResponse_VersionResponse);
        struct store_run *run;
        TRY(store_run_latest_of_version(cx, rows[i].spec_id, &run));
        v1->version = rows[i].version;
        v1->deployed_at = service_timestamp(cx, rows[i].created_ns);
        v1->deployed_by = service_identity(cx, rows[i].deployed_by_subject, rows[i].deployed_by_name);
        v1->latest_run = latest_run(cx, run, rows[i].name);
        rsp->versions.p[i] = v1;
    }
    return CODE_OK;
}

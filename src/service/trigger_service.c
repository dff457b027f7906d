/* TriggerService: what starts runs of a task by itself or by name. */
#include "engine/uri.h"
#include "gen/flyteidl2_common.h"
#include "gen/services.h"
#include "service/convert.h"
#include "service/list.h"
#include "service/trigger.h"
#include "store/spec.h"

/* ---- messages ---------------------------------------------------------------------------------------------------- */

static CommonTriggerIdentifier *identifier(struct ctx *cx, const struct store_trigger *t)
{
    CommonTriggerIdentifier *id = pb_new(cx->mem, CommonTriggerIdentifier);
    id->revision = t->revision;
    id->name = pb_new(cx->mem, CommonTriggerName);
    id->name->project = t->project;
    id->name->domain = t->domain;
    id->name->task_name = t->task_name;
    id->name->name = t->name;
    return id;
}

static TriggerTriggerMetadata *metadata(struct ctx *cx, const struct store_trigger *t)
{
    TriggerTriggerMetadata *m = pb_new(cx->mem, TriggerTriggerMetadata);
    m->deployed_by = service_identity(cx, t->deployed_by_subject, t->deployed_by_name);
    m->updated_by = service_identity(cx, t->updated_by_subject, t->updated_by_name);
    return m;
}

static TriggerTriggerStatus *status(struct ctx *cx, const struct store_trigger *t)
{
    TriggerTriggerStatus *s = pb_new(cx->mem, TriggerTriggerStatus);
    s->deployed_at = service_timestamp(cx, t->deployed_ns);
    s->updated_at = service_timestamp(cx, t->updated_ns);
    s->triggered_at = service_timestamp(cx, t->triggered_ns);
    s->deleted_at = service_timestamp(cx, t->deleted_ns);
    return s;
}

static enum code automation(struct ctx *cx, const struct store_trigger *t, TaskTriggerAutomationSpec **out)
{
    void *msg;
    TRY(pb_decode(cx, &TaskTriggerAutomationSpec_type, t->automation, &msg));
    *out = msg;
    return CODE_OK;
}

/* A client that changes one input of a run by name reads the others there, from the file itself. */
static void name_file(struct ctx *cx, TriggerTriggerSpec *spec)
{
    if (spec->input_wrapper_case == TriggerTriggerSpec_offloaded_input_data_tag)
        spec->offloaded_input_data->uri = engine_uri_inputs(cx->mem, spec->offloaded_input_data->uri);
}

static enum code details(struct ctx *cx, const struct store_trigger *t, TriggerTriggerDetails **out)
{
    TriggerTriggerDetails *d = pb_new(cx->mem, TriggerTriggerDetails);
    struct store_spec *spec;
    void *msg;
    TRY(store_spec_get(cx, t->spec_id, &spec));
    TRY(pb_decode(cx, &TriggerTriggerSpec_type, spec->body, &msg));
    d->id = identifier(cx, t);
    d->metadata = metadata(cx, t);
    d->status = status(cx, t);
    d->spec = msg;
    name_file(cx, d->spec);
    d->spec->active = t->active;
    d->spec->task_version = t->task_version;
    d->spec->description = d->description = t->description;
    d->has_description = t->description.n > 0;
    *out = d;
    return automation(cx, t, &d->automation_spec);
}

/* ---- changing ---------------------------------------------------------------------------------------------------- */

enum code TriggerService_DeployTrigger(struct ctx *cx, const TriggerDeployTriggerRequest *req,
                                       TriggerDeployTriggerResponse *rsp)
{
    const struct service_trigger_new n = {.project = req->name->project,
                                          .domain = req->name->domain,
                                          .task_name = req->name->task_name,
                                          .name = req->name->name,
                                          .revision = req->revision,
                                          .spec = req->spec,
                                          .automation = req->automation_spec};
    struct store_trigger *made;
    if (!n.task_name.n)
        return fail(cx, CODE_INVALID_ARGUMENT, "name.task_name: required");
    TRY(service_trigger_deploy(cx, &n, &made));
    TRY(store_trigger_get(cx, n.project, n.domain, n.task_name, n.name, &made));
    return details(cx, made, &rsp->trigger);
}

typedef enum code change_fn(struct ctx *cx, struct store_trigger *t, bool active);

/* All of those that exist. */
static enum code change_each(struct ctx *cx, CommonTriggerName *const *names, size_t n, change_fn *change, bool active)
{
    struct store_trigger *t;
    if (n > SERVICE_TRIGGER_MAX)
        return fail(cx, CODE_INVALID_ARGUMENT, "names: more than %d; send several requests", SERVICE_TRIGGER_MAX);
    for (size_t i = 0; i < n; i++) {
        const CommonTriggerName *id = names[i];
        TRY(store_trigger_find(cx, id->project, id->domain, id->task_name, id->name, &t));
        if (!t || t->deleted_ns)
            continue;
        TRY(change(cx, t, active));
        TRY(store_trigger_summarize(cx, t->task_name_id));
    }
    return CODE_OK;
}

static enum code delete (struct ctx *cx, struct store_trigger *t, bool active) {
    (void)active; return service_trigger_delete(cx, t);
}

enum code TriggerService_UpdateTriggers(struct ctx *cx, const TriggerUpdateTriggersRequest *req,
                                        TriggerUpdateTriggersResponse *rsp)
{
    (void)rsp;
    return change_each(cx, req->names.p, req->names.n, service_trigger_activate, req->active);
}

enum code TriggerService_DeleteTriggers(struct ctx *cx, const TriggerDeleteTriggersRequest *req,
                                        TriggerDeleteTriggersResponse *rsp)
{
    (void)rsp;
    return change_each(cx, req->names.p, req->names.n, delete, false);
}

/* ---- reading ----------------------------------------------------------------------------------------------------- */

enum code TriggerService_GetTriggerDetails(struct ctx *cx, const TriggerGetTriggerDetailsRequest *req,
                                           TriggerGetTriggerDetailsResponse *rsp)
{
    const CommonTriggerName *id = req->name;
    struct store_trigger *t;
    TRY(store_trigger_get(cx, id->project, id->domain, id->task_name, id->name, &t));
    return details(cx, t, &rsp->trigger);
}

enum code TriggerService_GetTriggerRevisionDetails(struct ctx *cx, const TriggerGetTriggerRevisionDetailsRequest *req,
                                                   TriggerGetTriggerRevisionDetailsResponse *rsp)
{
    const CommonTriggerName *id = req->id->name;
    struct store_trigger *t;
    TRY(store_trigger_find_revision(cx, id->project, id->domain, id->task_name, id->name, req->id->revision, &t));
    if (!t)
        return fail(cx, CODE_NOT_FOUND, "trigger \"" STR_FMT "\" has no revision %llu", STR_ARG(id->name),
                    (unsigned long long)req->id->revision);
    return details(cx, t, &rsp->trigger);
}

static const struct service_list_field trigger_fields[] = {
    {"project", "t.project", SERVICE_LIST_TEXT, NULL},
    {"domain", "t.domain", SERVICE_LIST_TEXT, NULL},
    {"task_name", "t.name", SERVICE_LIST_TEXT, NULL},
    {"name", "g.name", SERVICE_LIST_TEXT, NULL},
    {"active", "g.active", SERVICE_LIST_BOOL, NULL},
    {"deployed_at", "g.deployed_ns", SERVICE_LIST_TIME, NULL},
    {"updated_at", "g.updated_ns", SERVICE_LIST_TIME, NULL},
    {"task_version", "g.task_version", SERVICE_LIST_TEXT, NULL},
    {"automation_type", "g.automation_type", SERVICE_LIST_ENUM, "flyteidl2.task.TriggerAutomationSpecType"},
};

static const struct service_list_spec trigger_list = {
    .fields = trigger_fields,
    .field_count = sizeof(trigger_fields) / sizeof(*trigger_fields),
    .default_order = "g.active DESC, g.updated_ns DESC, g.id DESC",
    .tie_break = "g.id",
};

static enum code trigger_scope(struct ctx *cx, const TriggerListTriggersRequest *req, struct service_list *l)
{
    const TaskTaskIdentifier *id = req->task_id;
    switch (req->scope_by_case) {
    case TriggerListTriggersRequest_project_id_tag:
        return service_list_and(cx, l, "g.space_id = (SELECT id FROM space WHERE project = ? AND domain = ?)",
                                (struct db_value[]){DB_S(req->project_id->name), DB_S(req->project_id->domain)}, 2);
    case TriggerListTriggersRequest_task_name_tag:
        return service_list_and(cx, l, "t.project = ? AND t.domain = ? AND t.name = ?",
                                (struct db_value[]){DB_S(req->task_name->project), DB_S(req->task_name->domain),
                                                    DB_S(req->task_name->name)},
                                3);
    case TriggerListTriggersRequest_task_id_tag:
        return service_list_and(
            cx, l, "t.project = ? AND t.domain = ? AND t.name = ? AND g.task_version = ?",
            (struct db_value[]){DB_S(id->project), DB_S(id->domain), DB_S(id->name), DB_S(id->version)}, 4);
    default:
        return CODE_OK;
    }
}

enum code TriggerService_ListTriggers(struct ctx *cx, const TriggerListTriggersRequest *req,
                                      TriggerListTriggersResponse *rsp)
{
    struct service_list l;
    struct store_trigger *rows;
    size_t n;
    service_list_init(cx, &l);
    TRY(trigger_scope(cx, req, &l));
    TRY(service_list_request(cx, &l, &trigger_list, req->request));
    TRY(service_list_done(cx, &l));
    TRY(store_trigger_list(cx, &l.page, &rows, &n));
    rsp->token = service_list_token(cx, &l, &n);
    rsp->triggers.n = n;
    rsp->triggers.p = arena_new_array(cx->mem, TriggerTrigger *, n);
    for (size_t i = 0; i < n; i++) {
        TriggerTrigger *t = rsp->triggers.p[i] = pb_new(cx->mem, TriggerTrigger);
        t->id = identifier(cx, &rows[i]);
        t->metadata = metadata(cx, &rows[i]);
        t->status = status(cx, &rows[i]);
        t->active = rows[i].active;
        TRY(automation(cx, &rows[i], &t->automation_spec));
    }
    return CODE_OK;
}

/* When the revision was made: its last change. */
static int64_t made_ns(const struct store_trigger *t)
{
    int64_t ns = t->deployed_ns > t->updated_ns ? t->deployed_ns : t->updated_ns;
    return ns > t->deleted_ns ? ns : t->deleted_ns;
}

enum code TriggerService_GetTriggerRevisionHistory(struct ctx *cx, const TriggerGetTriggerRevisionHistoryRequest *req,
                                                   TriggerGetTriggerRevisionHistoryResponse *rsp)
{
    static const struct service_list_field fields[] = {
        {"revision", "v.revision", SERVICE_LIST_INT, NULL},
        {"deployed_at", "v.deployed_ns", SERVICE_LIST_TIME, NULL},
        {"updated_at", "v.updated_ns", SERVICE_LIST_TIME, NULL},
        {"action", "v.action", SERVICE_LIST_ENUM, "flyteidl2.trigger.TriggerRevisionAction"},
    };
    static const struct service_list_spec spec = {
        .fields = fields, .field_count = 4, .default_order = "v.revision DESC", .tie_break = "v.revision"};
    struct service_list l;
    struct store_trigger *t, *rows;
    size_t n;
    TRY(store_trigger_find(cx, req->name->project, req->name->domain, req->name->task_name, req->name->name, &t));
    service_list_init(cx, &l);
    TRY(service_list_and(cx, &l, "v.trigger_id = ?", (struct db_value[]){DB_I(t ? t->id : 0)}, 1));
    TRY(service_list_request(cx, &l, &spec, req->request));
    TRY(service_list_done(cx, &l));
    TRY(store_trigger_list_revisions(cx, &l.page, &rows, &n));
    rsp->token = service_list_token(cx, &l, &n);
    rsp->triggers.n = n;
    rsp->triggers.p = arena_new_array(cx->mem, TriggerTriggerRevision *, n);
    for (size_t i = 0; i < n; i++) {
        TriggerTriggerRevision *r = rsp->triggers.p[i] = pb_new(cx->mem, TriggerTriggerRevision);
        r->id = identifier(cx, &rows[i]);
        r->metadata = metadata(cx, &rows[i]);
        r->status = status(cx, &rows[i]);
        r->action = rows[i].action;
        r->created_at = service_timestamp(cx, made_ns(&rows[i]));
    }
    return CODE_OK;
}

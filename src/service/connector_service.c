/* AsyncConnectorService and ConnectorMetadataService: each call goes to the connector that serves the type, with its answer
 * or its error back. Work lane: they wait for other servers. */
#include "app.h"
#include "exec/connectors.h"
#include "gen/flyteidl2_connector.h"
#include "gen/services.h"
#include "rpc/stream.h"

#define ASYNC "/flyteidl2.connector.AsyncConnectorService/"
#define LIST "/flyteidl2.connector.ConnectorMetadataService/ListConnectors"

static enum code require_any(struct ctx *cx)
{
    if (exec_connectors_count(cx->app->connectors))
        return CODE_OK;
    return fail(cx, CODE_FAILED_PRECONDITION,
                "no connector is registered; name them in the setting exec.connectors, as HOST:PORT");
}

static enum code select_for(struct ctx *cx, str type, int32_t version, str project, str domain,
                            const struct exec_connector **out)
{
    TRY(require_any(cx));
    *out = exec_connectors_select(cx->app->connectors, (struct exec_task_type){type, version}, project, domain);
    return *out ? CODE_OK
                : fail(cx, CODE_NOT_FOUND, "no connector serves version %d of the task type \"" STR_FMT "\"", version,
                       STR_ARG(str_head(type, 100)));
}

static enum code select_category(struct ctx *cx, const ConnectorTaskCategory *c, const struct exec_connector **out)
{
    TRY(require_any(cx));
    if (!c || !c->name.n)
        return fail(cx, CODE_INVALID_ARGUMENT, "task_category.name: required; it chooses the connector");
    return select_for(cx, c->name, c->version, STR(""), STR(""), out);
}

/* ---- jobs -------------------------------------------------------------------------------------------------------- */

enum code AsyncConnectorService_CreateTask(struct ctx *cx, const ConnectorCreateTaskRequest *req,
                                           ConnectorCreateTaskResponse *rsp)
{
    const CoreTaskTemplate *t = req->template;
    const struct exec_connector *c;
    const void *answer;
    TRY(require_any(cx));
    if (!t || !t->type.n)
        return fail(cx, CODE_INVALID_ARGUMENT, "template.type: required; it chooses the connector");
    TRY(select_for(cx, t->type, t->task_type_version, t->id ? t->id->project : STR(""), t->id ? t->id->domain : STR(""),
                   &c));
    TRY(exec_connectors_call(cx, c, ASYNC "CreateTask", req, &answer));
    *rsp = *(const ConnectorCreateTaskResponse *)answer;
    return CODE_OK;
}

enum code AsyncConnectorService_GetTask(struct ctx *cx, const ConnectorGetTaskRequest *req,
                                        ConnectorGetTaskResponse *rsp)
{
    const struct exec_connector *c;
    const void *answer;
    TRY(select_category(cx, req->task_category, &c));
    TRY(exec_connectors_call(cx, c, ASYNC "GetTask", req, &answer));
    *rsp = *(const ConnectorGetTaskResponse *)answer;
    return CODE_OK;
}

enum code AsyncConnectorService_DeleteTask(struct ctx *cx, const ConnectorDeleteTaskRequest *req,
                                           ConnectorDeleteTaskResponse *rsp)
{
    const struct exec_connector *c;
    const void *answer;
    TRY(select_category(cx, req->task_category, &c));
    TRY(exec_connectors_call(cx, c, ASYNC "DeleteTask", req, &answer));
    *rsp = *(const ConnectorDeleteTaskResponse *)answer;
    return CODE_OK;
}

enum code AsyncConnectorService_GetTaskMetrics(struct ctx *cx, const ConnectorGetTaskMetricsRequest *req,
                                               ConnectorGetTaskMetricsResponse *rsp)
{
    const struct exec_connector *c;
    const void *answer;
    TRY(select_category(cx, req->task_category, &c));
    TRY(exec_connectors_call(cx, c, ASYNC "GetTaskMetrics", req, &answer));
    *rsp = *(const ConnectorGetTaskMetricsResponse *)answer;
    return CODE_OK;
}

struct relay {
    struct ctx *cx;
    struct stream *st;
    enum code code;
};

static bool pass_on(void *arg, const void *message)
{
    struct relay *r = arg;
    r->code = stream_send(r->cx, r->st, message);
    return r->code == CODE_OK;
}

enum code AsyncConnectorService_GetTaskLogs(struct ctx *cx, const ConnectorGetTaskLogsRequest *req, struct stream *st)
{
    const struct exec_connector *c;
    struct relay r = {.cx = cx, .st = st};
    TRY(select_category(cx, req->task_category, &c));
    TRY(exec_connectors_stream(cx, c, ASYNC "GetTaskLogs", req, pass_on, &r));
    return r.code;
}

/* ---- which there are --------------------------------------------------------------------------------------------- */

/* Of all processes; those that cannot be asked are left out, unless that leaves nothing. */
static enum code list_all(struct ctx *cx, ConnectorListConnectorsResponse *rsp, bool *whole)
{
    const struct exec_connectors *cs = cx->app->connectors;
    const ConnectorListConnectorsRequest req = {0};
    enum code code = CODE_OK;
    bool any = false;
    TRY(require_any(cx));
    for (size_t i = 0; i < exec_connectors_count(cs); i++) {
        const void *answer;
        enum code c = exec_connectors_call(cx, exec_connectors_at(cs, i), LIST, &req, &answer);
        if (c != CODE_OK) {
            code = c;
            continue;
        }
        const ConnectorListConnectorsResponse *more = answer;
        size_t n = rsp->connectors.n + more->connectors.n;
        ConnectorConnector **p = arena_new_array(cx->mem, ConnectorConnector *, n);
        for (size_t k = 0; k < n; k++)
            p[k] = k < rsp->connectors.n ? rsp->connectors.p[k] : more->connectors.p[k - rsp->connectors.n];
        rsp->connectors.p = p;
        rsp->connectors.n = n;
        any = true;
    }
    *whole = code == CODE_OK;
    if (!any)
        return code;
    ctx_clear_err(cx);
    return CODE_OK;
}

enum code ConnectorMetadataService_ListConnectors(struct ctx *cx, const ConnectorListConnectorsRequest *req,
                                                  ConnectorListConnectorsResponse *rsp)
{
    bool whole;
    (void)req;
    return list_all(cx, rsp, &whole);
}

enum code ConnectorMetadataService_GetConnector(struct ctx *cx, const ConnectorGetConnectorRequest *req,
                                                ConnectorGetConnectorResponse *rsp)
{
    ConnectorListConnectorsResponse all = {0};
    bool whole;
    TRY(list_all(cx, &all, &whole));
    for (size_t i = 0; i < all.connectors.n && !rsp->connector; i++)
        if (str_eq(all.connectors.p[i]->name, req->name))
            rsp->connector = all.connectors.p[i];
    if (rsp->connector)
        return CODE_OK;
    return whole ? fail(cx, CODE_NOT_FOUND, "there is no connector \"" STR_FMT "\"", STR_ARG(str_head(req->name, 100)))
                 : fail(cx, CODE_UNAVAILABLE, "connector \"" STR_FMT "\" was not found, but not all could be asked",
                        STR_ARG(str_head(req->name, 100)));
}

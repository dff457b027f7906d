/* TranslatorService: launch forms. Work lane: conversions may be long, and values may be stored in objects. */
#include "app.h"
#include "engine/trigger.h"
#include "gen/services.h"
#include "lane/lane.h"
#include "launchform/launchform.h"
#include "service/data.h"

static enum code read_literal(struct ctx *cx, void *arg, str uri, str *bytes)
{
    (void)arg;
    TRY(service_data_check_object(cx, "offloaded_metadata.uri", uri));
    return service_data_read(cx, "offloaded_metadata.uri", uri, bytes);
}

static const struct launchform_source source = {.read = read_literal};

/* ---- to forms ---------------------------------------------------------------------------------------------------- */

enum code TranslatorService_TaskSpecToLaunchFormJson(struct ctx *cx, const WorkflowTaskSpecToLaunchFormJsonRequest *req,
                                                     WorkflowTaskSpecToLaunchFormJsonResponse *rsp)
{
    return launchform_from_task(cx, req->task_spec, &source, &rsp->json);
}

struct uris {
    const CommonActionIdentifier *id;
    str inputs, outputs;
};

static enum code find_uris(struct ctx *cx, void *arg)
{
    struct uris *u = arg;
    struct store_run *run;
    struct store_action *a;
    if (!u->id->run)
        return fail(cx, CODE_INVALID_ARGUMENT, "action_id.run: required");
    TRY(store_action_get(cx, u->id->run->project, u->id->run->domain, u->id->run->name, u->id->name, &run, &a));
    u->inputs = service_inputs_uri(cx, a);
    u->outputs = service_outputs_uri(cx, a);
    return CODE_OK;
}

/* Inputs and outputs have their literals in the same place. */
static enum code read_action(struct ctx *cx, const WorkflowLiteralsToLaunchFormJsonRequest *req,
                             struct launchform_literals *out)
{
    struct uris u = {.id = req->action_id};
    str bytes;
    void *msg;
    if (req->owner_case != WorkflowLiteralsToLaunchFormJsonRequest_action_id_tag)
        return fail(cx, CODE_INVALID_ARGUMENT, "action_id: required with literals_uri");
    TRY(lane_read(cx, cx->app->lanes, find_uris, &u));
    if (!str_eq(req->literals_uri, u.inputs) && !str_eq(req->literals_uri, u.outputs))
        return fail(cx, CODE_INVALID_ARGUMENT, "literals_uri: is neither the inputs nor the outputs of action " STR_FMT,
                    STR_ARG(u.id->name));
    TRY(service_data_read(cx, "literals_uri", req->literals_uri, &bytes));
    TRY(pb_decode(cx, &TaskInputs_type, bytes, &msg));
    const TaskInputs *stored = msg;
    *out = (struct launchform_literals){.p = stored->literals.p, .n = stored->literals.n};
    return CODE_OK;
}

struct revision {
    const CommonTriggerIdentifier *id;
    const TriggerTriggerSpec *spec;
};

static enum code find_revision(struct ctx *cx, void *arg)
{
    struct revision *r = arg;
    const CommonTriggerName *id = r->id->name;
    struct store_trigger *row;
    if (!id)
        return fail(cx, CODE_INVALID_ARGUMENT, "trigger_id.name: required");
    TRY(store_trigger_find_revision(cx, id->project, id->domain, id->task_name, id->name, r->id->revision, &row));
    if (!row)
        return fail(cx, CODE_NOT_FOUND, "trigger \"" STR_FMT "\" has no revision %llu", STR_ARG(id->name),
                    (unsigned long long)r->id->revision);
    return engine_trigger_spec(cx, row, &r->spec);
}

static enum code read_trigger(struct ctx *cx, const CommonTriggerIdentifier *id, struct launchform_literals *out)
{
    struct revision r = {.id = id};
    const TaskInputs *own;
    TRY(lane_read(cx, cx->app->lanes, find_revision, &r));
    TRY(engine_trigger_own_inputs(cx, r.spec, &own));
    if (!own)
        return fail(cx, CODE_INVALID_ARGUMENT, "trigger_id: this revision of the trigger has no inputs of its own");
    *out = (struct launchform_literals){.p = own->literals.p, .n = own->literals.n};
    return CODE_OK;
}

enum code TranslatorService_LiteralsToLaunchFormJson(struct ctx *cx, const WorkflowLiteralsToLaunchFormJsonRequest *req,
                                                     WorkflowLiteralsToLaunchFormJsonResponse *rsp)
{
    struct launchform_literals literals = {.p = req->literals.p, .n = req->literals.n};
    if (req->owner_case == WorkflowLiteralsToLaunchFormJsonRequest_trigger_id_tag)
        TRY(read_trigger(cx, req->trigger_id, &literals));
    else if (req->literals_uri.n)
        TRY(read_action(cx, req, &literals));
    return launchform_from_literals(cx, req->variables, &literals, &source, &rsp->json);
}

/* ---- to literals ------------------------------------------------------------------------------------------------- */

enum code TranslatorService_LaunchFormJsonToLiterals(struct ctx *cx, const WorkflowLaunchFormJsonToLiteralsRequest *req,
                                                     WorkflowLaunchFormJsonToLiteralsResponse *rsp)
{
    struct launchform_literals literals;
    TRY(launchform_to_literals(cx, req->json, &literals));
    rsp->literals.p = literals.p;
    rsp->literals.n = literals.n;
    return CODE_OK;
}

enum code TranslatorService_JsonValuesToLiterals(struct ctx *cx, const WorkflowJsonValuesToLiteralsRequest *req,
                                                 WorkflowJsonValuesToLiteralsResponse *rsp)
{
    struct launchform_literals literals;
    TRY(launchform_values_to_literals(cx, req->variables, req->values, &literals));
    rsp->literals.p = literals.p;
    rsp->literals.n = literals.n;
    return CODE_OK;
}

/* Artifacts of outputs. See produced.h. */
#include "engine/produced.h"

#include "engine/uri.h"
#include "gen/flyteidl2_core.h"
#include "gen/flyteidl2_workflow.h"
#include "object/object.h"
#include "store/event.h"

#define OUTPUTS_MAX ((size_t)64 << 20)
#define PRODUCED_MAX ((size_t)32)

struct reading {
    const struct store_run *run;
    const struct store_action *a;
    const struct engine_task *task;
    const TaskOutputs *outputs;
    struct engine_produced *out;
};

static void complain(struct reading *r, str text)
{
    r->out->complaints[r->out->complaint_count++] = text;
}

/* ---- from a declaration to a request ----------------------------------------------------------------------------- */

static CoreLiteral *output_value(const struct reading *r, str name)
{
    for (size_t i = 0; i < r->outputs->literals.n; i++)
        if (str_eq(r->outputs->literals.p[i]->name, name))
            return r->outputs->literals.p[i]->value;
    return NULL;
}

static CoreLiteralType *output_type(const struct reading *r, const TaskProducedArtifact *p)
{
    const CoreTypedInterface *i = r->task->template->interface;
    if (p->type && p->type->type_case)
        return p->type;
    for (size_t k = 0; i && i->outputs && k < i->outputs->variables.n; k++)
        if (str_eq(i->outputs->variables.p[k]->key, p->output) && i->outputs->variables.p[k]->value)
            return i->outputs->variables.p[k]->value->type;
    return p->type;
}

static ArtifactArtifactSource *source_of(struct ctx *cx, const struct reading *r)
{
    ArtifactArtifactSource *s = pb_new(cx->mem, ArtifactArtifactSource);
    s->source_case = ArtifactArtifactSource_task_action_tag;
    s->task_action = pb_new(cx->mem, ArtifactTaskActionSource);
    s->task_action->attempt = r->a->attempt - 1;
    s->task_action->action = pb_new(cx->mem, CommonActionIdentifier);
    s->task_action->action->name = r->a->name;
    s->task_action->action->run = pb_new(cx->mem, CommonRunIdentifier);
    s->task_action->action->run->project = r->run->project;
    s->task_action->action->run->domain = r->run->domain;
    s->task_action->action->run->name = r->run->name;
    return s;
}

/* Unique among all runs; another output of the same action under that name has to say its version. */
static str default_version(struct ctx *cx, const struct reading *r)
{
    return arena_printf(cx->mem, STR_FMT "-" STR_FMT "-%u", STR_ARG(r->run->name), STR_ARG(r->a->name), r->a->attempt);
}

static ArtifactCreateArtifactRequest *request_of(struct ctx *cx, const struct reading *r, const TaskProducedArtifact *p)
{
    ArtifactCreateArtifactRequest *req = pb_new(cx->mem, ArtifactCreateArtifactRequest);
    req->artifact_id = pb_new(cx->mem, ArtifactArtifactIdentifier);
    req->artifact_id->version = p->version.n ? p->version : default_version(cx, r);
    req->artifact_id->name = pb_new(cx->mem, ArtifactArtifactName);
    req->artifact_id->name->project = r->run->project;
    req->artifact_id->name->domain = r->run->domain;
    req->artifact_id->name->name = p->name;
    req->spec = pb_new(cx->mem, ArtifactArtifactSpec);
    req->spec->value = output_value(r, p->output);
    req->spec->type = output_type(r, p);
    req->spec->info = p->info;
    req->spec->source = source_of(cx, r);
    req->spec->parent_artifacts.p = p->parent_artifacts.p;
    req->spec->parent_artifacts.n = p->parent_artifacts.n;
    req->spec->partitions = p->partitions;
    req->spec->time_partition = p->time_partition;
    return req;
}

/* ---- reading ----------------------------------------------------------------------------------------------------- */

static enum code check(struct ctx *cx, const struct reading *r, const TaskProducedArtifact *p,
                       struct engine_artifact *out)
{
    const ArtifactCreateArtifactRequest *req = request_of(cx, r, p);
    if (!req->spec->value)
        return fail(cx, CODE_INVALID_ARGUMENT, "there is no output \"" STR_FMT "\"", STR_ARG(p->output));
    TRY(pb_validate(cx, &ArtifactCreateArtifactRequest_type, req));
    return engine_artifact_prepare(cx, req, out);
}

static void take_all(struct ctx *cx, struct reading *r)
{
    size_t n = r->outputs->produced_artifacts.n;
    if (n > PRODUCED_MAX) {
        complain(r, arena_printf(cx->mem, "%zu artifacts are declared; the first %zu are kept", n, PRODUCED_MAX));
        n = PRODUCED_MAX;
    }
    for (size_t i = 0; i < n; i++) {
        const TaskProducedArtifact *p = r->outputs->produced_artifacts.p[i];
        if (check(cx, r, p, &r->out->p[r->out->n]) == CODE_OK) {
            r->out->n++;
            continue;
        }
        complain(r, arena_printf(cx->mem, "artifact \"" STR_FMT "\" of output " STR_FMT " was not kept: %s",
                                 STR_ARG(p->name), STR_ARG(p->output), cx->err.msg));
        ctx_clear_err(cx);
    }
}

enum code engine_produced_read(struct ctx *cx, struct app *app, const struct store_run *run,
                               const struct store_action *a, const struct engine_task *task, str folder,
                               struct engine_produced *out)
{
    struct reading r = {.run = run, .a = a, .task = task, .out = out};
    void *msg;
    str bytes;
    *out = (struct engine_produced){0};
    if (!task->produces_artifacts)
        return CODE_OK;
    out->p = arena_new_array(cx->mem, struct engine_artifact, PRODUCED_MAX);
    out->complaints = arena_new_array(cx->mem, str, PRODUCED_MAX + 1);
    enum code c = engine_uri_get(cx, app, object_uri_join(cx->mem, folder, STR("outputs.pb")), OUTPUTS_MAX, &bytes);
    if (c == CODE_OK)
        c = pb_decode(cx, &TaskOutputs_type, bytes, &msg);
    if (c == CODE_RESOURCE_EXHAUSTED || c == CODE_INVALID_ARGUMENT || c == CODE_NOT_FOUND) {
        complain(&r, arena_printf(cx->mem, "the artifacts in outputs.pb were not kept: %s", cx->err.msg));
        ctx_clear_err(cx);
        return CODE_OK;
    }
    TRY(c);
    r.outputs = msg;
    take_all(cx, &r);
    return CODE_OK;
}

/* ---- writing ----------------------------------------------------------------------------------------------------- */

static enum code tell(struct ctx *cx, const struct store_action *a, str text, int64_t now_ns)
{
    struct store_event e = {.action_id = a->id,
                            .attempt = a->attempt,
                            .time_ns = now_ns,
                            .kind = WORKFLOW_CLUSTER_EVENT_TYPE_WARNING,
                            .reason = STR("ArtifactNotKept"),
                            .message = text};
    return store_event_add(cx, &e);
}

enum code engine_produced_write(struct ctx *cx, const struct store_run *run, const struct store_action *a,
                                const struct engine_produced *produced, int64_t now_ns)
{
    for (size_t i = 0; i < produced->complaint_count; i++)
        TRY(tell(cx, a, produced->complaints[i], now_ns));
    for (size_t i = 0; i < produced->n; i++) {
        struct engine_artifact *it = &produced->p[i];
        enum engine_artifact_outcome outcome;
        str why = STR("");
        enum code c = engine_artifact_put(cx, it, run->created_by, &outcome);
        if (c == CODE_FAILED_PRECONDITION)
            why = arena_str(cx->mem, str_from(cx->err.msg));
        else if (c != CODE_OK)
            return c;
        else if (outcome == ENGINE_ARTIFACT_DIFFERENT)
            why =
                arena_printf(cx->mem, "its version " STR_FMT " is there with other content", STR_ARG(it->row.version));
        ctx_clear_err(cx);
        if (why.n)
            TRY(tell(cx, a,
                     arena_printf(cx->mem, "artifact \"" STR_FMT "\" was not kept: " STR_FMT, STR_ARG(it->row.name),
                                  STR_ARG(why)),
                     now_ns));
    }
    return CODE_OK;
}

/* Changes of triggers. See trigger.h. */
#include "service/trigger.h"

#include "base/time.h"
#include "engine/create.h"
#include "engine/fire.h"
#include "engine/prepare.h"
#include "engine/schedule.h"
#include "engine/uploads.h"
#include "service/data.h"
#include "service/run_spec.h"
#include "store/identity.h"
#include "store/project.h"
#include "store/space.h"
#include "store/spec.h"
#include "store/task.h"

#define DESCRIPTION_MAX 255
#define PARTITIONS_MAX 100
#define SPEC_MAX ((size_t)1 << 20)
/* Lists of triggers show it, and each revision has a copy. */
#define AUTOMATION_MAX ((size_t)64 << 10)

/* ---- checks ------------------------------------------------------------------------------------------------------ */

/* What a trigger starts. */
struct target {
    uint64_t task_name_id;
    const CoreTypedInterface *interface; /* NULL = none */
};

static struct target target_of(uint64_t task_name_id, const TaskTaskSpec *spec)
{
    const CoreTaskTemplate *t = spec->task_template;
    return (struct target){task_name_id, t ? t->interface : NULL};
}

static enum code find_target(struct ctx *cx, const struct service_trigger_new *n, struct target *out)
{
    struct store_task *task;
    struct store_spec *spec;
    void *msg;
    TRY(store_task_find(cx, n->project, n->domain, n->task_name, n->spec->task_version, &task));
    if (!task)
        return fail(cx, CODE_NOT_FOUND, "task not found: " STR_FMT "/" STR_FMT "/" STR_FMT " version " STR_FMT,
                    STR_ARG(n->project), STR_ARG(n->domain), STR_ARG(n->task_name), STR_ARG(n->spec->task_version));
    TRY(store_spec_get(cx, task->spec_id, &spec));
    TRY(pb_decode(cx, &TaskTaskSpec_type, spec->body, &msg));
    *out = target_of(task->task_name_id, msg);
    return CODE_OK;
}

static enum code check_input(struct ctx *cx, const CoreTypedInterface *f, const char *field, str input)
{
    if (!input.n)
        return CODE_OK;
    for (size_t i = 0; f && f->inputs && i < f->inputs->variables.n; i++)
        if (str_eq(f->inputs->variables.p[i]->key, input))
            return CODE_OK;
    return fail(cx, CODE_INVALID_ARGUMENT, "%s: the task has no input \"" STR_FMT "\"", field,
                STR_ARG(str_head(input, 64)));
}

static enum code check_artifact(struct ctx *cx, const TaskArtifactTrigger *a, const CoreTypedInterface *f)
{
    if (!a->artifact_name.n || a->artifact_name.n > 255 || a->version.n > 255)
        return fail(cx, CODE_INVALID_ARGUMENT,
                    "automation_spec.artifact: artifact_name has 1 to 255 characters, version at most 255");
    if (a->partitions.n > PARTITIONS_MAX || a->partition_input_args.n > PARTITIONS_MAX)
        return fail(cx, CODE_INVALID_ARGUMENT, "automation_spec.artifact: more than %d partitions", PARTITIONS_MAX);
    TRY(check_input(cx, f, "automation_spec.artifact.input_arg", a->input_arg));
    for (size_t i = 0; i < a->partition_input_args.n; i++)
        TRY(check_input(cx, f, "automation_spec.artifact.partition_input_args", a->partition_input_args.p[i].key));
    return CODE_OK;
}

static enum code check_run_spec(struct ctx *cx, const struct service_trigger_new *n)
{
    static const TaskRunSpec none;
    const TaskRunSpec *s = n->spec->run_spec ? n->spec->run_spec : &none;
    struct engine_new_run run = {.project = n->project, .domain = n->domain, .name = STR("run")};
    TaskRunSpec copy = *s;
    if (s->relation || s->related_to)
        return fail(cx, CODE_INVALID_ARGUMENT, "spec.run_spec.relation: a trigger's runs are related to none");
    TRY(service_run_spec_check_counts(cx, s));
    TRY(service_run_spec_check_labels(cx, s));
    engine_prepare_run(cx, NULL, &copy, &run);
    return service_run_spec_check_folders(cx, s, s, n->project, run.name, run.base_uri);
}

static enum code check_spec(struct ctx *cx, const struct service_trigger_new *n)
{
    TRY(check_run_spec(cx, n));
    if (n->spec->input_wrapper_case == TriggerTriggerSpec_offloaded_input_data_tag)
        return service_data_check_object(cx, "spec.offloaded_input_data.uri", n->spec->offloaded_input_data->uri);
    return CODE_OK;
}

/* ---- rows -------------------------------------------------------------------------------------------------------- */

static enum code put_spec(struct ctx *cx, const TriggerTriggerSpec *spec, struct store_trigger *row)
{
    TriggerTriggerSpec kept = *spec;
    struct store_spec s = {.kind = STORE_SPEC_TRIGGER, .name = STR("")};
    row->task_version = spec->task_version;
    row->description = str_head_utf8(spec->description, DESCRIPTION_MAX);
    kept.active = false; /* these are columns */
    kept.task_version = kept.description = STR("");
    TRY(pb_encode(cx, &TriggerTriggerSpec_type, &kept, &s.body));
    if (s.body.n > SPEC_MAX)
        return fail(cx, CODE_INVALID_ARGUMENT, "spec: more than %d KiB; store large inputs with UploadInputs",
                    (int)(SPEC_MAX >> 10));
    TRY(engine_uploads_put_spec(cx, &s));
    row->spec_id = s.id;
    return CODE_OK;
}

/* The type follows from what there is. */
static enum code put_automation(struct ctx *cx, const TaskTriggerAutomationSpec *a, const CoreTypedInterface *f,
                                struct store_trigger *row)
{
    static const TaskTriggerAutomationSpec none;
    TaskTriggerAutomationSpec kept = a ? *a : none;
    kept.type = TASK_TYPE_NONE;
    row->artifact_name = row->artifact_version = STR("");
    if (kept.automation_case == TaskTriggerAutomationSpec_schedule_tag) {
        kept.type = TASK_TYPE_SCHEDULE;
        TRY(check_input(cx, f, "automation_spec.schedule.kickoff_time_input_arg",
                        kept.schedule->kickoff_time_input_arg));
    } else if (kept.automation_case == TaskTriggerAutomationSpec_artifact_tag) {
        kept.type = TASK_TYPE_ARTIFACT;
        TRY(check_artifact(cx, kept.artifact, f));
        row->artifact_name = kept.artifact->artifact_name;
        row->artifact_version = kept.artifact->version;
    }
    row->automation_type = kept.type;
    TRY(pb_encode(cx, &TaskTriggerAutomationSpec_type, &kept, &row->automation));
    if (row->automation.n > AUTOMATION_MAX)
        return fail(cx, CODE_INVALID_ARGUMENT, "automation_spec: more than %d KiB", (int)(AUTOMATION_MAX >> 10));
    return CODE_OK;
}

/* The first slot from now on. Errors: INVALID_ARGUMENT, also when the trigger is switched off. */
static enum code first_slot(struct ctx *cx, const struct store_trigger *row, int64_t *next_ns)
{
    void *msg;
    struct engine_schedule s;
    int64_t next_s;
    *next_ns = 0;
    TRY(pb_decode(cx, &TaskTriggerAutomationSpec_type, row->automation, &msg));
    const TaskTriggerAutomationSpec *a = msg;
    if (a->automation_case != TaskTriggerAutomationSpec_schedule_tag)
        return CODE_OK;
    TRY(engine_schedule_read(cx, a->schedule, row->updated_ns, &s));
    if (engine_schedule_next(&s, time_wall_ns() / NS_PER_S, &next_s))
        *next_ns = next_s * NS_PER_S;
    return CODE_OK;
}

/* A schedule that goes on as it was keeps the slot that it waits for. */
static enum code set_slot(struct ctx *cx, const struct store_trigger *before, struct store_trigger *row)
{
    bool goes_on = before && before->active && row->active && str_eq(before->automation, row->automation);
    int64_t next_ns;
    TRY(first_slot(cx, row, &next_ns));
    if (!row->active)
        row->next_ns = 0;
    else if (!goes_on)
        row->next_ns = next_ns;
    row->due_ns = row->next_ns;
    row->failures = 0;
    return CODE_OK;
}

static enum code put(struct ctx *cx, struct store_trigger *row, int32_t action)
{
    row->revision++;
    row->action = action;
    TRY(store_trigger_put(cx, row));
    engine_fire_wake_after_commit(cx);
    return CODE_OK;
}

/* ---- deploying --------------------------------------------------------------------------------------------------- */

static enum code deploy(struct ctx *cx, const struct service_trigger_new *n, const struct target *target,
                        struct store_trigger **out)
{
    struct store_trigger *before, *row = arena_new(cx->mem, struct store_trigger);
    TRY(store_trigger_find(cx, n->project, n->domain, n->task_name, n->name, &before));
    if (n->revision && before && n->revision != before->revision)
        return fail(cx, CODE_FAILED_PRECONDITION,
                    "revision: trigger \"" STR_FMT "\" is at revision %llu, not %llu; read it again", STR_ARG(n->name),
                    (unsigned long long)before->revision, (unsigned long long)n->revision);
    *row = before ? *before : (struct store_trigger){.project = n->project, .domain = n->domain, .name = n->name};
    row->task_name = n->task_name;
    row->task_name_id = target->task_name_id;
    TRY(check_spec(cx, n));
    TRY(store_space_put(cx, n->project, n->domain, &row->space_id));
    TRY(store_identity_put_caller(cx, &row->deployed_by));
    TRY(put_spec(cx, n->spec, row));
    TRY(put_automation(cx, n->automation, target->interface, row));
    row->active = n->spec->active;
    row->from_deploy = n->from_deploy;
    row->deployed_ns = time_wall_ns();
    row->deleted_ns = 0;
    if (!before || before->deleted_ns || before->active != row->active) {
        row->updated_ns = row->deployed_ns;
        row->updated_by = row->deployed_by;
    }
    TRY(set_slot(cx, before, row));
    *out = row;
    return put(cx, row, TRIGGER_TRIGGER_REVISION_ACTION_DEPLOY);
}

enum code service_trigger_deploy(struct ctx *cx, const struct service_trigger_new *n, struct store_trigger **out)
{
    struct target target;
    TRY(store_project_require(cx, n->project));
    TRY(find_target(cx, n, &target));
    TRY(deploy(cx, n, &target, out));
    return store_trigger_summarize(cx, (*out)->task_name_id);
}

static enum code deploy_listed(struct ctx *cx, const TaskDeployTaskRequest *req, const struct target *target,
                               const TaskTaskTrigger *t)
{
    struct store_trigger *made;
    TriggerTriggerSpec spec = {.active = t->spec->active,
                               .run_spec = t->spec->run_spec,
                               .task_version = req->task_id->version,
                               .description = t->spec->description};
    if (t->spec->input_wrapper_case == TaskTaskTriggerSpec_inputs_tag) {
        spec.input_wrapper_case = TriggerTriggerSpec_inputs_tag;
        spec.inputs = t->spec->inputs;
    } else if (t->spec->input_wrapper_case == TaskTaskTriggerSpec_offloaded_input_data_tag) {
        spec.input_wrapper_case = TriggerTriggerSpec_offloaded_input_data_tag;
        spec.offloaded_input_data = t->spec->offloaded_input_data;
    }
    const struct service_trigger_new n = {.project = req->task_id->project,
                                          .domain = req->task_id->domain,
                                          .task_name = req->task_id->name,
                                          .name = t->name,
                                          .spec = &spec,
                                          .automation = t->automation_spec,
                                          .from_deploy = true};
    if (deploy(cx, &n, target, &made) == CODE_OK)
        return CODE_OK;
    return fail_wrap(cx, "trigger \"" STR_FMT "\"", STR_ARG(str_head(t->name, 64)));
}

static bool lists(const TaskDeployTaskRequest *req, str name)
{
    for (size_t i = 0; i < req->triggers.n; i++)
        if (str_eq(req->triggers.p[i]->name, name))
            return true;
    return false;
}

static enum code delete_unlisted(struct ctx *cx, const TaskDeployTaskRequest *req, uint64_t task_name_id, bool *any)
{
    struct store_trigger *rows;
    size_t n;
    TRY(store_trigger_list_deployed(cx, task_name_id, SERVICE_TRIGGER_MAX, &rows, &n));
    for (size_t i = 0; i < n; i++) {
        if (lists(req, rows[i].name))
            continue;
        TRY(service_trigger_delete(cx, &rows[i]));
        *any = true;
    }
    return CODE_OK;
}

enum code service_trigger_deploy_all(struct ctx *cx, const TaskDeployTaskRequest *req, uint64_t task_name_id)
{
    const struct target target = target_of(task_name_id, req->spec);
    bool any = req->triggers.n > 0;
    if (req->triggers.n > SERVICE_TRIGGER_MAX)
        return fail(cx, CODE_INVALID_ARGUMENT, "triggers: more than %d", SERVICE_TRIGGER_MAX);
    TRY(delete_unlisted(cx, req, task_name_id, &any));
    for (size_t i = 0; i < req->triggers.n; i++)
        TRY(deploy_listed(cx, req, &target, req->triggers.p[i]));
    return any ? store_trigger_summarize(cx, task_name_id) : CODE_OK;
}

/* ---- other changes ----------------------------------------------------------------------------------------------- */

enum code service_trigger_activate(struct ctx *cx, struct store_trigger *t, bool active)
{
    if (t->active == active)
        return CODE_OK;
    t->active = active;
    t->updated_ns = time_wall_ns();
    TRY(store_identity_put_caller(cx, &t->updated_by));
    TRY(set_slot(cx, NULL, t));
    return put(cx, t, active ? TRIGGER_TRIGGER_REVISION_ACTION_ACTIVATE : TRIGGER_TRIGGER_REVISION_ACTION_DEACTIVATE);
}

enum code service_trigger_delete(struct ctx *cx, struct store_trigger *t)
{
    t->active = false;
    t->deleted_ns = time_wall_ns();
    t->next_ns = t->due_ns = 0;
    TRY(store_identity_put_caller(cx, &t->updated_by));
    return put(cx, t, TRIGGER_TRIGGER_REVISION_ACTION_DELETE);
}

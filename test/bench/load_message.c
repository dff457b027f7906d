/* The messages that the load generator sends, and its table of operations. See load_int.h. */
#include "load_int.h"

#include "gen/flyteidl2_actions.h"
#include "gen/flyteidl2_common.h"
#include "gen/flyteidl2_core.h"
#include "gen/flyteidl2_dataproxy.h"
#include "gen/flyteidl2_task.h"
#include "gen/flyteidl2_workflow.h"

#define SPECS 10
#define RUNS "/flyteidl2.workflow.RunService/"
#define ACTIONS "/flyteidl2.actions.ActionsService/"

struct load_made load_made;

static TaskTaskSpec *task_spec(struct arena *mem, const char *type, long variant)
{
    TaskTaskSpec *spec = pb_new(mem, TaskTaskSpec);
    CoreTaskTemplate *t = spec->task_template = pb_new(mem, CoreTaskTemplate);
    t->type = str_from(type);
    t->id = pb_new(mem, CoreIdentifier);
    t->id->resource_type = CORE_TASK;
    t->id->project = STR("flytesnacks");
    t->id->domain = STR("development");
    t->id->name = arena_printf(mem, "bench.%s_%ld", type, variant);
    t->id->version = STR("v1");
    t->metadata = pb_new(mem, CoreTaskMetadata);
    t->interface = pb_new(mem, CoreTypedInterface);
    t->target_case = CoreTaskTemplate_container_tag;
    t->container = pb_new(mem, CoreContainer);
    t->container->image = STR("bench:1");
    t->container->args.n = 20;
    t->container->args.p = arena_new_array(mem, str, 20);
    for (int i = 0; i < 20; i++)
        t->container->args.p[i] = arena_printf(mem, "--an-argument-of-usual-length=%d", i);
    spec->short_name = STR("bench");
    spec->environment = pb_new(mem, TaskEnvironment);
    spec->environment->name = STR("bench");
    return spec;
}

static TaskRunSpec *run_spec(struct arena *mem)
{
    static const char *const names[] = {"LOG_LEVEL", "LOG_FORMAT", "USER_LOG_LEVEL", "_F_SYS_PATH"};
    TaskRunSpec *r = pb_new(mem, TaskRunSpec);
    r->envs = pb_new(mem, TaskEnvs);
    r->envs->values.n = 4;
    r->envs->values.p = arena_new_array(mem, CoreKeyValuePair *, 4);
    for (int i = 0; i < 4; i++) {
        r->envs->values.p[i] = pb_new(mem, CoreKeyValuePair);
        r->envs->values.p[i]->key = str_from(names[i]);
        r->envs->values.p[i]->value = STR("30");
    }
    return r;
}

static CommonProjectIdentifier *project(struct arena *mem)
{
    CommonProjectIdentifier *p = pb_new(mem, CommonProjectIdentifier);
    p->name = STR("flytesnacks");
    p->domain = STR("development");
    return p;
}

static CommonRunIdentifier *run_id(struct arena *mem, const char *name)
{
    CommonRunIdentifier *id = pb_new(mem, CommonRunIdentifier);
    id->project = STR("flytesnacks");
    id->domain = STR("development");
    id->name = str_from(name);
    return id;
}

static TaskNamedLiteral *duration_input(struct arena *mem, int64_t seconds)
{
    TaskNamedLiteral *l = pb_new(mem, TaskNamedLiteral);
    l->name = STR("duration");
    l->value = pb_new(mem, CoreLiteral);
    l->value->value_case = CoreLiteral_scalar_tag;
    l->value->scalar = pb_new(mem, CoreScalar);
    l->value->scalar->value_case = CoreScalar_primitive_tag;
    l->value->scalar->primitive = pb_new(mem, CorePrimitive);
    l->value->scalar->primitive->value_case = CorePrimitive_duration_tag;
    l->value->scalar->primitive->duration = pb_new(mem, GoogleProtobufDuration);
    l->value->scalar->primitive->duration->seconds = seconds;
    return l;
}

static void add_duration_interface(struct arena *mem, TaskTaskSpec *spec)
{
    CoreVariableMap *inputs = spec->task_template->interface->inputs = pb_new(mem, CoreVariableMap);
    inputs->variables.n = 1;
    inputs->variables.p = arena_new_array(mem, CoreVariableEntry *, 1);
    inputs->variables.p[0] = pb_new(mem, CoreVariableEntry);
    inputs->variables.p[0]->key = STR("duration");
    inputs->variables.p[0]->value = pb_new(mem, CoreVariable);
    inputs->variables.p[0]->value->type = pb_new(mem, CoreLiteralType);
    inputs->variables.p[0]->value->type->type_case = CoreLiteralType_simple_tag;
    inputs->variables.p[0]->value->type->simple = CORE_DURATION;
}

/* A run of core-echo without inputs, one spec in ten distinct. */
static struct load_message create(struct arena *mem, long i)
{
    WorkflowCreateRunRequest *r = pb_new(mem, WorkflowCreateRunRequest);
    r->id_case = WorkflowCreateRunRequest_project_id_tag;
    r->project_id = project(mem);
    r->task_case = WorkflowCreateRunRequest_task_spec_tag;
    r->task_spec = task_spec(mem, "core-echo", i % SPECS);
    r->run_spec = run_spec(mem);
    if (load_made.uri.n) {
        r->input_wrapper_case = WorkflowCreateRunRequest_offloaded_input_data_tag;
        r->offloaded_input_data = pb_new(mem, CommonOffloadedInputData);
        r->offloaded_input_data->uri = load_made.uri;
        r->offloaded_input_data->inputs_hash = load_made.hash;
    }
    return (struct load_message){&WorkflowCreateRunRequest_type, r, RUNS "CreateRun", LOAD_UNARY};
}

static struct load_message create_sleeper(struct arena *mem, long i)
{
    WorkflowCreateRunRequest *r = create(mem, i).msg;
    r->id_case = WorkflowCreateRunRequest_run_id_tag;
    r->run_id = run_id(mem, load_made.run);
    r->task_spec = task_spec(mem, "core-sleep", i);
    add_duration_interface(mem, r->task_spec);
    r->input_wrapper_case = WorkflowCreateRunRequest_inputs_tag;
    r->inputs = pb_new(mem, TaskInputs);
    r->inputs->literals.n = 1;
    r->inputs->literals.p = arena_new_array(mem, TaskNamedLiteral *, 1);
    r->inputs->literals.p[0] = duration_input(mem, 3600);
    return (struct load_message){&WorkflowCreateRunRequest_type, r, RUNS "CreateRun", LOAD_UNARY};
}

static struct load_message get(struct arena *mem, long i)
{
    WorkflowGetRunDetailsRequest *r = pb_new(mem, WorkflowGetRunDetailsRequest);
    (void)i;
    r->run_id = run_id(mem, load_made.run);
    return (struct load_message){&WorkflowGetRunDetailsRequest_type, r, RUNS "GetRunDetails", LOAD_UNARY};
}

static struct load_message list(struct arena *mem, long i)
{
    WorkflowListActionsRequest *r = pb_new(mem, WorkflowListActionsRequest);
    (void)i;
    r->run_id = run_id(mem, load_made.run);
    r->request = pb_new(mem, CommonListRequest);
    r->request->limit = 100;
    return (struct load_message){&WorkflowListActionsRequest_type, r, RUNS "ListActions", LOAD_UNARY};
}

static CommonActionIdentifier *action_id(struct arena *mem, const char *run, str name)
{
    CommonActionIdentifier *id = pb_new(mem, CommonActionIdentifier);
    id->run = run_id(mem, run);
    id->name = name;
    return id;
}

/* A child of the sleeper that is that run. */
static struct load_message enqueue_in(struct arena *mem, const char *run, long i)
{
    ActionsEnqueueRequest *r = pb_new(mem, ActionsEnqueueRequest);
    ActionsAction *a = r->action = pb_new(mem, ActionsAction);
    a->action_id = action_id(mem, run, arena_printf(mem, "c%s%ld", load_opt.seed, i));
    a->has_parent_action_name = true;
    a->parent_action_name = STR("a0");
    a->run_output_base = arena_printf(mem, "s3://tern/flytesnacks/development/%s", run);
    a->input_uri = arena_printf(mem, "%s/inputs.pb", a->run_output_base.p);
    a->spec_case = ActionsAction_task_tag;
    a->task = pb_new(mem, WorkflowTaskAction);
    a->task->spec = task_spec(mem, "core-echo", i % SPECS);
    a->task->id = pb_new(mem, TaskTaskIdentifier);
    a->task->id->project = STR("flytesnacks");
    a->task->id->domain = STR("development");
    a->task->id->name = a->task->spec->task_template->id->name;
    a->task->id->version = STR("v1");
    return (struct load_message){&ActionsEnqueueRequest_type, r, ACTIONS "Enqueue", LOAD_UNARY};
}

static struct load_message enqueue(struct arena *mem, long i)
{
    return enqueue_in(mem, load_made.run, i);
}

/* A child that stays open, with the root's inputs (--inputs). */
static struct load_message enqueue_sleeper(struct arena *mem, long i)
{
    struct load_message m = enqueue_in(mem, load_made.run, i);
    ActionsAction *a = ((ActionsEnqueueRequest *)m.msg)->action;
    a->input_uri = load_made.uri;
    a->task->spec = task_spec(mem, "core-sleep", i % SPECS);
    a->task->id->name = a->task->spec->task_template->id->name;
    add_duration_interface(mem, a->task->spec);
    return m;
}

/* A child of one parent after the other. */
static struct load_message enqueue_in_turn(struct arena *mem, long i)
{
    return enqueue_in(mem, load_parent_run(mem, (int)(i % load_opt.connections)), i);
}

static struct load_message upload(struct arena *mem, long i)
{
    DataproxyUploadInputsRequest *r = pb_new(mem, DataproxyUploadInputsRequest);
    r->id_case = DataproxyUploadInputsRequest_project_id_tag;
    r->project_id = project(mem);
    r->task_case = DataproxyUploadInputsRequest_task_spec_tag;
    r->task_spec = task_spec(mem, "core-echo", i % SPECS);
    r->inputs = pb_new(mem, TaskInputs);
    r->inputs->literals.n = 1;
    r->inputs->literals.p = arena_new_array(mem, TaskNamedLiteral *, 1);
    r->inputs->literals.p[0] = duration_input(mem, i);
    return (struct load_message){&DataproxyUploadInputsRequest_type, r,
                                 "/flyteidl2.dataproxy.DataProxyService/UploadInputs", LOAD_UNARY};
}

/* A run of which the rule "bench" of the server's notify.file tells. */
static struct load_message create_told(struct arena *mem, long i)
{
    WorkflowCreateRunRequest *r = create(mem, i).msg;
    r->run_spec->notification_settings_case = TaskRunSpec_notification_rule_name_tag;
    r->run_spec->notification_rule_name = STR("bench");
    return (struct load_message){&WorkflowCreateRunRequest_type, r, RUNS "CreateRun", LOAD_UNARY};
}

/* ---- streams ------------------------------------------------------------------------------------------------------ */

static struct load_message watch(struct arena *mem, long i)
{
    WorkflowWatchActionsRequest *r = pb_new(mem, WorkflowWatchActionsRequest);
    (void)i;
    r->run_id = run_id(mem, load_made.run);
    return (struct load_message){&WorkflowWatchActionsRequest_type, r, RUNS "WatchActions", LOAD_STREAM};
}

static struct load_message watch_run(struct arena *mem, long i)
{
    WorkflowWatchRunDetailsRequest *r = pb_new(mem, WorkflowWatchRunDetailsRequest);
    (void)i;
    r->run_id = run_id(mem, load_made.run);
    return (struct load_message){&WorkflowWatchRunDetailsRequest_type, r, RUNS "WatchRunDetails", LOAD_STREAM};
}

const char *load_parent_run(struct arena *mem, int parent)
{
    return arena_printf(mem, "%s-%d", load_made.run, parent).p;
}

struct load_message load_watch_children(struct arena *mem, int parent)
{
    ActionsWatchForUpdatesRequest *r = pb_new(mem, ActionsWatchForUpdatesRequest);
    r->filter_case = ActionsWatchForUpdatesRequest_parent_action_id_tag;
    r->parent_action_id = action_id(mem, load_parent_run(mem, parent), STR("a0"));
    return (struct load_message){&ActionsWatchForUpdatesRequest_type, r, ACTIONS "WatchForUpdates", LOAD_STREAM};
}

/* ---- what a server meets in its life ------------------------------------------------------------------------------ */

static struct load_message missing(struct arena *mem, long i)
{
    WorkflowGetRunDetailsRequest *r = get(mem, i).msg;
    r->run_id->name = arena_printf(mem, "nobody-made-%ld", i % 1000);
    return (struct load_message){&WorkflowGetRunDetailsRequest_type, r, RUNS "GetRunDetails", LOAD_UNARY};
}

static struct load_message invalid(struct arena *mem, long i)
{
    WorkflowCreateRunRequest *r = create(mem, i).msg;
    r->id_case = WorkflowCreateRunRequest_run_id_tag;
    r->run_id = run_id(mem, "Not a name");
    return (struct load_message){&WorkflowCreateRunRequest_type, r, RUNS "CreateRun", LOAD_UNARY};
}

static struct load_message given_up(struct arena *mem, long i)
{
    struct load_message m = get(mem, i);
    m.how = LOAD_RESET;
    return m;
}

/* The runs are named by their number, so that a later call aborts the one that an earlier call made. */
static const char *numbered(struct arena *mem, long i)
{
    return arena_printf(mem, "m%s-%ld", load_opt.seed, i / 100).p;
}

static struct load_message create_named(struct arena *mem, long i)
{
    WorkflowCreateRunRequest *r = create_sleeper(mem, 0).msg;
    r->run_id = run_id(mem, numbered(mem, i));
    return (struct load_message){&WorkflowCreateRunRequest_type, r, RUNS "CreateRun", LOAD_UNARY};
}

/* Of the hundred calls before: that run is there by now. */
static struct load_message abort_named(struct arena *mem, long i)
{
    WorkflowAbortRunRequest *r = pb_new(mem, WorkflowAbortRunRequest);
    r->run_id = run_id(mem, numbered(mem, i - 100));
    return (struct load_message){&WorkflowAbortRunRequest_type, r, RUNS "AbortRun", LOAD_UNARY};
}

typedef struct load_message make_fn(struct arena *mem, long i);

/* Of a hundred calls: a run is made and aborted, a connection is dropped (load.c), the rest is read. */
static struct load_message mixed(struct arena *mem, long i)
{
    static const struct {
        int each; /* call of a hundred */
        make_fn *make;
    } rare[] = {{0, create_named}, {10, given_up}, {20, watch_run}, {30, invalid}, {40, missing},
                {50, abort_named}, {60, invalid},  {70, missing},   {80, list},    {90, list}};
    for (size_t k = 0; k < sizeof(rare) / sizeof(*rare); k++)
        if (i % 100 == rare[k].each)
            return rare[k].make(mem, i);
    return (i % 10 == 5 ? list : i % 10 == 7 ? missing : get)(mem, i);
}

const struct load_op load_ops[LOAD_OPS] = {
    {"create", create, .needs_run = false},
    {"get", get, .needs_run = true},
    {"list-actions", list, .needs_run = true},
    {"enqueue", enqueue, .needs_open = true},
    {"sleeper", create_sleeper, .needs_run = false},
    {"upload", upload, .then_create = true},
    {"create-get", create, .then_get = true},
    {"watch", watch, .needs_open = true, .watches = true},
    {"open-watch", watch, .needs_run = true, .first_only = true},
    {"mixed", mixed, .needs_run = true, .errors_too = true},
    {"parents", enqueue_in_turn, .parents = true},
    {"told", create_told, .needs_run = false},
    {"idle", get, .needs_run = true, .holds = true},
    {"open-children", enqueue_sleeper, .needs_inputs = true},
};

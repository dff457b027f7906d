/* What the engine does without or instead of a process, in a world of its own (world.h): its own task types, caching,
 * conditions, traces. */
#include "world.h"

#include "engine/signal.h"

#define S NS_PER_S

/* ---- inside the engine ------------------------------------------------------------------------------------------ */

static void put_inputs(struct world *w, const char *name, CoreLiteral *value)
{
    TaskNamedLiteral lit = {.name = str_from(name), .value = value}, *p = &lit;
    TaskInputs in = {.literals = {.p = &p, .n = 1}};
    str bytes;
    assert_ok(&w->cx, pb_encode(&w->cx, &TaskInputs_type, &in, &bytes));
    world_store(STR("p/in/x/inputs.pb"), bytes);
}

static CoreLiteral *literal(struct world *w, CorePrimitive *p)
{
    CoreLiteral *l = pb_new(&w->mem, CoreLiteral);
    l->value_case = CoreLiteral_scalar_tag;
    l->scalar = pb_new(&w->mem, CoreScalar);
    l->scalar->value_case = CoreScalar_primitive_tag;
    l->scalar->primitive = p;
    return l;
}

static void add_output(struct world *w, TaskTaskSpec *s, const char *name)
{
    CoreVariableMap *m = s->task_template->interface->outputs = pb_new(&w->mem, CoreVariableMap);
    m->variables.p = arena_new_array(&w->mem, CoreVariableEntry *, 1);
    m->variables.p[0] = pb_new(&w->mem, CoreVariableEntry);
    m->variables.p[0]->key = str_from(name);
    m->variables.n = 1;
}

static void test_echo(void **state)
{
    struct world *w = *state;
    TaskTaskSpec *s = world_spec(w, "t", "core-echo");
    CorePrimitive p = {.value_case = CorePrimitive_integer_tag, .integer = 7};
    void *msg;
    size_t n;
    put_inputs(w, "x", literal(w, &p));
    add_output(w, s, "o0");
    world_start_run(w, s);
    struct store_action *a = world_action(w, "a0");
    assert_int_equal(a->phase, SUCCEEDED);
    assert_str_equal(a->output_uri, "s3://tern/p/d/r1/a0/1");
    struct world_object *o = world_object(STR("p/d/r1/a0/1/outputs.pb"));
    assert_non_null(o);
    assert_ok(&w->cx, pb_decode(&w->cx, &TaskOutputs_type, str_make(o->bytes, o->n), &msg));
    TaskOutputs *out = msg;
    assert_int_equal(out->literals.n, 1);
    assert_str_equal(out->literals.p[0]->name, "o0");
    assert_int_equal(out->literals.p[0]->value->scalar->primitive->integer, 7);
    struct store_attempt *at = world_attempts(w, a, &n);
    assert_int_equal(n, 1);
    assert_int_equal(at->phase, SUCCEEDED);
    assert_true(at->running_ns && at->ended_ns >= at->running_ns);
    assert_int_equal(w->attempt_n, 0);
}

static void test_sleep_goes_on_after_a_restart(void **state)
{
    struct world *w = *state;
    GoogleProtobufDuration d = {.seconds = 100};
    CorePrimitive p = {.value_case = CorePrimitive_duration_tag, .duration = &d};
    put_inputs(w, "d", literal(w, &p));
    world_start_run(w, world_spec(w, "t", "core-sleep"));
    assert_phase(w, "a0", RUNNING);
    world_pass(w, 60 * S);
    world_restart(w);
    world_run(w);
    world_pass(w, 39 * S);
    assert_phase(w, "a0", RUNNING);
    world_pass(w, 2 * S);
    assert_phase(w, "a0", SUCCEEDED);
}

static void test_sleep_waits_for_a_place(void **state)
{
    struct world *w = *state;
    GoogleProtobufDuration d = {.seconds = 100};
    CorePrimitive p = {.value_case = CorePrimitive_duration_tag, .duration = &d};
    size_t n;
    put_inputs(w, "d", literal(w, &p));
    w->no_place = true;
    world_start_run(w, world_spec(w, "t", "core-sleep"));
    world_pass(w, 10 * S);
    assert_phase(w, "a0", QUEUED);
    struct store_attempt *at = world_attempts(w, world_action(w, "a0"), &n);
    assert_int_equal(n, 1);
    assert_str_equal(at->wait_reason, "queue default is paused");
    w->no_place = false;
    world_pass(w, 2 * S);
    assert_phase(w, "a0", RUNNING);
    w->no_place = true; /* what runs goes on, also after a restart */
    world_restart(w);
    world_pass(w, 101 * S);
    assert_phase(w, "a0", SUCCEEDED);
}

static void test_sleep_takes_a_duration(void **state)
{
    struct world *w = *state;
    CorePrimitive p = {.value_case = CorePrimitive_integer_tag, .integer = 7};
    put_inputs(w, "d", literal(w, &p));
    world_start_run(w, world_spec(w, "t", "core-sleep"));
    assert_phase(w, "a0", FAILED);
    assert_str_equal(world_action(w, "a0")->error_code, "BadTaskSpecification");
}

/* ---- caching ---------------------------------------------------------------------------------------------------- */

static TaskTaskSpec *cached(struct world *w, bool serial)
{
    TaskTaskSpec *s = world_spec(w, "cached", "python");
    add_output(w, s, "o0");
    s->task_template->metadata->discoverable = true;
    s->task_template->metadata->cache_serializable = serial;
    s->task_template->metadata->discovery_version = STR("1");
    return s;
}

static void test_cache_hit(void **state)
{
    struct world *w = *state;
    TaskTaskSpec *s = cached(w, false), *plain = world_spec(w, "t", "python");
    world_start_run(w, plain);
    assert_ok(&w->cx, world_enqueue(w, "r1", "a0", "c1", s, "key"));
    world_run(w);
    assert_int_equal(world_action(w, "c1")->cache_status, CORE_CACHE_MISS);
    world_succeed(w, "c1");
    world_run(w);
    assert_int_equal(world_action(w, "c1")->cache_status, CORE_CACHE_POPULATED);
    assert_ok(&w->cx, world_enqueue(w, "r1", "a0", "c2", s, "key"));
    assert_ok(&w->cx, world_enqueue(w, "r1", "a0", "c3", s, "other"));
    world_run(w);
    struct store_action *a = world_action(w, "c2");
    assert_int_equal(a->phase, SUCCEEDED);
    assert_int_equal(a->cache_status, CORE_CACHE_HIT);
    assert_str_equal(a->output_uri, "s3://tern/p/d/r1/c2/1");
    assert_non_null(world_object(STR("p/d/r1/c2/1/outputs.pb")));
    assert_phase(w, "c3", RUNNING);
}

static void test_cache_entry_without_outputs_is_a_miss(void **state)
{
    struct world *w = *state;
    TaskTaskSpec *s = cached(w, false);
    world_start_run(w, world_spec(w, "t", "python"));
    assert_ok(&w->cx, world_enqueue(w, "r1", "a0", "c1", s, "key"));
    world_run(w);
    world_succeed(w, "c1");
    world_run(w);
    assert_ok(&w->cx, object_delete(&w->cx, NULL, STR("tern"), STR("p/d/r1/c1/1/outputs.pb")));
    assert_ok(&w->cx, world_enqueue(w, "r1", "a0", "c2", s, "key"));
    world_run(w);
    assert_phase(w, "c2", RUNNING);
    assert_int_equal(world_action(w, "c2")->cache_status, CORE_CACHE_MISS);
}

static void test_overwritten_cache(void **state)
{
    struct world *w = *state;
    TaskTaskSpec *s = cached(w, false);
    TaskRunSpec rs = {.overwrite_cache = true};
    world_start(w);
    world_create_run(w, "r1", s, NULL);
    world_run(w);
    world_succeed(w, "a0");
    world_run(w);
    world_create_run(w, "r2", s, &rs);
    world_run(w);
    assert_phase(w, "a0", RUNNING);
    assert_int_equal(world_action(w, "a0")->cache_status, CORE_CACHE_SKIPPED);
    world_succeed(w, "a0");
    world_run(w);
    assert_int_equal(world_action(w, "a0")->cache_status, CORE_CACHE_POPULATED);
    assert_str_equal(world_text(w, "SELECT output_uri FROM cache_entry"), "s3://tern/p/d/r2/a0/1");
}

static void test_old_cache_entry(void **state)
{
    struct world *w = *state;
    TaskTaskSpec *s = cached(w, false);
    s->task_template->metadata->cache_max_age = pb_new(&w->mem, GoogleProtobufDuration);
    s->task_template->metadata->cache_max_age->seconds = 60;
    world_start(w);
    world_create_run(w, "r1", s, NULL);
    world_run(w);
    world_succeed(w, "a0");
    world_run(w);
    world_pass(w, 30 * S);
    world_create_run(w, "r2", s, NULL);
    world_run(w);
    assert_phase(w, "a0", SUCCEEDED);
    world_pass(w, 31 * S);
    world_create_run(w, "r3", s, NULL);
    world_run(w);
    assert_phase(w, "a0", RUNNING);
}

static void test_serialized_cache_runs_once(void **state)
{
    struct world *w = *state;
    TaskTaskSpec *s = cached(w, true);
    char name[8];
    int running = 0;
    world_start_run(w, world_spec(w, "t", "python"));
    for (int i = 0; i < 4; i++) {
        snprintf(name, sizeof(name), "c%d", i);
        assert_ok(&w->cx, world_enqueue(w, "r1", "a0", name, s, "key"));
    }
    world_run(w);
    const char *maker = NULL;
    for (int i = 0; i < 4; i++) {
        static char names[4][8];
        snprintf(names[i], sizeof(names[i]), "c%d", i);
        if (world_process(w, names[i])) {
            running++;
            maker = names[i];
        }
    }
    assert_int_equal(running, 1);
    world_restart(w); /* the reservation is the action's, not the server's */
    world_run(w);
    assert_int_equal(w->attempt_n, 2);
    world_succeed(w, maker);
    world_run(w);
    for (int i = 0; i < 4; i++) {
        snprintf(name, sizeof(name), "c%d", i);
        assert_phase(w, name, SUCCEEDED);
    }
    assert_int_equal(w->attempt_n, 2);
    assert_int_equal(world_int(w, "SELECT count(*) FROM cache_reservation"), 0);
}

static void test_serialized_cache_passes_on_after_a_failure(void **state)
{
    struct world *w = *state;
    TaskTaskSpec *s = cached(w, true);
    world_start_run(w, world_spec(w, "t", "python"));
    assert_ok(&w->cx, world_enqueue(w, "r1", "a0", "c1", s, "key"));
    assert_ok(&w->cx, world_enqueue(w, "r1", "a0", "c2", s, "key"));
    world_run(w);
    const char *first = world_process(w, "c1") ? "c1" : "c2", *second = world_process(w, "c1") ? "c2" : "c1";
    world_error(w, first, "E", CORE_EXECUTION_ERROR_ERROR_KIND_USER, false);
    world_run(w);
    assert_phase(w, first, FAILED);
    assert_phase(w, second, RUNNING);
}

/* ---- conditions and traces -------------------------------------------------------------------------------------- */

static enum code enqueue_condition(struct world *w, const char *name, int64_t timeout_s)
{
    CoreLiteralType *type = pb_new(&w->mem, CoreLiteralType);
    WorkflowConditionAction *c = pb_new(&w->mem, WorkflowConditionAction);
    type->type_case = CoreLiteralType_simple_tag;
    type->simple = CORE_INTEGER;
    c->name = STR("approve");
    c->type = type;
    c->timeout = pb_new(&w->mem, GoogleProtobufDuration);
    c->timeout->seconds = timeout_s;
    struct world_enqueue e = {.n = {.project = STR("p"), .domain = STR("d"), .run = STR("r1"), .condition = c}};
    e.n.parent = STR("a0");
    e.n.name = str_from(name);
    return lane_write(&w->cx, NULL, world_enqueue_entry, &e);
}

struct signal_arg {
    const char *name;
    CoreLiteral *value;
};

static enum code signal_entry(struct ctx *cx, void *arg)
{
    struct signal_arg *s = arg;
    struct store_run *run;
    struct store_action *a;
    TRY(store_action_get(cx, STR("p"), STR("d"), STR("r1"), str_from(s->name), &run, &a));
    return engine_signal(cx, run, a, s->value, 0);
}

static void test_condition_is_signalled(void **state)
{
    struct world *w = *state;
    CorePrimitive seven = {.value_case = CorePrimitive_integer_tag, .integer = 7};
    CorePrimitive eight = {.value_case = CorePrimitive_integer_tag, .integer = 8};
    CorePrimitive text = {.value_case = CorePrimitive_string_value_tag, .string_value = STR("x")};
    struct signal_arg s = {"k", literal(w, &text)};
    world_start_run(w, world_spec(w, "t", "python"));
    assert_ok(&w->cx, enqueue_condition(w, "k", 0));
    world_run(w);
    assert_phase(w, "k", PAUSED);
    assert_code(&w->cx, lane_write(&w->cx, NULL, signal_entry, &s), CODE_INVALID_ARGUMENT);
    s.value = literal(w, &seven);
    assert_ok(&w->cx, lane_write(&w->cx, NULL, signal_entry, &s));
    assert_phase(w, "k", SUCCEEDED);
    assert_true(world_action(w, "k")->value.n > 0);
    assert_ok(&w->cx, lane_write(&w->cx, NULL, signal_entry, &s));
    s.value = literal(w, &eight);
    assert_code(&w->cx, lane_write(&w->cx, NULL, signal_entry, &s), CODE_FAILED_PRECONDITION);
    s.name = "a0";
    assert_code(&w->cx, lane_write(&w->cx, NULL, signal_entry, &s), CODE_FAILED_PRECONDITION);
}

static void test_condition_times_out(void **state)
{
    struct world *w = *state;
    CorePrimitive seven = {.value_case = CorePrimitive_integer_tag, .integer = 7};
    struct signal_arg s = {"k", literal(w, &seven)};
    world_start_run(w, world_spec(w, "t", "python"));
    assert_ok(&w->cx, enqueue_condition(w, "k", 60));
    world_run(w);
    world_pass(w, 30 * S);
    world_restart(w);
    world_run(w);
    assert_phase(w, "k", PAUSED);
    world_pass(w, 31 * S);
    assert_phase(w, "k", TIMED_OUT);
    assert_str_equal(world_action(w, "k")->error_code, "ConditionTimedOut");
    assert_code(&w->cx, lane_write(&w->cx, NULL, signal_entry, &s), CODE_FAILED_PRECONDITION);
}

static enum code enqueue_trace(struct world *w, const char *name, int32_t phase, const char *output)
{
    WorkflowTraceAction *t = pb_new(&w->mem, WorkflowTraceAction);
    t->name = STR("fn");
    t->phase = phase;
    t->outputs = pb_new(&w->mem, TaskOutputReferences);
    t->outputs->output_uri = str_from(output);
    struct world_enqueue e = {.n = {.project = STR("p"), .domain = STR("d"), .run = STR("r1"), .trace = t}};
    e.n.parent = STR("a0");
    e.n.name = str_from(name);
    e.n.input_uri = arena_printf(&w->mem, "s3://tern/p/d/r1/%s/inputs.pb", name);
    return lane_write(&w->cx, NULL, world_enqueue_entry, &e);
}

static void test_traces(void **state)
{
    struct world *w = *state;
    CoreContainerError err = {.code = STR("RateLimit"), .message = STR("429")};
    CoreErrorDocument doc = {.error = &err};
    str bytes;
    err.kind = CORE_CONTAINER_ERROR_KIND_RECOVERABLE;
    err.origin = CORE_EXECUTION_ERROR_ERROR_KIND_USER;
    world_start_run(w, world_spec(w, "t", "python"));
    assert_ok(&w->cx, enqueue_trace(w, "x1", SUCCEEDED, "s3://tern/p/d/r1/x1/outputs.pb"));
    assert_phase(w, "x1", SUCCEEDED);
    assert_str_equal(world_action(w, "x1")->output_uri, "s3://tern/p/d/r1/x1/outputs.pb");
    assert_code(&w->cx, enqueue_trace(w, "x1", SUCCEEDED, "s3://tern/p/d/r1/o"), CODE_ALREADY_EXISTS);
    assert_ok(&w->cx, pb_encode(&w->cx, &CoreErrorDocument_type, &doc, &bytes));
    world_store(STR("p/d/r1/x2/error.pb"), bytes);
    assert_ok(&w->cx, enqueue_trace(w, "x2", FAILED, ""));
    world_run(w);
    struct store_action *a = world_action(w, "x2");
    assert_int_equal(a->phase, FAILED);
    assert_str_equal(a->error_code, "RateLimit");
    assert_true(a->recoverable);
    assert_ok(&w->cx, enqueue_trace(w, "x2", SUCCEEDED, "s3://tern/p/d/r1/x2/outputs.pb"));
    a = world_action(w, "x2");
    assert_int_equal(a->phase, SUCCEEDED);
    assert_str_equal(a->error_code, "");
    assert_str_equal(a->output_uri, "s3://tern/p/d/r1/x2/outputs.pb");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        world_test(test_echo),
        world_test(test_sleep_goes_on_after_a_restart),
        world_test(test_sleep_waits_for_a_place),
        world_test(test_sleep_takes_a_duration),
        world_test(test_cache_hit),
        world_test(test_cache_entry_without_outputs_is_a_miss),
        world_test(test_overwritten_cache),
        world_test(test_old_cache_entry),
        world_test(test_serialized_cache_runs_once),
        world_test(test_serialized_cache_passes_on_after_a_failure),
        world_test(test_condition_is_signalled),
        world_test(test_condition_times_out),
        world_test(test_traces),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

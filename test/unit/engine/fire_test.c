/* Firing: one run for each slot and each artifact, one handler for each failed run wherever the server is killed, what is
 * caught up, and what cannot fire. */
#include "world.h"

#include "config/config.h"
#include "engine/abort.h"
#include "engine/schedule.h"
#include "engine/uri.h"
#include "gen/flyteidl2_project.h"
#include "store/space.h"
#include "store/task.h"

#define MINUTE_NS (60 * NS_PER_S)

/* ---- triggers ---------------------------------------------------------------------------------------------------- */

struct trigger {
    const char *name;
    TaskTriggerAutomationSpec automation;
    TriggerTriggerSpec spec;
    int64_t next_ns;
};

static enum code put_project(struct ctx *cx, void *arg)
{
    const struct store_project p = {.id = STR("p"), .name = STR("p"), .state = *(int32_t *)arg};
    enum code c = store_project_update(cx, &p);
    return c == CODE_NOT_FOUND ? store_project_insert(cx, &p) : c;
}

static void set_project(struct world *w, int32_t state)
{
    assert_ok(&w->cx, lane_write(&w->cx, NULL, put_project, &state));
}

static enum code put_task(struct ctx *cx, void *arg)
{
    struct store_spec s;
    struct store_task row = {.version = STR("v1"), .function_name = STR("t"), .created_ns = 1, .updated_ns = 1};
    bool changed;
    TRY(store_spec_put_task(cx, NULL, arg, &s));
    row.task_name_id = s.task_name_id;
    row.spec_id = s.id;
    row.environment = row.env_description = row.short_description = STR("");
    return store_task_put(cx, &row, &changed);
}

static enum code put_trigger(struct ctx *cx, void *arg)
{
    const struct trigger *t = arg;
    struct store_trigger row = {.name = str_from(t->name), .revision = 1, .task_version = STR("v1"), .active = true};
    struct store_spec s = {.kind = STORE_SPEC_TRIGGER, .name = STR("")};
    struct store_task *task;
    TRY(store_task_find(cx, STR("p"), STR("d"), STR("t"), STR("v1"), &task));
    TRY(store_space_put(cx, STR("p"), STR("d"), &row.space_id));
    TRY(pb_encode(cx, &TriggerTriggerSpec_type, &t->spec, &s.body));
    TRY(store_spec_put(cx, &s));
    TRY(pb_encode(cx, &TaskTriggerAutomationSpec_type, &t->automation, &row.automation));
    row.task_name_id = task->task_name_id;
    row.spec_id = s.id;
    row.description = STR("");
    row.action = 1;
    row.next_ns = row.due_ns = t->next_ns;
    if (t->automation.automation_case == TaskTriggerAutomationSpec_artifact_tag) {
        row.artifact_name = t->automation.artifact->artifact_name;
        row.artifact_version = t->automation.artifact->version;
    }
    return store_trigger_put(cx, &row);
}

/* Every so many minutes; the slots count from next_ns. */
static void add_rate(struct world *w, struct trigger t, int32_t minutes, const char *kickoff)
{
    TaskSchedule *s = pb_new(&w->mem, TaskSchedule);
    t.automation.type = TASK_TYPE_SCHEDULE;
    t.automation.automation_case = TaskTriggerAutomationSpec_schedule_tag;
    t.automation.schedule = s;
    s->kickoff_time_input_arg = str_from(kickoff);
    s->expression_case = TaskSchedule_rate_tag;
    s->rate = pb_new(&w->mem, TaskFixedRate);
    s->rate->value = (uint32_t)minutes;
    s->rate->unit = TASK_FIXED_RATE_UNIT_MINUTE;
    s->rate->start_time = pb_new(&w->mem, GoogleProtobufTimestamp);
    s->rate->start_time->seconds = t.next_ns / NS_PER_S;
    assert_ok(&w->cx, lane_write(&w->cx, NULL, put_trigger, &t));
}

static void add_cron(struct world *w, const char *name, const char *expression, const char *zone, int64_t next_ns)
{
    struct trigger t = {.name = name, .next_ns = next_ns};
    TaskSchedule *s = pb_new(&w->mem, TaskSchedule);
    t.automation.type = TASK_TYPE_SCHEDULE;
    t.automation.automation_case = TaskTriggerAutomationSpec_schedule_tag;
    t.automation.schedule = s;
    s->expression_case = TaskSchedule_cron_tag;
    s->cron = pb_new(&w->mem, TaskCron);
    s->cron->expression = str_from(expression);
    s->cron->timezone = str_from(zone);
    assert_ok(&w->cx, lane_write(&w->cx, NULL, put_trigger, &t));
}

static void add_schedule(struct world *w, const char *name, int64_t next_ns, const char *kickoff, const char *uri)
{
    struct trigger t = {.name = name, .next_ns = next_ns};
    if (uri) {
        t.spec.input_wrapper_case = TriggerTriggerSpec_offloaded_input_data_tag;
        t.spec.offloaded_input_data = pb_new(&w->mem, CommonOffloadedInputData);
        t.spec.offloaded_input_data->uri = str_from(uri);
    }
    add_rate(w, t, 1, kickoff);
}

static void add_artifact(struct world *w, const char *name, const char *version, const char *region)
{
    struct trigger t = {.name = name};
    TaskArtifactTrigger *a = pb_new(&w->mem, TaskArtifactTrigger);
    t.automation.type = TASK_TYPE_ARTIFACT;
    t.automation.automation_case = TaskTriggerAutomationSpec_artifact_tag;
    t.automation.artifact = a;
    a->artifact_name = STR("model");
    a->version = str_from(version);
    a->input_arg = STR("m");
    a->partition_input_args.p = arena_new_array(&w->mem, struct TaskArtifactTrigger_PartitionInputArgsEntry, 1);
    a->partition_input_args.p[a->partition_input_args.n++] =
        (struct TaskArtifactTrigger_PartitionInputArgsEntry){STR("day"), STR("date")};
    if (region) {
        a->partitions.p = arena_new_array(&w->mem, struct TaskArtifactTrigger_PartitionsEntry, 1);
        a->partitions.p[a->partitions.n++] =
            (struct TaskArtifactTrigger_PartitionsEntry){STR("region"), str_from(region)};
    }
    assert_ok(&w->cx, lane_write(&w->cx, NULL, put_trigger, &t));
}

/* Five seconds into a minute, so that none begins while a test looks. */
static void begin(struct world *w)
{
    time_test_shift(MINUTE_NS + 5 * NS_PER_S - time_wall_ns() % MINUTE_NS);
    world_start(w);
    set_project(w, PROJECT_PROJECT_STATE_ACTIVE);
    assert_ok(&w->cx, lane_write(&w->cx, NULL, put_task, world_spec(w, "t", "core-echo")));
}

static int64_t this_minute(void)
{
    return time_wall_ns() / MINUTE_NS * MINUTE_NS;
}

/* Until nothing is left to do now. */
static void fire(struct world *w, int64_t started_ns)
{
    for (int64_t next = 0; !next && !w->dead;) {
        struct arena mem;
        struct ctx cx;
        arena_init(&mem, 0);
        ctx_init(&cx, &mem);
        cx.app = &w->app;
        int64_t event = 0, failure = 0;
        if (engine_fire_schedules(&cx, w->app.engine, started_ns, &next) != CODE_OK ||
            engine_fire_artifacts(&cx, w->app.engine, &event) != CODE_OK ||
            engine_fire_failures(&cx, w->app.engine, &failure) != CODE_OK)
            next = event = failure = INT64_MAX;
        next = event < next ? event : next;
        next = failure < next ? failure : next;
        arena_done(&mem);
    }
}

/* ---- tests ------------------------------------------------------------------------------------------------------- */

static void put_inputs(const char *key, const char *name)
{
    struct ctx *cx = &world()->cx;
    TaskNamedLiteral lit = {.name = str_from(name), .value = pb_new(cx->mem, CoreLiteral)}, *list[] = {&lit};
    TaskInputs in = {.literals = {list, 1}};
    str bytes;
    assert_ok(cx, pb_encode(cx, &TaskInputs_type, &in, &bytes));
    world_store(str_from(key), bytes);
}

#define SLOTS 5

/* Six minutes of two triggers; dies at the n-th change of the world. How many changes there were. */
static int play_schedules(int at, bool late)
{
    struct world *w;
    world_up((void **)&w);
    begin(w);
    int64_t first = this_minute() + MINUTE_NS;
    put_inputs("in/inputs.pb", "x");
    add_schedule(w, "merged", first, "when", "s3://tern/in");
    add_schedule(w, "passed", first, "", "s3://tern/in");
    w->crash_at = at ? at : INT32_MAX;
    w->crash_late = late;
    w->changes = 0;
    int64_t started = time_wall_ns();
    while (time_wall_ns() < first + (SLOTS - 1) * MINUTE_NS) {
        time_test_shift(20 * NS_PER_S);
        fire(w, started);
        if (w->dead) {
            world_restart(w);
            started = time_wall_ns();
            fire(w, started);
        }
    }
    int changes = w->changes;
    assert_int_equal(world_int(w, "SELECT count(*) FROM run"), 2 * SLOTS);
    assert_int_equal(world_int(w, "SELECT count(DISTINCT name) FROM run"), 2 * SLOTS);
    assert_int_equal(world_int(w, "SELECT count(*) FROM run WHERE source=3 AND trigger_revision=1"), 2 * SLOTS);
    assert_int_equal(world_int(w, "SELECT count(*) FROM action WHERE input_uri='s3://tern/in'"), SLOTS);
    for (int i = 0; i < SLOTS; i++) {
        struct store_run *run;
        w->cx.db = w->db;
        str name =
            engine_schedule_run_name(&w->mem, STR("p"), STR("d"), STR("t"), STR("merged"), first / NS_PER_S + 60 * i);
        assert_ok(&w->cx, store_run_get(&w->cx, STR("p"), STR("d"), name, &run));
        w->cx.db = NULL;
    }
    world_down((void **)&w);
    return changes;
}

static void test_a_slot_has_one_run_wherever_it_crashes(void **state)
{
    int n = play_schedules(0, false);
    (void)state;
    assert_true(n >= 2 * SLOTS);
    for (int at = 1; at <= n; at++) {
        play_schedules(at, false);
        play_schedules(at, true);
    }
}

/* More than one write entry has room for, all due at once; dies at the n-th change of the world. */
#define MANY (ENGINE_FIRE_PIECE + 4)

static int play_many(int at, bool late)
{
    struct world *w;
    world_up((void **)&w);
    begin(w);
    time_test_shift(this_minute() + MINUTE_NS - time_wall_ns()); /* the next slot is far */
    int64_t slot = this_minute();
    for (int i = 0; i < MANY; i++)
        add_schedule(w, arena_printf(&w->mem, "t%03d", i).p, slot, "when", NULL);
    w->crash_at = at ? at : INT32_MAX;
    w->crash_late = late;
    w->changes = 0;
    fire(w, slot - 1);
    int changes = w->changes;
    if (w->dead) {
        world_restart(w);
        fire(w, slot - 1);
    }
    assert_int_equal(world_int(w, "SELECT count(DISTINCT trigger_name) FROM run"), MANY);
    assert_int_equal(world_int(w, "SELECT count(*) FROM run"), MANY);
    assert_int_equal(world_int(w, "SELECT count(*) FROM run r WHERE trigger_name <> printf('t%03d', id - 1)"), 0);
    assert_int_equal(w->object_n, MANY);
    world_down((void **)&w);
    return changes;
}

static void test_many_at_once(void **state)
{
    int n = play_many(0, false);
    (void)state;
    assert_int_equal(n, 3); /* the inputs of all, then the runs of each part */
    for (int at = 1; at <= n; at++) {
        play_many(at, false);
        play_many(at, true);
    }
}

static void test_what_was_missed(void **state)
{
    static const struct {
        const char *policy;
        int64_t max;
        int runs;
    } rows[] = {{"all", 3, 3}, {"all", 1000, 301}, {"last", 100, 1}, {"none", 100, 0}};
    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
        struct world *w;
        struct config c = {.trigger_catch_up = str_from(rows[i].policy), .trigger_catch_up_max = rows[i].max};
        world_up((void **)&w);
        w->app.config = &c;
        begin(w);
        int64_t now = this_minute();
        add_schedule(w, "t", now - 300 * MINUTE_NS, "", NULL);
        fire(w, now);
        fire(w, now); /* a restart in the middle changes nothing */
        assert_int_equal(world_int(w, "SELECT count(*) FROM run"), rows[i].runs);
        assert_int_equal(world_int(w, "SELECT next_ns FROM task_trigger") / MINUTE_NS, now / MINUTE_NS + 1);
        world_down((void **)&w);
    }
}

/* A step of the wall clock by less than an hour skips nothing, whatever the policy. */
static void test_the_clock_is_set_ahead(void **state)
{
    struct world *w = *state;
    struct config c = {.trigger_catch_up = STR("none")};
    w->app.config = &c;
    begin(w);
    int64_t started = time_wall_ns(), first = this_minute() + MINUTE_NS;
    add_schedule(w, "t", first, "", NULL);
    time_test_shift(30 * MINUTE_NS);
    fire(w, started);
    assert_int_equal(world_int(w, "SELECT count(*) FROM run"), (this_minute() - first) / MINUTE_NS + 1);
    w->app.config = NULL;
}

static void test_the_store_of_objects_is_away(void **state)
{
    struct world *w = *state;
    begin(w);
    int64_t slot = this_minute();
    add_schedule(w, "held-up", slot, "when", NULL);
    add_schedule(w, "free", slot, "", NULL);
    w->objects_down = true;
    fire(w, slot - 1);
    assert_str_equal(world_text(w, "SELECT trigger_name FROM run"), "free");
    assert_int_equal(world_int(w, "SELECT failures FROM task_trigger WHERE name='held-up'"), 1);
    assert_true(world_int(w, "SELECT due_ns - next_ns FROM task_trigger WHERE name='held-up'") > 0);
    w->objects_down = false;
    time_test_shift(5 * NS_PER_S);
    fire(w, slot - 1);
    assert_true(world_int(w, "SELECT count(*) FROM run WHERE trigger_name='held-up'") >= 1);
    assert_int_equal(world_int(w, "SELECT min(start_ns) IS NULL FROM run"), 1); /* the task's SDK knows no start time */
    assert_int_equal(world_int(w, "SELECT failures FROM task_trigger WHERE name='held-up'"), 0);
}

static void test_what_can_never_begin_is_a_run_that_failed(void **state)
{
    struct world *w = *state;
    begin(w);
    int64_t slot = this_minute();
    add_schedule(w, "lost", slot, "when", "s3://tern/nowhere");
    fire(w, slot - 1);
    assert_int_equal(world_int(w, "SELECT count(*) FROM run"), 1);
    assert_int_equal(world_int(w, "SELECT phase FROM run"), COMMON_ACTION_PHASE_FAILED);
    assert_str_equal(world_text(w, "SELECT error_code FROM action"), ENGINE_FIRE_ERROR);
    assert_true(str_find(world_text(w, "SELECT error FROM action"), STR("s3://tern/nowhere")) != SIZE_MAX);
    assert_int_equal(world_int(w, "SELECT count(*) FROM task_trigger WHERE next_ns > due_ns OR failures > 0"), 0);
}

/* Its inputs have no place; those of the others are stored all the same. */
static void test_one_of_many_has_nowhere_to_store_its_inputs(void **state)
{
    struct world *w = *state;
    begin(w);
    int64_t slot = this_minute();
    struct trigger bad = {.name = "bad", .next_ns = slot, .spec.run_spec = pb_new(&w->mem, TaskRunSpec)};
    bad.spec.run_spec->run_base_dir = STR("file:///tmp");
    add_schedule(w, "first", slot, "when", NULL);
    add_rate(w, bad, 1, "when");
    add_schedule(w, "last", slot, "when", NULL);
    fire(w, slot - 1);
    assert_str_equal(world_text(w, "SELECT group_concat(trigger_name) FROM run"), "first,bad,last");
    assert_str_equal(world_text(w, "SELECT group_concat(trigger_name) FROM run WHERE phase=6"), "bad");
    assert_true(str_find(world_text(w, "SELECT error FROM action WHERE phase=6"), STR("uri: ")) != SIZE_MAX);
    assert_int_equal(w->object_n, 2);
}

static void test_an_archived_project(void **state)
{
    struct world *w = *state;
    begin(w);
    int64_t slot = this_minute();
    add_schedule(w, "t", slot, "", NULL);
    set_project(w, PROJECT_PROJECT_STATE_ARCHIVED);
    fire(w, slot - 1);
    assert_int_equal(world_int(w, "SELECT count(*) FROM run"), 0);
    set_project(w, PROJECT_PROJECT_STATE_ACTIVE);
    time_test_shift(MINUTE_NS);
    fire(w, slot - 1);
    assert_int_equal(world_int(w, "SELECT count(*) FROM run"), 1);
}

/* ---- ten years --------------------------------------------------------------------------------------------------- */

#define YEARS_S (INT64_C(3653) * 86400)
#define LATEST_S 3000 /* less than what counts as missed */
#define RATE_MINUTES 1861
#define SLOTS_MAX 4000

/* Half past two each day: where clocks change at that time, by a whole and by half an hour, and where they do not. And
 * four slots in a row, of which several may be due at once. */
static const struct crons {
    const char *zone, *expression;
    int day, hour, minute, every;
} crons[] = {
    {"Europe/Berlin", "30 2 * * *", 0, 2, 30, 60},
    {"America/New_York", "30 2 * * *", 0, 2, 30, 60},
    {"Australia/Lord_Howe", "30 2 * * *", 0, 2, 30, 60},
    {"Asia/Kathmandu", "*/15 3 1 * *", 1, 3, 0, 15},
};
#define CRONS (sizeof(crons) / sizeof(*crons))

struct slots {
    int64_t s[SLOTS_MAX];
    size_t n;
};

/* As the C library knows them. */
static void slots_of_cron(const struct crons *c, int64_t from_s, int64_t to_s, struct slots *out)
{
    setenv("TZ", c->zone, 1);
    tzset();
    for (time_t t = from_s / 900 * 900 + 900; t < to_s; t += 900) {
        struct tm local;
        localtime_r(&t, &local);
        if (local.tm_hour == c->hour && local.tm_min % c->every == c->minute && (!c->day || local.tm_mday == c->day))
            out->s[out->n++] = t;
    }
    unsetenv("TZ");
    tzset();
}

/* Always a little late, by another time at each look, and with a restart now and then. */
static void pass_years(struct world *w, int64_t until_ns)
{
    int64_t started = time_wall_ns();
    for (int64_t i = 1; time_wall_ns() < until_ns; i++) {
        int64_t due = world_int(w, "SELECT min(due_ns) FROM task_trigger");
        time_test_shift(due - time_wall_ns() + i * 7919 % LATEST_S * NS_PER_S);
        if (i % 1000 == 0) {
            world_restart(w);
            started = time_wall_ns();
        }
        fire(w, started);
    }
}

/* Its runs, in the order in which they were made, are those of its slots: each once, none missing, none moved. */
static void assert_fired(struct world *w, const char *trigger, const struct slots *slots)
{
    struct db_rows rows;
    size_t i = 0;
    w->cx.db = w->db;
    assert_ok(&w->cx, db_query(&w->cx, "SELECT name FROM run WHERE trigger_name=$1 ORDER BY id",
                               DB_ARGS(DB_S(str_from(trigger))), &rows));
    w->cx.db = NULL;
    for (; i < slots->n && slots->s[i] * NS_PER_S <= time_wall_ns(); i++) {
        str name = engine_schedule_run_name(&w->mem, STR("p"), STR("d"), STR("t"), str_from(trigger), slots->s[i]);
        assert_true(i < rows.n && str_eq(db_row(&rows, i)[0].s, name));
    }
    assert_int_equal(rows.n, i);
    assert_true(i >= 10 * 12 * 4);
}

static void test_ten_years(void **state)
{
    static struct slots cron[CRONS], rate;
    struct world *w = *state;
    begin(w);
    int64_t from_s = this_minute() / NS_PER_S, to_s = from_s + YEARS_S;
    for (size_t i = 0; i < CRONS; i++) {
        slots_of_cron(&crons[i], from_s, to_s + 86400, &cron[i]);
        add_cron(w, crons[i].zone, crons[i].expression, crons[i].zone, cron[i].s[0] * NS_PER_S);
    }
    for (int64_t at = from_s + 60; at < to_s + 86400; at += RATE_MINUTES * 60)
        rate.s[rate.n++] = at;
    add_rate(w, (struct trigger){.name = "rate", .next_ns = rate.s[0] * NS_PER_S}, RATE_MINUTES, "");
    pass_years(w, to_s * NS_PER_S);
    for (size_t i = 0; i < CRONS; i++)
        assert_fired(w, crons[i].zone, &cron[i]);
    assert_fired(w, "rate", &rate);
}

/* ---- artifacts --------------------------------------------------------------------------------------------------- */

static enum code create_artifact(struct ctx *cx, void *arg)
{
    CoreLabelValue us = {.value_case = CoreLabelValue_static_value_tag, .static_value = STR("us")};
    GoogleProtobufTimestamp day = {.seconds = 86400};
    CoreLabelValue date = {.value_case = CoreLabelValue_time_value_tag, .time_value = &day};
    struct CorePartitions_ValueEntry entry = {STR("region"), &us};
    CorePartitions partitions = {.value = {&entry, 1}};
    CoreTimePartition time = {.value = &date, .key = STR("date")};
    CoreArtifactKey key = {.project = STR("p"), .domain = STR("d"), .name = STR("model")};
    CoreArtifactID id = {.artifact_key = &key, .version = STR("7"), .partitions = &partitions, .time_partition = &time};
    CoreLiteral value = {.hash = STR("the value")};
    (void)arg;
    return engine_fire_artifact(cx, &id, &value, 0);
}

static int play_artifact(int at, bool late)
{
    struct world *w;
    void *msg;
    world_up((void **)&w);
    begin(w);
    add_artifact(w, "any", "", NULL);
    add_artifact(w, "exactly", "7", "us");
    add_artifact(w, "other-version", "8", NULL);
    add_artifact(w, "other-region", "", "eu");
    assert_ok(&w->cx, lane_write(&w->cx, NULL, create_artifact, NULL));
    w->crash_at = at ? at : INT32_MAX;
    w->crash_late = late;
    w->changes = 0;
    fire(w, 0);
    int changes = w->changes;
    if (w->dead)
        world_restart(w);
    fire(w, 0);
    assert_int_equal(world_int(w, "SELECT count(*) FROM run WHERE source=5"), 2);
    assert_str_equal(world_text(w, "SELECT group_concat(trigger_name) FROM run"), "any,exactly");
    assert_int_equal(world_int(w, "SELECT count(*) FROM artifact_event"), 0);
    str uri = world_text(w, "SELECT input_uri FROM action WHERE run_id=1"), bytes;
    assert_ok(&w->cx, engine_uri_get(&w->cx, &w->app, engine_uri_inputs(&w->mem, uri), 4096, &bytes));
    assert_ok(&w->cx, pb_decode(&w->cx, &TaskInputs_type, bytes, &msg));
    const TaskInputs *in = msg;
    assert_int_equal(in->literals.n, 2);
    assert_str_equal(in->literals.p[0]->name, "m");
    assert_str_equal(in->literals.p[0]->value->hash, "the value");
    assert_str_equal(in->literals.p[1]->name, "day");
    assert_int_equal(in->literals.p[1]->value->scalar->primitive->datetime->seconds, 86400);
    world_down((void **)&w);
    return changes;
}

static void test_an_artifact_starts_its_triggers_once(void **state)
{
    int n = play_artifact(0, false);
    (void)state;
    assert_int_equal(n, 2); /* the inputs of all, then all runs */
    for (int at = 1; at <= n; at++) {
        play_artifact(at, false);
        play_artifact(at, true);
    }
}

/* ---- failure handlers -------------------------------------------------------------------------------------------- */

static enum code abort_run(struct ctx *cx, void *arg)
{
    struct store_run *run;
    (void)arg;
    TRY(store_run_get(cx, STR("p"), STR("d"), STR("r1"), &run));
    return engine_abort_run(cx, run, STR("enough"), 0);
}

/* A run of that name whose handler is "h", which is deployed. */
static void begin_handled(struct world *w)
{
    CoreKeyValuePair env = {.key = STR("TERN_ON_FAILURE"), .value = STR("h")}, *envs[] = {&env};
    TaskEnvs variables = {.values = {envs, 1}};
    TaskRunSpec run_spec = {.envs = &variables};
    begin(w);
    assert_ok(&w->cx, lane_write(&w->cx, NULL, put_task, world_spec(w, "h", "core-echo")));
    (void)world_create_run(w, "r1", world_spec(w, "parent", "python"), &run_spec);
    world_run(w);
}

/* A run with a child is aborted; dies at the n-th change of the world afterwards. How many there were. */
static int play_failure(int at, bool late)
{
    struct world *w;
    world_up((void **)&w);
    begin_handled(w);
    assert_ok(&w->cx, world_enqueue(w, "r1", "a0", "c0", world_spec(w, "child", "python"), NULL));
    world_run(w);
    w->crash_at = at ? at : INT32_MAX;
    w->crash_late = late;
    w->changes = 0;
    if (lane_write(&w->cx, NULL, abort_run, NULL) != CODE_OK) {
        world_restart(w);
        assert_ok(&w->cx, lane_write(&w->cx, NULL, abort_run, NULL));
    }
    for (int i = 0; i < 10; i++) {
        if (w->dead)
            world_restart(w);
        fire(w, 0);
        if (!w->dead)
            assert_int_equal(world_int(w, "SELECT count(*) FROM action a, run r WHERE a.id=r.handler_id AND EXISTS"
                                          " (SELECT 1 FROM action c WHERE c.name='c0' AND c.ended_ns IS NULL)"),
                             0);
        world_run(w);
        time_test_shift(NS_PER_S);
    }
    int changes = w->changes;
    assert_int_equal(world_int(w, "SELECT phase FROM run"), COMMON_ACTION_PHASE_ABORTED);
    assert_int_equal(world_int(w, "SELECT count(*) FROM action"), 3);
    assert_int_equal(world_int(w, "SELECT phase FROM action WHERE name='on-failure'"), COMMON_ACTION_PHASE_SUCCEEDED);
    assert_int_equal(world_int(w, "SELECT count(*) FROM failure"), 0);
    world_down((void **)&w);
    return changes;
}

static void test_a_failed_run_has_its_handler_once(void **state)
{
    int n = play_failure(0, false);
    (void)state;
    assert_true(n >= 4);
    for (int at = 1; at <= n; at++) {
        play_failure(at, false);
        play_failure(at, true);
    }
}

/* They may be why the run has failed, and the handler needs none. */
static void test_a_handler_of_a_run_whose_inputs_cannot_be_read(void **state)
{
    static const size_t sizes[] = {1, (size_t)65 << 20}; /* no message; too large */
    (void)state;
    for (size_t i = 0; i < sizeof(sizes) / sizeof(*sizes); i++) {
        struct world *w;
        world_up((void **)&w);
        begin_handled(w);
        char *bytes = arena_alloc(&w->mem, sizes[i]);
        world_store(STR("p/in/x/inputs.pb"), str_make(bytes, sizes[i]));
        assert_ok(&w->cx, lane_write(&w->cx, NULL, abort_run, NULL));
        fire(w, 0);
        world_run(w);
        assert_int_equal(world_int(w, "SELECT phase FROM action WHERE name='on-failure'"),
                         COMMON_ACTION_PHASE_SUCCEEDED);
        world_down((void **)&w);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_slot_has_one_run_wherever_it_crashes),
        cmocka_unit_test(test_many_at_once),
        cmocka_unit_test(test_what_was_missed),
        cmocka_unit_test_setup_teardown(test_the_clock_is_set_ahead, world_up, world_down),
        cmocka_unit_test_setup_teardown(test_the_store_of_objects_is_away, world_up, world_down),
        cmocka_unit_test_setup_teardown(test_what_can_never_begin_is_a_run_that_failed, world_up, world_down),
        cmocka_unit_test_setup_teardown(test_one_of_many_has_nowhere_to_store_its_inputs, world_up, world_down),
        cmocka_unit_test_setup_teardown(test_an_archived_project, world_up, world_down),
        cmocka_unit_test_setup_teardown(test_ten_years, world_up, world_down),
        cmocka_unit_test(test_an_artifact_starts_its_triggers_once),
        cmocka_unit_test(test_a_failed_run_has_its_handler_once),
        cmocka_unit_test(test_a_handler_of_a_run_whose_inputs_cannot_be_read),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

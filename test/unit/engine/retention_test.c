/* Uploads that clients name or send again while a sweep removes them: on real lanes and real objects, with the client's
 * call put at the very moment, between two steps of the sweep. */
#include "unit.h"

#include "base/time.h"
#include "base/tree.h"
#include "engine/artifact.h"
#include "engine/fire_int.h"
#include "engine/produced.h"
#include "engine/retention_int.h"
#include "engine/uploads.h"
#include "gen/flyteidl2_core.h"
#include "gen/services.h"
#include "lane/lane.h"
#include "lane/topic.h"
#include "object/object.h"
#include "store/cache.h"
#include "store/event.h"
#include "store/project.h"

#include <unistd.h>

enum moment { NEVER, AFTER_WALK, WHILE_REMOVED };

static struct test {
    struct arena mem;
    struct ctx cx;
    struct app app;
    struct engine engine;
    struct config config;
    char dir[64];
    enum moment names, sends, publishes; /* when a client names the upload, sends it again, names it in an artifact */
    bool by_trigger;                     /* it is an input of a trigger that names it, and not a task */
    enum code code;                      /* of its naming */
    char message[256];
} t;

#define PLACE "uploads/p/d/code/"
#define KEY PLACE "bundle.tgz"

/* ---- the client -------------------------------------------------------------------------------------------------- */

static enum code deploy(struct ctx *cx, void *arg)
{
    TaskDeployTaskResponse rsp = {0};
    return TaskService_DeployTask(cx, arg, &rsp);
}

static void name_upload(void)
{
    struct ctx cx;
    TaskTaskIdentifier id = {.project = STR("p"), .domain = STR("d"), .name = STR("task"), .version = STR("1")};
    CoreIdentifier name = {.name = id.name};
    CoreTaskTemplate template = {.id = &name, .type = t.by_trigger ? STR("python") : STR("s3://tern/" KEY)};
    TaskTaskSpec spec = {.task_template = &template};
    CommonOffloadedInputData input = {.uri = STR("s3://tern/" KEY)};
    TaskTaskTriggerSpec by_input = {.input_wrapper_case = TaskTaskTriggerSpec_offloaded_input_data_tag,
                                    .offloaded_input_data = &input};
    TaskTaskTrigger trigger = {.name = STR("trigger"), .spec = &by_input}, *triggers[] = {&trigger};
    TaskDeployTaskRequest req = {.task_id = &id, .spec = &spec, .triggers = {triggers, t.by_trigger}};
    ctx_init(&cx, &t.mem);
    cx.app = &t.app;
    t.code = lane_write(&cx, t.app.lanes, deploy, &req);
    snprintf(t.message, sizeof(t.message), "%s", t.code == CODE_OK ? "" : cx.err.msg);
}

/* Its value is that object or folder of our bucket. */
static void prepare_artifact(struct engine_artifact *out, const char *version, const char *key)
{
    struct ctx *cx = &t.cx;
    ArtifactArtifactName name = {.project = STR("p"), .domain = STR("d"), .name = STR("a")};
    ArtifactArtifactIdentifier id = {.name = &name, .version = str_from(version)};
    CoreBlob blob = {.uri = arena_printf(&t.mem, "s3://tern/%s", key)};
    CoreScalar scalar = {.value_case = CoreScalar_blob_tag, .blob = &blob};
    CoreLiteral value = {.value_case = CoreLiteral_scalar_tag, .scalar = &scalar};
    ArtifactArtifactSpec spec = {.value = pb_clone(cx->mem, &CoreLiteral_type, &value)};
    ArtifactCreateArtifactRequest req = {.artifact_id = &id, .spec = &spec};
    assert_ok(cx, engine_artifact_prepare(cx, &req, out));
}

static enum code put_artifact(struct ctx *cx, void *arg)
{
    enum engine_artifact_outcome outcome;
    return engine_artifact_put(cx, arg, 0, &outcome);
}

/* As CreateArtifact does. */
static enum code name_by_artifact(const char *version, const char *key)
{
    struct engine_artifact a;
    struct ctx cx;
    ctx_init(&cx, &t.mem);
    cx.app = &t.app;
    prepare_artifact(&a, version, key);
    t.code = lane_write(&cx, t.app.lanes, put_artifact, &a);
    snprintf(t.message, sizeof(t.message), "%s", t.code == CODE_OK ? "" : cx.err.msg);
    return t.code;
}

static void put(str bytes)
{
    struct ctx cx;
    ctx_init(&cx, &t.mem);
    assert_ok(&cx, object_put(&cx, t.app.objects, STR(OBJECT_BUCKET), STR(KEY), STR(""), bytes));
}

static void client(enum moment now)
{
    if (t.sends == now)
        put(STR("again"));
    if (t.names == now)
        name_upload();
    if (t.publishes == now)
        (void)name_by_artifact("v1", KEY);
}

/* ---- the sweep --------------------------------------------------------------------------------------------------- */

static enum code walk(struct ctx *cx, struct engine_retention_sweep *s, engine_retention_spec_fn *fn, void *arg)
{
    TRY(engine_retention_each_spec(cx, s, fn, arg));
    client(AFTER_WALK);
    return CODE_OK;
}

static enum code delete_old(struct ctx *cx, struct object_store *s, str bucket, const str *keys, size_t n,
                            int64_t before_ns)
{
    client(WHILE_REMOVED);
    return object_delete_old(cx, s, bucket, keys, n, before_ns);
}

#define engine_retention_each_spec walk
#define object_delete_old delete_old
#include "engine/retention_uploads.c"
#undef engine_retention_each_spec
#undef object_delete_old

static uint64_t sweep(bool dry)
{
    struct engine_retention_row row = {0};
    struct engine_retention_sweep s = {
        .e = &t.engine, .config = &t.config, .now_ns = time_wall_ns(), .dry = dry, .row = &row};
    assert_ok(&t.cx, engine_retention_uploads(&t.cx, &s));
    return row.count;
}

static str content(void)
{
    str out = STR("");
    struct ctx cx;
    ctx_init(&cx, &t.mem);
    cx.app = &t.app;
    enum code code = object_get(&cx, t.app.objects, STR(OBJECT_BUCKET), STR(KEY), 100, &out);
    assert_true(code == CODE_OK || code == CODE_NOT_FOUND);
    return out;
}

/* ---- tests ------------------------------------------------------------------------------------------------------- */

static enum code put_project(struct ctx *cx, void *arg)
{
    (void)arg;
    return store_project_insert(cx, &(struct store_project){.id = STR("p"), .name = STR("p")});
}

static int up(void **state)
{
    struct lane_config cfg = {.app = &t.app};
    memset(&t, 0, sizeof(t));
    strcpy(t.dir, "/tmp/tern-retention-XXXXXX");
    if (!mkdtemp(t.dir))
        return -1;
    arena_init(&t.mem, 0);
    ctx_init(&t.cx, &t.mem);
    t.cx.app = &t.app;
    t.config.retention_runs_ns = t.config.retention_uploads_ns = 1;
    t.app.topics = topics_new();
    t.app.engine = &t.engine;
    t.engine = (struct engine){.app = &t.app, .uploads = engine_uploads_new()};
    t.engine.fire = engine_fire_new(&t.engine);
    cfg.db_url = arena_printf(&t.mem, "sqlite:%s/tern.db", t.dir);
    assert_ok(&t.cx, lanes_start(&t.cx, &cfg, &t.app.lanes));
    assert_ok(&t.cx, lane_write(&t.cx, t.app.lanes, put_project, NULL));
    assert_ok(&t.cx, object_store_open(&t.cx, str_from(t.dir), &t.app.objects));
    put(STR("first"));
    (void)state;
    return 0;
}

static int down(void **state)
{
    (void)state;
    lanes_stop(t.app.lanes);
    object_store_close(t.app.objects);
    engine_fire_free(t.engine.fire);
    engine_uploads_free(t.engine.uploads);
    topics_free(t.app.topics);
    bool removed = tree_remove(t.dir);
    arena_done(&t.mem);
    return removed ? 0 : -1;
}

static void nobody_names_it(void **state)
{
    (void)state;
    assert_int_equal(sweep(true), 1);
    assert_string_equal(content().p, "first");
    assert_int_equal(sweep(false), 1);
    assert_string_equal(content().p, "");
}

static void named_before(void **state)
{
    (void)state;
    name_upload();
    assert_int_equal(sweep(false), 0);
    assert_string_equal(content().p, "first");
}

static void named_since_the_specs_were_read(void **state)
{
    (void)state;
    t.names = AFTER_WALK;
    assert_int_equal(sweep(false), 0);
    assert_int_equal(t.code, CODE_OK);
    assert_string_equal(content().p, "first");
    t.names = NEVER;
    assert_int_equal(sweep(false), 0); /* the next one reads it */
    assert_string_equal(content().p, "first");
}

static void named_by_a_trigger_since_the_specs_were_read(void **state)
{
    t.by_trigger = true;
    named_since_the_specs_were_read(state);
}

static void named_while_it_is_removed(void **state)
{
    (void)state;
    t.names = WHILE_REMOVED;
    assert_int_equal(sweep(false), 1);
    assert_int_equal(t.code, CODE_FAILED_PRECONDITION);
    assert_non_null(strstr(t.message, PLACE));
    assert_non_null(strstr(t.message, "upload it again"));
    assert_string_equal(content().p, "");
    put(STR("again"));
    name_upload();
    assert_int_equal(t.code, CODE_OK);
    assert_int_equal(sweep(false), 0);
    assert_string_equal(content().p, "again");
}

static void sent_again_while_it_is_removed(void **state)
{
    (void)state;
    t.sends = WHILE_REMOVED;
    (void)sweep(false);
    assert_string_equal(content().p, "again");
}

static void published_while_it_is_removed(void **state)
{
    (void)state;
    t.publishes = WHILE_REMOVED;
    assert_int_equal(sweep(false), 1);
    assert_int_equal(t.code, CODE_FAILED_PRECONDITION);
    assert_non_null(strstr(t.message, KEY));
    put(STR("again"));
    assert_ok(&t.cx, name_by_artifact("v1", KEY));
    assert_int_equal(sweep(false), 0);
    assert_string_equal(content().p, "again");
}

/* From the question what is to be spared of a run's folder, until its objects are gone. */
static void published_while_a_run_is_removed(void **state)
{
    struct engine_retention_row row = {0};
    struct engine_retention_sweep s = {.e = &t.engine, .config = &t.config, .row = &row};
    struct engine_retention_spared spared = {0};
    (void)state;
    assert_ok(&t.cx, name_by_artifact("v1", "p/d/r/a0/1/model"));
    assert_ok(&t.cx, engine_retention_spare(&t.cx, &s, STR("p/d/r"), &spared));
    assert_true(engine_retention_is_spared(&spared, STR("p/d/r/a0/1/model/part")));
    assert_ok(&t.cx, name_by_artifact("v2", "p/d/r/a0/1/model/part"));
    assert_ok(&t.cx, name_by_artifact("v3", "p/d/r2/a0/1/model"));
    assert_int_equal(name_by_artifact("v4", "p/d/r/a0/1/other"), CODE_FAILED_PRECONDITION);
    assert_int_equal(name_by_artifact("v5", "p/d"), CODE_FAILED_PRECONDITION);
    engine_retention_spared_done(&spared);
    engine_retention_unclaim(&t.cx, &s);
    assert_ok(&t.cx, name_by_artifact("v4", "p/d/r/a0/1/other"));
}

static enum code end_action(struct ctx *cx, void *arg)
{
    const struct store_run run = {0};
    const struct store_action a = {.id = 7, .attempt = 1};
    return engine_produced_write(cx, &run, &a, arg, 1);
}

static enum code list_events(struct ctx *cx, void *arg)
{
    struct store_event *list;
    size_t n;
    TRY(store_event_list(cx, 7, 0, 0, 2, &list, &n));
    assert_int_equal(n, 1);
    *(str *)arg = list[0].message;
    return CODE_OK;
}

/* The action ends all the same, and says what was not kept. */
static void produced_while_a_run_is_removed(void **state)
{
    struct engine_retention_row row = {0};
    struct engine_retention_sweep s = {.e = &t.engine, .config = &t.config, .row = &row};
    struct engine_retention_spared spared = {0};
    struct engine_artifact a[2];
    struct engine_produced produced = {.p = a, .n = 2};
    str message;
    (void)state;
    prepare_artifact(&a[0], "v1", "p/d/r/a0/1/model");
    prepare_artifact(&a[1], "v2", "p/d/r2/a0/1/model");
    assert_ok(&t.cx, engine_retention_spare(&t.cx, &s, STR("p/d/r"), &spared));
    assert_ok(&t.cx, lane_write(&t.cx, t.app.lanes, end_action, &produced));
    engine_retention_spared_done(&spared);
    engine_retention_unclaim(&t.cx, &s);
    assert_ok(&t.cx, lane_read(&t.cx, t.app.lanes, list_events, &message));
    assert_non_null(strstr(message.p, "\"a\" was not kept: s3://tern/p/d/r/a0/1/model is old"));
    assert_int_equal(a[0].row.id, 0);
    assert_true(a[1].row.id > 0);
}

static enum code put_result(struct ctx *cx, void *arg)
{
    const struct store_cache_entry e = {.key = STR("k"), .output_uri = STR("s3://tern/p/d/r/a0/1")};
    (void)arg;
    return store_cache_put(cx, &e);
}

static enum code count_results(struct ctx *cx, void *arg)
{
    int64_t bytes;
    return store_cache_count_old(cx, INT64_MAX, arg, &bytes);
}

static void stopped_while_results_are_removed(void **state)
{
    struct engine_retention_row row = {0};
    struct engine_retention_sweep s = {.e = &t.engine, .config = &t.config, .now_ns = time_wall_ns(), .row = &row};
    uint64_t left;
    (void)state;
    t.config.retention_cache_age_ns = 1;
    assert_ok(&t.cx, lane_write(&t.cx, t.app.lanes, put_result, NULL));
    t.engine.retention = engine_retention_start(&t.engine);
    engine_retention_interrupt(&t.engine);
    assert_code(&t.cx, engine_retention_cache(&t.cx, &s), CODE_UNAVAILABLE);
    engine_retention_stop(t.engine.retention);
    t.engine.retention = NULL;
    assert_ok(&t.cx, lane_read(&t.cx, t.app.lanes, count_results, &left));
    assert_int_equal(left, 1);
    assert_ok(&t.cx, engine_retention_cache(&t.cx, &s));
    assert_ok(&t.cx, lane_read(&t.cx, t.app.lanes, count_results, &left));
    assert_int_equal(left, 0);
}

#define TEST(fn) cmocka_unit_test_setup_teardown(fn, up, down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(nobody_names_it),
        TEST(named_before),
        TEST(named_since_the_specs_were_read),
        TEST(named_by_a_trigger_since_the_specs_were_read),
        TEST(named_while_it_is_removed),
        TEST(sent_again_while_it_is_removed),
        TEST(published_while_it_is_removed),
        TEST(published_while_a_run_is_removed),
        TEST(produced_while_a_run_is_removed),
        TEST(stopped_while_results_are_removed),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

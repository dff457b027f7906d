/* Crashes at every change of the world, before and after it takes effect: each commit, each order to the executor, each object.
 * A parent with children, one of which fails once and is retried, and a cached pair; played to the end once to count the changes,
 * then again with a crash at each of them. What must hold at the end is the same every time. */
#include "world.h"

#include "engine/abort.h"

#define CHILDREN 4
#define ROUNDS 400

/* What the parent's program would do at this moment: enqueue what it has not yet, end when all have ended. */
static void play_parent(struct world *w, const TaskTaskSpec *child, const TaskTaskSpec *cached)
{
    struct world_attempt *p = world_process(w, "a0");
    char name[8];
    if (!p || p->state != EXEC_RUNNING)
        return;
    for (int i = 0; i < CHILDREN; i++) {
        snprintf(name, sizeof(name), "c%d", i);
        enum code c = world_enqueue(w, "r1", "a0", name, i < 2 ? child : cached, i < 2 ? NULL : "key");
        if (c != CODE_OK && c != CODE_ALREADY_EXISTS)
            return; /* the server is away: the program tries again */
    }
    if (w->dead || world_int(w, "SELECT count(*) FROM action WHERE parent_id IS NOT NULL AND phase=5") < CHILDREN)
        return;
    world_succeed(w, "a0");
}

/* outputs.pb with an artifact, and one that cannot be kept. */
static str produced(struct world *w)
{
    CoreVoid nothing = {0};
    CoreScalar scalar = {.value_case = CoreScalar_none_type_tag, .none_type = &nothing};
    CoreLiteral value = {.value_case = CoreLiteral_scalar_tag, .scalar = &scalar};
    CoreLiteralType type = {.type_case = CoreLiteralType_simple_tag, .simple = CORE_NONE};
    TaskNamedLiteral o0 = {.name = STR("o0"), .value = &value}, *literals[] = {&o0};
    TaskProducedArtifact good = {.output = STR("o0"), .name = STR("made"), .type = &type};
    TaskProducedArtifact bad = {.output = STR("o1"), .name = STR("made"), .type = &type}, *both[] = {&good, &bad};
    TaskOutputs out = {.literals = {literals, 1}, .produced_artifacts = {both, 2}};
    str bytes;
    assert_ok(&w->cx, pb_encode(&w->cx, &TaskOutputs_type, &out, &bytes));
    return bytes;
}

/* c0 fails at its first attempt; the others succeed. */
static void play_children(struct world *w)
{
    for (size_t i = 0; i < w->attempt_n; i++) {
        struct world_attempt *a = &w->attempts[i];
        if (a->state != EXEC_RUNNING || a->cleaned || a->action[0] != 'c')
            continue;
        if (strcmp(a->action, "c0") == 0 && a->key.attempt == 1)
            world_error(w, "c0", "E", CORE_EXECUTION_ERROR_ERROR_KIND_USER, true);
        else
            world_succeed_with(w, a->action, produced(w));
        return; /* one at a time, so that the engine looks between them */
    }
}

static bool ended(struct world *w)
{
    return !w->dead && w->app.engine && world_int(w, "SELECT count(*) FROM action WHERE ended_ns IS NULL") == 0 &&
           world_int(w, "SELECT count(*) FROM run") == 1;
}

/* The client repeats its request until it is answered. */
static void play_client(struct world *w, struct world_create *c, bool *made)
{
    if (*made)
        return;
    c->made = (struct engine_made_run){0};
    *made = lane_write(&w->cx, NULL, world_create_entry, c) == CODE_OK;
    ctx_clear_err(&w->cx);
}

static void play(struct world *w)
{
    TaskTaskSpec *parent = world_spec(w, "parent", "python"), *child = world_spec(w, "child", "python");
    TaskTaskSpec *cached = world_spec(w, "cached", "python");
    struct world_create c = {.n = {.project = STR("p"), .domain = STR("d"), .name = STR("r1"), .spec = parent}};
    bool made = false;
    child->task_template->metadata->retries->retries = 1;
    child->task_template->metadata->produces_artifacts = true;
    cached->task_template->metadata->produces_artifacts = true;
    cached->task_template->metadata->discoverable = true;
    cached->task_template->metadata->cache_serializable = true;
    c.n.run_spec = pb_new(&w->mem, TaskRunSpec);
    c.n.base_uri = STR("s3://tern/p/d/r1");
    c.n.request_key = STR("0123456789abcdef0123456789abcdef");
    for (int i = 0; i < ROUNDS; i++) {
        if (w->dead)
            world_restart(w);
        play_client(w, &c, &made);
        if (!w->dead)
            world_run(w);
        if (!w->dead)
            play_parent(w, child, cached);
        if (!w->dead)
            play_children(w);
        if (made && ended(w))
            break;
        time_test_shift(NS_PER_S); /* whatever is tried again is tried again */
    }
    if (w->dead)
        world_restart(w);
    world_run(w);
}

/* Every process was started once for each of its attempts, and nothing was forgotten anywhere. */
static void check(struct world *w, int at, bool late)
{
    if (!ended(w) || world_int(w, "SELECT phase FROM run") != SUCCEEDED)
        fail_msg("crash %d (%s): not SUCCEEDED", at, late ? "late" : "early");
    for (size_t i = 0; i < w->attempt_n; i++) {
        struct world_attempt *a = &w->attempts[i];
        uint32_t most = strcmp(a->action, "c0") == 0 ? 2 : 1;
        if (a->started != 1 || a->key.attempt > most || !a->cleaned || a->aborted)
            fail_msg("crash %d (%s): %s attempt %u: started %d, cleaned %d, aborted %d", at, late ? "late" : "early",
                     a->action, a->key.attempt, a->started, a->cleaned, a->aborted);
    }
    /* One of the cached pair ran, the other took its result: 1 parent, 2 of c0, 1 of c1, 1 of the pair. */
    assert_int_equal(w->attempt_n, 5);
    /* Each once; a reused result is not produced again. */
    assert_int_equal(world_int(w, "SELECT count(*) FROM artifact"), 3);
    assert_int_equal(world_int(w, "SELECT versions FROM artifact_name"), 3);
    assert_int_equal(world_int(w, "SELECT count(*) FROM event WHERE reason='ArtifactNotKept'"), 3);
    assert_int_equal(world_int(w, "SELECT count(*) FROM artifact WHERE version IN ('r1-c0-2', 'r1-c1-1')"), 2);
    assert_int_equal(world_int(w, "SELECT count(*) FROM run"), 1);
    assert_int_equal(world_int(w, "SELECT count(*) FROM action"), 1 + CHILDREN);
    assert_int_equal(world_int(w, "SELECT count(*) FROM cache_reservation"), 0);
    assert_int_equal(world_int(w, "SELECT count(*) FROM cascade"), 0);
    assert_int_equal(world_int(w, "SELECT n5 FROM subtree"), CHILDREN);
    assert_int_equal(world_int(w, "SELECT open_children FROM subtree"), 0);
    assert_int_equal(world_int(w, "SELECT count(*) FROM attempt WHERE ended_ns IS NULL"), 0);
}

static int count_changes(void)
{
    struct world *w;
    world_up((void **)&w);
    w->crash_at = INT32_MAX;
    world_start(w);
    play(w);
    int n = w->changes;
    check(w, 0, false);
    world_down((void **)&w);
    return n;
}

static void test_crash_anywhere(void **state)
{
    int n = count_changes();
    (void)state;
    assert_true(n >= 30);
    for (int at = 1; at <= n; at++)
        for (int late = 0; late < 2; late++) {
            struct world *w;
            world_up((void **)&w);
            world_start(w);
            w->crash_at = at;
            w->crash_late = late;
            play(w);
            check(w, at, late);
            world_down((void **)&w);
        }
}

/* ---- the abort of a run ------------------------------------------------------------------------------------------- */

static enum code abort_entry(struct ctx *cx, void *arg)
{
    struct store_run *run;
    (void)arg;
    TRY(store_run_get(cx, STR("p"), STR("d"), STR("r1"), &run));
    return engine_abort_run(cx, run, STR("enough"), 0);
}

static void grow_tree(struct world *w, const TaskTaskSpec *s)
{
    world_create_run(w, "r1", s, NULL);
    world_run(w);
    assert_ok(&w->cx, world_enqueue(w, "r1", "a0", "c1", s, NULL));
    assert_ok(&w->cx, world_enqueue(w, "r1", "a0", "c2", s, NULL));
    world_run(w);
    assert_ok(&w->cx, world_enqueue(w, "r1", "c1", "d1", s, NULL));
    world_run(w);
}

static void play_abort(struct world *w)
{
    bool asked = false;
    for (int i = 0; i < 50; i++) {
        if (w->dead)
            world_restart(w);
        if (!asked)
            asked = lane_write(&w->cx, NULL, abort_entry, NULL) == CODE_OK;
        ctx_clear_err(&w->cx);
        if (!w->dead)
            world_run(w);
        time_test_shift(NS_PER_S);
    }
}

static int abort_with_crash(int at, bool late)
{
    struct world *w;
    world_up((void **)&w);
    world_start(w);
    grow_tree(w, world_spec(w, "t", "python"));
    w->crash_at = at;
    w->crash_late = late;
    play_abort(w);
    assert_int_equal(world_int(w, "SELECT count(*) FROM action WHERE phase=7 AND abort_reason='enough'"), 4);
    assert_int_equal(world_int(w, "SELECT count(*) FROM attempt WHERE phase=7 AND ended_ns IS NOT NULL"), 4);
    assert_int_equal(world_int(w, "SELECT count(*) FROM cascade"), 0);
    assert_int_equal(w->attempt_n, 4);
    for (size_t i = 0; i < w->attempt_n; i++)
        assert_true(w->attempts[i].aborted && w->attempts[i].cleaned);
    int n = w->changes;
    world_down((void **)&w);
    return n;
}

static void test_crash_during_abort(void **state)
{
    int n = abort_with_crash(INT32_MAX, false);
    (void)state;
    assert_true(n > 8);
    for (int at = 1; at <= n; at++) {
        abort_with_crash(at, false);
        abort_with_crash(at, true);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_crash_anywhere),
        cmocka_unit_test(test_crash_during_abort),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

/* The lanes: what is committed together, what is answered when, what is refused, who waits for whom. */
#include "lane/fixture.h"

#include "base/metric.h"
#include "base/time.h"

/* ---- write lane ------------------------------------------------------------------------------------------------- */

static void many_entries_share_a_commit(void **state)
{
    struct fixture *f = *state;
    sem_t over;
    struct gate *g = gate_close(f, LANE_WRITE);
    struct job *jobs = jobs_new(f, 1000, &over, job_insert);
    int64_t before = metric_get(METRIC_write_batches_total), entries = metric_get(METRIC_write_entries_total);
    lane_submit_batch(f->lanes, LANE_WRITE, &jobs->e);
    gate_open(g);
    jobs_wait(&over, 1000);
    for (int i = 0; i < 1000; i++)
        assert_int_equal(jobs[i].code, CODE_OK);
    assert_int_equal(fixture_int(f, "SELECT count(*) FROM t"), 1000);
    assert_true(metric_get(METRIC_write_batches_total) - before < 500);
    assert_int_equal(metric_get(METRIC_write_entries_total) - entries, 1001);
}

static enum code nothing(struct job *j, struct ctx *cx)
{
    (void)j;
    (void)cx;
    return CODE_OK;
}

/* What the engine and parents send one by one, without waiting for answers, shares commits when it comes fast; what others
 * send meanwhile is answered as ever. How fast it comes is a matter of the machine: again until it was. */
static void masses_share_commits(void **state)
{
    struct fixture *f = *state;
    for (int round = 0; round < 100; round++) {
        sem_t over, urgent;
        struct job *jobs = jobs_new(f, 400, &over, nothing), *others = jobs_new(f, 4, &urgent, nothing);
        int64_t batches = metric_get(METRIC_write_batches_total);
        for (int i = 0; i < 400; i++) {
            jobs[i].e.engine = i % 2;
            jobs[i].e.priority = !jobs[i].e.engine;
            jobs[i].e.patient = true;
            lane_submit(f->lanes, LANE_WRITE, &jobs[i].e);
            if (i % 100 == 50) {
                lane_submit(f->lanes, LANE_WRITE, &others[i / 100].e);
                jobs_wait(&urgent, 1);
            }
            usleep(200);
        }
        jobs_wait(&over, 400);
        for (int i = 0; i < 400; i++)
            assert_int_equal(jobs[i].doned, 1);
        if (metric_get(METRIC_write_batches_total) - batches < 100)
            return;
    }
    fail_msg("400 entries never shared a hundred commits");
}

/* Rows 0, 1, 2 ...; odd ones fail: by the handler after its insert, or by a row that is there. */
static enum code insert_then_maybe_fail(struct job *j, struct ctx *cx)
{
    int64_t a = j->a % 4 == 3 ? j->a - 3 : j->a;
    TRY(db_query(cx, "INSERT INTO t VALUES ($1, $2)", DB_ARGS(DB_I(j->a + 100000), DB_S(STR("first"))), NULL));
    TRY(db_query(cx, "INSERT INTO t VALUES ($1, NULL)", DB_ARGS(DB_I(a)), NULL));
    if (j->a % 4 == 1)
        return fail(cx, CODE_INVALID_ARGUMENT, "no thanks");
    return CODE_OK;
}

static void a_failing_entry_undoes_only_itself(void **state)
{
    struct fixture *f = *state;
    sem_t over;
    struct gate *g = gate_close(f, LANE_WRITE);
    struct job *jobs = jobs_new(f, 400, &over, insert_then_maybe_fail);
    lane_submit_batch(f->lanes, LANE_WRITE, &jobs->e);
    gate_open(g);
    jobs_wait(&over, 400);
    for (int i = 0; i < 400; i++) {
        enum code want = i % 4 == 1 ? CODE_INVALID_ARGUMENT : i % 4 == 3 ? CODE_ALREADY_EXISTS : CODE_OK;
        assert_int_equal(jobs[i].code, want);
    }
    assert_string_equal(jobs[1].msg, "no thanks");
    assert_int_equal(fixture_int(f, "SELECT count(*) FROM t"), 400);
    assert_int_equal(fixture_int(f, "SELECT count(*) FROM t WHERE a % 2 = 0"), 400);
}

static enum code insert_big(struct job *j, struct ctx *cx)
{
    return db_query(cx, "INSERT INTO t VALUES ($1, zeroblob(2000000))", DB_ARGS(DB_I(j->a)), NULL);
}

static enum code insert_big_and_hide_it(struct job *j, struct ctx *cx)
{
    if (insert_big(j, cx) != CODE_OK)
        ctx_clear_err(cx);
    return CODE_OK;
}

/* Entry 50 fills the disk: all that share its batch are told so, also those that failed by themselves. Returns how
 * many. */
static int lose_a_batch(struct fixture *f, enum code (*fn)(struct job *j, struct ctx *cx))
{
    sem_t over;
    int lost = 0;
    fixture_exec(f, "DELETE FROM t");
    fixture_exec(f, "INSERT INTO t VALUES (7, 'there before')");
    fixture_exec(f, "PRAGMA max_page_count=1");
    struct gate *g = gate_close(f, LANE_WRITE);
    struct job *jobs = jobs_new(f, 100, &over, job_insert);
    jobs[50].fn = fn;
    lane_submit_batch(f->lanes, LANE_WRITE, &jobs->e);
    gate_open(g);
    jobs_wait(&over, 100);
    for (int i = 0; i < 100; i++) {
        assert_true(jobs[i].code == (i == 7 ? CODE_ALREADY_EXISTS : CODE_OK) || jobs[i].code == CODE_UNAVAILABLE);
        lost += jobs[i].code == CODE_UNAVAILABLE;
        int64_t rows = fixture_int(f, arena_printf(&f->mem, "SELECT count(*) FROM t WHERE a = %d", i).p);
        assert_int_equal(rows, jobs[i].code == CODE_OK || i == 7);
    }
    assert_int_equal(jobs[50].code, CODE_UNAVAILABLE);
    assert_int_equal(fixture_int(f, "SELECT count(*) FROM t WHERE a = 7 AND b = 'there before'"), 1);
    fixture_exec(f, "PRAGMA max_page_count=1000000");
    fixture_exec(f, "INSERT INTO t VALUES (1000, zeroblob(20000))");
    return lost;
}

/* Where the batches are cut is a matter of time: again until 50 had company. */
static void check_lost_batch(struct fixture *f, enum code (*fn)(struct job *j, struct ctx *cx))
{
    for (int round = 0; round < 50; round++)
        if (lose_a_batch(f, fn) > 1)
            return;
    fail_msg("entry 50 was always alone");
}

static void a_full_disk_loses_the_whole_batch(void **state)
{
    check_lost_batch(*state, insert_big);
}

static void an_entry_cannot_hide_a_lost_transaction(void **state)
{
    check_lost_batch(*state, insert_big_and_hide_it);
}

static void late_entries_never_run(void **state)
{
    struct fixture *f = *state;
    sem_t over;
    for (enum lane_kind kind = LANE_READ; kind < LANE_KINDS_; kind++) {
        struct job *jobs = jobs_new(f, 2, &over, kind == LANE_WRITE ? job_insert : NULL);
        jobs[0].e.next = NULL;
        jobs[0].e.deadline_ns = time_now_ns() - 1;
        lane_submit(f->lanes, kind, &jobs[0].e);
        jobs_wait(&over, 1);
        assert_int_equal(jobs[0].code, CODE_DEADLINE_EXCEEDED);
        assert_int_equal(jobs[0].ran, 0);
    }
    assert_int_equal(fixture_int(f, "SELECT count(*) FROM t"), 0);
}

/* ---- bounds and order ------------------------------------------------------------------------------------------- */

static void a_full_queue_refuses_but_keeps_a_share(void **state)
{
    struct fixture *f = *state = fixture_new();
    sem_t over, over2, over3;
    f->cfg.queue_max = 80;
    fixture_start(f);
    struct gate *g = gate_close(f, LANE_WRITE);
    struct job *plain = jobs_new(f, 100, &over, job_insert);
    lane_submit_batch(f->lanes, LANE_WRITE, &plain->e);
    jobs_wait(&over, 30); /* at once, before anything ran */
    for (int i = 0; i < 100; i++) {
        assert_int_equal(plain[i].doned, i >= 70);
        assert_int_equal(plain[i].code, i >= 70 ? CODE_RESOURCE_EXHAUSTED : CODE_OK);
    }
    struct job *first = jobs_new(f, 12, &over2, job_insert);
    for (int i = 0; i < 12; i++) {
        first[i].a += 1000;
        first[i].e.priority = true;
        lane_submit(f->lanes, LANE_WRITE, &first[i].e);
        assert_int_equal(first[i].doned, i >= 10);
    }
    struct job *engine = jobs_new(f, 500, &over3, job_insert);
    for (int i = 0; i < 500; i++) {
        engine[i].a += 2000;
        engine[i].e.engine = true;
    }
    lane_submit_batch(f->lanes, LANE_WRITE, &engine->e);
    gate_open(g);
    jobs_wait(&over, 70);
    jobs_wait(&over2, 12);
    jobs_wait(&over3, 500);
    assert_int_equal(fixture_int(f, "SELECT count(*) FROM t"), 70 + 10 + 500);
    for (int i = 0; i < 70; i++) /* room again */
        fixture_exec(f, arena_printf(&f->mem, "DELETE FROM t WHERE a = %d", i).p);
}

static void full_pools_refuse_too(void **state)
{
    struct fixture *f = *state = fixture_new();
    sem_t over;
    f->cfg.queue_max = 10;
    f->cfg.work_workers = 1;
    fixture_start(f);
    struct gate *g = gate_close(f, LANE_WORK);
    struct job *jobs = jobs_new(f, 15, &over, NULL);
    jobs[14].e.priority = true;
    for (int i = 0; i < 15; i++)
        jobs[i].e.deadline_ns = 1;
    lane_submit_batch(f->lanes, LANE_WORK, &jobs->e);
    jobs_wait(&over, 4);
    for (int i = 10; i < 14; i++)
        assert_int_equal(jobs[i].code, CODE_RESOURCE_EXHAUSTED);
    gate_open(g);
    jobs_wait(&over, 11);
    assert_int_equal(jobs[14].code, CODE_DEADLINE_EXCEEDED);
}

static int64_t order[64];
static int order_n;

static enum code note_order(struct job *j, struct ctx *cx)
{
    (void)cx;
    order[order_n++] = j->a;
    return CODE_OK;
}

static void rpcs_and_engine_take_turns(void **state)
{
    struct fixture *f = *state;
    sem_t over;
    struct gate *g = gate_close(f, LANE_WRITE);
    struct job *jobs = jobs_new(f, 30, &over, note_order);
    order_n = 0;
    for (int i = 20; i < 30; i++)
        jobs[i].e.engine = true;
    lane_submit_batch(f->lanes, LANE_WRITE, &jobs->e);
    gate_open(g);
    jobs_wait(&over, 30);
    int64_t rpc = 0, engine = 20;
    for (int i = 0; i < 30; i++) {
        bool is_engine = order[i] >= 20;
        assert_int_equal(order[i], is_engine ? engine++ : rpc++);
        if (i > 0 && i < 20)
            assert_true(is_engine != (order[i - 1] >= 20));
    }
}

/* ---- after the commit -------------------------------------------------------------------------------------------- */

static int64_t seen_by_other(struct fixture *f, int64_t a)
{
    struct arena mem;
    struct ctx cx;
    struct db_rows rows;
    arena_init(&mem, 0);
    ctx_init(&cx, &mem);
    assert_ok(&cx, db_open(&cx, str_from(f->url), DB_READ, &cx.db));
    assert_ok(&cx, db_query(&cx, "SELECT count(*) FROM t WHERE a = $1", DB_ARGS(DB_I(a)), &rows));
    int64_t n = rows.v[0].i;
    db_close(cx.db);
    arena_done(&mem);
    return n;
}

static struct job *ten;
static int hooks[10], fired;

static void hook(void *arg, uint64_t id)
{
    assert_int_equal(ten[id].doned, 1);
    assert_int_equal(seen_by_other(arg, (int64_t)id), 1);
    hooks[id]++;
}

static void on_topic(void *arg)
{
    ++*(int *)arg;
}

static enum code insert_and_publish(struct job *j, struct ctx *cx)
{
    TRY(job_insert(j, cx));
    lane_after_commit(cx, hook, j->f, (uint64_t)j->a);
    topic_publish(cx, (struct topic_key){TOPIC_RUN, j->a == 5 ? 5 : 0, 0});
    return j->a == 5 ? fail(cx, CODE_ABORTED, "changed my mind") : CODE_OK;
}

static void answer_and_look(struct lane_entry *e, struct ctx *cx, enum code code)
{
    struct job *j = (struct job *)(void *)e;
    assert_null(cx->db);
    assert_int_equal(seen_by_other(j->f, j->a), code == CODE_OK);
    assert_int_equal(hooks[j->a], 0);
    job_done(e, cx, code);
}

static void answers_then_topics_after_the_commit(void **state)
{
    struct fixture *f = *state;
    sem_t over;
    int never = 0;
    struct topic_sub *s0 = topic_subscribe(f->app.topics, (struct topic_key){TOPIC_RUN, 0, 0}, on_topic, &fired);
    struct topic_sub *s5 = topic_subscribe(f->app.topics, (struct topic_key){TOPIC_RUN, 5, 0}, on_topic, &never);
    struct gate *g = gate_close(f, LANE_WRITE);
    ten = jobs_new(f, 10, &over, insert_and_publish);
    for (int i = 0; i < 10; i++)
        ten[i].e.done = answer_and_look;
    lane_submit_batch(f->lanes, LANE_WRITE, &ten->e);
    gate_open(g);
    jobs_wait(&over, 10);
    fixture_exec(f, "DELETE FROM t"); /* a later batch: the hooks have run */
    fixture_exec(f, "DELETE FROM t");
    assert_in_range(fired, 1, 9);
    assert_int_equal(never, 0);
    for (int i = 0; i < 10; i++)
        assert_int_equal(hooks[i], i != 5);
    topic_unsubscribe(f->app.topics, s0);
    topic_unsubscribe(f->app.topics, s5);
}

static int many[5000];

static void count_many(void *arg, uint64_t id)
{
    assert_ptr_equal(arg, many);
    many[id]++;
}

static enum code publish_many(struct ctx *cx, void *arg)
{
    (void)arg;
    for (uint64_t i = 0; i < 20000; i++) {
        lane_after_commit(cx, count_many, many, i % 5000);
        topic_publish(cx, (struct topic_key){TOPIC_ACTION, i % 100, i % 100 == 3 ? 0 : 1});
    }
    return CODE_OK;
}

static void doubles_run_once(void **state)
{
    struct fixture *f = *state;
    int rounds = 0;
    struct topic_sub *s = topic_subscribe(f->app.topics, (struct topic_key){TOPIC_ACTION, 3, 0}, on_topic, &rounds);
    for (int round = 1; round <= 3; round++) {
        assert_ok(&f->cx, lane_write(&f->cx, f->lanes, publish_many, NULL));
        fixture_exec(f, "DELETE FROM t");
        fixture_exec(f, "DELETE FROM t");
        assert_int_equal(rounds, round);
        for (int i = 0; i < 5000; i++)
            assert_int_equal(many[i], round);
    }
    topic_unsubscribe(f->app.topics, s);
}

/* ---- waiting for a lane ------------------------------------------------------------------------------------------ */

static enum code insert_a(struct ctx *cx, void *arg)
{
    assert_non_null(cx->db);
    return db_query(cx, "INSERT INTO t VALUES ($1, NULL)", DB_ARGS(DB_I(*(int64_t *)arg)), NULL);
}

static enum code look_write_look(struct job *j, struct ctx *cx)
{
    struct count c = {.sql = "SELECT count(*) FROM t WHERE a = 1"};
    TRY(lane_read(cx, j->f->lanes, fixture_count_fn, &c));
    if (c.n != 0)
        return fail(cx, CODE_INTERNAL, "there already");
    TRY(lane_write(cx, j->f->lanes, insert_a, &j->a));
    c.sql = "SELECT count(*) FROM t";
    TRY(lane_read(cx, j->f->lanes, fixture_count_fn, &c));
    if (c.n < 1)
        return fail(cx, CODE_INTERNAL, "own write not seen");
    return lane_write(cx, j->f->lanes, insert_a, &j->a);
}

static void workers_wait_for_reads_and_writes(void **state)
{
    struct fixture *f = *state;
    sem_t over;
    for (int round = 0; round < 2; round++) {
        struct job *jobs = jobs_new(f, 50, &over, look_write_look);
        for (int i = 0; i < 50; i++)
            jobs[i].a = 1000 * (round + 1) + i;
        lane_submit_batch(f->lanes, round ? LANE_ENGINE : LANE_WORK, &jobs->e);
        jobs_wait(&over, 50);
        for (int i = 0; i < 50; i++) {
            assert_int_equal(jobs[i].code, CODE_ALREADY_EXISTS);
            assert_non_null(strstr(jobs[i].msg, "t.a"));
        }
    }
    assert_int_equal(fixture_int(f, "SELECT count(*) FROM t"), 100);
}

static enum code write_again(struct job *j, struct ctx *cx)
{
    return lane_write(cx, j->f->lanes, insert_a, &j->a);
}

static void lanes_with_a_connection_do_not_wait(void **state)
{
    struct fixture *f = *state;
    sem_t over;
    for (enum lane_kind kind = LANE_READ; kind <= LANE_WRITE; kind++) {
        struct job *jobs = jobs_new(f, 1, &over, write_again);
        lane_submit(f->lanes, kind, &jobs->e);
        jobs_wait(&over, 1);
        assert_int_equal(jobs->code, CODE_INTERNAL);
    }
}

/* ---- read lane --------------------------------------------------------------------------------------------------- */

static enum code count_twice(struct job *j, struct ctx *cx)
{
    struct db_rows one, two;
    TRY(db_query(cx, "SELECT count(*) FROM t", NULL, 0, &one));
    usleep(2000);
    TRY(db_query(cx, "SELECT count(*) FROM t", NULL, 0, &two));
    j->a = two.v[0].i - one.v[0].i;
    return db_query(cx, "DELETE FROM t", NULL, 0, NULL);
}

static void a_read_sees_one_moment_and_changes_nothing(void **state)
{
    struct fixture *f = *state;
    sem_t over, over2;
    struct job *reads = jobs_new(f, 20, &over, count_twice), *writes = jobs_new(f, 200, &over2, job_insert);
    lane_submit_batch(f->lanes, LANE_READ, &reads->e);
    for (int i = 0; i < 200; i++)
        lane_submit(f->lanes, LANE_WRITE, &writes[i].e);
    jobs_wait(&over, 20);
    jobs_wait(&over2, 200);
    for (int i = 0; i < 20; i++) {
        assert_int_equal(reads[i].a, 0);
        assert_int_equal(reads[i].code, CODE_UNAVAILABLE);
    }
    assert_int_equal(fixture_int(f, "SELECT count(*) FROM t"), 200);
}

static enum code endless(struct job *j, struct ctx *cx)
{
    (void)j;
    return db_query(cx, "WITH RECURSIVE n(i) AS (SELECT 0 UNION ALL SELECT i + 1 FROM n) SELECT max(i) FROM n", NULL, 0,
                    NULL);
}

static void a_long_read_ends_at_its_deadline(void **state)
{
    struct fixture *f = *state;
    sem_t over;
    struct job *jobs = jobs_new(f, 1, &over, endless);
    jobs->e.deadline_ns = time_now_ns() + 30 * NS_PER_MS;
    lane_submit(f->lanes, LANE_READ, &jobs->e);
    jobs_wait(&over, 1);
    assert_int_equal(jobs->code, CODE_DEADLINE_EXCEEDED);
    assert_int_equal(jobs->ran, 1);
}

/* ---- stopping ---------------------------------------------------------------------------------------------------- */

static enum code insert_and_submit(struct job *j, struct ctx *cx)
{
    TRY(lane_write(cx, j->f->lanes, insert_a, &j->a));
    struct job *more = (struct job *)j->e.call;
    lane_submit(j->f->lanes, LANE_WORK, &more->e);
    return CODE_OK;
}

static void stopping_finishes_what_was_taken(void **state)
{
    struct fixture *f = *state;
    sem_t over, over2, over3;
    struct job *jobs = jobs_new(f, 200, &over, insert_and_submit), *more = jobs_new(f, 200, &over2, look_write_look);
    struct job *writes = jobs_new(f, 200, &over3, job_insert);
    for (int i = 0; i < 200; i++) {
        jobs[i].e.call = &more[i];
        more[i].a = 10000;
        writes[i].a = 20000 + i;
    }
    lane_submit_batch(f->lanes, LANE_WORK, &jobs->e);
    lane_submit_batch(f->lanes, LANE_WRITE, &writes->e);
    lanes_stop(f->lanes);
    for (int i = 0; i < 200; i++) {
        assert_int_equal(jobs[i].code, CODE_OK);
        assert_int_equal(writes[i].code, CODE_OK);
        assert_int_equal(more[i].doned, 1);
        assert_true(more[i].code != CODE_OK);
    }
    assert_int_equal(more[199].code, CODE_UNAVAILABLE);
    f->lanes = NULL;
    fixture_start(f);
    assert_int_equal(fixture_int(f, "SELECT count(*) FROM t WHERE a != 10000"), 400);
}

static void a_start_that_fails_leaves_nothing(void **state)
{
    struct fixture *f = *state = fixture_new();
    f->cfg.db_url = STR("sqlite:/nonexistent/folder/tern.db");
    assert_code(&f->cx, lanes_start(&f->cx, &f->cfg, &f->lanes), CODE_UNAVAILABLE);
    assert_non_null(strstr(f->cx.err.msg, "/nonexistent/folder/tern.db"));
    assert_null(f->lanes);
}

static void memory_databases_work_too(void **state)
{
    struct fixture *f = *state = fixture_new();
    sem_t over;
    f->cfg.db_url = STR("sqlite::memory:lanes");
    fixture_start(f);
    struct job *jobs = jobs_new(f, 500, &over, job_insert);
    for (int i = 0; i < 500; i++) {
        jobs[i].e.next = NULL;
        lane_submit(f->lanes, LANE_WRITE, &jobs[i].e);
        if (i % 10 == 0)
            fixture_int(f, "SELECT count(*) FROM t");
    }
    jobs_wait(&over, 500);
    assert_int_equal(fixture_int(f, "SELECT count(*) FROM t"), 500);
}

#define T(name) cmocka_unit_test_setup_teardown(name, fixture_up, fixture_down)
#define OWN(name) cmocka_unit_test_teardown(name, fixture_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        T(many_entries_share_a_commit),
        T(masses_share_commits),
        T(a_failing_entry_undoes_only_itself),
        T(a_full_disk_loses_the_whole_batch),
        T(an_entry_cannot_hide_a_lost_transaction),
        T(late_entries_never_run),
        OWN(a_full_queue_refuses_but_keeps_a_share),
        OWN(full_pools_refuse_too),
        T(rpcs_and_engine_take_turns),
        T(answers_then_topics_after_the_commit),
        T(doubles_run_once),
        T(workers_wait_for_reads_and_writes),
        T(lanes_with_a_connection_do_not_wait),
        T(a_read_sees_one_moment_and_changes_nothing),
        T(a_long_read_ends_at_its_deadline),
        T(stopping_finishes_what_was_taken),
        OWN(a_start_that_fails_leaves_nothing),
        OWN(memory_databases_work_too),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

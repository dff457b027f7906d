/* The engine on real lanes, with its timer thread, while several threads create runs and enqueue children: tasks inside the
 * engine only, so that no executor is needed. Meant for the thread sanitizer as much as for its assertions. */
#include "kept_none.h"
#include "unit.h"

#include "app.h"
#include "base/time.h"
#include "engine/abort.h"
#include "engine/create.h"
#include "engine/engine.h"
#include "engine/fire.h"
#include "engine/phase.h"
#include "exec/exec.h"
#include "lane/lane.h"
#include "lane/topic.h"
#include "store/action.h"
#include "store/db.h"
#include "store/subtree.h"

#include <ftw.h>
#include <pthread.h>
#include <stdatomic.h>
#include <sys/stat.h>
#include <unistd.h>

#define MAKERS 3
#define RUNS 40
#define CHILDREN 10

/* ---- no executor -------------------------------------------------------------------------------------------------- */

enum code exec_launch(struct ctx *cx, struct exec *e, const struct exec_task *t)
{
    (void)e;
    (void)t;
    return fail(cx, CODE_UNAVAILABLE, "there is no executor");
}

enum code exec_observe(struct ctx *cx, struct exec *e, struct exec_key key, struct exec_observation *out)
{
    (void)cx;
    (void)e;
    (void)key;
    *out = (struct exec_observation){.state = EXEC_UNKNOWN};
    return CODE_OK;
}

enum code exec_abort(struct ctx *cx, struct exec *e, struct exec_key key)
{
    (void)cx;
    (void)e;
    (void)key;
    return CODE_OK;
}

enum code exec_cleanup(struct ctx *cx, struct exec *e, struct exec_key key)
{
    return exec_abort(cx, e, key);
}

void exec_set_waiting(struct exec *e, struct exec_key key, bool waiting)
{
    (void)e;
    (void)key;
    (void)waiting;
}

void exec_set_rules(struct exec *e, const struct exec_rule *rules, size_t n)
{
    (void)e;
    (void)rules;
    (void)n;
}

bool exec_hold(struct ctx *cx, struct exec *e, const struct exec_task *task, bool started, str *reason)
{
    (void)cx;
    (void)e;
    (void)task;
    (void)started;
    (void)reason;
    return true;
}

enum code exec_list(struct ctx *cx, struct exec *e, struct exec_key **out, size_t *n)
{
    (void)cx;
    (void)e;
    *out = NULL;
    *n = 0;
    return CODE_OK;
}

/* ---- the server --------------------------------------------------------------------------------------------------- */

struct server {
    char dir[64];
    struct arena mem;
    struct ctx cx;
    struct app app;
};

static int remove_one(const char *path, const struct stat *st, int flag, struct FTW *at)
{
    (void)st;
    (void)flag;
    (void)at;
    return remove(path);
}

static void open_server(struct server *s)
{
    struct lane_config cfg = {.app = &s->app};
    ctx_init(&s->cx, &s->mem);
    s->cx.app = &s->app;
    cfg.db_url = arena_printf(&s->mem, "sqlite:%s/tern.db", s->dir);
    s->app = (struct app){.topics = topics_new()};
    assert_ok(&s->cx, lanes_start(&s->cx, &cfg, &s->app.lanes));
    assert_ok(&s->cx, engine_start(&s->cx, &s->app, &s->app.engine));
}

static void close_halted(struct server *s)
{
    lanes_stop(s->app.lanes);
    engine_free(s->app.engine);
    s->app.engine = NULL;
    topics_free(s->app.topics);
}

static void close_server(struct server *s)
{
    engine_halt(s->app.engine);
    close_halted(s);
}

static int server_up(void **state)
{
    struct server *s = calloc(1, sizeof(*s));
    strcpy(s->dir, "/tmp/tern-engine-XXXXXX");
    if (!mkdtemp(s->dir))
        return -1;
    arena_init(&s->mem, 0);
    open_server(s);
    *state = s;
    return 0;
}

static int server_down(void **state)
{
    struct server *s = *state;
    close_server(s);
    nftw(s->dir, remove_one, 16, FTW_DEPTH | FTW_PHYS);
    arena_done(&s->mem);
    free(s);
    return 0;
}

/* ---- what is made ------------------------------------------------------------------------------------------------- */

static TaskTaskSpec *spec(struct arena *mem, const char *type)
{
    TaskTaskSpec *s = pb_new(mem, TaskTaskSpec);
    s->task_template = pb_new(mem, CoreTaskTemplate);
    s->task_template->type = str_from(type);
    s->task_template->id = pb_new(mem, CoreIdentifier);
    s->task_template->id->name = str_from(type);
    return s;
}

struct making {
    struct engine_new_run run;
    struct engine_new_action action;
    struct engine_made_run made;
    struct store_action *child;
};

static enum code make_run(struct ctx *cx, void *arg)
{
    struct making *m = arg;
    return engine_create_run(cx, &m->run, &m->made);
}

static enum code make_child(struct ctx *cx, void *arg)
{
    struct making *m = arg;
    return engine_create_action(cx, &m->action, &m->child);
}

static enum code abort_run(struct ctx *cx, void *arg)
{
    struct making *m = arg;
    return engine_abort_run(cx, m->made.run, STR("enough"), 0);
}

struct maker {
    struct server *s;
    int number;
    pthread_t thread;
    enum code worst;
};

/* A condition keeps the parent's run open until it is aborted; echoes come and go. */
static enum code make_tree(struct ctx *cx, struct maker *m, int i)
{
    struct making t = {0};
    t.run = (struct engine_new_run){.project = STR("p"),
                                    .domain = STR("d"),
                                    .spec = spec(cx->mem, i % 2 ? "core-echo" : "waits-for-ever"),
                                    .run_spec = pb_new(cx->mem, TaskRunSpec),
                                    .base_uri = STR("s3://tern/p/d/x")};
    WorkflowTaskAction task = {.spec = spec(cx->mem, "core-echo")};
    t.run.name = arena_printf(cx->mem, "r%d-%d", m->number, i);
    TRY(lane_write(cx, m->s->app.lanes, make_run, &t));
    if (i % 2)
        return CODE_OK;
    for (int k = 0; k < CHILDREN; k++) {
        t.action = (struct engine_new_action){.project = STR("p"),
                                              .domain = STR("d"),
                                              .run = t.run.name,
                                              .parent = STR("a0"),
                                              .name = arena_printf(cx->mem, "c%d", k),
                                              .task = &task};
        enum code c = lane_write(cx, m->s->app.lanes, make_child, &t);
        if (c != CODE_OK && c != CODE_ABORTED) /* the parent, which cannot be launched, has ended */
            return c;
    }
    return lane_write(cx, m->s->app.lanes, abort_run, &t);
}

static void *make(void *arg)
{
    struct maker *m = arg;
    struct arena mem;
    arena_init(&mem, 0);
    for (int i = 0; i < RUNS && m->worst == CODE_OK; i++) {
        struct ctx cx;
        ctx_init(&cx, &mem);
        cx.app = &m->s->app;
        m->worst = make_tree(&cx, m, i);
        arena_reset(&mem);
    }
    arena_done(&mem);
    return NULL;
}

static enum code count_open(struct ctx *cx, void *arg)
{
    struct db_rows rows;
    TRY(db_query(cx, "SELECT count(*) FROM action WHERE ended_ns IS NULL", NULL, 0, &rows));
    *(int64_t *)arg = rows.v[0].i;
    return CODE_OK;
}

static enum code count_wrong(struct ctx *cx, void *arg)
{
    struct db_rows rows;
    TRY(db_query(cx,
                 "SELECT (SELECT count(*) FROM subtree s WHERE open_children <> 0 OR n5+n6+n7 <> (SELECT count(*) FROM"
                 " action WHERE parent_id=s.action_id)) + (SELECT count(*) FROM cascade) + (SELECT count(*) FROM run r"
                 " JOIN action a ON a.id=(r.id << 24) WHERE a.phase <> r.phase)",
                 NULL, 0, &rows));
    *(int64_t *)arg = rows.v[0].i;
    return CODE_OK;
}

static int64_t ask(struct server *s, lane_write_fn *fn)
{
    int64_t n = -1;
    assert_ok(&s->cx, lane_read(&s->cx, s->app.lanes, fn, &n));
    return n;
}

static void wait_for_the_end(struct server *s)
{
    for (int i = 0; i < 6000 && ask(s, count_open); i++)
        usleep(10000);
    assert_int_equal(ask(s, count_open), 0);
}

static void test_many_threads(void **state)
{
    struct server *s = *state;
    struct maker makers[MAKERS];
    for (int i = 0; i < MAKERS; i++) {
        makers[i] = (struct maker){.s = s, .number = i};
        pthread_create(&makers[i].thread, NULL, make, &makers[i]);
    }
    for (int i = 0; i < MAKERS; i++) {
        pthread_join(makers[i].thread, NULL);
        assert_int_equal(makers[i].worst, CODE_OK);
    }
    wait_for_the_end(s);
    close_server(s); /* and whatever was still being done is taken up again */
    open_server(s);
    wait_for_the_end(s);
    assert_int_equal(ask(s, count_wrong), 0);
}

struct late {
    struct server *s;
    struct making m;
};

static enum code make_late(struct ctx *cx, void *arg)
{
    struct late *l = arg;
    TRY(make_run(cx, &l->m));
    engine_fire_wake_after_commit(cx);
    engine_wake(l->s->app.engine, l->m.made.root->id);
    return CODE_OK;
}

/* What is begun while the server stops wakes an engine that has halted, and is taken up by the next one. */
static void test_woken_after_the_halt(void **state)
{
    struct server *s = *state;
    struct late l = {.s = s};
    l.m.run = (struct engine_new_run){.project = STR("p"),
                                      .domain = STR("d"),
                                      .name = STR("late"),
                                      .spec = spec(&s->mem, "core-echo"),
                                      .run_spec = pb_new(&s->mem, TaskRunSpec),
                                      .base_uri = STR("s3://tern/p/d/late")};
    engine_halt(s->app.engine);
    assert_ok(&s->cx, lane_write(&s->cx, s->app.lanes, make_late, &l));
    assert_int_equal(ask(s, count_open), 1);
    close_halted(s);
    open_server(s);
    wait_for_the_end(s);
    assert_int_equal(ask(s, count_wrong), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_many_threads, server_up, server_down),
        cmocka_unit_test_setup_teardown(test_woken_after_the_halt, server_up, server_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

/* A migrated database in memory with one run, for the tests of the table files. */
#ifndef TEST_UNIT_STORE_TABLES_H
#define TEST_UNIT_STORE_TABLES_H

#include "store/fixture.h"

#include "store/action.h"
#include "store/run.h"
#include "store/space.h"
#include "store/spec.h"

enum { QUEUED = 1, WAITING, INITIALIZING, RUNNING, SUCCEEDED, FAILED, ABORTED, TIMED_OUT, PAUSED, RECOVERED };

struct tables {
    struct fixture *f;
    struct ctx *cx;
    struct db *keep; /* keeps the database in memory alive */
    struct store_run run;
    struct store_action root;
};

static inline uint64_t tables_spec(struct ctx *cx, const char *name)
{
    struct store_spec s = {.kind = STORE_SPEC_TASK,
                           .project = STR("p"),
                           .domain = STR("d"),
                           .name = str_from(name),
                           .version = STR("v1"),
                           .short_name = STR("short"),
                           .task_type = STR("python"),
                           .environment = STR("env"),
                           .body = STR("body")};
    assert_ok(cx, store_spec_put(cx, &s));
    return s.id;
}

static inline void tables_make_run(struct ctx *cx, const char *name, struct store_run *run, struct store_action *root)
{
    *run = (struct store_run){.project = STR("p"), .domain = STR("d"), .name = str_from(name), .phase = QUEUED};
    run->base_uri = STR("s3://tern/p/d/r");
    run->created_ns = 1000;
    assert_ok(cx, store_space_put(cx, run->project, run->domain, &run->space_id));
    run->spec_id = tables_spec(cx, "env.main");
    assert_ok(cx, store_run_insert(cx, run));
    *root = (struct store_action){.run_id = run->id, .type = 1, .phase = QUEUED, .attempt = 1, .name = STR("a0")};
    root->spec_id = run->spec_id;
    root->created_ns = root->queued_ns = root->updated_ns = 1000;
    assert_ok(cx, store_action_insert(cx, root));
}

static inline int tables_up(void **state)
{
    static int serial;
    struct tables *t = calloc(1, sizeof(*t));
    if (!t || fixture_up((void **)&t->f) != 0)
        return -1;
    t->cx = &t->f->cx;
    snprintf(t->f->url, sizeof(t->f->url), "sqlite::memory:tables%d", serial++);
    t->keep = fixture_open(t->f, DB_WRITE);
    assert_ok(t->cx, db_migrate(t->cx, str_from(t->f->url)));
    t->cx->db = t->keep;
    assert_ok(t->cx, db_begin(t->cx, DB_WRITE));
    tables_make_run(t->cx, "r1", &t->run, &t->root);
    *state = t;
    return 0;
}

static inline int tables_down(void **state)
{
    struct tables *t = *state;
    db_rollback(t->cx);
    db_close(t->keep);
    fixture_down((void **)&t->f);
    free(t);
    return 0;
}

/* A child of parent in this phase. */
static inline struct store_action tables_child(struct tables *t, const struct store_action *parent, const char *name,
                                               int32_t phase)
{
    struct store_action a = {.run_id = t->run.id, .parent_id = parent->id, .type = 1, .phase = phase, .attempt = 1};
    a.depth = parent->depth + 1;
    a.name = str_from(name);
    a.spec_id = t->run.spec_id;
    a.created_ns = a.queued_ns = a.updated_ns = 2000;
    assert_ok(t->cx, store_action_insert(t->cx, &a));
    return a;
}

/* How SQLite would run this; the values do not matter. */
static inline struct db_rows tables_plan(struct ctx *cx, const char *sql)
{
    const struct db_value args[] = {DB_I(1), DB_I(1), DB_I(1), DB_I(1), DB_I(1), DB_I(1), DB_I(1)};
    struct db_rows plan;
    assert_ok(cx, db_query_dynamic(cx, arena_printf(cx->mem, "EXPLAIN QUERY PLAN %s", sql), args, 7, &plan));
    return plan;
}

static inline bool tables_plan_has(const struct db_rows *plan, str step)
{
    for (size_t i = 0; i < plan->n; i++)
        if (str_find(db_row(plan, i)[3].s, step) != SIZE_MAX)
            return true;
    return false;
}

#define tables_test(fn) cmocka_unit_test_setup_teardown(fn, tables_up, tables_down)

#endif

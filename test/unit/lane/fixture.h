/* Lanes on a database of their own with a table t (a INTEGER PRIMARY KEY, b), for the tests of this folder. */
#ifndef TEST_UNIT_LANE_FIXTURE_H
#define TEST_UNIT_LANE_FIXTURE_H

#include "unit.h"

#include "app.h"
#include "lane/lane.h"
#include "lane/topic.h"
#include "store/db.h"

#include <ftw.h>
#include <pthread.h>
#include <semaphore.h>
#include <stdatomic.h>
#include <unistd.h>

struct fixture {
    char dir[64], url[128];
    struct arena mem;
    struct ctx cx;
    struct app app;
    struct lanes *lanes;
    struct lane_config cfg;
};

static int fixture_remove_one(const char *path, const struct stat *st, int flag, struct FTW *at)
{
    (void)st;
    (void)flag;
    (void)at;
    return remove(path);
}

static inline void fixture_remove(const char *dir)
{
    nftw(dir, fixture_remove_one, 16, FTW_DEPTH | FTW_PHYS);
}

static enum code fixture_make_table(struct ctx *cx, void *arg)
{
    (void)arg;
    return db_query(cx, "CREATE TABLE IF NOT EXISTS t (a INTEGER PRIMARY KEY, b)", NULL, 0, NULL);
}

static inline void fixture_start(struct fixture *f)
{
    assert_ok(&f->cx, lanes_start(&f->cx, &f->cfg, &f->lanes));
    assert_ok(&f->cx, lane_write(&f->cx, f->lanes, fixture_make_table, NULL));
}

static inline struct fixture *fixture_new(void)
{
    struct fixture *f = calloc(1, sizeof(*f));
    /* In memory where there is such a folder: these tests sync thousands of times, and none needs a disk for it. */
    snprintf(f->dir, sizeof(f->dir), "%s/tern-lane-XXXXXX", access("/dev/shm", W_OK) == 0 ? "/dev/shm" : "/tmp");
    assert_non_null(mkdtemp(f->dir));
    snprintf(f->url, sizeof(f->url), "sqlite:%s/tern.db", f->dir);
    arena_init(&f->mem, 0);
    ctx_init(&f->cx, &f->mem);
    f->app.topics = topics_new();
    f->cfg = (struct lane_config){.db_url = str_from(f->url), .work_workers = 3, .app = &f->app};
    return f;
}

static inline int fixture_up(void **state)
{
    struct fixture *f = *state = fixture_new();
    fixture_start(f);
    return 0;
}

static inline int fixture_down(void **state)
{
    struct fixture *f = *state;
    lanes_stop(f->lanes);
    topics_free(f->app.topics);
    fixture_remove(f->dir);
    arena_done(&f->mem);
    free(f);
    return 0;
}

struct count {
    const char *sql;
    int64_t n;
};

static enum code fixture_count_fn(struct ctx *cx, void *arg)
{
    struct count *c = arg;
    struct db_rows rows;
    TRY(db_query_dynamic(cx, str_from(c->sql), NULL, 0, &rows));
    c->n = rows.v[0].i;
    return CODE_OK;
}

static inline int64_t fixture_int(struct fixture *f, const char *sql)
{
    struct count c = {.sql = sql};
    assert_ok(&f->cx, lane_read(&f->cx, f->lanes, fixture_count_fn, &c));
    return c.n;
}

static enum code fixture_exec_fn(struct ctx *cx, void *arg)
{
    return db_query_dynamic(cx, str_from(arg), NULL, 0, NULL);
}

static inline void fixture_exec(struct fixture *f, const char *sql)
{
    assert_ok(&f->cx, lane_write(&f->cx, f->lanes, fixture_exec_fn, (void *)(uintptr_t)sql));
}

/* An entry that tells when it is over. */
struct job {
    struct lane_entry e;
    int64_t a;
    sem_t *over;
    enum code code;
    char msg[ERR_MSG_MAX];
    _Atomic int ran, doned;
    struct fixture *f;
    enum code (*fn)(struct job *j, struct ctx *cx);
};

static enum code job_run(struct lane_entry *e, struct ctx *cx)
{
    struct job *j = (struct job *)(void *)e;
    j->ran++;
    return j->fn(j, cx);
}

static void job_done(struct lane_entry *e, struct ctx *cx, enum code code)
{
    struct job *j = (struct job *)(void *)e;
    j->code = code;
    strcpy(j->msg, cx->err.msg);
    j->doned++;
    sem_post(j->over);
}

static inline enum code job_insert(struct job *j, struct ctx *cx)
{
    return db_query(cx, "INSERT INTO t VALUES ($1, NULL)", DB_ARGS(DB_I(j->a)), NULL);
}

/* n jobs, linked; a = 0, 1, 2 ... */
static inline struct job *jobs_new(struct fixture *f, size_t n, sem_t *over,
                                   enum code (*fn)(struct job *j, struct ctx *cx))
{
    struct job *jobs = arena_new_array(&f->mem, struct job, n);
    sem_init(over, 0, 0);
    for (size_t i = 0; i < n; i++) {
        jobs[i] = (struct job){.a = (int64_t)i, .over = over, .f = f, .fn = fn};
        jobs[i].e.run = job_run;
        jobs[i].e.done = job_done;
        jobs[i].e.next = i + 1 < n ? &jobs[i + 1].e : NULL;
    }
    return jobs;
}

static inline void jobs_wait(sem_t *over, size_t n)
{
    while (n--)
        while (sem_wait(over) != 0)
            ;
}

/* Keeps a lane busy until told otherwise, so that what is submitted meanwhile waits. */
struct gate {
    struct job job;
    sem_t over, entered, go;
};

static enum code gate_fn(struct job *j, struct ctx *cx)
{
    struct gate *g = (struct gate *)(void *)j;
    (void)cx;
    sem_post(&g->entered);
    sem_wait(&g->go);
    return CODE_OK;
}

static inline struct gate *gate_close(struct fixture *f, enum lane_kind kind)
{
    struct gate *g = arena_new(&f->mem, struct gate);
    sem_init(&g->over, 0, 0);
    sem_init(&g->entered, 0, 0);
    sem_init(&g->go, 0, 0);
    g->job = (struct job){.over = &g->over, .fn = gate_fn, .f = f};
    g->job.e.run = job_run;
    g->job.e.done = job_done;
    g->job.e.engine = true;
    lane_submit(f->lanes, kind, &g->job.e);
    jobs_wait(&g->entered, 1);
    return g;
}

static inline void gate_open(struct gate *g)
{
    sem_post(&g->go);
    jobs_wait(&g->over, 1);
}

#endif

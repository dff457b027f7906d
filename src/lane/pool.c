/* Read, work and engine lanes: a queue under a mutex and a few workers. Readers take a batch first and open one
 * snapshot for it after, so that an entry sees everything that was committed before it was submitted (D-03). Engine
 * workers have a connection too, from their first lane_read() on; their entries themselves run without it. */
#include "lane/lane_int.h"

#include "base/mem.h"

#include <stdio.h>

#define READ_BATCH_MAX 32

/* ---- the queue ------------------------------------------------------------------------------------------------- */

/* Appends what fits; called with the lock held. */
static struct lane_entry *append(struct pool *p, struct lane_entry *chain, size_t *added)
{
    struct lane_entry *refused = NULL, **refused_tail = &refused;
    while (chain) {
        struct lane_entry *e = chain;
        chain = e->next;
        e->next = NULL;
        if (p->n >= p->max && !e->priority && p->kind != LANE_ENGINE) {
            *refused_tail = e;
            refused_tail = &e->next;
            continue;
        }
        *p->tail = e;
        p->tail = &e->next;
        p->n++;
        ++*added;
    }
    return refused;
}

struct lane_entry *lane_pool_push(struct pool *p, struct lane_entry *chain, enum code *why)
{
    size_t added = 0;
    pthread_mutex_lock(&p->lock);
    if (p->closed) {
        pthread_mutex_unlock(&p->lock);
        *why = CODE_UNAVAILABLE;
        return chain;
    }
    struct lane_entry *refused = append(p, chain, &added);
    size_t wake = added < (size_t)p->idle ? added : (size_t)p->idle;
    pthread_mutex_unlock(&p->lock);
    for (size_t i = 0; i < wake; i++)
        pthread_cond_signal(&p->some);
    *why = CODE_RESOURCE_EXHAUSTED;
    return refused;
}

/* A share of what waits, so that several workers help with a burst. */
static size_t batch_size(const struct pool *p)
{
    if (p->kind != LANE_READ)
        return p->n > 0;
    size_t n = (p->n + p->workers_n - 1) / p->workers_n;
    return n < READ_BATCH_MAX ? n : READ_BATCH_MAX;
}

/* Waits for entries; *n = 0 when the pool is closed and empty. */
static struct lane_entry *take(struct pool *p, size_t *n)
{
    pthread_mutex_lock(&p->lock);
    while (!p->n && !p->closed) {
        p->idle++;
        pthread_cond_wait(&p->some, &p->lock);
        p->idle--;
    }
    size_t want = *n = batch_size(p);
    struct lane_entry *chain = p->head, **end = &p->head;
    for (; want; want--)
        end = &(*end)->next;
    p->n -= *n;
    p->head = *end;
    *end = NULL;
    if (!p->head)
        p->tail = &p->head;
    pthread_mutex_unlock(&p->lock);
    return chain;
}

/* ---- running --------------------------------------------------------------------------------------------------- */

static void run_one(struct worker *w, struct lane_entry *e, struct db *db)
{
    struct lanes *lanes = w->pool->lanes;
    struct ctx cx;
    lane_entry_ctx(lanes, e, &w->mem, db, &cx);
    e->code = lane_entry_check(&cx);
    if (e->code == CODE_OK)
        e->code = e->run(e, &cx);
    e->err = cx.err;
    lane_entry_done(lanes, e, &w->mem);
}

/* The snapshot itself begins with the first statement after this. */
static void begin(struct worker *w)
{
    struct ctx cx;
    ctx_init(&cx, &w->mem);
    cx.db = w->db;
    if (db_begin(&cx, DB_READ) != CODE_OK)
        db_rollback(&cx); /* the entries read without it, and meet the error themselves */
}

static void end(struct worker *w)
{
    struct ctx cx;
    ctx_init(&cx, &w->mem);
    cx.db = w->db;
    if (!db_in_transaction(w->db) || db_commit(&cx) != CODE_OK)
        db_rollback(&cx);
}

static void run_reads(struct worker *w, struct lane_entry *chain)
{
    begin(w);
    while (chain) {
        struct lane_entry *e = chain;
        chain = e->next;
        run_one(w, e, w->db);
        if (chain && !db_in_transaction(w->db)) {
            end(w);
            begin(w);
        }
    }
    end(w);
}

enum code lane_pool_read(struct ctx *cx, struct worker *w, lane_write_fn *fn, void *arg)
{
    if (!w->db)
        TRY(db_open(cx, w->pool->lanes->db_url, DB_READ, &w->db));
    begin(w);
    cx->db = w->db;
    enum code code = fn(cx, arg);
    cx->db = NULL;
    end(w);
    return code;
}

static void *work(void *arg)
{
    struct worker *w = arg;
    lane_thread_is(w->pool->kind, w);
    for (;;) {
        size_t n;
        struct lane_entry *chain = take(w->pool, &n);
        if (!n)
            return NULL;
        if (w->pool->kind == LANE_READ)
            run_reads(w, chain);
        else
            run_one(w, chain, NULL);
        lane_arena_reset(&w->mem);
    }
}

/* ---- start and stop -------------------------------------------------------------------------------------------- */

static enum code start_worker(struct ctx *cx, struct pool *p, struct worker *w)
{
    static const char *const names[] = {[LANE_READ] = "read", [LANE_WORK] = "work", [LANE_ENGINE] = "engine"};
    char name[16];
    w->pool = p;
    arena_init(&w->mem, 0);
    if (p->kind == LANE_READ)
        TRY(db_open(cx, p->lanes->db_url, DB_READ, &w->db));
    snprintf(name, sizeof(name), "tern-%s-%d", names[p->kind], (int)(w - p->workers));
    TRY(lane_thread_start(cx, &w->thread, name, work, w));
    w->started = true;
    return CODE_OK;
}

enum code lane_pool_start(struct ctx *cx, struct pool *p, struct lanes *lanes, enum lane_kind kind, int workers)
{
    p->lanes = lanes;
    p->kind = kind;
    p->max = lanes->queue_max;
    p->tail = &p->head;
    p->workers_n = (size_t)workers;
    p->workers = mem_alloc_array(p->workers_n, sizeof(*p->workers));
    pthread_mutex_init(&p->lock, NULL);
    pthread_cond_init(&p->some, NULL);
    for (size_t i = 0; i < p->workers_n; i++)
        TRY(start_worker(cx, p, &p->workers[i]));
    return CODE_OK;
}

void lane_pool_stop(struct pool *p)
{
    if (!p->workers)
        return;
    pthread_mutex_lock(&p->lock);
    p->closed = true;
    pthread_cond_broadcast(&p->some);
    pthread_mutex_unlock(&p->lock);
    for (size_t i = 0; i < p->workers_n; i++) {
        struct worker *w = &p->workers[i];
        if (w->started)
            pthread_join(w->thread, NULL);
        db_close(w->db);
        arena_done(&w->mem);
    }
    mem_free(p->workers);
    p->workers = NULL;
}

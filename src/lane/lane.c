/* Starting, stopping and submitting to the lanes; and waiting for a lane from a worker of another. See lane.h. */
#include "lane/lane.h"

#include "base/mem.h"
#include "base/time.h"
#include "lane/futex_int.h"
#include "lane/lane_int.h"

#include <errno.h>
#include <signal.h>

#define QUEUE_MAX 8192
/* Below 2 MiB, so that no huge page backs a stack. */
#define STACK_BYTES ((size_t)1 << 20)

/* Which lane this thread works for; LANE_KINDS_ = none. */
static _Thread_local enum lane_kind self = LANE_KINDS_;
static _Thread_local struct worker *self_worker;

void lane_thread_is(enum lane_kind kind, struct worker *w)
{
    self = kind;
    self_worker = w;
}

enum code lane_thread_start(struct ctx *cx, pthread_t *thread, const char *name, void *(*fn)(void *), void *arg)
{
    pthread_attr_t attr;
    sigset_t all, old;
    sigfillset(&all);
    pthread_attr_init(&attr);
    pthread_attr_setstacksize(&attr, STACK_BYTES);
    pthread_sigmask(SIG_SETMASK, &all, &old);
    int rc = pthread_create(thread, &attr, fn, arg);
    pthread_sigmask(SIG_SETMASK, &old, NULL);
    pthread_attr_destroy(&attr);
    if (rc != 0) {
        errno = rc;
        return fail_errno(cx, "start thread %s", name);
    }
    pthread_setname_np(*thread, name);
    return CODE_OK;
}

void lane_arena_reset(struct arena *mem)
{
    if (mem->used > ARENA_KEEP_BYTES)
        arena_done(mem);
    else
        arena_reset(mem);
}

/* ---- entries ----------------------------------------------------------------------------------------------------- */

void lane_entry_ctx(struct lanes *lanes, struct lane_entry *e, struct arena *mem, struct db *db, struct ctx *cx)
{
    ctx_init(cx, e->mem ? e->mem : mem);
    if (e->who)
        cx->who = e->who;
    if (e->deadline_ns)
        cx->deadline_ns = e->deadline_ns;
    cx->app = lanes->app;
    cx->call = e->call;
    cx->fields = e->fields;
    cx->db = db;
}

enum code lane_entry_check(struct ctx *cx)
{
    if (cx->deadline_ns != INT64_MAX && time_now_ns() >= cx->deadline_ns)
        return fail(cx, CODE_DEADLINE_EXCEEDED, "the deadline passed while the call waited for its turn");
    return CODE_OK;
}

void lane_entry_done(struct lanes *lanes, struct lane_entry *e, struct arena *mem)
{
    struct ctx cx;
    lane_entry_ctx(lanes, e, mem, NULL, &cx);
    cx.err = e->err;
    e->done(e, &cx, e->code);
}

static void refuse(struct lanes *lanes, struct lane_entry *e, enum code why)
{
    struct arena mem;
    struct ctx cx;
    arena_init(&mem, 0);
    lane_entry_ctx(lanes, e, &mem, NULL, &cx);
    fail(&cx, why, "%s", why == CODE_UNAVAILABLE ? "the server is stopping" : "too many calls are waiting; try again");
    e->code = why;
    e->err = cx.err;
    lane_entry_done(lanes, e, &mem);
    arena_done(&mem);
}

void lane_submit_batch(struct lanes *lanes, enum lane_kind kind, struct lane_entry *chain)
{
    enum code why = CODE_UNAVAILABLE;
    if (self != LANE_KINDS_ || !atomic_load_explicit(&lanes->draining, memory_order_relaxed))
        chain = kind == LANE_WRITE ? lane_writer_push(&lanes->writer, chain, &why)
                                   : lane_pool_push(&lanes->pools[kind], chain, &why);
    while (chain) {
        struct lane_entry *e = chain;
        chain = e->next;
        refuse(lanes, e, why);
    }
}

void lane_submit(struct lanes *lanes, enum lane_kind kind, struct lane_entry *e)
{
    e->next = NULL;
    lane_submit_batch(lanes, kind, e);
}

/* ---- waiting for another lane ----------------------------------------------------------------------------------- */

struct wait {
    struct lane_entry entry;
    lane_write_fn *fn;
    void *arg;
    struct err err;
    _Atomic uint32_t over;
};

static enum code wait_run(struct lane_entry *e, struct ctx *cx)
{
    struct wait *w = (struct wait *)(void *)e;
    return w->fn(cx, w->arg);
}

/* After the store the waiter may be gone; the wake-up then finds nobody at that address. */
static void wait_done(struct lane_entry *e, struct ctx *cx, enum code code)
{
    struct wait *w = (struct wait *)(void *)e;
    (void)code;
    w->err = cx->err;
    atomic_store(&w->over, 1);
    futex_wake_all(&w->over);
}

static enum code may_wait(struct ctx *cx)
{
    if (cx->db || self == LANE_READ || self == LANE_WRITE)
        return fail(cx, CODE_INTERNAL, "a lane with a database connection cannot wait for another one");
    return CODE_OK;
}

static enum code run_and_wait(struct ctx *cx, struct lanes *lanes, enum lane_kind kind, lane_write_fn *fn, void *arg,
                              bool patient)
{
    TRY(may_wait(cx));
    struct wait w = {.fn = fn, .arg = arg};
    w.entry = (struct lane_entry){.run = wait_run,
                                  .done = wait_done,
                                  .mem = cx->mem,
                                  .who = cx->who,
                                  .call = cx->call,
                                  .fields = cx->fields,
                                  .deadline_ns = cx->deadline_ns == INT64_MAX ? 0 : cx->deadline_ns,
                                  .engine = self == LANE_ENGINE,
                                  .priority = kind == LANE_READ,
                                  .patient = patient};
    lane_submit(lanes, kind, &w.entry);
    while (!atomic_load(&w.over))
        futex_wait(&w.over, 0);
    if (w.entry.code != CODE_OK)
        cx->err = w.err;
    return w.entry.code;
}

enum code lane_write(struct ctx *cx, struct lanes *lanes, lane_write_fn *fn, void *arg)
{
    return run_and_wait(cx, lanes, LANE_WRITE, fn, arg, false);
}

enum code lane_write_patiently(struct ctx *cx, struct lanes *lanes, lane_write_fn *fn, void *arg)
{
    return run_and_wait(cx, lanes, LANE_WRITE, fn, arg, true);
}

/* Engine workers have connections of their own: two changes of thread less for each look. */
enum code lane_read(struct ctx *cx, struct lanes *lanes, lane_write_fn *fn, void *arg)
{
    if (self == LANE_ENGINE) {
        TRY(may_wait(cx));
        return lane_pool_read(cx, self_worker, fn, arg);
    }
    return run_and_wait(cx, lanes, LANE_READ, fn, arg, false);
}

/* ---- start and stop --------------------------------------------------------------------------------------------- */

static int or_default(int n, int otherwise)
{
    return n > 0 ? n : otherwise;
}

/* The writer's connection comes first and stays: as long as one is open, the log is not recovered or moved again. */
static enum code start_all(struct ctx *cx, struct lanes *l, const struct lane_config *cfg)
{
    TRY(db_open(cx, l->db_url, DB_WRITE, &l->writer.db));
    TRY(db_migrate(cx, l->db_url));
    TRY(lane_checkpoint_start(cx, &l->checkpoint, l->db_url, cfg->wal_bytes));
    TRY(lane_writer_start(cx, &l->writer, l));
    TRY(lane_pool_start(cx, &l->pools[LANE_READ], l, LANE_READ, or_default(cfg->read_workers, 2)));
    TRY(lane_pool_start(cx, &l->pools[LANE_WORK], l, LANE_WORK, or_default(cfg->work_workers, 16)));
    return lane_pool_start(cx, &l->pools[LANE_ENGINE], l, LANE_ENGINE, or_default(cfg->engine_workers, 2));
}

enum code lanes_start(struct ctx *cx, const struct lane_config *cfg, struct lanes **out)
{
    struct lanes *l = mem_new(struct lanes);
    l->app = cfg->app;
    l->queue_max = cfg->queue_max ? cfg->queue_max : QUEUE_MAX;
    l->db_url = str_make(mem_copy(cfg->db_url.p, cfg->db_url.n), cfg->db_url.n);
    enum code code = start_all(cx, l, cfg);
    if (code != CODE_OK) {
        lanes_stop(l);
        return code;
    }
    *out = l;
    return CODE_OK;
}

void lanes_stop(struct lanes *l)
{
    if (!l)
        return;
    atomic_store(&l->draining, true);
    lane_pool_stop(&l->pools[LANE_WORK]);
    lane_pool_stop(&l->pools[LANE_ENGINE]);
    lane_pool_stop(&l->pools[LANE_READ]);
    lane_checkpoint_stop(&l->checkpoint);
    lane_writer_stop(&l->writer);
    mem_free((void *)(uintptr_t)l->db_url.p);
    mem_free(l);
}

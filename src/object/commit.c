/* The commit thread. Owns the only connection of this process that changes the index. See commit_int.h. */
#include "object/commit_int.h"

#include "base/fault.h"
#include "base/list.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/time.h"
#include "object/keeper_int.h"
#include "object/store_int.h"

#include <errno.h>
#include <pthread.h>
#include <semaphore.h>
#include <stdatomic.h>

#define BATCH_MAX 512
#define BATCH_NS (2 * NS_PER_MS)
/* No disk that is well takes so long for one batch. */
#define STALLED_NS (5 * NS_PER_S)

struct object_commit {
    struct object_store *store;
    const char *path;
    pthread_t thread;
    pthread_mutex_t mutex;
    pthread_cond_t filled;
    struct object_op *first, **last; /* the queue, oldest first */
    size_t queued;
    bool stopping;
    _Atomic int64_t since_ns; /* when the thread began what it is at; 0 = it waits for entries */
    /* of the thread alone */
    struct object_index ix;
    struct arena mem; /* of one batch */
    int wal_frames;
    bool open;
};

/* ---- the queue --------------------------------------------------------------------------------------------------- */

static void refuse(struct object_op *op, enum code code, const char *why)
{
    struct ctx cx;
    ctx_init(&cx, NULL);
    op->code = fail(&cx, code, "%s", why);
    op->err = cx.err;
    op->done(op, op->code);
}

void object_commit_submit(struct object_commit *c, struct object_op *op)
{
    op->next = NULL;
    pthread_mutex_lock(&c->mutex);
    bool stopping = c->stopping, full = c->queued == OBJECT_COMMIT_QUEUE_MAX, was_empty = !c->first;
    if (!stopping && !full) {
        *c->last = op;
        c->last = &op->next;
        c->queued++;
    }
    pthread_mutex_unlock(&c->mutex);
    if (stopping)
        refuse(op, CODE_UNAVAILABLE, "the object store is shutting down");
    else if (full)
        refuse(op, CODE_UNAVAILABLE, "too many writes wait for the object index");
    else if (was_empty)
        pthread_cond_signal(&c->filled);
}

/* Waits for entries and takes at most BATCH_MAX, oldest first. NULL: stopped and empty. */
static struct object_op *take(struct object_commit *c)
{
    pthread_mutex_lock(&c->mutex);
    while (!c->first && !c->stopping)
        pthread_cond_wait(&c->filled, &c->mutex);
    struct object_op *batch = c->first, *op = batch, **at = &batch;
    size_t n = 0;
    for (; op && n < BATCH_MAX; n++) {
        at = &op->next;
        op = op->next;
    }
    if (batch)
        *at = NULL;
    c->first = op;
    if (!op)
        c->last = &c->first;
    c->queued -= n;
    pthread_mutex_unlock(&c->mutex);
    return batch;
}

/* Back to the front of the queue: what one transaction has no time for. */
static void put_back(struct object_commit *c, struct object_op *rest)
{
    struct object_op *end = rest;
    size_t n = 1;
    if (!rest)
        return;
    for (; end->next; end = end->next)
        n++;
    pthread_mutex_lock(&c->mutex);
    end->next = c->first;
    if (!c->first)
        c->last = &end->next;
    c->first = rest;
    c->queued += n;
    pthread_mutex_unlock(&c->mutex);
}

/* Takes an entry back that no batch has taken; false = one has. */
static bool withdraw(struct object_commit *c, struct object_op *op)
{
    pthread_mutex_lock(&c->mutex);
    struct object_op **at = &c->first;
    while (*at && *at != op)
        at = &(*at)->next;
    bool found = *at != NULL;
    if (found) {
        *at = op->next;
        c->queued--;
        if (!*at)
            c->last = at;
    }
    pthread_mutex_unlock(&c->mutex);
    return found;
}

/* ---- one batch --------------------------------------------------------------------------------------------------- */

static bool is_disk_trouble(enum code code)
{
    return code == CODE_RESOURCE_EXHAUSTED || code == CODE_UNAVAILABLE || code == CODE_DATA_LOSS;
}

/* A refusal of the entry's own undoes its savepoint. Anything that is wrong with the disk or the file undoes the whole
 * transaction, whether SQLite has already done so or not: entries that succeeded, and refusals, rest on it. An error is
 * one that loses the batch. */
static enum code run_in_savepoint(struct ctx *cx, struct object_commit *c, struct object_op *op)
{
    size_t freed = c->ix.freed.n;
    TRY(object_index_tx(cx, &c->ix, OBJECT_TX_SAVEPOINT));
    op->code = op->run(op, cx, &c->ix);
    if (op->code != CODE_OK) {
        op->err = cx->err;
        c->ix.freed.n = freed;
        if (is_disk_trouble(op->code))
            return op->code;
        if (sqlite3_get_autocommit(c->ix.db))
            return fail(cx, CODE_UNAVAILABLE, "the object index lost its transaction");
        TRY(object_index_tx(cx, &c->ix, OBJECT_TX_UNDO));
    }
    return object_index_tx(cx, &c->ix, OBJECT_TX_RELEASE);
}

static void fail_all(struct object_op *batch, const struct err *err)
{
    for (struct object_op *op = batch; op; op = op->next) {
        op->code = err->code;
        op->err = *err;
    }
}

/* Runs entries until the time is over; *rest gets what did not run. An error is one that loses the batch. */
static enum code run_entries(struct ctx *cx, struct object_commit *c, struct object_op *batch, struct object_op **rest)
{
    int64_t end_ns = time_now_ns() + BATCH_NS;
    for (struct object_op *op = batch; op; op = op->next) {
        TRY(run_in_savepoint(cx, c, op));
        if (op->next && time_now_ns() > end_ns) {
            *rest = op->next;
            op->next = NULL;
        }
    }
    return CODE_OK;
}

static enum code transaction(struct ctx *cx, struct object_commit *c, struct object_op *batch, struct object_op **rest)
{
    TRY(object_index_tx(cx, &c->ix, OBJECT_TX_BEGIN));
    enum code code = run_entries(cx, c, batch, rest);
    fault_point("object.before_commit");
    if (code == CODE_OK)
        code = object_index_tx(cx, &c->ix, OBJECT_TX_COMMIT);
    fault_point("object.after_commit");
    if (code != CODE_OK)
        object_index_rollback(&c->ix);
    return code;
}

static void finish(struct object_op *batch)
{
    for (struct object_op *op = batch, *next; op; op = next) {
        next = op->next;
        op->done(op, op->code);
    }
}

static int on_wal(void *arg, sqlite3 *db, const char *name, int frames)
{
    (void)db;
    (void)name;
    ((struct object_commit *)arg)->wal_frames = frames;
    return SQLITE_OK;
}

static enum code open_index(struct ctx *cx, struct object_commit *c)
{
    TRY(object_index_open(cx, c->path, &c->ix));
    c->open = true;
    c->ix.store = c->store;
    c->ix.mem = &c->mem;
    sqlite3_wal_hook(c->ix.db, on_wal, c);
    return CODE_OK;
}

/* After an I/O error nothing is known of this connection's file: never sync it again, start from what is on disk. */
static void reopen(struct object_commit *c)
{
    struct ctx cx;
    ctx_init(&cx, &c->mem);
    if (c->open)
        object_index_close(&c->ix);
    c->open = false;
    if (open_index(&cx, c) != CODE_OK)
        log_error(&cx, "object index cannot be opened again", LOG_ERR(&cx));
}

static void run_batch(struct object_commit *c, struct object_op *batch)
{
    struct ctx cx;
    struct object_op *rest = NULL;
    ctx_init(&cx, &c->mem);
    c->ix.freed.p = NULL;
    c->ix.freed.n = c->ix.freed.cap = 0;
    enum code code =
        c->open ? transaction(&cx, c, batch, &rest) : fail(&cx, CODE_UNAVAILABLE, "the object index is not available");
    if (code != CODE_OK) {
        log_error(&cx, "object index: batch failed", LOG_ERR(&cx));
        fail_all(batch, &cx.err);
    } else {
        object_keeper_remove(c->store->keeper, c->ix.freed.p, c->ix.freed.n);
    }
    put_back(c, rest);
    finish(batch);
    if (code == CODE_DATA_LOSS || !c->open)
        reopen(c);
}

static void checkpoint(struct object_commit *c)
{
    enum object_keeper_rest rest = c->open ? object_keeper_wal(c->store->keeper, c->wal_frames) : OBJECT_REST_NONE;
    if (rest != OBJECT_REST_NONE)
        sqlite3_wal_checkpoint_v2(c->ix.db, NULL,
                                  rest == OBJECT_REST_ALL ? SQLITE_CHECKPOINT_RESTART : SQLITE_CHECKPOINT_PASSIVE, NULL,
                                  NULL);
}

static void *writer(void *arg)
{
    struct object_commit *c = arg;
    struct object_op *batch;
    while ((batch = take(c))) {
        atomic_store(&c->since_ns, time_now_ns());
        run_batch(c, batch);
        checkpoint(c);
        atomic_store(&c->since_ns, 0);
        arena_reset(&c->mem);
    }
    return NULL;
}

/* ---- start, stop, wait ------------------------------------------------------------------------------------------- */

static void commit_free(struct object_commit *c)
{
    if (c->open)
        object_index_close(&c->ix);
    arena_done(&c->mem);
    pthread_cond_destroy(&c->filled);
    pthread_mutex_destroy(&c->mutex);
    mem_free(c);
}

enum code object_commit_start(struct ctx *cx, struct object_store *s, const char *path, struct object_commit **out)
{
    struct object_commit *c = mem_new(struct object_commit);
    c->store = s;
    c->path = path;
    c->last = &c->first;
    arena_init(&c->mem, 0);
    pthread_mutex_init(&c->mutex, NULL);
    pthread_cond_init(&c->filled, NULL);
    enum code code = open_index(cx, c);
    if (code == CODE_OK)
        code = object_index_migrate(cx, &c->ix);
    if (code == CODE_OK && (errno = pthread_create(&c->thread, NULL, writer, c)))
        code = fail_errno(cx, "start the object store's commit thread");
    if (code != CODE_OK) {
        commit_free(c);
        return code;
    }
    *out = c;
    return CODE_OK;
}

void object_commit_stop(struct object_commit *c)
{
    if (!c)
        return;
    pthread_mutex_lock(&c->mutex);
    c->stopping = true;
    pthread_cond_signal(&c->filled);
    pthread_mutex_unlock(&c->mutex);
    pthread_join(c->thread, NULL);
    commit_free(c);
}

int64_t object_commit_stalled_ns(struct object_commit *c)
{
    int64_t since_ns = atomic_load(&c->since_ns), busy_ns = since_ns ? time_now_ns() - since_ns : 0;
    return busy_ns > STALLED_NS ? busy_ns : 0;
}

/* Stands in the queue for an entry whose owner waits. */
struct waiter {
    struct object_op op, *real;
    sem_t done;
};

static enum code waiter_run(struct object_op *op, struct ctx *cx, struct object_index *ix)
{
    struct waiter *w = container_of(op, struct waiter, op);
    return w->real->run(w->real, cx, ix);
}

static void waiter_done(struct object_op *op, enum code code)
{
    (void)code;
    sem_post(&container_of(op, struct waiter, op)->done);
}

/* Until the entry is done, or is taken back because the disk does not answer. What a batch has taken can only be waited
 * for. */
static void wait_done(struct object_commit *c, struct waiter *w)
{
    for (;;) {
        struct timespec until;
        clock_gettime(CLOCK_MONOTONIC, &until);
        until.tv_sec++;
        if (sem_clockwait(&w->done, CLOCK_MONOTONIC, &until) == 0)
            return;
        if (errno == ETIMEDOUT && object_commit_stalled_ns(c) && withdraw(c, &w->op))
            refuse(&w->op, CODE_UNAVAILABLE, "the object store does not answer");
    }
}

enum code object_commit_run(struct ctx *cx, struct object_commit *c, struct object_op *op)
{
    struct waiter w = {.op = {.run = waiter_run, .done = waiter_done}, .real = op};
    sem_init(&w.done, 0, 0);
    object_commit_submit(c, &w.op);
    wait_done(c, &w);
    sem_destroy(&w.done);
    if (w.op.code != CODE_OK)
        cx->err = w.op.err;
    return w.op.code;
}

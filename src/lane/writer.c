/* The write lane: one thread runs what is queued back to back in one transaction, each entry in a savepoint, and
 * commits when the queue is empty or after 2 ms or 512 entries. Nothing is answered before that commit is durable
 * (D-01). Between two batches it may rest (rest.c). */
#include "lane/lane_int.h"

#include "app.h"
#include "base/fault.h"
#include "base/log.h"
#include "base/metric.h"
#include "base/time.h"
#include "lane/futex_int.h"

#include <unistd.h>

#define BATCH_NS (2 * NS_PER_MS)
/* A rest ends when nothing came for so long, and when so many wait. */
#define ALONE_NS (5 * NS_PER_MS / 2)
#define ENOUGH 64
#define EXIT_DATA_LOSS 70

/* On the stack when nothing may be pushed any more. */
static struct lane_entry closed_mark;

enum sleep { AWAKE, ASLEEP, RESTING };

/* ---- the queue: any thread pushes, the writer takes everything -------------------------------------------------- */

static bool is_enough(struct writer *w)
{
    return atomic_load_explicit(&w->queued, memory_order_relaxed) >= ENOUGH;
}

static void wake(struct writer *w)
{
    if (atomic_exchange(&w->asleep, AWAKE) != AWAKE)
        futex_wake_all(&w->asleep);
}

static bool push_chain(struct writer *w, struct lane_entry *first, struct lane_entry *last, bool urgent)
{
    struct lane_entry *top = atomic_load_explicit(&w->stack, memory_order_relaxed);
    do {
        if (top == &closed_mark)
            return false;
        last->next = top;
    } while (!atomic_compare_exchange_weak(&w->stack, &top, first));
    uint32_t asleep = atomic_load(&w->asleep);
    if (asleep == ASLEEP || (asleep == RESTING && (urgent || is_enough(w))))
        wake(w);
    return true;
}

/* Counts an entry of an RPC against the bound; a share of the queue is for those with priority (D-04). */
static bool admit(struct writer *w, const struct lane_entry *e)
{
    if (e->engine)
        return true;
    size_t n = atomic_fetch_add_explicit(&w->queued, 1, memory_order_relaxed);
    if (n < (e->priority ? w->max : w->max_plain))
        return true;
    atomic_fetch_sub_explicit(&w->queued, 1, memory_order_relaxed);
    return false;
}

struct lane_entry *lane_writer_push(struct writer *w, struct lane_entry *chain, enum code *why)
{
    struct lane_entry *refused = NULL, **refused_tail = &refused, *newest = NULL, *oldest = NULL;
    bool urgent = false;
    while (chain) {
        struct lane_entry *e = chain;
        chain = e->next;
        if (!admit(w, e)) {
            e->next = NULL;
            *refused_tail = e;
            refused_tail = &e->next;
            continue;
        }
        urgent |= !e->patient;
        e->next = newest;
        newest = e;
        if (!oldest)
            oldest = e;
    }
    *why = CODE_RESOURCE_EXHAUSTED;
    if (!newest || push_chain(w, newest, oldest, urgent))
        return refused;
    *why = CODE_UNAVAILABLE;
    *refused_tail = newest;
    oldest->next = NULL;
    return refused;
}

static void fifo_add_front(struct fifo *f, struct lane_entry *e)
{
    if (!f->head)
        f->tail = &e->next;
    e->next = f->head;
    f->head = e;
}

static struct lane_entry *fifo_take(struct fifo *f)
{
    struct lane_entry *e = f->head;
    if (e) {
        f->head = e->next;
        if (!f->head)
            f->tail = &f->head;
    }
    return e;
}

static void fifo_join(struct fifo *f, struct fifo *more)
{
    if (!more->head)
        return;
    *f->tail = more->head;
    f->tail = more->tail;
}

/* Moves what was pushed to the backlogs, oldest first. False when there was nothing. */
static bool collect(struct writer *w)
{
    struct fifo rpc = {.tail = &rpc.head}, engine = {.tail = &engine.head};
    bool stopping = atomic_load(&w->stopping);
    if (w->closed || (!stopping && !atomic_load(&w->stack)))
        return false;
    struct lane_entry *e = atomic_exchange(&w->stack, stopping ? &closed_mark : NULL);
    w->closed = stopping;
    bool some = e != NULL;
    while (e) {
        struct lane_entry *next = e->next;
        w->backlog++;
        w->urgent |= !e->patient;
        fifo_add_front(e->engine ? &engine : &rpc, e);
        e = next;
    }
    fifo_join(&w->rpc, &rpc);
    fifo_join(&w->engine, &engine);
    return some;
}

/* The next entry to run: RPCs and engine in turn while both wait. */
static struct lane_entry *next_entry(struct writer *w)
{
    if (!w->backlog && !collect(w))
        return NULL;
    w->backlog--;
    bool engine = w->engine.head && (w->engine_turn || !w->rpc.head);
    w->engine_turn = !engine;
    return fifo_take(engine ? &w->engine : &w->rpc);
}

/* ---- a batch ---------------------------------------------------------------------------------------------------- */

static void plain_ctx(struct writer *w, struct ctx *cx)
{
    ctx_init(cx, &w->mem);
    cx->app = w->lanes->app;
    cx->db = w->db;
}

static void lose(struct writer *w, const struct ctx *cx)
{
    w->lost = true;
    w->reason = cx->err;
}

static enum code run_in_savepoint(struct ctx *cx, struct lane_entry *e)
{
    TRY(lane_entry_check(cx));
    TRY(db_savepoint(cx));
    enum code code = e->run(e, cx);
    if (code == CODE_OK)
        code = db_release(cx);
    if (code != CODE_OK)
        db_rollback_to(cx);
    return code;
}

static void run_one(struct writer *w, struct lane_entry *e)
{
    struct ctx cx;
    size_t wanted = w->after.n;
    lane_entry_ctx(w->lanes, e, &w->mem, w->db, &cx);
    e->code = run_in_savepoint(&cx, e);
    e->err = cx.err;
    if (e->code != CODE_OK)
        w->after.n = wanted;
    w->batch[w->n++] = e;
    if (!db_in_transaction(w->db))
        lose(w, &cx);
}

static void run_batch(struct writer *w)
{
    struct lane_entry *e;
    int64_t until = time_now_ns() + BATCH_NS;
    do {
        e = next_entry(w);
        if (e)
            run_one(w, e);
    } while (e && !w->lost && w->n < BATCH_MAX && time_now_ns() < until);
}

/* When no transaction can be begun, as many entries as a batch would have held are answered. */
static void refuse_batch(struct writer *w)
{
    struct lane_entry *e;
    while (w->n < BATCH_MAX && (e = next_entry(w)))
        w->batch[w->n++] = e;
}

_Noreturn void lane_writer_die(struct ctx *cx)
{
    log_error(cx, "the disk failed while a change was made durable: ending at once, answering nobody", LOG_ERR(cx));
    _exit(EXIT_DATA_LOSS);
}

/* Sets w->lost unless everything is durable. */
static void commit(struct writer *w)
{
    struct ctx cx;
    plain_ctx(w, &cx);
    if (w->lost) {
        db_rollback(&cx);
        return;
    }
    fault_point("lane.before_commit");
    enum code code = db_commit(&cx);
    if (code == CODE_DATA_LOSS)
        lane_writer_die(&cx);
    fault_point("lane.after_commit");
    if (code != CODE_OK)
        lose(w, &cx);
}

/* Once a second at most: a full disk loses every batch. */
static void log_lost(struct writer *w, struct ctx *cx)
{
    int64_t now = time_now_ns();
    if (w->told_ns && now - w->told_ns < NS_PER_S)
        return;
    w->told_ns = now;
    log_error(cx, "state changes cannot be stored", LOG_CSTR("error", w->reason.msg), LOG_INT("entries", w->n));
}

/* Also what failed by itself, or found that something exists, said so because of rows that are gone now. */
static void fail_all(struct writer *w)
{
    struct ctx cx;
    plain_ctx(w, &cx);
    w->after.n = 0;
    log_lost(w, &cx);
    fail(&cx, CODE_UNAVAILABLE, "nothing was stored: %s", w->reason.msg);
    for (size_t i = 0; i < w->n; i++) {
        w->batch[i]->code = CODE_UNAVAILABLE;
        w->batch[i]->err = cx.err;
    }
}

static void answer(struct writer *w)
{
    size_t rpcs = 0, stored = 0;
    for (size_t i = 0; i < w->n; i++) {
        rpcs += !w->batch[i]->engine;
        stored += w->batch[i]->code == CODE_OK;
    }
    atomic_fetch_sub_explicit(&w->queued, rpcs, memory_order_relaxed);
    metric_add(METRIC_write_batches_total, !w->lost);
    metric_add(METRIC_write_entries_total, (int64_t)stored);
    for (size_t i = 0; i < w->n; i++)
        lane_entry_done(w->lanes, w->batch[i], &w->mem);
    lane_after_run(&w->after, w->lanes->app ? w->lanes->app->topics : NULL);
}

static void do_batch(struct writer *w)
{
    struct ctx cx;
    plain_ctx(w, &cx);
    int64_t begun_ns = time_now_ns();
    w->n = 0;
    w->lost = false;
    if (db_begin(&cx, DB_WRITE) == CODE_OK) {
        run_batch(w);
    } else {
        lose(w, &cx);
        refuse_batch(w);
    }
    commit(w);
    if (w->lost)
        fail_all(w);
    else
        metric_observe_ns(METRIC_write_batch_seconds, time_now_ns() - begun_ns);
    answer(w);
    if (!w->urgent && !w->lost)
        lane_rest_commit(&w->rest, time_now_ns(), w->n);
    w->urgent = w->urgent && w->backlog;
    lane_checkpoint_tick(&w->lanes->checkpoint, &cx);
    lane_arena_reset(&w->mem);
}

/* ---- the thread ------------------------------------------------------------------------------------------------- */

static void sleep_until_pushed(struct writer *w)
{
    atomic_store(&w->asleep, ASLEEP);
    while (!atomic_load(&w->stack) && !atomic_load(&w->stopping) && atomic_load(&w->asleep))
        futex_wait(&w->asleep, ASLEEP);
    atomic_store(&w->asleep, AWAKE);
}

static bool may_rest(struct writer *w)
{
    return !w->urgent && !w->closed && !is_enough(w);
}

/* Collects what comes meanwhile; true when something did. Nobody wakes the writer for patient entries, so what came
 * between the last look and the mark is looked for again. */
static bool rest_once(struct writer *w, int64_t ns)
{
    size_t before = w->backlog;
    atomic_store(&w->asleep, RESTING);
    collect(w);
    if (may_rest(w))
        futex_wait_ns(&w->asleep, RESTING, ns);
    atomic_store(&w->asleep, AWAKE);
    collect(w);
    return w->backlog > before;
}

static void rest(struct writer *w)
{
    int64_t now = time_now_ns(), until = lane_rest_until(&w->rest, now);
    bool alone = false;
    if (now >= until || !may_rest(w))
        return;
    while (!alone && may_rest(w) && now < until) {
        int64_t begun = now;
        bool came = rest_once(w, until - now < ALONE_NS ? until - now : ALONE_NS);
        now = time_now_ns();
        alone = !came && now - begun >= ALONE_NS; /* the last piece may be too short to tell */
    }
    lane_rest_ended(&w->rest, now, alone);
}

static void *work(void *arg)
{
    struct writer *w = arg;
    lane_thread_is(LANE_WRITE, NULL);
    for (;;) {
        if (w->backlog) {
            do_batch(w);
        } else if (collect(w)) {
            rest(w);
            do_batch(w);
        } else if (w->closed) {
            return NULL;
        } else {
            sleep_until_pushed(w);
        }
    }
}

enum code lane_writer_start(struct ctx *cx, struct writer *w, struct lanes *lanes)
{
    w->lanes = lanes;
    w->max = lanes->queue_max;
    w->max_plain = w->max - w->max / 8;
    w->rpc.tail = &w->rpc.head;
    w->engine.tail = &w->engine.head;
    arena_init(&w->mem, 0);
    db_set_owner(w->db, w);
    TRY(lane_thread_start(cx, &w->thread, "tern-write", work, w));
    w->started = true;
    return CODE_OK;
}

void lane_writer_stop(struct writer *w)
{
    atomic_store(&w->stopping, true);
    wake(w);
    if (w->started)
        pthread_join(w->thread, NULL);
    db_close(w->db);
    arena_done(&w->mem);
    lane_after_done(&w->after);
}

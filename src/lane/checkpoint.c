/* Keeps the write-ahead log short without stalling commits (D-15): over 8 MB a thread with its own
 * connection moves the bulk, with its fsyncs; when little is left the writer moves that between two batches, so that
 * its next commit starts the file anew. Neither alone does: the first never reaches the end under steady writes, the
 * second stalls everyone. */
#include "lane/lane_int.h"

#include "base/log.h"
#include "base/time.h"
#include "lane/futex_int.h"

#define START_BYTES ((int64_t)8 << 20)
#define ROUNDS_MAX 8
#define PAUSE_NS (1 * NS_PER_S) /* after an error */

/* Growth after which to try again when readers were in the way. */
static int64_t again_bytes(const struct checkpoint *c)
{
    return c->start_bytes / 8;
}

/* What is left to the writer: as little as the thread gets it to, at most 12 to 15 ms worth. */
static int64_t aim_bytes(const struct checkpoint *c)
{
    return c->start_bytes / 8;
}

static int64_t little_bytes(const struct checkpoint *c)
{
    return c->start_bytes / 2;
}

enum state {
    IDLE,
    ASKED,  /* the thread is at it */
    LITTLE, /* the rest is the writer's */
    STOPPED,
};

/* One pass on the calling thread's connection; false when it should not go on. */
static bool pass(struct ctx *cx, int64_t *moved)
{
    enum code code = db_checkpoint(cx, moved);
    if (code == CODE_DATA_LOSS)
        lane_writer_die(cx);
    if (code != CODE_OK)
        log_warn(cx, "cannot shorten the write-ahead log", LOG_ERR(cx));
    return code == CODE_OK;
}

/* Whether little is left. The writer goes on meanwhile, so each pass leaves what was written during it; it gets less
 * unless readers hold it back or the disk is slower than the writer. */
static bool move_bulk(struct checkpoint *c, struct ctx *cx)
{
    int64_t left = INT64_MAX, before, moved;
    int round = 0;
    do {
        before = left;
        if (!pass(cx, &moved)) {
            futex_wait_ns(&c->state, ASKED, PAUSE_NS);
            return false;
        }
        left = atomic_load_explicit(&c->wal_bytes, memory_order_relaxed) - moved;
    } while (left > aim_bytes(c) && left < before && ++round < ROUNDS_MAX);
    return left <= little_bytes(c);
}

static void *work(void *arg)
{
    struct checkpoint *c = arg;
    struct arena mem;
    arena_init(&mem, 0);
    for (;;) {
        struct ctx cx;
        uint32_t state = atomic_load(&c->state);
        if (state == STOPPED)
            break;
        if (state != ASKED) {
            futex_wait(&c->state, state);
            continue;
        }
        ctx_init(&cx, &mem);
        cx.db = c->db;
        uint32_t asked = ASKED, next = move_bulk(c, &cx) ? LITTLE : IDLE;
        atomic_compare_exchange_strong(&c->state, &asked, next);
        arena_reset(&mem);
    }
    arena_done(&mem);
    return NULL;
}

static void ask(struct checkpoint *c, int64_t bytes)
{
    uint32_t idle = IDLE;
    c->next_bytes = bytes + again_bytes(c);
    if (atomic_compare_exchange_strong(&c->state, &idle, ASKED))
        futex_wake_all(&c->state);
}

void lane_checkpoint_tick(struct checkpoint *c, struct ctx *cx)
{
    int64_t moved, bytes = db_wal_bytes(cx->db);
    atomic_store_explicit(&c->wal_bytes, bytes, memory_order_relaxed);
    if (bytes < c->start_bytes) {
        c->next_bytes = c->start_bytes;
        return;
    }
    uint32_t state = LITTLE;
    if (atomic_compare_exchange_strong(&c->state, &state, IDLE))
        pass(cx, &moved);
    else if (state == IDLE && bytes >= c->next_bytes)
        ask(c, bytes);
}

enum code lane_checkpoint_start(struct ctx *cx, struct checkpoint *c, str db_url, int64_t start_bytes)
{
    c->start_bytes = start_bytes ? start_bytes : START_BYTES;
    TRY(db_open(cx, db_url, DB_WRITE, &c->db));
    TRY(lane_thread_start(cx, &c->thread, "tern-wal", work, c));
    c->started = true;
    return CODE_OK;
}

void lane_checkpoint_stop(struct checkpoint *c)
{
    atomic_store(&c->state, STOPPED);
    futex_wake_all(&c->state);
    if (c->started)
        pthread_join(c->thread, NULL);
    db_close(c->db);
}

/* The inside of the lanes: shared by the files of this folder. */
#ifndef LANE_LANE_INT_H
#define LANE_LANE_INT_H

#include "lane/lane.h"
#include "lane/topic.h"
#include "store/db.h"

#include <pthread.h>
#include <stdatomic.h>

#define BATCH_MAX 512
/* A worker's arena that grew beyond this is given back after the batch. */
#define ARENA_KEEP_BYTES ((size_t)256 << 10)

/* ---- after.c: what the entries of a batch want done after its commit; the writer's thread only ------------------- */

struct after_hook {
    lane_after_fn *fn; /* NULL: a topic */
    void *arg;
    uint64_t id;
    struct topic_key key;
};

struct after {
    struct after_hook *v;
    size_t n, cap;
    uint32_t *slots; /* for finding doubles: index + 1; all 0 between runs */
    size_t slots_n;
};

/* Cutting the list back to an earlier n forgets what a failed entry wanted. */
void lane_after_add(struct after *a, const struct after_hook *hook);
/* Runs each different one once, in order, and empties the list. */
void lane_after_run(struct after *a, struct topics *topics);
void lane_after_done(struct after *a);

/* ---- pool.c: read, work and engine lanes ------------------------------------------------------------------------ */

struct worker {
    pthread_t thread;
    struct pool *pool;
    struct db *db; /* read lane; engine lane once it has read */
    struct arena mem;
    bool started;
};

struct pool {
    struct lanes *lanes;
    enum lane_kind kind;
    pthread_mutex_t lock;
    pthread_cond_t some;
    /* under lock */
    struct lane_entry *head, **tail;
    size_t n; /* waiting entries */
    int idle;
    bool closed;
    /* fixed */
    size_t max, workers_n;
    struct worker *workers;
};

/* workers must be > 0. pool.c opens their connections. */
must_check_ enum code lane_pool_start(struct ctx *cx, struct pool *p, struct lanes *lanes, enum lane_kind kind,
                                      int workers);
/* Takes what it may of the chain; returns the rest, and why. */
struct lane_entry *lane_pool_push(struct pool *p, struct lane_entry *chain, enum code *why);
/* Calls fn(cx, arg) with a snapshot of the worker's own connection; on its thread, outside entries that have one. */
must_check_ enum code lane_pool_read(struct ctx *cx, struct worker *w, lane_write_fn *fn, void *arg);
/* Refuses what is new, runs what is queued, joins. Accepts one that never started. */
void lane_pool_stop(struct pool *p);

/* ---- rest.c: when the writer waits for company ------------------------------------------------------------------- */

/* A commit costs the same for one change as for twenty. When patient entries come one by one and fast, the writer rests
 * between two batches. Callers who wait for their answer before they send more are known by the silence. */
struct rest {
    bool on;
    int strikes;
    size_t commits, entries; /* since window_ns */
    int64_t window_ns, last_ns, off_until_ns;
};

/* A batch without an urgent entry has been committed. */
void lane_rest_commit(struct rest *r, int64_t now_ns, size_t entries);
/* Until when a batch of patient entries may wait; 0 = not at all. */
int64_t lane_rest_until(struct rest *r, int64_t now_ns);
/* alone: nothing came any more while the writer rested. */
void lane_rest_ended(struct rest *r, int64_t now_ns, bool alone);

/* ---- writer.c: the write lane ------------------------------------------------------------------------------------ */

struct fifo {
    struct lane_entry *head, **tail;
};

struct writer {
    struct lanes *lanes;
    pthread_t thread;
    bool started;
    struct db *db;
    size_t max, max_plain;
    /* any thread; apart from what only the writer touches */
    char apart1[64];
    _Atomic(struct lane_entry *) stack; /* newest first */
    _Atomic uint32_t asleep;
    _Atomic bool stopping;
    char apart2[64];
    _Atomic size_t queued; /* entries of RPCs that are not answered yet */
    /* the writer's */
    char apart3[64];
    struct fifo rpc, engine;
    size_t backlog; /* entries in both */
    bool urgent;    /* one of them, or of the batch, is not patient; may stay while there is a backlog */
    struct rest rest;
    bool closed, engine_turn, lost;
    struct arena mem;
    struct after after;
    struct lane_entry *batch[BATCH_MAX];
    size_t n;
    struct err reason; /* of a lost batch */
    int64_t told_ns;   /* when the last lost batch was logged */
};

must_check_ enum code lane_writer_start(struct ctx *cx, struct writer *w, struct lanes *lanes);
struct lane_entry *lane_writer_push(struct writer *w, struct lane_entry *chain, enum code *why);
void lane_writer_stop(struct writer *w);
/* Ends the process without a word to anyone: the outcome of a commit is unknown (D-01). */
_Noreturn void lane_writer_die(struct ctx *cx);

/* ---- checkpoint.c: keeps the write-ahead log short (D-15) ------------------------------------------------------- */

struct checkpoint {
    pthread_t thread;
    bool started;
    struct db *db;
    _Atomic uint32_t state;
    _Atomic int64_t wal_bytes; /* after the writer's last batch */
    int64_t start_bytes;       /* size of the log at which to begin */
    int64_t next_bytes;        /* the writer's: size of the log at which to ask again */
};

must_check_ enum code lane_checkpoint_start(struct ctx *cx, struct checkpoint *c, str db_url, int64_t start_bytes);
/* Between two batches, on the writer's thread. */
void lane_checkpoint_tick(struct checkpoint *c, struct ctx *cx);
void lane_checkpoint_stop(struct checkpoint *c);

/* ---- lane.c ----------------------------------------------------------------------------------------------------- */

struct lanes {
    struct app *app;
    str db_url;
    size_t queue_max;
    _Atomic bool draining;
    struct writer writer;
    struct pool pools[LANE_KINDS_]; /* that of LANE_WRITE is not used */
    struct checkpoint checkpoint;
};

/* A ctx as entry e is to see it. mem is used when the entry has none. */
void lane_entry_ctx(struct lanes *lanes, struct lane_entry *e, struct arena *mem, struct db *db, struct ctx *cx);
/* Fails an entry that is too late; CODE_OK otherwise. */
must_check_ enum code lane_entry_check(struct ctx *cx);
/* Calls done() with the outcome in e->code and e->err. The entry may be gone afterwards. */
void lane_entry_done(struct lanes *lanes, struct lane_entry *e, struct arena *mem);
/* Starts a thread of the lanes: named, signals blocked, a stack of moderate size. */
must_check_ enum code lane_thread_start(struct ctx *cx, pthread_t *thread, const char *name, void *(*fn)(void *),
                                        void *arg);
/* Says which lane the calling thread belongs to, and of a pool which worker it is. */
void lane_thread_is(enum lane_kind kind, struct worker *w);
void lane_arena_reset(struct arena *mem);

#endif

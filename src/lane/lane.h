/* Lanes: the threads that handlers run on.
 *
 * read    2+ workers; a batch is taken, then one read snapshot is opened for it (D-03).
 * write   state changes. One thread for SQLite: what is queued runs back to back inside one transaction, each entry in a
 *         savepoint; then one commit; only then are replies and topics released (D-01).
 * work    handlers that talk to files, the object store or the network; they call lane_write() for the state change.
 * engine  reconciles actions (engine/); its state changes go through lane_write() too.
 *
 * Entries are intrusive: the caller owns the memory until done() has run. Any thread may submit. */
#ifndef LANE_LANE_H
#define LANE_LANE_H

#include "base/ctx.h"

enum lane_kind { LANE_READ, LANE_WRITE, LANE_WORK, LANE_ENGINE, LANE_KINDS_ };

struct lanes;

struct lane_entry {
    struct lane_entry *next; /* the lane's */
    /* Runs on a worker of the lane with a ctx of its own: cx->db is set on read and write. The ctx's arena is the
     * entry's own when given here, else the worker's, which is reset after the batch. */
    enum code (*run)(struct lane_entry *e, struct ctx *cx);
    /* Called once, on the worker's thread, when the outcome is durable (write) or run() has returned (others). cx->err
     * tells why; cx->db is NULL; what run() left in the arena is still there. The entry may be freed here. Must not
     * block. */
    void (*done)(struct lane_entry *e, struct ctx *cx, enum code code);
    struct arena *mem;
    const struct principal *who; /* NULL = anonymous */
    void *call;                  /* becomes cx->call */
    struct log_fields fields;
    int64_t deadline_ns; /* 0 = none; an entry whose deadline has passed is dropped before it runs, never after */
    bool engine;         /* write lane: alternates with entries of RPCs; not counted against their bound */
    bool priority;       /* write lane: may use the share of the queue kept for Enqueue (D-04); read and work lanes: not
                            refused when the queue is full (steps of streams) */
    bool patient; /* write lane: may be committed some milliseconds later, with others, when such come in masses */
    /* private to the lane */
    enum code code;
    struct err err;
};

/* Errors (RESOURCE_EXHAUSTED when the queue is full, UNAVAILABLE when draining) reach done() as well, on the calling
 * thread; its cx->mem is then e->mem, or an arena that ends with the call. */
void lane_submit(struct lanes *lanes, enum lane_kind kind, struct lane_entry *e);
/* The same for a chain linked by next, with one wake-up. */
void lane_submit_batch(struct lanes *lanes, enum lane_kind kind, struct lane_entry *chain);

/* From a work or engine thread, or one outside the lanes (not a loop): runs fn(cx, arg) on the write lane with the
 * caller's arena and waits for the commit. cx->db is set inside fn. Errors of fn and of the commit come back in
 * cx->err. */
typedef enum code lane_write_fn(struct ctx *cx, void *arg);
must_check_ enum code lane_write(struct ctx *cx, struct lanes *lanes, lane_write_fn *fn, void *arg);
/* The same as a patient entry. */
must_check_ enum code lane_write_patiently(struct ctx *cx, struct lanes *lanes, lane_write_fn *fn, void *arg);
/* For work and engine threads that must look before they write: runs fn on a snapshot that has all that was committed
 * before the call; on the read lane, or at once on an engine worker's own connection. An error that fn passes over must be
 * cleared by it. */
must_check_ enum code lane_read(struct ctx *cx, struct lanes *lanes, lane_write_fn *fn, void *arg);

/* Inside a write entry: fn(arg, id) runs on the writer's thread after the commit and the replies, not at all on
 * rollback; the same three in one batch run once. Must not block. Where there is no write lane (a test with a plain
 * connection) it runs at once. */
typedef void lane_after_fn(void *arg, uint64_t id);
void lane_after_commit(struct ctx *cx, lane_after_fn *fn, void *arg, uint64_t id);

struct lane_config {
    str db_url;                                     /* see store/db.h */
    int read_workers, work_workers, engine_workers; /* 0: 2, 16, 2 */
    size_t queue_max;                               /* of each lane; 0: 8192 */
    int64_t wal_bytes; /* size of the write-ahead log at which it is moved into the database; 0: 8 MiB */
    struct app *app;
};

/* Migrates the database, then starts the threads. */
must_check_ enum code lanes_start(struct ctx *cx, const struct lane_config *cfg, struct lanes **out);
/* Refuses what is new, finishes what is queued, joins the threads. Work and engine entries may still write. Nobody may
 * submit once it has returned. */
void lanes_stop(struct lanes *lanes);

#endif

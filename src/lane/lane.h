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
     * tells why. The entry may be freed here. Must not block. */
    void (*done)(struct lane_entry *e, struct ctx *cx, enum code code);
    struct arena *mem;
    const struct principal *who; /* NULL = anonymous */
    void *call;                  /* becomes cx->call */
    struct log_fields fields;
    int64_t deadline_ns; /* 0 = none; an entry whose deadline has passed is dropped before it runs, never after */
    bool engine;         /* write lane: alternates with entries of RPCs; not counted against their bound */
    bool priority;       /* write lane: may use the share of the queue kept for Enqueue (D-04) */
    /* private to the lane */
    enum code code;
    struct err err;
    void *publish; /* topics to fire after the commit */
};

/* Errors (RESOURCE_EXHAUSTED when the queue is full, UNAVAILABLE when draining) reach done() as well, on the calling
 * thread. */
void lane_submit(struct lanes *lanes, enum lane_kind kind, struct lane_entry *e);
/* The same for a chain linked by next, with one wake-up. */
void lane_submit_batch(struct lanes *lanes, enum lane_kind kind, struct lane_entry *chain);

/* From a work or engine thread: runs fn(cx, arg) on the write lane with the caller's arena and waits for the commit.
 * cx->db is set inside fn. Errors of fn and of the commit come back in cx->err. */
typedef enum code lane_write_fn(struct ctx *cx, void *arg);
must_check_ enum code lane_write(struct ctx *cx, struct lanes *lanes, lane_write_fn *fn, void *arg);
/* The same, on the read lane's snapshot; for work threads that must look before they write. */
must_check_ enum code lane_read(struct ctx *cx, struct lanes *lanes, lane_write_fn *fn, void *arg);

struct lane_config {
    str db_url; /* see store/db.h */
    int read_workers, work_workers, engine_workers;
    size_t write_queue_max; /* 8192 */
    struct app *app;
};

must_check_ enum code lanes_start(struct ctx *cx, const struct lane_config *cfg, struct lanes **out);
/* Finishes what is queued, refuses what is new, joins the threads. */
void lanes_stop(struct lanes *lanes);

#endif

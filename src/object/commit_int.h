/* The group commit of the object index: one thread per process runs what is queued back to back in one transaction,
 * each entry in a savepoint, and only tells their outcome after the commit (D-01). The other process's commits are
 * waited for.
 *
 * Entries are intrusive: the caller owns the memory until done() has run. Any thread may submit. */
#ifndef OBJECT_COMMIT_INT_H
#define OBJECT_COMMIT_INT_H

#include "object/index_int.h"

struct object_commit;

struct object_op {
    struct object_op *next; /* the queue's */
    /* The change; on the commit thread, with an arena that lives until done() has returned. */
    enum code (*run)(struct object_op *op, struct ctx *cx, struct object_index *ix);
    /* Once, on the commit thread (or on the caller's when the queue refuses): the change is durable, or op->err says
     * why not. Must not block. The entry may be freed here. */
    void (*done)(struct object_op *op, enum code code);
    enum code code;
    struct err err;
};

#define OBJECT_COMMIT_QUEUE_MAX 8192

/* Starts the thread; path is that of objects.db. */
must_check_ enum code object_commit_start(struct ctx *cx, struct object_store *s, const char *path,
                                          struct object_commit **out);
/* Finishes what is queued. Accepts NULL. */
void object_commit_stop(struct object_commit *c);

/* Errors of the queue (UNAVAILABLE: full, or stopping) reach done() too. */
void object_commit_submit(struct object_commit *c, struct object_op *op);
/* Submits and waits; done() of the entry is not used. UNAVAILABLE too while the thread is stalled, unless it has begun the
 * entry. */
must_check_ enum code object_commit_run(struct ctx *cx, struct object_commit *c, struct object_op *op);
/* How long the thread has been at one batch, when that is longer than a disk that is well takes; else 0. Any thread, never
 * blocks. */
int64_t object_commit_stalled_ns(struct object_commit *c);

#endif

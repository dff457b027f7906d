/* Rows of recent reads, or the columns of them that never change, kept by each connection by their ids. No id is used
 * twice but after a rollback, which forgets what its connection has kept, so what is kept never becomes wrong. Whether a
 * run or an action is still there is asked of the database each time. The kinds below the line are for the one connection
 * that writes: it knows of every change. */
#ifndef STORE_KEPT_INT_H
#define STORE_KEPT_INT_H

#include "store/db.h"

enum store_kept_kind {
    STORE_KEPT_SPEC,
    STORE_KEPT_RUN,
    STORE_KEPT_ACTION,
    /* ---- */
    STORE_KEPT_DIGEST,   /* that a spec is there; by its id */
    STORE_KEPT_SEQ,      /* the last ids that a run's actions got; by the run's id */
    STORE_KEPT_IDENTITY, /* by a hash of the subject */
    STORE_KEPT_RPC,      /* by a hash of the path */
    STORE_KEPT_KINDS_,
};

/* A copy of the row in mem, with its texts. */
typedef void *store_kept_copy(struct arena *mem, const void *row);

/* NULL = not kept. Valid until the next store_kept_put(), rollback or db_memo_drop(): copy it. */
const void *store_kept_find(struct db *db, enum store_kept_kind kind, uint64_t id);
/* The same, to be changed in place: its fixed part, not its texts. */
void *store_kept_change(struct db *db, enum store_kept_kind kind, uint64_t id);
void store_kept_forget(struct db *db, enum store_kept_kind kind, uint64_t id);
/* bytes: about what the copy takes. What takes much is not kept. */
void store_kept_put(struct db *db, enum store_kept_kind kind, uint64_t id, store_kept_copy *copy, const void *row,
                    size_t bytes);

#endif

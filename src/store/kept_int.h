/* Rows of recent reads, or the columns of them that never change, kept by each read connection by their ids. No id is
 * used twice, so what is kept never becomes wrong; whether the row is still there is asked of the database each time. */
#ifndef STORE_KEPT_INT_H
#define STORE_KEPT_INT_H

#include "store/db.h"

enum store_kept_kind {
    STORE_KEPT_SPEC,
    STORE_KEPT_RUN,
    STORE_KEPT_ACTION,
    STORE_KEPT_KINDS_,
};

/* A copy of the row in mem, with its texts. */
typedef void *store_kept_copy(struct arena *mem, const void *row);

/* False for a connection that writes: there a row may be undone. */
bool store_kept_is_for(struct db *db);
/* NULL = not kept. Valid until the next store_kept_put(): copy it. */
const void *store_kept_find(struct db *db, enum store_kept_kind kind, uint64_t id);
/* bytes: about what the copy takes. What takes much is not kept. */
void store_kept_put(struct db *db, enum store_kept_kind kind, uint64_t id, store_kept_copy *copy, const void *row,
                    size_t bytes);

#endif

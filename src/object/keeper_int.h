/* Housekeeping of the object store, on a thread of its own: checkpoints of the index (D-15), removing files that a
 * commit has freed, and sweeping: files that no row refers to, multipart uploads that nobody finishes. */
#ifndef OBJECT_KEEPER_INT_H
#define OBJECT_KEEPER_INT_H

#include "object/index_int.h"

struct object_keeper;

must_check_ enum code object_keeper_start(struct ctx *cx, struct object_store *s, const char *path,
                                          struct object_keeper **out);
/* Ends the thread; commits may go on telling it. Accepts NULL, as the next. */
void object_keeper_stop(struct object_keeper *k);
/* Does what is left. */
void object_keeper_free(struct object_keeper *k);

/* Any thread. Copies the ids. */
void object_keeper_remove(struct object_keeper *k, const struct object_file_id *ids, size_t n);
/* What the writer itself should checkpoint before its next transaction, so that the WAL starts anew. */
enum object_keeper_rest {
    OBJECT_REST_NONE,
    OBJECT_REST_SMALL, /* the little that is left: nobody waits */
    OBJECT_REST_ALL,   /* the other process has always been faster: with its writers held up */
};
/* From the commit thread: so many frames are in the WAL now. */
enum object_keeper_rest object_keeper_wal(struct object_keeper *k, int frames);

/* One sweep, on the caller's thread; returns how many files it removed. The keeper does this by itself, a minute after
 * the start and then every hour; what another process sweeps at the moment is left to it. */
must_check_ enum code object_keeper_sweep(struct ctx *cx, struct object_store *s, size_t *removed);

#endif

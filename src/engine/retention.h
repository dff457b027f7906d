/* What is too old goes (D-40): a thread of its own looks once an hour, and whoever asks gets a sweep at once. The settings
 * are retention.*. Everything goes in pieces of at most 500 rows or objects, between which others write. */
#ifndef ENGINE_RETENTION_H
#define ENGINE_RETENTION_H

#include "base/ctx.h"

struct engine;

#define ENGINE_RETENTION_KINDS 8

/* What one kind of thing came to. */
struct engine_retention_row {
    const char *what;    /* "finished runs" */
    const char *setting; /* "retention.runs" */
    int64_t keep_ns;     /* 0 = for ever, or as long as what it belongs to */
    uint64_t count;
    int64_t bytes;
};

/* One sweep of everything; dry: only looks. Waits for a sweep that runs. Not on a loop thread or the write lane.
 * Errors: UNAVAILABLE when the server stops meanwhile. */
must_check_ enum code engine_retention_sweep(struct ctx *cx, struct engine *e, bool dry,
                                             struct engine_retention_row rows[static ENGINE_RETENTION_KINDS]);
/* Sweeps that run end soon, and none begins: before handlers are waited for. */
void engine_retention_interrupt(struct engine *e);

#endif

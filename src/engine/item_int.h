/* One action on its way through a reconciliation: what was loaded, seen, decided. Lives in the batch's arena. */
#ifndef ENGINE_ITEM_INT_H
#define ENGINE_ITEM_INT_H

#include "engine/decide.h"
#include "engine/engine_int.h"
#include "engine/produced.h"
#include "store/cache.h"

struct engine_item {
    uint64_t id;
    struct store_run *run;
    struct store_action *a;
    struct store_attempt *at;        /* the current attempt's row; NULL before the intent to launch */
    const struct engine_task *task;  /* released with the batch */
    struct store_cache_entry *entry; /* of a's cache key; NULL = none that may be used */
    bool cache_busy;                 /* another one makes it */
    bool slot;                       /* the run's limit allows one more */
    int64_t open_children;
    uint32_t attempt; /* that was decided about */
    struct engine_look look;
    struct engine_decision decision;
    struct exec_task launch;
    str output_uri; /* END: the folder with the outputs, when it is not the attempt's */
    bool has_report;
    struct engine_produced produced; /* END, with outputs of its own */
    bool skip;                       /* nothing to write or to do */
    bool again;                      /* it could not be looked at now */
    bool stale;                      /* it changed, or another one took its place, between the look and the write */
};

/* Read entry. An action that is not there is skipped. */
must_check_ enum code engine_item_load(struct ctx *cx, struct engine *e, struct engine_item *it,
                                       const struct engine_clock *clock);
/* On an engine thread: looks at what the decision needs until there is one. Errors: what cannot be looked at now. */
must_check_ enum code engine_item_decide(struct ctx *cx, struct engine *e, struct engine_item *it);
/* Whether what was decided needs a write entry. */
bool engine_item_writes(const struct engine_item *it);
/* Write entry, does nothing when there is nothing to write. Writes nothing and sets it->stale when the row changed
 * meanwhile. */
must_check_ enum code engine_item_write(struct ctx *cx, struct engine *e, struct engine_item *it,
                                        const struct engine_clock *clock);
/* After the commit: tells the executor, sets timers. */
void engine_item_apply(struct ctx *cx, struct engine *e, struct engine_item *it, const struct engine_clock *clock);

/* Read or write entry: whether the run's limit of concurrent actions allows one more. */
must_check_ enum code engine_item_slot(struct ctx *cx, const struct store_run *run, bool *out);

#endif

/* Writing an action: every change of a row goes through here, with what belongs to it: counts, topics, wakes, the end
 * of an attempt, the cache reservation, the abort of what is below. Write entries. */
#ifndef ENGINE_CHANGE_H
#define ENGINE_CHANGE_H

#include "engine/clock.h"
#include "store/attempt.h"

/* Tells watchers of the action, of its parent's children, of its run, and, for a root, of its project. */
void engine_change_publish(struct ctx *cx, const struct store_action *a, const struct store_run *run);

/* A new action, whose fields are all set but id and seq (ended_ns: of a trace that is over): stamps, inserts, publishes,
 * wakes the engine. Errors: those of
 * store_action_insert(). */
must_check_ enum code engine_change_insert(struct ctx *cx, const struct engine_clock *clock, struct store_action *a,
                                           const struct store_run *run);

/* A row that was read in or before this entry, with phase and attempt as engine_phase_set() is to set them: checks the
 * transition, stamps, saves, publishes. phase may be the one it has. Errors: FAILED_PRECONDITION, ABORTED (the row
 * changed meanwhile: nothing was written). */
must_check_ enum code engine_change_save(struct ctx *cx, const struct engine_clock *clock, struct store_action *a,
                                         const struct store_run *run, int32_t phase, uint32_t attempt);

/* How an action ends. */
struct engine_ending {
    int32_t phase;      /* terminal */
    int32_t error_kind; /* with code, error, recoverable: FAILED and TIMED_OUT */
    str code, error;
    bool recoverable;
    str output_uri; /* SUCCEEDED: the folder of the outputs; "" = none */
    int32_t cache_status;
    str abort_reason; /* ABORTED */
    uint64_t abort_by;
    str value; /* signalled conditions */
    uint64_t value_by;
};

/* Ends the action, and its current attempt when at is not NULL (its own fields besides phase, end and error are the
 * caller's). Releases its cache reservation, starts the abort of open descendants, wakes who waits for it: the engine
 * for the executor's side, the parent, holders of the same cache key, actions of a limited run. Errors as
 * engine_change_save(). */
must_check_ enum code engine_change_end(struct ctx *cx, const struct engine_clock *clock, struct store_action *a,
                                        const struct store_run *run, struct store_attempt *at,
                                        const struct engine_ending *end);

/* Why what is below an action that has ended is aborted. */
str engine_change_abort_below(struct arena *mem, const struct store_action *a);
/* Who holds the reservation of a cache key while this action makes the result. */
str engine_change_cache_owner(struct arena *mem, uint64_t action_id);

#endif

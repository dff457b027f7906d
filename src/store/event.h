/* What happened to an action beyond its phases, in order of seq (per action, from 1): the source of ClusterEvents. */
#ifndef STORE_EVENT_H
#define STORE_EVENT_H

#include "base/ctx.h"

struct store_event {
    uint64_t action_id;
    int64_t seq;
    uint32_t attempt;
    int64_t time_ns;
    int32_t kind; /* workflow.ClusterEvent.Type */
    str reason;   /* "Retrying", "CacheHit", ... */
    str message;
};

/* Write entry. Sets e->seq. Does not publish: it always comes with a change of the action. */
must_check_ enum code store_event_add(struct ctx *cx, struct store_event *e);
/* After seq, at most max; attempt 0 = of all attempts. */
must_check_ enum code store_event_list(struct ctx *cx, uint64_t action_id, uint32_t attempt, int64_t after, size_t max,
                                       struct store_event **out, size_t *n);
/* Newest first: those of the attempt and those of the action as a whole (attempt 0). */
must_check_ enum code store_event_newest(struct ctx *cx, uint64_t action_id, uint32_t attempt, size_t max,
                                         struct store_event **out, size_t *n);

#endif

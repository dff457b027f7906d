/* When a trigger is due: cron or a fixed rate, as a set of slots. Pure; any thread. A slot is a whole second of the wall
 * clock, and what a run that was started for it is named after. */
#ifndef ENGINE_SCHEDULE_H
#define ENGINE_SCHEDULE_H

#include "engine/cron.h"
#include "gen/flyteidl2_task.h"

/* Slots of one trigger that are caught up at most (trigger.catch_up_max). */
#define ENGINE_SCHEDULE_MISSED_MAX 1000

struct engine_schedule {
    struct engine_cron cron;
    int64_t period_s; /* fixed rate, or @every; 0 = cron */
    int64_t anchor_s; /* of the rate: slots are anchor, anchor + period, ... */
    bool from_anchor; /* the anchor itself is a slot */
};

/* activated_ns: when the trigger was last switched on or off, the anchor of rates that name none. Errors:
 * INVALID_ARGUMENT naming the field. */
must_check_ enum code engine_schedule_read(struct ctx *cx, const TaskSchedule *s, int64_t activated_ns,
                                           struct engine_schedule *out);
/* The first slot strictly after. False when there is none. */
bool engine_schedule_next(const struct engine_schedule *s, int64_t after_s, int64_t *out);
/* The newest slots in [from, until], at most max (and ENGINE_SCHEDULE_MISSED_MAX), oldest first. */
size_t engine_schedule_last(const struct engine_schedule *s, int64_t from_s, int64_t until_s, size_t max, int64_t *out);
/* The name of the run that a slot starts, as other Flyte backends make it. */
str engine_schedule_run_name(struct arena *mem, str project, str domain, str task, str trigger, int64_t slot_s);

#endif

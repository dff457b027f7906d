/* Cron expressions: five fields, or @hourly and the like, in a time zone. Pure; any thread.
 *
 * An expression stands for a set of instants: every whole minute whose local time matches. So a local time that a change
 * of clocks leaves out does not fire on that day, and one that comes twice fires twice. If day of month and day of week are
 * both restricted, either is enough; a field that begins with "*" (without a step over 1) or is "?" does not restrict. */
#ifndef ENGINE_CRON_H
#define ENGINE_CRON_H

#include "base/ctx.h"
#include "base/time_zone.h"

struct engine_cron {
    uint64_t minutes; /* a bit for each value */
    uint32_t hours, days;
    uint16_t months;
    uint8_t weekdays; /* bit 0 = Sunday */
    bool any_day, any_weekday;
    int64_t every_s; /* @every: the period; the fields mean nothing then */
    const struct time_zone *zone;
};

/* field: what the messages call the expression; zone "" = UTC. Errors: INVALID_ARGUMENT: bad expression, unknown zone, or
 * one that no date matches. */
must_check_ enum code engine_cron_parse(struct ctx *cx, const char *field, str expression, str zone,
                                        struct engine_cron *out);
/* The first instant strictly after, in seconds since 1970. False when there is none within nine years. Not for @every. */
bool engine_cron_next(const struct engine_cron *c, int64_t after_s, int64_t *out);

#endif

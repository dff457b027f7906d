/* The engine's time (D-08). Rows hold wall time; but how long something has lasted is told by the clock of the boot, so
 * that a jump of the wall clock neither fires nor holds back a timer, and nothing ends before it began. */
#ifndef ENGINE_CLOCK_H
#define ENGINE_CLOCK_H

#include "base/ctx.h"
#include "store/action.h"

struct engine_clock {
    int64_t wall_ns; /* now, wall clock */
    int64_t up_ns;   /* now, time_now_ns() */
    uint64_t boot;   /* store/boot.h */
};

/* Reads both clocks. */
void engine_clock_read(struct engine_clock *c, uint64_t boot);
/* Now, as the row counts: its updated_ns plus what has passed since by the boot's clock; after a reboot the wall clock,
 * but never before updated_ns. */
int64_t engine_clock_of(const struct engine_clock *c, const struct store_action *a);
/* Stamps the row, whose updated_ns is set, with the clock of the boot. */
void engine_clock_stamp(const struct engine_clock *c, struct store_action *a);

#endif

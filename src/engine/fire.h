/* The thread that starts the runs of triggers: of schedules when their time comes, and for new artifacts. It sleeps until the
 * next slot; what is due is read from the store each time, so a change of a trigger counts at once. */
#ifndef ENGINE_FIRE_H
#define ENGINE_FIRE_H

#include "base/ctx.h"

/* Write entry: after its commit the thread looks again. Does nothing without an engine. */
void engine_fire_wake_after_commit(struct ctx *cx);

#endif

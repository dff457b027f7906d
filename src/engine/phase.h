/* The phases of an action (common.ActionPhase) and the one table of what may follow what (control-plane.md 3.4). Pure.
 */
#ifndef ENGINE_PHASE_H
#define ENGINE_PHASE_H

#include "base/ctx.h"
#include "gen/flyteidl2_common.h"
#include "store/action.h"

#define ENGINE_PHASE_COUNT 11

/* "SUCCEEDED" */
const char *engine_phase_name(int32_t phase);
/* Nothing follows within the attempt. */
bool engine_phase_is_terminal(int32_t phase);
/* SUCCEEDED or RECOVERED. */
bool engine_phase_is_success(int32_t phase);

/* Whether `to` may follow `from` for an action of this type: within the same attempt, or with a higher attempt number.
 * The same phase again is no change and not asked here. from 0 = a new action. */
bool engine_phase_allowed(int32_t type, int32_t from, int32_t to, bool higher_attempt);

/* The only door to a phase: sets phase, attempt and the times that go with them; the row is not written. now_ns: the
 * row's own time (engine/clock.h), never before what is in it already. Errors: FAILED_PRECONDITION for what the table
 * forbids. */
must_check_ enum code engine_phase_set(struct ctx *cx, struct store_action *a, int32_t to, uint32_t attempt,
                                       int64_t now_ns);

#endif

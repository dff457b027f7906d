/* Signals of conditions (control-plane.md 3.8). */
#ifndef ENGINE_SIGNAL_H
#define ENGINE_SIGNAL_H

#include "gen/flyteidl2_core.h"
#include "store/action.h"

/* Write entry. value: a primitive literal of the condition's type. The same value again is no error. Errors:
 * INVALID_ARGUMENT (not a primitive, or another type), FAILED_PRECONDITION (not a condition, signalled otherwise,
 * ended). */
must_check_ enum code engine_signal(struct ctx *cx, const struct store_run *run, struct store_action *a,
                                    const CoreLiteral *value, uint64_t by);

/* The core.SimpleType that a condition of this type takes. Errors: INVALID_ARGUMENT unless boolean, integer, float or
 * string. */
must_check_ enum code engine_signal_check_type(struct ctx *cx, const CoreLiteralType *type);

#endif

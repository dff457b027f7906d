/* ActionEvents that external executors reported, as they came (D-32): first write wins. */
#ifndef STORE_REPORT_H
#define STORE_REPORT_H

#include "base/ctx.h"

/* Write entry. *fresh = false when (attempt, phase, version) was there already: nothing changed. */
must_check_ enum code store_report_put(struct ctx *cx, uint64_t action_id, uint32_t attempt, int32_t phase,
                                       uint32_t version, str info, bool *fresh);
/* Encoded workflow.ActionEvents in order of (attempt, phase, version). */
must_check_ enum code store_report_list(struct ctx *cx, uint64_t action_id, str **out, size_t *n);

#endif

/* Checks of a RunSpec that a client sends, for a run or a trigger. */
#ifndef SERVICE_RUN_SPEC_H
#define SERVICE_RUN_SPEC_H

#include "base/ctx.h"
#include "gen/flyteidl2_task.h"

#define SERVICE_RUN_SPEC_LABELS_MAX 200

/* Read or write entry. run: the run's name, and base_uri where it would be kept. What `asked`, the client's own, does not
 * say the settings have said. Errors: INVALID_ARGUMENT naming the field. */
must_check_ enum code service_run_spec_check_folders(struct ctx *cx, const TaskRunSpec *s, const TaskRunSpec *asked,
                                                     str project, str run, str base_uri);
/* Whether that has anything to look at. */
bool service_run_spec_has_folders(const TaskRunSpec *s);
/* Of what the settings may only add to. */
must_check_ enum code service_run_spec_check_counts(struct ctx *cx, const TaskRunSpec *s);
must_check_ enum code service_run_spec_check_labels(struct ctx *cx, const TaskRunSpec *s);

#endif

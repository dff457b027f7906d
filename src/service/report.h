/* Reports of external executors (D-32) and of tracked runs: what InternalRunService, EventsProxyService and TrackedRunService
 * share. Write entries. */
#ifndef SERVICE_REPORT_H
#define SERVICE_REPORT_H

#include "gen/flyteidl2_workflow.h"
#include "store/action.h"

/* Errors: PERMISSION_DENIED unless the caller has the role "executor". */
must_check_ enum code service_report_require_role(struct ctx *cx);
/* A child that an external executor runs; one that was recorded before changes nothing. Errors: NOT_FOUND, ABORTED,
 * INVALID_ARGUMENT. */
must_check_ enum code service_report_action(struct ctx *cx, const WorkflowRecordActionRequest *req);
/* A phase, through the table of legal transitions: what may not follow is stale and changes nothing. Errors: NOT_FOUND,
 * FAILED_PRECONDITION (no external executor owns it), INVALID_ARGUMENT. */
must_check_ enum code service_report_status(struct ctx *cx, const WorkflowUpdateActionStatusRequest *req);
/* The number of attempts, never a lower one, and the cache status of what has not ended; the phase is not touched. Errors:
 * PERMISSION_DENIED, NOT_FOUND, FAILED_PRECONDITION. */
must_check_ enum code service_report_progress(struct ctx *cx, const CommonActionIdentifier *id,
                                              const WorkflowActionStatus *status);
/* An event; a repeated one changes nothing. Errors: NOT_FOUND, FAILED_PRECONDITION. */
must_check_ enum code service_report_event(struct ctx *cx, const WorkflowActionEvent *e);

/* One report about an action of a tracked run: its event, which changes nothing when it is repeated, and the state after it. A
 * state that may not follow is stale and only adds to the history. Errors: ABORTED when the action was aborted. */
must_check_ enum code service_report_tracked(struct ctx *cx, const struct store_run *run, struct store_action *a,
                                             const WorkflowTrackedActionUpdate *u);

/* Runs fn in a savepoint of its own; what the client did wrong is told in the status, and nothing of it is kept. Errors: what
 * went wrong here. */
typedef enum code service_report_fn(struct ctx *cx, const void *req);
must_check_ enum code service_report_told(struct ctx *cx, service_report_fn *fn, const void *req,
                                          GoogleRpcStatus **out);

#endif

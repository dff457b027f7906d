/* Reports of external executors (D-32): what InternalRunService and EventsProxyService share. Write entries. */
#ifndef SERVICE_REPORT_H
#define SERVICE_REPORT_H

#include "gen/flyteidl2_workflow.h"

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

#endif

/* What ActionsService and QueueService share: they say the same in two ways (control-plane.md 1.4). */
#ifndef SERVICE_ENQUEUE_H
#define SERVICE_ENQUEUE_H

#include "gen/flyteidl2_actions.h"
#include "gen/flyteidl2_workflow.h"
#include "store/action.h"

/* Write entry. Errors: ALREADY_EXISTS (the client goes on watching), ABORTED, NOT_FOUND, INVALID_ARGUMENT (the child
 * fails). */
must_check_ enum code service_enqueue(struct ctx *cx, const ActionsAction *action);
/* Write entry. What has ended stays as it is. Errors: NOT_FOUND. */
must_check_ enum code service_enqueue_abort(struct ctx *cx, const CommonActionIdentifier *id, str reason);

/* The state of a child as its parent is told. */
must_check_ enum code service_enqueue_update(struct ctx *cx, const CommonRunIdentifier *run,
                                             const struct store_action *a, WorkflowActionUpdate **out);

/* Read entries of a watch of one parent's children. Finds the parent's id once. Errors: NOT_FOUND. */
must_check_ enum code service_enqueue_parent(struct ctx *cx, const CommonActionIdentifier *id, uint64_t *out);

#endif

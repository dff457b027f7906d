/* What ActionsService and QueueService share: they say the same in two ways (control-plane.md 1.4). */
#ifndef SERVICE_ENQUEUE_H
#define SERVICE_ENQUEUE_H

#include "gen/flyteidl2_actions.h"
#include "gen/flyteidl2_workflow.h"
#include "rpc/stream.h"
#include "store/action.h"

/* Write entry. Errors: ALREADY_EXISTS (the client goes on watching), ABORTED, NOT_FOUND, INVALID_ARGUMENT (the child
 * fails). */
must_check_ enum code service_enqueue(struct ctx *cx, const ActionsAction *action);
/* Write entry. What has ended stays as it is. Errors: NOT_FOUND. */
must_check_ enum code service_enqueue_abort(struct ctx *cx, const CommonActionIdentifier *id, str reason);

/* One child's state for the parent's runtime; NULL = the sentinel: all children that there are have been told. */
typedef enum code service_enqueue_send_fn(struct ctx *cx, struct stream *st, WorkflowActionUpdate *update);

/* A step of a watch of one action's children: the state of all of them, the sentinel, then whatever changes, each child's
 * latest state. Cursor and order are the run's sequence numbers, so that nothing is lost, and nothing is repeated while the
 * stream lasts. Never ends by itself. Errors: NOT_FOUND. */
must_check_ enum code service_enqueue_watch(struct ctx *cx, struct stream *st, const CommonActionIdentifier *parent,
                                            service_enqueue_send_fn *send);

#endif

/* Which ordered set of runs (store/queries.def) a page of ListRuns is read from. */
#ifndef SERVICE_RUN_WALK_H
#define SERVICE_RUN_WALK_H

#include "gen/flyteidl2_workflow.h"
#include "service/walk.h"

/* What runs can be filtered and sorted by. */
extern const struct service_list_spec service_run_walk_list;

/* l has the request's conditions and order. The choice is never about what is listed, only about how fast. */
must_check_ enum code service_run_walk(struct ctx *cx, const WorkflowListRunsRequest *req, bool tracked,
                                       const struct service_list *l, struct service_walk *out);

#endif

/* From rows to the messages that describe runs and actions; shared by all RPCs and pages that show them. */
#ifndef SERVICE_ACTION_MESSAGE_H
#define SERVICE_ACTION_MESSAGE_H

#include "gen/flyteidl2_common.h"
#include "gen/flyteidl2_workflow.h"
#include "store/action.h"
#include "store/attempt.h"
#include "store/run.h"

/* org is echoed from the request; rows have none. */
CommonRunIdentifier *service_run_identifier(struct ctx *cx, const struct store_run *run, str org);
CommonActionIdentifier *service_action_identifier(struct ctx *cx, const struct store_run *run, str name, str org);

/* Identity, metadata and status. */
must_check_ enum code service_action_message(struct ctx *cx, const struct store_run *run, const struct store_action *a,
                                             str org, WorkflowAction **out);
/* The same of the root, with the run's labels. */
must_check_ enum code service_run_message(struct ctx *cx, const struct store_run *run, const struct store_action *root,
                                          str org, WorkflowRun **out);
/* Everything: result, spec and attempts too. */
must_check_ enum code service_action_details(struct ctx *cx, const struct store_run *run, const struct store_action *a,
                                             str org, WorkflowActionDetails **out);
/* Of the run, with run_start_time put back. */
must_check_ enum code service_run_spec(struct ctx *cx, const struct store_run *run, TaskRunSpec **out);
must_check_ enum code service_run_details(struct ctx *cx, const struct store_run *run, const struct store_action *root,
                                          str org, WorkflowRunDetails **out);

/* Where an attempt's output is found by log clients: its process stands for the pod. */
CoreLogContext *service_log_context(struct ctx *cx, const struct store_run *run, const struct store_action *a,
                                    const struct store_attempt *t);

bool service_phase_is_terminal(int32_t phase);
/* SUCCEEDED or RECOVERED: the action has outputs. */
bool service_phase_is_success(int32_t phase);

#endif

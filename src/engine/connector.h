/* What a connector is sent to start a task (executor-plugins.md 6). */
#ifndef ENGINE_CONNECTOR_H
#define ENGINE_CONNECTOR_H

#include "app.h"
#include "engine/pod.h"
#include "engine/task.h"
#include "exec/connectors.h"
#include "exec/exec.h"
#include "gen/flyteidl2_connector.h"
#include "store/action.h"

/* The connector that runs the task, or NULL: then it is a process or a container. runs: it can be one. Errors, when it
 * cannot: UNAVAILABLE soon after the start, when not all connectors have said what they serve; then FAILED_PRECONDITION
 * saying which setting would help. */
must_check_ enum code engine_connector_select(struct ctx *cx, struct app *app, const struct store_run *run,
                                              const CoreTaskTemplate *t, bool runs, const struct exec_connector **out);
/* Read entry. Access to the outside system, from "secrets" (names, looked up here) and "configs" in the template's custom
 * part; NULL when it says neither. Errors: NOT_FOUND for a secret. */
must_check_ enum code engine_connector_connection(struct ctx *cx, const struct store_run *run,
                                                  const CoreTaskTemplate *t, CoreConnection **out);

struct engine_connector_launch {
    struct app *app;
    const struct exec_connector *connector;
    const struct store_run *run;
    const struct store_action *a;
    const struct engine_task *task;
    const TaskRunSpec *run_spec;
    const struct engine_pod *pod;
    const struct exec_task *rendered; /* argv; env without keys */
    CoreConnection *connection;
    str folder; /* of the attempt */
};
/* Errors: INVALID_ARGUMENT for a connection that is too large to be kept. */
must_check_ enum code engine_connector_build(struct ctx *cx, const struct engine_connector_launch *l,
                                             struct exec_connector_task *out);
/* For exec_connector_config.open. */
must_check_ enum code engine_connector_unseal(struct ctx *cx, str sealed, str *plain);

#endif

/* Puts together what an executor needs to run an attempt: arguments, environment, secrets, resources (sdk-contract.md
 * 3). Engine lane: reads the store by lane_read(), and objects. */
#ifndef ENGINE_LAUNCH_H
#define ENGINE_LAUNCH_H

#include "app.h"
#include "engine/task.h"
#include "exec/exec.h"
#include "store/action.h"

/* Everything in cx->mem. Errors: INVALID_ARGUMENT, NOT_FOUND, FAILED_PRECONDITION: the task can never run as it is;
 * others: not now. */
must_check_ enum code engine_launch_build(struct ctx *cx, struct app *app, const struct store_run *run,
                                          const struct store_action *a, const struct engine_task *task,
                                          struct exec_task *out);

#endif

/* Tasks that run inside the engine, without a process: core-echo and core-sleep. Engine lane. */
#ifndef ENGINE_CORE_H
#define ENGINE_CORE_H

#include "app.h"
#include "engine/task.h"
#include "store/action.h"

/* core-echo: every output is the input of the same name, or the only input when there is one of each; written to
 * <folder>/outputs.pb. Nothing is written for a task without outputs. Errors: INVALID_ARGUMENT: it can never run. */
must_check_ enum code engine_core_echo(struct ctx *cx, struct app *app, const struct store_action *a,
                                       const struct engine_task *task, str folder);
/* core-sleep: exactly one input, of type duration, and no outputs. Errors: INVALID_ARGUMENT. */
must_check_ enum code engine_core_sleep(struct ctx *cx, struct app *app, const struct store_action *a,
                                        const struct engine_task *task, int64_t *sleep_ns);

#endif

/* Artifacts that the outputs of an action declare (task.Outputs.produced_artifacts): read with the result, stored in the
 * transaction in which the action succeeds. */
#ifndef ENGINE_PRODUCED_H
#define ENGINE_PRODUCED_H

#include "app.h"
#include "engine/artifact.h"
#include "engine/task.h"
#include "store/action.h"

struct engine_produced {
    struct engine_artifact *p;
    size_t n;
    str *complaints; /* about declarations that cannot be stored, each a sentence for people */
    size_t complaint_count;
};

/* Engine lane. Nothing for a task that does not say it produces artifacts. Errors: those of the object store, when it
 * cannot be asked now. */
must_check_ enum code engine_produced_read(struct ctx *cx, struct app *app, const struct store_run *run,
                                           const struct store_action *a, const struct engine_task *task, str folder,
                                           struct engine_produced *out);
/* Write entry. What cannot be stored becomes an event of the action, at that time. */
must_check_ enum code engine_produced_write(struct ctx *cx, const struct store_run *run, const struct store_action *a,
                                            const struct engine_produced *produced, int64_t now_ns);

#endif

/* Variables in the arguments of a task: "{{.outputPrefix}}", "{{ $runName }}", in any case (executor-plugins.md 3.3).
 * Pure. */
#ifndef ENGINE_TEMPLATE_H
#define ENGINE_TEMPLATE_H

#include "base/ctx.h"
#include "gen/flyteidl2_task.h"

struct engine_template {
    str input, output_prefix, raw_prefix, checkpoint, prev_checkpoint;
    str run, action, run_start_time, unique_key, project_domain;
    const TaskInputs *inputs; /* for {{.inputs.NAME}}; NULL = not read */
};

/* Whether the text asks for {{.inputs.NAME}}. */
bool engine_template_wants_inputs(str text);
/* Unknown variables are left as they are. Errors: INVALID_ARGUMENT for an input that is missing or has no text form. */
must_check_ enum code engine_template_render(struct ctx *cx, const struct engine_template *t, str text, str *out);

#endif

/* Turns a task into what the supervisor is told to launch: program, environment, folders, first lines of the log. Makes
 * the working folder when the task's image brings files into it (files.h). Blocks on the file system; any thread. */
#ifndef EXEC_TASK_H
#define EXEC_TASK_H

#include "exec/local.h"
#include "exec/python.h"
#include "exec/wire.h"

struct exec_machine {
    int64_t cpu_millis, memory_bytes, gpus;
};

/* What this machine has, or what cfg says. */
void exec_task_machine(const struct exec_local_config *cfg, struct exec_machine *out);

/* Fills the LAUNCH message; everything in cx->mem. Errors, with *error_code for the user's eyes: FAILED_PRECONDITION
 * and INVALID_ARGUMENT = can never run here; others = our fault, may be tried again. */
must_check_ enum code exec_task_plan(struct ctx *cx, const struct exec_local_config *cfg,
                                     const struct exec_machine *machine, struct exec_python_cache *pythons,
                                     const struct exec_task *task, struct exec_msg *out, const char **error_code);
/* The work folder: work/<project>/<domain>/<run>/<action>/<attempt> in the data folder, each name made safe. */
str exec_task_folder(struct ctx *cx, str data_dir, const struct exec_place *place);

#endif

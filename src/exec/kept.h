/* What stays of attempts that have ended, until retention takes it: work folders and logs. Only the file system; any
 * thread. The executor's operations of the same names say what each promises (exec.h). */
#ifndef EXEC_KEPT_H
#define EXEC_KEPT_H

#include "exec/exec.h"

void exec_kept_discard(struct ctx *cx, str data_dir, const struct exec_place *place, bool log, bool dry,
                       struct exec_swept *swept);
must_check_ enum code exec_kept_list(struct ctx *cx, str data_dir, struct exec_kept_run **out, size_t *n);
void exec_kept_discard_run(struct ctx *cx, str data_dir, const struct exec_kept_run *run, bool dry,
                           struct exec_swept *swept);
/* known: attempts whose logs stay, however old. */
void exec_kept_sweep_logs(struct ctx *cx, str data_dir, int64_t before_ns, bool dry,
                          bool (*known)(void *arg, struct exec_key key), void *arg, struct exec_swept *swept);

#endif

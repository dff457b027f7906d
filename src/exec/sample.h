/* Memory of a task and all it has started, read from /proc: where no cgroup can limit it (D-23). */
#ifndef EXEC_SAMPLE_H
#define EXEC_SAMPLE_H

#include "base/ctx.h"

struct exec_sample_process {
    int pid, parent, session;
    int64_t resident_bytes;
    uint64_t start_ticks;
    struct exec_sample_file {
        uint64_t device, inode;
    } out[2]; /* output and errors, of this process's own children alone; 0 = unknown */
};

struct exec_sample {
    struct exec_sample_process *p;
    size_t n;
};

/* All processes that may be read, in cx->mem. */
void exec_sample_take(struct ctx *cx, struct exec_sample *out);
/* What belongs to the session or descends from the leader, and what has left both, for which this process is the parent then,
 * but writes to the leader's log still (log_fd, -1 = none): pids in cx->mem. */
size_t exec_sample_tree(struct ctx *cx, const struct exec_sample *s, int leader, int log_fd, int **out);
/* Proportional set size of these processes; the cheaper resident size is tried first and is the answer when it is not
 * above enough_bytes. */
int64_t exec_sample_pss(const struct exec_sample *s, const int *pids, size_t n, int64_t enough_bytes);
/* Start time of a process in clock ticks since boot, 0 = no such process. With its pid and the boot id it is unique. */
uint64_t exec_sample_start_ticks(int pid);
/* How a process has ended that its parent has not taken note of yet, as wait() would say; false when it is gone. Only
 * for processes that are known to have ended. */
bool exec_sample_exit_status(int pid, uint64_t start_ticks, int *status);

#endif

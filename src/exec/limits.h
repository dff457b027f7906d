/* Memory and process limits of attempts (D-23): cgroup v2 where a subtree is ours, cgroup v1 as root, else none here
 * and sample.h watches. Also the surest way to end everything an attempt has started. Supervisor's thread only. */
#ifndef EXEC_LIMITS_H
#define EXEC_LIMITS_H

#include "base/ctx.h"

#define EXEC_LIMITS_OWN "warm-"

enum exec_limits_mode { EXEC_LIMITS_SAMPLED, EXEC_LIMITS_V1, EXEC_LIMITS_V2 };

struct exec_limits {
    enum exec_limits_mode mode;
    char *memory_root, *pids_root; /* folders of ours that attempts' groups are made in; NULL = not available */
};

/* The groups of one attempt; paths are on the heap, NULL when there is none. */
struct exec_limit {
    char *memory_dir, *pids_dir;
    int oom_event; /* v1: an eventfd that becomes readable when the limit is hit; -1 */
};

/* Finds out what this machine allows; never fails. name tells data folders apart. */
void exec_limits_init(struct ctx *cx, struct exec_limits *l, bool allow_cgroup, str name);
/* Removes our (then empty) folders. */
void exec_limits_done(struct exec_limits *l);
/* For people: "cgroup v1". */
const char *exec_limits_name(enum exec_limits_mode mode);

/* memory_bytes 0 = no limit. Without cgroups does nothing. */
must_check_ enum code exec_limits_add(struct ctx *cx, struct exec_limits *l, str name, int64_t memory_bytes,
                                      struct exec_limit *out);
/* Takes the groups that process pid has made for itself below the roots, named EXEC_LIMITS_OWN and its number, and has
 * entered; then they are limited as by exec_limits_add(). */
must_check_ enum code exec_limits_take(struct ctx *cx, struct exec_limits *l, int pid, int64_t memory_bytes,
                                       struct exec_limit *out);
/* Removes such groups, when they are empty, of a process that has ended. */
void exec_limits_forget(const struct exec_limits *l, int pid);
/* Knows groups again that an earlier supervisor made. */
void exec_limits_adopt(struct exec_limits *l, str memory_dir, str pids_dir, struct exec_limit *out);
must_check_ enum code exec_limits_join(struct ctx *cx, const struct exec_limit *l, int pid);
/* To every process in the group; true when there was one. */
bool exec_limits_kill(const struct exec_limit *l, int signal);
/* Whether the kernel has killed something in the group for its memory. */
bool exec_limits_oom(const struct exec_limit *l);
/* Forgets the groups and removes them when they are empty; false = still busy, call again. */
bool exec_limits_remove(struct exec_limit *l);

#endif

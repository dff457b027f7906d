/* What an executor is made of; see exec.h for what each operation promises. A row per executor stands in backends.def.
 */
#ifndef EXEC_EXEC_INT_H
#define EXEC_EXEC_INT_H

#include "exec/exec.h"

/* The first member of every executor's own struct. */
struct exec {
    const struct exec_ops *ops;
};

struct exec_ops {
    const char *name;
    enum code (*launch)(struct ctx *cx, struct exec *e, const struct exec_task *task);
    enum code (*observe)(struct ctx *cx, struct exec *e, struct exec_key key, struct exec_observation *out);
    enum code (*abort)(struct ctx *cx, struct exec *e, struct exec_key key);
    enum code (*cleanup)(struct ctx *cx, struct exec *e, struct exec_key key);
    void (*set_waiting)(struct exec *e, struct exec_key key, bool waiting);
    void (*set_rules)(struct exec *e, const struct exec_rule *rules, size_t n);
    enum code (*loads)(struct ctx *cx, struct exec *e, struct exec_load **out, size_t *n);
    bool (*hold)(struct ctx *cx, struct exec *e, const struct exec_task *task, bool started, str *reason);
    enum code (*list)(struct ctx *cx, struct exec *e, struct exec_key **out, size_t *n);
    enum code (*discard)(struct ctx *cx, struct exec *e, const struct exec_place *place, bool log, bool dry,
                         struct exec_swept *swept);
    enum code (*list_kept)(struct ctx *cx, struct exec *e, struct exec_kept_run **out, size_t *n);
    void (*discard_run)(struct ctx *cx, struct exec *e, const struct exec_kept_run *run, bool dry,
                        struct exec_swept *swept);
    void (*sweep_logs)(struct ctx *cx, struct exec *e, int64_t before_ns, bool dry, struct exec_swept *swept);
    enum code (*log_read)(struct ctx *cx, struct exec *e, struct exec_key key, int64_t cursor, size_t max_lines,
                          struct exec_log_page *out);
    void (*log_system)(struct exec *e, struct exec_key key, str line);
    void (*stop)(struct exec *e);
};

#define EXEC_BACKEND(name) extern const struct exec_ops exec_##name##_ops;
#include "exec/backends.def"
#undef EXEC_BACKEND

#endif

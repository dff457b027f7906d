/* Hands every operation to the executor that was started. */
#include "exec/exec_int.h"

enum code exec_launch(struct ctx *cx, struct exec *e, const struct exec_task *task)
{
    return e->ops->launch(cx, e, task);
}

enum code exec_observe(struct ctx *cx, struct exec *e, struct exec_key key, struct exec_observation *out)
{
    return e->ops->observe(cx, e, key, out);
}

enum code exec_abort(struct ctx *cx, struct exec *e, struct exec_key key)
{
    return e->ops->abort(cx, e, key);
}

enum code exec_cleanup(struct ctx *cx, struct exec *e, struct exec_key key)
{
    return e->ops->cleanup(cx, e, key);
}

void exec_set_waiting(struct exec *e, struct exec_key key, bool waiting)
{
    e->ops->set_waiting(e, key, waiting);
}

void exec_set_rules(struct exec *e, const struct exec_rule *rules, size_t n)
{
    e->ops->set_rules(e, rules, n);
}

enum code exec_loads(struct ctx *cx, struct exec *e, struct exec_load **out, size_t *n)
{
    return e->ops->loads(cx, e, out, n);
}

bool exec_hold(struct ctx *cx, struct exec *e, const struct exec_task *task, bool started, str *reason)
{
    return e->ops->hold(cx, e, task, started, reason);
}

enum code exec_list(struct ctx *cx, struct exec *e, struct exec_key **out, size_t *n)
{
    return e->ops->list(cx, e, out, n);
}

enum code exec_discard(struct ctx *cx, struct exec *e, const struct exec_place *place, bool log, bool dry,
                       struct exec_swept *swept)
{
    return e->ops->discard(cx, e, place, log, dry, swept);
}

enum code exec_list_kept(struct ctx *cx, struct exec *e, struct exec_kept_run **out, size_t *n)
{
    return e->ops->list_kept(cx, e, out, n);
}

void exec_discard_run(struct ctx *cx, struct exec *e, const struct exec_kept_run *run, bool dry,
                      struct exec_swept *swept)
{
    e->ops->discard_run(cx, e, run, dry, swept);
}

void exec_sweep_logs(struct ctx *cx, struct exec *e, int64_t before_ns, bool dry, struct exec_swept *swept)
{
    e->ops->sweep_logs(cx, e, before_ns, dry, swept);
}

enum code exec_log_read(struct ctx *cx, struct exec *e, struct exec_key key, int64_t cursor, size_t max_lines,
                        struct exec_log_page *out)
{
    return e->ops->log_read(cx, e, key, cursor, max_lines, out);
}

void exec_log_system(struct exec *e, struct exec_key key, str line)
{
    e->ops->log_system(e, key, line);
}

void exec_stop(struct exec *e)
{
    if (e)
        e->ops->stop(e);
}

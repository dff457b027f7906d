/* An executor that keeps nothing of ended attempts. */
#ifndef TEST_KEPT_NONE_H
#define TEST_KEPT_NONE_H

#include "exec/exec.h"

enum code exec_log_read(struct ctx *cx, struct exec *e, struct exec_key key, int64_t cursor, size_t max_lines,
                        struct exec_log_page *out)
{
    (void)e;
    (void)key;
    (void)cursor;
    (void)max_lines;
    (void)out;
    return fail(cx, CODE_NOT_FOUND, "no log");
}

enum code exec_discard(struct ctx *cx, struct exec *e, const struct exec_place *place, bool log, bool dry,
                       struct exec_swept *swept)
{
    (void)cx;
    (void)e;
    (void)place;
    (void)log;
    (void)dry;
    (void)swept;
    return CODE_OK;
}

enum code exec_list_kept(struct ctx *cx, struct exec *e, struct exec_kept_run **out, size_t *n)
{
    (void)cx;
    (void)e;
    *out = NULL;
    *n = 0;
    return CODE_OK;
}

void exec_discard_run(struct ctx *cx, struct exec *e, const struct exec_kept_run *run, bool dry,
                      struct exec_swept *swept)
{
    (void)cx;
    (void)e;
    (void)run;
    (void)dry;
    (void)swept;
}

void exec_sweep_logs(struct ctx *cx, struct exec *e, int64_t before_ns, bool dry, struct exec_swept *swept)
{
    (void)cx;
    (void)e;
    (void)before_ns;
    (void)dry;
    (void)swept;
}

#endif

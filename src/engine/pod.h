/* What of a task template is run: its container, or the primary container of its pod template, in one form. Pure. */
#ifndef ENGINE_POD_H
#define ENGINE_POD_H

#include "base/ctx.h"
#include "gen/flyteidl2_core.h"

struct engine_pod_env {
    str name, value;
};

struct engine_pod {
    str image;
    str *argv;            /* command, then args */
    size_t argc, command; /* the first `command` of argc are the command */
    struct engine_pod_env *env;
    size_t env_count;
    int64_t cpu_millis, memory_bytes, gpus; /* 0 = not declared */
    const CoreDataLoadingConfig *files;     /* of copilot; NULL = neither inputs nor outputs are files */
    bool runs;                              /* there is something to run in it */
    bool copilot; /* inputs and outputs are files beside the container: a raw-container task */
};

/* Strings are borrowed from the template or live in cx->mem. Errors: INVALID_ARGUMENT saying what is wrong. */
must_check_ enum code engine_pod_read(struct ctx *cx, const CoreTaskTemplate *t, struct engine_pod *out);
/* The same for a task that is perhaps run by something else: no container, or nothing to run in it, is no error
 * yet, but one of engine_pod_check(). */
must_check_ enum code engine_pod_read_any(struct ctx *cx, const CoreTaskTemplate *t, struct engine_pod *out);
must_check_ enum code engine_pod_check(struct ctx *cx, const CoreTaskTemplate *t, const struct engine_pod *pod);

#endif

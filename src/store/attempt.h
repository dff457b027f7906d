/* Attempts: one launch of a task each. */
#ifndef STORE_ATTEMPT_H
#define STORE_ATTEMPT_H

#include "store/action.h"

struct store_attempt {
    uint64_t action_id;
    uint32_t attempt;
    int32_t phase; /* common.ActionPhase */
    /* When it came into the phase first; 0 = never. Wall clock. Together: phase_transitions. */
    int64_t queued_ns, waiting_ns, initializing_ns, running_ns, ended_ns;
    uint64_t boot;
    int32_t cache_status; /* core.CatalogCacheStatus */
    int32_t error_kind;   /* core.ExecutionError.ErrorKind */
    bool recoverable;     /* the error was */
    bool has_log;         /* logs_available */
    bool has_report;
    uint64_t cache_source; /* action whose outputs were reused; 0 = none */
    uint32_t cache_source_attempt;
    int32_t exit_code;
    int64_t cpu_ns, max_rss;
    str output_uri; /* the attempt's folder: outputs.pb, error.pb, report.html are in it */
    str error_code, error;
    str wait_reason; /* while QUEUED or WAITING_FOR_RESOURCES: what for */
};

/* In order of number. The attempt that a task waits to begin with has no row yet: it is made up from the action, so
 * every task has at least one. Traces and conditions have none. */
must_check_ enum code store_attempt_list(struct ctx *cx, const struct store_action *a, struct store_attempt **out,
                                         size_t *n);
/* One of them. *out = NULL when there is none. */
must_check_ enum code store_attempt_find(struct ctx *cx, const struct store_action *a, uint32_t attempt,
                                         struct store_attempt **out);

/* All attempts of a run that were launched. */
struct store_attempt_name {
    uint64_t action_id;
    uint32_t attempt;
    str action;
    int32_t phase;    /* common.ActionPhase */
    int64_t ended_ns; /* 0 = not yet */
};
must_check_ enum code store_attempt_list_run(struct ctx *cx, uint64_t run_id, struct store_attempt_name **out,
                                             size_t *n);

/* Write entries of engine/. */
must_check_ enum code store_attempt_put(struct ctx *cx, const struct store_attempt *t);

#endif

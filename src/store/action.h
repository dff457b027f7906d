/* Actions: one row per task, trace or condition of a run. engine/ is the only writer of phases.
 *
 * Ids: run id << 24 | ordinal in order of creation; a0 is ordinal 0. seq: grows with every change of any action of the
 * run; streams keep the seq they have sent and ask for what is newer. */
#ifndef STORE_ACTION_H
#define STORE_ACTION_H

#include "store/page.h"
#include "store/run.h"

#define STORE_ACTION_BITS 24

static inline uint64_t store_action_root(uint64_t run_id)
{
    return run_id << STORE_ACTION_BITS;
}
static inline uint64_t store_action_run(uint64_t action_id)
{
    return action_id >> STORE_ACTION_BITS;
}
static inline bool store_action_is_root(uint64_t action_id)
{
    return (action_id & ((UINT64_C(1) << STORE_ACTION_BITS) - 1)) == 0;
}

struct store_action {
    uint64_t id, run_id, parent_id; /* parent 0 = root */
    int64_t seq;
    int32_t type;  /* workflow.ActionType */
    int32_t phase; /* common.ActionPhase */
    uint32_t depth;
    uint32_t attempt; /* current or last one, 1-based; 0 for traces and conditions */
    uint32_t user_failures, system_failures;
    uint64_t spec_id;
    int64_t created_ns, queued_ns, started_ns, ended_ns, updated_ns; /* wall clock; 0 = not yet. ended 0 = open */
    int64_t updated_up_ns;                                           /* updated_ns by the clock of boot (D-08) */
    uint64_t boot;
    int32_t cache_status; /* core.CatalogCacheStatus */
    str cache_key;        /* 32 bytes; empty = not cached */
    uint64_t recovered_id;
    bool external; /* an external executor owns it (D-32) */
    int64_t abort_ns;
    uint64_t abort_by;
    int32_t error_kind; /* core.ExecutionError.ErrorKind */
    bool recoverable;   /* the error was */
    str name, group_name, queue;
    str input_uri;  /* as sent: a folder or .../inputs.pb */
    str output_uri; /* tasks: the folder of the outputs, set on success; traces: the file */
    str cache_text;
    str abort_reason, error_code, error;
    str value; /* signalled conditions: encoded core.Literal */
    uint64_t value_by;
    /* joined */
    str parent_name;
    int32_t spec_kind;
    str task_project, task_domain, task_version; /* tasks */
    str function_name;                           /* full task name, trace name, condition name */
    str short_name, task_type, environment;      /* tasks */
    /* set by insert and save: how many children of the parent are open now */
    int64_t siblings_open;
};

/* *out = NULL when there is none. */
must_check_ enum code store_action_find(struct ctx *cx, uint64_t run_id, str name, struct store_action **out);
/* Errors: NOT_FOUND. */
must_check_ enum code store_action_get_by_id(struct ctx *cx, uint64_t id, struct store_action **out);
/* The run and the action. Errors: NOT_FOUND "run not found: p/d/r" or "action not found: p/d/r/a". */
must_check_ enum code store_action_get(struct ctx *cx, str project, str domain, str run, str name,
                                       struct store_run **run_out, struct store_action **out);

/* Those actions, in that order. */
must_check_ enum code store_action_list_ids(struct ctx *cx, const uint64_t *ids, size_t n, struct store_action **out);
/* The ids and the page's keys of those that it selects. Aliases: a action, p its parent, s spec, t task_name. Always with
 * a condition on a.run_id. */
must_check_ enum code store_action_filter(struct ctx *cx, const struct store_page *page, struct db_rows *out);
/* Actions of the run that changed after seq, in order of seq, at most max. after 0 gives all. */
must_check_ enum code store_action_changes(struct ctx *cx, uint64_t run_id, int64_t after, size_t max,
                                           struct store_action **out, size_t *n);
/* The same for the direct children of one action, of which only the row itself is read: nothing of parent and spec. */
must_check_ enum code store_action_children(struct ctx *cx, uint64_t parent_id, int64_t after, size_t max,
                                            struct store_action **out, size_t *n);
/* In order of creation, ids above after, at most max. */
must_check_ enum code store_action_page(struct ctx *cx, uint64_t run_id, uint64_t after, size_t max,
                                        struct store_action **out, size_t *n);

/* ---- for engine/ ------------------------------------------------------------------------------------------------- */

/* Write entry. Sets id and seq, counts it with its ancestors. Errors: ALREADY_EXISTS (the name), RESOURCE_EXHAUSTED
 * (2^24 actions in a run). */
must_check_ enum code store_action_insert(struct ctx *cx, struct store_action *a);
/* Write entry. Writes all columns that change and a new seq, provided that the row still has a->seq; keeps the counts
 * of the ancestors and the phase of the run. was, was_open: the phase of the row until now, and whether it had not
 * ended. Publishing is the caller's. Errors: ABORTED when the row changed meanwhile. */
must_check_ enum code store_action_save(struct ctx *cx, struct store_action *a, int32_t was, bool was_open);
/* After a statement that gave actions of the run new numbers by itself. */
void store_action_seq_moved(struct ctx *cx, uint64_t run_id);
/* Runs with open actions, ids above after, in order. */
must_check_ enum code store_action_open_runs(struct ctx *cx, uint64_t after, size_t max, uint64_t **out, size_t *n);
/* Ids of open actions of the run. */
must_check_ enum code store_action_open(struct ctx *cx, uint64_t run_id, size_t max, uint64_t **out, size_t *n);
/* What an executor and the engine must know at once of an action, without its row. */
struct store_action_brief {
    bool found, ended;
    int64_t seq;
    uint32_t attempt;
};
must_check_ enum code store_action_brief(struct ctx *cx, uint64_t id, struct store_action_brief *out);
/* Active actions of the run (WAITING_FOR_RESOURCES, INITIALIZING, RUNNING) without open children. */
must_check_ enum code store_action_count_busy(struct ctx *cx, uint64_t run_id, int64_t *out);
/* Open actions of the run in phase QUEUED or WAITING_FOR_RESOURCES, oldest first. */
must_check_ enum code store_action_waiting(struct ctx *cx, uint64_t run_id, size_t max, uint64_t **out, size_t *n);
/* Open actions with this cache key, oldest first. */
must_check_ enum code store_action_with_cache_key(struct ctx *cx, str cache_key, size_t max, uint64_t **out, size_t *n);

#endif

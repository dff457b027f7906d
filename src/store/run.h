/* Runs. A run's root action a0 has the id store_action_root(run id); what changes of a run is there. */
#ifndef STORE_RUN_H
#define STORE_RUN_H

#include "store/page.h"

struct store_action;

struct store_run {
    uint64_t id, space_id;
    str name;
    int32_t phase;  /* common.ActionPhase of the root */
    int32_t source; /* workflow.RunSource */
    uint64_t task_name_id;
    uint64_t spec_id;      /* RunSpec without run_start_time */
    uint64_t task_spec_id; /* TaskSpec of the root */
    int64_t start_ns;      /* run_spec.run_start_time; 0 = not stamped */
    int64_t created_ns;
    uint64_t created_by; /* identity */
    uint64_t trigger_task_id;
    str trigger_name;
    uint64_t trigger_revision;
    uint32_t max_actions; /* 0 = no limit */
    uint64_t related_id;  /* the run that relation names, 0 = none */
    int64_t abort_ns;
    str base_uri;        /* run_output_base without a / at its end */
    int64_t change;      /* number of its last change: grows over all runs; set by insert and touch */
    uint32_t notify;     /* 1 << phase of which a notification rule wants to hear; 0 = there are none */
    str on_failure;      /* task that runs when it has failed, perhaps with :version; empty = none */
    uint64_t handler_id; /* action of that task, once it is there */
    /* joined */
    str project, domain;
    str created_by_subject, created_by_name;
    str trigger_task; /* name; project and domain are the run's */
};

/* A run with its root action. */
struct store_run_row {
    struct store_run run;
    struct store_action *root;
};

/* Whether the action is the run's failure handler or below it: what comes after the run's end. */
static inline bool store_run_is_handler(const struct store_run *r, uint64_t action_id)
{
    return r->handler_id && action_id >= r->handler_id;
}

/* Write entry. r->id is set. Errors: ALREADY_EXISTS. */
must_check_ enum code store_run_insert(struct ctx *cx, struct store_run *r);
/* *out = NULL when there is none. */
must_check_ enum code store_run_find(struct ctx *cx, str project, str domain, str name, struct store_run **out);
/* Errors: NOT_FOUND "run not found: p/d/r". */
must_check_ enum code store_run_get(struct ctx *cx, str project, str domain, str name, struct store_run **out);
/* Errors: NOT_FOUND. */
must_check_ enum code store_run_get_by_id(struct ctx *cx, uint64_t id, struct store_run **out);
/* The newest run that began with a task (task_name_id), or with one version of it (task_spec_id). *out = NULL when there is
 * none. */
must_check_ enum code store_run_latest_of_task(struct ctx *cx, uint64_t task_name_id, struct store_run **out);
must_check_ enum code store_run_latest_of_version(struct ctx *cx, uint64_t task_spec_id, struct store_run **out);
/* The biggest seq of the run's actions: changes whenever anything of the run does. */
must_check_ enum code store_run_seq(struct ctx *cx, uint64_t id, int64_t *out);

/* The number of the last change of all runs; 0 when there is none. */
must_check_ enum code store_run_last_change(struct ctx *cx, int64_t *out);

/* Aliases for page: r run, sp space, a root action, s spec of a, t task_name of s, i identity that made it. */
must_check_ enum code store_run_list(struct ctx *cx, const struct store_page *page, struct store_run_row **out,
                                     size_t *n);
/* Those runs, in that order. */
must_check_ enum code store_run_list_ids(struct ctx *cx, const uint64_t *ids, size_t n, struct store_run_row **out);
/* The ids and the page's keys of those that it selects; the same aliases. */
must_check_ enum code store_run_filter(struct ctx *cx, const struct store_page *page, struct db_rows *out);

/* Write entries. */
/* The root has changed; phase is the root's. */
must_check_ enum code store_run_touch(struct ctx *cx, uint64_t id, int32_t phase);
must_check_ enum code store_run_set_abort(struct ctx *cx, uint64_t id, int64_t abort_ns);
must_check_ enum code store_run_set_handler(struct ctx *cx, uint64_t id, uint64_t action_id);
must_check_ enum code store_run_label_put(struct ctx *cx, const struct store_run *run, str key, str value);

/* D-02. *run_id = 0 when this request was not seen before. key: 32 bytes. */
must_check_ enum code store_run_find_request(struct ctx *cx, str key, uint64_t *run_id);
must_check_ enum code store_run_put_request(struct ctx *cx, str key, uint64_t run_id, int64_t now_ns);
/* Forgets requests made before; at most max rows; *more when some are left. */
must_check_ enum code store_run_sweep_requests(struct ctx *cx, int64_t before_ns, size_t max, bool *more);

/* Retention: deletes rows of the run, at most about max; *done when the run itself is gone. Its objects, logs and
 * folders are the caller's. */
must_check_ enum code store_run_delete_piece(struct ctx *cx, uint64_t id, size_t max, bool *done);
/* Runs that ended before, oldest first; never the newest run of all nor the one that changed
 * last, whose numbers would be given again. */
must_check_ enum code store_run_list_ended(struct ctx *cx, int64_t before_ns, size_t max, uint64_t **out, size_t *n);

#endif

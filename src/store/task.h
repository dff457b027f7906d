/* Deployed versions of tasks. */
#ifndef STORE_TASK_H
#define STORE_TASK_H

#include "store/page.h"

struct store_task {
    uint64_t id, task_name_id;
    str version;
    uint64_t spec_id;
    str function_name; /* without the environment's prefix */
    str environment, env_description, short_description;
    bool entrypoint;
    int64_t created_ns, updated_ns;
    uint64_t deployed_by;
    str trigger_name;
    int64_t trigger_total, trigger_active;
    str trigger_automation; /* encoded task.TriggerAutomationSpec */
    /* joined */
    str project, domain, name;
    str deployed_by_subject, deployed_by_name;
};

/* Write entry. Inserts, or replaces what a deployment says: created_ns stays, and what is known of triggers; with the same spec
 * also when and by whom it was deployed last. Sets t->id. task_name_id and spec_id come from store_spec_put(). *changed: a
 * version was there with another spec (D-53). */
must_check_ enum code store_task_put(struct ctx *cx, struct store_task *t, bool *changed);
/* Exactly this version. *out = NULL when there is none. */
must_check_ enum code store_task_find(struct ctx *cx, str project, str domain, str name, str version,
                                      struct store_task **out);
/* The newest version. *out = NULL when there is none. */
must_check_ enum code store_task_find_latest(struct ctx *cx, str project, str domain, str name,
                                             struct store_task **out);
/* All versions that page selects. Aliases: k task, t task_name, i identity. */
must_check_ enum code store_task_list(struct ctx *cx, const struct store_page *page, struct store_task **out,
                                      size_t *n);
/* The ids of the newest version of each name among those that page selects, and the page's keys. Aliases: the same. Always
 * with a condition on t.id. */
must_check_ enum code store_task_filter_latest(struct ctx *cx, const struct store_page *page, struct db_rows *out);
/* Those versions, in that order. */
must_check_ enum code store_task_list_ids(struct ctx *cx, const uint64_t *ids, size_t n, struct store_task **out);

#endif

/* Triggers and their revisions. A deleted trigger keeps its row. */
#ifndef STORE_TRIGGER_H
#define STORE_TRIGGER_H

#include "store/page.h"

struct store_trigger {
    uint64_t id; /* 0 = new */
    uint64_t space_id, task_name_id;
    str name;
    uint64_t revision; /* the latest, or the one that was asked for */
    uint64_t spec_id;  /* trigger.TriggerSpec without active, task_version and description */
    str task_version;
    bool active;
    str description;
    int32_t automation_type; /* task.TriggerAutomationSpecType */
    str automation;          /* encoded task.TriggerAutomationSpec */
    bool from_deploy;        /* DeployTask made it */
    uint64_t deployed_by, updated_by;
    int64_t deployed_ns, updated_ns, triggered_ns, deleted_ns;
    int64_t next_ns, due_ns; /* the slot that comes next, and when to look at it; 0 = none */
    uint32_t failures;       /* in a row, of that slot */
    str artifact_name, artifact_version;
    int32_t action; /* trigger.TriggerRevisionAction, of a revision */
    /* joined */
    str project, domain, task_name;
    str deployed_by_subject, deployed_by_name, updated_by_subject, updated_by_name;
};

/* ---- one trigger ------------------------------------------------------------------------------------------------- */

/* Also when it is deleted. task_name "": by the name alone, the newest of those that exist. *out = NULL when there is
 * none. */
must_check_ enum code store_trigger_find(struct ctx *cx, str project, str domain, str task_name, str name,
                                         struct store_trigger **out);
/* The same, of one that exists. Errors: NOT_FOUND `trigger "x" not found`. */
must_check_ enum code store_trigger_get(struct ctx *cx, str project, str domain, str task_name, str name,
                                        struct store_trigger **out);
/* Exactly this revision, of deleted triggers too; the schedule's fields are empty. *out = NULL when there is none. */
must_check_ enum code store_trigger_find_revision(struct ctx *cx, str project, str domain, str task_name, str name,
                                                  uint64_t revision, struct store_trigger **out);

/* Write entries. Stores the row and, as row->action, its revision; sets t->id. Then store_trigger_summarize(). */
must_check_ enum code store_trigger_put(struct ctx *cx, struct store_trigger *t);
/* Brings what tasks of that name say of their triggers up to date. */
must_check_ enum code store_trigger_summarize(struct ctx *cx, uint64_t task_name_id);
/* A run was started by name. */
must_check_ enum code store_trigger_touch(struct ctx *cx, uint64_t id, int64_t triggered_ns);

/* ---- lists ------------------------------------------------------------------------------------------------------- */

/* Those that exist. Aliases for page: g trigger, t task_name. */
must_check_ enum code store_trigger_list(struct ctx *cx, const struct store_page *page, struct store_trigger **out,
                                         size_t *n);
/* Aliases for page: v revision, g trigger, t task_name. */
must_check_ enum code store_trigger_list_revisions(struct ctx *cx, const struct store_page *page,
                                                   struct store_trigger **out, size_t *n);
/* Those of a task that DeployTask made and that exist, at most max. */
must_check_ enum code store_trigger_list_deployed(struct ctx *cx, uint64_t task_name_id, size_t max,
                                                  struct store_trigger **out, size_t *n);
/* Active ones that wait for any version of the artifact, or for this one; after that id, in order of ids, at most max. */
must_check_ enum code store_trigger_list_artifact(struct ctx *cx, uint64_t space_id, str artifact, str version,
                                                  uint64_t after, size_t max, struct store_trigger **out, size_t *n);

/* ---- the schedule ------------------------------------------------------------------------------------------------ */

/* Those that are due, the longest first, at most max. */
must_check_ enum code store_trigger_list_due(struct ctx *cx, int64_t now_ns, size_t max, struct store_trigger **out,
                                             size_t *n);
/* When the next one is due; 0 = never. */
must_check_ enum code store_trigger_next_due(struct ctx *cx, int64_t *out);
/* Write entry. Saves next_ns, due_ns and failures of t as it is now, if the stored one still is at that
 * revision and waits for slot_ns; *done tells. */
must_check_ enum code store_trigger_step(struct ctx *cx, const struct store_trigger *t, int64_t slot_ns, bool *done);

#endif

/* The filters of WatchActions, and what a stream with filters shows: the actions that match, and their ancestors. */
#ifndef SERVICE_ACTION_FILTER_H
#define SERVICE_ACTION_FILTER_H

#include "gen/flyteidl2_workflow.h"
#include "store/action.h"

struct service_action_filter {
    const str *phases;
    size_t phase_count;
    str name; /* contained in the short name, ignoring case; empty = all */
};

/* Errors: INVALID_ARGUMENT. */
must_check_ enum code service_action_filter_parse(struct ctx *cx, const WorkflowWatchActionsRequest *req,
                                                  struct service_action_filter *out);
/* There are no filters. */
bool service_action_filter_is_all(const struct service_action_filter *f);
bool service_action_filter_matches(const struct service_action_filter *f, const struct store_action *a);

/* For each action of the run, by its ordinal: whether it matches, and how many below it do. Four bytes an action; zeroed
 * at first. */
struct service_action_shown {
    uint32_t *counts;
    size_t cap;
};

/* It or something below it matches. */
bool service_action_shown_is(const struct service_action_shown *s, uint64_t id);
/* Notes whether the action matches; true when that is new, and then _add is due for all that is above it. */
bool service_action_shown_set(struct arena *mem, struct service_action_shown *s, uint64_t id, bool matches);
/* One more (or one less) below the action matches. */
void service_action_shown_add(struct arena *mem, struct service_action_shown *s, uint64_t id, bool matches);

#endif

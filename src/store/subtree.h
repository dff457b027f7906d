/* How many descendants of an action are in which phase; kept by store_action_insert and _save. */
#ifndef STORE_SUBTREE_H
#define STORE_SUBTREE_H

#include "base/ctx.h"

#define STORE_PHASES 11 /* common.ActionPhase 0 to 10 */

struct store_subtree {
    int64_t open_children;   /* direct children that have not ended */
    int64_t n[STORE_PHASES]; /* all descendants, by phase */
};

/* All zero when the action has no descendants. */
must_check_ enum code store_subtree_get(struct ctx *cx, uint64_t action_id, struct store_subtree *out);
/* Write entry: a child of parent_id (which has that many ancestors) came (from 0), or went from one phase to another.
 * open: change of the direct parent's open children; *open_now (may be NULL): how many they are after that. */
must_check_ enum code store_subtree_move(struct ctx *cx, uint64_t parent_id, uint32_t parent_depth, int32_t from,
                                         int32_t to, int64_t count, int64_t open, int64_t *open_now);

#endif

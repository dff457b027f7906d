/* Who is next among what waits for a slot: limits and pauses of queues and projects, priorities, fair shares. Pure
 * bookkeeping under the caller's lock.
 *
 * A queue or project that is paused, or in which as many attempts work as its limit says, has nothing that may start.
 * An attempt that waits for its children does not count, else a tree in a narrow queue could never end. Of the rest the
 * queues of the highest priority come first; among these the project in which the fewest attempts work for its weight,
 * then its run in which the fewest work; between equals, which has started the fewest. In a run the deepest comes first,
 * then the oldest: what was begun is finished before more is begun.
 *
 * A flow is what one run has in one queue; a lane, the flows of one project in one queue. Lanes are few and walked; flows
 * and slots are many and in heaps. */
#ifndef EXEC_SHARES_H
#define EXEC_SHARES_H

#include "base/heap.h"
#include "base/list.h"
#include "base/map.h"
#include "exec/exec.h"

struct exec_slot;

/* What an attempt belongs to. */
struct exec_share {
    str queue, project; /* an empty queue is EXEC_QUEUE_DEFAULT */
    uint64_t run_id;
};

/* A queue or a project: there while it has a rule or attempts. */
struct exec_group {
    struct exec_rule rule; /* its name is the group's own */
    bool ruled;            /* somebody gave it the rule */
    size_t lanes;
    int64_t running, lent, queued; /* lent: those of running that wait for children */
    uint64_t served;               /* projects: starts, each divided by the weight */
};

struct exec_shares {
    struct map queues, projects, runs;
    struct list lanes;
    uint64_t seq;
};

void exec_shares_init(struct exec_shares *s);
/* Slots may be left in it: they are not looked at. */
void exec_shares_done(struct exec_shares *s);
/* Replaces all rules. */
void exec_shares_set_rules(struct exec_shares *s, const struct exec_rule *rules, size_t n);

/* A slot joins before anything else, and leaves last, neither queued nor running. */
void exec_shares_join(struct exec_shares *s, struct exec_slot *slot, const struct exec_share *share);
void exec_shares_leave(struct exec_shares *s, struct exec_slot *slot);
void exec_shares_queue(struct exec_shares *s, struct exec_slot *slot);
void exec_shares_unqueue(struct exec_shares *s, struct exec_slot *slot);
/* After exec_shares_unqueue(): it starts, which is held against its project and run. */
void exec_shares_serve(struct exec_slot *slot);
/* Changes by so many. */
void exec_shares_count(struct exec_slot *slot, int running, int lent);

/* The next one, and the deepest of all; NULL when nothing may start. */
struct exec_slot *exec_shares_fairest(const struct exec_shares *s);
struct exec_slot *exec_shares_deepest(const struct exec_shares *s);

const struct exec_group *exec_shares_queue_of(const struct exec_slot *slot);
const struct exec_group *exec_shares_project_of(const struct exec_slot *slot);
/* Whether it has no room now. */
bool exec_shares_is_full(const struct exec_group *g);
/* Whether nobody limits this queue nor this project. */
bool exec_shares_is_free(const struct exec_shares *s, str queue, str project);

#endif

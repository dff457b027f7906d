/* What was said of queues and projects: limits, priorities, weights, pauses. */
#ifndef STORE_QUEUE_H
#define STORE_QUEUE_H

#include "base/ctx.h"

struct store_queue {
    bool project; /* name is a project's, in all domains; else a queue's */
    str name;
    uint32_t max_working; /* 0 = no limit */
    int32_t priority;
    uint32_t weight;
    bool paused;
};

/* By project, then name. */
must_check_ enum code store_queue_list(struct ctx *cx, struct store_queue **out, size_t *n);
/* Write entries. Put replaces what was said. */
must_check_ enum code store_queue_put(struct ctx *cx, const struct store_queue *q);
must_check_ enum code store_queue_delete(struct ctx *cx, bool project, str name, bool *found);

#endif

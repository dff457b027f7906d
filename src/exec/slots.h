/* Who may start: CPU, memory and GPU shares of the machine (D-22). Pure bookkeeping under the caller's lock.
 *
 * Who is next says shares.h. A parent that waits for its children lends its CPU share but keeps its memory. When nothing
 * can start although everything that takes a share waits for children, the deepest attempt that waits starts anyway. When
 * many parents already wait, the deepest goes first, so that wide trees are not held in memory all at once. */
#ifndef EXEC_SLOTS_H
#define EXEC_SLOTS_H

#include "exec/shares.h"

/* What one attempt takes; part of the attempt's own struct. */
struct exec_slot {
    int64_t cpu_millis, memory_bytes;
    int64_t gpus;
    uint32_t depth;
    bool running, waiting; /* waiting: for children; its CPU is lent */
    int64_t queued_ns;     /* time_now_ns() clock */
    /* of shares.c */
    struct exec_flow *flow; /* NULL = neither queued nor running */
    struct heap_node in_flow, in_lane;
    uint64_t seq;
};

struct exec_slots {
    int64_t cpu_millis, memory_bytes, gpus; /* of the machine */
    int64_t used_cpu, used_memory, used_gpus;
    size_t queued;
    size_t running_count, lent_count; /* without those that take nothing */
    struct exec_shares shares;
};

enum exec_slot_need {
    EXEC_SLOT_FITS,
    EXEC_SLOT_QUEUE_PAUSED,
    EXEC_SLOT_PROJECT_PAUSED,
    EXEC_SLOT_QUEUE, /* its limit */
    EXEC_SLOT_PROJECT,
    EXEC_SLOT_CPU,
    EXEC_SLOT_MEMORY,
    EXEC_SLOT_GPU,
    EXEC_SLOT_TURN,
};

void exec_slots_init(struct exec_slots *s, int64_t cpu_millis, int64_t memory_bytes, int64_t gpus);
/* Slots may be left in it: they are not looked at. */
void exec_slots_done(struct exec_slots *s);
/* The slot waits from now on. */
void exec_slots_queue(struct exec_slots *s, struct exec_slot *slot, const struct exec_share *share, int64_t now_ns);
/* Already running (told by the supervisor): takes its share without asking. */
void exec_slots_take(struct exec_slots *s, struct exec_slot *slot, const struct exec_share *share);
/* Out of the queue or of the running; its share is free. A slot that is in neither is left alone. */
void exec_slots_release(struct exec_slots *s, struct exec_slot *slot);
void exec_slots_set_waiting(struct exec_slots *s, struct exec_slot *slot, bool waiting);
/* The next one that may start, now taken; NULL when none may. Call until NULL after every change. */
struct exec_slot *exec_slots_next(struct exec_slots *s, int64_t now_ns);
/* What this queued slot lacks; TURN when others are before it. */
enum exec_slot_need exec_slots_lacks(const struct exec_slots *s, const struct exec_slot *slot);

#endif

/* See slots.h. */
#include "exec/slots.h"

#include "base/time.h"

/* From this many waiting parents per CPU on (and at least LENT_MIN), the deepest goes first ... */
#define LENT_PER_CPU 4
#define LENT_MIN 8
/* ... unless the one whose turn it is has waited this long. */
#define PATIENCE_NS (30 * NS_PER_S)

void exec_slots_init(struct exec_slots *s, int64_t cpu_millis, int64_t memory_bytes, int64_t gpus)
{
    *s = (struct exec_slots){.cpu_millis = cpu_millis, .memory_bytes = memory_bytes, .gpus = gpus};
    exec_shares_init(&s->shares);
}

void exec_slots_done(struct exec_slots *s)
{
    exec_shares_done(&s->shares);
}

void exec_slots_queue(struct exec_slots *s, struct exec_slot *slot, const struct exec_share *share, int64_t now_ns)
{
    slot->running = slot->waiting = false;
    slot->queued_ns = now_ns;
    exec_shares_join(&s->shares, slot, share);
    exec_shares_queue(&s->shares, slot);
    s->queued++;
}

/* Its end makes room. */
static bool takes_any(const struct exec_slot *slot)
{
    return slot->cpu_millis || slot->memory_bytes || slot->gpus;
}

static void run(struct exec_slots *s, struct exec_slot *slot)
{
    slot->running = true;
    slot->waiting = false;
    s->used_cpu += slot->cpu_millis;
    s->used_memory += slot->memory_bytes;
    s->used_gpus += slot->gpus;
    s->running_count += takes_any(slot);
    exec_shares_count(slot, 1, 0);
}

void exec_slots_take(struct exec_slots *s, struct exec_slot *slot, const struct exec_share *share)
{
    exec_shares_join(&s->shares, slot, share);
    run(s, slot);
}

static void stop(struct exec_slots *s, struct exec_slot *slot)
{
    exec_shares_count(slot, -1, slot->waiting ? -1 : 0);
    if (slot->waiting)
        s->lent_count -= takes_any(slot);
    else
        s->used_cpu -= slot->cpu_millis;
    s->used_memory -= slot->memory_bytes;
    s->used_gpus -= slot->gpus;
    s->running_count -= takes_any(slot);
    slot->running = slot->waiting = false;
}

void exec_slots_release(struct exec_slots *s, struct exec_slot *slot)
{
    if (!slot->flow)
        return;
    if (slot->running) {
        stop(s, slot);
    } else {
        exec_shares_unqueue(&s->shares, slot);
        s->queued--;
    }
    exec_shares_leave(&s->shares, slot);
}

void exec_slots_set_waiting(struct exec_slots *s, struct exec_slot *slot, bool waiting)
{
    if (!slot->running || slot->waiting == waiting)
        return;
    slot->waiting = waiting;
    exec_shares_count(slot, 0, waiting ? 1 : -1);
    if (waiting) {
        s->used_cpu -= slot->cpu_millis;
        s->lent_count += takes_any(slot);
    } else {
        s->used_cpu += slot->cpu_millis; /* may pass the total for a while: nothing starts until it is below again */
        s->lent_count -= takes_any(slot);
    }
}

/* A request above the machine fits when nothing else takes any of it: it runs alone. */
static bool fits(int64_t used, int64_t want, int64_t total)
{
    return want == 0 || used == 0 || want <= total - used;
}

static enum exec_slot_need lacks(const struct exec_slots *s, const struct exec_slot *slot)
{
    if (!fits(s->used_cpu, slot->cpu_millis, s->cpu_millis))
        return EXEC_SLOT_CPU;
    if (!fits(s->used_memory, slot->memory_bytes, s->memory_bytes))
        return EXEC_SLOT_MEMORY;
    if (!fits(s->used_gpus, slot->gpus, s->gpus))
        return EXEC_SLOT_GPU;
    return EXEC_SLOT_FITS;
}

enum exec_slot_need exec_slots_lacks(const struct exec_slots *s, const struct exec_slot *slot)
{
    const struct exec_group *queue = exec_shares_queue_of(slot), *project = exec_shares_project_of(slot);
    if (queue->rule.paused)
        return EXEC_SLOT_QUEUE_PAUSED;
    if (project->rule.paused)
        return EXEC_SLOT_PROJECT_PAUSED;
    if (exec_shares_is_full(queue))
        return EXEC_SLOT_QUEUE;
    if (exec_shares_is_full(project))
        return EXEC_SLOT_PROJECT;
    enum exec_slot_need need = lacks(s, slot);
    return need == EXEC_SLOT_FITS ? EXEC_SLOT_TURN : need;
}

static size_t lent_max(const struct exec_slots *s)
{
    size_t n = (size_t)(s->cpu_millis / 1000) * LENT_PER_CPU;
    return n < LENT_MIN ? LENT_MIN : n;
}

struct exec_slot *exec_slots_next(struct exec_slots *s, int64_t now_ns)
{
    struct exec_slot *slot = exec_shares_fairest(&s->shares);
    if (!slot)
        return NULL;
    if (s->lent_count >= lent_max(s) && now_ns - slot->queued_ns <= PATIENCE_NS)
        slot = exec_shares_deepest(&s->shares);
    if (lacks(s, slot) != EXEC_SLOT_FITS) {
        if (s->running_count != s->lent_count)
            return NULL;
        slot = exec_shares_deepest(&s->shares);
    }
    exec_shares_unqueue(&s->shares, slot);
    s->queued--;
    exec_shares_serve(slot);
    run(s, slot);
    return slot;
}

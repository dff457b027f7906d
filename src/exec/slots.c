/* See slots.h. */
#include "exec/slots.h"

#include "base/time.h"

/* From this many waiting parents per CPU on (and at least LENT_MIN), the deepest goes first ... */
#define LENT_PER_CPU 4
#define LENT_MIN 8
/* ... unless the first of the queue has waited this long. */
#define PATIENCE_NS (30 * NS_PER_S)

void exec_slots_init(struct exec_slots *s, int64_t cpu_millis, int64_t memory_bytes, int64_t gpus)
{
    *s = (struct exec_slots){.cpu_millis = cpu_millis, .memory_bytes = memory_bytes, .gpus = gpus};
    list_init(&s->queue);
    list_init(&s->running);
}

void exec_slots_queue(struct exec_slots *s, struct exec_slot *slot, int64_t now_ns)
{
    slot->running = slot->waiting = false;
    slot->queued_ns = now_ns;
    list_add(&s->queue, &slot->node);
    s->queued++;
}

static struct exec_slot *slot_of(struct list *node)
{
    return container_of(node, struct exec_slot, node);
}

static bool is_listed(const struct exec_slot *slot)
{
    return slot->node.next && slot->node.next != &slot->node;
}

void exec_slots_take(struct exec_slots *s, struct exec_slot *slot)
{
    slot->running = true;
    slot->waiting = false;
    s->used_cpu += slot->cpu_millis;
    s->used_memory += slot->memory_bytes;
    s->used_gpus += slot->gpus;
    s->running_count++;
    list_add(&s->running, &slot->node);
}

void exec_slots_release(struct exec_slots *s, struct exec_slot *slot)
{
    if (!is_listed(slot))
        return;
    list_del(&slot->node);
    if (!slot->running) {
        s->queued--;
        return;
    }
    if (slot->waiting)
        s->lent_count--;
    else
        s->used_cpu -= slot->cpu_millis;
    s->used_memory -= slot->memory_bytes;
    s->used_gpus -= slot->gpus;
    s->running_count--;
    slot->running = slot->waiting = false;
}

void exec_slots_set_waiting(struct exec_slots *s, struct exec_slot *slot, bool waiting)
{
    if (!slot->running || slot->waiting == waiting)
        return;
    slot->waiting = waiting;
    if (waiting) {
        s->used_cpu -= slot->cpu_millis;
        s->lent_count++;
    } else {
        s->used_cpu += slot->cpu_millis; /* may pass the total for a while: nothing starts until it is below again */
        s->lent_count--;
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
    enum exec_slot_need need = lacks(s, slot);
    return need == EXEC_SLOT_FITS ? EXEC_SLOT_TURN : need;
}

static struct exec_slot *deepest(const struct exec_slots *s)
{
    struct exec_slot *best = NULL;
    for (struct list *n = s->queue.next; n != &s->queue; n = n->next)
        if (!best || slot_of(n)->depth > best->depth)
            best = slot_of(n);
    return best;
}

static size_t lent_max(const struct exec_slots *s)
{
    size_t n = (size_t)(s->cpu_millis / 1000) * LENT_PER_CPU;
    return n < LENT_MIN ? LENT_MIN : n;
}

static struct exec_slot *candidate(const struct exec_slots *s, int64_t now_ns)
{
    struct exec_slot *first = slot_of(s->queue.next);
    if (s->lent_count < lent_max(s) || now_ns - first->queued_ns > PATIENCE_NS)
        return first;
    return deepest(s);
}

struct exec_slot *exec_slots_next(struct exec_slots *s, int64_t now_ns)
{
    if (list_empty(&s->queue))
        return NULL;
    struct exec_slot *slot = candidate(s, now_ns);
    if (lacks(s, slot) != EXEC_SLOT_FITS) {
        if (s->running_count != s->lent_count)
            return NULL;
        slot = deepest(s);
    }
    list_del(&slot->node);
    s->queued--;
    exec_slots_take(s, slot);
    return slot;
}

/* What runs after a commit: topics to fire and hooks, each different one once per batch. The writer's thread only. */
#include "lane/lane_int.h"

#include "base/mem.h"

void lane_after_add(struct after *a, const struct after_hook *hook)
{
    if (a->n == a->cap) {
        a->cap = a->cap ? a->cap * 2 : 64;
        a->v = mem_resize(a->v, a->cap * sizeof(*a->v));
    }
    a->v[a->n++] = *hook;
}

static uint64_t mix(uint64_t h, uint64_t v)
{
    h = (h ^ v) * UINT64_C(0x9e3779b97f4a7c15);
    return h ^ h >> 29;
}

static uint64_t hash(const struct after_hook *k)
{
    uint64_t h = mix((uint64_t)(uintptr_t)k->fn, (uint64_t)(uintptr_t)k->arg);
    return mix(mix(mix(mix(h, k->id), k->key.kind), k->key.id1), k->key.id2);
}

static bool same(const struct after_hook *a, const struct after_hook *b)
{
    return a->fn == b->fn && a->arg == b->arg && a->id == b->id && a->key.kind == b->key.kind &&
           a->key.id1 == b->key.id1 && a->key.id2 == b->key.id2;
}

/* True for the first of its kind; slots_n is a power of two over twice the list. */
static bool is_first(struct after *a, size_t i)
{
    size_t mask = a->slots_n - 1, at = (size_t)hash(&a->v[i]) & mask;
    for (; a->slots[at]; at = (at + 1) & mask)
        if (same(&a->v[a->slots[at] - 1], &a->v[i]))
            return false;
    a->slots[at] = (uint32_t)(i + 1);
    return true;
}

static void make_slots(struct after *a)
{
    size_t want = a->slots_n ? a->slots_n : 128;
    while (want < a->n * 2)
        want *= 2;
    if (want != a->slots_n) {
        mem_free(a->slots);
        a->slots = mem_alloc_array(want, sizeof(*a->slots));
        a->slots_n = want;
    }
}

static void run(const struct after_hook *hook, struct topics *topics)
{
    if (hook->fn)
        hook->fn(hook->arg, hook->id);
    else if (topics)
        topic_fire(topics, hook->key);
}

void lane_after_run(struct after *a, struct topics *topics)
{
    if (!a->n)
        return;
    make_slots(a);
    for (size_t i = 0; i < a->n; i++)
        if (is_first(a, i))
            run(&a->v[i], topics);
    memset(a->slots, 0, a->slots_n * sizeof(*a->slots));
    a->n = 0;
}

void lane_after_done(struct after *a)
{
    mem_free(a->v);
    mem_free(a->slots);
    *a = (struct after){0};
}

void lane_after_commit(struct ctx *cx, lane_after_fn *fn, void *arg, uint64_t id)
{
    struct writer *w = db_owner(cx->db);
    if (w)
        lane_after_add(&w->after, &(struct after_hook){.fn = fn, .arg = arg, .id = id});
    else
        fn(arg, id);
}

/* Open addressing with linear probing; deleting moves later entries back, so there are no tombstones. */
#include "base/map.h"

#include "base/mem.h"

#define CAP_MIN 16

void map_init(struct map *m)
{
    *m = (struct map){0};
}

void map_done(struct map *m)
{
    mem_free(m->slots);
    map_init(m);
}

/* The slot of key, or the free slot where it would go; the map has slots, and a free one. */
static struct map_entry *slot_of(const struct map *m, str key, uint64_t hash)
{
    size_t mask = m->cap - 1, i = (size_t)hash & mask;
    while (m->slots[i].value && !(m->slots[i].hash == hash && str_eq(m->slots[i].key, key)))
        i = (i + 1) & mask;
    return &m->slots[i];
}

/* FNV's low bits are weak for short keys. */
static uint64_t hash_of(str key)
{
    uint64_t h = str_hash(key);
    return (h ^ h >> 32) * 0x9e3779b97f4a7c15u >> 16;
}

void *map_find(const struct map *m, str key)
{
    return m->n ? slot_of(m, key, hash_of(key))->value : NULL;
}

static void grow(struct map *m)
{
    struct map bigger = {.n = m->n, .cap = m->cap ? m->cap * 2 : CAP_MIN};
    bigger.slots = mem_alloc_array(bigger.cap, sizeof(*bigger.slots));
    for (size_t i = 0; i < m->cap; i++)
        if (m->slots[i].value)
            *slot_of(&bigger, m->slots[i].key, m->slots[i].hash) = m->slots[i];
    mem_free(m->slots);
    *m = bigger;
}

void *map_put(struct map *m, str key, void *value)
{
    if (m->n * 4 >= m->cap * 3)
        grow(m);
    uint64_t hash = hash_of(key);
    struct map_entry *e = slot_of(m, key, hash);
    void *old = e->value;
    *e = (struct map_entry){key, value, hash};
    m->n += !old;
    return old;
}

void *map_delete(struct map *m, str key)
{
    struct map_entry *e = m->n ? slot_of(m, key, hash_of(key)) : NULL;
    void *old = e ? e->value : NULL;
    if (!old)
        return NULL;
    size_t mask = m->cap - 1, hole = (size_t)(e - m->slots);
    for (size_t i = (hole + 1) & mask; m->slots[i].value; i = (i + 1) & mask) {
        /* The entry may move into the hole when its home is not between the hole and itself. */
        size_t home = (size_t)m->slots[i].hash & mask;
        if (((i - home) & mask) >= ((i - hole) & mask)) {
            m->slots[hole] = m->slots[i];
            hole = i;
        }
    }
    m->slots[hole] = (struct map_entry){0};
    m->n--;
    return old;
}

bool map_next(const struct map *m, size_t *at, str *key, void **value)
{
    while (*at < m->cap && !m->slots[*at].value)
        ++*at;
    if (*at >= m->cap)
        return false;
    *key = m->slots[*at].key;
    *value = m->slots[*at].value;
    ++*at;
    return true;
}

/* See kept_int.h. A table for each kind with one place for each hash: what comes later replaces. */
#include "store/kept_int.h"

#include "base/mem.h"

#define PLACES 64
#define BYTES_MAX ((size_t)8 << 10)

struct place {
    uint64_t id; /* 0 = empty; specs and runs begin at 1 */
    struct arena mem;
    void *row;
};

struct kept {
    struct place places[STORE_KEPT_KINDS_][PLACES];
};

static void drop(void *memo)
{
    struct kept *k = memo;
    for (size_t kind = 0; kind < STORE_KEPT_KINDS_; kind++)
        for (size_t i = 0; i < PLACES; i++)
            arena_done(&k->places[kind][i].mem);
    mem_free(k);
}

/* Ids of actions are the run's with zeros behind. */
static size_t place_of(uint64_t id)
{
    return (size_t)(id * UINT64_C(0x9e3779b97f4a7c15) >> 58) % PLACES;
}

void *store_kept_change(struct db *db, enum store_kept_kind kind, uint64_t id)
{
    struct kept *k = *db_memo(db, drop);
    if (!k || !id)
        return NULL;
    const struct place *p = &k->places[kind][place_of(id)];
    return p->id == id ? p->row : NULL;
}

const void *store_kept_find(struct db *db, enum store_kept_kind kind, uint64_t id)
{
    return store_kept_change(db, kind, id);
}

void store_kept_forget(struct db *db, enum store_kept_kind kind, uint64_t id)
{
    struct kept *k = *db_memo(db, drop);
    struct place *p = k ? &k->places[kind][place_of(id)] : NULL;
    if (p && p->id == id)
        p->id = 0;
}

void store_kept_put(struct db *db, enum store_kept_kind kind, uint64_t id, store_kept_copy *copy, const void *row,
                    size_t bytes)
{
    void **memo = db_memo(db, drop);
    if (!id || bytes > BYTES_MAX)
        return;
    if (!*memo)
        *memo = mem_new(struct kept);
    struct place *p = &((struct kept *)*memo)->places[kind][place_of(id)];
    arena_done(&p->mem);
    arena_init_small(&p->mem, 0, bytes);
    p->row = copy(&p->mem, row);
    p->id = p->mem.used <= BYTES_MAX ? id : 0;
    if (!p->id)
        arena_done(&p->mem);
}

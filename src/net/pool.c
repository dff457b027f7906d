/* Free lists of one thread. See pool_int.h. */
#include "net/pool_int.h"

#include "base/mem.h"

#include <stdint.h>
#include <string.h>

#define STEP 32
#define CLASSES 65 /* up to 2 KiB and the header */
#define KEEP_BYTES ((size_t)128 * 1024)

/* In front of each block. */
struct header {
    struct header *next; /* while it is free */
    size_t size;         /* of what follows */
};

static _Thread_local struct {
    struct header *first;
    size_t count;
} lists[CLASSES];

static size_t class_of(size_t size)
{
    return (size + STEP - 1) / STEP;
}

void *pool_alloc(size_t size)
{
    size_t k = class_of(size);
    struct header *h = k < CLASSES ? lists[k].first : NULL;
    if (h) {
        lists[k].first = h->next;
        lists[k].count--;
        return h + 1;
    }
    if (k < CLASSES)
        size = k * STEP;
    h = mem_resize(NULL, sizeof(*h) + size);
    h->size = size;
    return h + 1;
}

void *pool_alloc_zeroed(size_t size)
{
    return memset(pool_alloc(size), 0, size);
}

void pool_free(void *p)
{
    if (!p)
        return;
    struct header *h = (struct header *)p - 1;
    size_t k = class_of(h->size);
    if (!MEM_REUSE || k >= CLASSES || lists[k].count * k >= KEEP_BYTES / STEP) {
        mem_free(h);
        return;
    }
    h->next = lists[k].first;
    lists[k].first = h;
    lists[k].count++;
}

void *pool_resize(void *p, size_t size)
{
    if (!p)
        return pool_alloc(size);
    struct header *h = (struct header *)p - 1;
    if (size <= h->size)
        return p;
    void *q = pool_alloc(size);
    memcpy(q, p, h->size);
    pool_free(p);
    return q;
}

void pool_done(void)
{
    for (size_t k = 0; k < CLASSES; k++)
        while (lists[k].first) {
            struct header *h = lists[k].first;
            lists[k].first = h->next;
            mem_free(h);
        }
    memset(lists, 0, sizeof(lists));
}

/* Maps are arrays of entries; decoding leaves them sorted by key, hand-made ones may be in any order. Any thread. */
#include "base/mem.h"
#include "pb/pb_int.h"

#include <stdlib.h>

#define COMPARE(T)                                                                                                     \
    do {                                                                                                               \
        T x = *(const T *)a, y = *(const T *)b;                                                                        \
        return (x > y) - (x < y);                                                                                      \
    } while (0)

int pb_map_cmp(const struct pb_type *entry, const void *a, const void *b)
{
    const struct pb_field *key = &entry->fields[0];
    a = pb_slot_const(key, a);
    b = pb_slot_const(key, b);
    switch (key->kind) {
    case PB_STRING:
        return str_cmp(*(const str *)a, *(const str *)b);
    case PB_BOOL:
        COMPARE(uint8_t);
    case PB_UINT32:
    case PB_FIXED32:
        COMPARE(uint32_t);
    case PB_UINT64:
    case PB_FIXED64:
        COMPARE(uint64_t);
    case PB_INT64:
    case PB_SINT64:
    case PB_SFIXED64:
        COMPARE(int64_t);
    default:
        COMPARE(int32_t);
    }
}

bool pb_map_is_sorted(const struct pb_type *entry, const struct pb_array *a)
{
    const char *p = a->p;
    for (size_t i = 1; i < a->n; i++, p += entry->size) {
        if (pb_map_cmp(entry, p, p + entry->size) >= 0)
            return false;
    }
    return true;
}

/* Equal keys stay in their order, which is that of their addresses. */
static int by_key(const void *a, const void *b, void *entry)
{
    const char *x = *(const char *const *)a, *y = *(const char *const *)b;
    int order = pb_map_cmp(entry, x, y);
    return order ? order : (x > y) - (x < y);
}

static void sort_pointers(const struct pb_type *entry, const struct pb_array *a, const void **out)
{
    for (size_t i = 0; i < a->n; i++)
        out[i] = (const char *)a->p + i * entry->size;
    qsort_r(out, a->n, sizeof(*out), by_key, (void *)(uintptr_t)entry);
}

bool pb_map_sort(struct arena *mem, const struct pb_type *entry, struct pb_array *a)
{
    const void **order = arena_try_alloc(mem, a->n, sizeof(*order));
    struct pb_array sorted = {0};
    if (!order || !pb_array_reserve(mem, &sorted, entry->size, a->n))
        return false;
    sort_pointers(entry, a, order);
    for (size_t i = 0; i < a->n; i++) {
        if (i + 1 < a->n && pb_map_cmp(entry, order[i], order[i + 1]) == 0)
            continue;
        memcpy((char *)sorted.p + sorted.n++ * entry->size, order[i], entry->size);
    }
    *a = sorted;
    return true;
}

const void **pb_map_order(const struct pb_type *entry, const struct pb_array *a)
{
    const void **order = mem_alloc_array(a->n, sizeof(*order));
    sort_pointers(entry, a, order);
    return order;
}

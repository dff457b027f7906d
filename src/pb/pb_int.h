/* What the files of src/pb share: sizes of values, slots of fields, arena memory within the cap, maps. */
#ifndef PB_PB_INT_H
#define PB_PB_INT_H

#include "pb/table.h"

enum pb_wire { PB_VARINT = 0, PB_I64 = 1, PB_LEN = 2, PB_GROUP = 3, PB_GROUP_END = 4, PB_I32 = 5 };

/* A message of more bytes is malformed or too large to write. */
#define PB_SIZE_MAX ((size_t)INT32_MAX)

/* JSON reads each Any twice, so nested ones are bounded apart. */
#define PB_ANY_DEPTH_MAX 16

/* Bytes of one value in C, and its wire type when not packed, by enum pb_kind. */
extern const uint8_t pb_kind_size[];
extern const uint8_t pb_kind_wire[];

static inline size_t pb_elem_size(const struct pb_field *f)
{
    return f->shape == PB_MAP ? f->type->size : pb_kind_size[f->kind];
}

static inline int32_t *pb_oneof_case(const struct pb_field *f, void *msg)
{
    return (int32_t *)(void *)((char *)msg + f->has);
}

/* The value of a plain, optional or oneof field. */
static inline void *pb_slot(const struct pb_field *f, void *msg)
{
    return (char *)msg + f->offset;
}

static inline const void *pb_slot_const(const struct pb_field *f, const void *msg)
{
    return (const char *)msg + f->offset;
}

/* True when encoding writes the field. Not for fields of map entries. */
static inline bool pb_present(const struct pb_field *f, const void *msg)
{
    uint64_t v;
    memcpy(&v, (const char *)msg + f->probe, sizeof(v));
    v >>= f->right;
    return f->want ? v == f->want : v != 0;
}

/* NULL when there is none. */
const struct pb_field *pb_field_find(const struct pb_type *t, uint32_t number);

/* Zeroed; NULL when the arena's cap would be passed. The usual case is open-coded: messages are small and many. */
static inline void *pb_take(struct arena *mem, size_t size)
{
    size_t need = (size + 15) & ~(size_t)15;
    if (__builtin_expect((size_t)(mem->end - mem->cur) < need || (mem->cap && need > mem->cap - mem->used), 0))
        return arena_try_alloc(mem, 1, size);
    char *p = mem->cur;
    mem->cur += need;
    mem->used += need;
    for (size_t i = 0; i < need; i += 16)
        memset(p + i, 0, 16);
    return p;
}

/* Makes room for `total` elements; *a->p grows to the next power of two. False when the arena's cap would be passed.
 * Only for arrays that this function alone has grown: their capacity follows from n. */
bool pb_array_reserve(struct arena *mem, struct pb_array *a, size_t elem_size, size_t total);
/* The address of a new, zeroed last element, or NULL. */
static inline void *pb_array_push(struct arena *mem, struct pb_array *a, size_t elem_size)
{
    size_t n = a->n;
    if ((n & (n - 1)) == 0 && n != 1 && !pb_array_reserve(mem, a, elem_size, n + 1))
        return NULL;
    a->n = n + 1;
    return (char *)a->p + n * elem_size;
}

/* ---- maps: arrays of entries ------------------------------------------------------------------------------------ */

/* Order of two entries by key: false before true, numbers by value, strings by bytes. */
int pb_map_cmp(const struct pb_type *entry, const void *a, const void *b);
/* True when the keys rise strictly. */
bool pb_map_is_sorted(const struct pb_type *entry, const struct pb_array *a);
/* Sorts by key and keeps the last of equal ones. False when the arena's cap would be passed. */
bool pb_map_sort(struct arena *mem, const struct pb_type *entry, struct pb_array *a);
/* The entries in order of their keys as a heap array for mem_free(). */
const void **pb_map_order(const struct pb_type *entry, const struct pb_array *a);

#endif

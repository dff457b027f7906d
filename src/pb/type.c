/* Finding types and what belongs to them by name, in the generated tables. Const data, any thread. */
#include "pb/table.h"

static const struct pb_type *find(const struct pb_registry *r, str full_name)
{
    size_t lo = 0, hi = r->type_count;
    while (lo < hi) {
        size_t mid = lo + (hi - lo) / 2;
        const struct pb_type *t = r->types[mid];
        int order = str_cmp(full_name, (str){t->name, t->name_len});
        if (order == 0)
            return t;
        if (order < 0)
            hi = mid;
        else
            lo = mid + 1;
    }
    return NULL;
}

const struct pb_type *pb_type_find(str full_name)
{
    const struct pb_type *t = find(&pb_registry_main, full_name);
    return t || !&pb_registry_extra ? t : find(&pb_registry_extra, full_name);
}

void *pb_type_new(struct arena *mem, const struct pb_type *type)
{
    return arena_alloc(mem, type->size);
}

str pb_type_name(const struct pb_type *type)
{
    return (str){type->name, type->name_len};
}

str pb_descriptor_set(void)
{
    return pb_registry_main.descriptors;
}

/* Enums: names and numbers. Const data, any thread. */
#include "pb/enum_int.h"

static const struct pb_enum *find(const struct pb_registry *r, str name)
{
    size_t lo = 0, hi = r->enum_count;
    while (lo < hi) {
        size_t mid = lo + (hi - lo) / 2;
        int order = str_cmp(name, str_from(r->enums[mid]->name));
        if (order == 0)
            return r->enums[mid];
        if (order < 0)
            hi = mid;
        else
            lo = mid + 1;
    }
    return NULL;
}

const struct pb_enum_value *pb_enum_by_number(const struct pb_enum *e, int32_t number)
{
    size_t lo = 0, hi = e->n;
    /* The first of several names of one number: the leftmost. */
    while (lo < hi) {
        size_t mid = lo + (hi - lo) / 2;
        if (e->values[mid].number < number)
            lo = mid + 1;
        else
            hi = mid;
    }
    return lo < e->n && e->values[lo].number == number ? &e->values[lo] : NULL;
}

const struct pb_enum_value *pb_enum_by_name(const struct pb_enum *e, str name)
{
    for (uint32_t i = 0; i < e->n; i++) {
        if (str_eq(pb_enum_value_name(e, &e->values[i]), name))
            return &e->values[i];
    }
    return NULL;
}

str pb_enum_name(str enum_name, int32_t value)
{
    const struct pb_enum *e = find(&pb_registry_main, enum_name);
    const struct pb_enum_value *v = e ? pb_enum_by_number(e, value) : NULL;
    return v ? pb_enum_value_name(e, v) : STR("");
}

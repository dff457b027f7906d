/* Comparison of messages: the same fields with the same values, bit for bit; the order of map entries does not count.
 * Any thread. */
#include "pb/pb.h"

#include "base/mem.h"
#include "pb/pb_int.h"

static bool fields_equal(const struct pb_type *t, const void *a, const void *b);

static bool value_equal(const struct pb_field *f, const void *a, const void *b)
{
    if (f->kind == PB_STRING || f->kind == PB_BYTES)
        return str_eq(*(const str *)a, *(const str *)b);
    if (f->kind != PB_MESSAGE)
        return memcmp(a, b, pb_kind_size[f->kind]) == 0;
    const void *x = *(const void *const *)a, *y = *(const void *const *)b;
    return x == y || (x && y && pb_equal(f->type, x, y));
}

static bool map_equal(const struct pb_type *t, const struct pb_array *a, const struct pb_array *b)
{
    const void **x = pb_map_order(t, a), **y = pb_map_order(t, b);
    bool same = true;
    for (size_t i = 0; same && i < a->n; i++)
        same = fields_equal(t, x[i], y[i]);
    mem_free(x);
    mem_free(y);
    return same;
}

static bool array_equal(const struct pb_field *f, const struct pb_array *a, const struct pb_array *b)
{
    size_t step = pb_kind_size[f->kind];
    if (a->n != b->n)
        return false;
    if (f->shape == PB_MAP)
        return map_equal(f->type, a, b);
    for (size_t i = 0; i < a->n; i++) {
        if (!value_equal(f, (const char *)a->p + i * step, (const char *)b->p + i * step))
            return false;
    }
    return true;
}

/* Runs may be cut in different places. */
static bool unknown_equal(const struct pb_unknown *a, const struct pb_unknown *b)
{
    size_t i = 0, j = 0;
    for (;;) {
        while (a && i == a->data.n) {
            a = a->next;
            i = 0;
        }
        while (b && j == b->data.n) {
            b = b->next;
            j = 0;
        }
        if (!a || !b)
            return !a && !b;
        if (a->data.p[i++] != b->data.p[j++])
            return false;
    }
}

static bool fields_equal(const struct pb_type *t, const void *a, const void *b)
{
    for (const struct pb_field *f = t->fields, *end = f + t->n; f < end; f++) {
        bool has = t->is_entry || pb_present(f, a);
        if (has != (t->is_entry || pb_present(f, b)))
            return false;
        if (!has)
            continue;
        const void *x = pb_slot_const(f, a), *y = pb_slot_const(f, b);
        bool many = f->shape == PB_REPEATED || f->shape == PB_MAP;
        if (!(many ? array_equal(f, x, y) : value_equal(f, x, y)))
            return false;
    }
    return true;
}

bool pb_equal(const struct pb_type *type, const void *a, const void *b)
{
    return fields_equal(type, a, b) &&
           unknown_equal(*(const struct pb_unknown *const *)a, *(const struct pb_unknown *const *)b);
}

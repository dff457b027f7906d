/* Deep copies and comparison of messages. Any thread; the arena belongs to the caller. */
#include "pb/pb.h"

#include "pb/pb_int.h"

static void clone_into(struct arena *mem, const struct pb_type *t, void *to, const void *from);

/* The copied struct still points to the original's parts: replaces the one at slot. */
static void clone_value(struct arena *mem, const struct pb_field *f, void *slot)
{
    if (f->kind == PB_STRING || f->kind == PB_BYTES) {
        str *s = slot;
        *s = arena_str(mem, *s);
    } else if (f->kind == PB_MESSAGE) {
        const void **sub = slot;
        *sub = *sub ? pb_clone(mem, f->type, *sub) : NULL;
    }
}

static void clone_array(struct arena *mem, const struct pb_field *f, struct pb_array *a)
{
    size_t step = pb_elem_size(f);
    char *p = arena_alloc_array(mem, a->n, step);
    memcpy(p, a->p, a->n * step);
    a->p = p;
    for (size_t i = 0; i < a->n; i++, p += step) {
        if (f->shape == PB_MAP)
            clone_into(mem, f->type, p, p);
        else
            clone_value(mem, f, p);
    }
}

static void clone_unknown(struct arena *mem, struct pb_unknown **first)
{
    struct pb_unknown *copy = NULL, *last = NULL;
    for (const struct pb_unknown *u = *first; u; u = u->next) {
        struct pb_unknown *c = arena_new(mem, struct pb_unknown);
        c->data = arena_str(mem, u->data);
        if (last)
            last->next = c;
        else
            copy = c;
        last = c;
    }
    if (copy)
        copy->last = last;
    *first = copy;
}

/* to may be from: then its parts are replaced by copies. */
static void clone_into(struct arena *mem, const struct pb_type *t, void *to, const void *from)
{
    if (to != from)
        memcpy(to, from, t->size);
    if (!t->is_entry)
        clone_unknown(mem, to);
    for (const struct pb_field *f = t->fields, *end = f + t->n; f < end; f++) {
        if (!t->is_entry && !pb_present(f, to))
            continue;
        if (f->shape == PB_REPEATED || f->shape == PB_MAP)
            clone_array(mem, f, pb_slot(f, to));
        else
            clone_value(mem, f, pb_slot(f, to));
    }
}

void *pb_clone(struct arena *mem, const struct pb_type *type, const void *msg)
{
    void *copy = arena_alloc(mem, type->size);
    clone_into(mem, type, copy, msg);
    return copy;
}

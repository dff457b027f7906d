/* The binary encoder: one pass over the message finds every length, a second one writes front to back into exactly that
 * much room. Both passes walk in the same order, so the lengths of nested parts are kept in a list. Any thread. */
#include "pb/pb.h"

#include "base/mem.h"
#include "pb/pb_int.h"

/* What the first pass found, in the order of the walk: for each message the indexes of its fields that are present, and
 * END; for each nested message, map entry and packed field its length. */
struct lengths {
    uint32_t *p;
    size_t n, cap, next;
    bool too_large;
    uint32_t some[512];
};

#define END UINT32_MAX

static size_t message_size(struct lengths *l, const struct pb_type *t, const void *msg);
static char *write_message(struct lengths *l, const struct pb_type *t, const void *msg, char *p);

static void lengths_init(struct lengths *l)
{
    l->p = l->some;
    l->n = l->next = 0;
    l->cap = sizeof(l->some) / sizeof(l->some[0]);
    l->too_large = false;
}

static void lengths_done(struct lengths *l)
{
    if (l->p != l->some)
        mem_free(l->p);
}

static void lengths_grow(struct lengths *l)
{
    l->p = l->p == l->some ? memcpy(mem_alloc_array(l->cap * 2, sizeof(*l->p)), l->some, sizeof(l->some))
                           : mem_resize(l->p, l->cap * 2 * sizeof(*l->p));
    l->cap *= 2;
}

static inline size_t lengths_push(struct lengths *l, uint32_t v)
{
    if (__builtin_expect(l->n == l->cap, 0))
        lengths_grow(l);
    l->p[l->n] = v;
    return l->n++;
}

static inline size_t varint_size(uint64_t v)
{
    if (__builtin_expect(v < 128, 1))
        return 1;
    return (size_t)(((63 - __builtin_clzll(v)) * 9 + 73) / 64);
}

/* The size of the part with its length before it. */
static size_t lengths_close(struct lengths *l, size_t at, size_t size)
{
    if (size > PB_SIZE_MAX)
        l->too_large = true;
    l->p[at] = (uint32_t)size;
    return varint_size(size) + size;
}

static inline char *write_varint(char *p, uint64_t v)
{
    while (v >= 128) {
        *p++ = (char)(v | 128);
        v >>= 7;
    }
    *p++ = (char)v;
    return p;
}

static inline uint64_t varint_of(uint8_t kind, const void *slot)
{
    uint64_t wide;
    uint32_t narrow;
    switch (kind) {
    case PB_BOOL:
        return *(const bool *)slot;
    case PB_UINT32:
        return *(const uint32_t *)slot;
    case PB_SINT32:
        narrow = *(const uint32_t *)slot;
        return narrow << 1 ^ -(narrow >> 31);
    case PB_SINT64:
        wide = *(const uint64_t *)slot;
        return wide << 1 ^ -(wide >> 63);
    case PB_INT64:
    case PB_UINT64:
        return *(const uint64_t *)slot;
    default:
        return (uint64_t)(int64_t) * (const int32_t *)slot;
    }
}

static inline bool is_packed(const struct pb_field *f)
{
    return f->shape == PB_REPEATED && (f->tag & 7) == PB_LEN && pb_kind_wire[f->kind] != PB_LEN;
}

/* ---- sizes ------------------------------------------------------------------------------------------------------ */

static size_t submessage_size(struct lengths *l, const struct pb_type *t, const void *msg)
{
    size_t at = lengths_push(l, 0);
    return lengths_close(l, at, msg ? message_size(l, t, msg) : 0);
}

static inline size_t value_size(struct lengths *l, const struct pb_field *f, const void *slot)
{
    size_t n;
    switch (f->kind) {
    case PB_STRING:
    case PB_BYTES:
        n = ((const str *)slot)->n;
        l->too_large |= n > PB_SIZE_MAX;
        return varint_size(n) + n;
    case PB_MESSAGE:
        return submessage_size(l, f->type, *(const void *const *)slot);
    case PB_FIXED32:
    case PB_SFIXED32:
    case PB_FLOAT:
        return 4;
    case PB_FIXED64:
    case PB_SFIXED64:
    case PB_DOUBLE:
        return 8;
    default:
        return varint_size(varint_of(f->kind, slot));
    }
}

static size_t repeated_size(struct lengths *l, const struct pb_field *f, const struct pb_array *a)
{
    size_t tag = varint_size(f->tag), size = 0, step = pb_kind_size[f->kind];
    const char *p = a->p;
    if (is_packed(f)) {
        size_t at = lengths_push(l, 0);
        for (size_t i = 0; i < a->n; i++)
            size += value_size(l, f, p + i * step);
        return tag + lengths_close(l, at, size);
    }
    for (size_t i = 0; i < a->n; i++)
        size += tag + value_size(l, f, p + i * step);
    return size;
}

/* Entries always have both fields, so that a reader without defaults understands them. */
static size_t entry_size(struct lengths *l, const struct pb_type *t, const void *entry)
{
    size_t at = lengths_push(l, 0), size = 2;
    size += value_size(l, &t->fields[0], pb_slot_const(&t->fields[0], entry));
    size += value_size(l, &t->fields[1], pb_slot_const(&t->fields[1], entry));
    return lengths_close(l, at, size);
}

static size_t map_size(struct lengths *l, const struct pb_field *f, const struct pb_array *a)
{
    const void **order = pb_map_is_sorted(f->type, a) ? NULL : pb_map_order(f->type, a);
    size_t size = 0, tag = varint_size(f->tag);
    for (size_t i = 0; i < a->n; i++)
        size += tag + entry_size(l, f->type, order ? order[i] : (const char *)a->p + i * f->type->size);
    mem_free(order);
    return size;
}

static size_t message_size(struct lengths *l, const struct pb_type *t, const void *msg)
{
    size_t size = 0;
    for (uint32_t i = 0; i < t->n; i++) {
        const struct pb_field *f = &t->fields[i];
        if (!pb_present(f, msg))
            continue;
        lengths_push(l, i);
        const void *slot = pb_slot_const(f, msg);
        if (f->shape == PB_REPEATED)
            size += repeated_size(l, f, slot);
        else if (f->shape == PB_MAP)
            size += map_size(l, f, slot);
        else
            size += varint_size(f->tag) + value_size(l, f, slot);
    }
    lengths_push(l, END);
    for (const struct pb_unknown *u = *(const struct pb_unknown *const *)msg; u; u = u->next)
        size += u->data.n;
    return size;
}

/* ---- writing ---------------------------------------------------------------------------------------------------- */

static inline char *write_bytes(char *p, const void *from, size_t n)
{
    return n ? (char *)memcpy(p, from, n) + n : p;
}

static inline char *write_value(struct lengths *l, const struct pb_field *f, const void *slot, char *p)
{
    const str *s;
    const void *msg;
    switch (f->kind) {
    case PB_STRING:
    case PB_BYTES:
        s = slot;
        return write_bytes(write_varint(p, s->n), s->p, s->n);
    case PB_MESSAGE:
        msg = *(const void *const *)slot;
        p = write_varint(p, l->p[l->next++]);
        return msg ? write_message(l, f->type, msg, p) : p;
    case PB_FIXED32:
    case PB_SFIXED32:
    case PB_FLOAT:
        return write_bytes(p, slot, 4);
    case PB_FIXED64:
    case PB_SFIXED64:
    case PB_DOUBLE:
        return write_bytes(p, slot, 8);
    default:
        return write_varint(p, varint_of(f->kind, slot));
    }
}

static char *write_repeated(struct lengths *l, const struct pb_field *f, const struct pb_array *a, char *p)
{
    size_t step = pb_kind_size[f->kind];
    const char *v = a->p;
    bool pack = is_packed(f);
    if (pack)
        p = write_varint(write_varint(p, f->tag), l->p[l->next++]);
    for (size_t i = 0; i < a->n; i++) {
        if (!pack)
            p = write_varint(p, f->tag);
        p = write_value(l, f, v + i * step, p);
    }
    return p;
}

static char *write_entry(struct lengths *l, const struct pb_type *t, const void *entry, char *p)
{
    p = write_varint(p, l->p[l->next++]);
    for (size_t i = 0; i < 2; i++) {
        *p++ = (char)t->fields[i].tag;
        p = write_value(l, &t->fields[i], pb_slot_const(&t->fields[i], entry), p);
    }
    return p;
}

static char *write_map(struct lengths *l, const struct pb_field *f, const struct pb_array *a, char *p)
{
    const void **order = pb_map_is_sorted(f->type, a) ? NULL : pb_map_order(f->type, a);
    for (size_t i = 0; i < a->n; i++) {
        p = write_varint(p, f->tag);
        p = write_entry(l, f->type, order ? order[i] : (const char *)a->p + i * f->type->size, p);
    }
    mem_free(order);
    return p;
}

static char *write_message(struct lengths *l, const struct pb_type *t, const void *msg, char *p)
{
    for (uint32_t i; (i = l->p[l->next++]) != END;) {
        const struct pb_field *f = &t->fields[i];
        const void *slot = pb_slot_const(f, msg);
        if (f->shape == PB_REPEATED)
            p = write_repeated(l, f, slot, p);
        else if (f->shape == PB_MAP)
            p = write_map(l, f, slot, p);
        else
            p = write_value(l, f, slot, write_varint(p, f->tag));
    }
    for (const struct pb_unknown *u = *(const struct pb_unknown *const *)msg; u; u = u->next)
        p = write_bytes(p, u->data.p, u->data.n);
    return p;
}

/* ---- entry points ----------------------------------------------------------------------------------------------- */

size_t pb_encoded_size(const struct pb_type *type, const void *msg)
{
    struct lengths l;
    lengths_init(&l);
    size_t size = message_size(&l, type, msg);
    lengths_done(&l);
    return size;
}

enum code pb_encode(struct ctx *cx, const struct pb_type *type, const void *msg, str *out)
{
    struct lengths l;
    lengths_init(&l);
    size_t size = message_size(&l, type, msg);
    char *p = l.too_large || size > PB_SIZE_MAX ? NULL : pb_take(cx->mem, size + 1);
    if (p) {
        write_message(&l, type, msg, p);
        *out = (str){p, size};
    }
    lengths_done(&l);
    return p ? CODE_OK : fail(cx, CODE_RESOURCE_EXHAUSTED, "%s: message of %zu bytes is too large", type->name, size);
}

void pb_encode_to(buf *b, const struct pb_type *type, const void *msg)
{
    struct lengths l;
    lengths_init(&l);
    size_t size = message_size(&l, type, msg);
    char *p = buf_room(b, l.too_large ? SIZE_MAX : size);
    if (p) {
        write_message(&l, type, msg, p);
        buf_wrote(b, size);
    }
    lengths_done(&l);
}

static void add_piece(struct arena *mem, struct pb_unknown **first, str data)
{
    struct pb_unknown *u = arena_new(mem, struct pb_unknown);
    u->data = data;
    if (*first)
        (*first)->last->next = u;
    else
        *first = u;
    (*first)->last = u;
}

void pb_add_encoded(struct arena *mem, void *msg, uint32_t number, str bytes)
{
    char *head = arena_alloc(mem, 16);
    char *end = write_varint(write_varint(head, (uint64_t)number << 3 | PB_LEN), bytes.n);
    add_piece(mem, msg, (str){head, (size_t)(end - head)});
    add_piece(mem, msg, bytes);
}

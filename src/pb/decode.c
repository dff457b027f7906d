/* The binary decoder. Strings of the result borrow from the input; everything else is in the call's arena, within its
 * cap. Reads each byte once; nothing is trusted: lengths, depth, wire types and UTF-8 are checked. Any thread. */
#include "pb/pb.h"

#include "pb/pb_int.h"

struct decoder {
    struct arena *mem;
    int depth;      /* messages and groups that may still nest */
    bool odd_entry; /* the map entry being read has unknown fields */
    enum code code;
    const char *problem;
    const struct pb_type *type; /* where the problem is */
    const struct pb_field *field;
};

static const char *message(struct decoder *d, const struct pb_type *t, char *msg, const char *p, const char *end);

/* All readers return the position behind what they read, or NULL after stop(). */
static const char *stop(struct decoder *d, enum code code, const char *problem)
{
    d->code = code;
    d->problem = problem;
    return NULL;
}

static const char *malformed(struct decoder *d)
{
    return stop(d, CODE_INVALID_ARGUMENT, "malformed wire data");
}

static const char *too_large(struct decoder *d)
{
    return stop(d, CODE_RESOURCE_EXHAUSTED, "message needs too much memory");
}

static const char *varint_slow(struct decoder *d, const char *p, const char *end, uint64_t *out)
{
    uint64_t v = 0;
    for (int shift = 0; p < end && shift < 70; shift += 7) {
        uint64_t byte = (uint8_t)*p++;
        v |= (byte & 127) << shift;
        if (byte < 128) {
            *out = v;
            return p;
        }
    }
    return malformed(d);
}

static inline const char *varint(struct decoder *d, const char *p, const char *end, uint64_t *out)
{
    if (__builtin_expect(p < end && (uint8_t)*p < 128, 1)) {
        *out = (uint8_t)*p;
        return p + 1;
    }
    return varint_slow(d, p, end, out);
}

/* A tag is at most five bytes and names a field. */
static inline const char *read_tag(struct decoder *d, const char *p, const char *end, uint32_t *out)
{
    uint64_t v;
    const char *q = varint(d, p, end, &v);
    if (__builtin_expect(!q || q - p > 5 || v > UINT32_MAX, 0))
        return malformed(d);
    if (__builtin_expect(v < 8, 0))
        return stop(d, CODE_INVALID_ARGUMENT, "field number 0");
    *out = (uint32_t)v;
    return q;
}

static inline const char *read_length(struct decoder *d, const char *p, const char *end, size_t *out)
{
    uint64_t v;
    const char *q = varint(d, p, end, &v);
    if (__builtin_expect(!q || q - p > 5 || v > (size_t)(end - q), 0))
        return malformed(d);
    *out = (size_t)v;
    return q;
}

static inline uint64_t load(const char *p, size_t n)
{
    uint64_t w = 0;
    memcpy(&w, p, n);
    return w;
}

/* ASCII, as nearly every string is, needs no more than a look at the high bits; the last word overlaps. */
static inline bool is_utf8(const char *p, size_t n)
{
    uint64_t seen = 0;
    if (n >= 8) {
        for (size_t i = 0; i + 8 < n; i += 8)
            seen |= load(p + i, 8);
        seen |= load(p + n - 8, 8);
    } else if (n >= 4) {
        seen = load(p, 4) | load(p + n - 4, 4);
    } else {
        for (size_t i = 0; i < n; i++)
            seen |= (uint8_t)p[i];
    }
    return !(seen & 0x8080808080808080u) || str_is_utf8((str){p, n});
}

/* ---- fields the schema does not know ---------------------------------------------------------------------------- */

static const char *skip_value(struct decoder *d, uint32_t tag, const char *p, const char *end);

static const char *skip_group(struct decoder *d, uint32_t number, const char *p, const char *end)
{
    if (d->depth-- <= 0)
        return stop(d, CODE_INVALID_ARGUMENT, "nested too deeply");
    for (;;) {
        uint32_t tag;
        p = read_tag(d, p, end, &tag);
        if (!p)
            return NULL;
        if ((tag & 7) == PB_GROUP_END) {
            d->depth++;
            return tag >> 3 == number ? p : malformed(d);
        }
        p = skip_value(d, tag, p, end);
        if (!p)
            return NULL;
    }
}

static const char *skip_value(struct decoder *d, uint32_t tag, const char *p, const char *end)
{
    uint64_t v;
    size_t n;
    switch (tag & 7) {
    case PB_VARINT:
        return varint(d, p, end, &v);
    case PB_I64:
        return end - p < 8 ? malformed(d) : p + 8;
    case PB_I32:
        return end - p < 4 ? malformed(d) : p + 4;
    case PB_LEN:
        p = read_length(d, p, end, &n);
        return p ? p + n : NULL;
    case PB_GROUP:
        return skip_group(d, tag >> 3, p, end);
    default:
        return malformed(d);
    }
}

/* Keeps start..p; a run that continues the last one is joined to it. */
static bool keep_unknown(struct decoder *d, struct pb_unknown **first, const char *start, const char *p)
{
    struct pb_unknown *last = *first ? (*first)->last : NULL;
    if (last && last->data.p + last->data.n == start) {
        last->data.n += (size_t)(p - start);
        return true;
    }
    struct pb_unknown *u = pb_take(d->mem, sizeof(*u));
    if (!u)
        return false;
    u->data = (str){start, (size_t)(p - start)};
    if (last)
        last->next = u;
    else
        *first = u;
    (*first)->last = u;
    return true;
}

static const char *unknown(struct decoder *d, const struct pb_type *t, char *msg, uint32_t tag, const char *start,
                           const char *p, const char *end)
{
    p = skip_value(d, tag, p, end);
    if (t->is_entry)
        d->odd_entry = true;
    else if (p && !keep_unknown(d, (struct pb_unknown **)(void *)msg, start, p))
        return too_large(d);
    return p;
}

/* ---- known fields ----------------------------------------------------------------------------------------------- */

static inline void store_varint(uint8_t kind, void *slot, uint64_t v)
{
    switch (kind) {
    case PB_BOOL:
        *(bool *)slot = v != 0;
        break;
    case PB_SINT32:
        *(uint32_t *)slot = (uint32_t)v >> 1 ^ -((uint32_t)v & 1);
        break;
    case PB_SINT64:
        *(uint64_t *)slot = v >> 1 ^ -(v & 1);
        break;
    case PB_INT64:
    case PB_UINT64:
        *(uint64_t *)slot = v;
        break;
    default:
        *(uint32_t *)slot = (uint32_t)v;
        break;
    }
}

static const char *submessage(struct decoder *d, const struct pb_type *t, void **slot, const char *p, const char *end)
{
    size_t n;
    p = read_length(d, p, end, &n);
    if (!p)
        return NULL;
    if (!*slot && !(*slot = pb_take(d->mem, t->size)))
        return too_large(d);
    return message(d, t, *slot, p, p + n);
}

static const char *string(struct decoder *d, const struct pb_field *f, str *slot, const char *p, const char *end)
{
    size_t n;
    p = read_length(d, p, end, &n);
    if (!p)
        return NULL;
    if (f->kind == PB_STRING && !is_utf8(p, n))
        return stop(d, CODE_INVALID_ARGUMENT, "string is not valid UTF-8");
    *slot = (str){p, n};
    return p + n;
}

/* One value, in the wire type of its kind. */
static inline const char *value(struct decoder *d, const struct pb_field *f, void *slot, const char *p, const char *end)
{
    uint64_t v;
    switch (f->kind) {
    case PB_STRING:
    case PB_BYTES:
        return string(d, f, slot, p, end);
    case PB_MESSAGE:
        return submessage(d, f->type, slot, p, end);
    case PB_FIXED32:
    case PB_SFIXED32:
    case PB_FLOAT:
        if (end - p < 4)
            return malformed(d);
        memcpy(slot, p, 4);
        return p + 4;
    case PB_FIXED64:
    case PB_SFIXED64:
    case PB_DOUBLE:
        if (end - p < 8)
            return malformed(d);
        memcpy(slot, p, 8);
        return p + 8;
    default:
        p = varint(d, p, end, &v);
        if (p)
            store_varint(f->kind, slot, v);
        return p;
    }
}

static const char *packed(struct decoder *d, const struct pb_field *f, struct pb_array *a, const char *p,
                          const char *end)
{
    size_t n, count = 0, size = pb_kind_size[f->kind];
    p = read_length(d, p, end, &n);
    if (!p)
        return NULL;
    end = p + n;
    bool fixed = pb_kind_wire[f->kind] != PB_VARINT;
    if (fixed && n % size != 0)
        return malformed(d);
    if (fixed)
        count = n / size;
    for (const char *q = p; !fixed && q < end; q++)
        count += (uint8_t)*q < 128;
    if (!n)
        return p;
    if (!fixed && (uint8_t)end[-1] >= 128)
        return malformed(d);
    if (!pb_array_reserve(d->mem, a, size, a->n + count))
        return too_large(d);
    char *to = (char *)a->p + a->n * size;
    if (fixed)
        memcpy(to, p, n);
    a->n += count;
    for (uint64_t v; !fixed && p < end; to += size) {
        p = varint(d, p, end, &v);
        if (!p)
            return NULL;
        store_varint(f->kind, to, v);
    }
    return end;
}

/* Reads an entry; a message value that is missing becomes an empty one. */
static const char *read_entry(struct decoder *d, const struct pb_type *t, char *entry, const char *p, const char *end)
{
    const struct pb_field *v = &t->fields[1];
    p = message(d, t, entry, p, end);
    if (!p || v->kind != PB_MESSAGE)
        return p;
    void **sub = pb_slot(v, entry);
    if (!*sub && !(*sub = pb_take(d->mem, v->type->size)))
        return too_large(d);
    return p;
}

/* An entry that is not behind the one before it makes *unsorted true. One with fields that no entry has is kept whole
 * among the unknown fields of msg. */
static const char *map_entry(struct decoder *d, const struct pb_field *f, char *msg, const char *start, const char *p,
                             const char *end, bool *unsorted)
{
    struct pb_array *a = pb_slot(f, msg);
    const struct pb_type *t = f->type;
    size_t n;
    p = read_length(d, p, end, &n);
    if (!p)
        return NULL;
    char *entry = pb_array_push(d->mem, a, t->size);
    if (!entry)
        return too_large(d);
    bool outer = d->odd_entry;
    d->odd_entry = false;
    p = read_entry(d, t, entry, p, p + n);
    bool odd = d->odd_entry;
    d->odd_entry = outer;
    if (p && odd) {
        memset(entry, 0, t->size);
        a->n--;
        return keep_unknown(d, (struct pb_unknown **)(void *)msg, start, p) ? p : too_large(d);
    }
    *unsorted |= p && a->n > 1 && pb_map_cmp(t, entry - t->size, entry) >= 0;
    return p;
}

/* A field whose wire type is the one it is written with. */
static inline const char *field(struct decoder *d, const struct pb_field *f, char *msg, const char *start,
                                const char *p, const char *end, bool *unsorted)
{
    void *slot = pb_slot(f, msg), *elem;
    int32_t *set;
    switch (f->shape) {
    case PB_MAP:
        return map_entry(d, f, msg, start, p, end, unsorted);
    case PB_REPEATED:
        if ((f->tag & 7) == PB_LEN && pb_kind_wire[f->kind] != PB_LEN)
            return packed(d, f, slot, p, end);
        elem = pb_array_push(d->mem, slot, pb_kind_size[f->kind]);
        return elem ? value(d, f, elem, p, end) : too_large(d);
    case PB_ONEOF:
        set = pb_oneof_case(f, msg);
        if (*set != (int32_t)pb_field_number(f)) {
            *set = (int32_t)pb_field_number(f);
            memset(slot, 0, pb_kind_size[f->kind]);
        }
        return value(d, f, slot, p, end);
    case PB_OPTIONAL:
        *(msg + f->has) = 1;
        return value(d, f, slot, p, end);
    default:
        return value(d, f, slot, p, end);
    }
}

/* A field in another wire type: repeated scalars are read packed and not packed, everything else stays unknown. */
static const char *other_wire_type(struct decoder *d, const struct pb_type *t, const struct pb_field *f, char *msg,
                                   uint32_t tag, const char *start, const char *p, const char *end)
{
    uint8_t own = pb_kind_wire[f->kind];
    if (f->shape == PB_REPEATED && own != PB_LEN && (tag & 7) == PB_LEN)
        return packed(d, f, pb_slot(f, msg), p, end);
    if (f->shape == PB_REPEATED && (tag & 7) == own) {
        void *elem = pb_array_push(d->mem, pb_slot(f, msg), pb_kind_size[f->kind]);
        return elem ? value(d, f, elem, p, end) : too_large(d);
    }
    return unknown(d, t, msg, tag, start, p, end);
}

static bool sort_maps(struct decoder *d, const struct pb_type *t, char *msg)
{
    for (size_t i = 0; i < t->n; i++) {
        const struct pb_field *f = &t->fields[i];
        struct pb_array *a = pb_slot(f, msg);
        if (f->shape == PB_MAP && !pb_map_is_sorted(f->type, a) && !pb_map_sort(d->mem, f->type, a))
            return false;
    }
    return true;
}

/* Reads p..end into msg, which may hold something already: then the two are merged. */
static const char *message(struct decoder *d, const struct pb_type *t, char *msg, const char *p, const char *end)
{
    const struct pb_field *f = NULL;
    bool unsorted = false;
    if (d->depth-- <= 0)
        return stop(d, CODE_INVALID_ARGUMENT, "nested too deeply");
    while (p < end) {
        uint32_t tag;
        const char *start = p;
        p = read_tag(d, p, end, &tag);
        if (!p) {
            f = NULL;
            break;
        }
        if (!f || f->tag != tag)
            f = pb_field_find(t, tag >> 3);
        if (__builtin_expect(f && f->tag == tag, 1))
            p = field(d, f, msg, start, p, end, &unsorted);
        else if (f)
            p = other_wire_type(d, t, f, msg, tag, start, p, end);
        else
            p = unknown(d, t, msg, tag, start, p, end);
        if (!p)
            break;
    }
    if (p && unsorted && !sort_maps(d, t, msg))
        p = too_large(d);
    if (!p && !d->type) {
        d->type = t;
        d->field = f;
    }
    d->depth++;
    return p;
}

static enum code explain(struct ctx *cx, const struct decoder *d)
{
    if (!d->field)
        return fail(cx, d->code, "%s: %s", d->type->name, d->problem);
    return fail(cx, d->code, "%s." STR_FMT ": %s", d->type->name, STR_ARG(pb_field_name(d->type, d->field)),
                d->problem);
}

enum code pb_decode(struct ctx *cx, const struct pb_type *type, str data, void **out)
{
    struct decoder d = {.mem = cx->mem, .depth = PB_DEPTH_MAX + 1};
    if (data.n > PB_SIZE_MAX)
        return fail(cx, CODE_RESOURCE_EXHAUSTED, "%s: message of more than 2 GiB", type->name);
    char *msg = pb_take(cx->mem, type->size);
    if (!msg)
        return fail(cx, CODE_RESOURCE_EXHAUSTED, "%s: message needs too much memory", type->name);
    const char *p = data.p ? data.p : "";
    if (!message(&d, type, msg, p, p + data.n))
        return explain(cx, &d);
    *out = msg;
    return CODE_OK;
}

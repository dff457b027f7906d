/* Reading and writing MessagePack. Pure but for the arena. */
#include "base/msgpack.h"

#include <stdlib.h>

#define DEPTH_MAX 64

/* ---- one value --------------------------------------------------------------------------------------------------- */

static uint64_t big_endian(const char *p, size_t n)
{
    uint64_t v = 0;
    for (size_t i = 0; i < n; i++)
        v = v << 8 | (unsigned char)p[i];
    return v;
}

static void set_unsigned(struct msgpack *out, uint64_t v)
{
    out->kind = v > INT64_MAX ? MSGPACK_UINT : MSGPACK_INT;
    out->integer = v > INT64_MAX ? 0 : (int64_t)v;
    out->uinteger = v;
}

static void set_signed(struct msgpack *out, uint64_t v, size_t bytes)
{
    unsigned shift = 64 - 8 * (unsigned)bytes;
    out->kind = MSGPACK_INT;
    out->integer = (int64_t)(v << shift) >> shift;
}

static void set_real(struct msgpack *out, uint64_t v, size_t bytes)
{
    out->kind = MSGPACK_REAL;
    if (bytes == 4) {
        float f;
        uint32_t half = (uint32_t)v;
        memcpy(&f, &half, sizeof(f));
        out->real = (double)f;
    } else {
        memcpy(&out->real, &v, sizeof(out->real));
    }
}

/* Types 0xc0 to 0xdf: bytes of the number after the type, which is the value, or the length of the data or the count of
 * items; fixed is the length where no number says it. */
static const struct row {
    enum { NONE, NIL, BOOL, UNSIGNED, SIGNED, REAL, STR_, BIN, EXT, ARRAY, MAP } kind;
    unsigned char number, fixed;
} types[32] = {
    [0x00] = {NIL, 0, 0},      [0x01] = {NONE, 0, 0},     [0x02] = {BOOL, 0, 0},     [0x03] = {BOOL, 0, 0},
    [0x04] = {BIN, 1, 0},      [0x05] = {BIN, 2, 0},      [0x06] = {BIN, 4, 0},      [0x07] = {EXT, 1, 0},
    [0x08] = {EXT, 2, 0},      [0x09] = {EXT, 4, 0},      [0x0a] = {REAL, 4, 0},     [0x0b] = {REAL, 8, 0},
    [0x0c] = {UNSIGNED, 1, 0}, [0x0d] = {UNSIGNED, 2, 0}, [0x0e] = {UNSIGNED, 4, 0}, [0x0f] = {UNSIGNED, 8, 0},
    [0x10] = {SIGNED, 1, 0},   [0x11] = {SIGNED, 2, 0},   [0x12] = {SIGNED, 4, 0},   [0x13] = {SIGNED, 8, 0},
    [0x14] = {EXT, 0, 1},      [0x15] = {EXT, 0, 2},      [0x16] = {EXT, 0, 4},      [0x17] = {EXT, 0, 8},
    [0x18] = {EXT, 0, 16},     [0x19] = {STR_, 1, 0},     [0x1a] = {STR_, 2, 0},     [0x1b] = {STR_, 4, 0},
    [0x1c] = {ARRAY, 2, 0},    [0x1d] = {ARRAY, 4, 0},    [0x1e] = {MAP, 2, 0},      [0x1f] = {MAP, 4, 0},
};

static bool take_bytes(str *s, uint64_t n, str *out)
{
    if (n > s->n)
        return false;
    *out = str_head(*s, (size_t)n);
    *s = str_skip(*s, (size_t)n);
    return true;
}

static bool take_data(str *s, enum msgpack_kind kind, uint64_t n, struct msgpack *out)
{
    out->kind = kind;
    if (kind == MSGPACK_EXT) {
        if (s->n == 0)
            return false;
        out->ext = (int8_t)s->p[0];
        *s = str_skip(*s, 1);
    }
    return take_bytes(s, n, &out->bytes);
}

static void set_items(struct msgpack *out, enum msgpack_kind kind, uint64_t items)
{
    out->kind = kind;
    out->items = items;
}

static bool next_typed(str *s, unsigned char type, struct msgpack *out)
{
    const struct row *row = &types[type - 0xc0];
    str number;
    if (!take_bytes(s, row->number, &number))
        return false;
    uint64_t v = row->number ? big_endian(number.p, number.n) : row->fixed;
    switch (row->kind) {
    case NONE:
        return false;
    case NIL:
        out->kind = MSGPACK_NIL;
        return true;
    case BOOL:
        out->kind = MSGPACK_BOOL;
        out->boolean = type == 0xc3;
        return true;
    case UNSIGNED:
        set_unsigned(out, v);
        return true;
    case SIGNED:
        set_signed(out, v, row->number);
        return true;
    case REAL:
        set_real(out, v, row->number);
        return true;
    case STR_:
        return take_data(s, MSGPACK_STR, v, out);
    case BIN:
        return take_data(s, MSGPACK_BIN, v, out);
    case EXT:
        return take_data(s, MSGPACK_EXT, v, out);
    case ARRAY:
        set_items(out, MSGPACK_ARRAY, v);
        return true;
    case MAP:
        set_items(out, MSGPACK_MAP, v);
        return true;
    }
    return false;
}

bool msgpack_next(str *rest, struct msgpack *out)
{
    if (rest->n == 0)
        return false;
    unsigned char type = (unsigned char)rest->p[0];
    *rest = str_skip(*rest, 1);
    *out = (struct msgpack){.kind = MSGPACK_NIL};
    if (type >= 0xc0 && type <= 0xdf)
        return next_typed(rest, type, out);
    if (type >= 0xa0 && type <= 0xbf)
        return take_data(rest, MSGPACK_STR, type & 0x1f, out);
    if (type < 0x80)
        set_unsigned(out, type);
    else if (type >= 0xe0)
        set_signed(out, type, 1);
    else
        set_items(out, type <= 0x8f ? MSGPACK_MAP : MSGPACK_ARRAY, type & 0x0f);
    return true;
}

/* ---- writing ----------------------------------------------------------------------------------------------------- */

static void put(buf *b, unsigned type, uint64_t v, size_t bytes)
{
    buf_char(b, (char)type);
    while (bytes--)
        buf_char(b, (char)(v >> 8 * bytes));
}

void msgpack_put_nil(buf *b)
{
    put(b, 0xc0, 0, 0);
}

void msgpack_put_bool(buf *b, bool v)
{
    put(b, v ? 0xc3 : 0xc2, 0, 0);
}

void msgpack_put_integer(buf *b, int64_t v)
{
    uint64_t u = (uint64_t)v;
    if (v >= -32 && v <= 127)
        put(b, (unsigned)v & 0xff, 0, 0);
    else if (v >= 0)
        put(b,
            v <= 0xff         ? 0xcc
            : v <= 0xffff     ? 0xcd
            : v <= UINT32_MAX ? 0xce
                              : 0xcf,
            u,
            v <= 0xff         ? 1
            : v <= 0xffff     ? 2
            : v <= UINT32_MAX ? 4
                              : 8);
    else
        put(b,
            v >= INT8_MIN    ? 0xd0
            : v >= INT16_MIN ? 0xd1
            : v >= INT32_MIN ? 0xd2
                             : 0xd3,
            u,
            v >= INT8_MIN    ? 1
            : v >= INT16_MIN ? 2
            : v >= INT32_MIN ? 4
                             : 8);
}

void msgpack_put_real(buf *b, double v)
{
    uint64_t bits;
    memcpy(&bits, &v, sizeof(bits));
    put(b, 0xcb, bits, 8);
}

/* Few items are said in the type itself. */
static void put_items(buf *b, size_t n, size_t few, unsigned small, unsigned type16)
{
    if (n < few)
        put(b, small | (unsigned)n, 0, 0);
    else
        put(b, n <= 0xffff ? type16 : type16 + 1, n, n <= 0xffff ? 2 : 4);
}

void msgpack_put_str(buf *b, str s)
{
    if (s.n >= 32 && s.n <= 0xff)
        put(b, 0xd9, s.n, 1);
    else
        put_items(b, s.n, 32, 0xa0, 0xda);
    buf_str(b, s);
}

void msgpack_put_array(buf *b, size_t items)
{
    put_items(b, items, 16, 0x90, 0xdc);
}

void msgpack_put_map(buf *b, size_t pairs)
{
    put_items(b, pairs, 16, 0x80, 0xde);
}

/* ---- the canonical form ------------------------------------------------------------------------------------------ */

/* The copy is as long as the value: each map is sorted in place when its entries are there. */
struct canonical {
    struct arena *mem;
    str rest; /* of the value, what is not copied yet */
    char *out, *spare;
    size_t n;  /* bytes copied */
    bool full; /* the arena may give no more */
};

/* An entry begins with its key. */
struct entry {
    str key;
    size_t n;
};

/* Equal keys stay in their order. */
static int by_key(const void *a, const void *b)
{
    const struct entry *x = a, *y = b;
    int order = str_cmp(x->key, y->key);
    return order ? order : (x->key.p > y->key.p) - (x->key.p < y->key.p);
}

static void sort_entries(struct canonical *c, size_t from, struct entry *entries, size_t n)
{
    char *to = c->spare;
    qsort(entries, n, sizeof(*entries), by_key);
    for (size_t i = 0; i < n; i++) {
        memcpy(to, entries[i].key.p, entries[i].n);
        to += entries[i].n;
    }
    memcpy(c->out + from, c->spare, c->n - from);
}

static bool copy_value(struct canonical *c, int depth);

static bool copy_map(struct canonical *c, uint64_t items, int depth)
{
    size_t from = c->n;
    if (items > c->rest.n / 2) /* each entry has two bytes at least */
        return false;
    struct entry *entries = arena_try_alloc(c->mem, (size_t)items, sizeof(*entries));
    c->full = c->full || !entries;
    for (size_t i = 0; i < items; i++) {
        size_t at = c->n;
        if (c->full || !copy_value(c, depth))
            return false;
        entries[i].key = str_make(c->out + at, c->n - at);
        if (!copy_value(c, depth))
            return false;
        entries[i].n = c->n - at;
    }
    if (items > 1)
        sort_entries(c, from, entries, (size_t)items);
    return true;
}

static bool copy_value(struct canonical *c, int depth)
{
    struct msgpack v;
    const char *from = c->rest.p;
    if (depth > DEPTH_MAX || !msgpack_next(&c->rest, &v))
        return false;
    size_t n = (size_t)(c->rest.p - from);
    memcpy(c->out + c->n, from, n);
    c->n += n;
    if (v.kind == MSGPACK_MAP)
        return copy_map(c, v.items, depth + 1);
    for (uint64_t i = 0; v.kind == MSGPACK_ARRAY && i < v.items; i++)
        if (!copy_value(c, depth + 1))
            return false;
    return true;
}

enum code msgpack_canonical(struct ctx *cx, str bytes, str *out)
{
    struct canonical c = {.mem = cx->mem, .rest = bytes};
    c.out = arena_try_alloc(cx->mem, 2, bytes.n);
    c.spare = c.out + (c.out ? bytes.n : 0);
    c.full = !c.out;
    bool one = !c.full && copy_value(&c, 0) && c.rest.n == 0;
    if (c.full)
        return fail(cx, CODE_RESOURCE_EXHAUSTED, "MessagePack: %zu bytes are too many to sort", bytes.n);
    *out = one ? str_make(c.out, c.n) : bytes;
    return CODE_OK;
}

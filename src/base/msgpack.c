/* Canonical MessagePack: a reader that knows where values end, and a writer that sorts maps. Pure but for the arena. */
#include "base/msgpack.h"

#include "base/buf.h"

#include <stdlib.h>

#define DEPTH_MAX 64

/* Head of a value: how many bytes follow as they are, or how many values are inside. */
struct head {
    size_t head_bytes; /* type byte and length */
    size_t data_bytes;
    uint64_t items; /* of an array, pairs of a map */
    bool array, map;
};

static bool big_endian(str s, size_t at, size_t n, uint64_t *out)
{
    uint64_t v = 0;
    if (s.n < at + n)
        return false;
    for (size_t i = 0; i < n; i++)
        v = v << 8 | (unsigned char)s.p[at + i];
    *out = v;
    return true;
}

/* Types 0xc0 to 0xdf: bytes of the length field, bytes of data beyond it (ext has a type byte), kind. */
static const struct {
    unsigned char length_bytes, data_bytes;
    enum { FIXED, SIZED, ARRAY, MAP, INVALID } kind;
} types[32] = {
    [0x00] = {0, 0, FIXED},  [0x01] = {0, 0, INVALID}, [0x02] = {0, 0, FIXED}, [0x03] = {0, 0, FIXED},
    [0x04] = {1, 0, SIZED},  [0x05] = {2, 0, SIZED},   [0x06] = {4, 0, SIZED}, [0x07] = {1, 1, SIZED},
    [0x08] = {2, 1, SIZED},  [0x09] = {4, 1, SIZED},   [0x0a] = {0, 4, FIXED}, [0x0b] = {0, 8, FIXED},
    [0x0c] = {0, 1, FIXED},  [0x0d] = {0, 2, FIXED},   [0x0e] = {0, 4, FIXED}, [0x0f] = {0, 8, FIXED},
    [0x10] = {0, 1, FIXED},  [0x11] = {0, 2, FIXED},   [0x12] = {0, 4, FIXED}, [0x13] = {0, 8, FIXED},
    [0x14] = {0, 2, FIXED},  [0x15] = {0, 3, FIXED},   [0x16] = {0, 5, FIXED}, [0x17] = {0, 9, FIXED},
    [0x18] = {0, 17, FIXED}, [0x19] = {1, 0, SIZED},   [0x1a] = {2, 0, SIZED}, [0x1b] = {4, 0, SIZED},
    [0x1c] = {2, 0, ARRAY},  [0x1d] = {4, 0, ARRAY},   [0x1e] = {2, 0, MAP},   [0x1f] = {4, 0, MAP},
};

static bool read_typed(str s, unsigned char type, struct head *h)
{
    uint64_t length = 0;
    size_t row = type - 0xc0u;
    if (types[row].kind == INVALID || !big_endian(s, 1, types[row].length_bytes, &length))
        return false;
    h->head_bytes = 1u + types[row].length_bytes;
    h->array = types[row].kind == ARRAY;
    h->map = types[row].kind == MAP;
    if (h->array || h->map)
        h->items = length;
    else
        h->data_bytes = types[row].data_bytes + (size_t)length;
    return true;
}

static bool read_head(str s, struct head *h)
{
    *h = (struct head){.head_bytes = 1};
    if (s.n == 0)
        return false;
    unsigned char type = (unsigned char)s.p[0];
    if (type >= 0xc0 && type <= 0xdf)
        return read_typed(s, type, h);
    h->map = type >= 0x80 && type <= 0x8f;
    h->array = type >= 0x90 && type <= 0x9f;
    if (h->map || h->array)
        h->items = type & 0x0f;
    else if (type >= 0xa0 && type <= 0xbf)
        h->data_bytes = type & 0x1f;
    return true;
}

static bool copy_value(struct ctx *cx, str *rest, buf *out, int depth);

struct pair {
    str key, value;
};

static int by_key(const void *a, const void *b)
{
    return str_cmp(((const struct pair *)a)->key, ((const struct pair *)b)->key);
}

static bool copy_part(struct ctx *cx, str *rest, str *part, int depth)
{
    buf b;
    buf_init_arena(&b, cx->mem, SIZE_MAX / 2);
    if (!copy_value(cx, rest, &b, depth))
        return false;
    *part = buf_view(&b);
    return true;
}

static bool copy_map(struct ctx *cx, str *rest, uint64_t items, buf *out, int depth)
{
    if (items > rest->n / 2) /* each entry has two bytes at least */
        return false;
    struct pair *pairs = arena_new_array(cx->mem, struct pair, (size_t)items);
    for (size_t i = 0; i < items; i++)
        if (!copy_part(cx, rest, &pairs[i].key, depth) || !copy_part(cx, rest, &pairs[i].value, depth))
            return false;
    qsort(pairs, (size_t)items, sizeof(*pairs), by_key);
    for (size_t i = 0; i < items; i++) {
        buf_str(out, pairs[i].key);
        buf_str(out, pairs[i].value);
    }
    return true;
}

static bool copy_value(struct ctx *cx, str *rest, buf *out, int depth)
{
    struct head h;
    if (depth > DEPTH_MAX || !read_head(*rest, &h) || rest->n < h.head_bytes || rest->n - h.head_bytes < h.data_bytes)
        return false;
    buf_add(out, rest->p, h.head_bytes + h.data_bytes);
    *rest = str_skip(*rest, h.head_bytes + h.data_bytes);
    if (h.map)
        return copy_map(cx, rest, h.items, out, depth + 1);
    for (uint64_t i = 0; i < h.items; i++)
        if (!copy_value(cx, rest, out, depth + 1))
            return false;
    return true;
}

str msgpack_canonical(struct ctx *cx, str bytes)
{
    buf out;
    str rest = bytes;
    buf_init_arena(&out, cx->mem, bytes.n + 1);
    if (!copy_value(cx, &rest, &out, 0) || rest.n || out.failed)
        return bytes;
    return buf_view(&out);
}

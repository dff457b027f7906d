/* What the codecs share: see pb_int.h. Any thread; the arena belongs to the caller. */
#include "pb/pb.h"

#include "pb/pb_int.h"

const struct pb_field pb_no_fields[1];
const struct pb_rule pb_no_rules[1];
const struct pb_check pb_no_checks[1];

const uint8_t pb_kind_size[] = {
    [PB_BOOL] = 1,
    [PB_INT32] = 4,
    [PB_SINT32] = 4,
    [PB_UINT32] = 4,
    [PB_ENUM] = 4,
    [PB_FIXED32] = 4,
    [PB_SFIXED32] = 4,
    [PB_FLOAT] = 4,
    [PB_INT64] = 8,
    [PB_SINT64] = 8,
    [PB_UINT64] = 8,
    [PB_FIXED64] = 8,
    [PB_SFIXED64] = 8,
    [PB_DOUBLE] = 8,
    [PB_STRING] = sizeof(str),
    [PB_BYTES] = sizeof(str),
    [PB_MESSAGE] = sizeof(void *),
};

const uint8_t pb_kind_wire[] = {
    [PB_BOOL] = PB_VARINT,  [PB_INT32] = PB_VARINT,  [PB_SINT32] = PB_VARINT, [PB_UINT32] = PB_VARINT,
    [PB_ENUM] = PB_VARINT,  [PB_FIXED32] = PB_I32,   [PB_SFIXED32] = PB_I32,  [PB_FLOAT] = PB_I32,
    [PB_INT64] = PB_VARINT, [PB_SINT64] = PB_VARINT, [PB_UINT64] = PB_VARINT, [PB_FIXED64] = PB_I64,
    [PB_SFIXED64] = PB_I64, [PB_DOUBLE] = PB_I64,    [PB_STRING] = PB_LEN,    [PB_BYTES] = PB_LEN,
    [PB_MESSAGE] = PB_LEN,
};

const struct pb_field *pb_field_find(const struct pb_type *t, uint32_t number)
{
    if (number - 1 < t->dense)
        return &t->fields[number - 1];
    size_t lo = t->dense, hi = t->n;
    while (lo < hi) {
        size_t mid = lo + (hi - lo) / 2;
        uint32_t have = pb_field_number(&t->fields[mid]);
        if (have == number)
            return &t->fields[mid];
        if (have < number)
            lo = mid + 1;
        else
            hi = mid;
    }
    return NULL;
}

/* The capacity that pb_array_reserve gave an array of n elements. */
static size_t array_cap(size_t n)
{
    if (n <= 2)
        return n ? 2 : 0;
    return (size_t)1 << (64 - __builtin_clzll(n - 1));
}

bool pb_array_reserve(struct arena *mem, struct pb_array *a, size_t elem_size, size_t total)
{
    size_t have = array_cap(a->n), want = array_cap(total), more;
    if (want <= have)
        return true;
    if (__builtin_mul_overflow(want, elem_size, &more))
        return false;
    if (!arena_fits(mem, more))
        return false;
    a->p = arena_grow(mem, a->p, have * elem_size, more);
    return true;
}

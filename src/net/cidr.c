/* See cidr.h. */
#include "net/cidr.h"

#include <arpa/inet.h>

#define MAPPED_BITS 96

/* The bits of the address's own family, or 0. */
static int parse_address(str text, uint8_t out[16])
{
    char copy[INET6_ADDRSTRLEN];
    if (text.n == 0 || text.n >= sizeof(copy))
        return 0;
    memcpy(copy, text.p, text.n);
    copy[text.n] = 0;
    if (inet_pton(AF_INET6, copy, out) == 1)
        return 128;
    memset(out, 0, 10);
    memset(out + 10, 0xff, 2);
    return inet_pton(AF_INET, copy, out + 12) == 1 ? 32 : 0;
}

bool cidr_same_bits(const uint8_t *a, const uint8_t *b, int bits)
{
    int whole = bits / 8, left = bits % 8;
    if (memcmp(a, b, (size_t)whole) != 0)
        return false;
    return left == 0 || a[whole] >> (8 - left) == b[whole] >> (8 - left);
}

static bool is_clear_behind(const uint8_t *a, int bits)
{
    for (int i = bits; i < 128; i++)
        if (a[i / 8] >> (7 - i % 8) & 1)
            return false;
    return true;
}

bool cidr_parse(str text, struct cidr *out)
{
    str address, length;
    uint64_t bits;
    bool whole = !str_cut(text, '/', &address, &length);
    int size = parse_address(address, out->prefix);
    if (!size)
        return false;
    if (whole)
        bits = (uint64_t)size;
    else if (!str_to_u64(length, &bits) || bits > (uint64_t)size)
        return false;
    out->bits = (int)bits + (size == 32 ? MAPPED_BITS : 0);
    return is_clear_behind(out->prefix, out->bits);
}

bool cidr_is_loopback(const struct cidr *c)
{
    static const struct cidr own[] = {{{[10] = 0xff, 0xff, 127}, MAPPED_BITS + 8}, {{[15] = 1}, 128}};
    for (size_t i = 0; i < sizeof(own) / sizeof(*own); i++)
        if (c->bits >= own[i].bits && cidr_same_bits(c->prefix, own[i].prefix, own[i].bits))
            return true;
    return false;
}

bool cidr_has(const struct cidr *c, str address)
{
    uint8_t a[16];
    return parse_address(address, a) && cidr_same_bits(a, c->prefix, c->bits);
}

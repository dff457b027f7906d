/* See guard.h. One table for each family. */
#include "net/guard.h"

#include <arpa/inet.h>
#include <netinet/in.h>

struct range4 {
    uint32_t first;
    int bits;
};

#define IP4(a, b, c, d) ((uint32_t)(a) << 24 | (uint32_t)(b) << 16 | (uint32_t)(c) << 8 | (uint32_t)(d))

/* Of IANA's registry of special purposes: what is not globally reachable, and multicast. */
static const struct range4 special4[] = {
    {IP4(0, 0, 0, 0), 8},       {IP4(10, 0, 0, 0), 8},      {IP4(100, 64, 0, 0), 10},   {IP4(127, 0, 0, 0), 8},
    {IP4(169, 254, 0, 0), 16},  {IP4(172, 16, 0, 0), 12},   {IP4(192, 0, 0, 0), 24},    {IP4(192, 0, 2, 0), 24},
    {IP4(192, 31, 196, 0), 24}, {IP4(192, 52, 193, 0), 24}, {IP4(192, 88, 99, 0), 24},  {IP4(192, 168, 0, 0), 16},
    {IP4(192, 175, 48, 0), 24}, {IP4(198, 18, 0, 0), 15},   {IP4(198, 51, 100, 0), 24}, {IP4(203, 0, 113, 0), 24},
    {IP4(224, 0, 0, 0), 3},
};

static bool is_public4(uint32_t a)
{
    for (size_t i = 0; i < sizeof(special4) / sizeof(*special4); i++)
        if (a >> (32 - special4[i].bits) == special4[i].first >> (32 - special4[i].bits))
            return false;
    return true;
}

/* prefix bits; embedded: where an IPv4 address lies in it, -1 = nowhere; flipped: all its bits (Teredo). */
struct range6 {
    uint8_t prefix[12];
    int bits, embedded;
    bool flipped;
};

static const struct range6 special6[] = {
    {{0x00, 0x64, 0xff, 0x9b}, 96, 12, false},                   /* NAT64 */
    {{0x20, 0x01, 0, 0}, 32, 12, true},                          /* Teredo: the client */
    {{0x20, 0x02}, 16, 2, false},                                /* 6to4 */
    {{0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff}, 96, 12, false}, /* mapped */
    {{0x20, 0x01}, 23, -1, false},                               /* protocol assignments: benchmarks, ORCHID ... */
    {{0x20, 0x01, 0x0d, 0xb8}, 32, -1, false},                   /* documentation */
    {{0x3f, 0xff}, 20, -1, false},                               /* documentation */
    {{0x3f, 0xfe}, 16, -1, false},                               /* once the 6bone */
};

static bool is_public6(const uint8_t *a)
{
    for (size_t i = 0; i < sizeof(special6) / sizeof(*special6); i++) {
        const struct range6 *r = &special6[i];
        if (!cidr_same_bits(a, r->prefix, r->bits))
            continue;
        if (r->embedded < 0)
            return false;
        const uint8_t *p = a + r->embedded;
        uint32_t v4 = IP4(p[0], p[1], p[2], p[3]);
        return is_public4(r->flipped ? ~v4 : v4);
    }
    return (a[0] & 0xe0) == 0x20; /* 2000::/3 is all that is given out: not ::/8, fc00::/7, fe80::/10, ff00::/8 ... */
}

bool guard_is_public(const struct sockaddr *address)
{
    if (address->sa_family == AF_INET)
        return is_public4(ntohl(((const struct sockaddr_in *)(const void *)address)->sin_addr.s_addr));
    if (address->sa_family == AF_INET6)
        return is_public6(((const struct sockaddr_in6 *)(const void *)address)->sin6_addr.s6_addr);
    return false;
}

bool guard_allows(const struct sockaddr *address, const struct cidr *allowed, size_t n)
{
    char text[INET6_ADDRSTRLEN];
    const void *ip = address->sa_family == AF_INET
                         ? (const void *)&((const struct sockaddr_in *)(const void *)address)->sin_addr
                         : (const void *)&((const struct sockaddr_in6 *)(const void *)address)->sin6_addr;
    if (guard_is_public(address))
        return true;
    if ((address->sa_family != AF_INET && address->sa_family != AF_INET6) ||
        !inet_ntop(address->sa_family, ip, text, sizeof(text)))
        return false;
    for (size_t i = 0; i < n; i++)
        if (cidr_has(&allowed[i], str_from(text)))
            return true;
    return false;
}

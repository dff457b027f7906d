/* IP networks as settings name them: "10.0.0.0/8", "2001:db8::/32", or one address. Pure; any thread. */
#ifndef NET_CIDR_H
#define NET_CIDR_H

#include "base/str.h"

/* IPv4 in its mapped form, ::ffff:a.b.c.d. */
struct cidr {
    uint8_t prefix[16];
    int bits;
};

/* False when the text is none, or has bits set behind the prefix. */
bool cidr_parse(str text, struct cidr *out);
/* Whether the address, as text, lies in the network; false when it is no address. */
bool cidr_has(const struct cidr *c, str address);
/* Whether all of it is this machine's loopback. */
bool cidr_is_loopback(const struct cidr *c);
/* Whether the first bits of two addresses are the same. */
bool cidr_same_bits(const uint8_t *a, const uint8_t *b, int bits);

#endif

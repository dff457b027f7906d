/* Which addresses a request that a user asked for (a webhook) may go to: only those of the public Internet, so that nobody
 * reaches this machine's or its network's services through us (D-37). Pure; any thread. */
#ifndef NET_GUARD_H
#define NET_GUARD_H

#include "base/ctx.h"
#include "net/cidr.h"

#include <sys/socket.h>

/* False for loopback, unspecified, private, link-local, CGNAT, multicast, reserved, documentation and benchmark addresses,
 * ULA, and IPv6 forms that carry such an IPv4 address (mapped, compatible, NAT64, 6to4, Teredo); and for what is no IP. */
bool guard_is_public(const struct sockaddr *address);
/* The same, but that the administrator allowed these networks besides. */
bool guard_allows(const struct sockaddr *address, const struct cidr *allowed, size_t n);

#endif

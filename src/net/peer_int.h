/* Who is at the other end of a connection: address, port, and for loopback the account (D-30). */
#ifndef NET_PEER_INT_H
#define NET_PEER_INT_H

#include "net/conn_int.h"

struct peer {
    struct http_peer known;
    char text[48]; /* of its address */
};

/* What peer_find() asks the kernel with, to be kept and closed by the caller: when a peer is asked for, no descriptor may
 * be left. -1: there is none, and /proc is read. For one thread at a time. */
int peer_source(void);
/* fd < 0 or not a TCP socket: unknown. Does not block. */
void peer_find(int source, int fd, struct peer *out);

#endif

/* Who is at the other end of a connection: address, port, and for loopback the account (D-30). */
#ifndef NET_PEER_INT_H
#define NET_PEER_INT_H

#include "net/conn_int.h"

struct peer {
    struct http_peer known;
    char text[48]; /* of its address */
};

/* fd < 0 or not a TCP socket: unknown. Does not block. */
void peer_find(int fd, struct peer *out);

#endif

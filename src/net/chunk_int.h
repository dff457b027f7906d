/* Chunked bodies (RFC 9112, 7.1), strictly: CRLF line ends, hexadecimal sizes of at most 15 digits, extensions of at
 * most 256 bytes that are ignored. Pure: no connection. The trailer section is the caller's. */
#ifndef NET_CHUNK_INT_H
#define NET_CHUNK_INT_H

#include "base/str.h"

struct chunk {
    uint64_t left; /* of the chunk's data */
    uint16_t extension;
    uint8_t state;
    uint8_t digits;
};

void chunk_init(struct chunk *k);
/* Reads from `in`; returns how many bytes it took. *data is the next piece of the body, inside `in`, or empty: call
 * again with the rest. Sets *end after the line of the last chunk. Returns SIZE_MAX when this is not a chunked body. */
size_t chunk_feed(struct chunk *k, str in, str *data, bool *end);

#endif

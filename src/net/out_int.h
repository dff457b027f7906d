/* What waits to be sent, in order: bytes in blocks, and pieces of files. Used by connections (their wire) and by HTTP/2
 * streams (their bodies). Loop thread of the connection only. An empty queue holds no memory. */
#ifndef NET_OUT_INT_H
#define NET_OUT_INT_H

#include "base/str.h"

#include <sys/uio.h>

struct out_item {
    struct out_item *next;
    char *p;       /* bytes not sent yet: p .. p + n; a file has none */
    size_t n, cap; /* cap: room for more at p + n, from p */
    int fd;        /* a piece of a file when >= 0; owned */
    int64_t offset, left;
};

struct out {
    struct out_item *head, *tail;
    size_t bytes; /* in blocks, without files */
    uint32_t files;
};

static inline bool out_empty(const struct out *o)
{
    return !o->head;
}

/* Room for n bytes in one piece at the end; out_wrote() says how many were used (at most n). */
char *out_room(struct out *o, size_t n);
void out_wrote(struct out *o, size_t n);
void out_add(struct out *o, str bytes);
/* The same where most queues get one piece only: an empty one then takes no more memory than that. */
void out_add_tight(struct out *o, str bytes);
/* Takes over fd. */
void out_file(struct out *o, int fd, int64_t offset, int64_t len);
/* The blocks before the first file; returns how many iovecs were filled, at most max. */
int out_iov(const struct out *o, struct iovec *iov, int max);
/* The first item when it is a file, else NULL. */
struct out_item *out_first_file(const struct out *o);
/* Drops the first n bytes; they lie before the first file. */
void out_consume(struct out *o, size_t n);
/* n bytes of the first file were sent. */
void out_consume_file(struct out *o, int64_t n);
/* Frees and closes everything. */
void out_done(struct out *o);

#endif

/* Send queues. See out_int.h. */
#include "net/out_int.h"

#include "net/pool_int.h"

#include <unistd.h>

/* A small reply and its head fit the first block; what follows one another fast gets larger ones. */
#define BLOCK_FIRST ((size_t)2048 - sizeof(struct out_item))
#define BLOCK_NEXT ((size_t)16384 - sizeof(struct out_item))

static struct out_item *append(struct out *o, size_t cap)
{
    struct out_item *item = pool_alloc(sizeof(*item) + cap);
    *item = (struct out_item){.p = (char *)(item + 1), .cap = cap, .fd = -1};
    if (o->tail)
        o->tail->next = item;
    else
        o->head = item;
    return o->tail = item;
}

static void drop_first(struct out *o)
{
    struct out_item *item = o->head;
    o->head = item->next;
    if (!o->head)
        o->tail = NULL;
    if (item->fd >= 0) {
        close(item->fd);
        o->files--;
    }
    pool_free(item);
}

char *out_room(struct out *o, size_t n)
{
    struct out_item *t = o->tail;
    if (!t || t->fd >= 0 || t->cap - t->n < n) {
        size_t cap = t ? BLOCK_NEXT : BLOCK_FIRST;
        t = append(o, cap > n ? cap : n);
    }
    return t->p + t->n;
}

void out_wrote(struct out *o, size_t n)
{
    o->tail->n += n;
    o->bytes += n;
}

void out_add(struct out *o, str bytes)
{
    if (!bytes.n)
        return;
    memcpy(out_room(o, bytes.n), bytes.p, bytes.n);
    out_wrote(o, bytes.n);
}

void out_add_tight(struct out *o, str bytes)
{
    if (bytes.n && !o->head)
        append(o, bytes.n);
    out_add(o, bytes);
}

void out_file(struct out *o, int fd, int64_t offset, int64_t len)
{
    if (len <= 0) {
        close(fd);
        return;
    }
    struct out_item *item = append(o, 0);
    item->fd = fd;
    item->offset = offset;
    item->left = len;
    o->files++;
}

int out_iov(const struct out *o, struct iovec *iov, int max)
{
    int n = 0;
    for (struct out_item *i = o->head; i && i->fd < 0 && n < max; i = i->next)
        if (i->n)
            iov[n++] = (struct iovec){i->p, i->n};
    return n;
}

struct out_item *out_first_file(const struct out *o)
{
    return o->head && o->head->fd >= 0 ? o->head : NULL;
}

void out_consume(struct out *o, size_t n)
{
    o->bytes -= n;
    while (o->head && o->head->fd < 0) {
        struct out_item *i = o->head;
        size_t take = n < i->n ? n : i->n;
        i->p += take;
        i->n -= take;
        i->cap -= take;
        n -= take;
        if (i->n)
            return;
        drop_first(o);
    }
}

void out_consume_file(struct out *o, int64_t n)
{
    o->head->offset += n;
    o->head->left -= n;
    if (o->head->left <= 0)
        drop_first(o);
}

void out_done(struct out *o)
{
    while (o->head)
        drop_first(o);
    o->bytes = 0;
}

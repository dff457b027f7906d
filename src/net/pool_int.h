/* Memory that one loop thread takes and gives back for every request: lists of free blocks by size, without locks. Each
 * thread has its own; a block is given back on the thread that took it. Large sizes go to the heap.
 *
 * This is a thread-wide cache: what it keeps is bounded (128 KiB of each size), and pool_done() frees it. With a
 * sanitizer it keeps nothing, so that use after free is seen. */
#ifndef NET_POOL_INT_H
#define NET_POOL_INT_H

#include <stddef.h>

/* Not zeroed. Aligned to 16 bytes. */
void *pool_alloc(size_t size);
void *pool_alloc_zeroed(size_t size);
/* Accepts NULL. */
void *pool_resize(void *p, size_t size);
void pool_free(void *p);
/* Before the thread ends. */
void pool_done(void);

#define pool_new(T) ((T *)pool_alloc_zeroed(sizeof(T)))

#endif

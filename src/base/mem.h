/* Heap memory for the few things that outlive a call (connections, streams, topics, queues).
 * Out of memory aborts, so nothing here returns NULL. Everything else lives in an arena. */
#ifndef BASE_MEM_H
#define BASE_MEM_H

#include <stddef.h>

/* Zeroed. */
void *mem_alloc(size_t size);
void *mem_alloc_array(size_t count, size_t size);
/* Not zeroed beyond the old content. */
void *mem_resize(void *p, size_t size);
void *mem_copy(const void *p, size_t size);
char *mem_strdup(const char *s);
/* Accepts NULL. */
void mem_free(void *p);

/* Whether caches of freed memory may hand it out again: not under AddressSanitizer, which then sees use after free. */
#if defined(__SANITIZE_ADDRESS__)
#define MEM_REUSE 0
#elif defined(__has_feature)
#define MEM_REUSE !__has_feature(address_sanitizer)
#else
#define MEM_REUSE 1
#endif

#define mem_new(T) ((T *)mem_alloc(sizeof(T)))

#endif

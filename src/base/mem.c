/* Heap memory that aborts instead of failing. Any thread. */
#include "base/mem.h"

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void *checked(void *p, size_t size)
{
    if (!p && size) {
        fprintf(stderr, "tern: out of memory (%zu bytes)\n", size);
        abort();
    }
    return p;
}

void *mem_alloc(size_t size)
{
    return checked(calloc(1, size), size);
}

void *mem_alloc_array(size_t count, size_t size)
{
    return checked(calloc(count, size), count ? size : 0);
}

void *mem_resize(void *p, size_t size)
{
    return checked(realloc(p, size), size);
}

void *mem_copy(const void *p, size_t size)
{
    void *q = mem_alloc(size ? size : 1);
    if (size)
        memcpy(q, p, size);
    return q;
}

char *mem_strdup(const char *s)
{
    return mem_copy(s, strlen(s) + 1);
}

void mem_free(void *p)
{
    free(p);
}

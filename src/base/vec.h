/* Typed growing arrays in an arena: VEC(struct run) v = {0}; struct run *r = vec_push(&v, cx->mem); */
#ifndef BASE_VEC_H
#define BASE_VEC_H

#include "base/arena.h"

#define VEC(T)                                                                                                         \
    struct {                                                                                                           \
        T *p;                                                                                                          \
        size_t n, cap;                                                                                                 \
    }

/* The address of a new, zeroed last element. */
#define vec_push(v, mem) ((v)->p = vec_room((mem), (v)->p, (v)->n, &(v)->cap, sizeof(*(v)->p)), &(v)->p[(v)->n++])

static inline void *vec_room(struct arena *mem, void *p, size_t n, size_t *cap, size_t size)
{
    if (n < *cap)
        return p;
    size_t more = *cap ? *cap * 2 : 8;
    p = arena_grow(mem, p, *cap * size, more * size);
    *cap = more;
    return p;
}

#endif

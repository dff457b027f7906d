/* Intrusive pairing heaps: the first of many in an order, any of which may leave. Adding costs O(1), leaving O(log n) over
 * time. What decides the order of a member must not change while it is in. */
#ifndef BASE_HEAP_H
#define BASE_HEAP_H

#include <stdbool.h>

struct heap_node {
    struct heap_node *child, *next, *prev; /* prev: the one to the left, or the parent */
};

/* Whether a comes before b. Two different members are never equal. */
typedef bool heap_before_fn(struct heap_node *a, struct heap_node *b);

struct heap {
    struct heap_node *first; /* NULL = empty */
    heap_before_fn *before;
};

void heap_init(struct heap *h, heap_before_fn *before);
void heap_add(struct heap *h, struct heap_node *n);
/* n is in h. */
void heap_remove(struct heap *h, struct heap_node *n);

#endif

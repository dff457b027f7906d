/* See heap.h. */
#include "base/heap.h"

#include <stddef.h>

void heap_init(struct heap *h, heap_before_fn *before)
{
    *h = (struct heap){.before = before};
}

/* Two roots become one. */
static struct heap_node *meld(const struct heap *h, struct heap_node *a, struct heap_node *b)
{
    if (!a || !b)
        return a ? a : b;
    if (h->before(b, a)) {
        struct heap_node *t = a;
        a = b;
        b = t;
    }
    b->prev = a;
    b->next = a->child;
    if (b->next)
        b->next->prev = b;
    a->child = b;
    return a;
}

/* One root of siblings: pairs from left to right, then all of them from right to left. */
static struct heap_node *meld_all(const struct heap *h, struct heap_node *n)
{
    struct heap_node *pairs = NULL, *root = NULL;
    while (n) {
        struct heap_node *a = n, *b = n->next;
        n = b ? b->next : NULL;
        a->next = a->prev = NULL;
        if (b)
            b->next = b->prev = NULL;
        a = meld(h, a, b);
        a->next = pairs;
        pairs = a;
    }
    while (pairs) {
        struct heap_node *a = pairs;
        pairs = a->next;
        a->next = NULL;
        root = meld(h, root, a);
    }
    return root;
}

void heap_add(struct heap *h, struct heap_node *n)
{
    *n = (struct heap_node){0};
    h->first = meld(h, h->first, n);
}

void heap_remove(struct heap *h, struct heap_node *n)
{
    struct heap_node *below = meld_all(h, n->child);
    if (n == h->first) {
        h->first = below;
    } else {
        if (n->prev->child == n)
            n->prev->child = n->next;
        else
            n->prev->next = n->next;
        if (n->next)
            n->next->prev = n->prev;
        h->first = meld(h, h->first, below);
    }
    *n = (struct heap_node){0};
}

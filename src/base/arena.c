/* Arena: blocks that double in size up to a bound; large allocations get a block of their own size. */
#include "base/arena.h"

#include "base/mem.h"

#include <stdatomic.h>
#include <stdio.h>

#define ALIGN 16
#define BLOCK_MIN ((size_t)4096)
#define BLOCK_MAX ((size_t)1 << 20)

struct arena_block {
    struct arena_block *next;
    size_t size; /* of the data part */
    _Alignas(ALIGN) char data[];
};

void arena_init(struct arena *a, size_t cap)
{
    *a = (struct arena){.cap = cap};
}

static void count(struct arena *a, size_t size, bool taken)
{
    if (!a->budget || size <= ARENA_FREE_BLOCK)
        return;
    if (taken)
        atomic_fetch_add_explicit(&a->budget->used, size, memory_order_relaxed);
    else
        atomic_fetch_sub_explicit(&a->budget->used, size, memory_order_relaxed);
}

static void free_blocks(struct arena *a, struct arena_block *b)
{
    while (b) {
        struct arena_block *next = b->next;
        count(a, b->size, false);
        mem_free(b);
        b = next;
    }
}

void arena_done(struct arena *a)
{
    free_blocks(a, a->blocks);
    *a = (struct arena){.cap = a->cap, .budget = a->budget};
}

void arena_reset(struct arena *a)
{
    struct arena_block *keep = a->blocks;
    if (!keep)
        return;
    free_blocks(a, keep->next);
    keep->next = NULL;
    if (keep->size > BLOCK_MAX) {
        arena_done(a);
        return;
    }
    a->cur = keep->data;
    a->end = keep->data + keep->size;
    a->used = 0;
}

static size_t next_size(const struct arena *a, size_t need, size_t first)
{
    size_t size = a->blocks ? a->blocks->size * 2 : first;
    if (size > BLOCK_MAX)
        size = BLOCK_MAX;
    return size < need ? need : size;
}

static void add_block(struct arena *a, size_t need, size_t first)
{
    size_t size = next_size(a, need, first);
    /* Zeroed when handed out, so a block may be reused after a reset. */
    struct arena_block *b = mem_resize(NULL, sizeof(*b) + size);
    count(a, size, true);
    b->size = size;
    b->next = a->blocks;
    a->blocks = b;
    a->cur = b->data;
    a->end = b->data + size;
}

static void *take(struct arena *a, size_t size)
{
    size_t need = (size + ALIGN - 1) & ~(size_t)(ALIGN - 1);
    if ((size_t)(a->end - a->cur) < need)
        add_block(a, need, BLOCK_MIN);
    void *p = a->cur;
    a->cur += need;
    a->used += need;
    return p;
}

void arena_init_small(struct arena *a, size_t cap, size_t first)
{
    arena_init(a, cap);
    add_block(a, first, first);
}

void *arena_alloc(struct arena *a, size_t size)
{
    void *p = take(a, size ? size : 1);
    return memset(p, 0, size);
}

void *arena_alloc_array(struct arena *a, size_t count, size_t size)
{
    size_t total;
    if (__builtin_mul_overflow(count, size, &total))
        return mem_alloc_array(count, size); /* aborts with the right words */
    return arena_alloc(a, total);
}

/* Others may take the room meanwhile: the budget is passed by at most a block of each thread. */
bool arena_fits(const struct arena *a, size_t more)
{
    if (a->cap && (more > a->cap || a->used > a->cap - more))
        return false;
    if (!a->budget || (size_t)(a->end - a->cur) >= more)
        return true;
    size_t size = next_size(a, more, BLOCK_MIN), max = a->budget->max;
    size_t used = atomic_load_explicit(&a->budget->used, memory_order_relaxed);
    return size <= ARENA_FREE_BLOCK || (size <= max && used <= max - size);
}

void *arena_try_alloc(struct arena *a, size_t count, size_t size)
{
    size_t total;
    if (__builtin_mul_overflow(count, size, &total) || !arena_fits(a, total))
        return NULL;
    return arena_alloc(a, total);
}

void *arena_grow_raw(struct arena *a, void *p, size_t old, size_t size)
{
    size_t held = (old + ALIGN - 1) & ~(size_t)(ALIGN - 1);
    size_t need = (size + ALIGN - 1) & ~(size_t)(ALIGN - 1);
    if (p && old && (char *)p + held == a->cur && (size_t)(a->end - (char *)p) >= need) {
        a->cur = (char *)p + need;
        a->used += need - held;
        return p;
    }
    char *q = take(a, size);
    if (old)
        memcpy(q, p, old);
    return q;
}

/* The block that holds nothing but p, as the place that points to it; NULL when there is none. */
static struct arena_block **own_block(struct arena *a, const char *p, size_t held)
{
    struct arena_block **at = &a->blocks;
    while (*at && (*at)->data != p)
        at = &(*at)->next;
    if (!*at)
        return NULL;
    const char *end = at == &a->blocks ? a->cur : (*at)->data + (*at)->size;
    return p + held == end ? at : NULL;
}

void *arena_move_raw(struct arena *a, void *p, size_t old, size_t size)
{
    size_t held = (old + ALIGN - 1) & ~(size_t)(ALIGN - 1);
    size_t need = (size + ALIGN - 1) & ~(size_t)(ALIGN - 1);
    struct arena_block **at = old > ARENA_FREE_BLOCK ? own_block(a, p, held) : NULL;
    if (!at || need <= (*at)->size)
        return arena_grow_raw(a, p, old, size);
    size_t had = (*at)->size;
    *at = mem_resize(*at, sizeof(**at) + need);
    (*at)->size = need;
    count(a, had, false);
    count(a, need, true);
    a->used += need - held;
    if (at == &a->blocks)
        a->cur = a->end = (*at)->data + need;
    return (*at)->data;
}

void *arena_grow(struct arena *a, void *p, size_t old, size_t size)
{
    char *q = arena_grow_raw(a, p, old, size);
    memset(q + old, 0, size - old);
    return q;
}

char *arena_cstr(struct arena *a, str s)
{
    char *p = take(a, s.n + 1);
    if (s.n)
        memcpy(p, s.p, s.n);
    p[s.n] = 0;
    return p;
}

str arena_lower(struct arena *a, str s)
{
    char *p = arena_cstr(a, s);
    for (size_t i = 0; i < s.n; i++)
        if (p[i] >= 'A' && p[i] <= 'Z')
            p[i] = (char)(p[i] | 32);
    return str_make(p, s.n);
}

str arena_str(struct arena *a, str s)
{
    return (str){arena_cstr(a, s), s.n};
}

str arena_vprintf(struct arena *a, const char *fmt, va_list ap)
{
    va_list again;
    va_copy(again, ap);
    int n = vsnprintf(NULL, 0, fmt, ap);
    if (n < 0)
        n = 0;
    char *p = take(a, (size_t)n + 1);
    vsnprintf(p, (size_t)n + 1, fmt, again);
    va_end(again);
    return (str){p, (size_t)n};
}

str arena_printf(struct arena *a, const char *fmt, ...)
{
    va_list ap;
    va_start(ap, fmt);
    str s = arena_vprintf(a, fmt, ap);
    va_end(ap);
    return s;
}

str arena_concat(struct arena *a, str x, str y)
{
    char *p = take(a, x.n + y.n + 1);
    if (x.n)
        memcpy(p, x.p, x.n);
    if (y.n)
        memcpy(p + x.n, y.p, y.n);
    p[x.n + y.n] = 0;
    return (str){p, x.n + y.n};
}

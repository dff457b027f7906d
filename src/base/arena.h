/* Memory that is freed together, when the call that it belongs to ends.
 *
 * Not thread safe: an arena has one owner at a time. Every allocation is aligned to 16 bytes. Out of memory
 * aborts; arena_try_alloc() is for sizes a stranger chose: it fails when the arena's cap or its budget would be passed. */
#ifndef BASE_ARENA_H
#define BASE_ARENA_H

#include "base/str.h"

#include <stdarg.h>

struct arena_block;

/* What several arenas may take together, for sizes that strangers chose. Any thread. */
struct arena_budget {
    size_t max;
    _Atomic size_t used; /* bytes of blocks over ARENA_FREE_BLOCK */
};
/* Smaller blocks are not counted. */
#define ARENA_FREE_BLOCK ((size_t)64 << 10)

struct arena {
    char *cur, *end;
    struct arena_block *blocks;  /* newest first */
    size_t used;                 /* bytes handed out, padding included */
    size_t cap;                  /* bound for arena_try_alloc; 0 = none */
    struct arena_budget *budget; /* the same, with others; NULL = none. Set once, right after arena_init() */
};

/* An arena with no memory yet; arena_done() gives back what it took. */
void arena_init(struct arena *a, size_t cap);
void arena_done(struct arena *a);
/* The same with a first block of that many bytes instead of 4 KiB; later ones double. For many small, long lives. */
void arena_init_small(struct arena *a, size_t cap, size_t first);
/* Forgets everything allocated but keeps one block for the next use. */
void arena_reset(struct arena *a);

/* Whether so many bytes more would pass neither the cap nor the budget. */
bool arena_fits(const struct arena *a, size_t more);

/* Zeroed. */
void *arena_alloc(struct arena *a, size_t size);
void *arena_alloc_array(struct arena *a, size_t count, size_t size);
/* NULL when a->cap would be passed or count * size overflows; zeroed otherwise. */
void *arena_try_alloc(struct arena *a, size_t count, size_t size);
/* Grows the block p of old bytes to size bytes, in place when it is the newest; the new part is zeroed. */
void *arena_grow(struct arena *a, void *p, size_t old, size_t size);
/* The same, but the new part is whatever it is: for who writes before reading. */
void *arena_grow_raw(struct arena *a, void *p, size_t old, size_t size);
/* The same, and the old place is given back when it is large: for who keeps no pointer into it. */
void *arena_move_raw(struct arena *a, void *p, size_t old, size_t size);

/* Copies end in NUL. */
str arena_str(struct arena *a, str s);
char *arena_cstr(struct arena *a, str s);
/* A-Z become a-z. */
str arena_lower(struct arena *a, str s);
str arena_printf(struct arena *a, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
str arena_vprintf(struct arena *a, const char *fmt, va_list ap) __attribute__((format(printf, 2, 0)));
str arena_concat(struct arena *a, str x, str y);

#define arena_new(a, T) ((T *)arena_alloc((a), sizeof(T)))
#define arena_new_array(a, T, n) ((T *)arena_alloc_array((a), (n), sizeof(T)))

#endif

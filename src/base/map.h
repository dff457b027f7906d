/* Hash map from byte strings to pointers. Keys are borrowed: they must live as long as their entry.
 * On the heap; not thread safe. */
#ifndef BASE_MAP_H
#define BASE_MAP_H

#include "base/str.h"

struct map_entry {
    str key;
    void *value;
    uint64_t hash;
};

struct map {
    struct map_entry *slots;
    size_t n, cap; /* entries, slots (a power of two) */
};

void map_init(struct map *m);
void map_done(struct map *m);
/* NULL when absent. */
void *map_find(const struct map *m, str key);
/* Returns the old value, or NULL. value is not NULL. The key given now replaces the old one. */
void *map_put(struct map *m, str key, void *value);
void *map_delete(struct map *m, str key);
/* Walks all entries: start with *at = 0; false at the end. The map must not change meanwhile. */
bool map_next(const struct map *m, size_t *at, str *key, void **value);

#endif

/* Results that may be reused, and who is making one (reservations). Keys are 32 bytes: the engine's are those of D-52,
 * the cache service hashes its scoped keys with a prefix of its own. */
#ifndef STORE_CACHE_H
#define STORE_CACHE_H

#include "base/ctx.h"

struct store_cache_entry {
    str key;
    str output_uri;
    uint64_t action_id; /* that made it; 0 = unknown */
    uint32_t attempt;
    str metadata; /* encoded cacheservice.Metadata */
    int64_t created_ns, updated_ns;
};

struct store_cache_reservation {
    str key;
    str owner;
    int64_t heartbeat_s;
    int64_t expires_ns; /* wall clock */
};

/* *out = NULL when there is none. */
must_check_ enum code store_cache_find(struct ctx *cx, str key, struct store_cache_entry **out);
/* Write entry. Inserts or replaces; created_ns of an existing entry stays unless e->created_ns is set. */
must_check_ enum code store_cache_put(struct ctx *cx, const struct store_cache_entry *e);
must_check_ enum code store_cache_delete(struct ctx *cx, str key, bool *found);

/* Eviction. The moment before which entries are beyond the newest `most`; INT64_MIN when there are not so many. */
must_check_ enum code store_cache_beyond(struct ctx *cx, uint64_t most, int64_t *before_ns);
/* Entries last written before. */
must_check_ enum code store_cache_count_old(struct ctx *cx, int64_t before_ns, uint64_t *count, int64_t *bytes);
/* Write entry. Deletes them, oldest first, at most max; *more when some may be left. */
must_check_ enum code store_cache_evict(struct ctx *cx, int64_t before_ns, size_t max, bool *more);

/* Write entry. Takes or extends the reservation for r->owner unless somebody else holds it at now_ns; *out is who holds
 * it after that. */
must_check_ enum code store_cache_reserve(struct ctx *cx, const struct store_cache_reservation *r, int64_t now_ns,
                                          struct store_cache_reservation **out);
/* *busy: somebody else than owner holds the reservation at now_ns. */
must_check_ enum code store_cache_holder(struct ctx *cx, str key, str owner, int64_t now_ns, bool *busy);
/* Write entry. *found = false when owner did not hold it. */
must_check_ enum code store_cache_release(struct ctx *cx, str key, str owner, bool *found);
/* Write entry. Deletes expired reservations, at most max. */
must_check_ enum code store_cache_sweep(struct ctx *cx, int64_t now_ns, size_t max);

#endif

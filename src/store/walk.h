/* Ordered sets of rows (queries.def), read piece by piece by one index, several merged into one. Any lane with a database
 * connection. */
#ifndef STORE_WALK_H
#define STORE_WALK_H

#include "store/db.h"

enum store_walk_kind {
#define QUERY(name, at, id, from, index, rank) STORE_WALK_##name,
#include "store/queries.def"
#undef QUERY
    STORE_WALK_KINDS_
};

/* One set; v = $1 to $3 of its query. */
struct store_walk {
    enum store_walk_kind kind;
    struct db_value v[3];
};

/* The place of a row: when it was created, and its id. */
struct store_walk_place {
    int64_t at;
    uint64_t id;
};

/* What is read: in which direction, after which place, up to which time. */
struct store_walk_range {
    bool descending;
    struct store_walk_place after;
    int64_t end; /* the last at */
};

/* All of sets whose places are their ids. */
static inline struct store_walk_range store_walk_ids(bool descending)
{
    const struct store_walk_place last = {INT64_MAX, INT64_MAX};
    return (struct store_walk_range){
        .descending = descending,
        .after = descending ? last : (struct store_walk_place){0},
        .end = descending ? 0 : INT64_MAX,
    };
}

/* How a set was asked for, so that a test can have it explained. */
struct store_walk_query {
    const char *name, *ascending, *descending, *count, *index;
    int rank;
};
extern const struct store_walk_query store_walk_queries[STORE_WALK_KINDS_];

/* The first max rows of the range in the union of n sets, which have no row in common. */
must_check_ enum code store_walk_read(struct ctx *cx, const struct store_walk *sets, size_t n,
                                      const struct store_walk_range *range, size_t max, struct store_walk_place **out,
                                      size_t *out_n);
/* How many rows a set has, counted up to max. */
must_check_ enum code store_walk_count(struct ctx *cx, const struct store_walk *set, size_t max, size_t *out);

#endif

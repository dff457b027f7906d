/* Ordered sets of rows. See walk.h. */
#include "store/walk.h"

#include <stdlib.h>

/* $4 and $5 are the place after which to begin, $6 the last time, $7 how many. One condition for each bound: SQLite takes
 * one of several for the index and checks the others row by row. */
#define BY_TIME(at, id, from, more, last, way)                                                                         \
    "SELECT " at "," id " FROM " from " AND (" at "," id ")" more "($4,$5) AND " at last "$6 ORDER BY " at way         \
    "," id way " LIMIT $7"

const struct store_walk_query store_walk_queries[STORE_WALK_KINDS_] = {
#define QUERY(name, at, id, from, index, rank)                                                                         \
    [STORE_WALK_##name] = {#name,                                                                                      \
                           BY_TIME(at, id, from, ">", "<=", ""),                                                       \
                           BY_TIME(at, id, from, "<", ">=", " DESC"),                                                  \
                           "SELECT count(*) FROM (SELECT 1 FROM " from " LIMIT $7) AS some",                           \
                           index,                                                                                      \
                           rank},
#include "store/queries.def"
#undef QUERY
};

static int compare(const void *x, const void *y)
{
    const struct store_walk_place *a = x, *b = y;
    if (a->at != b->at)
        return a->at < b->at ? -1 : 1;
    return a->id < b->id ? -1 : a->id > b->id;
}

static int compare_backwards(const void *x, const void *y)
{
    return compare(y, x);
}

enum code store_walk_read(struct ctx *cx, const struct store_walk *sets, size_t n, const struct store_walk_range *range,
                          size_t max, struct store_walk_place **out, size_t *out_n)
{
    struct store_walk_place *all = NULL;
    size_t total = 0;
    for (size_t i = 0; i < n; i++) {
        const struct store_walk *s = &sets[i];
        const struct store_walk_query *q = &store_walk_queries[s->kind];
        struct db_rows rows;
        TRY(db_query(cx, range->descending ? q->descending : q->ascending,
                     DB_ARGS(s->v[0], s->v[1], s->v[2], DB_I(range->after.at), DB_I(range->after.id), DB_I(range->end),
                             DB_I(max)),
                     &rows));
        all = arena_grow_raw(cx->mem, all, total * sizeof(*all), (total + rows.n) * sizeof(*all));
        for (size_t r = 0; r < rows.n; r++)
            all[total++] = (struct store_walk_place){db_row(&rows, r)[0].i, (uint64_t)db_row(&rows, r)[1].i};
    }
    if (n > 1 && total)
        qsort(all, total, sizeof(*all), range->descending ? compare_backwards : compare);
    *out = all;
    *out_n = total < max ? total : max;
    return CODE_OK;
}

enum code store_walk_count(struct ctx *cx, const struct store_walk *set, size_t max, size_t *out)
{
    struct db_rows rows;
    TRY(db_query(cx, store_walk_queries[set->kind].count,
                 DB_ARGS(set->v[0], set->v[1], set->v[2], DB_N, DB_N, DB_N, DB_I(max)), &rows));
    *out = (size_t)db_row(&rows, 0)[0].i;
    return CODE_OK;
}

/* Reusable results and reservations. See cache.h. */
#include "store/cache.h"

#include "store/row_int.h"

enum code store_cache_find(struct ctx *cx, str key, struct store_cache_entry **out)
{
    struct db_rows rows;
    TRY(db_query(cx,
                 "SELECT output_uri, action_id, attempt, metadata, created_ns, updated_ns FROM cache_entry"
                 " WHERE key=$1",
                 DB_ARGS(DB_B(key)), &rows));
    *out = NULL;
    if (!rows.n)
        return CODE_OK;
    const struct db_value *v = db_row(&rows, 0);
    struct store_cache_entry *e = arena_new(cx->mem, struct store_cache_entry);
    *e = (struct store_cache_entry){
        .key = key,
        .output_uri = v[0].s,
        .action_id = (uint64_t)v[1].i,
        .attempt = (uint32_t)v[2].i,
        .metadata = v[3].s,
        .created_ns = v[4].i,
        .updated_ns = v[5].i,
    };
    *out = e;
    return CODE_OK;
}

enum code store_cache_put(struct ctx *cx, const struct store_cache_entry *e)
{
    return db_query(cx,
                    "INSERT INTO cache_entry (key, output_uri, action_id, attempt, metadata, created_ns, updated_ns)"
                    " VALUES ($1, $2, $3, $4, $5, coalesce($6, $7), $7) ON CONFLICT (key) DO UPDATE SET"
                    " output_uri=$2, action_id=$3, attempt=$4, metadata=$5, created_ns=coalesce($6, created_ns),"
                    " updated_ns=$7",
                    DB_ARGS(DB_B(e->key), DB_S(e->output_uri), ROW_ARG_N(e->action_id), ROW_ARG_N(e->attempt),
                            ROW_ARG_B(e->metadata), ROW_ARG_N(e->created_ns), DB_I(e->updated_ns)),
                    NULL);
}

enum code store_cache_delete(struct ctx *cx, str key, bool *found)
{
    struct db_rows rows;
    TRY(db_query(cx, "DELETE FROM cache_entry WHERE key=$1", DB_ARGS(DB_B(key)), &rows));
    *found = rows.changed > 0;
    return CODE_OK;
}

enum code store_cache_beyond(struct ctx *cx, uint64_t most, int64_t *before_ns)
{
    struct db_rows rows;
    TRY(db_query(cx, "SELECT updated_ns FROM cache_entry ORDER BY updated_ns DESC LIMIT 1 OFFSET $1",
                 DB_ARGS(DB_I(most - 1)), &rows));
    *before_ns = rows.n ? db_row(&rows, 0)[0].i : INT64_MIN;
    return CODE_OK;
}

enum code store_cache_count_old(struct ctx *cx, int64_t before_ns, uint64_t *count, int64_t *bytes)
{
    struct db_rows rows;
    TRY(db_query(cx,
                 "SELECT count(*), coalesce(sum(length(key) + length(output_uri) + coalesce(length(metadata), 0)), 0)"
                 " FROM cache_entry WHERE updated_ns < $1",
                 DB_ARGS(DB_I(before_ns)), &rows));
    *count = (uint64_t)db_row(&rows, 0)[0].i;
    *bytes = db_row(&rows, 0)[1].i;
    return CODE_OK;
}

enum code store_cache_evict(struct ctx *cx, int64_t before_ns, size_t max, bool *more)
{
    struct db_rows rows;
    TRY(db_query(cx,
                 "DELETE FROM cache_entry WHERE key IN (SELECT key FROM cache_entry WHERE updated_ns < $1"
                 " ORDER BY updated_ns LIMIT $2)",
                 DB_ARGS(DB_I(before_ns), DB_I(max)), &rows));
    *more = rows.changed == (int64_t)max;
    return CODE_OK;
}

enum code store_cache_reserve(struct ctx *cx, const struct store_cache_reservation *r, int64_t now_ns,
                              struct store_cache_reservation **out)
{
    struct db_rows rows;
    TRY(db_query(cx,
                 "INSERT INTO cache_reservation (key, owner, heartbeat_s, expires_ns) VALUES ($1, $2, $3, $4)"
                 " ON CONFLICT (key) DO UPDATE SET owner=$2, heartbeat_s=$3, expires_ns=$4"
                 " WHERE cache_reservation.owner=$2 OR cache_reservation.expires_ns <= $5",
                 DB_ARGS(DB_B(r->key), DB_S(r->owner), DB_I(r->heartbeat_s), DB_I(r->expires_ns), DB_I(now_ns)), NULL));
    TRY(db_query(cx, "SELECT owner, heartbeat_s, expires_ns FROM cache_reservation WHERE key=$1", DB_ARGS(DB_B(r->key)),
                 &rows));
    struct store_cache_reservation *holder = arena_new(cx->mem, struct store_cache_reservation);
    const struct db_value *v = db_row(&rows, 0);
    *holder = (struct store_cache_reservation){r->key, v[0].s, v[1].i, v[2].i};
    *out = holder;
    return CODE_OK;
}

enum code store_cache_holder(struct ctx *cx, str key, str owner, int64_t now_ns, bool *busy)
{
    struct db_rows rows;
    TRY(db_query(cx, "SELECT 1 FROM cache_reservation WHERE key=$1 AND owner<>$2 AND expires_ns > $3",
                 DB_ARGS(DB_B(key), DB_S(owner), DB_I(now_ns)), &rows));
    *busy = rows.n > 0;
    return CODE_OK;
}

enum code store_cache_release(struct ctx *cx, str key, str owner, bool *found)
{
    struct db_rows rows;
    TRY(db_query(cx, "DELETE FROM cache_reservation WHERE key=$1 AND owner=$2", DB_ARGS(DB_B(key), DB_S(owner)),
                 &rows));
    *found = rows.changed > 0;
    return CODE_OK;
}

enum code store_cache_sweep(struct ctx *cx, int64_t now_ns, size_t max)
{
    return db_query(cx,
                    "DELETE FROM cache_reservation WHERE key IN (SELECT key FROM cache_reservation"
                    " WHERE expires_ns <= $1 LIMIT $2)",
                    DB_ARGS(DB_I(now_ns), DB_I(max)), NULL);
}

/* The audit trail. See audit.h. */
#include "store/audit.h"

#include "store/identity.h"
#include "store/kept_int.h"

struct rpc {
    str path;
    int64_t id;
};

static void *copy(struct arena *mem, const void *from)
{
    struct rpc *r = arena_new(mem, struct rpc);
    *r = *(const struct rpc *)from;
    r->path = arena_str(mem, r->path);
    return r;
}

static enum code put_rpc(struct ctx *cx, str path, int64_t *id)
{
    struct db_rows rows;
    const struct rpc *kept = store_kept_find(cx->db, STORE_KEPT_RPC, str_mix(path));
    if (kept && str_eq(kept->path, path)) {
        *id = kept->id;
        return CODE_OK;
    }
    TRY(db_query(cx, "SELECT id FROM audit_rpc WHERE path=$1", DB_ARGS(DB_S(path)), &rows));
    if (!rows.n)
        TRY(db_query(cx, "INSERT INTO audit_rpc (path) VALUES ($1) RETURNING id", DB_ARGS(DB_S(path)), &rows));
    *id = db_row(&rows, 0)[0].i;
    const struct rpc r = {path, *id};
    store_kept_put(cx->db, STORE_KEPT_RPC, str_mix(path), copy, &r, sizeof(r) + path.n);
    return CODE_OK;
}

enum code store_audit_add(struct ctx *cx, const struct store_audit *a)
{
    int64_t rpc;
    uint64_t by;
    TRY(put_rpc(cx, a->rpc, &rpc));
    TRY(store_identity_put_caller(cx, &by));
    return db_query(
        cx,
        "INSERT INTO audit (id, time_ns, rpc_id, by_id, address, about)"
        " SELECT CASE WHEN $1 > last THEN $1 ELSE last + 1 END, CASE WHEN $1 > last THEN NULL ELSE $1 END,"
        " $2, $3, $4, $5"
        " FROM (SELECT coalesce(max(id), 0) AS last FROM audit) AS newest",
        DB_ARGS(DB_I(a->time_ns), DB_I(rpc), by ? DB_I(by) : DB_N, DB_S_OR_NULL(a->address), DB_S_OR_NULL(a->about)),
        NULL);
}

/* No id is before its row's time: it bounds what is read. */
enum code store_audit_list(struct ctx *cx, int64_t since_ns, int64_t before_ns, int64_t before_id, size_t max,
                           struct store_audit **out, size_t *n)
{
    struct db_rows rows;
    TRY(db_query(cx,
                 "SELECT audit.id, coalesce(time_ns, audit.id), path, subject, identity.name, address, about FROM audit"
                 " JOIN audit_rpc ON audit_rpc.id=rpc_id LEFT JOIN identity ON identity.id=by_id"
                 " WHERE audit.id >= $1 AND audit.id < $3 AND coalesce(time_ns, audit.id) >= $1"
                 " AND coalesce(time_ns, audit.id) < $2 ORDER BY audit.id DESC LIMIT $4",
                 DB_ARGS(DB_I(since_ns), DB_I(before_ns), DB_I(before_id), DB_I(max)), &rows));
    struct store_audit *list = arena_new_array(cx->mem, struct store_audit, rows.n);
    for (size_t i = 0; i < rows.n; i++) {
        const struct db_value *v = db_row(&rows, i);
        list[i] = (struct store_audit){v[0].i, v[1].i, v[2].s, v[3].s, v[4].s, v[5].s, v[6].s};
    }
    *out = list;
    *n = rows.n;
    return CODE_OK;
}

#define OLDER "SELECT id FROM audit WHERE id < $1 UNION ALL SELECT id FROM audit WHERE time_ns < $1 AND id >= $1"

enum code store_audit_count(struct ctx *cx, int64_t before_ns, uint64_t *out)
{
    struct db_rows rows;
    TRY(db_query(cx, "SELECT count(*) FROM (" OLDER ") AS older", DB_ARGS(DB_I(before_ns)), &rows));
    *out = (uint64_t)db_row(&rows, 0)[0].i;
    return CODE_OK;
}

enum code store_audit_sweep(struct ctx *cx, int64_t before_ns, size_t max, size_t *removed)
{
    struct db_rows rows;
    TRY(db_query(cx, "DELETE FROM audit WHERE id IN (" OLDER " LIMIT $2)", DB_ARGS(DB_I(before_ns), DB_I(max)), &rows));
    *removed = (size_t)rows.changed;
    return CODE_OK;
}

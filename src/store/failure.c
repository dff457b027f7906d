/* Failed runs with a handler. See failure.h. */
#include "store/failure.h"

enum code store_failure_insert(struct ctx *cx, uint64_t run_id, int64_t due_ns)
{
    return db_query(cx, "INSERT INTO failure (run_id, due_ns) VALUES ($1, $2)", DB_ARGS(DB_I(run_id), DB_I(due_ns)),
                    NULL);
}

enum code store_failure_step(struct ctx *cx, const struct store_failure *f)
{
    return db_query(cx, "UPDATE failure SET due_ns=$2, failures=$3 WHERE run_id=$1",
                    DB_ARGS(DB_I(f->run_id), DB_I(f->due_ns), DB_I(f->failures)), NULL);
}

enum code store_failure_delete(struct ctx *cx, uint64_t run_id)
{
    return db_query(cx, "DELETE FROM failure WHERE run_id=$1", DB_ARGS(DB_I(run_id)), NULL);
}

enum code store_failure_next(struct ctx *cx, struct store_failure **out)
{
    struct db_rows rows;
    TRY(db_query(cx,
                 "SELECT run_id, due_ns, failures FROM failure f"
                 " WHERE NOT EXISTS (SELECT 1 FROM cascade c WHERE c.run_id=f.run_id)"
                 " ORDER BY due_ns, run_id LIMIT 1",
                 NULL, 0, &rows));
    *out = NULL;
    if (!rows.n)
        return CODE_OK;
    const struct db_value *v = db_row(&rows, 0);
    struct store_failure *f = arena_new(cx->mem, struct store_failure);
    *f = (struct store_failure){(uint64_t)v[0].i, v[1].i, (uint32_t)v[2].i};
    *out = f;
    return CODE_OK;
}

/* Counts of descendants. See subtree.h. */
#include "store/subtree.h"

#include "store/db.h"

enum code store_subtree_get(struct ctx *cx, uint64_t action_id, struct store_subtree *out)
{
    struct db_rows rows;
    TRY(db_query(cx, "SELECT open_children, n1, n2, n3, n4, n5, n6, n7, n8, n9, n10 FROM subtree WHERE action_id=$1",
                 DB_ARGS(DB_I(action_id)), &rows));
    *out = (struct store_subtree){0};
    if (!rows.n)
        return CODE_OK;
    out->open_children = db_row(&rows, 0)[0].i;
    for (int i = 1; i < STORE_PHASES; i++)
        out->n[i] = db_row(&rows, 0)[i].i;
    return CODE_OK;
}

#define DELTAS "$3, $4, $5, $6, $7, $8, $9, $10, $11, $12"
#define ADD "n1=n1+$3, n2=n2+$4, n3=n3+$5, n4=n4+$6, n5=n5+$7, n6=n6+$8, n7=n7+$9, n8=n8+$10, n9=n9+$11, n10=n10+$12"

/* Most parents have a row: an INSERT that meets a conflict, or RETURNING, would cost each of them more. */
static enum code add(struct ctx *cx, const struct db_value *args, size_t n)
{
    struct db_rows rows;
    TRY(db_query(cx, "UPDATE subtree SET open_children=open_children+$2, " ADD " WHERE action_id=$1", args, n, &rows));
    if (rows.changed)
        return CODE_OK;
    return db_query(cx,
                    "INSERT INTO subtree (action_id, open_children, n1, n2, n3, n4, n5, n6, n7, n8, n9, n10)"
                    " VALUES ($1, $2, " DELTAS ")",
                    args, n, NULL);
}

static enum code count_open(struct ctx *cx, uint64_t action_id, int64_t *out)
{
    struct db_rows rows;
    TRY(db_query(cx, "SELECT open_children FROM subtree WHERE action_id=$1", DB_ARGS(DB_I(action_id)), &rows));
    *out = db_row(&rows, 0)[0].i;
    return CODE_OK;
}

enum code store_subtree_move(struct ctx *cx, uint64_t parent_id, uint32_t parent_depth, int32_t from, int32_t to,
                             int64_t count, int64_t open, int64_t *open_now)
{
    struct db_value args[2 + STORE_PHASES - 1];
    int64_t delta[STORE_PHASES] = {0};
    if (from < 0 || from >= STORE_PHASES || to < 0 || to >= STORE_PHASES)
        return fail(cx, CODE_INTERNAL, "phase %d or %d is unknown", (int)from, (int)to);
    delta[from] -= count;
    delta[to] += count;
    args[0] = DB_I(parent_id);
    args[1] = DB_I(open);
    for (int i = 1; i < STORE_PHASES; i++)
        args[1 + i] = DB_I(delta[i]);
    TRY(add(cx, args, sizeof(args) / sizeof(*args)));
    if (open_now)
        TRY(count_open(cx, parent_id, open_now));
    if (!parent_depth || from == to)
        return CODE_OK;
    return db_query(cx,
                    "UPDATE subtree SET open_children=open_children+0*$2, " ADD " WHERE action_id IN"
                    " (WITH RECURSIVE up(id) AS (SELECT parent_id FROM action WHERE id=$1 UNION ALL"
                    " SELECT action.parent_id FROM action JOIN up ON action.id=up.id"
                    " WHERE action.parent_id IS NOT NULL) SELECT id FROM up)",
                    args, sizeof(args) / sizeof(*args), NULL);
}

/* Opaque states. See state.h. */
#include "store/state.h"

#include "store/db.h"

enum code store_state_put(struct ctx *cx, uint64_t action_id, str body)
{
    return db_query(cx,
                    "INSERT INTO state (action_id, body) VALUES ($1, $2)"
                    " ON CONFLICT (action_id) DO UPDATE SET body=excluded.body",
                    DB_ARGS(DB_I(action_id), DB_S(body)), NULL);
}

enum code store_state_get(struct ctx *cx, uint64_t action_id, bool *found, str *body)
{
    struct db_rows rows;
    TRY(db_query(cx, "SELECT body FROM state WHERE action_id=$1", DB_ARGS(DB_I(action_id)), &rows));
    *found = rows.n > 0;
    if (*found)
        *body = db_row(&rows, 0)[0].s;
    return CODE_OK;
}

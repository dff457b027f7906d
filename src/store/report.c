/* Reports of external executors. See report.h. */
#include "store/report.h"

#include "store/db.h"

enum code store_report_put(struct ctx *cx, uint64_t action_id, uint32_t attempt, int32_t phase, uint32_t version,
                           str info, bool *fresh)
{
    struct db_rows rows;
    TRY(db_query(cx,
                 "INSERT INTO report (action_id, attempt, phase, version, info) VALUES ($1, $2, $3, $4, $5)"
                 " ON CONFLICT (action_id, attempt, phase, version) DO NOTHING",
                 DB_ARGS(DB_I(action_id), DB_I(attempt), DB_I(phase), DB_I(version), DB_B(info)), &rows));
    *fresh = rows.changed > 0;
    return CODE_OK;
}

enum code store_report_list(struct ctx *cx, uint64_t action_id, str **out, size_t *n)
{
    struct db_rows rows;
    TRY(db_query(cx, "SELECT info FROM report WHERE action_id=$1 ORDER BY attempt, phase, version",
                 DB_ARGS(DB_I(action_id)), &rows));
    str *list = arena_new_array(cx->mem, str, rows.n);
    for (size_t i = 0; i < rows.n; i++)
        list[i] = db_row(&rows, i)[0].s;
    *out = list;
    *n = rows.n;
    return CODE_OK;
}

/* Full task names. See task_name.h. */
#include "store/task_name.h"

#include "store/db.h"

enum code store_task_name_find(struct ctx *cx, str project, str domain, str name, uint64_t *out)
{
    struct db_rows rows;
    TRY(db_query(cx, "SELECT id FROM task_name WHERE project=$1 AND domain=$2 AND name=$3",
                 DB_ARGS(DB_S(project), DB_S(domain), DB_S(name)), &rows));
    *out = rows.n ? (uint64_t)db_row(&rows, 0)[0].i : 0;
    return CODE_OK;
}

enum code store_task_name_put(struct ctx *cx, str project, str domain, str name, uint64_t *out)
{
    struct db_rows rows;
    uint64_t id;
    TRY(store_task_name_find(cx, project, domain, name, &id));
    if (!id) {
        TRY(db_query(cx, "INSERT INTO task_name (project, domain, name) VALUES ($1, $2, $3) RETURNING id",
                     DB_ARGS(DB_S(project), DB_S(domain), DB_S(name)), &rows));
        id = (uint64_t)db_row(&rows, 0)[0].i;
    }
    *out = id;
    return CODE_OK;
}

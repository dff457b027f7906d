/* Spaces. See space.h. */
#include "store/space.h"

#include "store/db.h"

enum code store_space_find(struct ctx *cx, str project, str domain, uint64_t *out)
{
    struct db_rows rows;
    TRY(db_query(cx, "SELECT id FROM space WHERE project=$1 AND domain=$2", DB_ARGS(DB_S(project), DB_S(domain)),
                 &rows));
    *out = rows.n ? (uint64_t)db_row(&rows, 0)[0].i : 0;
    return CODE_OK;
}

enum code store_space_list(struct ctx *cx, size_t max, uint64_t *out, size_t *n)
{
    struct db_rows rows;
    TRY(db_query(cx, "SELECT id FROM space LIMIT $1", DB_ARGS(DB_I(max)), &rows));
    for (size_t i = 0; i < rows.n; i++)
        out[i] = (uint64_t)db_row(&rows, i)[0].i;
    *n = rows.n;
    return CODE_OK;
}

enum code store_space_put(struct ctx *cx, str project, str domain, uint64_t *out)
{
    struct db_rows rows;
    uint64_t id;
    TRY(store_space_find(cx, project, domain, &id));
    if (!id) {
        TRY(db_query(cx, "INSERT INTO space (project, domain) VALUES ($1, $2) RETURNING id",
                     DB_ARGS(DB_S(project), DB_S(domain)), &rows));
        id = (uint64_t)db_row(&rows, 0)[0].i;
    }
    *out = id;
    return CODE_OK;
}

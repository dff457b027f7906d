/* Queues and projects. See queue.h. */
#include "store/queue.h"

#include "store/row_int.h"

#define COLUMNS(X)                                                                                                     \
    X(1, project, I)                                                                                                   \
    X(2, name, S)                                                                                                      \
    X(3, max_working, I)                                                                                               \
    X(4, priority, I)                                                                                                  \
    X(5, weight, I)                                                                                                    \
    X(6, paused, I)

enum code store_queue_list(struct ctx *cx, struct store_queue **out, size_t *n)
{
    struct db_rows rows;
    TRY(db_query(cx, "SELECT " COLUMNS(ROW_NAME) "1 FROM queue ORDER BY project, name", NULL, 0, &rows));
    *n = rows.n;
    *out = arena_new_array(cx->mem, struct store_queue, rows.n);
    for (size_t i = 0; i < rows.n; i++) {
        struct store_queue *row = &(*out)[i];
        const struct db_value *v = db_row(&rows, i);
        COLUMNS(ROW_READ)
    }
    return CODE_OK;
}

enum code store_queue_put(struct ctx *cx, const struct store_queue *row)
{
    const struct db_value args[] = {COLUMNS(ROW_ARG)};
    return db_query(cx,
                    "INSERT INTO queue (project, name, max_working, priority, weight, paused)"
                    " VALUES ($1, $2, $3, $4, $5, $6) ON CONFLICT (project, name) DO UPDATE SET"
                    " max_working=$3, priority=$4, weight=$5, paused=$6",
                    args, sizeof(args) / sizeof(*args), NULL);
}

enum code store_queue_delete(struct ctx *cx, bool project, str name, bool *found)
{
    struct db_rows rows;
    TRY(db_query(cx, "DELETE FROM queue WHERE project=$1 AND name=$2", DB_ARGS(DB_I(project), DB_S(name)), &rows));
    *found = rows.changed > 0;
    return CODE_OK;
}

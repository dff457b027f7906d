/* Events of artifacts. See artifact_event.h. */
#include "store/artifact_event.h"

#include "store/row_int.h"

#define COLUMNS(X)                                                                                                     \
    X(1, space_id, I)                                                                                                  \
    X(2, artifact, S)                                                                                                  \
    X(3, value, S)                                                                                                     \
    X(4, run_id, N)                                                                                                    \
    X(5, done_id, I)                                                                                                   \
    X(6, due_ns, I)                                                                                                    \
    X(7, failures, I)

enum code store_artifact_event_insert(struct ctx *cx, const struct store_artifact_event *e)
{
    return db_query(
        cx, "INSERT INTO artifact_event (space_id, artifact, value, run_id, due_ns) VALUES ($1, $2, $3, $4, $5)",
        DB_ARGS(DB_I(e->space_id), DB_B(e->artifact), DB_B(e->value), ROW_ARG_N(e->run_id), DB_I(e->due_ns)), NULL);
}

enum code store_artifact_event_step(struct ctx *cx, const struct store_artifact_event *e)
{
    return db_query(cx, "UPDATE artifact_event SET done_id=$2, due_ns=$3, failures=$4 WHERE id=$1",
                    DB_ARGS(DB_I(e->id), DB_I(e->done_id), DB_I(e->due_ns), DB_I(e->failures)), NULL);
}

enum code store_artifact_event_delete(struct ctx *cx, uint64_t id)
{
    return db_query(cx, "DELETE FROM artifact_event WHERE id=$1", DB_ARGS(DB_I(id)), NULL);
}

enum code store_artifact_event_next(struct ctx *cx, struct store_artifact_event **out)
{
    struct db_rows rows;
    TRY(db_query(cx, "SELECT " COLUMNS(ROW_NAME) "id FROM artifact_event ORDER BY due_ns, id LIMIT 1", NULL, 0, &rows));
    *out = NULL;
    if (!rows.n)
        return CODE_OK;
    struct store_artifact_event *row = arena_new(cx->mem, struct store_artifact_event);
    const struct db_value *v = db_row(&rows, 0);
    COLUMNS(ROW_READ)
    row->id = (uint64_t)v[7].i;
    *out = row;
    return CODE_OK;
}

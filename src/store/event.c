/* Events of actions. See event.h. */
#include "store/event.h"

#include "store/db.h"

#define SELECT "SELECT seq, attempt, time_ns, kind, reason, message FROM event"

enum code store_event_add(struct ctx *cx, struct store_event *e)
{
    struct db_rows rows;
    TRY(db_query(cx, "SELECT coalesce(max(seq), 0)+1 FROM event WHERE action_id=$1", DB_ARGS(DB_I(e->action_id)),
                 &rows));
    int64_t seq = db_row(&rows, 0)[0].i;
    TRY(db_query(cx,
                 "INSERT INTO event (action_id, seq, attempt, time_ns, kind, reason, message)"
                 " VALUES ($1, $2, $3, $4, $5, $6, $7)",
                 DB_ARGS(DB_I(e->action_id), DB_I(seq), DB_I(e->attempt), DB_I(e->time_ns), DB_I(e->kind),
                         DB_S(e->reason), DB_S(e->message)),
                 NULL));
    e->seq = seq;
    return CODE_OK;
}

static void take(struct ctx *cx, uint64_t action_id, const struct db_rows *rows, struct store_event **out, size_t *n)
{
    *n = rows->n;
    *out = arena_new_array(cx->mem, struct store_event, rows->n);
    for (size_t i = 0; i < rows->n; i++) {
        const struct db_value *v = db_row(rows, i);
        (*out)[i] = (struct store_event){
            .action_id = action_id,
            .seq = v[0].i,
            .attempt = (uint32_t)v[1].i,
            .time_ns = v[2].i,
            .kind = (int32_t)v[3].i,
            .reason = v[4].s,
            .message = v[5].s,
        };
    }
}

enum code store_event_list(struct ctx *cx, uint64_t action_id, uint32_t attempt, int64_t after, size_t max,
                           struct store_event **out, size_t *n)
{
    struct db_rows rows;
    TRY(db_query(cx, SELECT " WHERE action_id=$1 AND seq > $2 AND ($3 = 0 OR attempt = $3) ORDER BY seq LIMIT $4",
                 DB_ARGS(DB_I(action_id), DB_I(after), DB_I(attempt), DB_I(max)), &rows));
    take(cx, action_id, &rows, out, n);
    return CODE_OK;
}

enum code store_event_newest(struct ctx *cx, uint64_t action_id, uint32_t attempt, size_t max, struct store_event **out,
                             size_t *n)
{
    struct db_rows rows;
    TRY(db_query(cx, SELECT " WHERE action_id=$1 AND attempt IN (0, $2) ORDER BY seq DESC LIMIT $3",
                 DB_ARGS(DB_I(action_id), DB_I(attempt), DB_I(max)), &rows));
    take(cx, action_id, &rows, out, n);
    return CODE_OK;
}

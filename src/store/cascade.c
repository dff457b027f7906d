/* Cascades of aborts, in pieces. See cascade.h. The statements work on sets: a run of 100,000 actions ends within a
 * second. */
#include "store/cascade.h"

#include "store/action.h"
#include "store/row_int.h"
#include "store/subtree.h"

#include <stdlib.h>

enum { PHASE_ABORTED = 7 }; /* common.ActionPhase */

enum code store_cascade_put(struct ctx *cx, const struct store_cascade *c)
{
    return db_query(cx,
                    "INSERT INTO cascade (run_id, action_id, reason, by_id) VALUES ($1, $2, $3, $4)"
                    " ON CONFLICT (run_id, action_id) DO NOTHING",
                    DB_ARGS(DB_I(c->run_id), DB_I(c->action_id), DB_S(c->reason), ROW_ARG_N(c->by_id)), NULL);
}

enum code store_cascade_delete(struct ctx *cx, uint64_t run_id, uint64_t action_id)
{
    return db_query(cx, "DELETE FROM cascade WHERE run_id=$1 AND action_id=$2", DB_ARGS(DB_I(run_id), DB_I(action_id)),
                    NULL);
}

enum code store_cascade_list(struct ctx *cx, size_t max, struct store_cascade **out, size_t *n)
{
    struct db_rows rows;
    TRY(db_query(cx, "SELECT run_id, action_id, reason, by_id FROM cascade LIMIT $1", DB_ARGS(DB_I(max)), &rows));
    struct store_cascade *list = arena_new_array(cx->mem, struct store_cascade, rows.n);
    for (size_t i = 0; i < rows.n; i++) {
        const struct db_value *v = db_row(&rows, i);
        list[i] = (struct store_cascade){(uint64_t)v[0].i, (uint64_t)v[1].i, v[2].s, (uint64_t)v[3].i};
    }
    *out = list;
    *n = rows.n;
    return CODE_OK;
}

/* ---- one piece -------------------------------------------------------------------------------------------------- */

/* The same rows for every statement of a piece, in the order of the index. $1 run, $2 parent (0 = any), $3 max. */
#define OPEN_OF_RUN "SELECT id FROM action WHERE ended_ns IS NULL AND run_id=$1 ORDER BY run_id, parent_id, id LIMIT $3"
#define OPEN_OF_PARENT                                                                                                 \
    "SELECT id FROM action WHERE ended_ns IS NULL AND run_id=$1 AND parent_id=$2 ORDER BY run_id, parent_id, id "      \
    "LIMIT $3"
#define PIECE                                                                                                          \
    " IN (SELECT id FROM (" OPEN_OF_RUN ") WHERE $2=0 UNION ALL SELECT id FROM (" OPEN_OF_PARENT ") WHERE $2<>0)"

#define SELECT_HITS                                                                                                    \
    "SELECT a.id, a.parent_id, a.attempt, a.phase, s.action_id IS NOT NULL, t.action_id IS NOT NULL, a.depth"          \
    " FROM action a LEFT JOIN subtree s ON s.action_id=a.id"                                                           \
    " LEFT JOIN attempt t ON t.action_id=a.id AND t.attempt=a.attempt WHERE a.id"
#define SET_ATTEMPTS "UPDATE attempt SET phase=7, ended_ns=max($4, queued_ns) WHERE ended_ns IS NULL AND action_id"
/* seq need not be dense: the ordinal keeps it unique within the piece. */
#define SET_ACTIONS                                                                                                    \
    "UPDATE action SET phase=7, ended_ns=max($4, updated_ns), updated_ns=max($4, updated_ns), abort_ns=$4,"            \
    " abort_reason=$5, abort_by=$6, seq=$7+(id & 16777215) WHERE id"

static int by_parent_and_phase(const void *x, const void *y)
{
    const struct store_cascade_hit *a = x, *b = y;
    if (a->parent_id != b->parent_id)
        return a->parent_id < b->parent_id ? -1 : 1;
    return a->was - b->was;
}

/* hits are sorted; one change of the counts for each (parent, phase). */
static enum code count_hits(struct ctx *cx, const struct store_cascade_hit *hits, const uint32_t *depth, size_t n)
{
    for (size_t i = 0, next; i < n; i = next) {
        for (next = i + 1; next < n && !by_parent_and_phase(&hits[i], &hits[next]);)
            next++;
        int64_t count = (int64_t)(next - i);
        if (hits[i].parent_id)
            TRY(store_subtree_move(cx, hits[i].parent_id, depth[i] - 1, hits[i].was, PHASE_ABORTED, count, -count,
                                   NULL));
        else
            TRY(store_run_touch(cx, store_action_run(hits[i].id), PHASE_ABORTED));
    }
    return CODE_OK;
}

static enum code select_hits(struct ctx *cx, const struct store_cascade *c, size_t max, struct db_rows *rows)
{
    return db_query(cx, SELECT_HITS PIECE " ORDER BY a.parent_id, a.phase",
                    DB_ARGS(DB_I(c->run_id), DB_I(c->action_id), DB_I(max)), rows);
}

enum code store_cascade_step(struct ctx *cx, const struct store_cascade *c, size_t max, int64_t now_ns,
                             struct store_cascade_hit **out, size_t *n)
{
    struct db_rows rows;
    int64_t seq;
    TRY(select_hits(cx, c, max, &rows));
    struct store_cascade_hit *hits = arena_new_array(cx->mem, struct store_cascade_hit, rows.n);
    uint32_t *depth = arena_new_array(cx->mem, uint32_t, rows.n);
    for (size_t i = 0; i < rows.n; i++) {
        const struct db_value *v = db_row(&rows, i);
        hits[i] = (struct store_cascade_hit){(uint64_t)v[0].i, (uint64_t)v[1].i, (uint32_t)v[2].i,
                                             (int32_t)v[3].i,  v[4].i != 0,      v[5].i != 0};
        depth[i] = (uint32_t)v[6].i;
    }
    *out = hits;
    *n = rows.n;
    if (!rows.n)
        return CODE_OK;
    TRY(store_run_seq(cx, c->run_id, &seq));
    TRY(db_query(cx, SET_ATTEMPTS PIECE, DB_ARGS(DB_I(c->run_id), DB_I(c->action_id), DB_I(max), DB_I(now_ns)), NULL));
    TRY(db_query(cx, SET_ACTIONS PIECE,
                 DB_ARGS(DB_I(c->run_id), DB_I(c->action_id), DB_I(max), DB_I(now_ns), DB_S(c->reason),
                         ROW_ARG_N(c->by_id), DB_I(seq + 1)),
                 NULL));
    store_action_seq_moved(cx, c->run_id);
    return count_hits(cx, hits, depth, rows.n);
}

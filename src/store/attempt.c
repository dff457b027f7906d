/* Attempts. See attempt.h. */
#include "store/attempt.h"

#include "store/row_int.h"

#define COLUMNS(X)                                                                                                     \
    X(1, phase, I)                                                                                                     \
    X(2, queued_ns, I)                                                                                                 \
    X(3, waiting_ns, N)                                                                                                \
    X(4, initializing_ns, N)                                                                                           \
    X(5, running_ns, N)                                                                                                \
    X(6, ended_ns, N)                                                                                                  \
    X(7, boot, N)                                                                                                      \
    X(8, cache_status, I)                                                                                              \
    X(9, error_kind, I)                                                                                                \
    X(10, recoverable, I)                                                                                              \
    X(11, has_log, I)                                                                                                  \
    X(12, has_report, I)                                                                                               \
    X(13, cache_source, N)                                                                                             \
    X(14, cache_source_attempt, N)                                                                                     \
    X(15, exit_code, N)                                                                                                \
    X(16, cpu_ns, N)                                                                                                   \
    X(17, max_rss, N)                                                                                                  \
    X(18, output_uri, T)                                                                                               \
    X(19, error_code, T)                                                                                               \
    X(20, error, T)                                                                                                    \
    X(21, wait_reason, T)

#define SELECT_ATTEMPT "SELECT " COLUMNS(ROW_NAME) "action_id, attempt FROM attempt "
/* common.ActionPhase and workflow.ActionType, without their headers: rows that are made up need just these. */
enum { PHASE_QUEUED = 1, TYPE_TASK = 1 };

static void decode(const struct db_value *v, struct store_attempt *row)
{
    COLUMNS(ROW_READ)
    row->action_id = (uint64_t)v[21].i;
    row->attempt = (uint32_t)v[22].i;
}

/* The attempt that waits for its first launch has no row, and what ends without a launch never gets one. */
static void make_first(const struct store_action *a, struct store_attempt *row)
{
    *row = (struct store_attempt){
        .action_id = a->id,
        .attempt = 1,
        .phase = a->phase,
        .queued_ns = a->queued_ns,
        .running_ns = a->started_ns,
        .ended_ns = a->ended_ns,
        .boot = a->boot,
        .cache_status = a->cache_status,
        .error_kind = a->error_kind,
        .error_code = a->error_code,
        .error = a->error,
        .output_uri = a->output_uri,
    };
}

enum code store_attempt_list(struct ctx *cx, const struct store_action *a, struct store_attempt **out, size_t *n)
{
    struct db_rows rows = {0};
    if (a->type == TYPE_TASK)
        TRY(db_query(cx, SELECT_ATTEMPT "WHERE action_id=$1 ORDER BY attempt", DB_ARGS(DB_I(a->id)), &rows));
    struct store_attempt *list = arena_new_array(cx->mem, struct store_attempt, rows.n + 1);
    for (size_t i = 0; i < rows.n; i++)
        decode(db_row(&rows, i), &list[i]);
    *n = rows.n;
    if (a->type == TYPE_TASK && !rows.n && !a->external) {
        make_first(a, &list[0]);
        *n = 1;
    }
    *out = list;
    return CODE_OK;
}

enum code store_attempt_find(struct ctx *cx, const struct store_action *a, uint32_t attempt, struct store_attempt **out)
{
    struct store_attempt *list;
    size_t n;
    TRY(store_attempt_list(cx, a, &list, &n));
    *out = NULL;
    for (size_t i = 0; i < n; i++)
        if (list[i].attempt == attempt)
            *out = &list[i];
    return CODE_OK;
}

enum code store_attempt_list_run(struct ctx *cx, uint64_t run_id, struct store_attempt_name **out, size_t *n)
{
    struct db_rows rows;
    TRY(db_query(
        cx,
        "SELECT t.action_id, t.attempt, a.name, t.phase, t.ended_ns FROM attempt t JOIN action a ON a.id=t.action_id"
        " WHERE t.action_id >= $1 AND t.action_id < $2",
        DB_ARGS(DB_I(store_action_root(run_id)), DB_I(store_action_root(run_id + 1))), &rows));
    struct store_attempt_name *list = arena_new_array(cx->mem, struct store_attempt_name, rows.n);
    for (size_t i = 0; i < rows.n; i++) {
        const struct db_value *v = db_row(&rows, i);
        list[i] = (struct store_attempt_name){(uint64_t)v[0].i, (uint32_t)v[1].i, v[2].s, (int32_t)v[3].i, v[4].i};
    }
    *out = list;
    *n = rows.n;
    return CODE_OK;
}

enum code store_attempt_put(struct ctx *cx, const struct store_attempt *row)
{
    const struct db_value args[] = {COLUMNS(ROW_ARG) DB_I(row->action_id), DB_I(row->attempt)};
    return db_query(
        cx,
        "INSERT INTO attempt (" COLUMNS(ROW_NAME) "action_id, attempt) VALUES (" COLUMNS(
            ROW_PLACE) "$22, $23) ON CONFLICT (action_id, attempt) DO UPDATE SET " COLUMNS(ROW_SET) "attempt=$23",
        args, sizeof(args) / sizeof(*args), NULL);
}

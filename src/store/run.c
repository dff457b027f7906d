/* Runs, their labels, and the requests that made them. See run.h. */
#include "store/run.h"

#include "store/action.h"
#include "store/action_int.h"
#include "store/kept_int.h"
#include "store/row_int.h"

#define COLUMNS(X)                                                                                                     \
    X(1, space_id, I)                                                                                                  \
    X(2, name, S)                                                                                                      \
    X(3, phase, I)                                                                                                     \
    X(4, source, I)                                                                                                    \
    X(5, task_name_id, N)                                                                                              \
    X(6, spec_id, I)                                                                                                   \
    X(7, start_ns, N)                                                                                                  \
    X(8, created_ns, I)                                                                                                \
    X(9, created_by, N)                                                                                                \
    X(10, trigger_task_id, N)                                                                                          \
    X(11, trigger_name, T)                                                                                             \
    X(12, trigger_revision, N)                                                                                         \
    X(13, max_actions, I)                                                                                              \
    X(14, related_id, N)                                                                                               \
    X(15, abort_ns, N)                                                                                                 \
    X(16, base_uri, S)                                                                                                 \
    X(17, change, I)                                                                                                   \
    X(18, notify, I)                                                                                                   \
    X(19, task_spec_id, N)                                                                                             \
    X(20, on_failure, T)                                                                                               \
    X(21, handler_id, N)

#define R_NAME(n, col, kind) "r." #col ","
/* 21 columns of run, id, then what is joined. */
#define SELECTED COLUMNS(R_NAME) "r.id,sp.project,sp.domain,i.subject,i.name,rt.name"
#define SELECTED_COUNT 27
#define FROM_RUN(space)                                                                                                \
    " FROM run r JOIN space sp ON sp.id=" space " LEFT JOIN identity i ON i.id=r.created_by"                           \
    " LEFT JOIN task_name rt ON rt.id=r.trigger_task_id "
#define FROM FROM_RUN("r.space_id")

static void decode(const struct db_value *v, struct store_run *row)
{
    COLUMNS(ROW_READ)
    row->id = (uint64_t)v[21].i;
    row->project = v[22].s;
    row->domain = v[23].s;
    row->created_by_subject = v[24].s;
    row->created_by_name = v[25].s;
    row->trigger_task = v[26].s;
}

static struct store_run *first(struct ctx *cx, const struct db_rows *rows)
{
    if (!rows->n)
        return NULL;
    struct store_run *r = arena_new(cx->mem, struct store_run);
    decode(db_row(rows, 0), r);
    return r;
}

#define LAST_CHANGE "(SELECT coalesce(max(change), 0) FROM run)"

/* Asked first, not with RETURNING: that makes SQLite build a table in memory for each statement. The caller is the only
 * writer, in a transaction. */
static enum code next_id(struct ctx *cx, uint64_t *id, int64_t *change)
{
    struct db_rows rows;
    TRY(db_query(cx, "SELECT (SELECT coalesce(max(id), 0)+1 FROM run), " LAST_CHANGE "+1", NULL, 0, &rows));
    *id = (uint64_t)db_row(&rows, 0)[0].i;
    *change = db_row(&rows, 0)[1].i;
    return CODE_OK;
}

enum code store_run_insert(struct ctx *cx, struct store_run *row)
{
    uint64_t id;
    TRY(next_id(cx, &id, &row->change));
    const struct db_value args[] = {COLUMNS(ROW_ARG) DB_I(id)};
    enum code c = db_query(cx, "INSERT INTO run (" COLUMNS(ROW_NAME) "id) VALUES (" COLUMNS(ROW_PLACE) "$22)", args,
                           sizeof(args) / sizeof(*args), NULL);
    if (c == CODE_ALREADY_EXISTS)
        return fail(cx, c, "run already exists: " STR_FMT "/" STR_FMT "/" STR_FMT, STR_ARG(row->project),
                    STR_ARG(row->domain), STR_ARG(row->name));
    TRY(c);
    row->id = id;
    return CODE_OK;
}

/* ---- one run ----------------------------------------------------------------------------------------------------- */

#define BY_ID "WHERE r.id=$1"
#define BY_NAME "WHERE sp.project=$1 AND sp.domain=$2 AND r.name=$3"
/* What may change of a row or of those it is joined with. */
#define SELECT_CHANGING(joined)                                                                                        \
    "SELECT r.id,r.phase,r.abort_ns,r.change,r.handler_id,i.subject,i.name FROM run r" joined                          \
    " LEFT JOIN identity i ON i.id=r.created_by "
/* What a kept row takes, about. */
#define KEPT_BYTES (sizeof(struct store_run) + 512)

/* What never changes of it, joins included. */
static void *copy_fixed(struct arena *mem, const void *from)
{
    struct store_run *row = arena_new(mem, struct store_run);
    *row = *(const struct store_run *)from;
    COLUMNS(ROW_KEEP)
    row_keep(mem, &row->project);
    row_keep(mem, &row->domain);
    row_keep(mem, &row->trigger_task);
    row->created_by_subject = row->created_by_name = STR_NONE;
    return row;
}

static enum code find_whole(struct ctx *cx, const char *sql, const struct db_value *args, size_t n,
                            struct store_run **out)
{
    struct db_rows rows;
    TRY(db_query(cx, sql, args, n, &rows));
    *out = first(cx, &rows);
    return CODE_OK;
}

static enum code find_and_keep(struct ctx *cx, uint64_t id, struct store_run **out)
{
    TRY(find_whole(cx, "SELECT " SELECTED FROM BY_ID, DB_ARGS(DB_I(id)), out));
    if (*out)
        store_kept_put(cx->db, STORE_KEPT_RUN, id, copy_fixed, *out, KEPT_BYTES);
    return CODE_OK;
}

/* A kept row with the columns that change, which v has. */
static struct store_run *complete(struct arena *mem, const struct store_run *kept, const struct db_value *v)
{
    struct store_run *row = copy_fixed(mem, kept);
    row->phase = (int32_t)v[1].i;
    row->abort_ns = v[2].i;
    row->change = v[3].i;
    row->handler_id = (uint64_t)v[4].i;
    row->created_by_subject = v[5].s;
    row->created_by_name = v[6].s;
    return row;
}

enum code store_run_find(struct ctx *cx, str project, str domain, str name, struct store_run **out)
{
    struct db_rows rows;
    TRY(db_query(cx, SELECT_CHANGING(" JOIN space sp ON sp.id=r.space_id") BY_NAME,
                 DB_ARGS(DB_S(project), DB_S(domain), DB_S(name)), &rows));
    *out = NULL;
    if (!rows.n)
        return CODE_OK;
    const struct db_value *v = db_row(&rows, 0);
    uint64_t id = (uint64_t)v[0].i;
    const struct store_run *kept = store_kept_find(cx->db, STORE_KEPT_RUN, id);
    if (!kept)
        return find_and_keep(cx, id, out);
    *out = complete(cx->mem, kept, v);
    return CODE_OK;
}

static enum code find_by_id(struct ctx *cx, uint64_t id, struct store_run **out)
{
    struct db_rows rows;
    const struct store_run *kept = store_kept_find(cx->db, STORE_KEPT_RUN, id);
    if (!kept)
        return find_and_keep(cx, id, out);
    TRY(db_query(cx, SELECT_CHANGING("") BY_ID, DB_ARGS(DB_I(id)), &rows));
    *out = rows.n ? complete(cx->mem, kept, db_row(&rows, 0)) : NULL;
    return CODE_OK;
}

enum code store_run_get(struct ctx *cx, str project, str domain, str name, struct store_run **out)
{
    struct store_run *r;
    TRY(store_run_find(cx, project, domain, name, &r));
    if (!r)
        return fail(cx, CODE_NOT_FOUND, "run not found: " STR_FMT "/" STR_FMT "/" STR_FMT, STR_ARG(project),
                    STR_ARG(domain), STR_ARG(name));
    *out = r;
    return CODE_OK;
}

enum code store_run_get_by_id(struct ctx *cx, uint64_t id, struct store_run **out)
{
    struct store_run *r;
    TRY(find_by_id(cx, id, &r));
    if (!r)
        return fail(cx, CODE_NOT_FOUND, "run %llu not found", (unsigned long long)id);
    *out = r;
    return CODE_OK;
}

#define LATEST(column)                                                                                                 \
    "SELECT " SELECTED FROM_RUN("+r.space_id") "WHERE r." column "=$1 ORDER BY r.created_ns DESC LIMIT 1"

enum code store_run_latest_of_task(struct ctx *cx, uint64_t task_name_id, struct store_run **out)
{
    return find_whole(cx, LATEST("task_name_id"), DB_ARGS(DB_I(task_name_id)), out);
}

enum code store_run_latest_of_version(struct ctx *cx, uint64_t task_spec_id, struct store_run **out)
{
    return find_whole(cx, LATEST("task_spec_id"), DB_ARGS(DB_I(task_spec_id)), out);
}

enum code store_run_seq(struct ctx *cx, uint64_t id, int64_t *out)
{
    struct db_rows rows;
    TRY(db_query(cx, "SELECT max(seq) FROM action WHERE run_id=$1", DB_ARGS(DB_I(id)), &rows));
    *out = db_row(&rows, 0)[0].i;
    return CODE_OK;
}

#define LISTED SELECTED "," STORE_ACTION_SELECTED
/* The + keeps SQLite from beginning with the space: lists begin with ids, or with an index that the page names. */
#define LIST_FROM                                                                                                      \
    FROM_RUN("+r.space_id")                                                                                            \
    "JOIN action a ON a.id=(r.id << 24) LEFT JOIN spec s ON s.id=a.spec_id"                                            \
    " LEFT JOIN task_name t ON t.id=s.task_name_id LEFT JOIN action p ON p.id=a.parent_id"

static void decode_listed(struct ctx *cx, const struct db_value *v, struct store_run_row *out)
{
    decode(v, &out->run);
    out->root = arena_new(cx->mem, struct store_action);
    store_action_decode_(v + SELECTED_COUNT, out->root);
}

enum code store_run_list(struct ctx *cx, const struct store_page *page, struct store_run_row **out, size_t *n)
{
    struct db_rows rows;
    TRY(store_page_query(cx, STR("SELECT " LISTED), STR(LIST_FROM), page, &rows));
    *out = arena_new_array(cx->mem, struct store_run_row, rows.n);
    *n = rows.n;
    for (size_t i = 0; i < rows.n; i++)
        decode_listed(cx, db_row(&rows, i), &(*out)[i]);
    return CODE_OK;
}

enum code store_run_list_ids(struct ctx *cx, const uint64_t *ids, size_t n, struct store_run_row **out)
{
    *out = arena_new_array(cx->mem, struct store_run_row, n);
    for (size_t i = 0; i < n; i++) {
        struct db_rows rows;
        TRY(db_query(cx, "SELECT " LISTED LIST_FROM " WHERE r.id=$1", DB_ARGS(DB_I(ids[i])), &rows));
        if (!rows.n)
            return fail(cx, CODE_INTERNAL, "run %llu has gone from its snapshot", (unsigned long long)ids[i]);
        decode_listed(cx, db_row(&rows, 0), &(*out)[i]);
    }
    return CODE_OK;
}

enum code store_run_filter(struct ctx *cx, const struct store_page *page, struct db_rows *out)
{
    return store_page_query(cx, STR("SELECT r.id"), STR(LIST_FROM), page, out);
}

enum code store_run_last_change(struct ctx *cx, int64_t *out)
{
    struct db_rows rows;
    TRY(db_query(cx, "SELECT " LAST_CHANGE, NULL, 0, &rows));
    *out = db_row(&rows, 0)[0].i;
    return CODE_OK;
}

enum code store_run_touch(struct ctx *cx, uint64_t id, int32_t phase)
{
    return db_query(cx, "UPDATE run SET phase=$1, change=" LAST_CHANGE "+1 WHERE id=$2", DB_ARGS(DB_I(phase), DB_I(id)),
                    NULL);
}

enum code store_run_set_abort(struct ctx *cx, uint64_t id, int64_t abort_ns)
{
    return db_query(cx, "UPDATE run SET abort_ns=$1 WHERE id=$2 AND abort_ns IS NULL",
                    DB_ARGS(DB_I(abort_ns), DB_I(id)), NULL);
}

enum code store_run_set_handler(struct ctx *cx, uint64_t id, uint64_t action_id)
{
    return db_query(cx, "UPDATE run SET handler_id=$1 WHERE id=$2", DB_ARGS(DB_I(action_id), DB_I(id)), NULL);
}

enum code store_run_label_put(struct ctx *cx, const struct store_run *run, str key, str value)
{
    return db_query(cx,
                    "INSERT INTO run_label (run_id, key, value, created_ns) VALUES ($1, $2, $3, $4)"
                    " ON CONFLICT (run_id, key) DO UPDATE SET value=excluded.value",
                    DB_ARGS(DB_I(run->id), DB_S(key), DB_S(value), DB_I(run->created_ns)), NULL);
}

/* ---- requests (D-02) -------------------------------------------------------------------------------------------- */

enum code store_run_find_request(struct ctx *cx, str key, uint64_t *run_id)
{
    struct db_rows rows;
    TRY(db_query(cx, "SELECT run_id FROM idempotency WHERE key=$1", DB_ARGS(DB_B(key)), &rows));
    *run_id = rows.n ? (uint64_t)db_row(&rows, 0)[0].i : 0;
    return CODE_OK;
}

enum code store_run_put_request(struct ctx *cx, str key, uint64_t run_id, int64_t now_ns)
{
    return db_query(cx, "INSERT INTO idempotency (key, run_id, created_ns) VALUES ($1, $2, $3)",
                    DB_ARGS(DB_B(key), DB_I(run_id), DB_I(now_ns)), NULL);
}

enum code store_run_sweep_requests(struct ctx *cx, int64_t before_ns, size_t max, bool *more)
{
    struct db_rows rows;
    TRY(db_query(cx,
                 "DELETE FROM idempotency WHERE created_ns < $1 AND id IN (SELECT id FROM idempotency ORDER BY id"
                 " LIMIT $2)",
                 DB_ARGS(DB_I(before_ns), DB_I(max)), &rows));
    *more = (size_t)rows.changed == max;
    return CODE_OK;
}

/* ---- retention -------------------------------------------------------------------------------------------------- */

/* Whatever is keyed by the actions of a run, and the actions: one range each. */
static const char *const delete_pieces[] = {
    "DELETE FROM event WHERE action_id IN"
    " (SELECT id FROM action WHERE id >= $1 AND id < $2 ORDER BY id LIMIT $3)",
    "DELETE FROM report WHERE action_id IN"
    " (SELECT id FROM action WHERE id >= $1 AND id < $2 ORDER BY id LIMIT $3)",
    "DELETE FROM attempt WHERE action_id IN"
    " (SELECT id FROM action WHERE id >= $1 AND id < $2 ORDER BY id LIMIT $3)",
    "DELETE FROM subtree WHERE action_id IN"
    " (SELECT id FROM action WHERE id >= $1 AND id < $2 ORDER BY id LIMIT $3)",
    "DELETE FROM outbox WHERE action_id IN"
    " (SELECT id FROM action WHERE id >= $1 AND id < $2 ORDER BY id LIMIT $3)",
    "DELETE FROM state WHERE action_id IN"
    " (SELECT id FROM action WHERE id >= $1 AND id < $2 ORDER BY id LIMIT $3)",
    "DELETE FROM action WHERE id IN"
    " (SELECT id FROM action WHERE id >= $1 AND id < $2 ORDER BY id LIMIT $3)",
};

enum code store_run_delete_piece(struct ctx *cx, uint64_t id, size_t max, bool *done)
{
    struct db_rows rows = {0};
    size_t actions = max / 5 + 1;
    for (size_t i = 0; i < sizeof(delete_pieces) / sizeof(*delete_pieces); i++)
        TRY(db_query(cx, delete_pieces[i],
                     DB_ARGS(DB_I(store_action_root(id)), DB_I(store_action_root(id + 1)), DB_I(actions)), &rows));
    *done = (size_t)rows.changed < actions;
    if (!*done)
        return CODE_OK;
    TRY(db_query(cx, "DELETE FROM run_label WHERE run_id=$1", DB_ARGS(DB_I(id)), NULL));
    TRY(db_query(cx, "DELETE FROM cascade WHERE run_id=$1", DB_ARGS(DB_I(id)), NULL));
    return db_query(cx, "DELETE FROM run WHERE id=$1", DB_ARGS(DB_I(id)), NULL);
}

enum code store_run_list_ended(struct ctx *cx, int64_t before_ns, size_t max, uint64_t **out, size_t *n)
{
    struct db_rows rows;
    TRY(db_query(cx,
                 "SELECT r.id FROM run r LEFT JOIN action a ON a.id=(r.id << 24)"
                 " WHERE r.created_ns < $1 AND r.id < (SELECT max(id) FROM run)"
                 " AND r.change < " LAST_CHANGE " AND (a.id IS NULL OR a.ended_ns < $1)"
                 " AND NOT EXISTS (SELECT 1 FROM action o WHERE o.run_id=r.id AND o.ended_ns IS NULL)"
                 " AND NOT EXISTS (SELECT 1 FROM failure f WHERE f.run_id=r.id)"
                 " ORDER BY r.id LIMIT $2",
                 DB_ARGS(DB_I(before_ns), DB_I(max)), &rows));
    uint64_t *ids = arena_new_array(cx->mem, uint64_t, rows.n);
    for (size_t i = 0; i < rows.n; i++)
        ids[i] = (uint64_t)db_row(&rows, i)[0].i;
    *out = ids;
    *n = rows.n;
    return CODE_OK;
}

/* Actions. See action.h. Reads on any lane with a connection, writes inside write entries. */
#include "store/action.h"

#include "store/action_int.h"
#include "store/kept_int.h"
#include "store/row_int.h"
#include "store/subtree.h"

#define CHANGING STORE_ACTION_CHANGING
#define FIXED STORE_ACTION_FIXED
#define SELECT_ACTION "SELECT " STORE_ACTION_SELECTED STORE_ACTION_FROM

static void decode_own(const struct db_value *v, struct store_action *row)
{
    CHANGING(ROW_READ)
    FIXED(ROW_READ)
    row->id = (uint64_t)v[35].i;
    row->seq = v[36].i;
}

void store_action_decode_(const struct db_value *v, struct store_action *row)
{
    decode_own(v, row);
    row->parent_name = v[37].s;
    row->spec_kind = (int32_t)v[38].i;
    row->task_project = v[39].s;
    row->task_domain = v[40].s;
    row->task_version = v[41].s;
    row->function_name = v[42].s;
    row->short_name = v[43].s;
    row->task_type = v[44].s;
    row->environment = v[45].s;
}

static struct store_action *decode_all(struct ctx *cx, const struct db_rows *rows)
{
    struct store_action *list = arena_new_array(cx->mem, struct store_action, rows->n);
    for (size_t i = 0; i < rows->n; i++)
        store_action_decode_(db_row(rows, i), &list[i]);
    return list;
}

static void give(struct ctx *cx, const struct db_rows *rows, struct store_action **out, size_t *n)
{
    *out = decode_all(cx, rows);
    *n = rows->n;
}

static void give_ids(struct ctx *cx, const struct db_rows *rows, uint64_t **out, size_t *n)
{
    uint64_t *ids = arena_new_array(cx->mem, uint64_t, rows->n);
    for (size_t i = 0; i < rows->n; i++)
        ids[i] = (uint64_t)db_row(rows, i)[0].i;
    *out = ids;
    *n = rows->n;
}

/* ---- one action -------------------------------------------------------------------------------------------------- */

#define BY_ID "WHERE a.id=$1"
#define BY_NAME "WHERE a.run_id=$1 AND a.name=$2"
#define SELECT_CHANGING "SELECT " CHANGING(STORE_ACTION_NAME_) "a.id,a.seq FROM action a "
#define CHANGING_COUNT 22
/* What a kept row takes, about. */
#define KEPT_BYTES (sizeof(struct store_action) + 512)

/* What never changes of it, joins included. */
static void *copy_fixed(struct arena *mem, const void *from)
{
    struct store_action *row = arena_new(mem, struct store_action);
    *row = *(const struct store_action *)from;
    FIXED(ROW_KEEP)
    row_keep(mem, &row->parent_name);
    row_keep(mem, &row->task_project);
    row_keep(mem, &row->task_domain);
    row_keep(mem, &row->task_version);
    row_keep(mem, &row->function_name);
    row_keep(mem, &row->short_name);
    row_keep(mem, &row->task_type);
    row_keep(mem, &row->environment);
    return row;
}

static enum code find_whole(struct ctx *cx, const char *sql, const struct db_value *args, size_t n,
                            struct store_action **out)
{
    struct db_rows rows;
    TRY(db_query(cx, sql, args, n, &rows));
    *out = rows.n ? decode_all(cx, &rows) : NULL;
    return CODE_OK;
}

static enum code find_and_keep(struct ctx *cx, uint64_t id, struct store_action **out)
{
    TRY(find_whole(cx, SELECT_ACTION BY_ID, DB_ARGS(DB_I(id)), out));
    if (*out)
        store_kept_put(cx->db, STORE_KEPT_ACTION, id, copy_fixed, *out, KEPT_BYTES);
    return CODE_OK;
}

/* A kept row with the columns that change, which v has. */
static struct store_action *complete(struct arena *mem, const struct store_action *kept, const struct db_value *v)
{
    struct store_action *row = copy_fixed(mem, kept);
    CHANGING(ROW_READ)
    row->seq = v[CHANGING_COUNT + 1].i;
    return row;
}

enum code store_action_find(struct ctx *cx, uint64_t run_id, str name, struct store_action **out)
{
    struct db_rows rows;
    TRY(db_query(cx, SELECT_CHANGING BY_NAME, DB_ARGS(DB_I(run_id), DB_S(name)), &rows));
    *out = NULL;
    if (!rows.n)
        return CODE_OK;
    const struct db_value *v = db_row(&rows, 0);
    uint64_t id = (uint64_t)v[CHANGING_COUNT].i;
    const struct store_action *kept = store_kept_find(cx->db, STORE_KEPT_ACTION, id);
    if (!kept)
        return find_and_keep(cx, id, out);
    *out = complete(cx->mem, kept, v);
    return CODE_OK;
}

static enum code find_by_id(struct ctx *cx, uint64_t id, struct store_action **out)
{
    struct db_rows rows;
    const struct store_action *kept = store_kept_find(cx->db, STORE_KEPT_ACTION, id);
    if (!kept)
        return find_and_keep(cx, id, out);
    TRY(db_query(cx, SELECT_CHANGING BY_ID, DB_ARGS(DB_I(id)), &rows));
    *out = rows.n ? complete(cx->mem, kept, db_row(&rows, 0)) : NULL;
    return CODE_OK;
}

enum code store_action_get_by_id(struct ctx *cx, uint64_t id, struct store_action **out)
{
    struct store_action *a;
    TRY(find_by_id(cx, id, &a));
    if (!a)
        return fail(cx, CODE_NOT_FOUND, "action %llu not found", (unsigned long long)id);
    *out = a;
    return CODE_OK;
}

enum code store_action_get(struct ctx *cx, str project, str domain, str run, str name, struct store_run **run_out,
                           struct store_action **out)
{
    struct store_run *r;
    struct store_action *a;
    TRY(store_run_get(cx, project, domain, run, &r));
    TRY(store_action_find(cx, r->id, name, &a));
    if (!a)
        return fail(cx, CODE_NOT_FOUND, "action not found: " STR_FMT "/" STR_FMT "/" STR_FMT "/" STR_FMT,
                    STR_ARG(project), STR_ARG(domain), STR_ARG(run), STR_ARG(name));
    *run_out = r;
    *out = a;
    return CODE_OK;
}

/* ---- lists ------------------------------------------------------------------------------------------------------- */

enum code store_action_list_ids(struct ctx *cx, const uint64_t *ids, size_t n, struct store_action **out)
{
    *out = arena_new_array(cx->mem, struct store_action, n);
    for (size_t i = 0; i < n; i++) {
        struct db_rows rows;
        TRY(db_query(cx, SELECT_ACTION BY_ID, DB_ARGS(DB_I(ids[i])), &rows));
        if (!rows.n)
            return fail(cx, CODE_INTERNAL, "action %llu has gone from its snapshot", (unsigned long long)ids[i]);
        store_action_decode_(db_row(&rows, 0), &(*out)[i]);
    }
    return CODE_OK;
}

enum code store_action_filter(struct ctx *cx, const struct store_page *page, struct db_rows *out)
{
    return store_page_query(cx, STR("SELECT a.id"), STR(STORE_ACTION_FROM), page, out);
}

enum code store_action_changes(struct ctx *cx, uint64_t run_id, int64_t after, size_t max, struct store_action **out,
                               size_t *n)
{
    struct db_rows rows;
    TRY(db_query(cx, SELECT_ACTION "WHERE a.run_id=$1 AND a.seq > $2 ORDER BY a.seq LIMIT $3",
                 DB_ARGS(DB_I(run_id), DB_I(after), DB_I(max)), &rows));
    give(cx, &rows, out, n);
    return CODE_OK;
}

enum code store_action_children(struct ctx *cx, uint64_t parent_id, int64_t after, size_t max,
                                struct store_action **out, size_t *n)
{
    struct db_rows rows;
    TRY(db_query(
        cx,
        "SELECT " CHANGING(STORE_ACTION_NAME_) FIXED(
            STORE_ACTION_NAME_) "a.id,a.seq FROM action a WHERE a.parent_id=$1 AND a.seq > $2 ORDER BY a.seq LIMIT $3",
        DB_ARGS(DB_I(parent_id), DB_I(after), DB_I(max)), &rows));
    *out = arena_new_array(cx->mem, struct store_action, rows.n);
    *n = rows.n;
    for (size_t i = 0; i < rows.n; i++)
        decode_own(db_row(&rows, i), &(*out)[i]);
    return CODE_OK;
}

enum code store_action_page(struct ctx *cx, uint64_t run_id, uint64_t after, size_t max, struct store_action **out,
                            size_t *n)
{
    struct db_rows rows;
    uint64_t from = after ? after : store_action_root(run_id) - 1;
    TRY(db_query(cx, SELECT_ACTION "WHERE a.id > $1 AND a.id < $2 ORDER BY a.id LIMIT $3",
                 DB_ARGS(DB_I(from), DB_I(store_action_root(run_id + 1)), DB_I(max)), &rows));
    give(cx, &rows, out, n);
    return CODE_OK;
}

/* ---- writing ---------------------------------------------------------------------------------------------------- */

#define INSERT_ACTION                                                                                                  \
    "INSERT INTO action (" CHANGING(ROW_NAME) FIXED(ROW_NAME) "id,seq) VALUES (" CHANGING(ROW_PLACE) FIXED(ROW_PLACE)

/* What the newest action and the last change of a run got. The caller is the only writer, in a transaction. */
struct last {
    uint64_t id;
    int64_t seq;
};

static void *copy_last(struct arena *mem, const void *from)
{
    struct last *l = arena_new(mem, struct last);
    *l = *(const struct last *)from;
    return l;
}

/* Valid until another run is asked for. */
static enum code last_of(struct ctx *cx, uint64_t run_id, struct last **out)
{
    struct db_rows rows;
    *out = store_kept_change(cx->db, STORE_KEPT_SEQ, run_id);
    if (*out)
        return CODE_OK;
    TRY(db_query(cx,
                 "SELECT (SELECT max(id) FROM action WHERE id >= $1 AND id < $2),"
                 " (SELECT max(seq) FROM action WHERE run_id=$3)",
                 DB_ARGS(DB_I(store_action_root(run_id)), DB_I(store_action_root(run_id + 1)), DB_I(run_id)), &rows));
    const struct last l = {(uint64_t)db_row(&rows, 0)[0].i, db_row(&rows, 0)[1].i};
    store_kept_put(cx->db, STORE_KEPT_SEQ, run_id, copy_last, &l, sizeof(l));
    *out = store_kept_change(cx->db, STORE_KEPT_SEQ, run_id);
    return CODE_OK;
}

void store_action_seq_moved(struct ctx *cx, uint64_t run_id)
{
    store_kept_forget(cx->db, STORE_KEPT_SEQ, run_id);
}

static enum code insert(struct ctx *cx, const struct store_action *row, uint64_t id, int64_t seq)
{
    const struct db_value args[] = {CHANGING(ROW_ARG) FIXED(ROW_ARG) DB_I(id), DB_I(seq)};
    return db_query(cx, INSERT_ACTION "$36,$37)", args, sizeof(args) / sizeof(*args), NULL);
}

static enum code insert_root(struct ctx *cx, struct store_action *row)
{
    uint64_t id = store_action_root(row->run_id);
    TRY(insert(cx, row, id, 1));
    row->id = id;
    row->seq = 1;
    return CODE_OK;
}

static enum code insert_child(struct ctx *cx, struct store_action *row)
{
    struct last *last;
    TRY(last_of(cx, row->run_id, &last));
    if (store_action_run(last->id + 1) != row->run_id)
        return fail(cx, CODE_RESOURCE_EXHAUSTED, "the run has too many actions");
    enum code c = insert(cx, row, last->id + 1, last->seq + 1);
    if (c == CODE_ALREADY_EXISTS)
        return fail(cx, c, "action already exists: " STR_FMT, STR_ARG(row->name));
    TRY(c);
    row->id = ++last->id;
    row->seq = ++last->seq;
    return CODE_OK;
}

enum code store_action_insert(struct ctx *cx, struct store_action *a)
{
    if (!a->parent_id)
        return insert_root(cx, a);
    TRY(insert_child(cx, a));
    return store_subtree_move(cx, a->parent_id, a->depth - 1, 0, a->phase, 1, a->ended_ns ? 0 : 1, &a->siblings_open);
}

/* Errors: ABORTED when the row is no longer as it was loaded. */
static enum code update(struct ctx *cx, struct store_action *row)
{
    struct db_rows rows;
    struct last *last;
    TRY(last_of(cx, row->run_id, &last));
    int64_t seq = last->seq + 1;
    const struct db_value args[] = {CHANGING(ROW_ARG) DB_I(row->id), DB_I(seq), DB_I(row->seq)};
    TRY(db_query(cx, "UPDATE action SET " CHANGING(ROW_SET) "seq=$24 WHERE id=$23 AND seq=$25", args,
                 sizeof(args) / sizeof(*args), &rows));
    if (!rows.changed)
        return fail(cx, CODE_ABORTED, "action " STR_FMT " changed meanwhile", STR_ARG(row->name));
    row->seq = last->seq = seq;
    return CODE_OK;
}

enum code store_action_save(struct ctx *cx, struct store_action *row, int32_t was, bool was_open)
{
    TRY(update(cx, row));
    int64_t opened = (row->ended_ns ? 0 : 1) - (was_open ? 1 : 0);
    if (row->parent_id && (was != row->phase || opened))
        TRY(store_subtree_move(cx, row->parent_id, row->depth - 1, was, row->phase, 1, opened, &row->siblings_open));
    return row->parent_id ? CODE_OK : store_run_touch(cx, row->run_id, row->phase);
}

/* ---- open actions ----------------------------------------------------------------------------------------------- */

enum code store_action_open_runs(struct ctx *cx, uint64_t after, size_t max, uint64_t **out, size_t *n)
{
    struct db_rows rows;
    TRY(db_query(cx,
                 "SELECT DISTINCT run_id FROM action WHERE ended_ns IS NULL AND run_id > $1 ORDER BY run_id LIMIT $2",
                 DB_ARGS(DB_I(after), DB_I(max)), &rows));
    give_ids(cx, &rows, out, n);
    return CODE_OK;
}

enum code store_action_open(struct ctx *cx, uint64_t run_id, size_t max, uint64_t **out, size_t *n)
{
    struct db_rows rows;
    TRY(db_query(cx, "SELECT id FROM action WHERE ended_ns IS NULL AND run_id=$1 LIMIT $2",
                 DB_ARGS(DB_I(run_id), DB_I(max)), &rows));
    give_ids(cx, &rows, out, n);
    return CODE_OK;
}

enum code store_action_brief(struct ctx *cx, uint64_t id, struct store_action_brief *out)
{
    struct db_rows rows;
    TRY(db_query(cx, "SELECT ended_ns IS NOT NULL, seq, attempt FROM action WHERE id=$1", DB_ARGS(DB_I(id)), &rows));
    *out = (struct store_action_brief){0};
    if (!rows.n)
        return CODE_OK;
    const struct db_value *v = db_row(&rows, 0);
    *out = (struct store_action_brief){true, v[0].i != 0, v[1].i, (uint32_t)v[2].i};
    return CODE_OK;
}

enum code store_action_count_busy(struct ctx *cx, uint64_t run_id, int64_t *out)
{
    struct db_rows rows;
    TRY(db_query(cx,
                 "SELECT count(*) FROM action a LEFT JOIN subtree s ON s.action_id=a.id WHERE a.ended_ns IS NULL"
                 " AND a.run_id=$1 AND a.phase IN (2, 3, 4) AND coalesce(s.open_children, 0)=0",
                 DB_ARGS(DB_I(run_id)), &rows));
    *out = db_row(&rows, 0)[0].i;
    return CODE_OK;
}

enum code store_action_waiting(struct ctx *cx, uint64_t run_id, size_t max, uint64_t **out, size_t *n)
{
    struct db_rows rows;
    TRY(db_query(cx,
                 "SELECT id FROM action WHERE ended_ns IS NULL AND run_id=$1 AND phase IN (1, 2) ORDER BY id LIMIT $2",
                 DB_ARGS(DB_I(run_id), DB_I(max)), &rows));
    give_ids(cx, &rows, out, n);
    return CODE_OK;
}

enum code store_action_with_cache_key(struct ctx *cx, str cache_key, size_t max, uint64_t **out, size_t *n)
{
    struct db_rows rows;
    TRY(db_query(cx, "SELECT id FROM action WHERE cache_key=$1 AND ended_ns IS NULL ORDER BY id LIMIT $2",
                 DB_ARGS(DB_B(cache_key), DB_I(max)), &rows));
    give_ids(cx, &rows, out, n);
    return CODE_OK;
}

/* Deployed versions of tasks. See task.h. */
#include "store/task.h"

#include "store/row_int.h"

/* What a deployment says. */
#define DEPLOYED(X)                                                                                                    \
    X(1, spec_id, I)                                                                                                   \
    X(2, function_name, S)                                                                                             \
    X(3, environment, S)                                                                                               \
    X(4, env_description, S)                                                                                           \
    X(5, short_description, S)                                                                                         \
    X(6, entrypoint, I)                                                                                                \
    X(7, updated_ns, I)                                                                                                \
    X(8, deployed_by, N)

/* What is known of the version's triggers (store/trigger.h). */
#define TRIGGERS(X)                                                                                                    \
    X(9, trigger_name, T)                                                                                              \
    X(10, trigger_total, I)                                                                                            \
    X(11, trigger_active, I)                                                                                           \
    X(12, trigger_automation, B)

#define COLUMNS(X) DEPLOYED(X) TRIGGERS(X)

#define K_NAME(n, col, kind) "k." #col ","
#define SELECTED COLUMNS(K_NAME) "k.id,k.task_name_id,k.version,k.created_ns,t.project,t.domain,t.name,i.subject,i.name"
#define FROM " FROM task k JOIN task_name t ON t.id=k.task_name_id LEFT JOIN identity i ON i.id=k.deployed_by "

static struct store_task *decode_all(struct ctx *cx, const struct db_rows *rows)
{
    struct store_task *list = arena_new_array(cx->mem, struct store_task, rows->n);
    for (size_t i = 0; i < rows->n; i++) {
        struct store_task *row = &list[i];
        const struct db_value *v = db_row(rows, i);
        COLUMNS(ROW_READ)
        row->id = (uint64_t)v[12].i;
        row->task_name_id = (uint64_t)v[13].i;
        row->version = v[14].s;
        row->created_ns = v[15].i;
        row->project = v[16].s;
        row->domain = v[17].s;
        row->name = v[18].s;
        row->deployed_by_subject = v[19].s;
        row->deployed_by_name = v[20].s;
    }
    return list;
}

#define INSERT "INSERT INTO task (" COLUMNS(ROW_NAME) "task_name_id, version, created_ns)"
#define INSERTED " VALUES (" COLUMNS(ROW_PLACE) "$13, $14, $15)"
#define REPLACED                                                                                                       \
    " ON CONFLICT (task_name_id, version) DO UPDATE SET " DEPLOYED(ROW_SET) "version=$14 RETURNING id, created_ns"

enum code store_task_put(struct ctx *cx, struct store_task *row, bool *changed)
{
    struct db_rows rows;
    TRY(db_query(cx, "SELECT spec_id, updated_ns, deployed_by FROM task WHERE task_name_id=$1 AND version=$2",
                 DB_ARGS(DB_I(row->task_name_id), DB_S(row->version)), &rows));
    const struct db_value *was = rows.n ? db_row(&rows, 0) : NULL;
    *changed = was && (uint64_t)was[0].i != row->spec_id;
    if (was && !*changed) {
        row->updated_ns = was[1].i;
        row->deployed_by = (uint64_t)was[2].i;
    }
    const struct db_value args[] = {COLUMNS(ROW_ARG) DB_I(row->task_name_id), DB_S(row->version),
                                    DB_I(row->created_ns)};
    TRY(db_query(cx, INSERT INSERTED REPLACED, args, sizeof(args) / sizeof(*args), &rows));
    row->id = (uint64_t)db_row(&rows, 0)[0].i;
    row->created_ns = db_row(&rows, 0)[1].i;
    return CODE_OK;
}

enum code store_task_find(struct ctx *cx, str project, str domain, str name, str version, struct store_task **out)
{
    struct db_rows rows;
    TRY(db_query(cx, "SELECT " SELECTED FROM "WHERE t.project=$1 AND t.domain=$2 AND t.name=$3 AND k.version=$4",
                 DB_ARGS(DB_S(project), DB_S(domain), DB_S(name), DB_S(version)), &rows));
    *out = rows.n ? decode_all(cx, &rows) : NULL;
    return CODE_OK;
}

enum code store_task_find_latest(struct ctx *cx, str project, str domain, str name, struct store_task **out)
{
    struct db_rows rows;
    TRY(db_query(cx,
                 "SELECT " SELECTED FROM "WHERE t.project=$1 AND t.domain=$2 AND t.name=$3"
                 " ORDER BY k.created_ns DESC, k.id DESC LIMIT 1",
                 DB_ARGS(DB_S(project), DB_S(domain), DB_S(name)), &rows));
    *out = rows.n ? decode_all(cx, &rows) : NULL;
    return CODE_OK;
}

enum code store_task_list(struct ctx *cx, const struct store_page *page, struct store_task **out, size_t *n)
{
    struct db_rows rows;
    TRY(store_page_query(cx, STR("SELECT " SELECTED), STR(FROM), page, &rows));
    *out = decode_all(cx, &rows);
    *n = rows.n;
    return CODE_OK;
}

/* The conditions first, then the newest: a version filter finds the newest version that matches. Once more outside, where
 * they say which names. */
enum code store_task_filter_latest(struct ctx *cx, const struct store_page *page, struct db_rows *out)
{
    str from = arena_printf(cx->mem,
                            " FROM task_name t JOIN task k ON k.id=(SELECT k.id FROM task k"
                            " LEFT JOIN identity i ON i.id=k.deployed_by WHERE k.task_name_id=t.id AND (" STR_FMT
                            ") ORDER BY k.created_ns DESC, k.id DESC LIMIT 1)"
                            " LEFT JOIN identity i ON i.id=k.deployed_by",
                            STR_ARG(page->where));
    return store_page_query(cx, STR("SELECT k.id"), from, page, out);
}

enum code store_task_list_ids(struct ctx *cx, const uint64_t *ids, size_t n, struct store_task **out)
{
    *out = arena_new_array(cx->mem, struct store_task, n);
    for (size_t i = 0; i < n; i++) {
        struct db_rows rows;
        TRY(db_query(cx, "SELECT " SELECTED FROM "WHERE k.id=$1", DB_ARGS(DB_I(ids[i])), &rows));
        if (!rows.n)
            return fail(cx, CODE_INTERNAL, "task %llu has gone from its snapshot", (unsigned long long)ids[i]);
        (*out)[i] = *decode_all(cx, &rows);
    }
    return CODE_OK;
}

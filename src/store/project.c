/* Projects. See project.h. */
#include "store/project.h"

#include "gen/flyteidl2_project.h"
#include "store/row_int.h"

#define COLUMNS(X)                                                                                                     \
    X(1, name, S)                                                                                                      \
    X(2, description, S)                                                                                               \
    X(3, labels, B)                                                                                                    \
    X(4, state, I)                                                                                                     \
    X(5, updated_ns, I)

#define P_NAME(n, col, kind) "p." #col ","
#define SELECTED COLUMNS(P_NAME) "p.id, p.created_ns"
#define FROM " FROM project p"

static struct store_project *decode_all(struct ctx *cx, const struct db_rows *rows)
{
    struct store_project *list = arena_new_array(cx->mem, struct store_project, rows->n);
    for (size_t i = 0; i < rows->n; i++) {
        struct store_project *row = &list[i];
        const struct db_value *v = db_row(rows, i);
        COLUMNS(ROW_READ)
        row->id = v[5].s;
        row->created_ns = v[6].i;
    }
    return list;
}

enum code store_project_insert(struct ctx *cx, const struct store_project *row)
{
    const struct db_value args[] = {COLUMNS(ROW_ARG) DB_S(row->id), DB_I(row->created_ns)};
    enum code c =
        db_query(cx, "INSERT INTO project (" COLUMNS(ROW_NAME) "id, created_ns) VALUES (" COLUMNS(ROW_PLACE) "$6, $7)",
                 args, sizeof(args) / sizeof(*args), NULL);
    if (c == CODE_ALREADY_EXISTS)
        return fail(cx, c, "project already exists: " STR_FMT, STR_ARG(row->id));
    return c;
}

enum code store_project_update(struct ctx *cx, const struct store_project *row)
{
    struct db_rows rows;
    const struct db_value args[] = {COLUMNS(ROW_ARG) DB_S(row->id)};
    TRY(db_query(cx, "UPDATE project SET " COLUMNS(ROW_SET) "id=$6 WHERE id=$6", args, sizeof(args) / sizeof(*args),
                 &rows));
    if (!rows.changed)
        return fail(cx, CODE_NOT_FOUND, "project not found: " STR_FMT, STR_ARG(row->id));
    return CODE_OK;
}

enum code store_project_find(struct ctx *cx, str id, struct store_project **out)
{
    struct db_rows rows;
    TRY(db_query(cx, "SELECT " SELECTED FROM " WHERE p.id=$1", DB_ARGS(DB_S(id)), &rows));
    *out = rows.n ? decode_all(cx, &rows) : NULL;
    return CODE_OK;
}

enum code store_project_require(struct ctx *cx, str id)
{
    struct db_rows rows;
    TRY(db_query(cx, "SELECT 1 FROM project WHERE id=$1", DB_ARGS(DB_S(id)), &rows));
    if (!rows.n)
        return fail(cx, CODE_NOT_FOUND, "project \"" STR_FMT "\" not found", STR_ARG(id));
    return CODE_OK;
}

enum code store_project_require_active(struct ctx *cx, str id)
{
    struct db_rows rows;
    TRY(db_query(cx, "SELECT state FROM project WHERE id=$1", DB_ARGS(DB_S(id)), &rows));
    if (!rows.n)
        return fail(cx, CODE_NOT_FOUND, "project \"" STR_FMT "\" not found", STR_ARG(id));
    if (rows.v[0].i == PROJECT_PROJECT_STATE_ARCHIVED || rows.v[0].i == PROJECT_PROJECT_STATE_SYSTEM_ARCHIVED)
        return fail(cx, CODE_FAILED_PRECONDITION,
                    "project \"" STR_FMT "\" is archived and takes no new runs; flyte update project " STR_FMT
                    " --unarchive brings it back",
                    STR_ARG(id), STR_ARG(id));
    return CODE_OK;
}

enum code store_project_list(struct ctx *cx, const struct store_page *page, struct store_project **out, size_t *n)
{
    struct db_rows rows;
    TRY(store_page_query(cx, STR("SELECT " SELECTED), STR(FROM), page, &rows));
    *out = decode_all(cx, &rows);
    *n = rows.n;
    return CODE_OK;
}

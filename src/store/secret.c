/* Sealed secrets. See secret.h. */
#include "store/secret.h"

#include "store/row_int.h"

#define COLUMNS(X)                                                                                                     \
    X(1, domain, S)                                                                                                    \
    X(2, project, S)                                                                                                   \
    X(3, name, S)                                                                                                      \
    X(4, type, I)                                                                                                      \
    X(5, sealed, B)                                                                                                    \
    X(6, created_ns, I)                                                                                                \
    X(7, updated_ns, I)

#define S_NAME(n, col, kind) "s." #col ","
#define SELECTED COLUMNS(S_NAME) "s.id"
#define FROM " FROM secret s"

static struct store_secret *decode_all(struct ctx *cx, const struct db_rows *rows)
{
    struct store_secret *list = arena_new_array(cx->mem, struct store_secret, rows->n);
    for (size_t i = 0; i < rows->n; i++) {
        struct store_secret *row = &list[i];
        const struct db_value *v = db_row(rows, i);
        COLUMNS(ROW_READ)
        row->id = (uint64_t)v[7].i;
    }
    return list;
}

enum code store_secret_insert(struct ctx *cx, const struct store_secret *row)
{
    const struct db_value args[] = {COLUMNS(ROW_ARG)};
    enum code c = db_query(cx,
                           "INSERT INTO secret (domain, project, name, type, sealed, created_ns, updated_ns)"
                           " VALUES ($1, $2, $3, $4, $5, $6, $7)",
                           args, sizeof(args) / sizeof(*args), NULL);
    if (c == CODE_ALREADY_EXISTS)
        return fail(cx, c, "secret already exists: " STR_FMT, STR_ARG(row->name));
    return c;
}

enum code store_secret_update(struct ctx *cx, const struct store_secret *row)
{
    struct db_rows rows;
    TRY(db_query(cx, "UPDATE secret SET type=$4, sealed=$5, updated_ns=$6 WHERE domain=$1 AND project=$2 AND name=$3",
                 DB_ARGS(DB_S(row->domain), DB_S(row->project), DB_S(row->name), DB_I(row->type), DB_B(row->sealed),
                         DB_I(row->updated_ns)),
                 &rows));
    if (!rows.changed)
        return fail(cx, CODE_NOT_FOUND, "secret " STR_FMT " not found", STR_ARG(row->name));
    return CODE_OK;
}

enum code store_secret_find(struct ctx *cx, str domain, str project, str name, struct store_secret **out)
{
    struct db_rows rows;
    TRY(db_query(cx, "SELECT " SELECTED FROM " WHERE s.domain=$1 AND s.project=$2 AND s.name=$3",
                 DB_ARGS(DB_S(domain), DB_S(project), DB_S(name)), &rows));
    *out = rows.n ? decode_all(cx, &rows) : NULL;
    return CODE_OK;
}

enum code store_secret_resolve(struct ctx *cx, str domain, str project, str name, struct store_secret **out)
{
    TRY(store_secret_find(cx, domain, project, name, out));
    if (!*out && project.n)
        TRY(store_secret_find(cx, domain, STR(""), name, out));
    if (!*out && domain.n)
        TRY(store_secret_find(cx, STR(""), STR(""), name, out));
    return CODE_OK;
}

enum code store_secret_delete(struct ctx *cx, str domain, str project, str name, bool *found)
{
    struct db_rows rows;
    TRY(db_query(cx, "DELETE FROM secret WHERE domain=$1 AND project=$2 AND name=$3",
                 DB_ARGS(DB_S(domain), DB_S(project), DB_S(name)), &rows));
    *found = rows.changed > 0;
    return CODE_OK;
}

enum code store_secret_list(struct ctx *cx, const struct store_page *page, struct store_secret **out, size_t *n)
{
    struct db_rows rows;
    TRY(store_page_query(cx, STR("SELECT " SELECTED), STR(FROM), page, &rows));
    *out = decode_all(cx, &rows);
    *n = rows.n;
    return CODE_OK;
}

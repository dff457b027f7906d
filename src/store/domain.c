/* Domains. See domain.h. */
#include "store/domain.h"

#include "store/row_int.h"

#define COLUMNS(X)                                                                                                     \
    X(1, id, S)                                                                                                        \
    X(2, name, S)                                                                                                      \
    X(3, created_ns, I)

#define SELECT_DOMAIN "SELECT " COLUMNS(ROW_NAME) "position FROM domain"

static struct store_domain *decode_all(struct ctx *cx, const struct db_rows *rows)
{
    struct store_domain *list = arena_new_array(cx->mem, struct store_domain, rows->n);
    for (size_t i = 0; i < rows->n; i++) {
        struct store_domain *row = &list[i];
        const struct db_value *v = db_row(rows, i);
        COLUMNS(ROW_READ)
    }
    return list;
}

static enum code not_found(struct ctx *cx, str id)
{
    return fail(cx, CODE_NOT_FOUND, "domain not found: " STR_FMT, STR_ARG(id));
}

enum code store_domain_list(struct ctx *cx, struct store_domain **out, size_t *n)
{
    struct db_rows rows;
    TRY(db_query(cx, SELECT_DOMAIN " ORDER BY position", NULL, 0, &rows));
    *out = decode_all(cx, &rows);
    *n = rows.n;
    return CODE_OK;
}

enum code store_domain_get(struct ctx *cx, str id, struct store_domain **out)
{
    struct db_rows rows;
    TRY(db_query(cx, SELECT_DOMAIN " WHERE id=$1", DB_ARGS(DB_S(id)), &rows));
    if (!rows.n)
        return not_found(cx, id);
    *out = decode_all(cx, &rows);
    return CODE_OK;
}

enum code store_domain_insert(struct ctx *cx, const struct store_domain *row)
{
    const struct db_value args[] = {COLUMNS(ROW_ARG)};
    enum code c = db_query(cx,
                           "INSERT INTO domain (position, id, name, created_ns)"
                           " SELECT coalesce(max(position), 0) + 1, $1, $2, $3 FROM domain",
                           args, sizeof(args) / sizeof(*args), NULL);
    if (c == CODE_ALREADY_EXISTS)
        return fail(cx, c, "domain already exists: " STR_FMT, STR_ARG(row->id));
    return c;
}

enum code store_domain_update(struct ctx *cx, const struct store_domain *d)
{
    struct db_rows rows;
    TRY(db_query(cx, "UPDATE domain SET name=$2 WHERE id=$1", DB_ARGS(DB_S(d->id), DB_S(d->name)), &rows));
    return rows.changed ? CODE_OK : not_found(cx, d->id);
}

/* Rows of space, task_name and artifact_name outlive what was in them, so they alone keep nothing. */
static const struct {
    const char *what, *sql;
} uses[] = {
    {"runs", "SELECT 1 FROM run r JOIN space sp ON sp.id = r.space_id WHERE sp.domain = $1 LIMIT 1"},
    {"tasks", "SELECT 1 FROM task t JOIN task_name tn ON tn.id = t.task_name_id WHERE tn.domain = $1 LIMIT 1"},
    {"artifacts", "SELECT 1 FROM artifact a JOIN space sp ON sp.id = a.space_id WHERE sp.domain = $1 LIMIT 1"},
    {"secrets", "SELECT 1 FROM secret WHERE domain = $1 LIMIT 1"},
    {"settings", "SELECT 1 FROM settings WHERE domain = $1 AND body IS NOT NULL LIMIT 1"},
};

enum code store_domain_delete(struct ctx *cx, str id)
{
    struct db_rows rows;
    for (size_t i = 0; i < sizeof(uses) / sizeof(*uses); i++) {
        TRY(db_query(cx, uses[i].sql, DB_ARGS(DB_S(id)), &rows));
        if (rows.n)
            return fail(cx, CODE_FAILED_PRECONDITION, "domain " STR_FMT " has %s: it is deleted when it has none",
                        STR_ARG(id), uses[i].what);
    }
    TRY(db_query(cx, "DELETE FROM settings WHERE domain=$1", DB_ARGS(DB_S(id)), NULL));
    TRY(db_query(cx, "DELETE FROM domain WHERE id=$1", DB_ARGS(DB_S(id)), &rows));
    return rows.changed ? CODE_OK : not_found(cx, id);
}

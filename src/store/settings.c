/* Settings of levels. See settings.h. */
#include "store/settings.h"

#include "store/row_int.h"

#define COLUMNS(X)                                                                                                     \
    X(1, domain, S)                                                                                                    \
    X(2, project, S)                                                                                                   \
    X(3, version, I)                                                                                                   \
    X(4, body, B)

enum code store_settings_insert(struct ctx *cx, struct store_settings *row)
{
    row->version = 1;
    const struct db_value args[] = {COLUMNS(ROW_ARG)};
    enum code c = db_query(cx, "INSERT INTO settings (domain, project, version, body) VALUES ($1, $2, $3, $4)", args,
                           sizeof(args) / sizeof(*args), NULL);
    if (c == CODE_ALREADY_EXISTS)
        return fail(cx, c, "this level has settings already: read them and send UpdateSettings with their version");
    return c;
}

/* Nothing was changed: why. */
static enum code refuse(struct ctx *cx, const struct store_settings *s)
{
    struct db_rows rows;
    TRY(db_query(cx, "SELECT version FROM settings WHERE domain=$1 AND project=$2",
                 DB_ARGS(DB_S(s->domain), DB_S(s->project)), &rows));
    if (!rows.n)
        return fail(cx, CODE_NOT_FOUND, "this level has no settings yet: send CreateSettings");
    return fail(cx, CODE_FAILED_PRECONDITION,
                "version: somebody changed the settings meanwhile; they have version %lld, the change is based on %llu",
                (long long)rows.v[0].i, (unsigned long long)s->version);
}

enum code store_settings_update(struct ctx *cx, struct store_settings *row)
{
    struct db_rows rows;
    const struct db_value args[] = {COLUMNS(ROW_ARG)};
    TRY(db_query(cx, "UPDATE settings SET version=version+1, body=$4 WHERE domain=$1 AND project=$2 AND version=$3",
                 args, sizeof(args) / sizeof(*args), &rows));
    if (!rows.changed)
        return refuse(cx, row);
    row->version++;
    return CODE_OK;
}

enum code store_settings_levels(struct ctx *cx, str domain, str project, struct store_settings **out, size_t *n)
{
    struct db_rows rows;
    TRY(db_query(cx,
                 "SELECT " COLUMNS(ROW_NAME) "1 FROM settings WHERE domain IN ('', $1) AND project IN ('', $2)"
                                             " ORDER BY domain, project",
                 DB_ARGS(DB_S(domain), DB_S(project)), &rows));
    *n = rows.n;
    *out = arena_new_array(cx->mem, struct store_settings, rows.n);
    for (size_t i = 0; i < rows.n; i++) {
        struct store_settings *row = &(*out)[i];
        const struct db_value *v = db_row(&rows, i);
        COLUMNS(ROW_READ)
    }
    return CODE_OK;
}

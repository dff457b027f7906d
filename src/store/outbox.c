/* The outbox. See outbox.h. */
#include "store/outbox.h"

#include "store/row_int.h"

#include <openssl/crypto.h>

#define COLUMNS(X)                                                                                                     \
    X(1, action_id, I)                                                                                                 \
    X(2, phase, I)                                                                                                     \
    X(3, rule, I)                                                                                                      \
    X(4, channel, I)                                                                                                   \
    X(5, server, I)                                                                                                    \
    X(6, config, T)                                                                                                    \
    X(7, token, T)                                                                                                     \
    X(8, attempts, I)                                                                                                  \
    X(9, created_ns, I)                                                                                                \
    X(10, due_ns, I)                                                                                                   \
    X(11, ended_ns, N)

#define O_NAME(n, col, kind) "o." #col ","
#define SELECTED COLUMNS(O_NAME) "o.error,o.id"
#define DEAD "o.ended_ns IS NOT NULL AND o.error IS NOT NULL"

static void decode(const struct db_value *v, struct store_outbox *row)
{
    COLUMNS(ROW_READ)
    row->error = v[11].s;
    row->id = (uint64_t)v[12].i;
}

enum code store_outbox_add(struct ctx *cx, struct store_outbox *row, bool *added)
{
    struct db_rows rows;
    const struct db_value args[] = {COLUMNS(ROW_ARG) ROW_ARG_T(row->error)};
    TRY(db_query(cx,
                 "INSERT INTO outbox (" COLUMNS(ROW_NAME) "error) VALUES (" COLUMNS(
                     ROW_PLACE) "$12)"
                                " ON CONFLICT (action_id, phase, rule, channel) DO NOTHING RETURNING id",
                 args, sizeof(args) / sizeof(*args), &rows));
    *added = rows.n > 0;
    if (*added)
        row->id = (uint64_t)db_row(&rows, 0)[0].i;
    return CODE_OK;
}

enum code store_outbox_get(struct ctx *cx, uint64_t id, struct store_outbox **out)
{
    struct db_rows rows;
    TRY(db_query(cx, "SELECT " SELECTED " FROM outbox o WHERE o.id=$1", DB_ARGS(DB_I(id)), &rows));
    if (!rows.n)
        return fail(cx, CODE_NOT_FOUND, "there is no notification %llu", (unsigned long long)id);
    *out = arena_new(cx->mem, struct store_outbox);
    decode(db_row(&rows, 0), *out);
    return CODE_OK;
}

enum code store_outbox_save(struct ctx *cx, const struct store_outbox *row, bool *saved)
{
    struct db_rows rows;
    TRY(db_query(cx,
                 "UPDATE outbox SET attempts=$1, due_ns=$2, ended_ns=$3, error=$4"
                 " WHERE id=$5 AND action_id=$6 AND created_ns=$7 AND ended_ns IS NULL",
                 DB_ARGS(DB_I(row->attempts), DB_I(row->due_ns), ROW_ARG_N(row->ended_ns), ROW_ARG_T(row->error),
                         DB_I(row->id), DB_I(row->action_id), DB_I(row->created_ns)),
                 &rows));
    *saved = rows.changed > 0;
    return CODE_OK;
}

/* ---- what is due ------------------------------------------------------------------------------------------------- */

static enum code next_server(struct ctx *cx, int64_t *cursor)
{
    struct db_rows rows;
    TRY(db_query(cx, "SELECT min(server) FROM outbox WHERE ended_ns IS NULL AND server > $1", DB_ARGS(DB_I(*cursor)),
                 &rows));
    *cursor = db_row(&rows, 0)[0].kind == DB_NULL ? INT64_MIN : db_row(&rows, 0)[0].i;
    return CODE_OK;
}

enum code store_outbox_due(struct ctx *cx, int64_t now_ns, int64_t far_ns, size_t max_servers, size_t per_server,
                           int64_t *cursor, struct store_outbox **out, size_t *n, int64_t *next_ns)
{
    struct store_outbox *list = arena_new_array(cx->mem, struct store_outbox, max_servers * per_server);
    struct db_rows rows;
    size_t found = 0;
    int64_t next = INT64_MAX;
    for (size_t s = 0; s < max_servers; s++) {
        TRY(next_server(cx, cursor));
        if (*cursor == INT64_MIN)
            break;
        TRY(db_query(cx, "SELECT id, due_ns FROM outbox WHERE ended_ns IS NULL AND server=$1 ORDER BY due_ns LIMIT $2",
                     DB_ARGS(DB_I(*cursor), DB_I(per_server)), &rows));
        for (size_t i = 0; i < rows.n; i++) {
            int64_t due = db_row(&rows, i)[1].i;
            if (due <= now_ns || due >= far_ns)
                list[found++] = (struct store_outbox){.id = (uint64_t)db_row(&rows, i)[0].i, .server = *cursor};
            else if (due < next)
                next = due;
        }
    }
    *out = list;
    *n = found;
    *next_ns = next;
    return CODE_OK;
}

/* ---- for people -------------------------------------------------------------------------------------------------- */

enum code store_outbox_list(struct ctx *cx, bool dead, uint64_t after, size_t max, struct store_outbox_line **out,
                            size_t *n)
{
#define LIST(which)                                                                                                    \
    "SELECT " SELECTED ",sp.project,sp.domain,r.name,a.name FROM outbox o JOIN action a ON a.id=o.action_id"           \
    " JOIN run r ON r.id=a.run_id JOIN space sp ON sp.id=r.space_id"                                                   \
    " WHERE " which " AND o.id > $1 ORDER BY o.id LIMIT $2"
    struct db_rows rows;
    TRY(db_query(cx, dead ? LIST(DEAD) : LIST("o.ended_ns IS NULL"), DB_ARGS(DB_I(after), DB_I(max)), &rows));
    struct store_outbox_line *list = arena_new_array(cx->mem, struct store_outbox_line, rows.n);
    for (size_t i = 0; i < rows.n; i++) {
        const struct db_value *v = db_row(&rows, i);
        decode(v, &list[i].row);
        list[i].project = v[13].s;
        list[i].domain = v[14].s;
        list[i].run = v[15].s;
        list[i].action = v[16].s;
    }
    *out = list;
    *n = rows.n;
    return CODE_OK;
}

enum code store_outbox_revive(struct ctx *cx, uint64_t id, int64_t now_ns, size_t max, size_t *n)
{
    struct db_rows rows;
    TRY(db_query(cx,
                 "UPDATE outbox SET attempts=0, due_ns=$1, ended_ns=NULL WHERE id IN"
                 " (SELECT o.id FROM outbox o WHERE " DEAD " AND ($2 = 0 OR o.id = $2) ORDER BY o.id LIMIT $3)",
                 DB_ARGS(DB_I(now_ns), DB_I(id), DB_I(max)), &rows));
    *n = (size_t)rows.changed;
    return CODE_OK;
}

enum code store_outbox_has_token(struct ctx *cx, uint64_t action_id, str token, bool *out)
{
    struct db_rows rows;
    TRY(db_query(cx, "SELECT token FROM outbox WHERE action_id=$1 AND rule=-1", DB_ARGS(DB_I(action_id)), &rows));
    str own = rows.n ? db_row(&rows, 0)[0].s : STR("");
    *out = own.n && own.n == token.n && CRYPTO_memcmp(own.p, token.p, own.n) == 0;
    return CODE_OK;
}

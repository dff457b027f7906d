/* Identities. See identity.h. */
#include "store/identity.h"

#include "store/db.h"

enum code store_identity_put(struct ctx *cx, str subject, str name, uint64_t *out)
{
    struct db_rows rows;
    if (!subject.n) {
        *out = 0;
        return CODE_OK;
    }
    TRY(db_query(cx, "SELECT id, name FROM identity WHERE subject=$1", DB_ARGS(DB_S(subject)), &rows));
    if (!rows.n)
        TRY(db_query(cx, "INSERT INTO identity (subject, name) VALUES ($1, $2) RETURNING id",
                     DB_ARGS(DB_S(subject), DB_S(name)), &rows));
    else if (name.n && !str_eq(db_row(&rows, 0)[1].s, name))
        TRY(db_query(cx, "UPDATE identity SET name=$1 WHERE id=$2", DB_ARGS(DB_S(name), DB_I(db_row(&rows, 0)[0].i)),
                     NULL));
    *out = (uint64_t)db_row(&rows, 0)[0].i;
    return CODE_OK;
}

enum code store_identity_put_caller(struct ctx *cx, uint64_t *out)
{
    return store_identity_put(cx, cx->who->subject, cx->who->name, out);
}

enum code store_identity_get(struct ctx *cx, uint64_t id, struct store_identity *out)
{
    struct db_rows rows = {0};
    if (id)
        TRY(db_query(cx, "SELECT subject, name FROM identity WHERE id=$1", DB_ARGS(DB_I(id)), &rows));
    *out = (struct store_identity){0};
    if (rows.n)
        *out = (struct store_identity){db_row(&rows, 0)[0].s, db_row(&rows, 0)[1].s};
    return CODE_OK;
}

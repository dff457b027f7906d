/* Identities. See identity.h. */
#include "store/identity.h"

#include "store/kept_int.h"

struct known {
    uint64_t id;
    str subject, name;
};

static void *copy(struct arena *mem, const void *from)
{
    struct known *k = arena_new(mem, struct known);
    *k = *(const struct known *)from;
    k->subject = arena_str(mem, k->subject);
    k->name = arena_str(mem, k->name);
    return k;
}

/* The row as it shall be, put there unless it is; k->id is set. */
static enum code put(struct ctx *cx, struct known *k)
{
    struct db_rows rows;
    TRY(db_query(cx, "SELECT id, name FROM identity WHERE subject=$1", DB_ARGS(DB_S(k->subject)), &rows));
    if (!rows.n) {
        TRY(db_query(cx, "INSERT INTO identity (subject, name) VALUES ($1, $2) RETURNING id",
                     DB_ARGS(DB_S(k->subject), DB_S(k->name)), &rows));
        k->id = (uint64_t)db_row(&rows, 0)[0].i;
        return CODE_OK;
    }
    str had = db_row(&rows, 0)[1].s;
    k->id = (uint64_t)db_row(&rows, 0)[0].i;
    if (k->name.n && !str_eq(had, k->name))
        return db_query(cx, "UPDATE identity SET name=$1 WHERE id=$2", DB_ARGS(DB_S(k->name), DB_I(k->id)), NULL);
    k->name = had;
    return CODE_OK;
}

enum code store_identity_put(struct ctx *cx, str subject, str name, uint64_t *out)
{
    struct known k = {.subject = subject, .name = name};
    uint64_t key = str_mix(subject);
    const struct known *kept = store_kept_find(cx->db, STORE_KEPT_IDENTITY, key);
    *out = 0;
    if (!subject.n)
        return CODE_OK;
    if (kept && str_eq(kept->subject, subject) && (!name.n || str_eq(kept->name, name))) {
        *out = kept->id;
        return CODE_OK;
    }
    TRY(put(cx, &k));
    store_kept_put(cx->db, STORE_KEPT_IDENTITY, key, copy, &k, sizeof(k) + subject.n + k.name.n);
    *out = k.id;
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

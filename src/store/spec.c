/* Content-addressed specs. See spec.h. */
#include "store/spec.h"

#include "base/buf.h"
#include "gen/flyteidl2_core.h"
#include "store/kept_int.h"
#include "store/row_int.h"
#include "store/task_name.h"

#include <openssl/sha.h>

static void add_str(buf *b, str s)
{
    uint64_t n = s.n;
    buf_add(b, &n, sizeof(n));
    buf_str(b, s);
}

static uint64_t digest_of(struct ctx *cx, const struct store_spec *s, unsigned char digest[SHA256_DIGEST_LENGTH])
{
    uint64_t id;
    buf b;
    buf_init_arena(&b, cx->mem, SIZE_MAX);
    buf_add(&b, &s->kind, sizeof(s->kind));
    add_str(&b, s->project);
    add_str(&b, s->domain);
    add_str(&b, s->name);
    add_str(&b, s->version);
    add_str(&b, s->body);
    SHA256((const unsigned char *)b.p, b.n, digest);
    memcpy(&id, digest, sizeof(id));
    id &= INT64_MAX;
    return id ? id : 1;
}

static enum code insert(struct ctx *cx, struct store_spec *s, str digest)
{
    if (s->kind == STORE_SPEC_TASK)
        TRY(store_task_name_put(cx, s->project, s->domain, s->name, &s->task_name_id));
    return db_query(
        cx,
        "INSERT INTO spec (id, digest, kind, task_name_id, version, name, short_name, task_type, environment, body)"
        " VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)",
        DB_ARGS(DB_I(s->id), DB_B(digest), DB_I(s->kind), ROW_ARG_N(s->task_name_id), ROW_ARG_T(s->version),
                DB_S(s->name), ROW_ARG_T(s->short_name), ROW_ARG_T(s->task_type), ROW_ARG_T(s->environment),
                DB_B(s->body)),
        NULL);
}

/* A row that is there. */
struct known {
    uint64_t task_name_id;
    str digest;
};

static void *copy_known(struct arena *mem, const void *from)
{
    struct known *k = arena_new(mem, struct known);
    *k = *(const struct known *)from;
    k->digest = arena_str(mem, k->digest);
    return k;
}

static enum code find_known(struct ctx *cx, uint64_t id, struct known *out)
{
    const struct known *kept = store_kept_find(cx->db, STORE_KEPT_DIGEST, id);
    struct db_rows rows;
    *out = kept ? *kept : (struct known){0};
    if (kept)
        return CODE_OK;
    TRY(db_query(cx, "SELECT digest, task_name_id FROM spec WHERE id=$1", DB_ARGS(DB_I(id)), &rows));
    if (!rows.n)
        return CODE_OK;
    *out = (struct known){(uint64_t)db_row(&rows, 0)[1].i, db_row(&rows, 0)[0].s};
    store_kept_put(cx->db, STORE_KEPT_DIGEST, id, copy_known, out, sizeof(*out) + out->digest.n);
    return CODE_OK;
}

enum code store_spec_put(struct ctx *cx, struct store_spec *s)
{
    unsigned char digest[SHA256_DIGEST_LENGTH];
    str d = {(const char *)digest, sizeof(digest)};
    struct known known;
    s->id = digest_of(cx, s, digest);
    TRY(find_known(cx, s->id, &known));
    if (!known.digest.n)
        return insert(cx, s, d);
    if (!str_eq(known.digest, d))
        return fail(cx, CODE_DATA_LOSS, "two specs with the id %llu", (unsigned long long)s->id);
    s->task_name_id = known.task_name_id;
    return CODE_OK;
}

enum code store_spec_put_task(struct ctx *cx, const TaskTaskIdentifier *id, const TaskTaskSpec *spec,
                              struct store_spec *out)
{
    const CoreTaskTemplate *t = spec->task_template;
    struct store_spec s = {.kind = STORE_SPEC_TASK, .short_name = spec->short_name};
    if (id && id->name.n) {
        s.project = id->project;
        s.domain = id->domain;
        s.name = id->name;
        s.version = id->version;
    } else if (t && t->id) {
        s.project = t->id->project;
        s.domain = t->id->domain;
        s.name = t->id->name;
        s.version = t->id->version;
    }
    s.task_type = t ? t->type : STR("");
    s.environment = spec->environment ? spec->environment->name : STR("");
    if (!s.short_name.n)
        s.short_name = s.name;
    TRY(pb_encode(cx, &TaskTaskSpec_type, spec, &s.body));
    TRY(store_spec_put(cx, &s));
    *out = s;
    return CODE_OK;
}

/* ---- reading ---------------------------------------------------------------------------------------------------- */

static void *copy(struct arena *mem, const void *row)
{
    const struct store_spec *s = row;
    struct store_spec *c = arena_new(mem, struct store_spec);
    *c = *s;
    c->project = arena_str(mem, s->project);
    c->domain = arena_str(mem, s->domain);
    c->version = arena_str(mem, s->version);
    c->name = arena_str(mem, s->name);
    c->short_name = arena_str(mem, s->short_name);
    c->task_type = arena_str(mem, s->task_type);
    c->environment = arena_str(mem, s->environment);
    c->body = arena_str(mem, s->body);
    return c;
}

static enum code read_spec(struct ctx *cx, uint64_t id, struct store_spec **out)
{
    struct db_rows rows;
    TRY(db_query(cx,
                 "SELECT s.kind, s.task_name_id, t.project, t.domain, s.version, s.name, s.short_name, s.task_type,"
                 " s.environment, s.body FROM spec s LEFT JOIN task_name t ON t.id=s.task_name_id WHERE s.id=$1",
                 DB_ARGS(DB_I(id)), &rows));
    if (!rows.n)
        return fail(cx, CODE_NOT_FOUND, "spec %llu not found", (unsigned long long)id);
    const struct db_value *v = db_row(&rows, 0);
    struct store_spec *s = arena_new(cx->mem, struct store_spec);
    *s = (struct store_spec){
        .id = id,
        .kind = (int32_t)v[0].i,
        .task_name_id = (uint64_t)v[1].i,
        .project = v[2].s,
        .domain = v[3].s,
        .version = v[4].s,
        .name = v[5].s,
        .short_name = v[6].s,
        .task_type = v[7].s,
        .environment = v[8].s,
        .body = v[9].s,
    };
    *out = s;
    return CODE_OK;
}

/* What needs more room than its body: names. */
#define NAMES_BYTES 1024

enum code store_spec_get(struct ctx *cx, uint64_t id, struct store_spec **out)
{
    const struct store_spec *kept = store_kept_find(cx->db, STORE_KEPT_SPEC, id);
    if (kept) {
        *out = copy(cx->mem, kept);
        return CODE_OK;
    }
    TRY(read_spec(cx, id, out));
    store_kept_put(cx->db, STORE_KEPT_SPEC, id, copy, *out, (*out)->body.n + NAMES_BYTES);
    return CODE_OK;
}

/* No index leads from a spec to its users: a full scan of actions would be the price of each, so a sweep looks whether
 * the spec is used by any run, task or trigger first and by any action last. */
enum code store_spec_sweep(struct ctx *cx, size_t max, uint64_t *cursor)
{
    struct db_rows rows;
    TRY(db_query(cx, "SELECT id FROM spec WHERE id > $1 ORDER BY id LIMIT $2", DB_ARGS(DB_I(*cursor), DB_I(max)),
                 &rows));
    if (rows.n)
        TRY(db_query(cx,
                     "DELETE FROM spec WHERE id > $1 AND id <= $2"
                     " AND NOT EXISTS (SELECT 1 FROM run WHERE run.spec_id = spec.id)"
                     " AND NOT EXISTS (SELECT 1 FROM task WHERE task.spec_id = spec.id)"
                     " AND NOT EXISTS (SELECT 1 FROM task_trigger_revision v WHERE v.spec_id = spec.id)"
                     " AND NOT EXISTS (SELECT 1 FROM action WHERE action.spec_id = spec.id)",
                     DB_ARGS(DB_I(*cursor), DB_I(db_row(&rows, rows.n - 1)[0].i)), NULL));
    db_memo_drop(cx->db); /* which specs there were */
    *cursor = rows.n < max ? 0 : (uint64_t)db_row(&rows, rows.n - 1)[0].i;
    return CODE_OK;
}

enum code store_spec_walk(struct ctx *cx, size_t max, uint64_t *cursor, struct store_spec **out, size_t *n)
{
    struct db_rows rows;
    TRY(db_query(cx, "SELECT id, kind, body FROM spec WHERE id > $1 ORDER BY id LIMIT $2",
                 DB_ARGS(DB_I(*cursor), DB_I(max)), &rows));
    struct store_spec *list = arena_new_array(cx->mem, struct store_spec, rows.n);
    for (size_t i = 0; i < rows.n; i++) {
        const struct db_value *v = db_row(&rows, i);
        list[i] = (struct store_spec){.id = (uint64_t)v[0].i, .kind = (int32_t)v[1].i, .body = v[2].s};
    }
    *cursor = rows.n < max ? 0 : list[rows.n - 1].id;
    *out = list;
    *n = rows.n;
    return CODE_OK;
}

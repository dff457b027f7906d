/* Artifacts. See artifact.h. */
#include "store/artifact.h"

#include "store/row_int.h"

/* ---- names ------------------------------------------------------------------------------------------------------- */

#define NAME_COLUMNS(X)                                                                                                \
    X(1, space_id, I)                                                                                                  \
    X(2, name, S)                                                                                                      \
    X(3, schema, B)                                                                                                    \
    X(4, declared, I)                                                                                                  \
    X(5, versions, I)                                                                                                  \
    X(6, latest_id, N)

#define N_NAME(n, col, kind) ROW_NAME_OF("n", col)
#define NAME_SELECTED "SELECT " NAME_COLUMNS(N_NAME) "n.id"
#define NAME_FROM " FROM artifact_name n"

static struct store_artifact_name *decode_names(struct ctx *cx, const struct db_rows *rows)
{
    struct store_artifact_name *list = arena_new_array(cx->mem, struct store_artifact_name, rows->n);
    for (size_t i = 0; i < rows->n; i++) {
        struct store_artifact_name *row = &list[i];
        const struct db_value *v = db_row(rows, i);
        NAME_COLUMNS(ROW_READ)
        row->id = (uint64_t)v[6].i;
    }
    return list;
}

enum code store_artifact_name_find(struct ctx *cx, str project, str domain, str name, struct store_artifact_name **out)
{
    struct db_rows rows;
    TRY(db_query(cx,
                 NAME_SELECTED NAME_FROM
                 " JOIN space sp ON sp.id=n.space_id WHERE sp.project=$1 AND sp.domain=$2 AND n.name=$3",
                 DB_ARGS(DB_S(project), DB_S(domain), DB_S(name)), &rows));
    *out = rows.n ? decode_names(cx, &rows) : NULL;
    return CODE_OK;
}

enum code store_artifact_name_insert(struct ctx *cx, struct store_artifact_name *row)
{
    struct db_rows rows;
    const struct db_value args[] = {NAME_COLUMNS(ROW_ARG)};
    TRY(db_query(cx,
                 "INSERT INTO artifact_name (space_id, name, schema, declared, versions, latest_id)"
                 " VALUES ($1, $2, $3, $4, $5, $6) RETURNING id",
                 args, sizeof(args) / sizeof(*args), &rows));
    row->id = (uint64_t)db_row(&rows, 0)[0].i;
    return CODE_OK;
}

enum code store_artifact_name_declare(struct ctx *cx, uint64_t id, str schema)
{
    return db_query(cx, "UPDATE artifact_name SET schema=$1, declared=1 WHERE id=$2", DB_ARGS(DB_B(schema), DB_I(id)),
                    NULL);
}

enum code store_artifact_name_list(struct ctx *cx, const struct store_page *page, struct store_artifact_name **out,
                                   size_t *n)
{
    struct db_rows rows;
    TRY(store_page_query(cx, STR(NAME_SELECTED), STR(NAME_FROM), page, &rows));
    *out = decode_names(cx, &rows);
    *n = rows.n;
    return CODE_OK;
}

/* ---- versions ---------------------------------------------------------------------------------------------------- */

#define COLUMNS(X)                                                                                                     \
    X(1, name_id, I)                                                                                                   \
    X(2, space_id, I)                                                                                                  \
    X(3, version, S)                                                                                                   \
    X(4, digest, B)                                                                                                    \
    X(5, time_key, T)                                                                                                  \
    X(6, part, B)                                                                                                      \
    X(7, source_run, T)                                                                                                \
    X(8, source_action, T)                                                                                             \
    X(9, source_ref, T)                                                                                                \
    X(10, created_ns, I)                                                                                               \
    X(11, created_by, N)                                                                                               \
    X(12, spec, B)                                                                                                     \
    X(13, mismatch, B)

#define A_NAME(n, col, kind) ROW_NAME_OF("a", col)
#define SELECT                                                                                                         \
    "SELECT " COLUMNS(                                                                                                 \
        A_NAME) "a.id, a.time_ns, sp.project, sp.domain, n.name, i.subject, i.name"                                    \
                " FROM artifact a JOIN artifact_name n ON n.id=a.name_id JOIN space sp ON sp.id=a.space_id"            \
                " LEFT JOIN identity i ON i.id=a.created_by"

static struct store_artifact *decode_all(struct ctx *cx, const struct db_rows *rows)
{
    struct store_artifact *list = arena_new_array(cx->mem, struct store_artifact, rows->n);
    for (size_t i = 0; i < rows->n; i++) {
        struct store_artifact *row = &list[i];
        const struct db_value *v = db_row(rows, i);
        COLUMNS(ROW_READ)
        row->id = (uint64_t)v[13].i;
        row->time_ns = v[14].i;
        row->has_time = v[14].kind != DB_NULL;
        row->project = v[15].s;
        row->domain = v[16].s;
        row->name = v[17].s;
        row->created_by_subject = v[18].s;
        row->created_by_name = v[19].s;
    }
    return list;
}

static enum code insert_parts(struct ctx *cx, const struct store_artifact *a, const struct store_artifact_parts *parts)
{
    for (size_t i = 0; i < parts->pair_count; i++)
        TRY(db_query(cx,
                     "INSERT INTO artifact_pair (artifact_id, kind, key, value, name_id, space_id)"
                     " VALUES ($1, $2, $3, $4, $5, $6)",
                     DB_ARGS(DB_I(a->id), DB_I(parts->pairs[i].kind), DB_S(parts->pairs[i].key),
                             DB_S(parts->pairs[i].value), DB_I(a->name_id), DB_I(a->space_id)),
                     NULL));
    for (size_t i = 0; i < parts->object_count; i++)
        TRY(db_query(cx, "INSERT INTO artifact_object (artifact_id, key) VALUES ($1, $2)",
                     DB_ARGS(DB_I(a->id), DB_S(parts->objects[i])), NULL));
    return CODE_OK;
}

enum code store_artifact_insert(struct ctx *cx, struct store_artifact *row, const struct store_artifact_parts *parts)
{
    struct db_rows rows;
    const struct db_value args[] = {COLUMNS(ROW_ARG) row->has_time ? DB_I(row->time_ns) : DB_N};
    TRY(db_query(cx,
                 "INSERT INTO artifact (" COLUMNS(ROW_NAME) "time_ns) VALUES (" COLUMNS(ROW_PLACE) "$14) RETURNING id",
                 args, sizeof(args) / sizeof(*args), &rows));
    row->id = (uint64_t)db_row(&rows, 0)[0].i;
    TRY(insert_parts(cx, row, parts));
    return db_query(cx, "UPDATE artifact_name SET versions=versions+1, latest_id=$1 WHERE id=$2",
                    DB_ARGS(DB_I(row->id), DB_I(row->name_id)), NULL);
}

enum code store_artifact_find(struct ctx *cx, uint64_t name_id, str version, struct store_artifact **out)
{
    struct db_rows rows;
    TRY(db_query(cx, SELECT " WHERE a.name_id=$1 AND a.version=$2", DB_ARGS(DB_I(name_id), DB_S(version)), &rows));
    *out = rows.n ? decode_all(cx, &rows) : NULL;
    return CODE_OK;
}

enum code store_artifact_get(struct ctx *cx, uint64_t id, struct store_artifact **out)
{
    struct db_rows rows;
    TRY(db_query(cx, SELECT " WHERE a.id=$1", DB_ARGS(DB_I(id)), &rows));
    if (!rows.n)
        return fail(cx, CODE_NOT_FOUND, "artifact %llu not found", (unsigned long long)id);
    *out = decode_all(cx, &rows);
    return CODE_OK;
}

/* Objects whose run is gone are left for the sweep. */
static enum code delete_parts(struct ctx *cx, uint64_t id)
{
    const struct db_value arg = DB_I(id);
    TRY(db_query(cx, "DELETE FROM artifact_pair WHERE artifact_id=$1", &arg, 1, NULL));
    TRY(db_query(cx, "DELETE FROM artifact_object WHERE artifact_id=$1 AND run_gone=0", &arg, 1, NULL));
    return db_query(cx, "UPDATE artifact_object SET artifact_id=NULL WHERE artifact_id=$1", &arg, 1, NULL);
}

enum code store_artifact_delete(struct ctx *cx, const struct store_artifact *a)
{
    TRY(delete_parts(cx, a->id));
    TRY(db_query(cx, "DELETE FROM artifact WHERE id=$1", DB_ARGS(DB_I(a->id)), NULL));
    TRY(db_query(cx,
                 "UPDATE artifact_name SET versions=versions-1,"
                 " latest_id=(SELECT max(x.id) FROM artifact x WHERE x.name_id=$1) WHERE id=$1",
                 DB_ARGS(DB_I(a->name_id)), NULL));
    return db_query(cx, "DELETE FROM artifact_name WHERE id=$1 AND latest_id IS NULL AND declared=0",
                    DB_ARGS(DB_I(a->name_id)), NULL);
}

/* ---- lists ------------------------------------------------------------------------------------------------------- */

enum code store_artifact_filter(struct ctx *cx, const struct store_page *page, struct db_rows *out)
{
    return store_page_query(cx, STR("SELECT a.id"), STR(" FROM artifact a JOIN artifact_name n ON n.id=a.name_id"),
                            page, out);
}

enum code store_artifact_list_ids(struct ctx *cx, const uint64_t *ids, size_t n, struct store_artifact **out)
{
    *out = arena_new_array(cx->mem, struct store_artifact, n);
    for (size_t i = 0; i < n; i++) {
        struct store_artifact *row;
        TRY(store_artifact_get(cx, ids[i], &row));
        (*out)[i] = *row;
    }
    return CODE_OK;
}

enum code store_artifact_latest_time(struct ctx *cx, uint64_t name_id, int64_t *time_ns, bool *has)
{
    struct db_rows rows;
    TRY(db_query(cx, "SELECT max(time_ns) FROM artifact WHERE name_id=$1 AND time_ns IS NOT NULL",
                 DB_ARGS(DB_I(name_id)), &rows));
    *has = db_row(&rows, 0)[0].kind != DB_NULL;
    *time_ns = db_row(&rows, 0)[0].i;
    return CODE_OK;
}

/* Newest first by the time's index, so that the limit ends the walk: grouping would go through all versions of the name. */
#define PARTITIONS_AT                                                                                                  \
    "SELECT p.artifact_id, p.key, p.value FROM (SELECT a.id, a.time_key FROM artifact a"                               \
    " WHERE a.name_id=$1 AND a.time_ns=$2 AND NOT EXISTS (SELECT 1 FROM artifact x"                                    \
    " WHERE x.name_id=a.name_id AND x.part=a.part AND x.id > a.id) ORDER BY a.id DESC LIMIT $3) AS newest"             \
    " JOIN artifact_pair p ON p.artifact_id=newest.id AND p.kind=2 AND p.key <> newest.time_key"                       \
    " ORDER BY p.artifact_id DESC, p.key"

enum code store_artifact_partitions_at(struct ctx *cx, uint64_t name_id, int64_t time_ns, size_t max,
                                       struct store_artifact_partition **out, size_t *n)
{
    struct db_rows rows;
    TRY(db_query(cx, PARTITIONS_AT, DB_ARGS(DB_I(name_id), DB_I(time_ns), DB_I(max)), &rows));
    *n = rows.n;
    *out = arena_new_array(cx->mem, struct store_artifact_partition, rows.n);
    for (size_t i = 0; i < rows.n; i++) {
        const struct db_value *v = db_row(&rows, i);
        (*out)[i] = (struct store_artifact_partition){(uint64_t)v[0].i, v[1].s, v[2].s};
    }
    return CODE_OK;
}

static void take_texts(struct ctx *cx, const struct db_rows *rows, str **out, size_t *n)
{
    *n = rows->n;
    *out = arena_new_array(cx->mem, str, rows->n);
    for (size_t i = 0; i < rows->n; i++)
        (*out)[i] = db_row(rows, i)[0].s;
}

/* From one key to the next: a step for each key, however many artifacts have it. */
#define KEYS_OF(column)                                                                                                \
    "WITH RECURSIVE k (key) AS (SELECT min(key) FROM artifact_pair WHERE " column "=$1 AND kind=1"                     \
    " UNION ALL SELECT (SELECT min(p.key) FROM artifact_pair p WHERE p." column "=$1 AND p.kind=1 AND p.key > k.key)"  \
    " FROM k WHERE k.key IS NOT NULL) SELECT key FROM k WHERE key IS NOT NULL LIMIT $2"

enum code store_artifact_metadata_keys(struct ctx *cx, uint64_t space_id, uint64_t name_id, size_t max, str **out,
                                       size_t *n)
{
    struct db_rows rows;
    if (name_id)
        TRY(db_query(cx, KEYS_OF("name_id"), DB_ARGS(DB_I(name_id), DB_I(max)), &rows));
    else
        TRY(db_query(cx, KEYS_OF("space_id"), DB_ARGS(DB_I(space_id), DB_I(max)), &rows));
    take_texts(cx, &rows, out, n);
    return CODE_OK;
}

enum code store_artifact_values(struct ctx *cx, const struct store_page *page, str **out, size_t *n)
{
    struct db_rows rows;
    TRY(store_page_query(cx, STR("SELECT DISTINCT p.value"),
                         STR(" FROM artifact_pair p JOIN artifact a ON a.id=p.artifact_id"), page, &rows));
    take_texts(cx, &rows, out, n);
    return CODE_OK;
}

/* ---- objects ----------------------------------------------------------------------------------------------------- */

/* Below a folder: from "folder/" to "folder0", the byte after '/'. */
struct range {
    str folder, from, to;
};

static struct range range_of(struct ctx *cx, str folder)
{
    return (struct range){folder, arena_printf(cx->mem, STR_FMT "/", STR_ARG(folder)),
                          arena_printf(cx->mem, STR_FMT "0", STR_ARG(folder))};
}

enum code store_artifact_objects(struct ctx *cx, str folder, str after, size_t max, str **out, size_t *n)
{
    struct range r = range_of(cx, folder);
    struct db_rows rows;
    TRY(db_query(cx,
                 "SELECT DISTINCT key FROM artifact_object WHERE artifact_id IS NOT NULL AND key >= $1 AND key < $2"
                 " AND key > $3 ORDER BY key LIMIT $4",
                 DB_ARGS(DB_S(r.from), DB_S(r.to), DB_S(after), DB_I(max)), &rows));
    take_texts(cx, &rows, out, n);
    return CODE_OK;
}

enum code store_artifact_covers(struct ctx *cx, str folder, bool *out)
{
    struct db_rows rows;
    *out = false;
    for (size_t end = folder.n; end != SIZE_MAX && !*out; end = str_rfind_char(str_head(folder, end), '/')) {
        TRY(db_query(cx, "SELECT 1 FROM artifact_object WHERE key=$1 AND artifact_id IS NOT NULL LIMIT 1",
                     DB_ARGS(DB_S(str_head(folder, end))), &rows));
        *out = rows.n > 0;
    }
    return CODE_OK;
}

enum code store_artifact_names_object(struct ctx *cx, str folder, bool *out)
{
    str *keys;
    size_t n;
    TRY(store_artifact_objects(cx, folder, STR(""), 1, &keys, &n));
    *out = n > 0;
    return n ? CODE_OK : store_artifact_covers(cx, folder, out);
}

enum code store_artifact_outlives(struct ctx *cx, str folder, size_t max, bool *more)
{
    struct range r = range_of(cx, folder);
    struct db_rows rows;
    TRY(db_query(cx,
                 "UPDATE artifact_object SET run_gone=1 WHERE id IN (SELECT id FROM artifact_object"
                 " WHERE run_gone=0 AND (key=$1 OR (key >= $2 AND key < $3)) LIMIT $4)",
                 DB_ARGS(DB_S(r.folder), DB_S(r.from), DB_S(r.to), DB_I(max)), &rows));
    *more = rows.changed == (int64_t)max;
    return CODE_OK;
}

enum code store_artifact_list_left(struct ctx *cx, uint64_t after, size_t max, struct store_artifact_left **out,
                                   size_t *n)
{
    struct db_rows rows;
    TRY(db_query(cx, "SELECT id, key FROM artifact_object WHERE artifact_id IS NULL AND id > $1 ORDER BY id LIMIT $2",
                 DB_ARGS(DB_I(after), DB_I(max)), &rows));
    *n = rows.n;
    *out = arena_new_array(cx->mem, struct store_artifact_left, rows.n);
    for (size_t i = 0; i < rows.n; i++)
        (*out)[i] = (struct store_artifact_left){(uint64_t)db_row(&rows, i)[0].i, db_row(&rows, i)[1].s};
    return CODE_OK;
}

enum code store_artifact_forget_left(struct ctx *cx, uint64_t id)
{
    return db_query(cx, "DELETE FROM artifact_object WHERE id=$1 AND artifact_id IS NULL", DB_ARGS(DB_I(id)), NULL);
}

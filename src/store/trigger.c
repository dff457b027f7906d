/* Triggers and their revisions. See trigger.h. */
#include "store/trigger.h"

#include "store/row_int.h"

#define COLUMNS(X)                                                                                                     \
    X(1, space_id, I)                                                                                                  \
    X(2, revision, I)                                                                                                  \
    X(3, spec_id, I)                                                                                                   \
    X(4, task_version, S)                                                                                              \
    X(5, active, I)                                                                                                    \
    X(6, description, S)                                                                                               \
    X(7, automation_type, I)                                                                                           \
    X(8, automation, B)                                                                                                \
    X(9, from_deploy, I)                                                                                               \
    X(10, deployed_by, N)                                                                                              \
    X(11, updated_by, N)                                                                                               \
    X(12, deployed_ns, I)                                                                                              \
    X(13, updated_ns, I)                                                                                               \
    X(14, triggered_ns, N)                                                                                             \
    X(15, deleted_ns, N)                                                                                               \
    X(16, next_ns, N)                                                                                                  \
    X(17, due_ns, N)                                                                                                   \
    X(18, failures, I)                                                                                                 \
    X(19, artifact_name, T)                                                                                            \
    X(20, artifact_version, T)

/* What a revision keeps. */
#define REVISION(X)                                                                                                    \
    X(1, revision, I)                                                                                                  \
    X(2, spec_id, I)                                                                                                   \
    X(3, task_version, S)                                                                                              \
    X(4, active, I)                                                                                                    \
    X(5, description, S)                                                                                               \
    X(6, automation_type, I)                                                                                           \
    X(7, automation, B)                                                                                                \
    X(8, deployed_by, N)                                                                                               \
    X(9, updated_by, N)                                                                                                \
    X(10, deployed_ns, I)                                                                                              \
    X(11, updated_ns, I)                                                                                               \
    X(12, triggered_ns, N)                                                                                             \
    X(13, deleted_ns, N)                                                                                               \
    X(14, action, I)

#define G_NAME(n, col, kind) "g." #col ","
#define V_NAME(n, col, kind) "v." #col ","
#define JOINED "t.project,t.domain,t.name,i.subject,i.name,u.subject,u.name"
#define JOIN_TASK " JOIN task_name t ON t.id=g.task_name_id"
#define SELECTED "SELECT " COLUMNS(G_NAME) JOINED ",g.id,g.name,g.task_name_id"
#define FROM                                                                                                           \
    " FROM task_trigger g" JOIN_TASK                                                                                   \
    " LEFT JOIN identity i ON i.id=g.deployed_by LEFT JOIN identity u ON u.id=g.updated_by "
#define SELECT_TRIGGER SELECTED FROM
#define REVISION_SELECTED "SELECT " REVISION(V_NAME) JOINED ",g.id,g.name,g.task_name_id"
#define REVISION_FROM                                                                                                  \
    " FROM task_trigger_revision v JOIN task_trigger g ON g.id=v.trigger_id" JOIN_TASK                                 \
    " LEFT JOIN identity i ON i.id=v.deployed_by LEFT JOIN identity u ON u.id=v.updated_by "

static void decode_joined(const struct db_value *v, struct store_trigger *row)
{
    row->project = v[0].s;
    row->domain = v[1].s;
    row->task_name = v[2].s;
    row->deployed_by_subject = v[3].s;
    row->deployed_by_name = v[4].s;
    row->updated_by_subject = v[5].s;
    row->updated_by_name = v[6].s;
    row->id = (uint64_t)v[7].i;
    row->name = v[8].s;
    row->task_name_id = (uint64_t)v[9].i;
}

static struct store_trigger *decode_all(struct ctx *cx, const struct db_rows *rows)
{
    struct store_trigger *list = arena_new_array(cx->mem, struct store_trigger, rows->n);
    for (size_t i = 0; i < rows->n; i++) {
        struct store_trigger *row = &list[i];
        const struct db_value *v = db_row(rows, i);
        COLUMNS(ROW_READ)
        decode_joined(v + 20, row);
    }
    return list;
}

static struct store_trigger *decode_revisions(struct ctx *cx, const struct db_rows *rows)
{
    struct store_trigger *list = arena_new_array(cx->mem, struct store_trigger, rows->n);
    for (size_t i = 0; i < rows->n; i++) {
        struct store_trigger *row = &list[i];
        const struct db_value *v = db_row(rows, i);
        REVISION(ROW_READ)
        decode_joined(v + 14, row);
    }
    return list;
}

static enum code query_list(struct ctx *cx, const char *sql, const struct db_value *args, size_t arg_count,
                            struct store_trigger **out, size_t *n)
{
    struct db_rows rows;
    TRY(db_query(cx, sql, args, arg_count, &rows));
    *out = decode_all(cx, &rows);
    *n = rows.n;
    return CODE_OK;
}

/* ---- one trigger ------------------------------------------------------------------------------------------------- */

enum code store_trigger_find(struct ctx *cx, str project, str domain, str task_name, str name,
                             struct store_trigger **out)
{
    struct store_trigger *list;
    size_t n;
    if (task_name.n)
        TRY(query_list(cx, SELECT_TRIGGER "WHERE t.project=$1 AND t.domain=$2 AND t.name=$3 AND g.name=$4",
                       DB_ARGS(DB_S(project), DB_S(domain), DB_S(task_name), DB_S(name)), &list, &n));
    else
        TRY(query_list(cx,
                       SELECT_TRIGGER
                       "WHERE g.space_id=(SELECT id FROM space WHERE project=$1 AND domain=$2) AND g.name=$3"
                       " AND g.deleted_ns IS NULL ORDER BY g.deployed_ns DESC, g.id DESC LIMIT 1",
                       DB_ARGS(DB_S(project), DB_S(domain), DB_S(name)), &list, &n));
    *out = n ? list : NULL;
    return CODE_OK;
}

enum code store_trigger_get(struct ctx *cx, str project, str domain, str task_name, str name,
                            struct store_trigger **out)
{
    struct store_trigger *t;
    TRY(store_trigger_find(cx, project, domain, task_name, name, &t));
    if (!t || t->deleted_ns)
        return fail(cx, CODE_NOT_FOUND, "trigger \"" STR_FMT "\" not found", STR_ARG(name));
    *out = t;
    return CODE_OK;
}

enum code store_trigger_find_revision(struct ctx *cx, str project, str domain, str task_name, str name,
                                      uint64_t revision, struct store_trigger **out)
{
    struct db_rows rows;
    struct store_trigger *t;
    TRY(store_trigger_find(cx, project, domain, task_name, name, &t));
    *out = NULL;
    if (!t || revision > INT64_MAX)
        return CODE_OK;
    TRY(db_query(cx, REVISION_SELECTED REVISION_FROM "WHERE v.trigger_id=$1 AND v.revision=$2",
                 DB_ARGS(DB_I(t->id), DB_I(revision)), &rows));
    *out = rows.n ? decode_revisions(cx, &rows) : NULL;
    return CODE_OK;
}

static enum code put_revision(struct ctx *cx, const struct store_trigger *row)
{
    const struct db_value args[] = {REVISION(ROW_ARG) DB_I(row->id)};
    return db_query(
        cx, "INSERT INTO task_trigger_revision (" REVISION(ROW_NAME) "trigger_id) VALUES (" REVISION(ROW_PLACE) "$15)",
        args, sizeof(args) / sizeof(*args), NULL);
}

enum code store_trigger_put(struct ctx *cx, struct store_trigger *row)
{
    const struct db_value args[] = {COLUMNS(ROW_ARG) DB_I(row->task_name_id), DB_S(row->name)};
    struct db_rows rows;
    TRY(db_query(
        cx,
        "INSERT INTO task_trigger (" COLUMNS(ROW_NAME) "task_name_id, name) VALUES (" COLUMNS(
            ROW_PLACE) "$21, $22) ON CONFLICT (task_name_id, name) DO UPDATE SET " COLUMNS(ROW_SET) "name=$22 "
                                                                                                    "RETURNING id",
        args, sizeof(args) / sizeof(*args), &rows));
    row->id = (uint64_t)db_row(&rows, 0)[0].i;
    return put_revision(cx, row);
}

#define OF_VERSION                                                                                                     \
    " FROM task_trigger g WHERE g.task_name_id=task.task_name_id AND g.task_version=task.version AND g.deleted_ns IS " \
    "NULL"

/* Those that have triggers, and those whose summary says so: few of a task's versions. */
#define SUMMARIZE                                                                                                      \
    "UPDATE task SET trigger_total=(SELECT count(*)" OF_VERSION "),"                                                   \
    " trigger_active=(SELECT count(*)" OF_VERSION " AND g.active=1),"                                                  \
    " trigger_name=(SELECT CASE count(*) WHEN 1 THEN max(g.name) END" OF_VERSION "),"                                  \
    " trigger_automation=(SELECT g.automation" OF_VERSION " LIMIT 1) WHERE id IN"                                      \
    " (SELECT k.id FROM task k WHERE k.task_name_id=$1 AND k.trigger_total > 0"                                        \
    " UNION SELECT k.id FROM task_trigger g JOIN task k ON k.task_name_id=g.task_name_id AND k.version=g.task_version" \
    " WHERE g.task_name_id=$1 AND g.deleted_ns IS NULL)"

enum code store_trigger_summarize(struct ctx *cx, uint64_t task_name_id)
{
    return db_query(cx, SUMMARIZE, DB_ARGS(DB_I(task_name_id)), NULL);
}

enum code store_trigger_touch(struct ctx *cx, uint64_t id, int64_t triggered_ns)
{
    return db_query(cx, "UPDATE task_trigger SET triggered_ns=$2 WHERE id=$1", DB_ARGS(DB_I(id), DB_I(triggered_ns)),
                    NULL);
}

/* ---- lists ------------------------------------------------------------------------------------------------------- */

enum code store_trigger_list(struct ctx *cx, const struct store_page *page, struct store_trigger **out, size_t *n)
{
    struct db_rows rows;
    struct store_page existing = *page;
    existing.where = page->where.n
                         ? arena_printf(cx->mem, "g.deleted_ns IS NULL AND (" STR_FMT ")", STR_ARG(page->where))
                         : STR("g.deleted_ns IS NULL");
    TRY(store_page_query(cx, STR(SELECTED), STR(FROM), &existing, &rows));
    *out = decode_all(cx, &rows);
    *n = rows.n;
    return CODE_OK;
}

enum code store_trigger_list_revisions(struct ctx *cx, const struct store_page *page, struct store_trigger **out,
                                       size_t *n)
{
    struct db_rows rows;
    TRY(store_page_query(cx, STR(REVISION_SELECTED), STR(REVISION_FROM), page, &rows));
    *out = decode_revisions(cx, &rows);
    *n = rows.n;
    return CODE_OK;
}

enum code store_trigger_list_deployed(struct ctx *cx, uint64_t task_name_id, size_t max, struct store_trigger **out,
                                      size_t *n)
{
    return query_list(cx,
                      SELECT_TRIGGER "WHERE g.task_name_id=$1 AND g.from_deploy=1 AND g.deleted_ns IS NULL"
                                     " ORDER BY g.id LIMIT $2",
                      DB_ARGS(DB_I(task_name_id), DB_I(max)), out, n);
}

enum code store_trigger_list_artifact(struct ctx *cx, uint64_t space_id, str artifact, str version, uint64_t after,
                                      size_t max, struct store_trigger **out, size_t *n)
{
    return query_list(cx,
                      SELECT_TRIGGER "WHERE g.space_id=$1 AND g.artifact_name=$2 AND g.active=1"
                                     " AND (g.artifact_version IS NULL OR g.artifact_version=$3) AND g.id > $4"
                                     " ORDER BY g.id LIMIT $5",
                      DB_ARGS(DB_I(space_id), DB_S(artifact), DB_S(version), DB_I(after), DB_I(max)), out, n);
}

/* ---- the schedule ------------------------------------------------------------------------------------------------ */

enum code store_trigger_list_due(struct ctx *cx, int64_t now_ns, size_t max, struct store_trigger **out, size_t *n)
{
    return query_list(cx, SELECT_TRIGGER "WHERE g.due_ns <= $1 ORDER BY g.due_ns, g.id LIMIT $2",
                      DB_ARGS(DB_I(now_ns), DB_I(max)), out, n);
}

enum code store_trigger_next_due(struct ctx *cx, int64_t *out)
{
    struct db_rows rows;
    TRY(db_query(cx, "SELECT min(due_ns) FROM task_trigger WHERE due_ns IS NOT NULL", NULL, 0, &rows));
    *out = db_row(&rows, 0)[0].i;
    return CODE_OK;
}

enum code store_trigger_step(struct ctx *cx, const struct store_trigger *t, int64_t slot_ns, bool *done)
{
    struct db_rows rows;
    TRY(db_query(cx,
                 "UPDATE task_trigger SET next_ns=$4, due_ns=$5, failures=$6"
                 " WHERE id=$1 AND revision=$2 AND next_ns=$3",
                 DB_ARGS(DB_I(t->id), DB_I(t->revision), DB_I(slot_ns), ROW_ARG_N(t->next_ns), ROW_ARG_N(t->due_ns),
                         DB_I(t->failures)),
                 &rows));
    *done = rows.changed > 0;
    return CODE_OK;
}

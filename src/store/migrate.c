/* Brings a database to this binary's schema: the numbered scripts of store/migrations, forward only. Runs once, before
 * the server listens. The version is SQLite's user_version, so it changes in the same transaction as the schema. */
#include "store/sqlite_int.h"

#include "base/embed.h"
#include "base/log.h"
#include "store/backup.h"

#include <stdio.h>
#include <unistd.h>

/* In the file's header, for file(1) and for us: "Tern". */
#define APPLICATION_ID INT64_C(0x5465726e)

struct migration {
    int64_t version;
    const struct embed_file *file;
};

/* "store/migrations/0012_run_source.sql" is 12; other files (NNNN.postgres.sql too) are not ours. */
static bool is_migration(const struct embed_file *f, int64_t *version)
{
    str name = str_from(f->name), prefix = STR("store/migrations/");
    if (!str_starts(name, prefix) || !str_ends(name, STR(".sql")) || str_ends(name, STR(".postgres.sql")))
        return false;
    name = str_skip(name, prefix.n);
    return name.n > 9 && name.p[4] == '_' && str_to_i64(str_head(name, 4), version);
}

/* The files are sorted by name; versions must be 1, 2, 3 ... */
static enum code list_migrations(struct ctx *cx, const struct embed_file *files, struct migration **out, int64_t *last)
{
    size_t n = 0;
    int64_t version, at = 0;
    for (const struct embed_file *f = files; f->name; f++)
        n++;
    struct migration *list = arena_new_array(cx->mem, struct migration, n);
    for (const struct embed_file *f = files; f->name; f++) {
        if (!is_migration(f, &version))
            continue;
        if (version != at + 1)
            return fail(cx, CODE_INTERNAL, "%s: the migration before it is number %lld", f->name, (long long)at);
        list[at++] = (struct migration){version, f};
    }
    *out = list;
    *last = at;
    return CODE_OK;
}

static enum code one_int(struct ctx *cx, const char *sql, int64_t *out)
{
    struct db_rows rows;
    TRY(db_query(cx, sql, NULL, 0, &rows));
    *out = rows.n ? rows.v[0].i : 0;
    return CODE_OK;
}

/* Which version the database has; 0 when it is new. */
static enum code read_version(struct ctx *cx, int64_t *version)
{
    int64_t id, tables;
    TRY(one_int(cx, "PRAGMA application_id", &id));
    TRY(one_int(cx, "PRAGMA user_version", version));
    TRY(one_int(cx, "SELECT count(*) FROM sqlite_schema", &tables));
    if (id != APPLICATION_ID && (tables || *version))
        return fail(cx, CODE_FAILED_PRECONDITION, "%s is a database of another program",
                    cx->db->path ? cx->db->path : "this");
    return CODE_OK;
}

/* An earlier process met damage: looks at everything once, then forgets it or refuses. */
static enum code check_after_damage(struct ctx *cx, const char *path)
{
    str mark = store_sqlite_damage_mark(cx, str_from(path));
    struct db_rows rows;
    if (access(mark.p, F_OK) != 0)
        return CODE_OK;
    log_warn(cx, "checking the whole database, because damage was met before", LOG_CSTR("file", path));
    TRY(db_query(cx, "PRAGMA quick_check(1)", NULL, 0, &rows));
    if (rows.n && str_eq(rows.v[0].s, STR("ok"))) {
        unlink(mark.p);
        return CODE_OK;
    }
    return fail(cx, CODE_DATA_LOSS, "%s is damaged (" STR_FMT "); restore a backup", path,
                STR_ARG(rows.n ? str_head(rows.v[0].s, 100) : STR("no answer")));
}

static enum code apply(struct ctx *cx, const struct migration *m)
{
    log_info(cx, "migrating the database", LOG_CSTR("to", m->file->name));
    TRY(store_sqlite_exec(cx, cx->db, m->file->data));
    str version = arena_printf(cx->mem, "PRAGMA user_version=%lld; PRAGMA application_id=%lld", (long long)m->version,
                               (long long)APPLICATION_ID);
    return store_sqlite_exec(cx, cx->db, version.p);
}

static enum code apply_in_transaction(struct ctx *cx, const struct migration *m)
{
    TRY(db_begin(cx, DB_WRITE));
    enum code code = apply(cx, m);
    if (code == CODE_OK && !db_in_transaction(cx->db))
        code = fail(cx, CODE_INTERNAL, "the script ends its own transaction");
    if (code == CODE_OK)
        return db_commit(cx);
    db_rollback(cx);
    return code;
}

/* The schema may be rebuilt table by table, so references are not enforced meanwhile and checked at the end. */
static enum code apply_from(struct ctx *cx, const struct migration *list, int64_t from, int64_t to)
{
    struct db_rows rows;
    TRY(store_sqlite_exec(cx, cx->db, "PRAGMA foreign_keys=OFF"));
    for (int64_t v = from; v < to; v++)
        if (apply_in_transaction(cx, &list[v]) != CODE_OK)
            return fail_wrap(cx, "%s", list[v].file->name);
    TRY(db_query(cx, "PRAGMA foreign_key_check", NULL, 0, &rows));
    if (rows.n)
        return fail(cx, CODE_INTERNAL, "after the migration a row of " STR_FMT " refers to nothing",
                    STR_ARG(rows.v[0].s));
    return CODE_OK;
}

static enum code copy_first(struct ctx *cx, str url, int64_t version)
{
    if (!cx->db->path || version == 0)
        return CODE_OK;
    str copy = arena_printf(cx->mem, "%s.v%04lld", cx->db->path, (long long)version);
    log_info(cx, "copying the database before it is migrated", LOG_STR("to", copy));
    return store_backup(cx, url, copy);
}

static enum code migrate(struct ctx *cx, str url, const struct embed_file *files)
{
    struct migration *list = NULL;
    int64_t have = 0, last = 0;
    TRY(list_migrations(cx, files, &list, &last));
    if (cx->db->path)
        TRY(check_after_damage(cx, cx->db->path));
    TRY(read_version(cx, &have));
    if (have > last)
        return fail(cx, CODE_FAILED_PRECONDITION,
                    "%s has schema version %lld, made by a newer Tern; this one knows %lld: use the newer program or "
                    "restore a backup",
                    cx->db->path ? cx->db->path : "the database", (long long)have, (long long)last);
    if (have == last)
        return CODE_OK;
    TRY(copy_first(cx, url, have));
    return apply_from(cx, list, have, last);
}

static enum code migrate_files(struct ctx *cx, str url, const struct embed_file *files)
{
    struct db *db = NULL, *callers = cx->db;
    TRY(db_open(cx, url, DB_WRITE, &db));
    cx->db = db;
    enum code code = migrate(cx, url, files);
    cx->db = callers;
    /* Moving the whole log into the database is not the start's business. */
    sqlite3_db_config(db->h, SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, 1, NULL);
    db_close(db);
    return code;
}

enum code db_migrate(struct ctx *cx, str url)
{
    return migrate_files(cx, url, embed_files);
}

/* tern secret rekey: a new key for the stored secrets, and all of them sealed with it (D-35). */
#include "cli/cli.h"

#include "base/file.h"
#include "config/config.h"
#include "engine/secret.h"
#include "store/db.h"

#include <fcntl.h>
#include <sys/file.h>
#include <unistd.h>

const struct cli_option cli_cmd_secret_options[] = {{0}};

static enum code seal_all(struct ctx *cx, str data_dir, size_t *n)
{
    cleanup_(db_cleanup) struct db *db = NULL;
    str url = arena_printf(cx->mem, "sqlite:%s/tern.db", data_dir.p);
    TRY(db_migrate(cx, url));
    TRY(db_open(cx, url, DB_WRITE, &db));
    cx->db = db;
    enum code code = db_begin(cx, DB_WRITE);
    if (code == CODE_OK && (code = engine_secret_rekey(cx, n)) != CODE_OK)
        db_rollback(cx);
    else if (code == CODE_OK)
        code = db_commit(cx);
    cx->db = NULL;
    return code;
}

static enum code rekey(struct ctx *cx, str data_dir)
{
    size_t n = 0;
    str old = STR("");
    str lock = arena_printf(cx->mem, "%s/run/server.lock", data_dir.p);
    if (access(arena_printf(cx->mem, "%s/tern.db", data_dir.p).p, F_OK) != 0)
        return fail(cx, CODE_NOT_FOUND, "%.200s has no database", data_dir.p);
    cleanup_(file_close) int fd = open(lock.p, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
    if (fd < 0)
        return fail_errno(cx, "%s", lock.p);
    if (flock(fd, LOCK_EX | LOCK_NB) != 0)
        return fail(cx, CODE_FAILED_PRECONDITION,
                    "a server has the folder; stop it first (tasks go on): tern stop --data %.150s", data_dir.p);
    TRY(engine_secret_rekey_begin(cx));
    TRY(seal_all(cx, data_dir, &n));
    TRY(engine_secret_rekey_end(cx, &old));
    return cli_print(cx, arena_printf(cx->mem,
                                      "Sealed %zu secrets with a new key. The old one is kept for backups made before "
                                      "now, in\n%s\nRemove it when those are gone.\n",
                                      n, old.p));
}

enum code cli_cmd_secret(struct ctx *cx, int argc, char **argv)
{
    struct config *c;
    TRY(config_load(cx, &argc, argv, &c));
    TRY(cli_args(cx, cli_cmd_secret_options, NULL, &argc, argv, 1, 1));
    if (!str_eq(str_from(argv[1]), STR("rekey")))
        return fail(cx, CODE_INVALID_ARGUMENT, "tern secret rekey: there is no \"%.40s\"", argv[1]);
    return rekey(cx, c->data);
}

/* tern restore: a new data folder from a file of tern backup. */
#include "cli/cli.h"

#include "base/file.h"
#include "base/tree.h"
#include "config/config.h"
#include "image/process.h"

#include <stdio.h>
#include <unistd.h>

const struct cli_option cli_cmd_restore_options[] = {{0}};

static bool there(struct ctx *cx, str folder, const char *name)
{
    return access(arena_printf(cx->mem, "%s/%s", folder.p, name).p, F_OK) == 0;
}

static enum code unpack(struct ctx *cx, const char *file, str folder)
{
    const char *const argv[] = {"tar", "-xf", file, "-C", folder.p, "--no-same-owner", NULL};
    if (!image_process_succeeds(argv) || !there(cx, folder, "backup-of-tern") || !there(cx, folder, "tern.db") ||
        !there(cx, folder, "objects.db"))
        return fail(cx, CODE_INVALID_ARGUMENT, "%.150s is no complete backup of Tern", file);
    return file_sync_dir(cx, folder.p);
}

/* The folder appears under its name when it is complete. */
enum code cli_cmd_restore(struct ctx *cx, int argc, char **argv)
{
    struct config *c;
    TRY(config_load(cx, &argc, argv, &c));
    TRY(cli_args(cx, cli_cmd_restore_options, NULL, &argc, argv, 1, 1));
    if (there(cx, c->data, "tern.db"))
        return fail(cx, CODE_FAILED_PRECONDITION,
                    "%s holds a database already: restore into another folder (--data DIR)", c->data.p);
    str part = arena_printf(cx->mem, "%s.restoring", c->data.p);
    tree_remove(part.p);
    TRY(file_mkdirs(cx, part.p, 0700));
    enum code code = unpack(cx, argv[1], part);
    if (code == CODE_OK && access(c->data.p, F_OK) == 0 && rmdir(c->data.p) != 0)
        code = fail(cx, CODE_FAILED_PRECONDITION, "%s is not empty", c->data.p);
    if (code == CODE_OK && rename(part.p, c->data.p) != 0)
        code = fail_errno(cx, "%s", c->data.p);
    if (code != CODE_OK)
        tree_remove(part.p);
    TRY(code);
    return cli_print(cx,
                     arena_printf(cx->mem, "Restored to %s. Start it: tern serve --data %s\n", c->data.p, c->data.p));
}

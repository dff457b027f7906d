/* tern backup: everything durable of a data folder in one tar file, also while its server runs. Large objects never change
 * once they are there, so they are linked first; then the database's moment is taken, then the index of objects, then the
 * objects that came meanwhile: whatever the database names is in the file. Secrets stay sealed: their key is not in it. */
#include "cli/cli.h"

#include "base/file.h"
#include "base/tree.h"
#include "base/version.h"
#include "config/config.h"
#include "image/process.h"
#include "store/backup.h"

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

const struct cli_option cli_cmd_backup_options[] = {{0}};

static enum code snapshot(struct ctx *cx, str data, str to, const char *name)
{
    return store_backup(cx, arena_printf(cx->mem, "sqlite:%s/%s", data.p, name),
                        arena_printf(cx->mem, "%s/%s", to.p, name));
}

/* Hard links where the file system allows, else copies; what is there already stays. */
static enum code collect_objects(struct ctx *cx, str data, str to)
{
    str from = arena_printf(cx->mem, "%s/objects", data.p);
    const char *const link[] = {"cp", "-aln", "--", from.p, to.p, NULL};
    const char *const copy[] = {"cp", "-an", "--", from.p, to.p, NULL};
    if (access(from.p, F_OK) != 0 || image_process_succeeds(link) || image_process_succeeds(copy))
        return CODE_OK;
    return fail(cx, CODE_INTERNAL, "cannot collect the objects of %s", from.p);
}

static enum code collect(struct ctx *cx, str data, str to)
{
    str key = arena_printf(cx->mem, "%s/object.key", data.p), bytes;
    TRY(collect_objects(cx, data, to));
    TRY(snapshot(cx, data, to, "tern.db"));
    TRY(snapshot(cx, data, to, "objects.db"));
    TRY(collect_objects(cx, data, to));
    TRY(file_read(cx, key.p, 4096, &bytes));
    TRY(file_write(cx, arena_printf(cx->mem, "%s/object.key", to.p).p, bytes, 0600));
    return file_write(cx, arena_printf(cx->mem, "%s/backup-of-tern", to.p).p, STR(TERN_VERSION "\n"), 0600);
}

static enum code pack(struct ctx *cx, str folder, const char *file)
{
    str part = arena_printf(cx->mem, "%s.part", file);
    const char *const argv[] = {"tar", "-cf", part.p, "-C", folder.p, ".", NULL};
    if (!image_process_succeeds(argv))
        return fail(cx, CODE_INTERNAL, "cannot write %s (is there enough space?)", part.p);
    return rename(part.p, file) == 0 ? CODE_OK : fail_errno(cx, "%s", file);
}

enum code cli_cmd_backup(struct ctx *cx, int argc, char **argv)
{
    struct config *c;
    TRY(config_load(cx, &argc, argv, &c));
    TRY(cli_args(cx, cli_cmd_backup_options, NULL, &argc, argv, 1, 1));
    if (access(arena_printf(cx->mem, "%s/tern.db", c->data.p).p, F_OK) != 0)
        return fail(cx, CODE_NOT_FOUND, "%s has no database: nothing to back up", c->data.p);
    char *folder = arena_cstr(cx->mem, arena_printf(cx->mem, "%s/run/backup-XXXXXX", c->data.p));
    if (!mkdtemp(folder))
        return fail_errno(cx, "%s", folder);
    enum code code = collect(cx, c->data, str_from(folder));
    if (code == CODE_OK)
        code = pack(cx, str_from(folder), argv[1]);
    tree_remove(folder);
    TRY(code);
    return cli_print(cx, arena_printf(cx->mem,
                                      "Backed up %s to %s.\nThe key of secrets is not in it (tern doctor says where it "
                                      "is); keep it apart.\n",
                                      c->data.p, argv[1]));
}

/* See files.h. The folder appears under its name by a rename, so that a task never starts in half of one. */
#include "exec/files.h"

#include "base/file.h"
#include "base/tree.h"

#include <stdio.h>
#include <unistd.h>

#define NOTES_MAX ((size_t)16 * 1024)

static str part_of(struct ctx *cx, str cwd)
{
    return arena_printf(cx->mem, STR_FMT ".part", STR_ARG(cwd));
}

enum code exec_files_place(struct ctx *cx, str bin_dir, str cwd)
{
    str from = arena_printf(cx->mem, STR_FMT "/../" EXEC_FILES_DIR, STR_ARG(bin_dir));
    str to = arena_str(cx->mem, cwd), part = part_of(cx, cwd);
    if (bin_dir.n == 0 || access(from.p, F_OK) < 0 || access(to.p, F_OK) == 0)
        return CODE_OK;
    tree_remove(part.p);
    TRY(file_mkdirs(cx, arena_cstr(cx->mem, str_head(to, str_rfind_char(to, '/'))), 0700));
    enum code code = tree_copy(cx, from.p, part.p);
    if (code == CODE_OK && rename(part.p, to.p) < 0 && access(to.p, F_OK) < 0)
        code = fail_errno(cx, "%s", to.p);
    if (code != CODE_OK)
        tree_remove(part.p);
    return code;
}

str exec_files_notes(struct ctx *cx, str bin_dir)
{
    str text, path = arena_printf(cx->mem, STR_FMT "/../tern.notes", STR_ARG(bin_dir));
    if (file_read(cx, path.p, NOTES_MAX, &text) == CODE_OK)
        return text;
    ctx_clear_err(cx);
    return STR("");
}

void exec_files_remove(struct ctx *cx, str cwd)
{
    tree_remove(arena_cstr(cx->mem, cwd));
    tree_remove(part_of(cx, cwd).p);
}

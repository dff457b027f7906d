/* tern view: becomes a task whose image has files at absolute paths, in a private view of the file system that shows
 * them there; not for people. Where no such view can be had, the task runs without and its log says so. */
#include "cli/cli.h"

#include "base/file.h"
#include "exec/view.h"

#include <errno.h>
#include <stdio.h>
#include <unistd.h>

#define PATHS_MAX ((size_t)256 * 1024)

struct options {
    str paths;
};

const struct cli_option cli_cmd_view_options[] = {
    {"--paths", CLI_TEXT, offsetof(struct options, paths), "FILE", "Paths below the current folder and below /"},
    {0},
};

/* argv: view --paths FILE PROGRAM ARGUMENTS, of which the options end at the program. */
enum code cli_cmd_view(struct ctx *cx, int argc, char **argv)
{
    struct options o = {0};
    str paths, cwd;
    int own = argc < 3 ? argc : 3;
    char **program = argv + own, *first[4] = {0};
    memcpy(first, argv, (size_t)own * sizeof(char *));
    TRY(cli_args(cx, cli_cmd_view_options, &o, &own, first, 0, 0));
    if (o.paths.n == 0 || argc < 4)
        return fail(cx, CODE_INVALID_ARGUMENT, "--paths and a program are required");
    TRY(file_read(cx, o.paths.p, PATHS_MAX, &paths));
    TRY(file_expand(cx, STR("."), &cwd));
    if (exec_view_enter(cx, paths, cwd) != CODE_OK) {
        fprintf(stderr, "The image's files are not at their absolute paths (/a/b is at ./a/b): %s\n", cx->err.msg);
        ctx_clear_err(cx);
    }
    execv(program[0], program);
    return fail_errno(cx, "%s", program[0]);
}

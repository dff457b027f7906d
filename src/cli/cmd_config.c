/* tern config show|check|docs */
#include "cli/cli.h"

#include "config/config.h"

#include <stdio.h>

#define OUTPUT_MAX ((size_t)1024 * 1024)

const struct cli_option cli_cmd_config_options[] = {{0}};

static enum code check(struct ctx *cx, const struct config *c, buf *out)
{
    TRY(config_check(cx, c, out));
    buf_str(out, out->n ? STR("The settings work, but see above.\n") : STR("The settings are fine.\n"));
    return CODE_OK;
}

enum code cli_cmd_config(struct ctx *cx, int argc, char **argv)
{
    struct config *c;
    buf out;
    buf_init_arena(&out, cx->mem, OUTPUT_MAX);
    TRY(config_load(cx, &argc, argv, &c));
    TRY(cli_args(cx, cli_cmd_config_options, NULL, &argc, argv, 1, 1));
    if (strcmp(argv[1], "show") == 0)
        config_print(c, &out);
    else if (strcmp(argv[1], "docs") == 0)
        config_docs(cx->mem, &out);
    else if (strcmp(argv[1], "check") == 0)
        TRY(check(cx, c, &out));
    else
        return fail(cx, CODE_INVALID_ARGUMENT, "\"%.80s\" is none of show, check, docs", argv[1]);
    return cli_print(cx, buf_view(&out));
}

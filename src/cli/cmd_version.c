/* tern version */
#include "cli/cli.h"

#include "base/version.h"

const struct cli_option cli_cmd_version_options[] = {{0}};

enum code cli_cmd_version(struct ctx *cx, int argc, char **argv)
{
    TRY(cli_args(cx, cli_cmd_version_options, NULL, &argc, argv, 0, 0));
    return cli_print(cx, STR("tern " TERN_VERSION "\n"));
}

/* tern gc: what is older than the settings retention.* say goes now. The running server does it, which alone knows what is
 * in use; it also does so by itself once an hour. */
#include "cli/ask.h"
#include "cli/cli.h"

struct options {
    bool dry;
};

const struct cli_option cli_cmd_gc_options[] = {
    {"--dry-run", CLI_FLAG, offsetof(struct options, dry), NULL, "Only say what would go"},
    {0},
};

enum code cli_cmd_gc(struct ctx *cx, int argc, char **argv)
{
    struct options o = {0};
    struct config *c;
    TRY(config_load(cx, &argc, argv, &c));
    TRY(cli_args(cx, cli_cmd_gc_options, &o, &argc, argv, 0, 0));
    return cli_ask(cx, c, "POST", o.dry ? "/admin/gc?dry_run=true" : "/admin/gc", STR(""),
                   "Start it (tern serve): it sweeps by itself, 30 seconds after the start and then every hour");
}

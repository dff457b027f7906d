/* tern remove_container: what the supervisor starts when the process of a container task was killed. */
#include "cli/cli.h"

#include "exec/container.h"

struct options {
    str runtime, name;
};

const struct cli_option cli_cmd_remove_container_options[] = {
    {"--runtime", CLI_TEXT, offsetof(struct options, runtime), "PATH", "The container runtime"},
    {"--name", CLI_TEXT, offsetof(struct options, name), "NAME", "The container"},
    {0},
};

enum code cli_cmd_remove_container(struct ctx *cx, int argc, char **argv)
{
    struct options o = {0};
    TRY(cli_args(cx, cli_cmd_remove_container_options, &o, &argc, argv, 0, 0));
    if (o.runtime.n == 0 || o.name.n == 0)
        return fail(cx, CODE_INVALID_ARGUMENT, "--runtime and --name are required");
    exec_container_remove(cx, o.runtime, o.name);
    return CODE_OK;
}

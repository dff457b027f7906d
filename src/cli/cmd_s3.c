/* tern s3: the process that the supervisor starts to serve the objects of a data folder. */
#include "cli/cli.h"

#include "exec/endpoint.h"

struct options {
    str data_dir, listen;
    bool keep;
};

const struct cli_option cli_cmd_s3_options[] = {
    {"--data", CLI_TEXT, offsetof(struct options, data_dir), "DIR", "The data folder, absolute"},
    {"--listen", CLI_TEXT, offsetof(struct options, listen), "HOST:PORT", "Where to listen; port 0 takes a free one"},
    {"--keep", CLI_FLAG, offsetof(struct options, keep), NULL, "Try the address that was used last first"},
    {0},
};

enum code cli_cmd_s3(struct ctx *cx, int argc, char **argv)
{
    struct options o = {0};
    TRY(cli_args(cx, cli_cmd_s3_options, &o, &argc, argv, 0, 0));
    if (o.data_dir.n == 0 || o.data_dir.p[0] != '/' || o.listen.n == 0)
        return fail(cx, CODE_INVALID_ARGUMENT, "--data (absolute) and --listen are required");
    return exec_endpoint_run(cx, o.data_dir, o.listen, o.keep);
}

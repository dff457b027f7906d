/* tern s3: the process that the supervisor starts to serve the objects of a data folder. */
#include "cli/cli.h"

#include "exec/endpoint.h"

const struct cli_option cli_cmd_s3_options[] = {
    {"--data", CLI_TEXT, offsetof(struct exec_endpoint_options, data_dir), "DIR", "The data folder, absolute"},
    {"--listen", CLI_TEXT, offsetof(struct exec_endpoint_options, listen), "HOST:PORT",
     "Where to listen; port 0 takes a free one"},
    {"--keep", CLI_FLAG, offsetof(struct exec_endpoint_options, keep), NULL,
     "Try the address that was used last first"},
    {"--upstreams-fd", CLI_INT, offsetof(struct exec_endpoint_options, upstreams_fd), "N",
     "Where the list of others' buckets is"},
    {0},
};

enum code cli_cmd_s3(struct ctx *cx, int argc, char **argv)
{
    struct exec_endpoint_options o = {0};
    TRY(cli_args(cx, cli_cmd_s3_options, &o, &argc, argv, 0, 0));
    if (o.data_dir.n == 0 || o.data_dir.p[0] != '/' || o.listen.n == 0)
        return fail(cx, CODE_INVALID_ARGUMENT, "--data (absolute) and --listen are required");
    return exec_endpoint_run(cx, &o);
}

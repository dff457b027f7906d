/* tern supervise: the process that the server starts to be the parent of its tasks. */
#include "cli/cli.h"

#include "exec/supervise.h"

const struct cli_option cli_cmd_supervise_options[] = {
    {"--data", CLI_TEXT, offsetof(struct exec_supervise_options, data_dir), "DIR", "The data folder, absolute"},
    {"--idle-exit", CLI_INT, offsetof(struct exec_supervise_options, idle_exit_s), "SECONDS",
     "How long to stay without tasks and servers (default 60)"},
    {"--no-cgroup", CLI_FLAG, offsetof(struct exec_supervise_options, no_cgroup), NULL,
     "Sample memory instead of limiting it"},
    {"--s3-listen", CLI_TEXT, offsetof(struct exec_supervise_options, s3_listen), "HOST:PORT",
     "Address of the S3 endpoint; without it there is none"},
    {"--s3-keep", CLI_FLAG, offsetof(struct exec_supervise_options, s3_keep), NULL,
     "The S3 endpoint tries the address that it had last first"},
    {"--ready-fd", CLI_INT, offsetof(struct exec_supervise_options, ready_fd), "N", "Where to say that it is ready"},
    {0},
};

enum code cli_cmd_supervise(struct ctx *cx, int argc, char **argv)
{
    struct exec_supervise_options o = {0};
    TRY(cli_args(cx, cli_cmd_supervise_options, &o, &argc, argv, 0, 0));
    return exec_supervise_run(cx, &o);
}

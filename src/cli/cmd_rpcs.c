/* tern rpcs: which methods of the IDL have a handler in this binary. */
#include "cli/cli.h"

#include "pb/pb.h"

#define OUTPUT_MAX ((size_t)1024 * 1024)

struct options {
    bool missing;
};

const struct cli_option cli_cmd_rpcs_options[] = {
    {"--missing", CLI_FLAG, offsetof(struct options, missing), NULL, "Only those that answer UNIMPLEMENTED"},
    {0},
};

static const char *kind(const struct pb_method *m)
{
    if (m->client_stream)
        return m->server_stream ? "bidi stream" : "client stream";
    return m->server_stream ? "server stream" : "unary";
}

enum code cli_cmd_rpcs(struct ctx *cx, int argc, char **argv)
{
    struct options o = {0};
    size_t answered = 0;
    const char *service = "";
    buf out;
    buf_init_arena(&out, cx->mem, OUTPUT_MAX);
    TRY(cli_args(cx, cli_cmd_rpcs_options, &o, &argc, argv, 0, 0));
    for (size_t i = 0; i < pb_method_count; i++) {
        const struct pb_method *m = &pb_methods[i];
        bool answers = m->unary || m->stream;
        answered += answers;
        if (answers && o.missing)
            continue;
        if (strcmp(service, m->service) != 0)
            buf_printf(&out, "%s%s\n", out.n ? "\n" : "", m->service);
        service = m->service;
        buf_printf(&out, "  %-32s %-14s %s\n", m->name, kind(m), answers ? "yes" : "no");
    }
    buf_printf(&out, "%s%zu RPCs: %zu answer, %zu say UNIMPLEMENTED\n", out.n ? "\n" : "", pb_method_count, answered,
               pb_method_count - answered);
    return cli_print(cx, buf_view(&out));
}

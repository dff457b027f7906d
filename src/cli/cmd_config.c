/* tern config show|check|docs|client */
#include "cli/cli.h"

#include "base/json.h"
#include "cli/state.h"
#include "config/config.h"
#include "object/upstream.h"

#define OUTPUT_MAX ((size_t)1024 * 1024)

const struct cli_option cli_cmd_config_options[] = {{0}};

static enum code check(struct ctx *cx, const struct config *c, buf *out)
{
    str upstreams;
    TRY(config_check(cx, c, out));
    TRY(object_upstream_resolve(cx, c->object_upstreams.p, c->object_upstreams.n, &upstreams));
    buf_str(out, out->n ? STR("The settings work, but see above.\n") : STR("The settings are fine.\n"));
    return CODE_OK;
}

/* What `flyte create config --devbox --builder remote` writes (D-56), for the address of the running server if there is
 * one, else for the one that is set. */
static enum code client(struct ctx *cx, const struct config *c, buf *out)
{
    struct cli_state *server;
    TRY(cli_state_find(cx, c->data, &server));
    str address = server && server->api.n ? server->api : c->server_listen;
    str project = c->projects_seed.n ? c->projects_seed.p[0] : STR("flytesnacks");
    buf_printf(out,
               "admin:\n  endpoint: dns:///" STR_FMT "\n  insecure: %s\nimage:\n  builder: remote\n"
               "task:\n  domain: development\n  project: ",
               STR_ARG(address), c->server_tls_cert.n ? "false" : "true");
    json_put_str(out, project);
    buf_char(out, '\n');
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
    else if (strcmp(argv[1], "client") == 0)
        TRY(client(cx, c, &out));
    else
        return fail(cx, CODE_INVALID_ARGUMENT, "\"%.80s\" is none of show, check, docs, client", argv[1]);
    return cli_print(cx, buf_view(&out));
}

/* tern gc: what is older than the settings retention.* say goes now. The running server does it, which alone knows what is
 * in use; it also does so by itself once an hour. */
#include "cli/cli.h"

#include "cli/state.h"
#include "config/config.h"
#include "net/http_client.h"

#define ANSWER_MAX (64 * 1024)
#define STALL_NS (INT64_C(3600) * 1000000000) /* a sweep says nothing before it is done */

struct options {
    bool dry;
};

const struct cli_option cli_cmd_gc_options[] = {
    {"--dry-run", CLI_FLAG, offsetof(struct options, dry), NULL, "Only say what would go"},
    {0},
};

struct answer {
    int status;
    buf text;
};

static bool on_head(void *arg, int status, const struct http_header *headers, size_t n)
{
    (void)headers;
    (void)n;
    ((struct answer *)arg)->status = status;
    return true;
}

static bool on_body(void *arg, str bytes)
{
    buf_str(&((struct answer *)arg)->text, bytes);
    return true;
}

static enum code sweep(struct ctx *cx, const struct config *c, const struct cli_state *server, bool dry)
{
    struct answer a = {0};
    struct http_client_request r = {
        .method = STR("POST"),
        .url = arena_printf(cx->mem, "%s://" STR_FMT "/admin/gc%s", c->server_tls_cert.n ? "https" : "http",
                            STR_ARG(server->api), dry ? "?dry_run=true" : ""),
        .body_length = -1,
        .anywhere = true,
        .answer_max = ANSWER_MAX,
        .stall_ns = STALL_NS,
        .arg = &a,
        .head = on_head,
        .body = on_body,
    };
    buf_init_arena(&a.text, cx->mem, ANSWER_MAX);
    TRY(http_client_perform(cx, &r));
    if (a.status != 200)
        return fail(cx, CODE_UNAVAILABLE, "the server at %.100s answered %d: %.120s", server->api.p, a.status,
                    arena_cstr(cx->mem, buf_view(&a.text)));
    return cli_print(cx, buf_view(&a.text));
}

enum code cli_cmd_gc(struct ctx *cx, int argc, char **argv)
{
    struct options o = {0};
    struct cli_state *server;
    struct config *c;
    TRY(config_load(cx, &argc, argv, &c));
    TRY(cli_args(cx, cli_cmd_gc_options, &o, &argc, argv, 0, 0));
    TRY(cli_state_find(cx, c->data, &server));
    if (!server)
        return fail(cx, CODE_FAILED_PRECONDITION,
                    "no server runs on %.150s. Start it (tern serve): it sweeps by itself, 30 seconds after the start "
                    "and then every hour",
                    c->data.p);
    return sweep(cx, c, server, o.dry);
}

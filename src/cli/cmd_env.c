/* tern env: exports for a shell or a notebook that opens files and data frames of finished runs (D-11). The keys only
 * read; they are derived, so nothing is stored and nothing has to be revoked. */
#include "cli/cli.h"

#include "cli/state.h"
#include "config/config.h"
#include "object/object.h"

struct options {
    str project, domain;
    bool aws;
};

const struct cli_option cli_cmd_env_options[] = {
    {"--project", CLI_TEXT, offsetof(struct options, project), "NAME", "Only this project's objects (default: all)"},
    {"--domain", CLI_TEXT, offsetof(struct options, domain), "NAME", "Only this domain's"},
    {"--aws", CLI_FLAG, offsetof(struct options, aws), "", "Also AWS_*, for libraries that know only those (pyarrow)"},
    {0},
};

static void close_store(struct object_store **s)
{
    if (*s)
        object_store_close(*s);
}

static void put_variables(buf *b, const char *endpoint_name, const char *prefix, str endpoint,
                          const struct object_keys *keys)
{
    buf_printf(b, "export %s=" STR_FMT "\n", endpoint_name, STR_ARG(endpoint));
    buf_printf(b, "export %s_ACCESS_KEY_ID=" STR_FMT "\n", prefix, STR_ARG(keys->access_key_id));
    buf_printf(b, "export %s_SECRET_ACCESS_KEY=" STR_FMT "\n", prefix, STR_ARG(keys->secret_access_key));
}

static enum code put_exports(struct ctx *cx, const struct cli_state *server, str data_dir, const struct options *o)
{
    cleanup_(close_store) struct object_store *store = NULL;
    struct object_scope scope = {.kind = OBJECT_KEY_READER, .project = o->project, .domain = o->domain};
    struct object_keys keys;
    buf out;
    TRY(object_store_open(cx, data_dir, &store));
    TRY(object_keys_derive(cx, store, &scope, &keys));
    buf_init_arena(&out, cx->mem, 4096);
    str scheme = str_starts(server->s3, STR("http")) ? STR("") : STR("http://");
    str endpoint = arena_concat(cx->mem, scheme, server->s3);
    put_variables(&out, "FLYTE_AWS_ENDPOINT", "FLYTE_AWS", endpoint, &keys);
    if (o->aws)
        put_variables(&out, "AWS_ENDPOINT_URL_S3", "AWS", endpoint, &keys);
    return cli_print(cx, buf_view(&out));
}

enum code cli_cmd_env(struct ctx *cx, int argc, char **argv)
{
    struct options o = {.project = STR(""), .domain = STR("")};
    struct cli_state *server;
    struct config *c;
    TRY(config_load(cx, &argc, argv, &c));
    TRY(cli_args(cx, cli_cmd_env_options, &o, &argc, argv, 0, 0));
    TRY(cli_state_find(cx, c->data, &server));
    if (!server)
        return fail(cx, CODE_FAILED_PRECONDITION, "no server runs on %.200s; start one: tern serve --data %.200s",
                    c->data.p, c->data.p);
    return put_exports(cx, server, c->data, &o);
}

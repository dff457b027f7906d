/* tern build-image: what an attempt of the task build-image runs; not for people. Like the SDK's runtime it ends with 0 also
 * when the build fails, and tells so in error.pb. */
#include "cli/cli.h"

#include "config/config.h"
#include "exec/python.h"
#include "image/build.h"
#include "object/object.h"

#include <stdio.h>

struct options {
    str inputs, outputs;
};

const struct cli_option cli_cmd_build_image_options[] = {
    {"--inputs", CLI_TEXT, offsetof(struct options, inputs), "URI", "inputs.pb of the action"},
    {"--outputs-path", CLI_TEXT, offsetof(struct options, outputs), "URI", "Prefix of outputs.pb and error.pb"},
    {0},
};

static void close_store(struct object_store **s)
{
    object_store_close(*s);
}

/* The interpreter that tasks without an image get, and what installs packages. */
static enum code find_python(struct ctx *cx, const struct config *c, struct image_build *job)
{
    struct exec_python python;
    struct exec_python_cache *cache = exec_python_cache_new();
    enum code code = exec_python_find(cx, cache, c->data, c->exec_local_python, STR(""), &python);
    exec_python_cache_free(cache);
    TRY(code);
    job->uv = exec_python_uv(cx, c->exec_local_uv, python.bin_dir);
    job->python = arena_printf(cx->mem, STR_FMT "/python3", STR_ARG(python.bin_dir));
    return CODE_OK;
}

enum code cli_cmd_build_image(struct ctx *cx, int argc, char **argv)
{
    struct options o = {0};
    struct config *c;
    cleanup_(close_store) struct object_store *objects = NULL;
    TRY(config_load(cx, &argc, argv, &c));
    TRY(cli_args(cx, cli_cmd_build_image_options, &o, &argc, argv, 0, 0));
    if (o.inputs.n == 0 || o.outputs.n == 0)
        return fail(cx, CODE_INVALID_ARGUMENT, "--inputs and --outputs-path are required");
    setvbuf(stdout, NULL, _IOLBF, 0);
    TRY(object_store_open(cx, c->data, &objects));
    struct image_build job = {
        .data_dir = c->data, .objects = objects, .inputs_uri = o.inputs, .outputs_prefix = o.outputs};
    enum code code = find_python(cx, c, &job);
    if (code == CODE_OK)
        code = image_build(cx, &job);
    return code == CODE_OK ? CODE_OK : image_build_put_error(cx, &job);
}

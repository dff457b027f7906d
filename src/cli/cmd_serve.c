/* tern serve: the server, in the foreground, until SIGINT or SIGTERM. A second signal ends it at once. */
#include "cli/cli.h"

#include "app.h"
#include "base/file.h"
#include "base/log.h"
#include "base/version.h"
#include "cli/state.h"
#include "config/config.h"
#include "exec/python.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#define NOTES_MAX ((size_t)64 << 10)

const struct cli_option cli_cmd_serve_options[] = {{0}};

/* All threads inherit the mask: signals reach nobody but sigwait(). */
static void block_signals(sigset_t *set)
{
    sigemptyset(set);
    sigaddset(set, SIGINT);
    sigaddset(set, SIGTERM);
    pthread_sigmask(SIG_BLOCK, set, NULL);
    signal(SIGPIPE, SIG_IGN);
}

static enum code write_ready_file(struct ctx *cx, const struct config *c, const struct app *app)
{
    if (c->ready_file.n == 0)
        return CODE_OK;
    return file_write(cx, c->ready_file.p, arena_printf(cx->mem, STR_FMT "\n", STR_ARG(app->api_endpoint)), 0644);
}

/* Where tasks without an image of their own run; the time to hear that there is no such place is now. */
static str tasks_place(struct ctx *cx, const struct config *c)
{
    struct exec_python py;
    struct exec_python_cache *cache = exec_python_cache_new();
    enum code code = exec_python_find(cx, cache, c->data, c->exec_local_python, STR(""), &py);
    exec_python_cache_free(cache);
    if (code == CODE_OK)
        return arena_printf(cx->mem, STR_FMT " (" STR_FMT "), Python " STR_FMT ", flyte " STR_FMT,
                            STR_ARG(str_head(py.bin_dir, str_rfind_char(py.bin_dir, '/'))), STR_ARG(py.source),
                            STR_ARG(py.version), STR_ARG(py.sdk_version));
    str why = arena_str(cx->mem, str_from(cx->err.msg));
    ctx_clear_err(cx);
    return arena_concat(cx->mem, STR("nowhere yet: "), why);
}

static void greet(struct ctx *cx, const struct config *c, const struct app *app)
{
    str place = tasks_place(cx, c);
    fprintf(stderr,
            "Tern " TERN_VERSION " answers at " STR_FMT "  (objects at " STR_FMT ", data in " STR_FMT ")\n"
            "  tasks run in:   " STR_FMT "\n"
            "  client config:  " STR_FMT "\n"
            "  stop:           Ctrl-C; tasks that run go on and are adopted by the next start\n",
            STR_ARG(app->api_url), STR_ARG(app->s3_endpoint), STR_ARG(app->data_dir), STR_ARG(place),
            STR_ARG(cli_client_command(cx, app->api_endpoint, c->server_tls_cert.n > 0)));
}

static enum code serve(struct ctx *cx, const struct config *c, struct app *app, const sigset_t *signals)
{
    int sig = 0;
    TRY(cli_state_write(cx, c->data, app->api_endpoint, app->s3_endpoint));
    greet(cx, c, app);
    TRY(write_ready_file(cx, c, app));
    while (sigwait(signals, &sig) == EINTR)
        ;
    log_info(cx, "draining", LOG_CSTR("signal", sig == SIGINT ? "SIGINT" : "SIGTERM"));
    pthread_sigmask(SIG_UNBLOCK, signals, NULL); /* the next one ends the process */
    return CODE_OK;
}

/* What is wrong with the settings ends it here; what is dangerous about them is said in every log. */
static enum code check(struct ctx *cx, const struct config *c)
{
    buf notes;
    buf_init_arena(&notes, cx->mem, NOTES_MAX);
    TRY(config_check(cx, c, &notes));
    str rest = buf_view(&notes), line;
    while (str_next(&rest, '\n', &line))
        if (line.n)
            log_warn(cx, arena_cstr(cx->mem, line));
    return CODE_OK;
}

/* A taken port is the commonest failure. */
static enum code with_way_out(struct ctx *cx, enum code code)
{
    str why = arena_str(cx->mem, str_from(cx->err.msg));
    if (!str_ends(why, STR("the port is taken")))
        return code;
    return fail(cx, code,
                STR_FMT
                " (by another Tern? pgrep -af tern). Stop what uses it, or take free ports: tern serve --listen "
                "localhost:0",
                STR_ARG(why));
}

enum code cli_cmd_serve(struct ctx *cx, int argc, char **argv)
{
    struct config *c;
    struct app app;
    sigset_t signals;
    TRY(config_load(cx, &argc, argv, &c));
    TRY(cli_args(cx, cli_cmd_serve_options, NULL, &argc, argv, 0, 0));
    config_setup_log(c);
    TRY(check(cx, c));
    block_signals(&signals);
    enum code started = app_start(cx, c, &app);
    if (started != CODE_OK)
        return with_way_out(cx, started);
    enum code code = serve(cx, c, &app, &signals);
    cli_state_remove(cx, c->data);
    app_stop(&app);
    return code;
}

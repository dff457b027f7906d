/* tern serve: the server, in the foreground, until SIGINT or SIGTERM. A second signal ends it at once. */
#include "cli/cli.h"

#include "app.h"
#include "base/file.h"
#include "base/log.h"
#include "base/version.h"
#include "cli/state.h"
#include "config/config.h"

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

static void greet(const struct app *app)
{
    fprintf(stderr,
            "Tern " TERN_VERSION " answers at " STR_FMT "  (objects at " STR_FMT ", data in " STR_FMT ")\n"
            "  client config:  flyte create config --devbox --builder remote\n"
            "  stop:           Ctrl-C; tasks that run go on and are adopted by the next start\n",
            STR_ARG(app->api_url), STR_ARG(app->s3_endpoint), STR_ARG(app->data_dir));
}

static enum code serve(struct ctx *cx, const struct config *c, struct app *app, const sigset_t *signals)
{
    int sig = 0;
    TRY(cli_state_write(cx, c->data, app->api_endpoint, app->s3_endpoint));
    TRY(write_ready_file(cx, c, app));
    greet(app);
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
    TRY(app_start(cx, c, &app));
    enum code code = serve(cx, c, &app, &signals);
    cli_state_remove(cx, c->data);
    app_stop(&app);
    return code;
}

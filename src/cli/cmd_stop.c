/* tern stop: ends the server of a data folder. Its tasks go on under the supervisor, which goes too when it has none,
 * and are adopted by the next server; --tasks ends them as well. */
#include "cli/cli.h"

#include "base/file.h"
#include "base/time.h"
#include "cli/state.h"
#include "config/config.h"
#include "exec/supervise.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <sys/syscall.h>
#include <unistd.h>

struct options {
    bool tasks;
    int64_t timeout_s;
};

const struct cli_option cli_cmd_stop_options[] = {
    {"--tasks", CLI_FLAG, offsetof(struct options, tasks), NULL, "End the running tasks too"},
    {"--timeout", CLI_INT, offsetof(struct options, timeout_s), "SECONDS", "How long to wait for the end (default 30)"},
    {0},
};

static enum code wait_for_end(struct ctx *cx, int pidfd, const struct cli_state *s, int64_t timeout_s)
{
    int64_t end_ns = time_now_ns() + timeout_s * NS_PER_S;
    for (;;) {
        struct pollfd p = {.fd = pidfd, .events = POLLIN};
        int64_t left_ms = (end_ns - time_now_ns()) / NS_PER_MS;
        int n = poll(&p, 1, left_ms < 0 ? 0 : left_ms > 60000 ? 60000 : (int)left_ms);
        if (n > 0)
            return CODE_OK;
        if (n < 0 && errno != EINTR)
            return fail_errno(cx, "waiting for process %lld", (long long)s->pid);
        if (time_now_ns() >= end_ns)
            return fail(cx, CODE_DEADLINE_EXCEEDED, "process %lld has not ended within %lld s", (long long)s->pid,
                        (long long)timeout_s);
    }
}

/* The pidfd is opened first and the file read again after: the process that is signalled is the one that was found. */
static enum code stop(struct ctx *cx, str data_dir, int64_t timeout_s, struct cli_state **out)
{
    struct cli_state *s;
    TRY(cli_state_find(cx, data_dir, &s));
    *out = s;
    if (!s)
        return CODE_OK;
    cleanup_(file_close) int pidfd = (int)syscall(SYS_pidfd_open, (pid_t)s->pid, 0);
    if (pidfd < 0)
        return errno == ESRCH ? CODE_OK : fail_errno(cx, "process %lld", (long long)s->pid);
    TRY(cli_state_find(cx, data_dir, &s));
    if (!s)
        return CODE_OK;
    if (syscall(SYS_pidfd_send_signal, pidfd, SIGTERM, NULL, 0) != 0 && errno != ESRCH)
        return fail_errno(cx, "process %lld", (long long)s->pid);
    return wait_for_end(cx, pidfd, s, timeout_s);
}

enum code cli_cmd_stop(struct ctx *cx, int argc, char **argv)
{
    struct options o = {.timeout_s = 30};
    struct config *c;
    struct cli_state *s = NULL;
    bool none_left = true;
    buf out;
    TRY(config_load(cx, &argc, argv, &c));
    TRY(cli_args(cx, cli_cmd_stop_options, &o, &argc, argv, 0, 0));
    if (o.timeout_s > 86400)
        return fail(cx, CODE_INVALID_ARGUMENT, "--timeout: a day is enough");
    TRY(stop(cx, c->data, o.timeout_s, &s));
    TRY(exec_supervise_stop(cx, c->data, o.tasks, &none_left));
    buf_init_arena(&out, cx->mem, 8192);
    if (s)
        buf_printf(&out, "Stopped the server at %.200s (process %lld).\n", s->api.p, (long long)s->pid);
    else
        buf_printf(&out, "No server runs on %s.\n", c->data.p);
    if (!none_left)
        buf_str(&out, STR("Its tasks go on; the next server finds them (--tasks ends them).\n"));
    return cli_print(cx, buf_view(&out));
}

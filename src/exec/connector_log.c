/* The log of a connector's job, copied into the attempt's as it grows. A connector gives a token with each page, for the
 * next one; without a token it is asked for all of it again, and what is there already is left out. */
#include "base/log.h"
#include "exec/connector_int.h"
#include "exec/logfile.h"
#include "gen/flyteidl2_connector.h"

#include <unistd.h>

#define GET_LOGS "/flyteidl2.connector.AsyncConnectorService/GetTaskLogs"
#define PAGES_MAX 100
#define COUNT_LINES 1000

struct copy {
    struct ctx *cx;
    buf text; /* whole lines */
    uint64_t skip, lines;
    str token;
};

/* A message may be several lines, and may end in one. */
static void add_line(struct copy *c, str message)
{
    str one;
    if (str_ends(message, STR("\n")))
        message.n--;
    do {
        if (!str_next(&message, '\n', &one))
            one = STR("");
        if (c->skip) {
            c->skip--;
            continue;
        }
        buf_str(&c->text, one);
        buf_char(&c->text, '\n');
        c->lines++;
    } while (message.n);
}

static bool take(void *arg, const void *message)
{
    struct copy *c = arg;
    const ConnectorGetTaskLogsResponse *rsp = message;
    if (rsp->part_case == ConnectorGetTaskLogsResponse_header_tag)
        c->token = rsp->header->token;
    if (rsp->part_case != ConnectorGetTaskLogsResponse_body_tag)
        return true;
    for (size_t i = 0; i < rsp->body->lines.n; i++)
        add_line(c, rsp->body->lines.p[i]->message);
    for (size_t i = 0; !rsp->body->lines.n && i < rsp->body->results.n; i++)
        add_line(c, rsp->body->results.p[i]);
    return !c->text.failed;
}

static bool append(struct ctx *cx, struct exec_connector_exec *x, struct exec_job *job, str text)
{
    struct exec_logfile f;
    bool ok = false;
    if (!text.n)
        return true;
    if (exec_logfile_open(cx, x->cfg.data_dir, job->r.key, &f) == CODE_OK) {
        ok = write(f.fd, text.p, text.n) == (ssize_t)text.n;
        exec_logfile_stamp(&f);
        exec_logfile_close(&f);
    }
    if (x->cfg.log_notify)
        x->cfg.log_notify(x->cfg.arg, job->r.key);
    return ok;
}

/* True when there may be another page. */
static bool copy_page(struct ctx *cx, struct exec_connector_exec *x, struct exec_job *job)
{
    ConnectorTaskCategory type = {.name = job->r.type, .version = job->r.version};
    const ConnectorGetTaskLogsRequest req = {
        .resource_meta = job->r.meta, .task_category = &type, .token = job->log_token};
    uint64_t skip = job->log_token.n ? job->log_skip : job->log_lines;
    struct copy c = {.cx = cx, .skip = skip};
    buf_init_arena(&c.text, cx->mem, (size_t)EXEC_LOG_HEAD);
    enum code code = exec_connectors_stream(cx, job->c, GET_LOGS, &req, take, &c);
    bool away = code == CODE_UNAVAILABLE || code == CODE_DEADLINE_EXCEEDED;
    if (code != CODE_OK || !append(cx, x, job, buf_view(&c.text))) {
        job->no_logs = !away && code != CODE_OK; /* it has none */
        ctx_clear_err(cx);
        return false;
    }
    job->log_lines += c.lines;
    job->log_skip = c.skip;
    bool more = (c.lines || c.skip < skip) && c.token.n && !str_eq(c.token, job->log_token);
    arena_reset(&job->token);
    job->log_token = arena_str(&job->token, c.token);
    return more;
}

void exec_job_copy_log(struct ctx *cx, struct exec_connector_exec *x, struct exec_job *job)
{
    for (int i = 0; i < PAGES_MAX && !job->no_logs && copy_page(cx, x, job); i++)
        ;
}

void exec_job_count_log(struct ctx *cx, struct exec_connector_exec *x, struct exec_job *job)
{
    struct exec_log_page page = {0};
    do {
        int64_t from = page.next;
        page.n = 0;
        if (exec_logfile_read(cx, x->cfg.data_dir, job->r.key, from, COUNT_LINES, true, &page) != CODE_OK)
            break;
        for (size_t i = 0; i < page.n; i++)
            job->log_lines += !page.p[i].system;
    } while (page.n);
    ctx_clear_err(cx);
}

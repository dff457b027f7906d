/* The log of a connector's job, copied into the attempt's as it grows. A connector gives a token with each page, for the
 * next one; without a token it is asked for all of it again, and what is there already is left out. */
#include "base/log.h"
#include "exec/connector_int.h"
#include "exec/logfile.h"
#include "gen/flyteidl2_connector.h"

#include <unistd.h>

#define GET_LOGS "/flyteidl2.connector.AsyncConnectorService/GetTaskLogs"
#define PAGES_MAX 100

struct copy {
    struct ctx *cx;
    buf text;     /* whole lines */
    int64_t skip; /* bytes */
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
        if (c->skip > 0) {
            c->skip -= (int64_t)one.n + 1;
            continue;
        }
        buf_str(&c->text, one);
        buf_char(&c->text, '\n');
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

/* At first, and after a write that failed: finds out what of it is in ours, and asks for all of it again. */
static bool find_end(struct ctx *cx, struct exec_connector_exec *x, struct exec_job *job)
{
    if (job->log_known)
        return true;
    job->log_known = exec_logfile_task_bytes(cx, x->cfg.data_dir, job->r.key, &job->log_bytes) == CODE_OK;
    job->log_token = STR_NONE;
    ctx_clear_err(cx);
    return job->log_known;
}

/* True when there may be another page. */
static bool copy_page(struct ctx *cx, struct exec_connector_exec *x, struct exec_job *job)
{
    ConnectorTaskCategory type = {.name = job->r.type, .version = job->r.version};
    const ConnectorGetTaskLogsRequest req = {
        .resource_meta = job->r.meta, .task_category = &type, .token = job->log_token};
    int64_t skip = job->log_token.n ? job->log_skip : job->log_bytes;
    struct copy c = {.cx = cx, .skip = skip};
    buf_init_arena(&c.text, cx->mem, (size_t)EXEC_LOG_HEAD);
    enum code code = exec_connectors_stream(cx, job->c, GET_LOGS, &req, take, &c);
    bool away = code == CODE_UNAVAILABLE || code == CODE_DEADLINE_EXCEEDED;
    if (code != CODE_OK) {
        job->no_logs = !away; /* it has none */
        ctx_clear_err(cx);
        return false;
    }
    job->log_known = append(cx, x, job, buf_view(&c.text));
    if (!job->log_known)
        return false;
    job->log_bytes += (int64_t)c.text.n;
    job->log_skip = c.skip;
    bool more = (c.text.n || c.skip < skip) && c.token.n && !str_eq(c.token, job->log_token);
    arena_reset(&job->token);
    job->log_token = arena_str(&job->token, c.token);
    return more;
}

/* In memory of its own. */
static bool copy_next(struct ctx *cx, struct exec_connector_exec *x, struct exec_job *job)
{
    struct arena mem, *outer = cx->mem;
    arena_init(&mem, 0);
    cx->mem = &mem;
    bool more = copy_page(cx, x, job);
    cx->mem = outer;
    arena_done(&mem);
    return more;
}

bool exec_job_copy_log(struct ctx *cx, struct exec_connector_exec *x, struct exec_job *job)
{
    if (job->no_logs || !find_end(cx, x, job))
        return false;
    for (int i = 0; i < PAGES_MAX; i++)
        if (!copy_next(cx, x, job))
            return false;
    return true;
}

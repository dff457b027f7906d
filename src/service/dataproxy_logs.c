/* DataProxyService.TailLogs and its older name in RunLogsService: the log of one attempt, from its first line to its
 * end, as it grows. Work lane: log files are read here. */
#include "app.h"
#include "base/time.h"
#include "exec/exec.h"
#include "gen/flyteidl2_dataproxy.h"
#include "gen/flyteidl2_logs_dataplane.h"
#include "gen/services.h"
#include "lane/lane.h"
#include "rpc/stream.h"
#include "service/action_message.h"
#include "service/convert.h"

#define LINES_PER_MESSAGE 500
/* How often an attempt without a log yet is looked at, besides when its log begins. */
#define NO_LOG_YET_NS (500 * NS_PER_MS)

struct tail {
    uint64_t action_id;
    int64_t cursor;
    bool subscribed;
};

struct tail_lookup {
    const CommonActionIdentifier *id;
    uint32_t attempt;
    uint64_t action_id; /* found */
    bool over;          /* nothing will be logged any more */
    bool had_log;
    int64_t ended_ns; /* 0 = unknown */
};

static enum code find_attempt(struct ctx *cx, void *arg)
{
    struct tail_lookup *l = arg;
    struct store_run *run;
    struct store_action *a;
    struct store_attempt *t;
    if (!l->id->run)
        return fail(cx, CODE_INVALID_ARGUMENT, "action_id.run: required");
    TRY(store_action_get(cx, l->id->run->project, l->id->run->domain, l->id->run->name, l->id->name, &run, &a));
    TRY(store_attempt_find(cx, a, l->attempt, &t));
    l->action_id = a->id;
    l->had_log = t && t->has_log;
    l->ended_ns = t ? t->ended_ns : 0;
    l->over = service_phase_is_terminal(a->phase) || (t && t->ended_ns) || a->attempt > l->attempt;
    return CODE_OK;
}

static LogsDataplaneLogLine **lines_of(struct ctx *cx, const struct exec_log_page *page)
{
    LogsDataplaneLogLine **lines = arena_new_array(cx->mem, LogsDataplaneLogLine *, page->n);
    for (size_t i = 0; i < page->n; i++) {
        lines[i] = pb_new(cx->mem, LogsDataplaneLogLine);
        lines[i]->timestamp = service_timestamp(cx, page->p[i].time_ns);
        lines[i]->message = page->p[i].text;
        lines[i]->originator = page->p[i].system ? LOGS_DATAPLANE_SYSTEM : LOGS_DATAPLANE_USER;
    }
    return lines;
}

typedef enum code send_lines_fn(struct ctx *cx, struct stream *st, LogsDataplaneLogLine **lines, size_t n);

/* The attempt has no log (yet): waits for it, ends when it never will, or says that retention took it. */
static enum code no_log(struct ctx *cx, struct stream *st, const CommonActionIdentifier *id, uint32_t attempt,
                        send_lines_fn *send)
{
    struct tail_lookup l = {.id = id, .attempt = attempt};
    ctx_clear_err(cx);
    TRY(lane_read(cx, cx->app->lanes, find_attempt, &l));
    if (!l.over)
        return stream_wait_until(st, time_now_ns() + NO_LOG_YET_NS);
    struct exec_log_line line = {
        .time_ns = l.ended_ns, .text = STR("This log is gone: it was older than retention.logs.\n"), .system = true};
    const struct exec_log_page page = {.p = &line, .n = 1};
    return l.had_log ? send(cx, st, lines_of(cx, &page), 1) : CODE_OK;
}

static enum code tail(struct ctx *cx, struct stream *st, const CommonActionIdentifier *id, uint32_t attempt,
                      send_lines_fn *send)
{
    struct tail *t = stream_state(st, sizeof(*t));
    struct exec_log_page page;
    if (!t->subscribed) {
        struct tail_lookup l = {.id = id, .attempt = attempt};
        TRY(lane_read(cx, cx->app->lanes, find_attempt, &l));
        t->action_id = l.action_id;
        t->subscribed = true;
        stream_subscribe(cx, st, (struct topic_key){TOPIC_LOG, l.action_id, attempt});
    }
    if (!stream_writable(st))
        return stream_again(st);
    enum code code =
        exec_log_read(cx, cx->app->exec, (struct exec_key){t->action_id, attempt}, t->cursor, LINES_PER_MESSAGE, &page);
    if (code == CODE_NOT_FOUND)
        return no_log(cx, st, id, attempt, send);
    TRY(code);
    if (page.n)
        TRY(send(cx, st, lines_of(cx, &page), page.n));
    t->cursor = page.next;
    if (page.ended)
        return CODE_OK;
    return page.n == LINES_PER_MESSAGE ? stream_again(st) : stream_wait(st);
}

static enum code send_dataproxy(struct ctx *cx, struct stream *st, LogsDataplaneLogLine **lines, size_t n)
{
    DataproxyTailLogsResponse rsp = {0};
    DataproxyTailLogsResponse_Logs logs = {0}, *one = &logs;
    logs.lines.p = lines;
    logs.lines.n = n;
    rsp.logs.p = &one;
    rsp.logs.n = 1;
    return stream_send(cx, st, &rsp);
}

enum code DataProxyService_TailLogs(struct ctx *cx, const DataproxyTailLogsRequest *req, struct stream *st)
{
    return tail(cx, st, req->action_id, req->attempt, send_dataproxy);
}

static enum code send_run_logs(struct ctx *cx, struct stream *st, LogsDataplaneLogLine **lines, size_t n)
{
    WorkflowTailLogsResponse rsp = {0};
    WorkflowTailLogsResponse_Logs logs = {0}, *one = &logs;
    logs.lines.p = lines;
    logs.lines.n = n;
    rsp.logs.p = &one;
    rsp.logs.n = 1;
    return stream_send(cx, st, &rsp);
}

enum code RunLogsService_TailLogs(struct ctx *cx, const WorkflowTailLogsRequest *req, struct stream *st)
{
    return tail(cx, st, req->action_id, req->attempt, send_run_logs);
}

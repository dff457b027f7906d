/* The shown action on a run's page: error, attempts, events, report, log. See page_run_int.h. */
#include "service/page_run_int.h"

#include "app.h"
#include "exec/exec.h"
#include "service/action_message.h"
#include "service/data.h"
#include "service/html_int.h"

#define LOG_LINES_MAX 1000
#define LINK_LIFETIME_S 3600

/* What an attempt waits for now: the row says what it was when something changed last. */
static str wait_reason(struct ctx *cx, const struct page_run *p, const struct store_attempt *t)
{
    struct exec_observation o = {0};
    if (t->phase != COMMON_ACTION_PHASE_WAITING_FOR_RESOURCES)
        return t->wait_reason;
    if (exec_observe(cx, cx->app->exec, (struct exec_key){p->shown->id, t->attempt}, &o) != CODE_OK)
        ctx_clear_err(cx);
    return o.state == EXEC_WAITING ? o.reason : t->wait_reason;
}

static void attempts_table(struct ctx *cx, buf *b, const struct page_run *p)
{
    buf_str(b, STR("<div class=\"card\"><table><thead><tr><th>Attempt</th><th>Phase</th><th>Queued</th><th>Running</th>"
                   "<th>Ended</th><th>Error</th></tr></thead><tbody>"));
    for (size_t i = 0; i < p->attempt_count; i++) {
        const struct store_attempt *t = &p->attempts[i];
        bool marked = p->attempt_count > 1 && t == p->shown_attempt;
        buf_printf(b, "<tr%s><td><a href=\"?action=", marked ? " class=\"shown\"" : "");
        html_url(b, p->shown->name);
        buf_printf(b, "&amp;attempt=%u#action\">%u</a></td><td>", t->attempt, t->attempt);
        html_phase(b, t->phase);
        const int64_t times[] = {t->queued_ns, t->running_ns, t->ended_ns};
        for (size_t k = 0; k < 3; k++) {
            buf_str(b, STR("</td><td class=\"num\">"));
            html_clock(b, times[k]);
        }
        buf_str(b, STR("</td><td class=\"why\">"));
        html_text(b, t->error.n ? t->error : wait_reason(cx, p, t));
        buf_str(b, STR("</td></tr>"));
    }
    buf_str(b, STR("</tbody></table></div>"));
}

static void events_table(buf *b, const struct page_run *p)
{
    if (p->event_count == 0)
        return;
    buf_str(b, STR("<h3>Events</h3><div class=\"card\"><table class=\"events\"><thead><tr><th>Time</th><th>Reason</th>"
                   "<th>Message</th></tr></thead><tbody>"));
    for (size_t i = 0; i < p->event_count; i++) {
        const struct store_event *e = &p->events[i];
        buf_str(b, STR("<tr><td class=\"num\">"));
        html_clock(b, e->time_ns);
        buf_printf(b, "</td><td%s>", e->kind == WORKFLOW_CLUSTER_EVENT_TYPE_WARNING ? " class=\"warning\"" : "");
        html_text(b, e->reason);
        buf_str(b, STR("</td><td class=\"said\">"));
        html_text(b, e->message);
        buf_str(b, STR("</td></tr>"));
    }
    buf_str(b, STR("</tbody></table></div>"));
}

/* What could not be shown, and why. */
static void failed(struct ctx *cx, buf *b, const char *what)
{
    buf_printf(b, "<p class=\"note\">%s cannot be shown: ", what);
    html_text(b, str_from(cx->err.msg));
    buf_str(b, STR("</p>"));
    ctx_clear_err(cx);
}

static void log_lines(struct ctx *cx, buf *b, const struct page_run *p, uint32_t attempt)
{
    struct exec_log_page page = {0};
    buf_str(b, STR("<h3>Log</h3>"));
    enum code c = exec_log_read(cx, cx->app->exec, (struct exec_key){p->shown->id, attempt}, 0, LOG_LINES_MAX, &page);
    if (c == CODE_NOT_FOUND || (c == CODE_OK && page.n == 0)) {
        ctx_clear_err(cx);
        buf_str(b, STR("<p class=\"note\">Nothing was written.</p>"));
        return;
    }
    if (c != CODE_OK) {
        failed(cx, b, "The log");
        return;
    }
    buf_str(b, STR("<pre class=\"log\">"));
    for (size_t i = 0; i < page.n; i++) {
        if (page.p[i].system)
            buf_str(b, STR("<i>"));
        html_terminal(b, page.p[i].text);
        if (page.p[i].system)
            buf_str(b, STR("</i>"));
    }
    buf_str(b, STR("</pre>"));
    if (page.n == LOG_LINES_MAX)
        buf_printf(b,
                   "<p class=\"note\">Only the first %d lines are shown; all of them: <code>flyte get logs</code></p>",
                   LOG_LINES_MAX);
}

/* Reports are users' HTML: another origin, and a sandbox on top (D-31). */
static void report(struct ctx *cx, buf *b, const struct store_attempt *t)
{
    str bucket, key, url;
    enum code c = service_report_key(cx, t, &bucket, &key);
    if (c == CODE_OK)
        c = service_download_url(cx, bucket, key, LINK_LIFETIME_S, STR("text/html; charset=utf-8"), &url);
    if (c == CODE_NOT_FOUND)
        ctx_clear_err(cx);
    else if (c != CODE_OK)
        failed(cx, b, "The report");
    if (c != CODE_OK)
        return;
    buf_str(b, STR("<h3>Report</h3><iframe title=\"report\" sandbox=\"allow-scripts\" src=\""));
    html_text(b, url);
    buf_str(b, STR("\"></iframe>"));
}

static void error_box(buf *b, const struct store_action *a)
{
    if (!a->error.n)
        return;
    buf_str(b, STR("<pre class=\"error\">"));
    if (a->error_code.n) {
        buf_str(b, STR("<b>"));
        html_text(b, a->error_code);
        buf_str(b, STR("</b>\n"));
    }
    html_terminal(b, a->error);
    buf_str(b, STR("</pre>"));
}

void page_action_put(struct ctx *cx, buf *b, const struct page_run *p)
{
    const struct store_attempt *t = p->shown_attempt;
    buf_str(b, STR("<section id=\"action\"><h2>"));
    html_text(b, p->shown->function_name.n ? p->shown->function_name : p->shown->name);
    buf_str(b, STR(" <small>"));
    html_text(b, p->shown->name);
    buf_str(b, STR("</small> "));
    html_phase(b, p->shown->phase);
    buf_str(b, STR("</h2>"));
    error_box(b, p->shown);
    if (t)
        attempts_table(cx, b, p);
    events_table(b, p);
    if (t) {
        report(cx, b, t);
        log_lines(cx, b, p, t->attempt);
    }
    buf_str(b, STR("</section>"));
}

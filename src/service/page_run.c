/* The page of one run: its actions as a tree with phases and times, errors, and of one action the attempts, the log and the
 * report. Plain HTML without scripts; it reloads itself while the run is open. */
#include "service/page_run_int.h"

#include "app.h"
#include "base/time.h"
#include "exec/exec.h"
#include "lane/lane.h"
#include "object/object.h"
#include "service/action_message.h"
#include "service/data.h"
#include "service/html_int.h"

#define PAGE_BYTES_MAX ((size_t)8 << 20)
#define ACTIONS_MAX 2000
#define LOG_LINES_MAX 1000
#define REFRESH_S 2
#define LINK_LIFETIME_S 3600

struct page {
    /* asked for */
    str domain, project, name;
    str action;
    uint32_t attempt; /* 0 = the last */
    /* found */
    struct store_run *run;
    struct store_action *actions; /* in order of creation */
    size_t n;
    struct store_action *shown;
    struct store_attempt *attempts;
    size_t attempt_count;
};

void service_page_run_url(buf *b, const struct store_run *run)
{
    buf_str(b, STR("/v2/domain/"));
    html_url(b, run->domain);
    buf_str(b, STR("/project/"));
    html_url(b, run->project);
    buf_str(b, STR("/runs/"));
    html_url(b, run->name);
}

/* ---- request ----------------------------------------------------------------------------------------------------- */

static str query_value(str query, str name)
{
    str pair, key, value;
    while (str_next(&query, '&', &pair))
        if (str_cut(pair, '=', &key, &value) && str_eq(key, name))
            return value;
    return STR("");
}

/* Names that can be in a path need no decoding: none of theirs has other characters. */
static enum code parse(struct ctx *cx, const struct rpc_page_request *req, struct page *p)
{
    static const char *const words[] = {"", "v2", "domain", NULL, "project", NULL, "runs", NULL};
    str rest = req->path, piece, *values[] = {&p->domain, &p->project, &p->name};
    size_t value = 0;
    uint64_t attempt;
    for (size_t i = 0; i < sizeof(words) / sizeof(*words); i++) {
        if (!str_next(&rest, '/', &piece) || (words[i] && !str_eq(piece, str_from(words[i]))))
            return fail(cx, CODE_NOT_FOUND, "there is no such page; runs are at /v2/domain/D/project/P/runs/R");
        if (!words[i])
            *values[value++] = piece;
    }
    p->action = query_value(req->query, STR("action"));
    if (str_to_u64(query_value(req->query, STR("attempt")), &attempt) && attempt < UINT32_MAX)
        p->attempt = (uint32_t)attempt;
    return CODE_OK;
}

static enum code load(struct ctx *cx, void *arg)
{
    struct page *p = arg;
    TRY(store_run_get(cx, p->project, p->domain, p->name, &p->run));
    TRY(store_action_page(cx, p->run->id, 0, ACTIONS_MAX, &p->actions, &p->n));
    for (size_t i = 0; i < p->n; i++)
        if (str_eq(p->actions[i].name, p->action.n ? p->action : STR("a0")))
            p->shown = &p->actions[i];
    return p->shown ? store_attempt_list(cx, p->shown, &p->attempts, &p->attempt_count) : CODE_OK;
}

/* ---- the tree ---------------------------------------------------------------------------------------------------- */

static void action_row(buf *b, const struct page *p, const struct store_action *a)
{
    buf_printf(b, "<tr%s><td class=\"name d%u\"><a href=\"?action=", a == p->shown ? " class=\"shown\"" : "",
               a->depth < 12 ? a->depth : 12);
    html_url(b, a->name);
    buf_str(b, STR("\">"));
    html_text(b, a->name);
    buf_str(b, STR("</a></td><td>"));
    html_text(b, a->function_name);
    if (a->group_name.n) {
        buf_str(b, STR(" <small>"));
        html_text(b, a->group_name);
        buf_str(b, STR("</small>"));
    }
    buf_str(b, STR("</td><td>"));
    html_phase(b, a->phase);
    buf_printf(b, "</td><td>%u</td><td>", a->attempt);
    html_time(b, a->created_ns);
    buf_str(b, STR("</td><td>"));
    html_duration(b, (a->ended_ns ? a->ended_ns : time_wall_ns()) - a->created_ns);
    buf_str(b, STR("</td><td class=\"error\">"));
    html_text(b, str_head(a->error, 200));
    buf_str(b, STR("</td></tr>"));
}

/* Children follow their parent: by_parent[i] is the first child of action i, next[i] its next sibling; SIZE_MAX ends. */
static void tree(struct ctx *cx, buf *b, const struct page *p)
{
    size_t *first = arena_new_array(cx->mem, size_t, p->n), *last = arena_new_array(cx->mem, size_t, p->n);
    size_t *next = arena_new_array(cx->mem, size_t, p->n), *stack = arena_new_array(cx->mem, size_t, p->n + 1);
    size_t depth = 0;
    for (size_t i = 0; i < p->n; i++) {
        first[i] = next[i] = SIZE_MAX;
        uint64_t at = p->actions[i].parent_id - p->actions[0].id; /* ordinals are places, unless rows were deleted */
        if (i == 0 || at >= i || p->actions[at].id != p->actions[i].parent_id)
            continue;
        if (first[at] == SIZE_MAX)
            first[at] = i;
        else
            next[last[at]] = i;
        last[at] = i;
    }
    if (p->n)
        stack[depth++] = 0;
    while (depth) {
        size_t i = stack[--depth];
        action_row(b, p, &p->actions[i]);
        if (next[i] != SIZE_MAX)
            stack[depth++] = next[i];
        if (first[i] != SIZE_MAX)
            stack[depth++] = first[i];
    }
}

/* ---- one action -------------------------------------------------------------------------------------------------- */

static void attempts_table(buf *b, const struct page *p)
{
    buf_str(b, STR("<table><thead><tr><th>Attempt</th><th>Phase</th><th>Queued</th><th>Running</th><th>Ended</th>"
                   "<th>Error</th></tr></thead><tbody>"));
    for (size_t i = 0; i < p->attempt_count; i++) {
        const struct store_attempt *t = &p->attempts[i];
        buf_str(b, STR("<tr><td><a href=\"?action="));
        html_url(b, p->shown->name);
        buf_printf(b, "&amp;attempt=%u\">%u</a></td><td>", t->attempt, t->attempt);
        html_phase(b, t->phase);
        const int64_t times[] = {t->queued_ns, t->running_ns, t->ended_ns};
        for (size_t k = 0; k < 3; k++) {
            buf_str(b, STR("</td><td>"));
            html_time(b, times[k]);
        }
        buf_str(b, STR("</td><td class=\"error\">"));
        html_text(b, t->error.n ? t->error : t->wait_reason);
        buf_str(b, STR("</td></tr>"));
    }
    buf_str(b, STR("</tbody></table>"));
}

/* What could not be shown, and why. */
static void failed(struct ctx *cx, buf *b, const char *what)
{
    buf_printf(b, "(%s cannot be shown: ", what);
    html_text(b, str_from(cx->err.msg));
    buf_str(b, STR(")"));
    ctx_clear_err(cx);
}

static void log_lines(struct ctx *cx, buf *b, const struct page *p, uint32_t attempt)
{
    struct exec_log_page page = {0};
    buf_str(b, STR("<h2>Log</h2><pre>"));
    enum code c = exec_log_read(cx, cx->app->exec, (struct exec_key){p->shown->id, attempt}, 0, LOG_LINES_MAX, &page);
    if (c != CODE_OK)
        failed(cx, b, "the log");
    for (size_t i = 0; i < page.n; i++)
        html_text(b, page.p[i].text);
    buf_str(b, STR("</pre>"));
    if (page.n == LOG_LINES_MAX)
        buf_printf(b, "<p>Only the first %d lines are shown; all of them: <code>flyte get logs</code></p>",
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
        failed(cx, b, "the report");
    if (c != CODE_OK)
        return;
    buf_str(b, STR("<h2>Report</h2><iframe sandbox=\"allow-scripts\" src=\""));
    html_text(b, url);
    buf_str(b, STR("\"></iframe>"));
}

static void shown_action(struct ctx *cx, buf *b, const struct page *p)
{
    const struct store_attempt *t = NULL;
    for (size_t i = 0; i < p->attempt_count; i++)
        if (p->attempt == 0 || p->attempts[i].attempt == p->attempt)
            t = &p->attempts[i];
    buf_str(b, STR("<h1>"));
    html_text(b, p->shown->function_name);
    buf_str(b, STR(" <small>"));
    html_text(b, p->shown->name);
    buf_str(b, STR("</small></h1>"));
    if (p->shown->error.n) {
        buf_str(b, STR("<pre class=\"error\">"));
        html_text(b, p->shown->error_code);
        buf_str(b, STR(": "));
        html_text(b, p->shown->error);
        buf_str(b, STR("</pre>"));
    }
    if (!t)
        return;
    attempts_table(b, p);
    report(cx, b, t);
    log_lines(cx, b, p, t->attempt);
}

enum code service_page_run(struct ctx *cx, const struct rpc_page_request *req, struct rpc_page_response *rsp)
{
    struct page p = {0};
    buf b;
    TRY(parse(cx, req, &p));
    TRY(lane_read(cx, cx->app->lanes, load, &p));
    buf_init_arena(&b, cx->mem, PAGE_BYTES_MAX);
    html_begin(&b, p.run->name, service_phase_is_terminal(p.run->phase) ? 0 : REFRESH_S);
    buf_str(&b, STR("<h1>Run "));
    html_text(&b, p.run->name);
    buf_char(&b, ' ');
    html_phase(&b, p.run->phase);
    buf_str(&b, STR("</h1><p>"));
    html_text(&b, p.run->project);
    buf_str(&b, STR(" / "));
    html_text(&b, p.run->domain);
    buf_str(&b, STR("</p><table><thead><tr><th>Action</th><th>Task</th><th>Phase</th><th>Attempts</th><th>Started</th>"
                    "<th>Took</th><th>Error</th></tr></thead><tbody>"));
    tree(cx, &b, &p);
    buf_str(&b, STR("</tbody></table>"));
    if (p.n == ACTIONS_MAX)
        buf_printf(&b, "<p>Only the first %d actions are shown; all of them: <code>flyte get action</code></p>",
                   ACTIONS_MAX);
    if (p.shown)
        shown_action(cx, &b, &p);
    buf_str(&b,
            STR("<p>To open files, folders and frames of this run from a notebook: <code>eval \"$(tern env)\"</code>"
                "</p>"));
    return html_end(cx, &b, cx->app->s3_endpoint, rsp);
}

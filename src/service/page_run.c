/* The page of one run: its actions as a tree with phases and times, errors, and of one action the attempts, the log and the
 * report. Plain HTML without scripts; it reloads itself while the run is open. page_tree.c and page_action.c are its parts. */
#include "service/page_run_int.h"

#include "app.h"
#include "base/time.h"
#include "lane/lane.h"
#include "service/action_message.h"
#include "service/html_int.h"

#define PAGE_BYTES_MAX ((size_t)8 << 20)
#define ACTIONS_MAX 2000
#define EVENTS_MAX 100
#define REFRESH_S 2

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

/* A tracked run's page is that of any run; the SDK prints another URL for it. */
static bool is_word(str piece, const char *word)
{
    return str_eq(piece, str_from(word)) || (str_eq(piece, STR("tracked-runs")) && strcmp(word, "runs") == 0);
}

/* Names that can be in a path need no decoding: none of theirs has other characters. */
static enum code parse(struct ctx *cx, const struct rpc_page_request *req, struct page_run *p)
{
    static const char *const words[] = {"", "v2", "domain", NULL, "project", NULL, "runs", NULL};
    str rest = req->path, piece, *values[] = {&p->domain, &p->project, &p->name};
    size_t value = 0;
    uint64_t attempt;
    for (size_t i = 0; i < sizeof(words) / sizeof(*words); i++) {
        if (!str_next(&rest, '/', &piece) || (words[i] && !is_word(piece, words[i])))
            return fail(cx, CODE_NOT_FOUND, "there is no such page; runs are at /v2/domain/D/project/P/runs/R");
        if (!words[i])
            *values[value++] = piece;
    }
    p->action = query_value(req->query, STR("action"));
    if (str_to_u64(query_value(req->query, STR("attempt")), &attempt) && attempt < UINT32_MAX)
        p->attempt = (uint32_t)attempt;
    return CODE_OK;
}

static const struct store_attempt *chosen(const struct page_run *p)
{
    const struct store_attempt *t = NULL;
    for (size_t i = 0; i < p->attempt_count; i++)
        if (p->attempt == 0 || p->attempts[i].attempt == p->attempt)
            t = &p->attempts[i];
    return t;
}

static enum code load_shown(struct ctx *cx, struct page_run *p)
{
    TRY(store_attempt_list(cx, p->shown, &p->attempts, &p->attempt_count));
    p->shown_attempt = chosen(p);
    uint32_t attempt = p->shown_attempt ? p->shown_attempt->attempt : p->shown->attempt;
    return store_event_newest(cx, p->shown->id, attempt, EVENTS_MAX, &p->events, &p->event_count);
}

static enum code load(struct ctx *cx, void *arg)
{
    struct page_run *p = arg;
    TRY(store_run_get(cx, p->project, p->domain, p->name, &p->run));
    TRY(store_action_page(cx, p->run->id, 0, ACTIONS_MAX, &p->actions, &p->n));
    for (size_t i = 0; i < p->n; i++)
        if (str_eq(p->actions[i].name, p->action.n ? p->action : STR("a0")))
            p->shown = &p->actions[i];
    return p->shown ? load_shown(cx, p) : CODE_OK;
}

/* ---- the head ---------------------------------------------------------------------------------------------------- */

static void fact(buf *b, const char *label)
{
    buf_printf(b, "<dt>%s</dt><dd>", label);
}

/* "12 actions, 1 failed, 3 open" */
static void count(buf *b, const struct page_run *p)
{
    size_t failed = 0, open = 0;
    for (size_t i = 0; i < p->n; i++) {
        bool ended = service_phase_is_terminal(p->actions[i].phase);
        open += !ended;
        failed += ended && !service_phase_is_success(p->actions[i].phase);
    }
    buf_printf(b, "%zu%s", p->n, p->n == ACTIONS_MAX ? " or more" : "");
    if (failed)
        buf_printf(b, ", %zu failed", failed);
    if (open)
        buf_printf(b, ", %zu open", open);
}

static void facts(buf *b, const struct page_run *p)
{
    const struct store_action *root = &p->actions[0];
    const struct store_run *run = p->run;
    buf_str(b, STR("<dl class=\"facts\">"));
    fact(b, "Run");
    html_text(b, run->name);
    fact(b, "Started");
    html_time(b, root->created_ns);
    fact(b, "Took");
    html_duration(b, (root->ended_ns ? root->ended_ns : p->now_ns) - root->created_ns);
    fact(b, "Actions");
    count(b, p);
    if (run->created_by_name.n || run->created_by_subject.n) {
        fact(b, "By");
        html_text(b, run->created_by_name.n ? run->created_by_name : run->created_by_subject);
    }
    if (run->source == WORKFLOW_RUN_SOURCE_TRACKED) {
        fact(b, "Runs");
        buf_str(b, STR("elsewhere; what is known of it was reported"));
    }
    buf_str(b, STR("</dl>"));
}

static void head(buf *b, const struct page_run *p)
{
    buf_str(b, STR("<p class=\"crumbs\"><a href=\"/\">Runs</a> / "));
    html_text(b, p->run->project);
    buf_str(b, STR(" / "));
    html_text(b, p->run->domain);
    buf_str(b, STR("</p><h1>"));
    html_text(b, p->n && p->actions[0].function_name.n ? p->actions[0].function_name : p->run->name);
    buf_char(b, ' ');
    html_phase(b, p->run->phase);
    buf_str(b, STR("</h1>"));
    if (p->n)
        facts(b, p);
}

/* What was not found is said on a page like the others, with the way back. */
static enum code not_found(struct ctx *cx, struct rpc_page_response *rsp)
{
    buf b;
    buf_init_arena(&b, cx->mem, PAGE_BYTES_MAX);
    html_begin(&b, STR("Not found"), 0);
    buf_str(&b, STR("<h1>Not found</h1><p>"));
    html_text(&b, str_from(cx->err.msg));
    buf_str(&b, STR("</p><p><a href=\"/\">Recent runs</a></p>"));
    ctx_clear_err(cx);
    rsp->status = 404;
    return html_end(cx, &b, STR(""), false, rsp);
}

static enum code find(struct ctx *cx, const struct rpc_page_request *req, struct page_run *p)
{
    TRY(parse(cx, req, p));
    return lane_read(cx, cx->app->lanes, load, p);
}

enum code service_page_run(struct ctx *cx, const struct rpc_page_request *req, struct rpc_page_response *rsp)
{
    struct page_run p = {.now_ns = time_wall_ns()};
    buf b;
    enum code code = find(cx, req, &p);
    if (code == CODE_NOT_FOUND)
        return not_found(cx, rsp);
    TRY(code);
    buf_init_arena(&b, cx->mem, PAGE_BYTES_MAX);
    html_begin(&b, p.run->name, service_phase_is_terminal(p.run->phase) ? 0 : REFRESH_S);
    head(&b, &p);
    page_tree_put(cx, &b, &p);
    if (p.n == ACTIONS_MAX)
        buf_printf(
            &b, "<p class=\"note\">Only the first %d actions are shown; all of them: <code>flyte get action</code></p>",
            ACTIONS_MAX);
    if (p.shown)
        page_action_put(cx, &b, &p);
    else
        buf_str(&b, STR("<p class=\"note\">This run has no action of that name.</p>"));
    buf_str(&b, STR("<p class=\"note\">To open files, folders and frames of this run from a notebook: "
                    "<code>eval \"$(tern env)\"</code></p>"));
    return html_end(cx, &b, cx->app->s3_endpoint, false, rsp);
}

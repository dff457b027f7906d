/* The table of pages, those that are files, /readyz, and the list of recent runs. */
#include "service/pages.h"

#include "app.h"
#include "base/embed.h"
#include "base/time.h"
#include "object/object.h"
#include "rpc/call.h"
#include "service/action_message.h"
#include "service/html_int.h"
#include "service/list.h"
#include "service/page_answer_int.h"
#include "service/page_gc_int.h"
#include "service/page_notifications_int.h"
#include "service/page_queues_int.h"
#include "service/page_run_int.h"

#define PAGE_BYTES_MAX ((size_t)8 << 20)
#define RUNS 100

/* Files as they are, but for what a page may load. */
static enum code static_file(struct ctx *cx, const struct rpc_page_request *req, struct rpc_page_response *rsp)
{
    static const struct {
        const char *path, *name, *type;
    } files[] = {
        {"/assets/openapi.css", "service/embed/openapi.css", "text/css; charset=utf-8"},
        {"/assets/openapi.js", "service/embed/openapi.js", "text/javascript; charset=utf-8"},
        {"/assets/tern.css", "service/embed/tern.css", "text/css; charset=utf-8"},
        {"/assets/tern.svg", "service/embed/tern.svg", "image/svg+xml"},
        {"/openapi", "service/embed/openapi.html", "text/html; charset=utf-8"},
        {"/openapi.json", "service/embed/openapi.json", "application/json"},
    };
    rpc_set_header(cx, STR("content-security-policy"),
                   STR("default-src 'none'; style-src 'self'; img-src 'self'; script-src 'self'; connect-src 'self'; "
                       "base-uri 'none'; form-action 'none'; frame-ancestors 'none'"));
    for (size_t i = 0; i < sizeof(files) / sizeof(*files); i++)
        if (str_eq(req->path, str_from(files[i].path))) {
            rsp->content_type = str_from(files[i].type);
            rsp->body = embed_find(str_from(files[i].name));
            return CODE_OK;
        }
    return fail(cx, CODE_INTERNAL, "a page without its file");
}

/* ---- health ------------------------------------------------------------------------------------------------------ */

/* A look at what hangs would hang too, so the store is first asked whether it does. */
static enum code objects_answer(struct ctx *cx)
{
    struct object_list objects;
    int64_t stalled_ns = object_store_stalled_ns(cx->app->objects);
    if (stalled_ns)
        return fail(cx, CODE_UNAVAILABLE, "the object store has not answered for %lld s",
                    (long long)(stalled_ns / NS_PER_S));
    return object_list(cx, cx->app->objects, STR(OBJECT_BUCKET), STR(""), STR(""), 1, &objects);
}

/* 200 when the database and the object store answer, 503 with the reason otherwise. Not on the work lane, which waits for a
 * store that does not answer. */
static enum code readyz(struct ctx *cx, const struct rpc_page_request *req, struct rpc_page_response *rsp)
{
    (void)req;
    rsp->body = STR("OK");
    if (db_query(cx, "SELECT 1", NULL, 0, NULL) == CODE_OK && objects_answer(cx) == CODE_OK)
        return CODE_OK;
    rsp->status = 503;
    rsp->body = arena_str(cx->mem, str_from(cx->err.msg));
    ctx_clear_err(cx);
    return CODE_OK;
}

/* ---- recent runs ------------------------------------------------------------------------------------------------- */

static void run_row(buf *b, const struct store_run *run, const struct store_action *root)
{
    buf_str(b, STR("<tr><td><a href=\""));
    service_page_run_url(b, run);
    buf_str(b, STR("\">"));
    html_text(b, root->function_name.n ? root->function_name : run->name);
    buf_str(b, STR("</a></td><td><small>"));
    html_text(b, run->name);
    buf_str(b, STR("</small></td><td>"));
    html_phase(b, root->phase);
    buf_str(b, STR("</td><td class=\"num\">"));
    html_time(b, run->created_ns);
    buf_str(b, STR("</td><td class=\"num\">"));
    if (root->ended_ns)
        html_duration(b, root->ended_ns - root->created_ns);
    buf_str(b, STR("</td><td>"));
    html_text(b, run->project);
    buf_str(b, STR(" / "));
    html_text(b, run->domain);
    buf_str(b, STR("</td></tr>"));
}

static enum code home(struct ctx *cx, const struct rpc_page_request *req, struct rpc_page_response *rsp)
{
    struct store_page page = {.order = STR("r.id DESC"), .limit = RUNS};
    struct store_run_row *rows;
    size_t n;
    buf b;
    (void)req;
    TRY(store_run_list(cx, &page, &rows, &n));
    buf_init_arena(&b, cx->mem, PAGE_BYTES_MAX);
    html_begin(&b, STR("Runs"), 5);
    buf_str(&b, STR("<h1>Recent runs</h1>"));
    if (n == 0)
        buf_str(&b, STR("<p>Nothing has run yet. Start something: <code>flyte run hello.py main</code></p>"));
    else
        buf_str(&b, STR("<div class=\"card\"><table><thead><tr><th>Task</th><th>Run</th><th>Phase</th><th "
                        "class=\"num\">Started</th>"
                        "<th class=\"num\">Took</th><th>Project / domain</th></tr></thead><tbody>"));
    for (size_t i = 0; i < n; i++)
        run_row(&b, &rows[i].run, rows[i].root);
    if (n)
        buf_str(&b, STR("</tbody></table></div>"));
    buf_str(&b, STR("<p class=\"note\"><a href=\"/openapi\">The API, to browse</a></p>"));
    return html_end(cx, &b, STR(""), false, rsp);
}

const struct rpc_page service_pages[] = {
    {"/", LANE_READ, home},
    {"/admin/gc", LANE_WORK, service_page_gc},
    {"/admin/notifications", LANE_WORK, service_page_notifications},
    {"/admin/queues", LANE_WORK, service_page_queues},
    {"/answer/", LANE_WORK, service_page_answer},
    {"/assets/openapi.css", LANE_READ, static_file},
    {"/assets/openapi.js", LANE_READ, static_file},
    {"/assets/tern.css", LANE_READ, static_file},
    {"/assets/tern.svg", LANE_READ, static_file},
    {"/healthz", LANE_READ, rpc_page_healthz},
    {"/metrics", LANE_READ, rpc_page_metrics},
    {"/openapi", LANE_READ, static_file},
    {"/openapi.json", LANE_READ, static_file},
    {"/readyz", LANE_READ, readyz},
    {"/v2/", LANE_WORK, service_page_run},
};
const size_t service_page_count = sizeof(service_pages) / sizeof(*service_pages);

/* RunService and TrackedRunService: WatchRuns. */
#include "gen/services.h"
#include "lane/topic.h"
#include "rpc/stream.h"
#include "service/action_message.h"
#include "service/list.h"
#include "store/space.h"

/* First the newest runs, then every run that is made or changes, in the order of its last change: a page for each
 * message. The cursor is a number that grows over all runs, so nothing is skipped however many change at once, and a
 * slow client gets a run's latest state only. */
#define RUNS_PAGE 100

struct watch_runs {
    bool subscribed, sent, tracked;
    int64_t change; /* of what was sent last, or a newer one after which nothing of the scope has changed */
    uint64_t space_id;
};

/* Runs of one project and domain are a topic; everything else wakes on any run. */
static enum code subscribe_runs(struct ctx *cx, const WorkflowWatchRunsRequest *req, struct stream *st,
                                struct watch_runs *w)
{
    struct topic_key key = {.kind = TOPIC_RUNS};
    if (req->target_case == WorkflowWatchRunsRequest_project_id_tag) {
        TRY(store_space_find(cx, req->project_id->name, req->project_id->domain, &w->space_id));
        if (w->space_id)
            key = (struct topic_key){.kind = TOPIC_PROJECT, .id1 = w->space_id};
    }
    stream_subscribe(cx, st, key);
    w->subscribed = true;
    return CODE_OK;
}

#define TASK_SCOPE                                                                                                     \
    "r.task_name_id = (SELECT x.id FROM task_name x WHERE x.project = ? AND x.domain = ? AND x.name = ?)"              \
    " AND s.version = ?"

/* The + keeps SQLite from walking all runs of the scope to find those that changed, or are tracked: it goes by the number of
 * the change, or by the index of tracked runs. */
static enum code runs_scope(struct ctx *cx, const WorkflowWatchRunsRequest *req, struct watch_runs *w,
                            struct service_list *l)
{
    const TaskTaskIdentifier *id;
    bool checked = w->sent || w->tracked;
    switch (req->target_case) {
    case WorkflowWatchRunsRequest_project_id_tag:
        if (!w->space_id)
            TRY(store_space_find(cx, req->project_id->name, req->project_id->domain, &w->space_id));
        return service_list_and(cx, l, checked ? "+r.space_id = ?" : "r.space_id = ?",
                                (struct db_value[]){DB_I(w->space_id)}, 1);
    case WorkflowWatchRunsRequest_task_id_tag:
        id = req->task_id;
        return service_list_and(
            cx, l, checked ? "+" TASK_SCOPE : TASK_SCOPE,
            (struct db_value[]){DB_S(id->project), DB_S(id->domain), DB_S(id->name), DB_S(id->version)}, 4);
    default: /* an organization or a cluster: there is one */
        return CODE_OK;
    }
}

static enum code list_runs(struct ctx *cx, const WorkflowWatchRunsRequest *req, struct watch_runs *w,
                           struct store_run_row **rows, size_t *n)
{
    struct service_list l;
    const struct db_value after = DB_I(w->change);
    service_list_init(cx, &l);
    TRY(runs_scope(cx, req, w, &l));
    if (w->tracked) /* a number in the text: their index is partial, and SQLite compares texts */
        TRY(service_list_and(cx, &l, w->sent ? "+r.source = 4" : "r.source = 4", NULL, 0));
    if (w->sent)
        TRY(service_list_and(cx, &l, "r.change > ?", &after, 1));
    TRY(service_list_done(cx, &l));
    l.page.order = w->sent ? STR("r.change") : l.page.where.n ? STR("r.created_ns DESC, r.id DESC") : STR("r.id DESC");
    l.page.limit = RUNS_PAGE;
    return store_run_list(cx, &l.page, rows, n);
}

static enum code send_runs(struct ctx *cx, struct stream *st, const struct store_run_row *rows, size_t n)
{
    WorkflowWatchRunsResponse rsp = {0};
    if (n == 0)
        return CODE_OK;
    rsp.runs.n = n;
    rsp.runs.p = arena_new_array(cx->mem, WorkflowRun *, n);
    for (size_t i = 0; i < n; i++)
        TRY(service_run_message(cx, &rows[i].run, rows[i].root, STR(""), &rsp.runs.p[i]));
    return stream_send(cx, st, &rsp);
}

static enum code watch_runs(struct ctx *cx, const WorkflowWatchRunsRequest *req, bool tracked, struct stream *st)
{
    struct watch_runs *w = stream_state(st, sizeof(*w));
    struct store_run_row *rows;
    int64_t last;
    size_t n;
    if (!w->subscribed) {
        w->tracked = tracked;
        TRY(subscribe_runs(cx, req, st, w));
        return stream_again(st);
    }
    if (!stream_writable(st))
        return stream_again(st);
    TRY(store_run_last_change(cx, &last));
    if (w->sent && last == w->change)
        return stream_wait(st);
    TRY(list_runs(cx, req, w, &rows, &n));
    TRY(send_runs(cx, st, rows, n));
    bool more = w->sent && n == RUNS_PAGE;
    w->change = more ? rows[n - 1].run.change : last;
    w->sent = true;
    return more ? stream_again(st) : stream_wait(st);
}

enum code RunService_WatchRuns(struct ctx *cx, const WorkflowWatchRunsRequest *req, struct stream *st)
{
    return watch_runs(cx, req, false, st);
}

enum code TrackedRunService_WatchRuns(struct ctx *cx, const WorkflowWatchRunsRequest *req, struct stream *st)
{
    return watch_runs(cx, req, true, st);
}

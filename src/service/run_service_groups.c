/* RunService: WatchGroups. */
#include "base/time.h"
#include "gen/services.h"
#include "lane/topic.h"
#include "rpc/stream.h"
#include "service/convert.h"
#include "service/list.h"
#include "store/action.h"
#include "store/space.h"

#define GROUP_RUNS 1000
#define RECENT 10
/* Groups are told at most this often. */
#define GROUPS_EVERY_NS NS_PER_S

/* What was sent of a group: hashes of its name and of its message. */
struct sent_group {
    uint64_t name, message;
};

struct watch_groups {
    bool subscribed, sent;
    int64_t next_ns;
    size_t n;
    struct sent_group groups[GROUP_RUNS];
};

/* A group while it is added up. */
struct group {
    WorkflowTaskGroup *m;
    int64_t failed, ended, duration_ns, started, to_running_ns;
    int64_t phases[16];
};

struct groups {
    struct group *p;
    size_t n;
};

static struct group *group_of(struct ctx *cx, struct groups *g, const struct store_action *root)
{
    for (size_t i = 0; i < g->n; i++)
        if (str_eq(g->p[i].m->task_name, root->function_name))
            return &g->p[i];
    struct group *new = &g->p[g->n++];
    new->m = pb_new(cx->mem, WorkflowTaskGroup);
    new->m->task_name = root->function_name;
    new->m->environment_name = root->environment;
    new->m->short_name = root->short_name;
    new->m->error_counts = pb_new(cx->mem, WorkflowTaskGroup_ErrorCounts);
    new->m->recent_statuses.p = arena_new_array(cx->mem, WorkflowTaskGroup_RecentStatus *, RECENT);
    new->m->created_by.p = arena_new_array(cx->mem, CommonEnrichedIdentity *, RECENT);
    return new;
}

static void add_creator(struct ctx *cx, WorkflowTaskGroup *m, const struct store_run *run)
{
    CommonEnrichedIdentity *by = service_identity(cx, run->created_by_subject, run->created_by_name);
    if (!by || m->created_by.n == RECENT)
        return;
    for (size_t i = 0; i < m->created_by.n; i++)
        if (pb_equal(&CommonEnrichedIdentity_type, m->created_by.p[i], by))
            return;
    m->created_by.p[m->created_by.n++] = by;
}

static void add_error(WorkflowTaskGroup_ErrorCounts *e, int32_t kind)
{
    if (kind == WORKFLOW_ERROR_INFO_KIND_USER)
        e->user_error++;
    else if (kind == WORKFLOW_ERROR_INFO_KIND_SYSTEM)
        e->system_error++;
    else
        e->unspecified_error++;
}

/* Runs come newest first. */
static void add_run(struct ctx *cx, struct group *g, const struct store_run *run, const struct store_action *root)
{
    WorkflowTaskGroup *m = g->m;
    if (m->total_runs++ == 0)
        m->latest_run_time = service_timestamp(cx, run->created_ns);
    if (m->recent_statuses.n < RECENT) {
        WorkflowTaskGroup_RecentStatus *s = pb_new(cx->mem, WorkflowTaskGroup_RecentStatus);
        s->run_name = run->name;
        s->phase = root->phase;
        m->recent_statuses.p[m->recent_statuses.n++] = s;
    }
    add_creator(cx, m, run);
    g->phases[root->phase & 15]++;
    if (root->started_ns) {
        g->started++;
        g->to_running_ns += root->started_ns - root->created_ns;
    }
    if (root->ended_ns == 0)
        return;
    g->ended++;
    g->duration_ns += root->ended_ns - root->created_ns;
    if (root->ended_ns > service_timestamp_ns(m->latest_finished_time))
        m->latest_finished_time = service_timestamp(cx, root->ended_ns);
    if (root->phase == COMMON_ACTION_PHASE_FAILED) {
        g->failed++;
        add_error(m->error_counts, root->error_kind);
    }
}

static void finish_group(struct ctx *cx, struct group *g)
{
    WorkflowTaskGroup *m = g->m;
    m->average_failure_rate = (double)g->failed / (double)m->total_runs;
    if (g->ended)
        m->average_duration = service_duration(cx, g->duration_ns / g->ended);
    if (g->started)
        m->average_time_to_running = service_duration(cx, g->to_running_ns / g->started);
    m->phase_counts.p = arena_new_array(cx->mem, WorkflowTaskGroup_PhaseCounts *, 16);
    for (int32_t i = 0; i < 16; i++) {
        if (g->phases[i] == 0)
            continue;
        WorkflowTaskGroup_PhaseCounts *c = pb_new(cx->mem, WorkflowTaskGroup_PhaseCounts);
        c->phase = i;
        c->count = g->phases[i];
        m->phase_counts.p[m->phase_counts.n++] = c;
    }
}

static enum code read_groups(struct ctx *cx, const WorkflowWatchGroupsRequest *req, struct groups *out)
{
    struct service_list l;
    struct store_run_row *rows;
    size_t n;
    const struct db_value scope[] = {DB_S(req->project_id->name), DB_S(req->project_id->domain),
                                     DB_I(service_timestamp_ns(req->start_date))};
    const struct db_value end = DB_I(service_timestamp_ns(req->end_date));
    service_list_init(cx, &l);
    TRY(service_list_and(cx, &l,
                         "r.space_id = (SELECT x.id FROM space x WHERE x.project = ? AND x.domain = ?) "
                         "AND r.created_ns >= ?",
                         scope, 3));
    if (req->end_date)
        TRY(service_list_and(cx, &l, "r.created_ns <= ?", &end, 1));
    TRY(service_list_done(cx, &l));
    l.page.order = STR("r.created_ns DESC");
    l.page.limit = GROUP_RUNS;
    TRY(store_run_list(cx, &l.page, &rows, &n));
    out->n = 0;
    out->p = arena_new_array(cx->mem, struct group, n);
    for (size_t i = 0; i < n; i++)
        add_run(cx, group_of(cx, out, rows[i].root), &rows[i].run, rows[i].root);
    for (size_t i = 0; i < out->n; i++)
        finish_group(cx, &out->p[i]);
    return CODE_OK;
}

/* True when this form of the group was not sent yet. */
static enum code is_new(struct ctx *cx, struct watch_groups *w, const WorkflowTaskGroup *m, bool *out)
{
    str bytes;
    TRY(pb_encode(cx, &WorkflowTaskGroup_type, m, &bytes));
    struct sent_group now = {str_hash(m->task_name), str_hash(bytes)}, *at = NULL;
    for (size_t i = 0; i < w->n && !at; i++)
        if (w->groups[i].name == now.name)
            at = &w->groups[i];
    *out = !at || at->message != now.message;
    if (!at && w->n < GROUP_RUNS)
        at = &w->groups[w->n++];
    if (at)
        *at = now;
    return CODE_OK;
}

static enum code send_groups(struct ctx *cx, struct stream *st, struct watch_groups *w, const struct groups *all)
{
    WorkflowWatchGroupsResponse rsp = {.sentinel = !w->sent};
    rsp.task_groups.p = arena_new_array(cx->mem, WorkflowTaskGroup *, all->n);
    for (size_t i = 0; i < all->n; i++) {
        bool new;
        TRY(is_new(cx, w, all->p[i].m, &new));
        if (new)
            rsp.task_groups.p[rsp.task_groups.n++] = all->p[i].m;
    }
    if (rsp.task_groups.n || !w->sent)
        TRY(stream_send(cx, st, &rsp));
    w->sent = true;
    return CODE_OK;
}

enum code RunService_WatchGroups(struct ctx *cx, const WorkflowWatchGroupsRequest *req, struct stream *st)
{
    struct watch_groups *w = stream_state(st, sizeof(*w));
    struct groups all;
    uint64_t space;
    if (!w->subscribed) {
        TRY(store_space_find(cx, req->project_id->name, req->project_id->domain, &space));
        stream_subscribe(cx, st,
                         space ? (struct topic_key){.kind = TOPIC_PROJECT, .id1 = space}
                               : (struct topic_key){.kind = TOPIC_RUNS});
        w->subscribed = true;
        return stream_again(st);
    }
    if (time_now_ns() < w->next_ns)
        return stream_wait_until(st, w->next_ns);
    w->next_ns = time_now_ns() + GROUPS_EVERY_NS;
    TRY(read_groups(cx, req, &all));
    TRY(send_groups(cx, st, w, &all));
    return req->end_date ? CODE_OK : stream_wait(st);
}

/* RunService: WatchGroups. The runs of a project and domain in a span of time, added up by task.
 *
 * A stream adds up anew when a run of the project has changed, and sends the groups of which the message is another than the one
 * that it sent last. That goes over the runs that the filters leave, newest first, as far as a page of ListRuns looks:
 * 100,000 rows or 250 ms. It rests REST times as long as it has worked, and EVERY_NS at least. */
#include "base/map.h"
#include "base/time.h"
#include "base/vec.h"
#include "gen/services.h"
#include "lane/topic.h"
#include "rpc/stream.h"
#include "service/convert.h"
#include "service/run_walk.h"
#include "store/space.h"

#include <stdlib.h>

#define RECENT 10
#define PHASES 16
#define EVERY_NS NS_PER_S
#define REST 20

/* What the client has of a group. */
struct sent_group {
    uint64_t name;    /* hash */
    str task_name;    /* in the stream's memory */
    uint64_t message; /* hash; 0 = it was taken away */
    uint64_t round;   /* of the last look that found it */
};

struct watch_groups {
    bool subscribed;
    int64_t next_ns;
    uint64_t round; /* looks so far */
    VEC(struct sent_group) groups;
};

/* ---- the request ------------------------------------------------------------------------------------------------- */

enum group_key { BY_CREATED, BY_NAME, BY_RUNS };

static const struct {
    const char *name;
    enum group_key key;
} sort_fields[] = {
    {"created_at", BY_CREATED},
    {"latest_run_time", BY_CREATED},
    {"task_name", BY_NAME},
    {"total_runs", BY_RUNS},
};

struct group_order {
    struct {
        enum group_key key;
        bool descending;
    } terms[SERVICE_LIST_TERMS_MAX];
    size_t n;
};

static enum code add_order(struct ctx *cx, struct group_order *o, str key, int32_t direction)
{
    if (o->n == SERVICE_LIST_TERMS_MAX)
        return fail(cx, CODE_INVALID_ARGUMENT, "request.sort_by_fields: at most %d", SERVICE_LIST_TERMS_MAX);
    for (size_t i = 0; i < sizeof(sort_fields) / sizeof(*sort_fields); i++)
        if (str_eq_nocase(key, str_from(sort_fields[i].name))) {
            o->terms[o->n].key = sort_fields[i].key;
            o->terms[o->n++].descending = direction != COMMON_SORT_DIRECTION_ASCENDING;
            return CODE_OK;
        }
    return fail(cx, CODE_INVALID_ARGUMENT,
                "invalid sort field: " STR_FMT "; of groups: created_at, task_name, total_runs", STR_ARG(key));
}

/* The known fields first; newest first if nothing is said. */
static enum code read_order(struct ctx *cx, const WorkflowWatchGroupsRequest *req, struct group_order *out)
{
    const CommonListRequest *list = req->request;
    *out = (struct group_order){0};
    for (size_t i = 0; i < req->known_sort_fields.n; i++)
        TRY(add_order(cx, out, STR("created_at"), req->known_sort_fields.p[i]->created_at));
    for (size_t i = 0; list && i < list->sort_by_fields.n; i++)
        TRY(add_order(cx, out, list->sort_by_fields.p[i]->key, list->sort_by_fields.p[i]->direction));
    if (list && !list->sort_by_fields.n && list->sort_by && list->sort_by->key.n)
        TRY(add_order(cx, out, list->sort_by->key, list->sort_by->direction));
    if (!out->n)
        TRY(add_order(cx, out, STR("created_at"), COMMON_SORT_DIRECTION_DESCENDING));
    return CODE_OK;
}

static size_t read_limit(const CommonListRequest *list)
{
    return list && list->limit && list->limit < SERVICE_LIST_MAX ? list->limit : SERVICE_LIST_MAX;
}

/* ---- adding up --------------------------------------------------------------------------------------------------- */

struct person {
    str subject, name;
};

struct recent {
    str run;
    int32_t phase;
};

/* Of times of which a hundred thousand may be more than an int64_t has nanoseconds for. */
struct average {
    int64_t n, sum_s, sum_ns;
};

static void average_add(struct average *a, int64_t ns)
{
    a->n++;
    a->sum_s += ns / NS_PER_S;
    a->sum_ns += ns % NS_PER_S;
}

static int64_t average_ns(const struct average *a)
{
    return a->sum_s / a->n * NS_PER_S + (a->sum_s % a->n * NS_PER_S + a->sum_ns) / a->n;
}

/* Strings are in the step's memory. */
struct group {
    str task, environment, short_name; /* of the newest run */
    int64_t total, failed, newest_ns, finished_ns;
    struct average duration, to_running;
    int64_t user_errors, system_errors, other_errors;
    int64_t phases[PHASES];
    struct recent recent[RECENT];
    struct person creators[RECENT];
    size_t recent_n, creator_n;
};

struct groups {
    struct arena *mem;
    struct map by_task;
    VEC(struct group *) all;
    struct group_order *order;
};

static void groups_done(struct groups *g)
{
    map_done(&g->by_task);
}

#define COLUMNS                                                                                                        \
    "s.name, s.environment, s.short_name, r.name, r.created_ns, a.created_ns, r.phase, a.started_ns, a.ended_ns, "     \
    "a.error_kind, i.subject, i.name"
enum {
    ID,
    TASK,
    ENVIRONMENT,
    SHORT_NAME,
    RUN,
    CREATED,
    ROOT_CREATED,
    PHASE,
    STARTED,
    ENDED,
    ERROR_KIND,
    SUBJECT,
    PERSON,
};

static struct group *group_of(struct groups *g, const struct db_value *row)
{
    struct group *found = map_find(&g->by_task, row[TASK].s);
    if (found)
        return found;
    found = arena_new(g->mem, struct group);
    found->task = arena_str(g->mem, row[TASK].s);
    found->environment = arena_str(g->mem, row[ENVIRONMENT].s);
    found->short_name = arena_str(g->mem, row[SHORT_NAME].s);
    found->newest_ns = row[CREATED].i;
    map_put(&g->by_task, found->task, found);
    *vec_push(&g->all, g->mem) = found;
    return found;
}

static void add_creator(struct groups *all, struct group *g, const struct db_value *row)
{
    if (!row[SUBJECT].s.n || g->creator_n == RECENT)
        return;
    for (size_t i = 0; i < g->creator_n; i++)
        if (str_eq(g->creators[i].subject, row[SUBJECT].s))
            return;
    g->creators[g->creator_n++] =
        (struct person){arena_str(all->mem, row[SUBJECT].s), arena_str(all->mem, row[PERSON].s)};
}

static void add_error(struct group *g, int64_t kind)
{
    g->failed++;
    if (kind == WORKFLOW_ERROR_INFO_KIND_USER)
        g->user_errors++;
    else if (kind == WORKFLOW_ERROR_INFO_KIND_SYSTEM)
        g->system_errors++;
    else
        g->other_errors++;
}

static void add_run(struct groups *all, const struct db_value *row)
{
    struct group *g = group_of(all, row);
    g->total++;
    g->phases[row[PHASE].i & (PHASES - 1)]++;
    if (g->recent_n < RECENT)
        g->recent[g->recent_n++] = (struct recent){arena_str(all->mem, row[RUN].s), (int32_t)row[PHASE].i};
    add_creator(all, g, row);
    if (row[STARTED].i)
        average_add(&g->to_running, row[STARTED].i - row[ROOT_CREATED].i);
    if (!row[ENDED].i)
        return;
    average_add(&g->duration, row[ENDED].i - row[ROOT_CREATED].i);
    if (row[ENDED].i > g->finished_ns)
        g->finished_ns = row[ENDED].i;
    if (row[PHASE].i == COMMON_ACTION_PHASE_FAILED)
        add_error(g, row[ERROR_KIND].i);
}

static int newest_first(const void *x, const void *y)
{
    const struct db_value *a = x, *b = y;
    if (a[CREATED].i != b[CREATED].i)
        return a[CREATED].i > b[CREATED].i ? -1 : 1;
    return a[ID].i > b[ID].i ? -1 : a[ID].i < b[ID].i;
}

static enum code add_piece(struct ctx *cx, const struct db_rows *rows, void *arg)
{
    (void)cx;
    if (rows->n)
        qsort(rows->v, rows->n, rows->cols * sizeof(*rows->v), newest_first);
    for (size_t i = 0; i < rows->n; i++)
        add_run(arg, db_row(rows, i));
    return CODE_OK;
}

static void within(struct store_walk_range *range, const WorkflowWatchGroupsRequest *req)
{
    int64_t from = service_timestamp_ns(req->start_date), to = service_timestamp_ns(req->end_date);
    if (range->end < from)
        range->end = from;
    if (req->end_date && range->after.at > to)
        range->after = (struct store_walk_place){to, INT64_MAX};
}

static enum code read_groups(struct ctx *cx, const WorkflowWatchGroupsRequest *req, struct groups *out)
{
    struct service_list l;
    struct service_walk walk;
    CommonSort newest = {.key = STR("created_at")};
    CommonListRequest list = {.sort_by = &newest};
    const WorkflowListRunsRequest runs = {
        .scope_by_case = WorkflowListRunsRequest_project_id_tag, .project_id = req->project_id, .request = &list};
    if (req->request)
        list.filters = req->request->filters;
    service_list_init(cx, &l);
    TRY(service_list_and(cx, &l, "+r.space_id = (SELECT x.id FROM space x WHERE x.project = ? AND x.domain = ?)",
                         (struct db_value[]){DB_S(req->project_id->name), DB_S(req->project_id->domain)}, 2));
    TRY(service_list_request(cx, &l, &service_run_walk_list, &list));
    TRY(service_list_done(cx, &l));
    TRY(service_run_walk(cx, &runs, false, &l, &walk));
    within(&walk.range, req);
    l.page.keys = STR(COLUMNS);
    return service_walk_each(cx, &l, &walk, add_piece, out);
}

/* ---- messages ---------------------------------------------------------------------------------------------------- */

static int compare_numbers(int64_t a, int64_t b)
{
    return a < b ? -1 : a > b;
}

static int compare_names(str a, str b)
{
    int c = memcmp(a.p, b.p, a.n < b.n ? a.n : b.n);
    return c ? c : compare_numbers((int64_t)a.n, (int64_t)b.n);
}

static int compare_by(enum group_key key, const struct group *a, const struct group *b)
{
    switch (key) {
    case BY_CREATED:
        return compare_numbers(a->newest_ns, b->newest_ns);
    case BY_RUNS:
        return compare_numbers(a->total, b->total);
    case BY_NAME:
        break;
    }
    return compare_names(a->task, b->task);
}

static int compare_groups(const void *x, const void *y, void *arg)
{
    const struct group *a = *(struct group *const *)x, *b = *(struct group *const *)y;
    const struct group_order *o = arg;
    for (size_t i = 0; i < o->n; i++) {
        int c = compare_by(o->terms[i].key, a, b);
        if (c)
            return o->terms[i].descending ? -c : c;
    }
    return compare_names(a->task, b->task);
}

static void add_phases(struct ctx *cx, const struct group *g, WorkflowTaskGroup *m)
{
    m->phase_counts.p = arena_new_array(cx->mem, WorkflowTaskGroup_PhaseCounts *, PHASES);
    for (int32_t i = 0; i < PHASES; i++) {
        if (g->phases[i] == 0)
            continue;
        WorkflowTaskGroup_PhaseCounts *c = pb_new(cx->mem, WorkflowTaskGroup_PhaseCounts);
        c->phase = i;
        c->count = g->phases[i];
        m->phase_counts.p[m->phase_counts.n++] = c;
    }
}

static void add_recent(struct ctx *cx, const struct group *g, WorkflowTaskGroup *m)
{
    m->recent_statuses.p = arena_new_array(cx->mem, WorkflowTaskGroup_RecentStatus *, RECENT);
    for (size_t i = 0; i < g->recent_n; i++) {
        WorkflowTaskGroup_RecentStatus *s = pb_new(cx->mem, WorkflowTaskGroup_RecentStatus);
        s->run_name = g->recent[i].run;
        s->phase = g->recent[i].phase;
        m->recent_statuses.p[m->recent_statuses.n++] = s;
    }
    m->created_by.p = arena_new_array(cx->mem, CommonEnrichedIdentity *, RECENT);
    for (size_t i = 0; i < g->creator_n; i++)
        m->created_by.p[m->created_by.n++] = service_identity(cx, g->creators[i].subject, g->creators[i].name);
}

static WorkflowTaskGroup *group_message(struct ctx *cx, const struct group *g)
{
    WorkflowTaskGroup *m = pb_new(cx->mem, WorkflowTaskGroup);
    m->task_name = g->task;
    m->environment_name = g->environment;
    m->short_name = g->short_name;
    m->total_runs = g->total;
    m->latest_run_time = service_timestamp(cx, g->newest_ns);
    m->latest_finished_time = service_timestamp(cx, g->finished_ns);
    m->average_failure_rate = (double)g->failed / (double)g->total;
    if (g->duration.n)
        m->average_duration = service_duration(cx, average_ns(&g->duration));
    if (g->to_running.n)
        m->average_time_to_running = service_duration(cx, average_ns(&g->to_running));
    m->error_counts = pb_new(cx->mem, WorkflowTaskGroup_ErrorCounts);
    m->error_counts->user_error = g->user_errors;
    m->error_counts->system_error = g->system_errors;
    m->error_counts->unspecified_error = g->other_errors;
    add_phases(cx, g, m);
    add_recent(cx, g, m);
    return m;
}

/* ---- the stream -------------------------------------------------------------------------------------------------- */

static struct sent_group *sent_of(struct stream *st, struct watch_groups *w, str task_name)
{
    const uint64_t name = str_hash(task_name);
    for (size_t i = 0; i < w->groups.n; i++)
        if (w->groups.p[i].name == name)
            return &w->groups.p[i];
    struct sent_group *new = vec_push(&w->groups, stream_mem(st));
    new->name = name;
    new->task_name = arena_str(stream_mem(st), task_name);
    return new;
}

/* Appends the group unless the client has it like this. */
static enum code tell(struct ctx *cx, struct stream *st, struct watch_groups *w, WorkflowTaskGroup *m,
                      WorkflowWatchGroupsResponse *rsp)
{
    struct sent_group *sent = sent_of(st, w, m->task_name);
    str bytes;
    TRY(pb_encode(cx, &WorkflowTaskGroup_type, m, &bytes));
    const uint64_t hash = str_hash(bytes) | 1;
    if (sent->message != hash)
        rsp->task_groups.p[rsp->task_groups.n++] = m;
    sent->message = hash;
    sent->round = w->round;
    return CODE_OK;
}

/* Groups that the client has and that are no more among those to be shown. */
static void tell_gone(struct ctx *cx, struct watch_groups *w, WorkflowWatchGroupsResponse *rsp)
{
    for (size_t i = 0; i < w->groups.n; i++) {
        struct sent_group *sent = &w->groups.p[i];
        if (!sent->message || sent->round == w->round)
            continue;
        WorkflowTaskGroup *m = pb_new(cx->mem, WorkflowTaskGroup);
        m->task_name = sent->task_name;
        m->should_delete = true;
        rsp->task_groups.p[rsp->task_groups.n++] = m;
        sent->message = 0;
    }
}

static enum code send_groups(struct ctx *cx, struct stream *st, struct watch_groups *w, const struct groups *all,
                             size_t limit)
{
    WorkflowWatchGroupsResponse rsp = {.sentinel = w->round++ == 0};
    size_t n = all->all.n < limit ? all->all.n : limit;
    rsp.task_groups.p = arena_new_array(cx->mem, WorkflowTaskGroup *, n + w->groups.n);
    if (n)
        qsort_r(all->all.p, all->all.n, sizeof(*all->all.p), compare_groups, all->order);
    for (size_t i = 0; i < n; i++)
        TRY(tell(cx, st, w, group_message(cx, all->all.p[i]), &rsp));
    tell_gone(cx, w, &rsp);
    return rsp.task_groups.n || rsp.sentinel ? stream_send(cx, st, &rsp) : CODE_OK;
}

static enum code look(struct ctx *cx, const WorkflowWatchGroupsRequest *req, struct group_order *order,
                      struct stream *st, struct watch_groups *w)
{
    cleanup_(groups_done) struct groups all = {.mem = cx->mem, .order = order};
    const int64_t begin = time_now_ns();
    map_init(&all.by_task);
    TRY(read_groups(cx, req, &all));
    TRY(send_groups(cx, st, w, &all, read_limit(req->request)));
    const int64_t end = time_now_ns(), rest = (end - begin) * REST;
    w->next_ns = end + (rest > EVERY_NS ? rest : EVERY_NS);
    return CODE_OK;
}

enum code RunService_WatchGroups(struct ctx *cx, const WorkflowWatchGroupsRequest *req, struct stream *st)
{
    struct watch_groups *w = stream_state(st, sizeof(*w));
    struct group_order order;
    uint64_t space;
    TRY(read_order(cx, req, &order));
    if (req->request && req->request->token.n)
        return fail(cx, CODE_INVALID_ARGUMENT, "request.token: groups have no pages");
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
    if (!stream_writable(st))
        return stream_again(st);
    TRY(look(cx, req, &order, st, w));
    return req->end_date ? CODE_OK : stream_wait(st);
}

/* RunService: streams about one run or action. Each is a step (rpc/stream.h): it finds the row once, subscribes, and
 * asks for another step, whose snapshot is then newer than the subscription; from there on it sends what changed. */
#include "gen/services.h"
#include "lane/topic.h"
#include "rpc/stream.h"
#include "service/action_filter.h"
#include "service/action_message.h"
#include "service/convert.h"
#include "store/event.h"
#include "store/subtree.h"

#define PAGE 500
/* Of a tree the first page is small and each next one twice as long: a big run shows something as soon as a small one,
 * and a watch that is opened and given up has cost as little. */
#define FIRST_TREE_PAGE 16

/* ---- WatchRunDetails --------------------------------------------------------------------------------------------- */

struct watch_run {
    uint64_t run_id;
    int64_t seq; /* of what was sent last */
};

enum code RunService_WatchRunDetails(struct ctx *cx, const WorkflowWatchRunDetailsRequest *req, struct stream *st)
{
    struct watch_run *w = stream_state(st, sizeof(*w));
    struct store_run *run;
    struct store_action *root;
    WorkflowWatchRunDetailsResponse rsp = {0};
    int64_t seq;
    if (w->run_id == 0) {
        TRY(store_run_get(cx, req->run_id->project, req->run_id->domain, req->run_id->name, &run));
        w->run_id = run->id;
        stream_subscribe(cx, st, (struct topic_key){TOPIC_RUN, run->id, 0});
        return stream_again(st);
    }
    TRY(store_run_seq(cx, w->run_id, &seq));
    if (seq == w->seq)
        return stream_wait(st);
    TRY(store_run_get_by_id(cx, w->run_id, &run));
    TRY(store_action_get_by_id(cx, store_action_root(run->id), &root));
    TRY(service_run_details(cx, run, root, req->run_id->org, &rsp.details));
    TRY(stream_send(cx, st, &rsp));
    w->seq = seq;
    return service_phase_is_terminal(root->phase) ? CODE_OK : stream_wait(st);
}

/* ---- WatchActionDetails ------------------------------------------------------------------------------------------ */

struct watch_action {
    uint64_t action_id;
    int64_t seq;
};

/* The first step of a stream about an action. */
static enum code find_action(struct ctx *cx, const CommonActionIdentifier *id, struct stream *st, uint64_t *out)
{
    struct store_run *run;
    struct store_action *a;
    if (!id->run)
        return fail(cx, CODE_INVALID_ARGUMENT, "action_id.run: required");
    TRY(store_action_get(cx, id->run->project, id->run->domain, id->run->name, id->name, &run, &a));
    *out = a->id;
    stream_subscribe(cx, st, (struct topic_key){TOPIC_ACTION, a->id, 0});
    return stream_again(st);
}

enum code RunService_WatchActionDetails(struct ctx *cx, const WorkflowWatchActionDetailsRequest *req, struct stream *st)
{
    struct watch_action *w = stream_state(st, sizeof(*w));
    struct store_run *run;
    struct store_action *a;
    WorkflowWatchActionDetailsResponse rsp = {0};
    if (w->action_id == 0)
        return find_action(cx, req->action_id, st, &w->action_id);
    TRY(store_action_get_by_id(cx, w->action_id, &a));
    if (a->seq == w->seq)
        return stream_wait(st);
    TRY(store_run_get_by_id(cx, a->run_id, &run));
    TRY(service_action_details(cx, run, a, req->action_id->run->org, &rsp.details));
    TRY(stream_send(cx, st, &rsp));
    w->seq = a->seq;
    return service_phase_is_terminal(a->phase) ? CODE_OK : stream_wait(st);
}

/* ---- WatchClusterEvents ------------------------------------------------------------------------------------------ */

enum code RunService_WatchClusterEvents(struct ctx *cx, const WorkflowWatchClusterEventsRequest *req, struct stream *st)
{
    struct watch_action *w = stream_state(st, sizeof(*w));
    struct store_action *a;
    struct store_event *events;
    WorkflowWatchClusterEventsResponse rsp = {0};
    size_t n;
    if (w->action_id == 0)
        return find_action(cx, req->id, st, &w->action_id);
    if (!stream_writable(st))
        return stream_again(st);
    TRY(store_action_get_by_id(cx, w->action_id, &a));
    TRY(store_event_list(cx, w->action_id, req->attempt, w->seq, PAGE, &events, &n));
    if (n > 0) {
        rsp.cluster_events.n = n;
        rsp.cluster_events.p = arena_new_array(cx->mem, WorkflowClusterEvent *, n);
        for (size_t i = 0; i < n; i++)
            rsp.cluster_events.p[i] = service_cluster_event(cx, &events[i]);
        TRY(stream_send(cx, st, &rsp));
        w->seq = events[n - 1].seq;
    }
    if (n == PAGE)
        return stream_again(st);
    return service_phase_is_terminal(a->phase) || a->attempt > req->attempt ? CODE_OK : stream_wait(st);
}

/* ---- WatchActions ------------------------------------------------------------------------------------------------ */

/* First the whole tree in order of creation (parents come before their children), then what has changed since. An
 * action that changed is sent with its ancestors, whose counts of descendants changed with it. With filters only what
 * matches is sent, and what is above it; what was sent and no longer belongs is sent once more, as not meeting them. */
struct watch_actions {
    uint64_t run_id;
    /* While the tree is sent: the last id, and how many come next. Then both are 0, as with all other watchers of the run. */
    uint64_t after;
    uint32_t page;
    bool complete; /* the tree was sent */
    int64_t seq;
    struct service_action_shown shown; /* with filters; in the stream's memory */
};

static enum code enriched(struct ctx *cx, const struct store_run *run, const struct store_action *a, str org,
                          bool meets, WorkflowEnrichedAction **out)
{
    WorkflowEnrichedAction *m = pb_new(cx->mem, WorkflowEnrichedAction);
    struct store_subtree tree;
    TRY(store_subtree_get(cx, a->id, &tree));
    TRY(service_action_message(cx, run, a, org, &m->action));
    m->meets_filter = meets;
    m->children_phase_counts.p =
        arena_new_array(cx->mem, struct WorkflowEnrichedAction_ChildrenPhaseCountsEntry, STORE_PHASES);
    for (int32_t i = 0; i < STORE_PHASES; i++)
        if (tree.n[i] > 0)
            m->children_phase_counts.p[m->children_phase_counts.n++] =
                (struct WorkflowEnrichedAction_ChildrenPhaseCountsEntry){i, (int32_t)tree.n[i]};
    *out = m;
    return CODE_OK;
}

struct batch {
    struct store_action **p; /* by id, without repetition */
    size_t n, cap;
    const bool *was; /* shown before, in the same order; NULL = there are no filters */
};

static size_t batch_place(const struct batch *b, uint64_t id)
{
    size_t lo = 0, hi = b->n;
    while (lo < hi) {
        size_t mid = (lo + hi) / 2;
        if (b->p[mid]->id < id)
            lo = mid + 1;
        else
            hi = mid;
    }
    return lo;
}

static struct store_action *batch_find(const struct batch *b, uint64_t id)
{
    size_t at = batch_place(b, id);
    return at < b->n && b->p[at]->id == id ? b->p[at] : NULL;
}

static void batch_add(struct ctx *cx, struct batch *b, struct store_action *a)
{
    size_t at = batch_place(b, a->id);
    if (at < b->n && b->p[at]->id == a->id)
        return;
    if (b->n == b->cap) {
        size_t more = b->cap ? b->cap * 2 : 64;
        b->p = arena_grow(cx->mem, b->p, b->cap * sizeof(*b->p), more * sizeof(*b->p));
        b->cap = more;
    }
    memmove(b->p + at + 1, b->p + at, (b->n - at) * sizeof(*b->p));
    b->p[at] = a;
    b->n++;
}

static enum code add_ancestors(struct ctx *cx, struct batch *b, const struct store_action *a)
{
    for (uint64_t id = a->parent_id; id;) {
        struct store_action *parent = batch_find(b, id);
        if (!parent) {
            TRY(store_action_get_by_id(cx, id, &parent));
            batch_add(cx, b, parent);
        }
        id = parent->parent_id;
    }
    return CODE_OK;
}

/* Which of the batch belong to what is shown, before and after. rows: those of the batch that are not only ancestors. */
static void apply_filter(struct ctx *cx, struct stream *st, struct watch_actions *w,
                         const struct service_action_filter *f, const struct store_action *rows, size_t n,
                         struct batch *b)
{
    bool *was = arena_new_array(cx->mem, bool, b->n);
    for (size_t i = 0; i < b->n; i++)
        was[i] = service_action_shown_is(&w->shown, b->p[i]->id);
    for (size_t i = 0; i < n; i++) {
        bool matches = service_action_filter_matches(f, &rows[i]);
        if (!service_action_shown_set(stream_mem(st), &w->shown, rows[i].id, matches))
            continue;
        for (const struct store_action *a = batch_find(b, rows[i].parent_id); a; a = batch_find(b, a->parent_id))
            service_action_shown_add(stream_mem(st), &w->shown, a->id, matches);
    }
    b->was = was;
}

static enum code send_batch(struct ctx *cx, struct stream *st, const struct watch_actions *w,
                            const struct store_run *run, str org, const struct batch *b)
{
    WorkflowWatchActionsResponse rsp = {0};
    rsp.enriched_actions.p = arena_new_array(cx->mem, WorkflowEnrichedAction *, b->n);
    for (size_t i = 0; i < b->n; i++) {
        bool meets = !b->was || service_action_shown_is(&w->shown, b->p[i]->id);
        if (meets || b->was[i])
            TRY(enriched(cx, run, b->p[i], org, meets, &rsp.enriched_actions.p[rsp.enriched_actions.n++]));
    }
    return rsp.enriched_actions.n ? stream_send(cx, st, &rsp) : CODE_OK;
}

/* What comes next of the tree, or of the changes. *more: it filled the page. */
static enum code next_rows(struct ctx *cx, struct watch_actions *w, struct store_action **rows, size_t *n, bool *more)
{
    size_t max = w->complete ? PAGE : w->page;
    if (w->complete)
        TRY(store_action_changes(cx, w->run_id, w->seq, max, rows, n));
    else
        TRY(store_action_page(cx, w->run_id, w->after, max, rows, n));
    *more = *n == max;
    if (*n && w->complete)
        w->seq = (*rows)[*n - 1].seq;
    else if (*n)
        w->after = (*rows)[*n - 1].id;
    if (!w->complete && w->page < PAGE)
        w->page *= 2;
    return CODE_OK;
}

static enum code make_batch(struct ctx *cx, struct stream *st, struct watch_actions *w,
                            const struct service_action_filter *f, struct batch *b, bool *more)
{
    struct store_action *rows;
    size_t n;
    bool all = service_action_filter_is_all(f);
    TRY(next_rows(cx, w, &rows, &n, more));
    for (size_t i = 0; i < n; i++)
        batch_add(cx, b, &rows[i]);
    for (size_t i = 0; i < n && (w->complete || !all); i++)
        TRY(add_ancestors(cx, b, &rows[i]));
    if (!all)
        apply_filter(cx, st, w, f, rows, n, b);
    return CODE_OK;
}

enum code RunService_WatchActions(struct ctx *cx, const WorkflowWatchActionsRequest *req, struct stream *st)
{
    struct watch_actions *w = stream_state(st, sizeof(*w));
    struct service_action_filter filter;
    struct store_run *run;
    struct batch b = {0};
    bool more;
    TRY(service_action_filter_parse(cx, req, &filter));
    if (w->run_id == 0) {
        TRY(store_run_get(cx, req->run_id->project, req->run_id->domain, req->run_id->name, &run));
        w->run_id = run->id;
        w->page = FIRST_TREE_PAGE;
        stream_subscribe(cx, st, (struct topic_key){TOPIC_RUN, run->id, 0});
        return stream_again(st);
    }
    if (!stream_writable(st))
        return stream_again(st);
    TRY(store_run_get_by_id(cx, w->run_id, &run));
    if (w->seq == 0 && !w->complete)
        TRY(store_run_seq(cx, w->run_id, &w->seq)); /* changes are told from here on */
    TRY(make_batch(cx, st, w, &filter, &b, &more));
    TRY(send_batch(cx, st, w, run, req->run_id->org, &b));
    if (more)
        return stream_again(st);
    if (w->complete)
        return stream_wait(st);
    w->complete = true;
    w->after = w->page = 0;
    return stream_again(st);
}

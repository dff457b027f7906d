/* See shares.h. */
#include "exec/shares.h"

#include "base/mem.h"
#include "exec/slots.h"

#define SERVED_UNIT (UINT64_C(1) << 20)

struct run {
    uint64_t id;
    struct list flows;
    int64_t running, lent, queued;
    uint64_t served; /* starts */
};

struct exec_lane {
    struct list node;
    struct exec_group *queue, *project;
    struct heap flows; /* that have something queued, fairest first */
    struct heap slots; /* all that is queued, deepest first */
    size_t flow_count;
    uint64_t clock; /* run.served of the run that was served last: where a run begins that comes back */
};

struct exec_flow {
    struct heap_node node; /* in lane->flows while something is queued */
    struct list of_run;
    struct run *run;
    struct exec_lane *lane;
    struct heap slots; /* deepest first */
    size_t users;      /* slots that have joined */
};

/* ---- orders ------------------------------------------------------------------------------------------------------ */

static bool is_deeper(const struct exec_slot *a, const struct exec_slot *b)
{
    return a->depth != b->depth ? a->depth > b->depth : a->seq < b->seq;
}

static struct exec_slot *slot_in_flow(struct heap_node *n)
{
    return container_of(n, struct exec_slot, in_flow);
}

static struct exec_slot *slot_in_lane(struct heap_node *n)
{
    return container_of(n, struct exec_slot, in_lane);
}

static bool flow_slot_before(struct heap_node *a, struct heap_node *b)
{
    return is_deeper(slot_in_flow(a), slot_in_flow(b));
}

static bool lane_slot_before(struct heap_node *a, struct heap_node *b)
{
    return is_deeper(slot_in_lane(a), slot_in_lane(b));
}

static struct exec_flow *flow_of(struct heap_node *n)
{
    return container_of(n, struct exec_flow, node);
}

static bool run_is_fairer(const struct run *a, const struct run *b)
{
    int64_t works_a = a->running - a->lent, works_b = b->running - b->lent;
    if (works_a != works_b)
        return works_a < works_b;
    return a->served != b->served ? a->served < b->served : a->id < b->id;
}

/* In one lane each run has one flow: two are never equal. */
static bool flow_before(struct heap_node *a, struct heap_node *b)
{
    return run_is_fairer(flow_of(a)->run, flow_of(b)->run);
}

static int64_t works(const struct exec_group *g)
{
    return g->running - g->lent;
}

static int64_t weight(const struct exec_group *g)
{
    return g->rule.weight ? g->rule.weight : 1;
}

static bool lane_before(const struct exec_lane *a, const struct exec_lane *b)
{
    const struct exec_group *p = a->project, *q = b->project;
    if (a->queue->rule.priority != b->queue->rule.priority)
        return a->queue->rule.priority > b->queue->rule.priority;
    if (works(p) * weight(q) != works(q) * weight(p))
        return works(p) * weight(q) < works(q) * weight(p);
    if (p->served != q->served)
        return p->served < q->served;
    return run_is_fairer(flow_of(a->flows.first)->run, flow_of(b->flows.first)->run);
}

/* ---- queues and projects ----------------------------------------------------------------------------------------- */

static struct map *groups(struct exec_shares *s, bool project)
{
    return project ? &s->projects : &s->queues;
}

static struct exec_group *group(struct exec_shares *s, bool project, str name)
{
    struct exec_group *g = map_find(groups(s, project), name);
    if (g)
        return g;
    g = mem_new(struct exec_group);
    g->rule = (struct exec_rule){.project = project, .name = str_make(mem_copy(name.p, name.n), name.n)};
    map_put(groups(s, project), g->rule.name, g);
    return g;
}

static void group_free(struct exec_group *g)
{
    mem_free((void *)(uintptr_t)g->rule.name.p);
    mem_free(g);
}

static void group_drop(struct exec_shares *s, struct exec_group *g)
{
    if (g->lanes || g->ruled)
        return;
    map_delete(groups(s, g->rule.project), g->rule.name);
    group_free(g);
}

static void forget_rules(struct map *m)
{
    size_t at = 0;
    str name;
    void *value;
    while (map_next(m, &at, &name, &value)) {
        struct exec_group *g = value;
        g->rule = (struct exec_rule){.project = g->rule.project, .name = g->rule.name};
        g->ruled = false;
    }
}

/* The map must not change while it is walked: from the beginning after each one. */
static void drop_unused(struct exec_shares *s, struct map *m)
{
    size_t at = 0;
    str name;
    void *value;
    while (map_next(m, &at, &name, &value)) {
        struct exec_group *g = value;
        if (g->lanes || g->ruled)
            continue;
        group_drop(s, g);
        at = 0;
    }
}

void exec_shares_set_rules(struct exec_shares *s, const struct exec_rule *rules, size_t n)
{
    forget_rules(&s->queues);
    forget_rules(&s->projects);
    for (size_t i = 0; i < n; i++) {
        struct exec_group *g = group(s, rules[i].project, rules[i].name);
        str name = g->rule.name;
        g->rule = rules[i];
        g->rule.name = name;
        g->ruled = true;
    }
    drop_unused(s, &s->queues);
    drop_unused(s, &s->projects);
}

bool exec_shares_is_full(const struct exec_group *g)
{
    return g->rule.limit && works(g) >= (int64_t)g->rule.limit;
}

static bool is_closed(const struct exec_group *g)
{
    return g->rule.paused || exec_shares_is_full(g);
}

static bool is_free(const struct map *m, str name)
{
    const struct exec_group *g = map_find(m, name);
    return !g || !(g->rule.limit || g->rule.paused);
}

bool exec_shares_is_free(const struct exec_shares *s, str queue, str project)
{
    return is_free(&s->queues, queue.n ? queue : STR(EXEC_QUEUE_DEFAULT)) && is_free(&s->projects, project);
}

/* ---- runs, lanes and flows --------------------------------------------------------------------------------------- */

static str run_key(const uint64_t *id)
{
    return str_make((const char *)id, sizeof(*id));
}

static struct run *run_get(struct exec_shares *s, uint64_t id)
{
    struct run *r = map_find(&s->runs, run_key(&id));
    if (r)
        return r;
    r = mem_new(struct run);
    r->id = id;
    list_init(&r->flows);
    map_put(&s->runs, run_key(&r->id), r);
    return r;
}

static struct exec_lane *lane_get(struct exec_shares *s, struct exec_group *queue, struct exec_group *project)
{
    for (struct list *n = s->lanes.next; n != &s->lanes; n = n->next) {
        struct exec_lane *l = container_of(n, struct exec_lane, node);
        if (l->queue == queue && l->project == project)
            return l;
    }
    struct exec_lane *l = mem_new(struct exec_lane);
    l->queue = queue;
    l->project = project;
    heap_init(&l->flows, flow_before);
    heap_init(&l->slots, lane_slot_before);
    list_add(&s->lanes, &l->node);
    queue->lanes++;
    project->lanes++;
    return l;
}

static struct exec_flow *flow_in_run(const struct run *r, const struct exec_lane *lane)
{
    for (struct list *n = r->flows.next; n != &r->flows; n = n->next) {
        struct exec_flow *f = container_of(n, struct exec_flow, of_run);
        if (f->lane == lane)
            return f;
    }
    return NULL;
}

void exec_shares_join(struct exec_shares *s, struct exec_slot *slot, const struct exec_share *share)
{
    struct run *r = run_get(s, share->run_id);
    struct exec_group *queue = group(s, false, share->queue.n ? share->queue : STR(EXEC_QUEUE_DEFAULT));
    struct exec_lane *lane = lane_get(s, queue, group(s, true, share->project));
    struct exec_flow *f = flow_in_run(r, lane);
    if (!f) {
        f = mem_new(struct exec_flow);
        f->run = r;
        f->lane = lane;
        heap_init(&f->slots, flow_slot_before);
        list_add(&r->flows, &f->of_run);
        lane->flow_count++;
    }
    f->users++;
    slot->flow = f;
}

static void lane_drop(struct exec_shares *s, struct exec_lane *l)
{
    list_del(&l->node);
    l->queue->lanes--;
    l->project->lanes--;
    group_drop(s, l->queue);
    group_drop(s, l->project);
    mem_free(l);
}

void exec_shares_leave(struct exec_shares *s, struct exec_slot *slot)
{
    struct exec_flow *f = slot->flow;
    slot->flow = NULL;
    if (--f->users)
        return;
    list_del(&f->of_run);
    if (list_empty(&f->run->flows)) {
        map_delete(&s->runs, run_key(&f->run->id));
        mem_free(f->run);
    }
    if (--f->lane->flow_count == 0)
        lane_drop(s, f->lane);
    mem_free(f);
}

/* ---- changes ----------------------------------------------------------------------------------------------------- */

/* What a run's flows are ordered by changes: out of their heaps before, in again after. */
static void take_flows(const struct run *r)
{
    for (struct list *n = r->flows.next; n != &r->flows; n = n->next) {
        struct exec_flow *f = container_of(n, struct exec_flow, of_run);
        if (f->slots.first)
            heap_remove(&f->lane->flows, &f->node);
    }
}

static void put_flows(const struct run *r)
{
    for (struct list *n = r->flows.next; n != &r->flows; n = n->next) {
        struct exec_flow *f = container_of(n, struct exec_flow, of_run);
        if (f->slots.first)
            heap_add(&f->lane->flows, &f->node);
    }
}

/* Who comes back has no claim from the time in which it wanted nothing. */
static void catch_up_project(const struct exec_shares *s, struct exec_group *project, const struct exec_group *queue)
{
    uint64_t least = UINT64_MAX;
    for (struct list *n = s->lanes.next; n != &s->lanes; n = n->next) {
        const struct exec_lane *l = container_of(n, struct exec_lane, node);
        if (l->slots.first && l->queue->rule.priority == queue->rule.priority && l->project->served < least)
            least = l->project->served;
    }
    if (least != UINT64_MAX && project->served < least)
        project->served = least;
}

void exec_shares_queue(struct exec_shares *s, struct exec_slot *slot)
{
    struct exec_flow *f = slot->flow;
    struct exec_lane *l = f->lane;
    slot->seq = ++s->seq;
    if (!l->project->queued)
        catch_up_project(s, l->project, l->queue);
    take_flows(f->run);
    if (!f->run->queued && f->run->served < l->clock)
        f->run->served = l->clock;
    heap_add(&f->slots, &slot->in_flow);
    heap_add(&l->slots, &slot->in_lane);
    put_flows(f->run);
    f->run->queued++;
    l->queue->queued++;
    l->project->queued++;
}

void exec_shares_unqueue(struct exec_shares *s, struct exec_slot *slot)
{
    struct exec_flow *f = slot->flow;
    struct exec_lane *l = f->lane;
    (void)s;
    take_flows(f->run);
    heap_remove(&f->slots, &slot->in_flow);
    heap_remove(&l->slots, &slot->in_lane);
    put_flows(f->run);
    f->run->queued--;
    l->queue->queued--;
    l->project->queued--;
}

void exec_shares_serve(struct exec_slot *slot)
{
    struct exec_flow *f = slot->flow;
    if (f->lane->clock < f->run->served)
        f->lane->clock = f->run->served;
    take_flows(f->run);
    f->run->served++;
    put_flows(f->run);
    f->lane->project->served += SERVED_UNIT / (uint64_t)weight(f->lane->project);
}

void exec_shares_count(struct exec_slot *slot, int running, int lent)
{
    struct exec_flow *f = slot->flow;
    struct exec_group *both[] = {f->lane->queue, f->lane->project};
    for (size_t i = 0; i < 2; i++) {
        both[i]->running += running;
        both[i]->lent += lent;
    }
    take_flows(f->run);
    f->run->running += running;
    f->run->lent += lent;
    put_flows(f->run);
}

/* ---- who is next ------------------------------------------------------------------------------------------------- */

static bool may_start(const struct exec_lane *l)
{
    return l->slots.first && !is_closed(l->queue) && !is_closed(l->project);
}

struct exec_slot *exec_shares_fairest(const struct exec_shares *s)
{
    const struct exec_lane *best = NULL;
    for (struct list *n = s->lanes.next; n != &s->lanes; n = n->next) {
        const struct exec_lane *l = container_of(n, struct exec_lane, node);
        if (may_start(l) && (!best || lane_before(l, best)))
            best = l;
    }
    return best ? slot_in_flow(flow_of(best->flows.first)->slots.first) : NULL;
}

struct exec_slot *exec_shares_deepest(const struct exec_shares *s)
{
    struct exec_slot *best = NULL;
    for (struct list *n = s->lanes.next; n != &s->lanes; n = n->next) {
        const struct exec_lane *l = container_of(n, struct exec_lane, node);
        if (may_start(l) && (!best || is_deeper(slot_in_lane(l->slots.first), best)))
            best = slot_in_lane(l->slots.first);
    }
    return best;
}

const struct exec_group *exec_shares_queue_of(const struct exec_slot *slot)
{
    return slot->flow->lane->queue;
}

const struct exec_group *exec_shares_project_of(const struct exec_slot *slot)
{
    return slot->flow->lane->project;
}

/* ---- beginning and end ------------------------------------------------------------------------------------------- */

void exec_shares_init(struct exec_shares *s)
{
    *s = (struct exec_shares){0};
    map_init(&s->queues);
    map_init(&s->projects);
    map_init(&s->runs);
    list_init(&s->lanes);
}

static void free_groups(struct map *m)
{
    size_t at = 0;
    str name;
    void *value;
    while (map_next(m, &at, &name, &value))
        group_free(value);
    map_done(m);
}

static void free_run(struct run *r)
{
    while (!list_empty(&r->flows)) {
        struct exec_flow *f = container_of(r->flows.next, struct exec_flow, of_run);
        list_del(&f->of_run);
        mem_free(f);
    }
    mem_free(r);
}

void exec_shares_done(struct exec_shares *s)
{
    size_t at = 0;
    str key;
    void *value;
    while (map_next(&s->runs, &at, &key, &value))
        free_run(value);
    map_done(&s->runs);
    while (!list_empty(&s->lanes)) {
        struct exec_lane *l = container_of(s->lanes.next, struct exec_lane, node);
        list_del(&l->node);
        mem_free(l);
    }
    free_groups(&s->queues);
    free_groups(&s->projects);
}

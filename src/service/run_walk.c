/* The set of runs to walk: of those that the scope and each filter name, the one with the fewest rows. See run_walk.h.
 *
 * A set that has no more than FEW rows is read whole, whatever the order; of larger ones, queries.def says which is walked
 * first. What the set does not stand for is checked row by row. */
#include "service/run_walk.h"

#include "gen/flyteidl2_common.h"
#include "gen/flyteidl2_task.h"
#include "store/run.h"
#include "store/space.h"

static const struct service_list_field run_fields[] = {
    {"project", "sp.project", SERVICE_LIST_TEXT, NULL},
    {"domain", "sp.domain", SERVICE_LIST_TEXT, NULL},
    {"run_name", "r.name", SERVICE_LIST_TEXT, NULL},
    {"name", "r.name", SERVICE_LIST_TEXT, NULL},
    {"phase", "r.phase", SERVICE_LIST_ENUM, "flyteidl2.common.ActionPhase"},
    {"action_type", "a.type", SERVICE_LIST_ENUM, "flyteidl2.workflow.ActionType"},
    {"run_source", "r.source", SERVICE_LIST_ENUM, "flyteidl2.workflow.RunSource"},
    {"created_by", "i.subject", SERVICE_LIST_TEXT, NULL},
    {"created_by_subject", "i.subject", SERVICE_LIST_TEXT, NULL},
    {"trigger_name", "r.trigger_name", SERVICE_LIST_TEXT, NULL},
    {"trigger_revision", "r.trigger_revision", SERVICE_LIST_INT, NULL},
    {"trigger_task_name", "(SELECT x.name FROM task_name x WHERE x.id = r.trigger_task_id)", SERVICE_LIST_TEXT, NULL},
    {"task_project", "t.project", SERVICE_LIST_TEXT, NULL},
    {"task_domain", "t.domain", SERVICE_LIST_TEXT, NULL},
    {"task_name", "t.name", SERVICE_LIST_TEXT, NULL},
    {"task_version", "s.version", SERVICE_LIST_TEXT, NULL},
    {"function_name", "s.name", SERVICE_LIST_TEXT, NULL},
    {"created_at", "r.created_ns", SERVICE_LIST_TIME, NULL},
    {"updated_at", "a.updated_ns", SERVICE_LIST_TIME, NULL},
    {"ended_at", "a.ended_ns", SERVICE_LIST_TIME, NULL},
    {"duration_ms", "((a.ended_ns - a.created_ns) / 1000000)", SERVICE_LIST_INT, NULL},
};

static const struct service_list_pairs run_pairs[] = {
    {"labels.", "SELECT 1 FROM run_label x WHERE x.run_id = r.id"},
};

const struct service_list_spec service_run_walk_list = {
    .fields = run_fields,
    .field_count = sizeof(run_fields) / sizeof(*run_fields),
    .default_order = "r.phase, r.created_ns DESC, r.id DESC",
    .tie_break = "r.id",
    .indexed = "r.created_ns",
    .pairs = run_pairs,
    .pair_count = 1,
    .walked = true,
};

#define SETS_MAX SERVICE_WALK_SETS_MAX
#define FEW 1000
#define PHASES SERVICE_WALK_GROUPS_MAX

/* The conditions of a request, as bits: a set stands for some of them. */
#define SCOPE UINT64_C(1)
#define PAUSED UINT64_C(2)
#define TRACKED UINT64_C(4)
#define FILTER(i) ((i) < 60 ? UINT64_C(8) << (i) : UNKNOWN)
#define UNKNOWN (UINT64_C(1) << 63) /* of no set */

struct choice {
    struct store_walk sets[SETS_MAX];
    size_t n;
    size_t rows; /* up to FEW + 1 */
    uint64_t covers;
    bool made;
};

/* What the filters of a time leave of it. */
struct span {
    int64_t from, to;
    uint64_t filters;
};

struct plan {
    const CommonListRequest *list; /* or NULL */
    uint64_t spaces[SETS_MAX + 1];
    size_t space_count; /* above SETS_MAX: too many to name */
    uint64_t conditions;
    uint64_t of_space; /* SCOPE where the spaces are the scope */
    struct span created, updated;
    struct choice best;
};

static enum code consider(struct ctx *cx, struct plan *p, struct choice *c)
{
    c->rows = 0;
    for (size_t i = 0; i < c->n && c->rows <= FEW; i++) {
        size_t n;
        TRY(store_walk_count(cx, &c->sets[i], FEW + 1 - c->rows, &n));
        c->rows += n;
    }
    const struct choice *b = &p->best;
    bool better = !b->made || c->rows < b->rows;
    if (b->made && c->n && b->n && c->rows == b->rows)
        better = store_walk_queries[c->sets[0].kind].rank < store_walk_queries[b->sets[0].kind].rank;
    c->made = true;
    c->covers &= ~UNKNOWN;
    if (better)
        p->best = *c;
    return CODE_OK;
}

static enum code consider_one(struct ctx *cx, struct plan *p, enum store_walk_kind kind, struct db_value v1,
                              struct db_value v2, uint64_t covers)
{
    struct choice c = {.sets = {{kind, {v1, v2}}}, .n = 1, .covers = covers};
    return consider(cx, p, &c);
}

/* ---- filters ----------------------------------------------------------------------------------------------------- */

static const struct {
    const char *field;
    enum store_walk_kind kind;
    const char *ids; /* the numbers that stand for a value; NULL = itself */
    bool by_space;   /* one set for each space */
} keys[] = {
    {"phase", STORE_WALK_RUNS_BY_PHASE, NULL, true},
    {"created_by", STORE_WALK_RUNS_BY_CREATOR, "SELECT id FROM identity WHERE subject=$1 LIMIT $2", true},
    {"created_by_subject", STORE_WALK_RUNS_BY_CREATOR, "SELECT id FROM identity WHERE subject=$1 LIMIT $2", true},
    {"task_name", STORE_WALK_RUNS_OF_TASK, "SELECT id FROM task_name WHERE name=$1 LIMIT $2", false},
    {"task_version", STORE_WALK_RUNS_OF_VERSION, "SELECT id FROM spec WHERE version=$1 LIMIT $2", false},
};

/* Adds numbers that are not there yet; false when there are too many. */
static bool add_numbers(const struct db_value *v, size_t n, struct db_value *to, size_t *count)
{
    for (size_t i = 0; i < n; i++) {
        bool there = false;
        for (size_t k = 0; k < *count; k++)
            there = there || to[k].i == v[i].i;
        if (!there && *count == SETS_MAX)
            return false;
        if (!there)
            to[(*count)++] = v[i];
    }
    return true;
}

/* The numbers of a filter's values. */
static enum code numbers_of(struct ctx *cx, const CommonFilter *f, const char *ids, struct db_value *to, size_t *count,
                            bool *all)
{
    struct db_value *v = arena_new_array(cx->mem, struct db_value, f->values.n + 1);
    size_t n;
    TRY(service_list_values(cx, service_list_find(&service_run_walk_list, f->field), f, v, &n));
    *count = 0;
    *all = ids || add_numbers(v, n, to, count);
    for (size_t i = 0; ids && i < n && *all; i++) {
        struct db_rows rows;
        TRY(db_query(cx, ids, DB_ARGS(v[i], DB_I(SETS_MAX + 1)), &rows));
        *all = add_numbers(rows.v, rows.n, to, count);
    }
    return CODE_OK;
}

static enum code consider_key(struct ctx *cx, struct plan *p, const CommonFilter *f, size_t key, uint64_t bit)
{
    struct db_value numbers[SETS_MAX];
    struct choice c = {.covers = bit};
    size_t n;
    bool all;
    TRY(numbers_of(cx, f, keys[key].ids, numbers, &n, &all));
    if (!all || (keys[key].by_space && n * p->space_count > SETS_MAX))
        return CODE_OK;
    for (size_t i = 0; i < n; i++) {
        for (size_t s = 0; keys[key].by_space && s < p->space_count; s++)
            c.sets[c.n++] = (struct store_walk){keys[key].kind, {DB_I(p->spaces[s]), numbers[i]}};
        if (!keys[key].by_space)
            c.sets[c.n++] = (struct store_walk){keys[key].kind, {numbers[i]}};
    }
    c.covers |= keys[key].by_space ? p->of_space : 0;
    return consider(cx, p, &c);
}

static bool is_repeated(const CommonFilter *f, size_t value)
{
    for (size_t i = 0; i < value; i++)
        if (str_eq(f->values.p[i], f->values.p[value]))
            return true;
    return false;
}

/* A run has one value of a key: sets of several values have no run in common. */
static enum code consider_label(struct ctx *cx, struct plan *p, const CommonFilter *f, uint64_t bit)
{
    struct db_value key = DB_S(str_skip(f->field, strlen("labels.")));
    struct choice c = {.covers = bit};
    if (f->function == COMMON_FILTER_FUNCTION_EXISTS)
        return consider_one(cx, p, STORE_WALK_RUNS_WITH_KEY, key, DB_N, bit);
    if (f->function != COMMON_FILTER_FUNCTION_EQUAL && f->function != COMMON_FILTER_FUNCTION_VALUE_IN)
        return CODE_OK;
    for (size_t i = 0; i < f->values.n; i++) {
        if (is_repeated(f, i))
            continue;
        if (c.n == SETS_MAX)
            return CODE_OK;
        c.sets[c.n++] = (struct store_walk){STORE_WALK_RUNS_WITH_LABEL, {key, DB_S(f->values.p[i])}};
    }
    return consider(cx, p, &c);
}

/* Of a time: whether the filter is a range. */
static enum code take_span(struct ctx *cx, const CommonFilter *f, struct span *s, bool *taken)
{
    static const struct {
        int32_t function;
        bool low, high;
        int64_t by; /* from there */
    } bounds[] = {
        {COMMON_FILTER_FUNCTION_EQUAL, true, true, 0},
        {COMMON_FILTER_FUNCTION_GREATER_THAN, true, false, 1},
        {COMMON_FILTER_FUNCTION_GREATER_THAN_OR_EQUAL, true, false, 0},
        {COMMON_FILTER_FUNCTION_LESS_THAN, false, true, -1},
        {COMMON_FILTER_FUNCTION_LESS_THAN_OR_EQUAL, false, true, 0},
    };
    struct db_value v;
    size_t n;
    *taken = false;
    for (size_t i = 0; i < sizeof(bounds) / sizeof(*bounds); i++) {
        if (bounds[i].function != f->function)
            continue;
        TRY(service_list_values(cx, service_list_find(&service_run_walk_list, f->field), f, &v, &n));
        if (bounds[i].low && v.i + bounds[i].by > s->from)
            s->from = v.i + bounds[i].by;
        if (bounds[i].high && v.i + bounds[i].by < s->to)
            s->to = v.i + bounds[i].by;
        *taken = true;
    }
    return CODE_OK;
}

/* A range of created_at is one of every set, so that it is no condition. That of updated_at is considered when it is whole. */
static enum code consider_time(struct ctx *cx, struct plan *p, const CommonFilter *f, uint64_t bit, bool *taken)
{
    bool created = str_eq_nocase(f->field, STR("created_at"));
    struct span *s = created ? &p->created : &p->updated;
    *taken = false;
    if (created || str_eq_nocase(f->field, STR("updated_at")))
        TRY(take_span(cx, f, s, taken));
    if (*taken)
        s->filters |= bit;
    if (*taken && !created)
        p->conditions |= bit;
    return CODE_OK;
}

static enum code consider_filter(struct ctx *cx, struct plan *p, const CommonFilter *f, uint64_t bit)
{
    bool taken;
    TRY(consider_time(cx, p, f, bit, &taken));
    if (taken)
        return CODE_OK;
    p->conditions |= bit;
    if (str_starts(f->field, STR("labels.")))
        return consider_label(cx, p, f, bit);
    if (f->function != COMMON_FILTER_FUNCTION_EQUAL && f->function != COMMON_FILTER_FUNCTION_VALUE_IN)
        return CODE_OK;
    for (size_t k = 0; k < sizeof(keys) / sizeof(*keys); k++)
        if (str_eq_nocase(f->field, str_from(keys[k].field)))
            return consider_key(cx, p, f, k, bit);
    return CODE_OK;
}

/* ---- the scope --------------------------------------------------------------------------------------------------- */

/* The set of the first column of one row, or an empty set. */
static enum code consider_found(struct ctx *cx, struct plan *p, enum store_walk_kind kind, const struct db_rows *rows,
                                struct db_value v2)
{
    struct choice c = {.covers = SCOPE};
    if (rows->n > SETS_MAX)
        return consider_one(cx, p, STORE_WALK_RUNS, DB_N, DB_N, 0);
    for (; c.n < rows->n; c.n++)
        c.sets[c.n] = (struct store_walk){kind, {db_row(rows, c.n)[0], v2}};
    return consider(cx, p, &c);
}

#define TASK_ID "SELECT id FROM task_name WHERE project=$1 AND domain=$2 AND name=$3"

static enum code consider_scope(struct ctx *cx, const WorkflowListRunsRequest *req, struct plan *p)
{
    const CommonTriggerName *g = req->trigger_name;
    const TaskTaskName *t = req->task_name;
    const TaskTaskIdentifier *v = req->task_id;
    struct db_rows rows;
    p->conditions = SCOPE;
    switch (req->scope_by_case) {
    case WorkflowListRunsRequest_project_id_tag:
        p->of_space = SCOPE;
        TRY(store_space_find(cx, req->project_id->name, req->project_id->domain, p->spaces));
        p->space_count = p->spaces[0] ? 1 : 0;
        return consider_one(cx, p, STORE_WALK_RUNS_OF_PROJECT, DB_I(p->spaces[0]), DB_N, SCOPE);
    case WorkflowListRunsRequest_trigger_name_tag:
        TRY(db_query(cx, TASK_ID, DB_ARGS(DB_S(g->project), DB_S(g->domain), DB_S(g->task_name)), &rows));
        return consider_found(cx, p, STORE_WALK_RUNS_OF_TRIGGER, &rows, DB_S(g->name));
    case WorkflowListRunsRequest_task_name_tag:
        TRY(db_query(cx, TASK_ID, DB_ARGS(DB_S(t->project), DB_S(t->domain), DB_S(t->name)), &rows));
        return consider_found(cx, p, STORE_WALK_RUNS_OF_TASK, &rows, DB_N);
    case WorkflowListRunsRequest_task_id_tag:
        TRY(db_query(cx, "SELECT id FROM spec WHERE version=$4 AND task_name_id=(" TASK_ID ") LIMIT $5",
                     DB_ARGS(DB_S(v->project), DB_S(v->domain), DB_S(v->name), DB_S(v->version), DB_I(SETS_MAX + 1)),
                     &rows));
        return consider_found(cx, p, STORE_WALK_RUNS_OF_VERSION, &rows, DB_N);
    default: /* an organization: there is one */
        p->conditions = 0;
        return consider_one(cx, p, STORE_WALK_RUNS, DB_N, DB_N, 0);
    }
}

/* ---- the walk ---------------------------------------------------------------------------------------------------- */

static void add_group(struct ctx *cx, struct service_walk *w, const struct store_walk *sets, size_t n)
{
    struct service_walk_group *g = &w->groups[w->group_count++];
    g->n = n;
    g->sets = arena_new_array(cx->mem, struct store_walk, n);
    if (n)
        memcpy(g->sets, sets, n * sizeof(*sets));
}

/* The order without sort_by, of many runs: phase after phase, each a group. False when it is not walked. */
static bool by_phase(struct ctx *cx, const struct plan *p, enum service_walk_way way, struct service_walk *w)
{
    enum store_walk_kind kind = p->best.n ? p->best.sets[0].kind : STORE_WALK_KINDS_;
    bool filtered = kind == STORE_WALK_RUNS_BY_PHASE;
    bool many = p->best.rows > FEW && (filtered || kind == STORE_WALK_RUNS_OF_PROJECT || kind == STORE_WALK_RUNS);
    if (way == SERVICE_WALK_SORTED || p->space_count > SETS_MAX || (way == SERVICE_WALK_NEW && !many))
        return false;
    for (int64_t phase = 0; phase < PHASES; phase++) {
        struct store_walk sets[SETS_MAX];
        bool wanted = !filtered;
        for (size_t i = 0; filtered && i < p->best.n; i++)
            wanted = wanted || p->best.sets[i].v[1].i == phase;
        for (size_t s = 0; s < p->space_count; s++)
            sets[s] = (struct store_walk){STORE_WALK_RUNS_BY_PHASE, {DB_I(p->spaces[s]), DB_I(phase)}};
        add_group(cx, w, sets, wanted ? p->space_count : 0);
    }
    w->exact = (p->conditions & ~(p->of_space | (filtered ? p->best.covers : 0))) == 0;
    return true;
}

/* The order by updated_at, of many runs, is walked over all of them. False when it is not asked for. */
static bool by_change(struct ctx *cx, const struct plan *p, const struct service_list *l, enum service_walk_way way,
                      struct service_walk *w)
{
    const struct store_walk all = {.kind = STORE_WALK_RUNS_BY_CHANGE};
    bool asked = l->order_count == 2 && str_find(l->order[0].sql, STR("a.updated_ns")) != SIZE_MAX;
    if (!asked || way == SERVICE_WALK_SORTED || (way == SERVICE_WALK_NEW && p->best.rows <= FEW))
        return false;
    add_group(cx, w, &all, 1);
    w->exact = ((p->conditions | p->created.filters) & ~(p->updated.filters & ~UNKNOWN)) == 0;
    return true;
}

static void set_range(const struct span *s, struct service_walk *w)
{
    w->range.end = w->range.descending ? s->from : s->to;
    w->range.after.at = w->range.descending ? s->to : s->from;
    w->range.after.id = w->range.descending ? INT64_MAX : 0; /* ids begin at 1 */
}

enum code service_run_walk(struct ctx *cx, const WorkflowListRunsRequest *req, bool tracked,
                           const struct service_list *l, struct service_walk *out)
{
    struct plan *p = arena_new(cx->mem, struct plan);
    enum service_walk_way way;
    TRY(service_walk_begun(cx, l, &way));
    p->list = req->request;
    p->created = p->updated = (struct span){.from = INT64_MIN, .to = INT64_MAX};
    if (req->scope_by_case != WorkflowListRunsRequest_project_id_tag)
        TRY(store_space_list(cx, SETS_MAX + 1, p->spaces, &p->space_count));
    TRY(consider_scope(cx, req, p));
    if (req->paused_actions_only) {
        p->conditions |= PAUSED;
        TRY(consider_one(cx, p, STORE_WALK_RUNS_PAUSED, DB_N, DB_N, PAUSED));
    }
    if (tracked) {
        p->conditions |= TRACKED;
        TRY(consider_one(cx, p, STORE_WALK_RUNS_TRACKED, DB_N, DB_N, TRACKED));
    }
    for (size_t i = 0; p->list && i < p->list->filters.n; i++)
        TRY(consider_filter(cx, p, p->list->filters.p[i], FILTER(i)));
    if (p->updated.filters)
        TRY(consider_one(cx, p, STORE_WALK_RUNS_CHANGED, DB_I(p->updated.from), DB_I(p->updated.to),
                         p->updated.filters));
    *out = (struct service_walk){.id = "r.id", .filter = store_run_filter};
    bool by_time = l->order_count == 2 && str_eq(l->order[0].sql, str_from(service_run_walk_list.indexed));
    out->exact = (p->conditions & ~p->best.covers) == 0;
    bool is_default = str_eq(l->order[0].sql, STR("r.phase")) && by_phase(cx, p, way, out);
    bool is_by_change = by_change(cx, p, l, way, out);
    if (!is_default && !is_by_change)
        add_group(cx, out, p->best.sets, p->best.n);
    out->ordered = by_time || is_default || is_by_change;
    out->range.descending = (!by_time && !is_by_change) || l->order[0].descending;
    set_range(is_by_change ? &p->updated : &p->created, out);
    return CODE_OK;
}

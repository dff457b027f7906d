/* The table of RPCs with their policies, and finding one by its path. Built once, then read by any thread. */
#include "rpc/count_int.h"
#include "rpc/rpc_int.h"

struct row {
    str path;
    enum lane_kind lane;
    enum stream_kind kind;
    bool priority;
    uint32_t max;
};

#define URGENCY_NORMAL false
#define URGENCY_PRIORITY true
static const struct row rows[] = {
#define METHOD(path, lane, kind, urgency, max)                                                                         \
    {{path, sizeof(path) - 1}, LANE_##lane, STREAM_##kind, URGENCY_##urgency, max},
#include "rpc/methods.def"
#undef METHOD
};
#define ROWS (sizeof(rows) / sizeof(*rows))

static const struct row *find_row(str path)
{
    for (size_t i = 0; i < ROWS; i++)
        if (str_eq(rows[i].path, path))
            return &rows[i];
    return NULL;
}

/* What holds for an RPC without a row. */
static struct row default_row(const struct pb_method *m)
{
    bool reads = m->no_side_effects || (m->server_stream && !m->client_stream);
    bool streams = m->client_stream || m->server_stream;
    return (struct row){.lane = reads ? LANE_READ : LANE_WRITE, .kind = streams ? STREAM_STATE : STREAM_NONE};
}

static struct row policy(const struct pb_method *m)
{
    const struct row *row = find_row(str_from(m->path));
    return row ? *row : default_row(m);
}

static bool has_get(const struct pb_method *m)
{
    for (size_t i = 0; i < m->http_count; i++)
        if (str_eq(str_from(m->http[i].verb), STR("GET")))
            return true;
    return false;
}

/* Those that only read have the read lane, or say in the IDL that they do, also by the verb of their rule. */
static bool changes_something(const struct pb_method *m, const struct row *row)
{
    bool reads = row->lane == LANE_READ || m->no_side_effects || has_get(m);
    return !reads && (m->client_stream || !m->server_stream);
}

static void add_route(struct rpc *r, str path, uint32_t value)
{
    size_t at = str_mix(path) & r->route_mask;
    while (r->routes[at])
        at = (at + 1) & r->route_mask;
    r->routes[at] = value;
}

/* A row for an RPC that does not exist, or of the wrong kind, is a mistake in methods.def. */
static enum code check_rows(struct ctx *cx)
{
    for (size_t i = 0; i < ROWS; i++) {
        const struct pb_method *m = pb_method_find(rows[i].path);
        if (!m)
            return fail(cx, CODE_INTERNAL, "methods.def: there is no %s", rows[i].path.p);
        if ((m->client_stream || m->server_stream) != (rows[i].kind != STREAM_NONE))
            return fail(cx, CODE_INTERNAL, "methods.def: %s has the wrong kind", rows[i].path.p);
    }
    return CODE_OK;
}

enum code method_table(struct ctx *cx, struct rpc *r)
{
    const struct pb_method *from = r->cfg.methods ? r->cfg.methods : pb_methods;
    size_t n = r->cfg.methods ? r->cfg.method_count : pb_method_count;
    size_t slots = 16;
    TRY(check_rows(cx));
    while (slots < 2 * n)
        slots *= 2;
    r->methods = arena_new_array(&r->mem, struct method, n);
    r->routes = arena_new_array(&r->mem, uint32_t, slots);
    r->route_mask = slots - 1;
    r->method_count = n;
    for (size_t i = 0; i < n; i++) {
        struct row row = policy(&from[i]);
        bool audited = r->cfg.audit && changes_something(&from[i], &row);
        row.lane = r->cfg.handlers_sleep ? LANE_WORK : row.lane;
        uint32_t max = row.max && row.max < r->message_max ? row.max : r->message_max;
        str path = str_from(from[i].path);
        r->methods[i] = (struct method){
            .pb = &from[i],
            .lane = row.lane,
            .kind = row.kind,
            .audited = audited,
            .priority = row.priority,
            .max = max,
            .path = path,
            .name = str_skip(path, 1),
            .count = rpc_count_new(&r->mem),
        };
        add_route(r, path, (uint32_t)i + 1);
    }
    return CODE_OK;
}

const struct method *method_find(const struct rpc *r, str path)
{
    size_t at = str_mix(path) & r->route_mask;
    for (; r->routes[at]; at = (at + 1) & r->route_mask) {
        const struct method *m = &r->methods[r->routes[at] - 1];
        if (str_eq(path, m->path))
            return m;
    }
    return NULL;
}

const char *rpc_method_lane(const struct pb_method *m)
{
    static const char *const names[LANE_KINDS_] = {
        [LANE_READ] = "read", [LANE_WRITE] = "write", [LANE_WORK] = "work", [LANE_ENGINE] = "engine"};
    return names[policy(m).lane];
}

/* What was answered, by RPC: how often with which code, and how long unary ones took. Counts are relaxed atomic adds. */
#include "rpc/count_int.h"

#include "rpc/call_int.h"

#define CODES (CODE_UNAUTHENTICATED + 1)

struct rpc_count {
    _Atomic int64_t codes[CODES];
    struct metric_histogram seconds; /* of unary RPCs */
};

struct rpc_count *rpc_count_new(struct arena *mem)
{
    return arena_new(mem, struct rpc_count);
}

void rpc_count_answer(const struct call *c, enum code code)
{
    if (c->method)
        atomic_fetch_add_explicit(&c->method->count->codes[code], 1, memory_order_relaxed);
}

void rpc_count_time(const struct call *c, int64_t ns)
{
    metric_histogram_add(&c->method->count->seconds, ns);
}

static bool was_called(const struct method *m)
{
    for (size_t code = 0; code < CODES; code++)
        if (atomic_load_explicit(&m->count->codes[code], memory_order_relaxed))
            return true;
    return false;
}

static void print_codes(buf *out, const struct method *m)
{
    for (size_t code = 0; code < CODES; code++) {
        int64_t n = atomic_load_explicit(&m->count->codes[code], memory_order_relaxed);
        if (n)
            buf_printf(out, "tern_rpc_total{method=\"" STR_FMT "\",code=\"%s\"} %lld\n", STR_ARG(m->name),
                       code ? code_name((enum code)code) : "ok", (long long)n);
    }
}

static void print_times(struct ctx *cx, buf *out, const struct method *m)
{
    if (m->kind == STREAM_NONE && was_called(m))
        metric_histogram_print(out, "tern_rpc_seconds",
                               arena_printf(cx->mem, "method=\"" STR_FMT "\"", STR_ARG(m->name)), &m->count->seconds);
}

void rpc_count_print(struct ctx *cx, const struct rpc *r, buf *out)
{
    metric_print_head(out, "tern_rpc_total", "counter", "RPCs answered, by code");
    for (size_t i = 0; i < r->method_count; i++)
        print_codes(out, &r->methods[i]);
    metric_print_head(out, "tern_rpc_seconds", "histogram", "Time from request to reply of unary RPCs");
    for (size_t i = 0; i < r->method_count; i++)
        print_times(cx, out, &r->methods[i]);
}

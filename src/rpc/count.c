/* What was answered, by RPC: how often by which protocol with which code, and how long unary ones took. Counts are relaxed
 * atomic adds. */
#include "rpc/count_int.h"

#include "rpc/protocol.h"

#define CODES (CODE_UNAUTHENTICATED + 1)

static const char *const protocols[PROTOCOL_KINDS_] = {"connect", "grpc", "grpc-web", "rest"};

struct rpc_count {
    _Atomic int64_t answers[PROTOCOL_KINDS_][CODES];
    struct metric_histogram seconds; /* of unary RPCs */
};

struct rpc_count *rpc_count_new(struct arena *mem)
{
    return arena_new(mem, struct rpc_count);
}

void rpc_count_answer(const struct call *c, enum code code)
{
    if (c->method)
        atomic_fetch_add_explicit(&c->method->count->answers[c->media->proto->kind][code], 1, memory_order_relaxed);
}

void rpc_count_time(const struct call *c, int64_t ns)
{
    metric_histogram_add(&c->method->count->seconds, ns);
}

static int64_t answers_of(const struct method *m, size_t protocol, size_t code)
{
    return atomic_load_explicit(&m->count->answers[protocol][code], memory_order_relaxed);
}

static bool was_called(const struct method *m)
{
    for (size_t i = 0; i < (size_t)PROTOCOL_KINDS_ * CODES; i++)
        if (answers_of(m, i / CODES, i % CODES))
            return true;
    return false;
}

static void print_answers(buf *out, const struct method *m)
{
    for (size_t i = 0; i < (size_t)PROTOCOL_KINDS_ * CODES; i++) {
        size_t code = i % CODES;
        int64_t n = answers_of(m, i / CODES, code);
        if (n)
            buf_printf(out, "tern_rpc_total{method=\"" STR_FMT "\",protocol=\"%s\",code=\"%s\"} %lld\n",
                       STR_ARG(m->name), protocols[i / CODES], code ? code_name((enum code)code) : "ok", (long long)n);
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
    metric_print_head(out, "tern_rpc_total", "counter", "RPCs answered, by protocol and code");
    for (size_t i = 0; i < r->method_count; i++)
        print_answers(out, &r->methods[i]);
    metric_print_head(out, "tern_rpc_seconds", "histogram", "Time from request to reply of unary RPCs");
    for (size_t i = 0; i < r->method_count; i++)
        print_times(cx, out, &r->methods[i]);
}

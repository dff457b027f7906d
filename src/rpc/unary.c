/* Unary RPCs: one message in, the handler on its lane, one message out. Loop threads, but for what says it is on a
 * worker. */
#include "rpc/protocol.h"

#include "base/time.h"
#include "rpc/count_int.h"

/* A request for the write lane is decoded before it gets there, since that lane is one thread with a transaction open:
 * on the loop when it is small (also when inflated), else on the work lane. */
#define DECODE_ON_LOOP_MAX (UINT32_C(32) << 10)

/* ---- the answer -------------------------------------------------------------------------------------------------- */

static void answered(struct call *c)
{
    c->answered = true;
    loop_timer_clear(c->loop->loop, &c->timer);
    rpc_count_time(c, time_now_ns() - c->started_ns);
}

/* The run may be on a lane: then its worker may be setting headers, which are left out. */
static void on_fail(struct call *c, const struct err *e)
{
    atomic_store_explicit(&c->gone, true, memory_order_relaxed);
    c->media->proto->finish(c, e, !c->on_lane);
    answered(c);
}

static void on_timer(struct loop_timer *t)
{
    call_fail(container_of(t, struct call, timer), CODE_DEADLINE_EXCEEDED, "the time given for the call is over");
}

static void on_back(struct run *run);
static enum code run_handler(struct lane_entry *e, struct ctx *cx);

static bool move(struct run *run)
{
    if (!run->moves || run->code == CODE_OK)
        return false;
    run->moves = false;
    call_submit(run, run->moves_to, run_handler, on_back);
    return true;
}

/* The run is back from its lane. */
static void on_back(struct run *run)
{
    struct call *c = run->call;
    if (!c->x) {
        call_free(c);
        return;
    }
    if (c->answered || move(run))
        return; /* on_close, or this again, follows */
    if (run->code != CODE_OK) {
        call_fail_err(c, &run->err);
        return;
    }
    rpc_count_answer(c, CODE_OK);
    c->media->proto->reply(c, run);
    answered(c);
    c->run = NULL;
    call_run_free(run);
}

/* ---- on a worker ------------------------------------------------------------------------------------------------- */

/* max: of the message when inflated. */
static enum code prepare(struct ctx *cx, struct run *run, uint32_t max)
{
    const struct call *c = run->call;
    const struct pb_type *input = c->method->pb->input;
    struct message_form form = c->in;
    void *req;
    form.max = max;
    TRY(protocol_read(cx, c, &form, run->message, run->gzip, &req));
    TRY(pb_validate(cx, input, req));
    run->req = req;
    return CODE_OK;
}

static enum code still_wanted(struct ctx *cx, const struct call *c)
{
    if (atomic_load_explicit(&c->gone, memory_order_relaxed))
        return fail(cx, CODE_CANCELED, "the client no longer waits");
    return CODE_OK;
}

static enum code run_prepare(struct lane_entry *e, struct ctx *cx)
{
    struct run *run = container_of(e, struct run, entry);
    TRY(still_wanted(cx, run->call));
    return prepare(cx, run, run->call->in.max);
}

static enum code run_handler(struct lane_entry *e, struct ctx *cx)
{
    struct run *run = container_of(e, struct run, entry);
    const struct call *c = run->call;
    const struct pb_method *m = c->method->pb;
    TRY(still_wanted(cx, c));
    if (!run->req)
        TRY(prepare(cx, run, c->in.max));
    void *rsp = pb_type_new(cx->mem, m->output);
    TRY(m->unary(cx, run->req, rsp));
    if (c->method->audited)
        TRY(c->rpc->cfg.audit(cx, m, run->req, rsp));
    buf_init_arena(&run->out, cx->mem, 2 * c->out.max);
    return message_write(cx, &c->out, m->output, rsp, &run->out, &run->out_gzip);
}

/* ---- the request ------------------------------------------------------------------------------------------------- */

static void on_prepared(struct run *run)
{
    if (!run->call->x || run->call->answered || run->code != CODE_OK)
        on_back(run);
    else
        call_submit(run, LANE_WRITE, run_handler, on_back);
}

static void start_write(struct call *c)
{
    struct run *run = c->run;
    struct ctx cx;
    uint32_t max = c->in.max < DECODE_ON_LOOP_MAX ? c->in.max : DECODE_ON_LOOP_MAX;
    call_ctx(c, run, &cx);
    enum code code = run->message.n > max ? CODE_RESOURCE_EXHAUSTED : prepare(&cx, run, max);
    if (code == CODE_OK)
        call_submit(run, LANE_WRITE, run_handler, on_back);
    else if (code == CODE_RESOURCE_EXHAUSTED)
        call_submit(run, LANE_WORK, run_prepare, on_prepared);
    else
        call_fail_err(c, &cx.err);
}

static void start(struct call *c)
{
    if (c->method->lane == LANE_WRITE)
        start_write(c);
    else
        call_submit(c->run, c->method->lane, run_handler, on_back);
}

/* Finds the one message in what was received. */
static enum code take_message(struct ctx *cx, struct call *c)
{
    struct run *run = c->run;
    str rest = buf_view(&run->body);
    uint8_t flags;
    run->message = rest;
    run->gzip = c->in.gzip;
    if (!c->in.envelope)
        return CODE_OK;
    if (!rest.n)
        return fail(cx, CODE_UNIMPLEMENTED, "a unary RPC takes one message, none came");
    if (!message_envelope_next(&rest, &flags, &run->message))
        return fail(cx, CODE_INVALID_ARGUMENT, "the message is cut short");
    if (rest.n)
        return fail(cx, CODE_UNIMPLEMENTED, "a unary RPC takes one message, more came");
    run->gzip = flags & ENVELOPE_GZIP;
    return message_flags(cx, &c->in, flags);
}

static size_t body_max(const struct call *c)
{
    return c->in.max + (c->in.envelope ? ENVELOPE_HEAD : 0);
}

void unary_open(struct call *c, const struct head *h)
{
    int64_t length = h->req->content_length;
    struct ctx cx;
    c->timer.fn = on_timer;
    if (c->deadline_ns != INT64_MAX)
        loop_timer_set(c->loop->loop, &c->timer, c->deadline_ns);
    if (length <= 0 || c->in.text)
        return;
    c->length = (size_t)length;
    if (c->length <= body_max(c))
        return;
    call_ctx(c, c->run, &cx);
    (void)fail(&cx, CODE_RESOURCE_EXHAUSTED, "request of %lld bytes is larger than %u", (long long)length, c->in.max);
    call_fail_after(c, &cx.err, (size_t)length);
}

/* By the envelope, else by the head of the request; 0 when neither has come or says it. */
static size_t whole_length(const struct call *c)
{
    const buf *body = &c->run->body;
    if (!c->in.envelope)
        return c->length;
    return body->n >= ENVELOPE_HEAD ? ENVELOPE_HEAD + (size_t)message_envelope_length(body->p) : 0;
}

static enum code receive(struct ctx *cx, struct call *c, str chunk)
{
    const buf *body = &c->run->body;
    buf plain;
    if (c->in.text) {
        buf_init_arena(&plain, cx->mem, chunk.n + 3);
        if (!text_base64_read(&c->base64, chunk, &plain))
            return fail(cx, CODE_INVALID_ARGUMENT, "request is not base64");
        chunk = buf_view(&plain);
    }
    TRY(call_receive(cx, c, chunk, whole_length(c), body_max(c)));
    if (c->in.envelope && body->n >= ENVELOPE_HEAD && message_envelope_length(body->p) > c->in.max)
        return fail(cx, CODE_RESOURCE_EXHAUSTED, "message is larger than %u bytes", c->in.max);
    return CODE_OK;
}

static void on_data(struct call *c, str chunk)
{
    struct ctx cx;
    if (c->answered || call_swallow(c, chunk))
        return;
    call_ctx(c, c->run, &cx);
    if (receive(&cx, c, chunk) != CODE_OK)
        call_fail_after(c, &cx.err, c->in.max);
}

static void on_end(struct call *c)
{
    struct ctx cx;
    if (c->answered || call_swallow_end(c))
        return;
    call_ctx(c, c->run, &cx);
    if (take_message(&cx, c) != CODE_OK)
        call_fail_err(c, &cx.err);
    else
        start(c);
}

static void on_closed(struct call *c)
{
    if (!c->on_lane)
        call_free(c);
}

const struct call_ops unary_ops = {
    .data = on_data,
    .end = on_end,
    .fail = on_fail,
    .closed = on_closed,
};

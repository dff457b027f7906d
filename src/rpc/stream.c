/* The loop's side of streams: receiving messages, starting steps, sending what they made, parking, ending. All on the
 * loop thread of the connection. See stream.h for what handlers are promised, stream_int.h for who holds what when. */
#include "rpc/stream_int.h"

#include "base/mem.h"
#include "base/metric.h"
#include "base/time.h"
#include "rpc/count_int.h"

#define SWEEP_EVERY_NS (60 * NS_PER_S)
/* Streams that get a shared step's frames in one round of the loop (prototypes: 256 sends are about 2.5 ms). */
#define FOLLOWERS_AT_ONCE 256
#define SWEPT_AT_ONCE 256

/* ---- memory ------------------------------------------------------------------------------------------------------ */

static void inbox_free(struct call *c, struct inbox *box)
{
    struct inbound *m;
    while ((m = stream_inbox_take(box))) {
        call_let_go(c, m->n);
        mem_free(m);
    }
}

static void inlet_free(struct stream *st)
{
    struct inlet *in = st->in;
    if (!in)
        return;
    inbox_free(st->call, &in->arrived);
    inbox_free(st->call, &in->todo);
    inbox_free(st->call, &in->spent);
    mem_free(in->partial);
    mem_free(in);
    st->in = NULL;
}

/* Gives back what only a stream that goes on needs. Not while a worker holds the stream. */
static void release(struct stream *st)
{
    struct call *c = st->call;
    if (st->sub)
        topic_unsubscribe(c->rpc->cfg.topics, st->sub);
    st->sub = NULL;
    inlet_free(st);
    mem_free(st->request);
    mem_free(st->state);
    st->request = NULL;
    st->state = NULL;
    c->meta = NULL;
    if (st->mem)
        arena_done(st->mem);
    mem_free(st->mem);
    st->mem = NULL;
    if (c->run)
        call_run_free(c->run);
    c->run = NULL;
}

static void stream_free(struct stream *st)
{
    struct call *c = st->call;
    list_del(&st->node);
    mem_free(st);
    call_free(c);
}

/* The exchange has closed and no worker holds the stream. */
static void end_of_life(struct stream *st)
{
    release(st);
    st->dying = true;
    if (!atomic_load(&st->fired)) /* else when the post arrives */
        stream_free(st);
}

/* ---- answers ----------------------------------------------------------------------------------------------------- */

static void answered(struct call *c)
{
    c->answered = true;
    loop_timer_clear(c->loop->loop, &c->timer);
    metric_add(METRIC_streams_open, -1);
    if (!c->on_lane)
        release(c->st);
}

static void on_fail(struct call *c, const struct err *e)
{
    atomic_store_explicit(&c->gone, true, memory_order_relaxed);
    c->media->proto->finish(c, e, !c->on_lane);
    answered(c);
}

static void end_well(struct call *c)
{
    static const struct err ok = {0};
    if (!c->method->pb->server_stream && !c->st->sent) {
        call_fail(c, CODE_INTERNAL, "the handler sent no response");
        return;
    }
    rpc_count_answer(c, CODE_OK);
    c->media->proto->finish(c, &ok, true);
    answered(c);
}

static void send_head(struct call *c)
{
    if (!c->head_sent)
        c->media->proto->head(c);
}

/* ---- steps ------------------------------------------------------------------------------------------------------- */

static void on_stepped(struct run *run);

/* Moves what has arrived to the step. */
static void hand_over(struct inlet *in)
{
    struct inbound *m;
    while ((m = stream_inbox_take(&in->arrived)))
        stream_inbox_add(&in->todo, m);
    in->todo_is_last = in->half_closed;
    in->handed_bytes = in->todo.bytes;
}

/* Something has happened: a step, unless one is under way (then another one follows) or the client takes no more. */
static void kick(struct stream *st)
{
    struct call *c = st->call;
    if (!st->ready || !c->x || c->answered)
        return;
    if (c->on_lane || !http_writable(c->x)) {
        st->again = true;
        return;
    }
    st->again = false;
    if (c->timer.slot && c->timer.at_ns != c->deadline_ns)
        loop_timer_clear(c->loop->loop, &c->timer);
    if (share_join(st))
        return;
    if (st->in)
        hand_over(st->in);
    if (!c->run)
        c->run = call_run_new(c);
    struct run *run = c->run;
    call_submit(run, c->method->lane, stream_step, on_stepped);
    if (c->on_lane)
        share_lead(st, run);
}

static void set_timer(struct call *c)
{
    int64_t at = c->st->wake_ns < c->deadline_ns ? c->st->wake_ns : c->deadline_ns;
    if (at != INT64_MAX)
        loop_timer_set(c->loop->loop, &c->timer, at);
}

static void on_timer(struct loop_timer *t)
{
    struct call *c = container_of(t, struct call, timer);
    if (time_now_ns() >= c->deadline_ns)
        call_fail(c, CODE_DEADLINE_EXCEEDED, "the time given for the call is over");
    else
        kick(c->st);
}

/* What the step has taken is no longer held. True when it took something and left something. */
static bool after_reading(struct stream *st)
{
    struct inlet *in = st->in;
    if (!in)
        return false;
    bool more = in->spent.first && in->todo.first;
    inbox_free(st->call, &in->spent);
    in->handed_bytes = in->todo.bytes;
    if (in->paused && in->arrived.bytes + in->handed_bytes < STREAM_MARK) {
        in->paused = false;
        http_pause(st->call->x, false);
    }
    return more;
}

static void park(struct stream *st)
{
    struct call *c = st->call;
    bool only_server = !c->method->pb->client_stream;
    if (atomic_load_explicit(&c->rpc->draining, memory_order_relaxed)) {
        call_fail(c, CODE_UNAVAILABLE, "the server is shutting down");
        return;
    }
    if (only_server || st->head_asked)
        send_head(c);
    bool more = after_reading(st);
    http_drop_head(c->x);
    if (st->again || more || st->verdict == VERDICT_AGAIN)
        kick(st);
    if (!c->on_lane && !c->answered)
        set_timer(c);
}

/* What a step has made, for the stream whose step it was or for one that shares it. */
static void conclude(struct call *c, const struct run *run)
{
    struct stream *st = c->st;
    if (!c->x) {
        end_of_life(st);
        return;
    }
    if (c->answered) {
        release(st);
        return;
    }
    if (run->out.n) {
        send_head(c);
        http_write(c->x, (str){run->out.p, run->out.n}, false);
    }
    if (run->code != CODE_OK)
        call_fail_err(c, &run->err);
    else if (st->verdict == VERDICT_END)
        end_well(c);
    else
        park(st);
}

/* Some of the streams that share the step; the rest in the next round, so that nobody waits for a thousand sends. */
static void next_followers(struct loop_post *post)
{
    struct run *run = container_of(post, struct run, post);
    struct rpc *r = run->loop->rpc;
    for (int i = 0; i < FOLLOWERS_AT_ONCE && run->followers; i++) {
        struct stream *st = run->followers;
        run->followers = st->follow_next;
        st->call->on_lane = false;
        if (st->call->x && !st->call->answered && !share_take(st, run))
            kick(st);
        else
            conclude(st->call, run);
    }
    if (run->followers) {
        loop_post(run->loop->loop, &run->post);
        return;
    }
    call_run_free(run);
    atomic_fetch_sub(&r->on_lanes, 1);
}

/* A step is back from its lane. */
static void on_stepped(struct run *run)
{
    struct call *c = run->call;
    c->run = NULL;
    if (!run->followers) {
        conclude(c, run);
        call_run_free(run);
        return;
    }
    atomic_fetch_add(&c->rpc->on_lanes, 1); /* until the last follower is served */
    share_keep(run);
    conclude(c, run);
    run->post.fn = next_followers;
    next_followers(&run->post);
}

static void on_fired(struct loop_post *post)
{
    struct stream *st = container_of(post, struct stream, fired_post);
    atomic_store(&st->fired, false); /* before the step reads, so that a later firing makes another one */
    if (st->dying)
        stream_free(st);
    else
        kick(st);
}

/* ---- the request ------------------------------------------------------------------------------------------------- */

static enum code begin_message(struct ctx *cx, struct call *c)
{
    struct inlet *in = c->st->in;
    size_t n = message_envelope_length(in->head);
    uint8_t flags = (uint8_t)in->head[0];
    TRY(message_flags(cx, &c->in, flags));
    if (n > c->in.max) {
        in->refused_n = n;
        return fail(cx, CODE_RESOURCE_EXHAUSTED, "message of %zu bytes is larger than %u", n, c->in.max);
    }
    in->partial = mem_resize(NULL, sizeof(struct inbound) + n);
    *in->partial = (struct inbound){.n = n, .gzip = flags & ENVELOPE_GZIP};
    in->partial_n = 0;
    in->head_n = 0;
    return CODE_OK;
}

/* Takes what chunk has of the message's head or body. */
static enum code take_some(struct ctx *cx, struct call *c, str *chunk)
{
    struct inlet *in = c->st->in;
    if (!in->partial) {
        str part = str_head(*chunk, ENVELOPE_HEAD - in->head_n);
        memcpy(in->head + in->head_n, part.p, part.n);
        in->head_n = (uint8_t)(in->head_n + part.n);
        *chunk = str_skip(*chunk, part.n);
        return in->head_n == ENVELOPE_HEAD ? begin_message(cx, c) : CODE_OK;
    }
    str part = str_head(*chunk, in->partial->n - in->partial_n);
    memcpy(in->partial->data + in->partial_n, part.p, part.n);
    in->partial_n += part.n;
    *chunk = str_skip(*chunk, part.n);
    return call_hold(c, part.n) ? CODE_OK
                                : fail(cx, CODE_RESOURCE_EXHAUSTED, "the server holds too many bytes of requests");
}

/* On failure *chunk is what was not taken. */
static enum code receive(struct ctx *cx, struct call *c, str *chunk)
{
    struct inlet *in = c->st->in;
    while (chunk->n) {
        TRY(take_some(cx, c, chunk));
        if (in->partial && in->partial_n == in->partial->n) {
            stream_inbox_add(&in->arrived, in->partial);
            in->partial = NULL;
        }
    }
    return CODE_OK;
}

static enum code receive_text(struct ctx *cx, struct call *c, str chunk)
{
    buf plain;
    buf_init_arena(&plain, cx->mem, chunk.n + 3);
    if (!text_base64_read(&c->base64, chunk, &plain))
        return fail(cx, CODE_INVALID_ARGUMENT, "request is not base64");
    chunk = buf_view(&plain);
    return receive(cx, c, &chunk);
}

static void on_data(struct call *c, str chunk)
{
    struct stream *st = c->st;
    struct inlet *in = st->in;
    struct arena mem;
    struct ctx cx;
    if (c->answered || call_swallow(c, chunk))
        return;
    if (!c->in.envelope) {
        call_ctx(c, c->run, &cx);
        if (call_receive(&cx, c, chunk, 0, c->in.max) != CODE_OK)
            call_fail_after(c, &cx.err, c->in.max);
        return;
    }
    arena_init(&mem, 0);
    ctx_init(&cx, &mem);
    enum code code = c->in.text ? receive_text(&cx, c, chunk) : receive(&cx, c, &chunk);
    if (code != CODE_OK) {
        call_fail_after(c, &cx.err, in->refused_n > chunk.n ? in->refused_n - chunk.n : 0);
    } else if (in->arrived.first && c->method->pb->client_stream) {
        if (!in->paused && in->arrived.bytes + in->handed_bytes >= STREAM_MARK) {
            in->paused = true;
            http_pause(c->x, true);
        }
        kick(st);
    }
    arena_done(&mem);
}

/* REST: the body is the message as it comes. What a server stream waits with is the message's binary form. */
static enum code make_request(struct ctx *cx, struct call *c)
{
    struct stream *st = c->st;
    str bytes;
    void *msg;
    TRY(protocol_read(cx, c, &c->in, buf_view(&c->run->body), c->in.gzip, &msg));
    TRY(pb_encode(cx, c->method->pb->input, msg, &bytes));
    c->in.codec = CODEC_PROTO;
    c->in.max = c->method->max;
    st->request = mem_resize(NULL, sizeof(struct inbound) + bytes.n);
    *st->request = (struct inbound){.n = bytes.n};
    if (bytes.n)
        memcpy(st->request->data, bytes.p, bytes.n);
    c->rest = NULL;
    inlet_free(st);
    st->ready = true;
    return CODE_OK;
}

static void take_body(struct call *c)
{
    struct ctx cx;
    call_ctx(c, c->run, &cx);
    if (make_request(&cx, c) != CODE_OK)
        call_fail_err(c, &cx.err);
    else
        kick(c->st);
}

/* The one message of a server stream. */
static void take_request(struct call *c)
{
    struct stream *st = c->st;
    st->request = stream_inbox_take(&st->in->arrived);
    if (!st->request || st->in->arrived.first) {
        call_fail(c, CODE_UNIMPLEMENTED, "a server stream takes one message, %s came", st->request ? "more" : "none");
        return;
    }
    inlet_free(st);
    st->ready = true;
    kick(st);
}

static void on_end(struct call *c)
{
    struct inlet *in = c->st->in;
    if (c->answered || call_swallow_end(c))
        return;
    in->half_closed = true;
    if (!c->in.envelope)
        take_body(c);
    else if (in->partial || in->head_n)
        call_fail(c, CODE_INVALID_ARGUMENT, "the last message is cut short");
    else if (!c->method->pb->client_stream)
        take_request(c);
    else
        kick(c->st);
}

static void on_writable(struct call *c)
{
    if (c->st->again)
        kick(c->st);
}

static void on_closed(struct call *c)
{
    if (!c->answered) {
        metric_add(METRIC_streams_open, -1);
        c->answered = true;
    }
    if (!c->on_lane)
        end_of_life(c->st);
}

const struct call_ops stream_ops = {
    .data = on_data,
    .end = on_end,
    .fail = on_fail,
    .writable = on_writable,
    .closed = on_closed,
};

/* ---- sweeps ------------------------------------------------------------------------------------------------------ */

/* Those that were swept go to the end of the list, so what is left is at its head. */
static void sweep_some(struct loop_post *post)
{
    struct rpc_loop *l = container_of(post, struct rpc_loop, sweep);
    for (int i = 0; i < SWEPT_AT_ONCE; i++) {
        struct stream *st = container_of(l->streams.next, struct stream, node);
        if (list_empty(&l->streams) || st->sweep_no == l->sweep_no) {
            if (!list_empty(&l->streams))
                loop_timer_set(l->loop, &l->sweep_timer, time_now_ns() + SWEEP_EVERY_NS);
            return;
        }
        st->sweep_no = l->sweep_no;
        list_del(&st->node);
        list_add(&l->streams, &st->node);
        if (st->sub)
            kick(st);
    }
    loop_post(l->loop, &l->sweep);
}

void stream_sweep(struct rpc_loop *l)
{
    l->sweep_no++;
    l->sweep.fn = sweep_some;
    sweep_some(&l->sweep);
}

static void on_sweep_timer(struct loop_timer *t)
{
    stream_sweep(container_of(t, struct rpc_loop, sweep_timer));
}

/* With the first stream; the timer goes on until a sweep finds none. */
static void start_sweeping(struct rpc_loop *l)
{
    l->sweep_timer.fn = on_sweep_timer;
    if (!l->sweep_timer.slot)
        loop_timer_set(l->loop, &l->sweep_timer, time_now_ns() + SWEEP_EVERY_NS);
}

/* ---- life -------------------------------------------------------------------------------------------------------- */

void stream_init(struct call *c)
{
    struct stream *st = mem_new(struct stream);
    c->st = st;
    st->call = c;
    st->in = mem_new(struct inlet);
    st->fired_post.fn = on_fired;
    if (list_empty(&c->loop->streams))
        start_sweeping(c->loop);
    st->sweep_no = c->loop->sweep_no;
    list_add(&c->loop->streams, &st->node);
    metric_add(METRIC_streams_open, 1);
}

void stream_open(struct call *c)
{
    c->timer.fn = on_timer;
    if (c->deadline_ns != INT64_MAX)
        loop_timer_set(c->loop->loop, &c->timer, c->deadline_ns);
    if (!c->method->pb->client_stream)
        return;
    http_allow_gaps(c->x);
    c->st->ready = true;
    kick(c->st);
}

void stream_drain(struct rpc_loop *l)
{
    for (struct list *at = l->streams.next; at != &l->streams; at = at->next) {
        struct call *c = container_of(at, struct stream, node)->call;
        if (!c->on_lane)
            call_fail(c, CODE_UNAVAILABLE, "the server is shutting down");
    }
}

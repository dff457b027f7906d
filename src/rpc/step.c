/* The worker's side of a stream: one step, and what its handler may ask of it. See stream.h. */
#include "rpc/stream_int.h"

#include "base/mem.h"

void stream_inbox_add(struct inbox *box, struct inbound *m)
{
    m->next = NULL;
    if (box->last)
        box->last->next = m;
    else
        box->first = m;
    box->last = m;
    box->bytes += m->n;
}

struct inbound *stream_inbox_take(struct inbox *box)
{
    struct inbound *m = box->first;
    if (!m)
        return NULL;
    box->first = m->next;
    if (!box->first)
        box->last = NULL;
    box->bytes -= m->n;
    return m;
}

static enum code decode(struct ctx *cx, struct stream *st, const struct inbound *m, bool validate, void **out)
{
    const struct call *c = st->call;
    const struct pb_type *input = c->method->pb->input;
    void *msg;
    TRY(message_read(cx, &c->in, (str){m->data, m->n}, m->gzip, input, &msg));
    if (validate)
        TRY(pb_validate(cx, input, msg));
    *out = msg;
    return CODE_OK;
}

enum code stream_step(struct lane_entry *e, struct ctx *cx)
{
    struct run *run = container_of(e, struct run, entry);
    struct call *c = run->call;
    struct stream *st = c->st;
    void *req = NULL;
    if (atomic_load_explicit(&c->gone, memory_order_relaxed))
        return fail(cx, CODE_CANCELED, "the client no longer waits");
    if (st->request) {
        TRY(decode(cx, st, st->request, !st->validated, &req));
        st->validated = true;
    }
    st->verdict = VERDICT_END;
    st->wake_ns = INT64_MAX;
    TRY(c->method->pb->stream(cx, req, st));
    if (c->method->audited && !st->audited && st->sent) { /* what changes something is answered */
        TRY(c->rpc->cfg.audit(cx, c->method->pb, req, NULL));
        st->audited = true;
    }
    return CODE_OK;
}

/* ---- for handlers ------------------------------------------------------------------------------------------------ */

void *stream_state(struct stream *st, size_t size)
{
    if (!st->state) {
        st->state = mem_alloc(size ? size : 1);
        st->state_size = size;
    }
    return st->state;
}

struct arena *stream_mem(struct stream *st)
{
    if (!st->mem) {
        st->mem = mem_new(struct arena);
        arena_init_small(st->mem, 0, 128);
    }
    return st->mem;
}

void stream_send_head(struct stream *st)
{
    st->head_asked = true;
}

enum code stream_send(struct ctx *cx, struct stream *st, const void *msg)
{
    struct run *run = cx->call;
    const struct call *c = st->call;
    if (!c->method->pb->server_stream && st->sent)
        return fail(cx, CODE_INTERNAL, "a client stream has one response");
    if (!run->out.mem)
        buf_init_arena(&run->out, &run->mem, 2 * c->out.max + STREAM_MARK);
    TRY(message_write(cx, &c->out, c->method->pb->output, msg, &run->out, NULL));
    st->sent++;
    return CODE_OK;
}

bool stream_writable(const struct stream *st)
{
    return st->call->run->out.n < STREAM_MARK;
}

void stream_on_topic(void *arg)
{
    struct stream *st = arg;
    if (!atomic_exchange(&st->fired, true))
        loop_post(st->call->loop->loop, &st->fired_post);
}

bool stream_subscribe_to(struct stream *st, struct topic_key key)
{
    struct topics *topics = st->call->rpc->cfg.topics;
    if (st->sub && topic_key_eq(key, topic_sub_key(st->sub)))
        return false;
    struct topic_sub *old = st->sub;
    st->sub = topic_subscribe(topics, key, stream_on_topic, st);
    topic_unsubscribe(topics, old);
    return true;
}

void stream_subscribe(struct ctx *cx, struct stream *st, struct topic_key key)
{
    (void)cx;
    (void)stream_subscribe_to(st, key);
}

enum code stream_wait(struct stream *st)
{
    st->verdict = VERDICT_WAIT;
    return CODE_OK;
}

enum code stream_wait_until(struct stream *st, int64_t at_ns)
{
    st->wake_ns = at_ns;
    return stream_wait(st);
}

enum code stream_again(struct stream *st)
{
    st->verdict = VERDICT_AGAIN;
    return CODE_OK;
}

enum code stream_recv(struct ctx *cx, struct stream *st, void **out)
{
    struct inbound *m = st->in ? stream_inbox_take(&st->in->todo) : NULL;
    if (!m) {
        *out = NULL;
        return CODE_OK;
    }
    stream_inbox_add(&st->in->spent, m);
    return decode(cx, st, m, true, out);
}

bool stream_recv_done(const struct stream *st)
{
    return !st->in || (st->in->todo_is_last && !st->in->todo.first);
}

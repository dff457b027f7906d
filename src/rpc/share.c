/* Steps of equal watchers (D-16): a step is a function of the request, the state and what the database has, so streams of
 * one RPC with the same request, caller, form and state that are woken in one round of their loop share one step. Its
 * frames and its new state go to all of them. Loop thread only. */
#include "rpc/stream_int.h"

#include "base/mem.h"

static str state_of(const struct stream *st)
{
    return (str){st->state, st->state_size};
}

static str request_of(const struct stream *st)
{
    return (str){st->request->data, st->request->n};
}

/* The first step is each stream's own: only there does a handler see headers and set some. A state that refers to the
 * stream's own memory is nobody else's. */
static bool may_share(const struct stream *st)
{
    const struct call *c = st->call;
    return c->method->kind == STREAM_STATE && c->method->lane != LANE_WRITE && st->request && c->head_sent &&
           !st->mem && !st->unshared;
}

static bool same_form(const struct message_form *a, const struct message_form *b)
{
    return a->codec == b->codec && a->gzip == b->gzip && a->envelope == b->envelope && a->text == b->text &&
           a->line == b->line;
}

static bool equal(const struct stream *a, const struct stream *b)
{
    const struct call *x = a->call, *y = b->call;
    return x->method == y->method && x->access.who == y->access.who && same_form(&x->out, &y->out) &&
           same_form(&x->in, &y->in) && a->request->gzip == b->request->gzip && str_eq(request_of(a), request_of(b)) &&
           str_eq(state_of(a), state_of(b));
}

static uint64_t hash_of(const struct stream *st)
{
    return (str_mix(request_of(st)) * 31 + str_mix(state_of(st))) * 31 + (uint64_t)(uintptr_t)st->call->method;
}

static struct rpc_share *slot_of(const struct stream *st, uint64_t hash)
{
    return &st->call->loop->shares[(hash ^ hash >> 32) % RPC_SHARES];
}

bool share_join(struct stream *st)
{
    struct call *c = st->call;
    if (!may_share(st))
        return false;
    uint64_t hash = hash_of(st);
    const struct rpc_share *s = slot_of(st, hash);
    if (s->round != c->loop->round || s->hash != hash || !equal(st, s->run->call->st))
        return false;
    st->follow_next = s->run->followers;
    s->run->followers = st;
    c->on_lane = true;
    return true;
}

void share_lead(struct stream *st, struct run *run)
{
    if (!may_share(st))
        return;
    uint64_t hash = hash_of(st);
    run->entry.deadline_ns = 0; /* the leader's own, which its timer keeps */
    *slot_of(st, hash) = (struct rpc_share){run, hash, st->call->loop->round};
}

/* The leader as its step left it; the frames are in the run. */
struct shared {
    str state;
    enum verdict verdict;
    int64_t wake_ns;
    struct topic_key key;
    bool subscribed;
    bool canceled; /* the leader's client went away: the step did not run */
    bool private;  /* the state refers to the leader's own memory */
};

void share_keep(struct run *run)
{
    const struct call *c = run->call;
    const struct stream *st = c->st;
    struct shared *s = arena_new(&run->mem, struct shared);
    *s = (struct shared){
        .state = arena_str(&run->mem, state_of(st)),
        .verdict = st->verdict,
        .wake_ns = st->wake_ns,
        .key = topic_sub_key(st->sub),
        .subscribed = st->sub != NULL,
        .canceled = run->code == CODE_CANCELED && atomic_load_explicit(&c->gone, memory_order_relaxed),
        .private = st->mem != NULL,
    };
    run->shared = s;
}

static void take_state(struct stream *st, str state)
{
    if (st->state_size != state.n) {
        mem_free(st->state);
        st->state = mem_alloc(state.n);
        st->state_size = state.n;
    }
    if (state.n)
        memcpy(st->state, state.p, state.n);
}

bool share_take(struct stream *st, const struct run *run)
{
    const struct shared *s = run->shared;
    st->unshared |= s->private;
    if (s->canceled || s->private)
        return false;
    if (run->code != CODE_OK)
        return true;
    take_state(st, s->state);
    st->verdict = s->verdict;
    st->wake_ns = s->wake_ns;
    if (s->subscribed && stream_subscribe_to(st, s->key))
        st->again = true; /* to what it was not: what happened meanwhile is not in these frames */
    return true;
}

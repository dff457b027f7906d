/* Ready ids and timers. See queue_int.h. One mutex; nothing is called under it but the timer's change. */
#include "engine/queue_int.h"

#include "base/mem.h"

#include <pthread.h>

enum { READY = 1, BUSY = 2, AGAIN = 4 };

struct key {
    uint64_t id;
    unsigned flags;
    int64_t timer_ns; /* INT64_MAX = none */
    bool used;
};

struct timer {
    int64_t at_ns;
    uint64_t id;
};

struct engine_queue {
    pthread_mutex_t lock;
    struct key *keys; /* open addressing; a key leaves when nothing is left to remember of it */
    size_t cap, n;
    uint64_t *ring; /* ready ids, oldest first */
    size_t ring_cap, ring_at, ring_n;
    struct timer *heap; /* earliest first; entries that no longer are a key's timer are skipped */
    size_t heap_cap, heap_n;
    void (*ready)(void *arg);
    void *ready_arg;
    void (*changed)(void *arg);
    void *changed_arg;
};

struct engine_queue *engine_queue_new(void (*ready)(void *arg), void *arg)
{
    struct engine_queue *q = mem_new(struct engine_queue);
    pthread_mutex_init(&q->lock, NULL);
    q->cap = 64;
    q->keys = mem_alloc_array(q->cap, sizeof(*q->keys));
    q->ready = ready;
    q->ready_arg = arg;
    return q;
}

void engine_queue_free(struct engine_queue *q)
{
    if (!q)
        return;
    pthread_mutex_destroy(&q->lock);
    mem_free(q->keys);
    mem_free(q->ring);
    mem_free(q->heap);
    mem_free(q);
}

void engine_queue_on_timer(struct engine_queue *q, void (*changed)(void *arg), void *arg)
{
    pthread_mutex_lock(&q->lock);
    q->changed = changed;
    q->changed_arg = arg;
    pthread_mutex_unlock(&q->lock);
}

/* ---- keys ------------------------------------------------------------------------------------------------------- */

static size_t home(const struct engine_queue *q, uint64_t id)
{
    uint64_t h = id * UINT64_C(0x9e3779b97f4a7c15);
    return (size_t)(h ^ h >> 32) & (q->cap - 1);
}

static struct key *find(struct engine_queue *q, uint64_t id)
{
    size_t i = home(q, id);
    while (q->keys[i].used && q->keys[i].id != id)
        i = (i + 1) & (q->cap - 1);
    return &q->keys[i];
}

static void grow(struct engine_queue *q)
{
    struct key *old = q->keys;
    size_t n = q->cap;
    q->cap *= 2;
    q->keys = mem_alloc_array(q->cap, sizeof(*q->keys));
    for (size_t i = 0; i < n; i++)
        if (old[i].used)
            *find(q, old[i].id) = old[i];
    mem_free(old);
}

static struct key *need(struct engine_queue *q, uint64_t id)
{
    if (q->n * 2 >= q->cap)
        grow(q);
    struct key *k = find(q, id);
    if (!k->used) {
        *k = (struct key){.id = id, .timer_ns = INT64_MAX, .used = true};
        q->n++;
    }
    return k;
}

/* Takes the key out when it has nothing to remember; those behind it in its chain move up. */
static void forget(struct engine_queue *q, struct key *k)
{
    if (k->flags || k->timer_ns != INT64_MAX)
        return;
    size_t hole = (size_t)(k - q->keys), mask = q->cap - 1;
    q->n--;
    for (size_t i = (hole + 1) & mask; q->keys[i].used; i = (i + 1) & mask) {
        size_t h = home(q, q->keys[i].id);
        if (((i - h) & mask) >= ((i - hole) & mask)) {
            q->keys[hole] = q->keys[i];
            hole = i;
        }
    }
    q->keys[hole].used = false;
}

/* ---- ready ids -------------------------------------------------------------------------------------------------- */

static void push(struct engine_queue *q, uint64_t id)
{
    if (q->ring_n == q->ring_cap) {
        size_t cap = q->ring_cap ? q->ring_cap * 2 : 64;
        uint64_t *ring = mem_alloc_array(cap, sizeof(*ring));
        for (size_t i = 0; i < q->ring_n; i++)
            ring[i] = q->ring[(q->ring_at + i) & (q->ring_cap - 1)];
        mem_free(q->ring);
        q->ring = ring;
        q->ring_cap = cap;
        q->ring_at = 0;
    }
    q->ring[(q->ring_at + q->ring_n++) & (q->ring_cap - 1)] = id;
}

/* True when it became ready. */
static bool make_ready(struct engine_queue *q, struct key *k)
{
    if (k->flags & BUSY) {
        k->flags |= AGAIN;
        return false;
    }
    if (k->flags & READY)
        return false;
    k->flags |= READY;
    push(q, k->id);
    return true;
}

void engine_queue_wake(struct engine_queue *q, uint64_t id)
{
    pthread_mutex_lock(&q->lock);
    bool fresh = make_ready(q, need(q, id));
    pthread_mutex_unlock(&q->lock);
    if (fresh)
        q->ready(q->ready_arg);
}

size_t engine_queue_take(struct engine_queue *q, uint64_t *ids, size_t max)
{
    size_t n = 0;
    pthread_mutex_lock(&q->lock);
    for (; n < max && q->ring_n; n++) {
        ids[n] = q->ring[q->ring_at];
        q->ring_at = (q->ring_at + 1) & (q->ring_cap - 1);
        q->ring_n--;
        find(q, ids[n])->flags = BUSY;
    }
    pthread_mutex_unlock(&q->lock);
    return n;
}

void engine_queue_done(struct engine_queue *q, const uint64_t *ids, size_t n)
{
    bool fresh = false;
    pthread_mutex_lock(&q->lock);
    for (size_t i = 0; i < n; i++) {
        struct key *k = find(q, ids[i]);
        bool again = k->flags & AGAIN;
        k->flags = 0;
        if (again)
            fresh = make_ready(q, k) || fresh;
        else
            forget(q, k);
    }
    pthread_mutex_unlock(&q->lock);
    if (fresh)
        q->ready(q->ready_arg);
}

size_t engine_queue_ready(struct engine_queue *q)
{
    pthread_mutex_lock(&q->lock);
    size_t n = q->ring_n;
    pthread_mutex_unlock(&q->lock);
    return n;
}

/* ---- timers ----------------------------------------------------------------------------------------------------- */

static void heap_swap(struct timer *a, struct timer *b)
{
    struct timer t = *a;
    *a = *b;
    *b = t;
}

static void heap_push(struct engine_queue *q, struct timer t)
{
    if (q->heap_n == q->heap_cap) {
        q->heap_cap = q->heap_cap ? q->heap_cap * 2 : 64;
        q->heap = mem_resize(q->heap, q->heap_cap * sizeof(*q->heap));
    }
    size_t i = q->heap_n++;
    q->heap[i] = t;
    for (; i && q->heap[(i - 1) / 2].at_ns > q->heap[i].at_ns; i = (i - 1) / 2)
        heap_swap(&q->heap[i], &q->heap[(i - 1) / 2]);
}

static void heap_pop(struct engine_queue *q)
{
    q->heap[0] = q->heap[--q->heap_n];
    for (size_t i = 0;;) {
        size_t least = i, left = 2 * i + 1, right = 2 * i + 2;
        if (left < q->heap_n && q->heap[left].at_ns < q->heap[least].at_ns)
            least = left;
        if (right < q->heap_n && q->heap[right].at_ns < q->heap[least].at_ns)
            least = right;
        if (least == i)
            return;
        heap_swap(&q->heap[i], &q->heap[least]);
        i = least;
    }
}

void engine_queue_wake_at(struct engine_queue *q, uint64_t id, int64_t up_ns)
{
    pthread_mutex_lock(&q->lock);
    struct key *k = need(q, id);
    if (up_ns < k->timer_ns) {
        bool first = !q->heap_n || up_ns < q->heap[0].at_ns;
        k->timer_ns = up_ns;
        heap_push(q, (struct timer){up_ns, id});
        if (first && q->changed)
            q->changed(q->changed_arg);
    }
    pthread_mutex_unlock(&q->lock);
}

int64_t engine_queue_fire(struct engine_queue *q, int64_t up_ns)
{
    bool fresh = false;
    int64_t next = INT64_MAX;
    pthread_mutex_lock(&q->lock);
    while (q->heap_n && q->heap[0].at_ns <= up_ns) {
        struct timer t = q->heap[0];
        struct key *k = find(q, t.id);
        heap_pop(q);
        if (!k->used || k->timer_ns != t.at_ns)
            continue;
        k->timer_ns = INT64_MAX;
        fresh = make_ready(q, k) || fresh;
    }
    if (q->heap_n)
        next = q->heap[0].at_ns;
    pthread_mutex_unlock(&q->lock);
    if (fresh)
        q->ready(q->ready_arg);
    return next;
}

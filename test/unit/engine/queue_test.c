/* The queue of ids: each once, again when woken meanwhile, timers; and what several threads may do at once. */
#include "engine/queue.c"

#include "unit.h"

#include <stdatomic.h>

static void count(void *arg)
{
    ++*(atomic_int *)arg;
}

static void test_each_id_once(void **state)
{
    atomic_int ready = 0;
    uint64_t ids[8];
    struct engine_queue *q = engine_queue_new(count, &ready);
    (void)state;
    engine_queue_wake(q, 5);
    engine_queue_wake(q, 5);
    engine_queue_wake(q, 6);
    assert_int_equal(ready, 2);
    assert_int_equal(engine_queue_take(q, ids, 8), 2);
    assert_int_equal(ids[0], 5);
    assert_int_equal(engine_queue_take(q, ids + 2, 6), 0);
    engine_queue_wake(q, 5); /* while it is looked at */
    assert_int_equal(engine_queue_take(q, ids + 2, 6), 0);
    engine_queue_done(q, ids, 2);
    assert_int_equal(ready, 3);
    assert_int_equal(engine_queue_take(q, ids, 8), 1);
    assert_int_equal(ids[0], 5);
    engine_queue_done(q, ids, 1);
    assert_int_equal(engine_queue_ready(q), 0);
    assert_int_equal(q->n, 0);
    engine_queue_free(q);
}

static void test_timers(void **state)
{
    atomic_int ready = 0;
    uint64_t ids[8];
    struct engine_queue *q = engine_queue_new(count, &ready);
    (void)state;
    engine_queue_wake_at(q, 1, 300);
    engine_queue_wake_at(q, 2, 200);
    engine_queue_wake_at(q, 1, 100);
    engine_queue_wake_at(q, 1, 400); /* later than its timer: nothing */
    assert_int_equal(engine_queue_fire(q, 99), 100);
    assert_int_equal(engine_queue_ready(q), 0);
    assert_int_equal(engine_queue_fire(q, 100), 200);
    assert_int_equal(engine_queue_take(q, ids, 8), 1);
    assert_int_equal(ids[0], 1);
    engine_queue_done(q, ids, 1);
    engine_queue_fire(q, 1000);
    assert_int_equal(engine_queue_take(q, ids, 8), 1);
    assert_int_equal(ids[0], 2);
    engine_queue_done(q, ids, 1);
    assert_int_equal(engine_queue_fire(q, 2000), INT64_MAX);
    assert_int_equal(q->n, 0);
    engine_queue_free(q);
}

/* Against a plain list: many ids, so that keys move in the table as others leave it. */
static void test_table_keeps_its_keys(void **state)
{
    enum { N = 5000 };
    static int64_t at[N];
    atomic_int ready = 0;
    uint64_t id, seed = 7;
    struct engine_queue *q = engine_queue_new(count, &ready);
    (void)state;
    for (int i = 0; i < N; i++) {
        seed = seed * UINT64_C(6364136223846793005) + 1442695040888963407u;
        at[i] = (int64_t)(seed >> 40) + 1;
        engine_queue_wake_at(q, (uint64_t)i << 24, at[i]);
    }
    int fired = 0;
    for (int64_t now = 0; now <= INT64_C(1) << 24; now += 1 << 14) {
        engine_queue_fire(q, now);
        while (engine_queue_take(q, &id, 1)) {
            if (at[id >> 24] > now || at[id >> 24] <= now - (1 << 14))
                fail_msg("id %llu at %lld fired at %lld", (unsigned long long)(id >> 24), (long long)at[id >> 24],
                         (long long)now);
            engine_queue_done(q, &id, 1);
            fired++;
        }
    }
    assert_int_equal(fired, N);
    assert_int_equal(q->n, 0);
    engine_queue_free(q);
}

struct race {
    struct engine_queue *q;
    atomic_int busy[16], twice;
    atomic_int version[16], seen[16]; /* what wakers changed, what workers saw of it */
    atomic_bool stop;
};

static void *waker(void *arg)
{
    struct race *r = arg;
    for (int i = 0; i < 20000; i++) {
        r->version[i & 15]++;
        engine_queue_wake(r->q, (uint64_t)i & 15);
    }
    return NULL;
}

static void *worker(void *arg)
{
    struct race *r = arg;
    uint64_t ids[4];
    while (!r->stop || engine_queue_ready(r->q)) {
        size_t n = engine_queue_take(r->q, ids, 4);
        for (size_t i = 0; i < n; i++)
            if (r->busy[ids[i]]++)
                r->twice++;
        for (size_t i = 0; i < n; i++) {
            r->seen[ids[i]] = r->version[ids[i]];
            r->busy[ids[i]]--;
        }
        engine_queue_done(r->q, ids, n);
    }
    return NULL;
}

/* Two never look at the same id at once, and every wake is followed by a look. */
static void test_never_twice_and_never_not(void **state)
{
    atomic_int ready = 0;
    struct race r = {.q = engine_queue_new(count, &ready)};
    pthread_t wakers[2], workers[2];
    (void)state;
    for (int i = 0; i < 2; i++) {
        pthread_create(&workers[i], NULL, worker, &r);
        pthread_create(&wakers[i], NULL, waker, &r);
    }
    for (int i = 0; i < 2; i++)
        pthread_join(wakers[i], NULL);
    r.stop = true;
    for (int i = 0; i < 2; i++)
        pthread_join(workers[i], NULL);
    assert_int_equal(r.twice, 0);
    for (int i = 0; i < 16; i++)
        assert_int_equal(r.seen[i], r.version[i]);
    assert_int_equal(engine_queue_ready(r.q), 0);
    assert_int_equal(r.q->n, 0);
    engine_queue_free(r.q);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_each_id_once),
        cmocka_unit_test(test_timers),
        cmocka_unit_test(test_table_keeps_its_keys),
        cmocka_unit_test(test_never_twice_and_never_not),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

/* Topics: who is told, who is not, and that nobody is told after leaving. */
#include "unit.h"

#include "lane/topic.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>

static struct topic_key key(enum topic_kind kind, uint64_t id1, uint64_t id2)
{
    return (struct topic_key){kind, id1, id2};
}

static void count(void *arg)
{
    ++*(int *)arg;
}

static void only_the_key_is_told(void **state)
{
    struct topics *t = topics_new();
    int n[5] = {0};
    (void)state;
    struct topic_key keys[5] = {key(TOPIC_RUN, 1, 0), key(TOPIC_RUN, 1, 0), key(TOPIC_RUN, 2, 0),
                                key(TOPIC_ACTION, 1, 0), key(TOPIC_RUN, 1, 1)};
    struct topic_sub *subs[5];
    topic_fire(t, keys[0]);
    for (int i = 0; i < 5; i++)
        subs[i] = topic_subscribe(t, keys[i], count, &n[i]);
    topic_fire(t, keys[0]);
    topic_fire(t, keys[4]);
    topic_unsubscribe(t, subs[1]);
    topic_fire(t, keys[0]);
    assert_int_equal(n[0], 2);
    assert_int_equal(n[1], 1);
    assert_int_equal(n[2], 0);
    assert_int_equal(n[3], 0);
    assert_int_equal(n[4], 1);
    topic_unsubscribe(t, subs[0]);
    topic_unsubscribe(t, NULL);
    topic_fire(t, keys[0]);
    assert_int_equal(n[0], 2);
    topics_free(t); /* with subscribers left */
}

/* Against a plain array: random subscribing, leaving and firing of 50 keys. */
static void random_traffic_matches_a_plain_list(void **state)
{
    enum { KEYS = 50, SUBS = 3000 };
    static struct topic_sub *subs[SUBS];
    static int key_of[SUBS], told[SUBS], want[SUBS];
    struct topics *t = topics_new();
    (void)state;
    srand(7);
    for (int step = 0; step < 20000; step++) {
        int i = rand() % SUBS, k = rand() % KEYS;
        if (step % 10 == 0) {
            topic_fire(t, key(TOPIC_RUN, (uint64_t)k << 40, (uint64_t)k));
            for (int s = 0; s < SUBS; s++)
                want[s] += subs[s] && key_of[s] == k;
        } else if (subs[i]) {
            topic_unsubscribe(t, subs[i]);
            subs[i] = NULL;
        } else {
            key_of[i] = k;
            subs[i] = topic_subscribe(t, key(TOPIC_RUN, (uint64_t)k << 40, (uint64_t)k), count, &told[i]);
        }
    }
    assert_memory_equal(told, want, sizeof(told));
    topics_free(t);
}

static void many_topics_grow_the_table(void **state)
{
    enum { N = 20000 };
    static int told[N];
    struct topics *t = topics_new();
    (void)state;
    for (uint64_t i = 0; i < N; i++)
        topic_subscribe(t, key(TOPIC_LOG, i, 1), count, &told[i]);
    for (uint64_t i = 0; i < N; i += 3)
        topic_fire(t, key(TOPIC_LOG, i, 1));
    for (int i = 0; i < N; i++)
        assert_int_equal(told[i], i % 3 == 0);
    topics_free(t);
}

struct alive {
    _Atomic int calls;
    _Atomic bool gone;
};

static void check_alive(void *arg)
{
    struct alive *a = arg;
    assert_false(a->gone);
    a->calls++;
}

static _Atomic bool over;

static void *fire_for_ever(void *arg)
{
    while (!over)
        topic_fire(arg, key(TOPIC_RUN, 1, 0));
    return NULL;
}

/* After topic_unsubscribe() has returned the function neither runs nor will run. */
static void leaving_is_final(void **state)
{
    struct topics *t = topics_new();
    pthread_t thread[2];
    (void)state;
    for (int i = 0; i < 2; i++)
        pthread_create(&thread[i], NULL, fire_for_ever, t);
    for (int i = 0; i < 5000; i++) {
        struct alive *a = calloc(1, sizeof(*a));
        struct topic_sub *s = topic_subscribe(t, key(TOPIC_RUN, 1, 0), check_alive, a);
        if (i % 100 == 0)
            while (!a->calls)
                ;
        topic_unsubscribe(t, s);
        a->gone = true;
        free(a);
    }
    over = true;
    for (int i = 0; i < 2; i++)
        pthread_join(thread[i], NULL);
    topics_free(t);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(only_the_key_is_told),
        cmocka_unit_test(random_traffic_matches_a_plain_list),
        cmocka_unit_test(many_topics_grow_the_table),
        cmocka_unit_test(leaving_is_final),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

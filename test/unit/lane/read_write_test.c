/* D-03: what was acknowledged is found by every read that is submitted afterwards, on another connection; and the same
 * traffic shows races to the thread sanitizer (make MODE=tsan). */
#include "lane/fixture.h"

#define THREADS 64
#define ROUNDS 500

struct client {
    pthread_t thread;
    struct fixture *f;
    int64_t a, not_found, failed;
    struct topic_sub *sub;
    _Atomic int told;
};

static enum code create(struct ctx *cx, void *arg)
{
    struct client *c = arg;
    topic_publish(cx, (struct topic_key){TOPIC_RUN, (uint64_t)c->a % 16, 0});
    return db_query(cx, "INSERT INTO t VALUES ($1, 'x')", DB_ARGS(DB_I(c->a)), NULL);
}

static enum code get(struct ctx *cx, void *arg)
{
    struct client *c = arg;
    struct db_rows rows;
    TRY(db_query(cx, "SELECT b FROM t WHERE a = $1", DB_ARGS(DB_I(c->a)), &rows));
    c->not_found += rows.n != 1;
    return CODE_OK;
}

static void on_topic(void *arg)
{
    ((struct client *)arg)->told++;
}

static void *run_client(void *arg)
{
    struct client *c = arg;
    struct arena mem;
    struct ctx cx;
    arena_init(&mem, 0);
    ctx_init(&cx, &mem);
    for (int i = 0; i < ROUNDS; i++, c->a += THREADS) {
        struct topic_key key = {TOPIC_RUN, (uint64_t)c->a % 16, 0};
        c->sub = topic_subscribe(c->f->app.topics, key, on_topic, c);
        if (lane_write(&cx, c->f->lanes, create, c) != CODE_OK || lane_read(&cx, c->f->lanes, get, c) != CODE_OK)
            c->failed++;
        topic_unsubscribe(c->f->app.topics, c->sub);
        arena_reset(&mem);
    }
    arena_done(&mem);
    return NULL;
}

static void what_was_created_is_found(void **state)
{
    struct fixture *f = *state;
    static struct client clients[THREADS];
    for (int i = 0; i < THREADS; i++) {
        clients[i] = (struct client){.f = f, .a = i};
        pthread_create(&clients[i].thread, NULL, run_client, &clients[i]);
    }
    for (int i = 0; i < THREADS; i++)
        pthread_join(clients[i].thread, NULL);
    for (int i = 0; i < THREADS; i++) {
        assert_int_equal(clients[i].failed, 0);
        assert_int_equal(clients[i].not_found, 0);
        assert_in_range(clients[i].told, 1, INT32_MAX);
    }
    assert_int_equal(fixture_int(f, "SELECT count(*) FROM t"), THREADS * ROUNDS);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(what_was_created_is_found, fixture_up, fixture_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

/* Event loop: order of posts from many threads, wake-ups, timers, descriptors deleted in the round that serves them. */
#include "net/loop.c"

#include "base/random.h"

#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>

struct fixture {
    struct arena mem;
    struct ctx cx;
    struct loop *l;
};

static int set_up(void **state)
{
    struct fixture *f = mem_new(struct fixture);
    arena_init(&f->mem, 0);
    ctx_init(&f->cx, &f->mem);
    assert_int_equal(loop_new(&f->cx, &f->l), CODE_OK);
    *state = f;
    return 0;
}

static int tear_down(void **state)
{
    struct fixture *f = *state;
    loop_free(f->l);
    arena_done(&f->mem);
    mem_free(f);
    return 0;
}

/* ---- posts ------------------------------------------------------------------------------------------------------- */

#define THREADS 4
#define POSTS 20000

struct numbered {
    struct loop_post post;
    struct poster *from;
    int number;
};

struct poster {
    struct fixture *f;
    struct numbered *items;
    int batch; /* posts per call */
    int next;  /* the number that must come next */
    bool in_order;
    int *left; /* posts not seen yet, of all threads */
};

static void on_number(struct loop_post *p)
{
    struct numbered *n = container_of(p, struct numbered, post);
    struct poster *from = n->from;
    if (n->number != from->next++ || loop_current() != from->f->l)
        from->in_order = false;
    if (--*from->left == 0)
        loop_stop(from->f->l);
}

static void *post_all(void *arg)
{
    struct poster *p = arg;
    for (int i = 0; i < POSTS; i += p->batch) {
        for (int k = i; k < i + p->batch; k++) {
            p->items[k] = (struct numbered){.post.fn = on_number, .from = p, .number = k};
            p->items[k].post.next = k + 1 < i + p->batch ? &p->items[k + 1].post : NULL;
        }
        if (p->batch == 1)
            loop_post(p->f->l, &p->items[i].post);
        else
            loop_post_batch(p->f->l, &p->items[i].post);
    }
    return NULL;
}

static void test_posts_keep_each_threads_order(void **state)
{
    struct fixture *f = *state;
    struct poster posters[THREADS];
    pthread_t threads[THREADS];
    int left = THREADS * POSTS;
    for (int i = 0; i < THREADS; i++) {
        posters[i] = (struct poster){.f = f, .batch = i % 2 ? 10 : 1, .in_order = true, .left = &left};
        posters[i].items = mem_alloc_array(POSTS, sizeof(struct numbered));
        assert_int_equal(pthread_create(&threads[i], NULL, post_all, &posters[i]), 0);
    }
    loop_run(f->l);
    for (int i = 0; i < THREADS; i++) {
        pthread_join(threads[i], NULL);
        assert_true(posters[i].in_order);
        assert_int_equal(posters[i].next, POSTS);
        mem_free(posters[i].items);
    }
    assert_null(loop_current());
}

static void test_a_batch_costs_one_wake_up(void **state)
{
    struct fixture *f = *state;
    int left = 3;
    struct poster p = {.f = f, .in_order = true, .left = &left};
    struct numbered n[3];
    for (int i = 0; i < 3; i++) {
        n[i] = (struct numbered){.post.fn = on_number, .from = &p, .number = i};
        loop_post(f->l, &n[i].post);
    }
    uint64_t wakes = 0;
    assert_int_equal(read(f->l->wake.fd, &wakes, sizeof(wakes)), sizeof(wakes));
    assert_int_equal(wakes, 1);
    wake_up(f->l);
    loop_run(f->l);
    assert_true(p.in_order);
    assert_int_equal(p.next, 3);
}

/* ---- timers ------------------------------------------------------------------------------------------------------ */

#define TIMERS 500

struct alarm {
    struct loop_timer t;
    struct fixture *f;
    int *fired;
    int64_t *last;
    int want;
    bool sorted;
};

static void on_alarm(struct loop_timer *t)
{
    struct alarm *a = container_of(t, struct alarm, t);
    a->sorted = t->at_ns >= *a->last && t->at_ns <= loop_now_ns(a->f->l) && t->slot == 0;
    *a->last = t->at_ns;
    if (++*a->fired == a->want)
        loop_stop(a->f->l);
}

static void test_timers_fire_in_order_and_cleared_ones_never(void **state)
{
    struct fixture *f = *state;
    static struct alarm alarms[TIMERS];
    int fired = 0;
    int64_t last = 0, start = time_now_ns();
    for (int i = 0; i < TIMERS; i++) {
        alarms[i] = (struct alarm){
            .t.fn = on_alarm, .f = f, .fired = &fired, .last = &last, .want = TIMERS / 2, .sorted = true};
        loop_timer_set(f->l, &alarms[i].t, start + (int64_t)random_below(10 * NS_PER_MS));
    }
    for (int i = 0; i < TIMERS; i++) /* move all, then clear every second */
        loop_timer_set(f->l, &alarms[i].t, start + (int64_t)random_below(10 * NS_PER_MS));
    for (int i = 0; i < TIMERS; i += 2)
        loop_timer_clear(f->l, &alarms[i].t);
    loop_run(f->l);
    assert_int_equal(fired, TIMERS / 2);
    assert_int_equal(f->l->timers, 0);
    for (int i = 0; i < TIMERS; i++)
        assert_true(alarms[i].sorted);
}

static int again_count;

static void on_again(struct loop_timer *t)
{
    struct alarm *a = container_of(t, struct alarm, t);
    if (++again_count == 3)
        loop_stop(a->f->l);
    loop_timer_set(a->f->l, t, 0);
}

static void test_a_timer_that_rearms_itself_leaves_the_loop_room(void **state)
{
    struct fixture *f = *state;
    struct alarm a = {.t.fn = on_again, .f = f};
    again_count = 0;
    loop_timer_set(f->l, &a.t, 0);
    loop_run(f->l); /* must see the stop */
    assert_int_equal(again_count, 3);
}

/* ---- end of a round ---------------------------------------------------------------------------------------------- */

struct steps {
    struct loop_post post, deferred;
    struct loop_task task;
    struct loop *l;
    char seen[8];
    size_t n;
};

static void on_step_post(struct loop_post *p)
{
    struct steps *s = container_of(p, struct steps, post);
    s->seen[s->n++] = 'p';
    loop_task_add(s->l, &s->task);
    loop_task_add(s->l, &s->task);
    loop_defer(s->l, &s->deferred);
}

static void on_step_deferred(struct loop_post *p)
{
    struct steps *s = container_of(p, struct steps, deferred);
    s->seen[s->n++] = 'd';
}

static void on_step_task(struct loop_task *t)
{
    struct steps *s = container_of(t, struct steps, task);
    s->seen[s->n++] = 't';
    if (s->n < 4) {
        loop_task_add(s->l, t); /* another round, without waiting */
        return;
    }
    loop_stop(s->l);
}

static void test_deferred_posts_run_before_tasks_of_the_same_round(void **state)
{
    struct fixture *f = *state;
    struct steps s = {.l = f->l, .post.fn = on_step_post, .deferred.fn = on_step_deferred, .task.fn = on_step_task};
    loop_post(f->l, &s.post);
    loop_run(f->l);
    assert_string_equal(s.seen, "pdtt");
}

/* ---- descriptors ------------------------------------------------------------------------------------------------- */

struct pair {
    struct loop_fd a, b;
    struct loop *l;
    int calls;
};

static void on_a(struct loop_fd *f, uint32_t events)
{
    struct pair *p = container_of(f, struct pair, a);
    (void)events;
    p->calls++;
    loop_fd_del(p->l, &p->a);
    loop_fd_del(p->l, &p->b);
    loop_stop(p->l);
}

static void on_b(struct loop_fd *f, uint32_t events)
{
    on_a(&container_of(f, struct pair, b)->a, events);
}

static void test_a_deleted_descriptor_is_not_served(void **state)
{
    struct fixture *f = *state;
    struct pair p = {.l = f->l, .a.fn = on_a, .b.fn = on_b};
    p.a.fd = eventfd(1, EFD_CLOEXEC);
    p.b.fd = eventfd(1, EFD_CLOEXEC);
    assert_int_equal(loop_fd_add(&f->cx, f->l, &p.a, EPOLLIN), CODE_OK);
    assert_int_equal(loop_fd_add(&f->cx, f->l, &p.b, EPOLLIN), CODE_OK);
    loop_run(f->l);
    assert_int_equal(p.calls, 1);
    close(p.a.fd);
    close(p.b.fd);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_posts_keep_each_threads_order, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_a_batch_costs_one_wake_up, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_timers_fire_in_order_and_cleared_ones_never, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_a_timer_that_rearms_itself_leaves_the_loop_room, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_deferred_posts_run_before_tasks_of_the_same_round, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_a_deleted_descriptor_is_not_served, set_up, tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

/* Slots: random schedules against the rules themselves, and the cases of D-22 by name. */
#include "exec/slots.h"

#include "unit.h"

#include "base/time.h"

#define N 60

static void share_is_never_passed(void **state)
{
    (void)state;
    for (int seed = 1; seed <= 200; seed++) {
        struct exec_slots s;
        struct exec_slot slot[N] = {0};
        int64_t cpu = 1000 * (1 + seed % 4), memory = 1000;
        size_t started = 0;
        srand((unsigned)seed);
        exec_slots_init(&s, cpu, memory, 0);
        for (int i = 0; i < N; i++) {
            slot[i].cpu_millis = 100 * (1 + rand() % 15);
            slot[i].memory_bytes = rand() % 3 ? 0 : 1 + rand() % 700;
            exec_slots_queue(&s, &slot[i], i);
        }
        /* No lending here: what runs together must fit, except one that is above the machine and alone. */
        for (int step = 0; started < N && step < 10000; step++) {
            struct exec_slot *next;
            while ((next = exec_slots_next(&s, 0)))
                started++;
            int64_t used_cpu = 0, used_memory = 0, running = 0;
            for (int i = 0; i < N; i++)
                if (slot[i].running) {
                    used_cpu += slot[i].cpu_millis;
                    used_memory += slot[i].memory_bytes;
                    running++;
                }
            assert_true(running > 0);
            assert_true(used_cpu <= cpu || running == 1);
            assert_true(used_memory <= memory || running == 1);
            int end = rand() % N;
            while (!slot[end].running)
                end = (end + 1) % N;
            exec_slots_release(&s, &slot[end]);
        }
        assert_int_equal(started, N);
        for (int i = 0; i < N; i++)
            exec_slots_release(&s, &slot[i]);
        assert_int_equal(s.used_cpu, 0);
        assert_int_equal(s.used_memory, 0);
        assert_int_equal(s.running_count + s.queued + s.lent_count, 0);
    }
}

static void first_in_first_out(void **state)
{
    struct exec_slots s;
    struct exec_slot slot[4] = {{.cpu_millis = 1000}, {.cpu_millis = 2000}, {.cpu_millis = 100}, {.cpu_millis = 100}};
    (void)state;
    exec_slots_init(&s, 2000, 1, 0);
    for (int i = 0; i < 4; i++)
        exec_slots_queue(&s, &slot[i], 0);
    assert_ptr_equal(exec_slots_next(&s, 0), &slot[0]);
    assert_null(exec_slots_next(&s, 0)); /* small ones do not overtake: the large one would starve */
    assert_int_equal(exec_slots_lacks(&s, &slot[1]), EXEC_SLOT_CPU);
    assert_int_equal(exec_slots_lacks(&s, &slot[2]), EXEC_SLOT_TURN);
    exec_slots_release(&s, &slot[0]);
    assert_ptr_equal(exec_slots_next(&s, 0), &slot[1]);
    exec_slots_release(&s, &slot[1]);
    assert_ptr_equal(exec_slots_next(&s, 0), &slot[2]);
    assert_ptr_equal(exec_slots_next(&s, 0), &slot[3]);
    assert_null(exec_slots_next(&s, 0));
}

static void waiting_parents_lend_cpu_not_memory(void **state)
{
    struct exec_slots s;
    struct exec_slot parent = {.cpu_millis = 1000, .memory_bytes = 600}, small = {.cpu_millis = 1000, .depth = 1},
                     large = {.cpu_millis = 1000, .memory_bytes = 600, .depth = 1};
    (void)state;
    exec_slots_init(&s, 1000, 1000, 0);
    exec_slots_queue(&s, &parent, 0);
    assert_ptr_equal(exec_slots_next(&s, 0), &parent);
    exec_slots_queue(&s, &small, 0);
    exec_slots_queue(&s, &large, 0);
    assert_null(exec_slots_next(&s, 0));
    exec_slots_set_waiting(&s, &parent, true);
    exec_slots_set_waiting(&s, &parent, true); /* twice is once */
    assert_ptr_equal(exec_slots_next(&s, 0), &small);
    exec_slots_release(&s, &small);
    /* The large child cannot fit as long as its parent lives: it starts all the same, because nothing else could. */
    assert_int_equal(exec_slots_lacks(&s, &large), EXEC_SLOT_MEMORY);
    assert_ptr_equal(exec_slots_next(&s, 0), &large);
    exec_slots_set_waiting(&s, &parent, false); /* both run now, over the total, until one ends */
    exec_slots_queue(&s, &small, 0);
    assert_null(exec_slots_next(&s, 0));
    exec_slots_release(&s, &large);
    assert_null(exec_slots_next(&s, 0));
    exec_slots_release(&s, &parent);
    assert_ptr_equal(exec_slots_next(&s, 0), &small);
}

static void the_deepest_starts_when_all_wait(void **state)
{
    struct exec_slots s;
    struct exec_slot parent = {.cpu_millis = 1, .memory_bytes = 1000}, child[3];
    (void)state;
    exec_slots_init(&s, 1000, 1000, 0);
    exec_slots_queue(&s, &parent, 0);
    assert_non_null(exec_slots_next(&s, 0));
    for (uint32_t i = 0; i < 3; i++) {
        child[i] = (struct exec_slot){.cpu_millis = 1, .memory_bytes = 10, .depth = i == 1 ? 5 : 1};
        exec_slots_queue(&s, &child[i], 0);
    }
    assert_null(exec_slots_next(&s, 0));
    exec_slots_set_waiting(&s, &parent, true);
    assert_ptr_equal(exec_slots_next(&s, 0), &child[1]);
    assert_null(exec_slots_next(&s, 0)); /* one at a time */
}

static void a_wide_tree_goes_deep_first_but_nobody_starves(void **state)
{
    struct exec_slots s;
    struct exec_slot parent[40] = {0}, child = {.cpu_millis = 1000, .depth = 1};
    size_t live = 0;
    (void)state;
    exec_slots_init(&s, 1000, 1000, 0);
    for (int i = 0; i < 40; i++) {
        parent[i].cpu_millis = 1000;
        exec_slots_queue(&s, &parent[i], 0);
    }
    exec_slots_queue(&s, &child, 0);
    for (struct exec_slot *p; (p = exec_slots_next(&s, NS_PER_S)) && p != &child; live++)
        exec_slots_set_waiting(&s, p, true);
    assert_true(child.running);
    assert_true(live >= 4 && live < 20);
    /* After half a minute the first of the queue goes whatever its depth. */
    struct exec_slot late = {.cpu_millis = 1000, .depth = 9};
    exec_slots_release(&s, &child);
    exec_slots_queue(&s, &late, 31 * NS_PER_S);
    struct exec_slot *next = exec_slots_next(&s, 31 * NS_PER_S);
    assert_int_equal(next->depth, 0);
}

static void above_the_machine_runs_alone(void **state)
{
    struct exec_slots s;
    struct exec_slot one = {.cpu_millis = 500}, giant = {.cpu_millis = 64000}, other = {.cpu_millis = 1};
    (void)state;
    exec_slots_init(&s, 1000, 1000, 0);
    exec_slots_queue(&s, &one, 0);
    exec_slots_queue(&s, &giant, 0);
    exec_slots_queue(&s, &other, 0);
    assert_ptr_equal(exec_slots_next(&s, 0), &one);
    assert_null(exec_slots_next(&s, 0));
    exec_slots_release(&s, &one);
    assert_ptr_equal(exec_slots_next(&s, 0), &giant);
    assert_null(exec_slots_next(&s, 0));
    exec_slots_release(&s, &giant);
    assert_ptr_equal(exec_slots_next(&s, 0), &other);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(share_is_never_passed),
        cmocka_unit_test(first_in_first_out),
        cmocka_unit_test(waiting_parents_lend_cpu_not_memory),
        cmocka_unit_test(the_deepest_starts_when_all_wait),
        cmocka_unit_test(a_wide_tree_goes_deep_first_but_nobody_starves),
        cmocka_unit_test(above_the_machine_runs_alone),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

#include "base/arena.h"
#include "base/vec.h"
#include "unit.h"

static void allocations_are_zeroed_and_aligned(void **state)
{
    struct arena a;
    (void)state;
    arena_init(&a, 0);
    for (size_t size = 1; size < 20000; size = size * 3 + 1) {
        char *p = arena_alloc(&a, size);
        assert_int_equal((uintptr_t)p % 16, 0);
        for (size_t i = 0; i < size; i++)
            assert_int_equal(p[i], 0);
        memset(p, 0xff, size);
    }
    arena_reset(&a);
    char *p = arena_alloc(&a, 1000);
    for (size_t i = 0; i < 1000; i++)
        assert_int_equal(p[i], 0);
    arena_done(&a);
    assert_null(a.blocks);
}

static void a_strangers_sizes_are_bounded(void **state)
{
    struct arena a;
    (void)state;
    arena_init(&a, 1000);
    assert_non_null(arena_try_alloc(&a, 10, 50));
    assert_null(arena_try_alloc(&a, 10, 51));
    assert_null(arena_try_alloc(&a, SIZE_MAX / 2, 3));
    assert_non_null(arena_try_alloc(&a, 4, 100));
    arena_done(&a);
}

static void arenas_share_a_budget(void **state)
{
    struct arena_budget budget = {.max = 1000000};
    struct arena a, b;
    (void)state;
    arena_init(&a, 0);
    arena_init(&b, 0);
    a.budget = b.budget = &budget;
    assert_non_null(arena_try_alloc(&a, 1, 600000));
    assert_null(arena_try_alloc(&b, 1, 600000));
    assert_false(arena_fits(&b, 600000));
    assert_non_null(arena_try_alloc(&b, 1, 1000)); /* small ones always */
    assert_non_null(arena_try_alloc(&b, 1, 300000));
    assert_null(arena_try_alloc(&b, 1, 2000000));
    arena_reset(&a);
    arena_done(&a);
    assert_non_null(arena_try_alloc(&b, 1, 600000));
    arena_done(&b);
    assert_int_equal(budget.used, 0);
    assert_ptr_equal(b.budget, &budget);
}

/* What was moved out of is not counted any more, also when something else is newer; what lies in the arena stays. */
static void what_grows_alone_is_counted_once(void **state)
{
    struct arena_budget budget = {.max = SIZE_MAX};
    struct arena a;
    (void)state;
    arena_init(&a, 0);
    a.budget = &budget;
    char *other = NULL;
    size_t size = 2 << 20, more;
    char *p = arena_move_raw(&a, NULL, 0, size);
    for (; size < (size_t)64 << 20; size = more) {
        p[0] = 'f';
        p[size - 1] = 'l';
        if (size == (size_t)8 << 20)
            other = memset(arena_alloc(&a, 1 << 20), 'o', 1 << 20);
        more = size * 2;
        p = arena_move_raw(&a, p, size, more);
        assert_int_equal(p[0], 'f');
        assert_int_equal(p[size - 1], 'l');
    }
    assert_in_range(budget.used, size, size + (2 << 20));
    assert_int_equal(other[(1 << 20) - 1], 'o');
    arena_done(&a);
    assert_int_equal(budget.used, 0);
}

static void growing_keeps_the_content(void **state)
{
    struct arena a;
    VEC(int) v = {0};
    (void)state;
    arena_init(&a, 0);
    for (int i = 0; i < 5000; i++) {
        *vec_push(&v, &a) = i;
        if (i % 7 == 0)
            arena_alloc(&a, 3); /* so that the vector is not always the newest */
    }
    assert_int_equal(v.n, 5000);
    for (int i = 0; i < 5000; i++)
        assert_int_equal(v.p[i], i);
    arena_done(&a);
}

static void strings_end_in_nul(void **state)
{
    struct arena a;
    (void)state;
    arena_init(&a, 0);
    str s = arena_concat(&a, STR("ab"), str_head(STR("cdef"), 1));
    assert_string_equal(s.p, "abc");
    assert_string_equal(arena_printf(&a, "%d-%s", 7, "x").p, "7-x");
    assert_string_equal(arena_str(&a, STR_NONE).p, "");
    arena_done(&a);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(allocations_are_zeroed_and_aligned),
        cmocka_unit_test(a_strangers_sizes_are_bounded),
        cmocka_unit_test(arenas_share_a_budget),
        cmocka_unit_test(what_grows_alone_is_counted_once),
        cmocka_unit_test(growing_keeps_the_content),
        cmocka_unit_test(strings_end_in_nul),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

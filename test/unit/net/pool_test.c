/* The loop threads' free lists: content, alignment, what is kept and what is not. */
#include "net/pool.c"

#include "base/random.h"
#include "unit.h"

#define BLOCKS 3000

static void test_blocks_do_not_overlap_and_keep_their_content(void **state)
{
    static unsigned char *p[BLOCKS];
    static size_t size[BLOCKS];
    (void)state;
    for (int round = 0; round < 20000; round++) {
        size_t i = random_below(BLOCKS);
        for (size_t k = 0; p[i] && k < size[i]; k++)
            assert_int_equal(p[i][k], i % 251);
        size_t n = random_below(random_below(4) ? 300 : 5000);
        if (p[i] && n > size[i]) {
            p[i] = pool_resize(p[i], n);
            for (size_t k = 0; k < size[i]; k++)
                assert_int_equal(p[i][k], i % 251);
        } else {
            pool_free(p[i]);
            p[i] = pool_alloc_zeroed(n);
            for (size_t k = 0; k < n; k++)
                assert_int_equal(p[i][k], 0);
        }
        assert_int_equal((uintptr_t)p[i] % 16, 0);
        size[i] = n;
        memset(p[i], (int)(i % 251), n);
    }
    for (size_t i = 0; i < BLOCKS; i++) {
        pool_free(p[i]);
        p[i] = NULL;
    }
    for (size_t k = 0; k < CLASSES; k++)
        assert_true(lists[k].count * k * STEP <= KEEP_BYTES + k * STEP);
    pool_done();
    assert_null(lists[1].first);
}

static void test_sizes_are_not_mixed(void **state)
{
    (void)state;
    void *small = pool_alloc(64), *zero = pool_alloc(0);
    pool_free(small);
    void *large = pool_alloc(65);
    assert_ptr_not_equal(large, small);
    memset(large, 1, 65);
    pool_free(large);
    pool_free(zero);
    pool_free(NULL);
    pool_done();
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_blocks_do_not_overlap_and_keep_their_content),
        cmocka_unit_test(test_sizes_are_not_mixed),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

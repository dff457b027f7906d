/* The map against a plain array, over random operations. */
#include "base/map.h"
#include "unit.h"

#define KEYS 300

static void behaves_like_an_array(void **state)
{
    static char names[KEYS][16];
    static int values[KEYS];
    bool present[KEYS] = {false};
    struct map m;
    size_t count = 0;
    (void)state;
    map_init(&m);
    srand(42);
    for (int i = 0; i < KEYS; i++)
        snprintf(names[i], sizeof(names[i]), "k%d", i);
    for (int step = 0; step < 60000; step++) {
        int k = rand() % KEYS;
        str key = str_from(names[k]);
        if (rand() % 2) {
            assert_ptr_equal(map_put(&m, key, &values[k]), present[k] ? &values[k] : NULL);
            count += !present[k];
            present[k] = true;
        } else {
            assert_ptr_equal(map_delete(&m, key), present[k] ? &values[k] : NULL);
            count -= present[k];
            present[k] = false;
        }
        assert_int_equal(m.n, count);
        int other = rand() % KEYS;
        assert_ptr_equal(map_find(&m, str_from(names[other])), present[other] ? &values[other] : NULL);
    }
    size_t at = 0, walked = 0;
    str key;
    void *value;
    while (map_next(&m, &at, &key, &value)) {
        long k = (int *)value - values;
        assert_true(present[k]);
        assert_str_equal(key, names[k]);
        walked++;
    }
    assert_int_equal(walked, count);
    map_done(&m);
}

static void empty_map(void **state)
{
    struct map m;
    size_t at = 0;
    str key;
    void *value;
    (void)state;
    map_init(&m);
    assert_null(map_find(&m, STR("x")));
    assert_null(map_delete(&m, STR("x")));
    assert_false(map_next(&m, &at, &key, &value));
    map_done(&m);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(behaves_like_an_array), cmocka_unit_test(empty_map)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}

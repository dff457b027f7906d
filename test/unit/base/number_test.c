/* Decimal text of floating-point numbers. */
#include "base/number.h"

#include "unit.h"

#include <math.h>

static str text_of(struct unit *u, double v, int low, int high)
{
    buf b;
    buf_init_arena(&b, &u->mem, 2000);
    number_put(&b, v, low, high);
    return buf_view(&b);
}

static void test_shortest(void **state)
{
    struct unit *u = *state;
    assert_str_equal(text_of(u, 0.1, -4, 21), "0.1");
    assert_str_equal(text_of(u, 0.1 + 0.2, -4, 21), "0.30000000000000004");
    assert_str_equal(text_of(u, 0, -4, 21), "0");
    assert_str_equal(text_of(u, -1.5, -4, 21), "-1.5");
    assert_str_equal(text_of(u, 100, -4, 21), "100");
    assert_str_equal(text_of(u, 123456789012345680.0, -4, 21), "123456789012345680");
    assert_str_equal(text_of(u, NAN, -4, 21), "NaN");
    assert_str_equal(text_of(u, INFINITY, -4, 21), "+Inf");
    assert_str_equal(text_of(u, -INFINITY, -4, 21), "-Inf");
}

static void test_exponents(void **state)
{
    struct unit *u = *state;
    assert_str_equal(text_of(u, 1e21, -4, 21), "1e+21");
    assert_str_equal(text_of(u, 1e20, -4, 21), "100000000000000000000");
    assert_str_equal(text_of(u, 0.0001, -4, 21), "0.0001");
    assert_str_equal(text_of(u, 0.000015, -4, 21), "1.5e-05");
    assert_str_equal(text_of(u, 1.5e-7, -1000, 1000), "0.00000015");
    assert_int_equal(text_of(u, 1.7976931348623157e308, -1000, 1000).n, 309);
    assert_int_equal(strtod(text_of(u, 5e-324, -1000, 1000).p, NULL) == 5e-324, 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {unit_test(test_shortest), unit_test(test_exponents)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}

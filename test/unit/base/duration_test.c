/* Rows with a Go text were given by Go's time.Duration and time.ParseDuration; those beyond 292 years, which Go does not
 * have, by Python's integers. */
#include "base/duration.h"
#include "unit.h"

static const struct {
    const char *text;
    int64_t seconds;
    int32_t nanos;
} both_ways[] = {
    {"0s", 0, 0},
    {"1ns", 0, 1},
    {"-1.5\u00b5s", 0, -1500},
    {"2.000001ms", 0, 2000001},
    {"999.999999ms", 0, 999999999},
    {"1s", 1, 0},
    {"-1.000000001s", -1, -1},
    {"59.9s", 59, 900000000},
    {"1m0s", 60, 0},
    {"1h0m0.5s", 3600, 500000000},
    {"2562047h47m16.854775807s", 9223372036, 854775807},
    {"-2562047h47m16.854775807s", -9223372036, -854775807},
    {"87660000h0m0s", DURATION_SECONDS_MAX, 0},
    {"-87659999h59m59.999999999s", -DURATION_SECONDS_MAX + 1, -999999999},
};

static void test_both_ways(void **state)
{
    struct unit *u = *state;
    for (size_t i = 0; i < sizeof(both_ways) / sizeof(*both_ways); i++) {
        int64_t s;
        int32_t ns;
        buf b;
        buf_init_arena(&b, &u->mem, 100);
        duration_put(&b, both_ways[i].seconds, both_ways[i].nanos);
        assert_str_equal(buf_view(&b), both_ways[i].text);
        assert_true(duration_parse(buf_view(&b), &s, &ns));
        assert_int_equal(s, both_ways[i].seconds);
        assert_int_equal(ns, both_ways[i].nanos);
    }
}

static void test_other_forms(void **state)
{
    static const struct {
        const char *text;
        int64_t seconds;
        int32_t nanos;
    } rows[] = {
        {"0", 0, 0},
        {"-0", 0, 0},
        {"+1.5h", 5400, 0},
        {".5m", 30, 0},
        {"5.s", 5, 0},
        {"1s1s", 2, 0},
        {"1m1h", 3660, 0},
        {"3us", 0, 3000},
        {"3\u03bcs", 0, 3000},
        {"0.1s", 0, 100000000},
        {"0.0000000019s", 0, 1},
        {"1.00000000000000000000000000000000001h", 3600, 0},
        {"00000000000000000000000000000000000002s", 2, 0},
    };
    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
        int64_t s;
        int32_t ns;
        if (!duration_parse(str_from(rows[i].text), &s, &ns))
            fail_msg("%s", rows[i].text);
        assert_int_equal(s, rows[i].seconds);
        assert_int_equal(ns, rows[i].nanos);
    }
}

static void test_refused(void **state)
{
    static const char *const rows[] = {"",
                                       "-",
                                       "+",
                                       "5",
                                       "h",
                                       ".s",
                                       "1 s",
                                       "1s ",
                                       "1.5",
                                       "--1s",
                                       "1d",
                                       "1S",
                                       "1e3s",
                                       "1.2.3s",
                                       "87660000h0m0.1s",
                                       "99999999999999999999ns"};
    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
        int64_t s = 7;
        int32_t ns = 7;
        if (duration_parse(str_from(rows[i]), &s, &ns))
            fail_msg("%s", rows[i]);
        assert_int_equal(s, 7);
        assert_int_equal(ns, 7);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {unit_test(test_both_ways), unit_test(test_other_forms), unit_test(test_refused)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}

/* The time of rows (D-08): by the boot's clock within a boot, by the wall clock after a reboot, never backwards. */
#include "engine/clock.h"

#include "unit.h"

#include "base/time.h"

#define S NS_PER_S

static void test_rows_go_on_by_their_boot(void **state)
{
    static const struct {
        const char *name;
        uint64_t boot;
        int64_t wall, up, want; /* the row: boot 1, updated at 1000 s wall, 50 s up */
    } cases[] = {
        {"ten seconds later", 1, 1010 * S, 60 * S, 1010 * S},
        {"the wall clock went back an hour", 1, -2590 * S, 60 * S, 1010 * S},
        {"the wall clock went ahead an hour", 1, 4610 * S, 60 * S, 1010 * S},
        {"after suspend, which both clocks count", 1, 8200 * S, 7250 * S, 8200 * S},
        {"after a reboot", 2, 1500 * S, 5 * S, 1500 * S},
        {"after a reboot with a clock that went back", 2, 500 * S, 5 * S, 1000 * S},
        {"a boot clock before the row's: not the same machine state", 1, 1200 * S, 40 * S, 1200 * S},
    };
    struct store_action a = {.boot = 1, .updated_ns = 1000 * S, .updated_up_ns = 50 * S};
    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
        struct engine_clock c = {.wall_ns = cases[i].wall, .up_ns = cases[i].up, .boot = cases[i].boot};
        if (engine_clock_of(&c, &a) != cases[i].want)
            fail_msg("%s: %lld", cases[i].name, (long long)engine_clock_of(&c, &a));
    }
}

static void test_stamp_and_read(void **state)
{
    struct store_action a = {.updated_ns = 7};
    struct engine_clock c;
    (void)state;
    engine_clock_read(&c, 3);
    assert_int_equal(c.boot, 3);
    engine_clock_stamp(&c, &a);
    assert_int_equal(a.boot, 3);
    assert_int_equal(a.updated_up_ns, c.up_ns);
    assert_int_equal(engine_clock_of(&c, &a), 7);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_rows_go_on_by_their_boot),
        cmocka_unit_test(test_stamp_and_read),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

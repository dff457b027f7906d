#include "base/buf.h"
#include "unit.h"

static void appends_and_views(void **state)
{
    buf b;
    (void)state;
    buf_init(&b, 1000);
    assert_str_equal(buf_view(&b), "");
    buf_str(&b, STR("ab"));
    buf_char(&b, '-');
    buf_i64(&b, INT64_MIN);
    buf_char(&b, ' ');
    buf_u64(&b, UINT64_MAX);
    buf_printf(&b, " %05d", 42);
    assert_string_equal(buf_view(&b).p, "ab--9223372036854775808 18446744073709551615 00042");
    buf_consume(&b, 3);
    assert_true(str_starts(buf_view(&b), STR("-922")));
    buf_consume(&b, 1000);
    assert_int_equal(b.n, 0);
    buf_done(&b);
}

static void the_error_is_sticky(void **state)
{
    buf b;
    (void)state;
    buf_init(&b, 4);
    buf_str(&b, STR("1234"));
    assert_false(b.failed);
    buf_char(&b, '5');
    assert_true(b.failed);
    buf_str(&b, STR(""));
    assert_true(b.failed);
    assert_str_equal(buf_view(&b), "1234");
    buf_clear(&b);
    assert_null(buf_room(&b, SIZE_MAX));
    buf_clear(&b);
    buf_printf(&b, "%s", "12345");
    assert_true(b.failed);
    assert_int_equal(b.n, 0);
    buf_done(&b);
}

static void in_an_arena(void **state)
{
    struct unit *u = *state;
    buf b;
    buf_init_arena(&b, &u->mem, 100000);
    for (int i = 0; i < 10000; i++) {
        buf_char(&b, (char)('a' + i % 26));
        if (i % 100 == 0)
            arena_alloc(&u->mem, 1);
    }
    str s = buf_view(&b);
    assert_int_equal(s.n, 10000);
    for (int i = 0; i < 10000; i++)
        assert_int_equal(s.p[i], 'a' + i % 26);
}

int main(void)
{
    const struct CMUnitTest tests[] = {unit_test(appends_and_views), unit_test(the_error_is_sticky),
                                       unit_test(in_an_arena)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}

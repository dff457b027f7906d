#include "base/random.h"
#include "unit.h"

#include <ctype.h>

/* 100,000 draws: each of 10 values within 6 standard deviations of its share (a fair source fails once in 10^8). */
static void below_is_uniform(void **state)
{
    int counts[10] = {0};
    (void)state;
    for (int i = 0; i < 100000; i++) {
        uint64_t v = random_below(10);
        assert_true(v < 10);
        counts[v]++;
    }
    for (int i = 0; i < 10; i++)
        assert_in_range(counts[i], 10000 - 570, 10000 + 570);
    assert_int_equal(random_below(1), 0);
}

static void text_uses_the_whole_alphabet(void **state)
{
    int counts[3] = {0};
    char text[30001];
    (void)state;
    random_text(text, 30000, STR("abc"));
    assert_int_equal(strlen(text), 30000);
    for (size_t i = 0; i < 30000; i++) {
        assert_in_range(text[i], 'a', 'c');
        counts[text[i] - 'a']++;
    }
    for (int i = 0; i < 3; i++)
        assert_in_range(counts[i], 10000 - 490, 10000 + 490);
}

static void uuids_are_version_4(void **state)
{
    char a[37], b[37];
    (void)state;
    random_uuid(a);
    random_uuid(b);
    assert_string_not_equal(a, b);
    for (int i = 0; i < 36; i++)
        if (i == 8 || i == 13 || i == 18 || i == 23)
            assert_int_equal(a[i], '-');
        else
            assert_true(isxdigit(a[i]) && !isupper(a[i]));
    assert_int_equal(a[14], '4');
    assert_non_null(strchr("89ab", a[19]));
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(below_is_uniform),
                                       cmocka_unit_test(text_uses_the_whole_alphabet),
                                       cmocka_unit_test(uuids_are_version_4)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}

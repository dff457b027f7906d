#include "base/str.h"
#include "unit.h"

static void comparison_and_search(void **state)
{
    (void)state;
    assert_true(str_cmp(STR("a"), STR("b")) < 0);
    assert_true(str_cmp(STR("a"), STR("ab")) < 0);
    assert_true(str_cmp(STR("\xff"), STR("a")) > 0);
    assert_int_equal(str_cmp(STR_NONE, STR("")), 0);
    assert_true(str_eq(STR_NONE, STR("")));
    assert_true(str_eq_nocase(STR("Content-Type"), STR("content-TYPE")));
    assert_false(str_eq_nocase(STR("a@"), STR("a`")));
    assert_int_equal(str_find(STR("hello"), STR("lo")), 3);
    assert_int_equal(str_find(STR("hello"), STR("lol")), SIZE_MAX);
    assert_int_equal(str_find(STR(""), STR("")), 0);
    assert_int_equal(str_rfind_char(STR("a/b/c"), '/'), 3);
    assert_int_equal(str_find_char(STR_NONE, '/'), SIZE_MAX);
    assert_true(str_starts(STR("abc"), STR("ab")) && !str_starts(STR("a"), STR("ab")));
    assert_true(str_ends(STR("abc"), STR("bc")) && !str_ends(STR("c"), STR("bc")));
    assert_str_equal(str_trim(STR(" \t\r\n x y \v\f")), "x y");
    assert_str_equal(str_trim(STR(" ")), "");
}

static void splitting(void **state)
{
    str rest = STR("a,,b"), piece, head, tail;
    (void)state;
    assert_true(str_next(&rest, ',', &piece));
    assert_str_equal(piece, "a");
    assert_true(str_next(&rest, ',', &piece));
    assert_str_equal(piece, "");
    assert_true(str_next(&rest, ',', &piece));
    assert_str_equal(piece, "b");
    assert_false(str_next(&rest, ',', &piece));
    assert_true(str_cut(STR("k=v=w"), '=', &head, &tail));
    assert_str_equal(head, "k");
    assert_str_equal(tail, "v=w");
    assert_false(str_cut(STR("k"), '=', &head, &tail));
    assert_str_equal(head, "k");
    assert_int_equal(tail.n, 0);
}

static void numbers(void **state)
{
    int64_t i = 7;
    uint64_t u = 7;
    double d = 7;
    (void)state;
    assert_true(str_to_i64(STR("-9223372036854775808"), &i) && i == INT64_MIN);
    assert_true(str_to_i64(STR("9223372036854775807"), &i) && i == INT64_MAX);
    assert_true(str_to_u64(STR("18446744073709551615"), &u) && u == UINT64_MAX);
    const char *bad[] = {"", "-", "+1", " 1", "1 ", "0x1", "1.0", "9223372036854775808", "-9223372036854775809", "--1"};
    for (size_t k = 0; k < sizeof(bad) / sizeof(*bad); k++) {
        i = 7;
        assert_false(str_to_i64(str_from(bad[k]), &i));
        assert_int_equal(i, 7);
    }
    assert_false(str_to_u64(STR("18446744073709551616"), &u));
    assert_false(str_to_u64(STR("-0"), &u));
    assert_true(str_to_f64(STR("1.5e3"), &d) && d > 1499.9 && d < 1500.1);
    assert_false(str_to_f64(STR("1.5x"), &d));
    assert_false(str_to_f64(STR(" 1"), &d));
}

/* Table 3-7 of the Unicode standard, each boundary from both sides. */
static void utf8(void **state)
{
    static const struct {
        const char *p;
        size_t n;
        bool ok;
    } t[] = {
        {"", 0, true},
        {"plain ascii text", 16, true},
        {"\xc3\xa4", 2, true},
        {"\xe2\x82\xac", 3, true},
        {"\xf0\x9f\x98\x80", 4, true},
        {"\xf4\x8f\xbf\xbf", 4, true},
        {"\0", 1, true},
        {"\x80", 1, false},
        {"\xc0\x80", 2, false},
        {"\xc1\xbf", 2, false},
        {"\xe0\x80\x80", 3, false},
        {"\xe0\x9f\xbf", 3, false},
        {"\xed\xa0\x80", 3, false},
        {"\xed\x9f\xbf", 3, true},
        {"\xf0\x8f\xbf\xbf", 4, false},
        {"\xf4\x90\x80\x80", 4, false},
        {"\xf5\x80\x80\x80", 4, false},
        {"\xe2\x82", 2, false},
        {"12345678\xe2\x82", 10, false},
        {"\xc3", 1, false},
        {"\xc3\x28", 2, false},
        {"\xff", 1, false},
    };
    (void)state;
    for (size_t i = 0; i < sizeof(t) / sizeof(*t); i++)
        if (str_is_utf8(str_make(t[i].p, t[i].n)) != t[i].ok)
            fail_msg("row %zu", i);
    assert_int_equal(str_utf8_len(STR("\xe2\x82\xac!")), 3);
    assert_int_equal(str_utf8_len(STR("\xe2\x82")), 0);
}

static void head_without_half_a_character(void **state)
{
    static const size_t kept[] = {0, 1, 1, 1, 4, 4, 4, 4, 8, 8, 8};
    str s = STR("a\xe2\x82\xac\xf0\x9f\x98\x80"); /* of 1, 3 and 4 bytes */
    (void)state;
    for (size_t n = 0; n < sizeof(kept) / sizeof(*kept); n++)
        assert_int_equal(str_head_utf8(s, n).n, kept[n]);
    assert_ptr_equal(str_head_utf8(s, 4).p, s.p);
    assert_int_equal(str_head_utf8(STR_NONE, 3).n, 0);
    assert_int_equal(str_head_utf8(STR("\x80\x80\x80"), 2).n, 0);
}

static void distances(void **state)
{
    char many[64] = {0};
    (void)state;
    assert_int_equal(str_distance(STR(""), STR("abc")), 3);
    assert_int_equal(str_distance(STR("kitten"), STR("sitting")), 3);
    assert_int_equal(str_distance(STR("server.lisetn"), STR("server.listen")), 1);
    assert_int_equal(str_distance(STR("same"), STR("same")), 0);
    assert_int_equal(str_distance(STR("abc"), STR("")), 3);
    assert_int_equal(str_distance(STR("a"), str_make(many, 64)), SIZE_MAX);
}

static void hash_is_fnv1a(void **state)
{
    (void)state;
    /* The published test vectors of FNV-1a. */
    assert_true(str_hash(STR("")) == 0xcbf29ce484222325u);
    assert_true(str_hash(STR("a")) == 0xaf63dc4c8601ec8cu);
    assert_true(str_hash(STR("foobar")) == 0x85944171f73967e8u);
}

static void mix_looks_at_every_byte(void **state)
{
    char text[24];
    (void)state;
    memset(text, 'x', sizeof(text));
    for (size_t n = 0; n < sizeof(text); n++) {
        str s = str_make(text, n);
        uint64_t before = str_mix(s);
        assert_true(str_mix(s) == before);
        assert_true(str_mix(str_make(text, n + 1)) != before);
        for (size_t i = 0; i < n; i++) {
            text[i] = 'y';
            assert_true(str_mix(s) != before);
            text[i] = 'x';
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(comparison_and_search),
        cmocka_unit_test(splitting),
        cmocka_unit_test(numbers),
        cmocka_unit_test(utf8),
        cmocka_unit_test(head_without_half_a_character),
        cmocka_unit_test(distances),
        cmocka_unit_test(hash_is_fnv1a),
        cmocka_unit_test(mix_looks_at_every_byte),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

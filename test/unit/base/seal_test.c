/* What seal() made opens with the key and the context that it was made with, and with nothing else. */
#include "base/seal.h"
#include "unit.h"

#define HEAD 17 /* version, key id, nonce */
#define TAG 16

static const struct seal_key key = {.bytes = {1, 2, 3}}, other_key = {.bytes = {1, 2, 4}};

static str copy_of(struct unit *u, str s)
{
    return str_make(memcpy(arena_alloc(&u->mem, s.n + 1), s.p, s.n), s.n);
}

static void every_length_comes_back(void **state)
{
    struct unit *u = *state;
    char plain[100];
    memset(plain, 'p', sizeof(plain));
    for (size_t n = 0; n <= sizeof(plain); n++) {
        str sealed, back;
        assert_ok(&u->cx, seal(&u->cx, &key, STR("secret/a"), str_make(plain, n), &sealed));
        assert_int_equal(sealed.n, HEAD + n + TAG);
        assert_ok(&u->cx, seal_open(&u->cx, &key, STR("secret/a"), sealed, &back));
        assert_true(str_eq(back, str_make(plain, n)));
    }
}

static void the_same_value_is_sealed_differently_each_time(void **state)
{
    struct unit *u = *state;
    str one, two;
    assert_ok(&u->cx, seal(&u->cx, &key, STR("secret/a"), STR("value"), &one));
    assert_ok(&u->cx, seal(&u->cx, &key, STR("secret/a"), STR("value"), &two));
    assert_memory_not_equal(one.p + HEAD, two.p + HEAD, sizeof("value") - 1);
    assert_null(memmem(one.p, one.n, "value", 5));
}

static void another_key_is_told(void **state)
{
    struct unit *u = *state;
    str sealed, back = STR("untouched");
    assert_ok(&u->cx, seal(&u->cx, &key, STR("secret/a"), STR("value"), &sealed));
    assert_code(&u->cx, seal_open(&u->cx, &other_key, STR("secret/a"), sealed, &back), CODE_FAILED_PRECONDITION);
    assert_non_null(strstr(u->cx.err.msg, "another key"));
    assert_str_equal(back, "untouched");
}

static void another_context_is_refused(void **state)
{
    struct unit *u = *state;
    static const char *const others[] = {"", "secret/b", "secret/", "secret/a/", "secret/aa", "Secret/a"};
    str sealed, back = STR("untouched");
    assert_ok(&u->cx, seal(&u->cx, &key, STR("secret/a"), STR("value"), &sealed));
    for (size_t i = 0; i < sizeof(others) / sizeof(*others); i++)
        assert_code(&u->cx, seal_open(&u->cx, &key, str_from(others[i]), sealed, &back), CODE_DATA_LOSS);
    assert_non_null(strstr(u->cx.err.msg, "belongs to something else"));
    assert_str_equal(back, "untouched");
}

static void any_bit_counts(void **state)
{
    struct unit *u = *state;
    str sealed, back = STR("untouched");
    assert_ok(&u->cx, seal(&u->cx, &key, STR("secret/a"), STR("value"), &sealed));
    for (size_t i = 0; i < 8 * sealed.n; i++) {
        str changed = copy_of(u, sealed);
        ((char *)(uintptr_t)changed.p)[i / 8] ^= (char)(1 << i % 8);
        bool key_id = i / 8 >= 1 && i / 8 < 5;
        assert_code(&u->cx, seal_open(&u->cx, &key, STR("secret/a"), changed, &back),
                    key_id ? CODE_FAILED_PRECONDITION : CODE_DATA_LOSS);
    }
    assert_str_equal(back, "untouched");
}

static void every_cut_and_any_addition_is_refused(void **state)
{
    struct unit *u = *state;
    str sealed, back = STR("untouched");
    assert_ok(&u->cx, seal(&u->cx, &key, STR("secret/a"), STR("value"), &sealed));
    for (size_t n = 0; n < sealed.n; n++)
        assert_code(&u->cx, seal_open(&u->cx, &key, STR("secret/a"), copy_of(u, str_make(sealed.p, n)), &back),
                    CODE_DATA_LOSS);
    str longer = arena_printf(&u->mem, "%*s", (int)sealed.n + 1, "");
    memcpy((char *)(uintptr_t)longer.p, sealed.p, sealed.n);
    assert_code(&u->cx, seal_open(&u->cx, &key, STR("secret/a"), longer, &back), CODE_DATA_LOSS);
    assert_code(&u->cx, seal_open(&u->cx, &key, STR("secret/a"), STR_NONE, &back), CODE_DATA_LOSS);
    assert_str_equal(back, "untouched");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        unit_test(every_length_comes_back), unit_test(the_same_value_is_sealed_differently_each_time),
        unit_test(another_key_is_told),     unit_test(another_context_is_refused),
        unit_test(any_bit_counts),          unit_test(every_cut_and_any_addition_is_refused)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}

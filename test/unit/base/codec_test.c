/* Vectors of RFC 4648 section 10, and every length against OpenSSL's encoder. */
#include "base/codec.h"
#include "unit.h"

#include "base/random.h"

#include <openssl/evp.h>

static void rfc_vectors(void **state)
{
    struct unit *u = *state;
    static const char *const t[][4] = {
        {"", "", "", ""},
        {"f", "Zg==", "MY", "66"},
        {"fo", "Zm8=", "MZXQ", "666f"},
        {"foo", "Zm9v", "MZXW6", "666f6f"},
        {"foob", "Zm9vYg==", "MZXW6YQ", "666f6f62"},
        {"fooba", "Zm9vYmE=", "MZXW6YTB", "666f6f6261"},
        {"foobar", "Zm9vYmFy", "MZXW6YTBOI", "666f6f626172"},
    };
    for (size_t i = 0; i < sizeof(t) / sizeof(*t); i++) {
        str bytes = str_from(t[i][0]), back;
        assert_str_equal(codec_base64_encode(&u->mem, bytes), t[i][1]);
        assert_str_equal(codec_base32_encode(&u->mem, bytes), t[i][2]);
        assert_str_equal(codec_hex_encode(&u->mem, bytes), t[i][3]);
        assert_true(codec_base64_decode(&u->mem, str_from(t[i][1]), &back) && str_eq(back, bytes));
        assert_true(codec_base32_decode(&u->mem, str_from(t[i][2]), &back) && str_eq(back, bytes));
        assert_true(codec_hex_decode(&u->mem, str_from(t[i][3]), &back) && str_eq(back, bytes));
    }
}

static void every_length_round_trips(void **state)
{
    struct unit *u = *state;
    unsigned char raw[200], theirs[300];
    for (size_t n = 0; n < sizeof(raw); n++) {
        random_bytes(raw, n);
        str bytes = str_make((char *)raw, n), back;
        str text = codec_base64_encode(&u->mem, bytes);
        assert_int_equal(EVP_EncodeBlock(theirs, raw, (int)n), text.n);
        assert_memory_equal(theirs, text.p, text.n);
        assert_true(codec_base64_decode(&u->mem, text, &back) && str_eq(back, bytes));
        assert_true(codec_base64_decode(&u->mem, codec_base64url_encode(&u->mem, bytes), &back) && str_eq(back, bytes));
        assert_true(codec_base32_decode(&u->mem, codec_base32_encode(&u->mem, bytes), &back) && str_eq(back, bytes));
        assert_true(codec_hex_decode(&u->mem, codec_hex_encode(&u->mem, bytes), &back) && str_eq(back, bytes));
    }
}

static void other_forms_that_decode(void **state)
{
    struct unit *u = *state;
    str out;
    assert_true(codec_base64_decode(&u->mem, STR("-_+/"), &out) && str_eq(out, STR("\xfb\xff\xbf")));
    assert_true(codec_base64_decode(&u->mem, STR("Zg"), &out) && str_eq(out, STR("f")));
    assert_true(codec_base64_decode(&u->mem, STR("Zh"), &out) && str_eq(out, STR("f")));
    assert_true(codec_base32_decode(&u->mem, STR("my======"), &out) && str_eq(out, STR("f")));
    assert_true(codec_hex_decode(&u->mem, STR("AbCd"), &out) && str_eq(out, STR("\xab\xcd")));
    assert_true(codec_base64_decode(&u->mem, STR_NONE, &out) && out.n == 0);
}

static void text_that_is_none(void **state)
{
    struct unit *u = *state;
    str out = STR("untouched");
    static const char *const base64[] = {
        "Z", "Zg=", "Zg===", "Z===", "====", "Zg==Zg==", "Zm9v=", "Zm 9v", "Zm9v\n", "="};
    static const char *const base32[] = {
        "M", "MZX", "MZXW6Y", "MZ======", "MY=====", "M1", "M8", "MY= ====", "========"};
    static const char *const hex[] = {"a", "0g", "0x", "a=", "==", " a"};
    for (size_t i = 0; i < sizeof(base64) / sizeof(*base64); i++)
        if (codec_base64_decode(&u->mem, str_from(base64[i]), &out))
            fail_msg("base64: %s", base64[i]);
    for (size_t i = 0; i < sizeof(base32) / sizeof(*base32); i++)
        if (codec_base32_decode(&u->mem, str_from(base32[i]), &out))
            fail_msg("base32: %s", base32[i]);
    for (size_t i = 0; i < sizeof(hex) / sizeof(*hex); i++)
        if (codec_hex_decode(&u->mem, str_from(hex[i]), &out))
            fail_msg("hex: %s", hex[i]);
    assert_str_equal(out, "untouched");
}

int main(void)
{
    const struct CMUnitTest tests[] = {unit_test(rfc_vectors), unit_test(every_length_round_trips),
                                       unit_test(other_forms_that_decode), unit_test(text_that_is_none)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}

/* The forms of the specification; texts of all kinds against Python's msgpack are in test/api/test_translator.py. */
#include "base/msgpack.h"
#include "unit.h"

static struct msgpack one(const char *bytes, size_t n)
{
    struct msgpack v;
    str rest = str_make(bytes, n);
    assert_true(msgpack_next(&rest, &v));
    assert_int_equal(rest.n, 0);
    return v;
}
#define ONE(bytes) one(bytes, sizeof(bytes) - 1)

static void test_numbers(void **state)
{
    static const struct {
        const char *bytes;
        size_t n;
        int64_t want;
    } rows[] = {
#define ROW(bytes, want) {bytes, sizeof(bytes) - 1, want}
        ROW("\x7f", 127),
        ROW("\xe0", -32),
        ROW("\xff", -1),
        ROW("\xcc\xff", 255),
        ROW("\xcd\xff\x00", 65280),
        ROW("\xce\xff\xff\xff\xff", 4294967295),
        ROW("\xcf\x7f\xff\xff\xff\xff\xff\xff\xff", INT64_MAX),
        ROW("\xd0\x80", -128),
        ROW("\xd1\x80\x00", -32768),
        ROW("\xd2\xff\xff\xff\xfe", -2),
        ROW("\xd3\x80\x00\x00\x00\x00\x00\x00\x00", INT64_MIN),
    };
    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
        struct msgpack v = one(rows[i].bytes, rows[i].n);
        assert_int_equal(v.kind, MSGPACK_INT);
        assert_int_equal(v.integer, rows[i].want);
    }
    struct msgpack v = ONE("\xcf\xff\xff\xff\xff\xff\xff\xff\xff");
    assert_int_equal(v.kind, MSGPACK_UINT);
    assert_true(v.uinteger == UINT64_MAX);
    v = ONE("\xca\x3d\xcc\xcc\xcd");
    assert_true(v.kind == MSGPACK_REAL && (float)v.real == 0.1f);
    v = ONE("\xcb\x3f\xb9\x99\x99\x99\x99\x99\x9a");
    assert_true(v.kind == MSGPACK_REAL && v.real == 0.1);
}

static void test_bytes(void **state)
{
    (void)state;
    assert_str_equal(ONE("\xa3"
                         "abc")
                         .bytes,
                     "abc");
    assert_str_equal(ONE("\xd9\x03"
                         "abc")
                         .bytes,
                     "abc");
    assert_int_equal(ONE("\xc5\x00\x02\xff\xfe").kind, MSGPACK_BIN);
    struct msgpack v = ONE("\xd6\xff\x00\x00\x00\x01");
    assert_int_equal(v.kind, MSGPACK_EXT);
    assert_int_equal(v.ext, -1);
    assert_int_equal(v.bytes.n, 4);
    v = ONE("\xc7\x03\x05xyz");
    assert_int_equal(v.ext, 5);
    assert_str_equal(v.bytes, "xyz");
    assert_int_equal(ONE("\xde\x01\x00").items, 256);
    assert_int_equal(ONE("\x93").items, 3);
    assert_int_equal(ONE("\xc3").boolean, true);
}

static void test_cut_off(void **state)
{
    static const char whole[] = "\xcf\x01\x02\x03\x04\x05\x06\x07\x08";
    static const char text[] = "\xdb\x00\x00\x00\x02hi";
    static const char ext[] = "\xc8\x00\x02\x01hi";
    (void)state;
    struct msgpack v;
    for (size_t n = 0; n < sizeof(whole) - 1; n++) {
        str rest = str_make(whole, n);
        assert_false(msgpack_next(&rest, &v));
    }
    for (size_t n = 0; n < sizeof(text) - 1; n++) {
        str rest = str_make(text, n);
        assert_false(msgpack_next(&rest, &v));
    }
    for (size_t n = 0; n < sizeof(ext) - 1; n++) {
        str rest = str_make(ext, n);
        assert_false(msgpack_next(&rest, &v));
    }
    str never = STR("\xc1");
    assert_false(msgpack_next(&never, &v));
}

static void test_written_is_read(void **state)
{
    struct unit *u = *state;
    for (int bits = 0; bits < 64; bits++)
        for (int64_t off = -1; off <= 1; off++)
            for (int sign = -1; sign <= 1; sign += 2) {
                int64_t v = (int64_t)(((UINT64_C(1) << bits) + (uint64_t)off) * (uint64_t)sign);
                buf b;
                buf_init_arena(&b, &u->mem, 16);
                msgpack_put_integer(&b, v);
                struct msgpack read = one(b.p, b.n);
                assert_int_equal(read.kind, MSGPACK_INT);
                assert_int_equal(read.integer, v);
            }
    static const size_t sizes[] = {0, 1, 15, 16, 31, 32, 255, 256, 65535, 65536};
    char *text = arena_alloc(&u->mem, 65536);
    for (size_t i = 0; i < sizeof(sizes) / sizeof(*sizes); i++) {
        buf b;
        buf_init_arena(&b, &u->mem, 70000);
        msgpack_put_str(&b, str_make(text, sizes[i]));
        assert_int_equal(one(b.p, b.n).bytes.n, sizes[i]);
        buf_clear(&b);
        msgpack_put_array(&b, sizes[i]);
        assert_true(one(b.p, b.n).kind == MSGPACK_ARRAY && one(b.p, b.n).items == sizes[i]);
        buf_clear(&b);
        msgpack_put_map(&b, sizes[i]);
        assert_true(one(b.p, b.n).kind == MSGPACK_MAP && one(b.p, b.n).items == sizes[i]);
    }
}

static void test_canonical(void **state)
{
    static const struct {
        str from, want;
    } rows[] = {
        {STR_INIT(""), STR_INIT("")},
        {STR_INIT("\x80"), STR_INIT("\x80")},
        {STR_INIT("\x82\xa1\x62\x92\x01\x02\xa1\x61\x81\xa1\x7a\xc0"),
         STR_INIT("\x82\xa1\x61\x81\xa1\x7a\xc0\xa1\x62\x92\x01\x02")},
        /* inside of an array, of a key and of a value; equal keys as they came */
        {STR_INIT("\x91\x82\x02\x01\x01\x01"), STR_INIT("\x91\x82\x01\x01\x02\x01")},
        {STR_INIT("\x81\x82\x02\x01\x01\x01\x82\x04\x01\x03\x01"),
         STR_INIT("\x81\x82\x01\x01\x02\x01\x82\x03\x01\x04\x01")},
        {STR_INIT("\x83\x02\x09\x01\x08\x01\x07"), STR_INIT("\x83\x01\x08\x01\x07\x02\x09")},
        /* cut off, of two values, of more items than bytes */
        {STR_INIT("\x82\x02\x01\x01"), STR_INIT("\x82\x02\x01\x01")},
        {STR_INIT("\x01\x01"), STR_INIT("\x01\x01")},
        {STR_INIT("\xdf\xff\xff\xff\xff\x02\x01"), STR_INIT("\xdf\xff\xff\xff\xff\x02\x01")},
        {STR_INIT("\xdd\xff\xff\xff\xff\x02\x01"), STR_INIT("\xdd\xff\xff\xff\xff\x02\x01")},
    };
    struct unit *u = *state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
        str got;
        assert_ok(&u->cx, msgpack_canonical(&u->cx, rows[i].from, &got));
        assert_memory_equal(got.p, rows[i].want.p, rows[i].want.n);
        assert_int_equal(got.n, rows[i].want.n);
    }
}

/* A map of n small entries, the last first. */
static str backwards(struct unit *u, int n)
{
    buf b;
    buf_init_arena(&b, &u->mem, (size_t)n * 8);
    msgpack_put_map(&b, (size_t)n);
    while (n--) {
        msgpack_put_integer(&b, n);
        msgpack_put_nil(&b);
    }
    return buf_view(&b);
}

static void test_canonical_is_bounded(void **state)
{
    struct unit *u = *state;
    str value = backwards(u, 100000), got;
    struct arena mem;
    struct ctx cx;
    for (size_t cap = (size_t)64 << 10; cap; cap = cap < (size_t)16 << 20 ? cap * 4 : 0) {
        arena_init(&mem, cap);
        ctx_init(&cx, &mem);
        enum code code = msgpack_canonical(&cx, value, &got);
        assert_int_equal(code, cap < (size_t)4 << 20 ? CODE_RESOURCE_EXHAUSTED : CODE_OK);
        assert_true(mem.used <= cap);
        arena_done(&mem);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {unit_test(test_numbers),   unit_test(test_bytes),
                                       unit_test(test_cut_off),   unit_test(test_written_is_read),
                                       unit_test(test_canonical), unit_test(test_canonical_is_bounded)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}

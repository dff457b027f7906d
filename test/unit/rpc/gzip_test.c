/* Gzip with bounds, against zlib used directly. */
#include "rpc/gzip.c"

#include "unit.h"

/* zlib's own gzip of the bytes, at its best level. */
static str pack(struct unit *u, str plain)
{
    z_stream z = {0};
    assert_int_equal(deflateInit2(&z, 9, Z_DEFLATED, 15 + 16, 9, Z_DEFAULT_STRATEGY), Z_OK);
    size_t room = deflateBound(&z, (uLong)plain.n);
    char *out = arena_alloc(&u->mem, room);
    z.next_in = (Bytef *)(uintptr_t)plain.p;
    z.avail_in = (uInt)plain.n;
    z.next_out = (Bytef *)out;
    z.avail_out = (uInt)room;
    assert_int_equal(deflate(&z, Z_FINISH), Z_STREAM_END);
    str packed = {out, room - z.avail_out};
    deflateEnd(&z);
    return packed;
}

static str pattern(struct unit *u, size_t n)
{
    char *p = arena_alloc(&u->mem, n + 1);
    for (size_t i = 0; i < n; i++)
        p[i] = (char)(i * i >> 3);
    return str_make(p, n);
}

static void inflates_what_zlib_made(void **state)
{
    struct unit *u = *state;
    static const size_t sizes[] = {0, 1, 17, 4095, 4096, 4097, 100000, 3000000};
    for (size_t i = 0; i < sizeof(sizes) / sizeof(*sizes); i++) {
        str plain = pattern(u, sizes[i]), out;
        assert_ok(&u->cx, gzip_inflate(&u->cx, pack(u, plain), sizes[i], &out));
        assert_true(str_eq(plain, out));
    }
}

static void zlib_inflates_what_we_made(void **state)
{
    struct unit *u = *state;
    str plain = pattern(u, 100000);
    char *out = arena_alloc(&u->mem, plain.n);
    buf packed;
    buf_init_arena(&packed, &u->mem, 1000000);
    for (int round = 0; round < 3; round++) { /* the deflater is used again */
        z_stream z = {0};
        buf_clear(&packed);
        gzip_deflate_to(&packed, plain);
        assert_false(packed.failed);
        assert_int_equal(inflateInit2(&z, 15 + 16), Z_OK);
        z.next_in = (Bytef *)packed.p;
        z.avail_in = (uInt)packed.n;
        z.next_out = (Bytef *)out;
        z.avail_out = (uInt)plain.n;
        assert_int_equal(inflate(&z, Z_FINISH), Z_STREAM_END);
        assert_int_equal(z.avail_out, 0);
        assert_memory_equal(out, plain.p, plain.n);
        inflateEnd(&z);
    }
}

static void members_are_joined(void **state)
{
    struct unit *u = *state;
    str out;
    str both = arena_concat(&u->mem, pack(u, STR("one ")), pack(u, STR("two")));
    assert_ok(&u->cx, gzip_inflate(&u->cx, both, 100, &out));
    assert_str_equal(out, "one two");
}

static void a_bomb_costs_no_more_than_the_limit(void **state)
{
    struct unit *u = *state;
    size_t n = (size_t)64 << 20, max = (size_t)1 << 20;
    char *zeros = calloc(1, n);
    str bomb = pack(u, str_make(zeros, n)), out = STR("untouched");
    free(zeros);
    assert_true(bomb.n < n / 500);
    size_t before = u->mem.used;
    assert_code(&u->cx, gzip_inflate(&u->cx, bomb, max, &out), CODE_RESOURCE_EXHAUSTED);
    assert_true(u->mem.used - before < 5 * max);
    assert_str_equal(out, "untouched");
    str exact = pattern(u, 5000);
    assert_ok(&u->cx, gzip_inflate(&u->cx, pack(u, exact), 5000, &out));
    assert_code(&u->cx, gzip_inflate(&u->cx, pack(u, exact), 4999, &out), CODE_RESOURCE_EXHAUSTED);
}

static void what_is_no_gzip_is_refused(void **state)
{
    struct unit *u = *state;
    str good = pack(u, pattern(u, 1000)), out;
    for (size_t n = 0; n < good.n; n += 7) /* cut short anywhere */
        assert_code(&u->cx, gzip_inflate(&u->cx, str_head(good, n), 10000, &out), CODE_INVALID_ARGUMENT);
    assert_code(&u->cx, gzip_inflate(&u->cx, STR("plain text"), 10000, &out), CODE_INVALID_ARGUMENT);
    assert_code(&u->cx, gzip_inflate(&u->cx, arena_concat(&u->mem, good, STR("rest")), 10000, &out),
                CODE_INVALID_ARGUMENT);
    char *bad = arena_cstr(&u->mem, good);
    bad[good.n - 6] ^= 1; /* the checksum */
    assert_code(&u->cx, gzip_inflate(&u->cx, str_make(bad, good.n), 10000, &out), CODE_INVALID_ARGUMENT);
    assert_ok(&u->cx, gzip_inflate(&u->cx, good, 10000, &out)); /* the inflater has recovered */
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        unit_test(inflates_what_zlib_made),    unit_test(zlib_inflates_what_we_made),
        unit_test(members_are_joined),         unit_test(a_bomb_costs_no_more_than_the_limit),
        unit_test(what_is_no_gzip_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

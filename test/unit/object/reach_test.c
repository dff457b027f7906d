/* Places of other projects that a run may read. */
#include "object/reach.h"

#include "base/buf.h"
#include "fixture.h"

static const struct object_reach_run me = {STR_INIT("p"), STR_INIT("d"), STR_INIT("r1")};
static const struct object_reach_run they = {STR_INIT("q"), STR_INIT("d"), STR_INIT("r2")};

static bool reads(struct fixture *f, const struct object_reach_run *run, const char *key)
{
    bool yes;
    assert_ok(&f->cx, object_reach_granted(&f->cx, f->s, run, str_from(key), &yes));
    return yes;
}

static void say(struct fixture *f, const struct object_reach_run *from, str bytes)
{
    assert_ok(&f->cx, object_reach_grant(&f->cx, f->s, &me, from, bytes));
}

static void test_uris_are_found_in_any_bytes(void **state)
{
    struct fixture *f = *state;
    static const char bytes[] =
        "\x12\x20s3://tern/q/d/one/a0/1/raw/x\x1a\0{\"u\":\"s3://tern/q/d/two/f\"}s3://tern/q/d/"
        "three s3://tern/q/../four/x s3://other/q/d/five/x s3://tern/uploads/q/d/six/x"
        " s3://tern/q/d/s%65ven/x s3://tern/ s3://tern/q/";
    say(f, NULL, str_make(bytes, sizeof(bytes) - 1));
    assert_true(reads(f, &me, "q/d/one/x"));
    assert_true(reads(f, &me, "q/d/two/x"));
    assert_false(reads(f, &me, "q/d/three/x"));
    assert_false(reads(f, &me, "q/d/four/x"));
    assert_false(reads(f, &me, "q/d/five/x"));
    assert_true(reads(f, &me, "uploads/q/d/six/x"));
    assert_false(reads(f, &me, "uploads/q/d/other/x"));
    assert_true(reads(f, &me, "q/d/seven/x"));
    assert_false(reads(f, &me, "q/d/one"));
    assert_false(reads(f, &they, "q/d/one/x"));
}

static void test_a_run_gives_only_what_it_may_read(void **state)
{
    struct fixture *f = *state;
    const str both = STR("s3://tern/q/d/r2/x s3://tern/z/d/r3/x");
    say(f, &they, both);
    assert_true(reads(f, &me, "q/d/r2/x"));
    assert_false(reads(f, &me, "z/d/r3/x"));
    assert_ok(&f->cx, object_reach_grant(&f->cx, f->s, &they, NULL, both));
    say(f, &they, both);
    assert_true(reads(f, &me, "z/d/r3/x"));
}

static void test_a_large_object_is_read_in_pieces(void **state)
{
    struct fixture *f = *state;
    const str uri = STR("s3://tern/q/d/edge/a0/x");
    size_t n = 600 * 1024;
    char *p = arena_alloc(&f->mem, n);
    for (size_t shift = 0; shift < uri.n; shift += 5) {
        memset(p, 'a', n);
        memcpy(p + 256 * 1024 - shift, uri.p, uri.n);
        memcpy(p + n - uri.n, STR("s3://tern/q/d/last/a0/x").p, uri.n);
        assert_ok(&f->cx, object_put(&f->cx, f->s, STR("tern"), STR("big"), STR(""), str_make(p, n)));
        assert_ok(&f->cx, object_reach_grant_object(&f->cx, f->s, &me, STR("tern"), STR("big")));
        assert_true(reads(f, &me, "q/d/edge/x"));
        assert_true(reads(f, &me, "q/d/last/x"));
        assert_ok(&f->cx, object_reach_drop(&f->cx, f->s, &me));
        assert_false(reads(f, &me, "q/d/edge/x"));
    }
    assert_ok(&f->cx, object_reach_grant_object(&f->cx, f->s, &me, STR("tern"), STR("none")));
}

static void test_copied_and_forgotten(void **state)
{
    struct fixture *f = *state;
    say(f, NULL, STR("s3://tern/z/d/r3/x s3://tern/z/d/r4/x"));
    assert_ok(&f->cx, object_reach_copy(&f->cx, f->s, &they, &me));
    fixture_reopen(f);
    assert_true(reads(f, &they, "z/d/r4/x"));
    assert_ok(&f->cx, object_reach_drop(&f->cx, f->s, &me));
    assert_false(reads(f, &me, "z/d/r4/x"));
    assert_true(reads(f, &they, "z/d/r3/x"));
}

/* A task cannot make the server write without end. */
static void test_bounded(void **state)
{
    struct fixture *f = *state;
    buf b;
    buf_init(&b, 1 << 20);
    for (int i = 0; i < 300; i++)
        buf_printf(&b, "s3://tern/q/d/n%d/x ", i);
    say(f, NULL, buf_view(&b));
    assert_true(reads(f, &me, "q/d/n255/x"));
    assert_false(reads(f, &me, "q/d/n256/x"));
    buf_done(&b);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        fixture_test(test_uris_are_found_in_any_bytes),
        fixture_test(test_a_run_gives_only_what_it_may_read),
        fixture_test(test_a_large_object_is_read_in_pieces),
        fixture_test(test_copied_and_forgotten),
        fixture_test(test_bounded),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

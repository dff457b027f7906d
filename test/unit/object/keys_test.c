/* Access keys, URIs and checksums. */
#include "object/keys_int.h"

#include "base/random.h"
#include "base/time.h"
#include "object/hash_int.h"
#include "object/uri_int.h"

#include "fixture.h"

#include <openssl/hmac.h>

static void an_id_says_its_scope(void **state)
{
    static const uint64_t actions[] = {0, 1, 127, 128, 1u << 20, UINT64_MAX};
    struct fixture *f = *state;
    for (size_t i = 0; i < 6; i++) {
        struct object_scope in = {
            .kind = (enum object_key_kind)(1 + i % 3),
            .project = str_head(STR("a-project-with-a-name-of-sixty-four-bytes-which-is-the-longest-o"), 64 - i),
            .domain = i ? STR("development") : STR(""),
            .run = str_head(STR("r0123456789"), i * 2),
            .attempt = (uint32_t)actions[i],
            .action_id = actions[i]};
        struct object_scope out;
        str id;
        assert_ok(&f->cx, object_keys_id(&f->cx, &in, &id));
        assert_true(id.n <= OBJECT_KEY_ID_MAX);
        for (size_t k = 0; k < id.n; k++)
            assert_non_null(strchr("ABCDEFGHIJKLMNOPQRSTUVWXYZ234567", id.p[k]));
        assert_true(object_keys_scope(&f->mem, id, &out));
        assert_int_equal(out.kind, in.kind);
        assert_int_equal(out.attempt, in.attempt);
        assert_true(out.action_id == in.action_id);
        assert_true(str_eq(out.project, in.project) && str_eq(out.domain, in.domain) && str_eq(out.run, in.run));
        for (size_t cut = 0; cut < id.n; cut++)
            assert_false(object_keys_scope(&f->mem, str_head(id, cut), &out));
        assert_false(object_keys_scope(&f->mem, arena_concat(&f->mem, id, STR("AA")), &out));
    }
    struct object_scope too_long = {.kind = OBJECT_KEY_ATTEMPT, .run = fixture_bytes(&f->mem, 65, 1)};
    str id;
    assert_code(&f->cx, object_keys_id(&f->cx, &too_long, &id), CODE_INVALID_ARGUMENT);
}

static void other_ids_are_not_ours(void **state)
{
    struct fixture *f = *state;
    struct object_scope out;
    static const char *const bad[] = {"", "minio", "AKIAIOSFODNN7EXAMPLE", "AAAA", "1", "AEAQ/", "AEAQ AA"};
    for (size_t i = 0; i < sizeof(bad) / sizeof(*bad); i++)
        assert_false(object_keys_scope(&f->mem, str_from(bad[i]), &out));
    for (int i = 0; i < 20000; i++) { /* must not crash; the memory checkers look on */
        char text[400];
        size_t n = random_below(sizeof(text));
        random_text(text, n, STR("ABCDEFGHIJKLMNOPQRSTUVWXYZ234567"));
        object_keys_scope(&f->mem, str_make(text, n), &out);
        arena_reset(&f->mem);
    }
}

static void secrets_differ_by_scope_and_store(void **state)
{
    struct fixture *f = *state;
    struct object_scope a = {.kind = OBJECT_KEY_ATTEMPT,
                             .project = STR("p"),
                             .domain = STR("d"),
                             .run = STR("r"),
                             .attempt = 1,
                             .action_id = 7},
                        b = a;
    struct object_keys ka, kb, again;
    b.attempt = 2;
    assert_ok(&f->cx, object_keys_derive(&f->cx, f->s, &a, &ka));
    assert_ok(&f->cx, object_keys_derive(&f->cx, f->s, &b, &kb));
    assert_ok(&f->cx, object_keys_derive(&f->cx, f->s, &a, &again));
    assert_true(str_eq(ka.secret_access_key, again.secret_access_key));
    assert_false(str_eq(ka.access_key_id, kb.access_key_id));
    assert_false(str_eq(ka.secret_access_key, kb.secret_access_key));
    assert_int_equal(ka.secret_access_key.n, 64);
    object_store_close(f->s);
    f->s = NULL;
    assert_int_equal(unlink(arena_printf(&f->mem, "%s/object.key", f->dir).p), 0);
    fixture_open(f);
    assert_ok(&f->cx, object_keys_derive(&f->cx, f->s, &a, &again));
    assert_false(str_eq(ka.secret_access_key, again.secret_access_key));
}

static void uris_are_split_or_refused(void **state)
{
    static const struct {
        const char *uri, *key; /* NULL: refused */
    } cases[] = {
        {"s3://tern/a/b.txt", "a/b.txt"},
        {"s3://tern/a%20b/%C3%BC=+", "a b/\xc3\xbc=+"},
        {"s3://tern/dir/", "dir/"},
        {"s3://tern/a..b/...", "a..b/..."},
        {"s3://tern/", NULL},
        {"s3://tern", NULL},
        {"s3:///a", NULL},
        {"s3://UPPER/a", NULL},
        {"s3://tern/a/../b", NULL},
        {"s3://tern/a/%2e%2E/b", NULL},
        {"s3://tern/..", NULL},
        {"s3://tern/./a", NULL},
        {"s3://tern//a", NULL},
        {"s3://tern/a//", NULL},
        {"s3://tern/a%2f%2e%2e%2fb", NULL},
        {"s3://tern/a%00b", NULL},
        {"s3://tern/a%0ab", NULL},
        {"s3://tern/a%", NULL},
        {"s3://tern/a%zz", NULL},
        {"s3://tern/a?b", NULL},
        {"s3://tern/a#b", NULL},
        {"/etc/passwd", NULL},
        {"file:///etc/passwd", NULL},
        {"S3://tern/a", NULL},
        {"", NULL},
    };
    struct fixture *f = *state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
        str bucket = STR("untouched"), key;
        enum code code = object_uri_parse(&f->cx, "run_spec.base_dir", str_from(cases[i].uri), &bucket, &key);
        if (cases[i].key) {
            assert_ok(&f->cx, code);
            assert_str_equal(bucket, "tern");
            assert_str_equal(key, cases[i].key);
            str b2, k2;
            assert_ok(&f->cx, object_uri_parse(&f->cx, "x", object_uri_make(&f->mem, bucket, key), &b2, &k2));
            assert_true(str_eq(k2, key));
        } else {
            if (code != CODE_INVALID_ARGUMENT)
                fail_msg("%s was accepted", cases[i].uri);
            assert_non_null(strstr(f->cx.err.msg, "run_spec.base_dir"));
            assert_str_equal(bucket, "untouched");
        }
    }
    str bucket, key, longest = fixture_bytes(&f->mem, 1025, 3);
    memset((char *)(uintptr_t)longest.p, 'k', 1025);
    assert_code(&f->cx, object_uri_parse(&f->cx, "x", arena_concat(&f->mem, STR("s3://tern/"), longest), &bucket, &key),
                CODE_INVALID_ARGUMENT);
}

/* The check values of the catalogue of CRCs, whole and in pieces; HMAC against OpenSSL's own. */
static void checksums_are_the_known_ones(void **state)
{
    static const struct {
        enum hash_kind kind;
        const char *hex;
    } known[] = {
        {HASH_CRC32, "cbf43926"},
        {HASH_CRC32C, "e3069283"},
        {HASH_CRC64NVME, "ae8b14860a799888"},
        {HASH_MD5, "25f9e794323b453885f5181f1b624d0b"},
        {HASH_SHA1, "f7c3bc1d808e04732adf679965ccc34ca7ae3441"},
        {HASH_SHA256, "15e2b0d3c33891ebb0f1ef609ec419420c20e320ce94c65fbc8c3312448eb225"},
    };
    struct fixture *f = *state;
    for (size_t i = 0; i < sizeof(known) / sizeof(*known); i++)
        for (size_t cut = 0; cut <= 9; cut++) {
            struct object_hash h;
            uint8_t out[HASH_SIZE_MAX];
            char hex[2 * HASH_SIZE_MAX + 1];
            object_hash_init(&h, known[i].kind);
            object_hash_add(&h, str_head(STR("123456789"), cut));
            object_hash_add(&h, str_skip(STR("123456789"), cut));
            object_hash_hex(out, object_hash_final(&h, out), hex);
            object_hash_done(&h);
            assert_string_equal(hex, known[i].hex);
        }
    for (size_t n = 0; n < 200; n += 13) {
        str key = fixture_bytes(&f->mem, n, 1), text = fixture_bytes(&f->mem, n * 3, 2);
        uint8_t mine[32], theirs[32];
        unsigned int size;
        object_hash_hmac(key, text, mine);
        HMAC(EVP_sha256(), key.p, (int)key.n, (const unsigned char *)text.p, text.n, theirs, &size);
        assert_memory_equal(mine, theirs, 32);
    }
}

static void test_what_belongs_to_a_project(void **state)
{
    (void)state;
    assert_true(object_uri_own(STR("p"), STR("d"), STR("p/x")));
    assert_true(object_uri_own(STR("p"), STR("d"), STR("uploads/p/x/y")));
    assert_true(object_uri_own(STR("p"), STR("d"), STR("uploads/org/p/d/x")));
    assert_false(object_uri_own(STR("p"), STR("d"), STR("p")));
    assert_false(object_uri_own(STR("p"), STR("d"), STR("p2/x")));
    assert_false(object_uri_own(STR("p"), STR("d"), STR("uploads/q/p/e/x")));
    assert_false(object_uri_own(STR("p"), STR("d"), STR("uploads/p")));
    assert_false(object_uri_own(STR(""), STR(""), STR("/x")));
    assert_false(object_uri_own(STR("uploads"), STR("d"), STR("uploads/q/x")));
}

static bool names(struct fixture *f, const struct object_uri_scope *scope, enum object_access access, const char *uri)
{
    enum code code = object_uri_check(&f->cx, "some.field", str_from(uri), scope, access);
    if (code == CODE_OK)
        return true;
    assert_int_equal(code, CODE_INVALID_ARGUMENT);
    assert_non_null(strstr(f->cx.err.msg, "some.field"));
    ctx_clear_err(&f->cx);
    return false;
}

static void test_what_a_caller_may_name(void **state)
{
    struct fixture *f = *state;
    const struct object_uri_scope all = {.project = STR("")};
    const struct object_uri_scope mine = {.project = STR("p"),
                                          .domain = STR("d"),
                                          .folders = {STR("s3://tern/p/d/r"), STR("s3://tern/raw/r/"), STR("bad")}};
    assert_true(names(f, &all, OBJECT_READ, "s3://tern/q/x"));
    assert_false(names(f, &all, OBJECT_WRITE, "s3://tern/q/x"));
    assert_false(names(f, &all, OBJECT_READ, "s3://other/q/x"));
    assert_true(names(f, &mine, OBJECT_READ, "s3://tern/p/d/other/x"));
    assert_true(names(f, &mine, OBJECT_READ, "s3://tern/raw/r/x"));
    assert_false(names(f, &mine, OBJECT_READ, "s3://tern/raw/q/x"));
    assert_false(names(f, &mine, OBJECT_READ, "s3://tern/q/x"));
    assert_true(names(f, &mine, OBJECT_WRITE, "s3://tern/p/d/%72/x"));
    assert_true(names(f, &mine, OBJECT_WRITE, "s3://tern/raw/r/x"));
    assert_false(names(f, &mine, OBJECT_WRITE, "s3://tern/p/d/r"));
    assert_false(names(f, &mine, OBJECT_WRITE, "s3://tern/p/d/r2/x"));
    assert_false(names(f, &mine, OBJECT_WRITE, "s3://tern/p/d/other/x"));
    assert_false(names(f, &mine, OBJECT_WRITE, "s3://tern/p/d/r/../s/x"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        fixture_test(an_id_says_its_scope),
        fixture_test(other_ids_are_not_ours),
        fixture_test(secrets_differ_by_scope_and_store),
        fixture_test(uris_are_split_or_refused),
        cmocka_unit_test(test_what_belongs_to_a_project),
        fixture_test(test_what_a_caller_may_name),
        fixture_test(checksums_are_the_known_ones),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

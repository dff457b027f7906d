/* The object store through its public functions. */
#include "object/object.h"

#include "base/codec.h"
#include "base/random.h"
#include "object/keeper_int.h"
#include "object/list_int.h"
#include "object/multipart_int.h"
#include "object/store_int.h"

#include "fixture.h"

#include <sqlite3.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/wait.h>

#define BUCKET STR("tern")

static void expect_absent(struct fixture *f, str key)
{
    struct object_info info;
    assert_code(&f->cx, object_stat(&f->cx, f->s, BUCKET, key, &info), CODE_NOT_FOUND);
}

static str md5_hex(struct fixture *f, str bytes)
{
    unsigned char md[16];
    unsigned int n;
    EVP_Digest(bytes.p, bytes.n, md, &n, EVP_md5(), NULL);
    return codec_hex_encode(&f->mem, str_make((const char *)md, 16));
}

static void objects_of_all_sizes_come_back(void **state)
{
    static const size_t sizes[] = {0, 1, 1024, 65535, 65536, 65537, 1000000};
    struct fixture *f = *state;
    for (int round = 0; round < 2; round++) {
        for (size_t i = 0; i < sizeof(sizes) / sizeof(*sizes); i++) {
            str key = arena_printf(&f->mem, "size/%zu", sizes[i]),
                bytes = fixture_bytes(&f->mem, sizes[i], (uint32_t)i);
            struct object_info info;
            if (!round)
                assert_ok(&f->cx, object_put(&f->cx, f->s, BUCKET, key, STR("text/x-test"), bytes));
            fixture_expect(f, key, bytes);
            assert_ok(&f->cx, object_stat(&f->cx, f->s, BUCKET, key, &info));
            assert_int_equal(info.size, sizes[i]);
            assert_true(str_eq(info.etag, md5_hex(f, bytes)));
            assert_str_equal(info.content_type, "text/x-test");
            assert_int_equal(info.md5.n, 16);
        }
        fixture_reopen(f);
    }
    assert_int_equal(fixture_files(f), 2);
}

static void many_are_put_at_once(void **state)
{
    static const size_t sizes[] = {0, 1, 65536, 65537, 1000};
    struct object_new list[5];
    struct fixture *f = *state;
    for (size_t i = 0; i < 5; i++)
        list[i] = (struct object_new){BUCKET, arena_printf(&f->mem, "many/%zu", i),
                                      fixture_bytes(&f->mem, sizes[i], (uint32_t)i)};
    assert_ok(&f->cx, object_put_many(&f->cx, f->s, STR(""), list, 5));
    assert_ok(&f->cx, object_put_many(&f->cx, f->s, STR(""), list, 0));
    fixture_reopen(f);
    for (size_t i = 0; i < 5; i++)
        fixture_expect(f, list[i].key, list[i].bytes);
    list[0].key = STR("many/new");
    list[4].key = STR("");
    assert_code(&f->cx, object_put_many(&f->cx, f->s, STR(""), list, 5), CODE_INVALID_ARGUMENT);
    expect_absent(f, STR("many/new"));
}

static void a_get_is_bounded(void **state)
{
    struct fixture *f = *state;
    str got = STR("untouched");
    assert_ok(&f->cx, object_put(&f->cx, f->s, BUCKET, STR("k"), STR(""), STR("12345")));
    assert_code(&f->cx, object_get(&f->cx, f->s, BUCKET, STR("k"), 4, &got), CODE_RESOURCE_EXHAUSTED);
    assert_str_equal(got, "untouched");
    assert_ok(&f->cx, object_get(&f->cx, f->s, BUCKET, STR("k"), 5, &got));
    assert_str_equal(got, "12345");
}

static void bad_keys_are_refused(void **state)
{
    struct fixture *f = *state;
    str longest = fixture_bytes(&f->mem, 1025, 1);
    assert_code(&f->cx, object_put(&f->cx, f->s, BUCKET, STR(""), STR(""), STR("x")), CODE_INVALID_ARGUMENT);
    assert_code(&f->cx, object_put(&f->cx, f->s, BUCKET, longest, STR(""), STR("x")), CODE_INVALID_ARGUMENT);
    assert_code(&f->cx, object_put(&f->cx, f->s, BUCKET, STR("k"), STR("a\r\nb"), STR("x")), CODE_INVALID_ARGUMENT);
    assert_ok(&f->cx, object_put(&f->cx, f->s, BUCKET, str_head(longest, 1024), STR(""), STR("x")));
    fixture_expect(f, str_head(longest, 1024), STR("x"));
}

static void keys_are_bytes_not_paths(void **state)
{
    static const str keys[] = {
        {"a", 1},
        {"a/b", 3},
        {"../../etc/passwd", 16},
        {"%2e%2e/x", 8},
        {"..", 2},
        {"/", 1},
        {"a//b", 4},
        {"a b+c", 5},
        {"a\0b", 3},
        {"\xff\xfe", 2},
        {"gr\xc3\xbc\xc3\x9f", 6},
        {"a\nb", 3},
        {"A", 1},
        {"a/", 2},
    };
    struct fixture *f = *state;
    const size_t n = sizeof(keys) / sizeof(*keys);
    for (size_t i = 0; i < n; i++)
        assert_ok(&f->cx, object_put(&f->cx, f->s, BUCKET, keys[i], STR(""), keys[i]));
    for (size_t i = 0; i < n; i++)
        fixture_expect(f, keys[i], keys[i]);
    struct object_list list;
    assert_ok(&f->cx, object_list(&f->cx, f->s, BUCKET, STR(""), STR(""), 100, &list));
    assert_int_equal(list.n, n);
    assert_int_equal(access("/tmp/etc/passwd", F_OK), -1);
    expect_absent(f, STR("a/b/"));
    expect_absent(f, STR("a\0"));
}

static void replacing_frees_the_old_bytes(void **state)
{
    struct fixture *f = *state;
    str small = STR("small"), big = fixture_bytes(&f->mem, 100000, 1), bigger = fixture_bytes(&f->mem, 200000, 2);
    const str order[] = {small, big, bigger, small, small, bigger, big, small};
    for (size_t i = 0; i < sizeof(order) / sizeof(*order); i++) {
        assert_ok(&f->cx, object_put(&f->cx, f->s, BUCKET, STR("k"), STR(""), order[i]));
        fixture_expect(f, STR("k"), order[i]);
    }
    assert_ok(&f->cx, object_put(&f->cx, f->s, BUCKET, STR("k"), STR(""), big));
    assert_ok(&f->cx, object_delete(&f->cx, f->s, BUCKET, STR("k")));
    assert_ok(&f->cx, object_delete(&f->cx, f->s, BUCKET, STR("k")));
    expect_absent(f, STR("k"));
    fixture_reopen(f); /* closing does what the housekeeping thread has not done yet */
    assert_int_equal(fixture_files(f), 0);
    sqlite3 *db;
    sqlite3_stmt *st;
    assert_int_equal(sqlite3_open(arena_printf(&f->mem, "%s/objects.db", f->dir).p, &db), SQLITE_OK);
    assert_int_equal(
        sqlite3_prepare_v2(db, "SELECT (SELECT count(*) FROM inline) + (SELECT count(*) FROM segment)", -1, &st, NULL),
        SQLITE_OK);
    assert_int_equal(sqlite3_step(st), SQLITE_ROW);
    assert_int_equal(sqlite3_column_int(st, 0), 0);
    sqlite3_finalize(st);
    sqlite3_close(db);
}

static void many_are_deleted_at_once(void **state)
{
    struct fixture *f = *state;
    str keys[OBJECT_DELETE_MAX + 1];
    for (size_t i = 0; i < OBJECT_DELETE_MAX + 1; i++)
        keys[i] = arena_printf(&f->mem, "d/%zu", i);
    for (size_t i = 0; i < 20; i++)
        assert_ok(&f->cx, object_put(&f->cx, f->s, BUCKET, keys[i * 50], STR(""), STR("x")));
    assert_ok(&f->cx, object_put(&f->cx, f->s, BUCKET, STR("kept"), STR(""), STR("x")));
    assert_code(&f->cx, object_delete_many(&f->cx, f->s, BUCKET, keys, OBJECT_DELETE_MAX + 1), CODE_INVALID_ARGUMENT);
    fixture_expect(f, keys[950], STR("x"));
    assert_ok(&f->cx, object_delete_many(&f->cx, f->s, BUCKET, keys, OBJECT_DELETE_MAX));
    struct object_list list;
    assert_ok(&f->cx, object_list(&f->cx, f->s, BUCKET, STR(""), STR(""), 100, &list));
    assert_int_equal(list.n, 1);
    assert_str_equal(list.p[0].key, "kept");
}

static void an_open_reader_keeps_what_it_opened(void **state)
{
    struct fixture *f = *state;
    struct object_reader *r;
    str old = fixture_bytes(&f->mem, 300000, 1);
    char got[100];
    size_t n;
    assert_ok(&f->cx, object_put(&f->cx, f->s, BUCKET, STR("k"), STR(""), old));
    assert_ok(&f->cx, object_reader_open(&f->cx, f->s, BUCKET, STR("k"), &r));
    assert_ok(&f->cx, object_put(&f->cx, f->s, BUCKET, STR("k"), STR(""), STR("new")));
    assert_ok(&f->cx, object_delete(&f->cx, f->s, BUCKET, STR("k")));
    fixture_files(f);
    assert_ok(&f->cx, object_reader_read(&f->cx, r, 299950, got, sizeof(got), &n));
    assert_int_equal(n, 50);
    assert_memory_equal(got, old.p + 299950, 50);
    object_reader_close(r);
}

static void a_writer_that_does_not_commit_leaves_nothing(void **state)
{
    struct fixture *f = *state;
    struct object_writer *w;
    str bytes = fixture_bytes(&f->mem, 200000, 1);
    assert_ok(&f->cx, object_writer_open(&f->cx, f->s, BUCKET, STR("k"), NULL, &w));
    assert_ok(&f->cx, object_writer_append(&f->cx, w, bytes));
    expect_absent(f, STR("k"));
    assert_int_equal(fixture_files(f), 1);
    object_writer_close(w);
    expect_absent(f, STR("k"));
    assert_int_equal(fixture_files(f), 0);
}

static void a_writer_keeps_headers_and_conditions(void **state)
{
    struct fixture *f = *state;
    struct object_writer *w;
    struct object_info info;
    struct object_put_options o = {.content_type = STR("text/html"),
                                   .headers = STR("cache-control: no-store\nx-amz-meta-a: 1: 2\n"),
                                   .only_new = true};
    for (int i = 0; i < 2; i++) {
        assert_ok(&f->cx, object_writer_open(&f->cx, f->s, BUCKET, STR("k"), &o, &w));
        for (int piece = 0; piece < 1000; piece++)
            assert_ok(&f->cx, object_writer_append(&f->cx, w, STR("0123456789abcdefghijklmnopqrstuvwxyz-0123456789")));
        assert_code(&f->cx, object_writer_commit(&f->cx, w, &info), i ? CODE_FAILED_PRECONDITION : CODE_OK);
        object_writer_close(w);
    }
    assert_ok(&f->cx, object_stat(&f->cx, f->s, BUCKET, STR("k"), &info));
    assert_int_equal(info.size, 47000);
    assert_str_equal(object_info_header(&info, STR("x-amz-meta-a")), "1: 2");
    assert_str_equal(object_info_header(&info, STR("cache-control")), "no-store");
    assert_str_equal(object_info_header(&info, STR("x-amz-meta-")), "");
    o = (struct object_put_options){.if_etag = info.etag};
    for (int i = 0; i < 2; i++) {
        assert_ok(&f->cx, object_writer_open(&f->cx, f->s, BUCKET, STR("k"), &o, &w));
        assert_ok(&f->cx, object_writer_append(&f->cx, w, STR("second")));
        assert_code(&f->cx, object_writer_commit(&f->cx, w, NULL), i ? CODE_FAILED_PRECONDITION : CODE_OK);
        object_writer_close(w);
    }
    fixture_expect(f, STR("k"), STR("second"));
}

/* ---- listing, against a model that sorts and groups by brute force ---------------------------------------------- */

static int by_bytes(const void *a, const void *b)
{
    const str *x = a, *y = b;
    size_t n = x->n < y->n ? x->n : y->n;
    int c = memcmp(x->p, y->p, n);
    return c ? c : (x->n > y->n) - (x->n < y->n);
}

#define KEYS 2000
struct model {
    str keys[KEYS], entries[KEYS];
    size_t n;
};

static void model_group(struct fixture *f, struct model *m, str prefix, char delimiter)
{
    m->n = 0;
    for (size_t i = 0; i < KEYS; i++) {
        str k = m->keys[i];
        if (k.n < prefix.n || memcmp(k.p, prefix.p, prefix.n))
            continue;
        for (size_t at = prefix.n; delimiter && at < k.n; at++)
            if (k.p[at] == delimiter) {
                k.n = at + 1;
                break;
            }
        if (!m->n || by_bytes(&m->entries[m->n - 1], &k))
            m->entries[m->n++] = arena_str(&f->mem, k);
    }
}

static void compare_pages(struct fixture *f, const struct model *m, str prefix, str delimiter, size_t page_size)
{
    struct object_list_query q = {.bucket = BUCKET, .prefix = prefix, .delimiter = delimiter, .max = page_size};
    struct object_list_page page = {.more = true};
    size_t at = 0;
    while (page.more) {
        assert_ok(&f->cx, object_list_page(&f->cx, f->s, &q, &page));
        assert_true(page.n <= page_size && (page.n == page_size || !page.more));
        for (size_t i = 0; i < page.n; i++, at++)
            assert_true(at < m->n && str_eq(page.p[i].info.key, m->entries[at]));
        if (page.more) {
            q.after = page.p[page.n - 1].info.key;
            q.after_prefix = page.p[page.n - 1].is_prefix;
        }
    }
    assert_int_equal(at, m->n);
}

static void lists_are_in_byte_order_with_groups(void **state)
{
    struct fixture *f = *state;
    struct model *m = arena_new(&f->mem, struct model);
    static const char alphabet[] = {'a', 'b', '/', '/', (char)0xff, 0, '.'};
    for (size_t i = 0; i < KEYS; i++) {
        char *p = arena_alloc(&f->mem, 12);
        size_t n = 1 + random_below(9);
        for (size_t k = 0; k < n; k++)
            p[k] = alphabet[random_below(sizeof(alphabet))];
        m->keys[i] = str_make(p, n);
        if (i % 10 == 0) /* the others by one transaction below: 2,000 syncs would take a second */
            assert_ok(&f->cx, object_put(&f->cx, f->s, BUCKET, m->keys[i], STR(""), STR("")));
    }
    sqlite3 *db;
    sqlite3_stmt *st;
    assert_int_equal(sqlite3_open(arena_printf(&f->mem, "%s/objects.db", f->dir).p, &db), SQLITE_OK);
    sqlite3_exec(db, "BEGIN", NULL, NULL, NULL);
    assert_int_equal(sqlite3_prepare_v2(db,
                                        "INSERT OR REPLACE INTO object SELECT bucket, ?1, size, digest, parts, "
                                        "modified_ns, 0, 0, content_type, headers FROM object LIMIT 1",
                                        -1, &st, NULL),
                     SQLITE_OK);
    for (size_t i = 0; i < KEYS; i++) {
        sqlite3_bind_blob(st, 1, m->keys[i].p, (int)m->keys[i].n, SQLITE_STATIC);
        assert_int_equal(sqlite3_step(st), SQLITE_DONE);
        sqlite3_reset(st);
    }
    sqlite3_finalize(st);
    sqlite3_exec(db, "COMMIT", NULL, NULL, NULL);
    sqlite3_close(db);
    qsort(m->keys, KEYS, sizeof(str), by_bytes);
    static const str prefixes[] = {{"", 0},         {"a", 1}, {"a/", 2},     {"\xff", 1},
                                   {"\xff\xff", 2}, {"/", 1}, {"nothing", 7}};
    for (size_t i = 0; i < sizeof(prefixes) / sizeof(*prefixes); i++)
        for (int d = 0; d < 3; d++) {
            static const str delimiters[] = {{"", 0}, {"/", 1}, {"\xff", 1}};
            model_group(f, m, prefixes[i], d ? delimiters[d].p[0] : 0);
            compare_pages(f, m, prefixes[i], delimiters[d], 1000);
            compare_pages(f, m, prefixes[i], delimiters[d], 7);
        }
}

/* ---- multipart --------------------------------------------------------------------------------------------------- */

static void put_part(struct fixture *f, const struct object_upload *u, int64_t n, str bytes, enum code want)
{
    struct object_body b;
    struct object_part_op p;
    object_body_init(&b, f->s, true);
    assert_ok(&f->cx, object_body_append(&f->cx, &b, bytes));
    assert_ok(&f->cx, object_body_seal(&f->cx, &b));
    object_multipart_part_init(&p, u, n, &b);
    enum code code = object_commit_run(&f->cx, f->s->commit, &p.op);
    object_body_settle(&b, code);
    object_body_done(&b);
    assert_code(&f->cx, code, want);
}

static void begin_upload(struct fixture *f, str key, struct object_upload *u)
{
    str id;
    assert_ok(&f->cx, object_multipart_create(&f->cx, f->s, BUCKET, key, STR("x/y"), STR("x-amz-meta-m: v\n"), &id));
    assert_ok(&f->cx, object_multipart_find(&f->cx, f->s, BUCKET, key, id, u));
    assert_code(&f->cx, object_multipart_find(&f->cx, f->s, BUCKET, STR("other"), id, u), CODE_NOT_FOUND);
}

static const struct object_index_when no_condition;

static void parts_become_one_object(void **state)
{
    struct fixture *f = *state;
    struct object_upload u;
    struct object_info info;
    enum object_multipart_refusal why;
    str etag, a = fixture_bytes(&f->mem, 5 << 20, 1), b = fixture_bytes(&f->mem, (5 << 20) + 17, 2),
              c = fixture_bytes(&f->mem, 1000, 3);
    begin_upload(f, STR("k"), &u);
    put_part(f, &u, 30, c, CODE_OK);
    put_part(f, &u, 1, b, CODE_OK);
    put_part(f, &u, 1, a, CODE_OK); /* replaces */
    put_part(f, &u, 7, b, CODE_OK);
    put_part(f, &u, 8, STR("not wanted"), CODE_OK);
    expect_absent(f, STR("k"));

    struct object_part parts[] = {{1, md5_hex(f, a)}, {7, md5_hex(f, b)}, {30, md5_hex(f, b)}};
    assert_code(&f->cx, object_multipart_complete(&f->cx, f->s, &u, parts, 3, &no_condition, &why, &etag),
                CODE_FAILED_PRECONDITION);
    assert_int_equal(why, OBJECT_MULTIPART_NO_PART);
    parts[2].etag = md5_hex(f, c);
    assert_ok(&f->cx, object_multipart_complete(&f->cx, f->s, &u, parts, 3, &no_condition, &why, &etag));

    str sums = arena_concat(&f->mem, arena_concat(&f->mem, parts[0].etag, parts[1].etag), parts[2].etag), raw;
    assert_true(codec_hex_decode(&f->mem, sums, &raw));
    assert_true(str_eq(etag, arena_printf(&f->mem, STR_FMT "-3", STR_ARG(md5_hex(f, raw)))));
    str whole = arena_concat(&f->mem, arena_concat(&f->mem, a, b), c);
    fixture_expect(f, STR("k"), whole);
    assert_ok(&f->cx, object_stat(&f->cx, f->s, BUCKET, STR("k"), &info));
    assert_true(str_eq(info.etag, etag));
    assert_int_equal(info.md5.n, 0);
    assert_str_equal(object_info_header(&info, STR("x-amz-meta-m")), "v");
    put_part(f, &u, 2, a, CODE_NOT_FOUND);

    struct object_reader *r;
    assert_ok(&f->cx, object_reader_open(&f->cx, f->s, BUCKET, STR("k"), &r));
    for (int i = 0; i < 200; i++) {
        size_t from = random_below(whole.n), n = random_below(200000), got;
        char *p = malloc(n + 1);
        assert_ok(&f->cx, object_reader_read(&f->cx, r, (int64_t)from, p, n, &got));
        assert_int_equal(got, n < whole.n - from ? n : whole.n - from);
        assert_memory_equal(p, whole.p + from, got);
        free(p);
    }
    object_reader_close(r);
    fixture_reopen(f);
    assert_int_equal(fixture_files(f), 3);
    assert_ok(&f->cx, object_put(&f->cx, f->s, BUCKET, STR("k"), STR(""), STR("small")));
    fixture_reopen(f);
    assert_int_equal(fixture_files(f), 0);
}

static void a_small_part_in_the_middle_is_refused(void **state)
{
    struct fixture *f = *state;
    struct object_upload u;
    enum object_multipart_refusal why;
    str etag;
    begin_upload(f, STR("k"), &u);
    put_part(f, &u, 1, STR("a"), CODE_OK);
    put_part(f, &u, 2, STR("b"), CODE_OK);
    struct object_part parts[] = {{1, md5_hex(f, STR("a"))}, {2, md5_hex(f, STR("b"))}};
    assert_code(&f->cx, object_multipart_complete(&f->cx, f->s, &u, parts, 2, &no_condition, &why, &etag),
                CODE_FAILED_PRECONDITION);
    assert_int_equal(why, OBJECT_MULTIPART_TOO_SMALL);
    assert_ok(&f->cx, object_multipart_abort(&f->cx, f->s, &u));
    assert_code(&f->cx, object_multipart_abort(&f->cx, f->s, &u), CODE_NOT_FOUND);
    fixture_reopen(f);
    assert_int_equal(fixture_files(f), 0);
}

/* ---- sweeping ---------------------------------------------------------------------------------------------------- */

static void a_sweep_removes_only_what_nobody_has(void **state)
{
    struct fixture *f = *state;
    struct object_writer *w;
    size_t removed;
    str big = fixture_bytes(&f->mem, 100000, 1);
    assert_ok(&f->cx, object_put(&f->cx, f->s, BUCKET, STR("kept"), STR(""), big));
    assert_ok(&f->cx, object_writer_open(&f->cx, f->s, BUCKET, STR("being written"), NULL, &w));
    assert_ok(&f->cx, object_writer_append(&f->cx, w, big));
    char cmd[400];
    snprintf(cmd, sizeof(cmd),
             "mkdir -p %s/objects/ab && echo lost > %s/objects/ab/abababababababababababababababab &&"
             "echo other > %s/objects/ab/readme",
             f->dir, f->dir, f->dir);
    assert_int_equal(system(cmd), 0);
    assert_int_equal(fixture_files(f), 4);
    assert_ok(&f->cx, object_keeper_sweep(&f->cx, f->s, &removed));
    assert_int_equal(removed, 1);
    assert_int_equal(fixture_files(f), 3);
    assert_ok(&f->cx, object_writer_commit(&f->cx, w, NULL));
    object_writer_close(w);
    fixture_expect(f, STR("being written"), big);
    fixture_expect(f, STR("kept"), big);
    assert_ok(&f->cx, object_keeper_sweep(&f->cx, f->s, &removed));
    assert_int_equal(removed, 0);
}

/* ---- files of the store ------------------------------------------------------------------------------------------ */

static void a_newer_database_is_refused(void **state)
{
    struct fixture *f = *state;
    sqlite3 *db;
    object_store_close(f->s);
    f->s = NULL;
    assert_int_equal(sqlite3_open(arena_printf(&f->mem, "%s/objects.db", f->dir).p, &db), SQLITE_OK);
    assert_int_equal(sqlite3_exec(db, "PRAGMA user_version = 999", NULL, NULL, NULL), SQLITE_OK);
    sqlite3_close(db);
    assert_code(&f->cx, object_store_open(&f->cx, str_from(f->dir), &f->s), CODE_FAILED_PRECONDITION);
    assert_non_null(strstr(f->cx.err.msg, "newer"));
}

static void the_server_key_is_made_once_and_private(void **state)
{
    struct fixture *f = *state;
    struct object_scope scope = {.kind = OBJECT_KEY_READER, .project = STR("p"), .domain = STR("d")};
    struct object_keys first, second;
    struct stat st;
    const char *path = arena_printf(&f->mem, "%s/object.key", f->dir).p;
    assert_ok(&f->cx, object_keys_derive(&f->cx, f->s, &scope, &first));
    fixture_reopen(f);
    assert_ok(&f->cx, object_keys_derive(&f->cx, f->s, &scope, &second));
    assert_true(str_eq(first.secret_access_key, second.secret_access_key));
    assert_int_equal(stat(path, &st), 0);
    assert_int_equal(st.st_mode & 0777, 0600);
    assert_int_equal(st.st_size, 32);
    assert_int_equal(stat(arena_printf(&f->mem, "%s/objects.db", f->dir).p, &st), 0);
    assert_int_equal(st.st_mode & 0777, 0600);
    object_store_close(f->s);
    f->s = NULL;
    chmod(path, 0644);
    assert_code(&f->cx, object_store_open(&f->cx, str_from(f->dir), &f->s), CODE_FAILED_PRECONDITION);
    chmod(path, 0600);
    assert_int_equal(truncate(path, 31), 0);
    assert_code(&f->cx, object_store_open(&f->cx, str_from(f->dir), &f->s), CODE_FAILED_PRECONDITION);
}

/* ---- processes --------------------------------------------------------------------------------------------------- */

/* A child that opens the store and puts objects "<name>/<i>", alternately small and in a file, until it is killed or
 * has put `count`; tells each acknowledged number through the pipe. */
static void child_puts(const char *dir, const char *name, int count, int pipe)
{
    struct arena mem;
    struct ctx cx;
    struct object_store *s;
    arena_init(&mem, 0);
    ctx_init(&cx, &mem);
    if (object_store_open(&cx, str_from(dir), &s) != CODE_OK)
        _exit(3);
    for (int i = 0; i < count; i++) {
        arena_reset(&mem);
        str key = arena_printf(&mem, "%s/%06d", name, i), bytes = fixture_bytes(&mem, i % 2 ? 70000 : 500, (uint32_t)i);
        if (object_put(&cx, s, BUCKET, key, STR(""), bytes) != CODE_OK)
            _exit(4);
        if (pipe >= 0 && write(pipe, &i, sizeof(i)) != sizeof(i))
            _exit(5);
    }
    object_store_close(s);
    arena_done(&mem);
    _exit(0);
}

static void two_processes_write_at_once(void **state)
{
    struct fixture *f = *state;
    const int count = 60;
    pid_t pids[2];
    object_store_close(f->s); /* no thread of ours across the fork */
    f->s = NULL;
    for (int i = 0; i < 2; i++)
        if (!(pids[i] = fork()))
            child_puts(f->dir, i ? "one" : "two", count, -1);
    for (int i = 0; i < 2; i++) {
        int status;
        assert_int_equal(waitpid(pids[i], &status, 0), pids[i]);
        assert_int_equal(status, 0);
    }
    fixture_open(f);
    for (int i = 0; i < 2 * count; i++)
        fixture_expect(f, arena_printf(&f->mem, "%s/%06d", i % 2 ? "one" : "two", i / 2),
                       fixture_bytes(&f->mem, i / 2 % 2 ? 70000 : 500, (uint32_t)(i / 2)));
}

static void acknowledged_objects_survive_a_kill(void **state)
{
    struct fixture *f = *state;
    object_store_close(f->s);
    f->s = NULL;
    for (int round = 0; round < 4; round++) {
        int fds[2], last = -1, i;
        assert_int_equal(pipe(fds), 0);
        const char *name = arena_printf(&f->mem, "round%d", round).p;
        pid_t pid = fork();
        if (!pid)
            child_puts(f->dir, name, 1000000, fds[1]);
        close(fds[1]);
        while (last < 20 + 7 * round && read(fds[0], &i, sizeof(i)) == sizeof(i))
            last = i;
        kill(pid, SIGKILL);
        while (read(fds[0], &i, sizeof(i)) == sizeof(i))
            last = i;
        close(fds[0]);
        waitpid(pid, NULL, 0);
        assert_true(last >= 20);
        fixture_open(f);
        for (i = 0; i <= last; i++)
            fixture_expect(f, arena_printf(&f->mem, "%s/%06d", name, i),
                           fixture_bytes(&f->mem, i % 2 ? 70000 : 500, (uint32_t)i));
        /* The one after it is there whole, or not at all. */
        struct object_info info;
        str key = arena_printf(&f->mem, "%s/%06d", name, i);
        if (object_stat(&f->cx, f->s, BUCKET, key, &info) == CODE_OK)
            fixture_expect(f, key, fixture_bytes(&f->mem, i % 2 ? 70000 : 500, (uint32_t)i));
        size_t removed;
        assert_ok(&f->cx, object_keeper_sweep(&f->cx, f->s, &removed));
        assert_true(removed <= 1);
        object_store_close(f->s);
        f->s = NULL;
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        fixture_test(objects_of_all_sizes_come_back),
        fixture_test(many_are_put_at_once),
        fixture_test(a_get_is_bounded),
        fixture_test(bad_keys_are_refused),
        fixture_test(keys_are_bytes_not_paths),
        fixture_test(replacing_frees_the_old_bytes),
        fixture_test(many_are_deleted_at_once),
        fixture_test(an_open_reader_keeps_what_it_opened),
        fixture_test(a_writer_that_does_not_commit_leaves_nothing),
        fixture_test(a_writer_keeps_headers_and_conditions),
        fixture_test(lists_are_in_byte_order_with_groups),
        fixture_test(parts_become_one_object),
        fixture_test(a_small_part_in_the_middle_is_refused),
        fixture_test(a_sweep_removes_only_what_nobody_has),
        fixture_test(a_newer_database_is_refused),
        fixture_test(the_server_key_is_made_once_and_private),
        fixture_test(two_processes_write_at_once),
        fixture_test(acknowledged_objects_survive_a_kill),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

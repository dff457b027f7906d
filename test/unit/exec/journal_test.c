/* The journal: what was synced is there after every possible cut of the file; messages survive their codec. */
#include "exec/journal.h"

#include "unit.h"

#include "base/log.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

struct seen {
    size_t n;
    uint64_t ids[64];
    struct arena *mem;
    struct exec_msg last;
};

static void on_record(void *arg, const struct exec_msg *m)
{
    struct seen *s = arg;
    s->ids[s->n++ % 64] = m->key.action_id;
    s->last = *m;
    s->last.boot_id = arena_str(s->mem, m->boot_id);
}

static str make_dir(struct unit *u)
{
    char path[] = "/tmp/tern-journal-XXXXXX";
    assert_non_null(mkdtemp(path));
    return arena_str(&u->mem, str_from(path));
}

static void remove_dir(struct unit *u, str dir)
{
    unlink(arena_printf(&u->mem, "%s/journal", dir.p).p);
    unlink(arena_printf(&u->mem, "%s/journal.new", dir.p).p);
    assert_int_equal(rmdir(dir.p), 0);
}

static struct exec_journal *open_it(struct unit *u, str dir, struct seen *s)
{
    struct exec_journal *j;
    *s = (struct seen){.mem = &u->mem};
    assert_ok(&u->cx, exec_journal_open(&u->cx, dir, on_record, s, &j));
    return j;
}

static void add(struct exec_journal *j, uint64_t id)
{
    struct exec_msg m = {
        .type = EXEC_MSG_BEGIN, .key = {id, 3}, .pid = 77, .boot_id = STR("boot"), .started_ns = UINT64_MAX};
    exec_journal_add(j, &m);
}

static void what_was_synced_is_there(void **state)
{
    struct unit *u = *state;
    struct seen s;
    str dir = make_dir(u);
    struct exec_journal *j = open_it(u, dir, &s);
    assert_int_equal(s.n, 0);
    for (uint64_t i = 1; i <= 5; i++) {
        add(j, i);
        add(j, i * 100);
        assert_ok(&u->cx, exec_journal_sync(&u->cx, j));
    }
    add(j, 999); /* never synced */
    exec_journal_close(j);
    j = open_it(u, dir, &s);
    assert_int_equal(s.n, 10);
    assert_int_equal(s.ids[9], 500);
    assert_int_equal(s.last.key.attempt, 3);
    assert_int_equal(s.last.pid, 77);
    assert_true(s.last.started_ns == UINT64_MAX);
    assert_str_equal(s.last.boot_id, "boot");
    exec_journal_close(j);
    remove_dir(u, dir);
}

static void every_cut_keeps_the_records_before_it(void **state)
{
    struct unit *u = *state;
    struct seen s;
    str dir = make_dir(u), path = arena_printf(&u->mem, "%s/journal", dir.p);
    struct exec_journal *j = open_it(u, dir, &s);
    size_t ends[6] = {exec_journal_size(j)};
    for (uint64_t i = 1; i <= 5; i++) {
        add(j, i);
        assert_ok(&u->cx, exec_journal_sync(&u->cx, j));
        ends[i] = exec_journal_size(j);
    }
    exec_journal_close(j);
    for (size_t cut = ends[5]; cut-- > 0;) {
        size_t whole = 0;
        assert_int_equal(truncate(path.p, (off_t)cut), 0);
        j = open_it(u, dir, &s);
        while (whole < 5 && ends[whole + 1] <= cut)
            whole++;
        assert_int_equal(s.n, whole);
        /* It goes on behind the last whole record. */
        assert_int_equal(exec_journal_size(j), ends[whole]);
        exec_journal_close(j);
    }
    remove_dir(u, dir);
}

static void every_flipped_bit_is_noticed(void **state)
{
    struct unit *u = *state;
    struct seen s;
    str dir = make_dir(u), path = arena_printf(&u->mem, "%s/journal", dir.p);
    struct exec_journal *j = open_it(u, dir, &s);
    size_t head = exec_journal_size(j);
    add(j, 1);
    assert_ok(&u->cx, exec_journal_sync(&u->cx, j));
    size_t end = exec_journal_size(j);
    exec_journal_close(j);
    char raw[512];
    int fd = open(path.p, O_RDWR);
    assert_int_equal(pread(fd, raw, end, 0), end);
    for (size_t bit = head * 8; bit < end * 8; bit++) {
        char c = (char)(raw[bit / 8] ^ (1 << (bit % 8)));
        assert_int_equal(pwrite(fd, raw, end, 0), end);
        assert_int_equal(pwrite(fd, &c, 1, (off_t)(bit / 8)), 1);
        j = open_it(u, dir, &s);
        assert_int_equal(s.n, 0);
        exec_journal_close(j);
    }
    close(fd);
    remove_dir(u, dir);
}

static struct exec_journal *replacing;

static void add_two(void *arg)
{
    (void)arg;
    add(replacing, 41);
    add(replacing, 42);
}

static void replaced_in_one_step(void **state)
{
    struct unit *u = *state;
    struct seen s;
    str dir = make_dir(u);
    struct exec_journal *j = open_it(u, dir, &s);
    for (uint64_t i = 0; i < 50; i++)
        add(j, i);
    assert_ok(&u->cx, exec_journal_sync(&u->cx, j));
    size_t before = exec_journal_size(j);
    replacing = j;
    assert_ok(&u->cx, exec_journal_replace(&u->cx, j, add_two, NULL));
    assert_true(exec_journal_size(j) < before);
    add(j, 43);
    assert_ok(&u->cx, exec_journal_sync(&u->cx, j));
    exec_journal_close(j);
    j = open_it(u, dir, &s);
    assert_int_equal(s.n, 3);
    assert_int_equal(s.ids[0], 41);
    assert_int_equal(s.ids[2], 43);
    exec_journal_close(j);
    remove_dir(u, dir);
}

static void messages_survive_their_codec(void **state)
{
    struct unit *u = *state;
    str list[] = {STR("one"), STR(""), STR("three")};
    struct exec_msg in = {.type = EXEC_MSG_LAUNCH,
                          .key = {1ULL << 63, UINT32_MAX},
                          .exit_code = 1,
                          .max_rss = UINT64_MAX,
                          .cwd = STR("/a b"),
                          .argv = {list, 3},
                          .secret_values = {list, 1}},
                    out;
    buf b;
    size_t n;
    buf_init_arena(&b, &u->mem, EXEC_FRAME_MAX);
    exec_wire_put(&b, &in);
    for (size_t cut = 0; cut < b.n; cut++) {
        assert_ok(&u->cx, exec_wire_next(&u->cx, str_make(b.p, cut), &n));
        assert_int_equal(n, 0);
    }
    assert_ok(&u->cx, exec_wire_next(&u->cx, buf_view(&b), &n));
    assert_int_equal(n, b.n);
    assert_ok(&u->cx, exec_wire_parse(&u->cx, str_make(b.p + 4, b.n - 4), &out));
    assert_true(out.key.action_id == in.key.action_id && out.key.attempt == UINT32_MAX);
    assert_true(out.exit_code == 1 && out.max_rss == UINT64_MAX && out.pid == 0);
    assert_str_equal(out.cwd, "/a b");
    assert_int_equal(out.argv.n, 3);
    assert_str_equal(out.argv.p[1], "");
    assert_str_equal(out.argv.p[2], "three");
    assert_int_equal(out.secret_values.n, 1);
    /* Cut inside a field it is refused, never read beyond. */
    for (size_t cut = 5; cut < b.n; cut++) {
        char *copy = memcpy(malloc(cut - 4), b.p + 4, cut - 4);
        enum code code = exec_wire_parse(&u->cx, str_make(copy, cut - 4), &out);
        assert_true(code == CODE_OK || code == CODE_INVALID_ARGUMENT);
        free(copy);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(what_was_synced_is_there, unit_setup, unit_teardown),
        cmocka_unit_test_setup_teardown(every_cut_keeps_the_records_before_it, unit_setup, unit_teardown),
        cmocka_unit_test_setup_teardown(every_flipped_bit_is_noticed, unit_setup, unit_teardown),
        cmocka_unit_test_setup_teardown(replaced_in_one_step, unit_setup, unit_teardown),
        cmocka_unit_test_setup_teardown(messages_survive_their_codec, unit_setup, unit_teardown),
    };
    log_setup(LOG_LEVEL_ERROR, LOG_FORMAT_TEXT); /* the torn ends are meant */
    return cmocka_run_group_tests(tests, NULL, NULL);
}

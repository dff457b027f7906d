#include "base/file.h"
#include "unit.h"

#include <dirent.h>
#include <sys/stat.h>
#include <unistd.h>

static char folder[] = "/tmp/tern-file-test-XXXXXX";

static int make_folder(void **state)
{
    (void)state;
    return mkdtemp(folder) ? 0 : -1;
}

static int remove_folder(void **state)
{
    char cmd[100];
    (void)state;
    snprintf(cmd, sizeof(cmd), "rm -rf '%s'", folder);
    return system(cmd);
}

static const char *in_folder(struct unit *u, const char *name)
{
    return arena_printf(&u->mem, "%s/%s", folder, name).p;
}

static void writing_replaces_and_leaves_nothing_else(void **state)
{
    struct unit *u = *state;
    struct stat st;
    str got;
    int entries = 0;
    const char *path = in_folder(u, "w/f");
    assert_ok(&u->cx, file_mkdirs(&u->cx, in_folder(u, "w"), 0700));
    assert_ok(&u->cx, file_write(&u->cx, path, STR("first, and longer"), 0600));
    assert_ok(&u->cx, file_write(&u->cx, path, STR("a\0b"), 0640));
    assert_ok(&u->cx, file_read(&u->cx, path, 3, &got));
    assert_true(str_eq(got, STR("a\0b")));
    assert_int_equal(stat(path, &st), 0);
    assert_int_equal(st.st_mode & 0777, 0640);
    DIR *d = opendir(in_folder(u, "w"));
    while (readdir(d))
        entries++;
    closedir(d);
    assert_int_equal(entries, 3);
}

static void a_failed_write_keeps_the_old_file(void **state)
{
    struct unit *u = *state;
    assert_ok(&u->cx, file_mkdirs(&u->cx, in_folder(u, "d/sub"), 0700));
    assert_code(&u->cx, file_write(&u->cx, in_folder(u, "d/sub"), STR("x"), 0600), CODE_INTERNAL);
    assert_code(&u->cx, file_write(&u->cx, in_folder(u, "none/f"), STR("x"), 0600), CODE_NOT_FOUND);
    DIR *d = opendir(in_folder(u, "d"));
    for (struct dirent *e; (e = readdir(d));)
        assert_null(strstr(e->d_name, "tmp"));
    closedir(d);
}

static void reading_is_bounded(void **state)
{
    struct unit *u = *state;
    str got;
    char big[10000];
    memset(big, 'x', sizeof(big));
    const char *path = in_folder(u, "big");
    assert_ok(&u->cx, file_write(&u->cx, path, str_make(big, sizeof(big)), 0600));
    assert_code(&u->cx, file_read(&u->cx, path, 9999, &got), CODE_RESOURCE_EXHAUSTED);
    assert_ok(&u->cx, file_read(&u->cx, path, 10000, &got));
    assert_int_equal(got.n, 10000);
    assert_code(&u->cx, file_read(&u->cx, in_folder(u, "absent"), 10, &got), CODE_NOT_FOUND);
    assert_code(&u->cx, file_read(&u->cx, folder, 10, &got), CODE_FAILED_PRECONDITION);
    assert_ok(&u->cx, file_read(&u->cx, "/proc/self/stat", 4096, &got));
    assert_true(got.n > 20);
}

static void folders_with_their_parents(void **state)
{
    struct unit *u = *state;
    struct stat st;
    assert_ok(&u->cx, file_mkdirs(&u->cx, in_folder(u, "a/b//c/"), 0700));
    assert_int_equal(stat(in_folder(u, "a/b/c"), &st), 0);
    assert_true(S_ISDIR(st.st_mode));
    assert_ok(&u->cx, file_mkdirs(&u->cx, in_folder(u, "a/b/c"), 0700));
    assert_ok(&u->cx, file_write(&u->cx, in_folder(u, "a/file"), STR(""), 0600));
    assert_code(&u->cx, file_mkdirs(&u->cx, in_folder(u, "a/file"), 0700), CODE_FAILED_PRECONDITION);
    assert_code(&u->cx, file_mkdirs(&u->cx, in_folder(u, "a/file/x"), 0700), CODE_FAILED_PRECONDITION);
}

static void names_cannot_escape(void **state)
{
    struct unit *u = *state;
    char name[FILE_NAME_MAX + 2];
    str out = STR("untouched");
    const str bad[] = {STR(""), STR("."), STR(".."), STR("a/b"), STR("/"), STR("a\0b"), STR_NONE, STR("../x")};
    for (size_t i = 0; i < sizeof(bad) / sizeof(*bad); i++)
        assert_code(&u->cx, file_join(&u->cx, STR("/d"), bad[i], &out), CODE_INVALID_ARGUMENT);
    memset(name, 'n', sizeof(name));
    assert_code(&u->cx, file_join(&u->cx, STR("/d"), str_make(name, FILE_NAME_MAX + 1), &out), CODE_INVALID_ARGUMENT);
    assert_str_equal(out, "untouched");
    assert_ok(&u->cx, file_join(&u->cx, STR("/d"), str_make(name, FILE_NAME_MAX), &out));
    assert_ok(&u->cx, file_join(&u->cx, STR("/d"), STR("..x"), &out));
    assert_string_equal(out.p, "/d/..x");
    assert_ok(&u->cx, file_join(&u->cx, STR("/"), STR("x"), &out));
    assert_string_equal(out.p, "/x");
}

static void users_paths_become_absolute(void **state)
{
    struct unit *u = *state;
    str out;
    setenv("HOME", "/home/someone", 1);
    assert_ok(&u->cx, file_expand(&u->cx, STR("~/x/y"), &out));
    assert_string_equal(out.p, "/home/someone/x/y");
    assert_ok(&u->cx, file_expand(&u->cx, STR("/abs"), &out));
    assert_string_equal(out.p, "/abs");
    assert_ok(&u->cx, file_expand(&u->cx, STR("rel"), &out));
    assert_int_equal(out.p[0], '/');
    assert_true(str_ends(out, STR("/rel")));
    unsetenv("HOME");
    assert_code(&u->cx, file_expand(&u->cx, STR("~/x"), &out), CODE_INVALID_ARGUMENT);
    assert_code(&u->cx, file_expand(&u->cx, STR("a\0b"), &out), CODE_INVALID_ARGUMENT);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        unit_test(writing_replaces_and_leaves_nothing_else),
        unit_test(a_failed_write_keeps_the_old_file),
        unit_test(reading_is_bounded),
        unit_test(folders_with_their_parents),
        unit_test(names_cannot_escape),
        unit_test(users_paths_become_absolute),
    };
    return cmocka_run_group_tests(tests, make_folder, remove_folder);
}

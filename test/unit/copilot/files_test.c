/* Files that a stranger left: no way out of the folder. */
#include "copilot/files.h"

#include "unit.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

static int folder(char path[64])
{
    snprintf(path, 64, "/tmp/tern-copilot-XXXXXX");
    assert_non_null(mkdtemp(path));
    return open(path, O_RDONLY | O_DIRECTORY);
}

static void test_names(void **state)
{
    static const char *const bad[] = {"", ".", "..", "a/b", "/etc/passwd", "../x", "a\nb", "a\x7f"};
    static const char *const good[] = {"a", "...", ".hidden", "with space", "\xc3\xa4"};
    char longest[260];
    (void)state;
    for (size_t i = 0; i < sizeof(bad) / sizeof(*bad); i++)
        assert_false(copilot_files_plain(str_from(bad[i])));
    assert_false(copilot_files_plain(STR("a\0b")));
    for (size_t i = 0; i < sizeof(good) / sizeof(*good); i++)
        assert_true(copilot_files_plain(str_from(good[i])));
    memset(longest, 'x', sizeof(longest));
    assert_true(copilot_files_plain(str_make(longest, 255)));
    assert_false(copilot_files_plain(str_make(longest, 256)));
}

static void test_write_and_read(void **state)
{
    struct unit *u = *state;
    char path[64];
    int dir = folder(path), fd = -1;
    str got, *names;
    size_t n;
    assert_ok(&u->cx, copilot_files_write(&u->cx, dir, STR("x"), STR("hello")));
    assert_code(&u->cx, copilot_files_write(&u->cx, dir, STR("x"), STR("")), CODE_ALREADY_EXISTS);
    assert_code(&u->cx, copilot_files_write(&u->cx, dir, STR("../x"), STR("")), CODE_INVALID_ARGUMENT);
    assert_ok(&u->cx, copilot_files_read(&u->cx, dir, STR("x"), 5, &got));
    assert_str_equal(got, "hello");
    assert_code(&u->cx, copilot_files_read(&u->cx, dir, STR("x"), 4, &got), CODE_FAILED_PRECONDITION);
    assert_ok(&u->cx, copilot_files_mkdir(&u->cx, dir, STR("b"), &fd));
    close(fd);
    assert_ok(&u->cx, copilot_files_list(&u->cx, dir, 2, &names, &n));
    assert_int_equal(n, 2);
    assert_str_equal(names[0], "b");
    assert_code(&u->cx, copilot_files_list(&u->cx, dir, 1, &names, &n), CODE_FAILED_PRECONDITION);
    assert_int_equal(copilot_files_kind(dir, STR("x")), COPILOT_FILE);
    assert_int_equal(copilot_files_kind(dir, STR("b")), COPILOT_FOLDER);
    assert_int_equal(copilot_files_kind(dir, STR("../x")), COPILOT_ABSENT);
    unlinkat(dir, "x", 0);
    unlinkat(dir, "b", AT_REMOVEDIR);
    close(dir);
    rmdir(path);
}

static void test_links_and_pipes(void **state)
{
    struct unit *u = *state;
    char path[64];
    int dir = folder(path), fd = -1;
    int64_t size;
    str got;
    assert_int_equal(symlinkat("/etc/passwd", dir, "link"), 0);
    assert_int_equal(symlinkat("/etc", dir, "folder"), 0);
    assert_int_equal(mkfifoat(dir, "pipe", 0600), 0);
    assert_int_equal(copilot_files_kind(dir, STR("link")), COPILOT_OTHER);
    assert_code(&u->cx, copilot_files_read(&u->cx, dir, STR("link"), 1 << 20, &got), CODE_FAILED_PRECONDITION);
    assert_non_null(strstr(u->cx.err.msg, "symbolic link"));
    assert_code(&u->cx, copilot_files_open_folder(&u->cx, dir, STR("folder"), &fd), CODE_FAILED_PRECONDITION);
    assert_code(&u->cx, copilot_files_open(&u->cx, dir, STR("pipe"), &fd, &size), CODE_FAILED_PRECONDITION);
    close(fd);
    unlinkat(dir, "link", 0);
    unlinkat(dir, "folder", 0);
    unlinkat(dir, "pipe", 0);
    close(dir);
    rmdir(path);
}

int main(void)
{
    const struct CMUnitTest tests[] = {unit_test(test_names), unit_test(test_write_and_read),
                                       unit_test(test_links_and_pipes)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}

#include "base/file.h"
#include "base/tree.h"
#include "unit.h"

#include <sys/stat.h>
#include <unistd.h>

static char folder[] = "/tmp/tern-tree-test-XXXXXX";

static int make_folder(void **state)
{
    (void)state;
    return mkdtemp(folder) ? 0 : -1;
}

static int remove_folder(void **state)
{
    (void)state;
    return tree_remove(folder) ? 0 : -1;
}

static const char *at(struct unit *u, const char *name)
{
    return arena_printf(&u->mem, "%s/%s", folder, name).p;
}

static void put(struct unit *u, const char *name, str bytes)
{
    str path = str_from(at(u, name));
    assert_ok(&u->cx, file_mkdirs(&u->cx, arena_cstr(&u->mem, str_head(path, str_rfind_char(path, '/'))), 0755));
    assert_ok(&u->cx, file_write(&u->cx, path.p, bytes, 0644));
}

static bool there(struct unit *u, const char *name)
{
    struct stat st;
    return lstat(at(u, name), &st) == 0;
}

static void removing_leaves_nothing_and_follows_no_link(void **state)
{
    struct unit *u = *state;
    put(u, "kept/file", STR("x"));
    put(u, "a/b/c", STR("x"));
    assert_int_equal(symlink(at(u, "kept"), at(u, "a/link")), 0);
    assert_int_equal(symlink(at(u, "kept"), at(u, "link")), 0);
    assert_true(tree_remove(at(u, "a")));
    assert_true(tree_remove(at(u, "link")));
    assert_true(tree_remove(at(u, "never/was")));
    assert_false(there(u, "a"));
    assert_false(there(u, "link"));
    assert_true(there(u, "kept/file"));
}

static void what_is_locked_or_deep_is_removed_too(void **state)
{
    struct unit *u = *state;
    put(u, "locked/in/file", STR("x"));
    assert_int_equal(chmod(at(u, "locked/in"), 0), 0);
    assert_int_equal(chmod(at(u, "locked"), 0500), 0);
    assert_true(tree_remove(at(u, "locked")));
    assert_int_equal(mkdir(at(u, "deep"), 0700), 0);
    assert_int_equal(chdir(at(u, "deep")), 0);
    for (int i = 0; i < 3000; i++) /* longer than any path may be */
        if (mkdir("d", 0700) != 0 || chdir("d") != 0)
            fail_msg("cannot make a deep folder");
    assert_int_equal(chdir("/"), 0);
    assert_true(tree_remove(at(u, "deep")));
    assert_false(there(u, "deep"));
}

static void a_copy_has_the_same_files(void **state)
{
    struct unit *u = *state;
    str got;
    struct stat st;
    put(u, "from/a/b", STR("new"));
    put(u, "from/run.sh", STR("#!/bin/sh\n"));
    assert_int_equal(chmod(at(u, "from/run.sh"), 0755), 0);
    assert_int_equal(symlink("a/b", at(u, "from/link")), 0);
    assert_int_equal(mkfifo(at(u, "from/pipe"), 0600), 0);
    put(u, "to/a/b", STR("old, and longer"));
    put(u, "to/a/kept", STR("kept"));
    assert_ok(&u->cx, tree_copy(&u->cx, at(u, "from"), at(u, "to")));
    assert_ok(&u->cx, tree_copy(&u->cx, at(u, "from"), at(u, "to"))); /* again, over what is there */
    assert_ok(&u->cx, file_read(&u->cx, at(u, "to/a/b"), 100, &got));
    assert_true(str_eq(got, STR("new")));
    assert_true(there(u, "to/a/kept"));
    assert_false(there(u, "to/pipe"));
    assert_int_equal(stat(at(u, "to/run.sh"), &st), 0);
    assert_int_equal(st.st_mode & 0777, 0755);
    assert_int_equal(lstat(at(u, "to/link"), &st), 0);
    assert_true(S_ISLNK(st.st_mode));
    assert_code(&u->cx, tree_copy(&u->cx, at(u, "none"), at(u, "to")), CODE_NOT_FOUND);
}

static void writing_to_a_copy_leaves_the_original(void **state)
{
    struct unit *u = *state;
    str got;
    put(u, "one", STR("one"));
    assert_ok(&u->cx, tree_copy_file(&u->cx, at(u, "one"), at(u, "two")));
    FILE *f = fopen(at(u, "two"), "r+");
    assert_non_null(f);
    fputs("two", f);
    fclose(f);
    assert_ok(&u->cx, file_read(&u->cx, at(u, "one"), 100, &got));
    assert_true(str_eq(got, STR("one")));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        unit_test(removing_leaves_nothing_and_follows_no_link),
        unit_test(what_is_locked_or_deep_is_removed_too),
        unit_test(a_copy_has_the_same_files),
        unit_test(writing_to_a_copy_leaves_the_original),
    };
    return cmocka_run_group_tests(tests, make_folder, remove_folder);
}

/* Which Python runs a task: the order of D-24, and what is read of an environment. */
#include "exec/python.h"

#include "unit.h"

#include "base/file.h"
#include "base/tree.h"

#include <sys/stat.h>
#include <unistd.h>

static str root;

static void put(struct unit *u, const char *name, str text, mode_t mode)
{
    str path = arena_printf(&u->mem, STR_FMT "/%s", STR_ARG(root), name);
    str dir = arena_str(&u->mem, str_head(path, str_rfind_char(path, '/')));
    assert_ok(&u->cx, file_mkdirs(&u->cx, dir.p, 0700));
    assert_ok(&u->cx, file_write(&u->cx, path.p, text, mode));
}

static void make_venv(struct unit *u, const char *name, const char *first_line, const char *version)
{
    put(u, arena_printf(&u->mem, "%s/bin/a0", name).p, arena_printf(&u->mem, "%s\nimport re\n", first_line), 0755);
    put(u, arena_printf(&u->mem, "%s/lib/python3.11/site-packages/flyte/__init__.py", name).p, STR(""), 0644);
    put(u, arena_printf(&u->mem, "%s/lib/python3.11/site-packages/flyte-%s.dist-info/METADATA", name, version).p,
        STR(""), 0644);
}

static str at(struct unit *u, const char *name)
{
    return arena_printf(&u->mem, STR_FMT "/%s", STR_ARG(root), name);
}

static void order_of_the_ways(void **state)
{
    struct unit *u = *state;
    struct exec_python_cache *c = exec_python_cache_new();
    struct exec_python py;
    str image = STR("local/flyte:abc");
    const char *names[] = {"configured", "image", "virtual", "path"};
    char dir[] = "/tmp/tern-python-XXXXXX";
    root = arena_str(&u->mem, str_from(mkdtemp(dir)));
    for (int i = 0; i < 4; i++)
        make_venv(u, names[i], "#!/opt/x/bin/python3 -sE", "2.12.1");
    assert_ok(&u->cx, file_mkdirs(&u->cx, at(u, "data/venvs").p, 0700));
    assert_int_equal(symlink(at(u, "image").p, exec_python_image_path(&u->cx, at(u, "data"), image).p), 0);
    setenv("VIRTUAL_ENV", at(u, "virtual").p, 1);
    setenv("PATH", arena_printf(&u->mem, "/nowhere:%s/bin:/bin", at(u, "path").p).p, 1);
    assert_ok(&u->cx, exec_python_find(&u->cx, c, at(u, "data"), at(u, "configured"), image, &py));
    assert_str_equal(py.a0, at(u, "configured/bin/a0").p);
    assert_ok(&u->cx, exec_python_find(&u->cx, c, at(u, "data"), at(u, "configured/bin/python3"), image, &py));
    assert_str_equal(py.a0, at(u, "configured/bin/a0").p);
    assert_ok(&u->cx, exec_python_find(&u->cx, c, at(u, "data"), STR_NONE, image, &py));
    assert_str_equal(py.a0, at(u, "image/bin/a0").p);
    assert_ok(&u->cx, exec_python_find(&u->cx, c, at(u, "data"), STR_NONE, STR("another"), &py));
    assert_str_equal(py.a0, at(u, "virtual/bin/a0").p);
    assert_str_equal(py.source, "VIRTUAL_ENV");
    assert_str_equal(py.interpreter, "/opt/x/bin/python3 -sE");
    assert_str_equal(py.sdk_version, "2.12.1");
    unsetenv("VIRTUAL_ENV");
    assert_ok(&u->cx, exec_python_find(&u->cx, c, at(u, "data"), STR_NONE, image, &py));
    assert_ok(&u->cx, exec_python_find(&u->cx, c, at(u, "data"), STR_NONE, STR_NONE, &py));
    assert_str_equal(py.bin_dir, at(u, "path/bin").p);
    setenv("PATH", "/bin", 1);
    assert_code(&u->cx, exec_python_find(&u->cx, c, at(u, "data"), STR_NONE, STR_NONE, &py), CODE_FAILED_PRECONDITION);
    assert_code(&u->cx, exec_python_find(&u->cx, c, at(u, "data"), at(u, "nothing"), image, &py),
                CODE_FAILED_PRECONDITION);
    exec_python_cache_free(c);
}

static void changes_are_noticed(void **state)
{
    struct unit *u = *state;
    struct exec_python_cache *c = exec_python_cache_new();
    struct exec_python py;
    char dir[] = "/tmp/tern-python-XXXXXX";
    root = arena_str(&u->mem, str_from(mkdtemp(dir)));
    make_venv(u, "v", "#!/usr/bin/env python3", "2.6.6");
    assert_ok(&u->cx, exec_python_find(&u->cx, c, root, at(u, "v"), STR_NONE, &py));
    assert_str_equal(py.interpreter, ""); /* not an interpreter by itself: never warm */
    assert_str_equal(py.sdk_version, "2.6.6");
    unlink(at(u, "v/lib/python3.11/site-packages/flyte-2.6.6.dist-info/METADATA").p);
    rmdir(at(u, "v/lib/python3.11/site-packages/flyte-2.6.6.dist-info").p);
    make_venv(u, "v", "#!/v/bin/python3.12", "2.12.1");
    assert_ok(&u->cx, exec_python_find(&u->cx, c, root, at(u, "v"), STR_NONE, &py));
    assert_str_equal(py.interpreter, "/v/bin/python3.12");
    assert_str_equal(py.sdk_version, "2.12.1");
    exec_python_cache_free(c);
}

/* exec.local.uv: beside the Python, then on PATH; a path is taken as it is. */
static void which_uv(void **state)
{
    struct unit *u = *state;
    char dir[] = "/tmp/tern-python-XXXXXX";
    root = arena_str(&u->mem, str_from(mkdtemp(dir)));
    put(u, "venv/bin/uv", STR("#!/bin/sh\n"), 0755);
    put(u, "path/bin/uv", STR("#!/bin/sh\n"), 0755);
    put(u, "plain/bin/uv", STR("no program"), 0644);
    str beside = at(u, "venv/bin/uv"), path = at(u, "path/bin/uv");
    const struct {
        const char *setting, *bin;
        bool on_path;
        const char *uv;
    } rows[] = {
        {"auto", "venv/bin", true, beside.p}, {"auto", "plain/bin", true, path.p},
        {"auto", "plain/bin", false, ""},     {"", "plain/bin", true, path.p},
        {"none", "venv/bin", true, ""},       {"uv", "venv/bin", true, path.p},
        {"uv", "venv/bin", false, "uv"},      {"/not/uv", "venv/bin", true, "/not/uv"},
    };
    for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
        setenv("PATH", rows[i].on_path ? at(u, "path/bin").p : "/nowhere", 1);
        str uv = exec_python_uv(&u->cx, str_from(rows[i].setting), at(u, rows[i].bin));
        assert_string_equal(arena_cstr(&u->mem, uv), rows[i].uv);
    }
}

static int teardown(void **state)
{
    if (!tree_remove(root.p))
        return 1;
    return unit_teardown(state);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(order_of_the_ways, unit_setup, teardown),
        cmocka_unit_test_setup_teardown(changes_are_noticed, unit_setup, teardown),
        cmocka_unit_test_setup_teardown(which_uv, unit_setup, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

/* Which container runtime is used. */
#include "exec/container.h"

#include "exec/container_int.h"
#include "unit.h"

#include <sys/stat.h>
#include <unistd.h>

static char folder[64];

static void put(const char *name, mode_t mode)
{
    char path[128];
    snprintf(path, sizeof(path), "%s/%s", folder, name);
    FILE *f = fopen(path, "w");
    assert_non_null(f);
    fclose(f);
    chmod(path, mode);
}

static void drop(const char *name)
{
    char path[128];
    snprintf(path, sizeof(path), "%s/%s", folder, name);
    unlink(path);
}

static int setup(void **state)
{
    snprintf(folder, sizeof(folder), "/tmp/tern-runtime-XXXXXX");
    if (!mkdtemp(folder))
        return -1;
    setenv("PATH", folder, 1);
    return unit_setup(state);
}

static int teardown(void **state)
{
    const char *const names[] = {"podman", "docker", "nerdctl"};
    for (size_t i = 0; i < 3; i++)
        drop(names[i]);
    rmdir(folder);
    return unit_teardown(state);
}

static void test_the_first_that_is_there(void **state)
{
    struct unit *u = *state;
    struct exec_container_runtime r;
    assert_code(&u->cx, exec_container_find(&u->cx, STR("auto"), &r), CODE_FAILED_PRECONDITION);
    assert_non_null(strstr(u->cx.err.msg, "apt install podman"));
    assert_non_null(strstr(u->cx.err.msg, "exec.local.container_runtime"));
    put("nerdctl", 0755);
    assert_ok(&u->cx, exec_container_find(&u->cx, STR("auto"), &r));
    assert_int_equal(r.kind, EXEC_CONTAINER_NERDCTL);
    put("docker", 0755);
    put("podman", 0644); /* no program */
    assert_ok(&u->cx, exec_container_find(&u->cx, STR("auto"), &r));
    assert_true(str_ends(r.path, STR("/docker")) && str_starts(r.path, str_from(folder)));
    assert_ok(&u->cx, exec_container_find(&u->cx, STR("nerdctl"), &r));
    assert_int_equal(r.kind, EXEC_CONTAINER_NERDCTL);
}

static void test_what_was_chosen_is_not_there(void **state)
{
    struct unit *u = *state;
    struct exec_container_runtime r;
    put("docker", 0755);
    assert_code(&u->cx, exec_container_find(&u->cx, STR("podman"), &r), CODE_FAILED_PRECONDITION);
    assert_non_null(strstr(u->cx.err.msg, "\"podman\""));
    assert_code(&u->cx, exec_container_find(&u->cx, STR("/nowhere/podman"), &r), CODE_FAILED_PRECONDITION);
    assert_code(&u->cx, exec_container_find(&u->cx, STR("none"), &r), CODE_FAILED_PRECONDITION);
    assert_non_null(strstr(u->cx.err.msg, "switched off"));
}

static void test_names(void **state)
{
    struct unit *u = *state;
    assert_int_equal(exec_container_kind_of(STR("/opt/x/podman-4")), EXEC_CONTAINER_PODMAN);
    assert_int_equal(exec_container_kind_of(STR("/podman/runner")), EXEC_CONTAINER_DOCKER);
    assert_true(exec_container_reads(STR("DOCKER_HOST")));
    assert_true(exec_container_reads(STR("LD_PRELOAD")));
    assert_true(exec_container_reads(STR("PATH")));
    assert_false(exec_container_reads(STR("PATHS")));
    assert_false(exec_container_reads(STR("COLOUR")));
    assert_ok(&u->cx, exec_container_check_image(&u->cx, STR("ghcr.io/a/b:1@sha256:00")));
    assert_code(&u->cx, exec_container_check_image(&u->cx, STR("--privileged")), CODE_INVALID_ARGUMENT);
    assert_code(&u->cx, exec_container_check_image(&u->cx, STR("a b")), CODE_INVALID_ARGUMENT);
    assert_code(&u->cx, exec_container_check_image(&u->cx, STR("")), CODE_INVALID_ARGUMENT);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_the_first_that_is_there, setup, teardown),
        cmocka_unit_test_setup_teardown(test_what_was_chosen_is_not_there, setup, teardown),
        cmocka_unit_test_setup_teardown(test_names, setup, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

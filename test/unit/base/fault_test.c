/* Fault points: each action at its pass and no other. The points are compiled in here whatever the mode of the build.
 */
#undef TERN_FAULTS
#define TERN_FAULTS
#include "base/fault.c"

#include "unit.h"

#include <sys/wait.h>
#include <unistd.h>

/* Passes the point n times in a process of its own with TERN_FAULT=spec; its status, and which passes failed as bits.
 */
static int run(const char *spec, const char *point, int n, int *failed)
{
    int status, bits = 0, ends[2];
    assert_int_equal(pipe(ends), 0);
    pid_t pid = fork();
    if (pid == 0) {
        if (!freopen("/dev/null", "w", stderr))
            _exit(9);
        setenv("TERN_FAULT", spec, 1);
        for (int i = 1; i <= n; i++) {
            bits |= fault_point(point) << i;
            if (write(ends[1], &bits, sizeof(bits)) != sizeof(bits))
                _exit(8);
        }
        _exit(0);
    }
    close(ends[1]);
    *failed = 0;
    for (; read(ends[0], &bits, sizeof(bits)) == sizeof(bits); *failed = bits)
        ;
    close(ends[0]);
    assert_int_equal(waitpid(pid, &status, 0), pid);
    return status;
}

static void each_action_at_its_pass(void **state)
{
    int failed, status;
    (void)state;
    assert_int_equal(run("", "a", 5, &failed), 0);
    assert_int_equal(failed, 0);
    assert_int_equal(run("a=fail", "a", 3, &failed), 0);
    assert_int_equal(failed, 1 << 1);
    assert_int_equal(run("b=kill,a:3=fail", "a", 5, &failed), 0);
    assert_int_equal(failed, 1 << 3);
    assert_int_equal(run("a:2+=fail", "a", 4, &failed), 0);
    assert_int_equal(failed, 1 << 2 | 1 << 3 | 1 << 4);
    assert_int_equal(run("a:2=fail,a:3=fail", "a", 4, &failed), 0);
    assert_int_equal(failed, 1 << 2 | 1 << 3);
    status = run("a:2=fail,a:4=kill", "a", 9, &failed);
    assert_true(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL);
    assert_int_equal(failed, 1 << 2);
    assert_int_equal(run("ab=kill", "a", 3, &failed), 0);
    assert_int_equal(run("a@b=kill", "a", 3, &failed), 0);
    assert_int_equal(run("a@a:2=fail", "a", 5, &failed), 0); /* the pass that begins the count is not counted */
    assert_int_equal(failed, 1 << 3);
}

static void nonsense_ends_the_process(void **state)
{
    static const char *const bad[] = {"a",       "a=explode",      "=kill",   "a:0=kill", "a:x=kill",
                                      "a:=kill", "a=kill,,b=kill", "@b=kill", "a@=kill"};
    int failed;
    (void)state;
    for (size_t i = 0; i < sizeof(bad) / sizeof(*bad); i++) {
        int status = run(bad[i], "never", 1, &failed);
        if (!WIFSIGNALED(status) || WTERMSIG(status) != SIGABRT)
            fail_msg("\"%s\" was accepted", bad[i]);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_action_at_its_pass),
        cmocka_unit_test(nonsense_ends_the_process),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

/* The running server's file, and `tern stop`, against real processes. */
#include "base/file.h"
#include "cli/cli.h"
#include "cli/state.h"
#include "unit.h"

#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

static char folder[] = "/tmp/tern-state-test-XXXXXX";

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

static void write_state(struct unit *u, int64_t pid, int64_t start)
{
    str text = arena_printf(&u->mem, "{\"pid\": %lld, \"start_time\": %lld, \"api\": \"localhost:1\"}", (long long)pid,
                            (long long)start);
    assert_ok(&u->cx, file_mkdirs(&u->cx, arena_printf(&u->mem, "%s/run", folder).p, 0700));
    assert_ok(&u->cx, file_write(&u->cx, arena_printf(&u->mem, "%s/run/server.json", folder).p, text, 0600));
}

static pid_t sleeper(void)
{
    pid_t pid = fork();
    if (pid == 0) {
        pause();
        _exit(0);
    }
    return pid;
}

static enum code run_stop(struct unit *u)
{
    char *argv[] = {"stop", "--data", folder, NULL};
    return cli_cmd_stop(&u->cx, 3, argv);
}

static void this_process_is_found(void **state)
{
    struct unit *u = *state;
    struct cli_state *s;
    assert_ok(&u->cx, cli_state_write(&u->cx, str_from(folder), STR("a:1"), STR("b:2")));
    assert_ok(&u->cx, cli_state_find(&u->cx, str_from(folder), &s));
    assert_int_equal(s->pid, getpid());
    assert_str_equal(s->api, "a:1");
    assert_str_equal(s->s3, "b:2");
    cli_state_remove(&u->cx, str_from(folder));
    assert_ok(&u->cx, cli_state_find(&u->cx, str_from(folder), &s));
    assert_null(s);
}

static void a_reused_pid_is_not_believed(void **state)
{
    struct unit *u = *state;
    struct cli_state *s;
    int64_t start;
    pid_t pid = sleeper();
    assert_true(cli_state_start_time(&u->cx, pid, &start));
    write_state(u, pid, start - 1);
    assert_ok(&u->cx, cli_state_find(&u->cx, str_from(folder), &s));
    assert_null(s);
    assert_ok(&u->cx, run_stop(u));
    assert_int_equal(waitpid(pid, NULL, WNOHANG), 0); /* it lives */
    kill(pid, SIGKILL);
    waitpid(pid, NULL, 0);
    assert_false(cli_state_start_time(&u->cx, pid, &start));
    assert_false(cli_state_start_time(&u->cx, -1, &start));
}

static void stop_ends_the_process_and_waits(void **state)
{
    struct unit *u = *state;
    int64_t start;
    int status;
    pid_t pid = sleeper();
    assert_true(cli_state_start_time(&u->cx, pid, &start));
    write_state(u, pid, start);
    assert_ok(&u->cx, run_stop(u));
    assert_int_equal(waitpid(pid, &status, WNOHANG), pid); /* has ended already */
    assert_true(WIFSIGNALED(status) && WTERMSIG(status) == SIGTERM);
    assert_ok(&u->cx, run_stop(u));
}

static void a_damaged_file_is_said(void **state)
{
    struct unit *u = *state;
    assert_ok(&u->cx,
              file_write(&u->cx, arena_printf(&u->mem, "%s/run/server.json", folder).p, STR("{\"pid\": \"1\"}"), 0600));
    assert_code(&u->cx, run_stop(u), CODE_DATA_LOSS);
}

int main(void)
{
    const struct CMUnitTest tests[] = {unit_test(this_process_is_found), unit_test(a_reused_pid_is_not_believed),
                                       unit_test(stop_ends_the_process_and_waits), unit_test(a_damaged_file_is_said)};
    return cmocka_run_group_tests(tests, make_folder, remove_folder);
}

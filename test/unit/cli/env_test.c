/* `tern env`: what it prints is a key that the object store recognises as a reader's. */
#include "base/file.h"
#include "cli/cli.h"
#include "cli/state.h"
#include "object/keys_int.h"
#include "unit.h"

#include <unistd.h>

static char folder[] = "/tmp/tern-env-test-XXXXXX";

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

/* Standard output of the command. */
static str output(struct unit *u, int argc, char **argv)
{
    int fds[2], saved = dup(1);
    char *bytes = arena_alloc(&u->mem, 65536);
    assert_int_equal(pipe(fds), 0);
    fflush(stdout);
    dup2(fds[1], 1);
    close(fds[1]);
    enum code code = cli_cmd_env(&u->cx, argc, argv);
    dup2(saved, 1);
    close(saved);
    ssize_t n = read(fds[0], bytes, 65536);
    close(fds[0]);
    assert_ok(&u->cx, code);
    return str_make(bytes, n > 0 ? (size_t)n : 0);
}

static str value(str all, const char *name)
{
    str line, head, tail, start = str_from(name);
    while (str_next(&all, '\n', &line))
        if (str_cut(line, '=', &head, &tail) && str_starts(head, STR("export ")) && str_eq(str_skip(head, 7), start))
            return tail;
    return STR("");
}

static void the_keys_are_a_readers(void **state)
{
    struct unit *u = *state;
    struct object_scope scope;
    uint8_t server_key[OBJECT_SERVER_KEY_SIZE];
    char secret[OBJECT_SECRET_SIZE];
    char *argv[] = {"env", "--data", folder, "--project", "p1", NULL};
    assert_ok(&u->cx, cli_state_write(&u->cx, str_from(folder), STR("localhost:1"), STR("localhost:2")));
    str out = output(u, 5, argv);
    assert_str_equal(value(out, "FLYTE_AWS_ENDPOINT"), "http://localhost:2");
    str id = value(out, "FLYTE_AWS_ACCESS_KEY_ID");
    assert_true(object_keys_scope(&u->mem, id, &scope));
    assert_int_equal(scope.kind, OBJECT_KEY_READER);
    assert_str_equal(scope.project, "p1");
    assert_int_equal(scope.domain.n, 0);
    assert_ok(&u->cx, object_keys_load(&u->cx, folder, server_key));
    object_keys_secret(server_key, id, secret);
    assert_true(str_eq(value(out, "FLYTE_AWS_SECRET_ACCESS_KEY"), str_make(secret, sizeof(secret))));
}

int main(void)
{
    const struct CMUnitTest tests[] = {unit_test(the_keys_are_a_readers)};
    return cmocka_run_group_tests(tests, make_folder, remove_folder);
}

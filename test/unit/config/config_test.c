#include "base/file.h"
#include "base/time.h"
#include "config/config.h"
#include "config/key_int.h"
#include "unit.h"

#include <ctype.h>
#include <unistd.h>

static char folder[] = "/tmp/tern-config-test-XXXXXX";

static int make_folder(void **state)
{
    (void)state;
    if (!mkdtemp(folder))
        return -1;
    unsetenv("XDG_CONFIG_HOME");
    unsetenv("TERN_CONFIG");
    for (size_t i = 0; i < CONFIG_COUNT_; i++) {
        struct arena mem;
        arena_init(&mem, 0);
        unsetenv(config_key_env(&mem, &config_keys[i]).p);
        arena_done(&mem);
    }
    setenv("HOME", folder, 1);
    return 0;
}

static int remove_folder(void **state)
{
    char cmd[100];
    (void)state;
    snprintf(cmd, sizeof(cmd), "/bin/rm -rf '%s'", folder);
    return system(cmd);
}

/* config_load() with these arguments after the command's name. */
static enum code load(struct unit *u, struct config **c, int *left, const char *const args[])
{
    static char *argv[32];
    int argc = 1;
    argv[0] = arena_cstr(&u->mem, STR("serve"));
    for (; args && args[argc - 1]; argc++)
        argv[argc] = arena_cstr(&u->mem, str_from(args[argc - 1]));
    argv[argc] = NULL;
    enum code code = config_load(&u->cx, &argc, argv, c);
    if (left)
        *left = argc;
    return code;
}
#define ARGS(...) ((const char *const[]){__VA_ARGS__, NULL})

static const char *write_file(struct unit *u, const char *name, const char *text)
{
    const char *path = arena_printf(&u->mem, "%s/%s", folder, name).p;
    assert_ok(&u->cx, file_write(&u->cx, path, str_from(text), 0600));
    return path;
}

static void defaults(void **state)
{
    struct unit *u = *state;
    struct config *c;
    assert_ok(&u->cx, load(u, &c, NULL, NULL));
    assert_str_equal(c->server_listen, "localhost:30080");
    assert_str_equal(c->server_s3_listen, "localhost:30002");
    assert_str_equal(c->data, arena_printf(&u->mem, "%s/.local/share/tern", folder).p);
    assert_int_equal(c->limits_message_bytes, 64 << 20);
    assert_int_equal(c->retention_runs_ns, 90 * 86400 * NS_PER_S);
    assert_true(c->exec_local_warm_pool);
    assert_int_equal(c->projects_seed.n, 1);
    assert_str_equal(c->projects_seed.p[0], "flytesnacks");
    assert_int_equal(c->file.n, 0);
}

static void flags_win_over_environment_over_file(void **state)
{
    struct unit *u = *state;
    struct config *c;
    const char *file = write_file(u, "p.yaml", "server: {listen: 'a:1', s3_listen: 'a:2'}\nlog: {level: debug}\n");
    setenv("TERN_SERVER_LISTEN", "b:1", 1);
    setenv("TERN_LOG_LEVEL", "warn", 1);
    assert_ok(&u->cx, load(u, &c, NULL, ARGS("--config", file, "--listen", "c:1")));
    unsetenv("TERN_SERVER_LISTEN");
    unsetenv("TERN_LOG_LEVEL");
    assert_str_equal(c->server_listen, "c:1");
    assert_str_equal(c->log_level, "warn");
    assert_str_equal(c->server_s3_listen, "a:2");
    assert_int_equal(c->source[CONFIG_server_listen], CONFIG_FROM_FLAG);
    assert_int_equal(c->source[CONFIG_log_level], CONFIG_FROM_ENV);
    assert_int_equal(c->source[CONFIG_server_s3_listen], CONFIG_FROM_FILE);
    assert_int_equal(c->source[CONFIG_data], CONFIG_FROM_DEFAULT);
}

static void the_file_is_found(void **state)
{
    struct unit *u = *state;
    struct config *c;
    assert_ok(&u->cx, file_mkdirs(&u->cx, arena_printf(&u->mem, "%s/.config/tern", folder).p, 0700));
    const char *usual = write_file(u, ".config/tern/config.yaml", "exec.local.cpus: 3\n");
    assert_ok(&u->cx, load(u, &c, NULL, NULL));
    assert_int_equal(c->exec_local_cpus, 3);
    const char *other = write_file(u, "other.yaml", "exec: {local: {cpus: 4}}\n");
    setenv("TERN_CONFIG", other, 1);
    assert_ok(&u->cx, load(u, &c, NULL, NULL));
    unsetenv("TERN_CONFIG");
    assert_int_equal(c->exec_local_cpus, 4);
    unlink(usual);
    assert_code(&u->cx, load(u, &c, NULL, ARGS("--config=/none.yaml")), CODE_NOT_FOUND);
}

static void own_flags_are_taken_and_others_stay(void **state)
{
    struct unit *u = *state;
    struct config *c;
    int left;
    assert_ok(&u->cx, load(u, &c, &left,
                           ARGS("x", "--data", "/d", "--tasks", "--allow-remote", "--log.level=error",
                                "--exec.local.warm_pool=false", "--", "--data")));
    assert_int_equal(left, 5); /* name x --tasks -- --data */
    assert_str_equal(c->data, "/d");
    assert_true(c->security_allow_remote);
    assert_false(c->exec_local_warm_pool);
    assert_str_equal(c->log_level, "error");
}

static void bad_values_say_where(void **state)
{
    struct unit *u = *state;
    struct config *c = NULL;
    static const struct {
        const char *flag, *says;
    } t[] = {
        {"--listen=nowhere", "--listen: \"nowhere\" is not an address (HOST:PORT)"},
        {"--listen=h:65536", "--listen: \"h:65536\" is not an address (HOST:PORT)"},
        {"--listen=:80", "--listen: \":80\" is not an address (HOST:PORT)"},
        {"--listen=::1:80", "--listen: \"::1:80\" is not an address (HOST:PORT)"},
        {"--listen=u@h:80", "--listen: \"u@h:80\" is not an address (HOST:PORT)"},
        {"--log.level=loud", "--log.level: \"loud\" is not one of error|warn|info|debug"},
        {"--retention.runs=-1d", "--retention.runs: \"-1d\" is not a time (for example 90s, 2h30m, 7d)"},
        {"--storage.min_free=1XB", "--storage.min_free: \"1XB\" is not a size (for example 64MiB)"},
        {"--storage.min_free=9999999TiB", "--storage.min_free: \"9999999TiB\" is not a size (for example 64MiB)"},
        {"--exec.local.cpus=-1", "--exec.local.cpus: \"-1\" is not between 0 and 65536"},
        {"--limits.message_bytes=1", "--limits.message_bytes: \"1\" is not between 65536 and 1073741824"},
        {"--exec.local.warm_pool=yes", "--exec.local.warm_pool: \"yes\" is not true or false"},
        {"--data", "--data needs a value (PATH)"},
        {"--data=", "data: a folder is needed"},
        {"--projects.seed=a,,b", "--projects.seed: \"\" is not an entry of a list"},
    };
    for (size_t i = 0; i < sizeof(t) / sizeof(*t); i++) {
        assert_code(&u->cx, load(u, &c, NULL, ARGS(t[i].flag)), CODE_INVALID_ARGUMENT);
        assert_string_equal(u->cx.err.msg, t[i].says);
    }
    setenv("TERN_DATA", "", 1);
    assert_ok(&u->cx, load(u, &c, NULL, NULL)); /* empty = not set */
    assert_true(c->data.n > 0);
    setenv("TERN_EXEC_LOCAL_CPUS", "many", 1);
    assert_code(&u->cx, load(u, &c, NULL, NULL), CODE_INVALID_ARGUMENT);
    assert_string_equal(u->cx.err.msg, "TERN_EXEC_LOCAL_CPUS: \"many\" is not a whole number");
    unsetenv("TERN_EXEC_LOCAL_CPUS");
    unsetenv("TERN_DATA");
}

static void a_bad_file_says_where(void **state)
{
    struct unit *u = *state;
    struct config *c = NULL;
    static const struct {
        const char *text, *says;
    } t[] = {
        {"server:\n  lisen: 'a:1'\n", ":2: unknown key \"server.lisen\"; did you mean \"server.listen\"?"},
        {"listen: 'a:1'\n", ":1: unknown key \"listen\"; did you mean \"server.listen\"?"},
        {"\nsomething: 1\n", ":2: unknown key \"something\""},
        {"server: 1\n", ":1: \"server\" is a section, not a value"},
        {"data:\n  x: 1\n", ":1: data: a single value is expected"},
        {"log:\n  level: [a]\n", ":2: log.level: a single value is expected"},
        {"exec:\n  local:\n    cpus: x\n", ":3: exec.local.cpus: \"x\" is not a whole number"},
        {"projects: {seed: [[a]]}\n", ":1: projects.seed: a list of single values is expected"},
        {"- a\n", ": keys and values are expected"},
        {"a: [\n", ": line 2: did not find expected node content"},
    };
    for (size_t i = 0; i < sizeof(t) / sizeof(*t); i++) {
        const char *file = write_file(u, "bad.yaml", t[i].text);
        assert_code(&u->cx, load(u, &c, NULL, ARGS("--config", file)), CODE_INVALID_ARGUMENT);
        assert_true(str_starts(str_from(u->cx.err.msg), str_from(file)));
        assert_string_equal(u->cx.err.msg + strlen(file), t[i].says);
    }
    assert_null(c);
}

static void a_free_port_for_one_is_for_both(void **state)
{
    struct unit *u = *state;
    struct config *c;
    assert_ok(&u->cx, load(u, &c, NULL, ARGS("--listen", "127.0.0.1:0")));
    assert_str_equal(c->server_s3_listen, "127.0.0.1:0");
    assert_ok(&u->cx, load(u, &c, NULL, ARGS("--listen", "127.0.0.1:0", "--s3-listen", "localhost:7")));
    assert_str_equal(c->server_s3_listen, "localhost:7");
    assert_ok(&u->cx, load(u, &c, NULL, ARGS("--listen", "[::1]:0")));
    assert_str_equal(c->server_s3_listen, "[::1]:0");
}

static str printed(struct unit *u, const struct config *c)
{
    buf b;
    buf_init_arena(&b, &u->mem, 100000);
    config_print(c, &b);
    assert_false(b.failed);
    return buf_view(&b);
}

/* What is shown, read as a file, gives the same settings: two different pieces of code must agree. */
static void what_is_shown_can_be_read(void **state)
{
    struct unit *u = *state;
    struct config *c, *again;
    assert_ok(&u->cx, load(u, &c, NULL,
                           ARGS("--listen=[::1]:8", "--projects.seed=a,b", "--retention.runs=1d2h3m4s5ms",
                                "--exec.local.python=py \"x\"", "--storage.min_free=1500MB", "--exec.local.memory=3GiB",
                                "--log.format=json", "--data=/d d")));
    const char *file = write_file(u, "shown.yaml", printed(u, c).p);
    assert_ok(&u->cx, load(u, &again, NULL, ARGS("--config", file)));
    assert_str_equal(again->server_listen, "[::1]:8");
    assert_str_equal(again->projects_seed.p[1], "b");
    assert_int_equal(again->projects_seed.n, 2);
    assert_int_equal(again->retention_runs_ns, c->retention_runs_ns);
    assert_str_equal(again->exec_local_python, "py \"x\"");
    assert_int_equal(again->storage_min_free_bytes, 1500000000);
    assert_int_equal(again->exec_local_memory_bytes, INT64_C(3) << 30);
    assert_str_equal(again->log_format, "json");
    assert_str_equal(again->data, "/d d");
    for (size_t i = 0; i < CONFIG_COUNT_; i++)
        assert_int_equal(again->source[i], CONFIG_FROM_FILE);
}

static void what_the_server_would_refuse(void **state)
{
    struct unit *u = *state;
    struct config *c;
    buf notes;
    buf_init_arena(&notes, &u->mem, 10000);
    assert_ok(&u->cx, load(u, &c, NULL, NULL));
    assert_ok(&u->cx, config_check(&u->cx, c, &notes));
    assert_int_equal(notes.n, 0);
    const char *const open[] = {"--listen=0.0.0.0:1", "--s3-listen=[::]:1", "--listen=127.example.org:1",
                                "--listen=127.1:1"};
    for (size_t i = 0; i < sizeof(open) / sizeof(*open); i++) {
        assert_ok(&u->cx, load(u, &c, NULL, ARGS(open[i])));
        assert_code(&u->cx, config_check(&u->cx, c, &notes), CODE_FAILED_PRECONDITION);
        assert_non_null(strstr(u->cx.err.msg, "--allow-remote) if you mean it"));
    }
    assert_ok(&u->cx, load(u, &c, NULL, ARGS("--listen=0.0.0.0:1", "--allow-remote")));
    assert_code(&u->cx, config_check(&u->cx, c, &notes), CODE_FAILED_PRECONDITION);
    assert_non_null(strstr(u->cx.err.msg, "--security.hosts"));
    const char *const named[] = {"--security.hosts=tern.example.org", "--listen=192.0.2.7:1"};
    for (size_t i = 0; i < sizeof(named) / sizeof(*named); i++) {
        buf_clear(&notes);
        assert_ok(&u->cx, load(u, &c, NULL, ARGS("--listen=0.0.0.0:1", "--allow-remote", named[i])));
        assert_ok(&u->cx, config_check(&u->cx, c, &notes));
        assert_non_null(strstr(buf_view(&notes).p, "whoever reaches the port can run code"));
        assert_non_null(strstr(buf_view(&notes).p, "everything is sent in the clear"));
    }
    assert_ok(&u->cx, load(u, &c, NULL, ARGS("--server.tls.cert=/x")));
    assert_code(&u->cx, config_check(&u->cx, c, &notes), CODE_FAILED_PRECONDITION);
    buf_clear(&notes);
    setenv("TERN_SERVER_LISEN", "x", 1);
    assert_ok(&u->cx, load(u, &c, NULL, NULL));
    assert_ok(&u->cx, config_check(&u->cx, c, &notes));
    unsetenv("TERN_SERVER_LISEN");
    assert_non_null(strstr(buf_view(&notes).p, "TERN_SERVER_LISEN"));
}

static bool same_name(const char *field, const struct config_key *k)
{
    size_t n = strlen(k->key);
    for (size_t i = 0; i < n; i++)
        if ((k->key[i] == '.' ? '_' : k->key[i]) != field[i])
            return false;
    const char *suffix = field + n;
    if (k->type == CONFIG_TYPE_DURATION)
        return strcmp(suffix, "_ns") == 0;
    if (k->type == CONFIG_TYPE_BYTES && !str_ends(str_from(k->key), STR("_bytes")))
        return strcmp(suffix, "_bytes") == 0;
    return suffix[0] == 0;
}

static void the_table_keeps_its_rules(void **state)
{
    struct unit *u = *state;
    static const char *const fields[] = {
#define KEY(field, ...) #field,
#include "config/keys.def"
#undef KEY
    };
    buf docs;
    buf_init_arena(&docs, &u->mem, 100000);
    config_docs(&u->mem, &docs);
    for (size_t i = 0; i < CONFIG_COUNT_; i++) {
        const struct config_key *k = &config_keys[i];
        if (!same_name(fields[i], k))
            fail_msg("%s is the field of %s", fields[i], k->key);
        if (i)
            assert_true(strcmp(config_keys[i - 1].key, k->key) < 0);
        assert_true(isupper(k->help[0]));
        assert_non_null(strstr(buf_view(&docs).p, config_key_env(&u->mem, k).p));
        assert_ptr_equal(config_key_find(str_from(k->key)), k);
    }
    assert_string_equal(config_flag_nearest(&u->mem, STR("--lisen")), "--listen");
    assert_string_equal(config_flag_nearest(&u->mem, STR("--log.levle")), "--log.level");
    assert_null(config_flag_nearest(&u->mem, STR("--qqqqqqq")));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        unit_test(defaults),
        unit_test(flags_win_over_environment_over_file),
        unit_test(the_file_is_found),
        unit_test(own_flags_are_taken_and_others_stay),
        unit_test(bad_values_say_where),
        unit_test(a_bad_file_says_where),
        unit_test(a_free_port_for_one_is_for_both),
        unit_test(what_is_shown_can_be_read),
        unit_test(what_the_server_would_refuse),
        unit_test(the_table_keeps_its_rules),
    };
    return cmocka_run_group_tests(tests, make_folder, remove_folder);
}

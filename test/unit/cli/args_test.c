#include "cli/cli.h"
#include "unit.h"

struct opts {
    bool quiet;
    str name;
    int64_t count;
};

static const struct cli_option table[] = {
    {"--quiet", CLI_FLAG, offsetof(struct opts, quiet), NULL, ""},
    {"--name", CLI_TEXT, offsetof(struct opts, name), "NAME", ""},
    {"--count", CLI_INT, offsetof(struct opts, count), "N", ""},
    {0},
};

static enum code parse(struct unit *u, struct opts *o, int *left, char **argv)
{
    int argc = 0;
    while (argv[argc])
        argc++;
    *o = (struct opts){0};
    enum code code = cli_args(&u->cx, table, o, &argc, argv, 1, 2);
    *left = argc;
    return code;
}
#define ARGV(...) ((char *[]){"cmd", __VA_ARGS__, NULL})

static void options_and_arguments(void **state)
{
    struct unit *u = *state;
    struct opts o;
    int left;
    char **argv = ARGV("a", "--name", "x", "--count=3", "--quiet", "--", "--name");
    assert_ok(&u->cx, parse(u, &o, &left, argv));
    assert_int_equal(left, 3);
    assert_string_equal(argv[1], "a");
    assert_string_equal(argv[2], "--name");
    assert_true(o.quiet);
    assert_str_equal(o.name, "x");
    assert_int_equal(o.count, 3);
    assert_ok(&u->cx, parse(u, &o, &left, ARGV("-")));
    assert_int_equal(left, 2);
}

static void wrong_calls(void **state)
{
    struct unit *u = *state;
    struct opts o;
    int left;
    assert_code(&u->cx, parse(u, &o, &left, ARGV("a", "--nmae", "x")), CODE_INVALID_ARGUMENT);
    assert_string_equal(u->cx.err.msg, "unknown option --nmae; did you mean --name?");
    assert_code(&u->cx, parse(u, &o, &left, ARGV("a", "--listn=x")), CODE_INVALID_ARGUMENT);
    assert_string_equal(u->cx.err.msg, "unknown option --listn; did you mean --listen?");
    assert_code(&u->cx, parse(u, &o, &left, ARGV("a", "-q")), CODE_INVALID_ARGUMENT);
    assert_code(&u->cx, parse(u, &o, &left, ARGV("a", "--name")), CODE_INVALID_ARGUMENT);
    assert_string_equal(u->cx.err.msg, "--name needs a value (NAME)");
    assert_code(&u->cx, parse(u, &o, &left, ARGV("a", "--quiet=1")), CODE_INVALID_ARGUMENT);
    assert_code(&u->cx, parse(u, &o, &left, ARGV("a", "--count", "-1")), CODE_INVALID_ARGUMENT);
    assert_code(&u->cx, parse(u, &o, &left, ARGV("--quiet")), CODE_INVALID_ARGUMENT);
    assert_string_equal(u->cx.err.msg, "an argument is missing");
    assert_code(&u->cx, parse(u, &o, &left, ARGV("a", "b", "c")), CODE_INVALID_ARGUMENT);
    assert_string_equal(u->cx.err.msg, "unexpected argument \"c\"");
}

int main(void)
{
    const struct CMUnitTest tests[] = {unit_test(options_and_arguments), unit_test(wrong_calls)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}

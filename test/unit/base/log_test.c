/* Log lines as they arrive at standard error. */
#include "base/json.h"
#include "base/log.h"
#include "unit.h"

#include <unistd.h>

static int saved_stderr, pipe_fds[2];

static void capture(void)
{
    fflush(stderr);
    saved_stderr = dup(2);
    assert_int_equal(pipe(pipe_fds), 0);
    dup2(pipe_fds[1], 2);
    close(pipe_fds[1]);
}

static str captured(struct unit *u)
{
    char *bytes = arena_alloc(&u->mem, 65536);
    dup2(saved_stderr, 2);
    close(saved_stderr);
    ssize_t n = read(pipe_fds[0], bytes, 65536);
    close(pipe_fds[0]);
    return str_make(bytes, n > 0 ? (size_t)n : 0);
}

static void text_lines(void **state)
{
    struct unit *u = *state;
    log_setup(LOG_LEVEL_INFO, LOG_FORMAT_TEXT);
    u->cx.fields.run = STR("r1");
    capture();
    log_debug(&u->cx, "not shown");
    log_info(&u->cx, "made", LOG_INT("n", -3), LOG_CSTR("s", "a b\"c"), LOG_CSTR("evil", "x\n\x1b[2J\xc2\x9b\xff"));
    str line = captured(u);
    assert_str_equal(str_skip(line, 24), " INFO  made run=r1 n=-3 s=\"a b\\\"c\" "
                                         "evil=x\\x0a\\x1b[2J\\xc2\\x9b\\xff\n");
    assert_int_equal(line.p[23], 'Z');
}

static void json_lines(void **state)
{
    struct unit *u = *state;
    struct json *v;
    log_setup(LOG_LEVEL_DEBUG, LOG_FORMAT_JSON);
    fail(&u->cx, CODE_NOT_FOUND, "run \"x\"\nmissing");
    capture();
    log_debug(NULL, "two\nlines", LOG_ERR(&u->cx), LOG_F64("f", 0.5), LOG_F64("bad", 1.0 / 0.0 * 0.0));
    str line = captured(u);
    assert_int_equal(str_find_char(line, '\n'), line.n - 1);
    assert_ok(&u->cx, json_parse(&u->cx, line, &v));
    assert_str_equal(json_text(json_get(v, STR("level")), STR("")), "debug");
    assert_str_equal(json_text(json_get(v, STR("msg")), STR("")), "two\nlines");
    assert_str_equal(json_text(json_get(v, STR("code")), STR("")), "not_found");
    assert_str_equal(json_text(json_get(v, STR("error")), STR("")), "run \"x\"\nmissing");
    assert_int_equal(json_get(v, STR("bad"))->kind, JSON_NULL);
}

static void long_lines_stay_well_formed(void **state)
{
    struct unit *u = *state;
    struct json *v;
    char big[20000];
    log_setup(LOG_LEVEL_INFO, LOG_FORMAT_JSON);
    memset(big, 1, sizeof(big)); /* each byte becomes six */
    str s = str_make(big, sizeof(big));
    capture();
    log_info(NULL, "big", LOG_STR("a", s), LOG_STR("b", s), LOG_STR("c", s), LOG_INT("d", 1));
    str line = captured(u);
    assert_int_equal(str_find_char(line, '\n'), line.n - 1);
    assert_ok(&u->cx, json_parse(&u->cx, line, &v));
    assert_int_equal(json_text(json_get(v, STR("a")), STR("")).n, 4096);
    assert_int_equal(json_i64(json_get(v, STR("attributes_left_out")), 0), 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {unit_test(text_lines), unit_test(json_lines),
                                       unit_test(long_lines_stay_well_formed)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}

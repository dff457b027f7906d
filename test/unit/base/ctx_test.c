#include "base/ctx.h"
#include "unit.h"

#include <errno.h>

static enum code refuses(struct ctx *cx, int n)
{
    return n > 2 ? fail(cx, CODE_OUT_OF_RANGE, "%d is over 2", n) : CODE_OK;
}

static enum code tries(struct ctx *cx, int n, int *out)
{
    TRY(refuses(cx, n));
    *out = n;
    return CODE_OK;
}

static void errors_travel(void **state)
{
    struct unit *u = *state;
    struct ctx *cx = &u->cx;
    int v = 0;
    assert_ok(cx, tries(cx, 2, &v));
    assert_int_equal(v, 2);
    assert_code(cx, tries(cx, 3, &v), CODE_OUT_OF_RANGE);
    assert_int_equal(v, 2);
    assert_string_equal(cx->err.msg, "3 is over 2");
    assert_int_equal(fail_wrap(cx, "row %d", 9), CODE_OUT_OF_RANGE);
    assert_string_equal(cx->err.msg, "row 9: 3 is over 2");
    errno = ENOSPC;
    assert_int_equal(fail_errno(cx, "write"), CODE_RESOURCE_EXHAUSTED);
    assert_string_equal(cx->err.msg, "write: No space left on device");
    ctx_clear_err(cx);
    assert_int_equal(cx->err.code, CODE_OK);
}

static void long_messages_end_at_a_character(void **state)
{
    struct unit *u = *state;
    char text[600];
    for (size_t start = 0; start < 4; start++) {
        memset(text, 'x', start);
        for (size_t i = start; i + 3 < sizeof(text); i += 3)
            memcpy(text + i, "\xe2\x82\xac", 4);
        fail(&u->cx, CODE_INTERNAL, "%s", text);
        assert_true(str_is_utf8(str_from(u->cx.err.msg)));
        assert_true(strlen(u->cx.err.msg) > ERR_MSG_MAX - 6);
    }
}

static void codes_have_their_connect_names(void **state)
{
    enum code code = CODE_OK;
    (void)state;
    assert_string_equal(code_name(CODE_FAILED_PRECONDITION), "failed_precondition");
    assert_string_equal(code_name(CODE_UNAUTHENTICATED), "unauthenticated");
    assert_string_equal(code_name((enum code)99), "unknown");
    for (int i = 0; i <= 16; i++) {
        assert_true(code_parse(str_from(code_name((enum code)i)), &code));
        assert_int_equal(code, i);
    }
    assert_false(code_parse(STR("cancelled"), &code));
}

static void details_keep_their_order(void **state)
{
    struct unit *u = *state;
    ctx_add_detail(&u->cx, STR("a.A"), STR("1"));
    ctx_add_detail(&u->cx, STR("b.B"), STR("2"));
    assert_str_equal(u->cx.err.details->type, "a.A");
    assert_str_equal(u->cx.err.details->next->value, "2");
    assert_null(u->cx.err.details->next->next);
}

int main(void)
{
    const struct CMUnitTest tests[] = {unit_test(errors_travel), unit_test(long_messages_end_at_a_character),
                                       unit_test(codes_have_their_connect_names), unit_test(details_keep_their_order)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}

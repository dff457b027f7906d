/* What every unit test needs: cmocka with the headers that it wants before it, and a ctx with an arena of its own. */
#ifndef UNIT_H
#define UNIT_H

#include "base/ctx.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

/* cmocka's fail() takes no arguments and would hide base/ctx.h's; unit_test() is an old name of its own. */
#undef fail
#undef fail_msg
#define fail_msg(...)                                                                                                  \
    do {                                                                                                               \
        print_error(__VA_ARGS__);                                                                                      \
        print_error("\n");                                                                                             \
        _fail(__FILE__, __LINE__);                                                                                     \
    } while (0)
#undef unit_test

#define assert_str_equal(s, text)                                                                                      \
    do {                                                                                                               \
        str unit_s_ = (s), unit_t_ = str_from(text);                                                                   \
        if (!str_eq(unit_s_, unit_t_))                                                                                 \
            fail_msg("\"" STR_FMT "\" is not \"" STR_FMT "\"", STR_ARG(unit_s_), STR_ARG(unit_t_));                    \
    } while (0)
/* The call succeeds; its message is shown when not. */
#define assert_ok(cx, expr)                                                                                            \
    do {                                                                                                               \
        enum code unit_c_ = (expr);                                                                                    \
        if (unit_c_ != CODE_OK)                                                                                        \
            fail_msg("%s: %s: %s", #expr, code_name(unit_c_), (cx)->err.msg);                                          \
    } while (0)
#define assert_code(cx, expr, want)                                                                                    \
    do {                                                                                                               \
        enum code unit_c_ = (expr);                                                                                    \
        if (unit_c_ != (want))                                                                                         \
            fail_msg("%s: %s (%s), not %s", #expr, code_name(unit_c_), (cx)->err.msg, code_name(want));                \
    } while (0)

struct unit {
    struct arena mem;
    struct ctx cx;
};

/* cmocka set-up and tear-down: *state is a struct unit. */
static inline int unit_setup(void **state)
{
    struct unit *u = calloc(1, sizeof(*u));
    arena_init(&u->mem, 0);
    ctx_init(&u->cx, &u->mem);
    *state = u;
    return 0;
}

static inline int unit_teardown(void **state)
{
    struct unit *u = *state;
    arena_done(&u->mem);
    free(u);
    return 0;
}

#define unit_test(fn) cmocka_unit_test_setup_teardown(fn, unit_setup, unit_teardown)

#endif

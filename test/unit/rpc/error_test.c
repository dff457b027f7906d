/* Errors on the wire, read back by codecs that know nothing of error.c. */
#include "rpc/error.c"

#include "unit.h"

#include "base/codec.h"
#include "gen/google_protobuf.h"
#include "gen/google_rpc.h"

static void make(struct unit *u, enum code code, const char *msg)
{
    ctx_clear_err(&u->cx);
    (void)fail(&u->cx, code, "%s", msg);
}

static void status_decodes_as_google_rpc_status(void **state)
{
    struct unit *u = *state;
    void *decoded;
    buf b;
    make(u, CODE_NOT_FOUND, "no run \"x\"");
    char *big = arena_alloc(&u->mem, 1000);
    memset(big, 'v', 1000);
    ctx_add_detail(&u->cx, STR("google.rpc.BadRequest"), str_make(big, 1000));
    ctx_add_detail(&u->cx, STR("a.B"), STR(""));
    buf_init_arena(&b, &u->mem, 10000);
    error_put_status(&b, &u->cx.err);
    assert_ok(&u->cx, pb_decode(&u->cx, &GoogleRpcStatus_type, buf_view(&b), &decoded));
    const GoogleRpcStatus *s = decoded;
    assert_int_equal(s->code, 5);
    assert_str_equal(s->message, "no run \"x\"");
    assert_int_equal(s->details.n, 2);
    assert_str_equal(s->details.p[0]->type_url, "type.googleapis.com/google.rpc.BadRequest");
    assert_true(str_eq(s->details.p[0]->value, str_make(big, 1000)));
    assert_str_equal(s->details.p[1]->type_url, "type.googleapis.com/a.B");
    assert_int_equal(s->details.p[1]->value.n, 0);
}

static void json_is_parsed_back(void **state)
{
    struct unit *u = *state;
    struct json *j;
    str value;
    buf b;
    make(u, CODE_INVALID_ARGUMENT, "quote \" and \n line \x01");
    ctx_add_detail(&u->cx, STR("a.B"), STR("\xff\x00\x01"));
    buf_init_arena(&b, &u->mem, 10000);
    error_put_json(&b, &u->cx.err);
    assert_ok(&u->cx, json_parse(&u->cx, buf_view(&b), &j));
    assert_str_equal(json_text(json_get(j, STR("code")), STR_NONE), "invalid_argument");
    assert_str_equal(json_text(json_get(j, STR("message")), STR_NONE), "quote \" and \n line \x01");
    const struct json *detail = json_get(j, STR("details"))->first;
    assert_str_equal(json_text(json_get(detail, STR("type")), STR_NONE), "a.B");
    str text = json_text(json_get(detail, STR("value")), STR_NONE);
    assert_int_equal(str_find_char(text, '='), SIZE_MAX);
    assert_true(codec_base64_decode(&u->mem, text, &value));
    assert_true(str_eq(value, STR("\xff\x00\x01")));
    assert_null(detail->next);
}

static void an_error_without_message_has_only_a_code(void **state)
{
    struct unit *u = *state;
    buf b;
    make(u, CODE_CANCELED, "");
    buf_init_arena(&b, &u->mem, 100);
    error_put_json(&b, &u->cx.err);
    assert_str_equal(buf_view(&b), "{\"code\":\"canceled\"}");
}

/* The table of https://connectrpc.com/docs/protocol#error-codes */
static void statuses_are_those_of_the_specification(void **state)
{
    static const struct {
        const char *name;
        int status;
    } want[] = {{"canceled", 499},
                {"unknown", 500},
                {"invalid_argument", 400},
                {"deadline_exceeded", 504},
                {"not_found", 404},
                {"already_exists", 409},
                {"permission_denied", 403},
                {"resource_exhausted", 429},
                {"failed_precondition", 400},
                {"aborted", 409},
                {"out_of_range", 400},
                {"unimplemented", 501},
                {"internal", 500},
                {"unavailable", 503},
                {"data_loss", 500},
                {"unauthenticated", 401}};
    (void)state;
    for (size_t i = 0; i < sizeof(want) / sizeof(*want); i++) {
        enum code code;
        assert_true(code_parse(str_from(want[i].name), &code));
        assert_int_equal(error_status(code), want[i].status);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        unit_test(status_decodes_as_google_rpc_status),
        unit_test(json_is_parsed_back),
        unit_test(an_error_without_message_has_only_a_code),
        unit_test(statuses_are_those_of_the_specification),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

#include "gen/flyteidl2_actions.h"
#include "gen/flyteidl2_core.h"
#include "gen/flyteidl2_task.h"
#include "gen/flyteidl2_workflow.h"
#include "gen/google_protobuf.h"
#include "pb/pb.h"
#include "unit.h"

/* A literal that holds NUL bytes. */
#define BYTES(lit) ((str){lit, sizeof(lit) - 1})

static void *decode(struct unit *u, const struct pb_type *t, str data)
{
    void *msg = NULL;
    assert_ok(&u->cx, pb_decode(&u->cx, t, data, &msg));
    return msg;
}

static str encode(struct unit *u, const struct pb_type *t, const void *msg)
{
    str out;
    assert_ok(&u->cx, pb_encode(&u->cx, t, msg, &out));
    assert_int_equal(out.p[out.n], 0);
    assert_int_equal(pb_encoded_size(t, msg), out.n);
    return out;
}

static void assert_bytes(str got, str want)
{
    if (!str_eq(got, want))
        fail_msg("%zu bytes differ from the %zu expected", got.n, want.n);
}

static void strings_borrow_from_the_input(void **state)
{
    struct unit *u = *state;
    char data[] = "\x0a\x01o\x22\x02hi";
    CommonRunIdentifier *m = decode(u, &CommonRunIdentifier_type, (str){data, sizeof(data) - 1});
    assert_ptr_equal(m->org.p, data + 2);
    assert_str_equal(m->name, "hi");
    CommonRunIdentifier *copy = pb_clone(&u->mem, &CommonRunIdentifier_type, m);
    memset(data, 'x', sizeof(data));
    assert_str_equal(copy->name, "hi");
    assert_int_equal(copy->name.p[2], 0);
}

static void an_encoded_part_reads_as_the_part(void **state)
{
    struct unit *u = *state;
    char long_name[200];
    memset(long_name, 'n', sizeof(long_name));
    CommonActionIdentifier whole = {.name = STR("a0")}, given = {.name = STR("a0")};
    CommonRunIdentifier run = {.org = STR("o"), .name = {long_name, sizeof(long_name)}};
    whole.run = &run;
    pb_add_encoded(&u->mem, &given, 1, encode(u, &CommonRunIdentifier_type, &run));
    CommonActionIdentifier *read =
        decode(u, &CommonActionIdentifier_type, encode(u, &CommonActionIdentifier_type, &given));
    assert_true(pb_equal(&CommonActionIdentifier_type, read, &whole));
}

static void an_empty_input_is_an_empty_message(void **state)
{
    struct unit *u = *state;
    CommonRunIdentifier *m = decode(u, &CommonRunIdentifier_type, STR_NONE);
    assert_int_equal(m->org.n, 0);
    assert_bytes(encode(u, &CommonRunIdentifier_type, m), STR(""));
}

/* Field 1 of ActionIdentifier is a message: its parts arrive in two pieces. */
static void repeated_messages_merge(void **state)
{
    struct unit *u = *state;
    CommonActionIdentifier *m =
        decode(u, &CommonActionIdentifier_type, BYTES("\x0a\x03\x0a\x01o\x12\x01n\x0a\x06\x22\x01r\x0a\x01p"));
    assert_str_equal(m->run->org, "p");
    assert_str_equal(m->run->name, "r");
    assert_str_equal(m->name, "n");
}

static void members_of_a_oneof_replace_or_merge(void **state)
{
    struct unit *u = *state;
    /* datetime{seconds 5}, then datetime{nanos 7}: merged */
    CorePrimitive *m = decode(u, &CorePrimitive_type, BYTES("\x2a\x02\x08\x05\x2a\x02\x10\x07"));
    assert_int_equal(m->value_case, CorePrimitive_datetime_tag);
    assert_int_equal(m->datetime->seconds, 5);
    assert_int_equal(m->datetime->nanos, 7);
    /* another member between: the first is gone */
    m = decode(u, &CorePrimitive_type, BYTES("\x2a\x02\x08\x05\x08\x01\x2a\x02\x10\x07"));
    assert_int_equal(m->datetime->seconds, 0);
    assert_int_equal(m->datetime->nanos, 7);
    /* a member that is zero is set all the same */
    m = decode(u, &CorePrimitive_type, BYTES("\x2a\x00\x20\x00"));
    assert_int_equal(m->value_case, CorePrimitive_boolean_tag);
    assert_false(m->boolean);
    assert_bytes(encode(u, &CorePrimitive_type, m), BYTES("\x20\x00"));
}

static void maps_are_sorted_and_the_last_entry_wins(void **state)
{
    struct unit *u = *state;
    TaskLabels *m = decode(u, &TaskLabels_type,
                           BYTES("\x0a\x06\x0a\x01"
                                 "b\x12\x01"
                                 "1\x0a\x06\x0a\x01"
                                 "a\x12\x01"
                                 "2\x0a\x06\x0a\x01"
                                 "b\x12\x01"
                                 "3\x0a\x00"));
    assert_int_equal(m->values.n, 3);
    assert_str_equal(m->values.p[0].key, "");
    assert_str_equal(m->values.p[1].key, "a");
    assert_str_equal(m->values.p[2].key, "b");
    assert_str_equal(m->values.p[2].value, "3");
}

static void hand_made_maps_are_written_in_order(void **state)
{
    struct unit *u = *state;
    struct TaskLabels_ValuesEntry entries[] = {{STR("b"), STR("1")}, {STR("a"), STR("2")}, {STR("ab"), STR("")}};
    TaskLabels m = {.values = {entries, 3}};
    str out = encode(u, &TaskLabels_type, &m);
    assert_bytes(out, BYTES("\x0a\x06\x0a\x01"
                            "a\x12\x01"
                            "2\x0a\x06\x0a\x02"
                            "ab\x12\x00\x0a\x06\x0a\x01"
                            "b\x12\x01"
                            "1"));
    assert_true(pb_equal(&TaskLabels_type, &m, decode(u, &TaskLabels_type, out)));
    assert_str_equal(entries[0].key, "b"); /* the message itself is left as it was */
}

static void a_missing_map_value_is_an_empty_message(void **state)
{
    struct unit *u = *state;
    GoogleProtobufStruct *m = decode(u, &GoogleProtobufStruct_type, BYTES("\x0a\x03\x0a\x01k"));
    assert_int_equal(m->fields.n, 1);
    assert_non_null(m->fields.p[0].value);
}

static void unknown_fields_are_kept(void **state)
{
    struct unit *u = *state;
    str data = BYTES("\x98\x1f\x01\x0a\x01o\xa2\x1f\x02zz\xa3\x1f\x08\x01\xa4\x1f\x0d\x01\x02\x03\x04");
    CommonRunIdentifier *m = decode(u, &CommonRunIdentifier_type, data);
    assert_str_equal(m->org, "o");
    /* org (field 1, in the wrong wire type) is unknown too */
    str again = encode(u, &CommonRunIdentifier_type, m);
    assert_bytes(again, BYTES("\x0a\x01o\x98\x1f\x01\xa2\x1f\x02zz\xa3\x1f\x08\x01\xa4\x1f\x0d\x01\x02\x03\x04"));
    CommonRunIdentifier *copy = pb_clone(&u->mem, &CommonRunIdentifier_type, m);
    assert_bytes(encode(u, &CommonRunIdentifier_type, copy), again);
    assert_true(pb_equal(&CommonRunIdentifier_type, m, copy));
    assert_true(pb_equal(&CommonRunIdentifier_type, m, decode(u, &CommonRunIdentifier_type, again)));
}

static void packed_and_not_packed_are_read(void **state)
{
    struct unit *u = *state;
    /* on_phases: two packed, one alone, none packed */
    TaskInlineRule *m = decode(u, &TaskInlineRule_type, BYTES("\x0a\x02\x05\x06\x08\x07\x0a\x00"));
    assert_int_equal(m->on_phases.n, 3);
    assert_int_equal(m->on_phases.p[2], 7);
    assert_bytes(encode(u, &TaskInlineRule_type, m), BYTES("\x0a\x03\x05\x06\x07"));
}

static void presence_of_optional_fields(void **state)
{
    struct unit *u = *state;
    ActionsAction *m = decode(u, &ActionsAction_type, BYTES("\x12\x00"));
    assert_true(m->has_parent_action_name);
    assert_bytes(encode(u, &ActionsAction_type, m), BYTES("\x12\x00"));
    ActionsAction none = {0};
    assert_false(pb_equal(&ActionsAction_type, m, &none));
}

static void bad_input_is_refused_with_its_place(void **state)
{
    struct unit *u = *state;
    static const struct {
        str data;
        const char *problem;
    } t[] = {
        {BYTES("\x0a"), "RunIdentifier.org: malformed"},
        {BYTES("\x0a\x05xy"), "org: malformed"},
        {BYTES("\x0a\x02\xc3\x28"), "RunIdentifier.org: string is not valid UTF-8"},
        {BYTES("\x0a\x03\xed\xa0\x80"), "not valid UTF-8"},
        {BYTES("\x00\x00"), "field number 0"},
        {BYTES("\x0f"), "malformed"},                                                 /* wire type 7 */
        {BYTES("\x0c"), "malformed"},                                                 /* end of no group */
        {BYTES("\x0b\x14"), "malformed"},                                             /* end of another group */
        {BYTES("\x0b"), "malformed"},                                                 /* group without end */
        {BYTES("\x98\x1f\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01"), "malformed"}, /* 11 bytes */
        {BYTES("\x98\x80\x80\x80\x80\x01\x01"), "malformed"},                         /* tag of six bytes */
        {BYTES("\x0a\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01"), "malformed"},         /* length beyond all */
        {BYTES("\x9d\x1f\x01\x02\x03"), "malformed"},                                 /* 3 of 4 bytes */
        {BYTES("\x99\x1f\x01\x02\x03\x04\x05\x06\x07"), "malformed"},                 /* 7 of 8 bytes */
    };
    for (size_t i = 0; i < sizeof(t) / sizeof(*t); i++) {
        void *msg = u;
        assert_code(&u->cx, pb_decode(&u->cx, &CommonRunIdentifier_type, t[i].data, &msg), CODE_INVALID_ARGUMENT);
        assert_ptr_equal(msg, u);
        if (!strstr(u->cx.err.msg, t[i].problem))
            fail_msg("%zu: \"%s\" does not say \"%s\"", i, u->cx.err.msg, t[i].problem);
    }
}

static void memory_is_bounded_by_the_arena(void **state)
{
    struct unit *u = *state;
    struct arena small;
    struct ctx cx;
    void *msg;
    arena_init(&small, 100000);
    ctx_init(&cx, &small);
    /* Two bytes of input make an empty Value. */
    char *data = arena_alloc(&u->mem, 20000);
    for (size_t i = 0; i < 20000; i += 2)
        data[i] = 0x0a;
    assert_code(&cx, pb_decode(&cx, &GoogleProtobufListValue_type, (str){data, 20000}, &msg), CODE_RESOURCE_EXHAUSTED);
    assert_true(small.used <= 100000);
    /* Four bytes for a run of 256 MiB of bools are refused for what they are. */
    assert_code(&cx, pb_decode(&cx, &TaskInlineRule_type, BYTES("\x0a\x80\x80\x80\x80\x01"), &msg),
                CODE_INVALID_ARGUMENT);
    arena_done(&small);
    arena_init(&small, 1000);
    ctx_init(&cx, &small);
    GoogleProtobufBytesValue big = {.value = {data, 2000}};
    str out;
    assert_code(&cx, pb_encode(&cx, &GoogleProtobufBytesValue_type, &big, &out), CODE_RESOURCE_EXHAUSTED);
    arena_done(&small);
}

static void encoding_appends_within_the_bound(void **state)
{
    (void)state;
    CommonRunIdentifier m = {.org = STR("abc")};
    buf b;
    buf_init(&b, 12);
    buf_str(&b, STR("head"));
    pb_encode_to(&b, &CommonRunIdentifier_type, &m);
    assert_str_equal(buf_view(&b), "head\x0a\x03"
                                   "abc");
    pb_encode_to(&b, &CommonRunIdentifier_type, &m);
    assert_true(b.failed);
    buf_done(&b);
}

/* Null pointers inside hand-made messages are empty messages, not crashes. */
static void null_elements_are_empty_messages(void **state)
{
    struct unit *u = *state;
    CoreKeyValuePair *pairs[] = {NULL, &(CoreKeyValuePair){.key = STR("k")}};
    TaskEnvs m = {.values = {pairs, 2}};
    str text;
    assert_bytes(encode(u, &TaskEnvs_type, &m), BYTES("\x0a\x00\x0a\x03\x0a\x01k"));
    assert_ok(&u->cx, pb_json_encode(&u->cx, &TaskEnvs_type, &m, &text));
    assert_str_equal(text, "{\"values\":[{},{\"key\":\"k\"}]}");
    TaskEnvs *copy = pb_clone(&u->mem, &TaskEnvs_type, &m);
    assert_true(pb_equal(&TaskEnvs_type, &m, copy));
    assert_ok(&u->cx, pb_validate(&u->cx, &TaskEnvs_type, &m));
}

static void many_nested_lengths_are_kept(void **state)
{
    struct unit *u = *state;
    enum { N = 1000 };
    CoreKeyValuePair pair = {.key = STR("key"), .value = STR("value")}, *pairs[N];
    for (size_t i = 0; i < N; i++)
        pairs[i] = &pair;
    TaskEnvs m = {.values = {pairs, N}};
    TaskEnvs *again = decode(u, &TaskEnvs_type, encode(u, &TaskEnvs_type, &m));
    assert_true(pb_equal(&TaskEnvs_type, &m, again));
    pairs[N - 1] = &(CoreKeyValuePair){.key = STR("key"), .value = STR("valuf")};
    assert_false(pb_equal(&TaskEnvs_type, &m, again));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        unit_test(strings_borrow_from_the_input),
        unit_test(an_encoded_part_reads_as_the_part),
        unit_test(an_empty_input_is_an_empty_message),
        unit_test(repeated_messages_merge),
        unit_test(members_of_a_oneof_replace_or_merge),
        unit_test(maps_are_sorted_and_the_last_entry_wins),
        unit_test(hand_made_maps_are_written_in_order),
        unit_test(a_missing_map_value_is_an_empty_message),
        unit_test(unknown_fields_are_kept),
        unit_test(packed_and_not_packed_are_read),
        unit_test(presence_of_optional_fields),
        unit_test(bad_input_is_refused_with_its_place),
        unit_test(memory_is_bounded_by_the_arena),
        unit_test(encoding_appends_within_the_bound),
        unit_test(null_elements_are_empty_messages),
        unit_test(many_nested_lengths_are_kept),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

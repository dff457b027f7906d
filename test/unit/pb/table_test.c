#include "gen/flyteidl2_common.h"
#include "gen/services.h"
#include "pb/table.h"
#include "unit.h"

static void every_method_is_found_by_its_path(void **state)
{
    (void)state;
    assert_true(pb_method_count >= 125);
    for (size_t i = 0; i < pb_method_count; i++) {
        const struct pb_method *m = &pb_methods[i];
        char path[200];
        snprintf(path, sizeof(path), "/%s/%s", m->service, m->name);
        assert_string_equal(m->path, path);
        assert_ptr_equal(pb_method_find(str_from(path)), m);
        assert_true(!m->unary || !m->stream);
        assert_true(!m->unary || (!m->client_stream && !m->server_stream));
    }
    assert_null(pb_method_find(STR("/flyteidl2.workflow.RunService/Nope")));
    assert_null(pb_method_find(STR("")));
}

/* Facts of the published IDL about a few methods. */
static void methods_know_their_properties(void **state)
{
    (void)state;
    const struct pb_method *create = pb_method_find(STR("/flyteidl2.workflow.RunService/CreateRun"));
    const struct pb_method *watch = pb_method_find(STR("/flyteidl2.workflow.RunService/WatchActions"));
    const struct pb_method *list = pb_method_find(STR("/flyteidl2.workflow.RunService/ListRuns"));
    const struct pb_method *rest = pb_method_find(STR("/flyteidl2.connector.AsyncConnectorService/CreateTask"));
    assert_str_equal(pb_type_name(create->input), "flyteidl2.workflow.CreateRunRequest");
    assert_str_equal(pb_type_name(create->output), "flyteidl2.workflow.CreateRunResponse");
    assert_false(create->no_side_effects);
    assert_true(list->no_side_effects);
    assert_true(watch->server_stream && !watch->client_stream);
    assert_int_equal(create->http_count, 0);
    assert_int_equal(rest->http_count, 1);
    assert_string_equal(rest->http->verb, "POST");
    assert_string_equal(rest->http->path, "/api/v1/connector/task");
    assert_string_equal(rest->http->body, "*");
}

static void every_type_is_found_by_its_name(void **state)
{
    (void)state;
    const struct pb_registry *r = &pb_registry_main;
    for (size_t i = 0; i < r->type_count; i++) {
        const struct pb_type *t = r->types[i];
        assert_ptr_equal(pb_type_find(pb_type_name(t)), t);
        for (size_t j = 0; j < t->n; j++) {
            const struct pb_field *f = &t->fields[j];
            assert_true(j == 0 || f[-1].tag >> 3 < f->tag >> 3);
            assert_true(f->offset + (f->shape >= PB_REPEATED ? sizeof(struct pb_array) : 1) <= t->size);
            assert_true(pb_field_name(t, f).n > 0);
        }
    }
    assert_null(pb_type_find(STR("flyteidl2.workflow")));
    assert_null(pb_type_find(STR("flyteidl2.task.Labels.ValuesEntry")));
}

static void enum_names(void **state)
{
    (void)state;
    assert_str_equal(pb_enum_name(STR("flyteidl2.common.ActionPhase"), COMMON_ACTION_PHASE_QUEUED),
                     "ACTION_PHASE_QUEUED");
    assert_str_equal(pb_enum_name(STR("flyteidl2.common.ActionPhase"), 1000), "");
    assert_str_equal(pb_enum_name(STR("flyteidl2.common.Nope"), 0), "");
}

/* FileDescriptorSet: field 1, repeated; reflection cuts it there. */
static void the_descriptor_set_is_whole(void **state)
{
    (void)state;
    str set = pb_descriptor_set();
    size_t files = 0;
    while (set.n) {
        uint64_t n = 0;
        size_t i = 1;
        assert_int_equal(set.p[0], 0x0a);
        for (unsigned int shift = 0;; shift += 7) {
            n |= (uint64_t)((uint8_t)set.p[i] & 127) << shift;
            if ((uint8_t)set.p[i++] < 128)
                break;
        }
        assert_true(n <= set.n - i);
        set = str_skip(set, i + n);
        files++;
    }
    assert_true(files >= 96);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        unit_test(every_method_is_found_by_its_path), unit_test(methods_know_their_properties),
        unit_test(every_type_is_found_by_its_name),   unit_test(enum_names),
        unit_test(the_descriptor_set_is_whole),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

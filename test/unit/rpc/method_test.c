/* The table of policies and the routes. */
#include "rpc/method.c"

#include "unit.h"

static struct rpc *server(struct unit *u)
{
    const struct rpc_config cfg = {.message_max = (size_t)1 << 20};
    struct rpc *r;
    assert_ok(&u->cx, rpc_new(&u->cx, &cfg, &r));
    return r;
}

static void every_method_is_found_by_its_path(void **state)
{
    struct unit *u = *state;
    struct rpc *r = server(u);
    for (size_t i = 0; i < pb_method_count; i++) {
        const struct method *m = method_find(r, str_from(pb_methods[i].path));
        assert_non_null(m);
        assert_ptr_equal(m->pb, &pb_methods[i]);
        assert_int_equal(m->kind != STREAM_NONE, pb_methods[i].client_stream || pb_methods[i].server_stream);
    }
    assert_null(method_find(r, STR("")));
    assert_null(method_find(r, STR("/")));
    assert_null(method_find(r, STR("/flyteidl2.workflow.RunService/")));
    assert_null(method_find(r, STR("/flyteidl2.workflow.RunService/CreateRunX")));
    assert_null(method_find(r, STR("xflyteidl2.workflow.RunService/CreateRun/")));
    rpc_free(r);
}

static void policies_follow_the_rule_or_a_row(void **state)
{
    struct unit *u = *state;
    struct rpc *r = server(u);
    static const struct {
        const char *path;
        enum lane_kind lane;
        bool priority;
    } want[] = {
        {"/flyteidl2.workflow.RunService/CreateRun", LANE_WRITE, false},
        {"/flyteidl2.workflow.RunService/GetRunDetails", LANE_READ, false},
        {"/flyteidl2.workflow.RunService/WatchRunDetails", LANE_READ, false},
        {"/flyteidl2.dataproxy.DataProxyService/UploadInputs", LANE_WORK, false},
        {"/flyteidl2.actions.ActionsService/Enqueue", LANE_WRITE, true},
        {"/flyteidl2.workflow.InternalRunService/RecordActionStream", LANE_WRITE, false},
        {"/flyteidl2.project.ProjectService/ListProjects", LANE_READ, false},
    };
    for (size_t i = 0; i < sizeof(want) / sizeof(*want); i++) {
        const struct method *m = method_find(r, str_from(want[i].path));
        assert_non_null(m);
        assert_int_equal(m->lane, want[i].lane);
        assert_int_equal(m->priority, want[i].priority);
    }
    assert_int_equal(method_find(r, STR("/grpc.health.v1.Health/Check"))->max, 65536);
    assert_int_equal(method_find(r, STR("/flyteidl2.workflow.RunService/CreateRun"))->max, 1 << 20);
    rpc_free(r);
}

/* A method that NO_SIDE_EFFECTS promises to leave everything as it is never runs where it could write. */
static void methods_without_side_effects_cannot_write(void **state)
{
    struct unit *u = *state;
    struct rpc *r = server(u);
    for (size_t i = 0; i < r->method_count; i++)
        if (r->methods[i].pb->no_side_effects)
            assert_int_not_equal(r->methods[i].lane, LANE_WRITE);
    rpc_free(r);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        unit_test(every_method_is_found_by_its_path),
        unit_test(policies_follow_the_rule_or_a_row),
        unit_test(methods_without_side_effects_cannot_write),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

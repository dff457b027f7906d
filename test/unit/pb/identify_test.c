/* What a message is about. */
#include "gen/flyteidl2_actions.h"
#include "gen/flyteidl2_dataproxy.h"
#include "gen/flyteidl2_project.h"
#include "gen/flyteidl2_secret.h"
#include "gen/flyteidl2_trigger.h"
#include "gen/flyteidl2_workflow.h"
#include "pb/pb.h"
#include "unit.h"

static const char *about(struct unit *u, str type, const char *json)
{
    const struct pb_type *t = pb_type_find(type);
    void *msg;
    buf b;
    assert_non_null(t);
    assert_ok(&u->cx, pb_json_decode(&u->cx, t, str_from(json), false, &msg));
    buf_init_arena(&b, u->cx.mem, 512);
    if (!pb_identify(t, msg, &b))
        (void)pb_identify_by_names(t, msg, &b);
    return arena_cstr(u->cx.mem, buf_view(&b));
}

static void identifiers(void **state)
{
    struct unit *u = *state;
    assert_string_equal(
        about(u, STR("flyteidl2.workflow.AbortRunRequest"),
              "{\"runId\":{\"org\":\"o\",\"project\":\"p\",\"domain\":\"d\",\"name\":\"r\"},\"reason\":\"why\"}"),
        "p/d/r");
    assert_string_equal(
        about(u, STR("flyteidl2.workflow.CreateRunResponse"),
              "{\"run\":{\"action\":{\"id\":{\"run\":{\"project\":\"p\",\"domain\":\"d\",\"name\":\"r\"},"
              "\"name\":\"a0\"}}}}"),
        "p/d/r/a0");
    assert_string_equal(about(u, STR("flyteidl2.actions.EnqueueRequest"),
                              "{\"action\":{\"actionId\":{\"run\":{\"project\":\"p\",\"domain\":\"d\",\"name\":\"r\"},"
                              "\"name\":\"c1\"},\"parentActionName\":\"a0\",\"group\":\"g\"}}"),
                        "p/d/r/c1");
}

static void the_project_comes_before_the_domain(void **state)
{
    struct unit *u = *state;
    assert_string_equal(about(u, STR("flyteidl2.workflow.CreateRunRequest"),
                              "{\"projectId\":{\"organization\":\"o\",\"domain\":\"d\",\"name\":\"p\"}}"),
                        "p/d");
    assert_string_equal(about(u, STR("flyteidl2.secret.DeleteSecretRequest"),
                              "{\"id\":{\"domain\":\"d\",\"project\":\"p\",\"name\":\"s\"}}"),
                        "p/d/s");
    assert_string_equal(about(u, STR("flyteidl2.secret.DeleteSecretRequest"), "{\"id\":{\"name\":\"s\"}}"), "s");
}

static void the_first_of_several(void **state)
{
    struct unit *u = *state;
    assert_string_equal(about(u, STR("flyteidl2.trigger.DeleteTriggersRequest"),
                              "{\"names\":[{\"project\":\"p\",\"domain\":\"d\",\"taskName\":\"t\",\"name\":\"n\"},"
                              "{\"name\":\"m\"}]}"),
                        "p/d/n/t");
}

static void messages_without_an_identifier(void **state)
{
    struct unit *u = *state;
    assert_string_equal(about(u, STR("flyteidl2.project.CreateProjectRequest"),
                              "{\"project\":{\"id\":\"x\",\"name\":\"The X\",\"description\":\"d\"}}"),
                        "x");
    assert_string_equal(about(u, STR("flyteidl2.dataproxy.CreateUploadLocationRequest"),
                              "{\"project\":\"p\",\"domain\":\"d\",\"filename\":\"f.tgz\",\"filenameRoot\":\"z\"}"),
                        "p/d/f.tgz");
    assert_string_equal(about(u, STR("flyteidl2.workflow.AbortRunRequest"), "{}"), "");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        unit_test(identifiers),
        unit_test(the_project_comes_before_the_domain),
        unit_test(the_first_of_several),
        unit_test(messages_without_an_identifier),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

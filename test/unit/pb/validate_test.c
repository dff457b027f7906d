#include "gen/flyteidl2_workflow.h"
#include "pb/validate.c"
#include "unit.h"

/* Every rule in the tables has its code: validate.c would otherwise fail when the rule is met. */
static void every_rule_of_the_idl_is_known(void **state)
{
    (void)state;
    size_t rules = 0;
    for (size_t i = 0; i < pb_registry_main.type_count; i++) {
        const struct pb_type *t = pb_registry_main.types[i];
        for (size_t j = 0; j < t->rule_n; j++, rules++) {
            const struct pb_rule *r = &t->rules[j];
            bool known = r->op != PB_RULE_CEL && r->op != PB_RULE_PATTERN;
            for (size_t k = 0; k < sizeof(expressions) / sizeof(*expressions); k++)
                known |= r->op == PB_RULE_CEL && strcmp(r->s, expressions[k].id) == 0;
            for (size_t k = 0; k < sizeof(patterns) / sizeof(*patterns); k++)
                known |= r->op == PB_RULE_PATTERN && strcmp(r->s, patterns[k].text) == 0;
            if (!known)
                fail_msg("%s: no code for %s", t->name, r->s);
        }
    }
    assert_in_range(rules, 300, 1000);
}

struct row {
    const char *type, *json, *problem; /* NULL: passes */
};

static void check(struct unit *u, const struct row *t, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        const struct pb_type *type = pb_type_find(str_from(t[i].type));
        void *msg;
        assert_ok(&u->cx, pb_json_decode(&u->cx, type, str_from(t[i].json), false, &msg));
        ctx_clear_err(&u->cx);
        enum code code = pb_validate(&u->cx, type, msg);
        if (code != (t[i].problem ? CODE_INVALID_ARGUMENT : CODE_OK))
            fail_msg("%s %s: %s", t[i].type, t[i].json, u->cx.err.msg);
        if (t[i].problem)
            assert_string_equal(u->cx.err.msg, t[i].problem);
    }
}

#define RUN "{\"project\":\"p\",\"domain\":\"d\",\"name\":\"n\"}"

static void messages_name_the_field_by_its_path(void **state)
{
    static const struct row t[] = {
        {"flyteidl2.common.ActionIdentifier", "{\"run\":" RUN ",\"name\":\"a\"}", NULL},
        {"flyteidl2.common.ActionIdentifier", "{\"name\":\"a\"}", "run: is required"},
        {"flyteidl2.common.ActionIdentifier", "{\"run\":" RUN "}", "name: must not be empty"},
        {"flyteidl2.workflow.AbortActionRequest", "{\"actionId\":{\"run\":{\"project\":\"p\"},\"name\":\"a\"}}",
         "action_id.run.domain: must not be empty"},
        {"flyteidl2.common.ActionIdentifier", "{\"run\":" RUN ",\"name\":\"1234567890123456789012345678901\"}",
         "name: must have at most 30 characters"},
        /* characters, not bytes */
        {"flyteidl2.app.UpdateRequest",
         "{\"app\":{\"metadata\":{\"id\":{\"project\":\"p\",\"domain\":\"d\",\"name\":\"\xc3\xa4\"}},\"spec\":{}}}",
         "app.metadata.id.name: must match ^[A-Za-z0-9](?:[A-Za-z0-9-]{0,61}[A-Za-z0-9])?$"},
        {"flyteidl2.task.InlineRuleList", "{\"rules\":[{\"onPhases\":[\"ACTION_PHASE_FAILED\"]}]}",
         "rules[0].delivery: one of its members must be set"},
        {"flyteidl2.task.InlineRuleList", "{}", "rules: must have at least 1 item"},
        {"flyteidl2.notification.WebhookDeliveryTemplate",
         "{\"url\":\"u\",\"method\":1,\"headers\":{\"a\":\"b\",\"k\\\"y\":\"\"}}",
         "headers[\"k\"y\"]: must not be empty"},
        {"flyteidl2.common.PodAddress", "{\"port\":65536}", "port: must be at most 65535"},
        {"flyteidl2.core.TaskMetadata", "{\"cacheMaxAge\":\"-1s\"}", "cache_max_age: must be at least 0 seconds"},
        {"flyteidl2.common.ActionAddress", "{\"url\":\"not a uri\"}", "url: must be a URI"},
        {"flyteidl2.common.ActionAddress", "{}", NULL},
        {"flyteidl2.common.ActionAddress", "{\"url\":\"a://[::ffff:1.2.3.4]/\"}", NULL},
    };
    check(*state, t, sizeof(t) / sizeof(*t));
}

static void expressions_are_checked(void **state)
{
#define RULE(phases) "{\"onPhases\":[" phases "],\"deliveryConfigName\":\"c\"}"
    static const struct row t[] = {
        {"flyteidl2.task.InlineRule", RULE("\"ACTION_PHASE_PAUSED\""), NULL},
        {"flyteidl2.task.InlineRule", RULE("\"ACTION_PHASE_FAILED\",\"ACTION_PHASE_ABORTED\""), NULL},
        {"flyteidl2.task.InlineRule", RULE("\"ACTION_PHASE_FAILED\",\"ACTION_PHASE_PAUSED\""),
         "a rule for PAUSED must not be for other phases too"},
        {"flyteidl2.task.InlineRule", RULE("\"ACTION_PHASE_FAILED\",\"ACTION_PHASE_FAILED\""),
         "on_phases: must not repeat a value"},
        {"flyteidl2.task.InlineRule", RULE("\"ACTION_PHASE_RUNNING\""),
         "on_phases[0]: must not be ACTION_PHASE_RUNNING"},
        {"flyteidl2.task.InlineRule", RULE("77"), "on_phases[0]: unknown enum value 77"},
        {"flyteidl2.task.InlineRule", RULE(""), "on_phases: must have at least 1 item"},
        {"flyteidl2.task.InlineRuleList", "{\"rules\":[" RULE("\"ACTION_PHASE_PAUSED\",\"ACTION_PHASE_FAILED\"") "]}",
         "rules[0]: a rule for PAUSED must not be for other phases too"},
        {"flyteidl2.core.Backoff", "{\"factor\":2}", "cap is required when factor is over 1"},
        {"flyteidl2.core.Backoff", "{\"factor\":2,\"cap\":\"1s\"}", NULL},
        {"flyteidl2.core.Backoff", "{\"factor\":\"NaN\",\"cap\":\"1s\"}", "factor: must be at least 1"},
        {"flyteidl2.core.ReusePolicy", "{\"minReplicas\":3,\"maxReplicas\":2,\"concurrency\":1}",
         "max_replicas must not be less than min_replicas"},
        {"flyteidl2.common.QueueIdentifier", "{\"project\":\"p\",\"name\":\"q\"}", "a project needs a domain"},
    };
    check(*state, t, sizeof(t) / sizeof(*t));
}

/* What the real client sends although the rules forbid it (D-50). */
static void exceptions_pass(void **state)
{
    static const struct row t[] = {
        {"flyteidl2.common.ProjectIdentifier", "{\"domain\":\"d\",\"name\":\"n\"}", NULL},
        {"flyteidl2.common.RunIdentifier", RUN, NULL},
        {"flyteidl2.common.OrgIdentifier", "{}", NULL},
        {"flyteidl2.common.OrgIdentifier", "{\"name\":\"Bad\"}", "name: must match ^[a-z0-9]([-a-z0-9]*[a-z0-9])?$"},
        {"flyteidl2.cluster.SelectClusterRequest", "{\"projectId\":{},\"operation\":1}", NULL},
        {"flyteidl2.cluster.SelectClusterRequest", "{\"operation\":1}", "resource: one of its members must be set"},
        {"flyteidl2.workflow.RecordRequest", "{}", NULL},
        {"flyteidl2.workflow.TraceAction", "{\"name\":\"t\"}", NULL},
        {"flyteidl2.common.OffloadedInputData", "{\"uri\":\"s3://b/k\"}", NULL},
        {"flyteidl2.dataproxy.CreateUploadLocationRequest", "{\"project\":\"p\",\"domain\":\"d\"}", NULL},
        {"flyteidl2.dataproxy.CreateUploadLocationRequest",
         "{\"project\":\"p\",\"domain\":\"d\",\"contentMd5\":\"YWJj\"}", "content_md5: must have exactly 16 bytes"},
    };
    check(*state, t, sizeof(t) / sizeof(*t));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        unit_test(every_rule_of_the_idl_is_known),
        unit_test(messages_name_the_field_by_its_path),
        unit_test(expressions_are_checked),
        unit_test(exceptions_pass),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

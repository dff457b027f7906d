/* The small tables: specs, identities, requests, projects, tasks, secrets, cache entries, reports, states. */
#include "store/tables.h"

#include "base/time.h"
#include "store/boot.h"
#include "store/cache.h"
#include "store/identity.h"
#include "store/project.h"
#include "store/report.h"
#include "store/secret.h"
#include "store/state.h"
#include "store/task.h"
#include "store/task_name.h"

static void test_specs_are_stored_once(void **state)
{
    struct tables *t = *state;
    struct ctx *cx = t->cx;
    struct store_spec *out, other = {.kind = STORE_SPEC_TRACE, .name = STR("env.main"), .body = STR("body")};
    uint64_t a = tables_spec(cx, "env.main"), b = tables_spec(cx, "env.other");
    assert_int_equal(a, t->run.spec_id);
    assert_int_not_equal(a, b);
    assert_ok(cx, store_spec_put(cx, &other));
    assert_int_not_equal(other.id, a);
    assert_int_equal(fixture_int(cx, "SELECT count(*) FROM spec"), 3);
    assert_ok(cx, store_spec_get(cx, b, &out));
    assert_int_equal(out->kind, STORE_SPEC_TASK);
    assert_str_equal(out->name, "env.other");
    assert_str_equal(out->project, "p");
    assert_str_equal(out->version, "v1");
    assert_str_equal(out->body, "body");
    assert_code(cx, store_spec_get(cx, 1, &out), CODE_NOT_FOUND);
}

static void test_unused_specs_are_swept(void **state)
{
    struct tables *t = *state;
    struct ctx *cx = t->cx;
    uint64_t cursor = 0, unused = tables_spec(cx, "env.unused");
    struct store_spec *out;
    int pieces = 0;
    do {
        assert_ok(cx, store_spec_sweep(cx, 1, &cursor));
        pieces++;
    } while (cursor);
    assert_int_equal(pieces, 3);
    assert_code(cx, store_spec_get(cx, unused, &out), CODE_NOT_FOUND);
    assert_ok(cx, store_spec_get(cx, t->run.spec_id, &out));
}

static void test_identities(void **state)
{
    struct tables *t = *state;
    struct ctx *cx = t->cx;
    struct store_identity who;
    uint64_t a, b;
    assert_ok(cx, store_identity_put(cx, STR("uid:1"), STR("ann"), &a));
    assert_ok(cx, store_identity_put(cx, STR("uid:1"), STR("anna"), &b));
    assert_int_equal(a, b);
    assert_ok(cx, store_identity_get(cx, a, &who));
    assert_str_equal(who.name, "anna");
    assert_ok(cx, store_identity_put(cx, STR(""), STR("nobody"), &b));
    assert_int_equal(b, 0);
    assert_ok(cx, store_identity_get(cx, 0, &who));
    assert_int_equal(who.subject.n, 0);
}

static void test_requests_are_remembered(void **state)
{
    struct tables *t = *state;
    struct ctx *cx = t->cx;
    uint64_t id;
    bool more;
    assert_ok(cx, store_run_find_request(cx, STR("key1"), &id));
    assert_int_equal(id, 0);
    assert_ok(cx, store_run_put_request(cx, STR("key1"), 5, 100));
    assert_ok(cx, store_run_put_request(cx, STR("key2"), 6, 200));
    assert_ok(cx, store_run_find_request(cx, STR("key1"), &id));
    assert_int_equal(id, 5);
    assert_ok(cx, store_run_sweep_requests(cx, 150, 10, &more));
    assert_false(more);
    assert_ok(cx, store_run_find_request(cx, STR("key1"), &id));
    assert_int_equal(id, 0);
    assert_ok(cx, store_run_find_request(cx, STR("key2"), &id));
    assert_int_equal(id, 6);
}

static void test_projects(void **state)
{
    struct tables *t = *state;
    struct ctx *cx = t->cx;
    struct store_project p = {.id = STR("x"), .name = STR("X"), .created_ns = 1, .updated_ns = 1}, *out;
    assert_ok(cx, store_project_insert(cx, &p));
    assert_code(cx, store_project_insert(cx, &p), CODE_ALREADY_EXISTS);
    p.name = STR("Y");
    p.labels = STR("l");
    assert_ok(cx, store_project_update(cx, &p));
    assert_ok(cx, store_project_find(cx, STR("x"), &out));
    assert_str_equal(out->name, "Y");
    assert_str_equal(out->labels, "l");
    assert_int_equal(out->created_ns, 1);
    assert_ok(cx, store_project_require(cx, STR("x")));
    assert_code(cx, store_project_require(cx, STR("z")), CODE_NOT_FOUND);
    p.id = STR("z");
    assert_code(cx, store_project_update(cx, &p), CODE_NOT_FOUND);
}

static void deploy(struct ctx *cx, const char *name, const char *version, int64_t at, uint64_t spec, bool *changed)
{
    struct store_task k = {.version = str_from(version), .spec_id = spec, .created_ns = at, .updated_ns = at};
    assert_ok(cx, store_task_name_put(cx, STR("p"), STR("d"), str_from(name), &k.task_name_id));
    assert_ok(cx, store_task_put(cx, &k, changed));
}

static void test_task_versions(void **state)
{
    struct tables *t = *state;
    struct ctx *cx = t->cx;
    struct store_task *k;
    const struct db_value args[] = {DB_S(STR("v1"))};
    struct store_page page = {
        .where = STR("t.id > 0"), .args = args, .order = STR("k.created_ns DESC, k.id DESC"), .limit = 10};
    struct db_rows ids;
    bool changed;
    deploy(cx, "a", "v1", 10, 1, &changed);
    assert_false(changed);
    deploy(cx, "a", "v2", 20, 2, &changed);
    deploy(cx, "b", "v1", 30, 3, &changed);
    deploy(cx, "a", "v1", 40, 9, &changed);
    assert_true(changed);
    deploy(cx, "a", "v1", 50, 9, &changed);
    assert_false(changed);
    assert_ok(cx, store_task_find(cx, STR("p"), STR("d"), STR("a"), STR("v1"), &k));
    assert_int_equal(k->spec_id, 9);
    assert_int_equal(k->created_ns, 10);
    assert_int_equal(k->updated_ns, 40);
    assert_ok(cx, store_task_find_latest(cx, STR("p"), STR("d"), STR("a"), &k));
    assert_str_equal(k->version, "v2");
    assert_ok(cx, store_task_filter_latest(cx, &page, &ids));
    assert_int_equal(ids.n, 2);
    assert_ok(cx, store_task_list_ids(cx, (const uint64_t[]){ids.v[0].i, ids.v[1].i}, 2, &k));
    assert_str_equal(k[0].name, "b");
    assert_str_equal(k[1].version, "v2");
    page.where = STR("t.id > 0 AND k.version=$1");
    page.arg_count = 1;
    assert_ok(cx, store_task_filter_latest(cx, &page, &ids));
    assert_int_equal(ids.n, 2);
    assert_ok(cx, store_task_list_ids(cx, (const uint64_t[]){ids.v[1].i}, 1, &k));
    assert_str_equal(k[0].version, "v1");
}

static void test_secrets_by_scope(void **state)
{
    struct tables *t = *state;
    struct ctx *cx = t->cx;
    struct store_secret s = {.name = STR("k"), .sealed = STR("global")}, *out;
    bool found;
    assert_ok(cx, store_secret_insert(cx, &s));
    assert_code(cx, store_secret_insert(cx, &s), CODE_ALREADY_EXISTS);
    s.domain = STR("d");
    s.sealed = STR("domain");
    assert_ok(cx, store_secret_insert(cx, &s));
    assert_ok(cx, store_secret_resolve(cx, STR("d"), STR("p"), STR("k"), &out));
    assert_str_equal(out->sealed, "domain");
    s.project = STR("p");
    s.sealed = STR("project");
    assert_ok(cx, store_secret_insert(cx, &s));
    assert_ok(cx, store_secret_resolve(cx, STR("d"), STR("p"), STR("k"), &out));
    assert_str_equal(out->sealed, "project");
    assert_ok(cx, store_secret_resolve(cx, STR("e"), STR("p"), STR("k"), &out));
    assert_str_equal(out->sealed, "global");
    assert_ok(cx, store_secret_delete(cx, STR(""), STR(""), STR("k"), &found));
    assert_true(found);
    assert_ok(cx, store_secret_resolve(cx, STR("e"), STR("p"), STR("k"), &out));
    assert_null(out);
    assert_ok(cx, store_secret_delete(cx, STR(""), STR(""), STR("k"), &found));
    assert_false(found);
}

static void test_cache_entries(void **state)
{
    struct tables *t = *state;
    struct ctx *cx = t->cx;
    struct store_cache_entry *out, e = {.key = STR("k"), .output_uri = STR("u1"), .action_id = 7, .updated_ns = 10};
    assert_ok(cx, store_cache_put(cx, &e));
    e.output_uri = STR("u2");
    e.updated_ns = 20;
    assert_ok(cx, store_cache_put(cx, &e));
    assert_ok(cx, store_cache_find(cx, STR("k"), &out));
    assert_str_equal(out->output_uri, "u2");
    assert_int_equal(out->created_ns, 10);
    assert_int_equal(out->updated_ns, 20);
    assert_int_equal(out->action_id, 7);
    assert_ok(cx, store_cache_find(cx, STR("none"), &out));
    assert_null(out);
}

static void test_one_holder_of_a_reservation(void **state)
{
    struct tables *t = *state;
    struct ctx *cx = t->cx;
    struct store_cache_reservation *holder, r = {.key = STR("k"), .owner = STR("a"), .heartbeat_s = 10};
    bool found;
    r.expires_ns = 100;
    assert_ok(cx, store_cache_reserve(cx, &r, 50, &holder));
    assert_str_equal(holder->owner, "a");
    r.owner = STR("b");
    r.expires_ns = 200;
    assert_ok(cx, store_cache_reserve(cx, &r, 60, &holder));
    assert_str_equal(holder->owner, "a");
    assert_int_equal(holder->expires_ns, 100);
    bool busy;
    assert_ok(cx, store_cache_holder(cx, STR("k"), STR("b"), 60, &busy));
    assert_true(busy);
    assert_ok(cx, store_cache_holder(cx, STR("k"), STR("a"), 60, &busy));
    assert_false(busy);
    assert_ok(cx, store_cache_holder(cx, STR("k"), STR("b"), 100, &busy));
    assert_false(busy);
    assert_ok(cx, store_cache_release(cx, STR("k"), STR("b"), &found));
    assert_false(found);
    assert_ok(cx, store_cache_reserve(cx, &r, 100, &holder));
    assert_str_equal(holder->owner, "b");
    assert_ok(cx, store_cache_sweep(cx, 150, 10));
    assert_int_equal(fixture_int(cx, "SELECT count(*) FROM cache_reservation"), 1);
    assert_ok(cx, store_cache_sweep(cx, 250, 10));
    assert_int_equal(fixture_int(cx, "SELECT count(*) FROM cache_reservation"), 0);
}

static void test_reports_first_write_wins(void **state)
{
    struct tables *t = *state;
    struct ctx *cx = t->cx;
    bool fresh;
    str *list;
    size_t n;
    assert_ok(cx, store_report_put(cx, 1, 1, RUNNING, 0, STR("first"), &fresh));
    assert_true(fresh);
    assert_ok(cx, store_report_put(cx, 1, 1, RUNNING, 0, STR("second"), &fresh));
    assert_false(fresh);
    assert_ok(cx, store_report_put(cx, 1, 1, QUEUED, 0, STR("queued"), &fresh));
    assert_ok(cx, store_report_list(cx, 1, &list, &n));
    assert_int_equal(n, 2);
    assert_str_equal(list[0], "queued");
    assert_str_equal(list[1], "first");
}

static void test_states(void **state)
{
    struct tables *t = *state;
    str body;
    bool found;
    assert_ok(t->cx, store_state_get(t->cx, 1, &found, &body));
    assert_false(found);
    assert_ok(t->cx, store_state_put(t->cx, 1, STR("a")));
    assert_ok(t->cx, store_state_put(t->cx, 1, STR("b")));
    assert_ok(t->cx, store_state_get(t->cx, 1, &found, &body));
    assert_true(found);
    assert_str_equal(body, "b");
}

static void test_boot_is_one_row(void **state)
{
    struct tables *t = *state;
    uint64_t a, b;
    assert_ok(t->cx, store_boot_put(t->cx, &a));
    assert_ok(t->cx, store_boot_put(t->cx, &b));
    assert_int_equal(a, b);
    assert_true(a > 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        tables_test(test_specs_are_stored_once),
        tables_test(test_unused_specs_are_swept),
        tables_test(test_identities),
        tables_test(test_requests_are_remembered),
        tables_test(test_projects),
        tables_test(test_task_versions),
        tables_test(test_secrets_by_scope),
        tables_test(test_cache_entries),
        tables_test(test_one_holder_of_a_reservation),
        tables_test(test_reports_first_write_wins),
        tables_test(test_states),
        tables_test(test_boot_is_one_row),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

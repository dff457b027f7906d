/* Who may call, and from where (D-30). */
#include "rpc/access.c"

#include "unit.h"

#define PORT 30080

struct question {
    const char *host, *origin, *address, *user;
    uint32_t uid;
    bool remote, tls;
};

static struct rpc *server(struct unit *u, struct rpc_config cfg)
{
    struct rpc *r;
    assert_ok(&u->cx, rpc_new(&u->cx, &cfg, &r));
    rpc_set_port(r, PORT);
    return r;
}

static enum code ask(struct unit *u, struct rpc *r, struct question q, struct access *a)
{
    struct http_header headers[2];
    size_t n = 0;
    const struct http_request req = {
        .method = STR("POST"),
        .scheme = q.tls ? STR("https") : STR("http"),
        .host = str_from(q.host ? q.host : "localhost:30080"),
        .headers = headers,
        .header_count = (q.origin ? 1 : 0) + (q.user ? 1 : 0),
    };
    const struct http_peer peer = {.address = str_from(q.address), .uid = q.uid, .loopback = !q.remote};
    struct head h;
    if (q.origin)
        headers[n++] = (struct http_header){STR("origin"), str_from(q.origin)};
    if (q.user)
        headers[n++] = (struct http_header){STR("x-user"), str_from(q.user)};
    head_read(&h, &req);
    return access_check(&u->cx, r, &peer, &h, a);
}

static bool passes(struct unit *u, struct rpc *r, struct question q)
{
    struct access a;
    enum code code = ask(u, r, q, &a);
    assert_true(code == CODE_OK || code == CODE_PERMISSION_DENIED);
    return code == CODE_OK;
}

static void only_our_account_and_root_call(void **state)
{
    struct unit *u = *state;
    struct rpc *r = server(u, (struct rpc_config){0});
    struct access a;
    char self[32];
    snprintf(self, sizeof(self), "uid:%u", (unsigned)getuid());
    assert_ok(&u->cx, ask(u, r, (struct question){.uid = (uint32_t)getuid()}, &a));
    assert_str_equal(a.who->subject, self);
    assert_true(a.who->known);
    assert_ok(&u->cx, ask(u, r, (struct question){.uid = 0}, &a));
    assert_str_equal(a.who->subject, "uid:0");
    assert_str_equal(a.who->name, "root");
    assert_false(passes(u, r, (struct question){.uid = 65534}));
    assert_false(passes(u, r, (struct question){.uid = UINT32_MAX}));
    rpc_free(r);
}

static void others_call_when_they_are_listed(void **state)
{
    struct unit *u = *state;
    static const uint32_t users[] = {4242, 65534};
    struct rpc *r = server(u, (struct rpc_config){.users = users, .user_count = 2});
    struct access a;
    assert_ok(&u->cx, ask(u, r, (struct question){.uid = 65534}, &a));
    assert_str_equal(a.who->subject, "uid:65534");
    assert_false(passes(u, r, (struct question){.uid = 4243}));
    rpc_free(r);
}

static void anyone_calls_when_that_is_configured(void **state)
{
    struct unit *u = *state;
    struct rpc *r = server(u, (struct rpc_config){.any_user = true});
    struct access a, b;
    assert_ok(&u->cx, ask(u, r, (struct question){.uid = 777}, &a));
    assert_str_equal(a.who->subject, "uid:777");
    assert_ok(&u->cx, ask(u, r, (struct question){.uid = 777}, &b));
    assert_ptr_equal(a.who, b.who);
    assert_ok(&u->cx, ask(u, r, (struct question){.uid = UINT32_MAX}, &a));
    assert_false(a.who->known);
    for (uint32_t uid = 1000; uid < 1000 + 2 * STRANGERS_MAX; uid++) /* memory has a bound */
        assert_ok(&u->cx, ask(u, r, (struct question){.uid = uid}, &a));
    assert_false(a.who->known);
    rpc_free(r);
}

static void executors_call_and_have_their_role(void **state)
{
    struct unit *u = *state;
    static const uint32_t users[] = {4242}, executors[] = {4242, 65534};
    struct rpc *r =
        server(u, (struct rpc_config){.users = users, .user_count = 1, .executors = executors, .executor_count = 2});
    struct access a;
    for (size_t i = 0; i < 2; i++) {
        assert_ok(&u->cx, ask(u, r, (struct question){.uid = executors[i]}, &a));
        assert_true(a.who->executor);
    }
    assert_ok(&u->cx, ask(u, r, (struct question){.uid = 0}, &a));
    assert_false(a.who->executor);
    assert_ok(&u->cx, ask(u, r, (struct question){.uid = 65534, .remote = true}, &a));
    assert_false(a.who->executor);
    rpc_free(r);
}

static void accounts_are_not_asked_of_other_machines(void **state)
{
    struct unit *u = *state;
    struct rpc *r = server(u, (struct rpc_config){0});
    struct access a;
    assert_ok(&u->cx, ask(u, r, (struct question){.uid = UINT32_MAX, .remote = true}, &a));
    assert_false(a.who->known);
    rpc_free(r);
}

static struct rpc *behind_proxies(struct unit *u)
{
    static const uint32_t uids[] = {4242};
    static struct cidr nets[2];
    assert_true(cidr_parse(STR("192.0.2.0/24"), &nets[0]) && cidr_parse(STR("2001:db8::7"), &nets[1]));
    return server(u, (struct rpc_config){.proxy = {uids, 1, nets, 2, .user_header = STR("x-user")}});
}

static void only_trusted_proxies_name_people(void **state)
{
    struct unit *u = *state;
    struct rpc *r = behind_proxies(u);
    static const struct {
        struct question q;
        const char *subject; /* "" = anonymous */
        bool trusted;
    } rows[] = {
        {{.uid = 4242, .address = "127.0.0.1", .user = "ann"}, "ann", true},
        {{.uid = 4242, .address = "127.0.0.1"}, "uid:4242", true},
        {{.uid = 0, .address = "127.0.0.1", .user = "ann"}, "uid:0", false},
        {{.uid = 0, .address = "192.0.2.1", .user = "ann"}, "uid:0", false}, /* loopback goes by account alone */
        {{.uid = UINT32_MAX, .remote = true, .address = "192.0.2.1", .user = "ann"}, "ann", true},
        {{.uid = UINT32_MAX, .remote = true, .address = "2001:db8::7", .user = "ann"}, "ann", true},
        {{.uid = UINT32_MAX, .remote = true, .address = "192.0.2.1"}, "", true},
        {{.uid = UINT32_MAX, .remote = true, .address = "192.0.3.1", .user = "ann"}, "", false},
        {{.uid = 4242, .remote = true, .address = "192.0.3.1", .user = "ann"}, "", false},
        {{.uid = UINT32_MAX, .remote = true, .user = "ann"}, "", false},
    };
    struct access a;
    for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
        assert_ok(&u->cx, ask(u, r, rows[i].q, &a));
        assert_str_equal(a.who->subject, rows[i].subject);
        assert_int_equal(a.trusted, rows[i].trusted);
        assert_int_equal(a.who->known, rows[i].subject[0] != 0);
        assert_false(a.who->executor);
    }
    rpc_free(r);
}

/* Equal watchers are known by their principal. */
static void a_person_is_one_principal(void **state)
{
    struct unit *u = *state;
    struct rpc *r = behind_proxies(u);
    struct access a, b, c;
    assert_ok(&u->cx, ask(u, r, (struct question){.uid = 4242, .user = "ann"}, &a));
    assert_ok(&u->cx, ask(u, r, (struct question){.uid = 4242, .user = "bob"}, &b));
    assert_ok(&u->cx, ask(u, r, (struct question){.uid = 4242, .user = "ann"}, &c));
    assert_ptr_equal(a.who, c.who);
    assert_ptr_not_equal(a.who, b.who);
    rpc_free(r);
}

static void people_are_bounded(void **state)
{
    struct unit *u = *state;
    struct rpc *r = behind_proxies(u);
    struct access a;
    char name[16];
    for (int i = 0; i < 10000; i++) {
        snprintf(name, sizeof(name), "p%d", i);
        assert_ok(&u->cx, ask(u, r, (struct question){.uid = 4242, .user = name}, &a));
    }
    assert_int_equal(ask(u, r, (struct question){.uid = 4242, .user = "one more"}, &a), CODE_RESOURCE_EXHAUSTED);
    ctx_clear_err(&u->cx);
    assert_ok(&u->cx, ask(u, r, (struct question){.uid = 4242, .user = name}, &a));
    rpc_free(r);
}

/* A name that an attacker's DNS lets point to 127.0.0.1 is in Host as the attacker wrote it. */
static void only_our_names_are_served(void **state)
{
    struct unit *u = *state;
    static const char *const good[] = {"localhost:30080", "LOCALHOST:30080", "127.0.0.1:30080", "[::1]:30080"};
    static const char *const bad[] = {"localhost",
                                      "localhost:30081",
                                      "localhost:80",
                                      "evil.example:30080",
                                      "evil.example",
                                      "localhost.evil.example:30080",
                                      "127.0.0.2:30080",
                                      "[::1]",
                                      "localhost:",
                                      "localhost:0",
                                      "localhost:99999",
                                      "localhost:30080:80",
                                      "",
                                      ":30080",
                                      "user@localhost:30080"};
    struct rpc *r = server(u, (struct rpc_config){0});
    for (size_t i = 0; i < sizeof(good) / sizeof(*good); i++)
        assert_true(passes(u, r, (struct question){.host = good[i]}));
    for (size_t i = 0; i < sizeof(bad) / sizeof(*bad); i++)
        if (passes(u, r, (struct question){.host = bad[i]}))
            fail_msg("Host: %s passes", bad[i]);
    rpc_set_port(r, 443);
    assert_true(passes(u, r, (struct question){.host = "localhost", .tls = true}));
    assert_false(passes(u, r, (struct question){.host = "localhost"}));
    rpc_free(r);
}

static void configured_names_are_served(void **state)
{
    struct unit *u = *state;
    const str hosts[] = {STR("tern.example"), STR("other.example:8443")};
    const str any[] = {STR("*")};
    struct rpc *r = server(u, (struct rpc_config){.hosts = hosts, .host_count = 2});
    assert_true(passes(u, r, (struct question){.host = "tern.example"}));
    assert_true(passes(u, r, (struct question){.host = "Tern.Example:1234"}));
    assert_true(passes(u, r, (struct question){.host = "other.example:8443"}));
    assert_false(passes(u, r, (struct question){.host = "other.example"}));
    assert_true(passes(u, r, (struct question){.host = "tern.example", .origin = "https://tern.example"}));
    rpc_free(r);
    r = server(u, (struct rpc_config){.host = STR("192.0.2.7")});
    assert_true(passes(u, r, (struct question){.host = "192.0.2.7:30080", .origin = "http://192.0.2.7:30080"}));
    assert_false(passes(u, r, (struct question){.host = "192.0.2.7:30080", .origin = "http://192.0.2.7:30002"}));
    assert_false(passes(u, r, (struct question){.host = "192.0.2.7:30081"}));
    rpc_free(r);
    r = server(u, (struct rpc_config){.hosts = any, .host_count = 1});
    assert_true(passes(u, r, (struct question){.host = "anything:1"}));
    rpc_free(r);
}

static void pages_of_other_sites_may_not_call(void **state)
{
    struct unit *u = *state;
    static const char *const bad[] = {"http://evil.example",
                                      "null",
                                      "http://localhost:9999",
                                      "http://localhost",
                                      "file://",
                                      "http://localhost:30080.evil.example",
                                      "ftp://localhost:30080",
                                      "https://allowed.example.evil.example",
                                      "http://allowed.example"};
    const str origins[] = {STR("https://allowed.example")};
    struct rpc *r = server(u, (struct rpc_config){.origins = origins, .origin_count = 1});
    struct access a;
    for (size_t i = 0; i < sizeof(bad) / sizeof(*bad); i++)
        if (passes(u, r, (struct question){.origin = bad[i]}))
            fail_msg("Origin: %s passes", bad[i]);
    assert_ok(&u->cx, ask(u, r, (struct question){.origin = "http://localhost:30080"}, &a));
    assert_int_equal(a.origin.n, 0);
    assert_ok(&u->cx, ask(u, r, (struct question){.origin = "http://127.0.0.1:30080"}, &a));
    assert_ok(&u->cx, ask(u, r, (struct question){.origin = "https://allowed.example"}, &a));
    assert_str_equal(a.origin, "https://allowed.example");
    rpc_free(r);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        unit_test(only_our_account_and_root_call),
        unit_test(others_call_when_they_are_listed),
        unit_test(anyone_calls_when_that_is_configured),
        unit_test(executors_call_and_have_their_role),
        unit_test(accounts_are_not_asked_of_other_machines),
        unit_test(only_trusted_proxies_name_people),
        unit_test(a_person_is_one_principal),
        unit_test(people_are_bounded),
        unit_test(only_our_names_are_served),
        unit_test(configured_names_are_served),
        unit_test(pages_of_other_sites_may_not_call),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

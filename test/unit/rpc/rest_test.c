/* REST's routes, templates and requests, over rules that the IDL does not have, and the server with them. */
#include "fixture.h"

#include "gen/flyteidl2_common.h"
#include "gen/services.h"
#include "pb/pb.h"
#include "rpc/call.h"
#include "rpc/rest_int.h"
#include "rpc/stream.h"

#define JSON "Content-Type: application/json\r\n"

/* ---- rules ------------------------------------------------------------------------------------------------------- */

/* Answers the secret's id, and in its fields what it was asked with. */
static enum code echo(struct ctx *cx, const void *request, void *response)
{
    const SecretGetSecretRequest *req = request;
    SecretGetSecretResponse *rsp = response;
    if (req->id && str_eq(req->id->name, STR("detailed"))) {
        ctx_add_detail(cx, STR("google.protobuf.StringValue"), STR("\x0a\x02hi"));
        ctx_add_detail(cx, STR("a.Stranger"), STR("\x01\x02"));
        return fail(cx, CODE_FAILED_PRECONDITION, "no \xc3");
    }
    rsp->secret = pb_new(cx->mem, SecretSecret);
    rsp->secret->id = req->id;
    return CODE_OK;
}

static enum code update(struct ctx *cx, const void *request, void *response)
{
    const SecretUpdateSecretRequest *req = request;
    (void)response;
    if (!req->secret_spec || req->secret_spec->value_case != SecretSecretSpec_string_value_tag)
        return fail(cx, CODE_INVALID_ARGUMENT, "no value");
    return fail(cx, CODE_ALREADY_EXISTS, STR_FMT "=" STR_FMT, STR_ARG(req->id->name),
                STR_ARG(req->secret_spec->string_value));
}

/* Three results, then an error when the name says so. */
static enum code stream(struct ctx *cx, const void *request, struct stream *st)
{
    const SecretGetSecretRequest *req = request;
    SecretGetSecretResponse rsp = {.secret = pb_new(cx->mem, SecretSecret)};
    rsp.secret->id = req->id;
    if (str_eq(req->id->name, STR("early")))
        return fail(cx, CODE_NOT_FOUND, "none");
    for (int i = 0; i < 3; i++)
        TRY(stream_send(cx, st, &rsp));
    return str_eq(req->id->name, STR("late")) ? fail(cx, CODE_ABORTED, "enough") : CODE_OK;
}

static const struct pb_http get_rules[] = {
    {"GET", "/v1/secrets/{id.name}", NULL},
    {"GET", "/v1/projects/{id.project}/secrets/{id.name}", NULL},
    {"GET", "/v1/deep/{id.name=a/*/b/**}", NULL},
    {"GET", "/v1/deep/{id.name=a/*}", NULL},
    {"GET", "/v1/any/{id.name=**}:read", NULL},
    {"GET", "/v1/secrets/special", NULL},
    {"POST", "/v1/secrets/{id.name}:read", NULL},
    {"HEAD2", "/v1/secrets/{id.name}", NULL},
    {"*", "/v1/every", NULL},
};
static const struct pb_http update_rules[] = {
    {"PUT", "/v1/secrets/{id.name}", "*"},
    {"PATCH", "/v1/secrets/{id.name}", "secret_spec"},
};
static const struct pb_http stream_rules[] = {{"GET", "/v1/watch/{id.name}", NULL}};

#define RULES(r) .http = r, .http_count = sizeof(r) / sizeof(*(r))
#define METHOD(n, ...)                                                                                                 \
    {                                                                                                                  \
        .service = "t.T", .name = n, .path = "/t.T/" n, __VA_ARGS__                                                    \
    }
static const struct pb_method methods[] = {
    METHOD("Bidi", .input = &SecretGetSecretRequest_type, .output = &SecretGetSecretResponse_type,
           .client_stream = true, .server_stream = true, .stream = stream),
    METHOD("Get", .input = &SecretGetSecretRequest_type, .output = &SecretGetSecretResponse_type, .unary = echo,
           .no_side_effects = true, RULES(get_rules)),
    METHOD("Missing", .input = &SecretGetSecretRequest_type, .output = &SecretGetSecretResponse_type),
    METHOD("Plain", .input = &SecretGetSecretRequest_type, .output = &SecretGetSecretResponse_type, .unary = echo),
    METHOD("Pure", .input = &SecretGetSecretRequest_type, .output = &SecretGetSecretResponse_type, .unary = echo,
           .no_side_effects = true),
    METHOD("Update", .input = &SecretUpdateSecretRequest_type, .output = &SecretUpdateSecretResponse_type,
           .unary = update, RULES(update_rules)),
    METHOD("Watch", .input = &SecretGetSecretRequest_type, .output = &SecretGetSecretResponse_type,
           .server_stream = true, .stream = stream, RULES(stream_rules)),
};
static const struct rpc_config config = {.methods = methods, .method_count = sizeof(methods) / sizeof(*methods)};

/* ---- templates --------------------------------------------------------------------------------------------------- */

static void templates_follow_the_grammar(void **state)
{
    struct unit *u = *state;
    static const char *const good[] = {
        "/v1",           "/v1/*",          "/v1/**",          "/v1/{a}",       "/v1/{a.b_c.d2}",     "/{a=*}/x",
        "/v1/{a=b/*}:c", "/v1/{a=b/*/**}", "/v1/{a=**}:read", "/a.B-c~_/d%20", "/v1/{a}/{b}/x:do.it"};
    static const char *const bad[] = {
        "",         "v1",         "/",        "//a",      "/a/",      "/v1/{a",      "/v1/a}",   "/v1/{}",
        "/v1/{a=}", "/v1/{a=b/}", "/v1/{.a}", "/v1/{a.}", "/v1/{1}",  "/v1/{a={b}}", "/v1/**/x", "/v1/{a=**}/x",
        "/v1/***",  "/v1:",       "/v1:a/b",  "/v1:a:b",  "/v1/a{b}", "/v1/{a}b",    "/v1/*a",   "/v1/{a b}"};
    struct rest_template t;
    for (size_t i = 0; i < sizeof(good) / sizeof(*good); i++)
        assert_ok(&u->cx, rest_template_parse(&u->cx, str_from(good[i]), &t));
    for (size_t i = 0; i < sizeof(bad) / sizeof(*bad); i++) {
        if (rest_template_parse(&u->cx, str_from(bad[i]), &t) != CODE_INTERNAL)
            fail_msg("%s is no template", bad[i]);
        ctx_clear_err(&u->cx);
    }
}

static void wrong_rules_stop_the_start(void **state)
{
    struct unit *u = *state;
    static const struct {
        struct pb_http rule;
        const char *says;
    } cases[] = {
        {{"GET", "/v1/{id.nope}", NULL}, "no single field id.nope"},
        {{"GET", "/v1/{id}", NULL}, "no single field id"},
        {{"PUT", "/v1/x", "nope"}, "no field nope for the body"},
        {{"PUT", "/v1/{id", "*"}, "a variable ends with }"},
        {{"POST", "/api/v1/t.T/Other", "*"}, "two RPCs have it"},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
        const struct pb_method two[] = {
            METHOD("Get", .input = &SecretGetSecretRequest_type, .output = &SecretGetSecretResponse_type,
                   .http = &cases[i].rule, .http_count = 1),
            METHOD("Other", .input = &SecretGetSecretRequest_type, .output = &SecretGetSecretResponse_type)};
        const struct rpc_config cfg = {.methods = two, .method_count = 2};
        struct rpc *r;
        assert_int_equal(rpc_new(&u->cx, &cfg, &r), CODE_INTERNAL);
        if (!strstr(u->cx.err.msg, cases[i].says))
            fail_msg("%s", u->cx.err.msg);
        ctx_clear_err(&u->cx);
    }
}

/* ---- requests ---------------------------------------------------------------------------------------------------- */

/* The request's message as JSON, or the error's text. */
static str request(struct unit *u, const char *method, const char *path, const char *query, const char *body)
{
    struct rest rest = {.query = str_from(query)};
    struct rest_found found;
    struct rpc *r;
    void *msg;
    str out;
    assert_ok(&u->cx, rpc_new(&u->cx, &config, &r));
    rest_find(r, str_from(method), str_from(path), &found);
    rest.binding = found.binding;
    if (!found.binding)
        out = found.allow[0] ? arena_str(&u->mem, str_from(found.allow)) : STR("nothing");
    else if (rest_values(&u->cx, found.binding, str_from(path), &rest.values) != CODE_OK ||
             rest_read(&u->cx, &rest, str_from(body), &msg) != CODE_OK)
        out = arena_str(&u->mem, str_from(u->cx.err.msg));
    else
        assert_ok(&u->cx, pb_json_encode(&u->cx, found.binding->method->pb->input, msg, &out));
    ctx_clear_err(&u->cx);
    rpc_free(r);
    return out;
}

static const struct {
    const char *method, *path, *query, *body, *want;
} requests[] = {
    {"GET", "/v1/secrets/a", "", "", "{\"id\":{\"name\":\"a\"}}"},
    {"GET", "/v1/secrets/a%2Fb%20c+d", "", "", "{\"id\":{\"name\":\"a/b c+d\"}}"},
    {"GET", "/v1/secrets/a:b", "", "", "{\"id\":{\"name\":\"a:b\"}}"},
    {"GET", "/v1/secrets/a%3Aread", "", "", "{\"id\":{\"name\":\"a:read\"}}"},
    {"GET", "/v1/%73ecrets/a", "", "", "{\"id\":{\"name\":\"a\"}}"},
    {"GET", "/v1/secrets/special", "", "", "{}"},
    {"GET", "/v1/secrets/special:b", "", "", "{\"id\":{\"name\":\"special:b\"}}"},
    {"POST", "/v1/secrets/a:read", "", "", "{\"id\":{\"name\":\"a\"}}"},
    {"GET", "/v1/projects/p/secrets/a", "id.domain=d+%2B&id.organization=o%26", "",
     "{\"id\":{\"name\":\"a\",\"organization\":\"o&\",\"domain\":\"d +\",\"project\":\"p\"}}"},
    {"GET", "/v1/deep/a/x", "", "", "{\"id\":{\"name\":\"a/x\"}}"},
    {"GET", "/v1/deep/a/x%2Fy%20z", "", "", "{\"id\":{\"name\":\"a/x%2Fy z\"}}"},
    {"GET", "/v1/deep/a/x/b", "", "", "{\"id\":{\"name\":\"a/x/b\"}}"},
    {"GET", "/v1/deep/a/x/b/c/%2f%41", "", "", "{\"id\":{\"name\":\"a/x/b/c/%2fA\"}}"},
    {"GET", "/v1/any/a/b/c:read", "", "", "{\"id\":{\"name\":\"a/b/c\"}}"},
    {"BREW", "/v1/every", "id.name=x", "", "{\"id\":{\"name\":\"x\"}}"},
    {"HEAD2", "/v1/secrets/a", "", "", "{\"id\":{\"name\":\"a\"}}"},
    {"PUT", "/v1/secrets/a", "", "{\"id\":{\"name\":\"b\",\"domain\":\"d\"},\"secretSpec\":{\"stringValue\":\"v\"}}",
     "{\"id\":{\"name\":\"a\",\"domain\":\"d\"},\"secretSpec\":{\"stringValue\":\"v\"}}"},
    {"PUT", "/v1/secrets/a", "", "", "{\"id\":{\"name\":\"a\"}}"},
    {"PATCH", "/v1/secrets/a", "id.domain=d", "{\"string_value\":\"v\"}",
     "{\"id\":{\"name\":\"a\",\"domain\":\"d\"},\"secretSpec\":{\"stringValue\":\"v\"}}"},
    {"GET", "/api/v1/t.T/Pure", "&id.name=x&", "", "{\"id\":{\"name\":\"x\"}}"},
    {"POST", "/api/v1/t.T/Pure", "", "{\"id\":{\"name\":\"x\"}}", "{\"id\":{\"name\":\"x\"}}"},
    /* what is refused */
    {"GET", "/v1/secrets/%zz", "", "", "path: id.name is not percent-encoded right"},
    {"GET", "/v1/secrets/%ff", "", "", "path: id.name: not UTF-8"},
    {"GET", "/v1/secrets/a", "id.name=b", "", "query: id.name: given twice"},
    {"GET", "/v1/secrets/a", "x=%", "", "query: \"x=%\" is not percent-encoded right"},
    {"GET", "/v1/secrets/a", "nope", "", "query: nope: flyteidl2.secret.GetSecretRequest has no field \"nope\""},
    {"GET", "/v1/secrets/a", "", "{}", "body: this request has none; its fields go in path and query"},
    {"PUT", "/v1/secrets/a", "id.domain=d", "{}", "query: \"id.domain\": all fields of this request go in its body"},
    {"PUT", "/v1/secrets/a", "", "{\"nope\":1}",
     "JSON of flyteidl2.secret.UpdateSecretRequest: no field named \"nope\" at byte 8"},
    {"PATCH", "/v1/secrets/a", "secretSpec.type=0", "", "query: secret_spec is given by the body"},
    {"PATCH", "/v1/secrets/a", "", "[]",
     "JSON of flyteidl2.secret.UpdateSecretRequest.secret_spec: expected an object at byte 0"},
    /* what is not there */
    {"GET", "/v1/secrets/", "", "", "nothing"},
    {"GET", "/v1/secrets", "", "", "nothing"},
    {"GET", "/v1/secrets/a/", "", "", "nothing"},
    {"GET", "//v1/secrets/a", "", "", "nothing"},
    {"GET", "/v1/deep/b/x", "", "", "nothing"},
    {"GET", "/v1/any/a/b/c", "", "", "nothing"},
    {"DELETE", "/v1/secrets/a", "", "", "GET, HEAD2, PUT, PATCH"},
    {"GET", "/api/v1/t.T/Plain", "", "", "POST"},
    {"GET", "/api/v1/t.T/Get", "", "", "nothing"},
};

static void paths_and_queries_make_requests(void **state)
{
    struct unit *u = *state;
    for (size_t i = 0; i < sizeof(requests) / sizeof(*requests); i++) {
        str got = request(u, requests[i].method, requests[i].path, requests[i].query, requests[i].body);
        if (!str_eq(got, str_from(requests[i].want)))
            fail_msg("%s %s?%s %s: " STR_FMT, requests[i].method, requests[i].path, requests[i].query, requests[i].body,
                     STR_ARG(got));
    }
}

static void long_paths_are_nothing(void **state)
{
    struct unit *u = *state;
    char path[4096] = "/v1/any";
    for (int i = 0; i < 60; i++)
        strncat(path, "/x", sizeof(path) - strlen(path) - 1);
    assert_true(str_starts(request(u, "GET", arena_printf(&u->mem, "%s:read", path).p, "", ""), STR("{\"id\"")));
    for (int i = 0; i < 60; i++)
        strncat(path, "/x", sizeof(path) - strlen(path) - 1);
    assert_str_equal(request(u, "GET", arena_printf(&u->mem, "%s:read", path).p, "", ""), "nothing");
}

/* ---- the server -------------------------------------------------------------------------------------------------- */

static void assert_answer(const struct answer *a, int status, const char *type, const char *body)
{
    if (a->status != status || !str_eq(a->body, str_from(body)))
        fail_msg("%d " STR_FMT, a->status, STR_ARG(a->body));
    assert_str_equal(answer_header(a, "content-type"), type);
    assert_str_equal(answer_header(a, "x-content-type-options"), "nosniff");
}

static void the_server_answers_in_json(void **state)
{
    struct fixture f;
    (void)state;
    fixture_start(&f, &config);
    static const struct {
        const char *method, *target, *headers, *body;
        int status;
        const char *want;
    } cases[] = {
        {"GET", "/v1/secrets/a?id.domain=d", "", "", 200, "{\"secret\":{\"id\":{\"name\":\"a\",\"domain\":\"d\"}}}"},
        {"PUT", "/v1/secrets/a", JSON, "{\"secretSpec\":{\"stringValue\":\"v\"}}", 409,
         "{\"code\":6,\"message\":\"a=v\",\"details\":[]}"},
        {"PATCH", "/v1/secrets/a", "content-type: application/JSON; charset=utf-8\r\n", "{\"stringValue\":\"v\"}", 409,
         "{\"code\":6,\"message\":\"a=v\",\"details\":[]}"},
        {"PUT", "/v1/secrets/a", "", "{}", 415,
         "{\"code\":3,\"message\":\"content-type must be application/json\",\"details\":[]}"},
        {"POST", "/v1/secrets/a:read", "", "", 415,
         "{\"code\":3,\"message\":\"content-type must be application/json\",\"details\":[]}"},
        {"POST", "/v1/secrets/a:read", "Content-Type: text/plain\r\n", "", 415,
         "{\"code\":3,\"message\":\"content-type must be application/json\",\"details\":[]}"},
        {"POST", "/v1/secrets/a:read", JSON, "", 200, "{\"secret\":{\"id\":{\"name\":\"a\"}}}"},
        {"GET", "/v1/secrets/detailed", "", "", 400,
         "{\"code\":9,\"message\":\"no \xef\xbf\xbd\",\"details\":[{\"@type\":\"type.googleapis.com/"
         "google.protobuf.StringValue\",\"value\":\"hi\"},{\"@type\":\"type.googleapis.com/"
         "a.Stranger\",\"value\":\"AQI=\"}]}"},
        {"POST", "/api/v1/t.T/Missing", JSON, "{}", 501,
         "{\"code\":12,\"message\":\"t.T/Missing is not implemented by this version of Tern (tern rpcs lists what "
         "is)\",\"details\":[]}"},
        {"POST", "/api/v1/t.T/Bidi", JSON, "{}", 405,
         "{\"code\":12,\"message\":\"an RPC that streams requests cannot be called by REST; use gRPC or "
         "Connect\",\"details\":[]}"},
        {"DELETE", "/api/v1/t.T/Pure", "", "", 405,
         "{\"code\":12,\"message\":\"this path is for POST, GET\",\"details\":[]}"},
        {"GET", "/api/v1/nothing", "", "", 404,
         "{\"code\":5,\"message\":\"there is nothing at this path\",\"details\":[]}"},
        {"GET", "/v1/secrets/a", "Origin: http://evil.example\r\n", "", 403,
         "{\"code\":7,\"message\":\"pages of \\\"http://evil.example\\\" may not call this server "
         "(security.allowed_origins)\",\"details\":[]}"},
        {"GET", "/v1/secrets/a", "Grpc-Timeout: 5\r\n", "", 400,
         "{\"code\":3,\"message\":\"grpc-timeout must be at most eight digits and a unit, like 5S\",\"details\":[]}"},
        {"GET", "/v1/watch/early", "", "", 404, "{\"code\":5,\"message\":\"none\",\"details\":[]}"},
        {"GET", "/v1/watch/early?nope=1", "", "", 400,
         "{\"code\":3,\"message\":\"query: nope: flyteidl2.secret.GetSecretRequest has no field "
         "\\\"nope\\\"\",\"details\":[]}"},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
        struct answer a = fixture_call(&f, cases[i].method, cases[i].target, cases[i].headers, str_from(cases[i].body));
        assert_answer(&a, cases[i].status, "application/json", cases[i].want);
    }
    fixture_stop(&f);
}

#define RESULT "{\"result\":{\"secret\":{\"id\":{\"name\":\"%s\"}}}}\n"

static void streams_are_lines(void **state)
{
    struct fixture f;
    (void)state;
    fixture_start(&f, &config);
    struct answer a = fixture_call(&f, "GET", "/v1/watch/well", "", STR(""));
    str line = arena_printf(&f.mem, RESULT, "well");
    assert_answer(&a, 200, "application/x-ndjson", arena_printf(&f.mem, "%s%s%s", line.p, line.p, line.p).p);
    a = fixture_call(&f, "GET", "/v1/watch/late", "", STR(""));
    line = arena_printf(&f.mem, RESULT, "late");
    assert_answer(&a, 200, "application/x-ndjson",
                  arena_printf(&f.mem, "%s%s%s{\"error\":{\"code\":10,\"message\":\"enough\",\"details\":[]}}\n",
                               line.p, line.p, line.p)
                      .p);
    fixture_stop(&f);
}

static void refusals_say_what_is_allowed(void **state)
{
    struct fixture f;
    (void)state;
    fixture_start(&f, &config);
    struct answer a = fixture_call(&f, "DELETE", "/v1/secrets/a", "", STR(""));
    assert_str_equal(answer_header(&a, "allow"), "GET, HEAD2, PUT, PATCH");
    fixture_stop(&f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        unit_test(templates_follow_the_grammar),    unit_test(wrong_rules_stop_the_start),
        unit_test(paths_and_queries_make_requests), unit_test(long_paths_are_nothing),
        unit_test(the_server_answers_in_json),      unit_test(streams_are_lines),
        unit_test(refusals_say_what_is_allowed),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

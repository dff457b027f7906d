/* See ask.h. */
#include "cli/ask.h"

#include "cli/cli.h"
#include "cli/state.h"
#include "net/http_client.h"

#define ANSWER_MAX ((size_t)4 << 20)
#define STALL_NS (INT64_C(3600) * 1000000000) /* a sweep says nothing before it is done */

struct talk {
    str body; /* what is left to send */
    int status;
    buf answer;
};

static size_t on_read(void *arg, char *p, size_t n)
{
    return str_take(&((struct talk *)arg)->body, p, n);
}

static bool on_head(void *arg, int status, const struct http_header *headers, size_t n)
{
    (void)headers;
    (void)n;
    ((struct talk *)arg)->status = status;
    return true;
}

static bool on_body(void *arg, str bytes)
{
    buf_str(&((struct talk *)arg)->answer, bytes);
    return true;
}

static enum code refused(struct ctx *cx, const struct cli_state *server, struct talk *t)
{
    char *text = arena_cstr(cx->mem, str_trim(buf_view(&t->answer)));
    if (t->status == 400)
        return fail(cx, CODE_INVALID_ARGUMENT, "%.400s", text);
    if (t->status == 404)
        return fail(cx, CODE_NOT_FOUND, "%.400s", text);
    return fail(cx, CODE_UNAVAILABLE, "the server at %.100s answered %d: %.120s", server->api.p, t->status, text);
}

enum code cli_ask(struct ctx *cx, const struct config *c, const char *method, const char *path, str body,
                  const char *otherwise)
{
    struct cli_state *server;
    struct talk t = {.body = body};
    TRY(cli_state_find(cx, c->data, &server));
    if (!server)
        return fail(cx, CODE_FAILED_PRECONDITION, "no server runs on %.150s. %s", c->data.p, otherwise);
    struct http_client_request r = {
        .method = str_from(method),
        .url = arena_printf(cx->mem, "%s://" STR_FMT "%s", c->server_tls_cert.n ? "https" : "http",
                            STR_ARG(server->api), path),
        .body_length = body.n ? (int64_t)body.n : -1,
        .anywhere = true,
        .answer_max = ANSWER_MAX,
        .stall_ns = STALL_NS,
        .arg = &t,
        .read = on_read,
        .head = on_head,
        .body = on_body,
    };
    buf_init_arena(&t.answer, cx->mem, ANSWER_MAX);
    TRY(http_client_perform(cx, &r));
    return t.status == 200 ? cli_print(cx, buf_view(&t.answer)) : refused(cx, server, &t);
}

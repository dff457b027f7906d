/* Webhooks: from a template to a request, and what its answer means. */
#include "base/buf.h"
#include "base/json.h"
#include "base/time.h"
#include "net/http_client.h"
#include "notify/notify_int.h"

#define ANSWER_MAX ((int64_t)1 << 20)
#define RETRY_AFTER_MAX 3600
#define URL_MAX ((size_t)8000)
#define HEADER_MAX ((size_t)8000)
#define HEADERS_MAX 20

struct request {
    struct notify_message *m;
    str method, url, body;
    struct http_header headers[HEADERS_MAX + 2];
    size_t header_count;
    bool has_body;
    str to_send; /* of the body */
    int status;
};

static const char *const methods[] = {
    [NOTIFICATION_HTTP_METHOD_GET] = "GET",         [NOTIFICATION_HTTP_METHOD_HEAD] = "HEAD",
    [NOTIFICATION_HTTP_METHOD_POST] = "POST",       [NOTIFICATION_HTTP_METHOD_PUT] = "PUT",
    [NOTIFICATION_HTTP_METHOD_DELETE] = "DELETE",   [NOTIFICATION_HTTP_METHOD_CONNECT] = "CONNECT",
    [NOTIFICATION_HTTP_METHOD_OPTIONS] = "OPTIONS", [NOTIFICATION_HTTP_METHOD_TRACE] = "TRACE",
    [NOTIFICATION_HTTP_METHOD_PATCH] = "PATCH",
};

/* What belongs to the connection is made by the client; with a Host of the user's a shared server would take the request for
 * another's. */
static const char *const own_headers[] = {"host",    "content-length", "transfer-encoding",   "connection",
                                          "upgrade", "expect",         "proxy-authorization", "te",
                                          "trailer", "keep-alive",     "idempotency-key"};

/* ---- a request from a template ----------------------------------------------------------------------------------- */

static bool is_token(str s)
{
    for (size_t i = 0; i < s.n; i++)
        if ((uint8_t)s.p[i] <= 0x20 || (uint8_t)s.p[i] >= 0x7f || strchr("()<>@,;:\\\"/[]?={}", s.p[i]))
            return false;
    return s.n > 0;
}

static enum code add_header(struct ctx *cx, struct request *r, str name, str template)
{
    str value;
    TRY(notify_template_render(cx, &r->m->values, NOTIFY_LINE, template, &value));
    for (size_t i = 0; i < sizeof(own_headers) / sizeof(*own_headers); i++)
        if (str_eq_nocase(name, str_from(own_headers[i])))
            return fail(cx, CODE_INVALID_ARGUMENT, "the header " STR_FMT " cannot be set", STR_ARG(name));
    if (!is_token(name) || value.n > HEADER_MAX || r->header_count == HEADERS_MAX)
        return fail(cx, CODE_INVALID_ARGUMENT, "the header \"" STR_FMT "\" cannot be sent",
                    STR_ARG(str_head(name, 40)));
    r->headers[r->header_count++] = (struct http_header){name, value}; /* a template with line breaks is not sent */
    return CODE_OK;
}

static bool contains(struct arena *mem, str s, const char *part)
{
    return str_find(arena_lower(mem, s), str_from(part)) != SIZE_MAX;
}

static enum notify_context context_of(struct ctx *cx, const struct request *r, str body)
{
    struct json *parsed;
    for (size_t i = 0; i < r->header_count; i++) {
        const struct http_header *h = &r->headers[i];
        if (!str_eq_nocase(h->name, STR("content-type")))
            continue;
        if (contains(cx->mem, h->value, "json"))
            return NOTIFY_JSON;
        if (contains(cx->mem, h->value, "html") || contains(cx->mem, h->value, "xml"))
            return NOTIFY_HTML;
        if (contains(cx->mem, h->value, "x-www-form-urlencoded"))
            return NOTIFY_URL;
    }
    if (json_parse(cx, body, &parsed) == CODE_OK)
        return NOTIFY_JSON;
    ctx_clear_err(cx);
    return NOTIFY_PLAIN;
}

static bool has_header(const struct request *r, str name)
{
    for (size_t i = 0; i < r->header_count; i++)
        if (str_eq_nocase(r->headers[i].name, name))
            return true;
    return false;
}

static enum code from_template(struct ctx *cx, struct request *r)
{
    const NotificationWebhookDeliveryTemplate *w = r->m->webhook;
    if (w->method <= 0 || w->method > NOTIFICATION_HTTP_METHOD_PATCH)
        return fail(cx, CODE_INVALID_ARGUMENT, "webhook.method: %d is none", w->method);
    if (w->body_template.n > NOTIFY_TEMPLATE_MAX)
        return fail(cx, CODE_INVALID_ARGUMENT, "webhook.body_template: longer than %zu bytes", NOTIFY_TEMPLATE_MAX);
    r->method = str_from(methods[w->method]);
    TRY(notify_template_render(cx, &r->m->values, NOTIFY_URL, w->url, &r->url));
    for (size_t i = 0; i < w->headers.n; i++)
        TRY(add_header(cx, r, w->headers.p[i].key, w->headers.p[i].value));
    enum notify_context context = context_of(cx, r, w->body_template);
    TRY(notify_template_render(cx, &r->m->values, context, w->body_template, &r->body));
    r->has_body = r->body.n && w->method != NOTIFICATION_HTTP_METHOD_HEAD;
    if (r->has_body && context == NOTIFY_JSON && !has_header(r, STR("content-type")))
        r->headers[r->header_count++] = (struct http_header){STR("content-type"), STR("application/json")};
    return CODE_OK;
}

/* ---- a condition's own webhook ----------------------------------------------------------------------------------- */

struct filling {
    struct arena *mem;
    str uri;
    size_t left; /* bytes that all texts may still take */
};

static void fill_value(struct filling *f, GoogleProtobufValue *v, int depth);

static str fill_text(struct filling *f, str text)
{
    static const str place = STR_INIT("{callback_uri}");
    buf b;
    buf_init_arena(&b, f->mem, f->left);
    for (size_t at; (at = str_find(text, place)) != SIZE_MAX && !b.failed;) {
        buf_str(&b, str_head(text, at));
        buf_str(&b, f->uri);
        text = str_skip(text, at + place.n);
    }
    buf_str(&b, text);
    f->left = b.failed ? 0 : f->left - b.n;
    return buf_view(&b);
}

static void fill_struct(struct filling *f, const GoogleProtobufStruct *s, int depth)
{
    for (size_t i = 0; i < s->fields.n; i++)
        if (s->fields.p[i].value)
            fill_value(f, s->fields.p[i].value, depth + 1);
}

/* What was decoded is at most PB_DEPTH_MAX deep. */
static void fill_value(struct filling *f, GoogleProtobufValue *v, int depth)
{
    if (depth > PB_DEPTH_MAX)
        return;
    if (v->kind_case == GoogleProtobufValue_string_value_tag)
        v->string_value = fill_text(f, v->string_value);
    else if (v->kind_case == GoogleProtobufValue_struct_value_tag)
        fill_struct(f, v->struct_value, depth);
    else if (v->kind_case == GoogleProtobufValue_list_value_tag)
        for (size_t i = 0; i < v->list_value->values.n; i++)
            fill_value(f, v->list_value->values.p[i], depth + 1);
}

static enum code fill_payload(struct ctx *cx, const GoogleProtobufStruct *payload, str uri, str *out)
{
    struct filling f = {.mem = cx->mem, .uri = uri, .left = NOTIFY_TEMPLATE_MAX};
    fill_struct(&f, payload, 0);
    if (!f.left)
        return fail(cx, CODE_INVALID_ARGUMENT, "webhook.payload: its texts take more than %zu bytes",
                    NOTIFY_TEMPLATE_MAX);
    return pb_json_encode(cx, &GoogleProtobufStruct_type, payload, out);
}

/* Without a payload: what the receiver needs to ask somebody. */
static str usual_payload(struct ctx *cx, const struct notify_message *m, str uri)
{
    const struct notify_values *v = &m->values;
    const struct {
        const char *name;
        str value;
    } members[] = {{"callback_uri", uri},   {"condition", m->condition->name},
                   {"prompt", v->prompt},   {"description", v->description},
                   {"project", v->project}, {"domain", v->domain},
                   {"run", v->run}};
    buf b;
    buf_init_arena(&b, cx->mem, NOTIFY_TEMPLATE_MAX);
    for (size_t i = 0; i < sizeof(members) / sizeof(*members); i++) {
        buf_printf(&b, "%s\"%s\":", i ? "," : "{", members[i].name);
        json_put_str(&b, members[i].value);
    }
    buf_char(&b, '}');
    return buf_view(&b);
}

static enum code from_condition(struct ctx *cx, struct request *r)
{
    const struct notify_message *m = r->m;
    const WorkflowConditionWebhook *w = m->condition->webhook;
    str uri = arena_printf(cx->mem, STR_FMT "/answer/%llu-" STR_FMT, STR_ARG(m->settings->public_url),
                           (unsigned long long)m->action->id, STR_ARG(m->row->token));
    r->method = STR("POST");
    r->url = w->url;
    r->has_body = true;
    if (w->payload)
        TRY(fill_payload(cx, w->payload, uri, &r->body));
    else
        r->body = usual_payload(cx, m, uri);
    r->headers[r->header_count++] = (struct http_header){STR("content-type"), STR("application/json")};
    return CODE_OK;
}

/* ---- sending ----------------------------------------------------------------------------------------------------- */

static size_t on_read(void *arg, char *p, size_t n)
{
    return str_take(&((struct request *)arg)->to_send, p, n);
}

static bool on_head(void *arg, int status, const struct http_header *headers, size_t n)
{
    struct request *r = arg;
    uint64_t seconds;
    r->status = status;
    for (size_t i = 0; i < n; i++)
        if (str_eq(headers[i].name, STR("retry-after")) && str_to_u64(headers[i].value, &seconds))
            r->m->retry_after_ns = (int64_t)(seconds < RETRY_AFTER_MAX ? seconds : RETRY_AFTER_MAX) * NS_PER_S;
    return true;
}

/* What the receiver says is of no use to us, and may be secret to its user. */
static bool on_body(void *arg, str bytes)
{
    (void)arg;
    (void)bytes;
    return true;
}

static bool on_alive(void *arg)
{
    const struct notify_message *m = ((struct request *)arg)->m;
    return m->alive(m->arg);
}

static enum code judge(struct ctx *cx, const struct request *r)
{
    str server = http_client_server(r->url);
    if (r->status >= 200 && r->status < 300)
        return CODE_OK;
    if (r->status >= 300 && r->status < 400)
        return fail(cx, CODE_INVALID_ARGUMENT,
                    STR_FMT " answers %d: redirects are not followed, give the URL that it leads to", STR_ARG(server),
                    r->status);
    bool later = r->status >= 500 || r->status == 408 || r->status == 429;
    return fail(cx, later ? CODE_UNAVAILABLE : CODE_INVALID_ARGUMENT, STR_FMT " answers %d", STR_ARG(server),
                r->status);
}

enum code notify_webhook_send(struct ctx *cx, struct notify_message *m)
{
    struct request r = {.m = m};
    TRY(m->condition ? from_condition(cx, &r) : from_template(cx, &r));
    if (r.url.n > URL_MAX || (!str_starts(r.url, STR("http://")) && !str_starts(r.url, STR("https://"))))
        return fail(cx, CODE_INVALID_ARGUMENT, "webhook.url: must begin with http:// or https://");
    r.headers[r.header_count++] = (struct http_header){STR("idempotency-key"), m->id};
    r.to_send = r.body;
    const struct http_client_request req = {
        .method = r.method,
        .url = r.url,
        .headers = r.headers,
        .header_count = r.header_count,
        .body_length = r.has_body ? (int64_t)r.body.n : -1,
        .allowed = m->settings->allowed,
        .allowed_count = m->settings->allowed_count,
        .answer_max = ANSWER_MAX,
        .total_ns = m->settings->timeout_ns,
        .arg = &r,
        .read = on_read,
        .head = on_head,
        .body = on_body,
        .alive = on_alive,
    };
    enum code code = http_client_perform(cx, &req);
    return r.status && code != CODE_ABORTED ? judge(cx, &r) : code;
}

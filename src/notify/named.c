/* The file with named rules and delivery configs:
 *
 *     deliveries:
 *       oncall: {webhook: {url: ..., method: HTTP_METHOD_POST, ...}}     a DeliveryConfigTemplate as ProtoJSON
 *     rules:
 *       alerts: {on_phases: [FAILED, TIMED_OUT], deliveries: [oncall]} */
#include "base/file.h"
#include "base/vec.h"
#include "base/yaml.h"
#include "notify/notify_int.h"

#define FILE_BYTES_MAX ((size_t)1 << 20)

static enum code bad(struct ctx *cx, const struct json *v, const char *why)
{
    return fail(cx, CODE_INVALID_ARGUMENT, "line %u: " STR_FMT ": %s", v->line, STR_ARG(str_head(v->key, 80)), why);
}

static enum code read_delivery(struct ctx *cx, const struct json *v, struct notify_delivery *out)
{
    void *msg;
    buf text;
    buf_init_arena(&text, cx->mem, FILE_BYTES_MAX * 2);
    if (v->kind != JSON_OBJECT)
        return bad(cx, v, "a delivery has webhook, email or both");
    json_put(&text, v);
    if (pb_json_decode(cx, &NotificationDeliveryConfigTemplate_type, buf_view(&text), false, &msg) != CODE_OK ||
        pb_validate(cx, &NotificationDeliveryConfigTemplate_type, msg) != CODE_OK)
        return bad(cx, v, arena_str(cx->mem, str_from(cx->err.msg)).p);
    *out = (struct notify_delivery){.name = v->key, .template = msg};
    return CODE_OK;
}

static enum code read_phases(struct ctx *cx, const struct json *rule, uint32_t *out)
{
    const struct json *list = json_get(rule, STR("on_phases"));
    *out = 0;
    for (const struct json *p = list ? list->first : NULL; p; p = p->next) {
        int32_t phase = COMMON_ACTION_PHASE_SUCCEEDED;
        while (phase <= COMMON_ACTION_PHASE_PAUSED && !str_eq(json_text(p, STR("")), notify_phase_name(phase)))
            phase++;
        if (phase > COMMON_ACTION_PHASE_PAUSED)
            return bad(cx, rule, "on_phases: each is SUCCEEDED, FAILED, ABORTED, TIMED_OUT or PAUSED");
        *out |= UINT32_C(1) << phase;
    }
    return *out ? CODE_OK : bad(cx, rule, "on_phases: a list is required");
}

static bool has_delivery(const struct notify_named *n, str name)
{
    for (size_t i = 0; i < n->delivery_count; i++)
        if (str_eq(n->deliveries[i].name, name))
            return true;
    return false;
}

static enum code read_rule(struct ctx *cx, const struct json *v, const struct notify_named *n, struct notify_rule *out)
{
    const struct json *list = json_get(v, STR("deliveries"));
    VEC(str) names = {0};
    *out = (struct notify_rule){.name = v->key};
    TRY(read_phases(cx, v, &out->phases));
    for (const struct json *m = v->first; m; m = m->next)
        if (!str_eq(m->key, STR("on_phases")) && !str_eq(m->key, STR("deliveries")))
            return bad(cx, m, "a rule has on_phases and deliveries, nothing else");
    for (const struct json *d = list ? list->first : NULL; d; d = d->next) {
        if (!has_delivery(n, json_text(d, STR(""))))
            return bad(cx, v, "deliveries: each is a name from the section deliveries");
        *vec_push(&names, cx->mem) = json_text(d, STR(""));
    }
    if (!names.n || names.n > NOTIFY_RULES_MAX)
        return bad(cx, v, "deliveries: a list of 1 to 50 names is required");
    out->deliveries = names.p;
    out->delivery_count = names.n;
    return CODE_OK;
}

static size_t count(const struct json *section)
{
    size_t n = 0;
    for (const struct json *m = section ? section->first : NULL; m; m = m->next)
        n++;
    return n;
}

static enum code read_sections(struct ctx *cx, const struct json *root, struct notify_named *n)
{
    const struct json *deliveries = json_get(root, STR("deliveries")), *rules = json_get(root, STR("rules"));
    for (const struct json *m = root->first; m; m = m->next)
        if ((m != deliveries && m != rules) || m->kind != JSON_OBJECT)
            return bad(cx, m, "the file has the sections deliveries and rules, of names and what they mean");
    n->deliveries = arena_new_array(cx->mem, struct notify_delivery, count(deliveries));
    n->rules = arena_new_array(cx->mem, struct notify_rule, count(rules));
    for (const struct json *m = deliveries ? deliveries->first : NULL; m; m = m->next)
        TRY(read_delivery(cx, m, &n->deliveries[n->delivery_count++]));
    for (const struct json *m = rules ? rules->first : NULL; m; m = m->next)
        TRY(read_rule(cx, m, n, &n->rules[n->rule_count++]));
    return CODE_OK;
}

enum code notify_named_read(struct ctx *cx, str path, struct notify_named *out)
{
    struct json *root;
    str text;
    *out = (struct notify_named){0};
    TRY(file_read(cx, path.p, FILE_BYTES_MAX, &text));
    if (yaml_parse(cx, text, &root) != CODE_OK || (root->kind != JSON_NULL && read_sections(cx, root, out) != CODE_OK))
        return fail_wrap(cx, STR_FMT, STR_ARG(path));
    return CODE_OK;
}

/* Whether it is the whole name, or the name within that project and domain. */
static bool is_called(str own, const struct store_run *run, str name, bool scoped)
{
    str project, domain, rest;
    if (!scoped)
        return str_eq(own, name);
    return str_cut(own, '/', &project, &rest) && str_cut(rest, '/', &domain, &rest) && str_eq(project, run->project) &&
           str_eq(domain, run->domain) && str_eq(rest, name);
}

const struct notify_rule *notify_named_rule(const struct notify_named *n, const struct store_run *run, str name)
{
    for (int scoped = 1; scoped >= 0; scoped--)
        for (size_t i = 0; i < n->rule_count; i++)
            if (is_called(n->rules[i].name, run, name, scoped))
                return &n->rules[i];
    return NULL;
}

const struct notify_delivery *notify_named_delivery(const struct notify_named *n, const struct store_run *run, str name)
{
    for (int scoped = 1; scoped >= 0; scoped--)
        for (size_t i = 0; i < n->delivery_count; i++)
            if (is_called(n->deliveries[i].name, run, name, scoped))
                return &n->deliveries[i];
    return NULL;
}

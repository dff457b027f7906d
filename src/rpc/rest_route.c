/* The tree of path templates: one node for each segment. Built at the start, then read by any thread. A literal goes
 * before "*", that before "**"; with the same path, a template with an action (":cancel") before one without. */
#include "rpc/rest_int.h"

#include "base/codec.h"

#include "rpc/text.h"

#include <stdio.h>

struct rest_node {
    struct rest_node *next; /* the parent's other literals */
    str literal;
    struct rest_node *literals, *one;
    struct rest_binding *here; /* the path ends here */
    struct rest_binding *all;  /* "**": whatever follows */
};

/* ---- building ---------------------------------------------------------------------------------------------------- */

static struct rest_node *add_literal(struct arena *mem, struct rest_node *parent, str text)
{
    for (struct rest_node *at = parent->literals; at; at = at->next)
        if (str_eq(at->literal, text))
            return at;
    struct rest_node *node = arena_new(mem, struct rest_node);
    node->literal = text;
    node->next = parent->literals;
    parent->literals = node;
    return node;
}

static struct rest_binding **place(struct rpc *r, const struct rest_template *t)
{
    struct rest_node *at = r->rest;
    for (size_t i = 0; i < t->segment_count; i++) {
        const struct rest_segment *s = &t->segments[i];
        if (s->kind == REST_ALL)
            return &at->all;
        if (s->kind == REST_ONE && !at->one)
            at->one = arena_new(&r->mem, struct rest_node);
        at = s->kind == REST_ONE ? at->one : add_literal(&r->mem, at, s->text);
    }
    return &at->here;
}

static enum code check_fields(struct ctx *cx, const struct rest_binding *b, str path)
{
    const struct pb_type *input = b->method->pb->input;
    bool whole = str_eq(b->body, STR("*"));
    for (size_t i = 0; i < b->var_count; i++)
        if (!pb_text_is_single(input, b->vars[i].path))
            return fail(cx, CODE_INTERNAL, "path template " STR_FMT ": %s has no single field " STR_FMT, STR_ARG(path),
                        pb_type_name(input).p, STR_ARG(b->vars[i].path));
    if (b->body.n && !whole && !pb_text_field(input, b->body))
        return fail(cx, CODE_INTERNAL, "path template " STR_FMT ": %s has no field " STR_FMT " for the body",
                    STR_ARG(path), pb_type_name(input).p, STR_ARG(b->body));
    return CODE_OK;
}

static enum code bind(struct ctx *cx, struct rpc *r, const struct method *m, const struct pb_http *rule)
{
    struct rest_template t;
    struct rest_binding *b = arena_new(&r->mem, struct rest_binding);
    str path = str_from(rule->path);
    TRY(rest_template_parse(cx, path, &t));
    *b = (struct rest_binding){
        .method = m, .http = str_from(rule->verb), .action = t.verb, .body = str_from(rule->body)};
    b->var_count = t.var_count;
    b->vars = t.var_count ? memcpy(arena_new_array(&r->mem, struct rest_var, t.var_count), t.vars,
                                   t.var_count * sizeof(*t.vars))
                          : NULL;
    TRY(check_fields(cx, b, path));
    struct rest_binding **at = place(r, &t);
    for (; *at; at = &(*at)->next)
        if (str_eq((*at)->http, b->http) && str_eq((*at)->action, b->action))
            return fail(cx, CODE_INTERNAL, "path template " STR_FMT ": two RPCs have it", STR_ARG(path));
    *at = b;
    return CODE_OK;
}

static enum code bind_default(struct ctx *cx, struct rpc *r, const struct method *m)
{
    struct pb_http rule = {.verb = "POST", .body = "*"};
    rule.path = arena_concat(&r->mem, STR(REST_PREFIX), m->path).p;
    TRY(bind(cx, r, m, &rule));
    if (!m->pb->no_side_effects)
        return CODE_OK;
    rule.verb = "GET";
    rule.body = NULL;
    return bind(cx, r, m, &rule);
}

enum code rest_table(struct ctx *cx, struct rpc *r)
{
    r->rest = arena_new(&r->mem, struct rest_node);
    for (size_t i = 0; i < r->method_count; i++) {
        const struct method *m = &r->methods[i];
        for (size_t k = 0; k < m->pb->http_count; k++)
            TRY(bind(cx, r, m, &m->pb->http[k]));
        if (!m->pb->http_count)
            TRY(bind_default(cx, r, m));
    }
    return CODE_OK;
}

/* ---- matching ---------------------------------------------------------------------------------------------------- */

struct match {
    struct rest_path path;
    str method, action;
    struct rest_found *found;
};

static void also_allow(struct rest_found *found, str http)
{
    size_t n = strlen(found->allow);
    if (str_find(str_from(found->allow), http) == SIZE_MAX)
        snprintf(found->allow + n, sizeof(found->allow) - n, "%s" STR_FMT, n ? ", " : "", STR_ARG(http));
}

static bool pick(const struct match *m, const struct rest_binding *list)
{
    for (const struct rest_binding *b = list; b; b = b->next) {
        if (!str_eq(b->action, m->action))
            continue;
        if (str_eq(b->http, m->method) || str_eq(b->http, STR("*"))) {
            m->found->binding = b;
            return true;
        }
        also_allow(m->found, b->http);
    }
    return false;
}

/* Literals are compared decoded. True when the encoded segment says the same. */
static bool same(str literal, str segment)
{
    struct arena mem;
    str plain;
    if (segment.n > 3 * literal.n) /* a byte takes three at most */
        return false;
    if (str_find_char(segment, '%') == SIZE_MAX)
        return str_eq(literal, segment);
    arena_init(&mem, 0);
    bool equal = codec_percent_decode(&mem, segment, false, &plain) && str_eq(literal, plain);
    arena_done(&mem);
    return equal;
}

static bool walk(const struct match *m, const struct rest_node *node, size_t i)
{
    if (i == m->path.n)
        return pick(m, node->here) || pick(m, node->all);
    str segment = m->path.segments[i];
    for (const struct rest_node *at = node->literals; at; at = at->next)
        if (same(at->literal, segment) && walk(m, at, i + 1))
            return true;
    return (node->one && segment.n && walk(m, node->one, i + 1)) || pick(m, node->all);
}

/* Cuts ":action" off the last segment. */
static bool cut_action(struct rest_path *path, str *action)
{
    str *last = &path->segments[path->n - 1];
    size_t colon = str_rfind_char(*last, ':');
    if (colon == SIZE_MAX)
        return false;
    *action = str_skip(*last, colon + 1);
    *last = str_head(*last, colon);
    return action->n != 0;
}

void rest_find(const struct rpc *r, str http_method, str path, struct rest_found *out)
{
    struct match m = {.method = http_method, .found = out};
    *out = (struct rest_found){0};
    if (!rest_path_cut(path, &m.path))
        return;
    str whole = m.path.segments[m.path.n - 1];
    if (cut_action(&m.path, &m.action) && walk(&m, r->rest, 0))
        return;
    m.path.segments[m.path.n - 1] = whole;
    m.action = STR_NONE;
    (void)walk(&m, r->rest, 0);
}

enum code rest_values(struct ctx *cx, const struct rest_binding *b, str path, str **out)
{
    struct rest_path cut;
    str action;
    if (!rest_path_cut(arena_str(cx->mem, path), &cut))
        return fail(cx, CODE_INTERNAL, "a path that was found before is not");
    if (b->action.n)
        (void)cut_action(&cut, &action);
    *out = arena_new_array(cx->mem, str, b->var_count);
    for (size_t i = 0; i < b->var_count; i++)
        TRY(rest_template_value(cx, &b->vars[i], &cut, &(*out)[i]));
    return CODE_OK;
}

/* /answer/ID-TOKEN. GET shows the question with a form and changes nothing, POST answers: a form (value=...), or JSON, either
 * the value or {"value": ...}. Whoever has the token may answer, once. Work lane. */
#include "service/page_answer_int.h"

#include "app.h"
#include "base/codec.h"
#include "base/json.h"
#include "engine/signal.h"
#include "notify/notify.h"
#include "rpc/call.h"
#include "service/audit.h"
#include "service/html_int.h"
#include "store/identity.h"
#include "store/spec.h"

#define PAGE_BYTES_MAX ((size_t)1 << 20)
#define VALUE_MAX ((size_t)64 << 10)

struct question {
    const struct rpc_page_request *req;
    const struct store_run *run;
    struct store_action *action;
    const WorkflowConditionAction *condition;
    const CoreLiteral *answer; /* POST */
};

static enum code find(struct ctx *cx, void *arg)
{
    struct question *q = arg;
    struct store_run *run;
    struct store_spec *s;
    uint64_t id;
    void *msg;
    TRY(notify_find_answer(cx, str_skip(q->req->path, sizeof("/answer/") - 1), &id));
    TRY(store_action_get_by_id(cx, id, &q->action));
    TRY(store_run_get_by_id(cx, q->action->run_id, &run));
    TRY(store_spec_get(cx, q->action->spec_id, &s));
    TRY(pb_decode(cx, &WorkflowConditionAction_type, s->body, &msg));
    q->run = run;
    q->condition = msg;
    return CODE_OK;
}

static int32_t type_of(const struct question *q)
{
    return q->condition->type ? q->condition->type->simple : CORE_NONE;
}

/* ---- the value --------------------------------------------------------------------------------------------------- */

static bool form_value(struct arena *mem, str body, str *out)
{
    str pair, name;
    while (str_next(&body, '&', &pair)) {
        str_cut(pair, '=', &name, out);
        if (str_eq(name, STR("value"))) {
            return codec_percent_decode(mem, *out, true, out);
        }
    }
    return false;
}

/* The text of the value, and whether it was a string where that counts (JSON). */
static enum code read_value(struct ctx *cx, const struct question *q, str *out, bool *is_string)
{
    struct json *v;
    str type = rpc_header(cx, STR("content-type"));
    if (str_starts(type, STR("application/x-www-form-urlencoded"))) {
        *is_string = type_of(q) == CORE_STRING;
        return form_value(cx->mem, q->req->body, out) ? CODE_OK
                                                      : fail(cx, CODE_INVALID_ARGUMENT, "the form has no value");
    }
    if (json_parse(cx, q->req->body, &v) != CODE_OK)
        return fail_wrap(cx, "the body is a form or JSON, {\"value\": ...}");
    if (v->kind == JSON_OBJECT)
        v = json_get(v, STR("value"));
    if (!v || v->kind == JSON_OBJECT || v->kind == JSON_ARRAY || v->kind == JSON_NULL)
        return fail(cx, CODE_INVALID_ARGUMENT, "value: required, and must be a boolean, a number or a string");
    *is_string = v->kind == JSON_STRING;
    *out = v->kind == JSON_BOOL ? v->boolean ? STR("true") : STR("false") : v->text;
    return CODE_OK;
}

static bool set_value(CorePrimitive *p, int32_t type, str text, bool is_string)
{
    if (is_string != (type == CORE_STRING))
        return false;
    if (type == CORE_STRING) {
        p->value_case = CorePrimitive_string_value_tag;
        p->string_value = text;
        return str_is_utf8(text);
    }
    if (type == CORE_BOOLEAN) {
        p->value_case = CorePrimitive_boolean_tag;
        p->boolean = str_eq(text, STR("true"));
        return p->boolean || str_eq(text, STR("false"));
    }
    p->value_case = type == CORE_INTEGER ? CorePrimitive_integer_tag : CorePrimitive_float_value_tag;
    return type == CORE_INTEGER ? str_to_i64(text, &p->integer) : str_to_f64(text, &p->float_value);
}

static enum code read_answer(struct ctx *cx, struct question *q)
{
    CoreLiteral *l = pb_new(cx->mem, CoreLiteral);
    str text = STR("");
    bool is_string = false;
    TRY(read_value(cx, q, &text, &is_string));
    l->value_case = CoreLiteral_scalar_tag;
    l->scalar = pb_new(cx->mem, CoreScalar);
    l->scalar->value_case = CoreScalar_primitive_tag;
    l->scalar->primitive = pb_new(cx->mem, CorePrimitive);
    if (text.n > VALUE_MAX || !set_value(l->scalar->primitive, type_of(q), text, is_string))
        return fail(cx, CODE_INVALID_ARGUMENT, "value: the condition takes a %s",
                    type_of(q) == CORE_BOOLEAN   ? "boolean"
                    : type_of(q) == CORE_STRING  ? "string of at most 64 KiB"
                    : type_of(q) == CORE_INTEGER ? "whole number"
                                                 : "number");
    q->answer = l;
    return CODE_OK;
}

static enum code answer(struct ctx *cx, void *arg)
{
    struct question *q = arg;
    uint64_t by;
    TRY(find(cx, q)); /* as it is now */
    TRY(store_identity_put_caller(cx, &by));
    return engine_signal(cx, q->run, q->action, q->answer, by);
}

/* ---- the page ---------------------------------------------------------------------------------------------------- */

static void form(buf *b, const struct question *q)
{
    buf_str(b, STR("<form method=\"post\">"));
    if (type_of(q) == CORE_BOOLEAN)
        buf_str(b, STR("<button name=\"value\" value=\"true\">Yes</button> "
                       "<button name=\"value\" value=\"false\">No</button>"));
    else
        buf_str(b, STR("<input name=\"value\" required> <button>Answer</button>"));
    buf_str(b, STR("</form>"));
}

static enum code show(struct ctx *cx, const struct question *q, const char *done, struct rpc_page_response *rsp)
{
    const WorkflowConditionAction *c = q->condition;
    buf b;
    buf_init_arena(&b, cx->mem, PAGE_BYTES_MAX);
    html_begin(&b, c->name, 0);
    buf_str(&b, STR("<h1>"));
    html_text(&b, c->prompt.n ? c->prompt : c->name);
    buf_str(&b, STR("</h1><p>"));
    html_text(&b, c->description);
    buf_str(&b, STR("</p><p><small>Run "));
    html_text(&b, q->run->name);
    buf_str(&b, STR("</small></p>"));
    bool asks = !*done && !q->action->ended_ns;
    if (asks)
        form(&b, q);
    else
        buf_printf(&b, "<p>%s</p>", *done ? done : "This is settled: nothing is asked any more.");
    return html_end(cx, &b, STR(""), asks, rsp);
}

enum code service_page_answer(struct ctx *cx, const struct rpc_page_request *req, struct rpc_page_response *rsp)
{
    struct question q = {.req = req};
    bool post = str_eq(req->method, STR("POST"));
    if (!post && !str_eq(req->method, STR("GET")))
        return fail(cx, CODE_INVALID_ARGUMENT, "GET shows the question, POST answers it");
    TRY(lane_read(cx, cx->app->lanes, find, &q));
    if (!post)
        return show(cx, &q, "", rsp);
    TRY(read_answer(cx, &q));
    TRY(lane_write(cx, cx->app->lanes, answer, &q));
    TRY(audit_other(cx, STR("answer to a condition"),
                    arena_printf(cx->mem, STR_FMT "/" STR_FMT "/" STR_FMT "/" STR_FMT, STR_ARG(q.run->project),
                                 STR_ARG(q.run->domain), STR_ARG(q.run->name), STR_ARG(q.action->name))));
    return show(cx, &q, "Thank you: the run goes on.", rsp);
}

/* The message of a REST request: body, then path, then query. Pure functions, any thread. */
#include "rpc/rest_int.h"

#include "base/codec.h"

static bool is_whole(const struct rest_binding *b)
{
    return str_eq(b->body, STR("*"));
}

static enum code read_body(struct ctx *cx, const struct rest_binding *b, str body, void **msg)
{
    const struct pb_type *type = b->method->pb->input;
    if (is_whole(b) && body.n)
        return pb_json_decode(cx, type, body, false, msg);
    *msg = pb_type_new(cx->mem, type);
    if (!body.n)
        return CODE_OK;
    if (!b->body.n)
        return fail(cx, CODE_INVALID_ARGUMENT, "body: this request has none; its fields go in path and query");
    return pb_json_decode_field(cx, type, b->body, body, false, *msg);
}

static enum code read_path(struct ctx *cx, const struct rest *rest, struct pb_text *text)
{
    for (size_t i = 0; i < rest->binding->var_count; i++)
        if (pb_text_set(cx, text, rest->binding->vars[i].path, rest->values[i]) != CODE_OK)
            return fail_wrap(cx, "path");
    return CODE_OK;
}

static enum code read_parameter(struct ctx *cx, const struct rest_binding *b, struct pb_text *text, str piece)
{
    str name, value;
    str_cut(piece, '=', &name, &value);
    if (!codec_percent_decode(cx->mem, name, true, &name) || !codec_percent_decode(cx->mem, value, true, &value))
        return fail(cx, CODE_INVALID_ARGUMENT, "query: \"" STR_FMT "\" is not percent-encoded right",
                    STR_ARG(str_head(piece, 100)));
    if (is_whole(b))
        return fail(cx, CODE_INVALID_ARGUMENT, "query: \"" STR_FMT "\": all fields of this request go in its body",
                    STR_ARG(str_head(name, 100)));
    if (b->body.n && pb_text_field(text->type, b->body) == pb_text_field(text->type, name))
        return fail(cx, CODE_INVALID_ARGUMENT, "query: " STR_FMT " is given by the body", STR_ARG(b->body));
    return pb_text_set(cx, text, name, value) == CODE_OK ? CODE_OK : fail_wrap(cx, "query");
}

static enum code read_query(struct ctx *cx, const struct rest *rest, struct pb_text *text)
{
    str left = rest->query, piece;
    while (str_next(&left, '&', &piece))
        if (piece.n)
            TRY(read_parameter(cx, rest->binding, text, piece));
    return CODE_OK;
}

enum code rest_read(struct ctx *cx, const struct rest *rest, str body, void **out)
{
    struct pb_text text = {.type = rest->binding->method->pb->input};
    TRY(read_body(cx, rest->binding, body, &text.msg));
    TRY(read_path(cx, rest, &text));
    TRY(read_query(cx, rest, &text));
    *out = text.msg;
    return CODE_OK;
}

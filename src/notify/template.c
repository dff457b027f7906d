/* See template.h. */
#include "notify/template.h"

#include "base/buf.h"
#include "base/json.h"

static const struct place {
    const char *name;
    size_t offset;
} places[] = {
    {".Run.Project", offsetof(struct notify_values, project)},
    {".Run.Domain", offsetof(struct notify_values, domain)},
    {".Run.Name", offsetof(struct notify_values, run)},
    {".Phase", offsetof(struct notify_values, phase)},
    {".Error", offsetof(struct notify_values, error)},
    {".Action", offsetof(struct notify_values, action)},
    {".Action.Name", offsetof(struct notify_values, action)},
    {".Action.Run.Project", offsetof(struct notify_values, project)},
    {".Action.Run.Domain", offsetof(struct notify_values, domain)},
    {".Action.Run.Name", offsetof(struct notify_values, run)},
    {".Prompt", offsetof(struct notify_values, prompt)},
    {".Description", offsetof(struct notify_values, description)},
    {".PromptType", offsetof(struct notify_values, prompt_type)},
};

/* There are no organizations here: their place is empty. */
static bool find(const struct notify_values *v, str name, str *out)
{
    if (str_eq(name, STR(".Run.Org")) || str_eq(name, STR(".Action.Run.Org"))) {
        *out = STR("");
        return true;
    }
    for (size_t i = 0; i < sizeof(places) / sizeof(*places); i++)
        if (str_eq(name, str_from(places[i].name))) {
            *out = *(const str *)(const void *)((const char *)v + places[i].offset);
            return true;
        }
    return false;
}

/* ---- escaping ---------------------------------------------------------------------------------------------------- */

static void put_json(struct arena *mem, buf *b, str s, bool quoted)
{
    buf text;
    buf_init_arena(&text, mem, NOTIFY_TEMPLATE_MAX);
    json_put_str(&text, s);
    b->failed = b->failed || text.failed;
    str whole = buf_view(&text);
    buf_str(b, quoted || whole.n < 2 ? whole : str_make(whole.p + 1, whole.n - 2));
}

static void put_html(buf *b, str s)
{
    static const char *const names['>' + 1] = {
        ['&'] = "&amp;", ['<'] = "&lt;", ['>'] = "&gt;", ['"'] = "&quot;", ['\''] = "&#39;"};
    for (size_t i = 0; i < s.n; i++) {
        uint8_t c = (uint8_t)s.p[i];
        if (c <= '>' && names[c])
            buf_str(b, str_from(names[c]));
        else
            buf_char(b, s.p[i]);
    }
}

static void put_line(buf *b, str s)
{
    for (size_t i = 0; i < s.n; i++)
        buf_char(b, (uint8_t)s.p[i] < 0x20 || s.p[i] == 0x7f ? ' ' : s.p[i]);
}

static bool is_unreserved(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || (c && strchr("-._~", c));
}

static void put_url(buf *b, str s)
{
    for (size_t i = 0; i < s.n; i++)
        if (is_unreserved(s.p[i]))
            buf_char(b, s.p[i]);
        else
            buf_printf(b, "%%%02X", (uint8_t)s.p[i]);
}

static void put(struct arena *mem, buf *b, enum notify_context context, bool in_string, str s)
{
    switch (context) {
    case NOTIFY_PLAIN:
        buf_str(b, s);
        return;
    case NOTIFY_JSON:
        put_json(mem, b, s, !in_string);
        return;
    case NOTIFY_HTML:
        put_html(b, s);
        return;
    case NOTIFY_LINE:
        put_line(b, s);
        return;
    case NOTIFY_URL:
        put_url(b, s);
        return;
    }
}

/* ---- the text ---------------------------------------------------------------------------------------------------- */

/* Whether the text behind this piece is inside a JSON string, and right behind a backslash there. */
static void follow_json(str piece, bool *in_string, bool *escaped)
{
    for (size_t i = 0; i < piece.n; i++) {
        if (*escaped)
            *escaped = false;
        else if (*in_string && piece.p[i] == '\\')
            *escaped = true;
        else if (piece.p[i] == '"')
            *in_string = !*in_string;
    }
}

enum code notify_template_render(struct ctx *cx, const struct notify_values *v, enum notify_context context, str text,
                                 str *out)
{
    bool in_string = false, escaped = false;
    str value;
    buf b;
    buf_init_arena(&b, cx->mem, NOTIFY_TEMPLATE_MAX);
    for (;;) {
        size_t at = str_find(text, STR("{{")), end;
        str piece = str_head(text, at);
        buf_str(&b, piece);
        follow_json(piece, &in_string, &escaped);
        if (at == SIZE_MAX)
            break;
        text = str_skip(text, at + 2);
        end = str_find(text, STR("}}"));
        str name = str_trim(str_head(text, end));
        if (end == SIZE_MAX || !find(v, name, &value))
            return fail(cx, CODE_INVALID_ARGUMENT, "the template has {{" STR_FMT "%s, which is no place that is known",
                        STR_ARG(str_head(name, 60)), end == SIZE_MAX ? "" : "}}");
        put(cx->mem, &b, context, in_string, value);
        text = str_skip(text, end + 2);
    }
    if (b.failed)
        return fail(cx, CODE_RESOURCE_EXHAUSTED, "the text is longer than %zu bytes", NOTIFY_TEMPLATE_MAX);
    *out = buf_view(&b);
    return CODE_OK;
}

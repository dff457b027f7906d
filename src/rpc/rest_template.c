/* Reading path templates, and the values of their variables from a path. Pure functions, any thread. The grammar, as in
 * google/api/http.proto:
 *
 *   Template = "/" Segments [ ":" LITERAL ]      Segment  = "*" | "**" | LITERAL | Variable
 *   Segments = Segment { "/" Segment }           Variable = "{" IDENT { "." IDENT } [ "=" Segments ] "}" */
#include "rpc/rest_template_int.h"

#include "base/codec.h"

#include "rpc/text.h"

struct parser {
    struct ctx *cx;
    str text, rest;
    struct rest_template *out;
};

static enum code wrong(const struct parser *p, const char *what)
{
    return fail(p->cx, CODE_INTERNAL, "path template " STR_FMT ": %s at byte %zu", STR_ARG(p->text), what,
                p->text.n - p->rest.n);
}

static bool take(struct parser *p, str token)
{
    if (!str_starts(p->rest, token))
        return false;
    p->rest = str_skip(p->rest, token.n);
    return true;
}

static bool is_ident(char c, bool first)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_' || (!first && c >= '0' && c <= '9');
}

static str take_while(struct parser *p, const char *stops)
{
    size_t n = 0;
    while (n < p->rest.n && !strchr(stops, p->rest.p[n]))
        n++;
    str got = str_head(p->rest, n);
    p->rest = str_skip(p->rest, n);
    return got;
}

static enum code add(struct parser *p, enum rest_segment_kind kind, str text)
{
    struct rest_template *t = p->out;
    if (t->segment_count == REST_SEGMENTS_MAX)
        return wrong(p, "too many segments");
    if (t->segment_count && t->segments[t->segment_count - 1].kind == REST_ALL)
        return wrong(p, "nothing may follow **");
    t->segments[t->segment_count++] = (struct rest_segment){kind, text};
    return CODE_OK;
}

static enum code literal(struct parser *p, str *out)
{
    *out = take_while(p, "/:{}=*");
    return out->n ? CODE_OK : wrong(p, "a segment is missing");
}

/* "*", "**" or a literal. */
static enum code plain(struct parser *p)
{
    str text;
    if (take(p, STR("**")))
        return add(p, REST_ALL, STR_NONE);
    if (take(p, STR("*")))
        return add(p, REST_ONE, STR_NONE);
    TRY(literal(p, &text));
    return add(p, REST_LITERAL, text);
}

static enum code field_path(struct parser *p, str *out)
{
    size_t n = 0;
    bool first = true;
    for (; n < p->rest.n && (is_ident(p->rest.p[n], first) || (!first && p->rest.p[n] == '.')); n++)
        first = p->rest.p[n] == '.';
    *out = str_head(p->rest, n);
    p->rest = str_skip(p->rest, n);
    return n && !first ? CODE_OK : wrong(p, "a field's name is missing");
}

static enum code variable(struct parser *p)
{
    struct rest_template *t = p->out;
    struct rest_var var = {.first = t->segment_count};
    TRY(field_path(p, &var.path));
    if (!take(p, STR("="))) {
        TRY(add(p, REST_ONE, STR_NONE));
    } else {
        do
            TRY(plain(p));
        while (take(p, STR("/")));
    }
    if (!take(p, STR("}")))
        return wrong(p, "a variable ends with }");
    var.n = t->segment_count - var.first;
    var.all = t->segments[t->segment_count - 1].kind == REST_ALL;
    var.many = var.n > 1 || var.all;
    t->vars[t->var_count++] = var;
    return CODE_OK;
}

enum code rest_template_parse(struct ctx *cx, str text, struct rest_template *out)
{
    struct parser p = {cx, text, text, out};
    *out = (struct rest_template){.segments = arena_new_array(cx->mem, struct rest_segment, REST_SEGMENTS_MAX),
                                  .vars = arena_new_array(cx->mem, struct rest_var, REST_SEGMENTS_MAX)};
    if (!take(&p, STR("/")))
        return wrong(&p, "a path begins with /");
    do
        TRY(take(&p, STR("{")) ? variable(&p) : plain(&p));
    while (take(&p, STR("/")));
    if (take(&p, STR(":")))
        TRY(literal(&p, &out->verb));
    return p.rest.n ? wrong(&p, "unexpected character") : CODE_OK;
}

/* ---- paths ------------------------------------------------------------------------------------------------------- */

bool rest_path_cut(str path, struct rest_path *out)
{
    str rest = str_skip(path, 1), segment;
    out->n = 0;
    if (!str_starts(path, STR("/")))
        return false;
    do {
        if (out->n == REST_SEGMENTS_MAX)
            return false;
        bool more = str_cut(rest, '/', &segment, &rest);
        out->segments[out->n++] = segment;
        if (!more)
            return true;
    } while (true);
}

static enum code malformed(struct ctx *cx, const struct rest_var *var)
{
    return fail(cx, CODE_INVALID_ARGUMENT, "path: " STR_FMT " is not percent-encoded right", STR_ARG(var->path));
}

/* Where an encoded slash is, or SIZE_MAX. */
static size_t find_slash(str s)
{
    for (size_t i = 0; i + 2 < s.n; i++)
        if (s.p[i] == '%' && s.p[i + 1] == '2' && (s.p[i + 2] | 0x20) == 'f')
            return i;
    return SIZE_MAX;
}

/* A segment among several keeps its encoded slashes: decoded they would be taken for separators. */
static enum code put_segment(struct ctx *cx, const struct rest_var *var, str segment, buf *b)
{
    for (size_t slash; segment.n; segment = str_skip(segment, slash + 3)) {
        str plain;
        slash = find_slash(segment);
        if (!codec_percent_decode(cx->mem, str_head(segment, slash), false, &plain))
            return malformed(cx, var);
        buf_str(b, plain);
        if (slash == SIZE_MAX)
            break;
        buf_str(b, str_head(str_skip(segment, slash), 3));
    }
    return CODE_OK;
}

enum code rest_template_value(struct ctx *cx, const struct rest_var *var, const struct rest_path *path, str *out)
{
    size_t end = var->all ? path->n : var->first + var->n;
    size_t bytes = 0;
    buf joined;
    if (!var->many)
        return codec_percent_decode(cx->mem, path->segments[var->first], false, out) ? CODE_OK : malformed(cx, var);
    for (size_t i = var->first; i < end; i++)
        bytes += path->segments[i].n + 1;
    buf_init_arena(&joined, cx->mem, bytes + 1);
    for (size_t i = var->first; i < end; i++) {
        if (i > var->first)
            buf_char(&joined, '/');
        TRY(put_segment(cx, var, path->segments[i], &joined));
    }
    *out = buf_view(&joined);
    return CODE_OK;
}

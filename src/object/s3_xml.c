/* A writer and a small strict reader of XML. No state. See s3_xml_int.h. */
#include "object/s3_xml_int.h"

#include "base/time.h"

/* ---- writing ----------------------------------------------------------------------------------------------------- */

void object_s3_xml_begin(buf *b, const char *ns, const char *root)
{
    buf_str(b, STR("<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n"));
    if (ns)
        buf_printf(b, "<%s xmlns=\"%s\">", root, ns);
    else
        buf_printf(b, "<%s>", root);
}

void object_s3_xml_open(buf *b, const char *tag)
{
    buf_printf(b, "<%s>", tag);
}

void object_s3_xml_end(buf *b, const char *tag)
{
    buf_printf(b, "</%s>", tag);
}

/* Length of the UTF-8 character at the start of s, or 0. */
static size_t character(str s)
{
    uint8_t c = (uint8_t)s.p[0];
    size_t n = c < 0x80 ? 1 : c >= 0xf0 ? 4 : c >= 0xe0 ? 3 : 2;
    return n <= s.n && str_is_utf8(str_head(s, n)) ? n : 0;
}

static void put_escaped(buf *b, str s)
{
    while (s.n) {
        size_t n = character(s);
        uint8_t c = (uint8_t)s.p[0];
        if (c == '&')
            buf_str(b, STR("&amp;"));
        else if (c == '<')
            buf_str(b, STR("&lt;"));
        else if (c == '>')
            buf_str(b, STR("&gt;"));
        else if (c == '"')
            buf_str(b, STR("&quot;"));
        else if (c == '\t' || c == '\n' || c == '\r')
            buf_printf(b, "&#%d;", c);
        else if (!n || c < 0x20)
            buf_str(b, STR("\xef\xbf\xbd"));
        else
            buf_str(b, str_head(s, n));
        s = str_skip(s, n ? n : 1);
    }
}

void object_s3_xml_text(buf *b, const char *tag, str value)
{
    object_s3_xml_open(b, tag);
    put_escaped(b, value);
    object_s3_xml_end(b, tag);
}

void object_s3_xml_int(buf *b, const char *tag, int64_t value)
{
    object_s3_xml_open(b, tag);
    buf_i64(b, value);
    object_s3_xml_end(b, tag);
}

void object_s3_xml_time(buf *b, const char *tag, int64_t time_ns)
{
    char text[TIME_RFC3339_MAX];
    time_format_ms(time_ns, text);
    object_s3_xml_open(b, tag);
    buf_str(b, str_from(text));
    object_s3_xml_end(b, tag);
}

/* ---- reading ----------------------------------------------------------------------------------------------------- */

#define DEPTH_MAX 8
#define TEXT_PIECES_MAX 8

enum event { EVENT_OPEN, EVENT_CLOSE, EVENT_TEXT, EVENT_END, EVENT_BAD };

struct reader {
    struct arena *mem;
    str rest;
    str name;         /* of the last tag, without its namespace */
    str text;         /* of the last TEXT */
    bool self_closed; /* <name/>: its CLOSE comes next */
};

static bool is_space(char c)
{
    return c == ' ' || c == '\t' || c == '\n' || c == '\r';
}

/* Skips to behind `end`; false when it is not there. */
static bool skip_past(struct reader *x, str end)
{
    size_t at = str_find(x->rest, end);
    if (at == SIZE_MAX)
        return false;
    x->rest = str_skip(x->rest, at + end.n);
    return true;
}

/* The value of &name; or 0. */
static uint32_t entity(str name)
{
    static const struct {
        const char *name;
        char c;
    } known[] = {{"amp", '&'}, {"lt", '<'}, {"gt", '>'}, {"quot", '"'}, {"apos", '\''}};
    for (size_t i = 0; i < sizeof(known) / sizeof(*known); i++)
        if (str_eq(name, str_from(known[i].name)))
            return (uint32_t)known[i].c;
    bool hex = str_starts(name, STR("#x"));
    str digits = str_skip(name, hex ? 2 : 1);
    uint32_t v = 0;
    if (!str_starts(name, STR("#")) || !digits.n || digits.n > 7)
        return 0;
    for (size_t i = 0; i < digits.n; i++) {
        char c = digits.p[i];
        uint32_t d = c >= '0' && c <= '9'                        ? (uint32_t)(c - '0')
                     : hex && (c | 32) >= 'a' && (c | 32) <= 'f' ? (uint32_t)((c | 32) - 'a' + 10)
                                                                 : 99;
        if (d == 99)
            return 0;
        v = v * (hex ? 16 : 10) + d;
    }
    return v <= 0x10ffff && (v < 0xd800 || v > 0xdfff) ? v : 0;
}

static size_t put_utf8(char *p, uint32_t v)
{
    if (v < 0x80) {
        p[0] = (char)v;
        return 1;
    }
    size_t n = v < 0x800 ? 2 : v < 0x10000 ? 3 : 4;
    for (size_t i = n - 1; i > 0; i--, v >>= 6)
        p[i] = (char)(0x80 | (v & 0x3f));
    p[0] = (char)((0xf00 >> n) | v);
    return n;
}

/* Resolves entities; never longer than s, as the shortest entity has as many bytes as what it stands for. */
static bool unescape(struct arena *mem, str s, str *out)
{
    char *p = arena_alloc(mem, s.n + 1);
    size_t n = 0;
    for (size_t i = 0; i < s.n;) {
        if (s.p[i] != '&') {
            p[n++] = s.p[i++];
            continue;
        }
        size_t end = str_find_char(str_skip(s, i), ';');
        uint32_t v = end == SIZE_MAX ? 0 : entity(str_make(s.p + i + 1, end - 1));
        if (!v)
            return false;
        n += put_utf8(p + n, v);
        i += end + 1;
    }
    *out = str_make(p, n);
    return true;
}

/* Attributes are skipped, minding quotes; leaves x->rest behind the ">". */
static bool skip_attributes(struct reader *x)
{
    char quote = 0;
    for (size_t i = 0; i < x->rest.n; i++) {
        char c = x->rest.p[i];
        if (quote) {
            quote = c == quote ? 0 : quote;
        } else if (c == '"' || c == '\'') {
            quote = c;
        } else if (c == '<') {
            return false;
        } else if (c == '>') {
            x->self_closed = i && x->rest.p[i - 1] == '/';
            x->rest = str_skip(x->rest, i + 1);
            return true;
        }
    }
    return false;
}

static bool read_name(struct reader *x)
{
    size_t n = 0;
    while (n < x->rest.n && !is_space(x->rest.p[n]) && x->rest.p[n] != '>' && x->rest.p[n] != '/' &&
           x->rest.p[n] != '<')
        n++;
    str whole = str_head(x->rest, n), space, local;
    x->rest = str_skip(x->rest, n);
    x->name = str_cut(whole, ':', &space, &local) ? local : whole;
    return x->name.n > 0;
}

static enum event read_tag(struct reader *x)
{
    if (str_starts(x->rest, STR("</"))) {
        x->rest = str_skip(x->rest, 2);
        if (!read_name(x))
            return EVENT_BAD;
        bool ok = skip_attributes(x);
        x->self_closed = false;
        return ok ? EVENT_CLOSE : EVENT_BAD;
    }
    x->rest = str_skip(x->rest, 1);
    return read_name(x) && skip_attributes(x) ? EVENT_OPEN : EVENT_BAD;
}

static enum event read_cdata(struct reader *x)
{
    str all = str_skip(x->rest, 9);
    if (!skip_past(x, STR("]]>")))
        return EVENT_BAD;
    x->text = str_head(all, (size_t)(x->rest.p - all.p) - 3);
    return EVENT_TEXT;
}

static enum event next(struct reader *x)
{
    if (x->self_closed) {
        x->self_closed = false;
        return EVENT_CLOSE;
    }
    while (x->rest.n) {
        if (x->rest.p[0] != '<') {
            str all = x->rest;
            size_t at = str_find_char(all, '<');
            x->rest = str_skip(all, at == SIZE_MAX ? all.n : at);
            return unescape(x->mem, str_head(all, at), &x->text) ? EVENT_TEXT : EVENT_BAD;
        }
        if (str_starts(x->rest, STR("<![CDATA[")))
            return read_cdata(x);
        bool comment = str_starts(x->rest, STR("<!--"));
        if (!comment && !str_starts(x->rest, STR("<?")))
            return str_starts(x->rest, STR("<!")) ? EVENT_BAD : read_tag(x);
        if (!skip_past(x, comment ? STR("-->") : STR("?>")))
            return EVENT_BAD;
    }
    return EVENT_END;
}

/* Where a walk is: the open elements, and the text of the innermost. */
struct walk {
    struct reader x;
    str open[DEPTH_MAX];
    size_t depth, number;
    str text;
    int pieces;     /* of text: comments and CDATA cut it */
    bool had_child; /* the innermost element has elements inside: its text is only white space between them */
    object_s3_xml_field_fn *fn;
    void *arg;
};

static enum s3_error close_element(struct walk *w)
{
    if (!w->depth || !str_eq(w->open[w->depth - 1], w->x.name))
        return S3_MalformedXML;
    w->depth--;
    bool leaf = !w->had_child;
    str text = w->text;
    w->had_child = true;
    w->text = STR_NONE;
    w->pieces = 0;
    if (w->depth == 1 && leaf)
        return w->fn(w->arg, w->number, STR_NONE, w->x.name, text);
    if (w->depth == 1)
        w->number++;
    return w->depth == 2 && leaf ? w->fn(w->arg, w->number, w->open[1], w->x.name, text) : S3_OK;
}

static enum s3_error open_element(struct walk *w, const char *root)
{
    if (w->depth == DEPTH_MAX || (!w->depth && (w->had_child || !str_eq(w->x.name, str_from(root)))))
        return S3_MalformedXML;
    w->open[w->depth++] = w->x.name;
    w->had_child = false;
    w->text = STR_NONE;
    w->pieces = 0;
    return S3_OK;
}

static enum s3_error add_text(struct ctx *cx, struct walk *w)
{
    if (++w->pieces > TEXT_PIECES_MAX)
        return S3_MalformedXML;
    w->text = w->text.n ? arena_concat(cx->mem, w->text, w->x.text) : w->x.text;
    return S3_OK;
}

enum s3_error object_s3_xml_walk(struct ctx *cx, str document, const char *root, object_s3_xml_field_fn *fn, void *arg)
{
    struct walk w = {.x = {.mem = cx->mem, .rest = document}, .fn = fn, .arg = arg};
    if (str_starts(document, STR("\xef\xbb\xbf")))
        w.x.rest = str_skip(document, 3);
    for (;;) {
        switch (next(&w.x)) {
        case EVENT_OPEN:
            S3_TRY(open_element(&w, root));
            break;
        case EVENT_CLOSE:
            S3_TRY(close_element(&w));
            break;
        case EVENT_TEXT:
            S3_TRY(add_text(cx, &w));
            break;
        case EVENT_END:
            return w.depth || !w.had_child ? S3_MalformedXML : S3_OK;
        case EVENT_BAD:
            return S3_MalformedXML;
        }
    }
}

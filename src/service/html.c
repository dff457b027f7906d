/* The small HTML vocabulary of the pages. */
#include "service/html_int.h"

#include "base/time.h"
#include "pb/pb.h"
#include "rpc/call.h"

void html_text(buf *b, str s)
{
    static const struct {
        char c;
        const char *text;
    } escapes[] = {{'&', "&amp;"}, {'<', "&lt;"}, {'>', "&gt;"}, {'"', "&quot;"}, {'\'', "&#39;"}};
    for (size_t i = 0; i < s.n; i++) {
        const char *text = NULL;
        for (size_t k = 0; k < sizeof(escapes) / sizeof(*escapes); k++)
            if (s.p[i] == escapes[k].c)
                text = escapes[k].text;
        if (text)
            buf_str(b, str_from(text));
        else if ((unsigned char)s.p[i] >= 0x20 || s.p[i] == '\t' || s.p[i] == '\n')
            buf_char(b, s.p[i]);
    }
}

/* The end of the sequence that starts with ESC at s[i]: "[31m" sets a colour, "]...BEL" a title, others are short. */
static size_t after_escape(str s, size_t i)
{
    if (++i < s.n && s.p[i] == '[') {
        while (++i < s.n && (unsigned char)s.p[i] < 0x40)
            ;
    } else if (i < s.n && s.p[i] == ']') {
        while (++i < s.n && s.p[i] != '\a')
            ;
    }
    return i < s.n ? i + 1 : s.n;
}

void html_terminal(buf *b, str s)
{
    size_t from = 0;
    for (size_t i = 0; i < s.n;) {
        if (s.p[i] != '\x1b') {
            i++;
            continue;
        }
        html_text(b, (str){s.p + from, i - from});
        from = i = after_escape(s, i);
    }
    html_text(b, str_skip(s, from));
}

void html_url(buf *b, str s)
{
    for (size_t i = 0; i < s.n; i++) {
        char c = s.p[i];
        bool plain = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-' ||
                     c == '_' || c == '.' || c == '~';
        if (plain)
            buf_char(b, c);
        else
            buf_printf(b, "%%%02X", (unsigned char)c);
    }
}

void html_time(buf *b, int64_t ns)
{
    struct time_civil t;
    if (ns == 0) {
        buf_str(b, STR("&ndash;"));
        return;
    }
    time_to_civil(ns / NS_PER_S, &t);
    buf_printf(b, "%04lld-%02d-%02d %02d:%02d:%02d UTC", (long long)t.year, t.month, t.day, t.hour, t.minute, t.second);
}

void html_clock(buf *b, int64_t ns)
{
    struct time_civil t;
    if (ns == 0) {
        html_time(b, ns);
        return;
    }
    time_to_civil(ns / NS_PER_S, &t);
    buf_str(b, STR("<time title=\""));
    html_time(b, ns);
    buf_printf(b, "\">%02d:%02d:%02d</time>", t.hour, t.minute, t.second);
}

void html_duration(buf *b, int64_t ns)
{
    int64_t s = ns / NS_PER_S;
    if (s < 60)
        buf_printf(b, "%.2f s", (double)ns / (double)NS_PER_S);
    else if (s < 3600)
        buf_printf(b, "%lld min %lld s", (long long)(s / 60), (long long)(s % 60));
    else
        buf_printf(b, "%lld h %lld min", (long long)(s / 3600), (long long)(s / 60 % 60));
}

/* "WAITING_FOR_RESOURCES" as "Waiting for resources". */
void html_phase(buf *b, int32_t phase)
{
    str name = str_skip(pb_enum_name(STR("flyteidl2.common.ActionPhase"), phase), strlen("ACTION_PHASE_"));
    buf_printf(b, "<span class=\"phase p%d\">", (int)phase);
    for (size_t i = 0; i < name.n; i++) {
        char c = name.p[i];
        buf_char(b, c == '_' ? ' ' : i && c >= 'A' && c <= 'Z' ? (char)(c - 'A' + 'a') : c);
    }
    buf_str(b, STR("</span>"));
}

void html_begin(buf *b, str title, int refresh_s)
{
    buf_str(b, STR("<!doctype html><html lang=\"en\"><head><meta charset=\"utf-8\">"
                   "<meta name=\"viewport\" content=\"width=device-width\">"));
    if (refresh_s)
        buf_printf(b, "<meta http-equiv=\"refresh\" content=\"%d\">", refresh_s);
    buf_str(b, STR("<title>"));
    html_text(b, title);
    buf_str(b, STR(" &middot; Tern</title><link rel=\"stylesheet\" href=\"/assets/tern.css\">"
                   "<link rel=\"icon\" href=\"/assets/tern.svg\"></head><body><header><a href=\"/\">"
                   "<img src=\"/assets/tern.svg\" alt=\"\" width=\"22\" height=\"22\">Tern</a></header><main>"));
}

enum code html_end(struct ctx *cx, buf *b, str frame, bool form, struct rpc_page_response *rsp)
{
    buf_str(b, STR("</main></body></html>\n"));
    if (b->failed)
        return fail(cx, CODE_RESOURCE_EXHAUSTED, "the page is too large");
    rpc_set_header(cx, STR("content-security-policy"),
                   arena_printf(cx->mem,
                                "default-src 'none'; style-src 'self'; img-src 'self'; frame-src " STR_FMT
                                "; base-uri 'none'; form-action %s; frame-ancestors 'none'",
                                STR_ARG(frame.n ? frame : STR("'none'")), form ? "'self'" : "'none'"));
    rsp->content_type = STR("text/html; charset=utf-8");
    rsp->body = buf_view(b);
    return CODE_OK;
}

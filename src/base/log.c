/* Log lines: built in a buffer of bounded size, written with one write(2), so that lines of threads never mix. */
#include "base/log.h"

#include "base/json.h"
#include "base/time.h"

#include <math.h>
#include <stdatomic.h>
#include <unistd.h>

/* A line longer than this is cut; one attribute may take VALUE_MAX of it. */
#define LINE_MAX_BYTES ((size_t)32 * 1024)
#define VALUE_MAX ((size_t)4 * 1024)

static _Atomic int max_level = LOG_LEVEL_INFO;
static _Atomic int out_format = LOG_FORMAT_TEXT;

static const char *const level_text[] = {"ERROR", "WARN ", "INFO ", "DEBUG"};
static const char *const level_json[] = {"error", "warn", "info", "debug"};

void log_setup(enum log_level level, enum log_format format)
{
    atomic_store(&max_level, (int)level);
    atomic_store(&out_format, (int)format);
}

bool log_enabled(enum log_level level)
{
    return (int)level <= atomic_load_explicit(&max_level, memory_order_relaxed);
}

static str cut(str s)
{
    return str_head_utf8(s, VALUE_MAX);
}

static bool needs_quotes(str s)
{
    for (size_t i = 0; i < s.n; i++)
        if (s.p[i] == ' ' || s.p[i] == '"' || s.p[i] == '=')
            return true;
    return s.n == 0;
}

static void put_text_value(buf *b, str s)
{
    if (!needs_quotes(s)) {
        buf_visible(b, s);
        return;
    }
    buf_char(b, '"');
    for (str piece; str_next(&s, '"', &piece);) {
        buf_visible(b, piece);
        buf_str(b, s.p ? STR("\\\"") : STR("\""));
    }
}

static void put_number(buf *b, const struct log_attr *a)
{
    if (a->kind == LOG_ATTR_INT)
        buf_i64(b, a->i);
    else if (isfinite(a->f))
        buf_printf(b, "%.6g", a->f);
    else
        buf_str(b, STR("null"));
}

static void put_attr(buf *b, bool json, const struct log_attr *a)
{
    if (json) {
        buf_char(b, ',');
        json_put_str(b, str_from(a->key));
        buf_char(b, ':');
    } else {
        buf_printf(b, " %s=", a->key);
    }
    if (a->kind != LOG_ATTR_STR)
        put_number(b, a);
    else if (json)
        json_put_str(b, cut(a->s));
    else
        put_text_value(b, cut(a->s));
}

static void put_head(buf *b, bool json, enum log_level level, const char *msg)
{
    char when[TIME_RFC3339_MAX];
    time_format_ms(time_wall_ns(), when);
    if (json) {
        buf_printf(b, "{\"time\":\"%s\",\"level\":\"%s\",\"msg\":", when, level_json[level]);
        json_put_str(b, cut(str_from(msg)));
    } else {
        buf_printf(b, "%s %s ", when, level_text[level]);
        buf_visible(b, cut(str_from(msg)));
    }
}

static void put_fields(buf *b, bool json, const struct log_fields *f)
{
    const struct log_attr all[] = {
        LOG_STR("rpc", f->rpc),
        LOG_STR("run", f->run),
        LOG_STR("action", f->action),
        LOG_STR("request_id", f->request_id),
    };
    for (size_t i = 0; i < sizeof(all) / sizeof(*all); i++)
        if (all[i].s.n)
            put_attr(b, json, &all[i]);
}

static void write_all(str s)
{
    while (s.n) {
        ssize_t n = write(STDERR_FILENO, s.p, s.n);
        if (n <= 0)
            return; /* nobody listens: there is no other place to say so */
        s = str_skip(s, (size_t)n);
    }
}

void log_write(enum log_level level, const struct ctx *cx, const char *msg, const struct log_attr *attrs)
{
    buf b;
    bool json = atomic_load_explicit(&out_format, memory_order_relaxed) == LOG_FORMAT_JSON;
    buf_init(&b, LINE_MAX_BYTES);
    put_head(&b, json, level, msg);
    if (cx)
        put_fields(&b, json, &cx->fields);
    for (const struct log_attr *a = attrs; a->kind != LOG_ATTR_END; a++) {
        size_t before = b.n;
        put_attr(&b, json, a);
        if (b.failed || b.n > LINE_MAX_BYTES - 64) { /* a whole attribute or none: the line stays well-formed */
            b.failed = false;
            b.n = before;
            put_attr(&b, json, &LOG_INT("attributes_left_out", 1));
            break;
        }
    }
    buf_str(&b, json ? STR("}\n") : STR("\n"));
    write_all(buf_view(&b));
    buf_done(&b);
}

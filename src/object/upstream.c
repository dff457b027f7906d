/* See upstream.h. The text: a line for each bucket, fields with tabs between. */
#include "object/upstream.h"

#include "base/buf.h"
#include "base/file.h"
#include "object/object.h"

#include <stdlib.h>

#define FIELDS 7
#define VALUE_MAX ((size_t)4096)

/* ---- the setting ------------------------------------------------------------------------------------------------- */

static enum code bad(struct ctx *cx, str bucket, const char *why)
{
    return fail(cx, CODE_INVALID_ARGUMENT, "object.upstreams: bucket \"" STR_FMT "\": %s",
                STR_ARG(str_head(bucket, 63)), why);
}

static bool is_plain(str s)
{
    for (size_t i = 0; i < s.n; i++)
        if ((uint8_t)s.p[i] <= 0x20 || s.p[i] == 0x7f)
            return false;
    return true;
}

/* The value that is meant: of a variable, of a file, or itself. */
static enum code look_up(struct ctx *cx, str bucket, const char *field, str said, str *out)
{
    const char *value = NULL;
    str text = said;
    if (str_starts(said, STR("env:"))) {
        value = getenv(arena_cstr(cx->mem, str_skip(said, 4)));
        if (!value || !*value)
            return bad(cx, bucket, arena_printf(cx->mem, "%s: the environment variable is not set", field).p);
        text = str_from(value);
    } else if (str_starts(said, STR("file:"))) {
        if (file_read(cx, arena_cstr(cx->mem, str_skip(said, 5)), VALUE_MAX, &text) != CODE_OK)
            return fail_wrap(cx, "object.upstreams: bucket \"" STR_FMT "\": %s", STR_ARG(str_head(bucket, 63)), field);
        text = str_trim(str_head(text, str_find_char(text, '\n')));
    }
    if (!text.n || text.n > VALUE_MAX || !is_plain(text))
        return bad(cx, bucket, arena_printf(cx->mem, "%s is empty, too long, or has spaces", field).p);
    *out = arena_str(cx->mem, text);
    return CODE_OK;
}

static enum code read_word(struct ctx *cx, str word, struct object_upstream *u)
{
    struct {
        const char *name;
        str *to;
    } fields[] = {{"name", &u->name},
                  {"region", &u->region},
                  {"key_id", &u->key_id},
                  {"secret", &u->secret},
                  {"token", &u->token}};
    str name, value;
    str_cut(word, '=', &name, &value);
    for (size_t i = 0; i < sizeof(fields) / sizeof(*fields); i++)
        if (str_eq(name, str_from(fields[i].name)))
            return look_up(cx, u->bucket, fields[i].name, value, fields[i].to);
    return bad(cx, u->bucket, "what follows the URL is name=, region=, key_id=, secret= or token=");
}

static enum code check(struct ctx *cx, struct object_upstream *u)
{
    str scheme = str_starts(u->endpoint, STR("https://")) ? STR("https://") : STR("http://");
    str rest = str_skip(u->endpoint, scheme.n);
    while (rest.n && u->endpoint.p[u->endpoint.n - 1] == '/') {
        u->endpoint.n--;
        rest.n--;
    }
    if (!str_starts(u->endpoint, scheme) || !rest.n || strcspn(arena_cstr(cx->mem, rest), "/?#@") != rest.n)
        return bad(cx, u->bucket, "the second word is its endpoint: http:// or https://, host and port");
    if (str_eq(u->bucket, STR(OBJECT_BUCKET)) || !is_plain(u->bucket))
        return bad(cx, u->bucket, "this name is Tern's own");
    if ((u->key_id.n == 0) != (u->secret.n == 0))
        return bad(cx, u->bucket, "key_id and secret belong together");
    return CODE_OK;
}

static enum code read_entry(struct ctx *cx, str entry, struct object_upstream *u)
{
    str word;
    *u = (struct object_upstream){.region = STR("us-east-1")};
    for (int i = 0; str_next(&entry, ' ', &word);) {
        if (!word.n)
            continue;
        if (i == 0)
            u->bucket = word;
        else if (i == 1)
            u->endpoint = word;
        else
            TRY(read_word(cx, word, u));
        i++;
    }
    return check(cx, u);
}

enum code object_upstream_resolve(struct ctx *cx, const str *entries, size_t n, str *text)
{
    buf b;
    buf_init_arena(&b, cx->mem, OBJECT_UPSTREAMS_MAX * 8 * VALUE_MAX);
    if (n > OBJECT_UPSTREAMS_MAX)
        return fail(cx, CODE_INVALID_ARGUMENT, "object.upstreams: more than %zu", OBJECT_UPSTREAMS_MAX);
    for (size_t i = 0; i < n; i++) {
        struct object_upstream u;
        TRY(read_entry(cx, str_trim(entries[i]), &u));
        const str fields[FIELDS] = {u.bucket, u.name, u.endpoint, u.region, u.key_id, u.secret, u.token};
        for (size_t k = 0; k < FIELDS; k++) {
            buf_str(&b, fields[k]);
            buf_char(&b, k + 1 < FIELDS ? '\t' : '\n');
        }
    }
    *text = buf_view(&b);
    return CODE_OK;
}

bool object_upstream_serves(const str *entries, size_t n, str bucket)
{
    for (size_t i = 0; i < n; i++) {
        str name = str_trim(entries[i]);
        name = str_head(name, str_find_char(name, ' '));
        if (str_eq(name, bucket) || str_eq(name, STR(OBJECT_UPSTREAM_ANY)))
            return true;
    }
    return false;
}

/* ---- the text ---------------------------------------------------------------------------------------------------- */

enum code object_upstream_parse(struct ctx *cx, str text, struct object_upstreams *out)
{
    struct object_upstreams list = {.p = arena_new_array(cx->mem, struct object_upstream, OBJECT_UPSTREAMS_MAX)};
    str line;
    while (text.n && str_next(&text, '\n', &line)) {
        struct object_upstream u;
        str *const fields[FIELDS] = {&u.bucket, &u.name, &u.endpoint, &u.region, &u.key_id, &u.secret, &u.token};
        size_t k = 0;
        if (!line.n)
            continue;
        while (k < FIELDS && str_next(&line, '\t', fields[k]))
            k++;
        if (k < FIELDS || list.n == OBJECT_UPSTREAMS_MAX)
            return fail(cx, CODE_INVALID_ARGUMENT, "the list of buckets is damaged");
        list.p[list.n++] = u;
    }
    *out = list;
    return CODE_OK;
}

const struct object_upstream *object_upstream_find(const struct object_upstreams *list, str bucket)
{
    const struct object_upstream *any = NULL;
    for (size_t i = 0; i < list->n; i++) {
        if (str_eq(list->p[i].bucket, bucket))
            return &list->p[i];
        if (str_eq(list->p[i].bucket, STR(OBJECT_UPSTREAM_ANY)))
            any = &list->p[i];
    }
    return any;
}

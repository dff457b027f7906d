/* URIs of objects and percent coding. No state; any thread. See uri_int.h and object.h. */
#include "object/uri_int.h"

#include "base/codec.h"

#include "object/object.h"

static bool stays(uint8_t c, enum object_uri_keep keep)
{
    if ((c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-' || c == '.' ||
        c == '_' || c == '~')
        return true;
    if (c == '/')
        return keep != OBJECT_URI_KEEP_NONE;
    return keep == OBJECT_URI_KEEP_PATH && c && strchr("!$&'()*+,;=:@", c);
}

void object_uri_encode(buf *out, str s, enum object_uri_keep keep)
{
    static const char digits[] = "0123456789ABCDEF";
    for (size_t i = 0; i < s.n; i++) {
        uint8_t c = (uint8_t)s.p[i];
        if (stays(c, keep)) {
            buf_char(out, (char)c);
        } else {
            char esc[3] = {'%', digits[c >> 4], digits[c & 15]};
            buf_add(out, esc, 3);
        }
    }
}

bool object_uri_query(struct arena *mem, str query, struct object_uri_param **out, size_t *n)
{
    struct object_uri_param *list = arena_new_array(mem, struct object_uri_param, OBJECT_URI_PARAMS_MAX);
    size_t count = 0;
    str piece;
    while (str_next(&query, '&', &piece)) {
        str name, value;
        if (!piece.n)
            continue;
        str_cut(piece, '=', &name, &value);
        if (count == OBJECT_URI_PARAMS_MAX || !codec_percent_decode(mem, name, true, &list[count].name) ||
            !codec_percent_decode(mem, value, true, &list[count].value))
            return false;
        count++;
    }
    *out = list;
    *n = count;
    return true;
}

/* A segment that a file system, a shell or a log could misread. */
static bool segment_ok(str s)
{
    if (!s.n || str_eq(s, STR(".")) || str_eq(s, STR("..")))
        return false;
    for (size_t i = 0; i < s.n; i++)
        if ((uint8_t)s.p[i] < 0x20 || s.p[i] == 0x7f)
            return false;
    return true;
}

static bool key_ok(str key)
{
    str rest = key, piece;
    if (!key.n || key.n > OBJECT_KEY_MAX)
        return false;
    /* "dir/" names a folder marker: the last segment may be empty. */
    if (key.n > 1 && key.p[key.n - 1] == '/')
        rest.n--;
    while (str_next(&rest, '/', &piece))
        if (!segment_ok(piece))
            return false;
    return true;
}

static bool bucket_ok(str s)
{
    if (s.n < 3 || s.n > 63)
        return false;
    for (size_t i = 0; i < s.n; i++) {
        char c = s.p[i];
        if (!((c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || ((c == '-' || c == '.') && i && i + 1 < s.n)))
            return false;
    }
    return true;
}

enum code object_uri_parse(struct ctx *cx, const char *field, str uri, str *bucket, str *key)
{
    str name, rest, decoded;
    if (!str_starts(uri, STR("s3://")))
        return fail(cx, CODE_INVALID_ARGUMENT, "%s: not an s3:// URI: \"" STR_FMT "\"", field,
                    STR_ARG(str_head(uri, 100)));
    str_cut(str_skip(uri, 5), '/', &name, &rest);
    if (!bucket_ok(name))
        return fail(cx, CODE_INVALID_ARGUMENT, "%s: no bucket name in \"" STR_FMT "\"", field,
                    STR_ARG(str_head(uri, 100)));
    if (str_find_char(rest, '?') != SIZE_MAX || str_find_char(rest, '#') != SIZE_MAX ||
        !codec_percent_decode(cx->mem, rest, false, &decoded) || !key_ok(decoded))
        return fail(cx, CODE_INVALID_ARGUMENT,
                    "%s: the key must have 1 to 1,024 bytes and no dot, empty or control segments: \"" STR_FMT "\"",
                    field, STR_ARG(str_head(uri, 100)));
    *bucket = arena_str(cx->mem, name);
    *key = decoded;
    return CODE_OK;
}

bool object_uri_own(str project, str domain, str key)
{
    str first, second, third, fourth, rest;
    if (!project.n || !str_cut(key, '/', &first, &rest))
        return false;
    if (!str_eq(first, STR(OBJECT_UPLOADS)))
        return str_eq(first, project);
    if (!str_cut(rest, '/', &second, &rest))
        return false;
    if (str_eq(second, project))
        return true;
    return str_cut(rest, '/', &third, &rest) && str_eq(third, project) && str_cut(rest, '/', &fourth, &rest) &&
           str_eq(fourth, domain);
}

static bool is_below(struct ctx *cx, str key, str folder)
{
    str bucket, prefix;
    if (!folder.n || object_uri_parse(cx, "folder", folder, &bucket, &prefix) != CODE_OK) {
        ctx_clear_err(cx);
        return false;
    }
    bool slash = prefix.p[prefix.n - 1] == '/';
    return str_eq(bucket, STR(OBJECT_BUCKET)) && str_starts(key, prefix) &&
           (slash || (key.n > prefix.n && key.p[prefix.n] == '/'));
}

static bool may_name(struct ctx *cx, str key, const struct object_uri_scope *s, enum object_access access)
{
    if (access != OBJECT_WRITE && (!s->project.n || object_uri_own(s->project, s->domain, key)))
        return true;
    for (size_t i = 0; i < sizeof(s->folders) / sizeof(*s->folders); i++)
        if (is_below(cx, key, s->folders[i]))
            return true;
    return false;
}

enum code object_uri_check(struct ctx *cx, const char *field, str uri, const struct object_uri_scope *scope,
                           enum object_access access)
{
    str bucket, key;
    TRY(object_uri_parse(cx, field, uri, &bucket, &key));
    if (!str_eq(bucket, STR(OBJECT_BUCKET)))
        return fail(cx, CODE_INVALID_ARGUMENT,
                    "%s: bucket \"" STR_FMT "\" is not this server's; only s3://%s/ is (tasks' raw data may "
                    "also go to a bucket of the setting object.upstreams)",
                    field, STR_ARG(bucket), OBJECT_BUCKET);
    if (!may_name(cx, key, scope, access))
        return fail(cx, CODE_INVALID_ARGUMENT, "%s: \"" STR_FMT "\" is not below a prefix that the caller may %s",
                    field, STR_ARG(str_head(uri, 160)), access == OBJECT_WRITE ? "write" : "read");
    return CODE_OK;
}

str object_uri_make(struct arena *mem, str bucket, str key)
{
    buf b;
    buf_init_arena(&b, mem, 8192);
    buf_str(&b, STR("s3://"));
    buf_str(&b, bucket);
    buf_char(&b, '/');
    object_uri_encode(&b, key, OBJECT_URI_KEEP_PATH);
    return buf_view(&b);
}

str object_uri_join(struct arena *mem, str folder, str name)
{
    while (folder.n && folder.p[folder.n - 1] == '/')
        folder.n--;
    return arena_printf(mem, STR_FMT "/" STR_FMT, STR_ARG(folder), STR_ARG(name));
}

str object_uri_file(struct arena *mem, str uri, str name)
{
    bool is_file = str_ends(uri, name) && uri.n > name.n && uri.p[uri.n - name.n - 1] == '/';
    return uri.n == 0 || is_file ? uri : object_uri_join(mem, uri, name);
}

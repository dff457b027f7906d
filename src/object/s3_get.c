/* GET and HEAD of an object: conditions, ranges, headers. On a reader thread. See s3_int.h. */
#include "object/s3_int.h"

#include "base/time.h"
#include "object/s3_date_int.h"

/* ---- conditions -------------------------------------------------------------------------------------------------- */

/* "*", or one of a list of entity tags; weak ones compare by their text. */
static bool matches(str list, str etag)
{
    str piece;
    while (str_next(&list, ',', &piece)) {
        piece = str_trim(piece);
        if (str_starts(piece, STR("W/")))
            piece = str_skip(piece, 2);
        if (piece.n >= 2 && piece.p[0] == '"' && piece.p[piece.n - 1] == '"')
            piece = str_make(piece.p + 1, piece.n - 2);
        if (str_eq(piece, STR("*")) || str_eq(piece, etag))
            return true;
    }
    return false;
}

/* RFC 9110, 13.2.2. */
static enum s3_error check_conditions(const struct s3_request *r, const struct object_info *o)
{
    str match = object_s3_head_header(r, "if-match"), none = object_s3_head_header(r, "if-none-match");
    int64_t modified_s = o->modified_ns / NS_PER_S, t;
    if (match.n) {
        if (!matches(match, o->etag))
            return S3_PreconditionFailed;
    } else if (object_s3_date_parse(object_s3_head_header(r, "if-unmodified-since"), &t) && modified_s > t) {
        return S3_PreconditionFailed;
    }
    if (none.n)
        return matches(none, o->etag) ? S3_NotModified : S3_OK;
    return object_s3_date_parse(object_s3_head_header(r, "if-modified-since"), &t) && modified_s <= t ? S3_NotModified
                                                                                                      : S3_OK;
}

/* ---- ranges ------------------------------------------------------------------------------------------------------ */

/* "bytes=a-b", "bytes=a-", "bytes=-n". False: ignore the header (also for several ranges, as S3 does). */
static bool parse_range(str header, int64_t size, int64_t *from, int64_t *to)
{
    str first, last;
    int64_t a = 0, b = size - 1;
    if (!str_starts(header, STR("bytes=")) || str_find_char(header, ',') != SIZE_MAX ||
        !str_cut(str_skip(header, 6), '-', &first, &last))
        return false;
    if ((first.n && (!str_to_i64(first, &a) || a < 0)) || (last.n && (!str_to_i64(last, &b) || b < 0)))
        return false;
    if (!first.n && !last.n)
        return false;
    if (!first.n) {
        a = b >= size ? 0 : size - b;
        b = size - 1;
    } else if (last.n && b < a) {
        return false;
    }
    *from = a;
    *to = b < size ? b : size - 1;
    return true;
}

static enum s3_error choose_range(struct s3_request *r, const struct object_info *o, bool *partial)
{
    int64_t from, to;
    *partial = false;
    r->reply.left = o->size;
    if (!parse_range(object_s3_head_header(r, "range"), o->size, &from, &to))
        return S3_OK;
    if (from >= o->size) {
        object_s3_reply_header(r, "content-range", arena_printf(&r->mem, "bytes */%lld", (long long)o->size));
        return S3_InvalidRange;
    }
    object_s3_reply_header(
        r, "content-range",
        arena_printf(&r->mem, "bytes %lld-%lld/%lld", (long long)from, (long long)to, (long long)o->size));
    r->reply.status = 206;
    r->reply.offset = from;
    r->reply.left = to - from + 1;
    *partial = true;
    return S3_OK;
}

/* ---- headers
 * -------------------------------------------------------------------------------------------------------------------
 */

static bool is_checksum(str name)
{
    return str_starts(name, STR("x-amz-checksum-"));
}

static void put_stored(struct s3_request *r, const struct object_info *o, bool partial)
{
    bool checksums = str_eq_nocase(object_s3_head_header(r, "x-amz-checksum-mode"), STR("ENABLED")) && !partial;
    str rest = o->headers, line, name, value;
    while (str_next(&rest, '\n', &line)) {
        if (!str_cut(line, ':', &name, &value) || (is_checksum(name) && !checksums))
            continue;
        if (is_checksum(name))
            object_s3_reply_header(r, "x-amz-checksum-type", STR("FULL_OBJECT"));
        object_s3_reply_header(r, arena_cstr(&r->mem, name), str_trim(value));
    }
}

/* A presigned URL may say how the browser is to take the object. */
static const struct {
    const char *param, *header;
} overrides[] = {
    {"response-cache-control", "cache-control"},
    {"response-content-disposition", "content-disposition"},
    {"response-content-encoding", "content-encoding"},
    {"response-content-language", "content-language"},
    {"response-expires", "expires"},
};

static void put_headers(struct s3_request *r, const struct object_info *o, bool partial)
{
    struct object_info shown = *o;
    str type = object_s3_head_param(r, "response-content-type");
    object_s3_reply_header(r, "etag", arena_printf(&r->mem, "\"" STR_FMT "\"", STR_ARG(o->etag)));
    object_s3_reply_header(r, "last-modified", object_s3_date_format(&r->mem, o->modified_ns / NS_PER_S));
    object_s3_reply_header(r, "accept-ranges", STR("bytes"));
    object_s3_reply_header(r, "content-type", type.n ? type : o->content_type);
    for (size_t i = 0; i < sizeof(overrides) / sizeof(*overrides); i++) {
        str value = object_s3_head_param(r, overrides[i].param);
        if (!value.n)
            continue;
        object_s3_reply_header(r, overrides[i].header, value);
        shown.headers = STR_NONE; /* not twice: what is overridden replaces all that was stored */
    }
    put_stored(r, &shown, partial);
}

/* ---- the operation ----------------------------------------------------------------------------------------------- */

/* Strings of info live in the reader, which the reply keeps, or in the request's arena. */
static enum s3_error answer(struct s3_request *r, const struct object_info *o)
{
    bool partial = false;
    enum s3_error e = check_conditions(r, o);
    if (e == S3_OK)
        e = choose_range(r, o, &partial);
    if (e == S3_NotModified)
        object_s3_reply_header(r, "etag", arena_printf(&r->mem, "\"" STR_FMT "\"", STR_ARG(o->etag)));
    if (e == S3_OK)
        put_headers(r, o, partial);
    return e;
}

static enum s3_error head(struct s3_request *r)
{
    struct object_info info;
    S3_TRY_CODE(&r->cx, object_stat(&r->cx, r->server->store, r->bucket, r->key, &info));
    S3_TRY(answer(r, &info));
    r->reply.content_length = r->reply.left;
    return S3_OK;
}

enum s3_error object_s3_get_object(struct s3_request *r)
{
    if (object_s3_head_has(r, "partNumber"))
        return object_s3_error_say(&r->cx, S3_NotImplemented, "partNumber is not implemented for reading.");
    if (str_eq(r->head.method, STR("HEAD")))
        return head(r);
    S3_TRY_CODE(&r->cx, object_reader_open(&r->cx, r->server->store, r->bucket, r->key, &r->reply.reader));
    S3_TRY(answer(r, object_reader_info(r->reply.reader)));
    S3_TRY_CODE(&r->cx, object_reader_piece(&r->cx, r->reply.reader, r->reply.offset, r->reply.left, &r->reply.piece));
    return S3_OK;
}

/* aws-chunked decoding. Content is handed on before its chunk's signature is known: whoever takes it must not make it
 * visible before object_chunked_end(). See chunked_int.h. */
#include "object/chunked_int.h"

#include "base/codec.h"

static enum s3_error malformed(struct ctx *cx, const char *what)
{
    return object_s3_error_say(cx, S3_InvalidRequest, "aws-chunked body: %s.", what);
}

void object_chunked_init(struct object_chunked *c, const struct object_sign *sign)
{
    *c = (struct object_chunked){.sign = sign};
    c->is_signed = sign->payload != SIGN_PAYLOAD_UNSIGNED_TRAILER;
    c->has_trailer = sign->payload != SIGN_PAYLOAD_CHUNKS;
    memcpy(c->previous, sign->signature.p, 64);
}

/* Collects a line up to LF; *whole when it is there, without CR LF. */
static enum s3_error take_line(struct ctx *cx, struct object_chunked *c, str *in, bool *whole)
{
    size_t at = str_find_char(*in, '\n'), n = at == SIZE_MAX ? in->n : at;
    if (n > sizeof(c->line) - c->line_n)
        return malformed(cx, "a line is too long");
    memcpy(c->line + c->line_n, in->p, n);
    c->line_n += n;
    *in = str_skip(*in, at == SIZE_MAX ? n : n + 1);
    *whole = at != SIZE_MAX;
    if (*whole && c->line_n && c->line[c->line_n - 1] == '\r')
        c->line_n--;
    return S3_OK;
}

/* "400;chunk-signature=..." */
static enum s3_error read_head(struct ctx *cx, struct object_chunked *c, str line)
{
    str size, extension;
    str_cut(line, ';', &size, &extension);
    if (!size.n || size.n > 15)
        return malformed(cx, "no chunk size");
    c->left = 0;
    for (size_t i = 0; i < size.n; i++) {
        if (codec_hex_digit(size.p[i]) < 0)
            return malformed(cx, "no chunk size");
        c->left = c->left << 4 | codec_hex_digit(size.p[i]);
    }
    if (c->is_signed) {
        if (!str_starts(extension, STR("chunk-signature=")) || extension.n != 16 + 64)
            return malformed(cx, "a chunk is not signed");
        memcpy(c->expected, extension.p + 16, 64);
        object_hash_init(&c->sha256, HASH_SHA256);
    }
    return S3_OK;
}

/* The signature of the chunk, or of the trailers, that ends here. */
static enum s3_error check_signature(struct object_chunked *c, bool trailer, const uint8_t sha256[HASH_SHA256_SIZE],
                                     const char *expected)
{
    char made[65];
    object_sign_chunk(c->sign, trailer, c->previous, sha256, made);
    if (!object_hash_equal(made, expected, 64))
        return S3_SignatureDoesNotMatch;
    memcpy(c->previous, made, 64);
    return S3_OK;
}

static enum s3_error end_chunk(struct object_chunked *c)
{
    uint8_t md[HASH_SIZE_MAX];
    if (!c->is_signed)
        return S3_OK;
    object_hash_final(&c->sha256, md);
    object_hash_done(&c->sha256);
    return check_signature(c, false, md, c->expected);
}

static enum s3_error begin_chunk(struct ctx *cx, struct object_chunked *c, str line)
{
    S3_TRY(read_head(cx, c, line));
    c->state = CHUNKED_DATA;
    if (c->left)
        return S3_OK;
    c->state = CHUNKED_TRAILER; /* also without trailers: one empty line ends the body */
    return end_chunk(c);
}

static enum s3_error add_trailer(struct ctx *cx, struct object_chunked *c, str line)
{
    str name, value;
    uint8_t md[HASH_SHA256_SIZE];
    if (!c->has_trailer || !str_cut(line, ':', &name, &value))
        return malformed(cx, "unexpected trailer");
    value = str_trim(value);
    if (str_eq_nocase(name, STR("x-amz-trailer-signature"))) {
        if (!c->is_signed || value.n != 64 || c->trailer_signed)
            return malformed(cx, "unexpected trailer signature");
        object_hash_sha256(str_make(c->trailers, c->trailers_n), md);
        c->trailer_signed = true;
        return check_signature(c, true, md, value.p);
    }
    if (c->trailer_signed || name.n + value.n + 2 > sizeof(c->trailers) - c->trailers_n)
        return malformed(cx, "trailers are too long");
    char *p = c->trailers + c->trailers_n;
    for (size_t i = 0; i < name.n; i++)
        *p++ = (char)(name.p[i] >= 'A' && name.p[i] <= 'Z' ? name.p[i] | 32 : name.p[i]);
    *p++ = ':';
    if (value.n)
        memcpy(p, value.p, value.n);
    p[value.n] = '\n';
    c->trailers_n += name.n + value.n + 2;
    return S3_OK;
}

static enum s3_error take_data(struct object_chunked *c, str *in, str *data)
{
    *data = (uint64_t)c->left < in->n ? str_head(*in, (size_t)c->left) : *in;
    *in = str_skip(*in, data->n);
    c->left -= (int64_t)data->n;
    if (c->is_signed)
        object_hash_add(&c->sha256, *data);
    if (c->left)
        return S3_OK;
    c->state = CHUNKED_DATA_END;
    return end_chunk(c);
}

static enum s3_error on_line(struct ctx *cx, struct object_chunked *c)
{
    str line = str_make(c->line, c->line_n);
    c->line_n = 0;
    if (c->state == CHUNKED_HEAD)
        return begin_chunk(cx, c, line);
    if (c->state == CHUNKED_DATA_END) {
        c->state = CHUNKED_HEAD;
        return line.n ? malformed(cx, "a chunk is longer than its size") : S3_OK;
    }
    if (line.n)
        return add_trailer(cx, c, line);
    c->state = CHUNKED_DONE;
    return S3_OK;
}

enum s3_error object_chunked_next(struct ctx *cx, struct object_chunked *c, str *in, str *data)
{
    *data = STR_NONE;
    while (in->n) {
        bool whole;
        if (c->state == CHUNKED_DATA)
            return take_data(c, in, data);
        if (c->state == CHUNKED_DONE)
            return malformed(cx, "bytes after its end");
        S3_TRY(take_line(cx, c, in, &whole));
        if (whole)
            S3_TRY(on_line(cx, c));
    }
    return S3_OK;
}

enum s3_error object_chunked_end(struct ctx *cx, const struct object_chunked *c)
{
    if (c->state != CHUNKED_DONE)
        return S3_IncompleteBody;
    if (c->has_trailer && c->is_signed && !c->trailer_signed)
        return malformed(cx, "the trailers are not signed");
    return S3_OK;
}

str object_chunked_trailer(const struct object_chunked *c, str name)
{
    str rest = str_make(c->trailers, c->trailers_n), line, key, value;
    while (str_next(&rest, '\n', &line))
        if (str_cut(line, ':', &key, &value) && str_eq(key, name))
            return value;
    return STR_NONE;
}

void object_chunked_done(struct object_chunked *c)
{
    object_hash_done(&c->sha256);
}

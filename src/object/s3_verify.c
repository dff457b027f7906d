/* Digests of bodies against what the client says. See s3_verify_int.h. */
#include "object/s3_verify_int.h"

#include "base/codec.h"

#define PREFIX "x-amz-checksum-"

static const struct {
    const char *name;
    enum hash_kind kind;
} checksums[] = {
    {PREFIX "crc32", HASH_CRC32}, {PREFIX "crc32c", HASH_CRC32C}, {PREFIX "crc64nvme", HASH_CRC64NVME},
    {PREFIX "sha1", HASH_SHA1},   {PREFIX "sha256", HASH_SHA256},
};
#define CHECKSUMS (sizeof(checksums) / sizeof(*checksums))

static bool decode(struct arena *mem, str base64, uint8_t *out, size_t n)
{
    str raw;
    if (!codec_base64_decode(mem, base64, &raw) || raw.n != n)
        return false;
    memcpy(out, raw.p, n);
    return true;
}

/* The checksum named in a header of its own, or announced as a trailer. */
static enum s3_error find_checksum(struct ctx *cx, struct s3_verify *v, const struct object_sign_request *r)
{
    str trailer = str_trim(object_sign_header(r, STR("x-amz-trailer")));
    for (size_t i = 0; i < CHECKSUMS; i++) {
        str name = str_from(checksums[i].name), value = str_trim(object_sign_header(r, name));
        uint8_t raw[HASH_SIZE_MAX];
        if (!value.n && !str_eq_nocase(trailer, name))
            continue;
        if (v->has_checksum)
            return object_s3_error_say(cx, S3_InvalidRequest, "Expecting a single " PREFIX " header.");
        if (value.n && !decode(cx->mem, value, raw, object_hash_size(checksums[i].kind)))
            return object_s3_error_say(cx, S3_InvalidRequest, "Value for %s header is invalid.", checksums[i].name);
        v->has_checksum = true;
        v->checksum_name = name;
        v->checksum_want = value;
        object_hash_init(&v->checksum, checksums[i].kind);
    }
    if (trailer.n && !v->has_checksum)
        return object_s3_error_say(cx, S3_InvalidRequest, "The trailer that x-amz-trailer names is not supported.");
    return S3_OK;
}

enum s3_error object_s3_verify_begin(struct ctx *cx, struct s3_verify *v, const struct object_sign_request *r,
                                     const struct object_sign *sign, bool own_md5)
{
    str md5 = object_sign_header(r, STR("content-md5"));
    *v = (struct s3_verify){0};
    if (md5.n) {
        if (!decode(cx->mem, str_trim(md5), v->want_md5, object_hash_size(HASH_MD5)))
            return S3_InvalidDigest;
        v->has_md5 = true;
        v->md5_of_body = own_md5;
        if (own_md5)
            object_hash_init(&v->md5, HASH_MD5);
    }
    if (sign->payload == SIGN_PAYLOAD_HASH) {
        object_hash_unhex(sign->payload_hash, v->want_sha256, HASH_SHA256_SIZE);
        object_hash_init(&v->sha256, HASH_SHA256);
        v->has_sha256 = true;
    }
    return find_checksum(cx, v, r);
}

void object_s3_verify_add(struct s3_verify *v, str bytes)
{
    v->size += (int64_t)bytes.n;
    if (v->has_sha256)
        object_hash_add(&v->sha256, bytes);
    if (v->has_checksum)
        object_hash_add(&v->checksum, bytes);
    if (v->md5_of_body)
        object_hash_add(&v->md5, bytes);
}

static enum s3_error end_checksum(struct ctx *cx, struct s3_verify *v, const struct object_chunked *chunked)
{
    uint8_t made[HASH_SIZE_MAX];
    size_t n = object_hash_final(&v->checksum, made);
    str want = v->checksum_want;
    v->checksum_made = codec_base64_encode(cx->mem, str_make((const char *)made, n));
    if (!want.n && chunked)
        want = object_chunked_trailer(chunked, v->checksum_name);
    if (!want.n)
        return object_s3_error_say(cx, S3_InvalidRequest, "The announced trailer " STR_FMT " is missing.",
                                   STR_ARG(v->checksum_name));
    return str_eq(want, v->checksum_made) ? S3_OK : S3_BadDigest;
}

enum s3_error object_s3_verify_end(struct ctx *cx, struct s3_verify *v, const uint8_t *md5,
                                   const struct object_chunked *chunked)
{
    uint8_t made[HASH_SIZE_MAX];
    if (v->has_sha256) {
        object_hash_final(&v->sha256, made);
        if (!object_hash_equal(made, v->want_sha256, HASH_SHA256_SIZE))
            return S3_XAmzContentSHA256Mismatch;
    }
    if (v->md5_of_body) {
        object_hash_final(&v->md5, made);
        md5 = made;
    }
    if (v->has_md5 && !object_hash_equal(md5, v->want_md5, object_hash_size(HASH_MD5)))
        return S3_BadDigest;
    return v->has_checksum ? end_checksum(cx, v, chunked) : S3_OK;
}

void object_s3_verify_done(struct s3_verify *v)
{
    object_hash_done(&v->sha256);
    object_hash_done(&v->checksum);
    object_hash_done(&v->md5);
}

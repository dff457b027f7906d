/* What a client says its body's digests are: the signed SHA-256, Content-MD5, x-amz-checksum-*. One thread at a time.
 */
#ifndef OBJECT_S3_VERIFY_INT_H
#define OBJECT_S3_VERIFY_INT_H

#include "object/chunked_int.h"
#include "object/hash_int.h"
#include "object/s3_error_int.h"

struct s3_verify {
    bool has_sha256, has_checksum, has_md5, md5_of_body;
    struct object_hash sha256, checksum, md5;
    uint8_t want_sha256[HASH_SIZE_MAX], want_md5[HASH_SIZE_MAX];
    str checksum_name; /* "x-amz-checksum-crc32" */
    str checksum_want; /* base64; empty = comes as a trailer */
    str checksum_made; /* after object_s3_verify_end() */
    int64_t size;
};

/* Reads the request's headers. own_md5: compute the MD5 here (an XML body), else the caller gives it at the end. */
enum s3_error object_s3_verify_begin(struct ctx *cx, struct s3_verify *v, const struct object_sign_request *r,
                                     const struct object_sign *sign, bool own_md5);
void object_s3_verify_add(struct s3_verify *v, str bytes);
/* md5: of the content, 16 bytes; NULL with own_md5. chunked: where the trailers are; NULL when there are none. */
enum s3_error object_s3_verify_end(struct ctx *cx, struct s3_verify *v, const uint8_t *md5,
                                   const struct object_chunked *chunked);
/* Accepts a zeroed one. */
void object_s3_verify_done(struct s3_verify *v);

#endif

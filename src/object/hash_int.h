/* Digests by OpenSSL and the checksums of S3. No state but the algorithms looked up once per process
 * (a documented process-wide cache: looking them up for each call costs more than hashing 1 KiB). Any thread. */
#ifndef OBJECT_HASH_INT_H
#define OBJECT_HASH_INT_H

#include "base/arena.h"

#include <openssl/evp.h>

#define HASH_SHA256_SIZE ((size_t)32)

/* A digest that is fed piece by piece. */
enum hash_kind { HASH_MD5, HASH_SHA1, HASH_SHA256, HASH_CRC32, HASH_CRC32C, HASH_CRC64NVME, HASH_KINDS_ };

#define HASH_SIZE_MAX ((size_t)32)

struct object_hash {
    enum hash_kind kind;
    EVP_MD_CTX *md; /* of the first three */
    uint64_t crc;   /* of the others */
};
void object_hash_init(struct object_hash *h, enum hash_kind kind);
void object_hash_add(struct object_hash *h, str bytes);
/* Returns how many bytes it wrote; CRCs in network order, as S3 encodes them. */
size_t object_hash_final(struct object_hash *h, uint8_t out[HASH_SIZE_MAX]);
/* Accepts a zeroed one. */
void object_hash_done(struct object_hash *h);
/* How many bytes a digest of that kind has. */
size_t object_hash_size(enum hash_kind kind);

void object_hash_sha256(str bytes, uint8_t out[HASH_SHA256_SIZE]);
void object_hash_md5(str bytes, uint8_t out[16]);
void object_hash_hmac(str key, str bytes, uint8_t out[HASH_SHA256_SIZE]);

/* Lower case, into the caller's 2 * n + 1 bytes (base/codec.h has the form that allocates). */
void object_hash_hex(const uint8_t *p, size_t n, char *out);
/* False unless s is exactly 2 * n hexadecimal digits. */
bool object_hash_unhex(str s, uint8_t *out, size_t n);
/* Takes the same time wherever they differ. */
bool object_hash_equal(const void *a, const void *b, size_t n);

#endif

/* Digests and checksums. See hash_int.h. */
#include "object/hash_int.h"

#include "base/codec.h"

#include <openssl/crypto.h>
#include <pthread.h>
#include <stdlib.h>
#include <zlib.h>

static const char *const md_names[] = {[HASH_MD5] = "MD5", [HASH_SHA1] = "SHA1", [HASH_SHA256] = "SHA256"};
static EVP_MD *mds[HASH_SHA256 + 1];
static uint32_t crc32c_table[8][256];
static uint64_t crc64_table[8][256];
static pthread_once_t once = PTHREAD_ONCE_INIT;

/* Slicing by eight: table[k][b] is byte b followed by k zero bytes. */
static void make_tables(void)
{
    for (uint32_t i = 0; i < 256; i++) {
        uint32_t c = i;
        uint64_t d = i;
        for (int bit = 0; bit < 8; bit++) {
            c = (c & 1) ? (c >> 1) ^ 0x82f63b78u : c >> 1;
            d = (d & 1) ? (d >> 1) ^ UINT64_C(0x9a6c9329ac4bc9b5) : d >> 1;
        }
        crc32c_table[0][i] = c;
        crc64_table[0][i] = d;
    }
    for (int k = 1; k < 8; k++)
        for (int i = 0; i < 256; i++) {
            crc32c_table[k][i] = (crc32c_table[k - 1][i] >> 8) ^ crc32c_table[0][crc32c_table[k - 1][i] & 0xff];
            crc64_table[k][i] = (crc64_table[k - 1][i] >> 8) ^ crc64_table[0][crc64_table[k - 1][i] & 0xff];
        }
}

static void setup(void)
{
    for (size_t i = 0; i <= HASH_SHA256; i++)
        if (!(mds[i] = EVP_MD_fetch(NULL, md_names[i], NULL)))
            abort();
    make_tables();
}

static uint64_t load64(const char *p)
{
    uint64_t v;
    memcpy(&v, p, sizeof(v)); /* x86-64 and arm64 are little-endian, the only ones we build for */
    return v;
}

static uint64_t add_crc32c(uint64_t crc, str s)
{
    uint32_t c = ~(uint32_t)crc;
    for (; s.n >= 8; s = str_skip(s, 8)) {
        uint64_t v = load64(s.p) ^ c;
        c = 0;
        for (int k = 0; k < 8; k++)
            c ^= crc32c_table[7 - k][(v >> (8 * k)) & 0xff];
    }
    for (size_t i = 0; i < s.n; i++)
        c = (c >> 8) ^ crc32c_table[0][(c ^ (uint8_t)s.p[i]) & 0xff];
    return ~c & 0xffffffffu;
}

static uint64_t add_crc64(uint64_t crc, str s)
{
    uint64_t c = ~crc;
    for (; s.n >= 8; s = str_skip(s, 8)) {
        uint64_t v = load64(s.p) ^ c;
        c = 0;
        for (int k = 0; k < 8; k++)
            c ^= crc64_table[7 - k][(v >> (8 * k)) & 0xff];
    }
    for (size_t i = 0; i < s.n; i++)
        c = (c >> 8) ^ crc64_table[0][(c ^ (uint8_t)s.p[i]) & 0xff];
    return ~c;
}

void object_hash_init(struct object_hash *h, enum hash_kind kind)
{
    pthread_once(&once, setup);
    *h = (struct object_hash){.kind = kind};
    if (kind > HASH_SHA256)
        return;
    if (!(h->md = EVP_MD_CTX_new()) || !EVP_DigestInit_ex2(h->md, mds[kind], NULL))
        abort();
}

void object_hash_add(struct object_hash *h, str s)
{
    if (!s.n)
        return;
    if (h->md)
        EVP_DigestUpdate(h->md, s.p, s.n);
    else if (h->kind == HASH_CRC32)
        h->crc = crc32_z((uLong)h->crc, (const Bytef *)s.p, s.n);
    else if (h->kind == HASH_CRC32C)
        h->crc = add_crc32c(h->crc, s);
    else
        h->crc = add_crc64(h->crc, s);
}

size_t object_hash_size(enum hash_kind kind)
{
    static const uint8_t sizes[HASH_KINDS_] = {[HASH_MD5] = 16,  [HASH_SHA1] = 20,  [HASH_SHA256] = 32,
                                               [HASH_CRC32] = 4, [HASH_CRC32C] = 4, [HASH_CRC64NVME] = 8};
    return sizes[kind];
}

size_t object_hash_final(struct object_hash *h, uint8_t out[HASH_SIZE_MAX])
{
    size_t n = object_hash_size(h->kind);
    if (h->md)
        EVP_DigestFinal_ex(h->md, out, NULL);
    else
        for (size_t i = 0; i < n; i++)
            out[i] = (uint8_t)(h->crc >> (8 * (n - 1 - i)));
    return n;
}

void object_hash_done(struct object_hash *h)
{
    EVP_MD_CTX_free(h->md);
    h->md = NULL;
}

void object_hash_sha256(str bytes, uint8_t out[HASH_SHA256_SIZE])
{
    pthread_once(&once, setup);
    if (!EVP_Digest(bytes.p ? bytes.p : "", bytes.n, out, NULL, mds[HASH_SHA256], NULL))
        abort();
}

void object_hash_md5(str bytes, uint8_t out[16])
{
    pthread_once(&once, setup);
    if (!EVP_Digest(bytes.p ? bytes.p : "", bytes.n, out, NULL, mds[HASH_MD5], NULL))
        abort();
}

/* RFC 2104. */
void object_hash_hmac(str key, str bytes, uint8_t out[HASH_SHA256_SIZE])
{
    uint8_t block[64] = {0}, pad[64], inner[HASH_SIZE_MAX];
    struct object_hash h;
    if (key.n > sizeof(block))
        object_hash_sha256(key, block);
    else if (key.n)
        memcpy(block, key.p, key.n);
    for (size_t i = 0; i < sizeof(block); i++)
        pad[i] = block[i] ^ 0x36;
    object_hash_init(&h, HASH_SHA256);
    object_hash_add(&h, str_make((const char *)pad, sizeof(pad)));
    object_hash_add(&h, bytes);
    object_hash_final(&h, inner);
    for (size_t i = 0; i < sizeof(block); i++)
        pad[i] = block[i] ^ 0x5c;
    EVP_DigestInit_ex2(h.md, NULL, NULL);
    object_hash_add(&h, str_make((const char *)pad, sizeof(pad)));
    object_hash_add(&h, str_make((const char *)inner, HASH_SHA256_SIZE));
    object_hash_final(&h, out);
    object_hash_done(&h);
    OPENSSL_cleanse(block, sizeof(block));
    OPENSSL_cleanse(pad, sizeof(pad));
}

void object_hash_hex(const uint8_t *p, size_t n, char *out)
{
    static const char digits[] = "0123456789abcdef";
    for (size_t i = 0; i < n; i++) {
        out[2 * i] = digits[p[i] >> 4];
        out[2 * i + 1] = digits[p[i] & 15];
    }
    out[2 * n] = 0;
}

bool object_hash_unhex(str s, uint8_t *out, size_t n)
{
    if (s.n != 2 * n)
        return false;
    for (size_t i = 0; i < n; i++) {
        int hi = codec_hex_digit(s.p[2 * i]), lo = codec_hex_digit(s.p[2 * i + 1]);
        if (hi < 0 || lo < 0)
            return false;
        out[i] = (uint8_t)(hi << 4 | lo);
    }
    return true;
}

bool object_hash_equal(const void *a, const void *b, size_t n)
{
    return CRYPTO_memcmp(a, b, n) == 0;
}

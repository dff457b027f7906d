/* AES-256-GCM by OpenSSL. Any thread. */
#include "base/seal.h"

#include "base/random.h"

#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/sha.h>

#define VERSION 1
#define ID_BYTES 4
#define NONCE_BYTES 12
#define TAG_BYTES 16
#define HEAD_BYTES (1 + ID_BYTES + NONCE_BYTES)

void seal_wipe(void *p, size_t n)
{
    OPENSSL_cleanse(p, n);
}

static void cipher_free(EVP_CIPHER_CTX **c)
{
    EVP_CIPHER_CTX_free(*c);
}

/* Tells keys apart without telling the key: the head of SHA-256("tern key id" || key). */
static void key_id(const struct seal_key *key, unsigned char out[ID_BYTES])
{
    unsigned char text[11 + SEAL_KEY_BYTES], digest[SHA256_DIGEST_LENGTH];
    memcpy(text, "tern key id", 11);
    memcpy(text + 11, key->bytes, SEAL_KEY_BYTES);
    SHA256(text, sizeof(text), digest);
    memcpy(out, digest, ID_BYTES);
    seal_wipe(text, sizeof(text));
}

static const unsigned char *bytes_of(str s)
{
    return (const unsigned char *)(s.p ? s.p : "");
}

enum code seal(struct ctx *cx, const struct seal_key *key, str context, str plain, str *sealed)
{
    cleanup_(cipher_free) EVP_CIPHER_CTX *c = EVP_CIPHER_CTX_new();
    unsigned char *out = arena_alloc(cx->mem, HEAD_BYTES + plain.n + TAG_BYTES);
    int n, end;
    if (plain.n > INT32_MAX / 2)
        return fail(cx, CODE_INVALID_ARGUMENT, "the value is too large");
    out[0] = VERSION;
    key_id(key, out + 1);
    random_bytes(out + 1 + ID_BYTES, NONCE_BYTES);
    if (!c || EVP_EncryptInit_ex(c, EVP_aes_256_gcm(), NULL, key->bytes, out + 1 + ID_BYTES) != 1 ||
        EVP_EncryptUpdate(c, NULL, &n, bytes_of(context), (int)context.n) != 1 ||
        EVP_EncryptUpdate(c, out + HEAD_BYTES, &n, bytes_of(plain), (int)plain.n) != 1 ||
        EVP_EncryptFinal_ex(c, out + HEAD_BYTES + n, &end) != 1 ||
        EVP_CIPHER_CTX_ctrl(c, EVP_CTRL_GCM_GET_TAG, TAG_BYTES, out + HEAD_BYTES + plain.n) != 1)
        return fail(cx, CODE_INTERNAL, "sealing failed");
    *sealed = str_make((char *)out, HEAD_BYTES + plain.n + TAG_BYTES);
    return CODE_OK;
}

enum code seal_open(struct ctx *cx, const struct seal_key *key, str context, str sealed, str *plain)
{
    cleanup_(cipher_free) EVP_CIPHER_CTX *c = EVP_CIPHER_CTX_new();
    const unsigned char *in = bytes_of(sealed);
    unsigned char id[ID_BYTES], tag[TAG_BYTES];
    int n, end;
    if (sealed.n < HEAD_BYTES + TAG_BYTES || sealed.n > INT32_MAX / 2 || in[0] != VERSION)
        return fail(cx, CODE_DATA_LOSS, "the sealed value is damaged");
    key_id(key, id);
    if (memcmp(id, in + 1, ID_BYTES) != 0)
        return fail(cx, CODE_FAILED_PRECONDITION, "the value was sealed with another key");
    size_t size = sealed.n - HEAD_BYTES - TAG_BYTES;
    unsigned char *out = arena_alloc(cx->mem, size + 1);
    memcpy(tag, in + HEAD_BYTES + size, TAG_BYTES);
    if (!c || EVP_DecryptInit_ex(c, EVP_aes_256_gcm(), NULL, key->bytes, in + 1 + ID_BYTES) != 1 ||
        EVP_DecryptUpdate(c, NULL, &n, bytes_of(context), (int)context.n) != 1 ||
        EVP_DecryptUpdate(c, out, &n, in + HEAD_BYTES, (int)size) != 1 ||
        EVP_CIPHER_CTX_ctrl(c, EVP_CTRL_GCM_SET_TAG, TAG_BYTES, tag) != 1 || EVP_DecryptFinal_ex(c, out + n, &end) != 1)
        return fail(cx, CODE_DATA_LOSS, "the sealed value is damaged, or belongs to something else");
    *plain = str_make((char *)out, size);
    return CODE_OK;
}

/* Access keys: id = base32 of the scope, secret = HMAC-SHA256 of the id under the data folder's server key. Nothing is
 * stored but that key. See keys_int.h and object.h. */
#include "object/keys_int.h"

#include "base/codec.h"
#include "base/file.h"
#include "base/random.h"
#include "object/hash_int.h"
#include "object/store_int.h"

#include <errno.h>
#include <fcntl.h>
#include <openssl/crypto.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#define VERSION 1
#define NAME_MAX_ ((size_t)64)
/* version, kind, two numbers, three names */
#define RAW_MAX (2 + 5 + 10 + 3 * (1 + NAME_MAX_))

struct raw {
    uint8_t p[RAW_MAX];
    size_t n, at;
};

static void put_number(struct raw *r, uint64_t v)
{
    for (; v >= 128; v >>= 7)
        r->p[r->n++] = (uint8_t)(v | 128);
    r->p[r->n++] = (uint8_t)v;
}

static void put_name(struct raw *r, str s)
{
    r->p[r->n++] = (uint8_t)s.n;
    if (s.n)
        memcpy(r->p + r->n, s.p, s.n);
    r->n += s.n;
}

static bool get_number(struct raw *r, uint64_t max, uint64_t *out)
{
    uint64_t v = 0;
    for (int shift = 0; shift < 64 && r->at < r->n; shift += 7) {
        uint8_t b = r->p[r->at++];
        v |= (uint64_t)(b & 127) << shift;
        if (b < 128) {
            *out = v;
            return v <= max;
        }
    }
    return false;
}

static bool get_name(struct raw *r, struct arena *mem, str *out)
{
    size_t n = r->at < r->n ? r->p[r->at++] : SIZE_MAX;
    if (n > NAME_MAX_ || n > r->n - r->at)
        return false;
    *out = arena_str(mem, str_make((const char *)r->p + r->at, n));
    r->at += n;
    return true;
}

static bool unpack(struct arena *mem, str id, struct raw *out)
{
    str bytes;
    if (id.n > OBJECT_KEY_ID_MAX || !codec_base32_decode(mem, id, &bytes) || bytes.n > RAW_MAX)
        return false;
    memcpy(out->p, bytes.p, bytes.n);
    out->n = bytes.n;
    return true;
}

enum code object_keys_id(struct ctx *cx, const struct object_scope *scope, str *out)
{
    struct raw r = {.n = 0};
    if (scope->project.n > NAME_MAX_ || scope->domain.n > NAME_MAX_ || scope->run.n > NAME_MAX_)
        return fail(cx, CODE_INVALID_ARGUMENT, "project, domain and run of a storage key have at most 64 bytes");
    put_number(&r, VERSION);
    put_number(&r, scope->kind);
    put_number(&r, scope->attempt);
    put_number(&r, scope->action_id);
    put_name(&r, scope->project);
    put_name(&r, scope->domain);
    put_name(&r, scope->run);
    *out = codec_base32_encode(cx->mem, str_make((const char *)r.p, r.n));
    return CODE_OK;
}

bool object_keys_scope(struct arena *mem, str id, struct object_scope *out)
{
    struct raw r = {.n = 0};
    uint64_t version, kind, attempt;
    struct object_scope s = {0};
    if (!unpack(mem, id, &r) || !get_number(&r, VERSION, &version) || version != VERSION ||
        !get_number(&r, OBJECT_KEY_UPLOAD, &kind) || kind < OBJECT_KEY_ATTEMPT ||
        !get_number(&r, UINT32_MAX, &attempt) || !get_number(&r, UINT64_MAX, &s.action_id) ||
        !get_name(&r, mem, &s.project) || !get_name(&r, mem, &s.domain) || !get_name(&r, mem, &s.run) || r.at != r.n)
        return false;
    s.kind = (enum object_key_kind)kind;
    s.attempt = (uint32_t)attempt;
    *out = s;
    return true;
}

void object_keys_secret(const uint8_t key[OBJECT_SERVER_KEY_SIZE], str id, char out[OBJECT_SECRET_SIZE])
{
    uint8_t mac[HASH_SHA256_SIZE];
    char hex[2 * HASH_SHA256_SIZE + 1];
    object_hash_hmac(str_make((const char *)key, OBJECT_SERVER_KEY_SIZE), id, mac);
    object_hash_hex(mac, sizeof(mac), hex);
    memcpy(out, hex, OBJECT_SECRET_SIZE);
    OPENSSL_cleanse(mac, sizeof(mac));
    OPENSSL_cleanse(hex, sizeof(hex));
}

enum code object_keys_derive(struct ctx *cx, struct object_store *s, const struct object_scope *scope,
                             struct object_keys *out)
{
    struct object_keys keys;
    char *secret = arena_alloc(cx->mem, OBJECT_SECRET_SIZE + 1);
    TRY(object_keys_id(cx, scope, &keys.access_key_id));
    object_keys_secret(s->server_key, keys.access_key_id, secret);
    keys.secret_access_key = str_make(secret, OBJECT_SECRET_SIZE);
    *out = keys;
    return CODE_OK;
}

/* ---- the server key's file -------------------------------------------------------------------------------------- */

static enum code read_key(struct ctx *cx, const char *path, uint8_t out[OBJECT_SERVER_KEY_SIZE])
{
    uint8_t bytes[OBJECT_SERVER_KEY_SIZE + 1];
    struct stat st;
    int fd cleanup_(object_file_close) = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
    if (fd < 0 || fstat(fd, &st))
        return fail_errno(cx, "open %s", path);
    if (!S_ISREG(st.st_mode) || (st.st_mode & 077))
        return fail(cx, CODE_FAILED_PRECONDITION, "%s must be a file that only its owner may read (chmod 600)", path);
    ssize_t n = read(fd, bytes, sizeof(bytes));
    if (n != (ssize_t)OBJECT_SERVER_KEY_SIZE)
        return fail(cx, CODE_FAILED_PRECONDITION, "%s is damaged: not 32 bytes", path);
    memcpy(out, bytes, OBJECT_SERVER_KEY_SIZE);
    OPENSSL_cleanse(bytes, sizeof(bytes));
    return CODE_OK;
}

/* A new key under a name of its own, synced, then linked to the real name: whoever links first wins. */
static enum code write_key(struct ctx *cx, const char *path, const char *temp)
{
    uint8_t bytes[OBJECT_SERVER_KEY_SIZE];
    int fd cleanup_(object_file_close) = open(temp, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    if (fd < 0)
        return fail_errno(cx, "create %s", temp);
    random_bytes(bytes, sizeof(bytes));
    ssize_t n = write(fd, bytes, sizeof(bytes));
    OPENSSL_cleanse(bytes, sizeof(bytes));
    if (n != (ssize_t)sizeof(bytes) || fsync(fd))
        return fail_errno(cx, "write %s", temp);
    if (link(temp, path) && errno != EEXIST)
        return fail_errno(cx, "create %s", path);
    return CODE_OK;
}

enum code object_keys_load(struct ctx *cx, const char *dir, uint8_t out[OBJECT_SERVER_KEY_SIZE])
{
    const char *path = arena_printf(cx->mem, "%s/object.key", dir).p;
    if (access(path, F_OK)) {
        const char *temp = arena_printf(cx->mem, "%s.%016llx", path, (unsigned long long)random_u64()).p;
        enum code code = write_key(cx, path, temp);
        unlink(temp);
        TRY(code);
        TRY(file_sync_dir(cx, dir));
    }
    return read_key(cx, path, out);
}

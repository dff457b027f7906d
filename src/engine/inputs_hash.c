/* The SDK's hash of inputs, see inputs_hash.h. Pure but for the arena. */
#include "engine/inputs_hash.h"

#include "base/buf.h"
#include "base/codec.h"
#include "base/msgpack.h"
#include "gen/flyteidl2_core.h"

#include <openssl/sha.h>
#include <stdlib.h>

#define DEPTH_MAX 100
#define TOTAL_MAX ((size_t)1 << 30)

static enum code add_literal(struct ctx *cx, buf *b, const CoreLiteral *l, int depth);

static int by_key(const void *a, const void *b)
{
    const struct CoreLiteralMap_LiteralsEntry *x = a, *y = b;
    return str_cmp(x->key, y->key);
}

static enum code add_map(struct ctx *cx, buf *b, const CoreLiteralMap *map, int depth)
{
    size_t n = map->literals.n;
    struct CoreLiteralMap_LiteralsEntry *sorted = arena_new_array(cx->mem, struct CoreLiteralMap_LiteralsEntry, n);
    if (n)
        memcpy(sorted, map->literals.p, n * sizeof(*sorted));
    qsort(sorted, n, sizeof(*sorted), by_key);
    for (size_t i = 0; i < n; i++) {
        buf_str(b, sorted[i].key);
        TRY(add_literal(cx, b, sorted[i].value, depth));
    }
    return CODE_OK;
}

/* The literal itself, its MessagePack payload in canonical form. */
static enum code add_scalar(struct ctx *cx, buf *b, const CoreLiteral *l)
{
    str bytes;
    const CoreScalar *s = l->value_case == CoreLiteral_scalar_tag ? l->scalar : NULL;
    if (!s || s->value_case != CoreScalar_binary_tag || !str_eq(s->binary->tag, STR("msgpack"))) {
        pb_encode_to(b, &CoreLiteral_type, l);
        return CODE_OK;
    }
    CoreLiteral literal = *l;
    CoreScalar scalar = *s;
    CoreBinary binary = *s->binary;
    literal.scalar = &scalar;
    scalar.binary = &binary;
    TRY(msgpack_canonical(cx, s->binary->value, &binary.value));
    TRY(pb_encode(cx, &CoreLiteral_type, &literal, &bytes));
    buf_str(b, bytes);
    return CODE_OK;
}

static enum code add_literal(struct ctx *cx, buf *b, const CoreLiteral *l, int depth)
{
    if (depth > DEPTH_MAX)
        return fail(cx, CODE_INVALID_ARGUMENT, "inputs: nested too deep");
    if (!l)
        return CODE_OK;
    if (l->hash.n) {
        buf_str(b, l->hash);
        return CODE_OK;
    }
    if (l->value_case == CoreLiteral_map_tag)
        return add_map(cx, b, l->map, depth + 1);
    if (l->value_case != CoreLiteral_collection_tag)
        return add_scalar(cx, b, l);
    for (size_t i = 0; i < l->collection->literals.n; i++)
        TRY(add_literal(cx, b, l->collection->literals.p[i], depth + 1));
    return CODE_OK;
}

static bool is_ignored(str name, const str *ignored, size_t n)
{
    for (size_t i = 0; i < n; i++)
        if (str_eq(name, ignored[i]))
            return true;
    return false;
}

enum code engine_inputs_hash(struct ctx *cx, const TaskInputs *inputs, const str *ignored, size_t ignored_count,
                             str *out)
{
    unsigned char digest[SHA256_DIGEST_LENGTH];
    buf b;
    buf_init_arena(&b, cx->mem, TOTAL_MAX);
    for (size_t i = 0; inputs && i < inputs->literals.n; i++) {
        const TaskNamedLiteral *named = inputs->literals.p[i];
        if (is_ignored(named->name, ignored, ignored_count))
            continue;
        buf_str(&b, named->name);
        buf_char(&b, ':');
        TRY(add_literal(cx, &b, named->value, 0));
        buf_char(&b, ';');
    }
    if (b.failed)
        return fail(cx, CODE_RESOURCE_EXHAUSTED, "inputs: too large to hash");
    *out = STR("");
    if (b.n == 0)
        return CODE_OK;
    SHA256((const unsigned char *)b.p, b.n, digest);
    *out = codec_base64_encode(cx->mem, str_make((const char *)digest, sizeof(digest)));
    return CODE_OK;
}

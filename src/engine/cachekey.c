/* Cache keys. See cachekey.h. */
#include "engine/cachekey.h"

#include "base/buf.h"
#include "base/codec.h"

#include <openssl/sha.h>
#include <stdlib.h>

static str sha256(struct ctx *cx, str bytes)
{
    unsigned char *out = arena_alloc(cx->mem, SHA256_DIGEST_LENGTH);
    SHA256((const unsigned char *)bytes.p, bytes.n, out);
    return (str){(const char *)out, SHA256_DIGEST_LENGTH};
}

static int by_key(const void *x, const void *y)
{
    const CoreVariableEntry *const *a = x, *const *b = y;
    return str_cmp((*a)->key, (*b)->key);
}

static CoreVariableMap *sorted(struct ctx *cx, const CoreVariableMap *m)
{
    if (!m)
        return NULL;
    CoreVariableMap *out = pb_new(cx->mem, CoreVariableMap);
    *out = *m;
    out->variables.p = arena_new_array(cx->mem, CoreVariableEntry *, m->variables.n);
    if (m->variables.n) {
        memcpy(out->variables.p, m->variables.p, m->variables.n * sizeof(*m->variables.p));
        qsort(out->variables.p, m->variables.n, sizeof(*out->variables.p), by_key);
    }
    return out;
}

/* base64 of SHA-256 over the interface with its variables sorted, "" when there is none. */
static enum code interface_hash(struct ctx *cx, const CoreTypedInterface *i, str *out)
{
    str bytes;
    *out = STR("");
    if (!i)
        return CODE_OK;
    CoreTypedInterface copy = *i;
    copy.inputs = sorted(cx, i->inputs);
    copy.outputs = sorted(cx, i->outputs);
    TRY(pb_encode(cx, &CoreTypedInterface_type, &copy, &bytes));
    *out = codec_base64_encode(cx->mem, sha256(cx, bytes));
    return CODE_OK;
}

static str task_name(const CoreTaskTemplate *t)
{
    return t->id ? t->id->name : STR("");
}

enum code engine_cachekey_text(struct ctx *cx, const CoreTaskTemplate *t, str inputs_hash, str *out)
{
    str hash, version = t->metadata ? t->metadata->discovery_version : STR("");
    TRY(interface_hash(cx, t->interface, &hash));
    str all = arena_printf(cx->mem, STR_FMT STR_FMT STR_FMT STR_FMT, STR_ARG(inputs_hash), STR_ARG(task_name(t)),
                           STR_ARG(hash), STR_ARG(version));
    *out = codec_base64_encode(cx->mem, sha256(cx, all));
    return CODE_OK;
}

static void add(buf *b, str s)
{
    buf_u64(b, s.n);
    buf_char(b, ':');
    buf_str(b, s);
}

enum code engine_cachekey_make(struct ctx *cx, const CoreTaskTemplate *t, int32_t scope, str project, str domain,
                               str text, str *out)
{
    bool local = scope == TASK_CACHE_LOOKUP_SCOPE_PROJECT_DOMAIN;
    str hash;
    buf b;
    *out = STR_NONE;
    if (!t->metadata || !t->metadata->discoverable || !text.n)
        return CODE_OK;
    TRY(interface_hash(cx, t->interface, &hash));
    buf_init_arena(&b, cx->mem, SIZE_MAX);
    add(&b, local ? project : STR(""));
    add(&b, local ? domain : STR(""));
    add(&b, task_name(t));
    add(&b, hash);
    add(&b, text);
    *out = sha256(cx, buf_view(&b));
    return CODE_OK;
}

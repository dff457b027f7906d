/* ImageSpec to a plan: the layers' steps (layer.c), and the name by content. */
#include "image/plan.h"

#include "base/buf.h"
#include "base/codec.h"
#include "image/plan_int.h"

#include <openssl/evp.h>

#define TEXT_MAX ((size_t)1 << 20)
/* Part of the hash: raised when the same plan makes another environment. */
#define FORMAT "tern image 3"

/* ---- the whole --------------------------------------------------------------------------------------------------- */

/* Official base images carry the SDK: ".../flyte:py3.11-v2.12.1". */
static str sdk_of(struct ctx *cx, str base_image)
{
    size_t at = str_find(base_image, STR("flyteorg/flyte:py"));
    if (at == SIZE_MAX)
        return STR("");
    str tag = str_skip(base_image, at);
    size_t v = str_find(tag, STR("-v"));
    return v == SIZE_MAX ? STR("") : arena_printf(cx->mem, "flyte==" STR_FMT, STR_ARG(str_skip(tag, v + 2)));
}

/* Those that hold nothing but a Python and the SDK are not missed. */
static void note_base(struct image_planner *p, str base)
{
    bool plain =
        base.n == 0 || str_find(base, STR("flyteorg/flyte:py")) != SIZE_MAX || str_starts(base, STR("python:"));
    if (!plain)
        image_layer_note(p, arena_printf(p->cx->mem,
                                         "The image's base " STR_FMT
                                         " is not used, what it holds is not here: there is no container",
                                         STR_ARG(str_head(base, 200))));
}

static void hash_part(EVP_MD_CTX *md, str part)
{
    uint64_t n = part.n;
    EVP_DigestUpdate(md, &n, sizeof(n));
    EVP_DigestUpdate(md, part.p, part.n);
}

static enum code hash_of(struct ctx *cx, const ImagebuilderImageSpec *spec, str context, const struct image_plan *plan,
                         str *out)
{
    unsigned char digest[EVP_MAX_MD_SIZE];
    str bytes;
    TRY(pb_encode(cx, &ImagebuilderImageSpec_type, spec, &bytes));
    EVP_MD_CTX *md = EVP_MD_CTX_new();
    EVP_DigestInit_ex(md, EVP_sha256(), NULL);
    hash_part(md, STR(FORMAT));
    hash_part(md, plan->sdk);
    hash_part(md, bytes);
    hash_part(md, context);
    EVP_DigestFinal_ex(md, digest, NULL);
    EVP_MD_CTX_free(md);
    *out = codec_hex_encode(cx->mem, str_make((char *)digest, 16));
    return CODE_OK;
}

enum code image_plan_make(struct ctx *cx, const ImagebuilderImageSpec *spec, str context, str folder, str uv,
                          struct image_plan *out)
{
    struct image_planner p = {.cx = cx, .plan = out, .folder = folder, .uv = uv};
    size_t n = spec->layers.n;
    *out = (struct image_plan){.python_version = spec->python_version, .sdk = sdk_of(cx, spec->base_image)};
    out->steps = arena_new_array(cx->mem, struct image_step, IMAGE_LAYER_STEPS * n);
    out->secrets = arena_new_array(cx->mem, struct image_secret, IMAGE_SECRETS_MAX);
    out->copies = arena_new_array(cx->mem, struct image_copy, n);
    p.homes = arena_new_array(cx->mem, str, n + 2);
    p.homes[p.home_count++] = STR("root");
    p.homes[p.home_count++] = STR("home/flyte");
    buf_init_arena(&p.env, cx->mem, TEXT_MAX);
    buf_init_arena(&p.notes, cx->mem, TEXT_MAX);
    note_base(&p, spec->base_image);
    for (size_t i = 0; i < n; i++)
        TRY(image_layer_add(&p, spec->layers.p[i]));
    if (p.env.failed || p.notes.failed)
        return fail(cx, CODE_INVALID_ARGUMENT, "env: too large");
    out->env = buf_view(&p.env);
    out->notes = buf_view(&p.notes);
    return hash_of(cx, spec, context, out, &out->hash);
}

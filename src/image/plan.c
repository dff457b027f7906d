/* ImageSpec to steps. Pure but for the arena, and the look at which Debian packages are installed. */
#include "image/plan.h"

#include "base/buf.h"
#include "base/codec.h"
#include "image/process.h"

#include <openssl/evp.h>
#include <stdio.h>

#define TEXT_MAX ((size_t)1 << 20)
/* Part of the hash: raised when the same plan makes another environment. */
#define FORMAT "tern image 1"

struct planner {
    struct ctx *cx;
    struct image_plan *plan;
    str folder;
    buf env;
};

/* ---- commands ---------------------------------------------------------------------------------------------------- */

struct args {
    const char **p;
    size_t n;
};

static struct args args_new(struct ctx *cx, const char *const *first)
{
    struct args a = {.p = arena_new_array(cx->mem, const char *, IMAGE_ARGS_MAX + 1)};
    for (; *first; first++)
        a.p[a.n++] = *first;
    return a;
}

static enum code args_add(struct ctx *cx, struct args *a, str s)
{
    if (a->n == IMAGE_ARGS_MAX)
        return fail(cx, CODE_INVALID_ARGUMENT, "a layer has more than %d arguments", IMAGE_ARGS_MAX);
    a->p[a->n++] = arena_cstr(cx->mem, s);
    return CODE_OK;
}

/* extra_args is one text; it is split at spaces, as pip's own configuration does. */
static enum code add_options(struct ctx *cx, struct args *a, const ImagebuilderPipOptions *o)
{
    str rest, piece;
    if (!o)
        return CODE_OK;
    if (o->index_url.n) {
        TRY(args_add(cx, a, STR("--index-url")));
        TRY(args_add(cx, a, o->index_url));
    }
    for (size_t i = 0; i < o->extra_index_urls.n; i++) {
        TRY(args_add(cx, a, STR("--extra-index-url")));
        TRY(args_add(cx, a, o->extra_index_urls.p[i]));
    }
    if (o->pre)
        TRY(args_add(cx, a, STR("--pre")));
    rest = o->extra_args.n ? o->extra_args : STR_NONE;
    while (str_next(&rest, ' ', &piece))
        if (piece.n)
            TRY(args_add(cx, a, piece));
    return CODE_OK;
}

static void add_step(struct planner *p, const struct args *a)
{
    p->plan->steps[p->plan->step_count++] = (struct image_step){a->p};
}

static struct args pip_install(struct ctx *cx)
{
    static const char *const words[] = {"python",     "-m", "pip", "install", "--disable-pip-version-check",
                                        "--no-input", NULL};
    return args_new(cx, words);
}

/* A file or folder of the context; names from the spec must stay inside it. */
static enum code in_context(struct planner *p, str name, str *out)
{
    str rest = name, piece;
    while (str_next(&rest, '/', &piece))
        if (str_eq(piece, STR("..")))
            return fail(p->cx, CODE_INVALID_ARGUMENT, "layer: \"" STR_FMT "\" leaves the build context", STR_ARG(name));
    *out = arena_printf(p->cx->mem, STR_FMT "/" STR_FMT, STR_ARG(p->folder), STR_ARG(name));
    return CODE_OK;
}

/* ---- layers ------------------------------------------------------------------------------------------------------ */

static enum code pip_packages(struct planner *p, const ImagebuilderLayer *l)
{
    struct args a = pip_install(p->cx);
    TRY(add_options(p->cx, &a, l->pip_packages->options));
    for (size_t i = 0; i < l->pip_packages->packages.n; i++)
        TRY(args_add(p->cx, &a, l->pip_packages->packages.p[i]));
    add_step(p, &a);
    return CODE_OK;
}

static enum code requirements(struct planner *p, const ImagebuilderLayer *l)
{
    struct args a = pip_install(p->cx);
    str file;
    TRY(in_context(p, l->requirements->file, &file));
    TRY(add_options(p->cx, &a, l->requirements->options));
    TRY(args_add(p->cx, &a, STR("-r")));
    TRY(args_add(p->cx, &a, file));
    add_step(p, &a);
    return CODE_OK;
}

static enum code wheels(struct planner *p, const ImagebuilderLayer *l)
{
    struct args a = pip_install(p->cx);
    str dir;
    TRY(in_context(p, l->python_wheels->dir, &dir));
    TRY(add_options(p->cx, &a, l->python_wheels->options));
    TRY(args_add(p->cx, &a, STR("--find-links")));
    TRY(args_add(p->cx, &a, dir));
    TRY(args_add(p->cx, &a, l->python_wheels->package_name));
    add_step(p, &a);
    return CODE_OK;
}

static enum code uv_project(struct planner *p, const ImagebuilderLayer *l)
{
    /* Not editable: the context is gone after the build. */
    static const char *const sync[] = {"python",        "-m",        "uv", "sync", "--active", "--inexact",
                                       "--no-editable", "--project", NULL};
    struct args install = pip_install(p->cx), a = args_new(p->cx, sync);
    str dir;
    TRY(in_context(p, l->uv_project->pyproject, &dir));
    TRY(args_add(p->cx, &install, STR("uv")));
    add_step(p, &install);
    TRY(args_add(p->cx, &a, dir));
    if (l->uv_project->uvlock.n)
        TRY(args_add(p->cx, &a, STR("--frozen")));
    TRY(add_options(p->cx, &a, l->uv_project->options));
    add_step(p, &a);
    return CODE_OK;
}

/* Where a container's Python is: the environment's own is elsewhere. The SDK sets these for images that it does not take
 * from a registry (uv scripts). */
static bool is_of_container(str name, str value)
{
    bool place = str_eq(name, STR("VIRTUAL_ENV")) || str_eq(name, STR("PATH"));
    return (place && str_starts(value, STR("/opt/venv"))) ||
           (str_eq(name, STR("PYTHONPATH")) && str_eq(value, STR("/root")));
}

static enum code env(struct planner *p, const ImagebuilderLayer *l)
{
    for (size_t i = 0; i < l->env->env_variables.n; i++) {
        str name = l->env->env_variables.p[i].key, value = l->env->env_variables.p[i].value;
        if (is_of_container(name, value))
            continue;
        if (name.n == 0 || str_find_char(name, '=') != SIZE_MAX || str_find_char(name, '\n') != SIZE_MAX ||
            str_find_char(value, '\n') != SIZE_MAX)
            return fail(p->cx, CODE_INVALID_ARGUMENT, "env: \"" STR_FMT "\" cannot be set", STR_ARG(name));
        buf_str(&p->env, name);
        buf_char(&p->env, '=');
        buf_str(&p->env, value);
        buf_char(&p->env, '\n');
    }
    return CODE_OK;
}

/* There is no file system of its own to copy into: files go into the environment, from where they can be imported. */
static enum code copy(struct planner *p, const ImagebuilderLayer *l)
{
    struct image_copy c;
    str to = l->copy_config->dst, rest, piece;
    TRY(in_context(p, l->copy_config->src, &c.from));
    while (to.n && (to.p[0] == '/' || to.p[0] == '.'))
        to = str_skip(to, 1);
    rest = to;
    while (str_next(&rest, '/', &piece))
        if (str_eq(piece, STR("..")))
            return fail(p->cx, CODE_INVALID_ARGUMENT, "copy: \"" STR_FMT "\" leaves its folder", STR_ARG(to));
    c.to = to;
    if (str_starts(l->copy_config->dst, STR("/")))
        printf("note: there is no container, so " STR_FMT " is not at that path; Python can import it\n",
               STR_ARG(l->copy_config->dst));
    p->plan->copies[p->plan->copy_count++] = c;
    return CODE_OK;
}

/* Fine when everything is installed on this machine already. */
static enum code apt_packages(struct planner *p, const ImagebuilderLayer *l)
{
    buf missing;
    buf_init_arena(&missing, p->cx->mem, TEXT_MAX);
    for (size_t i = 0; i < l->apt_packages->packages.n; i++) {
        const char *name = arena_cstr(p->cx->mem, l->apt_packages->packages.p[i]);
        const char *const query[] = {"dpkg-query", "-W", "--", name, NULL};
        if (!image_process_succeeds(query))
            buf_printf(&missing, " %s", name);
    }
    if (missing.n == 0)
        return CODE_OK;
    return fail(p->cx, CODE_FAILED_PRECONDITION,
                "this image asks for Debian packages that are not on this machine, and images are virtual environments "
                "here; install them: apt-get install%.120s",
                buf_view(&missing).p);
}

/* The SDK's own command makes the user of the container; any other is the user's wish. */
static enum code commands(struct planner *p, const ImagebuilderLayer *l)
{
    for (size_t i = 0; i < l->commands->cmd.n; i++) {
        str cmd = l->commands->cmd.p[i];
        if (str_starts(cmd, STR("if ! id -u flyte >/dev/null 2>&1; then useradd ")))
            continue;
        return fail(p->cx, CODE_FAILED_PRECONDITION,
                    "this image runs shell commands (with_commands: \"" STR_FMT
                    "\"), which need a container; images are virtual environments here: pip packages, requirements, "
                    "wheels, uv projects, variables and copied files work",
                    STR_ARG(str_head(cmd, 60)));
    }
    return CODE_OK;
}

static enum code refuse_poetry(struct planner *p, const ImagebuilderLayer *l)
{
    (void)l;
    return fail(p->cx, CODE_FAILED_PRECONDITION,
                "this image installs a Poetry project, which is not supported here; use with_requirements or "
                "with_uv_project");
}

static enum code workdir(struct planner *p, const ImagebuilderLayer *l)
{
    (void)p;
    printf("note: the working folder " STR_FMT " is not used: each task has a folder of its own\n",
           STR_ARG(l->workdir->workdir));
    return CODE_OK;
}

static const struct {
    int32_t tag;
    enum code (*fn)(struct planner *p, const ImagebuilderLayer *l);
} layers[] = {
    {ImagebuilderLayer_apt_packages_tag, apt_packages},
    {ImagebuilderLayer_pip_packages_tag, pip_packages},
    {ImagebuilderLayer_commands_tag, commands},
    {ImagebuilderLayer_requirements_tag, requirements},
    {ImagebuilderLayer_python_wheels_tag, wheels},
    {ImagebuilderLayer_workdir_tag, workdir},
    {ImagebuilderLayer_copy_config_tag, copy},
    {ImagebuilderLayer_uv_project_tag, uv_project},
    {ImagebuilderLayer_env_tag, env},
    {ImagebuilderLayer_poetry_project_tag, refuse_poetry},
};

static enum code add_layer(struct planner *p, const ImagebuilderLayer *l)
{
    for (size_t i = 0; i < sizeof(layers) / sizeof(*layers); i++)
        if (layers[i].tag == l->layer_case)
            return layers[i].fn(p, l);
    return fail(p->cx, CODE_FAILED_PRECONDITION, "this image has a layer that this version does not know");
}

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

enum code image_plan_make(struct ctx *cx, const ImagebuilderImageSpec *spec, str context, str folder,
                          struct image_plan *out)
{
    struct planner p = {.cx = cx, .plan = out, .folder = folder};
    size_t n = spec->layers.n;
    *out = (struct image_plan){.python_version = spec->python_version, .sdk = sdk_of(cx, spec->base_image)};
    out->steps = arena_new_array(cx->mem, struct image_step, 2 * n);
    out->copies = arena_new_array(cx->mem, struct image_copy, n);
    buf_init_arena(&p.env, cx->mem, TEXT_MAX);
    for (size_t i = 0; i < n; i++)
        TRY(add_layer(&p, spec->layers.p[i]));
    if (p.env.failed)
        return fail(cx, CODE_INVALID_ARGUMENT, "env: too large");
    out->env = buf_view(&p.env);
    return hash_of(cx, spec, context, out, &out->hash);
}

/* Layers to steps: one function for each kind. Pure but for the arena, and the look at which Debian packages are
 * installed. */
#include "base/buf.h"
#include "image/installer.h"
#include "image/plan_int.h"
#include "image/process.h"

#include <ctype.h>
#include <stdio.h>
#include <sys/stat.h>

#define TEXT_MAX ((size_t)1 << 20)

void image_layer_note(struct image_planner *p, str line)
{
    buf_str(&p->notes, line);
    buf_char(&p->notes, '\n');
}

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

static void add_step(struct image_planner *p, const struct args *a)
{
    p->plan->steps[p->plan->step_count++] = (struct image_step){a->p};
}

static struct args pip_install(const struct image_planner *p)
{
    return args_new(p->cx, image_installer_install(p->cx, p->uv, IMAGE_PYTHON, NULL));
}

/* A file or folder of the context; names from the spec must stay inside it. */
static enum code in_context(struct image_planner *p, str name, str *out)
{
    str rest = name, piece;
    while (str_next(&rest, '/', &piece))
        if (str_eq(piece, STR("..")))
            return fail(p->cx, CODE_INVALID_ARGUMENT, "layer: \"" STR_FMT "\" leaves the build context", STR_ARG(name));
    *out = arena_printf(p->cx->mem, STR_FMT "/" STR_FMT, STR_ARG(p->folder), STR_ARG(name));
    return CODE_OK;
}

/* ---- layers ------------------------------------------------------------------------------------------------------ */

static enum code pip_packages(struct image_planner *p, const ImagebuilderLayer *l)
{
    struct args a = pip_install(p);
    TRY(add_options(p->cx, &a, l->pip_packages->options));
    for (size_t i = 0; i < l->pip_packages->packages.n; i++)
        TRY(args_add(p->cx, &a, l->pip_packages->packages.p[i]));
    add_step(p, &a);
    return CODE_OK;
}

static enum code requirements(struct image_planner *p, const ImagebuilderLayer *l)
{
    struct args a = pip_install(p);
    str file;
    TRY(in_context(p, l->requirements->file, &file));
    TRY(add_options(p->cx, &a, l->requirements->options));
    TRY(args_add(p->cx, &a, STR("-r")));
    TRY(args_add(p->cx, &a, file));
    add_step(p, &a);
    return CODE_OK;
}

/* First what the package needs, from an index; then the very wheel that was given, whatever an index has. */
static enum code wheels(struct image_planner *p, const ImagebuilderLayer *l)
{
    struct args a = pip_install(p), b = pip_install(p);
    str dir;
    TRY(in_context(p, l->python_wheels->dir, &dir));
    TRY(add_options(p->cx, &a, l->python_wheels->options));
    const str last[] = {STR("--find-links"), dir, l->python_wheels->package_name};
    const str only[] = {STR("--no-deps"), STR("--no-index"), STR("--force-reinstall")};
    for (size_t i = 0; i < 3; i++)
        TRY(args_add(p->cx, &a, last[i]));
    add_step(p, &a);
    for (size_t i = 0; i < 6; i++)
        TRY(args_add(p->cx, &b, i < 3 ? only[i] : last[i - 3]));
    add_step(p, &b);
    return CODE_OK;
}

/* The lock file may be from another folder than the project. */
static enum code place_lock(struct image_planner *p, str lock, str dir)
{
    str from, to = arena_printf(p->cx->mem, STR_FMT "/uv.lock", STR_ARG(dir));
    TRY(in_context(p, lock, &from));
    const char *const copy[] = {"cp", "--", from.p, to.p, NULL};
    struct args a = args_new(p->cx, copy);
    if (!str_eq(from, to))
        add_step(p, &a);
    return CODE_OK;
}

static enum code uv_project(struct image_planner *p, const ImagebuilderLayer *l)
{
    /* Where there is no other, the environment's own. */
    const char *const uv[] = {p->uv.p, NULL}, *const own[] = {IMAGE_PYTHON, "-m", "uv", NULL};
    struct args install = args_new(p->cx, image_installer_install(p->cx, p->uv, IMAGE_PYTHON, "uv"));
    /* Not editable: the context is gone after the build. */
    const str sync[] = {STR("sync"), STR("--active"), STR("--inexact"), STR("--no-editable"), STR("--project")};
    struct args a = args_new(p->cx, p->uv.n ? uv : own);
    str dir;
    TRY(in_context(p, l->uv_project->pyproject, &dir));
    if (p->uv.n == 0)
        add_step(p, &install);
    for (size_t i = 0; i < sizeof(sync) / sizeof(*sync); i++)
        TRY(args_add(p->cx, &a, sync[i]));
    TRY(args_add(p->cx, &a, dir));
    if (l->uv_project->uvlock.n) {
        TRY(args_add(p->cx, &a, STR("--frozen")));
        TRY(place_lock(p, l->uv_project->uvlock, dir));
    }
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

static enum code env(struct image_planner *p, const ImagebuilderLayer *l)
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

/* "a/./b/" gives "a/b". */
static enum code clean_path(struct image_planner *p, str path, str *out)
{
    buf b;
    str rest = path, piece;
    buf_init_arena(&b, p->cx->mem, TEXT_MAX);
    while (str_next(&rest, '/', &piece)) {
        if (str_eq(piece, STR("..")))
            return fail(p->cx, CODE_INVALID_ARGUMENT, "copy: \"" STR_FMT "\" leaves its folder", STR_ARG(path));
        if (piece.n == 0 || str_eq(piece, STR(".")))
            continue;
        if (b.n)
            buf_char(&b, '/');
        buf_str(&b, piece);
    }
    *out = buf_view(&b);
    return CODE_OK;
}

/* True when path is the folder home or lies in it; *rest is what follows. Both are clean, without the first "/". */
static bool is_below(str path, str home, str *rest)
{
    if (!str_starts(path, home) || (path.n > home.n && home.n && path.p[home.n] != '/'))
        return false;
    *rest = path.n > home.n ? str_skip(path, home.n + (home.n ? 1 : 0)) : STR("");
    return true;
}

/* There is no file system of its own to copy into: files go to the working folder of each task, where relative names
 * lead. Absolute names of the folders that a container would work in lead there too. */
static enum code copy(struct image_planner *p, const ImagebuilderLayer *l)
{
    str dst = l->copy_config->dst;
    struct image_copy c = {.into = dst.n == 0 || str_ends(dst, STR("/")) || str_eq(dst, STR(".")) ||
                                   str_ends(dst, STR("/."))};
    bool home = !str_starts(dst, STR("/"));
    TRY(in_context(p, l->copy_config->src, &c.from));
    TRY(clean_path(p, dst, &c.to));
    for (size_t i = 0; i < p->home_count && !home; i++)
        home = is_below(c.to, p->homes[i], &c.to);
    c.absolute = !home;
    p->plan->copies[p->plan->copy_count++] = c;
    return CODE_OK;
}

/* The SDK asks for these two with every base that it makes from a plain Python; wheels do not need them. */
static bool is_sdk_base(const ImagebuilderAptPackages *a)
{
    return a->packages.n == 2 && str_eq(a->packages.p[0], STR("build-essential")) &&
           str_eq(a->packages.p[1], STR("ca-certificates"));
}

/* Fine when everything is installed on this machine already. */
static enum code apt_packages(struct image_planner *p, const ImagebuilderLayer *l)
{
    const char *const dpkg[] = {"dpkg-query", "--version", NULL};
    bool debian = image_process_succeeds(dpkg);
    buf missing;
    buf_init_arena(&missing, p->cx->mem, TEXT_MAX);
    for (size_t i = 0; i < l->apt_packages->packages.n; i++) {
        const char *name = arena_cstr(p->cx->mem, l->apt_packages->packages.p[i]);
        const char *const query[] = {"dpkg-query", "-W", "--", name, NULL};
        if (!debian || !image_process_succeeds(query))
            buf_printf(&missing, " %s", name);
    }
    if (missing.n == 0)
        return CODE_OK;
    if (is_sdk_base(l->apt_packages)) {
        printf("note: not on this machine, and maybe not needed:%s\n", buf_view(&missing).p);
        return CODE_OK;
    }
    if (!debian)
        return fail(p->cx, CODE_FAILED_PRECONDITION,
                    "this machine is no Debian, and images are virtual environments here: the image's packages%.100s "
                    "cannot be had; install by hand what they hold and remove the layer",
                    buf_view(&missing).p);
    return fail(p->cx, CODE_FAILED_PRECONDITION,
                "this image asks for Debian packages that are not on this machine, and images are virtual environments "
                "here; install them: apt-get install%.120s",
                buf_view(&missing).p);
}

/* The SDK's own command makes the user of the container; any other is the user's wish. */
static enum code commands(struct image_planner *p, const ImagebuilderLayer *l)
{
    for (size_t i = 0; i < l->commands->cmd.n; i++) {
        str cmd = l->commands->cmd.p[i];
        if (str_starts(cmd, STR("if ! id -u flyte >/dev/null 2>&1; then useradd ")))
            continue;
        return fail(p->cx, CODE_FAILED_PRECONDITION,
                    "shell commands (with_commands: \"" STR_FMT "\") need a container, and images are virtual "
                    "environments here: remove the layer, or do by hand on this machine what it does",
                    STR_ARG(str_head(cmd, 60)));
    }
    return CODE_OK;
}

/* Poetry has an environment of its own, so that it changes nothing in the image's. */
static void poetry_steps(struct image_planner *p)
{
    struct ctx *cx = p->cx;
    str home = arena_printf(cx->mem, STR_FMT "-poetry", STR_ARG(p->folder)),
        python = arena_printf(cx->mem, "%s/bin/python", home.p);
    struct args a = args_new(cx, image_installer_venv(cx, p->uv, IMAGE_PYTHON, home.p)),
                b = args_new(cx, image_installer_install(cx, p->uv, python.p, "poetry"));
    add_step(p, &a);
    add_step(p, &b);
    p->poetry = true;
}

static bool is_folder(str path)
{
    struct stat st;
    return stat(path.p, &st) == 0 && S_ISDIR(st.st_mode);
}

/* The project is kept in the environment: Poetry installs it by a link to its sources. */
static enum code poetry_project(struct image_planner *p, const ImagebuilderLayer *l)
{
    struct ctx *cx = p->cx;
    str project, lock, rest = l->poetry_project->extra_args, piece;
    const char *kept = arena_printf(cx->mem, IMAGE_VENV "/projects/%zu", p->projects++).p;
    TRY(in_context(p, l->poetry_project->pyproject, &project));
    TRY(in_context(p, l->poetry_project->poetry_lock, &lock));
    const char *from = is_folder(project) ? arena_printf(cx->mem, "%s/.", project.p).p : project.p;
    const char *const folder[] = {"mkdir", "-p", kept, NULL};
    const char *const copy_project[] = {"cp", "-a", "--", from, kept, NULL};
    const char *const copy_lock[] = {"cp", "--", lock.p, arena_printf(cx->mem, "%s/poetry.lock", kept).p, NULL};
    const char *const install[] = {arena_printf(cx->mem, STR_FMT "-poetry/bin/poetry", STR_ARG(p->folder)).p,
                                   "install",
                                   "--no-interaction",
                                   "--no-ansi",
                                   "-C",
                                   kept,
                                   NULL};
    struct args steps[] = {args_new(cx, folder), args_new(cx, copy_project), args_new(cx, copy_lock),
                           args_new(cx, install)};
    while (str_next(&rest, ' ', &piece))
        if (piece.n)
            TRY(args_add(cx, &steps[3], piece));
    if (!p->poetry)
        poetry_steps(p);
    for (size_t i = 0; i < 4; i++)
        add_step(p, &steps[i]);
    return CODE_OK;
}

/* Each task has a folder of its own; what the container would have in its working folder is found there. */
static enum code workdir(struct image_planner *p, const ImagebuilderLayer *l)
{
    return clean_path(p, l->workdir->workdir, &p->homes[p->home_count++]);
}

/* ---- secrets ----------------------------------------------------------------------------------------------------- */

/* As the SDK names it: what the user says, else GROUP_KEY. */
static void add_secret(struct image_planner *p, const CoreSecret *s)
{
    str name = s->group.n ? arena_printf(p->cx->mem, STR_FMT "_" STR_FMT, STR_ARG(s->group), STR_ARG(s->key)) : s->key;
    char *upper = arena_cstr(p->cx->mem, name);
    for (char *c = upper; *c; c++)
        *c = *c == '-' ? '_' : (char)toupper((unsigned char)*c);
    p->plan->secrets[p->plan->secret_count++] =
        (struct image_secret){s->env_var.n ? s->env_var : str_from(upper), s->key};
}

static enum code add_secrets(struct image_planner *p, CoreSecret *const *list, size_t n)
{
    if (p->plan->secret_count + n > IMAGE_SECRETS_MAX)
        return fail(p->cx, CODE_INVALID_ARGUMENT, "more than %d secrets", IMAGE_SECRETS_MAX);
    for (size_t i = 0; i < n; i++)
        add_secret(p, list[i]);
    return CODE_OK;
}

static enum code secrets_of(struct image_planner *p, const ImagebuilderLayer *l)
{
#define SECRETS(kind)                                                                                                  \
    if (l->layer_case == ImagebuilderLayer_##kind##_tag)                                                               \
        return add_secrets(p, l->kind->secret_mounts.p, l->kind->secret_mounts.n);
    SECRETS(pip_packages)
    SECRETS(requirements)
    SECRETS(python_wheels)
    SECRETS(uv_project)
    SECRETS(poetry_project)
#undef SECRETS
    return CODE_OK;
}

/* ---- all kinds --------------------------------------------------------------------------------------------------- */

static const struct {
    int32_t tag;
    enum code (*fn)(struct image_planner *p, const ImagebuilderLayer *l);
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
    {ImagebuilderLayer_poetry_project_tag, poetry_project},
};

enum code image_layer_add(struct image_planner *p, const ImagebuilderLayer *l)
{
    TRY(secrets_of(p, l));
    for (size_t i = 0; i < sizeof(layers) / sizeof(*layers); i++)
        if (layers[i].tag == l->layer_case)
            return layers[i].fn(p, l);
    return fail(p->cx, CODE_FAILED_PRECONDITION, "this image has a layer that this version does not know");
}

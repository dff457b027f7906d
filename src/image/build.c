/* One build: inputs, plan, environment, name, outputs. */
#include "image/build.h"

#include "base/buf.h"
#include "base/file.h"
#include "base/random.h"
#include "base/tree.h"
#include "exec/files.h"
#include "exec/python.h"
#include "exec/spawn.h"
#include "exec/venvs.h"
#include "gen/flyteidl2_core.h"
#include "gen/flyteidl2_task.h"
#include "image/installer.h"
#include "image/interpreter.h"
#include "image/plan.h"
#include "image/process.h"
#include "object/object.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#define INPUTS_MAX ((size_t)1 << 20)
#define SDK_MAX ((size_t)256)
#define SECRET_MAX ((size_t)64 << 10)
#define PATHS_MAX ((size_t)64 << 10)
#define CONTEXT_MAX ((size_t)512 << 20)

struct build {
    const struct image_build *job;
    str spec_uri, context_uri, target;
    str work; /* temporary folder, gone at the end */
    ImagebuilderImageSpec *spec;
    struct image_plan plan;
    str venv;
};

/* ---- inputs ------------------------------------------------------------------------------------------------------ */

static enum code read_object(struct ctx *cx, struct build *b, const char *what, str uri, size_t max, str *out)
{
    str bucket, key;
    TRY(object_uri_parse(cx, what, uri, &bucket, &key));
    return object_get(cx, b->job->objects, bucket, key, max, out);
}

/* A string input, or the URI of a file input. */
static str text_of(const CoreLiteral *l)
{
    while (l && l->value_case == CoreLiteral_scalar_tag && l->scalar->value_case == CoreScalar_union_tag)
        l = l->scalar->union_->value;
    if (!l || l->value_case != CoreLiteral_scalar_tag)
        return STR("");
    if (l->scalar->value_case == CoreScalar_blob_tag)
        return l->scalar->blob->uri;
    bool text = l->scalar->value_case == CoreScalar_primitive_tag &&
                l->scalar->primitive->value_case == CorePrimitive_string_value_tag;
    return text ? l->scalar->primitive->string_value : STR("");
}

static enum code read_inputs(struct ctx *cx, struct build *b)
{
    str bytes;
    void *message;
    TRY(read_object(cx, b, "inputs", b->job->inputs_uri, INPUTS_MAX, &bytes));
    TRY(pb_decode(cx, &TaskInputs_type, bytes, &message));
    const TaskInputs *inputs = message;
    for (size_t i = 0; i < inputs->literals.n; i++) {
        const TaskNamedLiteral *l = inputs->literals.p[i];
        if (str_eq(l->name, STR("spec")))
            b->spec_uri = text_of(l->value);
        else if (str_eq(l->name, STR("context")))
            b->context_uri = text_of(l->value);
        else if (str_eq(l->name, STR("target_image")))
            b->target = text_of(l->value);
    }
    if (b->spec_uri.n == 0 || b->target.n == 0)
        return fail(cx, CODE_INVALID_ARGUMENT, "the inputs spec and target_image are required");
    TRY(read_object(cx, b, "spec", b->spec_uri, INPUTS_MAX, &bytes));
    TRY(pb_decode(cx, &ImagebuilderImageSpec_type, bytes, &message));
    b->spec = message;
    return CODE_OK;
}

/* Unpacks the context into <work>/context; also when there is none. */
static enum code unpack_context(struct ctx *cx, struct build *b, str *bytes)
{
    str folder = arena_printf(cx->mem, "%s/context", b->work.p),
        file = arena_printf(cx->mem, "%s/context.tar.gz", b->work.p);
    *bytes = STR("");
    TRY(file_mkdirs(cx, folder.p, 0700));
    if (b->context_uri.n == 0)
        return CODE_OK;
    TRY(read_object(cx, b, "context", b->context_uri, CONTEXT_MAX, bytes));
    TRY(file_write(cx, file.p, *bytes, 0600));
    const char *const argv[] = {"tar", "-xzf", file.p, "-C", folder.p, "--no-same-owner", NULL};
    return image_process_run(cx, argv, NULL);
}

/* ---- the environment --------------------------------------------------------------------------------------------- */

static bool exists(struct ctx *cx, str folder, const char *name)
{
    return access(arena_printf(cx->mem, "%s/%s", folder.p, name).p, F_OK) == 0;
}

/* "$NAME" and "${NAME}" of the image's secrets are replaced, as the shell of a container's build would. */
static const char *with_secrets(struct ctx *cx, const struct build *b, const char *arg)
{
    for (size_t i = 0; i < b->plan.secret_count; i++) {
        const char *name = arena_cstr(cx->mem, b->plan.secrets[i].variable), *value = getenv(name);
        const str forms[] = {arena_printf(cx->mem, "${%s}", name), arena_printf(cx->mem, "$%s", name)};
        for (size_t k = 0; k < 2 && value; k++) {
            str s = str_from(arg);
            size_t at = str_find(s, forms[k]);
            if (at != SIZE_MAX)
                arg = arena_printf(cx->mem, STR_FMT "%s" STR_FMT, STR_ARG(str_head(s, at)), value,
                                   STR_ARG(str_skip(s, at + forms[k].n)))
                          .p;
        }
    }
    return arg;
}

static enum code run_step(struct ctx *cx, const struct build *b, const char **argv)
{
    size_t n = 0;
    while (argv[n])
        n++;
    const char **real = arena_new_array(cx->mem, const char *, n + 1);
    for (size_t i = 0; i < n; i++) {
        if (str_starts(str_from(argv[i]), STR(IMAGE_VENV)))
            argv[i] = arena_printf(cx->mem, "%s%s", b->venv.p, argv[i] + strlen(IMAGE_VENV)).p;
        real[i] = with_secrets(cx, b, argv[i]);
    }
    return image_process_run_as(cx, real, argv, b->work.p);
}

/* The builder's task is given the secrets of the layers as files. */
static enum code set_secrets(struct ctx *cx, const struct build *b)
{
    const char *folder = getenv("FLYTE_SECRETS_DEFAULT_DIR");
    for (size_t i = 0; i < b->plan.secret_count; i++) {
        const struct image_secret *s = &b->plan.secrets[i];
        str path, value;
        TRY(file_join(cx, str_from(folder ? folder : EXEC_SECRETS_DIR), s->key, &path));
        if (file_read(cx, path.p, SECRET_MAX, &value) != CODE_OK)
            return fail(cx, CODE_FAILED_PRECONDITION, "the secret " STR_FMT " of a layer was not given to the build",
                        STR_ARG(s->key));
        if (memchr(value.p, 0, value.n) || setenv(arena_cstr(cx->mem, s->variable), value.p, 1) != 0)
            return fail(cx, CODE_INVALID_ARGUMENT, "the secret " STR_FMT " cannot be a variable", STR_ARG(s->key));
    }
    return CODE_OK;
}

static bool is_folder(const char *path)
{
    struct stat st;
    return stat(path, &st) == 0 && S_ISDIR(st.st_mode);
}

/* paths gets the names that are absolute in the image. */
static enum code copy_one(struct ctx *cx, const struct build *b, const struct image_copy *c, buf *paths)
{
    str files = arena_printf(cx->mem, "%s/" EXEC_FILES_DIR, b->venv.p);
    str to = arena_printf(cx->mem, "%s/" STR_FMT, files.p, STR_ARG(c->to));
    bool folder = is_folder(c->from.p);
    if (!folder && (c->into || is_folder(to.p)))
        to = arena_printf(cx->mem, "%s%s", to.p, strrchr(c->from.p, '/'));
    if (c->absolute) {
        buf_str(paths, str_skip(to, files.n + 1));
        buf_char(paths, '\n');
    }
    TRY(file_mkdirs(cx, folder ? to.p : arena_cstr(cx->mem, str_head(to, str_rfind_char(to, '/'))), 0755));
    return folder ? tree_copy(cx, c->from.p, to.p) : tree_copy_file(cx, c->from.p, to.p);
}

/* Copied files are put into the working folder of every task of the image; its programs can import them everywhere. */
static enum code copy_files(struct ctx *cx, const struct build *b)
{
    buf paths;
    buf_init_arena(&paths, cx->mem, PATHS_MAX);
    for (size_t i = 0; i < b->plan.copy_count; i++)
        TRY(copy_one(cx, b, &b->plan.copies[i], &paths));
    if (b->plan.copy_count == 0)
        return CODE_OK;
    if (paths.failed)
        return fail(cx, CODE_INVALID_ARGUMENT, "the image's absolute paths take more than %zu bytes", PATHS_MAX);
    if (paths.n)
        TRY(file_write(cx, arena_printf(cx->mem, "%s/" EXEC_FILES_PATHS, b->venv.p).p, buf_view(&paths), 0644));
    str files = arena_printf(cx->mem, "%s/" EXEC_FILES_DIR, b->venv.p);
    const char *pth[] = {IMAGE_PYTHON, "-c",
                         "import sys, sysconfig\n"
                         "open(sysconfig.get_paths()['purelib'] + '/tern-files.pth', 'w').write(sys.argv[1] + '\\n')",
                         files.p, NULL};
    return run_step(cx, b, pth);
}

/* The SDK of the base image, or the one that the base interpreter has. */
static enum code install_sdk(struct ctx *cx, const struct build *b)
{
    static const char ask[] = "import importlib.metadata as m; print('flyte==' + m.version('flyte'))";
    const char *const same[] = {b->job->python.p, "-c", ask, NULL};
    str sdk = b->plan.sdk;
    if (sdk.n == 0)
        TRY(image_process_read(cx, same, SDK_MAX, &sdk));
    return run_step(cx, b, image_installer_install(cx, b->job->uv, IMAGE_PYTHON, arena_cstr(cx->mem, str_trim(sdk))));
}

/* An attempt knows whose it is by these variables; a build by hand has none. */
static enum code write_run(struct ctx *cx, const struct build *b)
{
    const char *project = getenv("FLYTE_INTERNAL_EXECUTION_PROJECT");
    const char *domain = getenv("FLYTE_INTERNAL_EXECUTION_DOMAIN");
    const char *run = getenv("FLYTE_INTERNAL_EXECUTION_ID");
    if (!project || !domain || !run)
        return CODE_OK;
    return file_write(cx, arena_printf(cx->mem, "%s/" IMAGE_BUILD_RUN, b->venv.p).p,
                      arena_printf(cx->mem, "%s/%s/%s", project, domain, run), 0644);
}

static enum code make_venv(struct ctx *cx, const struct build *b)
{
    str python = STR("");
    TRY(image_interpreter_find(cx, b->plan.python_version, b->job->python, &python));
    TRY(image_installer_prepare(cx, b->job->uv, python.p, b->venv.p));
    TRY(image_process_run(cx, image_installer_venv(cx, b->job->uv, python.p, b->venv.p), NULL));
    TRY(set_secrets(cx, b));
    TRY(install_sdk(cx, b));
    for (size_t i = 0; i < b->plan.step_count; i++)
        TRY(run_step(cx, b, b->plan.steps[i].argv));
    TRY(copy_files(cx, b));
    TRY(file_write(cx, arena_printf(cx->mem, "%s/tern.env", b->venv.p).p, b->plan.env, 0644));
    TRY(file_write(cx, arena_printf(cx->mem, "%s/tern.notes", b->venv.p).p, b->plan.notes, 0644));
    TRY(write_run(cx, b));
    return file_write(cx, arena_printf(cx->mem, "%s/" EXEC_VENVS_COMPLETE, b->venv.p).p, b->plan.hash, 0644);
}

/* Only one build of a hash at a time; whoever waited finds it complete. */
static enum code ensure_venv(struct ctx *cx, struct build *b)
{
    b->venv = arena_printf(cx->mem, "%s/venvs/%s", b->job->data_dir.p, b->plan.hash.p);
    str lock = arena_printf(cx->mem, "%s.lock", b->venv.p);
    cleanup_(file_close) int fd = open(lock.p, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
    if (fd < 0)
        return fail_errno(cx, "%s", lock.p);
    while (flock(fd, LOCK_EX) != 0)
        if (errno != EINTR)
            return fail_errno(cx, "%s", lock.p);
    if (exists(cx, b->venv, EXEC_VENVS_COMPLETE)) {
        printf("The environment %s is there already.\n", b->plan.hash.p);
        return CODE_OK;
    }
    tree_remove(b->venv.p); /* what a build that was cut off left */
    enum code code = make_venv(cx, b);
    if (code != CODE_OK)
        tree_remove(b->venv.p);
    return code;
}

/* ---- names and outputs ------------------------------------------------------------------------------------------- */

static enum code point_name(struct ctx *cx, const struct build *b, str name)
{
    str link = exec_python_image_path(cx, b->job->data_dir, name);
    char random[17];
    random_text(random, 16, STR("0123456789abcdef"));
    str tmp = arena_printf(cx->mem, "%s.%s", link.p, random);
    if (symlink(b->venv.p, tmp.p) != 0 || rename(tmp.p, link.p) != 0)
        return fail_errno(cx, "%s", link.p);
    return CODE_OK;
}

/* Tasks name the image as it was asked for; GetImage asks without the registry. */
static enum code register_image(struct ctx *cx, const struct build *b)
{
    size_t slash = str_rfind_char(b->target, '/');
    if (slash != SIZE_MAX)
        TRY(point_name(cx, b, str_skip(b->target, slash + 1)));
    return point_name(cx, b, b->target);
}

static enum code put_result(struct ctx *cx, const struct image_build *job, str name, const struct pb_type *type,
                            const void *message)
{
    str bytes, bucket, key;
    TRY(pb_encode(cx, type, message, &bytes));
    TRY(object_uri_parse(cx, "outputs", object_uri_join(cx->mem, job->outputs_prefix, name), &bucket, &key));
    return object_put(cx, job->objects, bucket, key, STR("application/x-protobuf"), bytes);
}

static enum code write_outputs(struct ctx *cx, const struct build *b)
{
    CorePrimitive primitive = {.value_case = CorePrimitive_string_value_tag, .string_value = b->target};
    CoreScalar scalar = {.value_case = CoreScalar_primitive_tag, .primitive = &primitive};
    CoreLiteral literal = {.value_case = CoreLiteral_scalar_tag, .scalar = &scalar};
    TaskNamedLiteral named = {.name = STR("fully_qualified_image"), .value = &literal}, *list[] = {&named};
    TaskOutputs outputs = {.literals = {list, 1}};
    return put_result(cx, b->job, STR("outputs.pb"), &TaskOutputs_type, &outputs);
}

static enum code build_in(struct ctx *cx, struct build *b)
{
    str context;
    TRY(read_inputs(cx, b));
    printf("Building " STR_FMT "\n", STR_ARG(b->target));
    TRY(unpack_context(cx, b, &context));
    TRY(image_plan_make(cx, b->spec, context, arena_printf(cx->mem, "%s/context", b->work.p), b->job->uv, &b->plan));
    fputs(arena_cstr(cx->mem, b->plan.notes), stdout);
    TRY(ensure_venv(cx, b));
    TRY(register_image(cx, b));
    TRY(write_outputs(cx, b));
    printf("Done: " STR_FMT " is %s\n", STR_ARG(b->target), b->venv.p);
    return CODE_OK;
}

enum code image_build(struct ctx *cx, const struct image_build *job)
{
    struct build b = {.job = job};
    char *template = arena_cstr(cx->mem, arena_printf(cx->mem, "%s/venvs/build-XXXXXX", job->data_dir.p));
    TRY(file_mkdirs(cx, arena_printf(cx->mem, "%s/venvs", job->data_dir.p).p, 0700));
    if (!mkdtemp(template))
        return fail_errno(cx, "%s", template);
    b.work = str_from(template);
    enum code code = build_in(cx, &b);
    tree_remove(b.work.p);
    return code;
}

enum code image_build_put_error(struct ctx *cx, const struct image_build *job)
{
    CoreContainerError error = {
        .code = STR("ImageBuildFailed"),
        .message = arena_str(cx->mem, str_from(cx->err.msg)),
        .kind = CORE_CONTAINER_ERROR_KIND_NON_RECOVERABLE,
        .origin = CORE_EXECUTION_ERROR_ERROR_KIND_USER,
    };
    CoreErrorDocument document = {.error = &error};
    printf("The build failed: %s\n", cx->err.msg);
    ctx_clear_err(cx);
    return put_result(cx, job, STR("error.pb"), &CoreErrorDocument_type, &document);
}

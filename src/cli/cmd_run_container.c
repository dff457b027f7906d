/* tern run_container: what an attempt of a raw-container task runs; not for people. Inputs become files, a container runs
 * with them, its files become outputs. Failures that are not the exit status of the container are told in error.pb. */
#include "cli/cli.h"

#include "base/codec.h"
#include "copilot/copilot.h"
#include "copilot/files.h"
#include "exec/container.h"

#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#define INPUTS "inputs"
#define OUTPUTS "outputs"
#define SECRETS_DIR "/etc/flyte/secrets"

struct options {
    str runtime, name, label, image, options, inputs, outputs, raw, input_dir, output_dir, format, interface;
    int64_t cpus, memory, gpus, command;
    bool named;
};

#define AT(name) offsetof(struct options, name)

const struct cli_option cli_cmd_run_container_options[] = {
    {"--runtime", CLI_TEXT, AT(runtime), "PATH", "The container runtime"},
    {"--name", CLI_TEXT, AT(name), "NAME", "The container's name"},
    {"--label", CLI_TEXT, AT(label), "TEXT", "What people see that it is"},
    {"--image", CLI_TEXT, AT(image), "IMAGE", "What it is made of"},
    {"--options", CLI_TEXT, AT(options), "LINES", "More options of the runtime, one a line"},
    {"--cpus", CLI_INT, AT(cpus), "N", "CPU limit in thousandths"},
    {"--memory", CLI_INT, AT(memory), "BYTES", "Memory limit"},
    {"--gpus", CLI_INT, AT(gpus), "N", "How many GPUs it gets"},
    {"--command", CLI_INT, AT(command), "N", "How many of the arguments replace the image's entrypoint"},
    {"--inputs", CLI_TEXT, AT(inputs), "URI", "inputs.pb of the action"},
    {"--outputs", CLI_TEXT, AT(outputs), "URI", "Prefix of outputs.pb and error.pb"},
    {"--raw", CLI_TEXT, AT(raw), "URI", "Prefix of files that are outputs"},
    {"--input-dir", CLI_TEXT, AT(input_dir), "PATH", "Folder of the inputs in the container; without it there is none"},
    {"--output-dir", CLI_TEXT, AT(output_dir), "PATH",
     "Folder of the outputs in the container; without it there is none"},
    {"--format", CLI_TEXT, AT(format), "json|yaml|proto", "Form of the file that holds all inputs"},
    {"--named", CLI_FLAG, AT(named), NULL, "Files that are inputs keep their names"},
    {"--interface", CLI_TEXT, AT(interface), "BASE64", "The declared outputs"},
    {0},
};

struct job {
    struct ctx *cx;
    const struct options *o;
    struct object_client objects;
    str folder; /* the work folder, absolute */
    int told;   /* the signal by which the container was ended */
};

/* ---- the attempt's failure --------------------------------------------------------------------------------------- */

static str variable(const char *name)
{
    const char *value = getenv(name);
    return str_from(value ? value : "");
}

static bool is_user_error(enum code code)
{
    return code == CODE_INVALID_ARGUMENT || code == CODE_NOT_FOUND || code == CODE_FAILED_PRECONDITION ||
           code == CODE_PERMISSION_DENIED || code == CODE_ALREADY_EXISTS || code == CODE_ABORTED;
}

static enum code put_error(struct job *j, const char *code, str message, bool system)
{
    printf("%s: " STR_FMT "\n", code, STR_ARG(message));
    return copilot_put_error(j->cx, &j->objects, j->o->outputs, str_from(code), message, system);
}

/* Tells of the error that is in j->cx. */
static enum code tell(struct job *j, const char *code)
{
    struct err e = j->cx->err;
    str message = str_from(e.msg);
    if (e.code == CODE_ABORTED)
        message = arena_concat(j->cx->mem, STR("User Error: "), message);
    ctx_clear_err(j->cx);
    return put_error(j, code, message, !is_user_error(e.code));
}

/* ---- folders ----------------------------------------------------------------------------------------------------- */

/* An empty folder that any account in the container may use; the folders above keep other people out. */
static enum code make_folder(struct job *j, const char *name, int *fd)
{
    copilot_files_remove(AT_FDCWD, name);
    if (mkdir(name, 0777) < 0 || chmod(name, 0777) < 0)
        return fail_errno(j->cx, "folder %s", name);
    *fd = open(name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    return *fd < 0 ? fail_errno(j->cx, "folder %s", name) : CODE_OK;
}

static void remove_folder(struct job *j, const char *name)
{
    if (copilot_files_remove(AT_FDCWD, name))
        return;
    exec_container_remove_files(j->cx, j->o->runtime,
                                arena_printf(j->cx->mem, STR_FMT "/%s", STR_ARG(j->folder), name));
}

/* ---- steps ------------------------------------------------------------------------------------------------------- */

static enum code get_inputs(struct job *j)
{
    static const char *const formats[] = {[COPILOT_JSON] = "json", [COPILOT_YAML] = "yaml", [COPILOT_PROTO] = "proto"};
    cleanup_(copilot_files_close) int dir = -1;
    if (!j->o->input_dir.n)
        return CODE_OK;
    TRY(make_folder(j, INPUTS, &dir));
    struct copilot_download d = {
        .from = &j->objects, .inputs = j->o->inputs, .folder = dir, .shown = j->o->input_dir, .named = j->o->named};
    while (d.shown.n > 1 && str_ends(d.shown, STR("/")))
        d.shown = str_head(d.shown, d.shown.n - 1);
    for (size_t i = 0; i < sizeof(formats) / sizeof(*formats); i++)
        if (str_eq(j->o->format, str_from(formats[i])))
            d.format = (enum copilot_format)i;
    return copilot_download(j->cx, &d);
}

static enum code put_outputs(struct job *j, int dir)
{
    struct copilot_upload u = {.to = &j->objects, .folder = dir, .raw = j->o->raw, .prefix = j->o->outputs};
    if (dir < 0)
        return CODE_OK;
    if (!codec_base64_decode(j->cx->mem, j->o->interface, &u.interface))
        return fail(j->cx, CODE_INTERNAL, "--interface is no base64");
    return copilot_upload(j->cx, &u);
}

static enum code run(struct job *j, int argc, char **argv, struct exec_container_end *end)
{
    const struct options *o = j->o;
    struct exec_container_mount mounts[3];
    const char *secrets = getenv(EXEC_CONTAINER_SECRETS);
    str *words = arena_new_array(j->cx->mem, str, (size_t)argc);
    struct exec_container_run what = {.runtime = o->runtime,
                                      .name = o->name,
                                      .label = o->label,
                                      .image = o->image,
                                      .argv = words,
                                      .argc = (size_t)argc,
                                      .command = (size_t)o->command,
                                      .cpu_millis = o->cpus,
                                      .memory_bytes = o->memory,
                                      .gpus = o->gpus,
                                      .mounts = mounts,
                                      .options = o->options};
    for (int i = 0; i < argc; i++)
        words[i] = str_from(argv[i]);
    if (o->input_dir.n)
        mounts[what.mount_count++] =
            (struct exec_container_mount){arena_concat(j->cx->mem, j->folder, STR("/" INPUTS)), o->input_dir, false};
    if (o->output_dir.n)
        mounts[what.mount_count++] =
            (struct exec_container_mount){arena_concat(j->cx->mem, j->folder, STR("/" OUTPUTS)), o->output_dir, false};
    if (secrets)
        mounts[what.mount_count++] = (struct exec_container_mount){str_from(secrets), STR(SECRETS_DIR), true};
    return exec_container_run(j->cx, &what, end);
}

/* The parent's log, where a user looks first, has only this message: it says where the runtime's own words are. */
static enum code put_not_started(struct job *j)
{
    return put_error(j, "ContainerStartFailed",
                     arena_printf(j->cx->mem,
                                  STR_FMT " could not start a container of image " STR_FMT
                                          "; what it says: flyte get logs " STR_FMT " " STR_FMT,
                                  STR_ARG(j->o->runtime), STR_ARG(str_head(j->o->image, 200)),
                                  STR_ARG(variable(EXEC_CONTAINER_ENV "RUN_NAME")),
                                  STR_ARG(variable(EXEC_CONTAINER_ENV "ACTION_NAME"))),
                     false);
}

/* The status of this process is the container's own; what is not is in error.pb. */
static enum code finish(struct job *j, const struct exec_container_end *end, int outputs, int *status)
{
    *status = end->exit_code;
    j->told = end->told;
    if (end->told)
        return CODE_OK;
    if (!end->started)
        return put_not_started(j);
    /* Not every runtime tells why: with a limit of memory, nearly always because of it. */
    if (end->oom || (end->exit_code == 128 + SIGKILL && j->o->memory))
        return put_error(j, "OOMKilled",
                         end->oom ? STR("the task used more memory than it may")
                                  : STR("the task's container was ended by SIGKILL (exit code 137); it has a limit of "
                                        "memory, and most likely used more memory than it may"),
                         false);
    if (end->exit_code)
        return CODE_OK;
    return put_outputs(j, outputs) == CODE_OK ? CODE_OK : tell(j, "OutputUploadFailed");
}

static enum code work(struct job *j, int argc, char **argv, int *status)
{
    cleanup_(copilot_files_close) int outputs = -1;
    struct exec_container_end end;
    *status = 1;
    if (get_inputs(j) != CODE_OK)
        return tell(j, "InputDownloadFailed");
    if (j->o->output_dir.n && make_folder(j, OUTPUTS, &outputs) != CODE_OK)
        return tell(j, "ContainerStartFailed");
    if (run(j, argc, argv, &end) != CODE_OK)
        return tell(j, "ContainerStartFailed");
    return finish(j, &end, outputs, status);
}

enum code cli_cmd_run_container(struct ctx *cx, int argc, char **argv)
{
    struct options o = {0};
    int status;
    TRY(cli_args(cx, cli_cmd_run_container_options, &o, &argc, argv, 0, INT32_MAX));
    if (o.runtime.n == 0 || o.name.n == 0 || o.outputs.n == 0)
        return fail(cx, CODE_INVALID_ARGUMENT, "--runtime, --name and --outputs are required");
    setvbuf(stdout, NULL, _IOLBF, 0);
    struct job j = {
        .cx = cx,
        .o = &o,
        .objects = {.endpoint = variable(EXEC_CONTAINER_ENV "FLYTE_AWS_ENDPOINT"),
                    .access_key_id = variable(EXEC_CONTAINER_ENV "FLYTE_AWS_ACCESS_KEY_ID"),
                    .secret_access_key = variable(EXEC_CONTAINER_ENV "FLYTE_AWS_SECRET_ACCESS_KEY"),
                    .region = STR("us-east-1")},
    };
    char folder[4096];
    if (!getcwd(folder, sizeof(folder)))
        return fail_errno(cx, "the current folder");
    j.folder = str_from(folder);
    enum code code = work(&j, argc - 1, argv + 1, &status);
    remove_folder(&j, INPUTS);
    remove_folder(&j, OUTPUTS);
    TRY(code);
    if (j.told)
        raise(j.told);
    exit(status);
}

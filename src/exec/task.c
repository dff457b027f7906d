/* See task.h. */
#include "exec/task.h"

#include "base/file.h"
#include "exec/container.h"
#include "exec/files.h"
#include "exec/venvs.h"

#include <ctype.h>
#include <dirent.h>
#include <sched.h>
#include <stdlib.h>
#include <unistd.h>

#define NAME_KEEP 100
#define IMAGE_ENV_MAX ((size_t)64 * 1024)
#define IMAGE_ENV_COUNT 256
/* argv[0] of tasks that this program runs itself (building images). */
#define OWN_PROGRAM "tern"

/* ---- the machine ------------------------------------------------------------------------------------------------- */

static int64_t count_gpus(void)
{
    DIR *dir = opendir("/dev");
    struct dirent *e;
    int64_t n = 0;
    while (dir && (e = readdir(dir)))
        n += strncmp(e->d_name, "nvidia", 6) == 0 && isdigit((unsigned char)e->d_name[6]);
    if (dir)
        closedir(dir);
    return n;
}

void exec_task_machine(const struct exec_local_config *cfg, struct exec_machine *out)
{
    cpu_set_t set;
    int64_t cpus = sched_getaffinity(0, sizeof(set), &set) == 0 ? CPU_COUNT(&set) : sysconf(_SC_NPROCESSORS_ONLN);
    int64_t memory = (int64_t)sysconf(_SC_PHYS_PAGES) * sysconf(_SC_PAGESIZE);
    *out = (struct exec_machine){.cpu_millis = cfg->cpus > 0 ? (int64_t)(cfg->cpus * 1000) : cpus * 1000,
                                 .memory_bytes = cfg->memory_bytes > 0 ? cfg->memory_bytes : memory,
                                 .gpus = count_gpus()};
    if (out->cpu_millis < 1)
        out->cpu_millis = 1;
}

/* ---- folders ----------------------------------------------------------------------------------------------------- */

/* Keeps letters, digits, ".", "-" and "_"; what had to be changed gets a hash, so that two names never become one. */
static void put_safe_name(buf *b, str name)
{
    bool changed = name.n == 0 || name.n > NAME_KEEP || name.p[0] == '.';
    for (size_t i = 0; i < name.n && i < NAME_KEEP; i++) {
        unsigned char c = (unsigned char)name.p[i];
        bool good = (c < 0x80 && isalnum(c)) || c == '-' || c == '_' || (c == '.' && i > 0);
        buf_char(b, good ? (char)c : '_');
        changed = changed || !good;
    }
    if (changed)
        buf_printf(b, "~%08x", (unsigned)(str_hash(name) & 0xffffffff));
}

str exec_task_folder(struct ctx *cx, str data_dir, const struct exec_place *place)
{
    buf b;
    const str names[] = {place->project, place->domain, place->run, place->action};
    buf_init_arena(&b, cx->mem, FILE_PATH_MAX);
    buf_str(&b, data_dir);
    buf_str(&b, STR("/work"));
    for (size_t i = 0; i < 4; i++) {
        buf_char(&b, '/');
        put_safe_name(&b, names[i]);
    }
    buf_printf(&b, "/%u", place->key.attempt);
    return buf_view(&b);
}

/* ---- environment ------------------------------------------------------------------------------------------------- */

struct env {
    struct ctx *cx;
    struct exec_strs list;
    size_t cap;
};

static size_t env_at(const struct env *e, str name)
{
    for (size_t i = 0; i < e->list.n; i++)
        if (str_starts(e->list.p[i], name) && e->list.p[i].n > name.n && e->list.p[i].p[name.n] == '=')
            return i;
    return SIZE_MAX;
}

/* The last value of a name counts, at the place of the first. Names that no environment can hold are left out. */
static void env_set(struct env *e, str name, str value)
{
    if (name.n == 0 || memchr(name.p, '=', name.n) || memchr(name.p, 0, name.n) ||
        (value.n && memchr(value.p, 0, value.n)) || e->list.n == e->cap)
        return;
    size_t at = env_at(e, name);
    str pair = arena_printf(e->cx->mem, STR_FMT "=" STR_FMT, STR_ARG(name), STR_ARG(value));
    e->list.p[at == SIZE_MAX ? e->list.n++ : at] = pair;
}

static void env_default(struct env *e, str name, str value)
{
    if (env_at(e, name) == SIZE_MAX)
        env_set(e, name, value);
}

static enum code add_secrets(struct env *e, const struct exec_task *task, struct exec_msg *out)
{
    struct ctx *cx = e->cx;
    out->secret_names.p = arena_new_array(cx->mem, str, task->secret_count + 1);
    out->secret_values.p = arena_new_array(cx->mem, str, task->secret_count + 1);
    for (size_t i = 0; i < task->secret_count; i++) {
        const struct exec_secret *s = &task->secrets[i];
        if (s->file_name.n) {
            out->secret_names.p[out->secret_names.n++] = s->file_name;
            out->secret_values.p[out->secret_values.n++] = s->value;
            env_set(e, s->env_name, arena_printf(cx->mem, "/etc/flyte/secrets/" STR_FMT, STR_ARG(s->file_name)));
        } else if (s->value.n && memchr(s->value.p, 0, s->value.n)) {
            return fail(cx, CODE_INVALID_ARGUMENT,
                        "secret for variable " STR_FMT " has a NUL byte: mount it as a file instead",
                        STR_ARG(s->env_name));
        } else {
            env_set(e, s->env_name, s->value);
        }
    }
    if (out->secret_names.n) {
        env_default(e, STR("FLYTE_SECRETS_DEFAULT_DIR"), STR("/etc/flyte/secrets"));
        env_default(e, STR("FLYTE_SECRETS_FILE_PREFIX"), STR(""));
    }
    return CODE_OK;
}

/* Variables that the image asked for; what the task says itself counts more. */
static void add_image_env(struct env *e, str bin_dir)
{
    str text, line, name, value;
    str path = arena_printf(e->cx->mem, STR_FMT "/../tern.env", STR_ARG(bin_dir));
    if (file_read(e->cx, path.p, IMAGE_ENV_MAX, &text) != CODE_OK) {
        ctx_clear_err(e->cx);
        return;
    }
    while (str_next(&text, '\n', &line))
        if (str_cut(line, '=', &name, &value))
            env_default(e, name, value);
}

/* The SDK reads objects with its own settings, but hands some URIs to libraries that know only Amazon's (a pyarrow table
 * as an input). A task that brings any such setting keeps exactly what it brings. */
static void add_aws(struct env *e)
{
    static const struct {
        const char *name, *from;
    } rows[] = {
        {"AWS_ENDPOINT_URL_S3", "FLYTE_AWS_ENDPOINT"},
        {"AWS_ACCESS_KEY_ID", "FLYTE_AWS_ACCESS_KEY_ID"},
        {"AWS_SECRET_ACCESS_KEY", "FLYTE_AWS_SECRET_ACCESS_KEY"},
    };
    for (size_t i = 0; i < e->list.n; i++)
        if (str_starts(e->list.p[i], STR("AWS_")))
            return;
    for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
        size_t at = env_at(e, str_from(rows[i].from));
        if (at != SIZE_MAX)
            env_set(e, str_from(rows[i].name), str_skip(e->list.p[at], strlen(rows[i].from) + 1));
    }
}

/* Settings of this server, for its own program: the task has neither its environment nor its PATH. */
static void add_own_env(struct env *e, const struct exec_local_config *cfg, str bin_dir)
{
    str uv = exec_python_uv(e->cx, cfg->uv, bin_dir);
    env_set(e, STR("TERN_DATA"), cfg->data_dir);
    env_set(e, STR("TERN_EXEC_LOCAL_UV"), uv.n ? uv : STR("none"));
}

static enum code make_env(struct ctx *cx, const struct exec_local_config *cfg, const struct exec_task *task,
                          str bin_dir, struct exec_msg *out)
{
    struct env e = {.cx = cx, .cap = task->env_count + task->secret_count + IMAGE_ENV_COUNT + 13};
    e.list.p = arena_new_array(cx->mem, str, e.cap);
    for (size_t i = 0; i < task->env_count; i++)
        env_set(&e, task->env[i].name, task->env[i].value);
    TRY(add_secrets(&e, task, out));
    if (bin_dir.n)
        add_image_env(&e, bin_dir);
    if (cfg->aws_variables)
        add_aws(&e);
    if (str_eq(task->argv[0], STR(OWN_PROGRAM)))
        add_own_env(&e, cfg, bin_dir);
    str path = bin_dir.n ? arena_printf(cx->mem, STR_FMT ":/usr/bin:/bin", STR_ARG(bin_dir)) : STR("/usr/bin:/bin");
    env_default(&e, STR("PATH"), path);
    env_default(&e, STR("HOME"), arena_printf(cx->mem, STR_FMT "/home", STR_ARG(cfg->data_dir)));
    env_default(&e, STR("LANG"), STR("C.UTF-8"));
    out->env = e.list;
    return CODE_OK;
}

static str own_program(struct ctx *cx, const struct exec_local_config *cfg)
{
    str path = cfg->program;
    if (path.n == 0 && file_own_program(cx, &path) != CODE_OK) {
        ctx_clear_err(cx);
        return STR(OWN_PROGRAM);
    }
    return path;
}

static enum code plan_container(struct ctx *cx, const struct exec_local_config *cfg, const struct exec_task *task,
                                struct exec_msg *out, const char **error_code)
{
    struct env e = {.cx = cx, .cap = task->env_count + task->secret_count + 4};
    e.list.p = arena_new_array(cx->mem, str, e.cap);
    for (size_t i = 0; i < task->env_count; i++)
        env_set(&e, task->env[i].name, task->env[i].value);
    *error_code = "LaunchFailed";
    TRY(add_secrets(&e, task, out));
    *error_code = "ContainerRuntimeMissing";
    out->program = own_program(cx, cfg);
    enum code code = exec_container_plan(cx, cfg, task, e.list, out);
    if (code == CODE_INVALID_ARGUMENT)
        *error_code = "BadTaskSpecification";
    return code;
}

/* ---- what may run ------------------------------------------------------------------------------------------------ */

static enum code check_kind(struct ctx *cx, const struct exec_local_config *cfg, const struct exec_machine *machine,
                            const struct exec_task *task, const char **error_code)
{
    if (task->gpus > machine->gpus && !cfg->ignore_gpu) {
        *error_code = "ResourcesUnavailable";
        return fail(cx, CODE_FAILED_PRECONDITION,
                    "the task asks for %d GPU, this machine has %lld (exec.local.ignore_gpu: true drops such requests)",
                    task->gpus, (long long)machine->gpus);
    }
    *error_code = "LaunchFailed";
    if (task->argc == 0 && !task->container)
        return fail(cx, CODE_INVALID_ARGUMENT, "the task has no command");
    return CODE_OK;
}

/* The Python that a default image is named for: "3.11" of "ghcr.io/flyteorg/flyte:py3.11-v2.12.1". */
static str python_of_image(str image)
{
    str tag = str_skip(image, str_rfind_char(image, ':') + 1);
    if (!str_starts(tag, STR("py3.")))
        return STR_NONE;
    size_t n = 4;
    while (n < tag.n && isdigit((unsigned char)tag.p[n]))
        n++;
    return str_make(tag.p + 2, n - 2);
}

/* A pickled function is byte code: another minor version cannot be relied on to run it (D-24). */
static enum code check_pickle(struct ctx *cx, const struct exec_task *task, const struct exec_python *py,
                              const char **error_code)
{
    str made = python_of_image(task->image);
    bool pickled = false;
    for (size_t i = 1; i + 1 < task->argc; i++)
        pickled = pickled || (str_eq(task->argv[i], STR("--pkl")) && task->argv[i + 1].n > 2);
    if (!pickled || made.n == 0 || py->version.n == 0 || str_eq(made, py->version))
        return CODE_OK;
    *error_code = "PythonVersionMismatch";
    return fail(cx, CODE_FAILED_PRECONDITION,
                "the task was pickled by Python " STR_FMT ", and " STR_FMT " here is Python " STR_FMT
                ": use the same minor version on both sides",
                STR_ARG(made), STR_ARG(str_head(py->bin_dir, py->bin_dir.n - 4)), STR_ARG(py->version));
}

/* One that is not known is not compared. */
static bool same_version(str a, str b)
{
    return a.n == 0 || b.n == 0 || str_eq(a, b);
}

static void add_line(buf *b, str line)
{
    if (b->n)
        buf_char(b, '\n');
    buf_str(b, line);
}

static void say_python(struct ctx *cx, const struct exec_task *task, const struct exec_python *py, buf *lines)
{
    str prefix = str_head(py->bin_dir, py->bin_dir.n - 4);
    if (task->image.n)
        add_line(lines, arena_printf(cx->mem, "Runs in " STR_FMT " (" STR_FMT "); the task's image is " STR_FMT,
                                     STR_ARG(prefix), STR_ARG(py->source), STR_ARG(task->image)));
    else
        add_line(lines,
                 arena_printf(cx->mem, "Runs in " STR_FMT " (" STR_FMT ")", STR_ARG(prefix), STR_ARG(py->source)));
    if (!same_version(task->sdk_version, py->sdk_version))
        add_line(lines,
                 arena_printf(cx->mem, "The task was made with flyte " STR_FMT ", this environment has flyte " STR_FMT,
                              STR_ARG(task->sdk_version), STR_ARG(py->sdk_version)));
}

/* What is otherwise in this environment than in the image's container. */
static void say_notes(struct ctx *cx, const struct exec_python *py, buf *lines)
{
    str rest = exec_files_notes(cx, py->bin_dir), line;
    while (str_next(&rest, '\n', &line))
        if (line.n)
            add_line(lines, line);
}

static void say_too_large(struct ctx *cx, const struct exec_machine *machine, const struct exec_task *task, buf *lines)
{
    if (task->cpu_millis > machine->cpu_millis)
        add_line(lines, arena_printf(cx->mem, "The task asks for %g CPU, this machine gives %g: it runs alone",
                                     (double)task->cpu_millis / 1000, (double)machine->cpu_millis / 1000));
    if (task->memory_bytes > machine->memory_bytes)
        add_line(lines,
                 arena_printf(cx->mem, "The task asks for %lld MiB of memory, this machine gives %lld: it runs alone",
                              (long long)(task->memory_bytes >> 20), (long long)(machine->memory_bytes >> 20)));
}

static enum code choose_program(struct ctx *cx, const struct exec_local_config *cfg, struct exec_python_cache *pythons,
                                const struct exec_task *task, struct exec_python *py, struct exec_msg *out)
{
    out->program = task->argv[0];
    if (str_eq(task->argv[0], STR(OWN_PROGRAM)))
        out->program = own_program(cx, cfg);
    if (exec_python_find(cx, pythons, cfg->data_dir, cfg->python, task->image, py) != CODE_OK) {
        if (task->python)
            return cx->err.code;
        ctx_clear_err(cx); /* another program needs no Python */
        *py = (struct exec_python){0};
        return CODE_OK;
    }
    exec_venvs_used(cx, py->bin_dir);
    if (task->python && str_eq(task->argv[0], STR("a0"))) {
        out->program = py->a0;
        out->interpreter = py->interpreter;
        out->warm = cfg->warm_pool;
    }
    return CODE_OK;
}

/* A task whose image has files at absolute paths is started by way of a program that shows them there. */
static void put_arguments(struct ctx *cx, const struct exec_local_config *cfg, const struct exec_task *task,
                          const struct exec_python *py, struct exec_msg *out)
{
    str paths = arena_printf(cx->mem, STR_FMT "/../" EXEC_FILES_PATHS, STR_ARG(py->bin_dir));
    bool view = out->interpreter.n && access(paths.p, F_OK) == 0;
    const str words[] = {STR(OWN_PROGRAM), STR("view"), STR("--paths"), paths, out->program};
    size_t n = view ? sizeof(words) / sizeof(*words) : 0;
    out->argv = (struct exec_strs){arena_new_array(cx->mem, str, n + task->argc), 0};
    for (size_t i = 0; i < n; i++)
        out->argv.p[out->argv.n++] = words[i];
    for (size_t i = view; i < task->argc; i++)
        out->argv.p[out->argv.n++] = task->argv[i];
    if (!view)
        return;
    out->program = own_program(cx, cfg);
    out->interpreter = STR_NONE;
    out->warm = false;
}

static enum code plan_process(struct ctx *cx, const struct exec_local_config *cfg, struct exec_python_cache *pythons,
                              const struct exec_task *task, struct exec_msg *out, buf *lines, const char **error_code)
{
    struct exec_python py;
    *error_code = "PythonNotFound";
    TRY(choose_program(cx, cfg, pythons, task, &py, out));
    if (task->python)
        TRY(check_pickle(cx, task, &py, error_code));
    *error_code = "LaunchFailed";
    put_arguments(cx, cfg, task, &py, out);
    TRY(make_env(cx, cfg, task, py.bin_dir, out));
    if (!task->python)
        return CODE_OK;
    TRY(exec_files_place(cx, py.bin_dir, out->cwd));
    say_python(cx, task, &py, lines);
    say_notes(cx, &py, lines);
    return CODE_OK;
}

enum code exec_task_plan(struct ctx *cx, const struct exec_local_config *cfg, const struct exec_machine *machine,
                         struct exec_python_cache *pythons, const struct exec_task *task, struct exec_msg *out,
                         const char **error_code)
{
    buf lines;
    struct exec_place place = {task->key, task->project, task->domain, task->run, task->action};
    TRY(check_kind(cx, cfg, machine, task, error_code));
    *out = (struct exec_msg){.type = EXEC_MSG_LAUNCH,
                             .key = task->key,
                             .memory_bytes = (uint64_t)(task->memory_bytes > 0 ? task->memory_bytes : 0),
                             .cpu_millis = (uint64_t)(task->cpu_millis > 0 ? task->cpu_millis : 1000),
                             .gpus = (uint64_t)(cfg->ignore_gpu || task->gpus < 0 ? 0 : task->gpus),
                             .depth = task->depth,
                             .run_id = task->run_id,
                             .queue = task->queue,
                             .project = task->project,
                             .access = task->access};
    out->cwd = exec_task_folder(cx, cfg->data_dir, &place);
    buf_init_arena(&lines, cx->mem, 32768);
    say_too_large(cx, machine, task, &lines);
    if (task->container) {
        TRY(plan_container(cx, cfg, task, out, error_code));
        add_line(&lines, arena_printf(cx->mem, "Runs in a container of " STR_FMT " by " STR_FMT, STR_ARG(task->image),
                                      STR_ARG(out->runtime)));
    } else {
        TRY(plan_process(cx, cfg, pythons, task, out, &lines, error_code));
    }
    if (task->notes.n)
        add_line(&lines, task->notes);
    out->text = buf_view(&lines);
    return CODE_OK;
}

/* One container in the foreground: the arguments of its runtime, its end, its removal. See container.h. */
#include "exec/container_int.h"

#include "base/buf.h"
#include "base/file.h"
#include "base/json.h"
#include "base/vec.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <spawn.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define ANSWER_MAX ((size_t)256 * 1024)
#define IMAGE_MAX 1000

/* A list that execve() takes. */
struct words {
    struct ctx *cx;
    VEC(char *) list;
};

static void add(struct words *w, str word)
{
    *vec_push(&w->list, w->cx->mem) = arena_cstr(w->cx->mem, word);
}

static void add_two(struct words *w, const char *option, str value)
{
    add(w, str_from(option));
    add(w, value);
}

static char **finish(struct words *w)
{
    *vec_push(&w->list, w->cx->mem) = NULL;
    return w->list.p;
}

/* ---- programs ---------------------------------------------------------------------------------------------------- */

/* This process's variables without the task's. */
static char **own_env(struct ctx *cx)
{
    struct words w = {.cx = cx};
    for (char **v = environ; *v; v++)
        if (!str_starts(str_from(*v), STR("TERN_")))
            add(&w, str_from(*v));
    return finish(&w);
}

/* Starts a program; out: where its standard output goes, -1 = to ours, with its standard error; else that is dropped. */
static enum code start(struct ctx *cx, char **argv, char **env, int out, pid_t *pid)
{
    posix_spawn_file_actions_t files;
    posix_spawn_file_actions_init(&files);
    posix_spawn_file_actions_addopen(&files, 0, "/dev/null", O_RDONLY, 0);
    if (out >= 0) {
        posix_spawn_file_actions_adddup2(&files, out, 1);
        posix_spawn_file_actions_addopen(&files, 2, "/dev/null", O_WRONLY, 0);
    }
    int error = posix_spawn(pid, argv[0], &files, NULL, argv, env);
    posix_spawn_file_actions_destroy(&files);
    if (error)
        return fail(cx, CODE_INTERNAL, "cannot run %.100s: %s", argv[0], strerrordesc_np(error));
    return CODE_OK;
}

static int wait_for(pid_t pid)
{
    int status = 0;
    while (waitpid(pid, &status, 0) < 0 && errno == EINTR)
        ;
    return status;
}

/* What the runtime says, its errors dropped; false when it fails. */
static bool ask(struct ctx *cx, char **argv, str *answer)
{
    int fds[2];
    pid_t pid;
    buf b;
    buf_init_arena(&b, cx->mem, ANSWER_MAX);
    if (pipe2(fds, O_CLOEXEC) < 0)
        return false;
    enum code code = start(cx, argv, own_env(cx), fds[1], &pid);
    close(fds[1]);
    while (code == CODE_OK) {
        char *to = buf_room(&b, 4096);
        ssize_t n = to ? read(fds[0], to, 4096) : 0;
        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0)
            break;
        buf_wrote(&b, (size_t)n);
    }
    close(fds[0]);
    ctx_clear_err(cx);
    *answer = buf_view(&b);
    return code == CODE_OK && wait_for(pid) == 0;
}

static bool ask_words(struct ctx *cx, str runtime, const char *const words[], str *answer)
{
    struct words w = {.cx = cx};
    add(&w, runtime);
    for (size_t i = 0; words[i]; i++)
        add(&w, str_from(words[i]));
    return ask(cx, finish(&w), answer);
}

#define ASK(cx, runtime, answer, ...) ask_words(cx, runtime, (const char *const[]){__VA_ARGS__, NULL}, answer)

/* ---- the image --------------------------------------------------------------------------------------------------- */

enum code exec_container_check_image(struct ctx *cx, str image)
{
    bool good = image.n > 0 && image.n <= IMAGE_MAX && image.p[0] != '-';
    for (size_t i = 0; good && i < image.n; i++)
        good = (unsigned char)image.p[i] > ' ' && (unsigned char)image.p[i] < 0x7f;
    return good ? CODE_OK
                : fail(cx, CODE_INVALID_ARGUMENT, "\"" STR_FMT "\" is not the name of an image",
                       STR_ARG(str_head(image, 100)));
}

/* A name without a registry is Docker Hub's, also for podman, which would ask: unless there is such an image already. */
static str full_name(struct ctx *cx, const struct exec_container_run *what)
{
    str first, rest, answer;
    bool several = str_cut(what->image, '/', &first, &rest);
    bool registry = several && (str_find_char(first, '.') != SIZE_MAX || str_find_char(first, ':') != SIZE_MAX ||
                                str_eq(first, STR("localhost")));
    if (registry || exec_container_kind_of(what->runtime) != EXEC_CONTAINER_PODMAN ||
        ASK(cx, what->runtime, &answer, "image", "exists", arena_cstr(cx->mem, what->image)))
        return what->image;
    return arena_printf(cx->mem, "docker.io/%s" STR_FMT, several ? "" : "library/", STR_ARG(what->image));
}

/* ---- arguments --------------------------------------------------------------------------------------------------- */

static bool is_path(str path)
{
    str rest = path, part;
    if (path.n < 2 || path.n > FILE_PATH_MAX || path.p[0] != '/')
        return false;
    while (rest.n && str_next(&rest, '/', &part))
        if (str_eq(part, STR("..")))
            return false;
    for (size_t i = 0; i < path.n; i++)
        if ((unsigned char)path.p[i] < 0x20 || path.p[i] == 0x7f || path.p[i] == ',' || path.p[i] == '"')
            return false;
    return true;
}

static enum code add_mounts(struct words *w, const struct exec_container_run *what)
{
    for (size_t i = 0; i < what->mount_count; i++) {
        const struct exec_container_mount *m = &what->mounts[i];
        if (!is_path(m->from) || !is_path(m->to))
            return fail(w->cx, CODE_INVALID_ARGUMENT, "the folder \"" STR_FMT "\" cannot be given to a container",
                        STR_ARG(str_head(is_path(m->from) ? m->to : m->from, 100)));
        add_two(w, "--mount",
                arena_printf(w->cx->mem, "type=bind,source=" STR_FMT ",destination=" STR_FMT "%s", STR_ARG(m->from),
                             STR_ARG(m->to), m->readonly ? ",readonly" : ""));
    }
    return CODE_OK;
}

static bool is_variable(str name)
{
    for (size_t i = 0; i < name.n; i++)
        if ((unsigned char)name.p[i] <= ' ' || (unsigned char)name.p[i] >= 0x7f || name.p[i] == '*')
            return false;
    return name.n > 0;
}

/* Values do not stand on a command line, which everybody on the machine can read, but for the few names that the runtime
 * would take for its own. The container has no way to the objects but its files, so it gets no keys. */
static void add_variables(struct words *w, struct words *env)
{
    const str prefix = STR(EXEC_CONTAINER_ENV);
    for (char **v = environ; *v; v++) {
        str name, value, pair = str_from(*v);
        if (!str_starts(pair, prefix) || !str_cut(str_skip(pair, prefix.n), '=', &name, &value) || !is_variable(name) ||
            str_starts(name, STR("FLYTE_AWS_")))
            continue;
        bool reads = exec_container_reads(name);
        add_two(w, "--env", reads ? str_skip(pair, prefix.n) : name);
        if (!reads)
            add(env, str_skip(pair, prefix.n));
    }
}

/* With a docker that runs as root, files would be root's; ours can be read and removed. A rootless one makes root ours. */
static void add_user(struct words *w, const struct exec_container_run *what)
{
    str answer;
    if (geteuid() == 0 || exec_container_kind_of(what->runtime) != EXEC_CONTAINER_DOCKER ||
        !ASK(w->cx, what->runtime, &answer, "info", "--format", "{{.SecurityOptions}}") ||
        str_find(answer, STR("rootless")) != SIZE_MAX)
        return;
    add_two(w, "--user", arena_printf(w->cx->mem, "%u:%u", geteuid(), getegid()));
}

static void add_resources(struct words *w, const struct exec_container_run *what)
{
    bool podman = exec_container_kind_of(what->runtime) == EXEC_CONTAINER_PODMAN;
    if (what->cpu_millis)
        add_two(w, "--cpus", arena_printf(w->cx->mem, "%g", (double)what->cpu_millis / 1000));
    if (what->memory_bytes)
        add_two(w, "--memory", arena_printf(w->cx->mem, "%lldb", (long long)what->memory_bytes));
    if (what->gpus && podman)
        add_two(w, "--device", STR("nvidia.com/gpu=all"));
    else if (what->gpus)
        add_two(w, "--gpus", arena_printf(w->cx->mem, "%lld", (long long)what->gpus));
}

/* Its output is in the attempt's log and need not be kept by the runtime too; files of ours need no labels to be used. */
static void add_habits(struct words *w, const struct exec_container_run *what)
{
    str options = what->options, option;
    add_two(w, "--name", what->name);
    add_two(w, "--label", arena_concat(w->cx->mem, STR("tern.attempt="), what->label));
    if (exec_container_kind_of(what->runtime) != EXEC_CONTAINER_NERDCTL) {
        add_two(w, "--log-driver", STR("none"));
        add_two(w, "--security-opt", STR("label=disable"));
    }
    while (options.n && str_next(&options, '\n', &option))
        if (option.n)
            add(w, option);
}

static enum code make_words(struct words *w, struct words *env, const struct exec_container_run *what)
{
    struct ctx *cx = w->cx;
    size_t first = what->command ? 1 : 0;
    TRY(exec_container_check_image(cx, what->image));
    if (what->command > what->argc)
        return fail(cx, CODE_INVALID_ARGUMENT, "a command of %zu words, of which %zu are there", what->command,
                    what->argc);
    add(w, what->runtime);
    add(w, STR("run"));
    add_habits(w, what);
    add_user(w, what);
    add_resources(w, what);
    TRY(add_mounts(w, what));
    add_variables(w, env);
    if (first)
        add_two(w, "--entrypoint", what->argv[0]);
    add(w, full_name(cx, what));
    for (size_t i = first; i < what->argc; i++)
        add(w, what->argv[i]);
    return CODE_OK;
}

/* ---- running ----------------------------------------------------------------------------------------------------- */

static volatile sig_atomic_t told;

static void on_signal(int signal_number)
{
    told = signal_number;
}

/* The runtime's client gets them too, as one of our group, and hands them on to the container. */
static void take_signals(bool take)
{
    static const int signals[] = {SIGTERM, SIGINT, SIGHUP};
    struct sigaction sa = {.sa_handler = take ? on_signal : SIG_DFL};
    for (size_t i = 0; i < sizeof(signals) / sizeof(*signals); i++)
        sigaction(signals[i], &sa, NULL);
}

/* What the runtime knows of a container that has ended: the client's status cannot tell its own failures from those of the
 * command. */
static void look(struct ctx *cx, const struct exec_container_run *what, int status, struct exec_container_end *out)
{
    struct json *state;
    str answer;
    bool known = ASK(cx, what->runtime, &answer, "inspect", "--format", "{{json .State}}", what->name.p) &&
                 json_parse(cx, str_trim(answer), &state) == CODE_OK;
    ctx_clear_err(cx);
    out->exit_code = WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
    out->started = known && !str_eq(json_text(json_get(state, STR("Status")), STR("")), STR("created"));
    out->oom = known && json_bool(json_get(state, STR("OOMKilled")), false);
}

static void remove_now(struct ctx *cx, str runtime, str name)
{
    str answer;
    if (exec_container_kind_of(runtime) == EXEC_CONTAINER_PODMAN) /* it would wait ten seconds for the command to end */
        (void)ASK(cx, runtime, &answer, "rm", "-f", "--time", "0", arena_cstr(cx->mem, name));
    else
        (void)ASK(cx, runtime, &answer, "rm", "-f", arena_cstr(cx->mem, name));
}

enum code exec_container_run(struct ctx *cx, const struct exec_container_run *what, struct exec_container_end *out)
{
    struct words argv = {.cx = cx}, env = {.cx = cx};
    pid_t pid;
    *out = (struct exec_container_end){0};
    for (char **v = own_env(cx); *v; v++)
        add(&env, str_from(*v));
    TRY(make_words(&argv, &env, what));
    take_signals(true);
    enum code code = start(cx, finish(&argv), finish(&env), -1, &pid);
    if (code == CODE_OK) {
        int status = wait_for(pid);
        if (!told)
            look(cx, what, status, out);
        remove_now(cx, what->runtime, what->name);
    }
    take_signals(false);
    out->told = told;
    return code;
}

/* ---- removal ----------------------------------------------------------------------------------------------------- */

void exec_container_remove(struct ctx *cx, str runtime, str name)
{
    static const int pauses_s[] = {0, 3, 12};
    for (size_t i = 0; i < sizeof(pauses_s) / sizeof(*pauses_s); i++) {
        struct timespec t = {.tv_sec = pauses_s[i]};
        nanosleep(&t, NULL);
        remove_now(cx, runtime, name);
    }
}

void exec_container_remove_files(struct ctx *cx, str runtime, str path)
{
    str answer;
    if (geteuid() != 0 && exec_container_kind_of(runtime) == EXEC_CONTAINER_PODMAN)
        (void)ASK(cx, runtime, &answer, "unshare", "rm", "-rf", "--", arena_cstr(cx->mem, path));
}

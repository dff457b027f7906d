/* tern doctor: settings, programs, and the client's configuration. */
#include "cli/doctor_int.h"

#include "base/file.h"
#include "base/time.h"
#include "base/yaml.h"
#include "cli/cli.h"
#include "exec/container.h"
#include "exec/python.h"
#include "net/http_client.h"
#include "object/upstream.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

#define PROBE_TIMEOUT_NS (20 * NS_PER_S)

static void set(struct doctor_result *r, enum doctor_state state, str text, str fix)
{
    *r = (struct doctor_result){state, text, fix};
}

void doctor_settings(struct ctx *cx, const struct config *c, struct doctor_result *r)
{
    buf notes;
    buf_init_arena(&notes, cx->mem, 8192);
    r->text = c->file.n ? c->file : STR("no file: defaults, environment and flags");
    if (config_check(cx, c, &notes) != CODE_OK)
        set(r, DOCTOR_FAIL, arena_printf(cx->mem, "%s", cx->err.msg), STR("see `tern config show`"));
    else if (notes.n)
        set(r, DOCTOR_WARN, str_trim(buf_view(&notes)), STR("see `tern config docs`"));
    str upstreams;
    if (r->state != DOCTOR_FAIL &&
        object_upstream_resolve(cx, c->object_upstreams.p, c->object_upstreams.n, &upstreams) != CODE_OK)
        set(r, DOCTOR_FAIL, arena_printf(cx->mem, "%s", cx->err.msg), STR("see `tern config docs`, object.upstreams"));
}

/* ---- running a program ------------------------------------------------------------------------------------------- */

/* Reads until the end, or until the time is over. */
static str collect(struct ctx *cx, int fd)
{
    int64_t end_ns = time_now_ns() + PROBE_TIMEOUT_NS;
    buf b;
    buf_init_arena(&b, cx->mem, 65536);
    for (;;) {
        struct pollfd p = {.fd = fd, .events = POLLIN};
        int64_t left_ms = (end_ns - time_now_ns()) / NS_PER_MS;
        char *to = buf_room(&b, 4096);
        if (!to || left_ms <= 0 || poll(&p, 1, (int)left_ms) <= 0)
            return buf_view(&b);
        ssize_t n = read(fd, to, 4096);
        if (n <= 0)
            return buf_view(&b);
        buf_wrote(&b, (size_t)n);
    }
}

/* Standard output of a program found on PATH, its standard error dropped; false when it cannot be run or fails. */
static bool run(struct ctx *cx, const char *const argv[], str *out)
{
    int fds[2], status = 0;
    pid_t pid;
    posix_spawn_file_actions_t actions;
    if (pipe2(fds, O_CLOEXEC) != 0)
        return false;
    cleanup_(file_close) int from = fds[0];
    posix_spawn_file_actions_init(&actions);
    posix_spawn_file_actions_addopen(&actions, 0, "/dev/null", O_RDONLY, 0);
    posix_spawn_file_actions_adddup2(&actions, fds[1], 1);
    posix_spawn_file_actions_addopen(&actions, 2, "/dev/null", O_WRONLY, 0);
    char **args = arena_alloc(cx->mem, 16 * sizeof(char *));
    for (size_t i = 0; argv[i] && i < 15; i++)
        args[i] = arena_cstr(cx->mem, str_from(argv[i]));
    int error = posix_spawnp(&pid, argv[0], &actions, NULL, args, environ);
    posix_spawn_file_actions_destroy(&actions);
    close(fds[1]);
    if (error)
        return false;
    *out = collect(cx, from);
    kill(pid, SIGKILL); /* it has closed its output, or its time is over */
    waitpid(pid, &status, 0);
    return (WIFEXITED(status) && WEXITSTATUS(status) == 0) || (WIFSIGNALED(status) && out->n);
}

/* ---- programs ---------------------------------------------------------------------------------------------------- */

/* D-24's order. */
static const char *task_python(struct ctx *cx, const struct config *c, const char **why)
{
    const char *venv = getenv("VIRTUAL_ENV");
    *why = "exec.local.python";
    if (c->exec_local_python.n)
        return c->exec_local_python.p;
    *why = "VIRTUAL_ENV";
    if (venv && venv[0])
        return arena_printf(cx->mem, "%s/bin/python", venv).p;
    *why = "python3 on PATH";
    return "python3";
}

static str find_uv(struct ctx *cx, const struct config *c)
{
    const char *why;
    str python = str_from(task_python(cx, c, &why));
    size_t slash = str_rfind_char(python, '/');
    return exec_python_uv(cx, c->exec_local_uv, slash == SIZE_MAX ? STR("") : str_head(python, slash));
}

void doctor_python(struct ctx *cx, const struct config *c, struct doctor_result *r)
{
    static const char probe[] = "import sys, importlib.metadata as m, importlib.util as u\n"
                                "print('%d.%d.%d' % sys.version_info[:3])\n"
                                "print('yes' if u.find_spec('ensurepip') else 'no')\n"
                                "print(m.version('flyte'))\n";
    const char *why, *python = task_python(cx, c, &why);
    str out = STR(""), version = STR(""), pip = STR(""), sdk = STR("");
    bool ok = run(cx, (const char *const[]){python, "-c", probe, NULL}, &out);
    str_next(&out, '\n', &version);
    str_next(&out, '\n', &pip);
    str_next(&out, '\n', &sdk);
    str fix = arena_printf(cx->mem, "python3 -m venv .venv && .venv/bin/pip install flyte, then set exec.local.python "
                                    "or start Tern with .venv active");
    if (version.n == 0)
        set(r, DOCTOR_FAIL, arena_printf(cx->mem, "%s (%s) does not run", python, why), fix);
    else if (!ok || sdk.n == 0)
        set(r, DOCTOR_FAIL,
            arena_printf(cx->mem, "%s (%s): Python " STR_FMT " without the package flyte", python, why,
                         STR_ARG(version)),
            fix);
    else
        r->text = arena_printf(cx->mem, "%s (%s): Python " STR_FMT ", flyte " STR_FMT, python, why, STR_ARG(version),
                               STR_ARG(sdk));
    if (r->state == DOCTOR_OK && !str_eq(pip, STR("yes")) && find_uv(cx, c).n == 0)
        set(r, DOCTOR_WARN, arena_printf(cx->mem, STR_FMT "; it cannot make virtual environments", STR_ARG(r->text)),
            STR("pip install uv, or apt-get install python3-venv: images with packages need it"));
}

/* D-26: a reuse policy changes nothing here, which who set one should know. */
void doctor_start(struct ctx *cx, const struct config *c, struct doctor_result *r)
{
    (void)cx;
    r->text = c->exec_local_warm_pool
                  ? STR("forked from a Python that has the SDK (exec.local.warm_pool); a reuse policy keeps no modules")
                  : STR("each in a Python of its own (exec.local.warm_pool is off), whatever a reuse policy says");
}

void doctor_images(struct ctx *cx, const struct config *c, struct doctor_result *r)
{
    str uv = find_uv(cx, c), version = STR("");
    r->text = STR("packages of images are installed by pip; uv is faster (pip install uv)");
    if (uv.n == 0)
        return;
    r->text = arena_printf(cx->mem, "packages of images are installed by " STR_FMT, STR_ARG(uv));
    if (!run(cx, (const char *const[]){arena_cstr(cx->mem, uv), "--version", NULL}, &version))
        set(r, DOCTOR_FAIL, arena_printf(cx->mem, STR_FMT " (exec.local.uv) does not run", STR_ARG(uv)),
            STR("install it, or set exec.local.uv to auto"));
}

void doctor_tar(struct ctx *cx, const struct config *c, struct doctor_result *r)
{
    (void)c;
    if (!file_on_path(cx, STR("tar"), &r->text))
        set(r, DOCTOR_FAIL, STR("not found: code bundles cannot be unpacked"), STR("apt-get install tar"));
}

void doctor_requests(struct ctx *cx, const struct config *c, struct doctor_result *r)
{
    r->text = STR("libcurl is there, for users' own buckets and tern gc");
    if (http_client_ready(cx) != CODE_OK)
        set(r, c->object_upstreams.n ? DOCTOR_FAIL : DOCTOR_WARN,
            STR("no libcurl: tern gc and buckets of others (object.upstreams) do not work"),
            STR("apt-get install libcurl4"));
}

void doctor_containers(struct ctx *cx, const struct config *c, struct doctor_result *r)
{
    struct exec_container_runtime runtime;
    str answer = STR("");
    bool chosen = c->source[CONFIG_exec_local_container_runtime] != CONFIG_FROM_DEFAULT;
    if (str_eq(c->exec_local_container_runtime, STR("none"))) {
        r->text = STR("switched off: container tasks fail, Python tasks do not need a container runtime");
        return;
    }
    if (exec_container_find(cx, c->exec_local_container_runtime, &runtime) != CODE_OK) {
        if (chosen)
            set(r, DOCTOR_FAIL, arena_printf(cx->mem, "%s", cx->err.msg),
                STR("install it, or set exec.local.container_runtime to auto"));
        else
            r->text =
                STR("no podman, docker or nerdctl on PATH: container tasks fail (apt install podman), Python tasks "
                    "do not need one");
        return;
    }
    r->text = runtime.path;
    if (!run(cx, (const char *const[]){runtime.path.p, "info", NULL}, &answer))
        set(r, DOCTOR_WARN,
            arena_printf(cx->mem, STR_FMT " does not answer: container tasks fail", STR_ARG(runtime.path)),
            arena_printf(cx->mem,
                         "see what `" STR_FMT " info` says; or install podman (apt install podman), or set "
                         "exec.local.container_runtime to none",
                         STR_ARG(runtime.path)));
}

/* ---- the client's configuration ---------------------------------------------------------------------------------- */

static bool is_file(const char *path)
{
    return path && path[0] && access(path, R_OK) == 0;
}

/* Where the SDK looks, in its order, but for the root of a Git repository. */
static const char *client_config(struct ctx *cx)
{
    const char *home = getenv("HOME") ? getenv("HOME") : "";
    const char *const places[] = {
        "config.yaml",
        ".flyte/config.yaml",
        getenv("UCTL_CONFIG"),
        getenv("FLYTECTL_CONFIG"),
        arena_printf(cx->mem, "%s/.union/config.yaml", home).p,
        arena_printf(cx->mem, "%s/.flyte/config.yaml", home).p,
    };
    for (size_t i = 0; i < sizeof(places) / sizeof(*places); i++)
        if (is_file(places[i]))
            return places[i];
    return NULL;
}

static void client_problem(struct ctx *cx, const struct config *c, const struct json *v, const char *path,
                           struct doctor_result *r)
{
    str endpoint = json_text(json_path(v, STR("admin.endpoint")), STR(""));
    str builder = json_text(json_path(v, STR("image.builder")), STR("local"));
    bool tls = c->server_tls_cert.n > 0, insecure = json_bool(json_path(v, STR("admin.insecure")), false);
    if (str_starts(endpoint, STR("dns:///")))
        endpoint = str_skip(endpoint, 7);
    if (!str_eq(builder, STR("remote")))
        r->text = arena_printf(cx->mem, "%s: image.builder is not remote, so images are built without Tern", path);
    else if (!str_eq(endpoint, c->server_listen))
        r->text = arena_printf(cx->mem, "%s: admin.endpoint is " STR_FMT ", not " STR_FMT, path,
                               STR_ARG(str_head(endpoint, 200)), STR_ARG(c->server_listen));
    else if (insecure == tls)
        r->text = arena_printf(cx->mem, "%s: admin.insecure is %s, but the server %s TLS", path,
                               insecure ? "true" : "false", tls ? "serves" : "does not serve");
    else
        r->text = arena_printf(cx->mem, "%s points here", path);
}

void doctor_client(struct ctx *cx, const struct config *c, struct doctor_result *r)
{
    const char *path = client_config(cx);
    struct json *v;
    str text;
    str make = cli_client_command(cx, c->server_listen, c->server_tls_cert.n > 0);
    if (!path) {
        set(r, DOCTOR_WARN, STR("no configuration of the flyte command was found"), make);
        return;
    }
    if (file_read(cx, path, (size_t)1 << 20, &text) != CODE_OK || yaml_parse(cx, text, &v) != CODE_OK)
        r->text = arena_printf(cx->mem, "%s: %s", path, cx->err.msg);
    else
        client_problem(cx, c, v, path, r);
    if (!str_ends(r->text, STR("points here")))
        set(r, DOCTOR_WARN, r->text, arena_printf(cx->mem, STR_FMT " --output %s --force", STR_ARG(make), path));
}

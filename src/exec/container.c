/* Container tasks: which runtime, and what the supervisor is told to start. See container.h. */
#include "exec/container.h"

#include "base/file.h"
#include "base/vec.h"
#include "exec/container_int.h"

#include <stdlib.h>
#include <unistd.h>

#define INSTALL "install podman (Debian, Ubuntu: apt install podman)"

/* ---- which runtime ----------------------------------------------------------------------------------------------- */

static const char *const names[] = {
    [EXEC_CONTAINER_PODMAN] = "podman",
    [EXEC_CONTAINER_DOCKER] = "docker",
    [EXEC_CONTAINER_NERDCTL] = "nerdctl",
};
#define KINDS (sizeof(names) / sizeof(*names))

enum exec_container_kind exec_container_kind_of(str path)
{
    size_t slash = str_rfind_char(path, '/');
    str name = slash == SIZE_MAX ? path : str_skip(path, slash + 1);
    for (size_t i = 0; i < KINDS; i++)
        if (str_find(name, str_from(names[i])) != SIZE_MAX)
            return (enum exec_container_kind)i;
    return EXEC_CONTAINER_DOCKER;
}

static enum code find_any(struct ctx *cx, struct exec_container_runtime *out)
{
    for (size_t i = 0; i < KINDS; i++)
        if (file_on_path(cx, str_from(names[i]), &out->path)) {
            out->kind = (enum exec_container_kind)i;
            return CODE_OK;
        }
    return fail(cx, CODE_FAILED_PRECONDITION,
                "container tasks need podman, docker or nerdctl, and none is on the server's PATH: " INSTALL
                ", or set exec.local.container_runtime");
}

enum code exec_container_find(struct ctx *cx, str configured, struct exec_container_runtime *out)
{
    if (configured.n == 0 || str_eq(configured, STR("auto")))
        return find_any(cx, out);
    if (str_eq(configured, STR("none")))
        return fail(cx, CODE_FAILED_PRECONDITION,
                    "container tasks are switched off (exec.local.container_runtime: none): " INSTALL
                    " and set exec.local.container_runtime to auto");
    out->kind = exec_container_kind_of(configured);
    out->path = configured;
    bool there = configured.p[0] == '/' ? access(arena_cstr(cx->mem, configured), X_OK) == 0
                                        : file_on_path(cx, configured, &out->path);
    if (!there)
        return fail(cx, CODE_FAILED_PRECONDITION,
                    "the container runtime \"" STR_FMT "\" (exec.local.container_runtime) is not there: " INSTALL,
                    STR_ARG(str_head(configured, 80)));
    return CODE_OK;
}

/* ---- the environment --------------------------------------------------------------------------------------------- */

/* What a runtime reads for itself, a "*" for any rest. A task's variable of such a name is given by value. */
static const char *const runtime_names[] = {
    "PATH",          "HOME",       "USER",       "LOGNAME",     "SHELL",      "TMPDIR",       "LANG",
    "LC_*",          "LD_*",       "XDG_*",      "DBUS_*",      "CONTAINER*", "_CONTAINERS*", "CONTAINERS_*",
    "CONTAINERD_*",  "DOCKER_*",   "PODMAN*",    "BUILDAH_*",   "NERDCTL_*",  "STORAGE_*",    "REGISTRY_*",
    "CNI_*",         "NETAVARK_*", "GO*",        "GLIBC_*",     "MALLOC_*",   "SSL_*",        "SSH_*",
    "NOTIFY_*",      "LISTEN_*",   "HTTP_PROXY", "HTTPS_PROXY", "NO_PROXY",   "ALL_PROXY",    "http_proxy",
    "https_proxy",   "no_proxy",   "all_proxy",  "TERN_*",      "BUILDKIT_*", "COMPOSE_*",    "IPFS_*",
    "ROOTLESSKIT_*", "AWS_*",      "GOOGLE_*",   "OTEL_*",
};

bool exec_container_reads(str name)
{
    for (size_t i = 0; i < sizeof(runtime_names) / sizeof(*runtime_names); i++) {
        str pattern = str_from(runtime_names[i]);
        bool any = str_ends(pattern, STR("*"));
        if (any ? str_starts(name, str_head(pattern, pattern.n - 1)) : str_eq(name, pattern))
            return true;
    }
    return false;
}

/* Of the server's own, for the runtime: how it finds its configuration, its socket and its images. */
static const char *const passed[] = {
    "PATH",
    "HOME",
    "USER",
    "LOGNAME",
    "LANG",
    "TMPDIR",
    "XDG_RUNTIME_DIR",
    "XDG_CONFIG_HOME",
    "XDG_DATA_HOME",
    "DBUS_SESSION_BUS_ADDRESS",
    "DOCKER_HOST",
    "DOCKER_CONFIG",
    "DOCKER_CONTEXT",
    "DOCKER_CERT_PATH",
    "DOCKER_TLS_VERIFY",
    "CONTAINER_HOST",
    "CONTAINERS_CONF",
    "CONTAINERS_STORAGE_CONF",
    "CONTAINERS_REGISTRIES_CONF",
    "REGISTRY_AUTH_FILE",
    "CONTAINERD_ADDRESS",
    "CONTAINERD_NAMESPACE",
    "NERDCTL_TOML",
    "STORAGE_DRIVER",
    "STORAGE_OPTS",
    "HTTP_PROXY",
    "HTTPS_PROXY",
    "NO_PROXY",
    "http_proxy",
    "https_proxy",
    "no_proxy",
    "SSL_CERT_FILE",
    "SSL_CERT_DIR",
};

static enum code check_secrets(struct ctx *cx, const struct exec_task *task)
{
    for (size_t i = 0; i < task->secret_count; i++) {
        const struct exec_secret *s = &task->secrets[i];
        if (s->file_name.n == 0 && exec_container_reads(s->env_name))
            return fail(cx, CODE_INVALID_ARGUMENT,
                        "a container task cannot have a secret in variable " STR_FMT ", which the runtime reads itself",
                        STR_ARG(str_head(s->env_name, 80)));
    }
    return CODE_OK;
}

static void plan_env(struct ctx *cx, const struct exec_local_config *cfg, struct exec_strs env, struct exec_msg *out)
{
    VEC(str) all = {0};
    for (size_t i = 0; i < sizeof(passed) / sizeof(*passed); i++)
        if (getenv(passed[i]))
            *vec_push(&all, cx->mem) = arena_printf(cx->mem, "%s=%s", passed[i], getenv(passed[i]));
    for (size_t i = 0; i < env.n; i++)
        *vec_push(&all, cx->mem) = arena_concat(cx->mem, STR(EXEC_CONTAINER_ENV), env.p[i]);
    *vec_push(&all, cx->mem) = arena_concat(cx->mem, STR("TERN_DATA="), cfg->data_dir);
    out->env = (struct exec_strs){all.p, all.n};
}

/* ---- arguments --------------------------------------------------------------------------------------------------- */

struct words {
    struct ctx *cx;
    VEC(str) list;
};

static void add(struct words *w, const char *option, str value)
{
    if (!value.n)
        return;
    *vec_push(&w->list, w->cx->mem) = str_from(option);
    *vec_push(&w->list, w->cx->mem) = value;
}

static void add_number(struct words *w, const char *option, int64_t value)
{
    if (value > 0)
        add(w, option, arena_printf(w->cx->mem, "%lld", (long long)value));
}

static str joined(struct ctx *cx, const struct exec_local_config *cfg)
{
    buf b;
    buf_init_arena(&b, cx->mem, (size_t)64 * 1024);
    for (size_t i = 0; i < cfg->container_option_count; i++) {
        buf_str(&b, cfg->container_options[i]);
        buf_char(&b, '\n');
    }
    return buf_view(&b);
}

static void add_files(struct words *w, const struct exec_container *c)
{
    add(w, "--inputs", c->inputs);
    add(w, "--outputs", c->outputs);
    add(w, "--raw", c->raw);
    add(w, "--input-dir", c->input_dir);
    add(w, "--output-dir", c->output_dir);
    add(w, "--format", c->format);
    add(w, "--interface", c->interface);
    if (c->named)
        *vec_push(&w->list, w->cx->mem) = STR("--named");
}

/* Short, and another one for another data folder on this machine. */
static str container_name(struct ctx *cx, str data_dir, struct exec_key key)
{
    return arena_printf(cx->mem, "tern-%08x-%llu-%u", (unsigned)(str_hash(data_dir) & 0xffffffff),
                        (unsigned long long)key.action_id, key.attempt);
}

enum code exec_container_plan(struct ctx *cx, const struct exec_local_config *cfg, const struct exec_task *task,
                              struct exec_strs env, struct exec_msg *out)
{
    struct exec_container_runtime runtime;
    struct words w = {.cx = cx};
    TRY(exec_container_find(cx, cfg->container_runtime, &runtime));
    TRY(check_secrets(cx, task));
    TRY(exec_container_check_image(cx, task->image));
    out->runtime = runtime.path;
    out->container = container_name(cx, cfg->data_dir, task->key);
    *vec_push(&w.list, cx->mem) = STR("tern");
    *vec_push(&w.list, cx->mem) = STR("run_container");
    add(&w, "--runtime", runtime.path);
    add(&w, "--name", out->container);
    add(&w, "--label",
        arena_printf(cx->mem, STR_FMT "/" STR_FMT "/%u", STR_ARG(task->run), STR_ARG(task->action), task->key.attempt));
    add(&w, "--image", task->image);
    add(&w, "--options", joined(cx, cfg));
    add_number(&w, "--cpus", task->cpu_millis);
    add_number(&w, "--memory", task->memory_bytes);
    add_number(&w, "--gpus", (int64_t)out->gpus);
    add_number(&w, "--command", (int64_t)task->container->command);
    add_files(&w, task->container);
    *vec_push(&w.list, cx->mem) = STR("--");
    for (size_t i = 0; i < task->argc; i++)
        *vec_push(&w.list, cx->mem) = task->argv[i];
    out->argv = (struct exec_strs){w.list.p, w.list.n};
    plan_env(cx, cfg, env, out);
    return CODE_OK;
}

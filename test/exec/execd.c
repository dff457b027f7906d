/* A server's exec part alone, for the tests: commands come as JSON lines on standard input, answers and notifications
 * go to standard output. See test/exec/conftest.py. */
#include "exec/exec.h"
#include "exec/local.h"

#include "base/json.h"
#include "base/log.h"
#include "base/vec.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

static pthread_mutex_t out_lock = PTHREAD_MUTEX_INITIALIZER;

static void say(str line)
{
    pthread_mutex_lock(&out_lock);
    fwrite(line.p, 1, line.n, stdout);
    fputc('\n', stdout);
    fflush(stdout);
    pthread_mutex_unlock(&out_lock);
}

static void on_notify(void *arg, struct exec_key key)
{
    char text[80];
    (void)arg;
    int n = snprintf(text, sizeof(text), "{\"event\":\"state\",\"id\":%llu,\"attempt\":%u}",
                     (unsigned long long)key.action_id, key.attempt);
    say(str_make(text, (size_t)n));
}

static void on_log(void *arg, struct exec_key key)
{
    char text[80];
    (void)arg;
    int n = snprintf(text, sizeof(text), "{\"event\":\"log\",\"id\":%llu,\"attempt\":%u}",
                     (unsigned long long)key.action_id, key.attempt);
    say(str_make(text, (size_t)n));
}

static str field(const struct json *rq, const char *name)
{
    return json_text(json_get(rq, str_from(name)), STR_NONE);
}

static int64_t number(const struct json *rq, const char *name)
{
    return json_i64(json_get(rq, str_from(name)), 0);
}

static bool flag(const struct json *rq, const char *name)
{
    return json_bool(json_get(rq, str_from(name)), false);
}

static struct exec_key key_of(const struct json *rq)
{
    return (struct exec_key){(uint64_t)number(rq, "id"), (uint32_t)json_i64(json_get(rq, STR("attempt")), 1)};
}

static enum code launch(struct ctx *cx, struct exec *e, const struct json *rq, buf *out)
{
    VEC(str) argv = {0};
    VEC(struct exec_env) env = {0};
    VEC(struct exec_secret) secrets = {0};
    struct exec_container container = {.outputs = STR("s3://tern/p/d/r/a/1")};
    (void)out;
    for (const struct json *j = json_get(rq, STR("argv")) ? json_get(rq, STR("argv"))->first : NULL; j; j = j->next)
        *vec_push(&argv, cx->mem) = j->text;
    for (const struct json *j = json_get(rq, STR("env")) ? json_get(rq, STR("env"))->first : NULL; j; j = j->next)
        *vec_push(&env, cx->mem) = (struct exec_env){j->key, j->text};
    for (const struct json *j = json_get(rq, STR("secrets")) ? json_get(rq, STR("secrets"))->first : NULL; j;
         j = j->next)
        *vec_push(&secrets, cx->mem) = (struct exec_secret){field(j, "env"), field(j, "file"), field(j, "value")};
    struct exec_task task = {
        .key = key_of(rq),
        .project = STR("p"),
        .domain = STR("d"),
        .run = field(rq, "run"),
        .action = field(rq, "action"),
        .argv = argv.p,
        .argc = argv.n,
        .env = env.p,
        .env_count = env.n,
        .secrets = secrets.p,
        .secret_count = secrets.n,
        .image = field(rq, "image"),
        .sdk_version = field(rq, "sdk_version"),
        .cpu_millis = number(rq, "cpu"),
        .memory_bytes = number(rq, "memory"),
        .gpus = (int32_t)number(rq, "gpus"),
        .container = flag(rq, "container") ? &container : NULL,
        .python = flag(rq, "python"),
        .depth = (uint32_t)number(rq, "depth"),
    };
    return exec_launch(cx, e, &task);
}

static void put_text(buf *out, const char *name, str text)
{
    buf_printf(out, ",\"%s\":", name);
    json_put_str(out, text);
}

static enum code observe(struct ctx *cx, struct exec *e, const struct json *rq, buf *out)
{
    static const char *const states[] = {"UNKNOWN", "WAITING", "STARTING", "RUNNING", "EXITED", "LOST", "REFUSED"};
    struct exec_observation o;
    TRY(exec_observe(cx, e, key_of(rq), &o));
    buf_printf(
        out,
        ",\"state\":\"%s\",\"exit_code\":%d,\"signal\":%d,\"oom\":%s,\"aborted\":%s,\"system\":%s,\"started_ns\":%lld,"
        "\"ended_ns\":%lld,\"cpu_ns\":%lld,\"max_rss\":%lld",
        states[o.state], o.exit_code, o.signal, o.oom ? "true" : "false", o.aborted ? "true" : "false",
        o.system ? "true" : "false", (long long)o.started_ns, (long long)o.ended_ns, (long long)o.cpu_ns,
        (long long)o.max_rss);
    put_text(out, "reason", o.reason);
    put_text(out, "error_code", o.error_code);
    put_text(out, "error", o.error);
    return CODE_OK;
}

static enum code list(struct ctx *cx, struct exec *e, const struct json *rq, buf *out)
{
    struct exec_key *keys;
    size_t n;
    (void)rq;
    TRY(exec_list(cx, e, &keys, &n));
    buf_str(out, STR(",\"keys\":["));
    for (size_t i = 0; i < n; i++)
        buf_printf(out, "%s[%llu,%u]", i ? "," : "", (unsigned long long)keys[i].action_id, keys[i].attempt);
    buf_char(out, ']');
    return CODE_OK;
}

static enum code log_read(struct ctx *cx, struct exec *e, const struct json *rq, buf *out)
{
    struct exec_log_page page;
    TRY(exec_log_read(cx, e, key_of(rq), number(rq, "cursor"), (size_t)json_i64(json_get(rq, STR("max")), 1000),
                      &page));
    buf_printf(out, ",\"next\":%lld,\"ended\":%s,\"lines\":[", (long long)page.next, page.ended ? "true" : "false");
    for (size_t i = 0; i < page.n; i++) {
        buf_printf(out, "%s{\"time_ns\":%lld,\"system\":%s,\"text\":", i ? "," : "", (long long)page.p[i].time_ns,
                   page.p[i].system ? "true" : "false");
        json_put_str(out, page.p[i].text);
        buf_char(out, '}');
    }
    buf_char(out, ']');
    return CODE_OK;
}

static enum code do_abort(struct ctx *cx, struct exec *e, const struct json *rq, buf *out)
{
    (void)out;
    return exec_abort(cx, e, key_of(rq));
}

static enum code cleanup(struct ctx *cx, struct exec *e, const struct json *rq, buf *out)
{
    (void)out;
    return exec_cleanup(cx, e, key_of(rq));
}

static enum code waiting(struct ctx *cx, struct exec *e, const struct json *rq, buf *out)
{
    (void)cx;
    (void)out;
    exec_set_waiting(e, key_of(rq), flag(rq, "waiting"));
    return CODE_OK;
}

static enum code system_line(struct ctx *cx, struct exec *e, const struct json *rq, buf *out)
{
    (void)cx;
    (void)out;
    exec_log_system(e, key_of(rq), field(rq, "line"));
    return CODE_OK;
}

static enum code discard(struct ctx *cx, struct exec *e, const struct json *rq, buf *out)
{
    struct exec_place place = {key_of(rq), STR("p"), STR("d"), field(rq, "run"), field(rq, "action")};
    struct exec_swept swept = {0};
    (void)out;
    return exec_discard(cx, e, &place, flag(rq, "log"), false, &swept);
}

static const struct {
    const char *name;
    enum code (*fn)(struct ctx *cx, struct exec *e, const struct json *rq, buf *out);
} commands[] = {
    {"launch", launch},   {"observe", observe}, {"list", list},          {"log", log_read},    {"abort", do_abort},
    {"cleanup", cleanup}, {"waiting", waiting}, {"system", system_line}, {"discard", discard},
};

static void serve(struct ctx *cx, struct exec *e, str line)
{
    struct json *rq;
    buf out, answer;
    enum code code = json_parse(cx, line, &rq);
    buf_init_arena(&out, cx->mem, 64 << 20);
    buf_init_arena(&answer, cx->mem, 64 << 20);
    for (size_t i = 0; code == CODE_OK && i < sizeof(commands) / sizeof(*commands); i++)
        if (str_eq(field(rq, "op"), str_from(commands[i].name)))
            code = commands[i].fn(cx, e, rq, &out);
    buf_printf(&answer, "{\"event\":\"answer\",\"code\":\"%s\",\"message\":", code_name(code));
    json_put_str(&answer, str_from(cx->err.msg));
    if (code == CODE_OK)
        buf_str(&answer, buf_view(&out));
    buf_char(&answer, '}');
    say(buf_view(&answer));
}

static bool parse(int argc, char **argv, struct exec_local_config *cfg)
{
    for (int i = 1; i + 1 < argc; i += 2) {
        str value = str_from(argv[i + 1]);
        if (strcmp(argv[i], "--data") == 0)
            cfg->data_dir = value;
        else if (strcmp(argv[i], "--program") == 0)
            cfg->program = value;
        else if (strcmp(argv[i], "--python") == 0)
            cfg->python = value;
        else if (strcmp(argv[i], "--container-runtime") == 0)
            cfg->container_runtime = value;
        else if (strcmp(argv[i], "--cpus") == 0)
            cfg->cpus = strtod(value.p, NULL);
        else if (strcmp(argv[i], "--memory") == 0)
            cfg->memory_bytes = strtoll(value.p, NULL, 10);
        else if (strcmp(argv[i], "--grace-ms") == 0)
            cfg->grace_ms = strtoll(value.p, NULL, 10);
        else if (strcmp(argv[i], "--idle-exit") == 0)
            cfg->idle_exit_s = strtoll(value.p, NULL, 10);
        else if (strcmp(argv[i], "--warm") == 0)
            cfg->warm_pool = str_eq(value, STR("yes"));
        else if (strcmp(argv[i], "--cgroup") == 0)
            cfg->cgroup = str_eq(value, STR("yes"));
        else
            return false;
    }
    return cfg->data_dir.n > 0;
}

int main(int argc, char **argv)
{
    struct exec_local_config cfg = {.warm_pool = true, .cgroup = true, .log_notify = on_log};
    struct arena mem;
    struct ctx cx;
    struct exec *e;
    char *line = NULL;
    size_t cap = 0;
    ssize_t n;
    arena_init(&mem, 0);
    ctx_init(&cx, &mem);
    if (!parse(argc, argv, &cfg) || exec_local_start(&cx, &cfg, on_notify, NULL, &e) != CODE_OK) {
        fprintf(stderr, "execd: %s\n", cx.err.msg);
        return 1;
    }
    say(STR("{\"event\":\"ready\"}"));
    while ((n = getline(&line, &cap, stdin)) > 0) {
        arena_reset(&mem);
        ctx_init(&cx, &mem);
        serve(&cx, e, str_make(line, (size_t)n));
    }
    exec_stop(e);
    free(line);
    arena_done(&mem);
    return 0;
}

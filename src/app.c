/* Starts and stops what lives as long as the server. Order matters: what is above depends on what is below it. */
#include "app.h"

#include "base/file.h"
#include "base/log.h"
#include "base/time.h"
#include "config/config.h"
#include "engine/connector.h"
#include "engine/engine.h"
#include "engine/retention.h"
#include "engine/uri.h"
#include "exec/access.h"
#include "exec/connector.h"
#include "exec/endpoint.h"
#include "exec/local.h"
#include "exec/spawn.h"
#include "gen/flyteidl2_project.h"
#include "image/task.h"
#include "lane/lane.h"
#include "lane/topic.h"
#include "net/http.h"
#include "notify/notify.h"
#include "object/object.h"
#include "object/upstream.h"
#include "rpc/rpc.h"
#include "service/audit.h"
#include "service/pages.h"
#include "store/domain.h"
#include "store/project.h"

#include <errno.h>
#include <fcntl.h>
#include <pwd.h>
#include <stdio.h>
#include <sys/file.h>
#include <unistd.h>

#define STOP_GRACE_NS (5 * NS_PER_S)
#define USERS_MAX 64
#define S3_WAIT_NS (15 * NS_PER_S)

/* ---- the folder -------------------------------------------------------------------------------------------------- */

/* One server for each folder: whoever holds the lock wrote its pid into it. */
static enum code lock_folder(struct ctx *cx, struct app *app)
{
    char holder[32] = "";
    str run = arena_printf(cx->mem, "%s/run", app->data_dir.p);
    if (file_mkdirs(cx, app->data_dir.p, 0700) != CODE_OK || file_mkdirs(cx, run.p, 0700) != CODE_OK)
        return fail(cx, cx->err.code, "data folder %s; choose another with --data, or change its owner",
                    arena_str(cx->mem, str_from(cx->err.msg)).p);
    str path = arena_printf(cx->mem, "%s/server.lock", run.p);
    app->lock_fd = open(path.p, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
    if (app->lock_fd < 0)
        return fail_errno(cx, "%s", path.p);
    if (flock(app->lock_fd, LOCK_EX | LOCK_NB) != 0) {
        if (pread(app->lock_fd, holder, sizeof(holder) - 1, 0) <= 0)
            holder[0] = 0;
        return fail(cx, CODE_FAILED_PRECONDITION,
                    "another server (process %s) has the folder %s; stop it with: tern stop --data %s",
                    *holder ? holder : "unknown", app->data_dir.p, app->data_dir.p);
    }
    int n = snprintf(holder, sizeof(holder), "%d", (int)getpid());
    if (ftruncate(app->lock_fd, 0) != 0 || pwrite(app->lock_fd, holder, (size_t)n, 0) != n)
        return fail_errno(cx, "%s", path.p);
    return CODE_OK;
}

static enum code seed_domains(struct ctx *cx, const struct config *cfg)
{
    struct store_domain *found;
    size_t n;
    TRY(store_domain_list(cx, &found, &n));
    for (size_t i = 0; !n && i < cfg->domains_seed.n; i++) {
        str id = cfg->domains_seed.p[i];
        char *name = arena_cstr(cx->mem, id);
        if (*name >= 'a' && *name <= 'z')
            *name = (char)(*name - 'a' + 'A');
        struct store_domain d = {.id = id, .name = str_from(name), .created_ns = time_wall_ns()};
        TRY(store_domain_insert(cx, &d));
    }
    return CODE_OK;
}

/* What a new folder has from the beginning: projects, domains, and the task that builds images. */
static enum code seed(struct ctx *cx, void *arg)
{
    const struct config *cfg = ((struct app *)arg)->config;
    struct store_project *found;
    for (size_t i = 0; i < cfg->projects_seed.n; i++) {
        str id = cfg->projects_seed.p[i];
        TRY(store_project_find(cx, id, &found));
        if (found)
            continue;
        struct store_project p = {.id = id, .name = id, .description = STR(""), .state = PROJECT_PROJECT_STATE_ACTIVE};
        p.created_ns = p.updated_ns = time_wall_ns();
        TRY(store_project_insert(cx, &p));
    }
    TRY(seed_domains(cx, cfg));
    return image_task_seed(cx);
}

static enum code start_storage(struct ctx *cx, struct app *app)
{
    struct lane_config lanes = {
        .db_url = arena_printf(&app->mem, "sqlite:%s/tern.db", app->data_dir.p),
        .app = app,
    };
    app->topics = topics_new();
    TRY(lanes_start(cx, &lanes, &app->lanes));
    TRY(object_store_open(cx, app->data_dir, &app->objects));
    return lane_write(cx, app->lanes, seed, app);
}

/* ---- execution --------------------------------------------------------------------------------------------------- */

static void on_attempt(void *arg, struct exec_key key)
{
    struct app *app = arg;
    struct engine *engine = __atomic_load_n(&app->engine, __ATOMIC_ACQUIRE); /* it may be starting */
    if (engine)
        engine_wake(engine, key.action_id);
    topic_fire(app->topics, (struct topic_key){TOPIC_LOG, key.action_id, key.attempt}); /* its log may have ended */
}

static void on_log(void *arg, struct exec_key key)
{
    struct app *app = arg;
    topic_fire(app->topics, (struct topic_key){TOPIC_LOG, key.action_id, key.attempt});
}

/* With a free port for the API and nothing said about the other, both are free ports. */
static str s3_listen(const struct config *c)
{
    bool said = c->source[CONFIG_server_s3_listen] != CONFIG_FROM_DEFAULT;
    return !said && str_ends(c->server_listen, STR(":0")) ? STR("localhost:0") : c->server_s3_listen;
}

static enum code put_result(struct ctx *cx, void *arg, str uri, str bytes)
{
    return engine_uri_put(cx, arg, uri, bytes);
}

static enum code open_connection(struct ctx *cx, void *arg, str sealed, str *plain)
{
    (void)arg;
    return engine_connector_unseal(cx, sealed, plain);
}

/* In front of the executor that is there. */
static enum code start_connectors(struct ctx *cx, struct app *app)
{
    const struct exec_connector_config cfg = {.data_dir = app->data_dir,
                                              .connectors = app->connectors,
                                              .others = app->exec,
                                              .put = put_result,
                                              .open = open_connection,
                                              .log_notify = on_log,
                                              .notify = on_attempt,
                                              .arg = app};
    return exec_connector_start(cx, &cfg, &app->exec);
}

static enum code start_exec(struct ctx *cx, struct app *app)
{
    const struct config *c = app->config;
    str endpoint, upstreams;
    TRY(object_upstream_resolve(cx, c->object_upstreams.p, c->object_upstreams.n, &upstreams));
    struct exec_local_config cfg = {
        .data_dir = app->data_dir,
        .python = c->exec_local_python,
        .uv = c->exec_local_uv,
        .warm_pool = c->exec_local_warm_pool,
        .cgroup = true,
        .cpus = (double)c->exec_local_cpus,
        .memory_bytes = c->exec_local_memory_bytes,
        .ignore_gpu = c->exec_local_ignore_gpu,
        .aws_variables = c->exec_local_aws_variables,
        .container_runtime = c->exec_local_container_runtime,
        .container_options = c->exec_local_container_options.p,
        .container_option_count = c->exec_local_container_options.n,
        .s3_keep = c->source[CONFIG_server_s3_listen] == CONFIG_FROM_DEFAULT,
        .s3_listen = s3_listen(c),
        .s3_upstreams = upstreams,
        .log_notify = on_log,
    };
    TRY(exec_connectors_start(cx, c->exec_connectors.p, c->exec_connectors.n, &app->connectors));
    TRY(exec_local_start(cx, &cfg, on_attempt, app, &app->exec));
    TRY(start_connectors(cx, app));
    TRY(exec_endpoint_find(cx, app->data_dir, S3_WAIT_NS, &endpoint));
    app->s3_endpoint = arena_printf(&app->mem, "http://" STR_FMT, STR_ARG(endpoint));
    return CODE_OK;
}

/* ---- the API ----------------------------------------------------------------------------------------------------- */

/* Accounts by name or number; "*" sets *any. */
static enum code accounts(struct ctx *cx, struct app *app, const char *key, const struct config_list *list, bool *any,
                          const uint32_t **out, size_t *n)
{
    uint32_t *uids = arena_new_array(&app->mem, uint32_t, list->n + 1);
    if (list->n > USERS_MAX)
        return fail(cx, CODE_INVALID_ARGUMENT, "%s: more than %d", key, USERS_MAX);
    for (size_t i = 0; i < list->n; i++) {
        uint64_t number;
        if (any && str_eq(list->p[i], STR("*"))) {
            *any = true;
            continue;
        }
        const struct passwd *pw = getpwnam(arena_cstr(cx->mem, list->p[i]));
        if (!pw && !(str_to_u64(list->p[i], &number) && number < UINT32_MAX))
            return fail(cx, CODE_INVALID_ARGUMENT, "%s: there is no account \"" STR_FMT "\"", key, STR_ARG(list->p[i]));
        uids[(*n)++] = pw ? pw->pw_uid : (uint32_t)number;
    }
    *out = uids;
    return CODE_OK;
}

/* What auth.trusted_proxies names by address goes to proxy->nets, the others to *rest. */
static enum code proxy_nets(struct ctx *cx, struct app *app, struct rpc_proxy *proxy, struct config_list *rest)
{
    const struct config_list *list = &app->config->auth_trusted_proxies;
    struct cidr *nets = arena_new_array(&app->mem, struct cidr, list->n);
    str *others = arena_new_array(cx->mem, str, list->n);
    if (list->n > USERS_MAX)
        return fail(cx, CODE_INVALID_ARGUMENT, "auth.trusted_proxies: more than %d", USERS_MAX);
    *rest = (struct config_list){.p = others};
    for (size_t i = 0; i < list->n; i++) {
        if (!cidr_parse(list->p[i], &nets[proxy->net_count])) {
            others[rest->n++] = list->p[i];
            continue;
        }
        if (cidr_is_loopback(&nets[proxy->net_count++]))
            return fail(cx, CODE_INVALID_ARGUMENT,
                        "auth.trusted_proxies: " STR_FMT " is every account of this machine; name the proxy's account",
                        STR_ARG(list->p[i]));
    }
    proxy->nets = nets;
    return CODE_OK;
}

/* In lower case, as requests have it. */
static enum code header_name(struct ctx *cx, struct app *app, const char *key, str name, str *out)
{
    *out = arena_lower(&app->mem, name);
    for (size_t i = 0; i < out->n; i++)
        if (!strchr("abcdefghijklmnopqrstuvwxyz0123456789-_", out->p[i]))
            return fail(cx, CODE_INVALID_ARGUMENT, "%s: \"" STR_FMT "\" is no name of a header", key, STR_ARG(name));
    return CODE_OK;
}

static enum code proxy_rules(struct ctx *cx, struct app *app, struct rpc_proxy *proxy)
{
    const struct config *c = app->config;
    struct config_list rest;
    TRY(header_name(cx, app, "auth.proxy_user_header", c->auth_proxy_user_header, &proxy->user_header));
    TRY(header_name(cx, app, "auth.proxy_email_header", c->auth_proxy_email_header, &proxy->email_header));
    TRY(header_name(cx, app, "auth.proxy_name_header", c->auth_proxy_name_header, &proxy->name_header));
    TRY(proxy_nets(cx, app, proxy, &rest));
    TRY(accounts(cx, app, "auth.trusted_proxies", &rest, NULL, &proxy->uids, &proxy->uid_count));
    for (size_t i = 0; i < proxy->uid_count; i++)
        if (proxy->uids[i] == (uint32_t)getuid())
            log_warn(cx, "auth.trusted_proxies has the account that tasks run under: they can call as anybody");
    return CODE_OK;
}

/* Of server.listen, as it stands in a URL; empty when it means all addresses. */
static enum code listen_host(struct ctx *cx, struct app *app, str *out)
{
    str host;
    uint16_t port;
    if (!config_split_address(app->config->server_listen, &host, &port))
        return fail(cx, CODE_INVALID_ARGUMENT, "server.listen: \"" STR_FMT "\" is no host:port",
                    STR_ARG(app->config->server_listen));
    bool v6 = str_find_char(host, ':') != SIZE_MAX;
    *out = v6 ? arena_printf(&app->mem, "[" STR_FMT "]", STR_ARG(host)) : host;
    if (config_host_is_any(host))
        *out = STR("");
    return CODE_OK;
}

/* Who may call, from where and by which name (D-30, D-32, D-36). */
static enum code access_rules(struct ctx *cx, struct app *app, struct rpc_config *cfg)
{
    const struct config *c = app->config;
    TRY(listen_host(cx, app, &cfg->host));
    cfg->hosts = c->security_hosts.p;
    cfg->host_count = c->security_hosts.n;
    cfg->origins = c->security_allowed_origins.p;
    cfg->origin_count = c->security_allowed_origins.n;
    TRY(proxy_rules(cx, app, &cfg->proxy));
    TRY(accounts(cx, app, "auth.executors", &c->auth_executors, NULL, &cfg->executors, &cfg->executor_count));
    return accounts(cx, app, "security.loopback_users", &c->security_loopback_users, &cfg->any_user, &cfg->users,
                    &cfg->user_count);
}

/* The address that clients are told: the host that was asked for, with the port that was bound. */
static enum code api_endpoint(struct ctx *cx, struct app *app)
{
    str host;
    TRY(listen_host(cx, app, &host));
    app->api_endpoint =
        arena_printf(&app->mem, STR_FMT ":%u", STR_ARG(host.n ? host : STR("localhost")), http_server_port(app->http));
    app->api_url = arena_printf(&app->mem, "%s://" STR_FMT, app->config->server_tls_cert.n ? "https" : "http",
                                STR_ARG(app->api_endpoint));
    rpc_set_port(app->rpc, http_server_port(app->http));
    return CODE_OK;
}

static str port_file(struct ctx *cx, const struct app *app)
{
    return arena_printf(cx->mem, "%s/run/api.port", app->data_dir.p);
}

/* With port 0 the port of the last start counts first: tasks that run know it (D-13). */
static enum code bind_port(struct ctx *cx, struct app *app, struct http_server_config *http)
{
    str last, wanted = http->listen;
    if (str_ends(wanted, STR(":0")) && file_read(cx, port_file(cx, app).p, 16, &last) == CODE_OK) {
        http->listen = arena_printf(cx->mem, STR_FMT ":" STR_FMT, STR_ARG(str_head(wanted, wanted.n - 2)),
                                    STR_ARG(str_trim(last)));
        if (http_server_bind(cx, http, &app->http) == CODE_OK)
            return CODE_OK;
        http->listen = wanted;
    }
    ctx_clear_err(cx);
    return http_server_bind(cx, http, &app->http);
}

/* After the supervisor was reached, which knows what runs: another port than the last one only when no task knows that. */
static enum code keep_port(struct ctx *cx, struct app *app)
{
    str last, now = arena_printf(cx->mem, "%u\n", http_server_port(app->http));
    if (file_read(cx, port_file(cx, app).p, 16, &last) != CODE_OK) {
        ctx_clear_err(cx);
        return file_write(cx, port_file(cx, app).p, now, 0600);
    }
    if (str_eq(last, now)) /* mostly, and then nothing needs to be made durable */
        return CODE_OK;
    size_t running = exec_access_running(cx, app->data_dir);
    if (running && str_ends(app->config->server_listen, STR(":0")))
        return fail(cx, CODE_FAILED_PRECONDITION,
                    "port " STR_FMT " of the API is taken, and tasks that run (%zu) know no other; free it, or end the "
                    "tasks: tern stop --tasks --data %s",
                    STR_ARG(str_trim(last)), running, app->data_dir.p);
    if (running)
        log_warn(cx, "tasks that run know another address of the API", LOG_STR("port", str_trim(last)),
                 LOG_INT("running", running));
    return file_write(cx, port_file(cx, app).p, now, 0600);
}

static enum code bind_api(struct ctx *cx, struct app *app)
{
    const struct config *c = app->config;
    struct rpc_config cfg = {
        .lanes = app->lanes,
        .topics = app->topics,
        .app = app,
        .pages = service_pages,
        .page_count = service_page_count,
        .message_max = (size_t)c->limits_message_bytes,
        .audit = audit_rpc,
    };
    TRY(access_rules(cx, app, &cfg));
    TRY(rpc_new(cx, &cfg, &app->rpc));
    struct http_server_config http = {
        .listen = c->server_listen,
        .tls_cert_file = c->server_tls_cert,
        .tls_key_file = c->server_tls_key,
        .service = rpc_http_service(app->rpc),
    };
    TRY(bind_port(cx, app, &http));
    return api_endpoint(cx, app);
}

/* ---- all of it --------------------------------------------------------------------------------------------------- */

static enum code start(struct ctx *cx, struct app *app)
{
    TRY(lock_folder(cx, app));
    TRY(start_storage(cx, app));
    TRY(bind_api(cx, app)); /* taken now, answered last: what connects meanwhile waits */
    TRY(start_exec(cx, app));
    TRY(keep_port(cx, app));
    TRY(notify_start(cx, app, &app->notify));
    TRY(engine_start(cx, app, &app->engine));
    return http_server_run(cx, app->http);
}

enum code app_start(struct ctx *cx, const struct config *cfg, struct app *app)
{
    *app = (struct app){
        .config = cfg, .data_dir = cfg->data, .public_endpoint = cfg->dataproxy_public_endpoint, .lock_fd = -1};
    arena_init(&app->mem, 0);
    cx->app = app;
    exec_spawn_raise_limits(); /* a client's stream is a connection: many more than the 1024 files of a shell */
    enum code code = start(cx, app);
    if (code != CODE_OK)
        app_stop(app);
    return code;
}

void app_stop(struct app *app)
{
    if (app->engine)
        engine_retention_interrupt(app->engine);
    if (app->rpc && !rpc_drain(app->rpc, STOP_GRACE_NS)) {
        /* It would answer into what is about to be freed. Nothing that matters is lost: kill -9 would do no less. */
        log_error(NULL, "a handler does not end; leaving without it");
        _exit(1);
    }
    http_server_stop(app->http, STOP_GRACE_NS);
    rpc_free(app->rpc);
    engine_halt(app->engine);
    notify_stop(app->notify);
    if (app->exec)
        exec_stop(app->exec);
    exec_connectors_stop(app->connectors);
    if (app->lanes)
        lanes_stop(app->lanes);
    engine_free(app->engine); /* exec and the lanes woke it until now */
    object_store_close(app->objects);
    if (app->topics)
        topics_free(app->topics);
    if (app->lock_fd >= 0)
        close(app->lock_fd);
    arena_done(&app->mem);
    *app = (struct app){.lock_fd = -1};
}

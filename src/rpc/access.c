/* Who may call. See access_int.h. */
#include "rpc/access_int.h"
#include "rpc/proxy_int.h"

#include <pwd.h>
#include <stdio.h>
#include <unistd.h>

/* Accounts met by any_user, at most; more of them share the anonymous principal. */
#define STRANGERS_MAX 1000

static const struct principal anonymous = {.uid = UINT32_MAX};

static void name_account(struct rpc *r, struct principal *p, uint32_t uid, bool ask)
{
    struct passwd pw, *found = NULL;
    char space[4096];
    *p = (struct principal){.uid = uid, .known = true, .subject = arena_printf(&r->mem, "uid:%u", uid)};
    if (ask && getpwuid_r(uid, &pw, space, sizeof(space), &found) == 0 && found)
        p->name = arena_str(&r->mem, str_from(pw.pw_name));
}

static const struct principal *find_account(const struct rpc *r, uint32_t uid)
{
    size_t n = atomic_load_explicit(&r->known_count, memory_order_acquire);
    for (size_t i = 0; i < n; i++)
        if (r->known[i].uid == uid)
            return &r->known[i];
    return NULL;
}

static bool is_executor(const struct rpc_config *cfg, uint32_t uid)
{
    for (size_t i = 0; i < cfg->executor_count; i++)
        if (cfg->executors[i] == uid)
            return true;
    return false;
}

static void know(struct rpc *r, uint32_t uid)
{
    size_t n = atomic_load(&r->known_count);
    if (find_account(r, uid))
        return;
    name_account(r, &r->known[n], uid, true);
    r->known[n].executor = is_executor(&r->cfg, uid);
    atomic_store(&r->known_count, n + 1);
}

void access_init(struct rpc *r)
{
    const struct rpc_config *cfg = &r->cfg;
    r->known_max = cfg->user_count + cfg->executor_count + cfg->proxy.uid_count + 2 + STRANGERS_MAX;
    r->known = arena_new_array(&r->mem, struct principal, r->known_max);
    know(r, (uint32_t)getuid());
    know(r, 0);
    for (size_t i = 0; i < cfg->user_count; i++)
        know(r, cfg->users[i]);
    for (size_t i = 0; i < cfg->executor_count; i++)
        know(r, cfg->executors[i]);
    for (size_t i = 0; i < cfg->proxy.uid_count; i++)
        know(r, cfg->proxy.uids[i]);
}

/* With any_user: an account is added when it is first met, without asking the account database, which may block. */
static const struct principal *add_account(struct rpc *r, uint32_t uid)
{
    pthread_mutex_lock(&r->lock);
    const struct principal *p = find_account(r, uid);
    size_t n = atomic_load(&r->known_count);
    if (!p && n < r->known_max) {
        name_account(r, &r->known[n], uid, false);
        atomic_store_explicit(&r->known_count, n + 1, memory_order_release);
        p = &r->known[n];
    }
    pthread_mutex_unlock(&r->lock);
    return p ? p : &anonymous;
}

static enum code check_account(struct ctx *cx, struct rpc *r, const struct http_peer *peer,
                               const struct principal **who)
{
    if (!peer->loopback) {
        *who = &anonymous;
        return CODE_OK;
    }
    const struct principal *p = peer->uid == UINT32_MAX ? NULL : find_account(r, peer->uid);
    if (!p && r->cfg.any_user)
        p = peer->uid == UINT32_MAX ? &anonymous : add_account(r, peer->uid);
    if (!p && peer->uid == UINT32_MAX)
        return fail(cx, CODE_PERMISSION_DENIED,
                    "cannot tell which account this connection is from; security.loopback_users allows others");
    if (!p)
        return fail(cx, CODE_PERMISSION_DENIED, "account %u may not use this server (security.loopback_users)",
                    peer->uid);
    *who = p;
    return CODE_OK;
}

/* "localhost:30080" into name and port; 0 = no port, -1 = malformed. */
static int split_authority(str authority, str *name)
{
    uint64_t port = 0;
    size_t colon = str_rfind_char(authority, ':');
    size_t bracket = str_rfind_char(authority, ']');
    *name = authority;
    if (colon == SIZE_MAX || (bracket != SIZE_MAX && colon < bracket))
        return 0;
    *name = str_head(authority, colon);
    return str_to_u64(str_skip(authority, colon + 1), &port) && port >= 1 && port <= 65535 ? (int)port : -1;
}

static bool is_own_name(const struct rpc *r, str name)
{
    if (r->cfg.host.n && str_eq_nocase(name, r->cfg.host))
        return true;
    return str_eq(name, STR("127.0.0.1")) || str_eq_nocase(name, STR("localhost")) || str_eq(name, STR("[::1]"));
}

/* Whether the authority of a URL names this server. */
static bool is_ours(const struct rpc *r, str authority, bool tls)
{
    str name;
    int port = split_authority(authority, &name);
    uint32_t ours = atomic_load_explicit(&r->port, memory_order_relaxed);
    if (port < 0)
        return false;
    if (is_own_name(r, name) && (!ours || (uint32_t)(port ? port : tls ? 443 : 80) == ours))
        return true;
    for (size_t i = 0; i < r->cfg.host_count; i++) {
        str allowed = r->cfg.hosts[i];
        if (str_eq(allowed, STR("*")) || str_eq_nocase(allowed, name) || str_eq_nocase(allowed, authority))
            return true;
    }
    return false;
}

/* "http://localhost:30080" of a page that this server served itself. */
static bool is_own_origin(const struct rpc *r, str origin)
{
    bool tls = str_starts(origin, STR("https://"));
    if (!tls && !str_starts(origin, STR("http://")))
        return false;
    return is_ours(r, str_skip(origin, tls ? 8 : 7), tls);
}

enum code access_check(struct ctx *cx, struct rpc *r, const struct http_peer *peer, const struct head *h,
                       struct access *out)
{
    const struct http_request *req = h->req;
    str origin = h->value[HEAD_ORIGIN];
    struct access a = {.trusted = proxy_is_trusted(r, peer)};
    TRY(check_account(cx, r, peer, &a.who));
    if (a.trusted)
        TRY(proxy_find(cx, r, req, &a.who));
    if (!is_ours(r, req->host, str_eq(req->scheme, STR("https"))))
        return fail(cx, CODE_PERMISSION_DENIED, "this server is not called \"%.100s\" (security.hosts)",
                    arena_cstr(cx->mem, req->host));
    if (!origin.n || is_own_origin(r, origin)) {
        *out = a;
        return CODE_OK;
    }
    for (size_t i = 0; i < r->cfg.origin_count; i++)
        if (str_eq(r->cfg.origins[i], origin)) {
            a.origin = r->cfg.origins[i];
            *out = a;
            return CODE_OK;
        }
    return fail(cx, CODE_PERMISSION_DENIED, "pages of \"%.100s\" may not call this server (security.allowed_origins)",
                arena_cstr(cx->mem, origin));
}

enum code access_check_token(struct ctx *cx, const struct head *h, const struct access *a)
{
    str scheme, token;
    str_cut(h->value[HEAD_AUTHORIZATION], ' ', &scheme, &token);
    if (a->trusted || !str_eq_nocase(scheme, STR("bearer")))
        return CODE_OK;
    return fail(cx, CODE_UNAUTHENTICATED,
                "this server cannot verify a bearer token, since no authorization server is configured: send none, and "
                "remove the auth settings (authType and the like) of the client's configuration");
}

void access_preflight(struct http_exchange *x, const struct access *a)
{
    const struct http_header headers[] = {
        {STR("access-control-allow-origin"), a->origin},
        {STR("access-control-allow-methods"), STR("GET, POST, PUT, PATCH, DELETE")},
        {STR("access-control-allow-headers"),
         STR("content-type, content-encoding, accept-encoding, authorization, connect-protocol-version, "
             "connect-timeout-ms, connect-content-encoding, connect-accept-encoding, grpc-timeout, grpc-encoding, "
             "grpc-accept-encoding, x-grpc-web, x-user-agent, x-request-id")},
        {STR("access-control-max-age"), STR("7200")},
        {STR("vary"), STR("origin")},
    };
    http_respond(x, 204, headers, sizeof(headers) / sizeof(*headers), 0, true);
}

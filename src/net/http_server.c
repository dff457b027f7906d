/* The HTTP server: listening sockets on the first loop, connections handed to the loop that has fewest. See
 * http_server.h. The workers' threads run loops and nothing else; start and stop are called from outside of them. */
#include "net/http_server.h"

#include "base/log.h"
#include "base/mem.h"
#include "base/time.h"
#include "net/conn_int.h"
#include "net/pool_int.h"
#include "net/tls_int.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#define LISTENERS_MAX 8
#define LOOPS_MAX 64
#define BACKLOG 4096
#define ACCEPTS_PER_ROUND 64
/* How long accepting rests when the process has no descriptor left. */
#define REST_NS (100 * NS_PER_MS)
#define COMPLAIN_NS (10 * NS_PER_S)
/* Ports to try until one is free on every address. */
#define PORT_TRIES 50
/* Time to send what says that the connection ends, also when no grace is given. */
#define GRACE_MIN_NS (10 * NS_PER_MS)

struct listener {
    struct loop_fd fd;
    struct http_server *s;
};

struct server_worker {
    struct worker w;
    pthread_t thread;
    bool running;
    atomic_size_t load; /* connections given to it and not ended */
    struct loop_post drain;
    struct loop_timer grace;
    int64_t grace_ns;
    bool stopping;
};

struct http_server {
    struct http_service service;
    struct http_limits limits;
    struct tls_context *tls;
    struct listener listeners[LISTENERS_MAX];
    int listener_count;
    struct loop_timer rest;
    int64_t complain_ns; /* not earlier */
    uint16_t port;
    struct server_worker *workers;
    int worker_count;
};

/* A new connection on its way to its loop. */
struct arrival {
    struct loop_post post;
    struct server_worker *to;
    int fd;
};

void http_limits_default(struct http_limits *l)
{
    *l = (struct http_limits){
        .header_bytes = (size_t)64 * 1024,
        .header_count = 100,
        .connections = 20000,
        .streams_per_connection = 256,
        .header_timeout_ns = 30 * NS_PER_S,
        .idle_timeout_ns = 300 * NS_PER_S,
        .body_stall_ns = 60 * NS_PER_S,
    };
}

#define DEFAULT(field)                                                                                                 \
    if (!l->field)                                                                                                     \
    l->field = d.field

static void fill_limits(struct http_limits *l)
{
    struct http_limits d;
    http_limits_default(&d);
    DEFAULT(header_bytes);
    DEFAULT(header_count);
    DEFAULT(connections);
    DEFAULT(streams_per_connection);
    DEFAULT(header_timeout_ns);
    DEFAULT(idle_timeout_ns);
    DEFAULT(body_stall_ns);
}

/* ---- accepting (first loop) -------------------------------------------------------------------------------------- */

static void on_arrival(struct loop_post *p)
{
    struct arrival *a = container_of(p, struct arrival, post);
    struct server_worker *w = a->to;
    if (w->stopping || !conn_new(&w->w, a->fd)) {
        if (w->stopping)
            close(a->fd);
        atomic_fetch_sub(&w->load, 1);
    }
    mem_free(a);
}

/* Connections of all workers; *least = the one with fewest. */
static size_t count_connections(struct http_server *s, struct server_worker **least)
{
    size_t total = 0, fewest = SIZE_MAX;
    for (int i = 0; i < s->worker_count; i++) {
        size_t load = atomic_load_explicit(&s->workers[i].load, memory_order_relaxed);
        total += load;
        if (load < fewest) {
            fewest = load;
            *least = &s->workers[i];
        }
    }
    return total;
}

static void hand_over(struct http_server *s, int fd)
{
    struct server_worker *w = NULL;
    if (count_connections(s, &w) >= s->limits.connections) {
        close(fd);
        return;
    }
    struct arrival *a = mem_new(struct arrival);
    *a = (struct arrival){.post.fn = on_arrival, .to = w, .fd = fd};
    atomic_fetch_add(&w->load, 1);
    if (w == &s->workers[0])
        on_arrival(&a->post);
    else
        loop_post(w->w.loop, &a->post);
}

static void watch_listeners(struct http_server *s, uint32_t events)
{
    for (int i = 0; i < s->listener_count; i++)
        if (s->listeners[i].fd.fd >= 0)
            loop_fd_mod(s->workers[0].w.loop, &s->listeners[i].fd, events);
}

static void on_rest_over(struct loop_timer *t)
{
    watch_listeners(container_of(t, struct http_server, rest), EPOLLIN);
}

static void rest(struct http_server *s)
{
    struct loop *l = s->workers[0].w.loop;
    int64_t now = loop_now_ns(l);
    if (now >= s->complain_ns) {
        log_error(NULL, "no descriptor left for new connections", LOG_CSTR("error", strerror(errno)));
        s->complain_ns = now + COMPLAIN_NS;
    }
    watch_listeners(s, 0);
    loop_timer_set(l, &s->rest, now + REST_NS);
}

static void on_accept(struct loop_fd *f, uint32_t events)
{
    struct http_server *s = container_of(f, struct listener, fd)->s;
    (void)events;
    for (int i = 0; i < ACCEPTS_PER_ROUND; i++) {
        int fd = accept4(f->fd, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
        if (fd >= 0) {
            hand_over(s, fd);
            continue;
        }
        if (errno == EMFILE || errno == ENFILE || errno == ENOBUFS || errno == ENOMEM) {
            rest(s);
            return;
        }
        if (errno != EINTR && errno != ECONNABORTED)
            return;
    }
}

static void close_listeners(struct http_server *s, struct loop *l)
{
    for (int i = 0; i < s->listener_count; i++) {
        struct loop_fd *f = &s->listeners[i].fd;
        if (f->fd < 0)
            continue;
        if (l)
            loop_fd_del(l, f);
        close(f->fd);
        f->fd = -1;
    }
}

/* ---- listening --------------------------------------------------------------------------------------------------- */

struct address {
    struct sockaddr_storage addr;
    socklen_t n;
};

static void set_port(struct address *a, uint16_t port)
{
    if (a->addr.ss_family == AF_INET)
        ((struct sockaddr_in *)(void *)&a->addr)->sin_port = htons(port);
    else
        ((struct sockaddr_in6 *)(void *)&a->addr)->sin6_port = htons(port);
}

static uint16_t get_port(const struct sockaddr_storage *a)
{
    if (a->ss_family == AF_INET)
        return ntohs(((const struct sockaddr_in *)(const void *)a)->sin_port);
    return ntohs(((const struct sockaddr_in6 *)(const void *)a)->sin6_port);
}

/* "host:port" or "[v6]:port". */
static bool split_listen(str listen, str *host, uint16_t *port)
{
    size_t colon = str_rfind_char(listen, ':');
    uint64_t n;
    if (colon == SIZE_MAX || !str_to_u64(str_skip(listen, colon + 1), &n) || n > 65535)
        return false;
    *host = str_head(listen, colon);
    *port = (uint16_t)n;
    if (host->n > 2 && host->p[0] == '[' && host->p[host->n - 1] == ']')
        *host = str_make(host->p + 1, host->n - 2);
    return host->n > 0;
}

/* localhost is both loopback addresses, whatever /etc/hosts says. */
static enum code resolve(struct ctx *cx, str host, struct address *out, int *count)
{
    static const char *const both[] = {"127.0.0.1", "::1"};
    bool local = str_eq(host, STR("localhost"));
    const char *name = arena_cstr(cx->mem, host);
    *count = 0;
    for (int i = 0; i < (local ? 2 : 1); i++) {
        struct addrinfo hints = {.ai_socktype = SOCK_STREAM, .ai_flags = AI_PASSIVE | (local ? AI_NUMERICHOST : 0)};
        struct addrinfo *list = NULL;
        int rc = getaddrinfo(local ? both[i] : name, NULL, &hints, &list);
        if (rc != 0)
            return fail(cx, CODE_INVALID_ARGUMENT, "listen address %s: %s", name, gai_strerror(rc));
        for (struct addrinfo *a = list; a && *count < LISTENERS_MAX; a = a->ai_next) {
            out[*count].n = a->ai_addrlen;
            memcpy(&out[(*count)++].addr, a->ai_addr, a->ai_addrlen);
        }
        freeaddrinfo(list);
    }
    return CODE_OK;
}

static void set_options(int fd, int family)
{
    int one = 1, idle_s = 60, interval_s = 15, count = 4;
    setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one));
    if (family == AF_INET6)
        setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &one, sizeof(one));
    /* Inherited by the connections: no call for each of them. */
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
    setsockopt(fd, SOL_SOCKET, SO_KEEPALIVE, &one, sizeof(one));
    setsockopt(fd, IPPROTO_TCP, TCP_KEEPIDLE, &idle_s, sizeof(idle_s));
    setsockopt(fd, IPPROTO_TCP, TCP_KEEPINTVL, &interval_s, sizeof(interval_s));
    setsockopt(fd, IPPROTO_TCP, TCP_KEEPCNT, &count, sizeof(count));
}

/* A listening socket or -1 with errno. */
static int listen_on(const struct address *a)
{
    int fd = socket(a->addr.ss_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (fd < 0)
        return -1;
    set_options(fd, a->addr.ss_family);
    if (bind(fd, (const struct sockaddr *)&a->addr, a->n) == 0 && listen(fd, BACKLOG) == 0)
        return fd;
    int e = errno;
    close(fd);
    errno = e;
    return -1;
}

static uint16_t bound_port(int fd)
{
    struct sockaddr_storage a;
    socklen_t n = sizeof(a);
    return getsockname(fd, (struct sockaddr *)&a, &n) == 0 ? get_port(&a) : 0;
}

/* A machine without IPv6 has one loopback address. */
static bool may_be_missing(int e, int i)
{
    return i > 0 && (e == EAFNOSUPPORT || e == EADDRNOTAVAIL);
}

/* Opens all addresses on one port; with port 0 the kernel chooses it on the first. False with errno. */
static bool open_all(struct http_server *s, struct address *a, int count, uint16_t port)
{
    s->listener_count = 0;
    s->port = port;
    for (int i = 0; i < count; i++) {
        set_port(&a[i], s->port);
        int fd = listen_on(&a[i]);
        if (fd < 0 && may_be_missing(errno, i))
            continue;
        if (fd < 0) {
            int e = errno;
            close_listeners(s, NULL);
            errno = e;
            return false;
        }
        s->port = bound_port(fd);
        s->listeners[s->listener_count++] = (struct listener){.fd = {.fd = fd, .fn = on_accept}, .s = s};
    }
    return true;
}

static enum code open_listeners(struct ctx *cx, struct http_server *s, str listen)
{
    struct address a[LISTENERS_MAX];
    int count;
    str host;
    uint16_t port;
    if (!split_listen(listen, &host, &port))
        return fail(cx, CODE_INVALID_ARGUMENT, "listen address " STR_FMT " is not host:port", STR_ARG(listen));
    TRY(resolve(cx, host, a, &count));
    for (int i = 0; i < PORT_TRIES; i++) {
        if (open_all(s, a, count, port))
            return CODE_OK;
        if (errno != EADDRINUSE || port)
            break;
    }
    if (errno == EADDRINUSE)
        return fail(cx, CODE_FAILED_PRECONDITION, "listen on " STR_FMT ": the port is taken", STR_ARG(listen));
    return fail_errno(cx, "listen on " STR_FMT, STR_ARG(listen));
}

/* ---- stopping ---------------------------------------------------------------------------------------------------- */

static void on_empty(struct worker *w)
{
    struct server_worker *sw = container_of(w, struct server_worker, w);
    if (sw->stopping)
        loop_stop(w->loop);
}

static void on_grace_over(struct loop_timer *t)
{
    conn_break_all(&container_of(t, struct server_worker, grace)->w);
}

/* First loop. What it has handed over reaches the other loops before their drain does. */
static void stop_accepting(struct http_server *s)
{
    struct loop *l = s->workers[0].w.loop;
    loop_timer_clear(l, &s->rest);
    close_listeners(s, l);
    for (int i = 1; i < s->worker_count; i++)
        if (s->workers[i].running)
            loop_post(s->workers[i].w.loop, &s->workers[i].drain);
}

static void on_drain(struct loop_post *p)
{
    struct server_worker *sw = container_of(p, struct server_worker, drain);
    struct http_server *s = sw->w.server;
    if (sw == &s->workers[0])
        stop_accepting(s);
    sw->stopping = true;
    loop_timer_set(sw->w.loop, &sw->grace, loop_now_ns(sw->w.loop) + sw->grace_ns);
    conn_drain_all(&sw->w);
}

static void on_closed(struct worker *w)
{
    atomic_fetch_sub(&container_of(w, struct server_worker, w)->load, 1);
}

static void free_server(struct http_server *s)
{
    for (int i = 0; i < s->worker_count; i++) {
        conn_worker_done(&s->workers[i].w);
        loop_free(s->workers[i].w.loop);
    }
    close_listeners(s, NULL);
    tls_context_free(s->tls);
    mem_free(s->workers);
    mem_free(s);
}

void http_server_stop(struct http_server *s, int64_t grace_ns)
{
    if (!s)
        return;
    for (int i = 0; i < s->worker_count; i++)
        s->workers[i].grace_ns = grace_ns > GRACE_MIN_NS ? grace_ns : GRACE_MIN_NS;
    if (s->worker_count && s->workers[0].running)
        loop_post(s->workers[0].w.loop, &s->workers[0].drain);
    for (int i = 0; i < s->worker_count; i++)
        if (s->workers[i].running)
            pthread_join(s->workers[i].thread, NULL);
    free_server(s);
}

/* ---- starting ---------------------------------------------------------------------------------------------------- */

static void *run(void *arg)
{
    struct server_worker *w = arg;
    loop_run(w->w.loop);
    pool_done();
    return NULL;
}

/* Signals are for the main thread; a broken pipe shows as an error of the call. */
static int start_thread(struct server_worker *w)
{
    sigset_t all, old;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &old);
    int rc = pthread_create(&w->thread, NULL, run, w);
    pthread_sigmask(SIG_SETMASK, &old, NULL);
    w->running = rc == 0;
    return rc;
}

static enum code make_workers(struct ctx *cx, struct http_server *s, int count)
{
    s->workers = mem_alloc_array((size_t)count, sizeof(*s->workers));
    s->rest.fn = on_rest_over;
    for (int i = 0; i < count; i++) {
        struct server_worker *sw = &s->workers[i];
        sw->drain.fn = on_drain;
        sw->grace.fn = on_grace_over;
        sw->w = (struct worker){.server = s, .service = &s->service, .limits = &s->limits, .tls = s->tls};
        sw->w.on_empty = on_empty;
        sw->w.on_closed = on_closed;
        conn_worker_init(&sw->w);
        s->worker_count++;
        TRY(loop_new(cx, &sw->w.loop));
    }
    return CODE_OK;
}

static enum code set_up(struct ctx *cx, struct http_server *s, const struct http_server_config *cfg)
{
    int loops = cfg->loops < 1 ? 1 : cfg->loops > LOOPS_MAX ? LOOPS_MAX : cfg->loops;
    if (cfg->tls_cert_file.n)
        TRY(tls_context_new(cx, cfg->tls_cert_file, cfg->tls_key_file, cfg->tls_client_ca_file, &s->tls));
    TRY(open_listeners(cx, s, cfg->listen));
    TRY(make_workers(cx, s, loops));
    for (int i = 0; i < s->listener_count; i++)
        TRY(loop_fd_add(cx, s->workers[0].w.loop, &s->listeners[i].fd, EPOLLIN));
    return CODE_OK;
}

enum code http_server_bind(struct ctx *cx, const struct http_server_config *cfg, struct http_server **out)
{
    struct http_server *s = mem_new(struct http_server);
    s->service = *cfg->service;
    s->limits = cfg->limits;
    fill_limits(&s->limits);
    enum code code = set_up(cx, s, cfg);
    if (code != CODE_OK) {
        http_server_stop(s, 0);
        return code;
    }
    *out = s;
    return CODE_OK;
}

enum code http_server_run(struct ctx *cx, struct http_server *s)
{
    for (int i = 0; i < s->worker_count; i++)
        if ((errno = start_thread(&s->workers[i])) != 0)
            return fail_errno(cx, "loop thread");
    return CODE_OK;
}

enum code http_server_start(struct ctx *cx, const struct http_server_config *cfg, struct http_server **out)
{
    struct http_server *s;
    TRY(http_server_bind(cx, cfg, &s));
    enum code code = http_server_run(cx, s);
    if (code == CODE_OK)
        *out = s;
    else
        http_server_stop(s, 0);
    return code;
}

uint16_t http_server_port(const struct http_server *s)
{
    return s->port;
}

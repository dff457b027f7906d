/* The server under test of the Connect project's conformance suite: reads a ServerCompatRequest from standard input,
 * serves ConformanceService on a free port as it asks, writes a ServerCompatResponse to standard output, and runs until
 * it is told to end. All of Tern's own code but the handlers (service.c). */
#include "gen/conform_services.h"

#include "base/log.h"
#include "base/time.h"
#include "lane/lane.h"
#include "net/http.h"
#include "pb/table.h"
#include "rpc/rpc.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <unistd.h>

typedef ConnectrpcConformanceV1ServerCompatRequest Request;
typedef ConnectrpcConformanceV1ServerCompatResponse Response;

/* ---- standard input and output: a big-endian length, then the message -------------------------------------------- */

static bool read_all(void *to, size_t n)
{
    for (char *at = to; n;) {
        ssize_t got = read(STDIN_FILENO, at, n);
        if (got <= 0)
            return false;
        at += got;
        n -= (size_t)got;
    }
    return true;
}

static enum code read_request(struct ctx *cx, Request **out)
{
    unsigned char head[4];
    void *msg;
    if (!read_all(head, sizeof(head)))
        return fail(cx, CODE_INVALID_ARGUMENT, "no request on standard input");
    size_t n = (size_t)head[0] << 24 | (size_t)head[1] << 16 | (size_t)head[2] << 8 | head[3];
    char *bytes = arena_alloc(cx->mem, n);
    if (!read_all(bytes, n))
        return fail(cx, CODE_INVALID_ARGUMENT, "the request is cut short");
    TRY(pb_decode(cx, &ConnectrpcConformanceV1ServerCompatRequest_type, str_make(bytes, n), &msg));
    *out = msg;
    return CODE_OK;
}

static enum code write_response(struct ctx *cx, const Response *rsp)
{
    str bytes;
    buf b;
    TRY(pb_encode(cx, &ConnectrpcConformanceV1ServerCompatResponse_type, rsp, &bytes));
    buf_init_arena(&b, cx->mem, bytes.n + 4);
    for (int shift = 24; shift >= 0; shift -= 8)
        buf_char(&b, (char)(bytes.n >> shift));
    buf_str(&b, bytes);
    return write(STDOUT_FILENO, b.p, b.n) == (ssize_t)b.n ? CODE_OK : fail_errno(cx, "write the response");
}

/* ---- TLS: the server takes files --------------------------------------------------------------------------------- */

struct files {
    char dir[32];
    str cert, key, client_ca;
};

static enum code put_file(struct ctx *cx, const struct files *f, const char *name, str bytes, str *path)
{
    str p = arena_printf(cx->mem, "%s/%s", f->dir, name);
    int fd = open(p.p, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    if (fd < 0)
        return fail_errno(cx, "create %s", p.p);
    ssize_t n = write(fd, bytes.p, bytes.n);
    close(fd);
    if (n != (ssize_t)bytes.n)
        return fail(cx, CODE_INTERNAL, "cannot write %s", p.p);
    *path = p;
    return CODE_OK;
}

static enum code files_make(struct ctx *cx, const Request *req, struct files *f)
{
    if (!req->use_tls || !req->server_creds)
        return CODE_OK;
    strcpy(f->dir, "/tmp/tern-conform-XXXXXX");
    if (!mkdtemp(f->dir)) {
        f->dir[0] = 0;
        return fail_errno(cx, "make a folder");
    }
    TRY(put_file(cx, f, "cert.pem", req->server_creds->cert, &f->cert));
    TRY(put_file(cx, f, "key.pem", req->server_creds->key, &f->key));
    if (req->client_tls_cert.n)
        TRY(put_file(cx, f, "client-ca.pem", req->client_tls_cert, &f->client_ca));
    return CODE_OK;
}

static void files_remove(const struct files *f)
{
    if (f->cert.n)
        unlink(f->cert.p);
    if (f->key.n)
        unlink(f->key.p);
    if (f->client_ca.n)
        unlink(f->client_ca.p);
    if (f->dir[0])
        rmdir(f->dir);
}

/* ---- the server -------------------------------------------------------------------------------------------------- */

struct parts {
    struct topics *topics;
    struct lanes *lanes;
    struct rpc *rpc;
    struct http_server *http;
};

static enum code start(struct ctx *cx, const Request *req, const struct files *f, struct parts *p)
{
    p->topics = topics_new();
    struct app *app = NULL;
    const struct lane_config lanes = {.db_url = STR("sqlite::memory:conform"), .work_workers = 64, .app = app};
    TRY(lanes_start(cx, &lanes, &p->lanes));
    const struct rpc_config rpc = {
        .lanes = p->lanes,
        .topics = p->topics,
        .methods = pb_registry_extra.methods,
        .method_count = pb_registry_extra.method_count,
        .message_max = req->message_receive_limit,
        .gzip_min = 1, /* so that the suite meets compressed answers too */
        .any_user = true,
        .tell_internal = true,
        .handlers_sleep = true,
    };
    TRY(rpc_new(cx, &rpc, &p->rpc));
    const struct http_server_config http = {
        .listen = STR("127.0.0.1:0"),
        .tls_cert_file = f->cert,
        .tls_key_file = f->key,
        .tls_client_ca_file = f->client_ca,
        .loops = 1,
        .service = rpc_http_service(p->rpc),
    };
    TRY(http_server_start(cx, &http, &p->http));
    rpc_set_port(p->rpc, http_server_port(p->http));
    return CODE_OK;
}

static void stop(const struct parts *p)
{
    if (p->rpc)
        rpc_drain(p->rpc, 5 * NS_PER_S);
    http_server_stop(p->http, 0);
    rpc_free(p->rpc);
    if (p->lanes)
        lanes_stop(p->lanes);
    topics_free(p->topics);
}

static void wait_for_signal(void)
{
    sigset_t set;
    int sig;
    sigemptyset(&set);
    sigaddset(&set, SIGTERM);
    sigaddset(&set, SIGINT);
    sigwait(&set, &sig);
}

/* Threads inherit the mask, so the signals reach wait_for_signal(). The suite may be killed: then we go too. */
static void prepare_process(void)
{
    sigset_t set;
    sigemptyset(&set);
    sigaddset(&set, SIGTERM);
    sigaddset(&set, SIGINT);
    pthread_sigmask(SIG_BLOCK, &set, NULL);
    signal(SIGPIPE, SIG_IGN);
    prctl(PR_SET_PDEATHSIG, SIGTERM);
}

static enum code serve(struct ctx *cx, struct files *f, struct parts *p)
{
    Request *req = NULL;
    TRY(read_request(cx, &req));
    TRY(files_make(cx, req, f));
    TRY(start(cx, req, f, p));
    const Response rsp = {
        .host = STR("127.0.0.1"),
        .port = http_server_port(p->http),
        .pem_cert = req->use_tls ? req->server_creds->cert : STR_NONE,
    };
    TRY(write_response(cx, &rsp));
    wait_for_signal();
    return CODE_OK;
}

int main(void)
{
    struct arena mem;
    struct ctx cx;
    struct files files = {0};
    struct parts parts = {0};
    prepare_process();
    log_setup(LOG_LEVEL_WARN, LOG_FORMAT_TEXT);
    arena_init(&mem, 0);
    ctx_init(&cx, &mem);
    enum code code = serve(&cx, &files, &parts);
    if (code != CODE_OK)
        fprintf(stderr, "conform server: %s\n", cx.err.msg);
    stop(&parts);
    files_remove(&files);
    arena_done(&mem);
    return code == CODE_OK ? 0 : 1;
}

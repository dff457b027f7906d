/* Load generator for any server of this API: Connect over HTTP/2 with prior knowledge.
 *
 *     load --target HOST:PORT --op NAME [--connections N] [--streams N] [--count N] [--rate N] [--pid SERVER] [--seed TEXT]
 *
 * Prints one line of JSON: calls, failures, seconds, calls per second, p50/p99/max in ms, and with --pid the server's CPU
 * microseconds per call and its resident memory. One thread, one epoll loop, closed loop: each stream sends its next
 * call when the last was answered; with --rate so many calls are sent in a second, and their times count from when they were
 * due. With --op watch the streams stay open, count is a number of changes, and the times
 * are those from sending a change until a stream has it; all_p50_ms and all_max_ms until the last one has it. With --op idle
 * the connections are held until the standard input ends. Loopback only. */
#include "load_int.h"

#include "base/ctx.h"
#include "base/time.h"
#include "gen/flyteidl2_dataproxy.h"
#include "gen/flyteidl2_workflow.h"

#include <arpa/inet.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/tcp.h>
#include <nghttp2/nghttp2.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <unistd.h>

#define CONNECTIONS_MAX 30000
#define COUNT_MAX 5000000

#define CHANGES_MAX 10000
#define QUIET_NS (100 * NS_PER_MS)

struct load_opt load_opt = {
    .host = "127.0.0.1", .op = "create", .seed = "x", .connections = 64, .streams = 1, .count = 10000};

/* ---- the client --------------------------------------------------------------------------------------------------- */

struct call {
    struct connection *c;
    int64_t started_ns;
    long number;
    int status;
    enum load_how how;
    bool second; /* of a pair */
    bool idle;   /* with --rate: may send the next one */
    bool seen;   /* a stream: has something since the change */
    size_t sent, size, got;
    char *body;
    char run[64]; /* then_get: what the second half asks for */
    char reply[4096];
};

struct connection {
    int fd;
    nghttp2_session *session;
    struct call *calls; /* opt.streams of them */
};

static struct connection connections[CONNECTIONS_MAX];
static const struct load_op *op;
static long next_number, done, failed;
static int64_t *latencies;
static int64_t *slowest; /* of each change: until all streams had it */
static char first_failure[512];
static long seen;        /* streams that have the change */
static int64_t heard_ns; /* anything came on a stream */
static int ep;

static void die(const char *what)
{
    fprintf(stderr, "load: %s: %s\n", what, strerror(errno));
    exit(1);
}

static ssize_t read_body(nghttp2_session *s, int32_t id, uint8_t *to, size_t n, uint32_t *flags,
                         nghttp2_data_source *source, void *arg)
{
    struct call *call = source->ptr;
    size_t left = call->size - call->sent;
    (void)s, (void)id, (void)arg;
    if (n > left)
        n = left;
    memcpy(to, call->body + call->sent, n);
    call->sent += n;
    if (call->sent == call->size)
        *flags |= NGHTTP2_DATA_FLAG_EOF;
    return (ssize_t)n;
}

static void flush_out(struct connection *c)
{
    const uint8_t *p;
    ssize_t n;
    while ((n = nghttp2_session_mem_send(c->session, &p)) > 0)
        for (ssize_t at = 0; at < n;) {
            ssize_t w = send(c->fd, p + at, (size_t)(n - at), MSG_NOSIGNAL);
            if (w < 0 && errno == EAGAIN)
                usleep(100);
            else if (w < 0)
                die("send");
            else
                at += w;
        }
}

/* A stream's messages have five bytes before them: flags and the length. */
static void encode(struct call *call, struct load_message m)
{
    struct arena mem;
    struct ctx cx;
    str body;
    size_t head = m.how == LOAD_STREAM ? 5 : 0;
    arena_init(&mem, 0);
    ctx_init(&cx, &mem);
    if (pb_encode(&cx, m.type, m.msg, &body) != CODE_OK)
        die("encode");
    free(call->body);
    call->size = head + body.n;
    call->body = calloc(call->size + 1, 1);
    for (size_t i = 1; i < head; i++)
        call->body[i] = (char)(body.n >> (32 - 8 * i));
    memcpy(call->body + head, body.p, body.n);
    arena_done(&mem);
}

static void submit(struct connection *c, struct call *call, struct load_message m)
{
    char length[24];
    encode(call, m);
    call->sent = call->got = 0;
    call->status = 0;
    call->how = m.how;
    snprintf(length, sizeof(length), "%zu", call->size);
    const char *type = m.how == LOAD_STREAM ? "application/connect+proto" : "application/proto";
#define HEADER(k, v) {(uint8_t *)k, (uint8_t *)(uintptr_t)(v), strlen(k), strlen(v), NGHTTP2_NV_FLAG_NONE}
    nghttp2_nv nv[] = {
        HEADER(":method", "POST"),       HEADER(":scheme", "http"),    HEADER(":authority", load_opt.authority),
        HEADER(":path", m.path),         HEADER("content-type", type), HEADER("connect-protocol-version", "1"),
        HEADER("content-length", length)};
    nghttp2_data_provider body_source = {.source.ptr = call, .read_callback = read_body};
    int32_t id = nghttp2_submit_request(c->session, NULL, nv, sizeof(nv) / sizeof(*nv), &body_source, call);
    if (id < 0)
        die("submit");
    if (m.how == LOAD_RESET) {
        flush_out(c);
        nghttp2_submit_rst_stream(c->session, NGHTTP2_FLAG_NONE, id, NGHTTP2_CANCEL);
    }
}

static void start_call(struct connection *c, struct call *call)
{
    struct arena mem;
    arena_init(&mem, 0);
    call->c = c;
    call->number = next_number++;
    call->second = false;
    call->started_ns = time_now_ns();
    submit(c, call, op->make(&mem, call->number));
    arena_done(&mem);
}

static void *decode(struct arena *mem, const struct pb_type *type, const struct call *call)
{
    struct ctx cx;
    void *m;
    ctx_init(&cx, mem);
    if (pb_decode(&cx, type, str_make(call->reply, call->got), &m) != CODE_OK)
        die("reply of the first half");
    return m;
}

/* The second half of a pair: a run with the inputs that were just uploaded. */
static void create_uploaded(struct connection *c, struct call *call, struct arena *mem)
{
    const DataproxyUploadInputsResponse *r = decode(mem, &DataproxyUploadInputsResponse_type, call);
    load_made.uri = r->offloaded_input_data->uri;
    load_made.hash = r->offloaded_input_data->inputs_hash;
    submit(c, call, load_ops[LOAD_CREATE].make(mem, call->number));
    load_made.uri = STR("");
}

/* The second half of a pair: the run that was just made, asked for on the client's other connection. */
static void get_created(struct connection *c, struct call *call, struct arena *mem)
{
    const WorkflowCreateRunResponse *r = decode(mem, &WorkflowCreateRunResponse_type, call);
    struct connection *other = c + load_opt.connections;
    snprintf(call->run, sizeof(call->run), STR_FMT, STR_ARG(r->run->action->id->run->name));
    snprintf(load_made.run, sizeof(load_made.run), "%s", call->run);
    submit(other, call, load_ops[LOAD_GET].make(mem, call->number));
    flush_out(other);
}

static void start_second(struct connection *c, struct call *call)
{
    struct arena mem;
    arena_init(&mem, 0);
    call->second = true;
    (op->then_get ? get_created : create_uploaded)(c, call, &mem);
    arena_done(&mem);
}

static int on_header(nghttp2_session *s, const nghttp2_frame *f, const uint8_t *name, size_t n, const uint8_t *value,
                     size_t vn, uint8_t flags, void *arg)
{
    struct call *call = nghttp2_session_get_stream_user_data(s, f->hd.stream_id);
    (void)flags, (void)arg, (void)vn;
    if (call && n == 7 && memcmp(name, ":status", 7) == 0)
        call->status = (value[0] - '0') * 100 + (value[1] - '0') * 10 + (value[2] - '0');
    return 0;
}

static void on_news(struct call *call)
{
    heard_ns = time_now_ns();
    if (!call->seen && op->watches)
        latencies[done++] = heard_ns - call->started_ns;
    seen += !call->seen;
    call->seen = true;
}

static int on_data(nghttp2_session *s, uint8_t flags, int32_t id, const uint8_t *data, size_t n, void *arg)
{
    struct call *call = nghttp2_session_get_stream_user_data(s, id);
    (void)flags, (void)arg;
    if (call && call->got + n <= sizeof(call->reply)) {
        memcpy(call->reply + call->got, data, n);
        call->got += n;
    }
    if (call && call->how == LOAD_STREAM && call->status == 200)
        on_news(call);
    if (call && call->how == LOAD_STREAM && !op->watches && call->c)
        nghttp2_submit_rst_stream(s, NGHTTP2_FLAG_NONE, id, NGHTTP2_CANCEL);
    return 0;
}

static bool is_good(const struct call *call, uint32_t error)
{
    if (call->how == LOAD_STREAM)
        return call->status == 200 && (error == 0 || error == NGHTTP2_CANCEL);
    if (call->second && op->then_get && !memmem(call->reply, call->got, call->run, strlen(call->run)))
        return false;
    return call->how == LOAD_RESET || (call->status == 200 && error == 0);
}

static int on_close(nghttp2_session *s, int32_t id, uint32_t error, void *arg)
{
    struct connection *c = arg;
    struct call *call = nghttp2_session_get_stream_user_data(s, id);
    if (!call)
        return 0;
    if (!call->c) { /* the sender of changes; what parents watch, which does not end */
        failed += call->how == LOAD_STREAM;
        return 0;
    }
    bool good = is_good(call, error);
    if (good && (op->then_create || op->then_get) && !call->second) {
        start_second(c, call);
        return 0;
    }
    if (!good && failed++ == 0)
        snprintf(first_failure, sizeof(first_failure), "%d %.*s", call->status,
                 (int)(call->got < 300 ? call->got : 300), call->reply);
    latencies[done++] = time_now_ns() - call->started_ns;
    call->idle = true;
    if (load_opt.rate || next_number >= load_opt.count)
        return 0;
    start_call(call->c, call);
    if (call->c != c)
        flush_out(call->c);
    return 0;
}

static void open_connection(struct connection *c)
{
    int one = 1;
    struct sockaddr_in a = {.sin_family = AF_INET, .sin_port = htons((uint16_t)load_opt.port)};
    nghttp2_session_callbacks *cb;
    inet_pton(AF_INET, load_opt.host, &a.sin_addr);
    c->fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (connect(c->fd, (struct sockaddr *)&a, sizeof(a)) != 0)
        die("connect");
    setsockopt(c->fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
    fcntl(c->fd, F_SETFL, O_NONBLOCK);
    nghttp2_session_callbacks_new(&cb);
    nghttp2_session_callbacks_set_on_header_callback(cb, on_header);
    nghttp2_session_callbacks_set_on_data_chunk_recv_callback(cb, on_data);
    nghttp2_session_callbacks_set_on_stream_close_callback(cb, on_close);
    nghttp2_session_client_new(&c->session, cb, c);
    nghttp2_session_callbacks_del(cb);
    nghttp2_submit_settings(c->session, 0, NULL, 0);
    struct epoll_event e = {.events = EPOLLIN, .data.ptr = c};
    epoll_ctl(ep, EPOLL_CTL_ADD, c->fd, &e);
}

/* A connection begins anew: its calls are over. */
static void drop(struct connection *c)
{
    struct call *calls = c->calls;
    nghttp2_session_del(c->session);
    close(c->fd);
    open_connection(c);
    for (int i = 0; i < load_opt.streams && next_number < load_opt.count; i++) {
        latencies[done++] = time_now_ns() - calls[i].started_ns;
        start_call(c, &calls[i]);
    }
    flush_out(c);
}

static void receive(struct connection *c)
{
    static uint8_t in[65536];
    for (;;) {
        ssize_t n = recv(c->fd, in, sizeof(in), 0);
        if (n < 0 && errno == EAGAIN)
            return;
        if (n <= 0 && op->errors_too) {
            drop(c);
            return;
        }
        if (n <= 0)
            die("the server closed a connection");
        if (nghttp2_session_mem_recv(c->session, in, (size_t)n) < 0)
            die("protocol");
    }
}

/* One connection in turn for each thousand calls. */
static void drop_sometimes(void)
{
    static long at = 1000, turn;
    if (!op->errors_too || next_number < at || next_number + load_opt.connections * load_opt.streams > load_opt.count)
        return;
    at += 1000;
    drop(&connections[turn++ % load_opt.connections]);
}

static void turn(struct epoll_event *events, int n)
{
    for (int i = 0; i < n; i++)
        receive(events[i].data.ptr);
    for (int i = 0; i < n; i++)
        flush_out(events[i].data.ptr);
}

static void run_loop(long until)
{
    struct epoll_event events[256];
    int64_t end_ns = time_now_ns() + 3600 * NS_PER_S;
    while (done < until) {
        int n = epoll_wait(ep, events, 256, 10000);
        if (n == 0 || time_now_ns() > end_ns) {
            fprintf(stderr, "load: no answer for 10 s (%ld of %ld done)\n", done, until);
            exit(1);
        }
        turn(events, n);
        drop_sometimes();
    }
}

/* ---- calls at a rate ----------------------------------------------------------------------------------------------- */

static struct call *idle_call(struct connection *c)
{
    for (int k = 0; k < load_opt.streams; k++)
        if (c->calls[k].idle)
            return &c->calls[k];
    return NULL;
}

/* Those whose time has come, on one connection after the other. */
static void start_due(int64_t begin_ns)
{
    while (next_number < load_opt.count) {
        int64_t due_ns = begin_ns + next_number * NS_PER_S / load_opt.rate;
        struct connection *c = &connections[next_number % load_opt.connections];
        struct call *call = idle_call(c);
        if (due_ns > time_now_ns() || !call)
            return;
        call->idle = false;
        start_call(c, call);
        call->started_ns = due_ns;
        flush_out(c);
    }
}

static void run_paced(void)
{
    struct epoll_event events[256];
    int64_t begin_ns = time_now_ns();
    int64_t end_ns = begin_ns + (load_opt.count / load_opt.rate + 60) * NS_PER_S;
    for (int i = 0; i < load_opt.connections; i++) {
        connections[i].calls = calloc((size_t)load_opt.streams, sizeof(struct call));
        for (int k = 0; k < load_opt.streams; k++)
            connections[i].calls[k].idle = true;
    }
    while (done < load_opt.count) {
        start_due(begin_ns);
        turn(events, epoll_wait(ep, events, 256, 1));
        if (time_now_ns() > end_ns) {
            fprintf(stderr, "load: %ld of %ld done a minute after the last was due\n", done, load_opt.count);
            exit(1);
        }
    }
}

/* ---- streams that stay open ---------------------------------------------------------------------------------------- */

/* Until nothing has come for a while, or all streams have something (wanted). */
static void listen_until(long wanted)
{
    struct epoll_event events[256];
    int64_t end_ns = time_now_ns() + 30 * NS_PER_S;
    heard_ns = time_now_ns();
    while (wanted ? seen < wanted : time_now_ns() - heard_ns < QUIET_NS) {
        if (time_now_ns() > end_ns) {
            fprintf(stderr, "load: %ld of %ld streams have the change after 30 s\n", seen, wanted);
            exit(1);
        }
        turn(events, epoll_wait(ep, events, 256, 10));
    }
}

/* Each change is a child of the run, sent on a connection of its own; its own later changes are not timed. */
static void watch_changes(long changes)
{
    static struct call call, *calls;
    struct connection *sender = &connections[load_opt.connections];
    struct arena mem;
    long streams = (long)load_opt.connections * load_opt.streams;
    open_connection(sender);
    for (long n = 0; n < changes; n++) {
        int64_t now = time_now_ns();
        for (int i = 0; i < load_opt.connections; i++)
            for (int k = 0; k < load_opt.streams; k++) {
                calls = connections[i].calls;
                calls[k].seen = false;
                calls[k].started_ns = now;
            }
        seen = 0;
        arena_init(&mem, 0);
        call.c = NULL;
        submit(sender, &call, load_ops[LOAD_ENQUEUE].make(&mem, n));
        arena_done(&mem);
        flush_out(sender);
        listen_until(streams);
        slowest[n] = time_now_ns() - now;
        listen_until(0);
    }
}

/* Each parent's, before its first child. */
static void watch_children(void)
{
    struct call *calls = calloc((size_t)load_opt.connections, sizeof(*calls));
    struct arena mem;
    arena_init(&mem, 0);
    for (int i = 0; i < load_opt.connections; i++) {
        submit(&connections[i], &calls[i], load_watch_children(&mem, i));
        flush_out(&connections[i]);
    }
    arena_done(&mem);
    listen_until(load_opt.connections);
}

/* ---- what is measured --------------------------------------------------------------------------------------------- */

/* All threads, in nanoseconds where the kernel counts them. A thread that ended is missed: none does under load. */
static double server_cpu_us(void)
{
    char path[320];
    double sum_ns = 0;
    snprintf(path, sizeof(path), "/proc/%ld/task", load_opt.pid);
    DIR *d = opendir(path);
    for (struct dirent *e; d && (e = readdir(d));) {
        unsigned long long ns = 0;
        snprintf(path, sizeof(path), "/proc/%ld/task/%s/schedstat", load_opt.pid, e->d_name);
        FILE *f = e->d_name[0] == '.' ? NULL : fopen(path, "r");
        if (f && fscanf(f, "%llu", &ns) == 1)
            sum_ns += (double)ns;
        if (f)
            fclose(f);
    }
    if (d)
        closedir(d);
    return sum_ns / 1e3;
}

static long server_rss_kib(void)
{
    char path[64], line[256];
    long kib = 0;
    snprintf(path, sizeof(path), "/proc/%ld/status", load_opt.pid);
    FILE *f = fopen(path, "r");
    while (f && fgets(line, sizeof(line), f))
        sscanf(line, "VmRSS: %ld", &kib);
    if (f)
        fclose(f);
    return kib;
}

static int by_value(const void *a, const void *b)
{
    int64_t x = *(const int64_t *)a, y = *(const int64_t *)b;
    return x < y ? -1 : x > y;
}

static void report(int64_t took_ns, double cpu_us)
{
    qsort(latencies, (size_t)done, sizeof(*latencies), by_value);
    double s = (double)took_ns / 1e9;
    printf("{\"op\": \"%s\", \"connections\": %d, \"streams\": %d, \"calls\": %ld, \"failed\": %ld, \"seconds\": %.3f, "
           "\"per_second\": %.0f, \"p50_ms\": %.2f, \"p99_ms\": %.2f, \"max_ms\": %.2f",
           op->name, load_opt.connections, load_opt.streams, done, failed, s, (double)done / s,
           (double)latencies[done / 2] / 1e6, (double)latencies[done * 99 / 100] / 1e6,
           (double)latencies[done - 1] / 1e6);
    if (op->watches) {
        qsort(slowest, (size_t)load_opt.count, sizeof(*slowest), by_value);
        printf(", \"all_p50_ms\": %.2f, \"all_max_ms\": %.2f", (double)slowest[load_opt.count / 2] / 1e6,
               (double)slowest[load_opt.count - 1] / 1e6);
    }
    if (load_opt.pid)
        printf(", \"server_cpu_us\": %.2f, \"server_rss_kib\": %ld", cpu_us / (double)done, server_rss_kib());
    printf("}\n");
    if (failed)
        fprintf(stderr, "load: first failure: %s\n", first_failure);
}

/* One call outside the measurement. */
static void call_once(const struct load_op *o, char *reply, size_t *n)
{
    static struct call call;
    const struct load_op *saved = op;
    long count = load_opt.count;
    op = o;
    load_opt.count = 0;
    done = 0;
    start_call(&connections[0], &call);
    flush_out(&connections[0]);
    run_loop(1);
    if (failed) {
        fprintf(stderr, "load: %s failed: %s\n", o->name, first_failure);
        exit(1);
    }
    memcpy(reply, call.reply, call.got);
    *n = call.got;
    op = saved;
    load_opt.count = count;
    done = next_number = seen = 0;
}

static void make_parents(void)
{
    static char reply[4096];
    struct arena mem;
    size_t n;
    char base[sizeof(load_made.run)];
    arena_init(&mem, 0);
    snprintf(base, sizeof(base), "bench-%s-%d", load_opt.seed, (int)getpid());
    for (int i = 0; i < load_opt.connections; i++) {
        snprintf(load_made.run, sizeof(load_made.run), "%s", base);
        snprintf(load_made.run, sizeof(load_made.run), "%s", load_parent_run(&mem, i));
        call_once(&load_ops[LOAD_SLEEPER], reply, &n);
    }
    snprintf(load_made.run, sizeof(load_made.run), "%s", base);
    arena_done(&mem);
    watch_children();
}

static void prepare(void)
{
    static char reply[4096];
    size_t n;
    struct arena mem;
    struct ctx cx;
    void *m;
    if (op->needs_open) {
        snprintf(load_made.run, sizeof(load_made.run), "bench-%s-%d", load_opt.seed, (int)getpid());
        call_once(&load_ops[LOAD_SLEEPER], reply, &n);
    }
    if (op->parents)
        make_parents();
    if (!op->needs_run)
        return;
    call_once(&load_ops[LOAD_CREATE], reply, &n);
    arena_init(&mem, 0);
    ctx_init(&cx, &mem);
    if (pb_decode(&cx, &WorkflowCreateRunResponse_type, str_make(reply, n), &m) != CODE_OK)
        die("reply of CreateRun");
    str name = ((WorkflowCreateRunResponse *)m)->run->action->id->run->name;
    snprintf(load_made.run, sizeof(load_made.run), STR_FMT, STR_ARG(name));
    arena_done(&mem);
}

static void parse(int argc, char **argv)
{
    for (int i = 1; i + 1 < argc; i += 2) {
        char *v = argv[i + 1], *colon;
        if (strcmp(argv[i], "--target") == 0 && (colon = strrchr(v, ':'))) {
            *colon = 0;
            load_opt.port = (int)strtol(colon + 1, NULL, 10);
            load_opt.host = strcmp(v, "localhost") == 0 ? "127.0.0.1" : v;
            snprintf(load_opt.authority, sizeof(load_opt.authority), "%s:%d", v, load_opt.port);
        } else if (strcmp(argv[i], "--op") == 0)
            load_opt.op = v;
        else if (strcmp(argv[i], "--seed") == 0)
            load_opt.seed = v;
        else if (strcmp(argv[i], "--connections") == 0)
            load_opt.connections = (int)strtol(v, NULL, 10);
        else if (strcmp(argv[i], "--streams") == 0)
            load_opt.streams = (int)strtol(v, NULL, 10);
        else if (strcmp(argv[i], "--count") == 0)
            load_opt.count = strtol(v, NULL, 10);
        else if (strcmp(argv[i], "--rate") == 0)
            load_opt.rate = strtol(v, NULL, 10);
        else if (strcmp(argv[i], "--pid") == 0)
            load_opt.pid = strtol(v, NULL, 10);
        else if (strcmp(argv[i], "--run") == 0)
            snprintf(load_made.run, sizeof(load_made.run), "%s", v);
        else if (strcmp(argv[i], "--inputs") == 0)
            load_made.uri = str_from(v);
    }
    for (size_t i = 0; i < LOAD_OPS; i++)
        if (strcmp(load_ops[i].name, load_opt.op) == 0)
            op = &load_ops[i];
    bool loopback = strncmp(load_opt.host, "127.", 4) == 0;
    bool inputs = op && op->needs_inputs ? load_made.uri.n && load_made.run[0] : true;
    if (!op || !loopback || !inputs || load_opt.port <= 0 || load_opt.connections < 1 ||
        load_opt.connections >= CONNECTIONS_MAX / 2 || load_opt.streams < 1 || load_opt.count < 1 ||
        load_opt.count > COUNT_MAX || load_opt.rate < 0) {
        fprintf(
            stderr,
            "usage: load --target 127.0.0.1:PORT --op "
            "create|get|list-actions|enqueue|parents|upload|told|create-get|watch|open-watch|mixed|idle|open-children "
            "[--connections N] [--streams N] [--count N] [--rate N] [--pid SERVER] [--seed TEXT] "
            "[--run NAME] [--inputs URI]\n");
        exit(2);
    }
}

static void start_all(void)
{
    for (int i = 0; i < load_opt.connections; i++)
        connections[i].calls = calloc((size_t)load_opt.streams, sizeof(struct call));
    for (int k = 0; k < load_opt.streams; k++)
        for (int i = 0; i < load_opt.connections && (op->watches || next_number < load_opt.count); i++)
            start_call(&connections[i], &connections[i].calls[k]);
    for (int i = 0; i < load_opt.connections; i++)
        flush_out(&connections[i]);
}

/* Says that all is open, then waits for the end of the standard input. */
static void hold(void)
{
    struct epoll_event events[256];
    listen_until(0);
    printf("{\"op\": \"idle\", \"connections\": %d, \"server_rss_kib\": %ld}\n", load_opt.connections,
           server_rss_kib());
    fflush(stdout);
    fcntl(STDIN_FILENO, F_SETFL, O_NONBLOCK);
    for (char c; read(STDIN_FILENO, &c, 1) != 0;)
        turn(events, epoll_wait(ep, events, 256, 100));
}

static void run_calls(void)
{
    long streams = (long)load_opt.connections * load_opt.streams;
    if (load_opt.rate) {
        run_paced();
        return;
    }
    start_all();
    if (!op->watches) {
        run_loop(load_opt.count);
        return;
    }
    listen_until(streams);
    listen_until(0);
    done = 0;
    watch_changes(load_opt.count);
}

int main(int argc, char **argv)
{
    parse(argc, argv);
    ep = epoll_create1(EPOLL_CLOEXEC);
    size_t samples = op->watches ? (size_t)(load_opt.count + 1) * (size_t)(load_opt.connections * load_opt.streams)
                                 : (size_t)load_opt.count;
    latencies = calloc(samples + 16, sizeof(*latencies));
    slowest = calloc((size_t)load_opt.count, sizeof(*slowest));
    for (int i = 0; i < load_opt.connections * (op->then_get ? 2 : 1); i++) {
        open_connection(&connections[i]);
        flush_out(&connections[i]);
    }
    if (!load_made.run[0])
        prepare();
    if (op->holds) {
        hold();
        return 0;
    }
    double cpu_us = load_opt.pid ? server_cpu_us() : 0;
    int64_t start_ns = time_now_ns();
    run_calls();
    report(time_now_ns() - start_ns, load_opt.pid ? server_cpu_us() - cpu_us : 0);
    return failed && !op->errors_too ? 1 : 0;
}

/* Load generator for any server of this API: Connect unary calls over HTTP/2 with prior knowledge.
 *
 *     load --target HOST:PORT --op NAME [--connections N] [--streams N] [--count N] [--pid SERVER] [--seed TEXT]
 *
 * Prints one line of JSON: calls, failures, seconds, calls per second, p50/p99/max in ms, and with --pid the server's CPU
 * microseconds per call and its resident memory. One thread, one epoll loop, closed loop: each stream sends its next
 * call when the last was answered. Loopback only. */
#include "base/arena.h"
#include "base/ctx.h"
#include "base/time.h"
#include "gen/flyteidl2_actions.h"
#include "gen/flyteidl2_common.h"
#include "gen/flyteidl2_core.h"
#include "gen/flyteidl2_dataproxy.h"
#include "gen/flyteidl2_task.h"
#include "gen/flyteidl2_workflow.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/tcp.h>
#include <nghttp2/nghttp2.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <unistd.h>

#define CONNECTIONS_MAX 1024
#define SPECS 10
#define COUNT_MAX 5000000

/* ---- what is sent ------------------------------------------------------------------------------------------------- */

static struct {
    const char *host, *op, *seed;
    char authority[64];
    int port, connections, streams;
    long count, pid;
} opt = {.host = "127.0.0.1", .op = "create", .seed = "x", .connections = 64, .streams = 1, .count = 10000};

/* Filled by operations that need something to be there first. */
static struct {
    char run[64];
    str uri, hash; /* of uploaded inputs */
} made;

static TaskTaskSpec *task_spec(struct arena *mem, const char *type, long variant)
{
    TaskTaskSpec *spec = pb_new(mem, TaskTaskSpec);
    CoreTaskTemplate *t = spec->task_template = pb_new(mem, CoreTaskTemplate);
    t->type = str_from(type);
    t->id = pb_new(mem, CoreIdentifier);
    t->id->resource_type = CORE_TASK;
    t->id->project = STR("flytesnacks");
    t->id->domain = STR("development");
    t->id->name = arena_printf(mem, "bench.%s_%ld", type, variant);
    t->id->version = STR("v1");
    t->metadata = pb_new(mem, CoreTaskMetadata);
    t->interface = pb_new(mem, CoreTypedInterface);
    t->target_case = CoreTaskTemplate_container_tag;
    t->container = pb_new(mem, CoreContainer);
    t->container->image = STR("bench:1");
    t->container->args.n = 20;
    t->container->args.p = arena_new_array(mem, str, 20);
    for (int i = 0; i < 20; i++)
        t->container->args.p[i] = arena_printf(mem, "--an-argument-of-usual-length=%d", i);
    spec->short_name = STR("bench");
    spec->environment = pb_new(mem, TaskEnvironment);
    spec->environment->name = STR("bench");
    return spec;
}

static TaskRunSpec *run_spec(struct arena *mem)
{
    static const char *const names[] = {"LOG_LEVEL", "LOG_FORMAT", "USER_LOG_LEVEL", "_F_SYS_PATH"};
    TaskRunSpec *r = pb_new(mem, TaskRunSpec);
    r->envs = pb_new(mem, TaskEnvs);
    r->envs->values.n = 4;
    r->envs->values.p = arena_new_array(mem, CoreKeyValuePair *, 4);
    for (int i = 0; i < 4; i++) {
        r->envs->values.p[i] = pb_new(mem, CoreKeyValuePair);
        r->envs->values.p[i]->key = str_from(names[i]);
        r->envs->values.p[i]->value = STR("30");
    }
    return r;
}

static CommonProjectIdentifier *project(struct arena *mem)
{
    CommonProjectIdentifier *p = pb_new(mem, CommonProjectIdentifier);
    p->name = STR("flytesnacks");
    p->domain = STR("development");
    return p;
}

static CommonRunIdentifier *run_id(struct arena *mem, const char *name)
{
    CommonRunIdentifier *id = pb_new(mem, CommonRunIdentifier);
    id->project = STR("flytesnacks");
    id->domain = STR("development");
    id->name = str_from(name);
    return id;
}

static TaskNamedLiteral *duration_input(struct arena *mem, int64_t seconds)
{
    TaskNamedLiteral *l = pb_new(mem, TaskNamedLiteral);
    l->name = STR("duration");
    l->value = pb_new(mem, CoreLiteral);
    l->value->value_case = CoreLiteral_scalar_tag;
    l->value->scalar = pb_new(mem, CoreScalar);
    l->value->scalar->value_case = CoreScalar_primitive_tag;
    l->value->scalar->primitive = pb_new(mem, CorePrimitive);
    l->value->scalar->primitive->value_case = CorePrimitive_duration_tag;
    l->value->scalar->primitive->duration = pb_new(mem, GoogleProtobufDuration);
    l->value->scalar->primitive->duration->seconds = seconds;
    return l;
}

static void add_duration_interface(struct arena *mem, TaskTaskSpec *spec)
{
    CoreVariableMap *inputs = spec->task_template->interface->inputs = pb_new(mem, CoreVariableMap);
    inputs->variables.n = 1;
    inputs->variables.p = arena_new_array(mem, CoreVariableEntry *, 1);
    inputs->variables.p[0] = pb_new(mem, CoreVariableEntry);
    inputs->variables.p[0]->key = STR("duration");
    inputs->variables.p[0]->value = pb_new(mem, CoreVariable);
    inputs->variables.p[0]->value->type = pb_new(mem, CoreLiteralType);
    inputs->variables.p[0]->value->type->type_case = CoreLiteralType_simple_tag;
    inputs->variables.p[0]->value->type->simple = CORE_DURATION;
}

struct message {
    const struct pb_type *type;
    void *msg;
};

/* A run of core-echo without inputs, one spec in ten distinct. */
static struct message create(struct arena *mem, long i)
{
    WorkflowCreateRunRequest *r = pb_new(mem, WorkflowCreateRunRequest);
    r->id_case = WorkflowCreateRunRequest_project_id_tag;
    r->project_id = project(mem);
    r->task_case = WorkflowCreateRunRequest_task_spec_tag;
    r->task_spec = task_spec(mem, "core-echo", i % SPECS);
    r->run_spec = run_spec(mem);
    if (made.uri.n) {
        r->input_wrapper_case = WorkflowCreateRunRequest_offloaded_input_data_tag;
        r->offloaded_input_data = pb_new(mem, CommonOffloadedInputData);
        r->offloaded_input_data->uri = made.uri;
        r->offloaded_input_data->inputs_hash = made.hash;
    }
    return (struct message){&WorkflowCreateRunRequest_type, r};
}

static struct message create_sleeper(struct arena *mem, long i)
{
    WorkflowCreateRunRequest *r = create(mem, i).msg;
    r->id_case = WorkflowCreateRunRequest_run_id_tag;
    r->run_id = run_id(mem, made.run);
    r->task_spec = task_spec(mem, "core-sleep", i);
    add_duration_interface(mem, r->task_spec);
    r->input_wrapper_case = WorkflowCreateRunRequest_inputs_tag;
    r->inputs = pb_new(mem, TaskInputs);
    r->inputs->literals.n = 1;
    r->inputs->literals.p = arena_new_array(mem, TaskNamedLiteral *, 1);
    r->inputs->literals.p[0] = duration_input(mem, 3600);
    return (struct message){&WorkflowCreateRunRequest_type, r};
}

static struct message get(struct arena *mem, long i)
{
    WorkflowGetRunDetailsRequest *r = pb_new(mem, WorkflowGetRunDetailsRequest);
    (void)i;
    r->run_id = run_id(mem, made.run);
    return (struct message){&WorkflowGetRunDetailsRequest_type, r};
}

static struct message list(struct arena *mem, long i)
{
    WorkflowListActionsRequest *r = pb_new(mem, WorkflowListActionsRequest);
    (void)i;
    r->run_id = run_id(mem, made.run);
    r->request = pb_new(mem, CommonListRequest);
    r->request->limit = 100;
    return (struct message){&WorkflowListActionsRequest_type, r};
}

/* A child of the sleeper. */
static struct message enqueue(struct arena *mem, long i)
{
    ActionsEnqueueRequest *r = pb_new(mem, ActionsEnqueueRequest);
    ActionsAction *a = r->action = pb_new(mem, ActionsAction);
    a->action_id = pb_new(mem, CommonActionIdentifier);
    a->action_id->run = run_id(mem, made.run);
    a->action_id->name = arena_printf(mem, "c%s%ld", opt.seed, i);
    a->has_parent_action_name = true;
    a->parent_action_name = STR("a0");
    a->input_uri = arena_printf(mem, "s3://tern/bench/%s/inputs.pb", made.run);
    a->run_output_base = arena_printf(mem, "s3://tern/bench/%s", made.run);
    a->spec_case = ActionsAction_task_tag;
    a->task = pb_new(mem, WorkflowTaskAction);
    a->task->spec = task_spec(mem, "core-echo", i % SPECS);
    a->task->id = pb_new(mem, TaskTaskIdentifier);
    a->task->id->project = STR("flytesnacks");
    a->task->id->domain = STR("development");
    a->task->id->name = a->task->spec->task_template->id->name;
    a->task->id->version = STR("v1");
    return (struct message){&ActionsEnqueueRequest_type, r};
}

static struct message upload(struct arena *mem, long i)
{
    DataproxyUploadInputsRequest *r = pb_new(mem, DataproxyUploadInputsRequest);
    r->id_case = DataproxyUploadInputsRequest_project_id_tag;
    r->project_id = project(mem);
    r->task_case = DataproxyUploadInputsRequest_task_spec_tag;
    r->task_spec = task_spec(mem, "core-echo", i % SPECS);
    r->inputs = pb_new(mem, TaskInputs);
    r->inputs->literals.n = 1;
    r->inputs->literals.p = arena_new_array(mem, TaskNamedLiteral *, 1);
    r->inputs->literals.p[0] = duration_input(mem, i);
    return (struct message){&DataproxyUploadInputsRequest_type, r};
}

#define RUNS "/flyteidl2.workflow.RunService/"
static const struct op {
    const char *name, *path;
    struct message (*make)(struct arena *mem, long i);
    bool needs_run;   /* a run of core-echo to read */
    bool needs_open;  /* a run that stays open */
    bool then_create; /* each answer is followed by a CreateRun: one call is both */
} ops[] = {
    {"create", RUNS "CreateRun", create, false, false, false},
    {"get", RUNS "GetRunDetails", get, true, false, false},
    {"list-actions", RUNS "ListActions", list, true, false, false},
    {"enqueue", "/flyteidl2.actions.ActionsService/Enqueue", enqueue, false, true, false},
    {"sleeper", RUNS "CreateRun", create_sleeper, false, false, false},
    {"upload", "/flyteidl2.dataproxy.DataProxyService/UploadInputs", upload, false, false, true},
};

/* ---- the client --------------------------------------------------------------------------------------------------- */

struct call {
    struct connection *c;
    int64_t started_ns;
    long number;
    int status;
    bool second; /* of a pair */
    size_t sent, size, got;
    char *body;
    char reply[4096];
};

struct connection {
    int fd;
    nghttp2_session *session;
    int open;
};

static struct connection connections[CONNECTIONS_MAX];
static const struct op *op;
static long next_number, done, failed;
static int64_t *latencies;
static char first_failure[512];
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

static void submit(struct connection *c, struct call *call, const char *path, struct message m)
{
    static char length[24];
    struct arena mem;
    struct ctx cx;
    str body;
    arena_init(&mem, 0);
    ctx_init(&cx, &mem);
    if (pb_encode(&cx, m.type, m.msg, &body) != CODE_OK)
        die("encode");
    free(call->body);
    call->body = malloc(body.n + 1);
    memcpy(call->body, body.p, body.n);
    call->size = body.n;
    call->sent = call->got = 0;
    call->status = 0;
    arena_done(&mem);
    snprintf(length, sizeof(length), "%zu", call->size);
#define HEADER(k, v) {(uint8_t *)k, (uint8_t *)(uintptr_t)(v), strlen(k), strlen(v), NGHTTP2_NV_FLAG_NONE}
    nghttp2_nv nv[] = {HEADER(":method", "POST"),
                       HEADER(":scheme", "http"),
                       HEADER(":authority", opt.authority),
                       HEADER(":path", path),
                       HEADER("content-type", "application/proto"),
                       HEADER("connect-protocol-version", "1"),
                       HEADER("content-length", length)};
    nghttp2_data_provider body_source = {.source.ptr = call, .read_callback = read_body};
    if (nghttp2_submit_request(c->session, NULL, nv, sizeof(nv) / sizeof(*nv), &body_source, call) < 0)
        die("submit");
    c->open++;
}

static void start_call(struct connection *c, struct call *call)
{
    struct arena mem;
    arena_init(&mem, 0);
    call->c = c;
    call->number = next_number++;
    call->second = false;
    call->started_ns = time_now_ns();
    submit(c, call, op->path, op->make(&mem, call->number));
    arena_done(&mem);
}

/* The second half of a pair: a run with the inputs that were just uploaded. */
static void start_second(struct connection *c, struct call *call)
{
    struct arena mem;
    struct ctx cx;
    void *m;
    arena_init(&mem, 0);
    ctx_init(&cx, &mem);
    if (pb_decode(&cx, &DataproxyUploadInputsResponse_type, str_make(call->reply, call->got), &m) != CODE_OK)
        die("reply of UploadInputs");
    made.uri = ((DataproxyUploadInputsResponse *)m)->offloaded_input_data->uri;
    made.hash = ((DataproxyUploadInputsResponse *)m)->offloaded_input_data->inputs_hash;
    call->second = true;
    submit(c, call, RUNS "CreateRun", create(&mem, call->number));
    made.uri = STR("");
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

static int on_data(nghttp2_session *s, uint8_t flags, int32_t id, const uint8_t *data, size_t n, void *arg)
{
    struct call *call = nghttp2_session_get_stream_user_data(s, id);
    (void)flags, (void)arg;
    if (call && call->got + n <= sizeof(call->reply)) {
        memcpy(call->reply + call->got, data, n);
        call->got += n;
    }
    return 0;
}

static int on_close(nghttp2_session *s, int32_t id, uint32_t error, void *arg)
{
    struct connection *c = arg;
    struct call *call = nghttp2_session_get_stream_user_data(s, id);
    if (!call)
        return 0;
    c->open--;
    bool ok = call->status == 200 && error == 0;
    if (ok && op->then_create && !call->second) {
        start_second(c, call);
        return 0;
    }
    if (!ok && failed++ == 0)
        snprintf(first_failure, sizeof(first_failure), "%d %.*s", call->status,
                 (int)(call->got < 300 ? call->got : 300), call->reply);
    latencies[done++] = time_now_ns() - call->started_ns;
    if (next_number < opt.count)
        start_call(c, call);
    return 0;
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

static void open_connection(struct connection *c)
{
    int one = 1;
    struct sockaddr_in a = {.sin_family = AF_INET, .sin_port = htons((uint16_t)opt.port)};
    nghttp2_session_callbacks *cb;
    inet_pton(AF_INET, opt.host, &a.sin_addr);
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

static void receive(struct connection *c)
{
    static uint8_t in[65536];
    for (;;) {
        ssize_t n = recv(c->fd, in, sizeof(in), 0);
        if (n < 0 && errno == EAGAIN)
            return;
        if (n <= 0)
            die("the server closed a connection");
        if (nghttp2_session_mem_recv(c->session, in, (size_t)n) < 0)
            die("protocol");
    }
}

static void run_loop(long until)
{
    struct epoll_event events[256];
    int64_t end_ns = time_now_ns() + 600 * NS_PER_S;
    while (done < until) {
        int n = epoll_wait(ep, events, 256, 10000);
        if (n == 0 || time_now_ns() > end_ns) {
            fprintf(stderr, "load: no answer for 10 s (%ld of %ld done)\n", done, until);
            exit(1);
        }
        for (int i = 0; i < n; i++)
            receive(events[i].data.ptr);
        for (int i = 0; i < n; i++)
            flush_out(events[i].data.ptr);
    }
}

/* ---- what is measured --------------------------------------------------------------------------------------------- */

static double server_cpu_us(void)
{
    char path[64], text[1024];
    unsigned long user = 0, system = 0;
    snprintf(path, sizeof(path), "/proc/%ld/stat", opt.pid);
    FILE *f = fopen(path, "r");
    size_t n = f ? fread(text, 1, sizeof(text) - 1, f) : 0;
    if (f)
        fclose(f);
    text[n] = 0;
    char *p = strrchr(text, ')');
    if (p)
        sscanf(p, ") %*c %*d %*d %*d %*d %*d %*u %*u %*u %*u %*u %lu %lu", &user, &system);
    return (double)(user + system) * 1e6 / (double)sysconf(_SC_CLK_TCK);
}

static long server_rss_kib(void)
{
    char path[64], line[256];
    long kib = 0;
    snprintf(path, sizeof(path), "/proc/%ld/status", opt.pid);
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
           op->name, opt.connections, opt.streams, done, failed, s, (double)done / s, (double)latencies[done / 2] / 1e6,
           (double)latencies[done * 99 / 100] / 1e6, (double)latencies[done - 1] / 1e6);
    if (opt.pid)
        printf(", \"server_cpu_us\": %.2f, \"server_rss_kib\": %ld", cpu_us / (double)done, server_rss_kib());
    printf("}\n");
    if (failed)
        fprintf(stderr, "load: first failure: %s\n", first_failure);
}

/* One call outside the measurement. */
static void call_once(const struct op *o, char *reply, size_t *n)
{
    static struct call call;
    const struct op *saved = op;
    long count = opt.count;
    op = o;
    opt.count = 0;
    done = 0;
    start_call(&connections[0], &call);
    flush_out(&connections[0]);
    run_loop(1);
    if (failed) {
        fprintf(stderr, "load: %s failed: %s\n", o->path, first_failure);
        exit(1);
    }
    memcpy(reply, call.reply, call.got);
    *n = call.got;
    op = saved;
    opt.count = count;
    done = next_number = 0;
}

static void prepare(void)
{
    static char reply[4096];
    size_t n;
    struct arena mem;
    struct ctx cx;
    void *m;
    if (op->needs_open) {
        snprintf(made.run, sizeof(made.run), "bench-%s-%d", opt.seed, (int)getpid());
        call_once(&ops[4], reply, &n);
    }
    if (!op->needs_run)
        return;
    call_once(&ops[0], reply, &n);
    arena_init(&mem, 0);
    ctx_init(&cx, &mem);
    if (pb_decode(&cx, &WorkflowCreateRunResponse_type, str_make(reply, n), &m) != CODE_OK)
        die("reply of CreateRun");
    str name = ((WorkflowCreateRunResponse *)m)->run->action->id->run->name;
    snprintf(made.run, sizeof(made.run), STR_FMT, STR_ARG(name));
    arena_done(&mem);
}

static void parse(int argc, char **argv)
{
    for (int i = 1; i + 1 < argc; i += 2) {
        char *v = argv[i + 1], *colon;
        if (strcmp(argv[i], "--target") == 0 && (colon = strrchr(v, ':'))) {
            *colon = 0;
            opt.port = (int)strtol(colon + 1, NULL, 10);
            opt.host = strcmp(v, "localhost") == 0 ? "127.0.0.1" : v;
            snprintf(opt.authority, sizeof(opt.authority), "%s:%d", v, opt.port);
        } else if (strcmp(argv[i], "--op") == 0)
            opt.op = v;
        else if (strcmp(argv[i], "--seed") == 0)
            opt.seed = v;
        else if (strcmp(argv[i], "--connections") == 0)
            opt.connections = (int)strtol(v, NULL, 10);
        else if (strcmp(argv[i], "--streams") == 0)
            opt.streams = (int)strtol(v, NULL, 10);
        else if (strcmp(argv[i], "--count") == 0)
            opt.count = strtol(v, NULL, 10);
        else if (strcmp(argv[i], "--pid") == 0)
            opt.pid = strtol(v, NULL, 10);
        else if (strcmp(argv[i], "--run") == 0)
            snprintf(made.run, sizeof(made.run), "%s", v);
    }
    for (size_t i = 0; i < sizeof(ops) / sizeof(*ops); i++)
        if (strcmp(ops[i].name, opt.op) == 0)
            op = &ops[i];
    bool loopback = strncmp(opt.host, "127.", 4) == 0;
    if (!op || !loopback || opt.port <= 0 || opt.connections < 1 || opt.connections > CONNECTIONS_MAX ||
        opt.streams < 1 || opt.count < 1 || opt.count > COUNT_MAX) {
        fprintf(stderr, "usage: load --target 127.0.0.1:PORT --op create|get|list-actions|enqueue|upload "
                        "[--connections N] [--streams N] [--count N] [--pid SERVER] [--seed TEXT] [--run NAME]\n");
        exit(2);
    }
}

int main(int argc, char **argv)
{
    parse(argc, argv);
    ep = epoll_create1(EPOLL_CLOEXEC);
    latencies = calloc((size_t)opt.count + 16, sizeof(*latencies));
    for (int i = 0; i < opt.connections; i++) {
        open_connection(&connections[i]);
        flush_out(&connections[i]);
    }
    if (!made.run[0])
        prepare();
    struct call *calls = calloc((size_t)opt.connections * (size_t)opt.streams, sizeof(*calls));
    double cpu_us = opt.pid ? server_cpu_us() : 0;
    int64_t start_ns = time_now_ns();
    for (int i = 0; i < opt.connections * opt.streams && next_number < opt.count; i++)
        start_call(&connections[i % opt.connections], &calls[i]);
    for (int i = 0; i < opt.connections; i++)
        flush_out(&connections[i]);
    run_loop(opt.count);
    report(time_now_ns() - start_ns, opt.pid ? server_cpu_us() - cpu_us : 0);
    return failed ? 1 : 0;
}

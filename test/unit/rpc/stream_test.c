/* Streams as steps, over HTTP/1.1 with Connect's envelopes: what is parked, woken, pushed back, ended. */
#include "fixture.h"

#include "base/json.h"
#include "base/metric.h"
#include "gen/services.h"
#include "rpc/call_int.h"
#include "rpc/stream.h"

#include <malloc.h>

/* One string field, in both directions. */
typedef GrpcHealthV1HealthCheckRequest Text;
#define TEXT &GrpcHealthV1HealthCheckRequest_type

#define STREAMING "Content-Type: application/connect+json\r\n"
#define FLOOD_MESSAGES 400
#define FLOOD_BYTES 65536

static const struct topic_key topic = {TOPIC_RUNS, 0, 0};
static _Atomic int version, steps, flooded;
static _Atomic bool consume;

/* The tables refer to handlers weakly, and that takes nothing out of an archive. */
static void *volatile const linked[] = {(void *)Health_Check,
                                        (void *)GrpcReflectionV1ServerReflection_ServerReflectionInfo};

/* ---- handlers ---------------------------------------------------------------------------------------------------- */

static enum code say(struct ctx *cx, struct stream *st, str text)
{
    const Text msg = {.service = text};
    return stream_send(cx, st, &msg);
}

/* The version, whenever it is another one; "0" ends. */
static enum code watch(struct ctx *cx, const void *req, struct stream *st)
{
    int *seen = stream_state(st, sizeof(*seen));
    steps++;
    stream_subscribe(cx, st, topic);
    int now = version;
    if (now == *seen)
        return stream_wait(st);
    TRY(say(cx, st, arena_printf(cx->mem, STR_FMT "%d", STR_ARG(((const Text *)req)->service), now)));
    *seen = now;
    return now == 0 ? CODE_OK : stream_wait(st);
}

/* Numbered messages, as fast as the client takes them. */
static enum code flood(struct ctx *cx, const void *req, struct stream *st)
{
    int *sent = stream_state(st, sizeof(*sent));
    char *pad = arena_alloc(cx->mem, FLOOD_BYTES);
    (void)req;
    memset(pad, 'x', FLOOD_BYTES);
    for (; *sent < FLOOD_MESSAGES; ++*sent, flooded++) {
        if (!stream_writable(st))
            return stream_again(st);
        TRY(say(cx, st, arena_printf(cx->mem, "%d:%.*s", *sent, FLOOD_BYTES, pad)));
    }
    return CODE_OK;
}

/* Everything the client sent, joined; only when `consume` says so. */
static enum code collect(struct ctx *cx, const void *none, struct stream *st)
{
    struct collected {
        size_t messages, bytes;
    } *all = stream_state(st, sizeof(*all));
    void *msg;
    (void)none;
    stream_subscribe(cx, st, topic);
    if (!consume)
        return stream_wait(st);
    for (;;) {
        TRY(stream_recv(cx, st, &msg));
        if (!msg)
            break;
        all->messages++;
        all->bytes += ((const Text *)msg)->service.n;
    }
    if (!stream_recv_done(st))
        return stream_wait(st);
    return say(cx, st, arena_printf(cx->mem, "%zu messages, %zu bytes", all->messages, all->bytes));
}

static enum code chat(struct ctx *cx, const void *none, struct stream *st)
{
    void *msg;
    (void)none;
    for (;;) {
        TRY(stream_recv(cx, st, &msg));
        if (!msg)
            return stream_recv_done(st) ? CODE_OK : stream_wait(st);
        str text = ((const Text *)msg)->service;
        if (str_eq(text, STR("fail")))
            return fail(cx, CODE_ABORTED, "as you wish");
        TRY(say(cx, st, arena_printf(cx->mem, "echo " STR_FMT, STR_ARG(text))));
    }
}

/* Three messages, each at a time of its own; the state keeps a text in the stream's memory. */
static enum code tick(struct ctx *cx, const void *req, struct stream *st)
{
    struct ticks {
        int n;
        int64_t due_ns;
        str text;
    } *t = stream_state(st, sizeof(*t));
    (void)req;
    if (!t->due_ns) {
        t->text = arena_str(stream_mem(st), STR("tick"));
        t->due_ns = time_now_ns() + 5 * NS_PER_MS;
    }
    while (t->n < 3) {
        if (time_now_ns() < t->due_ns)
            return stream_wait_until(st, t->due_ns);
        TRY(say(cx, st, t->text));
        t->n++;
        t->due_ns += 5 * NS_PER_MS;
    }
    return CODE_OK;
}

/* How often it was woken. */
static enum code count(struct ctx *cx, const void *req, struct stream *st)
{
    int *n = stream_state(st, sizeof(*n));
    (void)req;
    stream_subscribe(cx, st, topic);
    TRY(say(cx, st, arena_printf(cx->mem, "%d", ++*n)));
    return stream_wait(st);
}

/* Says what it said before and one more letter; the text is in the stream's memory from the second step on. */
static enum code remember(struct ctx *cx, const void *req, struct stream *st)
{
    struct memory {
        int n;
        char *text;
    } *m = stream_state(st, sizeof(*m));
    stream_subscribe(cx, st, topic);
    if (m->n++ == 0) {
        TRY(say(cx, st, ((const Text *)req)->service));
        return stream_wait(st);
    }
    str old = m->text ? str_from(m->text) : ((const Text *)req)->service;
    m->text = arena_cstr(stream_mem(st), arena_concat(cx->mem, old, STR("x")));
    TRY(say(cx, st, str_from(m->text)));
    return stream_wait(st);
}

#define METHOD(n, c, s, f)                                                                                             \
    {                                                                                                                  \
        .service = "t.S", .name = n, .path = "/t.S/" n, .input = TEXT, .output = TEXT, .client_stream = c,             \
        .server_stream = s, .stream = f, .no_side_effects = true                                                       \
    }
static const struct pb_method methods[] = {
    METHOD("Chat", true, true, chat),    METHOD("Collect", true, false, collect),
    METHOD("Count", false, true, count), METHOD("Flood", false, true, flood),
    METHOD("Tick", false, true, tick),   METHOD("Remember", false, true, remember),
    METHOD("Watch", false, true, watch),
};
#define METHODS .methods = methods, .method_count = sizeof(methods) / sizeof(*methods)

/* ---- helpers ----------------------------------------------------------------------------------------------------- */

static str text_json(struct fixture *f, const char *text)
{
    return fixture_envelope(f, 0, arena_printf(&f->mem, "{\"service\":\"%s\"}", text));
}

struct frame {
    int flags;
    str payload;
};

/* The next envelope; chunks and envelopes need not agree. */
static struct frame next_frame(struct client *c, buf *body)
{
    struct frame fr;
    for (;;) {
        str v = buf_view(body);
        if (v.n >= 5) {
            const unsigned char *p = (const unsigned char *)v.p;
            size_t n = (size_t)p[1] << 24 | (size_t)p[2] << 16 | (size_t)p[3] << 8 | p[4];
            if (v.n >= 5 + n) {
                fr = (struct frame){p[0], arena_str(&c->f->mem, str_make(v.p + 5, n))};
                buf_consume(body, 5 + n);
                return fr;
            }
        }
        str piece = client_chunk(c);
        assert_true(piece.n > 0);
        buf_str(body, piece);
    }
}

struct stream_client {
    struct client c;
    buf body;
};

static void open_stream(struct stream_client *s, struct fixture *f, const char *path, const char *headers, str body)
{
    client_open(&s->c, f);
    buf_init(&s->body, (size_t)64 << 20);
    client_request(&s->c, "POST", path, headers, body);
}

static void expect_head(struct stream_client *s)
{
    struct answer a = client_head(&s->c);
    assert_int_equal(a.status, 200);
    assert_str_equal(answer_header(&a, "content-type"), "application/connect+json");
}

static str take_text(struct stream_client *s)
{
    struct json *j;
    struct frame fr = next_frame(&s->c, &s->body);
    assert_int_equal(fr.flags, 0);
    assert_ok(&s->c.f->cx, json_parse(&s->c.f->cx, fr.payload, &j));
    return json_text(json_get(j, STR("service")), STR_NONE);
}

/* The end of the stream: the code of its error, empty = none. */
static str take_end(struct stream_client *s)
{
    struct json *j;
    struct frame fr = next_frame(&s->c, &s->body);
    if (fr.flags != 2)
        fail_msg("no end but \"" STR_FMT "\"", STR_ARG(fr.payload));
    assert_ok(&s->c.f->cx, json_parse(&s->c.f->cx, fr.payload, &j));
    assert_int_equal(client_chunk(&s->c).n, 0);
    return json_text(json_path(j, STR("error.code")), STR(""));
}

static void close_stream(struct stream_client *s)
{
    client_close(&s->c);
    buf_done(&s->body);
}

static void await_open_streams(int64_t n)
{
    for (int i = 0; i < PATIENCE_S * 1000 && metric_get(METRIC_streams_open) != n; i++)
        usleep(1000);
    assert_int_equal(metric_get(METRIC_streams_open), n);
}

/* ---- tests ------------------------------------------------------------------------------------------------------- */

static void a_watch_tells_each_change_once(void **state)
{
    struct fixture f;
    struct stream_client s;
    (void)state;
    fixture_start(&f, &(struct rpc_config){METHODS});
    version = 1;
    open_stream(&s, &f, "/t.S/Watch", STREAMING, text_json(&f, "v"));
    expect_head(&s);
    assert_str_equal(take_text(&s), "v1");
    for (int v = 2; v < 20; v++) {
        topic_fire(f.topics, topic); /* nothing has changed: nothing is sent */
        version = v;
        topic_fire(f.topics, topic);
        str got = take_text(&s);
        while (!str_eq(got, arena_printf(&f.mem, "v%d", v)))
            fail_msg("\"" STR_FMT "\" when the version is %d", STR_ARG(got), v);
    }
    version = 0;
    topic_fire(f.topics, topic);
    assert_str_equal(take_text(&s), "v0");
    assert_str_equal(take_end(&s), "");
    close_stream(&s);
    fixture_stop(&f);
}

/* The head is there before the first message: clients wait for it. */
static void a_parked_stream_has_sent_its_head(void **state)
{
    struct fixture f;
    struct stream_client s;
    (void)state;
    fixture_start(&f, &(struct rpc_config){METHODS});
    version = 0;
    open_stream(&s, &f, "/t.S/Watch", STREAMING, text_json(&f, ""));
    expect_head(&s);
    await_open_streams(1);
    close_stream(&s);
    await_open_streams(0);
    int before = steps;
    topic_fire(f.topics, topic); /* nobody is subscribed any more */
    version = 1;
    open_stream(&s, &f, "/t.S/Watch", STREAMING, text_json(&f, ""));
    expect_head(&s);
    assert_str_equal(take_text(&s), "1");
    assert_int_equal(steps, before + 1);
    close_stream(&s);
    fixture_stop(&f);
}

static void a_deadline_ends_a_parked_stream(void **state)
{
    struct fixture f;
    struct stream_client s;
    (void)state;
    fixture_start(&f, &(struct rpc_config){METHODS});
    version = 3;
    open_stream(&s, &f, "/t.S/Watch", STREAMING "Connect-Timeout-Ms: 50\r\n", text_json(&f, ""));
    expect_head(&s);
    assert_str_equal(take_text(&s), "3");
    assert_str_equal(take_end(&s), "deadline_exceeded");
    await_open_streams(0);
    close_stream(&s);
    fixture_stop(&f);
}

static void draining_ends_parked_streams(void **state)
{
    struct fixture f;
    struct stream_client s[20];
    (void)state;
    fixture_start(&f, &(struct rpc_config){METHODS});
    version = 4;
    for (int i = 0; i < 20; i++) {
        open_stream(&s[i], &f, "/t.S/Watch", STREAMING, text_json(&f, ""));
        expect_head(&s[i]);
        assert_str_equal(take_text(&s[i]), "4");
    }
    assert_true(rpc_drain(f.rpc, PATIENCE_S * NS_PER_S));
    for (int i = 0; i < 20; i++) {
        assert_str_equal(take_end(&s[i]), "unavailable");
        close_stream(&s[i]);
    }
    fixture_stop(&f);
}

/* ---- shared steps ------------------------------------------------------------------------------------------------ */

static struct loop_post hold;
static _Atomic bool let_go;
static struct rpc_loop *loops_rpc;

static void hold_loop(struct loop_post *post)
{
    (void)post;
    while (!let_go)
        usleep(100);
}

/* Fires so that all watchers learn of it in one round of the loop. */
static void fire_at_once(struct fixture *f)
{
    let_go = false;
    hold.fn = hold_loop;
    loop_post(f->rpc->loops[0].loop, &hold);
    usleep(1000); /* whether it holds already or not, the firings wait behind it */
    topic_fire(f->topics, topic);
    let_go = true;
}

static void equal_watchers_share_a_step(void **state)
{
    enum { N = 600, OTHERS = 5 }; /* more than are served in one round */
    struct fixture f;
    static struct stream_client s[N + OTHERS];
    (void)state;
    fixture_start(&f, &(struct rpc_config){METHODS});
    version = 1;
    for (int i = 0; i < N + OTHERS; i++) {
        open_stream(&s[i], &f, "/t.S/Watch", STREAMING, text_json(&f, i < N ? "v" : "w"));
        expect_head(&s[i]);
        assert_str_equal(take_text(&s[i]), i < N ? "v1" : "w1");
    }
    for (int v = 2; v < 5; v++) {
        int before = steps;
        version = v;
        fire_at_once(&f);
        for (int i = 0; i < N + OTHERS; i++)
            assert_str_equal(take_text(&s[i]), arena_printf(&f.mem, "%c%d", i < N ? 'v' : 'w', v).p);
        assert_int_equal(steps, before + 2); /* one for each request */
    }
    for (int i = 0; i < N; i += 2) /* some leave, the leader perhaps among them */
        close_stream(&s[i]);
    version = 5;
    fire_at_once(&f);
    for (int i = 1; i < N; i += 2)
        assert_str_equal(take_text(&s[i]), "v5");
    version = 0; /* the handler ends them */
    fire_at_once(&f);
    for (int i = 1; i < N; i += 2) {
        assert_str_equal(take_text(&s[i]), "v0");
        assert_str_equal(take_end(&s[i]), "");
        close_stream(&s[i]);
    }
    for (int i = N; i < N + OTHERS; i++)
        close_stream(&s[i]);
    await_open_streams(0);
    fixture_stop(&f);
}

/* Watchers that are not at the same place do not get each other's frames. */
static void watchers_at_different_places_do_not_share(void **state)
{
    struct fixture f;
    struct stream_client early, late;
    (void)state;
    fixture_start(&f, &(struct rpc_config){METHODS});
    version = 1;
    open_stream(&early, &f, "/t.S/Count", STREAMING, text_json(&f, ""));
    expect_head(&early);
    assert_str_equal(take_text(&early), "1");
    fire_at_once(&f);
    assert_str_equal(take_text(&early), "2");
    open_stream(&late, &f, "/t.S/Count", STREAMING, text_json(&f, ""));
    expect_head(&late);
    assert_str_equal(take_text(&late), "1");
    for (int i = 2; i < 10; i++) {
        fire_at_once(&f);
        assert_str_equal(take_text(&early), arena_printf(&f.mem, "%d", i + 1).p);
        assert_str_equal(take_text(&late), arena_printf(&f.mem, "%d", i).p);
    }
    close_stream(&early);
    close_stream(&late);
    fixture_stop(&f);
}

/* A state that points into the stream's own memory stays its own. */
static void private_states_are_not_shared(void **state)
{
    enum { N = 20 };
    struct fixture f;
    struct stream_client s[N];
    (void)state;
    fixture_start(&f, &(struct rpc_config){METHODS});
    version = 1;
    for (int i = 0; i < N; i++) {
        open_stream(&s[i], &f, "/t.S/Remember", STREAMING, text_json(&f, "r"));
        expect_head(&s[i]);
        assert_str_equal(take_text(&s[i]), "r");
    }
    for (int round = 0; round < 3; round++) {
        fire_at_once(&f);
        for (int i = 0; i < N; i++)
            assert_str_equal(take_text(&s[i]), arena_printf(&f.mem, "r%.*s", round + 1, "xxx").p);
    }
    for (int i = 0; i < N; i++)
        close_stream(&s[i]);
    await_open_streams(0);
    fixture_stop(&f);
}

static void sweep(struct loop_post *post)
{
    (void)post;
    stream_sweep(loops_rpc);
}

/* A change that no topic told is found. */
static void a_sweep_wakes_every_stream(void **state)
{
    enum { N = 600 };
    struct fixture f;
    static struct stream_client s[N];
    static struct loop_post post = {.fn = sweep};
    (void)state;
    fixture_start(&f, &(struct rpc_config){METHODS});
    version = 1;
    for (int i = 0; i < N; i++) {
        open_stream(&s[i], &f, "/t.S/Watch", STREAMING, text_json(&f, "v"));
        expect_head(&s[i]);
        assert_str_equal(take_text(&s[i]), "v1");
    }
    loops_rpc = &f.rpc->loops[0];
    for (int v = 2; v < 4; v++) {
        version = v;
        loop_post(loops_rpc->loop, &post);
        for (int i = 0; i < N; i++)
            assert_str_equal(take_text(&s[i]), v == 2 ? "v2" : "v3");
    }
    for (int i = 0; i < N; i++)
        close_stream(&s[i]);
    await_open_streams(0);
    fixture_stop(&f);
}

static void timers_wake_a_stream(void **state)
{
    struct fixture f;
    struct stream_client s;
    (void)state;
    fixture_start(&f, &(struct rpc_config){METHODS});
    open_stream(&s, &f, "/t.S/Tick", STREAMING, text_json(&f, ""));
    expect_head(&s);
    for (int i = 0; i < 3; i++)
        assert_str_equal(take_text(&s), "tick");
    assert_str_equal(take_end(&s), "");
    close_stream(&s);
    fixture_stop(&f);
}

/* A client that does not read holds back the handler, not the server; then it gets everything in order. */
static void a_slow_reader_is_pushed_back_and_misses_nothing(void **state)
{
    struct fixture f;
    struct stream_client slow, other;
    (void)state;
    fixture_start(&f, &(struct rpc_config){METHODS});
    flooded = 0;
    open_stream(&slow, &f, "/t.S/Flood", STREAMING, text_json(&f, ""));
    version = 0;
    for (int i = 0; i < 200; i++) {
        open_stream(&other, &f, "/t.S/Watch", STREAMING "Connect-Timeout-Ms: 1\r\n", text_json(&f, ""));
        client_head(&other.c);
        assert_str_equal(take_end(&other), "deadline_exceeded");
        close_stream(&other);
    }
    assert_true(flooded < FLOOD_MESSAGES); /* what the sockets hold, and one mark */
    expect_head(&slow);
    for (int i = 0; i < FLOOD_MESSAGES; i++) {
        char want[16];
        snprintf(want, sizeof(want), "%d:", i);
        assert_true(str_starts(take_text(&slow), str_from(want)));
    }
    assert_str_equal(take_end(&slow), "");
    assert_int_equal(flooded, FLOOD_MESSAGES);
    close_stream(&slow);
    fixture_stop(&f);
}

static void send_chunk(struct client *c, str bytes)
{
    client_send(c, arena_printf(&c->f->mem, "%zx\r\n", bytes.n));
    client_send(c, bytes);
    client_send(c, STR("\r\n"));
}

static void open_chunked(struct stream_client *s, struct fixture *f, const char *path)
{
    client_open(&s->c, f);
    buf_init(&s->body, (size_t)64 << 20);
    client_send(&s->c, arena_printf(&f->mem,
                                    "POST %s HTTP/1.1\r\nHost: localhost:%u\r\n" STREAMING
                                    "Transfer-Encoding: chunked\r\n\r\n",
                                    path, http_server_port(f->http)));
}

static void a_client_stream_is_read_to_its_end(void **state)
{
    struct fixture f;
    struct stream_client s;
    (void)state;
    fixture_start(&f, &(struct rpc_config){METHODS});
    consume = true;
    open_chunked(&s, &f, "/t.S/Collect");
    str three = arena_concat(&f.mem, text_json(&f, "a"), arena_concat(&f.mem, text_json(&f, ""), text_json(&f, "ccc")));
    for (size_t i = 0; i < three.n; i++) /* a byte at a time */
        send_chunk(&s.c, str_make(three.p + i, 1));
    send_chunk(&s.c, fixture_envelope(&f, 0, STR(""))); /* an empty message */
    client_send(&s.c, STR("0\r\n\r\n"));
    expect_head(&s);
    assert_str_equal(take_text(&s), "4 messages, 4 bytes");
    assert_str_equal(take_end(&s), "");
    close_stream(&s);
    fixture_stop(&f);
}

/* A handler that does not take messages makes the server stop reading. */
static void a_fast_sender_is_paused(void **state)
{
    struct fixture f;
    struct stream_client s;
    char *pad;
    (void)state;
    fixture_start(&f, &(struct rpc_config){METHODS});
    pad = arena_alloc(&f.mem, 100001);
    memset(pad, 'y', 100000);
    consume = false;
    open_chunked(&s, &f, "/t.S/Collect");
    str message = text_json(&f, pad);
    int sent = 0;
    for (; sent < 200; sent++) { /* 20 MB, but the sockets fill up before */
        str chunk = arena_printf(&f.mem, "%zx\r\n" STR_FMT, message.n, 0, "");
        buf all;
        buf_init_arena(&all, &f.mem, 200000);
        buf_str(&all, chunk);
        buf_str(&all, message);
        buf_str(&all, STR("\r\n"));
        if (send(s.c.fd, all.p, all.n, MSG_DONTWAIT) != (ssize_t)all.n)
            break;
    }
    assert_true(sent < 200);
    int64_t held = f.rpc->inflight_bytes;
    assert_true(held < 1000000);
    consume = true;
    topic_fire(f.topics, topic);
    for (int i = 0; f.rpc->inflight_bytes >= held && held > 0 && i < PATIENCE_S * 1000; i++)
        usleep(1000);
    assert_true(f.rpc->inflight_bytes < held || held == 0);
    close_stream(&s);
    for (int i = 0; f.rpc->inflight_bytes && i < PATIENCE_S * 1000; i++)
        usleep(1000);
    assert_int_equal(f.rpc->inflight_bytes, 0);
    fixture_stop(&f);
}

static void both_sides_talk_at_once(void **state)
{
    struct fixture f;
    struct stream_client s;
    (void)state;
    fixture_start(&f, &(struct rpc_config){METHODS});
    open_chunked(&s, &f, "/t.S/Chat");
    for (int i = 0; i < 20; i++) {
        char text[16], want[32];
        snprintf(text, sizeof(text), "m%d", i);
        snprintf(want, sizeof(want), "echo m%d", i);
        send_chunk(&s.c, text_json(&f, text));
        if (i == 0)
            expect_head(&s);
        assert_str_equal(take_text(&s), want);
    }
    send_chunk(&s.c, text_json(&f, "fail"));
    assert_str_equal(take_end(&s), "aborted");
    close_stream(&s);
    fixture_stop(&f);
}

static void malformed_streams_are_refused(void **state)
{
    struct fixture f;
    (void)state;
    fixture_start(&f, &(struct rpc_config){METHODS, .message_max = 100});
    char *much = arena_alloc(&f.mem, 101);
    memset(much, ' ', 101);
    const struct {
        str body;
        const char *code;
    } cases[] = {
        {STR(""), "unimplemented"},
        {arena_concat(&f.mem, text_json(&f, ""), text_json(&f, "")), "unimplemented"},
        {fixture_envelope(&f, 1, STR("{}")), "internal"}, /* compressed, but no compression was named */
        {fixture_envelope(&f, 2, STR("{}")), "invalid_argument"},
        {fixture_envelope(&f, 0x80, STR("{}")), "invalid_argument"},
        {fixture_envelope(&f, 0, STR("{")), "invalid_argument"},
        {STR("\0\0\0"), "invalid_argument"},
        {STR("\0\0\0\0\5{}"), "invalid_argument"},
        {fixture_envelope(&f, 0, str_make(much, 101)), "resource_exhausted"},
        {STR("\0\xff\xff\xff\xff{}"), "resource_exhausted"},
    };
    version = 1;
    for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
        struct stream_client s;
        open_stream(&s, &f, "/t.S/Watch", STREAMING, cases[i].body);
        expect_head(&s);
        str code = take_end(&s);
        if (!str_eq(code, str_from(cases[i].code)))
            fail_msg("case %zu: " STR_FMT ", not %s", i, STR_ARG(code), cases[i].code);
        close_stream(&s);
    }
    struct answer a = fixture_call(&f, "POST", "/t.S/Watch", "Content-Type: application/json\r\n", STR("{}"));
    assert_int_equal(a.status, 415); /* a unary content type for a stream */
    await_open_streams(0);
    fixture_stop(&f);
}

/* The SDK parks a connection for each stream. All of it, with the connection and what malloc adds. */
static void a_parked_stream_is_small(void **state)
{
    enum { N = 200 };
    struct fixture f;
    static struct stream_client s[N + 20];
    (void)state;
    fixture_start(&f, &(struct rpc_config){METHODS});
    version = 0;
    struct mallinfo2 before = {0};
    for (int i = 0; i < N + 20; i++) {
        if (i == 20) /* pools are filled by now */
            before = mallinfo2();
        open_stream(&s[i], &f, "/t.S/Watch", STREAMING "X-Request-Id: 5f0b3a3e-8a55-4e0c-9b1f-0123456789ab\r\n",
                    text_json(&f, "0123456789012345678901234567890123456789"));
        expect_head(&s[i]);
        buf_done(&s[i].c.in);
        arena_reset(&f.mem); /* the client's own */
    }
    await_open_streams(N + 20);
    struct mallinfo2 after = mallinfo2();
    size_t each = (after.uordblks - before.uordblks) / N;
    print_message("%zu bytes for a parked stream with its connection\n", each);
    assert_true(each < 1500);
    for (int i = 0; i < N + 20; i++)
        close_stream(&s[i]);
    await_open_streams(0);
    fixture_stop(&f);
}

static void reflection_tells_the_services(void **state)
{
    struct fixture f;
    struct stream_client s;
    struct json *j;
    (void)state;
    assert_non_null(linked[0]);
    fixture_start(&f, &(struct rpc_config){0});
    static const char *const paths[] = {"/grpc.reflection.v1.ServerReflection/ServerReflectionInfo",
                                        "/grpc.reflection.v1alpha.ServerReflection/ServerReflectionInfo"};
    for (size_t i = 0; i < 2; i++) {
        str ask = arena_concat(&f.mem, fixture_envelope(&f, 0, STR("{\"listServices\":\"\"}")),
                               fixture_envelope(&f, 0, STR("{\"fileContainingSymbol\":\"no.such.Thing\"}")));
        ask = arena_concat(&f.mem, ask,
                           fixture_envelope(&f, 0, STR("{\"fileContainingSymbol\":\"grpc.health.v1.Health\"}")));
        open_stream(&s, &f, paths[i], STREAMING, ask);
        expect_head(&s);
        struct frame fr = next_frame(&s.c, &s.body);
        assert_int_not_equal(str_find(fr.payload, STR("{\"name\":\"flyteidl2.workflow.RunService\"}")), SIZE_MAX);
        fr = next_frame(&s.c, &s.body);
        assert_ok(&f.cx, json_parse(&f.cx, fr.payload, &j));
        assert_int_equal(json_i64(json_path(j, STR("errorResponse.errorCode")), 0), 5);
        fr = next_frame(&s.c, &s.body);
        assert_ok(&f.cx, json_parse(&f.cx, fr.payload, &j));
        assert_non_null(json_path(j, STR("fileDescriptorResponse.fileDescriptorProto"))->first);
        assert_str_equal(take_end(&s), "");
        close_stream(&s);
    }
    fixture_stop(&f);
}

static void health_is_serving(void **state)
{
    struct fixture f;
    struct stream_client s;
    (void)state;
    fixture_start(&f, &(struct rpc_config){0});
    struct answer a = fixture_call(&f, "POST", "/grpc.health.v1.Health/Check", "Content-Type: application/json\r\n",
                                   STR("{\"service\":\"flyteidl2.workflow.RunService\"}"));
    assert_str_equal(a.body, "{\"status\":\"SERVING\"}");
    a = fixture_call(&f, "POST", "/grpc.health.v1.Health/Check", "Content-Type: application/json\r\n",
                     STR("{\"service\":\"no.such\"}"));
    assert_int_equal(a.status, 404);
    open_stream(&s, &f, "/grpc.health.v1.Health/Watch", STREAMING, fixture_envelope(&f, 0, STR("{}")));
    expect_head(&s);
    struct frame fr = next_frame(&s.c, &s.body);
    assert_str_equal(fr.payload, "{\"status\":\"SERVING\"}");
    close_stream(&s);
    fixture_stop(&f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_watch_tells_each_change_once),
        cmocka_unit_test(a_parked_stream_has_sent_its_head),
        cmocka_unit_test(a_deadline_ends_a_parked_stream),
        cmocka_unit_test(draining_ends_parked_streams),
        cmocka_unit_test(equal_watchers_share_a_step),
        cmocka_unit_test(watchers_at_different_places_do_not_share),
        cmocka_unit_test(private_states_are_not_shared),
        cmocka_unit_test(a_sweep_wakes_every_stream),
        cmocka_unit_test(timers_wake_a_stream),
        cmocka_unit_test(a_slow_reader_is_pushed_back_and_misses_nothing),
        cmocka_unit_test(a_client_stream_is_read_to_its_end),
        cmocka_unit_test(a_fast_sender_is_paused),
        cmocka_unit_test(both_sides_talk_at_once),
        cmocka_unit_test(malformed_streams_are_refused),
        cmocka_unit_test(a_parked_stream_is_small),
        cmocka_unit_test(reflection_tells_the_services),
        cmocka_unit_test(health_is_serving),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

/* The server's life: addresses, ports, refusals, stopping with connections in every state while others arrive. */
#include "net/http_server.c"

#include "net/echo.h"
#include "unit.h"

struct fixture {
    struct arena mem;
    struct ctx cx;
    struct echo echo;
};

static int set_up_fixture(void **state)
{
    struct fixture *f = calloc(1, sizeof(*f));
    arena_init(&f->mem, 0);
    ctx_init(&f->cx, &f->mem);
    echo_init(&f->echo);
    *state = f;
    return 0;
}

static int tear_down_fixture(void **state)
{
    struct fixture *f = *state;
    arena_done(&f->mem);
    free(f);
    return 0;
}

static enum code start(struct fixture *f, const char *listen, int loops, struct http_server **out)
{
    struct http_server_config cfg = {.listen = str_from(listen), .loops = loops, .service = &f->echo.service};
    return http_server_start(&f->cx, &cfg, out);
}

/* A connected socket, or -1. */
static int dial(const char *host, uint16_t port)
{
    struct sockaddr_in v4 = {.sin_family = AF_INET, .sin_port = htons(port)};
    struct sockaddr_in6 v6 = {.sin6_family = AF_INET6, .sin6_port = htons(port)};
    bool is_v4 = inet_pton(AF_INET, host, &v4.sin_addr) == 1;
    if (!is_v4)
        assert_int_equal(inet_pton(AF_INET6, host, &v6.sin6_addr), 1);
    int fd = socket(is_v4 ? AF_INET : AF_INET6, SOCK_STREAM | SOCK_CLOEXEC, 0);
    int rc = is_v4 ? connect(fd, (struct sockaddr *)&v4, sizeof(v4)) : connect(fd, (struct sockaddr *)&v6, sizeof(v6));
    if (rc == 0)
        return fd;
    close(fd);
    return -1;
}

static void say(int fd, const char *text)
{
    assert_int_equal(send(fd, text, strlen(text), MSG_NOSIGNAL), strlen(text));
}

/* What comes until `until` is seen or the peer closes. */
static str hear(struct fixture *f, int fd, const char *until)
{
    buf b;
    char part[1000];
    buf_init_arena(&b, &f->mem, 1 << 20);
    while (str_find(buf_view(&b), str_from(until)) == SIZE_MAX) {
        ssize_t n = recv(fd, part, sizeof(part), 0);
        if (n <= 0)
            break;
        buf_add(&b, part, (size_t)n);
    }
    return buf_view(&b);
}

#define HELLO "GET /hello HTTP/1.1\r\nHost: h\r\n\r\n"

static void test_localhost_is_both_addresses_on_one_port(void **state)
{
    struct fixture *f = *state;
    struct http_server *s;
    assert_ok(&f->cx, start(f, "localhost:0", 2, &s));
    assert_true(http_server_port(s) > 0);
    static const char *const hosts[] = {"127.0.0.1", "::1"};
    for (int i = 0; i < 2; i++) {
        int fd = dial(hosts[i], http_server_port(s));
        assert_true(fd >= 0);
        say(fd, HELLO);
        assert_true(str_ends(hear(f, fd, "hello\n"), STR("\r\n\r\nhello\n")));
        close(fd);
    }
    http_server_stop(s, 0);
    assert_int_equal(f->echo.opened, 2);
    assert_int_equal(f->echo.closed, 2);
}

static void test_a_named_port_is_used_and_free_again(void **state)
{
    struct fixture *f = *state;
    struct http_server *s, *other;
    char listen[32];
    assert_ok(&f->cx, start(f, "127.0.0.1:0", 1, &s));
    snprintf(listen, sizeof(listen), "127.0.0.1:%u", http_server_port(s));
    assert_code(&f->cx, start(f, listen, 1, &other), CODE_FAILED_PRECONDITION);
    int fd = dial("127.0.0.1", http_server_port(s));
    say(fd, HELLO);
    hear(f, fd, "hello\n");
    http_server_stop(s, 0);
    close(fd);
    assert_ok(&f->cx, start(f, listen, 1, &other)); /* although a connection has just been closed by us */
    snprintf(listen, sizeof(listen), "localhost:%u", http_server_port(other));
    assert_code(&f->cx, start(f, listen, 1, &s), CODE_FAILED_PRECONDITION);
    http_server_stop(other, 0);
}

static void test_addresses_that_are_none(void **state)
{
    struct fixture *f = *state;
    struct http_server *s;
    static const char *const bad[] = {"",        "localhost",     ":80",   "localhost:",   "localhost:x",
                                      "h:-1",    "h:65536",       "[::1]", "256.1.1.1:80", "no such host:80",
                                      "a..b:80", "127.0.0.1:080x"};
    for (size_t i = 0; i < sizeof(bad) / sizeof(*bad); i++)
        assert_code(&f->cx, start(f, bad[i], 1, &s), CODE_INVALID_ARGUMENT);
    assert_code(&f->cx, start(f, "192.0.2.1:0", 1, &s), CODE_INTERNAL); /* not an address of this machine */
}

static void test_bracketed_v6(void **state)
{
    struct fixture *f = *state;
    struct http_server *s;
    assert_ok(&f->cx, start(f, "[::1]:0", 1, &s));
    int fd = dial("::1", http_server_port(s));
    assert_true(fd >= 0);
    close(fd);
    assert_int_equal(dial("127.0.0.1", http_server_port(s)), -1);
    http_server_stop(s, 0);
}

/* Connects for as long as somebody listens. */
static void *knock(void *arg)
{
    uint16_t port = *(uint16_t *)arg;
    for (int fd; (fd = dial("127.0.0.1", port)) >= 0; close(fd))
        (void)!send(fd, HELLO, strlen(HELLO), MSG_NOSIGNAL);
    return NULL;
}

static void test_stopping_closes_each_exchange_once(void **state)
{
    struct fixture *f = *state;
    for (int round = 0; round < 5; round++) {
        struct http_server *s;
        pthread_t t[2];
        int fds[40];
        assert_ok(&f->cx, start(f, "127.0.0.1:0", 3, &s));
        uint16_t port = http_server_port(s);
        for (int i = 0; i < 2; i++)
            pthread_create(&t[i], NULL, knock, &port);
        for (int i = 0; i < 40; i++) {
            fds[i] = dial("127.0.0.1", port);
            say(fds[i], i % 4 == 0   ? "GET /park HTTP/1.1\r\nHost: h\r\n\r\n"
                        : i % 4 == 1 ? "POST /unary HTTP/1.1\r\nHost: h\r\nContent-Length: 5\r\n\r\nabc"
                        : i % 4 == 2 ? "GET /he"
                                     : HELLO);
            if (i % 4 == 0)
                hear(f, fds[i], "first");
        }
        http_server_stop(s, round * 5 * NS_PER_MS);
        for (int i = 0; i < 2; i++)
            pthread_join(t[i], NULL);
        for (int i = 0; i < 40; i++)
            close(fds[i]);
        assert_int_equal(f->echo.opened, f->echo.closed);
        assert_true(f->echo.opened >= 10 * (round + 1));
    }
}

/* One request waits for another thread, which answers after the stop has begun. */
static void *stop_slowly(void *arg)
{
    http_server_stop(arg, 30 * NS_PER_S);
    return NULL;
}

static void test_the_grace_lets_exchanges_end(void **state)
{
    struct fixture *f = *state;
    struct http_server *s;
    pthread_t t;
    assert_ok(&f->cx, start(f, "127.0.0.1:0", 1, &s));
    uint16_t port = http_server_port(s);
    int busy = dial("127.0.0.1", port), idle = dial("127.0.0.1", port);
    say(idle, HELLO);
    hear(f, idle, "hello\n");
    say(busy, "POST /unary HTTP/1.1\r\nHost: h\r\nContent-Length: 5\r\n\r\nabc");
    while (atomic_load(&f->echo.opened) < 2)
        usleep(1000);
    pthread_create(&t, NULL, stop_slowly, s);
    assert_str_equal(hear(f, idle, "nothing"), ""); /* closed at once */
    assert_int_equal(dial("127.0.0.1", port), -1);
    say(busy, "de");
    str answer = hear(f, busy, "abcde");
    assert_true(str_ends(answer, STR("abcde")));
    assert_true(str_find(answer, STR("connection: close")) != SIZE_MAX);
    assert_str_equal(hear(f, busy, "nothing"), "");
    close(busy);
    close(idle);
    pthread_join(t, NULL); /* long before the grace is over */
    assert_int_equal(f->echo.completed, 2);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_localhost_is_both_addresses_on_one_port, set_up_fixture,
                                        tear_down_fixture),
        cmocka_unit_test_setup_teardown(test_a_named_port_is_used_and_free_again, set_up_fixture, tear_down_fixture),
        cmocka_unit_test_setup_teardown(test_addresses_that_are_none, set_up_fixture, tear_down_fixture),
        cmocka_unit_test_setup_teardown(test_bracketed_v6, set_up_fixture, tear_down_fixture),
        cmocka_unit_test_setup_teardown(test_stopping_closes_each_exchange_once, set_up_fixture, tear_down_fixture),
        cmocka_unit_test_setup_teardown(test_the_grace_lets_exchanges_end, set_up_fixture, tear_down_fixture),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

/* The account behind a loopback connection: by netlink and by /proc, for sockets that are open, and that are closed. */
#include "net/peer.c"

#include "base/mem.h"
#include "unit.h"

#include <sys/wait.h>

struct link {
    int listener, client, server;
    union address peer, ours;
};

static void find(int fd, struct peer *p)
{
    int source = peer_source();
    peer_find(source, fd, p);
    close(source);
}

static bool find_by_netlink(const struct link *l, uint32_t *uid)
{
    int source = peer_source();
    bool found = uid_by_netlink(source, &l->peer, &l->ours, uid);
    close(source);
    return found;
}

static void open_link(struct link *l, int family, int client_family)
{
    union address a = {.any.sa_family = (sa_family_t)family};
    socklen_t n = family == AF_INET ? sizeof(a.v4) : sizeof(a.v6);
    if (family == AF_INET)
        a.v4.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    else
        a.v6.sin6_addr = in6addr_loopback;
    l->listener = socket(family, SOCK_STREAM, 0);
    assert_int_equal(bind(l->listener, &a.any, n), 0);
    assert_int_equal(listen(l->listener, 1), 0);
    assert_int_equal(getsockname(l->listener, &a.any, &n), 0);
    if (family == AF_INET && client_family == AF_INET6) { /* ::ffff:127.0.0.1 */
        union address mapped = {.v6 = {.sin6_family = AF_INET6, .sin6_port = a.v4.sin_port}};
        uint32_t words[4] = {0, 0, htonl(0xffff), htonl(INADDR_LOOPBACK)};
        memcpy(&mapped.v6.sin6_addr, words, 16);
        a = mapped;
        n = sizeof(a.v6);
    }
    l->client = socket(client_family, SOCK_STREAM, 0);
    assert_int_equal(connect(l->client, &a.any, n), 0);
    l->server = accept(l->listener, NULL, NULL);
    assert_true(l->server >= 0);
    n = sizeof(l->peer);
    assert_int_equal(getpeername(l->server, &l->peer.any, &n), 0);
    n = sizeof(l->ours);
    assert_int_equal(getsockname(l->server, &l->ours.any, &n), 0);
}

static void close_link(struct link *l)
{
    close(l->listener);
    close(l->server);
    if (l->client >= 0)
        close(l->client);
}

static const int families[][2] = {{AF_INET, AF_INET}, {AF_INET6, AF_INET6}, {AF_INET, AF_INET6}};

static void test_both_ways_find_the_account(void **state)
{
    (void)state;
    for (int i = 0; i < 3; i++) {
        struct link l;
        struct peer p = {0};
        uint32_t uid = 12345;
        open_link(&l, families[i][0], families[i][1]);
        assert_true(find_by_netlink(&l, &uid));
        assert_int_equal(uid, getuid());
        assert_int_equal(uid_by_proc(&l.peer, &l.ours), getuid());
        find(l.server, &p);
        assert_int_equal(p.known.uid, getuid());
        assert_true(p.known.loopback);
        assert_str_equal(p.known.address, i == 1 ? "::1" : "127.0.0.1");
        close_link(&l);
    }
}

static void test_a_closed_socket_is_nobodys_and_not_roots(void **state)
{
    (void)state;
    for (int i = 0; i < 3; i++) {
        struct link l;
        struct peer p = {0};
        uint32_t uid = 12345;
        open_link(&l, families[i][0], families[i][1]);
        close(l.client);
        l.client = -1;
        assert_true(find_by_netlink(&l, &uid));
        assert_int_equal(uid, UINT32_MAX);
        assert_int_equal(uid_by_proc(&l.peer, &l.ours), UINT32_MAX);
        find(l.server, &p);
        assert_int_equal(p.known.uid, UINT32_MAX);
        assert_true(p.known.loopback);
        close_link(&l);
    }
}

static void test_half_closed_sockets_are_still_somebodys(void **state)
{
    struct link l;
    struct peer p = {0};
    (void)state;
    open_link(&l, AF_INET, AF_INET);
    shutdown(l.client, SHUT_WR);
    find(l.server, &p);
    assert_int_equal(p.known.uid, getuid());
    close_link(&l);
}

/* The socket is the child's, made after it became another account. */
static void test_another_account(void **state)
{
    struct sockaddr_in a = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t n = sizeof(a);
    struct peer p = {0};
    int fds[2];
    (void)state;
    if (getuid() != 0)
        skip();
    int listener = socket(AF_INET, SOCK_STREAM, 0);
    assert_int_equal(bind(listener, (struct sockaddr *)&a, n), 0);
    assert_int_equal(listen(listener, 1), 0);
    getsockname(listener, (struct sockaddr *)&a, &n);
    assert_int_equal(pipe(fds), 0);
    pid_t pid = fork();
    if (pid == 0) {
        char c;
        close(fds[1]);
        int s = setuid(65534) == 0 ? socket(AF_INET, SOCK_STREAM, 0) : -1;
        if (s < 0 || connect(s, (struct sockaddr *)&a, n) != 0)
            _exit(1);
        _exit(read(fds[0], &c, 1) == 0 ? 0 : 1);
    }
    int server = accept(listener, NULL, NULL);
    find(server, &p);
    close(fds[1]);
    int status = -1;
    waitpid(pid, &status, 0);
    assert_int_equal(status, 0);
    assert_int_equal(p.known.uid, 65534);
    close(fds[0]);
    close(server);
    close(listener);
}

static void test_no_socket(void **state)
{
    struct peer p = {0};
    (void)state;
    find(-1, &p);
    assert_int_equal(p.known.uid, UINT32_MAX);
    assert_false(p.known.loopback);
    assert_str_equal(p.known.address, "");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_both_ways_find_the_account),
        cmocka_unit_test(test_a_closed_socket_is_nobodys_and_not_roots),
        cmocka_unit_test(test_half_closed_sockets_are_still_somebodys),
        cmocka_unit_test(test_another_account),
        cmocka_unit_test(test_no_socket),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

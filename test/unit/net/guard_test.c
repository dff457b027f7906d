/* Which addresses are public (D-37). */
#include "net/guard.h"

#include "unit.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/un.h>

static bool is_public(const char *text)
{
    struct sockaddr_in v4 = {.sin_family = AF_INET};
    struct sockaddr_in6 v6 = {.sin6_family = AF_INET6};
    if (inet_pton(AF_INET, text, &v4.sin_addr) == 1)
        return guard_is_public((struct sockaddr *)&v4);
    assert_int_equal(inet_pton(AF_INET6, text, &v6.sin6_addr), 1);
    return guard_is_public((struct sockaddr *)&v6);
}

static void test_public_addresses(void **state)
{
    static const char *const list[] = {
        "1.1.1.1",        "8.8.8.8",         "9.255.255.255",    "11.0.0.0",          "100.63.255.255",
        "100.128.0.0",    "126.255.255.255", "128.0.0.1",        "169.253.255.255",   "169.255.0.0",
        "172.15.255.255", "172.32.0.0",      "192.167.255.255",  "192.169.0.0",       "198.17.255.255",
        "198.20.0.0",     "223.255.255.255", "2606:4700::1111",  "2a00:1450:4001::1", "2001:4860:4860::8888",
        "2400::1",        "::ffff:8.8.8.8",  "64:ff9b::808:808", "2002:808:808::1",   "3ffd::1",
    };
    (void)state;
    for (size_t i = 0; i < sizeof(list) / sizeof(*list); i++)
        if (!is_public(list[i]))
            fail_msg("%s is public", list[i]);
}

/* long: one address of each range and its ends */
static void test_the_others(void **state)
{
    static const char *const list[] = {
        "0.0.0.0",
        "0.1.2.3",
        "10.0.0.1",
        "10.255.255.255",
        "100.64.0.0",
        "100.127.255.255",
        "127.0.0.1",
        "127.255.255.255",
        "169.254.169.254",
        "172.16.0.0",
        "172.31.255.255",
        "192.0.0.8",
        "192.0.2.1",
        "192.88.99.1",
        "192.168.0.1",
        "198.18.0.1",
        "198.19.255.255",
        "198.51.100.1",
        "203.0.113.1",
        "224.0.0.1",
        "239.255.255.255",
        "240.0.0.1",
        "255.255.255.255",
        "::",
        "::1",
        "::127.0.0.1",
        "::8.8.8.8",
        "::ffff:127.0.0.1",
        "::ffff:10.0.0.1",
        "::ffff:169.254.169.254",
        "::ffff:0:127.0.0.1",
        "64:ff9b::7f00:1",
        "64:ff9b::a9fe:a9fe",
        "64:ff9b:1::1",
        "100::1",
        "2001::1",
        "2001:2::1",
        "2001:10::1",
        "2001:20::1",
        "2001:db8::1",
        "2001:0:4136:e378:8000:63bf:80ff:fffe",
        "2002:7f00:1::1",
        "2002:c0a8:1::1",
        "3fff::1",
        "3ffe::1",
        "4000::1",
        "5f00::1",
        "fc00::1",
        "fd12:3456::1",
        "fe80::1",
        "febf::1",
        "fec0::1",
        "ff02::1",
        "ff0e::1",
    };
    (void)state;
    for (size_t i = 0; i < sizeof(list) / sizeof(*list); i++)
        if (is_public(list[i]))
            fail_msg("%s is not public", list[i]);
}

static void test_what_is_no_ip(void **state)
{
    struct sockaddr_un a = {.sun_family = AF_UNIX};
    (void)state;
    assert_false(guard_is_public((struct sockaddr *)&a));
}

static bool allows(const char *text, const struct cidr *allowed, size_t n)
{
    struct sockaddr_in v4 = {.sin_family = AF_INET};
    struct sockaddr_in6 v6 = {.sin6_family = AF_INET6};
    if (inet_pton(AF_INET, text, &v4.sin_addr) == 1)
        return guard_allows((struct sockaddr *)&v4, allowed, n);
    assert_int_equal(inet_pton(AF_INET6, text, &v6.sin6_addr), 1);
    return guard_allows((struct sockaddr *)&v6, allowed, n);
}

static void test_allowed_networks(void **state)
{
    struct cidr nets[2];
    struct sockaddr_un other = {.sun_family = AF_UNIX};
    (void)state;
    assert_true(cidr_parse(STR("10.1.0.0/16"), &nets[0]) && cidr_parse(STR("fd00:1::/32"), &nets[1]));
    static const char *const inside[] = {"10.1.0.0", "10.1.255.255", "::ffff:10.1.2.3", "fd00:1::5", "8.8.8.8"};
    static const char *const outside[] = {"10.2.0.0",  "10.0.255.255", "127.0.0.1",
                                          "fd00:2::5", "::1",          "::ffff:10.2.0.0"};
    for (size_t i = 0; i < sizeof(inside) / sizeof(*inside); i++)
        if (!allows(inside[i], nets, 2))
            fail_msg("%s is refused", inside[i]);
    for (size_t i = 0; i < sizeof(outside) / sizeof(*outside); i++)
        if (allows(outside[i], nets, 2))
            fail_msg("%s is allowed", outside[i]);
    assert_false(allows("10.1.0.0", nets, 0));
    assert_false(guard_allows((struct sockaddr *)&other, nets, 2));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_public_addresses),
        cmocka_unit_test(test_the_others),
        cmocka_unit_test(test_what_is_no_ip),
        cmocka_unit_test(test_allowed_networks),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

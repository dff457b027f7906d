/* Networks that settings name. */
#include "net/cidr.h"

#include "unit.h"

static void networks_hold_their_addresses(void **state)
{
    static const struct {
        const char *net, *address;
        bool in;
    } rows[] = {
        {"10.0.0.0/8", "10.255.255.255", true},
        {"10.0.0.0/8", "11.0.0.0", false},
        {"10.0.0.0/8", "::ffff:10.1.2.3", true},
        {"192.0.2.128/25", "192.0.2.128", true},
        {"192.0.2.128/25", "192.0.2.127", false},
        {"192.0.2.7", "192.0.2.7", true},
        {"192.0.2.7", "192.0.2.6", false},
        {"0.0.0.0/0", "203.0.113.1", true},
        {"0.0.0.0/0", "2001:db8::1", false},
        {"2001:db8::/33", "2001:db8:7fff::1", true},
        {"2001:db8::/33", "2001:db8:8000::1", false},
        {"::/0", "2001:db8::1", true},
        {"2001:db8::1", "2001:0db8:0::0001", true},
        {"10.0.0.0/8", "10.0.0", false},
        {"10.0.0.0/8", "", false},
    };
    struct cidr c;
    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
        assert_true(cidr_parse(str_from(rows[i].net), &c));
        assert_int_equal(cidr_has(&c, str_from(rows[i].address)), rows[i].in);
    }
}

static void what_is_no_network(void **state)
{
    static const char *const rows[] = {
        "",
        "/",
        "/8",
        "10.0.0.0/",
        "10.0.0.0/33",
        "10.0.0.1/8",
        "10.0.0.0/-1",
        "10.0.0.0/8/8",
        "10.0.0",
        "1000",
        "proxy",
        "::/129",
        "2001:db8::1/64",
        "fe80::1%lo",
        "10.0.0.0 /8",
        "0000:0000:0000:0000:0000:0000:0000:0000:0000:0000:0000:0000",
    };
    struct cidr c;
    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++)
        assert_false(cidr_parse(str_from(rows[i]), &c));
}

static void loopback_is_all_or_part_of_itself(void **state)
{
    static const char *const own[] = {"127.0.0.1", "127.0.0.0/8", "127.4.0.0/16", "::1", "::1/128", "::ffff:127.0.0.1"};
    static const char *const others[] = {"126.0.0.0/8", "128.0.0.1", "0.0.0.0/0", "::/0", "::2", "127::"};
    struct cidr c;
    (void)state;
    for (size_t i = 0; i < sizeof(own) / sizeof(*own); i++)
        assert_true(cidr_parse(str_from(own[i]), &c) && cidr_is_loopback(&c));
    for (size_t i = 0; i < sizeof(others) / sizeof(*others); i++)
        assert_true(cidr_parse(str_from(others[i]), &c) && !cidr_is_loopback(&c));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(networks_hold_their_addresses),
        cmocka_unit_test(what_is_no_network),
        cmocka_unit_test(loopback_is_all_or_part_of_itself),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

/* Against libc: gmtime_r and timegm for the calendar, localtime_r for the zones. RFC 3339 rows were given by the
 * official Python protobuf (Timestamp.FromJsonString, ToJsonString). */
#include "base/time.h"
#include "unit.h"

#include <time.h>

static void calendar_agrees_with_libc(void **state)
{
    (void)state;
    srand(1);
    for (int i = 0; i < 200000; i++) {
        /* years -3000 to 12000, every day of month and month end comes up */
        int64_t t = ((int64_t)rand() << 20 ^ rand()) % INT64_C(240000000000) - (i % 2 ? 0 : INT64_C(150000000000));
        time_t libc = (time_t)t;
        struct tm tm;
        struct time_civil c;
        gmtime_r(&libc, &tm);
        time_to_civil(t, &c);
        assert_int_equal(c.year, tm.tm_year + 1900);
        assert_int_equal(c.month, tm.tm_mon + 1);
        assert_int_equal(c.day, tm.tm_mday);
        assert_int_equal(c.hour, tm.tm_hour);
        assert_int_equal(c.minute, tm.tm_min);
        assert_int_equal(c.second, tm.tm_sec);
        assert_int_equal(c.weekday, tm.tm_wday);
        assert_int_equal(time_from_civil(c.year, c.month, c.day, c.hour, c.minute, c.second), t);
    }
}

static void rfc3339_is_printed_as_protobuf_does(void **state)
{
    static const struct {
        int64_t seconds;
        int32_t nanos;
        const char *text;
    } t[] = {
        {0, 0, "1970-01-01T00:00:00Z"},
        {0, 1, "1970-01-01T00:00:00.000000001Z"},
        {-1, 500000000, "1969-12-31T23:59:59.500Z"},
        {1700000000, 123456000, "2023-11-14T22:13:20.123456Z"},
        {1700000000, 120000000, "2023-11-14T22:13:20.120Z"},
        {951782400, 0, "2000-02-29T00:00:00Z"},
        {INT64_C(-62135596800), 0, "0001-01-01T00:00:00Z"},
        {INT64_C(253402300799), 999999999, "9999-12-31T23:59:59.999999999Z"},
    };
    char out[TIME_RFC3339_MAX] = "untouched";
    (void)state;
    assert_false(time_format_rfc3339(INT64_C(-62135596801), 0, out));
    assert_false(time_format_rfc3339(INT64_C(253402300800), 0, out));
    assert_false(time_format_rfc3339(0, -1, out));
    assert_false(time_format_rfc3339(0, 1000000000, out));
    assert_string_equal(out, "untouched");
    for (size_t i = 0; i < sizeof(t) / sizeof(*t); i++) {
        int64_t s;
        int32_t n;
        assert_true(time_format_rfc3339(t[i].seconds, t[i].nanos, out));
        assert_string_equal(out, t[i].text);
        assert_true(time_parse_rfc3339(str_from(out), &s, &n));
        assert_int_equal(s, t[i].seconds);
        assert_int_equal(n, t[i].nanos);
    }
}

static void times_of_logs_have_one_width(void **state)
{
    static const struct {
        int64_t ns;
        const char *text;
    } t[] = {
        {0, "1970-01-01T00:00:00.000Z"},         {INT64_C(1700000000120999999), "2023-11-14T22:13:20.120Z"},
        {-1, "1969-12-31T23:59:59.999Z"},        {-1000000000, "1969-12-31T23:59:59.000Z"},
        {INT64_MAX, "2262-04-11T23:47:16.854Z"}, {INT64_MIN, "1677-09-21T00:12:43.145Z"},
    };
    char out[TIME_RFC3339_MAX];
    (void)state;
    for (size_t i = 0; i < sizeof(t) / sizeof(*t); i++) {
        time_format_ms(t[i].ns, out);
        assert_string_equal(out, t[i].text);
    }
}

static void rfc3339_is_read_as_protobuf_does(void **state)
{
    static const struct {
        const char *text;
        int64_t seconds;
        int32_t nanos;
    } good[] = {
        {"1970-01-01T08:00:01+08:00", 1, 0},
        {"1969-12-31T16:00:01-08:00", 1, 0},
        {"2024-02-29T12:30:00.5Z", 1709209800, 500000000},
        {"2024-02-29T12:30:00.000000001+00:30", 1709208000, 1},
    };
    static const char *const bad[] = {
        "",
        "2024",
        "2024-01-01",
        "2024-01-01T00:00:00",
        "2024-01-01t00:00:00Z",
        "2024-01-01T00:00:00z",
        "2024-01-01 00:00:00Z",
        "2024-1-01T00:00:00Z",
        "0000-01-01T00:00:00Z",
        "2023-02-29T00:00:00Z",
        "2024-13-01T00:00:00Z",
        "2024-00-01T00:00:00Z",
        "2024-01-32T00:00:00Z",
        "2024-01-00T00:00:00Z",
        "2024-01-01T24:00:00Z",
        "2024-01-01T00:60:00Z",
        "2024-01-01T00:00:60Z",
        "2024-01-01T00:00:00.Z",
        "2024-01-01T00:00:00.1234567891Z",
        "2024-01-01T00:00:00+0100",
        "2024-01-01T00:00:00+1:00",
        "2024-01-01T00:00:00Z ",
        "10000-01-01T00:00:00Z",
        "9999-12-31T23:59:59-00:01",
        "0001-01-01T00:00:00+00:01",
        "2024-01-01T00:00:00,5Z",
        "+2024-01-01T00:00:00Z",
    };
    int64_t s = 5;
    int32_t n = 5;
    (void)state;
    for (size_t i = 0; i < sizeof(bad) / sizeof(*bad); i++)
        if (time_parse_rfc3339(str_from(bad[i]), &s, &n))
            fail_msg("accepted: %s", bad[i]);
    assert_int_equal(s, 5);
    assert_int_equal(n, 5);
    for (size_t i = 0; i < sizeof(good) / sizeof(*good); i++) {
        assert_true(time_parse_rfc3339(str_from(good[i].text), &s, &n));
        assert_int_equal(s, good[i].seconds);
        assert_int_equal(n, good[i].nanos);
    }
}

static void durations(void **state)
{
    static const struct {
        const char *text;
        int64_t ns;
    } good[] = {
        {"0", 0},
        {"90", 90 * NS_PER_S},
        {"1.5", 1500000000},
        {"250ms", 250 * NS_PER_MS},
        {"1.5s", 1500000000},
        {".5m", 30 * NS_PER_S},
        {"1.1h", INT64_C(3960) * NS_PER_S},
        {"0.1d", INT64_C(8640) * NS_PER_S},
        {"2h30m", INT64_C(9000) * NS_PER_S},
        {"7d", INT64_C(604800) * NS_PER_S},
        {"1d1h1m1s1ms1us1ns", INT64_C(90061001001001)},
        {"106751d", INT64_C(106751) * 86400 * NS_PER_S},
        {"9223372036854775807ns", INT64_MAX},
    };
    static const char *const bad[] = {"",
                                      "s",
                                      "-1s",
                                      "+1s",
                                      "1 s",
                                      "1x",
                                      "1s1",
                                      "1s1s",
                                      "1..5s",
                                      ".",
                                      ".s",
                                      "106752d",
                                      "9223372036854775808ns",
                                      "99999999999999999999s",
                                      "1S",
                                      "1e3s",
                                      "106751d2000h"};
    int64_t ns = 7;
    (void)state;
    for (size_t i = 0; i < sizeof(bad) / sizeof(*bad); i++)
        if (time_parse_duration(str_from(bad[i]), &ns))
            fail_msg("accepted: %s", bad[i]);
    assert_int_equal(ns, 7);
    for (size_t i = 0; i < sizeof(good) / sizeof(*good); i++) {
        if (!time_parse_duration(str_from(good[i].text), &ns) || ns != good[i].ns)
            fail_msg("%s: %lld", good[i].text, (long long)ns);
    }
}

static void check_zone(const char *name, int64_t t)
{
    time_t libc = (time_t)t;
    struct tm tm;
    struct time_zone *z = time_zone_find(str_from(name));
    assert_non_null(z);
    localtime_r(&libc, &tm);
    if (time_zone_offset(z, t) != (int32_t)tm.tm_gmtoff)
        fail_msg("%s at %lld: %d, libc says %ld", name, (long long)t, time_zone_offset(z, t), tm.tm_gmtoff);
}

static void zones_agree_with_libc(void **state)
{
    static const char *const names[] = {
        "Europe/Berlin",    "America/New_York", "Europe/Dublin",     "Australia/Lord_Howe",
        "Asia/Kolkata",     "Asia/Gaza",        "America/Sao_Paulo", "Africa/Casablanca",
        "America/Nuuk",     "Pacific/Apia",     "Etc/GMT+5",         "Asia/Tokyo",
        "Antarctica/Troll", "America/Santiago", "Pacific/Chatham",   "Africa/Cairo",
    };
    (void)state;
    srand(2);
    for (size_t i = 0; i < sizeof(names) / sizeof(*names); i++) {
        setenv("TZ", names[i], 1);
        tzset();
        /* 1930 to 2200: before 1930 libc and RFC 8536 name other first types */
        for (int k = 0; k < 4000; k++)
            check_zone(names[i], INT64_C(-1262304000) + ((int64_t)rand() << 16 ^ rand()) % INT64_C(8520000000));
        /* each hour of two years, far beyond the table */
        for (int64_t t = INT64_C(2524608000); t < INT64_C(2524608000) + 2 * 366 * 86400; t += 1800)
            check_zone(names[i], t);
    }
    unsetenv("TZ");
}

static void zone_names_cannot_escape(void **state)
{
    static const char *const bad[] = {"../../../etc/passwd",
                                      "/etc/localtime",
                                      "Europe/../Europe/Berlin",
                                      "No/Such",
                                      "Europe",
                                      ".",
                                      "Europe/Berlin ",
                                      "right/UTC",
                                      "tzdata.zi",
                                      "xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx"};
    (void)state;
    for (size_t i = 0; i < sizeof(bad) / sizeof(*bad); i++)
        if (time_zone_find(str_from(bad[i])))
            fail_msg("found: %s", bad[i]);
    assert_ptr_equal(time_zone_find(STR("")), time_zone_find(STR("UTC")));
    assert_int_equal(time_zone_offset(time_zone_find(STR("UTC")), 1700000000), 0);
}

static void clocks(void **state)
{
    (void)state;
    int64_t a = time_now_ns(), w = time_wall_ns();
    time_test_shift(3600 * NS_PER_S);
    assert_true(time_now_ns() - a >= 3600 * NS_PER_S);
    assert_true(time_wall_ns() - w >= 3600 * NS_PER_S);
    time_test_shift(-3600 * NS_PER_S);
    assert_true(time_now_ns() >= a);
    assert_int_equal(time_boot_id().n, 36);
    assert_int_equal(time_boot_id().p[8], '-');
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(calendar_agrees_with_libc),
        cmocka_unit_test(rfc3339_is_printed_as_protobuf_does),
        cmocka_unit_test(times_of_logs_have_one_width),
        cmocka_unit_test(rfc3339_is_read_as_protobuf_does),
        cmocka_unit_test(durations),
        cmocka_unit_test(zones_agree_with_libc),
        cmocka_unit_test(zone_names_cannot_escape),
        cmocka_unit_test(clocks),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
